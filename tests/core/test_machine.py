"""The machine beyond the RFC's checklist: keepalived's options, lateness, reload, faults; the table and its page."""

from __future__ import annotations

from math import inf
from pathlib import Path

import pytest

from tests.core.machine_setup import HIGHER, OURS, PEER, advert, backup, instance, kinds, machine, master
from vrrpcore.addresses import pack
from vrrpcore.machine import KEEPALIVED, Advertise, Announce, Changed, Machine, Rules, State
from vrrpcore.machine.diagram import page
from vrrpcore.machine.table import SIGNALS, TABLE

ROOT = Path(__file__).resolve().parents[2]


def test_the_page_of_the_state_machine_is_drawn_from_the_table() -> None:
    assert (ROOT / "docs" / "state-machine.md").read_text(encoding="utf-8") == page()


def test_every_step_is_a_method_and_every_signal_is_explained() -> None:
    assert all(callable(getattr(Machine, step)) for row in TABLE.values() for step in row.steps)
    assert {signal for _, signal in TABLE} == set(SIGNALS)


def test_whatever_leaves_master_releases_addresses_before_any_last_advert() -> None:
    for (state, signal), row in TABLE.items():
        if state is State.MASTER and row.target is not State.MASTER:
            steps = [step for step in row.steps if not step.startswith("note")]
            assert steps[0] == "release_addresses", signal


def test_whatever_enters_master_advertises_first_and_takes_addresses_before_announcing_them() -> None:
    for (state, signal), row in TABLE.items():
        if row.target is State.MASTER and state is not State.MASTER:
            assert row.steps[:3] == ("advertise", "take_addresses", "announce_master"), signal


def test_a_late_advert_does_not_shift_those_after_it() -> None:
    made = master()
    made.tick(101.3)
    assert made.deadline == pytest.approx(102.0)


def test_after_a_stall_there_is_one_advert_not_a_burst() -> None:
    made = master()
    assert made.tick(120.0).count(Advertise(100)) == 1
    assert made.deadline == pytest.approx(121.0)


def test_a_refused_advert_does_not_restart_the_advert_timer() -> None:
    made = master()
    made.refused(100.7)
    assert made.deadline == 101.0


def test_keepalived_restarts_its_timer_on_any_packet() -> None:
    made = master(KEEPALIVED)
    made.refused(100.7)
    assert made.deadline == pytest.approx(101.7)


def test_our_own_advert_come_back_is_not_answered() -> None:
    made = master()
    assert kinds(made.receive(advert(100), pack(OURS), 100.5)) == []
    assert kinds(made.receive(advert(0), pack(OURS), 100.5)) == []
    assert made.deadline == 101.0
    assert made.counters.own_address_received == 2


def test_a_clone_with_a_higher_priority_wins() -> None:
    made = master()
    made.receive(advert(101), pack(OURS), 100.5)
    assert made.state is State.BACKUP


def test_preempt_delay_follows_a_lower_master_until_it_is_over() -> None:
    made = backup(preempt_delay_seconds=10.0)
    for second in range(10):
        made.receive(advert(50), pack(PEER), 101.0 + second)
        assert made.deadline == pytest.approx(101.0 + second + made.down_interval)
    before = made.deadline
    made.receive(advert(50), pack(PEER), 111.0)
    assert made.deadline == before
    assert made.tick(before)[-1] == Changed(State.BACKUP, State.MASTER, "lower-priority-master", "preempted")


def test_a_higher_master_ends_the_preempt_delay() -> None:
    made = backup(preempt_delay_seconds=10.0)
    made.receive(advert(50), pack(PEER), 101.0)
    made.receive(advert(200), pack(HIGHER), 105.0)
    made.receive(advert(50), pack(PEER), 112.0)
    assert made.deadline == pytest.approx(112.0 + made.down_interval)


def test_preempt_delay_does_not_hold_back_a_router_that_hears_nobody() -> None:
    made = backup(preempt_delay_seconds=100.0)
    assert made.deadline == pytest.approx(100 + made.down_interval)


@pytest.mark.parametrize("quiet", [True, False])
def test_lower_prio_no_advert_keeps_a_master_silent(quiet: bool) -> None:
    made = master(lower_prio_no_advert=quiet)
    assert ("Advertise" in kinds(made.receive(advert(50), pack(PEER), 100.5))) is not quiet


def test_higher_prio_send_advert_gives_one_last_advert_after_the_addresses_are_gone() -> None:
    made = master(higher_prio_send_advert=True)
    assert kinds(made.receive(advert(150), pack(PEER), 100.5)) == ["ReleaseAddresses", "Advertise"]


