"""`run --watch`: sensor and exporter in a process of their own beside the one that keeps time.

A scrape, a slow disk or a full segment can so delay no advert. The supervisor starts the watcher when the speaker is
ready, starts it again when it dies, and ends it last, so that the resignation is still seen. It captures on the
interfaces of the configuration and is given the speaker's state file. A pair of datagram sockets that outlives every
single watcher carries verdicts and proofs here, and there for which instances proof is looked for; neither end waits.
"""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import socket
import sys
import time
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from vrrpcore.errors import ConfigError
from vrrpcore.settings import Instance, Settings
from vrrpcore.speaker.process import Reports, received

_SHORT_SECONDS: Final = 10.0  # a watcher that lived shorter may die again at once: its restarts are spaced out
_FIRST_PAUSE: Final = 1.0
_LAST_PAUSE: Final = 30.0
_STOP_SECONDS: Final = 10.0  # its receivers may get a last word
_NICENESS: Final = 5  # where real-time scheduling is not permitted, the speaker still comes first
_PR_SET_PDEATHSIG: Final = 1
_PR_SET_NAME: Final = 15
log = logging.getLogger("vrrpwatch.speaker")


@dataclass(frozen=True, slots=True)
class WatcherOptions:
    """What the command line says about it."""

    listen: str = ""  # "" = as vrrpwatch.toml says, else :10112
    config: str = ""  # a vrrpwatch.toml; "" = none
    state_path: str = ""  # where the speaker publishes


def interfaces_of(settings: Settings) -> tuple[str, ...]:
    """The interfaces of all instances, each once; () where none is named: then `watch` chooses."""
    return tuple(dict.fromkeys(each.interface for each in settings.instances if each.interface))


def checked(options: WatcherOptions) -> WatcherOptions:
    """The same, or ConfigError: a mistake is for the operator who starts it, not for a log of restarts."""
    from vrrpexporters.http_listen import split
    from vrrpwatch.config import load

    if options.listen:
        split(options.listen)
    if options.config:
        config = load(options.config)
        if config.watch.processes > 1:
            raise ConfigError(f"{options.config}: watch.processes: beside a speaker one process judges; leave it out")
        speaker = config.speaker
        if speaker is not None and speaker.command and not os.access(speaker.command[0], os.X_OK):
            raise ConfigError(f"{options.config}: speaker.on_split_brain: {speaker.command[0]} cannot be executed")
    return options


