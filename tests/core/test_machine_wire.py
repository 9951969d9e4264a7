"""Two and three machines on a fake wire with a virtual clock: elections, handovers, faults and properties."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.machine_setup import instance
from tests.sim.virtual import WIRE_DELAY, Node, Wire, announcements, changes
from vrrpcore.machine import KEEPALIVED, Advertise, State

SETTLE = 30  # intervals


def pair(high: dict[str, Any] | None = None, low: dict[str, Any] | None = None) -> tuple[Wire, Node, Node]:
    """A with priority 150 and B with 100, not started."""
    wire = Wire()
    first = wire.add("A", instance(**{"priority": 150, **(high or {})}), "10.9.0.1")
    second = wire.add("B", instance(**{"priority": 100, **(low or {})}), "10.9.0.2")
    return wire, first, second


def became_master(node: Node) -> float:
    """When a router that is master now became so."""
    when, state = changes(node)[-1]
    assert state is State.MASTER
    return when


def started(high: dict[str, Any] | None = None, low: dict[str, Any] | None = None) -> tuple[Wire, Node, Node]:
    wire, first, second = pair(high, low)
    wire.start(first)
    wire.start(second)
    wire.run(10.0)
    assert wire.masters() == ["A"]
    return wire, first, second


def test_the_higher_priority_is_elected_and_the_other_never_advertises() -> None:
    wire, first, second = started()
    assert became_master(first) == pytest.approx(3 + 106 / 256)
    assert second.sent(Advertise) == []
    assert wire.overlap() == 0


def test_graceful_stop_hands_over_in_the_skew() -> None:
    wire, first, second = started()
    wire.stop(first)
    wire.run(20.0)
    assert became_master(second) == pytest.approx(10 + 156 / 256, abs=0.001)
    assert wire.overlap() == 0


def test_a_crash_is_taken_over_after_the_down_interval() -> None:
    wire, first, second = started()
    last = first.sent(Advertise)[-1]
    wire.crash(first)
    wire.run(20.0)
    assert became_master(second) == pytest.approx(last + 3 + 156 / 256, abs=0.001)


def test_a_partition_has_two_masters_and_its_healing_is_announced_by_the_winner_whoever_speaks_first() -> None:
    for cut in (12.0, 12.2, 12.4, 12.6, 12.8):
        wire, first, second = started()
        open_link = wire.link
        wire.link = lambda sender, receiver, now: None
        wire.run(cut + 8)
        assert wire.masters() == ["A", "B"]
        wire.link = open_link
        healed = wire.now
        wire.run(healed + 1.2)
        assert wire.masters() == ["A"]
        assert any(when >= healed for when, _ in announcements(first)), cut
        assert not second.owns


def test_a_deaf_backup_is_answered_at_each_of_its_adverts() -> None:
    wire, first, second = started()
    wire.link = lambda sender, receiver, now: None if sender is first else WIRE_DELAY
    wire.run(25.0)
    assert wire.masters() == ["A", "B"]
    claims = [when for when in second.sent(Advertise) if when < 24.9]
    answers = first.sent(Advertise)
    assert all(any(0 < answer - claim < 0.001 for answer in answers) for claim in claims)


def test_two_of_us_that_reject_each_other_both_keep_advertising() -> None:
    """keepalived's timer is restarted by what it rejects, so that one of them falls silent; ours is not."""
    wire = Wire()
    for name, interval, address in (("A", 1.0, "10.9.0.1"), ("B", 2.0, "10.9.0.2")):
        wire.start(wire.add(name, instance(2, advert_interval_seconds=interval), address))
    wire.run(40.0)
    assert [len([t for t in node.sent(Advertise) if t >= 20]) for node in wire.nodes] == [20, 10]


def test_the_model_of_keepalived_falls_silent_when_it_rejects_a_faster_peer() -> None:
    wire = Wire()
    for name, interval, address in (("A", 1.0, "10.9.0.1"), ("B", 2.0, "10.9.0.2")):
        wire.start(wire.add(name, instance(2, advert_interval_seconds=interval), address, KEEPALIVED))
    wire.run(40.0)
    assert [len([t for t in node.sent(Advertise) if t >= 20]) for node in wire.nodes][1] == 0


