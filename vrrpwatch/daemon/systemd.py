"""sd_notify: one datagram to the service manager (the protocol is a stable interface of systemd's)."""

from __future__ import annotations

import logging
import os
import socket

log = logging.getLogger(__name__)


class ServiceManager:
    """Tells systemd what the service does; silent where there is none."""

    def __init__(self) -> None:
        self._path = os.environ.get("NOTIFY_SOCKET", "")
        microseconds = os.environ.get("WATCHDOG_USEC", "")
        ours = os.environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        #: Seconds between two signs of life; 0: none are wanted.
        self.watchdog = int(microseconds) / 3e6 if microseconds.isdecimal() and ours else 0.0

    def tell(self, *lines: str) -> None:
        """Such as `READY=1`, `STATUS=…`, `WATCHDOG=1`, `STOPPING=1`."""
        if not self._path:
            return
        address = "\0" + self._path[1:] if self._path.startswith("@") else self._path
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as wire:
                wire.setblocking(False)
                wire.sendto("\n".join(lines).encode(), address)
        except OSError as error:
            log.debug("the service manager cannot be told: %s", error)
