"""The other alerts: silence first, then the alert within its time, then the look-alikes that must stay silent."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.rules.promtool import Scenario, Value, row, run, scraped
from tests.rules.test_two_masters import LONG_AGO, A, B, group, routers
from tests.rules.world import Claim, Sensor, World

pytestmark = pytest.mark.needs("prometheus")


def from_300(now: int) -> float:
    return float(now >= 300)


def until_300(now: int) -> float:
    return float(now < 300)


# --- verdict classes ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cls", "alert"),
    [
        ("residual_vip", "VrrpResidualAddress"),
        ("duplicate_ip", "VrrpDuplicateAddress"),
        ("vrid_collision", "VrrpVridCollision"),
    ],
)
def test_a_verdict_class_of_any_sensor_fires_within_30_s(cls: str, alert: str, tmp_path: Path) -> None:
    series = {
        row("vrrpwatch_verdict", **{"class": c}): scraped(from_300 if c == cls else until_300, 4)
        for c in (cls, "steady")
    }
    series[row("vrrpwatch_verdict", "b:10112", **{"class": cls})] = scraped(lambda _now: 0, 11)
    run(tmp_path, Scenario(cls, 600, series=series, ever=[alert], at=[(300, alert, 0), (330, alert, 1)]))


def test_harmless_classes_fire_nothing(tmp_path: Path) -> None:
    names = ("steady", "handover", "unknown", "split_brain_suspected", "transient_dual_master")
    series: dict[str, Value] = {row("vrrpwatch_verdict", **{"class": name}): scraped(from_300) for name in names}
    run(tmp_path, Scenario("harmless", 600, series=series))


# --- no master, deaf sensors ----------------------------------------------------------------------------------------


def test_an_outage_that_all_see_is_no_master_after_30_s_and_no_deaf_sensor(tmp_path: Path) -> None:
    world = World([Claim(A, LONG_AGO, 300, crash=True)], routers(), passive=True)
    at = [(325, "VrrpNoMaster", 0), (365, "VrrpNoMaster", 1), (590, "VrrpNoMaster", 1)]
    run(tmp_path, Scenario("outage", 600, [world], ever=["VrrpNoMaster"], at=at))


def test_a_graceful_stop_of_the_last_router_is_no_master(tmp_path: Path) -> None:
    world = World([Claim(A, LONG_AGO, 300)], routers())
    run(tmp_path, Scenario("stopped", 600, [world], ever=["VrrpNoMaster"], at=[(365, "VrrpNoMaster", 1)]))


def test_no_master_ends_when_somebody_takes_over(tmp_path: Path) -> None:
    world = World([Claim(A, LONG_AGO, 300, crash=True), Claim(B, 400)], routers())
    run(
        tmp_path,
        Scenario("back", 600, [world], ever=["VrrpNoMaster"], at=[(395, "VrrpNoMaster", 1), (415, "VrrpNoMaster", 0)]),
    )


def test_one_deaf_sensor_among_hearing_ones_is_a_deaf_sensor_within_a_minute(tmp_path: Path) -> None:
    deaf = Sensor("c:10112", phase=11, hears=lambda _source, now: now < 300)
    world = World([Claim(A, LONG_AGO)], [*routers(), deaf])
    at = [(310, "VrrpwatchSensorDeaf", 0), (363, "VrrpwatchSensorDeaf", 1)]
    run(tmp_path, Scenario("deaf", 600, [world], ever=["VrrpwatchSensorDeaf"], at=at))


def test_a_crash_seen_by_scrapes_of_different_phase_makes_nobody_deaf(tmp_path: Path) -> None:
    claims = [Claim(A, LONG_AGO, 300, crash=True), Claim(B, 304.9)]  # no master from 303 to 304.9
    sensors = [[Sensor(f"a{t}:1", phase=t % 15), Sensor(f"b{t}:1", phase=(t + 3) % 15)] for t in range(0, 15, 2)]
    run(tmp_path, Scenario("skew", 450, [World(claims, pair, group(t)) for t, pair in enumerate(sensors)]))


def test_the_only_sensor_gone_blind_is_deaf_and_knows_of_no_outage(tmp_path: Path) -> None:
    series: dict[str, Value] = {
        row("vrrpwatch_group_masters"): scraped(until_300),
        row("vrrpwatch_sniffer_up", segment="", family="", vrid="", interface="eth0"): scraped(until_300),
    }
    at = [(360, "VrrpwatchSensorDeaf", 1)]
    run(tmp_path, Scenario("blind", 600, series=series, ever=["VrrpwatchSensorDeaf"], at=at))


def test_all_sensors_gone_blind_at_once_are_an_outage_too(tmp_path: Path) -> None:
    series: dict[str, Value] = {}
    for name in ("a:10112", "b:10112"):
        series[row("vrrpwatch_group_masters", name)] = scraped(until_300)
        series[row("vrrpwatch_sniffer_up", name, segment="", family="", vrid="", interface="eth0")] = scraped(until_300)
    run(tmp_path, Scenario("all blind", 600, series=series, ever=["VrrpwatchSensorDeaf", "VrrpNoMaster"]))


def test_one_blind_interface_of_two_does_not_hide_an_outage(tmp_path: Path) -> None:
    series: dict[str, Value] = {
        row("vrrpwatch_group_masters"): scraped(until_300),
        row("vrrpwatch_sniffer_up", segment="", family="", vrid="", interface="eth0"): scraped(lambda _now: 1),
        row("vrrpwatch_sniffer_up", segment="", family="", vrid="", interface="eth1"): scraped(lambda _now: 0),
    }
    run(tmp_path, Scenario("one of two", 600, series=series, ever=["VrrpwatchSensorDeaf", "VrrpNoMaster"]))


# --- flapping, mismatches, strangers --------------------------------------------------------------------------------


def test_flapping_fires_within_two_minutes(tmp_path: Path) -> None:
    turns = [Claim((A, B)[n % 2], 300 + 15 * n, 315 + 15 * n) for n in range(12)]
    world = World([Claim(A, LONG_AGO, 300), *turns, Claim(A, 480)], routers())
    at = [(300, "VrrpMasterFlapping", 0), (420, "VrrpMasterFlapping", 1)]
    run(tmp_path, Scenario("flapping", 700, [world], ever=["VrrpMasterFlapping"], at=at))


def test_one_handover_seen_by_five_sensors_is_one_handover(tmp_path: Path) -> None:
    sensors = [Sensor(f"s{n}:10112", phase=3 * n) for n in range(5)]
    run(tmp_path, Scenario("five", 900, [World([Claim(A, LONG_AGO, 300.5), Claim(B, 301)], sensors)]))


@pytest.mark.parametrize("interval", [5, 15, 60])
def test_failover_and_failback_are_no_flapping_at_any_scrape_interval(interval: int, tmp_path: Path) -> None:
    def changes(begin: int) -> Value:
        return scraped(lambda now: 7 + (now >= begin) + (now >= begin + 30), begin % interval, interval)

    name = "vrrpwatch_master_transitions_total"
    series = {row(name, vrid=str(n), reason="resigned"): changes(301 + n) for n in range(0, 60, 7)}
    run(tmp_path, Scenario("failback", 900, series=series))


def test_the_sensors_own_judgement_of_flapping_counts(tmp_path: Path) -> None:
    series = {row("vrrpwatch_verdict", **{"class": "flapping"}): scraped(from_300)}
    run(
        tmp_path,
        Scenario("judged", 600, series=series, ever=["VrrpMasterFlapping"], at=[(345, "VrrpMasterFlapping", 1)]),
    )


def test_a_mismatch_gauge_fires_once_per_kind_within_two_minutes(tmp_path: Path) -> None:
    series: dict[str, Value] = {
        row("vrrpwatch_mismatch", kind="advert_int_mismatch"): scraped(from_300),
        row("vrrpwatch_mismatch", "b:10112", kind="advert_int_mismatch"): scraped(from_300, 7),
        row("vrrpwatch_mismatch", kind="vip_list_mismatch"): scraped(lambda _now: 0),
        row("vrrpwatch_verdict", **{"class": "misconfig"}): scraped(from_300),
    }
    at = [(345, "VrrpConfigMismatch", 0), (420, "VrrpConfigMismatch", 1)]
    run(tmp_path, Scenario("mismatch", 600, series=series, ever=["VrrpConfigMismatch"], at=at))


@pytest.mark.parametrize("cls", ["misconfig", "arp_flux"])
def test_a_disagreement_without_a_gauge_fires_as_mismatch(cls: str, tmp_path: Path) -> None:
    series = {row("vrrpwatch_verdict", **{"class": cls}): scraped(from_300)}
    run(tmp_path, Scenario(cls, 600, series=series, ever=["VrrpConfigMismatch"], at=[(420, "VrrpConfigMismatch", 1)]))


def test_a_single_advert_of_a_stranger_is_enough(tmp_path: Path) -> None:
    series: dict[str, Value] = {
        row("vrrpwatch_mismatch", kind="unexpected_source"): scraped(lambda now: float(now == 315)),
        row("vrrpwatch_verdict", **{"class": "misconfig"}): scraped(lambda now: float(now == 315)),
    }
    run(
        tmp_path,
        Scenario("stranger", 900, series=series, ever=["VrrpUnexpectedSource"], at=[(420, "VrrpUnexpectedSource", 1)]),
    )


# --- the watchers ---------------------------------------------------------------------------------------------------


def test_a_target_that_cannot_be_scraped_is_down_within_two_minutes(tmp_path: Path) -> None:
    bare = {"segment": "", "family": "", "vrid": ""}
    series = {row("up", **bare): scraped(until_300), row("up", "b:1", **bare): scraped(lambda _now: 1)}
    at = [(360, "VrrpwatchDown", 0), (420, "VrrpwatchDown", 1)]
    run(tmp_path, Scenario("down", 600, series=series, ever=["VrrpwatchDown"], at=at))


def test_a_restart_of_a_target_is_not_down(tmp_path: Path) -> None:
    series: dict[str, Value] = {
        row("up", segment="", family="", vrid=""): scraped(lambda now: float(not 300 <= now < 360))
    }
    run(tmp_path, Scenario("restart", 600, series=series))


def test_an_absent_job_is_down_and_a_job_of_another_name_does_not_help(tmp_path: Path) -> None:
    series: dict[str, Value] = {row("up", segment="", family="", vrid="", job="node"): scraped(lambda _now: 1)}
    run(tmp_path, Scenario("absent", 300, series=series, ever=["VrrpwatchDown"], at=[(120, "VrrpwatchDown", 1)]))


def test_drops_fire_while_they_rise(tmp_path: Path) -> None:
    bare = {"segment": "", "family": "", "vrid": ""}
    series: dict[str, Value] = {
        row("vrrpwatch_sniffer_dropped_total", interface="eth0", **bare): scraped(
            lambda now: 5 + max(0, min(now, 600) - 300)
        ),
        row("vrrpwatch_sniffer_dropped_total", interface="eth1", **bare): scraped(lambda _now: 77),
    }
    at = [(300, "VrrpwatchSensorDropping", 0), (420, "VrrpwatchSensorDropping", 1), (780, "VrrpwatchSensorDropping", 0)]
    run(tmp_path, Scenario("drops", 900, series=series, ever=["VrrpwatchSensorDropping"], at=at))


def test_a_restart_resets_the_drop_counter_silently(tmp_path: Path) -> None:
    series = {
        row("vrrpwatch_sniffer_dropped_total", segment="", interface="eth0"): scraped(lambda now: 77 * until_300(now))
    }
    run(tmp_path, Scenario("reset", 600, series=series))
