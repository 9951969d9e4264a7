"""What surrounds an advert, bytes <-> values: Ethernet, VLAN tags, IPv4, AH, IPv6, ARP, ND, IGMP/MLD. Pure.

`unwrap` takes any frame apart and never raises; the `build_*` functions make frames (the speaker, the probes, the
simulation and the tests use them). Inside: `link` (below IP), `network` (IP and its extension headers), `bodies`
(what IP or Ethernet carries), `build`, and `values` for what they exchange.
"""

from __future__ import annotations

from vrrpcore.errors import ParseError

from .bodies import arp
from .build import (
    ah_coverage,
    build_advert,
    build_arp,
    build_garp,
    build_igmp_report,
    build_mld_report,
    build_neighbour_advertisement,
    build_neighbour_solicitation,
    build_unsolicited_na,
    ethernet,
    ipv4_packet,
    ipv6_packet,
    multicast_mac,
    solicited_node,
)
from .link import ETHERTYPE_ARP, ETHERTYPE_IPV4, ETHERTYPE_IPV6, LINKTYPES, open_link
from .network import ipv4, ipv6
from .values import (
    Arp,
    AuthHeader,
    Body,
    Carp,
    Frame,
    IpFacts,
    Malformed,
    Membership,
    Neighbour,
)

__all__ = [
    "LINKTYPES",
    "Arp",
    "AuthHeader",
    "Body",
    "Carp",
    "Frame",
    "IpFacts",
    "Malformed",
    "Membership",
    "Neighbour",
    "ah_coverage",
    "build_advert",
    "build_arp",
    "build_garp",
    "build_igmp_report",
    "build_mld_report",
    "build_neighbour_advertisement",
    "build_neighbour_solicitation",
    "build_unsolicited_na",
    "ethernet",
    "ipv4_packet",
    "ipv6_packet",
    "multicast_mac",
    "solicited_node",
    "unwrap",
]


def unwrap(frame: bytes, linktype: int = 1, vlans: tuple[int, ...] = ()) -> Frame:
    """One captured frame -> Frame. Never raises: a broken frame of ours has the body Malformed(reason).

    `linktype` is a pcap link type (those in LINKTYPES); `vlans` are VLAN ids that the kernel took off the frame,
    outermost first (ring header, auxdata). VLAN id 0 is a priority tag, no VLAN: it is left out, so that one
    broadcast domain is not seen as two. Traffic that is not ours gets body None and no IP facts.
    A wrong IPv4 header checksum is not looked at: a capturing host sees frames before it is filled in.
    """
    try:
        source, destination, tags, ethertype, at = open_link(frame, linktype)
    except ParseError as error:
        return Frame(b"", b"", _real(vlans), None, Malformed(error.reason, error.detail))
    if tags or vlans:
        vlans = _real(vlans + tags)
    if ethertype == ETHERTYPE_IPV4:
        ip, body = ipv4(frame, at)
    elif ethertype == ETHERTYPE_IPV6:
        ip, body = ipv6(frame, at)
    elif ethertype == ETHERTYPE_ARP:
        return Frame(source, destination, vlans, None, arp(frame, at))
    else:
        ip, body = None, None
    return Frame(source, destination, vlans, ip, body)


def _real(vlans: tuple[int, ...]) -> tuple[int, ...]:
    return tuple([vlan & 4095 for vlan in vlans if vlan & 4095])
