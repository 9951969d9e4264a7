"""What the VRRP daemons on this host say of themselves: our speaker, keepalived, FRR.

Each source has a thread of its own that looks now and then; readers take what it saw last. Nobody is ever signalled.
"""

from __future__ import annotations

import logging
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable

from vrrpexporters.snapshot import Instance

log = logging.getLogger(__name__)

#: Interface name -> the segment under which the wire's verdicts name it.
Segments = Callable[[str], str]


class Source(ABC):
    """One daemon that is asked. `failed` counts what went wrong."""

    daemon = ""
    interval = 1.0  # seconds between two looks

    def __init__(self, segments: Segments, failed: Callable[[str, Exception], None] = lambda name, error: None) -> None:
        self._segments, self._failed = segments, failed
        self._instances: tuple[Instance, ...] = ()
        self._up = False
        self._complaint = ""
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"source-{self.daemon}", daemon=True)

    @property
    def up(self) -> bool:
        """Whether the last look worked and the daemon was there."""
        return self._up

    def instances(self) -> tuple[Instance, ...]:
        """As seen last; nothing while the daemon cannot be asked."""
        return self._instances

    def start(self) -> None:
        """Begin to look, in a thread."""
        self._thread.start()

    def stop(self) -> None:
        """End; does not wait for a look that hangs."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(2.0)
        self.close()

    def close(self) -> None:
        """Let go of what is open."""
        return

    def _run(self) -> None:
        while not self._stopping.is_set():
            begun = time.monotonic()
            self.update()
            self._stopping.wait(max(self.interval - (time.monotonic() - begun), 0.05))

    def update(self) -> None:
        """One look; a failure is counted, and said when it is new."""
        try:
            self._instances = tuple(self.look())
            self._up = self.present()
            self._complaint = ""
        except Exception as error:  # noqa: BLE001 - the daemon's output is foreign; the next look is tried again
            self._instances, self._up = (), False
            if str(error) != self._complaint:
                self._complaint = str(error)
                log.warning("%s cannot be asked: %s", self.daemon, str(error) or type(error).__name__)
            self._failed(f"source_{self.daemon}", error)

    def present(self) -> bool:
        """Whether the daemon was there at the last look."""
        return True

    @abstractmethod
    def look(self) -> list[Instance]:
        """Ask once; may raise anything."""


class Masterships:
    """Since when each instance is master, on the monotonic clock, from states seen one after another.

    The first sight of a master counts as its beginning: too late is safe, too early would look like an overlap with
    another host's mastership that never was.
    """

    def __init__(self) -> None:
        self._since: dict[str, float] = {}
        self.transitions: dict[str, int] = {}
        self.releases: dict[str, int] = {}
        self._states: dict[str, str] = {}

    def see(self, name: str, state: str, *, again: bool = False, age: float | None = None) -> float | None:
        """Take a state; when it became master (None: it is not). `again`: it was something else in between;
        `age`: seconds for which it has been master, where the daemon says so."""
        before = self._states.get(name)
        self._states[name] = state
        if before == "master" and (state != "master" or again):
            self.releases[name] = self.releases.get(name, 0) + 1
        if state != "master":
            self._since.pop(name, None)
            return None
        if before != "master" or again:
            if before is not None:
                self.transitions[name] = self.transitions.get(name, 0) + 1
            self._since[name] = time.monotonic() - (age or 0.0)
        return self._since[name]

    def counters(self, name: str) -> dict[str, int]:
        """What was counted, for daemons that do not count themselves."""
        return {"master_transitions": self.transitions.get(name, 0), "master_releases": self.releases.get(name, 0)}