def test_one_who_stood_in_for_a_silent_master_tells_it_so_when_it_is_back() -> None:
    made = backup()
    made.receive(advert(150), pack(PEER), 101.0)
    made.tick(made.deadline)
    assert made.new_master_reason == "no-response"
    assert kinds(made.receive(advert(150), pack(PEER), 110.0)) == ["ReleaseAddresses", "Advertise"]


def test_one_who_was_handed_the_addresses_yields_without_a_word() -> None:
    made = backup()
    made.receive(advert(150), pack(PEER), 101.0)
    made.receive(advert(0), pack(PEER), 102.0)
    made.tick(made.deadline)
    assert made.new_master_reason == "priority"
    assert kinds(made.receive(advert(150), pack(PEER), 110.0)) == ["ReleaseAddresses"]


def test_a_new_priority_moves_the_running_down_timer_by_the_skew_only() -> None:
    made = backup()
    made.receive(advert(200), pack(PEER), 101.0)
    made.set_priority(20, 102.0)
    assert made.deadline == pytest.approx(101.0 + 3 + 236 / 256)
    made.receive(advert(0), pack(PEER), 103.0)
    made.set_priority(100, 103.1)
    assert made.deadline == pytest.approx(103.0 + 156 / 256)


def test_a_master_advertises_its_new_priority_at_the_next_turn() -> None:
    made = master()
    made.set_priority(20, 100.5)
    assert made.deadline == 101.0
    assert made.tick(101.0) == (Advertise(20),)


def test_a_fault_of_a_master_is_a_release_and_recovery_begins_as_backup() -> None:
    made = master()
    assert kinds(made.fail(100.5)) == ["ReleaseAddresses", "Advertise"]
    assert (made.state, made.deadline) == (State.FAULT, inf)
    assert made.receive(advert(1), pack(PEER), 101.0) == ()
    made.recover(105.0)
    assert made.state is State.BACKUP
    assert made.deadline == pytest.approx(105.0 + made.down_interval)


def test_a_faulty_start_waits_in_fault() -> None:
    made = machine(priority=255)
    made.start(1.0, healthy=False)
    assert made.state is State.FAULT
    assert kinds(made.recover(2.0)) == ["Advertise", "TakeAddresses", "Announce"]


def test_a_reload_keeps_a_master_and_takes_the_new_numbers() -> None:
    made = master()
    assert made.reconfigure(instance(priority=50, advert_interval_seconds=0.2), 100.5) == ()
    assert made.state is State.MASTER
    assert made.deadline == pytest.approx(100.7)
    assert made.tick(100.7) == (Advertise(50),)


def test_a_reload_of_a_backup_counts_from_the_last_advert_heard() -> None:
    made = backup()
    made.receive(advert(200), pack(PEER), 101.0)
    made.reconfigure(instance(priority=254), 103.0)
    assert made.deadline == pytest.approx(101.0 + 3 + 2 / 256)


@pytest.mark.parametrize(("preempt", "state"), [(False, State.BACKUP), (True, State.MASTER)])
def test_timer_expired_backup_makes_a_stalled_master_yield_when_it_does_not_preempt(
    preempt: bool, state: State
) -> None:
    made = master(timer_expired_backup=True, preempt=preempt)
    actions = made.tick(108.0)
    assert made.state is state
    assert ("ReleaseAddresses" in kinds(actions)) is (state is State.BACKUP)


def test_healing_is_announced_by_the_winner() -> None:
    assert Announce("lower_prio") in master().receive(advert(50), pack(PEER), 100.5)
    assert Announce("lower_prio") in master().receive(advert(0), pack(PEER), 100.5)


def test_strict_drops_another_address_list_only_in_version_2() -> None:
    rules = Rules.of(instance(2, strict=True))
    assert (rules.v2_address_list, rules.v3_address_list) == ("drop", "log")


def test_events_out_of_season_do_nothing() -> None:
    made = machine()
    assert made.stop(1.0) == made.tick(1.0) == made.fail(1.0) == made.recover(1.0) == ()
    assert made.receive(advert(100), pack(PEER), 1.0) == ()
    made.start(2.0)
    assert made.start(3.0) == ()


def test_a_member_waits_until_its_group_is_ready_and_an_advert_ends_its_wish() -> None:
    made = backup()
    first = made.deadline
    assert made.tick(first, group_ready=False) == ()
    assert (made.state, made.wants_master) == (State.BACKUP, True)
    assert made.deadline == first + made.down_interval
    made.receive(advert(50), pack(PEER), first + 0.1)  # one that it would preempt changes nothing
    assert made.wants_master
    made.receive(advert(150), pack(PEER), first + 0.2)
    assert not made.wants_master
    made.tick(made.deadline, group_ready=False)
    assert kinds(made.join_master(made.deadline)) == ["Advertise", "TakeAddresses", "Announce"]
    assert (made.state, made.wants_master) == (State.MASTER, False)
