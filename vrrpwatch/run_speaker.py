"""`vrrpwatch run`: the active speaker with its supervisor.

    from vrrpwatch.run_speaker import RunOptions, run
    code = run(RunOptions(config="/etc/keepalived/keepalived.conf"))

`run` reads the configuration, lists every finding, and touches nothing when one is an error. With `test` it ends there,
with keepalived's exit codes: 0 clean, 5 something to complain about, 6 script security, 2 unusable. Otherwise it forks
the process that keeps time (vrrpcore.speaker.process) and serves it until SIGTERM or SIGINT: addresses are released,
priority 0 is sent, exit code 0. SIGHUP reloads: a master stays master where the new configuration allows; a
configuration with errors is refused as a whole and the old one stays in force. The log goes to stderr with keepalived's
wording ("(VI_1) Entering MASTER STATE"), so that what waits for keepalived's lines (the lab does) finds ours.

It works unprivileged inside a user namespace (`vrrpwatch.lab.enter_private_world`), as the demo needs it: CAP_NET_RAW
and CAP_NET_ADMIN there are enough; what is not permitted (SCHED_FIFO, mlockall, some sysctls) is said and done without.
The lab's `Watcher(host, config)` starts it as `python -m vrrpwatch run -f FILE`; its state file is /run/vrrpwatch/
speaker.json of that host (form: vrrpcore.speaker.state).
"""

from __future__ import annotations

import logging
import os
import selectors
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from vrrpcore.errors import ConfigError
from vrrpcore.settings import Settings
from vrrpcore.speaker import state
from vrrpcore.speaker.process import EXIT_CONFIG, SpeakerProcess
from vrrpcore.speaker.yielding import Message
from vrrpwatch import __version__
from vrrpwatch.keepalived_conf import read
from vrrpwatch.keepalived_conf.findings import Finding, forbids, mistakes
from vrrpwatch.run_speaker_beside import Beside
from vrrpwatch.run_speaker_bfd import BfdKeeper
from vrrpwatch.run_speaker_checks import (
    config_test,
    kept_names,
    lock_host,
    missing_interfaces,
    not_supported,
    report_findings,
)
from vrrpwatch.run_speaker_chores import Chores, run_script, without_refused
from vrrpwatch.run_speaker_dumps import as_data, as_json, as_stats, write_dump
from vrrpwatch.run_speaker_watcher import WatcherOptions

