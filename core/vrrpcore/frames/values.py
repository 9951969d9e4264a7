"""The values that a frame is taken apart into, and made from."""

from __future__ import annotations

from typing import TypeAlias

from vrrpcore.packet import Advertisement
from vrrpcore.values import value


@value
class AuthHeader:
    """IP Authentication Header (RFC 4302), as keepalived sends it before VRRPv2 (RFC 2338 §5.3.6.3)."""

    spi: int
    sequence: int
    icv: bytes


@value
class IpFacts:
    """The facts of the IP header that are evidence."""

    family: int  # 4 or 6
    source: bytes
    destination: bytes
    ttl: int  # TTL or hop limit
    ident: int | None = None  # IPv4 identification; None in IPv6
    dont_fragment: bool = False
    tos: int = 0
    ah: AuthHeader | None = None


@value
class Arp:
    """An ARP message for Ethernet/IPv4 (RFC 826)."""

    operation: int  # 1 request, 2 reply
    sender_mac: bytes
    sender_ip: bytes
    target_mac: bytes
    target_ip: bytes


@value
class Neighbour:
    """A Neighbour Solicitation (135) or Advertisement (136) (RFC 4861 §4.3, §4.4)."""

    type: int  # 135 or 136
    target: bytes
    link_layer: bytes = b""  # source (NS) or target (NA) link-layer address option; empty when absent
    router: bool = False
    solicited: bool = False
    override: bool = False


@value
class Membership:
    """A host's IGMPv1/2/3 or MLDv1/2 report: the groups that it says it listens to (joined) or leaves."""

    joined: tuple[bytes, ...]
    left: tuple[bytes, ...] = ()


@value
class Carp:
    """OpenBSD CARP: shares protocol 112 with VRRP; recognised, named and never counted as a broken VRRP."""

    vhid: int


@value
class Malformed:
    """A frame that should have been one of ours and is not; `reason` is one of errors.INVALID_REASONS."""

    reason: str
    detail: str = ""
    vrid: int | None = None  # where the octet could still be read
    version: int | None = None


Body: TypeAlias = Advertisement | Arp | Neighbour | Membership | Carp | Malformed | None


@value
class Frame:
    """One frame taken apart. `body` None: traffic that is not ours."""

    source_mac: bytes  # empty where the link type has none
    destination_mac: bytes
    vlans: tuple[int, ...]  # VLAN ids, outermost first
    ip: IpFacts | None
    body: Body
