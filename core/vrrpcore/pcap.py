"""Octets of a capture in, records out: classic pcap, and the door to pcapng (`pcapng.py`). Pure: opens no file.

    0                   1                   2                   3
    +---------------------------------------------------------------+
    |  magic: a1b2c3d4 (µs) or a1b23c4d (ns), in either byte order  |
    +-------------------------------+-------------------------------+
    |        major version 2        |        minor version 4        |
    +-------------------------------+-------------------------------+
    |            reserved (time zone), reserved (accuracy)          |
    +---------------------------------------------------------------+
    |                           snap length                         |
    +-------+-+---------------------+-------------------------------+
    | FCS/2 |P|        0            |           link type           |
    +-------+-+---------------------+-------------------------------+
    then for each record: seconds, fraction, captured length, length on the wire, the frame

(draft-ietf-opsawg-pcap). A decoder is fed chunks of any size and keeps no more than one record and one chunk. Damage
never raises: what can be read is yielded, the rest becomes a note in `counters`. Only a file that is no capture at all
raises SourceError.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from struct import Struct
from typing import Final, Protocol

from .errors import SourceError
from .records import ETHERNET, SLL, SLL2, SUPPORTED, Link, Record, SourceCounters

#: libpcap's MAXIMUM_SNAPLEN: no capture of the link types that we read has longer records.
MAX_RECORD: Final = 262_144
#: The end of the year 9999: later stamps are damage, and no library can print them.
MAX_TIME: Final = 253_402_300_799.0
#: A jump of the clock that a single record may not make unless the records after it agree (seconds).
MAX_JUMP: Final = 3600.0

_DAY: Final = 86_400
#: Octets behind a doubtful record that must be at hand to decide where the next one begins.
_CONTEXT: Final = 8192

PCAPNG_MAGIC: Final = b"\n\r\r\n"
GZIP_MAGIC: Final = b"\x1f\x8b"
#: magic octets -> (byte order for struct, fractions of a second)
_MAGICS: Final = {
    b"\xd4\xc3\xb2\xa1": ("<", 1_000_000),
    b"\xa1\xb2\xc3\xd4": (">", 1_000_000),
    b"\x4d\x3c\xb2\xa1": ("<", 1_000_000_000),
    b"\xa1\xb2\x3c\x4d": (">", 1_000_000_000),
}
#: What people feed to an analyzer by mistake, and what to do about it.
_STRANGERS: Final = (
    (GZIP_MAGIC, "is compressed twice with gzip; unpack it once: gzip -dc FILE | vrrpwatch analyze -"),
    (b"\x28\xb5\x2f\xfd", "is compressed with zstd; unpack it first: zstd -dc FILE | vrrpwatch analyze -"),
    (b"\xfd7zXZ\x00", "is compressed with xz; unpack it first: xz -dc FILE | vrrpwatch analyze -"),
    (b"BZh", "is compressed with bzip2; unpack it first: bzip2 -dc FILE | vrrpwatch analyze -"),
    (b"\x04\x22\x4d\x18", "is compressed with lz4; unpack it first: lz4 -dc FILE | vrrpwatch analyze -"),
    (b"PK\x03\x04", "is a zip archive; unpack it first"),
    (b"\x34\xcd\xb2\xa1", "is a patched pcap of 1990s kernels; convert it first: editcap FILE new.pcapng"),
    (b"\xa1\xb2\xcd\x34", "is a patched pcap of 1990s kernels; convert it first: editcap FILE new.pcapng"),
    (b"snoop\x00\x00\x00", "is a snoop capture; convert it first: editcap FILE new.pcapng"),
)


class RecordDecoder(Protocol):
    """One format: `feed` takes octets and returns the records that became complete, `finish` says what was left."""

    def feed(self, data: bytes) -> list[Record]: ...

    def finish(self) -> list[Record]: ...


class Decoder:
    """Any capture: tells the formats apart by their first octets, then decodes.

    `segment` overrides the name of the broadcast domain; by default it is the file's link name (pcapng), else
    `capture`. `counters` fills while decoding.
    """

    def __init__(self, segment: str | None = None, counters: SourceCounters | None = None) -> None:
        self.segment = segment
        self.counters = counters if counters is not None else SourceCounters()
        self.inner: RecordDecoder | None = None
        self._head = b""

    def feed(self, data: bytes) -> list[Record]:
        """Records that `data` (any number of octets) completes; SourceError when this is no capture."""
        if self.inner is None:
            self._head += data
            if len(self._head) < 24:
                return []
            self.inner = self._recognise(self._head)
            data, self._head = self._head, b""
        return self.inner.feed(data)

    def finish(self) -> list[Record]:
        """The end of the input: last records, and notes on what was cut off; SourceError when there was no capture."""
        if self.inner is None:
            if not self._head:
                raise SourceError("is empty")
            if self._head[:4] in _MAGICS or self._head[:4] == PCAPNG_MAGIC:
                raise SourceError(f"ends inside its file header ({len(self._head)} octets)")
            self._recognise(self._head)  # raises: nothing so short is a capture
            raise SourceError("is not a capture")
        return self.inner.finish()

    def _recognise(self, head: bytes) -> RecordDecoder:
        if head[:4] == PCAPNG_MAGIC:
            from .pcapng import PcapngDecoder

            return PcapngDecoder(self.segment, self.counters)
        if head[:4] in _MAGICS:
            return PcapDecoder(head, self.segment, self.counters)
        for magic, advice in _STRANGERS:
            if head.startswith(magic):
                raise SourceError(advice)
        raise SourceError("is not a capture (neither pcap nor pcapng); other formats: editcap FILE new.pcapng")


def link_problem(linktype: int) -> str | None:
    """Why records of a link type are not judged, or None when they are."""
    if linktype in SUPPORTED:
        return None
    return f"link type {linktype} is not supported: its records were counted and left out"


def is_outgoing(linktype: int, frame: bytes) -> bool:
    """Whether a cooked frame says that its own host sent it (packet type 4)."""
    if linktype == SLL:
        return frame[0:2] == b"\x00\x04"
    return linktype == SLL2 and frame[10:11] == b"\x04"


class Buffer:
    """Octets between two feeds: joined only once enough of them are there, so that tiny chunks cost no copies."""

    __slots__ = ("_have", "_parts", "need")

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._have = 0
        self.need = 1

    def __len__(self) -> int:
        return self._have

    def add(self, data: bytes) -> bytes | None:
        """All octets so far when at least `need` of them are there, else None."""
        if data:
            self._parts.append(data)
            self._have += len(data)
        if self._have < self.need:
            return None
        return self.take()

    def take(self) -> bytes:
        """Everything, and nothing stays."""
        data = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        self._parts, self._have = [], 0
        return data

    def put_back(self, data: bytes, need: int) -> None:
        """Keep `data` for the next feed, which needs at least `need` octets of it to be useful."""
        self._parts = [data] if data else []
        self._have, self.need = len(data), max(need, 1)


class PcapDecoder:
    """Classic pcap. `head` holds at least the 24 octets of the file header; `feed` starts with the same octets."""

    HEADER: Final = 24

    def __init__(self, head: bytes, segment: str | None, counters: SourceCounters) -> None:
        self.order, self.units = _MAGICS[head[:4]]
        self.counters = counters
        snaplen, network = Struct(self.order + "II").unpack_from(head, 16)
        self.linktype = network & 0xFFFF
        # Bit 26 says that the top four bits hold the length of the FCS, in units of two octets.
        self.fcs = (network >> 28) * 2 if network & 0x0400_0000 else 0
        self.limit = max(snaplen, 65_535) if 0 < snaplen <= MAX_RECORD else MAX_RECORD
        self.problem = link_problem(self.linktype)
        if self.problem:
            counters.note(self.problem)
        self.link = Link("capture", segment or "capture", self.linktype)
        self.header = Struct(self.order + "IIII")
        #: Works off ordinary records itself, in bulk: (decoder, octets, from, to, records before) -> offset reached.
        self.quick: Callable[[PcapDecoder, bytes, int, int, list[Record]], int] | None = None
        self.last: float | None = None
        self.offset = 0  # of the first octet that the next feed looks at, for notes
        self._buffer = Buffer()
        self._skip = self.HEADER
        self._lost = False

    def feed(self, data: bytes) -> list[Record]:
        """Records that `data` completes."""
        return self._decode(data, final=False)

    def finish(self) -> list[Record]:
        """The rest; a last record that was cut off is noted, and what there is of it is yielded when it may be read."""
        return self._decode(b"", final=True)

    def last_time(self, tail: bytes) -> float | None:
        """The time of the last whole record in the last octets of the same file, or None when none can be made out."""
        pos = find_boundary(self, tail, 0, len(tail), len(tail), False)
        time = None
        while 0 <= pos <= len(tail) - 16:
            seconds, fraction, captured, _ = self.header.unpack_from(tail, pos)
            if captured > self.limit:
                return None
            time, pos = seconds + fraction / self.units, pos + 16 + captured
        return time

    def _decode(self, data: bytes, final: bool) -> list[Record]:
        buf = self._buffer.add(data)
        if buf is None:
            if not final:
                return []
            buf = self._buffer.take()
        out: list[Record] = []
        pos, need = self._records(buf, out, final)
        self.offset += pos
        self._buffer.put_back(b"" if final else buf[pos:], need)
        self.counters.frames += len(out)
        return out

    def _records(self, buf: bytes, out: list[Record], final: bool) -> tuple[int, int]:
        """Decode from `buf`; returns (octets used, octets that the next call needs at least)."""
        pos, end = min(self._skip, len(buf)), len(buf)
        self._skip -= pos
        unpack = self.header.unpack_from
        while pos + 16 <= end:
            if self.quick is not None and not self._lost and not self.problem:
                pos = self.quick(self, buf, pos, end, out)
                if pos + 16 > end:
                    break
                if not final and end - pos < _CONTEXT and pos:
                    return pos, _CONTEXT  # what is left of the block goes with the next one
            if self._lost:
                pos, found = self._resynchronise(buf, pos, end, final)
                if not found:
                    return pos, end - pos + 65_536
            seconds, fraction, captured, length = unpack(buf, pos)
            stop = pos + 16 + captured
            if captured > self.limit:
                self._complain(pos, f"a record claims {captured} octets")
                continue
            if stop + 16 > end and not final:
                return pos, stop - pos + 16  # the next header tells whether this length can be believed
            if stop > end or (stop + 16 <= end and self._doubtful(buf, stop, seconds)):
                if not final and end < stop + _CONTEXT:
                    return pos, stop - pos + _CONTEXT
                stop = self._disputed(buf, pos, stop, end)
            if stop > end:
                self._cut_off(pos, end - pos - 16, captured)
                return end, 1
            self._emit(out, seconds + fraction / self.units, buf[pos + 16 : stop], length, (buf, stop, end))
            pos = stop
        if final and pos < end:
            if not self._lost:
                self.counters.note(f"the capture is cut off inside a record header at offset {self.offset + pos}")
            pos = end
        return pos, 16

    def _emit(self, out: list[Record], time: float, frame: bytes, length: int, after: tuple[bytes, int, int]) -> None:
        """One record, its time believed only when its neighbours bear it out."""
        last = self.last
        if last is None or not last - MAX_JUMP <= time <= last + MAX_JUMP:
            time = self._settle(time, last, after)
        self.last = time
        if len(frame) < length:
            self.counters.truncated += 1
        if self.fcs:
            frame = frame[: max(length - self.fcs, 0)]
        if self.problem:
            self.counters.unsupported += 1
            return
        outgoing = self.linktype != ETHERNET and is_outgoing(self.linktype, frame)
        out.append(Record(time, self.link, outgoing, frame))

    def _settle(self, time: float, last: float | None, after: tuple[bytes, int, int]) -> float:
        """A time far from the one before (or the first one): one damaged stamp must not move the clock of the judge.

        When the next two records agree with each other and not with this one, this stamp is damaged.
        """
        buf, pos, end = after
        times: list[float] = []
        while len(times) < 2 and pos + 16 <= end:
            seconds, fraction, captured, _ = self.header.unpack_from(buf, pos)
            times.append(seconds + fraction / self.units)
            pos += 16 + captured
        return settle_time(time, last, times, self.counters)

    def _doubtful(self, buf: bytes, pos: int, before: int) -> bool:
        """Whether a record header looks like none, given the seconds of the one before it."""
        seconds, fraction, captured, _ = self.header.unpack_from(buf, pos)
        return bool(captured > self.limit or fraction >= self.units or abs(seconds - before) > _DAY)

    def _disputed(self, buf: bytes, pos: int, stop: int, end: int) -> int:
        """Where the record at `pos` ends, when what begins at `stop` is hardly a record header, or no octet any more.

        Either this record's length is damaged (then a boundary lies inside of it, or a few octets on), or what
        follows is damaged or just strange (then none does).
        """
        found = self._boundary(buf, pos + 16, min(stop + 16, end), end, True)
        if found < 0 or found == stop:
            return stop
        self._complain(pos, f"a record claims {stop - pos - 16} octets, not {found - pos - 16}")
        self._lost = False
        return found

    def _cut_off(self, pos: int, there: int, captured: int) -> None:
        """The file ends inside its last record."""
        at = self.offset + pos
        self.counters.note(f"the capture is cut off: its last record at offset {at} has {there} of {captured} octets")

    def _complain(self, pos: int, what: str) -> None:
        """Note the damage once for every place, and look for the next record."""
        self._lost = True
        self.counters.note(f"damaged at offset {self.offset + pos}: {what}; reading on at the next sound record")

    def _resynchronise(self, buf: bytes, pos: int, end: int, final: bool) -> tuple[int, bool]:
        """(position, True) of the next sound record after `pos`; (position up to which all was searched, False)."""
        found = self._boundary(buf, pos + 1, end, end, final)
        if found >= 0:
            self._lost = False
            return found, True
        # Keep a tail: a boundary can only be believed with the headers that follow it.
        keep = 0 if final else min(end - pos, 3 * (self.limit + 16))
        return max(pos, end - keep), False

    def _boundary(self, buf: bytes, start: int, stop: int, end: int, final: bool) -> int:
        """Offset of a record header in buf[start:stop] that three headers in a row (or the end) confirm, or -1."""
        return find_boundary(self, buf, start, stop, end, final)


def settle_time(time: float, last: float | None, following: list[float], counters: SourceCounters) -> float:
    """The time to use for a record far away from the one before, given the times of up to two records after it."""
    if last is None:
        believed = following[0] if following else time
        agree = len(following) == 2 and abs(following[0] - following[1]) <= MAX_JUMP
        damaged = agree and abs(time - believed) > _DAY
    else:
        believed = last
        damaged = abs(following[0] - last) <= MAX_JUMP if following else abs(time - last) > _DAY
    if not damaged:
        return time
    counters.note("a record has a damaged timestamp: the time of its neighbour is used")
    return believed


def find_boundary(pcap: PcapDecoder, buf: bytes, start: int, stop: int, end: int, final: bool) -> int:
    """Offset in buf[start:stop] where three sound record headers follow each other (or fit the end exactly), or -1.

    Candidates are found by the upper half of the seconds field, which all records of about a day share, when a time
    is known; else every offset of the first 64 KiB is tried.
    """
    if pcap.last is None:
        return next((p for p in range(start, min(stop, start + 65_536)) if _chain(pcap, buf, p, end, final)), -1)
    high = int(pcap.last) >> 16
    shift = 2 if pcap.order == "<" else 0
    halves = [re.escape(Struct(pcap.order + "H").pack(h)) for h in (high, high + 1, high - 1) if 0 <= h < 65536]
    pattern = re.compile(b"(?=" + b"|".join(halves) + b")", re.DOTALL)
    for match in pattern.finditer(buf, start + shift, min(stop + shift + 2, end)):
        candidate = match.start() - shift
        if start <= candidate < stop and _chain(pcap, buf, candidate, end, final):
            return candidate
    return -1


def _chain(pcap: PcapDecoder, buf: bytes, pos: int, end: int, final: bool) -> bool:
    """Whether three sound record headers follow each other from `pos`, or fewer and then the end of the file."""
    for found in range(3):
        if pos == end and final and found:
            return True
        if pos + 16 > end:
            return False
        seconds, fraction, captured, length = pcap.header.unpack_from(buf, pos)
        if fraction >= pcap.units or not 0 < captured <= min(pcap.limit, length) or length > MAX_RECORD:
            return False
        if pcap.last is not None and abs(seconds - pcap.last) > _DAY:
            return False
        pos += 16 + captured
    return pos <= end or not final
