"""The process for everything that may take its time: track scripts, files and processes, notify scripts, FIFOs, mail.

Nothing of this runs in the process that keeps time. Results go to the supervisor as ("tracked", (kind, name, value)),
which hands them on; changes of state come from there as commands:

    configure Settings | changed (instance, STATE, priority) | group (name, STATE) | deleted (instance, priority)
    priority (instance, STATE, number) | lower_priority (instance, priority)
    standing (INSTANCE or GROUP, name, STATE, priority) | stop
    split_brain (instance, WORD, priority, Command or None, environment)

What was delivered goes back as ("mail", {"sent": n, "failed": n, "waiting": n}).
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

from vrrpcore.links import Linkbeat
from vrrpcore.settings import Command, Settings, TrackFile, TrackProcess, TrackScript
from vrrpcore.speaker.filewatch import FileWatch, number_in
from vrrpcore.speaker.linkstates import polled_links
from vrrpcore.speaker.process import Child, Control, Reports
from vrrpcore.speaker.programs import Programs
from vrrpcore.speaker.telling import Teller

_FILE_SECONDS: Final = 0.2  # how often a tracked file is looked at whose directory cannot be watched
_PROCESS_SECONDS: Final = 0.5
_LINK_SECONDS: Final = 1.0
_LAST_SECONDS: Final = 5.0  # how long scripts may still run, and mails may take, after the end
_SUPERVISORS: Final = (
    *(signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2),
    signal.SIGRTMIN + 2,
)


class ChoresProcess(Child):
    """The child as its supervisor sees it."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(lambda control, report: asyncio.run(_work(settings, control, report)))


async def _work(settings: Settings, control: socket.socket, report: Reports) -> int:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for number in _SUPERVISORS:  # caught, not ignored: programs that we start have them as usual
        signal.signal(number, lambda number, frame: None)
    chores = Chores(settings, report)
    loop = asyncio.get_running_loop()
    done = asyncio.Event()

    def obey(word: str, value: Any) -> None:
        if word == "stop":
            loop.remove_reader(control.fileno())
            done.set()
        else:
            chores.obey(word, value)

    loop.add_reader(control.fileno(), Control(control, obey).read)
    chores.configure(settings)
    await done.wait()
    await chores.finish()
    return 0


