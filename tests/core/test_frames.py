"""Taking frames apart: link types, VLAN tags, IPv4 and IPv6 with all they may carry in front of us, and the rest."""

from __future__ import annotations

import hmac
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.frame_samples import (
    A4,
    A6,
    B4,
    FOREIGN,
    ICV,
    MAC,
    OURS,
    PEER,
    V2,
    V3,
    V6,
    VIP4,
    VIP6,
    VLAN_STACKS,
    adverts,
    carp_message,
    damaged,
    extension,
    fragment,
    over_ipv4,
    over_ipv6,
    v6_message,
)
from vrrpcore import frames
from vrrpcore.addresses import VRRP_GROUP4, VRRP_GROUP6, pack, virtual_mac
from vrrpcore.checksums import checksum, pseudo_remainder, remainder
from vrrpcore.errors import INVALID_REASONS
from vrrpcore.frames import Arp, Body, Carp, Frame, IpFacts, Malformed, Membership, Neighbour, unwrap
from vrrpcore.packet import Advertisement, build

PLAIN = frames.build_advert(V2, MAC, A4, VRRP_GROUP4, ident=9)


def body(frame: bytes, linktype: int = 1) -> Body:
    return unwrap(frame, linktype).body


def malformed(frame: bytes, linktype: int = 1) -> Malformed:
    found = body(frame, linktype)
    assert isinstance(found, Malformed), found
    assert found.reason in INVALID_REASONS
    return found


def advert(frame: bytes, linktype: int = 1) -> Advertisement:
    found = body(frame, linktype)
    assert isinstance(found, Advertisement), found
    return found


@pytest.mark.parametrize("vlans", VLAN_STACKS, ids=str)
@pytest.mark.parametrize("kind", OURS)
def test_every_kind_of_ours_is_read_behind_every_stack_of_tags(kind: str, vlans: tuple[int, ...]) -> None:
    frame = unwrap(OURS[kind](vlans))
    assert frame.vlans == vlans
    assert frame.source_mac
    if "fragment" in kind and "atomic" not in kind:
        assert isinstance(frame.body, Malformed)
        assert frame.body.reason == "ip_fragment"
    else:
        assert frame.body is not None
        assert not isinstance(frame.body, Malformed)
    assert replace(frame, vlans=()) == unwrap(OURS[kind](()))


@pytest.mark.parametrize("vlans", VLAN_STACKS, ids=str)
@pytest.mark.parametrize("kind", FOREIGN)
def test_foreign_traffic_has_no_body_and_no_facts(kind: str, vlans: tuple[int, ...]) -> None:
    frame = unwrap(FOREIGN[kind](vlans))
    assert (frame.ip, frame.body, frame.vlans) == (None, None, vlans)


def test_the_facts_of_an_ipv4_header_are_kept() -> None:
    frame = frames.build_advert(V2, MAC, A4, B4, destination_mac=PEER, ttl=64, ident=4711, dont_fragment=True, tos=8)
    assert unwrap(frame) == Frame(
        source_mac=MAC,
        destination_mac=PEER,
        vlans=(),
        ip=IpFacts(4, A4, B4, ttl=64, ident=4711, dont_fragment=True, tos=8),
        body=advert(frame),
    )


def test_the_facts_of_an_ipv6_header_are_kept() -> None:
    frame = frames.build_advert(V6, MAC, A6, VRRP_GROUP6, ttl=254, tos=0xC0)
    assert unwrap(frame).ip == IpFacts(6, A6, VRRP_GROUP6, ttl=254, ident=None, tos=0xC0)


def test_the_facts_of_an_authentication_header_are_kept() -> None:
    ip = unwrap(OURS["v2-ah"](())).ip
    assert ip is not None
    assert ip.ah == ICV


@pytest.mark.parametrize("tag", ["8100", "88a8", "9100"])
def test_each_type_of_tag_is_followed(tag: str) -> None:
    tagged = PLAIN[:12] + bytes.fromhex(tag) + b"\xe0\x64" + PLAIN[12:]  # priority 7, VLAN 100
    assert unwrap(tagged) == replace(unwrap(PLAIN), vlans=(100,))


def test_tags_taken_off_by_the_kernel_stand_outside() -> None:
    assert unwrap(OURS["v2"]((200,)), vlans=(100,)).vlans == (100, 200)


