"""Tells others of what happened: notify scripts, FIFOs and mail, in keepalived's words."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from vrrpcore.settings import Command, Fifo, Instance, Notify, Settings
from vrrpcore.speaker.mail import Alerts, Mailer
from vrrpcore.speaker.permission import identity

Read = Callable[[Command | None, str], None]


class Spawn(Protocol):
    """Starts a program; `environment` is added to ours."""

    def __call__(
        self, command: Command, arguments: tuple[str, ...], environment: Mapping[str, str] | None = None
    ) -> None: ...


class Teller:
    """What is told for one configuration. `spawn` starts a script, `read` one for a FIFO and ends the one before
    (None: only that); they do not wait."""

    def __init__(self, settings: Settings, spawn: Spawn, read: Read, report: Callable[[str, Any], object]) -> None:
        self._settings, self._spawn, self._read, self._report = settings, spawn, read, report
        self._before: dict[str, Instance] = {}  # as they were configured: whoever was deleted is told of so
        self._alerts = Alerts()
        self.mailer = Mailer(settings.global_defs, report)
        self.fifos = Fifos(self._log)

    def configure(self, settings: Settings) -> None:
        """Take over a configuration."""
        self._before |= {each.name: each for each in self._settings.instances}
        self._settings = settings
        self.mailer.defs = settings.global_defs
        for path, command in self.fifos.configure(settings):
            self._read(command, path)

    # -- what happened --

    def changed(self, name: str, state: str, priority: int) -> None:
        """An instance is in another state: MASTER, BACKUP, FAULT, STOP."""
        instance = self._settings.instance(name)
        if instance is not None:
            self._tell(instance.notify, "INSTANCE", name, state, priority)

    def group(self, name: str, state: str) -> None:
        """A sync group is."""
        group = next((each for each in self._settings.sync_groups if each.name == name), None)
        if group is not None:
            self._tell(group.notify, "GROUP", name, state, 0)

    def deleted(self, name: str, priority: int) -> None:
        """A reload has deleted an instance, or put another one of that name in its place.

        keepalived calls that FAULT, without running notify_fault, unless notify_deleted is given.
        """
        instance = self._before.get(name) or self._settings.instance(name)
        if instance is None:
            return
        notify = instance.notify
        if notify.deleted is not None:
            self._spawn(notify.deleted, ())
        self._tell_all(notify, "INSTANCE", name, "DELETED" if notify.deleted_sends_deleted else "FAULT", priority)
        self._alerts.forget("INSTANCE", name)

    def priority(self, name: str, state: str, priority: int) -> None:
        """The effective priority of an instance has changed."""
        instance = self._settings.instance(name)
        if instance is not None and instance.notify.priority_changes:
            word = "MASTER" if state == "MASTER" else "BACKUP"
            self.fifos.write(f'INSTANCE "{name}" {word}_PRIORITY {priority}\n')

    def lower_priority(self, name: str, priority: int) -> None:
        """A master has received an advert with a lower priority."""
        instance = self._settings.instance(name)
        if instance is None:
            return
        if instance.notify.master_rx_lower_pri is not None:
            self._spawn(instance.notify.master_rx_lower_pri, ())
        self.fifos.write(f'INSTANCE "{name}" MASTER_RX_LOWER_PRI {priority}\n')

    def standing(self, kind: str, name: str, state: str, priority: int) -> None:
        """After a reload, under fifo_write_vrrp_states_on_reload: an INSTANCE or GROUP is where it was."""
        self.fifos.write(f'{kind} "{name}" {state} {priority}\n')

    def split_brain(
        self, name: str, word: str, priority: int, command: Command | None, environment: Mapping[str, str]
    ) -> None:
        """What the judge beside the speaker says (run --watch): the words of `notify`, the rest in the environment."""
        if command is not None:
            arguments = ("INSTANCE", name, word, str(priority), environment["VRRPWATCH_CAUSE"])
            self._spawn(command, arguments, environment)
        self.fifos.write(f'INSTANCE "{name}" {word} {priority}\n')

    def _tell(self, notify: Notify, kind: str, name: str, state: str, priority: int) -> None:
        own = {"MASTER": notify.master, "BACKUP": notify.backup, "FAULT": notify.fault, "STOP": notify.stop}
        command = own.get(state)
        if command is not None:
            self._spawn(command, ())
        self._tell_all(notify, kind, name, state, priority)

    def _tell_all(self, notify: Notify, kind: str, name: str, state: str, priority: int) -> None:
        """Those who hear of every change."""
        if notify.any is not None:
            self._spawn(notify.any, (kind, name, state, str(priority)))
        self.fifos.write(f'{kind} "{name}" {state} {priority}\n')
        if notify.smtp_alert:
            mail = self._alerts.mail(self._settings.global_defs, kind, name, state, time.time())
            if mail is not None:
                self.mailer.post(mail)

    def _log(self, level: str, line: str) -> None:
        self._report("log", (level, line))


class Fifos:
    """The notify FIFOs: made where there is none, kept open so that a reader may come and go."""

    def __init__(self, log: Callable[[str, str], None]) -> None:
        self._log = log
        self._open: dict[str, int] = {}
        self._kept: dict[str, Fifo] = {}  # as they were configured
        self._made: set[str] = set()

    def configure(self, settings: Settings) -> list[tuple[str, Command | None]]:
        """Open the FIFOs of a configuration, close others; (path, script) for each whose reader is another one now."""
        defs = settings.global_defs
        wanted = {each.path: each for each in (defs.notify_fifo, defs.vrrp_notify_fifo) if each is not None}
        others = [path for path, fifo in self._kept.items() if wanted.get(path) != fifo]
        for path in others:
            self._close(path)
        fresh = {
            path: each.script for path, each in wanted.items() if path not in self._open and self._begin(each, settings)
        }
        return [(path, fresh.get(path)) for path in dict.fromkeys((*others, *fresh))]

    def _begin(self, fifo: Fifo, settings: Settings) -> bool:
        try:
            fresh = not Path(fifo.path).exists()
            if fresh:
                os.mkfifo(fifo.path, 0o600)
                self._made.add(fifo.path)
            elif not stat.S_ISFIFO(os.stat(fifo.path).st_mode):
                self._log("error", f"notify FIFO {fifo.path}: exists and is no FIFO")
                return False
            self._open[fifo.path] = os.open(fifo.path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            self._log("error", f"notify FIFO {fifo.path}: {error.strerror}")
            return False
        self._kept[fifo.path] = fifo
        if fresh:
            self._give(fifo, settings)
        return True

    def _give(self, fifo: Fifo, settings: Settings) -> None:
        """A FIFO that we made belongs to its user; where that cannot be, it stays ours."""
        try:
            owner = identity(Command(("",), fifo.user, fifo.group), settings.global_defs)
            if owner != (os.geteuid(), os.getegid()):
                os.chown(fifo.path, owner.uid, owner.gid)
        except (LookupError, OSError) as error:
            why = error.strerror if isinstance(error, OSError) else error.args[0]
            self._log("warning", f"notify FIFO {fifo.path} stays with user {os.geteuid()}: {why}")

    def write(self, line: str) -> None:
        """One line into each FIFO; where nobody reads, it is lost, and that is said."""
        for path, descriptor in self._open.items():
            try:
                os.write(descriptor, line.encode())
            except OSError as error:
                self._log("warning", f"notify FIFO {path}: nobody reads it ({error.strerror}); lost: {line.strip()}")

    def close(self) -> None:
        """Readers come to the end; what we made is removed."""
        for path in list(self._open):
            self._close(path)

    def _close(self, path: str) -> None:
        os.close(self._open.pop(path))
        del self._kept[path]
        if path in self._made:
            self._made.discard(path)
            Path(path).unlink(missing_ok=True)