class Chores:
    """All that is watched and run for one configuration."""

    def __init__(self, settings: Settings, report: Reports) -> None:
        self._report = report
        self._watchers: dict[object, asyncio.Task[None]] = {}  # what is watched, as configured
        self._file_watch: FileWatch | None = None
        self._running: set[asyncio.Task[Any]] = set()
        self._readers: dict[str, asyncio.Task[None]] = {}  # scripts that read FIFOs, by path
        self._programs = Programs(settings.global_defs, self._log)
        self._teller = Teller(settings, self._spawn, self._read, report)

    # -- configuration --

    def configure(self, settings: Settings) -> None:
        """Watch what this configuration names; what stays as it was goes on (a script may be in mid `rise`)."""
        self._programs.defs = settings.global_defs
        if settings.track_files:
            self._watch_files()
        wanted: dict[object, Callable[[], Coroutine[Any, Any, None]]] = {}
        used = tracked_scripts(settings)
        wanted |= {each: partial(self._script, each) for each in settings.scripts if each.name in used}
        wanted |= {each: partial(self._file, each) for each in settings.track_files}
        wanted |= {each: partial(self._process, each) for each in settings.processes}
        wanted |= {each: partial(self._link, *each) for each in polled_links(settings)}
        for gone in self._watchers.keys() - wanted.keys():
            self._watchers.pop(gone).cancel()
        for what in wanted.keys() - self._watchers.keys():
            self._watchers[what] = asyncio.create_task(wanted[what]())
        self._teller.configure(settings)

    # -- what is tracked --

    async def _script(self, script: TrackScript) -> None:
        """Up after `rise` successes in a row, down after `fall` failures; the first result counts at once, whatever
        `init_fail` assumed before it (measured: keepalived 2.2.7)."""
        loop = asyncio.get_running_loop()
        state: bool | None = False if script.init_fail else None
        streak, first = 0, True
        due = loop.time()
        while True:
            code = await self._programs.run(script.command, (), script.timeout_seconds or script.interval_seconds)
            if code is None:  # it must not be run, which is no result: the last one stays
                await asyncio.sleep(script.interval_seconds)
                continue
            good = code == 0
            streak = 0 if state is not None and good is state else streak + 1
            if (first and good is not state) or streak >= (script.rise if good else script.fall):
                if state is not None:
                    self._log(
                        "info", f"VRRP_Script({script.name}) {'succeeded' if good else 'failed'} (exit code {code})"
                    )
                state, streak = good, 0
                self._report("tracked", ("script", script.name, int(good)))
            first = False
            due = max(due + script.interval_seconds, loop.time())
            await asyncio.sleep(due - loop.time())

    async def _file(self, file: TrackFile) -> None:
        """A tracked file's number; 0 while there is none."""
        path = os.path.realpath(file.path)
        if file.init_value is not None and (file.init_overwrite or not os.path.exists(path)):
            try:
                Path(path).write_text(f"{file.init_value}\n", encoding="ascii")
            except OSError as error:
                self._log("error", f"track_file {file.name}: {error.strerror}")
        changed = asyncio.Event()
        watched = self._watch_file(file.name, path, changed.set)
        last: int | None = None
        while True:
            changed.clear()
            value = number_in(path)
            if value != last:
                last = value
                self._report("tracked", ("file", file.name, value))
            await (changed.wait() if watched else asyncio.sleep(_FILE_SECONDS))

    def _watch_files(self) -> None:
        """Have the kernel tell of changes; where it does not, files are looked at now and then."""
        if self._file_watch is None:
            try:
                self._file_watch = FileWatch()
            except OSError as error:
                self._log(
                    "warning", f"inotify: {error.strerror}; tracked files are looked at {_FILE_SECONDS:g} s apart"
                )
                return
            asyncio.get_running_loop().add_reader(self._file_watch.fileno(), self._file_watch.read)

    def _watch_file(self, name: str, path: str, call: Callable[[], None]) -> bool:
        if self._file_watch is None:
            return False
        try:
            self._file_watch.add(path, call)
        except OSError as error:
            self._log("warning", f"track_file {name}: {os.path.dirname(path)} cannot be watched ({error.strerror})")
            return False
        return True

    async def _process(self, process: TrackProcess) -> None:
        """Whether enough processes of a name run; a change counts after its delay."""
        loop = asyncio.get_running_loop()
        state: bool | None = None
        since = loop.time()
        while True:
            count = sum(1 for _ in _processes(process))
            enough = count >= process.quorum and (process.quorum_max is None or count <= process.quorum_max)
            delay = process.fork_delay_seconds if enough else process.terminate_delay_seconds
            if enough is state:
                since = loop.time()
            elif state is None or loop.time() - since >= delay:
                state, since = enough, loop.time()
                self._report("tracked", ("process", process.name, int(enough)))
            await asyncio.sleep(_PROCESS_SECONDS)

    async def _link(self, name: str, preferred: str) -> None:
        """A link that is polled, as keepalived's linkbeat once a second."""
        beat = Linkbeat(name, preferred)
        last: bool | None = None
        way = ""
        try:
            while True:
                up = beat.up()
                if up is not last:
                    last = up
                    self._report("tracked", ("link", name, int(up)))
                if beat.way and beat.way != way:
                    way = beat.way
                    self._log("info", f"interface {name} is polled by {way}")
                await asyncio.sleep(_LINK_SECONDS)
        finally:
            beat.close()

    # -- what is told --

    def obey(self, word: str, value: Any) -> None:
        """A command of the supervisor."""
        tell: dict[str, Callable[..., None]] = {
            "changed": self._teller.changed,
            "group": self._teller.group,
            "deleted": self._teller.deleted,
            "priority": self._teller.priority,
            "lower_priority": self._teller.lower_priority,
            "standing": self._teller.standing,
            "split_brain": self._teller.split_brain,
        }
        if word == "configure":
            self.configure(value)
        elif word in tell:
            tell[word](*value)

    # -- running programs --

    def _spawn(
        self, command: Command, arguments: tuple[str, ...], environment: Mapping[str, str] | None = None
    ) -> None:
        task = asyncio.create_task(self._programs.run(command, arguments, None, environment))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    def _read(self, command: Command | None, path: str) -> None:
        """Another script reads a FIFO from now on, or none."""
        before = self._readers.pop(path, None)
        if before is not None:
            before.cancel()
        if command is not None:
            self._readers[path] = asyncio.create_task(self._reader(command, path))

    async def _reader(self, command: Command, path: str) -> None:
        code = await self._programs.run(command, (path,), None)
        if code is not None:
            self._log("warning", f"{command.words[0]}, which reads {path}, ended (exit code {code})")

    async def finish(self) -> None:
        """Stop watching; scripts and mails about the last changes may come to their end."""
        for task in self._watchers.values():
            task.cancel()
        loop = asyncio.get_running_loop()
        by = loop.time() + _LAST_SECONDS
        self._teller.mailer.close()
        while (self._running or self._teller.mailer.waiting) and loop.time() < by:
            await asyncio.sleep(0.02)
        self._teller.mailer.abandon()
        self._teller.fifos.close()
        left = [*self._readers.values(), *self._running]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    def _log(self, level: str, line: str) -> None:
        self._report("log", (level, line))


def tracked_scripts(settings: Settings) -> set[str]:
    """Names of the scripts that somebody tracks; the others never run."""
    trackings = [each.tracking for each in settings.instances] + [each.tracking for each in settings.sync_groups]
    return {track.name for each in trackings for track in each.scripts}


def _processes(wanted: TrackProcess) -> Any:
    """Process ids whose program and parameters are the tracked ones."""
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")[:-1]
            head, _, tail = (folder / "stat").read_text(errors="replace").rpartition(") ")
        except OSError:
            continue  # it ended meanwhile
        if tail[:1] in ("Z", "X"):
            continue  # it has ended, its parent has not asked yet
        name = head.partition("(")[2]
        program = words[0].decode(errors="replace") if words else ""
        if wanted.process not in (program, name) and os.path.basename(program) != wanted.process:
            continue
        given = tuple(word.decode(errors="replace") for word in words[1:])
        if _parameters_fit(wanted, given):
            yield int(folder.name)


def _parameters_fit(wanted: TrackProcess, given: tuple[str, ...]) -> bool:
    asked = wanted.parameters
    if wanted.param_match == "exact":
        return given == asked
    if wanted.param_match == "initial" or (asked and not wanted.param_match):
        return given[: len(asked)] == asked
    if wanted.param_match == "partial":
        return " ".join(given).startswith(" ".join(asked))
    return True