def test_clones_with_one_address_do_not_storm() -> None:
    wire = Wire()
    for name in ("A", "B"):
        wire.start(wire.add(name, instance(), "10.9.0.1"))
    wire.run(30.0)
    assert all(len(node.sent(Advertise)) < 30 for node in wire.nodes)


def test_a_paused_master_yields_to_a_superior_successor_before_it_advertises() -> None:
    wire, first, second = started(low={"preempt": False})
    wire.stop(first)
    wire.run(20.0)
    wire.start(first)
    wire.run(22.0)
    wire.pause(second)  # the master, priority 100
    wire.run(40.0)
    assert wire.masters() == ["A", "B"]
    before = len(second.sent(Advertise))
    wire.resume(second)
    assert wire.masters() == ["A"]
    assert len(second.sent(Advertise)) <= before + 1


routers = st.lists(
    st.tuples(st.integers(1, 254), st.sampled_from([0.0, 0.1, 0.9, 2.5, 7.0])),
    min_size=2,
    max_size=3,
    unique_by=lambda r: r[0],
)


@settings(max_examples=60, deadline=None)
@given(routers, st.sampled_from([2, 3]), st.sampled_from([1.0, 0.1]), st.integers(0, 2**32))
def test_with_preempt_the_superior_router_ends_as_the_only_master_under_loss(
    members: list[tuple[int, float]], version: int, interval: float, seed: int
) -> None:
    import random

    chance = random.Random(seed)
    wire = Wire()
    interval = 1.0 if version == 2 else interval
    for number, (priority, delay) in enumerate(members):
        made = instance(version, priority=priority, advert_interval_seconds=interval)
        node = wire.add(f"R{number}", made, f"10.9.0.{number + 1}")
        wire.at(delay * interval, lambda node=node: wire.start(node))  # type: ignore[misc]
    wire.link = lambda sender, receiver, now: None if chance.random() < 0.2 else WIRE_DELAY
    wire.run(100 * interval)
    wire.link = lambda sender, receiver, now: WIRE_DELAY
    wire.run((100 + SETTLE) * interval)
    best = max(wire.nodes, key=lambda node: node.machine.priority)
    assert wire.masters() == [best.name]
    assert [node.name for node in wire.nodes if node.owns] == [best.name]


@settings(max_examples=60, deadline=None)
@given(routers, st.booleans(), st.sampled_from([2, 3]))
def test_without_faults_two_routers_never_own_the_addresses_for_longer_than_the_wire_takes(
    members: list[tuple[int, float]], preempt: bool, version: int
) -> None:
    wire = Wire()
    for number, (priority, delay) in enumerate(members):
        node = wire.add(f"R{number}", instance(version, priority=priority, preempt=preempt), f"10.9.0.{number + 1}")
        wire.at(10 * delay, lambda node=node: wire.start(node))  # type: ignore[misc]
    wire.run(150.0)
    assert wire.overlap() <= WIRE_DELAY * 1.5
    assert len(wire.masters()) == 1


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 254), st.integers(1, 254), st.floats(4.0, 20.0))
def test_nopreempt_never_preempts(low: int, high: int, when: float) -> None:
    wire = Wire()
    first = wire.add("A", instance(priority=min(low, high), preempt=False), "10.9.0.1")
    second = wire.add("B", instance(priority=max(low, high), preempt=False), "10.9.0.2")
    wire.start(first)
    wire.at(when, lambda: wire.start(second))
    wire.run(when + 40)
    assert wire.masters() == ["A"]
    assert second.sent(Advertise) == []


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 254), st.sampled_from([0.01, 0.1, 1.0, 40.95]), st.floats(0, 0.99))
def test_priority_0_hands_over_in_the_skew(priority: int, interval: float, phase: float) -> None:
    wire = Wire()
    leaving = wire.add("A", instance(priority=255, advert_interval_seconds=interval), "10.9.0.1")
    staying = wire.add("B", instance(priority=priority, advert_interval_seconds=interval), "10.9.0.2")
    wire.start(leaving)
    wire.start(staying)
    end = (5 + phase) * interval
    wire.run(end)
    wire.stop(leaving)
    wire.run(end + 2 * interval + 1)
    skew = (256 - priority) * interval / 256
    assert became_master(staying) == pytest.approx(end + WIRE_DELAY + skew, abs=1e-9)
