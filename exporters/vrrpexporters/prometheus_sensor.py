"""The light metric families, built from the source of truth at scrape time: the sensor itself and the VRRP daemons.

Each class is a prometheus-client collector; none keeps a gauge between scrapes, so no label value outlives its subject.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from vrrpcore.errors import INVALID_REASONS

from .snapshot import INSTANCE_STATES, Instance, Snapshot

#: Instance counters: key -> (metric, help). Names after RFC 8347 §3 (and its RFC 6527 object, in brackets).
INSTANCE_COUNTERS: Final[dict[str, tuple[str, str]]] = {
    "master_transitions": (
        "vrrpwatch_instance_master_transitions",
        "Times the instance became master (vrrpv3StatisticsMasterTransitions).",
    ),
    "master_releases": (
        "vrrpwatch_instance_master_releases",
        "Times the instance stopped being master.",
    ),
    "yields": (
        "vrrpwatch_instance_yields",
        "Times the instance was master and yielded on proof of a superior that it does not hear.",
    ),
    "state_transitions": ("vrrpwatch_instance_state_transitions", "Changes of state of the instance."),
    "adverts_received": (
        "vrrpwatch_instance_adverts_received",
        "Advertisements received by the instance (vrrpv3StatisticsRcvdAdvertisements).",
    ),
    "adverts_sent": ("vrrpwatch_instance_adverts_sent", "Advertisements sent by the instance."),
    "priority_zero_received": (
        "vrrpwatch_instance_priority_zero_received",
        "Advertisements with priority 0 received (vrrpv3StatisticsRcvdPriZeroPackets).",
    ),
    "priority_zero_sent": (
        "vrrpwatch_instance_priority_zero_sent",
        "Advertisements with priority 0 sent (vrrpv3StatisticsSentPriZeroPackets).",
    ),
    "announcements_sent": (
        "vrrpwatch_instance_announcements_sent",
        "Gratuitous ARP and unsolicited neighbour advertisements sent.",
    ),
}
#: Gauges of an instance beside which a judge runs: name after `vrrpwatch_instance_` -> help.
AWARENESS: Final = {
    "split_brain": "1 while the judge beside the instance says that its addresses have two owners (confirmed).",
    "split_brain_suspected": "1 while the judge beside the instance suspects it.",
    "split_brain_since_timestamp_seconds": "When what is so now began, 0 while all is well.",
    "yielded": "1 while the instance is backup on proof of a superior master that it does not hear.",
    "last_proof_timestamp_seconds": "When the advert of the last such proof arrived, 0 = never.",
}
_INSTANCE_LABELS: Final = ("daemon", "instance_name", "segment", "family", "vrid")


class Tally:
    """Counters with a closed set of labels that several threads add to."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rows: dict[tuple[str, ...], int] = {}

    def add(self, *labels: str, amount: int = 1) -> None:
        """Count; an `amount` of 0 makes the series exist."""
        with self._lock:
            self._rows[labels] = self._rows.get(labels, 0) + amount

    def rows(self) -> dict[tuple[str, ...], int]:
        """All label values and their counts, now."""
        with self._lock:
            return dict(self._rows)


class TallyCollector(Collector):
    """One counter family over a Tally."""

    def __init__(self, name: str, help: str, labels: Sequence[str], tally: Tally) -> None:
        self._name, self._help, self._labels, self._tally = name, help, labels, tally

    def collect(self) -> Iterable[Metric]:
        family = CounterMetricFamily(self._name, self._help, labels=self._labels)
        for values, number in sorted(self._tally.rows().items()):
            family.add_metric(list(values), number)
        yield family


class BuildCollector(Collector):
    """`vrrpwatch_build_info` and whether the last configuration reload worked."""

    def __init__(self, labels: Mapping[str, str], reload_state: Callable[[], tuple[bool, float]]) -> None:
        self._labels = dict(labels)
        self._reload_state = reload_state

    def collect(self) -> Iterable[Metric]:
        yield InfoMetricFamily("vrrpwatch_build", "The running vrrpwatch.", value=self._labels)
        successful, when = self._reload_state()
        yield GaugeMetricFamily(
            "vrrpwatch_config_last_reload_successful",
            "1 if the configuration that was read last is the one in force.",
            value=int(successful),
        )
        yield GaugeMetricFamily(
            "vrrpwatch_config_last_reload_success_timestamp_seconds",
            "Time of the last successful read of the configuration, in seconds since the epoch.",
            value=when,
        )


