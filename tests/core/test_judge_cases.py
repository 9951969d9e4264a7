"""Synthetic cases that a naive rule gets wrong, each by name (judging.md §8), and the latency of the proof."""

from __future__ import annotations

import pytest

from .wire import SEGMENT, VIP, Host, Wire, ask, malformed


def pair(**both: object) -> tuple[Host, Host]:
    return Host(1, 150, **both), Host(2, 100, **both)  # type: ignore[arg-type]


def test_one_master_is_steady() -> None:
    assert Wire().adverts(Host(1, 150), 0, 10).worst() == ("steady", None)


def test_nothing_is_unknown() -> None:
    assert Wire().worst() == ("unknown", None)


def test_deaf_backup_is_suspected_at_its_first_and_confirmed_at_its_second_advert() -> None:
    a, b = pair()
    judgement = Wire().adverts(a, 0, 20).adverts(b, 5.4, 15).judgement()
    episode = judgement.routers[0].episodes[0]
    assert (episode.cls, episode.cause) == ("split_brain", "mutually_deaf")
    assert episode.start == episode.suspected == 1005.4
    assert episode.confirmed == 1006.4
    assert episode.masters == ("10.9.0.1", "10.9.0.2")


def test_a_master_that_answers_each_lower_advert_makes_the_other_the_deaf_one() -> None:
    a, b = pair()
    wire = Wire().adverts(a, 0, 6)
    for k in range(8):
        wire.at(5.4 + k, b.advert()).at(5.4003 + k, a.advert())
    assert wire.worst() == ("split_brain", "peer_deaf")
    assert wire.judgement().routers[0].episodes[0].blamed == ("10.9.0.2",)


def test_split_of_one_advert_interval_at_100_ms_is_found() -> None:
    a, b = pair(version=3, interval=0.1)
    wire = Wire().adverts(a, 0, 4).adverts(b, 2.05, 2.35)
    assert wire.worst()[0] == "split_brain"


def test_graceful_stop_is_a_handover() -> None:
    a, b = pair()
    wire = Wire().adverts(a, 0, 5).at(4.5, a.advert(0)).adverts(b, 5.11, 10)
    assert wire.worst() == ("handover", "resigned")


def test_crash_is_a_handover() -> None:
    a, b = pair()
    assert Wire().adverts(a, 0, 5).adverts(b, 7.61, 12).worst() == ("handover", "master_lost")


def test_preemption_with_one_last_advert_of_the_outranked_is_a_handover() -> None:
    a, b = pair()
    wire = Wire().adverts(b, 0, 5).adverts(a, 5.3, 10).at(5.3004, b.advert())
    assert wire.worst() == ("handover", "preempted")


def test_lost_priority_0_is_a_handover() -> None:
    a, b = pair()
    wire = Wire().adverts(a, 0, 5).adverts(b, 4.61, 12)
    assert wire.worst() == ("handover", "resigned")
    assert wire.judgement().routers[0].episodes[0].confidence == "likely"


def test_down_timer_adverts_1_is_a_handover() -> None:
    a, b = pair()
    assert Wire().adverts(a, 0, 5).adverts(b, 5.61, 12).worst() == ("handover", "resigned")


def test_booting_v3_backup_with_a_faster_interval_is_transient() -> None:
    a = Host(1, 150, version=3, interval=1.0)
    b = Host(2, 100, version=3, interval=0.1)
    wire = Wire().adverts(a, 0, 12).adverts(b, 5.45, 6.0)
    assert wire.worst() == ("transient_dual_master", "advert_int_mismatch")


def test_two_owners_255_that_settle_are_a_misconfiguration() -> None:
    a, b = Host(1, 255), Host(2, 255)
    assert Wire().at(0, b.advert()).adverts(a, 0.3, 8).worst() == ("misconfig", "two_owners")


def test_master_lowered_below_its_successor_is_a_handover() -> None:
    a, b = pair()
    wire = Wire().adverts(a, 0, 5)
    a.priority = 90
    wire.adverts(a, 5, 8).adverts(b, 7.2, 12)
    assert wire.worst() == ("handover", "priority_changed")


