"""How records with Ethernet frames lie in a buffer: capture files and capture rings. Pure.

A *content* is a record without its time and without the two fields that differ from advert to advert though nothing
has changed, as in `vrrpcore.memo`:

    before the frame: time | what else must be equal (lengths; in a ring also VLAN word, interface and direction)
    Ethernet header, tags, IPv4 up to the length | identification | flags, TTL, protocol | checksum | the rest
    head                                           (evidence)       middle                 (left out)  key
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from struct import Struct
from typing import Final, Protocol, TypeAlias

TAGS: Final = frozenset((0x81, 0x88, 0x91))  # first octet of the ethertypes of a VLAN tag
LONGEST: Final = 1518  # octets of a frame that may be known
#: Octets that must follow the last record of a buffer: one of another shape may be looked for there.
SLACK: Final = LONGEST + 128

#: seconds, fraction, before, head, identification, middle, key; the time is seconds + fraction / units
Fields: TypeAlias = tuple[int, float, object, bytes, int, int, bytes]
Unpack: TypeAlias = Callable[[bytes, int], Fields]
#: before, head, middle, key
Content: TypeAlias = tuple[object, bytes, int, bytes]


class Layout(Protocol):
    """Where the parts of a record are."""

    order: str  # of `struct`: "<" or ">"
    lead: int  # octets before the frame
    low: int  # where the low octet of the captured length is
    units: int  # parts of a second

    def size(self, captured: int) -> int:
        """Octets from one record to the next, for a frame of `captured` octets."""

    def shape(self, captured: int, family: int, tags: int) -> Unpack:
        """Takes such a record apart; `tags` are the octets of the VLAN tags inside the frame."""


def frame_codes(captured: int, family: int, tags: int, more: int = 0) -> str:
    """The `struct` codes of head (with `more` octets before the frame), identification, middle and key.

    IPv6 has no field that changes: what would be the identification is the payload length, and nothing is left out.
    """
    skipped = 0 if family == 6 else 2
    return f"{more + 18 + tags}sHI{skipped}x{captured - 24 - tags - skipped}s"


@dataclass(slots=True)
class Plain:
    """Records whose time is followed by all else that must be equal."""

    order: str
    before: str  # struct codes of seconds, fraction and one piece of that
    lead: int
    low: int
    units: int
    align: int = 1  # a record begins at a multiple of so many octets
    more: int = 0  # octets just before the frame that must be equal as well

    def size(self, captured: int) -> int:
        return -(-(self.lead + captured) // self.align) * self.align

    def shape(self, captured: int, family: int, tags: int) -> Unpack:
        return Struct(self.order + self.before + frame_codes(captured, family, tags, self.more)).unpack_from


def pcap_layout(order: str, units: int) -> Plain:
    """seconds, fraction, captured length and length on the wire."""
    return Plain(order, "II0s", 16, 8 if order == "<" else 11, units, more=8)


_LITTLE: Final = sys.byteorder == "little"
#: tpacket3_hdr: offset of the next, seconds, nanoseconds, snaplen, len, status, mac, net, rxhash, vlan_tci, vlan_tpid;
#: then sockaddr_ll; the last octets before the frame are left-overs.
RING: Final = Plain("<" if _LITTLE else ">", "4xII54s16x", 82, 12 if _LITTLE else 15, 1_000_000_000, 8)


class Clock(Protocol):
    """How an interface of a pcapng section counts time."""

    units: int  # ticks per second
    offset: int  # seconds


class Enhanced:
    """Enhanced Packet Blocks of pcapng without options: type, length, interface, time, lengths, frame, length again."""

    lead, units = 28, 1

    def __init__(self, order: str, clocks: Sequence[Clock]) -> None:
        self.order, self.clocks = order, clocks
        self.low = 20 if order == "<" else 23

    def size(self, captured: int) -> int:
        return 32 + (captured + 3) // 4 * 4

    def shape(self, captured: int, family: int, tags: int) -> Unpack:
        codes = f"{self.order}8sIIIQ{frame_codes(captured, family, tags)}{-captured % 4}xI"
        unpack, clocks = Struct(codes).unpack_from, self.clocks

        def enhanced(buf: bytes, pos: int) -> Fields:
            kind, interface, high, low, lengths, head, ident, middle, key, total = unpack(buf, pos)
            if interface >= len(clocks):
                return no_shape(buf, pos)
            clock = clocks[interface]
            time = clock.offset + ((high << 32) | low) / clock.units
            return 0, time, (kind, interface, lengths, total), head, ident, middle, key

        return enhanced


def no_shape(_buf: bytes, _pos: int) -> Fields:
    """A record of a shape that is not known."""
    return 0, 0, 0, b"", 0, 0, b""


def swapped(ident: int, order: str) -> int:
    """An identification as a record's byte order makes it, and back."""
    return ident >> 8 | (ident & 0xFF) << 8 if order == "<" else ident


def stride(family: int, order: str) -> int:
    """What to add to an identification, as read, for the one that must follow; it need not work for each carry."""
    if family == 6:
        return 0  # the payload length stays
    return 0x100 if order == "<" else 1  # the high octet is read as the low one
