"""What must exist, over time: findings of the moment get a beginning, an end and a name of their own."""

from __future__ import annotations

from dataclasses import replace

from tests.exporters.samples import T0, judgement, router
from vrrpcore.judge.expectations import Expected
from vrrpcore.verdict import Judgement
from vrrpwatch.daemon.expecting import LISTEN_FIRST, Expectations

WANTED = Expected(52, where={"": "vrrpwatch.toml: router[0]"})


def at(seconds: float, *vrids: int) -> Judgement:
    return judgement(*(router(vrid) for vrid in vrids), end=T0 + seconds)


def test_nothing_is_missed_before_the_sensor_has_listened() -> None:
    held = Expectations([WANTED], T0).hold(at(LISTEN_FIRST - 1, 51), hearing=True)
    assert [row.vrid for row in held.routers] == [51]


def test_a_deaf_sensor_misses_nothing() -> None:
    held = Expectations([WANTED], T0).hold(at(LISTEN_FIRST + 1), hearing=False)
    assert held.routers == ()


def test_a_missing_router_is_one_episode_from_its_first_miss_to_its_return() -> None:
    expectations = Expectations([WANTED], T0)
    first = expectations.hold(at(20, 51), hearing=True)
    later = expectations.hold(at(50, 51), hearing=True)
    assert (first.worst.cls, later.worst.cls) == ("no_master", "no_master")
    (one,), (two,) = first.routers[1].episodes, later.routers[1].episodes
    assert (one.id, one.start, one.end) == (two.id, T0 + 20, None)
    assert two.seconds == 30
    back = expectations.hold(at(60, 51, 52), hearing=True)
    (over,) = back.routers[1].episodes
    assert (over.id, over.end) == (one.id, T0 + 50)
    assert back.routers[1].now.cls == "steady"
    again = expectations.hold(at(90, 51), hearing=True)
    assert again.routers[-1].episodes[-1].id != one.id


def test_an_unexpected_source_is_a_mismatch_with_a_beginning() -> None:
    expectations = Expectations([Expected(51, members=("10.9.0.2",))], T0)
    held = expectations.hold(at(20, 51), hearing=True)
    assert held.routers[0].mismatches == ("unexpected_source",)
    assert [(e.cls, e.start) for e in held.routers[0].episodes] == [("misconfig", T0 + 20)]
    expectations.expected = ()
    mended = expectations.hold(at(30, 51), hearing=True)
    assert [(e.cls, e.end) for e in mended.routers[0].episodes] == [("misconfig", T0 + 20)]
    assert mended.routers[0].now.cls == "steady"


def test_without_expectations_nothing_is_changed() -> None:
    now = at(60, 51)
    assert Expectations([], T0).hold(now, hearing=True) is now
    assert replace(now) == now
