"""The process for everything that may take its time: track scripts, files and processes, notify scripts, FIFOs.

Nothing of this runs in the process that keeps time. Results go to the supervisor as ("tracked", (kind, name, value)),
which hands them on; changes of state come from there as commands:

    configure Settings | changed (instance, STATE, priority) | group (name, STATE) | priority (instance, STATE, number)
    lower_priority (instance, priority) | stop
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import stat
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Final

from vrrpcore.settings import Command, Fifo, Notify, Settings, TrackFile, TrackProcess, TrackScript
from vrrpcore.speaker.process import Child, Control, Reports

_FILE_SECONDS: Final = 0.2  # how often tracked files are looked at
_PROCESS_SECONDS: Final = 0.5
_LAST_SECONDS: Final = 5.0  # how long scripts may still run after the end


class ChoresProcess(Child):
    """The child as its supervisor sees it."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(lambda control, report: asyncio.run(_work(settings, control, report)))


async def _work(settings: Settings, control: socket.socket, report: Reports) -> int:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
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
        self._settings, self._report = settings, report
        self._watchers: list[asyncio.Task[None]] = []
        self._running: set[asyncio.Task[Any]] = set()
        self._fifos: dict[str, int] = {}
        self._made: list[str] = []

    # -- configuration --

    def configure(self, settings: Settings) -> None:
        """Watch what this configuration names; what was watched before begins anew."""
        self._settings = settings
        for task in self._watchers:
            task.cancel()
        self._watchers = [asyncio.create_task(self._script(each)) for each in settings.scripts]
        self._watchers += [asyncio.create_task(self._file(each)) for each in settings.track_files]
        self._watchers += [asyncio.create_task(self._process(each)) for each in settings.processes]
        defs = settings.global_defs
        for fifo in (defs.notify_fifo, defs.vrrp_notify_fifo):
            if fifo is not None and fifo.path not in self._fifos:
                self._open_fifo(fifo)

    def _open_fifo(self, fifo: Fifo) -> None:
        try:
            if not Path(fifo.path).exists():
                os.mkfifo(fifo.path, 0o600)
                self._made.append(fifo.path)
            elif not stat.S_ISFIFO(os.stat(fifo.path).st_mode):
                self._log("error", f"notify FIFO {fifo.path}: exists and is no FIFO")
                return
            self._fifos[fifo.path] = os.open(fifo.path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            self._log("error", f"notify FIFO {fifo.path}: {error.strerror}")
            return
        if fifo.script is not None:
            self._spawn(fifo.script, (fifo.path,), None)

    # -- what is tracked --

    async def _script(self, script: TrackScript) -> None:
        """Up after `rise` successes in a row, down after `fall` failures; the first result counts at once."""
        loop = asyncio.get_running_loop()
        state: bool | None = False if script.init_fail else None
        streak = 0
        due = loop.time()
        while True:
            code = await self._run(script.command, (), script.timeout_seconds or script.interval_seconds)
            good = code == 0
            streak = 0 if state is not None and good is state else streak + 1
            if state is None or streak >= (script.rise if good else script.fall):
                if state is not None:
                    self._log(
                        "info", f"VRRP_Script({script.name}) {'succeeded' if good else 'failed'} (exit code {code})"
                    )
                state, streak = good, 0
                self._report("tracked", ("script", script.name, int(good)))
            due = max(due + script.interval_seconds, loop.time())
            await asyncio.sleep(due - loop.time())

    async def _file(self, file: TrackFile) -> None:
        """A tracked file's number; 0 while there is none."""
        path = Path(file.path)
        if file.init_value is not None and (file.init_overwrite or not path.exists()):
            try:
                path.write_text(f"{file.init_value}\n", encoding="ascii")
            except OSError as error:
                self._log("error", f"track_file {file.name}: {error.strerror}")
        last: int | None = None
        while True:
            try:
                value = int(path.read_text(encoding="ascii", errors="replace").split()[0])
            except (OSError, ValueError, IndexError):
                value = 0
            if value != last:
                last = value
                self._report("tracked", ("file", file.name, value))
            await asyncio.sleep(_FILE_SECONDS)

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

    # -- what is told --

    def obey(self, word: str, value: Any) -> None:
        """A command of the supervisor."""
        tell: dict[str, Callable[..., None]] = {
            "changed": self._changed,
            "group": self._group,
            "priority": self._priority,
            "lower_priority": self._lower_priority,
        }
        if word == "configure":
            self.configure(value)
        elif word in tell:
            tell[word](*value)

    def _changed(self, name: str, state: str, priority: int) -> None:
        instance = self._settings.instance(name)
        if instance is not None:
            self._notify(instance.notify, "INSTANCE", name, state, priority)

    def _group(self, name: str, state: str) -> None:
        group = next((each for each in self._settings.sync_groups if each.name == name), None)
        if group is not None:
            self._notify(group.notify, "GROUP", name, state, 0)

    def _notify(self, notify: Notify, kind: str, name: str, state: str, priority: int) -> None:
        own = {"MASTER": notify.master, "BACKUP": notify.backup, "FAULT": notify.fault, "STOP": notify.stop}
        command = own.get(state)
        if command is not None:
            self._spawn(command, (), None)
        if notify.any is not None:
            self._spawn(notify.any, (kind, name, state, str(priority)), None)
        self._write(f'{kind} "{name}" {state} {priority}\n')

    def _priority(self, name: str, state: str, priority: int) -> None:
        instance = self._settings.instance(name)
        if instance is not None and instance.notify.priority_changes:
            self._write(f'INSTANCE "{name}" {state}_PRIORITY {priority}\n')

    def _lower_priority(self, name: str, priority: int) -> None:
        instance = self._settings.instance(name)
        if instance is None:
            return
        if instance.notify.master_rx_lower_pri is not None:
            self._spawn(instance.notify.master_rx_lower_pri, (), None)
        self._write(f'INSTANCE "{name}" MASTER_RX_LOWER_PRI {priority}\n')

    def _write(self, line: str) -> None:
        for path, descriptor in self._fifos.items():
            try:
                os.write(descriptor, line.encode())
            except OSError as error:
                self._log("warning", f"notify FIFO {path}: nobody reads it ({error.strerror}); lost: {line.strip()}")

    # -- running programs --

    def _spawn(self, command: Command, arguments: tuple[str, ...], timeout: float | None) -> None:
        self._start(self._run(command, arguments, timeout))

    def _start(self, work: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _run(self, command: Command, arguments: tuple[str, ...], timeout: float | None) -> int:
        """Run a program to its end: its exit code, -1 when it could not be run or took too long."""
        defs = self._settings.global_defs
        options: dict[str, Any] = {}
        user, group = command.user or defs.script_user, command.group or defs.script_group
        if user and os.geteuid() == 0:
            options = {"user": user, "group": group or _group_of(user), "extra_groups": []}
        try:
            process = await asyncio.create_subprocess_exec(
                *command.words,
                *arguments,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
                start_new_session=True,
                preexec_fn=_ordinary,
                **options,
            )
        except (OSError, LookupError, ValueError) as error:
            self._log("error", f"cannot run {' '.join(command.words)}: {error}")
            return -1
        try:
            return await asyncio.wait_for(process.wait(), timeout)
        except TimeoutError:
            self._log("warning", f"{command.words[0]} took longer than {timeout:g} s and was ended")
            return -1
        finally:
            if process.returncode is None:
                os.killpg(process.pid, signal.SIGKILL)
                await process.wait()

    async def finish(self) -> None:
        """Stop watching; scripts that were started for the last changes may come to their end."""
        for task in self._watchers:
            task.cancel()
        if self._running:
            await asyncio.wait(self._running, timeout=_LAST_SECONDS)
        for path in self._made:
            Path(path).unlink(missing_ok=True)

    def _log(self, level: str, line: str) -> None:
        self._report("log", (level, line))


def _ordinary() -> None:
    """What the supervisor's children ignore, a script must not."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGPIPE):
        signal.signal(number, signal.SIG_DFL)


def _group_of(user: str) -> int:
    import pwd

    return pwd.getpwnam(user).pw_gid


def _processes(wanted: TrackProcess) -> Any:
    """Process ids whose program and parameters are the tracked ones."""
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")[:-1]
            name = (folder / "comm").read_text().strip()
        except OSError:
            continue  # it ended meanwhile
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
