"""Asking about one router or address, and what it means that it was not heard."""

from __future__ import annotations

from tests.watch.judgements import EMPTY, LAN, SPLIT, STEADY, judgement, master, router
from vrrpcore.verdict import AddressVerdict, Finding, Worst
from vrrpwatch.fleet import merge, partitions, with_partitions
from vrrpwatch.narrowing import Wanted, narrow


def test_asking_about_nothing_changes_nothing() -> None:
    assert narrow(SPLIT, Wanted(), hearing=True) is SPLIT


def test_the_verdict_is_over_what_was_asked_about_alone() -> None:
    both = judgement(router("split_brain", "deaf"), router("steady", vrid=52))
    assert narrow(both, Wanted(vrids=(52,)), hearing=True).state == "OK"
    assert narrow(both, Wanted(vrids=(51,)), hearing=True).state == "CRITICAL"
    assert narrow(both, Wanted(segments=(LAN,)), hearing=True).state == "CRITICAL"


def test_the_vlans_of_a_segment_belong_to_it_and_a_longer_name_does_not() -> None:
    rows = [router("steady", segment="lan.100"), router("steady", segment="lan2")]
    left = narrow(judgement(*rows), Wanted(segments=("lan",)), hearing=True).routers
    assert [row.segment for row in left] == ["lan.100"]


def test_an_unheard_vrid_has_no_master_where_other_frames_arrive() -> None:
    found = narrow(STEADY, Wanted(vrids=(77,)), hearing=True)
    assert (found.worst.cls, found.worst.cause, found.worst.vrid, found.exit_code) == (
        "no_master",
        "master_lost",
        77,
        2,
    )
    assert "no advert of VRID 77 in 29.2 s" in found.routers[0].episodes[0].evidence[0]


def test_a_deaf_sensor_proves_nothing_about_an_unheard_vrid() -> None:
    assert narrow(EMPTY, Wanted(vrids=(77,)), hearing=False).exit_code == 3


def test_an_unheard_address_has_no_master() -> None:
    found = narrow(STEADY, Wanted(vips=("10.9.0.200",)), hearing=True)
    assert [(row.vip, row.now.cls) for row in found.addresses] == [("10.9.0.200", "no_master")]
    assert found.exit_code == 2


def test_a_heard_address_is_judged_with_its_router() -> None:
    found = narrow(SPLIT, Wanted(vips=("10.9.0.100",)), hearing=True)
    assert [row.vrid for row in found.routers] == [51]
    assert found.worst.cls == "split_brain"


def test_worst_prefers_the_confirmed_and_an_address_counts() -> None:
    address = AddressVerdict(LAN, "10.9.0.100", (), 2, Finding("duplicate_ip", "foreign_host_has_vip"))
    one = judgement(router("steady"), worst=Worst("duplicate_ip"), addresses=(address,))
    assert narrow(one, Wanted(vrids=(51,)), hearing=True).worst.cls == "duplicate_ip"


def test_sensors_merge_to_the_worst_that_any_saw() -> None:
    merged = merge([STEADY, SPLIT])
    assert (merged.state, merged.routers[0].worst.cause) == ("CRITICAL", "peer_deaf")
    assert {row.source for row in merged.routers[0].masters} == {"10.9.0.2", "10.9.0.3"}
    assert merged.sensor.frames == 626


def test_a_sensor_that_hears_nothing_does_not_outvote_one_that_hears_a_master() -> None:
    lost = judgement(router("no_master", "master_lost", live=0))
    assert merge([lost, STEADY]).state == "OK"
    assert merge([lost, lost]).state == "CRITICAL"


def test_two_sensors_that_hear_one_master_each_are_a_partition() -> None:
    here = judgement(router("steady", masters=(master("10.9.0.2", 150),)), source="a")
    there = judgement(router("steady", masters=(master("10.9.0.3", 100),)), source="b")
    doubts = partitions([here, there])
    assert doubts == {(LAN, "ipv4", 51): 4.0}
    marked = with_partitions(merge([here, there]), doubts, [here, there])
    assert (marked.worst.cls, marked.worst.cause, marked.exit_code) == ("split_brain", "l2_partition", 2)
    assert "a hears only 10.9.0.2; b hears only 10.9.0.3" in marked.routers[0].episodes[0].evidence[0]


def test_two_sensors_that_hear_the_same_master_are_none() -> None:
    assert partitions([STEADY, STEADY]) == {}
    assert partitions([STEADY, SPLIT]) == {}
