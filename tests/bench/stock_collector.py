"""The per-router families as a plain prometheus-client collector: the benchmark's peer and the tests' oracle."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from vrrpcore.verdict import CLASSES, AddressVerdict, Judgement, RouterVerdict
from vrrpexporters import prometheus_routers as routers
from vrrpexporters.prometheus_text import Family
from vrrpexporters.snapshot import addresses_by_place, present_finding

Sample = tuple[Family, dict[str, str], float]


def plain_samples(router: RouterVerdict, places: Mapping[tuple[str, str], AddressVerdict]) -> Iterator[Sample]:
    """Every sample of one router, without the bounds that the exporter puts on label values."""
    finding, counters = present_finding(router, places), router.counters
    yield routers.GROUP_MASTERS, {}, router.live
    for cls in CLASSES:
        yield routers.VERDICT, {"class": cls}, int(cls == finding.cls)
    yield routers.VERDICT_INFO, {"class": finding.cls, "cause": finding.cause or ""}, 1
    yield routers.SPLIT_ACTIVE, {}, int(finding.cls == "split_brain")
    yield routers.SPLIT_SUSPECTED, {}, int(finding.cls == "split_brain_suspected")
    yield routers.SPLIT_EPISODES, {}, counters.split_episodes
    yield routers.SPLIT_SECONDS, {}, counters.split_seconds
    for (cls, cause), number in counters.episodes_by_cause.items():
        yield routers.SPLIT_BY_CAUSE, {"class": cls, "cause": cause or ""}, number
    yield routers.SPLIT_LAST_SEEN, {}, counters.split_last_seen
    for vip in router.vips:
        if (router.segment, vip) in places:
            yield routers.ADDRESS_OWNERS, {"vip": vip}, places[router.segment, vip].hosts_now
    for row in router.masters:
        labels = {"source": row.source, "mac": row.mac, "version": str(row.version), "auth": row.auth}
        yield routers.MASTER_INFO, labels, 1
        yield routers.MASTER_PRIORITY, {"source": row.source}, row.priority
        yield routers.MASTER_ADVERTS, {"source": row.source}, row.adverts
        yield routers.MASTER_LAST_SEEN, {"source": row.source}, row.last
    for reason, number in {**dict.fromkeys(routers.TRANSITION_REASONS, 0), **counters.transitions}.items():
        yield routers.TRANSITIONS, {"reason": reason}, number
    for reason, number in counters.invalid.items():
        yield routers.INVALID, {"reason": reason}, number
    for kind in router.mismatches:
        yield routers.MISMATCH, {"kind": kind}, 1


class StockCollector(Collector):
    """What one would write with the library alone: family objects built at scrape time."""

    def __init__(self, judgement: Judgement) -> None:
        self.judgement = judgement

    def describe(self) -> Iterable[Metric]:
        return []

    def collect(self) -> Iterable[Metric]:
        families: dict[Family, Metric] = {f: _family(f) for f in routers.FAMILIES}
        places = addresses_by_place(self.judgement)
        for router in self.judgement.routers:
            base = {"segment": router.segment, "family": router.family, "vrid": str(router.vrid)}
            for family, more, value in plain_samples(router, places):
                families[family].add_sample(family.sample, {**base, **more}, value)
        return families.values()


def _family(family: Family) -> Metric:
    kinds: dict[str, Any] = {"counter": CounterMetricFamily, "gauge": GaugeMetricFamily, "info": InfoMetricFamily}
    made: Metric = kinds[family.kind](family.name, family.help, labels=[])
    made.samples.clear()
    return made