def test_a_priority_tag_is_no_vlan() -> None:
    """Else a router that sets 802.1p bits would live in another broadcast domain than its peer."""
    assert unwrap(OURS["v2"]((0,)), vlans=(0,)).vlans == ()
    assert unwrap(OURS["v2"]((0, 200))).vlans == (200,)


def test_ethernet_padding_is_not_part_of_the_message() -> None:
    frame = frames.build_advert(V3, MAC, A4, VRRP_GROUP4) + b"\xde\xad" * 9
    assert advert(frame).trailer == b""


def test_keepaliveds_trailer_is() -> None:
    frame = frames.build_advert(replace(V3, trailer=b"\xde\xad" * 20), MAC, A4, VRRP_GROUP4)
    assert advert(frame).trailer == b"\xde\xad" * 20


def test_a_first_fragment_that_holds_the_whole_message_is_an_advert() -> None:
    assert advert(over_ipv4(112, build(V2, A4, VRRP_GROUP4), flags=0x2000)).vrid == 51


def test_a_later_fragment_is_counted_with_its_source() -> None:
    frame = unwrap(OURS["last-fragment"](()))
    assert frame.ip is not None
    assert frame.ip.source == A4
    assert frame.body == Malformed("ip_fragment", "at octet 16")


def test_a_broken_message_keeps_vrid_and_version() -> None:
    message = bytearray(build(V3, A4, VRRP_GROUP4))
    message[2] ^= 1
    found = malformed(over_ipv4(112, bytes(message)))
    assert (found.reason, found.vrid, found.version) == ("checksum", 51, 3)


def test_a_frame_cut_off_keeps_vrid_and_version() -> None:
    found = malformed(PLAIN[:40])
    assert (found.reason, found.vrid, found.version) == ("truncated", 51, 2)
    assert malformed(PLAIN[:34]) == Malformed("truncated", found.detail.replace("6 octets", "0 octets"))


def test_a_cut_that_spares_the_message_spares_the_advert() -> None:
    frame = frames.build_advert(replace(V3, trailer=bytes(40)), MAC, A4, VRRP_GROUP4)
    assert advert(frame[:-30]).trailer == bytes(10)


@pytest.mark.parametrize("size", range(14))
def test_a_runt_is_counted(size: int) -> None:
    assert unwrap(PLAIN[:size]) == Frame(b"", b"", (), None, malformed(PLAIN[:size]))
    assert malformed(PLAIN[:size]).reason == "frame"


def test_a_cut_inside_the_tags_is_counted() -> None:
    tagged = OURS["v2"]((100, 200))
    assert {malformed(tagged[:size]).reason for size in range(14, 22)} == {"frame"}
    assert malformed(tagged[:22]).reason == "truncated"


@pytest.mark.parametrize(
    ("at", "value", "expected"),
    [
        (14, 0x65, "ip_header"),  # version 6 in an IPv4 ethertype
        (14, 0x44, "ip_header"),  # header of 16 octets
        (17, 19, "ip_header"),  # total length shorter than the header
        (14, 0x4F, "ip_header"),  # header of 60 octets, total length 40
    ],
)
def test_impossible_ipv4_headers(at: int, value: int, expected: str) -> None:
    frame = bytearray(PLAIN)
    frame[at] = value
    assert malformed(bytes(frame)).reason == expected


