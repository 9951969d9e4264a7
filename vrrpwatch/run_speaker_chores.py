"""The process for scripts, FIFOs and mail as `vrrpwatch run` keeps it: started where needed, and again when it dies."""

from __future__ import annotations

import logging
import selectors
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from vrrpcore.settings import Command, GlobalDefs, Settings, Tracking
from vrrpcore.speaker.chores import ChoresProcess
from vrrpcore.speaker.permission import refusal
from vrrpcore.speaker.programs import run_to_end
from vrrpwatch.keepalived_conf.scripts import commands
from vrrpwatch.run_speaker_checks import has_chores

_LAST_SECONDS: Final = 7.0  # how long the last notify scripts and mails may take
_LEVELS: Final = {"debug": 10, "info": 20, "warning": 30, "error": 40}
log = logging.getLogger("vrrpwatch.speaker")


class Chores:
    """None of its methods waits for the process, but for `end`."""

    def __init__(self, selector: selectors.BaseSelector, tracked: Callable[[str, str, int], None]) -> None:
        """`tracked(kind, name, value)` hears the results of what is watched."""
        self._selector, self._tracked = selector, tracked
        self._settings: Settings | None = None
        self._wanted = False
        self._process: ChoresProcess | None = None
        self._before = {"sent": 0, "failed": 0}  # mails of processes that have ended
        self._mails = {"sent": 0, "failed": 0, "waiting": 0}  # of this one

    def configure(self, settings: Settings, wanted: bool = False) -> None:
        """Take over a configuration; the process is started where this one is the first to need it, or `wanted`."""
        self._settings, self._wanted = settings, wanted
        if self._process is not None:
            self._process.command("configure", settings)
        elif wanted or has_chores(settings):
            self._process = ChoresProcess(settings)
            self._selector.register(self._process.reports, selectors.EVENT_READ, self._take)

    def tell(self, word: str, value: Any) -> None:
        """A command: see vrrpcore.speaker.chores."""
        if self._process is not None:
            self._process.command(word, value)

    def mails(self) -> dict[str, int]:
        """What became of the mails since the start."""
        return {key: value + self._before.get(key, 0) for key, value in self._mails.items()}

    def end(self) -> None:
        """The last notifications are on their way; give them the time that they may take."""
        process = self._process
        if process is None:
            return
        process.stop()
        by = time.monotonic() + _LAST_SECONDS
        while process.poll() is None and time.monotonic() < by:
            self._read(process)
            time.sleep(0.02)
        process.kill()
        self._bury(process)

    def _take(self) -> None:
        process = self._process
        if process is None:
            return
        self._read(process)
        if process.poll() is not None:
            self._bury(process)
            log.error("the process for scripts ended and is started again")
            assert self._settings is not None
            self.configure(self._settings, self._wanted)

    def _read(self, process: ChoresProcess) -> None:
        for kind, value in process.read():
            if kind == "tracked":
                self._tracked(*value)
            elif kind == "log":
                log.log(_LEVELS[value[0]], "%s", value[1])
            elif kind == "mail":
                self._mails = value

    def _bury(self, process: ChoresProcess) -> None:
        """It has ended: mails that it still had are lost with it."""
        self._read(process)
        lost = self._mails["waiting"]
        if lost:
            log.error("%d mails were not sent: the process for scripts and mail ended", lost)
        self._before = {"sent": self.mails()["sent"], "failed": self.mails()["failed"] + lost}
        self._mails = {"sent": 0, "failed": 0, "waiting": 0}
        self._selector.unregister(process.reports)
        process.close()
        self._process = None


def without_refused(settings: Settings) -> tuple[Settings, list[str]]:
    """As keepalived has it: a script that must not or cannot be run is not tracked. With the reasons, one line each.

    Notify scripts stay: each run is judged anew.
    """
    lines = []
    for command, owner in commands(_ours(settings)):
        why = refusal(command, settings.global_defs)
        if why:
            lines.append(f"{owner}: {' '.join(command.words)} is not run: {why}")
    gone = {each.name for each in settings.scripts if refusal(each.command, settings.global_defs)}
    if not gone:
        return settings, lines
    lines.append(f"not tracked for that reason: {', '.join(sorted(gone))}")
    kept = replace(
        settings,
        scripts=tuple(each for each in settings.scripts if each.name not in gone),
        instances=tuple(replace(each, tracking=_tracking(each.tracking, gone)) for each in settings.instances),
        sync_groups=tuple(replace(each, tracking=_tracking(each.tracking, gone)) for each in settings.sync_groups),
    )
    return kept, lines


def _ours(settings: Settings) -> Settings:
    """Without the scripts of health checks."""
    defs = replace(settings.global_defs, lvs_notify_fifo=None)
    return replace(settings, virtual_servers=(), global_defs=defs)


def _tracking(tracking: Tracking, gone: set[str]) -> Tracking:
    return replace(tracking, scripts=tuple(each for each in tracking.scripts if each.name not in gone))


def run_script(command: Command | None, defs: GlobalDefs, seconds: float) -> None:
    """startup_script, shutdown_script: run to their end."""
    problem = run_to_end(command, defs, seconds) if command is not None else ""
    if command is not None and problem:
        log.error("%s %s", " ".join(command.words), problem)
