"""The short way from octets into a judge: adverts that only repeat what is known cost no parsing and no record.

The content of an advert is its frame without the IPv4 identification and header checksum, as in `vrrpcore.memo`:

    Ethernet header, tags, IPv4 up to the length | identification | flags, TTL, protocol | checksum | the rest
    head                                           (evidence)       middle                 (left out)  key

Each content is known together with the router (book) that it belongs to. While that router is quiet (`judge.quiet`),
a repetition is checked here, against the time and identification of the one before, and entered in the claimant's
book in bulk: at the latest before anything takes the long way (memo, codec, `Judge.observe`), which may look there.
Both ways give the same verdicts; tests hold them against each other.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heapreplace
from math import inf
from typing import Final

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


class Known:
    """A content, the router that it belongs to, and its adverts that are not yet in the claimant's book."""

    __slots__ = ("book", "following", "frame", "head", "interval", "lapse", "last", "least", "middle", "sole", "times")

    def __init__(self, head: bytes, middle: bytes, frame: Frame, book: Book, interval: float) -> None:
        self.head, self.middle = head, middle
        self.frame, self.book, self.interval = frame, book, interval
        #: Seconds that lie between two adverts at least: less may be a copy, or two schedules (`judge.clones`).
        own = frame.ip is not None and frame.ip.family == 4 and not frame.ip.dont_fragment
        self.least = COPY_WINDOW if own else max(COPY_WINDOW, SAME_PACE * interval)
        self.sole: Claimant | None = None  # whose advert it is, while its router is quiet
        self.lapse = 0.0  # seconds within which the next advert must come; 0: not quiet
        self.last = 0.0  # time of the last advert
        self.following = 0  # the identification that it must have; IPv6: 0
        self.times: list[float] = []  # of the adverts that are not yet entered


