"""Cost of a scrape: ours against prometheus-client's own ways, side by side in one run.

`python -m tests.bench.scrape`: 255 VRIDs x 2 families x 2 masters. Prints medians of CPU time and their ratios.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence

from prometheus_client import CollectorRegistry, Gauge, disable_created_metrics, generate_latest

from tests.bench.stock_collector import StockCollector, plain_samples
from vrrpcore.verdict import Counters, Finding, Judgement, MasterRow, RouterVerdict, SensorFacts, Worst
from vrrpexporters.prometheus_routers import RouterRows
from vrrpexporters.prometheus_text import Family


def judgement(tick: int = 0, vrids: int = 255, families: Sequence[str] = ("ipv4", "ipv6")) -> Judgement:
    """A full segment in which every virtual router has had two masters; `tick` moves counters and times on."""
    rows = []
    for family in families:
        for vrid in range(1, vrids + 1):
            sources = [f"10.9.{vrid}.{n}" if family == "ipv4" else f"fe80::{vrid:x}:{n}" for n in (1, 2)]
            last = 1795336654.25 + tick + vrid / 1000
            masters = tuple(
                MasterRow(
                    s, f"02:00:00:00:{vrid:02x}:0{n}", 150 - n, 3, 1.0, "none", tick + 10 * n, 1795336000.5, last, c
                )
                for n, (s, c) in enumerate(zip(sources, ("live", "yielded"), strict=True))
            )
            counters = Counters(dict.fromkeys(sources, tick), {"preempted": 1}, {}, 1, 12.5, 1795336600.5)
            steady = Finding("steady")
            rows.append(
                RouterVerdict(
                    "10.9.0.0/16", family, vrid, (f"10.99.0.{vrid}",), steady, steady, masters, (), 1, (), counters
                )
            )
    return Judgement("0", "bench", 1795336000.0, 1795336654.0 + tick, Worst("steady"), tuple(rows), (), SensorFacts())


class GaugeChildren:
    """The library's direct way: Gauge and Counter children that are set before each scrape."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.metrics: dict[Family, Gauge] = {}

    def scrape(self, now: Judgement) -> bytes:
        for router in now.routers:
            base = {"segment": router.segment, "family": router.family, "vrid": str(router.vrid)}
            for family, more, value in plain_samples(router, {}):
                labels = {**base, **more}
                gauge = self.metrics.get(family)
                if gauge is None:
                    gauge = self.metrics[family] = Gauge(
                        family.sample, family.help, list(labels), registry=self.registry
                    )
                gauge.labels(**labels).set(value)
        return generate_latest(self.registry)


def measure(ways: dict[str, Callable[[Judgement], object]], rounds: int = 7) -> dict[str, float]:
    """Median CPU seconds per scrape, the ways taken in turn; every round sees new values."""
    spent: dict[str, list[float]] = {name: [] for name in ways}
    for tick in range(rounds + 1):
        for name, way in ways.items():
            now = judgement(tick)
            start = time.process_time()
            way(now)
            if tick:  # the first round fills caches, for all alike
                spent[name].append(time.process_time() - start)
    return {name: statistics.median(values) for name, values in spent.items()}


def stock(now: Judgement) -> bytes:
    """The library's collector pattern: metric families built at scrape time."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(StockCollector(now))
    return generate_latest(registry)


def run(rounds: int = 7) -> dict[str, float]:
    """Measure, print, and return the ratios of the library's ways to ours."""
    disable_created_metrics()  # type: ignore[no-untyped-call]
    ours, children = RouterRows(), GaugeChildren()
    body = ours.render(judgement()).encode()
    series = sum(1 for line in body.splitlines() if not line.startswith(b"#"))
    spent = measure(
        {
            "ours": lambda now: ours.render(now).encode(),
            "stock collector": stock,
            "gauge children": children.scrape,
        },
        rounds,
    )
    print(f"{series} series, {len(body) / 1e6:.2f} MB; median CPU per scrape of {rounds} alternating rounds:")
    for name, seconds in spent.items():
        print(f"  {name:16} {seconds * 1000:8.1f} ms   {seconds / spent['ours']:6.1f} x ours")
    return {name: seconds / spent["ours"] for name, seconds in spent.items() if name != "ours"}


if __name__ == "__main__":
    run()
