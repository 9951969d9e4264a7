"""Judges that share a trunk by VLAN say together what one judge says of all of it."""

from __future__ import annotations

import random
from dataclasses import replace
from operator import attrgetter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.test_quiet_path import CAPTURES, EVENTS, Event, capture, script, stamped
from vrrpcore.cbpf import share_of
from vrrpcore.judge import Judge
from vrrpcore.memo import Memo
from vrrpcore.records import Record, segment_of
from vrrpcore.shares import Part, facts, merged, part_of
from vrrpcore.verdict import AddressVerdict, Finding, Judgement, SensorFacts, Worst

VLANS = [(), (10,), (0, 20), (20,), (5, 7), (6, 7)]


def judged(records: list[Record], now: float | None) -> Part:
    judge, memo = Judge(), Memo()
    for record in records:
        frame, ident = memo.lookup(record.frame, record.link.linktype, record.vlans)
        judge.observe(record.time, segment_of("lan", frame.vlans), record.outgoing, frame, ident)
    return part_of(judge, judge.report(now, "eth0", "1"))


def together(records: list[Record], count: int, now: float | None) -> Judgement:
    return merged([judged([r for r in records if share_of(r.vlans, count) == number], now) for number in range(count)])


def ordered(judgement: Judgement) -> Judgement:
    """Rows in one order: addresses have no time to order them by."""
    key = attrgetter("segment", "vip")
    return replace(judgement, addresses=tuple(sorted(judgement.addresses, key=key)))


def same(records: list[Record], count: int) -> Judgement:
    now = max(record.time for record in records) + 1.0
    whole = judged(records, now).judgement
    assert ordered(together(records, count, now)) == ordered(whole)
    return whole


def on(vlans: tuple[int, ...], records: list[Record], later: float) -> list[Record]:
    return stamped([record._replace(vlans=vlans, time=record.time + later) for record in records])


SCRIPTS = st.lists(st.tuples(st.sampled_from(VLANS), st.lists(EVENTS, min_size=1, max_size=25)), min_size=2, max_size=5)


@settings(max_examples=60)
@given(SCRIPTS, st.sampled_from((2, 3)), st.integers(0, 4))
def test_random_scripts_on_several_vlans(
    scripts: list[tuple[tuple[int, ...], list[Event]]], count: int, lead: int
) -> None:
    """Each at moments of its own: of two things at the same instant neither is the first."""
    records = [
        record for at, (vlans, events) in enumerate(scripts) for record in on(vlans, script(events, lead), 0.00013 * at)
    ]
    same(sorted(records, key=attrgetter("time")), count)


def test_captured_networks_side_by_side() -> None:
    seed = random.randrange(2**32)
    source = random.Random(seed)
    rows: list[Record] = []
    for vlans in VLANS:
        records = capture(source.choice(CAPTURES))[:2000]
        rows += on(vlans, records, 1_000_000.0 + source.random() - records[0].time)
    rows.sort(key=attrgetter("time"))
    whole = same(rows, source.choice((2, 3, 4)))
    assert len({row.segment for row in whole.routers}) > 1, seed


@pytest.mark.parametrize("first", [0, 1])
def test_the_earlier_of_two_alike_is_the_worst_also_when_its_episode_is_in_no_row(first: int) -> None:
    """An address with two owners is no router's episode, and the cap pushes old ones out of the rows."""
    names = ("lan.10", "lan.11")
    worsts = [Worst("duplicate_ip", "clone", 51, "ipv4", name) for name in names]
    parts = [
        Part(Judgement("1", "eth0", 1.0, 9.0, worst), (2, 0, False, 5.0 - (at == first)))
        for at, worst in enumerate(worsts)
    ]
    assert merged(parts).worst.segment == names[first]


def test_a_part_that_knows_nothing_changes_nothing() -> None:
    row = AddressVerdict("lan", "10.9.0.100", ("02:00:00:00:00:01",), 1, Finding("steady"))
    known = Judgement("1", "eth0", 1.0, 2.0, Worst("steady", None, 51, "ipv4", "lan"), addresses=(row,))
    nothing = Judgement("1", "eth0", None, None, Worst("unknown"))
    assert merged([Part(nothing), Part(known)]) == merged([Part(known), Part(nothing)]) == known


def test_what_was_received_adds_up() -> None:
    one = SensorFacts(7, 5, {"ttl": 1, "frame": 2}, 3, 1, 2, ("a", "b"))
    other = SensorFacts(10, 4, {"ttl": 4}, 1, 0, 0, ("b", "c"))
    assert facts([one, other]) == SensorFacts(17, 9, {"ttl": 5, "frame": 2}, 4, 1, 2, ("a", "b", "c"))
    assert facts([]) == SensorFacts()
