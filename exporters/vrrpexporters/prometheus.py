"""The scrape: prometheus-client's registry and negotiation for the light families, our own text for the heavy ones.

A failing collector costs its own series only, and is counted in `vrrpwatch_collector_errors_total{collector=}`.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, choose_encoder, generate_latest
from prometheus_client.registry import Collector

from .prometheus_routers import RouterRows
from .prometheus_sensor import (
    BuildCollector,
    InstanceCollector,
    SnifferCollector,
    SourceCollector,
    Tally,
    TallyCollector,
)
from .snapshot import Instance, Snapshot

log = logging.getLogger(__name__)


def _nothing_yet() -> Sequence[Instance]:
    return ()


def _not_reloaded() -> tuple[bool, float]:
    return True, 0.0


@dataclass(slots=True)
class Facts:
    """Where the exposition reads at scrape time, and what other threads count for it."""

    snapshot: Callable[[], Snapshot]
    refresh: Callable[[], object] = lambda: None  # before a scrape: have a fresh snapshot made
    instances: Callable[[], Sequence[Instance]] = _nothing_yet
    reload_state: Callable[[], tuple[bool, float]] = _not_reloaded  # (successful, epoch seconds of the last success)
    build: dict[str, str] = field(default_factory=dict)
    collector_errors: Tally = field(default_factory=Tally)
    notifications: Tally = field(default_factory=Tally)  # (receiver, result)
    sources: Callable[[], dict[str, bool]] = dict  # daemon -> whether it could be asked


class _Guarded(Collector):
    """A collector whose failure costs its own series only."""

    def __init__(self, name: str, inner: Collector, failed: Callable[[str, Exception], None]) -> None:
        self._name, self._inner, self._failed = name, inner, failed

    def describe(self) -> Iterable[Metric]:
        """Nothing: the registry would otherwise collect at registration."""
        return []

    def collect(self) -> Iterable[Metric]:
        try:
            return list(self._inner.collect())
        except Exception as error:  # noqa: BLE001 - whatever it is, the other series must come out
            self._failed(self._name, error)
            return []


class Exposition:
    """Renders `/metrics`; safe to call from several threads."""

    def __init__(self, facts: Facts, process: bool = True) -> None:
        self._facts = facts
        self._lock = threading.Lock()
        self._rows = RouterRows(self.failed)
        self._cached: dict[bool, tuple[Snapshot, str]] = {}
        self._registry = CollectorRegistry(auto_describe=False)
        self._errors = CollectorRegistry(auto_describe=False)  # read last: it tells of this very scrape
        self._errors.register(self._failures())
        for name in ("routers", "sniffer", "instances", "sources", "notifications", "build"):
            facts.collector_errors.add(name, amount=0)
        self.register("sniffer", SnifferCollector(facts.snapshot))
        self.register("instances", InstanceCollector(facts.instances))
        self.register("sources", SourceCollector(facts.sources))
        self.register("notifications", self._notifications())
        self.register("build", BuildCollector(facts.build, facts.reload_state))
        if process:
            self.register("process", ProcessCollector(registry=None))

    def _notifications(self) -> Collector:
        return TallyCollector(
            "vrrpwatch_notifications",
            "Notifications by receiver and result (sent, failed: will be retried, dropped: given up).",
            ["receiver", "result"],
            self._facts.notifications,
        )

    def _failures(self) -> Collector:
        return TallyCollector(
            "vrrpwatch_collector_errors",
            "Scrapes in which a collector failed; it then costs its own series only.",
            ["collector"],
            self._facts.collector_errors,
        )

    def register(self, name: str, collector: Collector) -> None:
        """Add a collector; its failures are counted under `name`."""
        self._registry.register(_Guarded(name, collector, self.failed))

    def failed(self, collector: str, error: Exception) -> None:
        """Count a failure; the first of each kind is logged with its reason."""
        if not self._facts.collector_errors.rows().get((collector,)):
            log.error("collector %s failed, its series are missing from the scrape: %r", collector, error)
        self._facts.collector_errors.add(collector)

    def _routers(self, openmetrics: bool) -> str:
        """The heavy text, rendered at most once per snapshot and format however many scrape."""
        with self._lock:
            snapshot = self._facts.snapshot()
            known = self._cached.get(openmetrics)
            if known is None or known[0] is not snapshot:
                known = self._cached[openmetrics] = (snapshot, self._rows.render(snapshot.judgement, openmetrics))
            return known[1]

    def render(self, accept: str = "") -> tuple[bytes, str]:
        """The body for an Accept header, and its Content-Type."""
        try:
            encoder, content_type = choose_encoder(accept)
        except (ValueError, TypeError):  # an Accept header whose version is no version
            encoder, content_type = generate_latest, CONTENT_TYPE_PLAIN_0_0_4
        openmetrics = content_type.startswith("application/openmetrics-text")
        self._facts.refresh()
        routers = self._routers(openmetrics).encode("utf-8", "replace")
        light, errors = encoder(self._registry), encoder(self._errors)
        return routers + light.removesuffix(b"# EOF\n") + errors, content_type