def test_an_impossible_ipv4_header_of_foreign_traffic_is_none_of_ours() -> None:
    frame = bytearray(FOREIGN["tcp"](()))
    frame[14] = 0x41
    assert body(bytes(frame)) is None
    assert body(bytes(frame)[:24]) is None


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (b"\x70", "ah_header"),
        (b"\x70\x04" + bytes(9), "ah_header"),
        (b"\x70\x00" + bytes(40), "ah_header"),  # shorter than its own fixed part
        (b"\x70\xff" + bytes(40), "ah_header"),
        (b"\x70\x04" + bytes(22), "truncated"),  # AH of 24 octets and no message
    ],
)
def test_impossible_authentication_headers(payload: bytes, expected: str) -> None:
    assert malformed(over_ipv4(51, payload)).reason == expected


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        (over_ipv6(0, b"\x70\x09" + bytes(20)), "ip_header"),  # hop-by-hop of 80 octets
        (over_ipv6(44, fragment(112, 8, True)), "ip_fragment"),
        (over_ipv6(44, fragment(112, 0, True) + v6_message()[:20]), "ip_fragment"),
        (over_ipv6(51, b"\x70\x30" + bytes(30)), "ah_header"),
        (over_ipv6(0, extension(112, 16) + v6_message())[:60], "truncated"),
        (over_ipv6(112, v6_message())[:60], "truncated"),
        (over_ipv6(112, v6_message())[:50], "truncated"),
        (b"\x33" * 12 + b"\x86\xdd\x40" + over_ipv6(112, v6_message())[15:], "ip_header"),
        (over_ipv6(112, b"\x31"), "truncated"),
    ],
)
def test_impossible_ipv6_headers(frame: bytes, expected: str) -> None:
    assert malformed(frame).reason == expected


def test_carp_is_named_and_no_broken_vrrp() -> None:
    assert body(over_ipv4(112, carp_message())) == Carp(51)
    assert body(over_ipv6(112, carp_message())) == Carp(51)
    assert body(over_ipv4(112, carp_message())[:40]) == Carp(51)


def test_seven_addresses_are_not_carp() -> None:
    seven = replace(V2, addresses=tuple(bytes((10, 9, 0, n)) for n in range(7)))
    assert advert(frames.build_advert(seven, MAC, A4, VRRP_GROUP4)).addresses == seven.addresses


def test_arp_is_read_whatever_its_operation() -> None:
    message = Arp(9, MAC, A4, PEER, B4)
    assert body(frames.build_arp(message)) == message


@pytest.mark.parametrize("at", [15, 17, 18, 19])
def test_arp_for_anything_but_ethernet_and_ipv4_is_counted(at: int) -> None:
    frame = bytearray(OURS["garp"](()))
    frame[at] ^= 1
    assert malformed(bytes(frame)).reason == "arp"
    assert malformed(OURS["garp"](())[:-1]).reason == "arp"


def test_the_announcement_of_keepalived_and_frr_as_captured() -> None:
    frame = bytes.fromhex(
        "ffffffffffff 00005e000133 0806 0001 0800 06 04 0001 00005e000133 0a090064 ffffffffffff 0a090064"
    )
    assert frames.build_garp(virtual_mac(4, 0x33), pack("10.9.0.100")) == frame
    assert body(frame) == Arp(1, virtual_mac(4, 51), VIP4, b"\xff" * 6, VIP4)


def test_the_neighbour_announcement_of_frr_as_captured() -> None:
    frame = bytes.fromhex(
        "333300000001 00005e000233 86dd 60000000 0020 3a ff fd090000000000000000000000000100"
        "ff020000000000000000000000000001 88 00 7a58 a0000000 fd090000000000000000000000000100 02 01 00005e000233"
    )
    assert frames.build_unsolicited_na(virtual_mac(6, 0x33), VIP6) == frame
    assert body(frame) == Neighbour(136, VIP6, virtual_mac(6, 51), router=True, override=True)


@pytest.mark.parametrize(
    ("octets", "password"),
    [
        (
            "45c0004000010000ff33d0ad0a090001e0000012700400000a09000100000001"
            "33f61806ba2ee1d7ebe50d162133960102013c5d0a0900640000000000000000",
            b"s3cr3tpw",
        ),
        (
            "45c0004000010000ff33a6b50a0900010a090002700400000a09000100000001"
            "3ccf4a338dd9439d1e42c6ec2133960102013c5d0a0900640000000000000000",
            b"1111\0\0\0\0",
        ),
    ],
    ids=["multicast", "unicast"],
)
def test_the_icv_of_keepalived_covers_what_ah_coverage_says(octets: str, password: bytes) -> None:
    """Adverts of keepalived 2.2.7 with auth_type AH: what goes to a peer is signed with TTL 0."""
    packet = bytes.fromhex(octets)
    digest = hmac.new(password, frames.ah_coverage(packet), "md5").digest()[:12]
    ip = unwrap(packet, 101).ip
    assert ip is not None
    assert ip.ah is not None
    assert ip.ah.icv == digest


