"""Yielding on proof: what is proof and what is not, and that nobody is left without a master by it."""

from __future__ import annotations

from dataclasses import replace
from math import inf
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.machine_setup import HIGHER, OURS, PEER, advert, facts, instance, kinds, machine, master
from vrrpcore.addresses import pack, virtual_mac
from vrrpcore.frames import AuthHeader
from vrrpcore.machine import Changed, Evidence, Machine, Proof, State
from vrrpcore.machine.proof import ANSWERED, MAX_RIVALS
from vrrpcore.settings import Instance, UnicastPeer, VirtualAddress

MAC, OTHER_MAC = b"\x02\0\0\0\0\x03", b"\x02\0\0\0\0\x04"
VIP = pack("10.9.0.100")
VMAC = virtual_mac(4, 51)


def proof(at: float, priority: int = 150, source: str = PEER, interval: float = 1.0) -> Proof:
    return Proof(pack(source), priority, interval, at)


def heard(evidence: Evidence, times: tuple[float, ...], mac: bytes = MAC, **changes: Any) -> list[Proof | None]:
    """What each of a superior's adverts gave."""
    ours = evidence.instance
    authentic = changes.pop("authentic", False)
    carrier = {key: changes.pop(key) for key in ("ttl", "destination", "ah", "source") if key in changes}
    made = advert(changes.pop("priority", 150), version=changes.pop("version", ours.version), **changes)
    return [evidence.advert(time, made, facts(**carrier), mac, authentic) for time in times]


def yielded(**changes: Any) -> Machine:
    """A master since 100 that yielded at 102."""
    made = master(**changes)
    made.prove(proof(102.0), 102.0)
    assert made.state is State.BACKUP
    return made


# ---- evidence ------------------------------------------------------------------------------------------------


def test_two_adverts_and_an_answer_are_proof() -> None:
    evidence = Evidence(instance())
    assert heard(evidence, (100.0, 101.0)) == [None, None]
    assert evidence.questions(101.0) == (VIP, pack(PEER))
    assert evidence.answer(101.001, VIP, MAC) == proof(101.0)
    assert evidence.answer(101.002, VIP, MAC) is None  # nothing new
    assert heard(evidence, (102.0,)) == [None]
    assert evidence.answer(102.001, VIP, MAC) == proof(102.0)


def test_adverts_alone_prove_one_direction_only() -> None:
    assert not any(heard(Evidence(instance()), tuple(100.0 + n for n in range(20))))


def test_answers_alone_prove_no_master() -> None:
    evidence = Evidence(instance())
    assert not any(evidence.answer(100.0 + n, VIP, MAC) for n in range(20))
    assert evidence.questions(120.0) == ()


def test_a_proof_is_as_old_as_the_older_of_advert_and_answer() -> None:
    evidence = Evidence(instance())
    heard(evidence, (100.0, 101.0))
    assert evidence.answer(101.4, VIP, MAC) == proof(101.0)
    assert heard(evidence, (102.0,)) == [None]  # 0.4 s newer: the answer to this advert is still to come
    assert heard(evidence, (103.0, 104.0, 105.0)) == [None, None, None]  # the way back is cut
    assert evidence.answer(105.1, VIP, MAC) == proof(105.0)


def test_the_fastest_masters_are_not_asked_at_every_advert() -> None:
    evidence = Evidence(instance())
    heard(evidence, (100.0, 100.01), interval=0.01)
    evidence.answer(100.01, VIP, MAC)
    given = heard(evidence, tuple(100.02 + n / 100 for n in range(30)), interval=0.01)
    times = [each.at for each in given if each is not None]
    assert len(times) >= 8
    assert max(times) <= 100.01 + ANSWERED


def test_only_those_who_may_be_superior_are_asked_for() -> None:
    evidence = Evidence(instance())
    heard(evidence, (100.0, 101.0))
    assert evidence.questions(101.0, 150) == (VIP, pack(PEER))
    assert evidence.questions(101.0, 151) == ()


