"""The pure parts of the speaker: announcement schedules, rendered packets, the timer queue, what is counted."""

from __future__ import annotations

import hashlib
import hmac
from math import inf
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.machine_setup import OURS, instance
from vrrpcore.addresses import pack
from vrrpcore.frames import Arp, Neighbour, ah_coverage, unwrap
from vrrpcore.frames.network import ipv4, ipv6
from vrrpcore.machine import REFUSALS, Counters
from vrrpcore.packet import Advertisement
from vrrpcore.settings import GarpSchedule, UnicastPeer, VirtualAddress
from vrrpcore.speaker.announce import Announcements, Pacer, Shot
from vrrpcore.speaker.render import Adverts, shots
from vrrpcore.timers import TimerQueue

SHOT = Shot("eth0", b"frame", False)


def fired(made: Announcements, until: float) -> list[tuple[float, int]]:
    """(time, frames) of everything that a schedule sends until then."""
    found = []
    while made.deadline <= until:
        now = made.deadline
        found.append((now, len(made.tick(now))))
    return found


def test_a_takeover_is_announced_five_times_at_once_and_five_times_after_five_seconds() -> None:
    made = Announcements(GarpSchedule(), (SHOT,), {})
    made.begin("master", 100.0)
    assert fired(made, 1000.0) == [(100.0, 5), (105.0, 5)]
    assert made.deadline == inf


def test_delay_0_leaves_out_the_second_burst_and_refresh_goes_on() -> None:
    schedule = GarpSchedule(delay_seconds=0, repeat=1, refresh_seconds=10, refresh_repeat=2)
    made = Announcements(schedule, (SHOT,), {})
    made.begin("master", 100.0)
    assert fired(made, 125.0) == [(100.0, 1), (110.0, 2), (120.0, 2)]
    made.end()
    assert made.deadline == inf


def test_other_interfaces_are_kept_known_to_switches_while_master() -> None:
    other = Shot("vrrp1.51", b"frame", False)
    made = Announcements(GarpSchedule(delay_seconds=5, repeat=1, extra_if_seconds=2), (SHOT, other), {}, (other,))
    made.begin("master", 100.0)
    assert fired(made, 105.5) == [(100.0, 2), (102.0, 1), (104.0, 1), (105.0, 2)]
    made.begin("lower_prio", 105.5)
    assert (105.5, 10) in fired(made, 106.0)
    made.end()
    assert made.deadline == inf
    assert Announcements(GarpSchedule(), (SHOT,), {}, (other,)).deadline == inf


def test_an_inferior_advert_uses_its_own_schedule_and_a_flood_of_them_does_not_multiply() -> None:
    made = Announcements(GarpSchedule(lower_prio_repeat=2, lower_prio_delay_seconds=1), (SHOT,), {})
    sent = 0
    for turn in range(100):
        made.begin("lower_prio", 100.0 + turn / 1000)
        sent += len(made.tick(100.0 + turn / 1000))
    assert sent == 2
    assert fired(made, 200.0) == [(101.0, 2)]


def test_frames_on_one_interface_keep_their_distance_across_routers() -> None:
    pacers = {("eth0", False): Pacer(0.5)}
    one = Announcements(GarpSchedule(delay_seconds=0, repeat=2), (SHOT,), pacers)
    other = Announcements(GarpSchedule(delay_seconds=0, repeat=1), (SHOT,), pacers)
    one.begin("master", 100.0)
    assert len(one.tick(100.0)) == 1
    other.begin("master", 100.0)
    assert other.tick(100.0) == []
    assert fired(one, 100.5) == [(100.5, 1)]
    assert fired(other, 101.0)[-1] == (101.0, 1)


@pytest.mark.parametrize("version", [2, 3])
def test_an_ipv4_advert_is_keepalived_like_on_the_wire(version: int) -> None:
    made = Adverts(instance(version), pack(OURS))
    packets = [bytes(packet) for _ in range(3) for packet, _ in made.next(100)]
    for number, packet in enumerate(packets, 1):
        facts, body = ipv4(packet, 0)
        assert facts is not None
        assert (facts.tos, facts.ttl, facts.dont_fragment, facts.ident) == (0xC0, 255, False, number)
        assert isinstance(body, Advertisement)
        assert (body.version, body.priority, body.checksum_style) == (
            version,
            100,
            "message" if version == 2 else "pseudo",
        )


def test_ident_wraps_without_zero_which_would_let_the_kernel_choose() -> None:
    made = Adverts(instance(2), pack(OURS), ident=0xFFFE)
    assert [ipv4(bytes(made.next(100)[0][0]), 0)[0].ident for _ in range(3)] == [0xFFFF, 1, 2]  # type: ignore[union-attr]