def test_bond_failover_changes_the_mac_and_nothing_else() -> None:
    a = Host(1, 150)
    wire = Wire().adverts(a, 0, 5)
    twin = Host(7, 150, ident=a.ident, address="10.9.0.1")
    assert wire.adverts(twin, 5, 10).worst() == ("steady", None)


def test_cloned_host_is_two_claimants() -> None:
    a, clone = Host(1, 100), Host(9, 100, address="10.9.0.1", ident=500)
    wire = Wire().adverts(a, 0, 10).adverts(clone, 2.4, 10)
    assert wire.worst() == ("split_brain", "identical_source")
    assert len(wire.judgement().routers[0].masters) == 2


def test_three_lost_adverts_that_heal_are_transient() -> None:
    a, b = pair()
    wire = Wire().adverts(a, 0, 12).at(5.61, b.advert())
    assert wire.worst() == ("transient_dual_master", "intermittent_path")


def test_master_of_two_versions_is_steady() -> None:
    v3, v2 = Host(1, 150, version=3), Host(1, 150, version=2)
    wire = Wire()
    for k in range(10):
        wire.at(k, v3.advert()).at(k + 0.0002, v2.advert())
    assert wire.worst() == ("steady", None)
    assert len(wire.judgement().routers[0].masters) == 1


def test_incompatible_superior_newcomer_is_suspected_then_proved_when_the_holder_speaks() -> None:
    b = Host(2, 100, auth_type=1, auth_data=b"1111\0\0\0\0")
    a = Host(1, 150, auth_type=1, auth_data=b"2222\0\0\0\0")
    wire = Wire().adverts(b, 0, 5).adverts(a, 5.4, 9)
    assert wire.worst()[0] == "split_brain_suspected"
    assert wire.at(9.1, b.advert()).worst() == ("split_brain", "auth_data_mismatch")


def test_incompatible_superior_newcomer_is_proved_when_the_holder_answers_arp() -> None:
    b, a = Host(2, 100, interval=2.0), Host(1, 150, interval=1.0)
    wire = Wire().adverts(b, 0, 5).adverts(a, 5.4, 12).probes({7.0: [a.answer(), b.answer()]})
    assert wire.worst(12) == ("split_brain", "advert_int_mismatch")


def test_slower_master_that_is_silenced_stays_suppressed() -> None:
    a, b = Host(1, 150, interval=1.0), Host(2, 100, interval=2.0)
    wire = Wire().adverts(a, 0, 5).at(5.5, b.advert())
    for k in range(10):
        wire.at(6.5 + k, a.advert())
    judgement = wire.judgement(17)
    assert judgement.worst.cause == "advert_int_mismatch"
    assert {m.source: m.claim for m in judgement.routers[0].masters}["10.9.0.2"] == "suppressed"
    assert judgement.routers[0].episodes[0].end is None


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ({"version": 3}, "version_mismatch"),
        ({"auth_type": 1, "auth_data": b"secret\0\0"}, "auth_type_mismatch"),
        ({"to": "224.0.0.200"}, "transport_mismatch"),
        ({"to": "10.9.0.1"}, "transport_mismatch"),
        ({"interval": 2.0}, "advert_int_mismatch"),
    ],
)
def test_fields_that_every_receiver_must_reject_prove_at_once(change: dict[str, object], cause: str) -> None:
    a, b = Host(1, 150), Host(2, 100, **change)  # type: ignore[arg-type]
    wire = Wire().adverts(a, 0, 5).at(4.7, b.advert()).at(5.0, a.advert())
    judgement = wire.judgement()
    assert (judgement.worst.cls, judgement.worst.cause) == ("split_brain", cause)
    assert judgement.routers[0].episodes[0].confirmed == 1005.0


def test_a_superior_one_with_a_wrong_ttl_is_rejected_and_proves_at_once() -> None:
    a, b = Host(1, 150, ttl=64), Host(2, 100)
    wire = Wire().adverts(a, 0, 5).at(4.7, b.advert()).at(5.0, a.advert())
    assert wire.worst() == ("split_brain", "ttl_not_255")
    assert wire.judgement().routers[0].episodes[0].blamed == ("10.9.0.1",)


