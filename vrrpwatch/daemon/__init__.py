"""`vrrpwatch watch`: the sensor, its exporter, its memory and its notifications, in one process.

main thread    capture -> judge -> board (the latest snapshot, immutable)      sensor.py
http           event loop; pages made on two workers from the board           vrrpexporters.http_server
scribe         journal, notices, textfile                                      scribe.py
couriers       one per receiver, from the journal's outbox                     couriers.py
sources        keepalived's FIFO, vtysh, our speaker's state                   vrrpwatch.sources
housekeeping   APScheduler: pruning, resending                                 housekeeping.py
"""

from __future__ import annotations

from .service import run_watch

__all__ = ["run_watch"]
