"""pcapng: blocks in, records out (draft-ietf-opsawg-pcapng). Pure.

    +---------------------------------------------------------------+
    |  block type: Section 0A0D0D0A, Interface 1, Packet 2 (old),   |
    |  Simple Packet 3, Statistics 5, Enhanced Packet 6, others     |
    +---------------------------------------------------------------+
    |              block total length (a multiple of 4)             |
    +---------------------------------------------------------------+
    |                       body, options (TLV)                     |
    +---------------------------------------------------------------+
    |                  block total length once more                 |
    +---------------------------------------------------------------+

Every section has its own byte order and its own interfaces; every interface its own link type, resolution and offset
of time. Unknown blocks are skipped without being kept. A block whose two lengths disagree is damage: reading goes on
at the next block whose lengths agree.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from struct import Struct
from typing import Final

from .pcap import MAX_JUMP, MAX_RECORD, MAX_TIME, PCAPNG_MAGIC, Buffer, is_outgoing, link_problem, settle_time
from .records import ETHERNET, Link, Record, SourceCounters

SECTION: Final = 0x0A0D0D0A
INTERFACE, OLD_PACKET, SIMPLE_PACKET, STATISTICS, ENHANCED_PACKET = 1, 2, 3, 5, 6
_OURS: Final = frozenset((SECTION, INTERFACE, OLD_PACKET, SIMPLE_PACKET, STATISTICS, ENHANCED_PACKET))
_PACKETS: Final = frozenset((OLD_PACKET, SIMPLE_PACKET, ENHANCED_PACKET))
#: A packet block: header, frame, and options of a comment's size.
_MAX_BLOCK: Final = MAX_RECORD + 131_072
#: Blocks that are skipped (name resolution, decryption secrets, private ones) may be bigger.
_MAX_SKIPPED: Final = 64 * 1_048_576
_MAX_INTERFACES: Final = 65_536
_BYTE_ORDERS: Final = {b"\x4d\x3c\x2b\x1a": "<", b"\x1a\x2b\x3c\x4d": ">"}

IF_NAME, IF_TSRESOL, IF_FCSLEN, IF_TSOFFSET = 2, 9, 13, 14
EPB_FLAGS, EPB_DROPCOUNT = 2, 4
ISB_IFDROP, ISB_OSDROP = 5, 7


@dataclass(slots=True)
class _Interface:
    """One Interface Description Block, and what its packets taught us."""

    link: Link
    snaplen: int
    fcs: int
    units: int  # ticks per second
    offset: int  # seconds
    problem: str | None
    dropped: int = 0  # from packets' drop counts
    reported: int = 0  # from statistics blocks

    def time(self, high: int, low: int) -> float:
        return self.offset + ((high << 32) | low) / self.units


class PcapngDecoder:
    """pcapng. Feed it all octets from the first Section Header Block on."""

    def __init__(self, segment: str | None, counters: SourceCounters) -> None:
        self.segment = segment
        self.counters = counters
        self.order = "<"
        self.interfaces: list[_Interface] = []
        #: Works off ordinary packet blocks itself: (decoder, octets, from, to, records before) -> offset reached.
        self.quick: Callable[[PcapngDecoder, bytes, int, int, list[Record]], int] | None = None
        self.last: float | None = None
        self.offset = 0
        self._waiting: Record | None = None
        self._buffer = Buffer()
        self._buffer.need = 12
        self._skip = 0
        self._lost = False
        self._dropped_before = 0

    def feed(self, data: bytes) -> list[Record]:
        """Records that `data` completes."""
        return self._decode(data, final=False)

    def finish(self) -> list[Record]:
        """The rest, and a note when the file ends inside a block."""
        return self._decode(b"", final=True)

    def _decode(self, data: bytes, final: bool) -> list[Record]:
        if self._skip:
            gone = min(self._skip, len(data))
            self._skip -= gone
            self.offset += gone
            data = data[gone:]
        buf = self._buffer.add(data)
        if buf is None:
            if not final:
                return []
            buf = self._buffer.take()
        out: list[Record] = []
        pos, need = self._blocks(buf, out, final)
        self.offset += pos
        self._skip = max(pos - len(buf), 0)
        if final and (self._skip or pos < len(buf)) and not self._lost:
            self.counters.note(f"the capture is cut off: its last block at offset {self.offset} is not complete")
        if final:
            self._release(out, [])
        self._buffer.put_back(b"" if final else buf[pos:], need)
        self.counters.frames += len(out)
        self.counters.dropped = self._dropped_before + sum(max(i.dropped, i.reported) for i in self.interfaces)
        return out

    def _blocks(self, buf: bytes, out: list[Record], final: bool) -> tuple[int, int]:
        """Decode from `buf`; returns (octets used, maybe beyond the end: to be skipped; octets needed next)."""
        pos, end = 0, len(buf)
        while pos + 12 <= end:
            if self._lost:
                pos, found = self._resynchronise(buf, pos, end, final)
                if not found:
                    return pos, end - pos + 65_536
            if buf[pos : pos + 4] == PCAPNG_MAGIC:
                order = _BYTE_ORDERS.get(buf[pos + 8 : pos + 12])
                if order is None:
                    self._complain(pos, "a section of unknown byte order")
                    continue
                self.order = order
            kind, total = Struct(self.order + "II").unpack_from(buf, pos)
            if kind == ENHANCED_PACKET and self.quick is not None and self._waiting is None:
                reached = self.quick(self, buf, pos, end, out)
                if reached > pos:
                    pos = reached
                    continue
            known = kind in _OURS
            if total < 12 or total % 4 or total > (_MAX_BLOCK if known else _MAX_SKIPPED):
                self._complain(pos, f"a block claims {total} octets")
                continue
            if pos + total > end:
                if not known and not final:
                    return pos + total, 12
                if not final or not self._hides_blocks(buf, pos, end):
                    return pos, total
                continue
            if Struct(self.order + "I").unpack_from(buf, pos + total - 4)[0] != total:
                self._complain(pos, "a block whose two lengths disagree")
                continue
            if known:
                self._block(kind, buf[pos + 8 : pos + total - 4], out)
            pos += total
        return pos, 12

    def packet(self, buf: bytes, pos: int, end: int) -> tuple[int, list[Record]]:
        """For `quick`: where the sound packet block at `pos` ends, and what is in it; 0 for anything else."""
        kind, total = Struct(self.order + "II").unpack_from(buf, pos)
        stop = pos + total
        if kind != ENHANCED_PACKET or total < 32 or total % 4 or total > _MAX_BLOCK or stop > end:
            return 0, []
        if self._waiting is not None or Struct(self.order + "I").unpack_from(buf, stop - 4)[0] != total:
            return 0, []
        out: list[Record] = []
        self._block(kind, buf[pos + 8 : stop - 4], out)
        return stop, out

    def _hides_blocks(self, buf: bytes, pos: int, end: int) -> bool:
        """The file ends inside a block: whether that is so only because the block's length is damaged."""
        if self._boundary(buf, pos + 4, end) < 0:
            return False
        self._complain(pos, "a block that reaches past the end and holds other blocks")
        return True

    def _block(self, kind: int, body: bytes, out: list[Record]) -> None:
        """One sound block. A body too short for its kind is damage like any other: counted in a note."""
        if kind == SECTION:
            self._section()
        elif kind == INTERFACE and len(body) >= 8:
            self._interface(body)
        elif kind == ENHANCED_PACKET and len(body) >= 20:
            number, high, low, captured, length = Struct(self.order + "5I").unpack_from(body)
            self._packet(out, number, (high, low), body, (20, captured, length))
        elif kind == OLD_PACKET and len(body) >= 20:
            number, drops, high, low, captured, length = Struct(self.order + "HH4I").unpack_from(body)
            if drops != 0xFFFF and number < len(self.interfaces):
                self.interfaces[number].dropped += drops
            self._packet(out, number, (high, low), body, (20, captured, length))
        elif kind == SIMPLE_PACKET and len(body) >= 4:
            (length,) = Struct(self.order + "I").unpack_from(body)
            snaplen = self.interfaces[0].snaplen if self.interfaces else 0
            captured = min(length, len(body) - 4, snaplen or length)
            self._packet(out, 0, None, body, (4, captured, length))
        elif kind == STATISTICS and len(body) >= 12:
            self._statistics(body)
        else:
            self.counters.note(f"a block of type {kind} is too short and was left out")

    def _section(self) -> None:
        self._dropped_before += sum(max(i.dropped, i.reported) for i in self.interfaces)
        self.interfaces = []

    def _interface(self, body: bytes) -> None:
        if len(self.interfaces) >= _MAX_INTERFACES:
            self.counters.note(f"more than {_MAX_INTERFACES} interfaces in one section: the rest is left out")
            return
        linktype, _, snaplen = Struct(self.order + "HHI").unpack_from(body)
        name, units, offset, fcs = "", 1_000_000, 0, 0
        for code, value in self._options(body, 8):
            if code == IF_NAME:
                name = value.split(b"\0")[0].decode("utf-8", "replace")
                name = "".join(c if c.isprintable() else "?" for c in name)[:64]
            elif code == IF_TSRESOL and value:
                # The top bit says whether the rest is a power of 2 or of 10.
                units = (2 if value[0] & 0x80 else 10) ** (value[0] & 0x7F)
            elif code == IF_TSOFFSET and len(value) == 8:
                (offset,) = Struct(self.order + "q").unpack(value)
            elif code == IF_FCSLEN and value:
                fcs = value[0] if value[0] <= 8 else 0
        problem = link_problem(linktype)
        if problem:
            self.counters.note(problem)
        name = name or "capture"
        link = Link(name, self.segment or name, linktype)
        self.interfaces.append(_Interface(link, snaplen, fcs, units, offset, problem))

    def _statistics(self, body: bytes) -> None:
        (number,) = Struct(self.order + "I").unpack_from(body)
        if number < len(self.interfaces):
            counts = [
                Struct(self.order + "Q").unpack(value)[0]
                for code, value in self._options(body, 12)
                if code in (ISB_IFDROP, ISB_OSDROP) and len(value) == 8
            ]
            self.interfaces[number].reported = min(sum(counts), 2**63)

    def _packet(
        self,
        out: list[Record],
        number: int,
        stamp: tuple[int, int] | None,
        body: bytes,
        place: tuple[int, int, int],
    ) -> None:
        """One packet: `place` is (offset in the body, captured octets, octets on the wire)."""
        start, captured, length = place
        if number >= len(self.interfaces):
            self.counters.unsupported += 1
            self.counters.note(f"packets of interface {number}, which the capture does not describe, were left out")
            return
        interface = self.interfaces[number]
        if interface.problem:
            self.counters.unsupported += 1
            return
        if captured > len(body) - start:
            self.counters.note("a packet block claims more octets than it has")
            captured = len(body) - start
        if captured < length:
            self.counters.truncated += 1
        flags = self._packet_options(interface, body, start + (captured + 3) // 4 * 4)
        fcs = (flags >> 5 & 0xF) or interface.fcs
        frame = body[start : start + (min(captured, max(length - fcs, 0)) if fcs else captured)]
        time = interface.time(*stamp) if stamp is not None else -1.0
        timed = 0.0 <= time <= MAX_TIME
        if not timed:
            self.counters.note("packets without a (possible) time are counted at the time of the packet before them")
            time = self.last if self.last is not None else 0.0
        outgoing = flags & 3 == 2
        if interface.link.linktype != ETHERNET:
            outgoing = outgoing or is_outgoing(interface.link.linktype, frame)
        self._emit(out, Record(time, interface.link, outgoing, frame), timed)

    def _packet_options(self, interface: _Interface, body: bytes, start: int) -> int:
        """The flags word of a packet; its drop count is added to the interface."""
        flags = 0
        for code, value in self._options(body, start):
            if code == EPB_FLAGS and len(value) == 4:
                (flags,) = Struct(self.order + "I").unpack(value)
            elif code == EPB_DROPCOUNT and len(value) == 8:
                interface.dropped += min(Struct(self.order + "Q").unpack(value)[0], 2**32)
        return flags

    def _emit(self, out: list[Record], record: Record, timed: bool) -> None:
        """A record whose time jumps waits for the one after it: one damaged stamp must not move the judge's clock."""
        if self._waiting is not None:
            self._release(out, [record.time] if timed else [])
        if timed and self.last is not None and abs(record.time - self.last) > MAX_JUMP:
            self._waiting = record
            return
        if timed:
            self.last = record.time
        out.append(record)

    def _release(self, out: list[Record], following: list[float]) -> None:
        if self._waiting is not None:
            record, self._waiting = self._waiting, None
            self.last = settle_time(record.time, self.last, following, self.counters)
            out.append(record._replace(time=self.last))

    def _options(self, body: bytes, pos: int) -> Iterator[tuple[int, bytes]]:
        """(code, value) of the options from `pos` on; stops at the first that does not fit."""
        header = Struct(self.order + "HH")
        while pos + 4 <= len(body):
            code, size = header.unpack_from(body, pos)
            if code == 0 or pos + 4 + size > len(body):
                return
            yield code, body[pos + 4 : pos + 4 + size]
            pos += 4 + (size + 3) // 4 * 4

    def _complain(self, pos: int, what: str) -> None:
        self._lost = True
        self.counters.note(f"damaged at offset {self.offset + pos}: {what}; reading on at the next sound block")

    def _resynchronise(self, buf: bytes, pos: int, end: int, final: bool) -> tuple[int, bool]:
        """(position, True) of the next sound block after `pos`; (position up to which all was searched, False)."""
        found = self._boundary(buf, pos + 4, end)
        if found >= 0:
            self._lost = False
            return found, True
        keep = 0 if final else min(end - pos, _MAX_BLOCK)
        return end - keep, False

    def _boundary(self, buf: bytes, start: int, end: int) -> int:
        """Offset of a block of a known type whose two lengths agree, or -1."""
        one = Struct(self.order + "I")
        kinds = (re.escape(one.pack(kind)) for kind in sorted(_OURS))
        for match in re.compile(b"(?=" + b"|".join(kinds) + b")", re.DOTALL).finditer(buf, start, end):
            pos = match.start()
            if pos + 12 > end:
                break
            order = _BYTE_ORDERS.get(buf[pos + 8 : pos + 12], "") if buf[pos : pos + 4] == PCAPNG_MAGIC else self.order
            if not order:
                continue
            total = Struct(order + "I").unpack_from(buf, pos + 4)[0]
            if total < 12 or total % 4 or total > _MAX_BLOCK or pos + total > end:
                continue
            if Struct(order + "I").unpack_from(buf, pos + total - 4)[0] == total:
                return pos
        return -1
