"""The processes that share the judging, as the main one sees them: it asks, they answer, and it puts together.

A worker that dies is started again by its keeper, with a judge that knows nothing. What counted until then is kept
here: counters never go back, episodes that were open go on when they are found again, routers that are not heard again
have no master; a `Ledger` does the same after a restart of the whole daemon.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import socket
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from vrrpcore.errors import SourceError
from vrrpcore.records import Record
from vrrpcore.shares import Part, facts, merged
from vrrpcore.verdict import Judgement, SensorFacts, Worst
from vrrpexporters.journal import StoredEpisode, StoredRouter
from vrrpexporters.journal_ledger import LISTEN_FIRST, Ledger
from vrrpexporters.snapshot import RouterKey, key_of
from vrrpwatch.capture import LiveCapture, Share, open_live

from .channel import Channel
from .worker import END, Ask, Held, Probes, Report, keep

PATIENCE: Final = 1.0  # seconds that a publication waits for an answer
HUNG: Final = 10.0  # seconds without an answer after which a worker is ended
_STOP_SECONDS: Final = 2.0
Failed = Callable[[str, Exception], None]
log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Member:
    """One worker, and what its predecessors left."""

    number: int  # of its share
    talk: Channel | None = None  # None while there is no worker
    held: Channel | None = None
    process: int = -1  # a descriptor of it
    asked: float = 0.0  # time.monotonic() of the question that it has not answered yet, 0 = none
    report: Report | None = None
    shown: Judgement | None = None  # its last judgement, with the past added
    ledger: Ledger | None = None
    left: tuple[dict[RouterKey, StoredRouter], list[StoredEpisode]] | None = None  # for the next ledger
    since: float = 0.0  # time.monotonic() of the first report, 0 = none yet
    before: SensorFacts = field(default_factory=SensorFacts)
    frames: Counter[str] = field(default_factory=Counter)  # of its predecessors, by interface
    last_frame: dict[str, float] = field(default_factory=dict)
    received: bool = False


class Crew:
    """`count` - 1 workers beside this process, on the interfaces of its capture (which has share 0)."""

    def __init__(self, capture: LiveCapture, count: int, *, promisc: bool, keeps: bool, failed: Failed) -> None:
        self.probing = False
        self.requests: list[tuple[str, bytes]] = []  # to be asked for, since somebody last looked
        self.virtual: set[bytes] = set()
        self.spent = 0.0  # seconds of the processor for the last reports: the dearest one's, and ours
        self._capture, self._count, self._failed = capture, count, failed
        self._members = [_Member(number) for number in range(1, count)]
        self._round = 0.0
        self._keeper = 0
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._control.setblocking(False)
        captures: list[LiveCapture] = []
        try:
            segments = {link.name: link.segment for link in capture.links.values()}
            for number in range(1, count):
                share = Share(number, count, capture)
                captures.append(open_live(capture.links, promisc=promisc, join=False, segments=segments, share=share))
            self._keeper = keep(captures, capture, theirs, keeps)
            capture.heed(self._control.fileno())
        except BaseException:
            self._control.close()
            raise
        finally:
            theirs.close()
            for each in captures:
                for note in each.counters.notes:
                    capture.counters.note(note)
                each.close()  # the keeper has it

    # ---- listening to them -----------------------------------------------------------------------------------

    def hear(self) -> None:
        """Take in what they have said. Never waits."""
        begun = time.thread_time()
        self._meet()
        for member in self._members:
            if member.talk is None:
                continue
            try:
                for word in member.talk.receive():
                    self._take(member, word)
            except EOFError:
                self._lost(member)
        self.spent += time.thread_time() - begun

    def _take(self, member: _Member, word: Report | Probes) -> None:
        if isinstance(word, Probes):
            self.requests += word.requests
            self.virtual.update(word.virtual)
            return
        if member.report is None:
            member.since = time.monotonic()
            if member.left is not None:  # only from now on its silence may mean something
                member.ledger = Ledger(word.time, *member.left)
        member.asked, member.report = 0.0, word
        member.received = member.received or word.received
        self.spent = max(self.spent, word.spent)

    def _meet(self) -> None:
        """Workers that the keeper has started."""
        while True:
            try:
                word, descriptors, _, _ = socket.recv_fds(self._control, 4096, 3)
            except BlockingIOError:
                return
            if not word:
                raise SourceError("the process that keeps the workers alive was ended")
            told = json.loads(word)
            member = self._members[told["number"] - 1]
            if member.talk is not None:
                self._lost(member)
            if told["how"]:
                log.error(
                    "process %d of %d ended (%s) and was started again", member.number + 1, self._count, told["how"]
                )
            talk, held, member.process = descriptors
            member.talk, member.held = (Channel(socket.socket(fileno=each)) for each in (talk, held))
            self._capture.heed(talk)

    def _lost(self, member: _Member) -> None:
        """Its worker died: keep what it had counted."""
        if member.talk is None or member.held is None:
            return
        self._capture.heed(member.talk.fileno(), False)
        member.talk.close()
        os.close(member.process)
        # The other channel is closed by whoever lets go of it last: the thread in `held` may be reading.
        member.talk, member.held, member.process, member.asked = None, None, -1, 0.0
        what = f"process {member.number + 1} of {self._count}"
        self._capture.counters.note(f"{what} ended and was started again: what it judges is incomplete since then")
        self._failed("judge", SourceError(f"{what} ended"))
        report, shown = member.report, member.shown
        if report is None or shown is None:
            return
        member.report, member.since = None, 0.0
        member.before = facts([member.before, report.part.judgement.sensor])
        member.frames.update(report.frames)
        member.last_frame |= {name: when for name, when in report.last_frame.items() if when}
        member.left = _left(shown, report.time)
        member.ledger = Ledger(time.time(), *member.left)

    # ---- asking them -----------------------------------------------------------------------------------------

    def gathered(self, clock: float) -> bool:
        """Ask all of them, once for each publication; whether they have answered, or had PATIENCE seconds to."""
        if not self._round:
            self._round = clock
            for member in self._members:
                if member.talk is not None and not member.asked:
                    self._ask(member, clock)
        waiting = [member for member in self._members if member.asked]
        for member in waiting:
            if clock - member.asked > HUNG:
                log.error("process %d of %d does not answer and is ended", member.number + 1, self._count)
                with contextlib.suppress(ProcessLookupError):
                    signal.pidfd_send_signal(member.process, signal.SIGKILL)
                member.asked = clock
        if waiting and clock - self._round < PATIENCE:
            return False
        self._round = 0.0
        return True

    def _ask(self, member: _Member, clock: float) -> None:
        if member.talk is None:
            return
        try:
            member.talk.send(Ask(self.probing))
            member.asked = clock
        except OSError:
            self._lost(member)

    def held(self, segment: str, since: float, until: float) -> list[Record]:
        """Frames that they hold as evidence; for one thread that is not the capture loop's."""
        found: list[Record] = []
        for member in self._members:
            channel = member.held
            if channel is None:
                continue
            wanted = Held(segment, since, until)
            try:
                channel.send(wanted)
                while (answer := channel.one())[0] != wanted:
                    pass  # one that was not waited for
                found += answer[1]
            except (EOFError, OSError):  # it died, or hangs: the capture loop sees to that
                continue
        return found

    # ---- putting together ------------------------------------------------------------------------------------

    def merged(self, own: Part, now: float, hearing: bool) -> tuple[Judgement, float]:
        """The judgement of all processes, and the moment up to which all of it has been judged."""
        parts = [own, *(self._part(member, own.judgement, hearing) for member in self._members)]
        times = [member.report.time for member in self._members if member.report is not None]
        return merged(parts), min([now, *times])

    def _part(self, member: _Member, own: Judgement, hearing: bool) -> Part:
        """What a worker said last; the past is added where it has one."""
        report = member.report
        if report is None:
            judgement, order = (
                replace(own, worst=Worst("unknown"), routers=(), addresses=(), sensor=SensorFacts()),
                None,
            )
        else:
            judgement, order = report.part.judgement, report.part.order
        if member.ledger is not None:
            judgement = member.ledger.continued(judgement, hearing and report is not None)
        member.shown = judgement
        return Part(replace(judgement, sensor=facts([member.before, judgement.sensor])), order)

    @property
    def listening(self) -> bool:
        """Whether all of them have listened for so long that a router which none has heard is silent."""
        now = time.monotonic()
        return all(member.since and now - member.since > LISTEN_FIRST for member in self._members)

    @property
    def received(self) -> bool:
        """Whether a frame came from elsewhere."""
        return any(member.received for member in self._members)

    def frames(self, interface: str) -> int:
        """Frames of an interface that passed the filters of all workers."""
        return sum(
            member.frames[interface] + (member.report.frames.get(interface, 0) if member.report else 0)
            for member in self._members
        )

    def last_frame(self, interface: str) -> float:
        """Epoch seconds of the last of them; 0 = none."""
        reports: Sequence[dict[str, float]] = [m.report.last_frame for m in self._members if m.report is not None]
        return max(row.get(interface, 0.0) for row in (*reports, *(m.last_frame for m in self._members)))

    def close(self) -> None:
        """End all of them."""
        deadline = time.monotonic() + _STOP_SECONDS
        number: int = END
        while self._keeper:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._keeper, number)
            time.sleep(0.005)
            if time.monotonic() > deadline:
                number = signal.SIGKILL  # the kernel ends the others with it
            with contextlib.suppress(ChildProcessError):
                if not os.waitpid(self._keeper, os.WNOHANG)[0]:
                    continue
            self._keeper = 0
        for member in self._members:
            for end in (member.talk, member.held):
                if end is not None:
                    end.close()
            if member.process >= 0:
                os.close(member.process)
            member.talk = member.held = None
        self._control.close()


def _left(judgement: Judgement, when: float) -> tuple[dict[RouterKey, StoredRouter], list[StoredEpisode]]:
    """What goes on after the end of the worker that said this: counters, and episodes that were open."""
    stored: dict[RouterKey, StoredRouter] = {}
    running: list[StoredEpisode] = []
    for row in judgement.routers:
        key = key_of(row)
        heard = max((each.last for each in row.masters), default=0.0)
        if heard or row.counters.split_episodes:
            stored[key] = StoredRouter(key, heard, row.counters, row.vips)
        running += [StoredEpisode(key, episode, when) for episode in row.episodes if episode.end is None]
    return stored, running
