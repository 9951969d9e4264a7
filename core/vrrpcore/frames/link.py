"""Below IP: link-layer headers and VLAN tags. Pure.

Ethernet and the tag of 802.1Q (8100) or 802.1ad (88a8; 9100 before it was standardised):

    destination 6 | source 6 | { tpid 2 | priority 3 bits, dei 1, VLAN id 12 } 0..n | ethertype 2 | payload

Linux cooked captures: the sender's address, but no destination.

    SLL   packet type 2 | ARPHRD 2 | address length 2 | address 8 | protocol 2 | payload
    SLL2  protocol 2 | reserved 2 | interface 4 | ARPHRD 2 | packet type 1 | address length 1 | address 8 | payload
"""

from __future__ import annotations

from typing import Final, TypeAlias

from vrrpcore.errors import ParseError

ETHERTYPE_IPV4: Final = 0x0800
ETHERTYPE_ARP: Final = 0x0806
ETHERTYPE_IPV6: Final = 0x86DD
TAG_TYPES: Final = (0x8100, 0x88A8, 0x9100)
#: More tags than this are not followed: two are common, a capture host may add one.
MOST_TAGS: Final = 4

ETHERNET: Final = 1
SLL: Final = 113
SLL2: Final = 276
_RAW: Final = (101, 12, 14)  # LINKTYPE_RAW, and the DLT_RAW of two families of systems
_RAW_IPV4: Final = 228
_RAW_IPV6: Final = 229
#: The pcap link types that `unwrap` understands.
LINKTYPES: Final = (ETHERNET, *_RAW, _RAW_IPV4, _RAW_IPV6, SLL, SLL2)

#: source MAC, destination MAC, VLAN ids in the frame, ethertype, offset of the payload
Opened: TypeAlias = tuple[bytes, bytes, tuple[int, ...], int, int]


def open_link(frame: bytes, linktype: int) -> Opened:
    """Take the link layer off; ParseError("frame") when the frame is shorter than it or the link type unknown."""
    if linktype == ETHERNET:
        if len(frame) < 14:
            raise ParseError("frame", f"{len(frame)} octets are no Ethernet frame")
        ethertype = frame[12] << 8 | frame[13]
        if ethertype in TAG_TYPES:
            return (frame[6:12], frame[:6], *_untag(frame, ethertype, 14))
        return frame[6:12], frame[:6], (), ethertype, 14
    if linktype == SLL:
        return _cooked(frame, 16, address=6, length=frame[4:6], protocol=frame[14:16])
    if linktype == SLL2:
        return _cooked(frame, 20, address=12, length=frame[11:12], protocol=frame[0:2])
    if linktype in _RAW or linktype in (_RAW_IPV4, _RAW_IPV6):
        return b"", b"", (), _raw_type(frame, linktype), 0
    raise ParseError("frame", f"link type {linktype} is not supported")


def _untag(frame: bytes, ethertype: int, at: int) -> tuple[tuple[int, ...], int, int]:
    """Follow the tags from the ethertype that ends at `at`: VLAN ids, inner ethertype, offset of the payload."""
    tags: list[int] = []
    while ethertype in TAG_TYPES and len(tags) < MOST_TAGS:
        if len(frame) < at + 4:
            raise ParseError("frame", "ends inside a VLAN tag")
        tags.append((frame[at] << 8 | frame[at + 1]) & 4095)
        ethertype = frame[at + 2] << 8 | frame[at + 3]
        at += 4
    return tuple(tags), ethertype, at


def _cooked(frame: bytes, header: int, address: int, length: bytes, protocol: bytes) -> Opened:
    """Linux cooked: `address` is the offset of the 8-octet field of which the first `length` octets count."""
    if len(frame) < header:
        raise ParseError("frame", f"{len(frame)} octets are no Linux cooked frame")
    octets = min(int.from_bytes(length, "big"), 8)
    return (frame[address : address + octets], b"", *_untag(frame, int.from_bytes(protocol, "big"), header))


def _raw_type(frame: bytes, linktype: int) -> int:
    if not frame:
        raise ParseError("frame", "an empty frame")
    if linktype == _RAW_IPV4:
        return ETHERTYPE_IPV4
    if linktype == _RAW_IPV6:
        return ETHERTYPE_IPV6
    version = frame[0] >> 4
    if version == 4:
        return ETHERTYPE_IPV4
    if version == 6:
        return ETHERTYPE_IPV6
    raise ParseError("frame", f"raw IP of version {version}")
