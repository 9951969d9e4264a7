"""keepalived by its notify FIFO and the host's addresses.

`vrrp_notify_fifo /run/keepalived/vrrpwatch.fifo` in its global_defs makes keepalived write a line for each change:
`INSTANCE "VI_1" MASTER 150`. A FIFO has one reader: this is vrrpwatch's own. keepalived keeps it open for writing, so
what it says before we read waits there, and that nobody has it open for writing says that keepalived is gone. Until a
line comes (we were restarted, it was not) the addresses on the interfaces say who is master. Signals, its other way of
being asked, are never used: they interrupt a daemon that must not be late.
"""

from __future__ import annotations

import logging
import os
import re
import select
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from vrrpcore.settings import Instance as Configured
from vrrpcore.verdict import FAMILY_NAMES
from vrrpexporters.snapshot import Instance
from vrrpwatch.config import KeepalivedSource
from vrrpwatch.keepalived_conf.read import read as read_conf
from vrrpwatch.local_addresses import local_addresses

from . import Masterships, Segments, Source

log = logging.getLogger(__name__)

_LINE: Final = re.compile(r'^(INSTANCE|GROUP)\s+"([^"]*)"\s+([A-Z_]+)(?:\s+(\d+))?')
_STATES: Final = {"MASTER": "master", "BACKUP": "backup", "FAULT": "fault", "STOP": "init", "DELETED": "init"}
_MOST: Final = 1 << 20  # octets of a line that never ends


def _on_this_host() -> set[bytes]:
    return {row.address for row in local_addresses()}


class KeepalivedState(Source):
    """The instances of keepalived on this host."""

    daemon = "keepalived"
    interval = 0.1  # a look waits for lines by itself
    _WAIT: Final = 0.5

    def __init__(
        self,
        settings: KeepalivedSource,
        segments: Segments,
        failed: Callable[[str, Exception], None] = lambda name, error: None,
        addresses: Callable[[], set[bytes]] = _on_this_host,
    ) -> None:
        super().__init__(segments, failed)
        self._settings, self._addresses = settings, addresses
        self._fifo = -1
        self._rest = b""
        self._alive = False
        self._said: dict[str, str] = {}
        self._priority: dict[str, int] = {}
        self._masterships = Masterships()
        self._configured: tuple[Configured, ...] = ()
        self._stamp: object = None

    def close(self) -> None:
        """Let go of the FIFO."""
        if self._fifo >= 0:
            os.close(self._fifo)
            self._fifo = -1

    def present(self) -> bool:
        """Whether somebody has the FIFO open for writing."""
        return self._alive

    def look(self) -> list[Instance]:
        """Wait a moment for lines, then put together what is known."""
        self._read_configuration()
        self._listen()
        held = self._addresses()
        return [self._instance(row, held) for row in self._configured]

    def _read_configuration(self) -> None:
        """Read keepalived.conf when it has changed (its included files are read with it, at its next change)."""
        path = Path(self._settings.config)
        state = path.stat()
        stamp = (state.st_ino, state.st_mtime_ns, state.st_size)
        if stamp != self._stamp:
            settings, _ = read_conf(str(path))
            self._configured, self._stamp = settings.instances, stamp
            if not settings.instances:
                log.warning("%s configures no vrrp_instance", path)

    def _open(self) -> None:
        path = Path(self._settings.fifo)
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            os.mkfifo(path, 0o600)
        if not stat.S_ISFIFO(path.stat().st_mode):
            raise OSError(f"{path} is no FIFO")
        self._fifo = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)

    def _replaced(self) -> bool:
        """Whether another FIFO is there now: a restarted service's folder in /run is made anew."""
        try:
            now, ours = Path(self._settings.fifo).stat(), os.fstat(self._fifo)
        except FileNotFoundError:
            return True
        return (now.st_dev, now.st_ino) != (ours.st_dev, ours.st_ino)

    def _listen(self) -> None:
        if self._fifo >= 0 and self._replaced():
            self.close()
            self._gone()
        if self._fifo < 0:
            self._open()
        poll = select.poll()
        poll.register(self._fifo, select.POLLIN)
        if any(event & select.POLLHUP and not event & select.POLLIN for _, event in poll.poll(self._WAIT * 1000)):
            time.sleep(self._WAIT)  # nobody writes: poll would return at once for ever
        while True:
            try:
                data = os.read(self._fifo, 65536)
            except BlockingIOError:
                self._alive = True
                return
            if not data:
                self._gone()
                return
            *lines, self._rest = (self._rest + data).split(b"\n")
            self._rest = self._rest[-_MOST:]
            for line in lines:
                self._take(line.decode("utf-8", "replace"))

    def _gone(self) -> None:
        """keepalived has ended; after a kill -9 its addresses may still be there, and it says nothing any more."""
        if self._alive:
            log.info("keepalived has closed %s", self._settings.fifo)
        self._alive = False
        self._said.clear()
        self._rest = b""
        self.close()  # keepalived removes the FIFO that it made: the next one is another file of the same name

    def _take(self, line: str) -> None:
        found = _LINE.match(line)
        if found is None or found[1] != "INSTANCE":
            return
        name, word, priority = found[2], found[3], found[4]
        if priority is not None:
            self._priority[name] = int(priority)
        if word in _STATES:
            self._said[name] = _STATES[word]
            self._masterships.see(name, _STATES[word])

    def _instance(self, row: Configured, held: set[bytes]) -> Instance:
        addresses = [a.address for a in (*row.addresses, *row.excluded_addresses)]
        present = sum(address in held for address in addresses)
        state = self._said.get(row.name)
        if not self._alive:
            state = "init"
        elif state is None:
            state = "master" if addresses and present == len(addresses) else "backup"
        since = self._masterships.see(row.name, state)
        return Instance(
            daemon=self.daemon,
            name=row.name,
            segment=self._segments(row.interface) if row.interface else "",
            family=FAMILY_NAMES[row.family],
            vrid=row.vrid,
            interface=row.interface,
            state=state,
            since=since,
            priority=self._priority.get(row.name, row.priority),
            held=present,
            counters=self._masterships.counters(row.name),
        )
