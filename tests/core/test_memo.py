"""The memo: equal to the plain parser on everything, injective keys, bounded, and honest in its counters."""

from __future__ import annotations

import random
import struct
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.frame_samples import A4, FOREIGN, MAC, OURS, V2, V3, VLAN_STACKS, adverts, damaged
from vrrpcore import frames
from vrrpcore.addresses import VRRP_GROUP4, VRRP_GROUP6
from vrrpcore.frames import Frame, unwrap
from vrrpcore.memo import Memo
from vrrpcore.packet import Advertisement

STACKS = st.sampled_from(((), (7,), (0,), (7, 8)))


def advert(ident: int, message: Advertisement = V2, vlans: tuple[int, ...] = ()) -> bytes:
    return frames.build_advert(message, MAC, A4, VRRP_GROUP4, ident=ident, vlans=vlans)


def same(memo: Memo, data: bytes, linktype: int = 1, vlans: tuple[int, ...] = ()) -> Frame:
    """Look up, and compare with the plain parser: all but the IP ID in the frame, which stands beside it."""
    plain = unwrap(data, linktype, vlans)
    frame, ident = memo.lookup(data, linktype, vlans)
    assert ident == (plain.ip.ident if plain.ip is not None else None)
    if frame.ip is not None and plain.ip is not None:
        assert replace(frame, ip=replace(frame.ip, ident=plain.ip.ident)) == plain
    else:
        assert frame == plain
    return frame


@pytest.mark.parametrize("vlans", VLAN_STACKS, ids=str)
def test_adverts_that_differ_in_ip_id_alone_are_parsed_once(vlans: tuple[int, ...]) -> None:
    memo = Memo()
    found = [memo.lookup(advert(ident, vlans=vlans)) for ident in (1, 2, 65535)]
    assert [ident for _, ident in found] == [1, 2, 65535]
    assert len({id(frame) for frame, _ in found}) == 1
    assert (memo.misses, memo.hits, memo.bypassed, len(memo)) == (1, 2, 0, 1)


@pytest.mark.parametrize("name", [*OURS, *FOREIGN])
def test_every_kind_is_the_same_with_and_without_memo(name: str) -> None:
    memo = Memo()
    for vlans in VLAN_STACKS:
        for outer in ((), (5,), (6,)):
            data = {**OURS, **FOREIGN}[name](vlans)
            for _ in range(3):
                same(memo, data, vlans=outer)


@pytest.mark.parametrize(
    "name", [*FOREIGN, "carp", "garp", "arp-reply", "una", "ns", "igmp3", "mld2", "v2-ah", "v6-ah"]
)
def test_what_would_only_fill_the_memo_is_not_remembered(name: str) -> None:
    memo = Memo()
    for _ in range(3):
        memo.lookup({**OURS, **FOREIGN}[name](()))
    assert (len(memo), memo.bypassed, memo.hits + memo.misses) == (0, 3, 0)


def test_adverts_whose_trailer_is_new_each_time_are_not_remembered() -> None:
    memo = Memo()
    for sequence in range(3):
        same(memo, advert(1, replace(V3, trailer=bytes([sequence]) * 40)))
    assert (len(memo), memo.bypassed) == (0, 3)


def test_ah_keeps_its_own_sequence_number() -> None:
    memo = Memo()
    for sequence in (1, 2):
        header = frames.AuthHeader(1, sequence, bytes([sequence]) * 12)
        frame = same(memo, frames.build_advert(V2, MAC, A4, VRRP_GROUP4, ah=header))
        assert frame.ip is not None
        assert frame.ip.ah == header


@pytest.mark.parametrize("at", range(len(advert(1))))
def test_no_other_octet_is_left_out_of_the_key(at: int) -> None:
    """Offsets 18, 19 (identification) and 24, 25 (header checksum) alone may change unseen."""
    memo = Memo()
    first = same(memo, advert(1))
    changed = bytearray(advert(1))
    changed[at] ^= 0x10
    second = same(memo, bytes(changed))
    assert (second is first) is (at in (18, 19, 24, 25))


def test_a_wrong_ip_header_checksum_changes_no_verdict() -> None:
    """It is left out of the key, so the parser must not look at it."""
    broken = bytearray(advert(1))
    broken[24] ^= 0xFF
    assert unwrap(bytes(broken)) == unwrap(advert(1))