DEFAULT_CONFIG: Final = "/etc/keepalived/keepalived.conf"
_LEVELS: Final = {"debug": 10, "info": 20, "warning": 30, "error": 40}
_STOP_SECONDS: Final = 10.0  # how long the child may take to release everything
_SILENT_SECONDS: Final = 5.0  # a child that reports nothing for so long is stuck: rows come each second
_RESTART_SECONDS: Final = 1.0  # a child that lived shorter than this is not started again at once
#: Events that the process for scripts and mail may have to tell.
_TOLD: Final = ("changed", "deleted", "group", "priority", "lower_priority", "standing")
log = logging.getLogger("vrrpwatch.speaker")


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What the command line says."""

    config: str = DEFAULT_CONFIG
    test: bool = False
    config_id: str = ""  # -i: which `@ID` lines apply; "" = the host's name
    state_path: str = state.DEFAULT_PATH  # "" = publish nothing
    pid_file: str = ""
    realtime: bool = True
    watch: WatcherOptions | None = None  # None = no sensor and exporter beside the speaker


def run(options: RunOptions) -> int:
    """Run until told to stop; the exit code."""
    if log.getEffectiveLevel() == logging.WARNING:  # neither -v nor -q: a daemon tells of its changes of state
        log.setLevel(logging.INFO)
    if options.test:
        return config_test(options.config, options.config_id)
    settings, findings = load(options)
    report_findings(findings)
    if any(forbids(each) for each in findings):
        raise ConfigError(f"{options.config}: not started because of the errors above; nothing was touched")
    if not settings.instances:
        raise ConfigError(f"{options.config}: no vrrp_instance, nothing to run")
    if wrong := mistakes(findings):
        log.warning(
            "%s: started in spite of %d mistakes, with what is left, as keepalived is", options.config, len(wrong)
        )
    return Supervisor(options, settings, mistakes(findings)).run()


def load(options: RunOptions) -> tuple[Settings, list[Finding]]:
    """Read the configuration and meet it with this host: (settings, findings)."""
    settings, findings = read(options.config, options.config_id)
    return settings, findings + missing_interfaces(settings)


def _tell_manager(*lines: str) -> None:
    """Tell systemd; its module comes with the whole daemon, which nobody else here needs."""
    if "NOTIFY_SOCKET" in os.environ:
        from vrrpwatch.daemon.systemd import ServiceManager

        ServiceManager().tell(*lines)


class Supervisor:
    """The parent: signals, the log, the state file, and a child that is started again when it dies."""

    def __init__(self, options: RunOptions, settings: Settings, mistakes: frozenset[tuple[str, str]]) -> None:
        self._mistakes = mistakes  # in force: a reload may bring no new ones
        self._options = options
        self._settings = settings
        self._started = time.time()
        self._stopping = False
        self._stop_by = 0.0
        self._code = 0
        self._restarts = 0
        self._notes: list[str] = []
        self._said: frozenset[str] = frozenset()  # what the file asks for in vain, as it was told
        self._rows: dict[str, dict[str, Any]] = {}
        self._global: dict[str, int] = {}
        self._reload_ok = True
        self._published = 0.0
        self._dirty = True
        self._publish_failed = False
        self._selector = selectors.DefaultSelector()
        self._child: SpeakerProcess | None = None
        self._chores = Chores(self._selector, self._tracked_now)
        self._bfd = BfdKeeper(self._selector, self._tracked_now)
        self._beside = Beside(options.watch, self._chores.tell, self._prove)
        self._tracked: dict[tuple[str, str], int] = {}
        self._was_ready = False  # this configuration worked here once: what fails later may come back
        self._heard = 0.0  # when the child last reported anything

    def run(self) -> int:
        self._catch_signals()
        if self._options.state_path:
            self._lock_file = lock_host(f"{self._options.state_path}.lock")
        self._write_pid()
        self._adopt(self._settings)
        self._beside.read_config(self._settings)
        if self._beside.watched:
            self._selector.register(self._beside, selectors.EVENT_READ, self._beside.read)
        defs = self._settings.global_defs
        run_script(defs.startup_script, defs, defs.startup_script_timeout_seconds)
        self._chores.configure(self._settings, self._beside.wants_scripts)
        self._bfd.configure(self._settings)
        self._launch()
        try:
            while self._child is not None:
                self._turn()
        finally:
            self._bfd.end()
            self._chores.end()
            self._beside.end()
            defs = self._settings.global_defs
            run_script(defs.shutdown_script, defs, defs.shutdown_script_timeout_seconds)
            if self._options.state_path:
                state.remove(self._options.state_path)
            if self._options.pid_file:
                os.unlink(self._options.pid_file)
        return self._code

    # -- the child --

    def _launch(self) -> None:
        self._born = time.monotonic()
        self._child = SpeakerProcess(self._settings, realtime=self._options.realtime)
        self._selector.register(self._child.reports, selectors.EVENT_READ, self._take_reports)
        self._stop_sent = False
        for (kind, name), value in self._tracked.items():
            self._child.tracked(kind, name, value)

    def _tracked_now(self, kind: str, name: str, value: int) -> None:
        """What is tracked has this value."""
        self._tracked[kind, name] = value
        if self._child is not None:
            self._child.tracked(kind, name, value)

    def _prove(self, message: Message) -> None:
        if self._child is not None:
            self._child.proof(message)

    def _adopt(self, settings: Settings) -> None:
        """Take over a configuration; what it asks for in vain is said with the start or reload that brings it."""
        self._settings, lines = without_refused(settings)
        lines = [*not_supported(settings), *lines]
        for line in lines:
            if line not in self._said:
                log.warning("%s", line)
        self._said = frozenset(lines)

    def _turn(self) -> None:
        wait = max(0.0, self._published + (0.05 if self._dirty else 1.0) - time.monotonic())
        for key, _ in self._selector.select(min(wait, 1.0)):
            key.data()
        self._look_after_child()
        self._dirty = self._beside.turn(self._rows) or self._dirty
        now = time.monotonic()
        if now - self._published >= (0.05 if self._dirty else 1.0):
            self._publish(now)

    def _look_after_child(self) -> None:
        child = self._child
        assert child is not None
        if self._stopping and not self._stop_sent:
            child.stop()
            _tell_manager("STOPPING=1")
            self._stop_sent = True
            self._stop_by = time.monotonic() + _STOP_SECONDS
        if self._stopping and time.monotonic() > self._stop_by:
            log.error("the speaker did not stop in %g s and is ended by force", _STOP_SECONDS)
            child.kill()
            self._code = 1
        status = child.poll()
        if status is None:
            return
        self._take_reports()
        self._selector.unregister(child.reports)
        child.close()
        self._child = None
        code = os.waitstatus_to_exitcode(status)
        if self._stopping:
            self._code = self._code or (0 if code == 0 else 1)
        elif code == EXIT_CONFIG and not self._was_ready:
            self._code = 2
        else:
            log.error("the speaker ended (%s) and is started again", f"signal {-code}" if code < 0 else f"code {code}")
            if time.monotonic() - self._born < _RESTART_SECONDS:
                time.sleep(_RESTART_SECONDS)
            self._restarts += 1
            self._launch()

    def _take_reports(self) -> None:
        child = self._child
        if child is None:
            return
        for kind, value in child.read():
            self._heard = time.monotonic()
            if kind == "log":
                log.log(_LEVELS[value[0]], "%s", value[1])
            elif kind == "row":
                self._rows[value["name"]] = value
            elif kind == "global":
                self._global = value
            elif kind == "note":
                log.warning("%s", value)
                self._notes = [*self._notes, value] if value not in self._notes else self._notes
            elif kind in _TOLD:
                self._chores.tell(kind, value)
                self._dirty = True
            elif kind == "ready":
                self._was_ready = True
                self._beside.begin(self._settings)
                _tell_manager("READY=1", f"STATUS={len(self._settings.instances)} virtual routers")
            elif kind == "reloaded":
                _tell_manager("READY=1")
                self._dirty = True

    # -- signals --

    def _catch_signals(self) -> None:
        self._wakeup, end = socket.socketpair()
        for each in (self._wakeup, end):
            each.setblocking(False)
        self._wakeup_end = end
        signal.set_wakeup_fd(end.fileno())
        caught = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD, signal.SIGUSR1, signal.SIGUSR2)
        for number in (*caught, signal.SIGRTMIN + 2):
            signal.signal(number, lambda number, frame: None)
        self._selector.register(self._wakeup, selectors.EVENT_READ, self._signalled)

    def _signalled(self) -> None:
        try:
            numbers = self._wakeup.recv(4096)
        except BlockingIOError:
            return
        if signal.SIGTERM in numbers or signal.SIGINT in numbers:
            self._stopping = True
        elif signal.SIGHUP in numbers:
            self._reload()
        for number, (name, render) in self._dumps().items():
            if number in numbers:
                try:
                    log.info("wrote %s", write_dump(name, render()))
                except OSError as error:
                    log.error("%s: %s", name, error.strerror)

    def _dumps(self) -> dict[int, tuple[str, Callable[[], str]]]:
        """keepalived's signals for its dumps."""
        rows = self._ordered_rows()
        return {
            signal.SIGUSR1: ("keepalived.data", lambda: as_data(rows)),
            signal.SIGUSR2: ("keepalived.stats", lambda: as_stats(rows)),
            signal.SIGRTMIN + 2: ("keepalived.json", lambda: as_json(self._settings, rows)),
        }

    def _ordered_rows(self) -> list[dict[str, Any]]:
        """Rows in the order of the file."""
        return [self._rows[each.name] for each in self._settings.instances if each.name in self._rows]

    def _reload(self) -> None:
        log.info("reloading %s", self._options.config)
        try:
            settings, findings = load(self._options)
        except (ConfigError, OSError) as error:
            log.error("not reloaded, the old configuration stays in force: %s", error)
            self._reload_ok = False
            return
        for each in findings:
            log.log(_LEVELS.get(str(each.severity), 20), "%s:%d: %s", each.file, each.line, each.message)
        if any(forbids(each) for each in findings) or mistakes(findings) - self._mistakes:
            log.error("not reloaded because of the errors above, the old configuration stays in force")
            self._reload_ok = False
            return
        self._reload_ok = True
        self._mistakes = mistakes(findings)
        names = {each.name for each in settings.instances}
        self._rows = {name: row for name, row in self._rows.items() if name in names}
        self._adopt(settings)
        settings = self._settings
        self._tracked = {key: value for key, value in self._tracked.items() if key[1] in kept_names(settings)}
        self._beside.read_config(settings)
        self._chores.configure(settings, self._beside.wants_scripts)
        self._bfd.configure(settings)
        if self._child is not None:
            self._child.reload(settings)
            for (kind, name), value in self._tracked.items():  # what is tracked now may have been watched before
                self._child.tracked(kind, name, value)
        self._beside.configure(settings)

    # -- what is published --

    def _publish(self, now: float) -> None:
        self._published, self._dirty = now, False
        if self._was_ready and now - self._heard < _SILENT_SECONDS:  # the timekeeper's life counts, not ours
            _tell_manager("WATCHDOG=1")
        if not self._options.state_path:
            return
        try:
            state.write(
                self._options.state_path,
                {
                    "schema": state.SCHEMA,
                    "program": "vrrpwatch",
                    "version": __version__,
                    "pid": os.getpid(),
                    "vrrp_pid": self._child.pid if self._child else 0,
                    "restarts": self._restarts,
                    "started": self._started,
                    "updated": time.time(),
                    "config": self._options.config,
                    "config_last_reload_successful": self._reload_ok,
                    "notes": self._notes,
                    "mail": self._chores.mails(),
                    "global": self._global,
                    "instances": [
                        {**row, "split_brain": self._beside.row(row["name"])} for row in self._ordered_rows()
                    ],
                },
            )
        except OSError as error:
            if not self._publish_failed:
                log.warning("%s: the state is not published: %s", self._options.state_path, error.strerror)
            self._publish_failed = True

    def _write_pid(self) -> None:
        if self._options.pid_file:
            with open(self._options.pid_file, "w", encoding="ascii") as file:
                file.write(f"{os.getpid()}\n")