def test_checksum_styles_that_differ_are_proved_at_once() -> None:
    a, b = Host(1, 150, version=3), Host(2, 100, version=3, style="message")
    wire = Wire().adverts(a, 0, 5).at(4.7, b.advert()).at(5.0, a.advert())
    assert wire.worst() == ("split_brain", "checksum_style_mismatch")


def test_disjoint_lists_are_a_collision_and_no_split() -> None:
    a, c = Host(1, 150), Host(3, 140, vips=("10.9.0.150",))
    assert Wire().adverts(a, 0, 10).adverts(c, 3.3, 10).worst() == ("vrid_collision", "vrid_collision")


def test_one_address_under_two_vrids_is_a_split() -> None:
    a, b = Host(1, 150), Host(2, 100, vrid=52)
    wire = Wire().adverts(a, 0, 10).adverts(b, 3.3, 10)
    assert wire.worst() == ("split_brain", "vrid_mismatch")


def test_a_host_that_claims_two_vrids_at_once_takes_over_in_one_of_them_only() -> None:
    """Its handover under one VRID is not part of the contention that its claim under the other one began."""
    old, backup = Host(4, 150, version=3), Host(2, 150, version=3)
    here, there = Host(1, 150, version=3), Host(1, 150, vrid=52)
    wire = Wire().at(0, old.advert()).at(1, backup.advert())
    old.version = backup.version = 2
    old.auth_type = backup.auth_type = 1
    wire.at(2, old.advert()).at(2.1, old.advert(100))
    wire.at(2.604, there.advert()).at(2.604, here.advert()).at(3.604, backup.advert())
    assert wire.judgement().worst.cls in ("split_brain", "split_brain_suspected")


def test_residual_address_needs_two_rounds() -> None:
    a, b = pair()
    wire = Wire().adverts(a, 0, 5).adverts(b, 7.61, 14)
    wire.probes({3.0: [a.answer()], 9.0: [a.answer(), b.answer()]})
    assert wire.worst()[0] == "split_brain_suspected"
    wire.probes({10.0: [b.answer(), a.answer()]})
    assert wire.worst() == ("residual_vip", "stale_vip_after_daemon_death")


def test_residual_address_behind_one_virtual_mac_counts_answers_per_request() -> None:
    a, b = pair(vmac=True)
    wire = Wire().adverts(a, 0, 5).adverts(b, 7.61, 14)
    wire.probes({9.0: [a.answer(), b.answer()], 10.0: [b.answer(), a.answer()]})
    judgement = wire.judgement()
    assert judgement.worst.cls == "residual_vip"
    assert judgement.addresses[0].hosts == 2
    assert len(judgement.addresses[0].owners) == 1


def test_two_requests_answered_once_each_by_two_hosts_around_a_handover_are_no_evidence() -> None:
    a, b = pair()
    wire = Wire().adverts(b, 0, 5).adverts(a, 5.3, 10)
    wire.at(5.28, ask()).at(5.2801, b.answer()).at(5.32, ask()).at(5.3201, a.answer())
    assert wire.worst(10) == ("handover", "preempted")


def test_foreign_host_that_answers_is_a_duplicate() -> None:
    a, foreign = Host(1, 150), Host(77)
    wire = Wire().adverts(a, 0, 14)
    wire.probes({3.0: [a.answer()], 9.0: [a.answer(), foreign.answer()], 10.0: [a.answer(), foreign.answer()]})
    judgement = wire.judgement()
    assert (judgement.worst.cls, judgement.worst.cause) == ("duplicate_ip", "foreign_host_has_vip")
    assert judgement.routers[0].episodes[0].confidence == "proved"
    evidence = " ".join(judgement.routers[0].episodes[0].evidence)
    assert "02:00:00:00:00:4d, of which no advert was heard, answers" in evidence


def test_backup_that_answers_with_its_physical_mac_is_flux() -> None:
    a, b = Host(1, 150, vmac=True, frr=True), Host(2, 100, vmac=True, frr=True)
    wire = Wire().at(0, b.member(), a.member()).adverts(a, 1, 14)
    both = [a.answer(), b.answer(mac=b.mac)]
    assert wire.probes({9.0: both, 10.5: both}).worst() == ("arp_flux", "arp_flux")