class Watcher:
    """The watcher as the supervisor sees it. Without options every method does nothing."""

    def __init__(self, options: WatcherOptions | None) -> None:
        self._options = options
        self._interfaces: tuple[str, ...] = ()
        self._yielding: tuple[Instance, ...] = ()
        if options is not None:
            self._end, self._its_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            self._end.setblocking(False)
            self.say = Reports(self._end)
        self._begun = False
        self.pid = 0
        self._born = self._due = self._pause = 0.0  # time.monotonic, seconds
        self._kill_at = 0.0  # 0 = it was not asked to end

    def fileno(self) -> int:
        """Of what watchers say; -1 without one."""
        return self._end.fileno() if self._options is not None else -1

    def read(self) -> list[tuple[str, Any]]:
        """What watchers have said since."""
        return received(self._end) if self._options is not None else []

    def begin(self, settings: Settings, yielding: tuple[Instance, ...] = ()) -> None:
        """The speaker is ready, for the first time or again."""
        if not self._begun:
            self.configure(settings, yielding)

    def configure(self, settings: Settings, yielding: tuple[Instance, ...] = ()) -> None:
        """Go by this configuration from now on; `yielding`: instances for which it looks for proof."""
        wanted = interfaces_of(settings)
        if self._options is None:
            return
        if self._begun and (wanted, yielding) != (self._interfaces, self._yielding):
            self._ask()  # what it looks at is fixed: another one begins when this one has ended
        elif self.pid:
            os.kill(self.pid, signal.SIGHUP)
        self._interfaces, self._yielding, self._begun = wanted, yielding, True
        self.look()

    def look(self) -> None:
        """Start it when it is due. Never waits."""
        now = time.monotonic()
        if self.pid and not self._ended(now) and self._kill_at and now > self._kill_at:
            os.kill(self.pid, signal.SIGKILL)
        if self._begun and not self.pid and now >= self._due:
            self._launch(now)

    def end(self) -> None:
        """End it and wait for it; it has the time for a last word to its receivers."""
        self._begun = False
        self._ask()
        while self.pid and not self._ended(time.monotonic()):
            if time.monotonic() > self._kill_at:
                log.error("the watcher did not stop in %g s and is ended by force", _STOP_SECONDS)
                os.kill(self.pid, signal.SIGKILL)
                self._kill_at += _STOP_SECONDS
            time.sleep(0.02)

    def _ask(self) -> None:
        if self.pid and not self._kill_at:
            os.kill(self.pid, signal.SIGINT)
            self._kill_at = time.monotonic() + _STOP_SECONDS

    def _ended(self, now: float) -> bool:
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        if not pid:
            return False
        self.pid = 0
        self._due = now
        if not self._kill_at:
            short = now - self._born < _SHORT_SECONDS
            self._pause = min(max(2 * self._pause, _FIRST_PAUSE), _LAST_PAUSE) if short else 0.0
            self._due += self._pause
            code = os.waitstatus_to_exitcode(status)
            how = f"signal {-code}" if code < 0 else f"code {code}"
            log.error("the watcher ended (%s) and is started again in %g s", how, self._pause)
        return True

    def _launch(self, now: float) -> None:
        assert self._options is not None
        self._born, self._kill_at = now, 0.0
        sys.stdout.flush()
        sys.stderr.flush()
        parent = os.getpid()
        self.pid = os.fork()
        if self.pid == 0:
            _live(self._options, self._interfaces, self._yielding, self._its_end, parent)


def _live(
    options: WatcherOptions,
    interfaces: tuple[str, ...],
    yielding: tuple[Instance, ...],
    end: socket.socket,
    parent: int,
) -> NoReturn:
    """The forked child. Its life is the supervisor's: it never returns into the caller's code."""
    code = 1
    try:
        _leave(parent, end.fileno())
        from vrrpwatch.commands.outcome import run_to_exit
        from vrrpwatch.daemon import run_watch
        from vrrpwatch.daemon.beside import Line

        run_to_exit(
            lambda: run_watch(
                interfaces=interfaces,
                config=options.config or None,
                listen=options.listen or None,
                speaker=options.state_path or None,
                line=Line(end, yielding),
            ),
            "watch",
        )
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    finally:
        sys.stderr.flush()
        os._exit(code)


def _leave(parent: int, kept: int) -> None:
    """Give up what belongs to the supervisor: signals, descriptors, terminal, and the word with the service manager.

    Its descriptors must go, but for `kept`: the speaker knows by the end of a socket that the supervisor is gone, and
    the host's lock is held by whoever has it open. SIGTERM stays blocked: a service manager sends it to everybody at
    once, but the watcher ends after the speaker, by the supervisor's SIGINT, which is also what the kernel sends when
    it dies.
    """
    signal.set_wakeup_fd(-1)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGRTMIN + 2):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # until the daemon has its own
    os.setsid()  # Ctrl-C is for the supervisor
    libc = ctypes.CDLL(None)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGINT, 0, 0, 0)
    libc.prctl(_PR_SET_NAME, b"vrrpwatch-watch", 0, 0, 0)
    if os.getppid() != parent:
        raise SystemExit(1)
    os.closerange(3, kept)
    os.closerange(kept + 1, os.sysconf("SC_OPEN_MAX"))
    os.nice(_NICENESS)
    for name in ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"):
        os.environ.pop(name, None)
