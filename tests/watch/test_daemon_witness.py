"""From captured frames to proofs: whose adverts, whose answers, on which interface."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.core.machine_setup import OURS, OURS6, PEER, PEER6, advert, instance
from vrrpcore.addresses import pack
from vrrpcore.frames import Arp, Neighbour, build_arp, build_neighbour_advertisement, ethernet, ipv6_packet
from vrrpcore.packet import PROTOCOL, build
from vrrpcore.records import Link, Record
from vrrpcore.settings import Instance
from vrrpcore.speaker.render import Adverts
from vrrpwatch.daemon.witness import Witness

MAC, OUR_MAC, OTHER_MAC = b"\x02\0\0\0\0\x03", b"\x02\0\0\0\0\x05", b"\x02\0\0\0\0\x09"
GROUP4_MAC = b"\x01\0\x5e\0\0\x12"
VIP, VIP6 = pack("10.9.0.100"), pack("fe80::100")
ETH0, ETH1 = Link("eth0", "lan"), Link("eth1", "lan")


class Beside:
    """A witness, and what it said."""

    def __init__(self, *instances: Instance) -> None:
        self.said: list[Any] = []
        self.witness = Witness(instances, self._say, lambda interface: OUR_MAC)
        self.witness.obey([("engaged", {each.name: 100 for each in instances})])

    def _say(self, kind: str, value: Any) -> bool:
        assert kind == "proof"
        self.said.append(value)
        return True

    def frames(self, *frames: bytes, begin: float = 100.0, step: float = 1.0, **changes: Any) -> None:
        for number, frame in enumerate(frames):
            given = {"time": begin + number * step, "link": ETH0, "outgoing": False, "frame": frame, **changes}
            self.witness.take(Record(**given))


def adverts(ours: Instance, count: int = 2, priority: int = 150, secret: bytes = b"") -> list[bytes]:
    """A superior's frames, as our own speaker would send them."""
    theirs = Adverts(replace(ours, auth_data=secret), pack(PEER))
    packets = [bytes(theirs.next(priority)[0][0]) for _ in range(count)]
    return [ethernet(GROUP4_MAC, MAC, 0x0800, packet) for packet in packets]


def answer(mac: bytes = MAC, to: bytes = OUR_MAC, address: bytes = VIP, operation: int = 2) -> bytes:
    return build_arp(Arp(operation, mac, address, to, pack(OURS)), destination_mac=to)


def test_two_adverts_and_an_answer_to_us_are_a_proof() -> None:
    made = Beside(instance())
    made.frames(*adverts(instance()))
    assert made.said == []
    made.frames(answer(), begin=101.001)
    assert made.said == [("VI_1", pack(PEER), 150, 1.0, 101.0)]


def test_it_asks_after_an_advert_and_only_while_somebody_wants_to_know() -> None:
    made = Beside(instance())
    made.frames(*adverts(instance()))
    assert made.witness.questions() == [("eth0", VIP), ("eth0", pack(PEER))]
    assert made.witness.questions() == []
    made.witness.obey([("engaged", {})])
    made.frames(*adverts(instance()), begin=102.0)
    made.frames(answer(), begin=103.001)
    assert made.witness.questions() == []
    assert made.said == []


def test_inferiors_are_not_asked_for() -> None:
    made = Beside(instance())
    made.frames(*adverts(instance(), priority=50))
    assert made.witness.questions() == []


def test_what_is_no_answer_to_us() -> None:
    for frame, changes in (
        (answer(to=OTHER_MAC), {}),  # promiscuous: to somebody else
        (answer(operation=1), {}),
        (answer(mac=OTHER_MAC), {}),
        (answer(), {"outgoing": True}),
        (answer(), {"link": ETH1}),
        (answer(), {"vlans": (7,)}),
    ):
        made = Beside(instance())
        made.frames(*adverts(instance()))
        made.frames(frame, begin=101.001, **changes)
        assert made.said == []


def test_adverts_on_another_interface_or_of_our_own_are_no_evidence() -> None:
    for changes in ({"link": ETH1}, {"outgoing": True}, {"vlans": (7,)}):
        made = Beside(instance())
        made.frames(*adverts(instance()), **changes)
        made.frames(answer(), begin=101.001)
        assert made.said == []


def test_ah_is_verified_with_our_key_and_not_taken_twice() -> None:
    ours = instance(2, auth_type="ah", auth_data=b"secret")
    made = Beside(ours)
    genuine = adverts(ours, 3, secret=b"secret")
    made.frames(*genuine[:2])
    made.frames(answer(), begin=101.001)
    assert len(made.said) == 1
    made.frames(genuine[1], answer(), begin=102.0, step=0.001)  # somebody plays it again
    assert len(made.said) == 1
    made.frames(genuine[2], answer(), begin=102.5, step=0.001)
    assert len(made.said) == 2
    forged = Beside(ours)
    forged.frames(*adverts(ours, 2, secret=b"guess"))
    forged.frames(answer(), begin=101.001)
    assert forged.said == []


def test_ipv6() -> None:
    ours = instance(family=6)
    made = Beside(ours)
    source, group = pack(PEER6), ours.multicast_group
    body = build(advert(150, family=6), source, group, "pseudo")
    frame = ethernet(b"\x33\x33\0\0\0\x12", MAC, 0x86DD, ipv6_packet(source, group, PROTOCOL, body, hop_limit=255))
    made.frames(frame, frame)
    assert made.witness.questions() == [("eth0", VIP6), ("eth0", source)]
    reply = build_neighbour_advertisement(Neighbour(136, VIP6, MAC, solicited=True), MAC, VIP6, pack(OURS6), OUR_MAC)
    made.frames(reply, begin=101.001)
    assert made.said == [("VI_1", source, 150, 1.0, 101.0)]


@given(st.sampled_from([b"\x08\x00", b"\x86\xdd", b"\x08\x06"]), st.binary(max_size=100), st.integers(0, 20))
def test_no_frame_can_break_it(ethertype: bytes, body: bytes, cut: int) -> None:
    made = Beside(instance(2, auth_type="ah", auth_data=b"secret"))
    (genuine,) = adverts(made.witness._answers["eth0", 4][0][1].instance, 1)
    made.frames(OUR_MAC + MAC + ethertype + body, genuine[: len(genuine) - cut], genuine[:40] + body, answer()[:cut])
    assert made.said == []


def test_two_instances_on_one_interface_are_told_apart() -> None:
    first, second = instance(), instance(name="VI_2", vrid=52)
    made = Beside(first, second)
    made.frames(*adverts(second))
    made.frames(answer(), begin=101.001)
    assert [row[0] for row in made.said] == ["VI_2"]
