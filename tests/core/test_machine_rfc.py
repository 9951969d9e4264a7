"""The RFC conformance checklist, one test per item that concerns acceptance and the machine; named by its number.

v2 = RFC 3768, v3 = RFC 9568. Items of the codec (3-5, 11, 12, 15, 21, 24) are tested with the codec; those of the
wire and the host (17-20, 26, 43-49, 53) with the speaker.
"""

from __future__ import annotations

from math import inf

import pytest

from tests.core.machine_setup import HIGHER, OURS, PEER, PEER6, advert, backup, facts, instance, kinds, machine, master
from vrrpcore.addresses import pack
from vrrpcore.machine import (
    FRR,
    HOUSE,
    RFC3768,
    RFC5798,
    RFC9568,
    Advertise,
    Announce,
    Changed,
    Remark,
    Rules,
    State,
    refuse,
    remark,
)
from vrrpcore.machine.counters import Counters
from vrrpcore.settings import UnicastPeer

BOTH = pytest.mark.parametrize("version", [2, 3])


@BOTH
@pytest.mark.parametrize("ttl", [0, 1, 64, 254])
def test_item_01_ttl_other_than_255_is_discarded(version: int, ttl: int) -> None:
    assert refuse(instance(version), HOUSE, advert(150, version), facts(ttl=ttl)) == "ttl"
    assert refuse(instance(version), HOUSE, advert(150, version), facts(ttl=255)) == ""


def test_item_01_unicast_checks_the_limits_of_the_peer_instead() -> None:
    near = UnicastPeer(pack(PEER), min_ttl=254, max_ttl=255)
    unicast = instance(unicast=True, unicast_peers=(near,))
    there = pack(OURS)
    assert refuse(unicast, HOUSE, advert(150), facts(ttl=254, destination=there)) == ""
    assert refuse(unicast, HOUSE, advert(150), facts(ttl=253, destination=there)) == "peer_ttl"
    free = instance(unicast=True, unicast_peers=(UnicastPeer(pack(PEER)),))
    assert refuse(free, HOUSE, advert(150), facts(ttl=3, destination=there)) == ""


@pytest.mark.parametrize(("configured", "received"), [(2, 3), (3, 2)])
def test_item_02_another_version_is_discarded(configured: int, received: int) -> None:
    assert refuse(instance(configured), HOUSE, advert(150, received), facts()) == "version"


def test_item_07_the_owner_is_deaf_by_the_older_text_and_elects_by_the_erratum() -> None:
    owner = instance(priority=255)
    assert refuse(owner, RFC5798, advert(255), facts()) == "owner"
    assert refuse(owner, RFC9568, advert(255), facts()) == ""
    assert refuse(instance(priority=254), RFC5798, advert(255), facts()) == ""


@pytest.mark.parametrize(
    ("kind", "data", "theirs", "their_data", "reason"),
    [
        ("none", b"", 0, bytes(8), ""),
        ("none", b"", 1, b"secret\0\0", "auth_mismatch"),
        ("pass", b"secret", 0, bytes(8), "auth_mismatch"),
        ("pass", b"secret", 1, b"secret\0\0", ""),
        ("pass", b"secret", 1, b"secret\0x", "auth_failure"),
        ("pass", b"secret", 1, b"other\0\0\0", "auth_failure"),
        ("pass", b"secret", 2, bytes(8), "auth_mismatch"),
        ("none", b"", 7, bytes(8), "auth_type"),
    ],
)
def test_item_08_authentication_of_version_2(
    kind: str, data: bytes, theirs: int, their_data: bytes, reason: str
) -> None:
    ours = instance(2, auth_type=kind, auth_data=data)
    assert refuse(ours, HOUSE, advert(150, 2, auth_type=theirs, auth_data=their_data), facts()) == reason


def test_item_09_another_interval_is_discarded_in_version_2() -> None:
    assert refuse(instance(2), HOUSE, advert(150, 2, interval=2.0), facts()) == "interval"


def test_item_10_another_interval_is_logged_and_not_dropped_in_version_3() -> None:
    assert refuse(instance(), HOUSE, advert(150, interval=2.0), facts()) == ""
    counters = Counters()
    assert "every 2 s" in remark(instance(), advert(150, interval=2.0), counters)
    assert counters.interval_differs == 1


def test_item_13_another_address_list_is_dropped_by_rfc3768_unless_the_owner_sends_it() -> None:
    other = (pack("10.9.0.101"),)
    assert refuse(instance(2), RFC3768, advert(150, 2, addresses=other), facts()) == "address_list"
    assert refuse(instance(2), RFC3768, advert(255, 2, addresses=other), facts()) == ""