class SnifferCollector(Collector):
    """What the captured interfaces have to say, and what did not parse."""

    def __init__(self, snapshot: Callable[[], Snapshot]) -> None:
        self._snapshot = snapshot

    def collect(self) -> Iterable[Metric]:
        snapshot = self._snapshot()
        label = ["interface"]
        up = GaugeMetricFamily("vrrpwatch_sniffer_up", "1 while the interface is captured.", labels=label)
        frames = CounterMetricFamily("vrrpwatch_sniffer_frames", "Frames that passed the capture filter.", labels=label)
        last = GaugeMetricFamily(
            "vrrpwatch_sniffer_last_frame_timestamp_seconds",
            "Kernel time of the last frame, in seconds since the epoch; 0 is none yet.",
            labels=label,
        )
        for row in snapshot.sniffers:
            up.add_metric([row.interface], int(row.up))
            frames.add_metric([row.interface], row.frames)
            last.add_metric([row.interface], row.last_frame)
        yield from (up, frames, last)
        yield from self._facts(snapshot)

    @staticmethod
    def _facts(snapshot: Snapshot) -> Iterable[Metric]:
        sensor = snapshot.judgement.sensor
        yield CounterMetricFamily(  # of all interfaces: one socket may listen to several
            "vrrpwatch_sniffer_dropped",
            "Frames that the kernel dropped before they could be read.",
            value=sensor.dropped,
        )
        malformed = CounterMetricFamily(
            "vrrpwatch_sniffer_malformed",
            "Frames that should have been ours and are not, by reason.",
            labels=["reason"],
        )
        for reason in dict.fromkeys((*INVALID_REASONS, *sensor.malformed)):
            malformed.add_metric([reason], sensor.malformed.get(reason, 0))
        yield malformed
        yield CounterMetricFamily("vrrpwatch_sniffer_adverts", "Valid advertisements seen.", value=sensor.adverts)
        yield CounterMetricFamily("vrrpwatch_sniffer_carp", "CARP frames seen (not VRRP).", value=sensor.carp)
        yield CounterMetricFamily(
            "vrrpwatch_tally_evictions",
            "Routers and sources forgotten because memory is bounded.",
            value=sensor.evicted,
        )
        yield GaugeMetricFamily(
            "vrrpwatch_tally_routers", "Virtual routers remembered.", value=len(snapshot.judgement.routers)
        )
        age = time.monotonic() - snapshot.monotonic if snapshot.sequence else float("nan")
        yield GaugeMetricFamily(
            "vrrpwatch_snapshot_age_seconds", "Age of the judgement that this scrape shows.", value=age
        )


class InstanceCollector(Collector):
    """State and counters of VRRP instances by their own account: our speaker, keepalived, FRR."""

    def __init__(self, instances: Callable[[], Sequence[Instance]]) -> None:
        self._instances = instances

    def collect(self) -> Iterable[Metric]:
        instances = self._instances()
        now = time.monotonic()
        yield from self._states(instances, now)
        for key, (name, help) in INSTANCE_COUNTERS.items():
            family = CounterMetricFamily(name, help, labels=_INSTANCE_LABELS)
            for row in instances:
                if key in row.counters:
                    family.add_metric(_labels(row), row.counters[key])
            yield family
        errors = CounterMetricFamily(
            "vrrpwatch_instance_errors",
            "Advertisements that the instance rejected, by reason (RFC 6527 and RFC 8347 error counters).",
            labels=[*_INSTANCE_LABELS, "reason"],
        )
        for row in instances:
            for reason, number in row.errors.items():
                errors.add_metric([*_labels(row), reason], number)
        yield errors
        yield from self._awareness([row for row in instances if row.awareness is not None])

    @staticmethod
    def _awareness(instances: Sequence[Instance]) -> Iterable[Metric]:
        """Of instances beside which a judge runs."""
        gauges = {
            name: GaugeMetricFamily(f"vrrpwatch_instance_{name}", help, labels=_INSTANCE_LABELS)
            for name, help in AWARENESS.items()
        }
        info = GaugeMetricFamily(
            "vrrpwatch_instance_split_brain_info",
            "1 with class and cause of what the judge beside the instance says of it now; absent while all is well.",
            labels=[*_INSTANCE_LABELS, "class", "cause"],
        )
        for row in instances:
            aware = row.awareness
            if aware is None:
                continue
            values = {
                "split_brain": int(aware.level == "confirmed"),
                "split_brain_suspected": int(aware.level == "suspected"),
                "split_brain_since_timestamp_seconds": aware.since,
                "yielded": int(aware.yielded),
                "last_proof_timestamp_seconds": aware.last_proof,
            }
            for name, value in values.items():
                gauges[name].add_metric(_labels(row), value)
            if aware.level != "none":
                info.add_metric([*_labels(row), aware.cls, aware.cause], 1)
        yield from (*gauges.values(), info)

    @staticmethod
    def _states(instances: Sequence[Instance], now: float) -> Iterable[Metric]:
        state = GaugeMetricFamily(
            "vrrpwatch_instance_state",
            "1 for the present state of the instance, else 0.",
            labels=[*_INSTANCE_LABELS, "state"],
        )
        age = GaugeMetricFamily(
            "vrrpwatch_instance_master_age_seconds",
            "Seconds since the instance became master; -1 when it is not master.",
            labels=_INSTANCE_LABELS,
        )
        priority = GaugeMetricFamily(
            "vrrpwatch_instance_priority", "Priority of the instance in force now.", labels=_INSTANCE_LABELS
        )
        held = GaugeMetricFamily(
            "vrrpwatch_instance_addresses_held",
            "Virtual addresses of the instance that are on this host's interfaces, whatever its state.",
            labels=_INSTANCE_LABELS,
        )
        for row in instances:
            for name in INSTANCE_STATES:
                state.add_metric([*_labels(row), name], int(name == row.state))
            master = row.state == "master" and row.since is not None
            age.add_metric(_labels(row), max(now - row.since, 0.0) if master and row.since is not None else -1)
            if row.priority is not None:
                priority.add_metric(_labels(row), row.priority)
            if row.held is not None:
                held.add_metric(_labels(row), row.held)
        yield from (state, age, priority, held)


class SourceCollector(Collector):
    """Whether the VRRP daemons on this host could be asked."""

    def __init__(self, sources: Callable[[], Mapping[str, bool]]) -> None:
        self._sources = sources

    def collect(self) -> Iterable[Metric]:
        up = GaugeMetricFamily(
            "vrrpwatch_source_up", "1 while the VRRP daemon on this host could be asked.", labels=["daemon"]
        )
        for daemon, state in self._sources().items():
            up.add_metric([daemon], int(state))
        yield up


def _labels(row: Instance) -> list[str]:
    return [row.daemon, row.name, row.segment, row.family, str(row.vrid)]