class Quick:
    """Feeds one judge, by the short way where that will do. Call `settle` before looking at the judge."""

    def __init__(self, judge: Judge, heard: Callable[[Frame], None] | None = None) -> None:
        self.judge = judge
        self.memo = Memo()
        self._heard = heard  # is told of each frame that took the long way
        self._untagged: dict[bytes, Known] = {}
        self._tagged: dict[bytes, Known] = {}
        self._whole: dict[bytes, Known] = {}  # IPv6: nothing is left out of the key
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
        table, at = self._whole, 0
        if ip.family == 4:
            tagged = octets[12] in _TAGS
            if tagged and octets[16] in _TAGS:
                return  # two tags in the frame: rare enough for the long way
            table, at = (self._tagged, 22) if tagged else (self._untagged, 18)
        if len(table) >= _MOST:
            self._forget()
        if at:
            table[octets[at + 8 :]] = Known(octets[:at], octets[at + 2 : at + 6], frame, book, advert.interval)
        else:
            table[octets] = Known(b"", b"", frame, book, advert.interval)

    def _forget(self) -> None:
        self.settle()
        for table in (self._untagged, self._tagged, self._whole):
            table.clear()

    # ---- the short way ---------------------------------------------------------------------------------------

    def _repeats(self, known: Known, time: float, ident: int | None) -> bool:
        """The content repeats what the judge knows, and is entered; else False and all is as it was."""
        book = known.book
        if known.sole is not None:
            self._leave(known)
            del self._active[book]
        if repeats(book, known.frame, time, ident):
            self._activate(known)
            return True
        return book.settled is not None and goes_on(book, known.frame, time, ident)

    def _activate(self, known: Known) -> None:
        """From the next advert on the content may be counted here, if it is as plain as that."""
        sole = known.book.quiet
        plain = sole is not None and sole.frame is known.frame and sole.spoke > 1
        if sole is None or not plain or known.book.router.components[0].changes:
            return
        if sole.ident is not None:
            if sole.step != 1:
                return
            known.following = sole.ident + 1 & 0xFFFF
        known.sole, known.last, known.lapse = sole, sole.last, LAPSE_INTERVALS * known.interval
        other = self._active.get(known.book)
        if other is not None:
            self._leave(other)
        self._active[known.book] = known

    def _leave(self, known: Known) -> None:
        """Count no more adverts of this content here; the claimant's book is up to date afterwards."""
        self._enter(known)
        known.sole, known.lapse = None, 0.0

    @staticmethod
    def _enter(known: Known) -> None:
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
            sole.ident = known.following - 1 & 0xFFFF
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
        """Serve the deadlines up to `time`; when the next one is. A quiet router that has spoken since gets a later."""
        heap = self.judge.docket.heap
        while heap:
            at, number, what = heap[0]
            if at > time:
                return at
            if type(what) is Book:
                known = self._active.get(what)
                if known is not None:
                    due = known.last + known.lapse
                    if what.due == at and due > at:
                        what.due = due
                        heapreplace(heap, (due, number, what))
                        continue
                    self._leave(known)
                    del self._active[what]
            else:
                self.settle()
            heappop(heap)
            self.judge.serve_one(at, what)
        return inf

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
        docket, unpack, units = self.judge.docket, pcap.header.unpack_from, pcap.units
        untagged, tagged, whole, matches = self._untagged.get, self._tagged.get, self._whole.get, buf.startswith
        adverts, last = 0, end - 16
        now, due = docket.now, self._serve(docket.now)
        try:
            while pos < last - 16:
                seconds, fraction, captured, length = unpack(buf, pos)
                stop = pos + 16 + captured
                if stop > last:
                    break
                kind, at = buf[pos + 28], 0
                if kind == 0x08:
                    known, at = untagged(buf[pos + 42 : stop]), pos + 34
                elif kind in _TAGS and buf[pos + 32] == 0x08:
                    known, at = tagged(buf[pos + 46 : stop]), pos + 38
                else:
                    known = whole(buf[pos + 16 : stop])
                time = seconds + fraction / units
                if known is not None and captured == length and 0 <= time - now < _JUMP:
                    if time >= due:
                        docket.now = now
                        due = self._serve(time)
                    if at and not (matches(known.head, pos + 16) and matches(known.middle, at + 2)):
                        ident = -1  # another content with the same key
                    else:
                        ident = buf[at] << 8 | buf[at + 1] if at else 0
                    if known.least < time - known.last < known.lapse and ident == known.following:
                        known.last = time
                        known.following = ident + 1 & 0xFFFF if at else 0
                        known.times.append(time)
                        now, pos = time, stop
                        adverts += 1
                        continue
                    if ident >= 0 and self._repeats(known, time, ident if at else None):
                        now, pos = time, stop
                        adverts += 1
                        continue
                docket.now = now
                self._count(pcap, adverts, now)
                adverts = 0
                if not self._other(pcap, buf, pos, stop, time):
                    return pos
                now, due, pos = docket.now, docket.heap[0][0] if docket.heap else inf, stop
        finally:  # also when Ctrl-C ends the reading
            docket.now = now
            self._count(pcap, adverts, now)
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

    def _other(self, pcap: PcapDecoder, buf: bytes, pos: int, stop: int, time: float) -> bool:
        """A record that repeats nothing; False when it is the decoder's business."""
        seconds, fraction, captured, length = pcap.header.unpack_from(buf, pos)
        seconds2, fraction2, captured2, _ = pcap.header.unpack_from(buf, stop)
        if captured > pcap.limit or captured2 > pcap.limit or fraction >= pcap.units or fraction2 >= pcap.units:
            return False
        if pcap.last is None or not -_JUMP < time - pcap.last < _JUMP or not -_JUMP < seconds2 - seconds < _JUMP:
            return False
        pcap.last = time
        pcap.counters.frames += 1
        pcap.counters.truncated += captured < length
        judge, docket = self.judge, self.judge.docket
        ethertype = buf[pos + 28 : pos + 30]
        foreign = (ethertype == b"\x08\x00" and buf[pos + 39] in _FOREIGN) or (
            ethertype == b"\x86\xdd" and buf[pos + 36] in _FOREIGN6
        )
        if not foreign or captured < 40 or time < docket.now:
            self._long(time, pcap.link, False, buf[pos + 16 : stop], ())
            return True
        if docket.heap and docket.heap[0][0] <= time:
            self._serve(time)
        docket.now = judge.end = time
        judge.frames += 1
        return True
