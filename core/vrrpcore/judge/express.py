"""From octets to the judge's short ways: adverts that only repeat what is known cost no parsing and no record. Pure.

Serves the records of a capture file and the frames of a capture ring alike (`Layout` says how they lie). The content of
an advert is its frame without the IPv4 identification and header checksum, as in `vrrpcore.memo`:

    before the frame: time | what else must be equal (lengths; in a ring also VLAN word, interface and direction)
    Ethernet header, tags, IPv4 up to the length | identification | flags, TTL, protocol | checksum | the rest
    head                                           (evidence)       middle                 (left out)  key

Each content is known together with the router (book) that it belongs to, and with the content that came after it last
time: in a network that goes on as before, that is where it is looked for first. While a router is quiet
(`judge.quiet`), or its two masters go on as they did (`judge.settled`), a repetition is checked here, against time and
identification of the one before, and entered in the books in bulk: at the latest before anything that takes the long
way (memo, codec, `Judge.observe`) may look there. Both ways give the same verdicts; tests hold them against each other.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from heapq import heappop, heapreplace
from math import floor, inf
from struct import Struct
from typing import TYPE_CHECKING, Final, TypeAlias

from ..frames import Arp, Frame, Neighbour
from ..packet import Advertisement
from ..tally import COPY_WINDOW, LAPSE_INTERVALS, Claimant
from .clones import SAME_PACE
from .docket import Book
from .masters import flap_window
from .quiet import repeat_many, repeats
from .rounds import Round
from .settled import go_on_many, goes_on

if TYPE_CHECKING:
    from . import Judge
    from .contention import Contention

#: Contents known at most; past it all are forgotten and learned again.
MOST: Final = 32_768
#: Adverts that may wait for their entry in the books.
_MOST_PENDING: Final = 100_000
_TAGS: Final = frozenset((0x81, 0x88, 0x91))  # first octet of the ethertypes of a VLAN tag
LONGEST: Final = 1518  # octets of a frame that may be known
#: Octets that must follow the last record of a buffer: one of another shape may be looked for there.
SLACK: Final = LONGEST + 128

_JUMP: Final = 3599  # seconds between two records, beyond which the clock must be looked at
#: seconds, fraction, before, head, identification, middle, key
Fields: TypeAlias = tuple[int, int, int | bytes, bytes, int, int, bytes]
Unpack: TypeAlias = Callable[[bytes, int], Fields]
#: before, head, middle, key
Content: TypeAlias = tuple[int | bytes, bytes, int, bytes]


@dataclass(frozen=True, slots=True)
class Layout:
    """How records with Ethernet frames lie in a buffer."""

    order: str  # of `struct`: "<" or ">"
    before: str  # struct codes of seconds, fraction and one field of all else that must be equal, up to the frame
    lead: int  # octets before the frame
    low: int  # where the low octet of the captured length is
    units: int  # parts of a second
    align: int = 1  # a record begins at a multiple of so many octets

    def size(self, captured: int) -> int:
        """Octets from one record to the next."""
        return -(-(self.lead + captured) // self.align) * self.align


def pcap_layout(order: str, units: int) -> Layout:
    """seconds, fraction, captured length and length on the wire."""
    return Layout(order, "IIQ", 16, 8 if order == "<" else 11, units)


#: tpacket3_hdr: offset of the next, seconds, nanoseconds, snaplen, len, status, mac, net, rxhash, vlan_tci, vlan_tpid;
#: then sockaddr_ll; the last octets before the frame are left-overs.
RING: Final = Layout(
    "<" if sys.byteorder == "little" else ">", "4xII54s16x", 82, 12 if sys.byteorder == "little" else 15, 10**9, 8
)


def _swapped(ident: int, order: str) -> int:
    """An identification as a record's byte order makes it, and back."""
    return ident >> 8 | (ident & 0xFF) << 8 if order == "<" else ident


@cache
def _followers(order: str) -> Sequence[int]:
    """Identification as read -> the one that must follow, as read."""
    if order == ">":
        return array("H", [*range(1, 0x10000), 0])
    return array("H", [*range(0x100, 0x10000), *range(1, 0x100), 0])  # the high octet is read as the low one


