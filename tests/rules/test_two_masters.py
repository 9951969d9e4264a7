"""VrrpSplitBrain, its partitioned and its transient kind: silence first, then the alert, then the look-alikes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.rules.promtool import Scenario, Value, row, run, scraped
from tests.rules.world import Claim, Sensor, World

pytestmark = pytest.mark.needs("prometheus")
A, B, C = "10.9.0.2", "10.9.0.3", "10.9.0.4"
LONG_AGO = -1000.0


def group(vrid: int, segment: str = "10.9.0.0/24") -> dict[str, str]:
    return {"segment": segment, "family": "ipv4", "vrid": str(vrid)}


def routers(a: int = 0, b: int = 7, name: str = "") -> list[Sensor]:
    """A sensor on each of the two routers, scraped at phases `a` and `b`; each hears everything."""
    return [Sensor(f"a{name}:10112", phase=a, host=A), Sensor(f"b{name}:10112", phase=b, host=B)]


def stops(moment: float) -> Callable[[float], str | None]:
    """Its series just stop: no failed scrape, no stale marker."""
    return lambda now: "gap" if now >= moment else None


def divided(
    since: float, until: float = 1e9, a: int = 0, b: int = 7, name: str = "", a_hosts: tuple[str, ...] = (A,)
) -> list[Sensor]:
    """Two sensors; in [since, until) the first hears only `a_hosts`, the second only the others."""

    def first(source: str, now: float) -> bool:
        return source in a_hosts or not since <= now < until

    def second(source: str, now: float) -> bool:
        return source not in a_hosts or not since <= now < until

    return [
        Sensor(f"a{name}:10112", phase=a, host=A, hears=first),
        Sensor(f"b{name}:10112", phase=b, host=B, hears=second),
    ]


def test_a_healthy_pair_is_silent(tmp_path: Path) -> None:
    run(tmp_path, Scenario("steady", 1800, [World([Claim(A, LONG_AGO)], routers())], step=15))


def test_a_split_fires_at_the_first_scrape_that_saw_it_and_two_minutes_beyond(tmp_path: Path) -> None:
    world = World([Claim(A, LONG_AGO), Claim(B, 121, 200)], routers())  # confirmed at 123: b is scraped at 127
    at = [
        (125, "VrrpSplitBrain", 0),
        (130, "VrrpSplitBrain", 1),
        (310, "VrrpSplitBrain", 1),
        (345, "VrrpSplitBrain", 0),
    ]
    run(tmp_path, Scenario("split", 1200, [world], ever=["VrrpSplitBrain"], at=at))


@pytest.mark.parametrize("start", [121, 139, 157])
def test_evaluations_more_seldom_than_scrapes_miss_no_split_that_a_scrape_saw(start: int, tmp_path: Path) -> None:
    # Prometheus evaluates once a minute unless told otherwise; the split is active in one or two scrapes only
    world = World([Claim(A, LONG_AGO), Claim(B, start, start + 18)], routers())
    at = [(240, "VrrpSplitBrain", 1)] if start < 140 else []
    run(tmp_path, Scenario("seldom", 1200, [world], ever=["VrrpSplitBrain"], at=at, step=60))


def test_neither_transient_nor_partitioned_joins_a_split_that_was_seen_at_any_phase(tmp_path: Path) -> None:
    # lasts 20 s from different moments on: some scrapes see its suspicion first, some only one of the two sensors
    worlds = [
        World(
            [Claim(A, LONG_AGO), Claim(B, 120 + start, 140 + start)],
            routers(0, b, f"{start}-{b}"),
            group(10 * start + b),
        )
        for start in range(0, 15, 3)
        for b in (1, 7, 13)
    ]
    for world in worlds:  # the age is exposed at once, the confirmation comes 1 s later: at most one scrape apart
        for sensor in world.sensors:
            sensor.confirm = 1.0
    run(tmp_path, Scenario("seen", 800, worlds, ever=["VrrpSplitBrain"], at=[(170, "VrrpSplitBrain", len(worlds))]))


def test_one_sensor_that_hears_both_is_enough(tmp_path: Path) -> None:
    def deaf_to_b(source: str, _now: float) -> bool:
        return source == A

    sensors = [
        Sensor("a:10112", host=A),
        Sensor("b:10112", phase=7, hears=deaf_to_b),
        Sensor("c:10112", hears=deaf_to_b),
    ]
    world = World([Claim(A, LONG_AGO), Claim(B, 120)], sensors)
    run(tmp_path, Scenario("one hears", 600, [world], ever=["VrrpSplitBrain"], at=[(140, "VrrpSplitBrain", 1)]))


HANDOVERS: dict[str, Callable[[float], list[Claim]]] = {
    "resigned": lambda t: [Claim(A, LONG_AGO, t), Claim(B, t + 0.7)],
    "preempted": lambda t: [Claim(A, LONG_AGO, t + 0.001), Claim(B, t)],
    "crashed": lambda t: [Claim(A, LONG_AGO, t, crash=True), Claim(B, t + 3.6)],
}


@pytest.mark.parametrize("how", HANDOVERS)
def test_a_handover_fires_nothing_at_any_phase_of_15_s_scrapes(how: str, tmp_path: Path) -> None:
    claims = HANDOVERS[how]
    worlds = [World(claims(200.0 + t), routers(0, b, f"{t}-{b}"), group(15 * b + t)) for b in range(15) for t in (0, 8)]
    run(tmp_path, Scenario(how, 520, worlds))


@pytest.mark.parametrize(("info", "last_seen"), [(True, True), (True, False), (False, True)])
def test_a_handover_between_purely_passive_sensors_fires_nothing(info: bool, last_seen: bool, tmp_path: Path) -> None:
    worlds = [
        World(
            claims(200.0 + t),
            routers(0, b, f"{how}{t}-{b}"),
            group(50 * n + 3 * b + t),
            passive=True,
            info=info,
            last_seen=last_seen,
        )
        for n, (how, claims) in enumerate(HANDOVERS.items())
        for b in range(0, 15, 3)
        for t in (0, 8)
    ]
    run(tmp_path, Scenario("passive", 500, worlds))


def test_failover_and_failback_fire_nothing(tmp_path: Path) -> None:
    claims = [Claim(A, LONG_AGO, 300.5), Claim(B, 301.2, 420.3), Claim(A, 420.3)]
    worlds = [World(claims, routers(0, b, str(b)), group(b)) for b in range(0, 15, 2)]
    run(tmp_path, Scenario("maintenance", 1200, worlds))


@pytest.mark.parametrize("passive", [False, True])
def test_a_crash_whose_series_just_stop_fires_nothing_critical(passive: bool, tmp_path: Path) -> None:
    worlds = []
    for t in range(0, 15, 2):
        sensors = routers(0, 7, str(t))
        died = 300.0 + t
        sensors[0].gone = stops(died)
        claims = [Claim(A, LONG_AGO, died, crash=True), Claim(B, died + 3.6)]
        worlds.append(World(claims, sensors, group(t), passive=passive))
    run(tmp_path, Scenario("crash", 800, worlds))


def test_a_crash_that_prometheus_notices_is_a_target_down(tmp_path: Path) -> None:
    sensors = routers()
    sensors[0].gone = lambda now: "stale" if now >= 300 else None
    world = World([Claim(A, LONG_AGO, 300, crash=True), Claim(B, 303.6)], sensors)
    run(tmp_path, Scenario("down", 900, [world], ever=["VrrpwatchDown"]))


def test_two_segments_with_one_vrid_are_two_routers(tmp_path: Path) -> None:
    worlds = [
        World([Claim(A, LONG_AGO)], [Sensor("a:10112", host=A)], group(51, "10.9.0.0/24")),
        World([Claim(B, LONG_AGO)], [Sensor("b:10112", phase=7, host=B)], group(51, "10.8.0.0/24")),
    ]
    run(tmp_path, Scenario("segments", 900, worlds))


def test_two_sites_that_reuse_a_prefix_are_two_routers_when_targets_carry_a_site(tmp_path: Path) -> None:
    worlds = [
        World([Claim(A, LONG_AGO)], [Sensor("a:10112", host=A, labels={"site": "ams"})]),
        World([Claim(B, LONG_AGO)], [Sensor("b:10112", phase=7, host=B, labels={"site": "fra"})]),
    ]
    run(tmp_path, Scenario("sites", 900, worlds))


def test_one_host_under_two_jobs_is_one_claimant(tmp_path: Path) -> None:
    sensors = [Sensor("a:10112", host=A), Sensor("a:10112", phase=3, host=A, labels={"job": "vrrpwatch-fast"})]
    run(tmp_path, Scenario("two jobs", 600, [World([Claim(A, LONG_AGO)], sensors)]))


# --- partitions ---------------------------------------------------------------------------------------------------


def test_a_partition_fires_at_the_first_scrape_at_which_the_overlap_is_provable(tmp_path: Path) -> None:
    # b is master from 303.6; a says so again at 315, b itself at 307: proved at 315
    world = World([Claim(A, LONG_AGO), Claim(B, 303.6, 500)], divided(300, 500))
    at = [
        (310, "VrrpSplitBrainPartitioned", 0),
        (315, "VrrpSplitBrainPartitioned", 1),
        (495, "VrrpSplitBrainPartitioned", 1),
    ]
    at += [(520, "VrrpSplitBrainPartitioned", 0)]
    run(tmp_path, Scenario("partition", 900, [world], ever=["VrrpSplitBrainPartitioned"], at=at))


@pytest.mark.parametrize("last_seen", [True, False])
def test_a_partition_seen_only_by_passive_sensors_fires_within_two_minutes(last_seen: bool, tmp_path: Path) -> None:
    worlds = [
        World(
            [Claim(A, LONG_AGO), Claim(B, 303.6, 800)],
            divided(300, 800, 0, b, str(b)),
            group(b),
            passive=True,
            last_seen=last_seen,
        )
        for b in range(0, 15, 3)
    ]
    at = [
        (355, "VrrpSplitBrainPartitioned", 0),
        (420, "VrrpSplitBrainPartitioned", 5),
        (795, "VrrpSplitBrainPartitioned", 5),
    ]
    at += [(870, "VrrpSplitBrainPartitioned", 0)]
    run(tmp_path, Scenario("passive", 900, worlds, ever=["VrrpSplitBrainPartitioned"], at=at))


def test_a_partition_older_than_the_sensors_fires_too(tmp_path: Path) -> None:
    sensors = divided(-2000)
    for sensor in sensors:
        sensor.gone = lambda now: "gap" if now < 60 else None
    world = World([Claim(A, LONG_AGO), Claim(B, LONG_AGO)], sensors, passive=True)
    run(
        tmp_path,
        Scenario("old", 500, [world], ever=["VrrpSplitBrainPartitioned"], at=[(240, "VrrpSplitBrainPartitioned", 1)]),
    )


def test_three_claimants_of_whom_one_only_left_its_last_words(tmp_path: Path) -> None:
    # a died at 290 (its series just stop); b and c then split across a partition
    sensors = divided(300, b=7, a_hosts=(B,))
    sensors = [
        Sensor("a:10112", host=A, gone=stops(290)),
        Sensor("b:10112", phase=4, host=B, hears=sensors[0].hears),
        Sensor("c:10112", phase=9, host=C, hears=sensors[1].hears),
    ]
    claims = [Claim(A, LONG_AGO, 290, crash=True), Claim(B, 293.6), Claim(C, 304)]
    at = [(290, "VrrpSplitBrainPartitioned", 0), (330, "VrrpSplitBrainPartitioned", 1)]
    run(tmp_path, Scenario("three", 600, [World(claims, sensors)], ever=["VrrpSplitBrainPartitioned"], at=at))


def test_three_claimants_in_turn_fire_nothing_critical(tmp_path: Path) -> None:
    worlds = []
    for t in range(0, 15, 2):
        sensors = [Sensor(f"{n}{t}:10112", phase=p, host=h) for n, p, h in (("a", 0, A), ("b", 5, B), ("c", 10, C))]
        sensors[0].gone = stops(300)
        claims = [Claim(A, LONG_AGO, 300 + t / 15, crash=True), Claim(B, 304, 320.5 + t), Claim(C, 321.1 + t)]
        worlds.append(World(claims, sensors, group(t)))
    run(tmp_path, Scenario("in turn", 700, worlds))


def test_a_third_claimant_that_flaps_cannot_hide_the_other_two(tmp_path: Path) -> None:
    # c became master anew within the second before each of its scrapes: "the latest beginning" is always now
    age = "vrrpwatch_instance_master_age_seconds"
    series = {
        row(age, "a:1"): scraped(lambda now: 500 + now),
        row(age, "b:1"): scraped(lambda now: max(-1, now - 100)),
        row(age, "c:1"): scraped(lambda _now: 0.5),
    }
    at = [(150, "VrrpSplitBrainPartitioned", 0), (240, "VrrpSplitBrainPartitioned", 1)]
    run(tmp_path, Scenario("flapper", 400, series=series, ever=["VrrpSplitBrainPartitioned"], at=at))


def test_what_frr_said_two_seconds_ago_is_no_overlap(tmp_path: Path) -> None:
    # asked every 2 s: the old master's exporter says "master" for up to 2 s after the new one has begun
    age = "vrrpwatch_instance_master_age_seconds"
    series = {}
    for t in range(15):
        labels = {"vrid": str(t), "daemon": "frr"}
        series[row(age, f"a{t}:1", **labels)] = scraped(lambda now: 500 + now if now < 302 else -1, t)
        series[row(age, f"b{t}:1", **labels)] = scraped(lambda now: now - 300.1 if now >= 301 else -1, (t + 2) % 15)
    run(tmp_path, Scenario("polled", 500, series=series))


def test_a_partition_between_two_frr_is_found(tmp_path: Path) -> None:
    age = "vrrpwatch_instance_master_age_seconds"
    series = {
        row(age, "a:1", daemon="frr"): scraped(lambda now: 500 + now),
        row(age, "b:1", daemon="frr"): scraped(lambda now: now - 300.1 if now >= 301 else -1, 7),
    }
    at = [(300, "VrrpSplitBrainPartitioned", 0), (335, "VrrpSplitBrainPartitioned", 1)]
    run(tmp_path, Scenario("frr", 500, series=series, ever=["VrrpSplitBrainPartitioned"], at=at))


def test_the_last_words_of_a_host_that_died_in_a_visible_split_are_no_partition(tmp_path: Path) -> None:
    sensors = [*routers(), Sensor("c:10112", phase=3)]
    sensors[0].gone = stops(200)
    world = World([Claim(A, LONG_AGO, 200, crash=True), Claim(B, 121)], sensors)
    run(tmp_path, Scenario("died", 1200, [world], ever=["VrrpSplitBrain"]))


def test_a_visible_split_that_becomes_a_full_partition_goes_on_as_partitioned(tmp_path: Path) -> None:
    world = World([Claim(A, LONG_AGO), Claim(B, 121)], divided(200), overlapped=[(121.0, 200.0)])
    at = [(190, "VrrpSplitBrain", 1), (300, "VrrpSplitBrain", 1), (300, "VrrpSplitBrainPartitioned", 0)]
    at += [(400, "VrrpSplitBrainPartitioned", 1)]
    run(tmp_path, Scenario("worse", 600, [world], ever=["VrrpSplitBrain", "VrrpSplitBrainPartitioned"], at=at))


# --- short splits -------------------------------------------------------------------------------------------------


def test_a_split_between_two_scrapes_is_reported_at_the_next_one_for_ten_minutes(tmp_path: Path) -> None:
    world = World([Claim(A, LONG_AGO), Claim(B, 128.2, 128.5)], routers())
    at = [(125, "VrrpSplitBrainTransient", 0), (145, "VrrpSplitBrainTransient", 1), (700, "VrrpSplitBrainTransient", 1)]
    at += [(760, "VrrpSplitBrainTransient", 0)]
    run(tmp_path, Scenario("short", 900, [world], ever=["VrrpSplitBrainTransient"], at=at))


def test_a_counter_that_is_born_at_1_is_caught_by_last_seen(tmp_path: Path) -> None:
    # the group is first heard in the very split: there is no 0 before the 1
    world = World([Claim(A, 302, 308.4), Claim(B, 308.0)], [Sensor("s:10112", host=None)])
    at = [(300, "VrrpSplitBrainTransient", 0), (315, "VrrpSplitBrainTransient", 1)]
    run(tmp_path, Scenario("born", 600, [world], ever=["VrrpSplitBrainTransient"], at=at))


def test_an_old_episode_on_a_counter_seen_for_the_first_time_is_no_news(tmp_path: Path) -> None:
    names = {
        "vrrpwatch_split_brain_episodes_total": 3.0,
        "vrrpwatch_split_brain_last_seen_timestamp_seconds": 100.0,
        "vrrpwatch_split_brain_active": 0.0,
    }

    def from_1200(value: float) -> Value:
        return scraped(lambda now: value if now >= 1200 else None)

    series = {row(name): from_1200(value) for name, value in names.items()}
    run(tmp_path, Scenario("old", 2000, series=series, step=15))


@pytest.mark.parametrize("journal", [True, False])
def test_an_exporter_restart_fires_nothing_after_a_split_that_was_seen(journal: bool, tmp_path: Path) -> None:
    sensors = routers()
    for sensor in sensors:
        sensor.restart, sensor.journal = 300, journal
        sensor.gone = lambda now: "stale" if 290 <= now < 300 else None
    world = World([Claim(A, LONG_AGO), Claim(B, 121, 180)], sensors)
    run(tmp_path, Scenario("restart", 1500, [world], ever=["VrrpSplitBrain"]))


def test_an_exporter_restart_in_peace_fires_nothing(tmp_path: Path) -> None:
    worlds = []
    for t in range(0, 15, 2):
        sensors = routers(0, t, str(t))
        sensors[0].restart = 305
        sensors[0].gone = lambda now: "stale" if 290 <= now < 305 else None
        worlds.append(World([Claim(A, LONG_AGO)], sensors, group(t)))
    run(tmp_path, Scenario("restart", 900, worlds))


def test_a_second_sensor_that_learns_of_a_seen_split_too_late_adds_no_transient(tmp_path: Path) -> None:
    # 5 s of split: a's scrape at 135 sees it, b's come at 127 and 142
    world = World([Claim(A, LONG_AGO), Claim(B, 131.5, 137)], routers())
    run(tmp_path, Scenario("late", 1200, [world], ever=["VrrpSplitBrain"]))


def test_a_short_split_some_minutes_after_a_seen_one_is_reported(tmp_path: Path) -> None:
    world = World([Claim(A, LONG_AGO), Claim(B, 121, 160), Claim(B, 468.2, 468.5)], routers())
    at = [(460, "VrrpSplitBrainTransient", 0), (485, "VrrpSplitBrainTransient", 1)]
    run(tmp_path, Scenario("again", 1300, [world], ever=["VrrpSplitBrain", "VrrpSplitBrainTransient"], at=at))


def test_a_suspicion_is_left_a_minute_and_reported_when_it_stays(tmp_path: Path) -> None:
    sensors = routers()
    for sensor in sensors:
        sensor.confirm = 1e9
    world = World([Claim(A, LONG_AGO), Claim(B, 121, 1500)], sensors, passive=True)
    at = [
        (175, "VrrpSplitBrainTransient", 0),
        (205, "VrrpSplitBrainTransient", 1),
        (1490, "VrrpSplitBrainTransient", 1),
    ]
    run(tmp_path, Scenario("suspected", 1500, [world], ever=["VrrpSplitBrainTransient"], at=at))
