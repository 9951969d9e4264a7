"""The speaker as a process of its own: what keeps time is apart from what reads files, writes logs and publishes.

    supervisor (configuration, signals, log, state file)
        |  control: commands, length + pickle, to the child; its end of file means that the supervisor is gone
        |  reports: one marshalled (kind, value) for each datagram, to the supervisor; dropped when it does not read
    speaker   (machines, sockets, links)

The child never waits for the supervisor. When the supervisor dies the child releases its addresses and ends; when the
child dies the supervisor starts another one, which first removes what its predecessor left on the host.
"""

from __future__ import annotations

import marshal
import os
import pickle
import signal
import socket
import sys
import traceback
from collections.abc import Callable
from typing import Any, Final, NoReturn

from vrrpcore.errors import VrrpwatchError
from vrrpcore.settings import Settings
from vrrpcore.speaker.clock import keep_time, raise_file_limit
from vrrpcore.speaker.speaker import Speaker
from vrrpcore.speaker.yielding import Message

EXIT_CONFIG: Final = 3  # the child could not use its configuration on this host: starting it again will not help
_LENGTH: Final = 4
_SO_SNDBUFFORCE: Final = 32
_BUFFER: Final = 4 << 20


class Child:
    """A process of ours as its supervisor sees it: commands go in, reports come out."""

    def __init__(self, entry: Callable[[socket.socket, Reports], int]) -> None:
        """Fork; the child runs `entry` and ends with its result. Call from a process without threads."""
        self._control, control = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        self.reports, reports = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        for end in (reports, self.reports):
            try:
                end.setsockopt(socket.SOL_SOCKET, _SO_SNDBUFFORCE, _BUFFER)
            except OSError:
                end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER)
        sys.stdout.flush()
        sys.stderr.flush()
        self.exit_status: int | None = None
        self.pid = os.fork()
        if self.pid == 0:
            self._control.close()
            self.reports.close()
            _live(entry, control, Reports(reports))
        control.close()
        reports.close()
        self.reports.setblocking(False)

    def read(self) -> list[tuple[str, Any]]:
        """What the child has reported since; [] when there is nothing, and at its end."""
        return received(self.reports)

    def command(self, word: str, value: Any = None) -> None:
        """Tell it to do something."""
        try:
            self._control.sendall(_framed(word, value))
        except OSError:
            pass  # it is gone: whoever waits for it will learn so

    def offer(self, word: str, value: Any) -> bool:
        """Tell it something small that it may miss: never waits. False when it was not taken."""
        data = _framed(word, value)
        try:
            sent = self._control.send(data, socket.MSG_DONTWAIT)
            if sent < len(data):  # what was begun must be finished, or nothing after it is understood
                self._control.sendall(data[sent:])
        except OSError:
            return False
        return True

    def stop(self) -> None:
        """Ask it to release everything and to end."""
        self.command("stop")

    def poll(self) -> int | None:
        """The wait status when it has ended, None while it runs."""
        if self.exit_status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.exit_status = status
        return self.exit_status

    def kill(self) -> None:
        """End it at once (it did not react)."""
        if self.poll() is None:
            os.kill(self.pid, signal.SIGKILL)
            _, self.exit_status = os.waitpid(self.pid, 0)

    def close(self) -> None:
        self._control.close()
        self.reports.close()


def received(end: socket.socket) -> list[tuple[str, Any]]:
    """All that `Reports` at the other end of a pair of ours has said since; never waits."""
    found: list[tuple[str, Any]] = []
    while True:
        try:
            data = end.recv(1 << 20)
        except (BlockingIOError, ConnectionResetError):
            return found
        if not data:
            return found
        found.append(marshal.loads(data))  # noqa: S302 (a socketpair with our own child)


def _framed(word: str, value: Any) -> bytes:
    body = pickle.dumps((word, value))
    return len(body).to_bytes(_LENGTH, "big") + body


class SpeakerProcess(Child):
    """The process that keeps time."""

    def __init__(self, settings: Settings, *, realtime: bool = True) -> None:
        super().__init__(lambda control, report: _speak(settings, control, report, realtime))

    def reload(self, settings: Settings) -> None:
        """Give it a new configuration."""
        self.command("reload", settings)

    def tracked(self, kind: str, name: str, value: int) -> None:
        """Tell it the value of a tracked script, file or process."""
        self.command("tracked", (kind, name, value))

    def proof(self, message: Message) -> None:
        """Tell it of a superior master; a child that is too busy to be told does without."""
        self.offer("proof", message)


class Reports:
    """The child's way to say something: never waits, counts what could not be said."""

    def __init__(self, end: socket.socket) -> None:
        end.setblocking(False)
        self._send = end.send
        self.lost = 0

    def __call__(self, kind: str, value: Any) -> bool:
        """False when it could not be said."""
        try:
            self._send(marshal.dumps((kind, value)))
        except OSError:
            self.lost += 1
            return False
        return True


class Control:
    """Reads commands from the supervisor piece by piece, without waiting."""

    def __init__(self, end: socket.socket, obey: Callable[[str, Any], None]) -> None:
        end.setblocking(False)
        self.end = end
        self._obey = obey
        self._data = bytearray()

    def read(self) -> None:
        while True:
            try:
                data = self.end.recv(1 << 16)
            except BlockingIOError:
                break
            except OSError:
                data = b""
            if not data:
                self._obey("stop", None)  # nobody is left who could ask us to
                return
            self._data += data
        while len(self._data) >= _LENGTH:
            length = int.from_bytes(self._data[:_LENGTH], "big")
            if len(self._data) < _LENGTH + length:
                return
            body = bytes(self._data[_LENGTH : _LENGTH + length])
            del self._data[: _LENGTH + length]
            self._obey(*pickle.loads(body))  # noqa: S301 (a socketpair with the process that forked us)


def _live(entry: Callable[[socket.socket, Reports], int], control: socket.socket, report: Reports) -> NoReturn:
    asked = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGRTMIN + 2)
    for number in asked:
        signal.signal(number, signal.SIG_IGN)  # the supervisor gets them, and tells us
    signal.set_wakeup_fd(-1)
    code = 1
    try:
        code = entry(control, report)
    except VrrpwatchError as error:
        report("log", ("error", str(error)))
        code = EXIT_CONFIG
    except BaseException:  # noqa: BLE001 (whatever it is, it must be told: this process is about to vanish)
        report("log", ("error", "internal error: " + " | ".join(traceback.format_exc().split("\n"))))
    os._exit(code)


def _speak(settings: Settings, control: socket.socket, report: Reports, realtime: bool) -> int:
    raise_file_limit()
    speaker = Speaker(settings, report)
    speaker.open()

    def obey(word: str, value: Any) -> None:
        if word == "stop":
            speaker.stop()
        elif word == "reload":
            speaker.reload(value)
            report("reloaded", None)
        elif word == "tracked":
            speaker.tracked(*value)
        elif word == "proof":
            speaker.proofs.take(value)

    commands = Control(control, obey)
    speaker.watch(control.fileno(), commands.read)
    if realtime:
        for note in keep_time(settings.global_defs.vrrp_rt_priority):
            report("note", note)
    report("ready", None)
    try:
        speaker.start()
        speaker.run()
    except BaseException:
        speaker.stop()  # whatever went wrong: no address may stay behind, and the peers shall know
        raise
    finally:
        for router in speaker.routers.values():
            report("row", router.row(0.0))
        speaker.close()
    return 0