@BOTH
def test_item_13_by_default_another_address_list_is_logged_and_counted(version: int) -> None:
    other = advert(150, version, addresses=(pack("10.9.0.100"), pack("10.9.0.101")))
    assert refuse(instance(version), HOUSE, other, facts()) == ""
    counters = Counters()
    assert "other addresses" in remark(instance(version), other, counters)
    assert counters.rfc()["address_list_errors"] == 1


def test_item_16_every_refusal_is_counted_with_its_reason_and_source() -> None:
    counters = Counters()
    counters.refuse("ttl", PEER)
    assert counters.rfc()["ip_ttl_errors"] == 1
    assert counters.as_json()["last_refused"] == {"source": PEER, "reason": "ttl"}


@pytest.mark.parametrize("priority", [1, 100, 254, 255])
def test_item_25_the_priority_of_adverts_is_ours_and_0_only_on_release(priority: int) -> None:
    made = machine(priority=priority)
    made.start(0.0)
    actions = made.tick(made.deadline) if priority < 255 else ()
    assert made.state is State.MASTER
    if actions:
        assert actions[0] == Advertise(priority)
    assert Advertise(0) in made.stop(10.0)


@pytest.mark.parametrize(
    ("version", "interval", "skew"), [(2, 1.0, 156 / 256), (2, 3.0, 156 / 256), (3, 0.01, 0.01 * 156 / 256)]
)
def test_item_27_skew_is_of_a_second_in_v2_and_of_the_masters_interval_in_v3(
    version: int, interval: float, skew: float
) -> None:
    assert machine(version=version, advert_interval_seconds=interval).skew == pytest.approx(skew, abs=1e-12)


def test_item_28_down_interval_uses_the_learned_interval_in_v3() -> None:
    made = backup()
    made.receive(advert(200, interval=0.25), pack(PEER), 101.0)
    assert made.deadline == pytest.approx(101.0 + 3 * 0.25 + 156 * 0.25 / 256, abs=1e-12)


def test_item_28_down_timer_adverts_replaces_the_3() -> None:
    assert backup(down_timer_adverts=5).deadline == pytest.approx(100 + 5 + 156 / 256)


def test_item_29_an_owner_starts_as_master_at_once() -> None:
    actions = machine(priority=255).start(5.0)
    assert kinds(actions) == ["Advertise", "TakeAddresses", "Announce"]
    assert actions[-1] == Changed(State.INIT, State.MASTER, "startup", "priority")


def test_item_29_everyone_else_starts_as_backup() -> None:
    made = machine(state="MASTER", priority=254)
    assert kinds(made.start(5.0)) == []
    assert made.state is State.BACKUP
    assert made.deadline == 5 + 3 + 2 / 256


def test_item_30_a_backup_shuts_down_without_an_advert() -> None:
    made = backup()
    assert made.stop(101.0) == (Changed(State.BACKUP, State.INIT, "shutdown"),)
    assert made.deadline == inf


def test_item_31_takeover_is_advert_then_addresses_then_announcement() -> None:
    made = backup()
    assert made.tick(made.deadline - 1e-6) == ()
    actions = made.tick(made.deadline)
    assert kinds(actions) == ["Advertise", "TakeAddresses", "Announce"]
    assert Announce("master") in actions
    assert actions[-1] == Changed(State.BACKUP, State.MASTER, "master-timeout", "no-response")


@BOTH
def test_item_32_priority_0_leaves_only_the_skew(version: int) -> None:
    made = backup(version=version)
    made.receive(advert(200, version), pack(PEER), 101.0)
    made.receive(advert(0, version), pack(PEER), 102.0)
    assert made.deadline == pytest.approx(102.0 + 156 / 256)
    assert made.counters.priority_zero_received == 1


@pytest.mark.parametrize("priority", [100, 101, 254, 255])
def test_item_33_a_backup_follows_equal_and_higher_priorities(priority: int) -> None:
    made = backup()
    made.receive(advert(priority, interval=2.0), pack(PEER), 103.0)
    assert made.deadline == pytest.approx(103.0 + 6 + 156 * 2 / 256)


def test_item_33_a_backup_without_preempt_follows_lower_priorities_too() -> None:
    made = backup(preempt=False)
    made.receive(advert(1), pack(PEER), 103.0)
    assert made.deadline == pytest.approx(103.0 + made.down_interval)


def test_item_34_a_backup_with_preempt_discards_lower_priorities() -> None:
    made = backup()
    before = made.deadline
    assert made.receive(advert(99), pack(PEER), 103.0) == ()
    assert made.deadline == before
    assert made.tick(before)[-1] == Changed(State.BACKUP, State.MASTER, "lower-priority-master", "preempted")


