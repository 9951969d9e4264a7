"""A scenario run and measured: what was true, what the judge said, how soon."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from statistics import quantiles
from typing import Any

from vrrpcore.tally import delta
from vrrpcore.verdict import RANK

from .cluster import EPOCH, Span
from .scenario import BETWEEN, CAUSES, LEGITIMATE, REAL, Scenario, build

SPLIT = frozenset(("split_brain", "residual_vip", "duplicate_ip"))
PROBED = 2.6  # seconds in which two rounds of questions have certainly closed


@dataclass(frozen=True)
class Outcome:
    """One scenario's truth and verdict; latencies in advert intervals."""

    seed: int
    kind: str
    truth: str  # real, legitimate, between
    cls: str
    cause: str | None
    longest: float  # seconds of the longest overlap
    spoken: bool  # the outranked one advertised within it
    suspected: float | None
    confirmed: float | None
    interval: float
    cause_right: bool | None  # None: nothing to name
    twins: bool = False  # one address and one MAC, or a speaker that the observer lost: answers alone prove no split


def run(seed: int, kind: str | None = None, lossy: bool = True) -> Outcome:
    """Play the scenario of a seed."""
    scenario = build(seed, kind, lossy)
    scenario.cluster.run(scenario.end)
    scenario.cluster.note_holders()
    return measure(scenario)


def truth_of(scenario: Scenario, spans: list[Span]) -> tuple[str, Span | None]:
    """real: two hosts held the address for at least 2·adv + δ and the observer could learn of it."""
    if not spans:
        return "legitimate", None
    longest = max(spans, key=lambda s: s.seconds)
    slowest = max(m.machine.instance.advert_interval_seconds for m in scenario.members)
    limit = 2 * slowest + delta(slowest)
    enough = limit + (slowest if longest.spoken else 0.0)
    if longest.spoken and longest.seconds >= enough and _said(scenario, longest):
        return "real", longest
    if longest.seconds >= max(enough, PROBED) and scenario.cluster.sight.probes:
        return "real", longest
    if longest.seconds <= delta(slowest):
        return "legitimate", longest
    return "between", longest


def _said(scenario: Scenario, span: Span) -> bool:
    """Each of the two advertised at least twice in the span: the proof needs two adverts of each."""
    said = Counter(who for at, who in scenario.cluster.spoke if span.begin <= at <= span.end)
    return all(said[host] >= 3 for host in span.hosts)


def measure(scenario: Scenario) -> Outcome:
    spans = scenario.cluster.overlaps()
    truth, span = truth_of(scenario, spans)
    judgement = scenario.cluster.judge.report()
    worst = judgement.worst
    suspected = confirmed = None
    if truth == "real" and span is not None:
        found = [
            e
            for row in judgement.routers
            for e in row.episodes
            if e.cls in SPLIT and e.start - EPOCH <= span.end and (e.end is None or e.end - EPOCH >= span.begin)
        ]
        first = min(found, key=lambda e: e.confirmed or e.start, default=None)
        if first is not None:
            suspected = _latency(first.suspected, span, scenario.interval)
            confirmed = _latency(first.confirmed, span, scenario.interval)
    right = None
    if scenario.kind in CAUSES and truth == "real" and worst.cls in SPLIT and not _lost_speaker(scenario, 1):
        right = worst.cause in CAUSES[scenario.kind]
    return Outcome(
        scenario.seed, scenario.kind, truth, worst.cls, worst.cause, span.seconds if span else 0.0,
        bool(span and span.spoken), suspected, confirmed, scenario.interval, right,
        (scenario.kind == "clone" and scenario.members[0].vmac) or _lost_speaker(scenario, len(judgement.routers)),
    )  # fmt: skip


def _lost_speaker(scenario: Scenario, routers: int) -> bool:
    """Somebody advertised, and the lossy observer never saw it."""
    spoke = {who for _, who in scenario.cluster.spoke}
    seen = {c.source for b in scenario.cluster.judge.docket.books.values() for c in b.router.claimants.values()}
    return any(m.name in spoke and m.facts.source not in seen for m in scenario.members) and routers > 0


def _latency(at: float | None, span: Span, interval: float) -> float | None:
    return None if at is None else (at - EPOCH - span.begin) / interval