def test_two_single_owner_rounds_end_a_residual_address() -> None:
    a, b = pair()
    wire = Wire().adverts(a, 0, 5).adverts(b, 7.61, 30)
    wire.probes({9.0: [a.answer(), b.answer()], 10.0: [b.answer(), a.answer()]})
    wire.probes({20.0: [b.answer()], 21.0: [b.answer()]})
    judgement = wire.judgement()
    assert judgement.routers[0].now.cls == "steady"
    assert judgement.routers[0].episodes[-1].end == 1010.0


def test_mute_master_that_announces_in_answer_is_found() -> None:
    a, b = pair()
    wire = Wire().adverts(a, 0, 5).burst(a, 0).adverts(b, 7.61, 14)
    for k in range(6):
        wire.burst(a, 7.6102 + k)
    judgement = wire.judgement()
    assert (judgement.worst.cls, judgement.worst.cause) == ("split_brain", "firewall_output")
    assert judgement.routers[0].episodes[0].blamed == ("10.9.0.1",)


def test_unicast_peer_that_never_speaks_back_is_a_transport_mismatch() -> None:
    a, b = Host(1, 150), Host(2, 100, to="10.9.0.1")
    wire = Wire().at(0, a.member()).adverts(b, 1, 10)
    for k in range(8):
        wire.burst(a, 1.0003 + k)
    assert wire.worst() == ("split_brain", "transport_mismatch")


def test_silence_becomes_no_master_after_five_intervals() -> None:
    a = Host(1, 150)
    wire = Wire().adverts(a, 0, 5)
    assert wire.worst(8.9) == ("steady", None)
    assert wire.worst(9.1) == ("no_master", "master_lost")


def test_resignation_without_a_successor_becomes_no_master() -> None:
    a = Host(1, 150)
    assert Wire().adverts(a, 0, 5).at(4.5, a.advert(0)).worst(10) == ("no_master", "resigned")


def test_three_changes_of_master_are_flapping() -> None:
    a, b = pair()
    wire = Wire()
    for k in range(3):
        base = 10.0 * k
        wire.adverts(b, base, base + 5).adverts(a, base + 5.2, base + 9).at(base + 9.2, a.advert(0))
    assert wire.worst() == ("flapping", "preempted")


def test_two_splits_of_one_pair_are_an_intermittent_path() -> None:
    a, b = pair()
    wire = Wire().adverts(a, 0, 40).adverts(b, 5.4, 9).adverts(b, 20.4, 24)
    assert wire.worst() == ("split_brain", "intermittent_path")


def test_observer_that_loses_frames_does_not_end_the_overlap() -> None:
    a, b = pair()
    wire = Wire().adverts(a, 0, 30).adverts(b, 5.4, 25)
    wire.rows = [r for r in wire.rows if not (1010 < r[0] < 1013.3 and r[2].ip and r[2].ip.source[3] == 2)]
    assert wire.worst()[1] != "intermittent_path"
    assert len(wire.judgement().routers[0].episodes) == 1


def test_same_vrid_on_two_segments_is_two_routers() -> None:
    a, b = pair()
    judge = Wire().adverts(a, 0, 10).judge()
    for k in range(10):
        judge.observe(1010.0 + k, "10.8.0.0/24", False, b.advert())
    assert judge.report().worst.cls != "split_brain"
    assert {r.segment for r in judge.report().routers} == {SEGMENT, "10.8.0.0/24"}


def test_unicast_copies_are_one_advert() -> None:
    a = Host(1, 150, to="10.9.0.2")
    wire = Wire()
    for k in range(10):
        frame = a.advert()
        a.to, a.ident = "10.9.0.3", a.ident - 1
        wire.at(k, frame).at(k + 0.0002, a.advert())
        a.to = "10.9.0.2"
    judgement = wire.judgement()
    assert judgement.worst.cls == "steady"
    assert judgement.routers[0].masters[0].adverts == 10


