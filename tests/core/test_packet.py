"""The codec of advertisements: octets of the RFC's figures, every check of a receiver, and both checksum styles."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.frame_samples import A4, A6, B4, V2, V3, V6, adverts
from vrrpcore.addresses import VRRP_GROUP4, VRRP_GROUP6, pack
from vrrpcore.checksums import checksum, pseudo_remainder, remainder
from vrrpcore.errors import INVALID_REASONS, ParseError
from vrrpcore.packet import Advertisement, build, parse

# Octets as labelled pieces, in the order of RFC 3768 §5.1 and RFC 9568 §5.1. The checksums were computed by hand
# (sum of words, carries folded in), not by the code under test.
VERSION2 = {
    "version 2, type 1": "21",
    "VRID": "33",
    "priority": "64",
    "count": "01",
    "auth type, interval": "0101",
    "checksum": "8b88",
    "address": "0a090064",
    "auth data": "7061737300000000",
}
VERSION3 = {
    "version 3, type 1": "31",
    "VRID": "33",
    "priority": "64",
    "count": "02",
    "reserved, interval": "0064",
    "checksum": "558b",
    "addresses": "0a0900640a090065",
}


def octets(pieces: dict[str, str], **changes: str) -> bytes:
    return bytes.fromhex("".join(changes.get(name.replace(" ", "_"), value) for name, value in pieces.items()))


def resummed(data: bytes, family: int = 4) -> bytes:
    """The same octets with a checksum that is right: message only for IPv4, pseudo-header for IPv6."""
    total = remainder(data[:6] + b"\0\0" + data[8:])
    if family == 6:
        total += pseudo_remainder(A6, VRRP_GROUP6, len(data), 112)
    return data[:6] + checksum(total).to_bytes(2, "big") + data[8:]


def reason(data: bytes, family: int = 4) -> str:
    source, group = (A4, VRRP_GROUP4) if family == 4 else (A6, VRRP_GROUP6)
    with pytest.raises(ParseError) as caught:
        parse(data, family, source, group)
    assert caught.value.reason in INVALID_REASONS
    return caught.value.reason


def test_version_2_as_drawn_in_rfc_3768() -> None:
    data = octets(VERSION2)
    advert = parse(data, 4, A4, VRRP_GROUP4)
    assert advert == Advertisement(
        version=2,
        vrid=51,
        priority=100,
        addresses=(pack("10.9.0.100"),),
        interval=1.0,
        auth_type=1,
        auth_data=b"pass\0\0\0\0",
        checksum=0x8B88,
        checksum_style="message",
    )
    assert build(advert, A4, VRRP_GROUP4) == data
    assert build(replace(advert, checksum=0), A4, VRRP_GROUP4) == data


def test_version_3_as_drawn_in_rfc_9568() -> None:
    data = octets(VERSION3)
    advert = parse(data, 4, A4, VRRP_GROUP4)
    assert (advert.version, advert.interval, advert.checksum_style, advert.auth_data) == (3, 1.0, "message", b"")
    assert advert.addresses == (pack("10.9.0.100"), pack("10.9.0.101"))
    assert build(replace(advert, checksum=0), A4, VRRP_GROUP4) == data


@pytest.mark.parametrize(
    ("data", "family", "expected"),
    [
        (b"", 4, "truncated"),
        (octets(VERSION2)[:7], 4, "truncated"),
        (resummed(b"\x11" + octets(VERSION2)[1:]), 4, "version"),
        (resummed(b"\x41" + octets(VERSION3)[1:]), 4, "version"),
        (resummed(b"\x21" + build(V6, A6, VRRP_GROUP6)[1:], 6), 6, "version"),
        (resummed(b"\x22" + octets(VERSION2)[1:]), 4, "type"),
        (resummed(b"\x30" + octets(VERSION3)[1:]), 4, "type"),
        (octets(VERSION2)[:-1], 4, "length"),
        (resummed(octets(VERSION2)[:-8]), 4, "length"),  # VRRPv2 always has its authentication data
        (octets(VERSION3)[:-1], 4, "length"),
        (resummed(octets(VERSION3, count="ff")), 4, "length"),
        (octets(VERSION2, checksum="0000"), 4, "checksum"),
        (octets(VERSION3, checksum="558a"), 4, "checksum"),
        (octets(VERSION2, priority="65"), 4, "checksum"),
        (resummed(octets(VERSION2, VRID="00")), 4, "vrid"),
        (resummed(octets(VERSION3, VRID="00")), 4, "vrid"),
        (resummed(octets(VERSION3, count="00")), 4, "count"),  # the addresses are a trailer that the sum covers
        (resummed(octets(VERSION3, count="00", addresses="")), 4, "count"),
        (resummed(octets(VERSION2, count="00", address="")), 4, "count"),
        (resummed(octets(VERSION2, **{"auth_type,_interval": "0100"})), 4, "interval"),
        (resummed(octets(VERSION3, **{"reserved,_interval": "0000"})), 4, "interval"),
        (resummed(octets(VERSION3, **{"reserved,_interval": "f000"})), 4, "interval"),
        (resummed(octets(VERSION2, **{"auth_type,_interval": "0301"})), 4, "auth_type"),
        (resummed(octets(VERSION2, **{"auth_type,_interval": "ff01"})), 4, "auth_type"),
    ],
)
def test_what_a_receiver_must_discard_has_its_reason(data: bytes, family: int, expected: str) -> None:
    assert reason(data, family) == expected


def test_reserved_bits_are_kept_and_harmless() -> None:
    data = resummed(octets(VERSION3, **{"reserved,_interval": "f064"}))
    advert = parse(data, 4, A4, VRRP_GROUP4)
    assert (advert.reserved, advert.interval) == (15, 1.0)
    assert build(advert, A4, VRRP_GROUP4) == data


@pytest.mark.parametrize("style", ["message", "pseudo"])
def test_both_checksum_styles_of_version_3_over_ipv4_are_told_apart(style: str) -> None:
    assert parse(build(V3, A4, VRRP_GROUP4, style), 4, A4, VRRP_GROUP4).checksum_style == style


def test_a_pseudo_header_that_sums_up_to_nothing_proves_neither_style() -> None:
    source = bytes((0, 0, 0, 0))
    missing = -pseudo_remainder(source, VRRP_GROUP4, 16, 112) % 65535
    source = missing.to_bytes(4, "big")
    assert parse(build(V3, source, VRRP_GROUP4, "message"), 4, source, VRRP_GROUP4).checksum_style == "either"


def test_an_old_keepalived_sums_the_group_into_its_unicast_adverts() -> None:
    advert = parse(build(V3, A4, VRRP_GROUP4, "pseudo"), 4, A4, B4)
    assert advert.checksum_style == "pseudo"


def test_version_2_knows_no_pseudo_header() -> None:
    total = remainder(build(V2, A4, VRRP_GROUP4)[:6] + b"\0\0" + build(V2, A4, VRRP_GROUP4)[8:])
    total += pseudo_remainder(A4, VRRP_GROUP4, 20, 112)
    data = build(replace(V2, checksum=checksum(total)), A4, VRRP_GROUP4)
    assert reason(data) == "checksum"


def test_ipv6_wants_the_pseudo_header() -> None:
    data = build(V6, A6, VRRP_GROUP6)
    assert parse(data, 6, A6, VRRP_GROUP6).checksum_style == "pseudo"
    message_only = checksum(remainder(data[:6] + b"\0\0" + data[8:])).to_bytes(2, "big")
    assert reason(data[:6] + message_only + data[8:], 6) == "checksum"


def test_unknown_addresses_leave_the_style_of_a_pseudo_checksum_unknown() -> None:
    assert parse(build(V6, A6, VRRP_GROUP6), 6, b"", b"").checksum_style == ""
    assert parse(build(V3, A4, VRRP_GROUP4), 4, b"", b"").checksum_style == ""
    assert parse(build(V3, A4, VRRP_GROUP4, "message"), 4, b"", b"").checksum_style == "message"


@pytest.mark.parametrize("advert", [V2, V3, V6])
def test_octets_after_the_message_are_kept(advert: Advertisement) -> None:
    source, group = (A4, VRRP_GROUP4) if advert.family == 4 else (A6, VRRP_GROUP6)
    trailer = bytes(range(7, 48))
    data = build(advert, source, group) + trailer
    parsed = parse(data, advert.family, source, group)
    assert parsed.trailer == trailer
    assert build(parsed, source, group) == data


def test_a_checksum_that_covers_the_trailer_verifies_too() -> None:
    """An IPv6 raw socket's kernel sums up the whole payload."""
    data = build(V6, A6, VRRP_GROUP6) + bytes(range(40))
    total = remainder(data[:6] + b"\0\0" + data[8:]) + pseudo_remainder(A6, VRRP_GROUP6, len(data), 112)
    data = data[:6] + checksum(total).to_bytes(2, "big") + data[8:]
    assert parse(data, 6, A6, VRRP_GROUP6).trailer == bytes(range(40))