_SAME: Final = range(0x10000)


@cache
def _shape(layout: Layout, captured: int, family: int, tags: int) -> Unpack:
    """Takes a record of this shape apart.

    IPv6 has no field that changes: what would be the identification is the payload length, and nothing is left out.
    """
    skipped = 0 if family == 6 else 2
    rest = captured - 24 - tags - skipped
    code = f"{layout.order}{layout.before}{18 + tags}sHI{skipped}x{rest}s"
    return Struct(code).unpack_from


def _no_shape(_buf: bytes, _pos: int) -> Fields:
    """A record of a shape that is not known."""
    return 0, 0, 0, b"", 0, 0, b""


class Known:
    """A content, the router that it belongs to, and its adverts that are not yet in the claimant's book."""

    __slots__ = (
        "after", "before", "book", "following", "frame", "head", "holes", "interval", "key", "lapse", "last", "least",
        "middle", "next", "own", "rival", "size", "sole", "steady", "times", "unpack", "upper",
    )  # fmt: skip

    def __init__(self, content: Content, frame: Frame, book: Book, unpack: Unpack, size: int) -> None:
        advert, ip = frame.body, frame.ip
        assert isinstance(advert, Advertisement)
        self.before, self.head, self.middle, self.key = content
        self.frame, self.book = frame, book
        self.unpack, self.size = unpack, size
        self.after: Known = self  # the content that came next, last time
        self.interval = advert.interval
        #: Seconds that lie between two adverts at least: less may be a copy, or two schedules (`judge.clones`).
        self.own = ip is not None and ip.family == 4 and not ip.dont_fragment
        self.least = COPY_WINDOW if self.own else max(COPY_WINDOW, SAME_PACE * self.interval)
        self.next: Sequence[int] = _SAME  # identification as read -> the one that must follow
        self.following = 0  # the identification that must follow, as it is read
        self.last = 0.0  # time of the last advert
        #: Seconds within which the next advert must come; 0: nothing is counted here.
        self.lapse = 0.0
        self.sole: Claimant | None = None  # whose advert it is
        self.rival: Known | None = None  # the other one's content, where two masters go on
        self.upper = True  # the superior of the two
        self.times: list[float] = []  # of the run
        self.holes: list[tuple[int, int]] = []
        self.steady = False  # its identifications go upwards, or tell nothing: a hole cannot be another counter's turn


class Run:
    """A router whose adverts are counted here: those of its one master, or of the two that go on side by side."""

    __slots__ = ("book", "contention", "guarded", "holes", "knowns", "times")

    def __init__(self, book: Book, knowns: tuple[Known, ...], contention: Contention | None) -> None:
        self.book, self.knowns, self.contention = book, knowns, contention
        self.guarded = False  # its deadline is looked after here, and not on the judge's heap
        self.times: list[float] = []  # of the adverts that are not yet entered; the inferior's are negative
        self.holes: list[tuple[int, int]] = []  # (which of these, its identification) where that does not follow
        for known in knowns:
            known.times, known.holes = self.times, self.holes
            known.lapse = LAPSE_INTERVALS * known.interval
        if contention is not None:
            for known, rival in (knowns, knowns[::-1]):
                known.rival, known.upper = rival, known.sole is contention.top

    @property
    def due(self) -> float:
        """When the first of its claims would lapse (epoch seconds)."""
        known = self.knowns[0]
        due = known.last + known.lapse
        rival = known.rival
        return due if rival is None else min(due, rival.last + rival.lapse)

    def enter(self) -> None:
        """Bring the router's books up to date."""
        if not self.times:
            return
        if self.contention is not None:
            go_on_many(self.book, self.contention, self.times)
        elif self.knowns[0].sole is not None:
            repeat_many(self.book, self.knowns[0].sole, self.times, self.holes)
        self.times.clear()
        self.holes.clear()

    def end(self) -> None:
        """Enter the last, and count no more."""
        self.enter()
        for known in self.knowns:
            known.sole = known.rival = None
            known.lapse, known.times, known.holes = 0.0, [], []