def test_v3_checksum_as_v2_leaves_out_the_pseudo_header() -> None:
    body = ipv4(bytes(Adverts(instance(v3_checksum_as_v2=True), pack(OURS)).next(100)[0][0]), 0)[1]
    assert isinstance(body, Advertisement)
    assert body.checksum_style == "message"


def test_every_peer_gets_its_own_packet_with_the_same_ident() -> None:
    peers = tuple(UnicastPeer(pack(each)) for each in ("10.9.0.2", "10.9.0.3"))
    made = Adverts(instance(2, unicast=True, unicast_peers=peers, unicast_ttl=64), pack(OURS)).next(7)
    read = [ipv4(bytes(packet), 0)[0] for packet, _ in made]
    assert [(facts.destination, facts.ident, facts.ttl) for facts in read if facts] == [
        (pack("10.9.0.2"), 1, 64),
        (pack("10.9.0.3"), 1, 64),
    ]


def test_an_ipv6_advert_carries_hop_limit_255_and_a_valid_checksum() -> None:
    packet = bytes(Adverts(instance(family=6), pack("fe80::5")).next(100)[0][0])
    facts, body = ipv6(packet, 0)
    assert facts is not None
    assert (facts.ttl, facts.source, facts.destination) == (255, pack("fe80::5"), pack("ff02::12"))
    assert isinstance(body, Advertisement)


def test_ah_signs_every_packet_with_a_rising_sequence_number() -> None:
    made = Adverts(instance(2, auth_type="ah", auth_data=b"secret"), pack(OURS))
    for number in (1, 2):
        packet = bytes(made.next(100)[0][0])
        facts, body = ipv4(packet, 0)
        assert facts is not None
        assert facts.ah is not None
        assert isinstance(body, Advertisement)
        assert (facts.ah.spi, facts.ah.sequence) == (int.from_bytes(pack(OURS), "big"), number)
        assert facts.ah.icv == hmac.new(b"secret", ah_coverage(packet), hashlib.md5).digest()[:12]
        assert body.auth_type == 2


def test_announcements_have_the_form_of_keepalived() -> None:
    mac = bytes.fromhex("020000000001")
    places = [
        (VirtualAddress(pack("10.9.0.100"), 24), "eth0", mac),
        (VirtualAddress(pack("fd09::100"), 64), "eth0", mac),
    ]
    first, second = shots(places, router=False)
    arp = unwrap(first.frame).body
    assert arp == Arp(1, mac, pack("10.9.0.100"), b"\xff" * 6, pack("10.9.0.100"))
    assert unwrap(first.frame).destination_mac == b"\xff" * 6
    assert unwrap(second.frame).body == Neighbour(136, pack("fd09::100"), mac, override=True)
    assert (first.neighbour, second.neighbour) == (False, True)


class Client:
    def __init__(self, deadline: float, hurry: bool = False) -> None:
        self.deadline, self.armed, self.hurry = deadline, inf, hurry


def test_a_deadline_that_moves_later_is_found_when_its_old_entry_comes_up() -> None:
    queue: TimerQueue[Client] = TimerQueue()
    client = Client(1.0)
    queue.arm(client)
    client.deadline = 2.0
    assert list(queue.due(1.5)) == []
    assert queue.next() == 2.0
    assert list(queue.due(2.0)) == [client]


def test_only_what_may_hurry_is_called_early() -> None:
    queue: TimerQueue[Client] = TimerQueue()
    patient, hasty = Client(1.0), Client(1.0, hurry=True)
    queue.arm(patient)
    queue.arm(hasty)
    assert list(queue.due(0.9, early=0.2)) == [hasty]
    assert list(queue.due(1.0, early=0.2)) == [patient]


@given(st.lists(st.tuples(st.integers(0, 9), st.floats(0, 100)), max_size=60))
def test_the_queue_fires_every_client_at_its_last_deadline_in_order(moves: list[tuple[int, float]]) -> None:
    queue: TimerQueue[Client] = TimerQueue()
    clients = [Client(inf) for _ in range(10)]
    for number, deadline in moves:
        clients[number].deadline = deadline
        queue.arm(clients[number])
    expected = sorted(client.deadline for client in clients if client.deadline < inf)
    found = []
    while queue.next() < inf:
        for client in queue.due(queue.next()):
            found.append(client.deadline)
            client.deadline = inf
    assert found == expected


def test_every_refusal_has_its_place_in_the_counters() -> None:
    counters = Counters()
    for reason in REFUSALS:
        counters.refuse(reason)
    row: dict[str, Any] = counters.rfc()
    assert row["auth_failures"] == 2  # secret and replay
    assert sum(row.values()) == sum(1 for name in REFUSALS.values() if name)
