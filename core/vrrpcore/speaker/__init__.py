"""The active speaker: runs machines on sockets and links, with one timer queue."""