class Express:
    """Feeds one judge, by the short ways where they will do."""

    def __init__(self, judge: Judge, layout: Layout) -> None:
        self.judge = judge
        judge.short = self
        self._runs: dict[Book, Run] = {}
        self._halves: dict[Book, Known] = {}  # the content of one of two masters, heard last
        self._watch: dict[int, list[Run]] = {}  # guarded runs by the second in which their deadline was
        self._swept = -inf  # deadlines up to here are on the judge's heap
        self._evicted = 0
        self._pending = 0  # adverts that are counted here only, at most
        self.use(layout)

    def use(self, layout: Layout) -> None:
        """Records lie so from now on."""
        self.layout = layout
        self.slack = SLACK
        self.forget()

    @property
    def newest(self) -> float:
        """The judge's time: of the last frame, or later."""
        return self.judge.docket.now

    def forget(self) -> None:
        """Interfaces or files have changed: contents do not stand for what they stood for."""
        self.settle()
        self._known: dict[Content, Known] = {}
        #: by the first octet of the ethertype (+ 256: of the one behind a tag) and the low octet of the length
        self._shapes: list[list[Unpack]] = [[_no_shape] * 256 for _ in range(512)]
        self._previous: Known | None = None

    # ---- the long way ----------------------------------------------------------------------------------------

    def observe(self, time: float, segment: str, outgoing: bool, frame: Frame, ident: int | None) -> None:
        """`Judge.observe`, with the books up to date that it may look at."""
        judge = self.judge
        docket = judge.docket
        body = frame.body
        self.serve(time)
        if time < docket.now:
            self.settle()  # a clock that runs backwards is everybody's affair
        elif type(body) is Advertisement:
            if frame.ip is not None:
                key = (segment, frame.ip.family, body.vrid)
                if key in docket.books:
                    self._enter_books((docket.books[key],))
                elif docket.tally.full:
                    self.settle()  # the one that was silent longest must go
                self._enter_listing(segment, body.addresses)
        elif isinstance(body, Arp):
            self._enter_listing(segment, (body.sender_ip, body.target_ip))
        elif isinstance(body, Neighbour):
            self._enter_listing(segment, (body.target,))
        judge.observe(time, segment, outgoing, frame, ident)
        if docket.tally.evicted != self._evicted:
            self._evicted = docket.tally.evicted
            self.forget()  # a router that is forgotten there may be known here

    def learn(self, buf: bytes, pos: int, captured: int, segment: str, frame: Frame) -> None:
        """Know the record at `pos`, which has taken the long way, if the next one like it may be a mere repetition.

        `captured` are the octets of its frame; `segment` is where the judge has observed it.
        """
        advert, ip = frame.body, frame.ip
        if type(advert) is not Advertisement or ip is None or ip.ah is not None or advert.trailer:
            return
        book = self.judge.docket.books.get((segment, ip.family, advert.vrid))
        if book is None or ((book.quiet is None or book.quiet.spoke < 2) and book.settled is None):
            return  # a flood of inventions must not be learned
        layout = self.layout
        at = pos + layout.lead + 12
        tags = 4 if buf[at] in _TAGS else 0
        if (tags and buf[at + 4] in _TAGS) or captured > LONGEST:
            return  # rare enough for the long way
        if len(self._known) >= MOST:
            self.forget()
        unpack = _shape(layout, captured, ip.family, tags)
        self._shapes[buf[at] if not tags else 256 + buf[at + 4]][captured & 0xFF] = unpack
        _, _, before, head, ident, middle, key = unpack(buf, pos)
        content = (before, head, middle, key)
        known = self._known.get(content)
        if known is None or known.book is not book:
            known = self._known[content] = Known(content, frame, book, unpack, layout.size(captured))
            if ip.family == 4:
                known.next = _followers(layout.order)
            else:
                known.following = ident
        if self._previous is not None:
            self._previous.after = known
        self._previous = known
        self._begin_with(known, self.judge.docket.now)

    # ---- the short way ---------------------------------------------------------------------------------------

    def run(self, buf: bytes, pos: int, end: int) -> tuple[int, int]:
        """Work off records from `pos` on, up to `end`: (offset of the first one that takes the long way, how many).

        SLACK octets of whatever content must follow `end`. The records are counted in the judge already.
        """
        docket, previous, units = self.judge.docket, self._previous, self.layout.units
        if previous is None:
            return pos, 0
        now, due, counted = docket.now, self.serve(docket.now), 0
        try:
            while pos < end:
                known = previous.after
                seconds, fraction, before, head, ident, middle, key = known.unpack(buf, pos)
                if key != known.key or head != known.head or before != known.before or middle != known.middle:
                    found = self._find(buf, pos)
                    if found is None:
                        break
                    known = previous.after = found
                    seconds, fraction, _, _, ident, _, _ = known.unpack(buf, pos)
                time = seconds + fraction / units
                if ident == known.following and known.least < time - known.last < known.lapse and now <= time < due:
                    rival = known.rival
                    if rival is None:
                        known.times.append(time)
                    elif time - rival.last < rival.lapse:
                        known.times.append(time if known.upper else -time)
                    else:
                        break
                    known.following = known.next[ident]
                    known.last = now = time
                else:
                    if not 0 <= time - now < _JUMP:
                        break
                    if time >= due:
                        docket.now = now
                        due = self.serve(time)
                        continue  # nothing but what was found there may have changed
                    if not (self._resumes(known, time, ident) or self._repeats(known, time, ident)):
                        break
                    now = time
                previous = known
                pos += known.size
                counted += 1
        finally:  # also when Ctrl-C ends the reading
            docket.now = now
            self._previous = previous
            self._count(counted, now)
        return pos, counted

    def _find(self, buf: bytes, pos: int) -> Known | None:
        """The content of a record, if it is known."""
        layout = self.layout
        at = pos + layout.lead + 12
        kind = buf[at]
        if kind in _TAGS:
            kind = 256 + buf[at + 4]
        _, _, before, head, _, middle, key = self._shapes[kind][buf[pos + layout.low]](buf, pos)
        return self._known.get((before, head, middle, key))

    def _count(self, adverts: int, now: float) -> None:
        """Account for adverts that took the short way, the last of them at `now`."""
        if not adverts:
            return
        judge = self.judge
        judge.frames += adverts
        judge.count += adverts
        judge.end = now
        self._pending += adverts
        if self._pending > _MOST_PENDING:
            self._pending = 0
            for run in self._runs.values():
                run.enter()

    def _resumes(self, known: Known, time: float, ident: int) -> bool:
        """Adverts were lost on their way to us, or the kernel numbers them; else False, and all is as it was.

        That must not cost more than others: a sensor that falls behind would never catch up.
        """
        if not (known.steady and known.least < time - known.last < known.lapse):
            return False
        order = self.layout.order
        number = _swapped(ident, order)
        if known.own and not 0 < number - _swapped(known.following, order) < 0x4000:
            return False
        known.holes.append((len(known.times), number))
        known.times.append(time)
        known.following = known.next[ident]
        known.last = time
        return True

    def _repeats(self, known: Known, time: float, ident: int) -> bool:
        """The content repeats what the judge knows, and is entered; else False, and all is as it was."""
        book = known.book
        run = self._runs.get(book)
        if run is not None:
            run.enter()
        number = None if known.next is _SAME else _swapped(ident, self.layout.order)
        way = repeats if book.settled is None else goes_on
        if not way(book, known.frame, time, number):
            return False
        if run is not None:
            if known in run.knowns and self._synchronise(known):
                return True  # adverts were lost on the way to us
            self._leave(run)
        self._begin_with(known, time)
        return True

    def _begin_with(self, known: Known, time: float) -> None:
        """This content has just been entered, and its router is not counted here: begin, or wait for the other half."""
        book = known.book
        if book.settled is None:
            self._begin(book, (known,), time)
        else:
            other = self._halves.get(book, known)
            self._halves[book] = known
            if other is not known:
                self._begin(book, (other, known), time)

    def _begin(self, book: Book, knowns: tuple[Known, ...], time: float) -> None:
        """From the next advert on these contents may be counted here, if they are as plain as that."""
        if book in self._runs:
            return
        component = book.router.components[0]
        if component.changes and component.changes[-1] + flap_window(component) >= time:
            return  # the end of that time wants a review
        contention = book.settled
        sides = (book.quiet,) if contention is None else (contention.first, contention.second)
        for known in knowns:
            known.sole = next((one for one in sides if one is not None and one.frame is known.frame), None)
        if len({known.sole for known in knowns}) < len(knowns) or not all(map(self._synchronise, knowns)) or time <= 0:
            return
        self._runs[book] = Run(book, knowns, contention)

    def _synchronise(self, known: Known) -> bool:
        """Go on from what the claimant's book says; False where more than plain repetition may follow."""
        sole = known.sole
        if sole is None or sole.spoke < 2:
            return False
        known.last = sole.last
        if sole.ident is None:
            return True
        known.following = _swapped(sole.ident + 1 & 0xFFFF, self.layout.order)
        upwards = sole.step is not None and 0 < sole.step < 0x4000
        known.steady = known.book.settled is None and (upwards or not known.own)
        return sole.step is not None and (sole.step > 0 or not known.own)  # the same twice may be two counters

    # ---- the books -------------------------------------------------------------------------------------------

    def _leave(self, run: Run) -> None:
        """Count no more adverts of this router here; its books are up to date afterwards."""
        if run.guarded:
            self._hand_back(run)
        run.end()
        del self._runs[run.book]

    def _hand_back(self, run: Run) -> None:
        """The judge's heap looks after a deadline again."""
        run.guarded = False
        run.book.due = run.due
        self.judge.docket.arm(run.book.due, run.book)

    def settle(self) -> None:
        """Enter everything that is only counted here into the judge's books."""
        for run in list(self._runs.values()):
            self._leave(run)
        self._pending = 0
        self._watch.clear()
        self._halves.clear()

    def _enter_books(self, books: Iterable[Book]) -> None:
        for book in books:
            run = self._runs.get(book)
            if run is not None:
                self._leave(run)

    def _enter_listing(self, segment: str, addresses: Iterable[bytes]) -> None:
        """Enter what concerns the routers that list one of these addresses."""
        docket = self.judge.docket
        for address in addresses:
            keys = docket.listed.get((segment, address))
            if keys is not None:
                self._enter_books([docket.books[key] for key in keys])

    # ---- deadlines -------------------------------------------------------------------------------------------

    def serve(self, time: float) -> float:
        """Serve the deadlines up to `time`; when to come again.

        The deadline of a router that has spoken since is moved on. When it is not in the same second, it is kept from
        the heap, and looked at with all others of its second.
        """
        if time >= self._swept:
            self._sweep(time)
        heap = self.judge.docket.heap
        while heap:
            at, number, what = heap[0]
            if at > time:
                return min(at, self._swept)
            if type(what) is Book:
                run = self._runs.get(what)
                if run is not None:
                    due = run.due
                    if what.due == at and due >= self._swept:
                        heappop(heap)
                        what.due, run.guarded = 0.0, True
                        self._watch.setdefault(int(due), []).append(run)
                        continue
                    if what.due == at and due > at:
                        what.due = due
                        heapreplace(heap, (due, number, what))
                        continue
                    self._leave(run)
            elif isinstance(what, Round):
                self._enter_listing(what.book.segment, (what.book.address,))
            heappop(heap)
            self.judge.serve_one(at, what)
        return self._swept

    def _sweep(self, time: float) -> None:
        """Put the deadlines of the second that has begun on the heap; the others will come with theirs."""
        swept = self._swept = float(floor(time) + 1)
        watch = self._watch
        for second in [second for second in watch if second < swept]:
            for run in watch.pop(second):
                if not run.guarded:
                    continue
                known = run.knowns[0]
                due = known.last + known.lapse if known.rival is None else run.due
                if due < swept:
                    self._hand_back(run)
                    continue
                later = int(due)
                if later in watch:
                    watch[later].append(run)
                else:
                    watch[later] = [run]
