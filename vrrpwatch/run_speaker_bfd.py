"""The process for BFD sessions as `run`'s supervisor keeps it: there while the configuration wants it."""

from __future__ import annotations

import logging
import selectors
import time
from collections.abc import Callable
from typing import Final

from vrrpcore.settings import Settings
from vrrpcore.speaker.bfdprocess import BfdProcess

_STOP_SECONDS: Final = 2.0
_RESTART_SECONDS: Final = 1.0  # one that lived shorter than this is not started again at once
_LEVELS: Final = {"debug": 10, "info": 20, "warning": 30, "error": 40}
log = logging.getLogger("vrrpwatch.speaker")


class BfdKeeper:
    """Starts it, starts it again when it dies, hands its reports on."""

    def __init__(self, selector: selectors.BaseSelector, tracked: Callable[[str, str, int], None]) -> None:
        """`tracked(kind, name, value)` hears which sessions are up."""
        self._selector, self._tracked = selector, tracked
        self._settings = Settings()
        self._child: BfdProcess | None = None
        self._born = 0.0

    def configure(self, settings: Settings) -> None:
        """Take over a configuration, the first one too."""
        self._settings = settings
        if not any(each.for_vrrp for each in settings.bfd_instances):
            self.end()
        elif self._child is not None:
            self._child.command("configure", settings)
        else:
            self._child, self._born = BfdProcess(settings), time.monotonic()
            self._selector.register(self._child.reports, selectors.EVENT_READ, self._read)

    def _read(self) -> None:
        child = self._child
        if child is None:
            return
        for kind, report in child.read():
            if kind == "tracked":
                self._tracked(*report)
            elif kind == "log":
                log.log(_LEVELS[report[0]], "%s", report[1])
        if child.poll() is not None:
            self._forget()
            log.error("the process for BFD ended and is started again")
            if time.monotonic() - self._born < _RESTART_SECONDS:
                time.sleep(_RESTART_SECONDS)
            self.configure(self._settings)

    def end(self) -> None:
        """Tell the neighbours that it is meant, and end."""
        child = self._child
        if child is None:
            return
        child.stop()
        by = time.monotonic() + _STOP_SECONDS
        while child.poll() is None and time.monotonic() < by:
            time.sleep(0.01)
        child.kill()
        self._forget()

    def _forget(self) -> None:
        if self._child is not None:
            self._selector.unregister(self._child.reports)
            self._child.close()
            self._child = None