def icmpv6(kind: int, rest: bytes, hop_limit: int = 255, destination: bytes = VRRP_GROUP6) -> bytes:
    """An ICMPv6 message of `kind`, code 0, with a right checksum."""
    data = bytes((kind, 0, 0, 0)) + rest
    total = remainder(data) + pseudo_remainder(A6, destination, len(data), 58)
    data = data[:2] + checksum(total).to_bytes(2, "big") + data[4:]
    packet = frames.ipv6_packet(A6, destination, 58, data, hop_limit=hop_limit)
    return frames.ethernet(PEER, MAC, 0x86DD, packet)


@pytest.mark.parametrize(
    "frame",
    [
        icmpv6(135, bytes(4) + VIP6, hop_limit=64),
        icmpv6(135, bytes(4) + VIP6[:15]),
        icmpv6(135, bytes(4) + VRRP_GROUP6),
        icmpv6(136, bytes(4) + VIP6 + b"\x02\x00" + MAC),
        icmpv6(136, bytes(4) + VIP6 + b"\x02\x02" + MAC),
        icmpv6(136, bytes(4) + VIP6 + b"\x02"),
        icmpv6(136, b"\x60\0\0\0" + VIP6),  # solicited, but to a group
        OURS["una"](())[:-1] + b"\x00",
    ],
)
def test_neighbour_discovery_that_a_host_must_discard(frame: bytes) -> None:
    assert malformed(frame).reason == "nd"


def test_neighbour_discovery_with_other_options_is_read() -> None:
    options = b"\x0e\x01" + bytes(6) + b"\x02\x01" + PEER
    assert body(icmpv6(136, b"\x20\0\0\0" + VIP6 + options)) == Neighbour(136, VIP6, PEER, override=True)


@pytest.mark.parametrize(
    "frame",
    [
        icmpv6(143, bytes(2) + b"\x00\x02" + b"\x04\0\0\0" + VRRP_GROUP6, 1),
        icmpv6(143, bytes(2) + b"\x00\x01" + b"\x04\0\0\x09" + VRRP_GROUP6, 1),
        icmpv6(143, b"", 1),
        icmpv6(131, bytes(4) + VRRP_GROUP6[:15], 1),
        over_ipv4(2, b"\x16\x00\x00\x00" + VRRP_GROUP4),
        over_ipv4(2, b"\x16\x00\xe9\xff"),
        over_ipv4(2, b""),
    ],
)
def test_membership_reports_that_make_no_sense(frame: bytes) -> None:
    assert malformed(frame).reason == "membership"


@pytest.mark.parametrize(
    ("kind", "sources", "joined", "left"),
    [
        (1, 1, True, False),
        (1, 0, False, True),
        (2, 0, True, False),
        (3, 0, False, True),
        (3, 1, True, False),
        (4, 0, True, False),
        (5, 1, True, False),
        (6, 1, False, False),
    ],
)
def test_what_a_group_record_says(kind: int, sources: int, joined: bool, left: bool) -> None:
    record = bytes((kind, 1, 0, sources)) + VRRP_GROUP6 + A6 * sources + bytes(4)  # one auxiliary word
    after = b"\x04\0\0\0" + pack("ff02::99")
    found = body(icmpv6(143, b"\0\0\0\2" + record + after, 1))
    assert found == Membership(
        (VRRP_GROUP6,) * joined + (pack("ff02::99"),),
        (VRRP_GROUP6,) * left,
    )


@pytest.mark.parametrize("make", [frames.build_igmp_report, frames.build_mld_report])
def test_groups_joined_and_left_are_told_apart(make: object) -> None:
    assert callable(make)
    group = VRRP_GROUP4 if make is frames.build_igmp_report else VRRP_GROUP6
    report = Membership((group,), (group[:-1] + b"\x77",))
    assert body(make(report, MAC, A4 if len(group) == 4 else A6)) == report


def test_raw_ip_has_no_macs() -> None:
    packet = PLAIN[14:]
    for linktype in (101, 12, 14, 228):
        assert unwrap(packet, linktype) == replace(unwrap(PLAIN), source_mac=b"", destination_mac=b"")
    packet = OURS["v3-ipv6"](())[14:]
    for linktype in (101, 12, 14, 229):
        assert unwrap(packet, linktype) == replace(unwrap(OURS["v3-ipv6"](())), source_mac=b"", destination_mac=b"")
    assert malformed(b"", 101).reason == "frame"
    assert malformed(b"\x50" + PLAIN[15:], 101).reason == "frame"


