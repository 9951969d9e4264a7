"""From packets to machines: the memo, refusals with their reasons, AH with its sequence numbers; no socket needed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.machine_setup import PEER, instance
from vrrpcore.addresses import VRRP_GROUP4, pack
from vrrpcore.errors import INVALID_REASONS
from vrrpcore.frames import ipv4_packet
from vrrpcore.machine import REFUSALS
from vrrpcore.packet import PROTOCOL, build
from vrrpcore.settings import Instance
from vrrpcore.speaker.reception import Heard, Key, Reception
from vrrpcore.speaker.render import Adverts, advertisement
from vrrpcore.speaker.router import VirtualRouter
from vrrpcore.vrrpsockets import AH


class FakeReceiver:
    """Stands for a socket: gives the packets that it was given."""

    def __init__(self) -> None:
        self.packets: list[bytes] = []

    def packets4(self, limit: int = 256) -> Iterator[bytes]:
        packets, self.packets = self.packets, []
        yield from packets


class Bench:
    """A reception with one router and one fake receiver."""

    def __init__(self, made: Instance) -> None:
        self.heard: list[Heard] = []
        self.unknown: list[tuple[str, str, int | None]] = []
        self.reception = Reception(
            lambda heard, now: self.heard.append(heard), lambda *words: self.unknown.append(words)
        )
        self.router = VirtualRouter(made, 2, 2)
        self.key: Key = self.reception.key(self.router, "eth0")
        self.receiver = FakeReceiver()
        self.reception.receivers[self.key] = self.receiver  # type: ignore[assignment]
        self.reception._routers[self.key] = {made.vrid: self.router}

    def receive(self, *packets: bytes, now: float = 1.0) -> list[Heard]:
        self.heard.clear()
        self.receiver.packets = list(packets)
        self.reception.read(self.key, now)
        return self.heard


def packet(made: Instance, priority: int = 150, ident: int = 1, ttl: int = 255) -> bytes:
    message = build(advertisement(made, priority), pack(PEER), VRRP_GROUP4)
    return ipv4_packet(pack(PEER), VRRP_GROUP4, PROTOCOL, message, ident=ident, ttl=ttl)


def test_an_advert_that_differs_only_in_its_identification_is_understood_once() -> None:
    made = instance(2)
    first, second = Bench(made).receive(packet(made, ident=1), packet(made, ident=77))
    assert first is second
    assert (first.refusal, first.source) == ("", pack(PEER))


def test_what_has_changed_is_not_taken_from_the_memo() -> None:
    made = instance(2)
    bench = Bench(made)
    assert [each.advert.priority for each in bench.receive(packet(made), packet(made, 7)) if each.advert] == [150, 7]


@pytest.mark.parametrize(
    ("octets", "reason"),
    [
        (packet(instance(2), ttl=254), "ttl"),
        (packet(instance(3)), "version"),
        (packet(instance(2))[:-3] + b"xyz", "checksum"),
        (packet(instance(2))[:24], "truncated"),
    ],
)
def test_a_refusal_names_its_reason(octets: bytes, reason: str) -> None:
    assert [each.refusal for each in Bench(instance(2)).receive(octets)] == [reason]


def test_an_advert_without_addresses_is_for_routers_that_name_none() -> None:
    none, one = instance(addresses=()), instance()
    (heard,) = Bench(none).receive(packet(none))
    assert (heard.refusal, heard.note) == ("", "")
    assert heard.advert is not None
    assert heard.advert.addresses == ()
    assert [each.refusal for each in Bench(one).receive(packet(none))] == ["count"]


def test_an_advert_of_another_vrid_belongs_to_nobody_and_is_counted() -> None:
    bench = Bench(instance(2))
    (heard,) = bench.receive(packet(instance(2, vrid=9)))
    assert heard.router is None
    bench.reception.nobodys("eth0", heard)
    assert bench.reception.global_errors == {"vrid": 1}
    assert bench.unknown == [("vrid", PEER, 9)]


def test_an_advert_that_another_socket_of_ours_serves_is_no_error() -> None:
    bench = Bench(instance(2))
    other = instance(2, vrid=9, unicast=True)
    bench.reception._routers["eth0", 4, True, 112] = {9: VirtualRouter(other, 2, 2)}
    (heard,) = bench.receive(packet(instance(2, vrid=9)))
    bench.reception.nobodys("eth0", heard)
    assert (heard.router, heard.refusal, bench.reception.global_errors) == (None, "", {})


def test_a_reload_forgets_earlier_judgements() -> None:
    made = instance(2)
    bench = Bench(made)
    assert bench.receive(packet(made))[0].refusal == ""
    bench.router.instance = instance(2, auth_type="pass", auth_data=b"x")
    bench.reception.forget()
    assert bench.receive(packet(made))[0].refusal == "auth_mismatch"


def signed(count: int, secret: bytes = b"secret", start: int = 0) -> list[bytes]:
    """Adverts of a peer that authenticates by AH, with sequence numbers from start + 1."""
    made = Adverts(instance(2, auth_type="ah", auth_data=secret), pack(PEER), sequence=start)
    return [bytes(made.next(150)[0][0]) for _ in range(count)]


def test_ah_takes_rising_sequence_numbers_and_refuses_a_replay() -> None:
    bench = Bench(instance(2, auth_type="ah", auth_data=b"secret"))
    assert bench.key[3] == AH
    first, second, third = signed(3)
    assert [each.refusal for each in bench.receive(first, second, second, third)] == ["", "", "replay", ""]
    fifth = signed(1, start=4)[0]
    assert [each.refusal for each in bench.receive(fifth, second)] == ["", "replay"]


def test_a_restarted_peer_whose_first_advert_was_lost_is_not_refused_for_good() -> None:
    bench = Bench(instance(2, auth_type="ah", auth_data=b"secret"))
    bench.receive(*signed(1, start=1000), now=1.0)
    assert [each.refusal for each in bench.receive(*signed(1, start=1), now=2.0)] == ["replay"]
    assert [each.refusal for each in bench.receive(*signed(1, start=4), now=5.0)] == [""]


def test_ah_sequence_numbers_wrap() -> None:
    bench = Bench(instance(2, auth_type="ah", auth_data=b"secret"))
    assert [each.refusal for each in bench.receive(*signed(3, start=0xFFFFFFFD))] == ["", "", ""]


def test_our_ah_numbers_go_on_behind_those_that_we_heard() -> None:
    """keepalived refuses whoever takes over with a lower number than it has seen."""
    bench = Bench(instance(2, auth_type="ah", auth_data=b"secret"))
    bench.receive(*signed(1, start=1000))
    assert bench.router.adverts.sequence == 1001
    bench.receive(*signed(1, b"wrong", start=5000))
    assert bench.router.adverts.sequence == 1001
    bench.receive(*signed(1, start=0), now=1000.0)  # a peer that was restarted: ours do not go back
    assert bench.router.adverts.sequence == 1001


def test_ah_numbers_that_wrapped_are_followed() -> None:
    bench = Bench(instance(2, auth_type="ah", auth_data=b"secret"))
    bench.receive(*signed(3, start=0xFFFFFFFD))
    assert bench.router.adverts.sequence == 1  # 0 is left out, as when we wrap ourselves


def test_ah_with_another_secret_is_refused_and_leaves_no_trace() -> None:
    bench = Bench(instance(2, auth_type="ah", auth_data=b"secret"))
    assert [each.refusal for each in bench.receive(*signed(1, b"wrong", start=500))] == ["auth_failure"]
    assert [each.refusal for each in bench.receive(*signed(1))] == [""]


def test_every_octet_of_a_signed_advert_counts() -> None:
    bench = Bench(instance(2, auth_type="ah", auth_data=b"secret"))
    good = bytearray(signed(1)[0])
    good[-12] ^= 1
    assert bench.receive(bytes(good))[0].refusal in ("auth_failure", "checksum", "address_list")


def test_garbage_never_raises() -> None:
    bench = Bench(instance(2))
    octets = packet(instance(2))
    for cut in range(len(octets)):
        bench.receive(octets[:cut])


@given(st.binary(max_size=80) | st.tuples(st.integers(0, 39), st.integers(0, 255)))
def test_no_octets_raise_and_none_of_them_are_taken_for_an_advert(octets: bytes | tuple[int, int]) -> None:
    """Random packets, and a good one with one octet changed: understood, refused with a known reason, or nobody's."""
    made = instance(2, auth_type="pass", auth_data=b"secret")
    good = bytearray(packet(made))
    if isinstance(octets, tuple):
        good[octets[0]] = octets[1]
    for heard in Bench(made).receive(octets if isinstance(octets, bytes) else bytes(good)):
        assert heard.refusal == "" or heard.refusal in {*REFUSALS, *INVALID_REASONS}
        if heard.router is not None and not heard.refusal:
            assert heard.advert is not None
            assert heard.advert.vrid == made.vrid
