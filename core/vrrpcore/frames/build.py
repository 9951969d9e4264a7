"""Values -> frames: what the speaker, the probes, the simulation and the tests send. Pure.

Each builder gives a whole Ethernet frame, without padding and frame check sequence (the kernel and the card see to
both). `vlans` are VLAN ids, outermost first: one is tagged 8100, of two the outer one 88a8 (802.1ad).
MACs have 6 octets, addresses are packed (4 or 16 octets).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from vrrpcore.checksums import checksum, pseudo_remainder, remainder
from vrrpcore.packet import PROTOCOL, Advertisement
from vrrpcore.packet import build as build_packet

from .link import ETHERTYPE_ARP, ETHERTYPE_IPV4, ETHERTYPE_IPV6
from .values import Arp, AuthHeader, Membership, Neighbour

BROADCAST: Final = b"\xff" * 6
ALL_NODES: Final = bytes.fromhex("ff020000000000000000000000000001")
_IGMPV3_ROUTERS: Final = bytes((224, 0, 0, 22))  # RFC 3376 §4.2.14
_ALL_ROUTERS4: Final = bytes((224, 0, 0, 2))  # IGMPv2 leave, RFC 2236 §3
_ALL_ROUTERS6: Final = bytes.fromhex("ff020000000000000000000000000002")  # MLDv1 done, RFC 2710 §3
_MLDV2_ROUTERS: Final = bytes.fromhex("ff020000000000000000000000000016")  # RFC 3810 §5.2.14
_ROUTER_ALERT4: Final = b"\x94\x04\x00\x00"  # RFC 2113
_ROUTER_ALERT6: Final = b"\x3a\x00\x05\x02\x00\x00\x01\x00"  # RFC 2711, next header ICMPv6, padded to 8
_FIRST_GROUP: Final = 224  # first octet of multicast addresses
_CONTROL: Final = 0xC0  # internetwork control, the precedence that keepalived and FRR send with


def multicast_mac(group: bytes) -> bytes:
    """The Ethernet address of a group: 01:00:5e + 23 bits (RFC 1112 §6.4), 33:33 + 32 bits (RFC 2464 §7)."""
    if len(group) == 4:
        return bytes((1, 0, 0x5E, group[1] & 127)) + group[2:]
    return b"\x33\x33" + group[12:]


def solicited_node(address: bytes) -> bytes:
    """The solicited-node group ff02::1:ffXX:XXXX of an IPv6 address (RFC 4291 §2.7.1)."""
    return bytes.fromhex("ff0200000000000000000001ff") + address[13:]


def ethernet(destination: bytes, source: bytes, ethertype: int, payload: bytes, vlans: Sequence[int] = ()) -> bytes:
    """An Ethernet frame with 0, 1 (8100) or more (88a8 outside, 8100 inside) VLAN tags."""
    tags = b"".join(
        (0x8100 if depth == len(vlans) - 1 else 0x88A8).to_bytes(2, "big") + vlan.to_bytes(2, "big")
        for depth, vlan in enumerate(vlans)
    )
    return b"".join((destination, source, tags, ethertype.to_bytes(2, "big"), payload))


def ipv4_packet(
    source: bytes,
    destination: bytes,
    protocol: int,
    payload: bytes,
    *,
    ttl: int = 255,
    ident: int = 0,
    dont_fragment: bool = False,
    tos: int = _CONTROL,
    options: bytes = b"",
) -> bytes:
    """An IPv4 packet (RFC 791) with its header checksum; `options` are padded to a multiple of 4 octets."""
    options += bytes(-len(options) % 4)
    header = bytearray(20)
    header[0] = 0x40 | (20 + len(options)) // 4
    header[1] = tos
    header[2:4] = (20 + len(options) + len(payload)).to_bytes(2, "big")
    header[4:6] = ident.to_bytes(2, "big")
    header[6] = 0x40 if dont_fragment else 0
    header[8] = ttl
    header[9] = protocol
    header[12:20] = source + destination
    header += options
    header[10:12] = checksum(remainder(bytes(header))).to_bytes(2, "big")
    return bytes(header) + payload


def ipv6_packet(
    source: bytes,
    destination: bytes,
    next_header: int,
    payload: bytes,
    *,
    hop_limit: int = 255,
    traffic_class: int = _CONTROL,
    flow: int = 0,
) -> bytes:
    """An IPv6 packet (RFC 8200); extension headers are part of `payload`, `next_header` names the first."""
    word = 6 << 28 | traffic_class << 20 | flow
    fixed = (word.to_bytes(4, "big"), len(payload).to_bytes(2, "big"), bytes((next_header, hop_limit)))
    return b"".join((*fixed, source, destination, payload))


def build_advert(
    advert: Advertisement,
    source_mac: bytes,
    source: bytes,
    destination: bytes,
    *,
    destination_mac: bytes = b"",
    ttl: int = 255,
    ident: int = 0,
    dont_fragment: bool = False,
    tos: int = _CONTROL,
    options: bytes = b"",
    ah: AuthHeader | None = None,
    style: str = "",
    vlans: Sequence[int] = (),
) -> bytes:
    """An advertisement in its frame. A group as `destination` gives the MAC; unicast needs `destination_mac`.

    With `ah` the message goes behind an authentication header whose ICV is given (see `ah_coverage`).
    """
    if not destination_mac:
        if destination[0] < 224:
            raise ValueError("a unicast advertisement needs destination_mac")
        destination_mac = multicast_mac(destination)
    payload, protocol = build_packet(advert, source, destination, style), PROTOCOL
    if ah is not None:
        payload, protocol = _ah(ah) + payload, 51
    if advert.family == 4:
        packet = ipv4_packet(
            source,
            destination,
            protocol,
            payload,
            ttl=ttl,
            ident=ident,
            dont_fragment=dont_fragment,
            tos=tos,
            options=options,
        )
        return ethernet(destination_mac, source_mac, ETHERTYPE_IPV4, packet, vlans)
    packet = ipv6_packet(source, destination, protocol, payload, hop_limit=ttl, traffic_class=tos)
    return ethernet(destination_mac, source_mac, ETHERTYPE_IPV6, packet, vlans)


def _ah(ah: AuthHeader) -> bytes:
    words = (12 + len(ah.icv)) // 4 - 2  # RFC 4302 §2.2: in 32-bit words, minus 2
    fixed = bytes((PROTOCOL, words, 0, 0))
    return b"".join((fixed, ah.spi.to_bytes(4, "big"), ah.sequence.to_bytes(4, "big"), ah.icv))


def build_arp(
    message: Arp, *, source_mac: bytes = b"", destination_mac: bytes = b"", vlans: Sequence[int] = ()
) -> bytes:
    """An ARP message in its frame: from its own sender, to everyone for a request and to its target for a reply."""
    payload = b"".join(
        (
            b"\x00\x01\x08\x00\x06\x04",
            message.operation.to_bytes(2, "big"),
            message.sender_mac,
            message.sender_ip,
            message.target_mac,
            message.target_ip,
        )
    )
    if not destination_mac:
        destination_mac = message.target_mac if message.operation == 2 else BROADCAST
    return ethernet(destination_mac, source_mac or message.sender_mac, ETHERTYPE_ARP, payload, vlans)


def build_garp(mac: bytes, address: bytes, *, vlans: Sequence[int] = ()) -> bytes:
    """The gratuitous ARP of keepalived and FRR: a broadcast *request*, sender = target address, target MAC ones."""
    return build_arp(Arp(1, mac, address, BROADCAST, address), vlans=vlans)


def _icmpv6(source: bytes, destination: bytes, body: bytes) -> bytes:
    """An ICMPv6 message (type, code, two zero octets, rest) with its checksum filled in."""
    total = remainder(body) + pseudo_remainder(source, destination, len(body), 58)
    return body[:2] + checksum(total).to_bytes(2, "big") + body[4:]


def build_neighbour_advertisement(
    message: Neighbour,
    source_mac: bytes,
    source: bytes,
    destination: bytes,
    destination_mac: bytes = b"",
    *,
    vlans: Sequence[int] = (),
) -> bytes:
    """A Neighbour Advertisement (RFC 4861 §4.4); the target link-layer option is there when `link_layer` is."""
    bits = message.router << 7 | message.solicited << 6 | message.override << 5
    option = b"\x02\x01" + message.link_layer if message.link_layer else b""
    body = b"".join((bytes((136, 0, 0, 0, bits, 0, 0, 0)), message.target, option))
    packet = ipv6_packet(source, destination, 58, _icmpv6(source, destination, body), traffic_class=0)
    return ethernet(destination_mac or multicast_mac(destination), source_mac, ETHERTYPE_IPV6, packet, vlans)


def build_unsolicited_na(
    mac: bytes, address: bytes, *, source: bytes = b"", router: bool = True, vlans: Sequence[int] = ()
) -> bytes:
    """The announcement of RFC 9568 §6.4.2 to all nodes: O set, S clear, R as given, target link-layer option.

    `source` defaults to the address itself, as keepalived and FRR send it.
    """
    message = Neighbour(136, address, mac, router=router, override=True)
    return build_neighbour_advertisement(message, mac, source or address, ALL_NODES, vlans=vlans)


def build_neighbour_solicitation(
    source_mac: bytes,
    source: bytes,
    target: bytes,
    *,
    link_layer: bytes = b"",
    destination: bytes = b"",
    destination_mac: bytes = b"",
    vlans: Sequence[int] = (),
) -> bytes:
    """A Neighbour Solicitation (RFC 4861 §4.3), to the target's solicited-node group unless told otherwise."""
    destination = destination or solicited_node(target)
    option = b"\x01\x01" + link_layer if link_layer else b""
    body = b"".join((bytes((135, 0, 0, 0, 0, 0, 0, 0)), target, option))
    packet = ipv6_packet(source, destination, 58, _icmpv6(source, destination, body), traffic_class=0)
    return ethernet(destination_mac or multicast_mac(destination), source_mac, ETHERTYPE_IPV6, packet, vlans)


