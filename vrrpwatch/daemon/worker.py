"""The processes that judge beside the first one where several share the wires, and the one that keeps them alive.

The main process forks the keeper before it has any thread, the keeper forks the workers, and again when one dies:
a fork needs a process without threads. All captures are opened before that: the order of their sockets is that of the
PACKET_FANOUT group, and a worker that dies leaves its ring to the next one, so that hardly a frame is lost.

The keeper tells the main process of each worker by a message with three descriptors: two channels to it, and the
process itself. A worker answers on the first channel with what it judges, and on the second with frames that it holds.
Nothing here outlives the main process: the kernel ends the keeper with it, and the workers with the keeper.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, NoReturn

from vrrpcore.errors import VrrpwatchError
from vrrpcore.judge import Judge
from vrrpcore.shares import Part, part_of
from vrrpcore.values import value
from vrrpwatch.capture import LiveCapture
from vrrpwatch.evidence import Evidence
from vrrpwatch.listening import TICK, Ears, state

from .channel import Channel

_PR_SET_PDEATHSIG, _PR_SET_NAME = 1, 15
_SHORT_SECONDS: Final = 10.0  # a worker that lived shorter may die again at once: its restarts are spaced out
_FIRST_PAUSE: Final = 1.0
_LAST_PAUSE: Final = 30.0
END: Final = signal.SIGUSR1  # to the keeper; SIGTERM may come from a service manager that sends it to everybody
log = logging.getLogger(__name__)


@value
class Ask:
    """The main process wants to know: what is judged; `probing`: and from now on whom to ask for an address."""

    probing: bool


@value
class Report:
    """The answer; times in epoch seconds."""

    part: Part
    time: float  # the judgement is as of then
    received: bool  # a frame came from elsewhere
    frames: dict[str, int]  # by interface
    last_frame: dict[str, float]
    spent: float  # seconds of the processor for this report


@value
class Probes:
    """(segment, address) pairs to ask for now, and virtual addresses that were not named before."""

    requests: tuple[tuple[str, bytes], ...]
    virtual: tuple[bytes, ...]


@value
class Held:
    """The main process wants the frames of a segment between two moments; the answer is this and a list of records."""

    segment: str
    since: float
    until: float


class Worker:
    """Captures and judges one share, and answers."""

    def __init__(self, capture: LiveCapture, talk: Channel, held: Channel, keeps: bool) -> None:
        self._capture, self._talk, self._held = capture, talk, held
        self._ears = Ears(Judge())
        self._evidence = Evidence(None)
        self._keep = [self._evidence.keep] if keeps else []
        self._probing = False
        self._told: set[bytes] = set()  # virtual addresses
        for channel in (talk, held):
            capture.heed(channel.fileno())

    def run(self) -> NoReturn:
        """Until the main process is gone: EOFError or OSError."""
        while True:
            self._ears.hear(self._capture, TICK, self._keep)
            now = self._capture.horizon()
            self._ears.judge.advance(now)
            if self._probing and (requests := self._ears.judge.probes(now)):
                fresh = self._ears.virtual - self._told
                self._told |= fresh
                self._talk.send(Probes(tuple(requests), tuple(fresh)))
            for ask in self._talk.receive():
                self._probing = ask.probing
                self._report(now)
            for wanted in self._held.receive():
                self._held.send((wanted, self._evidence.between(wanted.segment, wanted.since, wanted.until)))

    def _report(self, now: float) -> None:
        begun = time.thread_time()
        capture, ears = self._capture, self._ears
        part = part_of(ears.judge, state(capture, ears, 0.0, now))
        spent = time.thread_time() - begun
        self._talk.send(Report(part, now, ears.received, dict(capture.frames), dict(capture.last_frame), spent))


@dataclass(slots=True)
class _Child:
    """One worker as the keeper sees it."""

    number: int  # of its share
    capture: LiveCapture
    pid: int = 0
    born: float = 0.0  # time.monotonic()
    due: float = 0.0
    pause: float = 0.0
    how: str = ""  # how the one before ended


class Keeper:
    """Starts a worker for each capture, and another one when it ends."""

    def __init__(self, captures: Sequence[LiveCapture], control: socket.socket, keeps: bool) -> None:
        self._children = [_Child(number, capture) for number, capture in enumerate(captures, 1)]
        self._control, self._keeps = control, keeps

    def run(self) -> NoReturn:
        """Until the main process is gone (OSError), or sends END."""
        awaited = {signal.SIGCHLD, END}
        signal.pthread_sigmask(signal.SIG_BLOCK, awaited)
        while True:
            now = time.monotonic()
            for child in self._children:
                if not child.pid and child.due <= now:
                    self._launch(child)
            pauses = [child.due - time.monotonic() for child in self._children if not child.pid]
            got = signal.sigtimedwait(awaited, max(min([60.0, *pauses]), 0.0))
            if got is not None and got.si_signo == END:
                self._end()
            self._reap()

    def _end(self) -> NoReturn:
        for child in self._children:
            if child.pid:
                os.kill(child.pid, signal.SIGKILL)  # it has nothing to write down
                os.waitpid(child.pid, 0)
        raise EOFError

    def _reap(self) -> None:
        for child in self._children:
            if not child.pid:
                continue
            pid, status = os.waitpid(child.pid, os.WNOHANG)
            if not pid:
                continue
            code = os.waitstatus_to_exitcode(status)
            short = time.monotonic() - child.born < _SHORT_SECONDS
            child.pid = 0
            child.how = f"signal {-code}" if code < 0 else f"code {code}"
            child.pause = min(max(2 * child.pause, _FIRST_PAUSE), _LAST_PAUSE) if short else 0.0
            child.due = time.monotonic() + child.pause

    def _launch(self, child: _Child) -> None:
        ours, theirs = zip(socket.socketpair(), socket.socketpair(), strict=True)
        keeper = os.getpid()
        child.born = time.monotonic()
        child.pid = os.fork()
        if child.pid == 0:
            for end in (*ours, self._control):
                end.close()
            _live(lambda: self._work(child, theirs), keeper, f"vrrpwatch-{child.number + 1}")
        for end in theirs:
            end.close()
        process = os.pidfd_open(child.pid)
        word = json.dumps({"number": child.number, "how": child.how}).encode()
        socket.send_fds(self._control, [word], [*(end.fileno() for end in ours), process])
        os.close(process)
        for end in ours:
            end.close()

    def _work(self, child: _Child, ends: tuple[socket.socket, socket.socket]) -> None:
        for other in self._children:
            if other is not child:
                other.capture.close()
        child.capture.resume()
        Worker(child.capture, Channel(ends[0]), Channel(ends[1]), self._keeps).run()


def keep(captures: Sequence[LiveCapture], first: LiveCapture, control: socket.socket, keeps: bool) -> int:
    """Fork the keeper of workers for `captures`; its process id. `first` is the main process's own capture."""
    parent = os.getpid()
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:

        def run() -> None:
            first.close()  # else its sockets would outlive their closing in the main process
            Keeper(captures, control, keeps).run()

        _live(run, parent, "vrrpwatch-keep")
    return pid


def _live(run: Callable[[], None], parent: int, name: str) -> NoReturn:
    """The rest of a forked child's life, which ends with its parent's at the latest.

    Signals that a terminal or a service manager sends to everybody are the main process's to obey.
    """
    code = 1
    try:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        libc = ctypes.CDLL(None)
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        libc.prctl(_PR_SET_NAME, name.encode(), 0, 0, 0)
        if os.getppid() == parent:
            run()
    except (EOFError, ConnectionError):
        code = 0  # the main process is gone
    except VrrpwatchError as error:
        log.error("%s: %s", name, error)
    except BaseException as error:  # noqa: BLE001 - whatever it is, the caller's code is not this process's to run
        log.error("%s: %r", name, error)
    finally:
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.flush()
        os._exit(code)
