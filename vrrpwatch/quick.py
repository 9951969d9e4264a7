"""The short way from octets into a judge: adverts that only repeat what is known cost no parsing and no record.

The content of an advert is its frame without the IPv4 identification and header checksum, as in `vrrpcore.memo`:

    Ethernet header, tags, IPv4 up to the length | identification | flags, TTL, protocol | checksum | the rest
    head (with the lengths of the record)          (evidence)       middle                 (left out)  key

Each content is known together with the router (book) that it belongs to. While that router is quiet (`judge.quiet`),
a repetition is checked here, against the time and identification of the one before, and entered in the claimant's
book in bulk: at the latest before anything takes the long way (memo, codec, `Judge.observe`), which may look there.
Both ways give the same verdicts; tests hold them against each other.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from functools import cache
from heapq import heappop, heapreplace
from math import inf
from struct import Struct
from typing import Final, TypeAlias

from vrrpcore.frames import Frame
from vrrpcore.judge import Judge
from vrrpcore.judge.clones import SAME_PACE
from vrrpcore.judge.docket import Book
from vrrpcore.judge.quiet import repeats
from vrrpcore.judge.settled import goes_on
from vrrpcore.memo import Memo
from vrrpcore.packet import Advertisement
from vrrpcore.pcap import PcapDecoder
from vrrpcore.records import ETHERNET, Link, Record, segment_of
from vrrpcore.tally import COPY_WINDOW, LAPSE_INTERVALS, RECENT, Claimant

#: Contents known at most of each kind; past it they are forgotten and learned again.
_MOST: Final = 32_768
_TAGS: Final = frozenset((0x81, 0x88, 0x91))  # first octet of the ethertypes of a VLAN tag
#: IPv4 and IPv6 protocols that no part of the judge looks at: ICMP, TCP, UDP.
_FOREIGN: Final = frozenset((1, 6, 17))
_FOREIGN6: Final = frozenset((6, 17))
_MOST_PENDING: Final = 200_000
_JUMP: Final = 3599  # seconds between two records, beyond which the decoder must look at the time
_LONGEST: Final = 1518  # octets of a frame
_SWEEP: Final = 1.0  # seconds


def _swapped(ident: int, order: str) -> int:
    """An identification as a record's byte order makes it, and back."""
    return ident >> 8 | (ident & 0xFF) << 8 if order == "<" else ident


@cache
def _followers(order: str) -> Sequence[int]:
    """Identification as read -> the one that must follow, as read."""
    after = array("H", [*range(1, 0x10000), 0])
    if order == ">":
        return after
    after.byteswap()
    found = array("H")
    for low in range(256):  # as read, the low octet comes first
        found.extend(after[low::256])
    return found


_SAME: Final = range(0x10000)


Unpack: TypeAlias = Callable[[bytes, int], tuple[int, int, bytes, int, bytes, bytes]]


def _nothing(_buf: bytes, _pos: int) -> tuple[int, int, bytes, int, bytes, bytes]:
    """A record of a shape that is not known."""
    return 0, 0, b"", 0, b"", b""


class Known:
    """A content, the router that it belongs to, and its adverts that are not yet in the claimant's book."""

    __slots__ = (
        "book", "chain", "following", "frame", "guarded", "head", "interval", "lapse", "last", "least", "middle",
        "next", "size", "sole", "times",
    )  # fmt: skip

    def __init__(self, head: bytes, middle: bytes, frame: Frame, book: Book, chain: Known | None) -> None:
        advert, ip = frame.body, frame.ip
        assert isinstance(advert, Advertisement)
        self.head, self.middle, self.frame, self.book = head, middle, frame, book
        self.chain = chain  # another content with the same key
        self.interval = advert.interval
        #: Seconds that lie between two adverts at least: less may be a copy, or two schedules (`judge.clones`).
        own = ip is not None and ip.family == 4 and not ip.dont_fragment
        self.least = COPY_WINDOW if own else max(COPY_WINDOW, SAME_PACE * self.interval)
        self.size = 0  # octets of a record
        self.next: Sequence[int] = ()  # identification as read -> the one that must follow
        self.following = 0  # the identification that must follow, as it is read
        self.sole: Claimant | None = None  # whose advert it is, while its router is quiet
        self.lapse = 0.0  # seconds within which the next advert must come; 0: not quiet
        self.last = 0.0  # time of the last advert
        self.times: list[float] = []  # of the adverts that are not yet entered
        self.guarded = False  # its deadline is looked after here, and not on the judge's heap