@pytest.mark.parametrize("vlans", VLAN_STACKS, ids=str)
def test_linux_cooked_captures_know_the_sender_only(vlans: tuple[int, ...]) -> None:
    plain = OURS["v2"](vlans)
    expected = replace(unwrap(plain), destination_mac=b"")
    sender = plain[6:12] + b"\xee\xee"  # the field has 8 octets; two of them are rubbish
    sll = b"\x00\x01\x00\x01\x00\x06" + sender + plain[12:]
    assert unwrap(sll, 113) == expected
    sll2 = plain[12:14] + b"\x00\x00" + b"\x00\x00\x00\x02" + b"\x00\x01\x01\x06" + sender + plain[14:]
    assert unwrap(sll2, 276) == expected
    assert malformed(sll[:15], 113).reason == "frame"
    assert malformed(sll2[:19], 276).reason == "frame"


def test_a_cooked_address_longer_than_its_field_does_no_harm() -> None:
    sll = b"\x00\x01\x00\x01\xff\xff" + PLAIN[6:12] + b"\0\0" + PLAIN[12:]
    assert unwrap(sll, 113).source_mac == PLAIN[6:12] + b"\0\0"


def test_other_link_types_are_counted() -> None:
    assert malformed(PLAIN, 107).detail == "link type 107 is not supported"


def test_helpers_know_the_addresses_of_groups() -> None:
    assert frames.multicast_mac(VRRP_GROUP4) == bytes.fromhex("01005e000012")
    assert frames.multicast_mac(pack("239.129.2.3")) == bytes.fromhex("01005e010203")
    assert frames.multicast_mac(VRRP_GROUP6) == bytes.fromhex("333300000012")
    assert frames.solicited_node(pack("fd09::aa:bbcc")) == pack("ff02::1:ffaa:bbcc")


def test_a_unicast_advert_needs_to_be_told_the_mac() -> None:
    with pytest.raises(ValueError, match="destination_mac"):
        frames.build_advert(V2, MAC, A4, B4)


@given(adverts(), st.sampled_from(VLAN_STACKS), st.integers(0, 65535), st.integers(0, 255))
def test_unwrap_is_the_inverse_of_build_advert(
    message: Advertisement, vlans: tuple[int, ...], ident: int, ttl: int
) -> None:
    source, group = (A4, VRRP_GROUP4) if message.family == 4 else (A6, VRRP_GROUP6)
    frame = unwrap(frames.build_advert(message, MAC, source, group, ident=ident, ttl=ttl, vlans=vlans))
    assert isinstance(frame.body, Advertisement)
    assert replace(frame.body, checksum=0, checksum_style="") == message
    assert frame.ip is not None
    assert (frame.vlans, frame.ip.ttl, frame.ip.ident) == (vlans, ttl, ident if message.family == 4 else None)


@settings(max_examples=300)
@given(damaged() | st.binary(max_size=120), st.sampled_from((*frames.LINKTYPES, 107)))
def test_any_frame_can_be_unwrapped(frame: bytes, linktype: int) -> None:
    found = unwrap(frame, linktype).body
    if isinstance(found, Malformed):
        assert found.reason in INVALID_REASONS
    hash(unwrap(frame, linktype))  # every part is a value


#: Frames that once raised, over-read or were judged wrong, by what was wrong with them.
CRASHERS: dict[str, bytes] = {
    "IPv4 header cut before its protocol": PLAIN[:23],
    "IPv6 header cut before its next header": over_ipv6(112, v6_message())[:20],
    "authentication header with no octet": over_ipv4(51, b""),
    "extension header with no octet": over_ipv6(0, b""),
    "hop-by-hop that names ICMPv6 and ends": over_ipv6(0, extension(58)),
    "protocol 112 with no payload": over_ipv4(112, b""),
    "CARP length with one octet": over_ipv4(112, carp_message())[:35],
}


@pytest.mark.parametrize("name", CRASHERS)
def test_crashers_stay_harmless(name: str) -> None:
    found = body(CRASHERS[name])
    assert found is None or isinstance(found, Malformed)