def test_tags_in_the_frame_and_tags_taken_off_are_told_apart() -> None:
    memo = Memo()
    seen = [
        same(memo, advert(1)),
        same(memo, advert(1), vlans=(7,)),
        same(memo, advert(1), vlans=(8,)),
        same(memo, advert(1), vlans=(7, 8)),
        same(memo, advert(1, vlans=(7,))),
        same(memo, advert(1, vlans=(7,)), vlans=(8,)),
    ]
    assert [frame.vlans for frame in seen] == [(), (7,), (8,), (7, 8), (7,), (8, 7)]
    assert len(memo) == 6


def test_runts_share_no_key_with_what_is_remembered() -> None:
    memo = Memo()
    for _ in range(2):
        for data in (advert(1), OURS["v3-ipv6"](()), OURS["v2"]((100, 200))):
            for size in range(len(data) + 1):
                same(memo, data[:size])


def test_other_link_types_pass_by() -> None:
    memo = Memo()
    for linktype in (101, 113, 276, 107):
        same(memo, advert(1)[14:] if linktype == 101 else advert(1), linktype)
    assert len(memo) == 0


def test_a_link_type_whose_octets_look_like_ethernet_is_not_taken_for_it() -> None:
    memo = Memo()
    same(memo, advert(1))
    same(memo, advert(1), 113)


def test_the_memo_is_bounded_and_counts_what_it_drops() -> None:
    memo = Memo(capacity=100)
    for number in range(1000):
        memo.lookup(advert(1, replace(V3, vrid=number % 255 + 1, priority=number // 255, interval=2.0)))
    assert memo.misses == 1000
    assert 100 <= len(memo) <= 200
    assert memo.evicted == 1000 - len(memo)


def test_a_flood_does_not_push_out_those_who_keep_speaking() -> None:
    memo = Memo(capacity=50)
    regular = [memo.lookup(advert(0, replace(V2, vrid=vrid)))[0] for vrid in range(1, 11)]
    for number in range(2000):
        memo.lookup(advert(1, replace(V3, vrid=number % 255 + 1, interval=(number // 255 + 1) / 100)))
        if number % 20 == 0:
            again = [memo.lookup(advert(number, replace(V2, vrid=vrid)))[0] for vrid in range(1, 11)]
            assert all(old is new for old, new in zip(regular, again, strict=True))
    assert memo.evicted > 1000


def test_counters_add_up_to_the_frames_looked_up() -> None:
    memo, source = Memo(capacity=8), random.Random(7)
    corpus = [make(vlans) for make in (*OURS.values(), *FOREIGN.values()) for vlans in VLAN_STACKS]
    for _ in range(2000):
        memo.lookup(source.choice(corpus))
    assert memo.hits + memo.misses + memo.bypassed == 2000
    assert memo.misses - memo.evicted == len(memo)


@settings(max_examples=200)
@given(
    st.lists(
        st.tuples(
            damaged() | st.builds(advert, st.integers(0, 65535), adverts().filter(lambda a: a.family == 4), STACKS),
            st.sampled_from((1, 1, 1, 101, 113)),
            STACKS,
        ),
        max_size=30,
    ),
    st.integers(1, 4),
)
def test_any_mix_of_frames_is_the_same_with_and_without_memo(
    mix: list[tuple[bytes, int, tuple[int, ...]]], capacity: int
) -> None:
    memo = Memo(capacity)
    for data, linktype, vlans in mix + mix[::-1]:
        same(memo, data, linktype, vlans)


def captured() -> list[bytes]:
    """Every frame of every classic capture among the replays."""
    found: list[bytes] = []
    for path in sorted((Path(__file__).parent.parent / "replays").glob("*/*.pcap")):
        data, at = path.read_bytes(), 24
        assert data[:4] in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1")
        while at + 16 <= len(data):
            (size,) = struct.unpack_from("<I", data, at + 8)
            found.append(data[at + 16 : at + 16 + size])
            at += 16 + size
    return found


def test_real_captures_are_the_same_with_and_without_memo() -> None:
    frames_seen, memo, source = captured(), Memo(capacity=64), random.Random(11)
    assert len(frames_seen) > 10_000
    for data in frames_seen:
        same(memo, data)
        if source.random() < 0.2:
            octets = bytearray(data)
            octets[source.randrange(len(octets))] ^= 1 << source.randrange(8)
            same(memo, bytes(octets[: source.randrange(len(octets) + 1)] if source.random() < 0.3 else octets))
    assert memo.hits > 2000
    assert memo.evicted > 0


@given(adverts().filter(lambda message: message.family == 6))
def test_ipv6_has_no_identification(message: Advertisement) -> None:
    memo = Memo()
    data = frames.build_advert(message, MAC, bytes(16), VRRP_GROUP6)
    assert same(memo, data) == same(memo, data)
    assert memo.lookup(data)[1] is None
