"""The RFC conformance checklist, items of transmission and announcement: what is rendered, named by the item's number.

Items of the host with real kernels (20 source MAC, 43, 44, 46: who answers and accepts) are in tests/lab.
"""

from __future__ import annotations

import pytest

from tests.core.machine_setup import OURS, OURS6, instance
from vrrpcore.addresses import VRRP_GROUP4, VRRP_GROUP6, pack, virtual_mac
from vrrpcore.frames import IpFacts, Neighbour, unwrap
from vrrpcore.frames.network import ipv4, ipv6
from vrrpcore.packet import Advertisement
from vrrpcore.settings import Instance, VirtualAddress
from vrrpcore.speaker.render import Adverts, shots

KINDS = pytest.mark.parametrize("made", [instance(2), instance(3), instance(3, 6)], ids=["v2", "v3-ipv4", "v3-ipv6"])


def sent(made: Instance, priority: int = 100) -> tuple[IpFacts, Advertisement]:
    """One advert of an instance, read back."""
    packet = bytes(Adverts(made, pack(OURS if made.family == 4 else OURS6)).next(priority)[0][0])
    facts, body = (ipv4 if made.family == 4 else ipv6)(packet, 0)
    assert facts is not None
    assert isinstance(body, Advertisement)
    return facts, body


@KINDS
def test_item_17_adverts_leave_with_ttl_or_hop_limit_255(made: Instance) -> None:
    assert sent(made)[0].ttl == 255


@KINDS
def test_item_18_adverts_go_to_the_group_as_protocol_112(made: Instance) -> None:
    packet = bytes(Adverts(made, pack(OURS if made.family == 4 else OURS6)).next(100)[0][0])
    assert packet[9 if made.family == 4 else 6] == 112
    assert sent(made)[0].destination == (VRRP_GROUP4 if made.family == 4 else VRRP_GROUP6)


@KINDS
def test_item_19_adverts_come_from_the_primary_address(made: Instance) -> None:
    assert sent(made)[0].source == pack(OURS if made.family == 4 else OURS6)


@KINDS
def test_item_21_reserved_bits_are_zero(made: Instance) -> None:
    assert sent(made)[1].reserved == 0


def test_item_22_the_order_of_addresses_is_the_file_s_so_that_the_link_local_one_comes_first() -> None:
    addresses = tuple(VirtualAddress(pack(each), 64) for each in ("fe80::100", "fd00::100"))
    assert sent(instance(3, 6, addresses=addresses))[1].addresses == (pack("fe80::100"), pack("fd00::100"))


@KINDS
def test_item_23_the_carrier_s_family_is_that_of_the_addresses(made: Instance) -> None:
    facts, body = sent(made)
    assert facts.family == body.family == made.family
    assert all(len(each) == len(facts.source) for each in body.addresses)


def test_item_24_authentication_data_is_zero_when_there_is_none() -> None:
    body = sent(instance(2, auth_type="none", auth_data=b"ignored"))[1]
    assert (body.auth_type, body.auth_data) == (0, bytes(8))


def test_item_25_release_is_priority_0_and_nothing_else_changes() -> None:
    alive, released = sent(instance(3), 100)[1], sent(instance(3), 0)[1]
    assert (alive.priority, released.priority) == (100, 0)
    assert alive.addresses == released.addresses


@pytest.mark.parametrize("forwarding", [True, False])
def test_item_31_the_announcement_of_an_ipv6_address(forwarding: bool) -> None:
    mac = virtual_mac(6, 51)
    (shot,) = shots([(VirtualAddress(pack("fe80::100"), 64), "vrrp6.51", mac)], router=forwarding)
    frame = unwrap(shot.frame)
    assert frame.source_mac == mac
    assert frame.body == Neighbour(136, pack("fe80::100"), mac, router=forwarding, solicited=False, override=True)
    assert frame.ip is not None
    assert (frame.ip.ttl, frame.ip.destination) == (255, pack("ff02::1"))
