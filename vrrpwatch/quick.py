"""Capture files into a judge by its short ways (`vrrpcore.judge.express`); what repeats nothing takes the long way.

The decoder of classic pcap with Ethernet frames hands over its buffer whenever it stands at a record; `Express` works
off what repeats, and what else looks ordinary is parsed here. Whatever does not (damage, a jump of the clock, the end
of the buffer) stays the decoder's business.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TypeVar

from vrrpcore.frames import Frame
from vrrpcore.judge import Judge
from vrrpcore.judge.express import Express
from vrrpcore.judge.layouts import SLACK, Enhanced, pcap_layout
from vrrpcore.memo import Memo
from vrrpcore.packet import Advertisement
from vrrpcore.pcap import PcapDecoder
from vrrpcore.records import ETHERNET, Link, Record, segment_of

if TYPE_CHECKING:
    from vrrpcore.pcapng import PcapngDecoder

#: IPv4 and IPv6 protocols that no part of the judge looks at: ICMP, TCP, UDP.
_FOREIGN: Final = frozenset((1, 6, 17))
_FOREIGN6: Final = frozenset((6, 17))
_JUMP: Final = 3599  # seconds between two records, beyond which the decoder must look at the time


T = TypeVar("T", "PcapDecoder", "PcapngDecoder")


class Quick:
    """Feeds one judge, by the short way where that will do."""

    def __init__(self, judge: Judge, heard: Callable[[Frame], None] | None = None) -> None:
        self.judge = judge
        self.memo = Memo()
        self.express = Express(judge, pcap_layout("<", 1_000_000))
        self._heard = heard  # is told of each frame that took the long way
        self._interfaces: object = None  # of the pcapng section that is known

    def take(self, record: Record) -> None:
        """One record."""
        self._long(record.time, record.link, record.outgoing, record.frame, record.vlans)

    def attach(self, decoder: object) -> None:
        """Serve a decoder of pcap with Ethernet frames, or of pcapng; whatever it keeps to itself comes by `take`."""
        self.express.forget()
        if not isinstance(decoder, PcapDecoder):
            from vrrpcore.pcapng import PcapngDecoder

            if isinstance(decoder, PcapngDecoder):
                decoder.quick = self._pcapng
                self._interfaces = None
        elif decoder.link.linktype == ETHERNET and not decoder.fcs:
            self.express.use(pcap_layout(decoder.order, decoder.units))
            decoder.quick = self._pcap

    def _long(
        self, time: float, link: Link, outgoing: bool, octets: bytes, vlans: tuple[int, ...]
    ) -> tuple[str, Frame]:
        frame, ident = self.memo.lookup(octets, link.linktype, vlans)
        segment = segment_of(link.segment, frame.vlans)
        self.express.observe(time, segment, outgoing, frame, ident)
        if self._heard is not None:
            self._heard(frame)
        return segment, frame

    def _work_off(
        self,
        decoder: T,
        buf: bytes,
        pos: int,
        end: int,
        before: list[Record],
        other: Callable[[T, bytes, int, int], int],
    ) -> int:
        """Work off ordinary records from `pos` on; the offset of the first one that is not.

        `before` are records that the decoder has read since; `other` takes one that repeats nothing the long way and
        says where the next one begins, or 0 when this one is the decoder's business.
        """
        for record in before:
            self.take(record)
        decoder.counters.frames += len(before)
        before.clear()
        enough = end - SLACK
        while pos < enough:
            pos, adverts = self.express.run(buf, pos, enough)
            if adverts:
                decoder.last = self.judge.docket.now
                decoder.counters.frames += adverts
            if pos < enough:
                stop = other(decoder, buf, pos, end)
                if not stop:
                    break
                pos = stop
        return pos

    def _pcap(self, pcap: PcapDecoder, buf: bytes, pos: int, end: int, before: list[Record]) -> int:
        """A record is ordinary when it is whole and its content is known, or the header behind it looks like one."""
        if pcap.last is None:
            return pos  # nothing was read before
        return self._work_off(pcap, buf, pos, end, before, self._other)

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
            segment, frame = self._long(time, pcap.link, False, buf[pos + 16 : stop], ())
            if type(frame.body) is Advertisement:
                self.express.learn(buf, pos, captured, segment, frame)
            return stop
        self.express.counting.serve(time)
        docket.now = judge.end = time
        judge.frames += 1
        return stop

    def _pcapng(self, pcapng: PcapngDecoder, buf: bytes, pos: int, end: int, before: list[Record]) -> int:
        """The same for packet blocks."""
        if self._interfaces is not pcapng.interfaces or self.express.layout.order != pcapng.order:
            self._interfaces = pcapng.interfaces
            self.express.use(Enhanced(pcapng.order, pcapng.interfaces))
        return self._work_off(pcapng, buf, pos, end, before, self._other_block)

    def _other_block(self, pcapng: PcapngDecoder, buf: bytes, pos: int, end: int) -> int:
        """A packet block that repeats nothing."""
        stop, records = pcapng.packet(buf, pos, end)
        pcapng.counters.frames += len(records)
        for record in records:
            segment, frame = self._long(*record)
            size = len(record.frame)
            plain = record.link.linktype == ETHERNET and stop - pos == self.express.layout.size(size)
            if plain and type(frame.body) is Advertisement:
                self.express.learn(buf, pos, size, segment, frame)
        return stop
