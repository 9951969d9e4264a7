"""What Ethernet or IP carries and we read: VRRP and CARP, ARP, Neighbour Discovery, IGMP and MLD reports. Pure.

`partial` says why a payload may be incomplete ("truncated", "ip_fragment"), "" when it is whole.
"""

from __future__ import annotations

from typing import Final

from vrrpcore.checksums import pseudo_remainder, remainder
from vrrpcore.errors import ParseError
from vrrpcore.packet import Advertisement, parse

from .values import Arp, Carp, IpFacts, Malformed, Membership, Neighbour

_ICMPV6: Final = 58
_SOLICITATION: Final = 135
_ADVERTISEMENT: Final = 136
_MLD1_REPORT: Final = 131
_MLD1_DONE: Final = 132
_MLD2_REPORT: Final = 143
_IGMP1_REPORT: Final = 0x12
_IGMP2_REPORT: Final = 0x16
_IGMP2_LEAVE: Final = 0x17
_IGMP3_REPORT: Final = 0x22
_OURS6: Final = (_SOLICITATION, _ADVERTISEMENT, _MLD1_REPORT, _MLD1_DONE, _MLD2_REPORT)
_IGMP_OURS: Final = (_IGMP1_REPORT, _IGMP2_REPORT, _IGMP2_LEAVE, _IGMP3_REPORT)


def is_ours6(kind: int) -> bool:
    """Whether an ICMPv6 type is one that we read."""
    return kind in _OURS6


def vrrp(
    payload: bytes, family: int, source: bytes, destination: bytes, length: int, partial: str
) -> Advertisement | Carp | Malformed:
    """Protocol 112: an advertisement, or CARP, or what is wrong; `length` is the payload's by its IP header.

    CARP's first octet is VRRPv2's; its fourth is 7, the length of its digest in words, and it has 36 octets.
    A partial payload whose message is complete and verifies is an advertisement all the same.
    """
    if length == 36 and len(payload) > 3 and payload[0] == 0x21 and payload[3] == 7:
        return Carp(payload[1])
    try:
        return parse(payload, family, source, destination)
    except ParseError as error:
        vrid = payload[1] if len(payload) > 1 else None
        version = payload[0] >> 4 if payload else None
        return Malformed(partial or error.reason, error.detail, vrid, version)


def arp(data: bytes, at: int) -> Arp | Malformed:
    """ARP for Ethernet/IPv4 (RFC 826): htype 2, ptype 2, hlen, plen, operation 2, sender MAC/IP, target MAC/IP."""
    if len(data) < at + 28:
        return Malformed("arp", f"{len(data) - at} octets; ARP for Ethernet and IPv4 has 28")
    if data[at : at + 6] != b"\x00\x01\x08\x00\x06\x04":
        return Malformed("arp", "not Ethernet and IPv4")
    return Arp(
        data[at + 6] << 8 | data[at + 7],
        data[at + 8 : at + 14],
        data[at + 14 : at + 18],
        data[at + 18 : at + 24],
        data[at + 24 : at + 28],
    )


def icmpv6(payload: bytes, ip: IpFacts, partial: str) -> Neighbour | Membership | Malformed:
    """An ICMPv6 message of a type that `is_ours6` (RFC 4861 §7.1, RFC 2710, RFC 3810)."""
    kind = payload[0]
    reason = "nd" if kind in (_SOLICITATION, _ADVERTISEMENT) else "membership"
    if partial:
        return Malformed(partial, f"ICMPv6 type {kind}")
    covered = pseudo_remainder(ip.source, ip.destination, len(payload), _ICMPV6)
    if (remainder(payload) + covered) % 65535:
        return Malformed(reason, "wrong checksum")
    try:
        if reason == "nd":
            return _neighbour(payload, ip)
        if kind == _MLD2_REPORT:
            return _records(payload, 16)
        if len(payload) < 24:
            raise ParseError(reason, f"{len(payload)} octets of an MLDv1 message")
        group = (payload[8:24],)
        return Membership(group) if kind == _MLD1_REPORT else Membership((), group)
    except ParseError as error:
        return Malformed(error.reason, error.detail)


def _neighbour(payload: bytes, ip: IpFacts) -> Neighbour:
    """NS and NA with the checks of RFC 4861 §7.1.1 and §7.1.2."""
    kind, flags, target = payload[0], payload[4:5], payload[8:24]
    if len(payload) < 24 or payload[1] != 0:
        raise ParseError("nd", f"{len(payload)} octets")
    if ip.ttl != 255:
        raise ParseError("nd", f"hop limit {ip.ttl}: it came through a router")
    if target[0] == 255:
        raise ParseError("nd", "the target is a group")
    wanted = 1 if kind == _SOLICITATION else 2  # source or target link-layer address option
    link_layer = b""
    at = 24
    while at < len(payload):
        size = payload[at + 1] * 8 if at + 1 < len(payload) else 0
        if size == 0 or at + size > len(payload):
            raise ParseError("nd", "an option that does not fit")
        if payload[at] == wanted:
            link_layer = payload[at + 2 : at + size]
        at += size
    if kind == _SOLICITATION:
        return Neighbour(kind, target, link_layer)
    bits = flags[0]
    if bits & 0x40 and ip.destination[0] == 255:
        raise ParseError("nd", "solicited, but sent to a group")
    return Neighbour(kind, target, link_layer, bool(bits & 0x80), bool(bits & 0x40), bool(bits & 0x20))


def igmp(payload: bytes, partial: str) -> Membership | Malformed | None:
    """IGMPv1/2/3 reports and leaves (RFC 1112, 2236, 3376); None for queries and other types."""
    if not payload or payload[0] not in _IGMP_OURS:
        return Malformed(partial or "membership", "no IGMP type") if not payload else None
    if partial:
        return Malformed(partial, f"IGMP type {payload[0]}")
    if len(payload) < 8:
        return Malformed("membership", f"{len(payload)} octets of IGMP")
    if remainder(payload):
        return Malformed("membership", "wrong checksum")
    if payload[0] == _IGMP3_REPORT:
        try:
            return _records(payload, 4)
        except ParseError as error:
            return Malformed(error.reason, error.detail)
    group = (payload[4:8],)
    return Membership((), group) if payload[0] == _IGMP2_LEAVE else Membership(group)


def _records(payload: bytes, size: int) -> Membership:
    """The group records of an IGMPv3 or MLDv2 report (RFC 3376 §4.2.12, RFC 3810 §5.2.12).

    A record: type 1 | auxiliary words 1 | number of sources 2 | group `size` | sources | auxiliary data.
    INCLUDE of no source means leaving, ALLOW of some source means listening; BLOCK says neither.
    """
    if len(payload) < 8:
        raise ParseError("membership", f"{len(payload)} octets of a report")
    joined: list[bytes] = []
    left: list[bytes] = []
    at = 8
    for _ in range(payload[6] << 8 | payload[7]):
        after = at + 4 + size
        if len(payload) < after:
            raise ParseError("membership", "ends inside a group record")
        kind, sources = payload[at], payload[at + 2] << 8 | payload[at + 3]
        group = payload[at + 4 : after]
        if kind in (2, 4) or (kind in (1, 3, 5) and sources):
            joined.append(group)
        elif kind in (1, 3):
            left.append(group)
        at = after + size * sources + 4 * payload[at + 1]
        if at > len(payload):
            raise ParseError("membership", "ends inside the sources of a group record")
    return Membership(tuple(joined), tuple(left))
