"""IPv4 and IPv6, their options, fragments and extension headers, and AH. Pure.

Each function takes the octets and the offset of its header and gives (facts or None, body); lengths are those that
the headers state, never the frame's, because Ethernet pads short frames. Foreign traffic gives (None, None).
"""

from __future__ import annotations

from typing import Final, TypeAlias

from .bodies import icmpv6, igmp, is_ours6, vrrp
from .values import AuthHeader, Body, IpFacts, Malformed

IGMP: Final = 2
AH: Final = 51
ICMPV6: Final = 58
VRRP: Final = 112
_HOP_BY_HOP: Final = 0
_ROUTING: Final = 43
_FRAGMENT: Final = 44
_DESTINATION: Final = 60
_OPTIONS: Final = (
    _HOP_BY_HOP,
    _ROUTING,
    _DESTINATION,
)  # RFC 8200 §4: length in octet 1, in units of 8, first not counted
_OURS4: Final = (VRRP, AH, IGMP)
_OURS6: Final = (VRRP, ICMPV6, AH, _FRAGMENT, *_OPTIONS)

Layer: TypeAlias = tuple[IpFacts | None, Body]
_FOREIGN: Final[Layer] = (None, None)


def ipv4(data: bytes, at: int) -> Layer:
    """An IPv4 packet at `at` (RFC 791)."""
    have = len(data) - at
    if have < 20:
        if have > 9 and data[at + 9] not in _OURS4:
            return _FOREIGN
        return None, Malformed("truncated", f"{have} octets of an IPv4 header")
    protocol = data[at + 9]
    if protocol not in _OURS4:
        return _FOREIGN
    header = (data[at] & 15) * 4
    total = data[at + 2] << 8 | data[at + 3]
    if data[at] >> 4 != 4 or header < 20 or total < header:
        if protocol == AH:
            return _FOREIGN  # what it carries cannot be known
        return None, Malformed("ip_header", f"version {data[at] >> 4}, header {header}, total length {total}")
    flags = data[at + 6] << 8 | data[at + 7]
    payload = data[at + header : at + total]
    cut = have < total
    if protocol == AH and (not payload or payload[0] != VRRP or flags & 0x1FFF):
        return _FOREIGN
    header_of_ah, payload, broken = _authenticated(payload, cut) if protocol == AH else (None, payload, None)
    source, destination = data[at + 12 : at + 16], data[at + 16 : at + 20]
    ident = data[at + 4] << 8 | data[at + 5]
    facts = IpFacts(4, source, destination, data[at + 8], ident, bool(flags & 0x4000), data[at + 1], header_of_ah)
    if broken:
        return facts, broken
    if flags & 0x1FFF:
        return facts, Malformed("ip_fragment", f"at octet {(flags & 0x1FFF) * 8}")
    if protocol == IGMP:
        body = igmp(payload, "truncated" if cut else "ip_fragment" if flags & 0x2000 else "")
        return (facts, body) if body is not None else _FOREIGN
    length = total - header if header_of_ah is None else len(payload)
    return facts, vrrp(payload, 4, source, destination, length, _partial(cut, flags & 0x2000))


def ipv6(data: bytes, at: int) -> Layer:
    """An IPv6 packet at `at` (RFC 8200), through its extension headers."""
    have = len(data) - at
    if have < 40:
        if have > 6 and data[at + 6] not in _OURS6:
            return _FOREIGN
        return None, Malformed("truncated", f"{have} octets of an IPv6 header")
    kind = data[at + 6]
    if kind not in _OURS6 or (kind == ICMPV6 and have > 40 and not is_ours6(data[at + 40])):
        return _FOREIGN
    if data[at] >> 4 != 6:
        return (None, Malformed("ip_header", f"version {data[at] >> 4}")) if kind == VRRP else _FOREIGN
    length = data[at + 4] << 8 | data[at + 5]
    payload = data[at + 40 : at + 40 + length]
    cut = have < 40 + length
    kind, payload, fragment, header_of_ah, broken = _walk(kind, payload, cut)
    if kind != VRRP and (kind != ICMPV6 or not payload or not is_ours6(payload[0])):
        return _FOREIGN
    source, destination = data[at + 8 : at + 24], data[at + 24 : at + 40]
    traffic_class = (data[at] & 15) << 4 | data[at + 1] >> 4
    facts = IpFacts(6, source, destination, data[at + 7], None, False, traffic_class, header_of_ah)
    if broken:
        return facts, broken
    if kind == VRRP:
        whole = len(payload) + max(0, 40 + length - have)
        return facts, vrrp(payload, 6, source, destination, whole, _partial(cut, fragment))
    return facts, icmpv6(payload, facts, _partial(cut, fragment))


def _partial(cut: bool, fragment: int) -> str:
    """Why a payload may be incomplete: the reason to give when it does not parse; "" when it is whole."""
    return "truncated" if cut else "ip_fragment" if fragment else ""


def _walk(kind: int, payload: bytes, cut: bool) -> tuple[int, bytes, int, AuthHeader | None, Malformed | None]:
    """Follow IPv6 extension headers: last next header, what it heads, fragment?, AH, what is broken.

    A header that runs past the end hides what follows; its own next-header octet still says whether it was ours.
    """
    fragment = 0
    found: AuthHeader | None = None
    while True:
        if kind in _OPTIONS:
            size = (payload[1] + 1) * 8 if len(payload) > 1 else 8
        elif kind == _FRAGMENT:
            size = 8
        elif kind == AH:
            size = (payload[1] + 2) * 4 if len(payload) > 1 else 12
        else:
            return kind, payload, fragment, found, None
        following = payload[0] if payload else -1
        if len(payload) < size or (kind == AH and size < 12):
            reason = "truncated" if cut else "ah_header" if kind == AH else "ip_header"
            return following, b"", fragment, found, Malformed(reason, f"extension header {kind} of {size} octets")
        if kind == _FRAGMENT:
            word = payload[2] << 8 | payload[3]
            if word >> 3:
                return following, b"", 1, found, Malformed("ip_fragment", f"at octet {word >> 3 << 3}")
            fragment = word & 1
        elif kind == AH:
            found, payload, _ = _authenticated(payload, cut)
            kind = following
            continue
        kind, payload = following, payload[size:]


def _authenticated(payload: bytes, cut: bool) -> tuple[AuthHeader | None, bytes, Malformed | None]:
    """AH and what it carries (RFC 4302 §2): next header 1 | length 1 | reserved 2 | SPI 4 | sequence 4 | ICV n."""
    size = (payload[1] + 2) * 4 if len(payload) > 1 else 12
    if size < 12 or len(payload) < size:
        reason = "truncated" if cut else "ah_header"
        return None, b"", Malformed(reason, f"{len(payload)} octets; the authentication header says {size}")
    spi, sequence = int.from_bytes(payload[4:8], "big"), int.from_bytes(payload[8:12], "big")
    return AuthHeader(spi, sequence, payload[12:size]), payload[size:], None
