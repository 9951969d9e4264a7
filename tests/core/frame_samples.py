"""Frames of every kind that the sensor knows, and of kinds that are none of its business; hypothesis strategies."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import Final

from hypothesis import strategies as st

from vrrpcore import frames
from vrrpcore.addresses import VRRP_GROUP4, VRRP_GROUP6, pack, virtual_mac
from vrrpcore.checksums import checksum, remainder
from vrrpcore.frames import Arp, AuthHeader, Membership, Neighbour
from vrrpcore.packet import Advertisement, build

MAC: Final = bytes.fromhex("020000000001")
PEER: Final = bytes.fromhex("020000000002")
A4, B4, VIP4 = pack("10.9.0.1"), pack("10.9.0.2"), pack("10.9.0.100")
A6, B6, VIP6 = pack("fe80::1"), pack("fe80::2"), pack("fd09::100")
V2: Final = Advertisement(2, 51, 150, (VIP4,), 1.0, auth_type=1, auth_data=b"secret\0\0")
V3: Final = Advertisement(3, 51, 150, (VIP4, pack("10.9.0.101")), 0.1)
V6: Final = Advertisement(3, 51, 150, (pack("fe80::100"), VIP6), 1.0, family=6)
ICV: Final = AuthHeader(int.from_bytes(A4, "big"), 7, bytes(range(12)))
Builder = Callable[[Sequence[int]], bytes]


def carp_message() -> bytes:
    """OpenBSD CARP: version 2, type 1, vhid 51, advskew 0, authlen 7, demotion 0, advbase 1, checksum, digest."""
    body = bytes((0x21, 51, 0, 7, 0, 1, 0, 0)) + bytes(range(28))
    return body[:6] + checksum(remainder(body)).to_bytes(2, "big") + body[8:]


def over_ipv4(protocol: int, payload: bytes, vlans: Sequence[int] = (), flags: int = 0, options: bytes = b"") -> bytes:
    """Any payload in IPv4 and Ethernet; `flags` is the word of flags and fragment offset."""
    packet = bytearray(frames.ipv4_packet(A4, VRRP_GROUP4, protocol, payload, options=options))
    packet[6:8] = flags.to_bytes(2, "big")
    return frames.ethernet(frames.multicast_mac(VRRP_GROUP4), MAC, 0x0800, bytes(packet), vlans)


def over_ipv6(next_header: int, payload: bytes, vlans: Sequence[int] = ()) -> bytes:
    """Any payload in IPv6 and Ethernet."""
    packet = frames.ipv6_packet(A6, VRRP_GROUP6, next_header, payload)
    return frames.ethernet(frames.multicast_mac(VRRP_GROUP6), MAC, 0x86DD, packet, vlans)


def extension(following: int, size: int = 8) -> bytes:
    """A hop-by-hop, destination or routing header of `size` octets filled with one PadN option."""
    return bytes((following, size // 8 - 1, 1, size - 4)) + bytes(size - 4)


def fragment(following: int, offset: int, more: bool) -> bytes:
    """An IPv6 fragment header; `offset` in octets."""
    return struct.pack("!BBHI", following, 0, offset | more, 99)


def v6_message() -> bytes:
    return build(V6, A6, VRRP_GROUP6)


def ah_over_ipv6(following: int, payload: bytes) -> bytes:
    return struct.pack("!BBHII", following, 4, 0, 1, 2) + bytes(12) + payload


def _advert(advert: Advertisement, **options: object) -> Builder:
    source, group = (A4, VRRP_GROUP4) if advert.family == 4 else (A6, VRRP_GROUP6)
    mac = virtual_mac(advert.family, advert.vrid)
    return lambda vlans: frames.build_advert(advert, mac, source, group, vlans=vlans, **options)  # type: ignore[arg-type]


#: What the kernel filter must let through; each takes the VLAN ids, outermost first.
OURS: Final[dict[str, Builder]] = {
    "v2": _advert(V2, ident=9),
    "v3-pseudo": _advert(V3, dont_fragment=True),
    "v3-message": _advert(V3, style="message"),
    "v3-ipv6": _advert(V6),
    "v2-options": _advert(V2, options=b"\x94\x04\x00\x00"),
    "v2-unicast": lambda vlans: frames.build_advert(V2, MAC, A4, B4, destination_mac=PEER, vlans=vlans),
    "v2-ttl-64": _advert(V2, ttl=64),
    "v2-ah": _advert(V2, ah=ICV),
    "v2-ah-options": _advert(V2, ah=ICV, options=b"\x94\x04\x00\x00\x01\x01\x01\x01"),
    "v6-ah": lambda vlans: over_ipv6(51, ah_over_ipv6(112, v6_message()), vlans),
    "v6-hop-by-hop": lambda vlans: over_ipv6(0, extension(112, 16) + v6_message(), vlans),
    "v6-routing": lambda vlans: over_ipv6(43, extension(112) + v6_message(), vlans),
    "v6-destination": lambda vlans: over_ipv6(60, extension(112) + v6_message(), vlans),
    "v6-atomic-fragment": lambda vlans: over_ipv6(44, fragment(112, 0, False) + v6_message(), vlans),
    "v6-chain": lambda vlans: over_ipv6(0, extension(60) + extension(51, 24) + ah_over_ipv6(112, v6_message()), vlans),
    "first-fragment": lambda vlans: over_ipv4(112, build(V2, A4, VRRP_GROUP4)[:16], vlans, flags=0x2000),
    "last-fragment": lambda vlans: over_ipv4(112, build(V2, A4, VRRP_GROUP4)[16:], vlans, flags=0x0002),
    "v6-last-fragment": lambda vlans: over_ipv6(44, fragment(112, 16, False) + v6_message()[16:], vlans),
    "carp": lambda vlans: over_ipv4(112, carp_message(), vlans),
    "arp-request": lambda vlans: frames.build_arp(Arp(1, MAC, A4, bytes(6), VIP4), vlans=vlans),
    "arp-reply": lambda vlans: frames.build_arp(Arp(2, PEER, VIP4, MAC, A4), vlans=vlans),
    "garp": lambda vlans: frames.build_garp(virtual_mac(4, 51), VIP4, vlans=vlans),
    "ns": lambda vlans: frames.build_neighbour_solicitation(MAC, A6, VIP6, vlans=vlans),
    "ns-option": lambda vlans: frames.build_neighbour_solicitation(MAC, A6, VIP6, link_layer=MAC, vlans=vlans),
    "una": lambda vlans: frames.build_unsolicited_na(virtual_mac(6, 51), VIP6, vlans=vlans),
    "na": lambda vlans: frames.build_neighbour_advertisement(
        Neighbour(136, VIP6, PEER, solicited=True), PEER, VIP6, A6, MAC, vlans=vlans
    ),
    "igmp1": lambda vlans: frames.build_igmp_report(Membership((VRRP_GROUP4,)), MAC, A4, version=1, vlans=vlans),
    "igmp2": lambda vlans: frames.build_igmp_report(Membership((VRRP_GROUP4,)), MAC, A4, version=2, vlans=vlans),
    "igmp2-leave": lambda vlans: frames.build_igmp_report(
        Membership((), (VRRP_GROUP4,)), MAC, A4, version=2, vlans=vlans
    ),
    "igmp3": lambda vlans: frames.build_igmp_report(
        Membership((VRRP_GROUP4,), (pack("239.0.0.1"),)), MAC, A4, vlans=vlans
    ),
    "mld1": lambda vlans: frames.build_mld_report(Membership((VRRP_GROUP6,)), MAC, A6, version=1, vlans=vlans),
    "mld1-done": lambda vlans: frames.build_mld_report(Membership((), (VRRP_GROUP6,)), MAC, A6, version=1, vlans=vlans),
    "mld2": lambda vlans: frames.build_mld_report(
        Membership((VRRP_GROUP6,), (pack("ff02::99"),)), MAC, A6, vlans=vlans
    ),
}
#: What it must keep away from us.
FOREIGN: Final[dict[str, Builder]] = {
    "tcp": lambda vlans: over_ipv4(6, bytes(40), vlans),
    "udp": lambda vlans: over_ipv4(17, bytes(40), vlans),
    "icmp": lambda vlans: over_ipv4(1, bytes(40), vlans),
    "ospf": lambda vlans: over_ipv4(89, bytes(40), vlans),
    "esp": lambda vlans: over_ipv4(50, bytes(40), vlans),
    "ah-of-tcp": lambda vlans: over_ipv4(51, b"\x06\x04" + bytes(60), vlans),
    "ah-of-tcp-options": lambda vlans: over_ipv4(51, b"\x06\x04" + bytes(60), vlans, options=b"\x94\x04\x00\x00"),
    "tcp6": lambda vlans: over_ipv6(6, bytes(40), vlans),
    "udp6": lambda vlans: over_ipv6(17, bytes(40), vlans),
    "udp6-hop-by-hop": lambda vlans: over_ipv6(0, extension(17) + bytes(40), vlans),
    "echo6": lambda vlans: over_ipv6(58, b"\x80\x00" + bytes(40), vlans),
    "router-advertisement": lambda vlans: over_ipv6(58, b"\x86\x00" + bytes(40), vlans),
    "mld-query": lambda vlans: over_ipv6(0, extension(58) + b"\x82\x00" + bytes(40), vlans),
    "ah6-of-tcp": lambda vlans: over_ipv6(51, ah_over_ipv6(6, bytes(40)), vlans),
    "lldp": lambda vlans: frames.ethernet(bytes.fromhex("0180c200000e"), MAC, 0x88CC, bytes(50), vlans),
    "mpls": lambda vlans: frames.ethernet(PEER, MAC, 0x8847, bytes(50), vlans),
    "stp": lambda vlans: frames.ethernet(bytes.fromhex("0180c2000000"), MAC, 38, b"\x42\x42\x03" + bytes(35), vlans),
}
VLAN_STACKS: Final[tuple[tuple[int, ...], ...]] = ((), (100,), (100, 200))


@st.composite
def adverts(draw: st.DrawFn) -> Advertisement:
    """Any advertisement that a correct speaker could send."""
    version = draw(st.sampled_from((2, 3)))
    family = 4 if version == 2 else draw(st.sampled_from((4, 6)))
    size = 4 if family == 4 else 16
    listed = st.lists(st.binary(min_size=size, max_size=size), min_size=1, max_size=12).map(tuple)
    vrid, priority = draw(st.integers(1, 255)), draw(st.integers(0, 255))
    addresses, trailer = draw(listed), draw(st.sampled_from((b"", b"", bytes(40))))
    if version == 2:
        seconds = float(draw(st.integers(1, 255)))
        auth_type, auth_data = draw(st.integers(0, 2)), draw(st.binary(min_size=8, max_size=8))
        return Advertisement(
            2, vrid, priority, addresses, seconds, auth_type=auth_type, auth_data=auth_data, trailer=trailer
        )
    centiseconds, reserved = draw(st.integers(1, 4095)), draw(st.integers(0, 15))
    return Advertisement(
        3, vrid, priority, addresses, centiseconds / 100, family=family, reserved=reserved, trailer=trailer
    )


def damaged() -> st.SearchStrategy[bytes]:
    """Frames of every kind with some octets overwritten, and cut off somewhere."""
    samples = [make(vlans) for make in (*OURS.values(), *FOREIGN.values()) for vlans in VLAN_STACKS]

    def damage(frame: bytes, changes: list[tuple[int, int]], cut: int) -> bytes:
        octets = bytearray(frame)
        for at, value in changes:
            octets[at % len(octets)] = value
        return bytes(octets[: cut if cut < 200 else None])

    changes = st.lists(st.tuples(st.integers(0, 120), st.integers(0, 255)), max_size=4)
    return st.builds(damage, st.sampled_from(samples), changes, st.integers(0, 400))
