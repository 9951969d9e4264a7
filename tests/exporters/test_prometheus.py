"""The exposition: names, labels, types, bounds; our fast text against the library's reading and against promtool."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.openmetrics import exposition as openmetrics_exposition
from prometheus_client.openmetrics import parser as openmetrics_parser
from prometheus_client.parser import text_string_to_metric_families as parse_text
from prometheus_client.registry import Collector

from tests.bench.stock_collector import StockCollector
from tests.exporters.samples import T0, instance, judgement, master, owners, router, snapshot, split_router
from vrrpcore.verdict import CLASSES, Counters, Finding, Judgement, MasterRow
from vrrpexporters.prometheus import Exposition, Facts
from vrrpexporters.prometheus_routers import RouterRows
from vrrpexporters.snapshot import Awareness, Snapshot

GOLDEN = Path(__file__).parent / "golden.prom"
OPENMETRICS = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"
#: The library leaves these two untyped.
generate_openmetrics: Callable[[CollectorRegistry], bytes] = openmetrics_exposition.generate_latest
parse_openmetrics: Callable[[str], Iterable[Metric]] = openmetrics_parser.text_string_to_metric_families
Value = tuple[str, frozenset[tuple[str, str]], float]


def flat(families: Iterable[Metric]) -> dict[str, tuple[str, str, frozenset[Value]]]:
    """name -> (type, help, samples), whatever the order."""
    return {
        f.name: (f.type, f.documentation, frozenset((s.name, frozenset(s.labels.items()), s.value) for s in f.samples))
        for f in families
    }


def stock_registry(now: Judgement) -> CollectorRegistry:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(StockCollector(now))
    return registry


def full() -> Judgement:
    """Something of everything."""
    by_cause = Counters(
        {"10.9.0.7": 5}, {"resigned": 3}, {"ttl": 1}, 4, 3.75, T0 - 500, {("transient_dual_master", "deaf"): 3}
    )
    quiet = router(7, masters=(), counters=by_cause, segment="10.8.0.0/24.100", now=Finding("no_master", "resigned"))
    return judgement(split_router(), quiet, addresses=(owners(2),))


def exposition(now: Judgement, **more: object) -> Exposition:
    shot = snapshot(now)
    facts = Facts(lambda: shot, **more)  # type: ignore[arg-type]
    facts.build.update({"version": "0.1.0"})
    return Exposition(facts, process=False)


text = st.text(max_size=12)


@st.composite
def judgements(draw: st.DrawFn) -> Judgement:
    rows = {}
    for vrid in draw(st.lists(st.integers(1, 255), max_size=4, unique=True)):
        cls = draw(st.sampled_from(CLASSES))
        cause = draw(st.none() | st.sampled_from(["peer_deaf", "resigned"]))
        number = st.integers(0, 10**9)
        seconds = st.floats(0, 2e9)
        masters = tuple(
            MasterRow(
                f"10.0.0.{n}", draw(text), draw(st.integers(0, 255)), 3, 1.0, draw(text), draw(number), 0.0, last, c
            )
            for n in range(draw(st.integers(0, 5)))
            for last, c in [(draw(seconds), draw(st.sampled_from(["live", "lapsed"])))]
        )
        counters = Counters(
            {},
            {"preempted": draw(number), **({"stolen": 1} if draw(st.booleans()) else {})},
            draw(st.dictionaries(st.sampled_from(["ttl", "checksum"]), number)),
            draw(number),
            draw(seconds),
            draw(seconds),
            draw(st.dictionaries(st.tuples(st.sampled_from(CLASSES), st.just("deaf")), number)),
        )
        kinds = tuple(draw(st.sets(st.sampled_from(["version_mismatch", "ttl_not_255"]))))
        made = router(vrid, Finding(cls, cause), masters, counters=counters, segment=draw(text), mismatches=kinds)
        rows[vrid] = made
    return judgement(
        *rows.values(), addresses=(owners(draw(st.integers(0, 3)), f"10.9.0.{100 + vrid % 100}"),) if rows else ()
    )


@settings(max_examples=60, deadline=None)
@given(judgements())
def test_the_fast_text_reads_as_the_librarys_own_families_and_samples(now: Judgement) -> None:
    ours, stock = RouterRows(), stock_registry(now)
    assert flat(parse_text(ours.render(now))) == flat(parse_text(generate_latest(stock).decode()))
    openmetrics = ours.render(now, openmetrics=True) + "# EOF\n"
    assert flat(parse_openmetrics(openmetrics)) == flat(parse_openmetrics(generate_openmetrics(stock).decode()))


@settings(max_examples=20, deadline=None)
@given(st.lists(judgements(), min_size=2, max_size=4))
def test_cached_text_never_shows_an_earlier_snapshots_value(several: list[Judgement]) -> None:
    ours = RouterRows()
    for now in several:
        kept = flat(parse_text(ours.render(now)))
        fresh = flat(parse_text(RouterRows().render(now)))
        for name, (kind, help, samples) in fresh.items():
            if name != "vrrpwatch_mismatch":  # that one keeps what was once so, at 0
                assert kept[name] == (kind, help, samples)


def test_golden_exposition_pins_every_name_help_type_and_label() -> None:
    aware = Awareness("confirmed", "split_brain", "peer_deaf", T0, True, T0 + 1)
    ours = instance("backup", daemon="vrrpwatch", awareness=aware)
    facts = {
        "instances": lambda: [instance(), instance("backup", daemon="frr"), ours],
        "sources": lambda: {"keepalived": True, "frr": False},
        "reload_state": lambda: (True, T0),
    }
    page = exposition(full(), **facts)
    page._facts.notifications.add("webhook", "sent")
    body = page.render()[0].decode()
    body = re.sub(r"(?m)^(vrrpwatch_snapshot_age_seconds) \S+", r"\1 0.0", body)
    if os.environ.get("VRRPWATCH_WRITE_GOLDEN"):
        GOLDEN.write_text(body)
    assert body == GOLDEN.read_text(), "changed on purpose? VRRPWATCH_WRITE_GOLDEN=1 writes it anew"


@pytest.mark.needs("prometheus")
def test_promtool_check_metrics_is_clean() -> None:
    facts = {"instances": lambda: [instance(since=time.monotonic())], "reload_state": lambda: (True, T0)}
    shot = snapshot(full())
    body = Exposition(Facts(lambda: shot, **facts)).render()[0]  # type: ignore[arg-type]
    done = subprocess.run(["promtool", "check", "metrics"], input=body, capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_no_created_series_in_either_format() -> None:
    page = exposition(full(), instances=lambda: [instance()])
    assert b"_created" not in page.render()[0]
    assert b"_created" not in page.render(OPENMETRICS)[0]


def test_openmetrics_is_negotiated_and_parses_whole() -> None:
    body, content_type = exposition(full(), instances=lambda: [instance()]).render(OPENMETRICS)
    assert content_type.startswith("application/openmetrics-text")
    names = {family.name: family.type for family in parse_openmetrics(body.decode())}
    assert names["vrrpwatch_split_brain_episodes"] == "counter"
    assert names["vrrpwatch_master"] == "info"
    assert names["vrrpwatch_build"] == "info"


@pytest.mark.parametrize(
    "accept", ["", "*/*", "text/html", "application/openmetrics-text;version=abc", ";;,=,", "\xff"]
)
def test_any_accept_header_gets_metrics(accept: str) -> None:
    body, content_type = exposition(full()).render(accept)
    assert b"vrrpwatch_group_masters" in body
    assert content_type.startswith(("text/plain", "application/openmetrics-text"))


class Broken(Collector):
    def describe(self) -> Iterable[Metric]:
        return []

    def collect(self) -> Iterable[Metric]:
        raise RuntimeError("disk on fire")


def value(body: bytes, name: str, **labels: str) -> float | None:
    for family in parse_text(body.decode()):
        for sample in family.samples:
            if sample.name == name and labels.items() <= sample.labels.items():
                return float(sample.value)
    return None


def test_a_failing_collector_costs_only_its_own_series() -> None:
    page = exposition(full())
    page.register("broken", Broken())
    for scrape in (1, 2):
        body = page.render()[0]
        assert value(body, "vrrpwatch_group_masters", vrid="51") == 2
        assert value(body, "vrrpwatch_sniffer_up", interface="eth0") == 1
        assert value(body, "vrrpwatch_collector_errors_total", collector="broken") == scrape


def test_an_instance_source_that_fails_costs_only_the_instances() -> None:
    def fail() -> list[object]:
        raise OSError("vtysh is gone")

    body = exposition(full(), instances=fail).render()[0]
    assert value(body, "vrrpwatch_group_masters", vrid="51") == 2
    assert value(body, "vrrpwatch_instance_state") is None
    assert value(body, "vrrpwatch_collector_errors_total", collector="instances") == 1


def test_a_router_that_cannot_be_rendered_does_not_hide_the_others() -> None:
    odd = replace(router(9), counters=replace(Counters(), split_seconds="soon"))  # type: ignore[arg-type]
    body = exposition(judgement(odd, split_router())).render()[0]
    assert value(body, "vrrpwatch_group_masters", vrid="51") == 2
    assert value(body, "vrrpwatch_group_masters", vrid="9") is None
    assert value(body, "vrrpwatch_collector_errors_total", collector="routers") == 1


def test_invented_sources_share_one_label() -> None:
    crowd = tuple(master(f"10.9.1.{n}", adverts=10) for n in range(1, 17))
    body = exposition(judgement(router(51, masters=crowd))).render()[0]
    sources = {s.labels["source"] for f in parse_text(body.decode()) for s in f.samples if "source" in s.labels}
    assert len(sources) == 9
    assert value(body, "vrrpwatch_master_adverts_total", source="other") == 80


def test_a_flood_does_not_make_series_churn_and_other_never_falls() -> None:
    rows, seen, last = RouterRows(), set(), 0.0
    for tick in range(50):
        now = T0 + tick
        crowd = tuple(master(f"10.9.{tick}.{n}", adverts=1, last=now) for n in range(1, 17))
        body = rows.render(judgement(router(51, masters=(*crowd, master("10.9.0.1", last=now))))).encode()
        other = value(body, "vrrpwatch_master_adverts_total", source="other") or 0.0
        assert other >= last
        last = other
        seen |= {s.labels["source"] for f in parse_text(body.decode()) for s in f.samples if "source" in s.labels}
    assert last > 300
    assert len(seen) <= 9


def test_a_live_master_gets_the_place_of_one_long_silent() -> None:
    rows = RouterRows()
    old = tuple(master(f"10.9.0.{n}", claim="lapsed") for n in range(1, 9))
    rows.render(judgement(router(51, masters=old)))
    new = master("10.9.0.99", last=T0 + 61)
    body = rows.render(judgement(router(51, masters=(*old, new)))).encode()
    assert value(body, "vrrpwatch_master_priority", source="10.9.0.99") == 150


def test_a_mismatch_that_was_mended_goes_to_zero_rather_than_away() -> None:
    rows = RouterRows()
    rows.render(judgement(router(51, mismatches=("version_mismatch",))))
    body = rows.render(judgement(router(51))).encode()
    assert value(body, "vrrpwatch_mismatch", kind="version_mismatch") == 0


def test_counters_are_there_at_zero_when_a_router_is_first_seen() -> None:
    body = exposition(judgement(router(51))).render()[0]
    assert value(body, "vrrpwatch_split_brain_episodes_total", vrid="51") == 0
    assert value(body, "vrrpwatch_split_brain_seconds_total", vrid="51") == 0
    assert value(body, "vrrpwatch_split_brain_last_seen_timestamp_seconds", vrid="51") == 0
    for reason in ("resigned", "master_lost", "priority_changed", "preempted"):
        assert value(body, "vrrpwatch_master_transitions_total", reason=reason) == 0


def test_the_present_verdict_of_a_router_takes_in_its_addresses() -> None:
    bad = owners(2, now=Finding("residual_vip", "crashed"))
    body = exposition(judgement(router(51), addresses=(bad,))).render()[0]
    assert value(body, "vrrpwatch_verdict", **{"class": "residual_vip"}) == 1
    assert value(body, "vrrpwatch_verdict", **{"class": "steady"}) == 0
    assert value(body, "vrrpwatch_address_owners", vip="10.9.0.151") == 2


def test_a_label_value_cannot_break_the_line() -> None:
    nasty = 'a"b\\c\nvrrpwatch_group_masters{vrid="1"} 9'
    body = exposition(judgement(router(51, segment=nasty))).render()[0]
    assert value(body, "vrrpwatch_group_masters", segment=nasty) == 1
    assert value(body, "vrrpwatch_group_masters", vrid="1") is None


def test_master_age_is_minus_one_unless_master_and_is_measured_at_the_scrape() -> None:
    since = time.monotonic() - 100
    rows = [instance(since=since), instance("backup", daemon="frr")]
    body = exposition(full(), instances=lambda: rows).render()[0]
    age = value(body, "vrrpwatch_instance_master_age_seconds", daemon="keepalived")
    assert age is not None
    assert 100 <= age < 110
    assert value(body, "vrrpwatch_instance_master_age_seconds", daemon="frr") == -1
    assert value(body, "vrrpwatch_instance_state", daemon="keepalived", state="master") == 1
    assert value(body, "vrrpwatch_instance_state", daemon="frr", state="master") == 0


def test_many_scrapes_of_one_snapshot_render_the_routers_once() -> None:
    page = exposition(full())
    rendered: list[Judgement] = []
    render = page._rows.render

    def counted(now: Judgement, openmetrics: bool = False) -> str:
        rendered.append(now)
        return render(now, openmetrics)

    page._rows.render = counted  # type: ignore[method-assign, assignment]
    for _ in range(10):
        page.render()
    assert len(rendered) == 1


def test_before_the_first_snapshot_a_scrape_is_valid_and_says_so() -> None:
    nothing = Snapshot(0, 0.0, 0.0, Judgement("0", "", None, None, judgement().worst))
    body = Exposition(Facts(lambda: nothing), process=False).render()[0]
    assert b"vrrpwatch_group_masters{" not in body
    assert b"vrrpwatch_snapshot_age_seconds NaN" in body