def _group_records(report: Membership, head: bytes) -> bytes:
    """Records: change to exclude nothing = listen (4), change to include nothing = leave (3)."""
    records = [(4, group) for group in report.joined] + [(3, group) for group in report.left]
    body = b"".join(bytes((kind, 0, 0, 0)) + group for kind, group in records)
    return head + bytes((0, 0)) + len(records).to_bytes(2, "big") + body


def build_igmp_report(
    report: Membership, source_mac: bytes, source: bytes, *, version: int = 3, vlans: Sequence[int] = ()
) -> bytes:
    """An IGMP report with router alert: version 3 holds any number of groups, 1 and 2 exactly one (2 also leaves)."""
    if version == 3:
        destination, body = _IGMPV3_ROUTERS, _group_records(report, b"\x22\x00\x00\x00")
    else:
        (group,) = report.joined or report.left
        destination = group if report.joined else _ALL_ROUTERS4
        kind = 0x12 if version == 1 else 0x16 if report.joined else 0x17
        body = bytes((kind, 0, 0, 0)) + group
    body = body[:2] + checksum(remainder(body)).to_bytes(2, "big") + body[4:]
    packet = ipv4_packet(source, destination, 2, body, ttl=1, options=_ROUTER_ALERT4)
    return ethernet(multicast_mac(destination), source_mac, ETHERTYPE_IPV4, packet, vlans)


