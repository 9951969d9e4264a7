"""Captures as octets for tests and benchmarks: labelled pieces in the order of the format's figures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from struct import pack

Stamped = tuple[float, bytes]


def pcap_header(order: str = "<", nano: bool = False, snaplen: int = 262_144, linktype: int = 1, fcs: int = 0) -> bytes:
    """The file header; `fcs` in octets."""
    magic = 0xA1B23C4D if nano else 0xA1B2C3D4
    word = linktype | (0x0400_0000 | (fcs // 2) << 28 if fcs else 0)
    return pack(order + "IHHiIII", magic, 2, 4, 0, 0, snaplen, word)


def pcap_record(time: float, frame: bytes, order: str = "<", nano: bool = False, wire: int | None = None) -> bytes:
    """A record header and its frame; `wire` is the length on the wire when more than was captured."""
    units = 1_000_000_000 if nano else 1_000_000
    whole = int(time)
    carry, fraction = divmod(round((time - whole) * units), units)
    header = pack(order + "IIII", whole + carry, fraction, len(frame), wire if wire is not None else len(frame))
    return header + frame


def pcap(frames: Iterable[Stamped], order: str = "<", nano: bool = False, linktype: int = 1, fcs: int = 0) -> bytes:
    """A whole classic capture."""
    head = pcap_header(order, nano, linktype=linktype, fcs=fcs)
    return head + b"".join(pcap_record(time, frame, order, nano) for time, frame in frames)


def option(code: int, value: bytes, order: str = "<") -> bytes:
    """A pcapng option, padded."""
    return pack(order + "HH", code, len(value)) + value + bytes(-len(value) % 4)


def block(kind: int, body: bytes, order: str = "<") -> bytes:
    """A pcapng block."""
    body += bytes(-len(body) % 4)
    total = pack(order + "I", 12 + len(body))
    return pack(order + "I", kind) + total + body + total


def section(order: str = "<", length: int = -1) -> bytes:
    """A Section Header Block."""
    return block(0x0A0D0D0A, pack(order + "IHHq", 0x1A2B3C4D, 1, 0, length), order)


def interface(linktype: int = 1, order: str = "<", snaplen: int = 0, options: Sequence[bytes] = ()) -> bytes:
    """An Interface Description Block."""
    end = option(0, b"", order) if options else b""
    return block(1, pack(order + "HHI", linktype, 0, snaplen) + b"".join(options) + end, order)


def enhanced(
    ticks: int, frame: bytes, number: int = 0, order: str = "<", wire: int | None = None, options: bytes = b""
) -> bytes:
    """An Enhanced Packet Block."""
    head = pack(
        order + "5I", number, ticks >> 32, ticks & 0xFFFFFFFF, len(frame), wire if wire is not None else len(frame)
    )
    return block(6, head + frame + bytes(-len(frame) % 4) + options, order)


def simple(frame: bytes, order: str = "<") -> bytes:
    """A Simple Packet Block: no time, no interface."""
    return block(3, pack(order + "I", len(frame)) + frame, order)


def old_packet(ticks: int, frame: bytes, number: int = 0, drops: int = 0xFFFF, order: str = "<") -> bytes:
    """The obsolete Packet Block."""
    head = pack(order + "HH4I", number, drops, ticks >> 32, ticks & 0xFFFFFFFF, len(frame), len(frame))
    return block(2, head + frame, order)