def test_malformed_frames_are_counted_by_reason_and_router() -> None:
    judgement = Wire().adverts(Host(1, 150), 0, 3).at(1.5, malformed("checksum", 51), malformed("length")).judgement()
    assert judgement.sensor.malformed == {"checksum": 1, "length": 1}
    assert judgement.routers[0].counters.invalid == {"checksum": 1}
    assert judgement.worst.cls == "steady"


def test_time_that_steps_back_forgets_claims_and_invents_nothing() -> None:
    a, b = pair()
    judge = Wire().adverts(a, 0, 10).judge()
    for k in range(10):
        judge.observe(500.0 + k, SEGMENT, False, b.advert())
    report = judge.report()
    assert report.worst.cls == "steady"
    assert report.sensor.notes


def test_counters_begin_at_zero_and_count_an_episode_at_its_beginning() -> None:
    a, b = pair()
    wire = Wire().adverts(a, 0, 5)
    assert wire.judgement().routers[0].counters.split_episodes == 0
    counters = wire.at(4.4, b.advert()).judgement().routers[0].counters
    assert counters.split_episodes == 1
    assert counters.split_last_seen == pytest.approx(1004.4)


def test_address_of_a_split_names_its_verdict() -> None:
    a, b = pair()
    wire = Wire().adverts(a, 0, 20).adverts(b, 5.4, 15)
    row = next(r for r in wire.probes({6.0: [a.answer(), b.answer()]}).judgement().addresses if r.vip == VIP)
    assert row.worst.cls == "split_brain"
    assert row.hosts == 2


def test_a_flood_of_invented_routers_is_bounded_and_said() -> None:
    judge = Wire().judge()
    for k in range(6000):
        host = Host(1, 100, vrid=k % 255 + 1, address=f"10.{k >> 8}.{k & 255}.1", vips=(f"10.200.{k >> 8}.{k & 255}",))
        judge.observe(1000 + k / 1000, f"lan{k // 255}", False, host.advert())
    docket = judge.docket
    assert len(docket.books) <= docket.caps.routers == 4096
    assert docket.tally.evicted == 6000 - 4096
    assert set(docket.listed) == {(key[0], a) for key, book in docket.books.items() for a in book.listed}
    assert judge.report().sensor.notes


def test_invented_sources_of_one_router_do_not_push_out_its_master() -> None:
    a = Host(1, 150)
    judge = Wire().adverts(a, 0, 5).judge()
    for k in range(500):
        rogue = Host(9, 1, address=f"10.7.{k >> 8}.{k & 255}", vips=(f"10.201.{k >> 8}.{k & 255}",))
        judge.observe(1005.0 + k / 1000, SEGMENT, False, rogue.advert())
        if k % 100 == 0:
            judge.observe(1005.0 + k / 1000, SEGMENT, False, a.advert())
    book = next(iter(judge.docket.books.values()))
    assert len(book.router.claimants) <= 16
    assert any(c.mac == a.mac for c in book.router.claimants.values())
    assert len(judge.docket.listed) <= 17


def test_a_list_that_changes_with_each_advert_leaves_nothing_behind() -> None:
    judge = Wire().judge()
    for k in range(1000):
        judge.observe(1000.0 + k, SEGMENT, False, Host(1, 150, vips=(f"10.9.{k >> 8}.{k & 255}",)).advert())
    assert len(judge.docket.listed) == 1


def test_a_wrong_ttl_of_the_outranked_one_does_not_keep_it_from_yielding() -> None:
    a, b = Host(1, 100, ttl=64), Host(2, 150)
    assert Wire().adverts(a, 0, 4.5).adverts(b, 4.6, 12).worst() == ("misconfig", "ttl_not_255")


def test_seconds_of_a_running_split_never_fall_when_it_ends() -> None:
    a, b = pair()
    wire = Wire().adverts(a, 0, 30).adverts(b, 5.4, 15)
    seen = 0.0
    judge = Wire().judge()
    for time, _, frame in sorted(wire.rows, key=lambda row: (row[0], row[1])):
        judge.observe(time, SEGMENT, False, frame)
        seconds = judge.report().routers[0].counters.split_seconds
        assert seconds >= seen
        seen = seconds
    assert seen == pytest.approx(9.0)