def test_adverts_far_apart_are_no_proof() -> None:
    evidence = Evidence(instance())
    heard(evidence, (100.0, 104.0))
    assert evidence.answer(104.001, VIP, MAC) is None


def test_the_answer_of_another_host_is_no_proof() -> None:
    evidence = Evidence(instance())
    heard(evidence, (100.0, 101.0))
    assert evidence.answer(101.001, VIP, OTHER_MAC) is None


def test_the_virtual_mac_counts_only_beside_the_hosts_own_address() -> None:
    evidence = Evidence(instance())
    heard(evidence, (100.0, 101.0), mac=VMAC)
    assert evidence.answer(101.001, VIP, VMAC) is None  # any master answers so
    assert evidence.answer(101.001, pack(PEER), VMAC) is None
    assert evidence.answer(101.002, pack(PEER), MAC) == proof(101.0)


def test_its_own_address_alone_says_nothing_about_the_virtual_one() -> None:
    evidence = Evidence(instance())
    heard(evidence, (100.0, 101.0))
    assert evidence.answer(101.001, pack(PEER), MAC) is None


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ({}, {"ttl": 254}),
        ({}, {"vrid": 52}),
        ({}, {"addresses": (pack("10.9.0.101"),)}),
        ({}, {"destination": pack(OURS)}),  # unicast without being a peer
        ({"addresses": (VirtualAddress(VIP, 24), VirtualAddress(pack("10.9.0.102"), 24))}, {}),  # one would be nobody's
        ({"version": 2, "auth_type": "pass", "auth_data": b"secret"}, {}),
        ({"version": 2, "auth_type": "pass", "auth_data": b"secret"}, {"auth_type": 1, "auth_data": b"1234".ljust(8)}),
        ({"version": 2, "auth_type": "pass", "auth_data": b"secret"}, {"version": 3}),
        ({"version": 2, "auth_type": "ah", "auth_data": b"secret"}, {"auth_type": 2}),
        ({"version": 2, "auth_type": "ah", "auth_data": b"secret"}, {"ah": AuthHeader(1, 1, bytes(12))}),
    ],
)
def test_what_is_not_credible(ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    evidence = Evidence(instance(**ours))
    heard(evidence, (100.0, 101.0), **theirs)
    assert evidence.answer(101.001, VIP, MAC) is None
    assert evidence.answer(101.001, pack(PEER), MAC) is None


PASS = {"version": 2, "auth_type": "pass", "auth_data": b"secret"}


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ({}, {"version": 2, "auth_data": bytes(8)}),  # they may never agree, and it serves all the same
        ({}, {"addresses": (VIP, pack("10.9.0.102"))}),
        ({"version": 2}, {"auth_type": 1, "auth_data": b"1234".ljust(8, b"\0")}),
        (PASS, {"auth_type": 1, "auth_data": b"secret\0\0"}),
        ({**PASS, "auth_type": "ah"}, {"auth_type": 2, "ah": AuthHeader(1, 1, bytes(12)), "authentic": True}),
        ({"unicast": True, "unicast_peers": (UnicastPeer(pack(PEER)),)}, {"destination": pack(OURS), "ttl": 64}),
    ],
)
def test_what_is_credible(ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    evidence = Evidence(instance(**ours))
    heard(evidence, (100.0, 101.0), **theirs)
    assert evidence.answer(101.001, VIP, MAC)


def test_a_resignation_is_passed_on_once_and_ends_the_proof() -> None:
    evidence = Evidence(instance())
    heard(evidence, (100.0, 101.0))
    evidence.answer(101.001, VIP, MAC)
    assert heard(evidence, (101.5,), priority=0) == [proof(101.5, 0)]
    assert heard(evidence, (101.6,), priority=0) == [None]
    assert evidence.answer(101.7, VIP, MAC) is None


def test_another_mac_begins_anew() -> None:
    evidence = Evidence(instance())
    heard(evidence, (100.0, 101.0))
    evidence.answer(101.001, VIP, MAC)
    assert heard(evidence, (102.0, 103.0), mac=OTHER_MAC) == [None, None]


def test_invented_sources_are_bounded() -> None:
    evidence = Evidence(instance())
    for number in range(200):
        heard(evidence, (100.0 + number / 1000,), source=bytes((10, 9, 1, number)))
    assert len(evidence.questions(100.2)) == 1 + MAX_RIVALS


# ---- what the machine makes of it ----------------------------------------------------------------------------


def test_a_proved_superior_ends_our_mastership_addresses_first() -> None:
    made = master()
    actions = made.prove(proof(102.0), 102.1)
    assert kinds(actions) == ["ReleaseAddresses", "Advertise"]
    assert isinstance(actions[-1], Changed)
    assert made.deadline == pytest.approx(102.0 + made.down_interval)
    assert (made.master_address, made.counters.yields) == (pack(PEER), 1)


def test_each_proof_rearms_the_down_timer_from_when_the_advert_arrived() -> None:
    made = yielded()
    made.prove(proof(103.0), 103.4)
    assert made.deadline == pytest.approx(103.0 + made.down_interval)
    made.prove(proof(102.5), 103.5)  # an older one that was on its way longer
    assert made.deadline == pytest.approx(103.0 + made.down_interval)


def test_it_takes_over_by_the_ordinary_timer_when_the_proof_stops() -> None:
    made = yielded()
    assert not made.tick(102.0 + made.down_interval - 0.001)
    made.tick(102.0 + made.down_interval)
    assert made.state is State.MASTER
    assert made.new_master_reason == "no-response"


def test_a_resignation_that_was_proved_shortens_the_wait_as_ever() -> None:
    made = yielded()
    made.prove(proof(103.0, 0, HIGHER), 103.0)  # not the one that we follow
    assert made.deadline == pytest.approx(102.0 + made.down_interval)
    made.prove(proof(103.0, 0), 103.0)
    assert made.deadline == pytest.approx(103.0 + made.skew)


def test_a_backup_that_hears_for_itself_needs_no_proof() -> None:
    made = yielded()
    made.receive(advert(150), pack(PEER), 103.0)
    assert not made.yielding.active
    assert not made.prove(proof(104.0), 104.0)
    assert made.deadline == pytest.approx(103.0 + made.down_interval)


@pytest.mark.parametrize(
    ("given_proof", "now", "changes"),
    [
        (proof(102.0, 99), 102.0, {}),
        (proof(102.0, 100, "10.9.0.4"), 102.0, {}),
        (proof(102.0, 100, OURS), 102.0, {}),  # a clone
        (proof(102.0, 254, OURS), 102.0, {}),
        (proof(102.0, 0), 102.0, {}),
        (proof(102.0), 103.1, {}),  # it was on its way for more than an interval
        (proof(103.0), 102.0, {}),  # of the future: a clock was set
        (proof(99.9), 102.0, {}),  # from before we became master: it may have resigned since
        (proof(102.0, 255), 102.0, {"priority": 255}),
        (proof(102.0, interval=2.0), 102.0, {"version": 2}),
    ],
)
def test_what_obliges_nobody(given_proof: Proof, now: float, changes: dict[str, Any]) -> None:
    made = master(**changes)
    if made.state is State.INIT:
        made.start(100.0)
    assert made.prove(given_proof, now) == ()
    assert made.state is State.MASTER


def test_equal_priorities_are_decided_by_the_address() -> None:
    made = master()
    made.prove(proof(102.0, 100, HIGHER), 102.0)
    assert made.state is State.BACKUP


def test_version_3_follows_the_superiors_interval() -> None:
    made = master()
    made.prove(proof(102.0, interval=2.0), 102.0)
    assert made.down_interval == pytest.approx(6.0 + made.skew)


def test_without_its_sync_group_it_stays() -> None:
    made = master()
    assert made.prove(proof(102.0), 102.0, together=False) == ()
    assert made.state is State.MASTER
    assert kinds(made.join_backup(102.5)) == ["ReleaseAddresses", "Advertise"]  # and goes with it, on its own proof
    assert made.yielding.active


def test_no_event_but_proof_makes_it_yield() -> None:
    made = master()
    for n in range(100):
        made.tick(101.0 + n)
    assert (made.state, made.counters.yields) == (State.MASTER, 0)


def test_a_yield_that_does_not_last_makes_the_next_one_harder() -> None:
    made, now = master(), 100.0
    while now < 1100.0:  # proofs for four seconds of every nine
        now = round(now + 0.1, 1)
        if now % 9 < 4 and round(now * 10) % 10 == 0:
            made.prove(proof(now), now)
        made.tick(now)
    assert 2 <= made.counters.yields <= 4  # and not a hundred


def test_after_a_long_calm_it_is_easy_again() -> None:
    made = yielded()
    for n in range(200):
        made.prove(proof(103.0 + n), 103.0 + n)
        assert not made.tick(103.0 + n)
    assert "Announce" in kinds(made.tick(310.0))
    made.prove(proof(311.0), 311.0)
    assert made.state is State.BACKUP


# ---- properties ----------------------------------------------------------------------------------------------

priorities = st.integers(1, 255)
sources = st.sampled_from([pack(f"10.9.0.{n}") for n in (1, 2, 3)])


def on_air(instance: Instance, source: bytes, now: float) -> Machine:
    """A master of this moment."""
    made = Machine(instance, None, source)
    made.start(now - made.down_interval)
    made.tick(now)
    made.start(now)
    assert made.state is State.MASTER
    return made


@given(st.lists(st.tuples(priorities, sources), min_size=2, max_size=2), st.sampled_from([2, 3]))
def test_of_two_masters_never_both_yield(rows: list[tuple[int, bytes]], version: int) -> None:
    base = instance(version)
    pair = [on_air(replace(base, priority=priority), source, 100.0) for priority, source in rows]
    proofs = [Proof(each.address, each.priority, 1.0, 101.0) for each in pair]
    for made, other in zip(pair, reversed(proofs), strict=True):
        made.prove(other, 101.0)
    left = [each for each in pair if each.state is State.MASTER]
    assert left
    if rows[0] == rows[1]:
        assert len(left) == 2


@given(st.lists(st.tuples(priorities, sources), min_size=3, max_size=5, unique_by=lambda row: row[1]), st.data())
def test_of_any_number_the_best_stays_whoever_proves_whom(rows: list[tuple[int, bytes]], data: st.DataObject) -> None:
    group = [on_air(instance(priority=priority), source, 100.0) for priority, source in rows]
    proofs = [Proof(each.address, each.priority, 1.0, 101.0) for each in group]
    for made in group:
        for other in data.draw(st.permutations(proofs)):
            made.prove(other, 101.0)
    best = max(group, key=lambda each: (each.priority, each.address))
    assert best.state is State.MASTER


@given(
    st.lists(st.tuples(st.floats(0.01, 4.0), st.floats(0.0, 4.0), st.integers(0, 255)), max_size=40),
    st.integers(1, 254),
    st.sampled_from([2, 3]),
)
def test_it_never_waits_longer_than_for_an_advert(
    rows: list[tuple[float, float, int]], priority: int, version: int
) -> None:
    """Whatever proofs come and however late: at most one Down interval after the last advert that was proved."""
    made = on_air(instance(version, priority=priority), pack(OURS), 0.0)
    now, newest = 0.0, 0.0
    for pause, age, theirs in rows:
        now += pause
        made.tick(now)
        newest = max(newest, now - age)
        made.prove(Proof(pack(HIGHER), theirs, 1.0, now - age), now)
        if made.state is State.BACKUP:
            assert made.deadline <= max(newest, now if theirs == 0 else newest) + made.down_interval + 1e-9
    made.tick(max(now, made.deadline) if made.deadline != inf else now)
    made.tick(now + made.down_interval + 1e-6)
    assert made.state is State.MASTER


def test_states_without_a_claim_take_no_proof() -> None:
    made = machine()
    assert made.prove(proof(100.0), 100.0) == ()
    made.start(100.0, healthy=False)
    assert made.prove(proof(101.0), 101.0) == ()
    assert made.state is State.FAULT