@dataclass
class Report:
    """Many outcomes: the confusion matrix, the causes, the latencies, and the seeds that failed."""

    matrix: Counter[tuple[str, str, str]] = field(default_factory=Counter)  # (truth, kind, class)
    causes: Counter[tuple[str, bool]] = field(default_factory=Counter)
    wrong_causes: Counter[tuple[str, str | None]] = field(default_factory=Counter)
    false_splits: list[int] = field(default_factory=list)
    missed: list[int] = field(default_factory=list)
    hidden: list[int] = field(default_factory=list)  # in between, and called steady
    bad_causes: list[int] = field(default_factory=list)
    suspected: list[float] = field(default_factory=list)
    confirmed: list[float] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def add(self, outcome: Outcome) -> None:
        self.counts[outcome.truth] += 1
        self.matrix[(outcome.truth, outcome.kind, outcome.cls)] += 1
        if outcome.truth == "legitimate" and outcome.cls == "split_brain":
            self.false_splits.append(outcome.seed)
        healed = outcome.kind in BETWEEN and outcome.cls == "transient_dual_master"  # a stall is known by its end
        healed = healed or (outcome.twins and outcome.cls == "split_brain_suspected")
        if outcome.truth == "real" and outcome.cls not in SPLIT and not healed:
            self.missed.append(outcome.seed)
        if outcome.truth == "between" and RANK[outcome.cls] > RANK["transient_dual_master"]:
            self.hidden.append(outcome.seed)
        if outcome.cause_right is not None:
            self.causes[(outcome.kind, outcome.cause_right)] += 1
            if not outcome.cause_right:
                self.wrong_causes[(outcome.kind, outcome.cause)] += 1
                self.bad_causes.append(outcome.seed)
        if outcome.truth == "real" and outcome.spoken:
            if outcome.suspected is not None:
                self.suspected.append(outcome.suspected)
            if outcome.confirmed is not None:
                self.confirmed.append(outcome.confirmed)

    def merge(self, other: Report) -> None:
        """Add another report's counts to this one's."""
        for name in ("matrix", "causes", "wrong_causes", "counts"):
            getattr(self, name).update(getattr(other, name))
        for name in ("false_splits", "missed", "hidden", "bad_causes", "suspected", "confirmed"):
            getattr(self, name).extend(getattr(other, name))

    def text(self) -> str:
        """The report for people."""
        lines = [f"episodes: {dict(self.counts)}"]
        lines.append(f"false split_brain in legitimate ones: {len(self.false_splits)} {self.false_splits[:10]}")
        lines.append(f"missed real ones: {len(self.missed)} {self.missed[:10]}")
        lines.append(f"in between and called harmless: {len(self.hidden)} {self.hidden[:10]}")
        right = sum(n for (_, ok), n in self.causes.items() if ok)
        total = sum(self.causes.values())
        lines.append(f"causes right: {right} of {total} ({right / max(total, 1):.2%}) {self.bad_causes[:10]}")
        for word, values in (("suspected", self.suspected), ("confirmed", self.confirmed)):
            lines.append(f"{word} after (advert intervals): {_spread(values)}")
        lines.append("truth / fault -> class:")
        rows: dict[tuple[str, str], dict[str, int]] = {}
        for (truth, kind, cls), count in self.matrix.items():
            rows.setdefault((truth, kind), {})[cls] = count
        for (truth, kind), row in sorted(rows.items()):
            lines.append(f"  {truth:10} {kind:16} {dict(sorted(row.items(), key=lambda i: -i[1]))}")
        if self.wrong_causes:
            lines.append(f"wrong causes: {dict(self.wrong_causes.most_common(12))}")
        return "\n".join(lines)


def _spread(values: list[float]) -> str:
    if len(values) < 2:
        return f"{values}"
    cuts = quantiles(values, n=100, method="inclusive")
    return f"p50 {cuts[49]:.2f}, p99 {cuts[98]:.2f}, max {max(values):.2f} of {len(values)}"


def simulate(seeds: range, kinds: tuple[str, ...] = (), lossy: bool = True) -> Report:
    """Run many seeds; `kinds` restricts the faults (taken in turn)."""
    report = Report()
    for seed in seeds:
        kind: Any = kinds[seed % len(kinds)] if kinds else None
        report.add(run(seed, kind, lossy))
    return report


__all__ = ["BETWEEN", "LEGITIMATE", "REAL", "Outcome", "Report", "run", "simulate"]