class Quick:
    """Feeds one judge, by the short way where that will do. Call `settle` before looking at the judge."""

    def __init__(self, judge: Judge, heard: Callable[[Frame], None] | None = None) -> None:
        self.judge = judge
        self.memo = Memo()
        self._heard = heard  # is told of each frame that took the long way
        self._known: dict[bytes, Known] = {}
        #: by the first octet of the ethertype (+ 256: of the one behind a tag) and the low octet of the length
        self._shapes: list[list[Unpack]] = []
        self._order = "<"
        self._sweep = -inf  # when the deadlines that are looked after here come up
        self._active: dict[Book, Known] = {}
        self._evicted = 0
        self._pending = 0  # adverts that are counted here only, at most

    # ---- the long way ----------------------------------------------------------------------------------------

    def take(self, record: Record) -> None:
        """One record."""
        self._long(record.time, record.link, record.outgoing, record.frame, record.vlans)

    def attach(self, decoder: object) -> None:
        """Serve a decoder of classic pcap with Ethernet frames; other decoders give records for `take`."""
        self._forget()
        if isinstance(decoder, PcapDecoder) and decoder.link.linktype == ETHERNET and not decoder.fcs:
            self._order = decoder.order
            decoder.quick = self._pcap

    def _long(self, time: float, link: Link, outgoing: bool, octets: bytes, vlans: tuple[int, ...]) -> None:
        judge = self.judge
        frame, ident = self.memo.lookup(octets, link.linktype, vlans)
        segment = segment_of(link.segment, frame.vlans)
        if frame.body is not None:
            self.settle()
        else:
            self._serve(time)
        judge.observe(time, segment, outgoing, frame, ident)
        if self._heard is not None:
            self._heard(frame)
        if judge.docket.tally.evicted != self._evicted:
            self._evicted = judge.docket.tally.evicted
            self._forget()  # a router that is forgotten there may be known here
        if link.linktype == ETHERNET and not vlans:
            self._learn(segment, frame, octets)

    def _learn(self, segment: str, frame: Frame, octets: bytes) -> None:
        advert, ip = frame.body, frame.ip
        if type(advert) is not Advertisement or ip is None or ip.ah is not None or advert.trailer:
            return
        book = self.judge.docket.books.get((segment, ip.family, advert.vrid))
        if book is None:
            return
        tags = 4 if octets[12] in _TAGS else 0
        if (tags and octets[16] in _TAGS) or len(octets) > _LONGEST:
            return  # rare enough for the long way
        if len(self._known) >= _MOST:
            self._forget()
        head, middle, key = self._split(octets, ip.family, tags)
        known = Known(head, middle, frame, book, self._known.get(key))
        known.size = 16 + len(octets)
        known.next = _SAME if ip.family == 6 else _followers(self._order)
        if ip.family == 6:
            known.following = int.from_bytes(octets[18 + tags : 20 + tags], "little" if self._order == "<" else "big")
        self._known[key] = known

    def _split(self, octets: bytes, family: int, tags: int) -> tuple[bytes, bytes, bytes]:
        """Head (lengths of the record included), middle and key of a frame; records of its shape are known then.

        IPv6 has no field that changes: what would be the identification is the payload length, and nothing is skipped.
        """
        size = len(octets)
        skipped = 0 if family == 6 else 2
        rest = size - 24 - tags - skipped
        shape = Struct(f"{self._order}II{26 + tags}sH4s{skipped}x{rest}s")
        kind = octets[12] if not tags else 256 + octets[16]
        self._shapes[kind][size & 0xFF] = shape.unpack_from
        lengths = Struct(self._order + "II").pack(size, size)
        return lengths + octets[: 18 + tags], octets[20 + tags : 24 + tags], octets[24 + tags + skipped :]

    def _forget(self) -> None:
        self.settle()
        self._known.clear()
        self._shapes = [[_nothing] * 256 for _ in range(512)]

    # ---- the short way ---------------------------------------------------------------------------------------

    def _repeats(self, known: Known, time: float, ident: int | None) -> bool:
        """The content repeats what the judge knows, and is entered; else False and all is as it was."""
        book = known.book
        if book.settled is not None:
            return goes_on(book, known.frame, time, ident)
        if known.sole is not None:
            self._leave(known)
            del self._active[book]
        if repeats(book, known.frame, time, ident):
            self._activate(known)
            return True
        return False

    def _activate(self, known: Known) -> None:
        """From the next advert on the content may be counted here, if it is as plain as that."""
        sole = known.book.quiet
        plain = sole is not None and sole.frame is known.frame and sole.spoke > 1
        if sole is None or not plain or known.book.router.components[0].changes:
            return
        if sole.ident is not None:
            if sole.step != 1:
                return
            known.following = _swapped(sole.ident + 1 & 0xFFFF, self._order)
        known.sole, known.last, known.lapse = sole, sole.last, LAPSE_INTERVALS * known.interval
        other = self._active.get(known.book)
        if other is not None:
            self._leave(other)
        self._active[known.book] = known

    def _leave(self, known: Known) -> None:
        """Count no more adverts of this content here; the claimant's book is up to date afterwards."""
        self._enter(known)
        if known.guarded:
            known.guarded = False
            known.book.due = known.last + known.lapse
            self.judge.docket.arm(known.book.due, known.book)
        known.sole, known.lapse = None, 0.0

    def _enter(self, known: Known) -> None:
        """Bring the claimant's book up to date."""
        sole, times = known.sole, known.times
        if sole is None or not times:
            return
        number = len(times)
        sole.previous = times[-2] if number > 1 else sole.last
        sole.last = known.book.router.last = times[-1]
        sole.count += number
        sole.spoke += number
        sole.versions[sole.advert.version] = (sole.advert, sole.ip, sole.last)
        mac = sole.mac
        row = sole.macs[mac]
        row[0] += number
        row[2] = sole.last
        newest = times[-RECENT:]
        if sole.ident is None:
            sole.recent.extend([(time, None, mac) for time in newest])
        else:
            sole.counted += number
            sole.ident = _swapped(known.following, self._order) - 1 & 0xFFFF
            first = sole.ident - len(newest) + 1
            sole.recent.extend([(time, first + n & 0xFFFF, mac) for n, time in enumerate(newest)])
        times.clear()

    def settle(self) -> None:
        """Enter everything that is only counted here into the judge's books."""
        for known in self._active.values():
            self._leave(known)
        self._active.clear()
        self._pending = 0

    def _serve(self, time: float) -> float:
        """Serve the deadlines up to `time`; when to come again.

        The deadline of a quiet router that has spoken since is moved on: when it is not too near, it is kept from the
        heap and looked at once a second, with all others of its kind.
        """
        heap = self.judge.docket.heap
        if time >= self._sweep:
            self._sweep = time + _SWEEP
            for known in self._active.values():
                if known.guarded and known.last + known.lapse <= self._sweep:
                    known.guarded = False
                    known.book.due = known.last + known.lapse
                    self.judge.docket.arm(known.book.due, known.book)
        while heap:
            at, number, what = heap[0]
            if at > time:
                return min(at, self._sweep)
            if type(what) is Book:
                known_ = self._active.get(what)
                if known_ is not None:
                    due = known_.last + known_.lapse
                    if what.due == at and due > self._sweep:
                        heappop(heap)
                        what.due, known_.guarded = 0.0, True
                        continue
                    if what.due == at and due > at:
                        what.due = due
                        heapreplace(heap, (due, number, what))
                        continue
                    self._leave(known_)
                    del self._active[what]
            else:
                self.settle()
            heappop(heap)
            self.judge.serve_one(at, what)
        return self._sweep

    def _pcap(self, pcap: PcapDecoder, buf: bytes, pos: int, end: int, before: list[Record]) -> int:
        """Work off ordinary records from `pos` on; the offset of the first one that is not.

        A record is ordinary when it is whole and either its content is known, or the header behind it looks like one.
        `before` are records that the decoder has read since.
        """
        for record in before:
            self.take(record)
        pcap.counters.frames += len(before)
        before.clear()
        if pcap.last is None:
            return pos
        docket, shapes, units, known_of = self.judge.docket, self._shapes, pcap.units, self._known.get
        low = 8 if self._order == "<" else 11  # where the low octet of the captured length is
        enough = end - _LONGEST - 64
        now, due, counted = docket.now, self._serve(docket.now), 0
        try:
            while pos < enough:
                kind = buf[pos + 28]
                if kind in _TAGS:
                    kind = 256 + buf[pos + 32]
                seconds, fraction, head, ident, middle, key = shapes[kind][buf[pos + low]](buf, pos)
                known = known_of(key)
                if known is not None and (head != known.head or middle != known.middle):
                    known = known.chain
                    while known is not None and (head != known.head or middle != known.middle):
                        known = known.chain
                if known is not None:
                    time = seconds + fraction / units
                    if now <= time < now + _JUMP:
                        if time >= due:
                            docket.now = now
                            due = self._serve(time)
                        if ident == known.following and known.least < time - known.last < known.lapse:
                            known.last = now = time
                            known.following = known.next[ident]
                            known.times.append(time)
                            pos += known.size
                            counted += 1
                            continue
                        number = None if known.next is _SAME else _swapped(ident, self._order)
                        if self._repeats(known, time, number):
                            now = time
                            pos += known.size
                            counted += 1
                            continue
                docket.now = now
                self._count(pcap, counted, now)
                counted = 0
                stop = self._other(pcap, buf, pos, end)
                if not stop:
                    return pos
                now, pos, shapes, known_of = docket.now, stop, self._shapes, self._known.get
                due = min(self._sweep, docket.heap[0][0] if docket.heap else inf)
        finally:  # also when Ctrl-C ends the reading
            docket.now = now
            self._count(pcap, counted, now)
        return pos

    def _count(self, pcap: PcapDecoder, adverts: int, now: float) -> None:
        """Account for adverts that took the short way, the last of them at `now`."""
        if not adverts:
            return
        judge = self.judge
        judge.frames += adverts
        judge.count += adverts
        judge.end = pcap.last = now
        pcap.counters.frames += adverts
        self._pending += adverts
        if self._pending > _MOST_PENDING:
            self._pending = 0
            for known in self._active.values():
                self._enter(known)

    def _other(self, pcap: PcapDecoder, buf: bytes, pos: int, end: int) -> int:
        """A record that repeats nothing: where the next one begins, or 0 when this one is the decoder's business."""
        unpack, units, limit = pcap.header.unpack_from, pcap.units, pcap.limit
        seconds, fraction, captured, length = unpack(buf, pos)
        stop: int = pos + 16 + captured
        if stop + 16 > end or captured < 42 or captured > limit or fraction >= units or pcap.last is None:
            return 0
        seconds2, fraction2, captured2, _ = unpack(buf, stop)
        time = seconds + fraction / units
        if captured2 > limit or fraction2 >= units or not -_JUMP < seconds2 - seconds < _JUMP:
            return 0
        if not -_JUMP < time - pcap.last < _JUMP:
            return 0
        pcap.last = time
        pcap.counters.frames += 1
        pcap.counters.truncated += captured < length
        judge, docket = self.judge, self.judge.docket
        ethertype = buf[pos + 28 : pos + 30]
        foreign = (ethertype == b"\x08\x00" and buf[pos + 39] in _FOREIGN) or (
            ethertype == b"\x86\xdd" and buf[pos + 36] in _FOREIGN6
        )
        if not foreign or time < docket.now:
            self._long(time, pcap.link, False, buf[pos + 16 : stop], ())
            return stop
        if time >= self._sweep or (docket.heap and docket.heap[0][0] <= time):
            self._serve(time)
        docket.now = judge.end = time
        judge.frames += 1
        return stop