@pytest.mark.parametrize(
    "advert",
    [
        replace(V2, vrid=256),
        replace(V2, priority=-1),
        replace(V2, interval=0.5),
        replace(V2, interval=256),
        replace(V2, auth_type=256),
        replace(V2, auth_data=b"nine octets"),
        replace(V2, addresses=(A6,)),
        replace(V3, interval=40.96),
        replace(V3, reserved=16),
        replace(V3, addresses=(A4,) * 256),
        replace(V6, addresses=(A4,)),
    ],
)
def test_build_refuses_what_does_not_fit(advert: Advertisement) -> None:
    with pytest.raises(ValueError, match=r"fit|octets|VRRPv[23]"):
        build(advert, A4, VRRP_GROUP4)


@given(adverts(), st.sampled_from(("message", "pseudo")))
def test_parse_is_the_inverse_of_build(advert: Advertisement, style: str) -> None:
    source, group = (A4, VRRP_GROUP4) if advert.family == 4 else (A6, VRRP_GROUP6)
    data = build(advert, source, group, style)
    parsed = parse(data, advert.family, source, group)
    wanted = "message" if advert.version == 2 else "pseudo" if advert.family == 6 else style
    assert parsed.checksum_style in (wanted, "either")
    assert replace(parsed, checksum=0, checksum_style="") == advert
    assert build(parsed, source, group) == data


@given(st.binary(max_size=80) | st.binary(min_size=8, max_size=80).map(lambda b: b"\x21" + b[1:]), st.booleans())
def test_any_octets_parse_or_give_one_of_our_reasons(data: bytes, six: bool) -> None:
    source, group = (A6, VRRP_GROUP6) if six else (A4, VRRP_GROUP4)
    try:
        advert = parse(data, 6 if six else 4, source, group)
    except ParseError as error:
        given_reason = error.reason
    else:
        assert build(advert, source, group) == data
        return
    assert given_reason in INVALID_REASONS


@given(st.binary(max_size=64))
def test_the_checksum_is_the_one_of_rfc_1071(data: bytes) -> None:
    padded = data + b"\0" * (len(data) % 2)
    total = sum(padded[i] << 8 | padded[i + 1] for i in range(0, len(padded), 2))
    while total >> 16:
        total = (total & 65535) + (total >> 16)
    assert remainder(data) == total % 65535
    if any(data):
        assert checksum(remainder(data)) == ~total & 65535