def test_item_35_a_master_shuts_down_with_priority_0_after_its_addresses_are_gone() -> None:
    actions = master().stop(101.0)
    assert kinds(actions) == ["ReleaseAddresses", "Advertise"]
    assert actions[1] == Advertise(0)


def test_item_36_a_master_advertises_at_each_interval() -> None:
    made = master()
    for turn in range(1, 5):
        assert made.deadline == pytest.approx(100 + turn)
        assert made.tick(made.deadline + 0.01) == (Advertise(100),)


def test_item_37_a_master_answers_priority_0_at_once() -> None:
    made = master()
    assert kinds(made.receive(advert(0), pack(PEER), 100.4))[0] == "Advertise"
    assert made.deadline == pytest.approx(101.4)


@pytest.mark.parametrize(("priority", "source"), [(101, PEER), (255, PEER), (100, HIGHER)])
def test_item_38_a_master_yields_to_the_greater_priority_then_address(priority: int, source: str) -> None:
    made = master()
    actions = made.receive(advert(priority, interval=2.0), pack(source), 100.4)
    assert kinds(actions) == ["ReleaseAddresses"]
    assert made.state is State.BACKUP
    assert made.master_interval == 2.0
    assert made.deadline == pytest.approx(100.4 + 6 + 156 * 2 / 256)


def test_item_38_addresses_compare_as_unsigned_numbers_in_network_order() -> None:
    made = master()
    made.address = pack("10.9.0.5")
    assert kinds(made.receive(advert(100), pack("200.1.1.1"), 100.4)) == ["ReleaseAddresses"]


@pytest.mark.parametrize("rules", [HOUSE, RFC9568])
@pytest.mark.parametrize(("priority", "source"), [(99, HIGHER), (100, PEER), (1, PEER)])
def test_item_39_a_master_asserts_itself_at_once_by_rfc9568(rules: Rules, priority: int, source: str) -> None:
    made = master(rules)
    actions = made.receive(advert(priority), pack(source), 100.4)
    assert kinds(actions) == ["Advertise", "Announce"]
    assert made.state is State.MASTER


@pytest.mark.parametrize("rules", [RFC3768, RFC5798, FRR])
def test_item_39_a_master_is_silent_by_the_older_texts_and_still_announces_its_addresses(rules: Rules) -> None:
    made = master(rules)
    assert kinds(made.receive(advert(99), pack(PEER), 100.4)) == ["Announce"]
    assert made.deadline == 101.0


def test_item_40_preempt_mode_is_not_asked_in_master() -> None:
    made = master(preempt=False)
    made.receive(advert(101), pack(PEER), 100.4)
    assert made.state is State.BACKUP


def test_item_40_an_owner_always_preempts() -> None:
    made = backup(RFC9568, priority=254, preempt=False)
    made.reconfigure(instance(priority=255, preempt=False), 100.1, RFC9568)
    before = made.deadline
    made.receive(advert(200), pack(PEER), 101.0)
    assert made.deadline == before


def test_item_41_a_backup_does_not_compare_addresses() -> None:
    made = backup()
    made.receive(advert(100), pack(PEER), 103.0)
    assert made.deadline == pytest.approx(103.0 + made.down_interval)


def test_item_42_families_with_one_vrid_are_independent() -> None:
    assert refuse(instance(family=6), HOUSE, advert(150), facts()) == "family"
    assert refuse(instance(), HOUSE, advert(150, family=6), facts(6)) == "family"
    assert refuse(instance(family=6), HOUSE, advert(150, family=6), facts(6, source=pack(PEER6))) == ""


def test_item_51_several_owners_are_remarked() -> None:
    made = machine(RFC9568, priority=255)
    made.start(100.0)
    actions = made.receive(advert(255), pack(PEER), 100.4)
    assert any(isinstance(each, Remark) and each.kind == "several_owners" for each in actions)
    assert made.state is State.MASTER


def test_item_51_of_two_owners_the_one_with_the_lower_address_yields() -> None:
    made = machine(RFC9568, priority=255)
    made.start(100.0)
    made.receive(advert(255), pack(HIGHER), 100.4)
    assert made.state is State.BACKUP


def test_item_54_a_late_timer_is_remarked_and_the_addresses_announced_again() -> None:
    made = master()
    actions = made.tick(104.5)
    assert [type(each).__name__ for each in actions] == ["Remark", "Advertise", "Announce"]
    assert made.counters.late == 1