def build_mld_report(
    report: Membership, source_mac: bytes, source: bytes, *, version: int = 2, vlans: Sequence[int] = ()
) -> bytes:
    """An MLD report behind a hop-by-hop router alert: version 2 holds any number of groups, 1 exactly one."""
    if version == 2:
        destination, body = _MLDV2_ROUTERS, _group_records(report, b"\x8f\x00\x00\x00")
    else:
        (group,) = report.joined or report.left
        destination = group if report.joined else _ALL_ROUTERS6
        body = bytes((131 if report.joined else 132, 0, 0, 0, 0, 0, 0, 0)) + group
    payload = _ROUTER_ALERT6 + _icmpv6(source, destination, body)
    packet = ipv6_packet(source, destination, 0, payload, hop_limit=1, traffic_class=0)
    return ethernet(multicast_mac(destination), source_mac, ETHERTYPE_IPV6, packet, vlans)


def ah_coverage(packet: bytes, icv_length: int = 12) -> bytes:
    """The octets of an IPv4 packet that keepalived's integrity value covers: HMAC-MD5 of them, first 12 octets.

    RFC 4302 §3.3.3 wants what may change on the way set to zero: TOS, flags and offset, TTL, header checksum, and the
    ICV itself. keepalived leaves the TTL as it is (255) in what goes to a group, not in what goes to a peer (measured
    with 2.2.7), and nobody else speaks VRRP over AH.
    """
    octets = bytearray(packet)
    header = (octets[0] & 15) * 4
    ttl = 0 if octets[16] >= _FIRST_GROUP else 1
    for at, size in ((1, 1), (6, 2), (8, ttl), (10, 2), (header + 12, icv_length)):
        octets[at : at + size] = bytes(size)
    return bytes(octets)
