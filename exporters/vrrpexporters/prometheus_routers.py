"""The metric families with one row per virtual router, rendered from label text that is cached per router.

One call per router gives one text per family; the columns of that table, joined, are the exposition. The tests hold it
against a plain collector on prometheus-client objects.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from vrrpcore.verdict import CLASSES, AddressVerdict, Finding, Judgement, MasterRow, RouterVerdict

from .prometheus_sources import OTHER, SourceTable
from .prometheus_text import Family, escape, label_text, value_text
from .snapshot import RouterKey, addresses_by_place, key_of, present_finding

GROUP_MASTERS: Final = Family(
    "vrrpwatch_group_masters", "gauge", "Live claimants of mastership of the virtual router now."
)
VERDICT: Final = Family("vrrpwatch_verdict", "gauge", "1 for the present verdict class of the virtual router, else 0.")
VERDICT_INFO: Final = Family(
    "vrrpwatch_verdict_info", "gauge", "1, labelled with the present verdict class of the virtual router and its cause."
)
SPLIT_ACTIVE: Final = Family(
    "vrrpwatch_split_brain_active", "gauge", "1 while two hosts act as master of one address, proved from the wire."
)
SPLIT_SUSPECTED: Final = Family(
    "vrrpwatch_split_brain_suspected", "gauge", "1 while a split brain is suspected and not yet confirmed."
)
SPLIT_EPISODES: Final = Family(
    "vrrpwatch_split_brain_episodes",
    "counter",
    "Split brain episodes (confirmed, transient and suspected), counted at their beginning.",
)
SPLIT_SECONDS: Final = Family(
    "vrrpwatch_split_brain_seconds", "counter", "Seconds spent in split brain episodes, the running one included."
)
SPLIT_BY_CAUSE: Final = Family(
    "vrrpwatch_split_brain_episodes_by_cause", "counter", "Episodes by final class and cause, counted at their end."
)
SPLIT_LAST_SEEN: Final = Family(
    "vrrpwatch_split_brain_last_seen_timestamp_seconds",
    "gauge",
    "Time at which a split brain was last seen, in seconds since the epoch; 0 is never. Survives a restart.",
)
ADDRESS_OWNERS: Final = Family(
    "vrrpwatch_address_owners", "gauge", "Distinct hosts that answer ARP or ND for the virtual address."
)
MASTER_INFO: Final = Family("vrrpwatch_master", "info", "A source of advertisements with priority above 0.")
MASTER_PRIORITY: Final = Family(
    "vrrpwatch_master_priority", "gauge", "Priority in the last advertisement of the source."
)
MASTER_ADVERTS: Final = Family("vrrpwatch_master_adverts", "counter", "Valid advertisements received from the source.")
MASTER_LAST_SEEN: Final = Family(
    "vrrpwatch_master_last_seen_timestamp_seconds",
    "gauge",
    "Kernel time of the last advertisement of the source, in seconds since the epoch.",
)
TRANSITIONS: Final = Family("vrrpwatch_master_transitions", "counter", "Changes of master seen on the wire, by reason.")
INVALID: Final = Family(
    "vrrpwatch_adverts_invalid", "counter", "Advertisements that do not parse or validate, by reason."
)
MISMATCH: Final = Family(
    "vrrpwatch_mismatch", "gauge", "1 while the speakers visibly disagree in this respect, else 0."
)

#: In the order of the columns that RouterText.lines returns.
FAMILIES: Final = (
    GROUP_MASTERS,
    VERDICT,
    VERDICT_INFO,
    SPLIT_ACTIVE,
    SPLIT_SUSPECTED,
    SPLIT_EPISODES,
    SPLIT_SECONDS,
    SPLIT_BY_CAUSE,
    SPLIT_LAST_SEEN,
    ADDRESS_OWNERS,
    MASTER_INFO,
    MASTER_PRIORITY,
    MASTER_ADVERTS,
    MASTER_LAST_SEEN,
    TRANSITIONS,
    INVALID,
    MISMATCH,
)
#: A counter that is born at 1 shows no increase: these reasons are there, at 0, from the first sight of a router.
TRANSITION_REASONS: Final = ("resigned", "master_lost", "priority_changed", "preempted")
#: Virtual addresses of one router with a series of their own; the rest are `other`, with their maximum.
MAX_VIPS: Final = 64


class RouterText:
    """The cached label text of one virtual router, and its lines for one snapshot."""

    def __init__(self, router: RouterVerdict) -> None:
        base = [("segment", router.segment), ("family", router.family), ("vrid", str(router.vrid))]
        self.labels = dict(base)
        self.sources = SourceTable()
        self.kinds: dict[str, None] = {}  # mismatches seen so far: they go to 0 rather than away
        self.text = label_text(base)
        self._head = {family: f"{family.sample}{{{self.text}}} " for family in FAMILIES}
        # One more label sorts before, between or after the three of the router; its place decides the text around it.
        self._around = {name: self._split(name) for name in ("cause", "class", "kind", "reason", "source", "vip")}
        self._verdicts: dict[Finding, tuple[str, str, str, str]] = {}
        self._masters: dict[tuple[str, str, int, str], tuple[str, str, str, str]] = {}
        self._many: dict[Family, tuple[Mapping[str, float], str]] = {}
        self._one: dict[tuple[Family, str, str], str] = {}

    def _split(self, name: str) -> tuple[str, str]:
        before = label_text(pair for pair in self.labels.items() if pair[0] < name)
        after = label_text(pair for pair in self.labels.items() if pair[0] > name)
        return f"{before}," * bool(before) + f'{name}="', '"' + f",{after}" * bool(after)

    def prefix(self, family: Family, name: str, value: str) -> str:
        """`vrrpwatch_x{family="ipv4",segment="…",NAME="VALUE",vrid="51"} `, kept."""
        key = (family, name, value)
        known = self._one.get(key)
        if known is None:
            if len(self._one) > 512:  # values come from bounded tables; this bounds what they can add up to over time
                self._one.clear()
            before, after = self._around[name]
            known = self._one[key] = f"{family.sample}{{{before}{escape(value)}{after}}} "
        return known

    def _verdict_block(self, cls: str) -> str:
        return "".join(self.prefix(VERDICT, "class", name) + value_text(name == cls) for name in CLASSES)

    def _verdict(self, finding: Finding) -> tuple[str, str, str, str]:
        """The texts of the four families that follow from the present finding alone."""
        known = self._verdicts.get(finding)
        if known is None:
            if len(self._verdicts) > 64:
                self._verdicts.clear()
            cls, head = finding.cls, self._head
            labels = label_text([*self.labels.items(), ("class", cls), ("cause", finding.cause or "")])
            known = self._verdicts[finding] = (
                self._verdict_block(cls),
                f"{VERDICT_INFO.sample}{{{labels}}} 1.0\n",
                head[SPLIT_ACTIVE] + value_text(cls == "split_brain"),
                head[SPLIT_SUSPECTED] + value_text(cls == "split_brain_suspected"),
            )
        return known

    def _master_text(self, row: MasterRow) -> tuple[str, str, str, str]:
        """The info line, and the heads of the other three families."""
        key = (row.source, row.mac, row.version, row.auth)
        known = self._masters.get(key)
        if known is None:
            if len(self._masters) > 64:
                self._masters.clear()
            more = [("source", row.source), ("mac", row.mac), ("version", str(row.version or "")), ("auth", row.auth)]
            info = f"{MASTER_INFO.sample}{{{label_text([*self.labels.items(), *more])}}} 1.0\n"
            source = row.source
            known = self._masters[key] = (
                info,
                self.prefix(MASTER_PRIORITY, "source", source),
                self.prefix(MASTER_ADVERTS, "source", source),
                self.prefix(MASTER_LAST_SEEN, "source", source),
            )
        return known

    def masters(self, rows: Sequence[MasterRow]) -> Sequence[MasterRow]:
        """The rows that get series: the named sources and, where there are more, one row `other`."""
        named, rest = self.sources.divide(rows)
        if not rest and not self.sources.overflowed:
            return named
        adverts = self.sources.other_adverts(rest)
        priority = max((row.priority for row in rest), default=0)
        last = max((row.last for row in rest), default=0.0)
        return [*named, MasterRow(OTHER, "", priority, 0, 0.0, "", adverts, last, last, "lapsed")]

    def owners(self, router: RouterVerdict, places: Mapping[tuple[str, str], AddressVerdict]) -> dict[str, int]:
        """Hosts by virtual address, where anyone was heard to answer for it."""
        found = {vip: places[router.segment, vip].hosts_now for vip in router.vips if (router.segment, vip) in places}
        if len(found) > MAX_VIPS:
            kept = dict(list(found.items())[:MAX_VIPS])
            kept[OTHER] = max(list(found.values())[MAX_VIPS:])
            return kept
        return found

    def mismatches(self, router: RouterVerdict) -> dict[str, int]:
        """1 for what disagrees now, 0 for what once did."""
        self.kinds.update(dict.fromkeys(router.mismatches))
        return {kind: int(kind in router.mismatches) for kind in self.kinds}

    def by_cause(self, router: RouterVerdict) -> str:
        """The lines of the episodes by cause."""
        rows = router.counters.episodes_by_cause
        if not rows:
            return ""
        base = tuple(self.labels.items())
        return "".join(
            f"{SPLIT_BY_CAUSE.sample}{{{label_text((*base, ('class', cls), ('cause', cause or '')))}}} {value_text(n)}"
            for (cls, cause), n in rows.items()
        )

    def many(self, family: Family, name: str, rows: Mapping[str, float], always: Sequence[str] = ()) -> str:
        """The lines of a family with one label beyond the router's; the text is kept until a value changes."""
        last = self._many.get(family)
        if last is not None and last[0] == rows:
            return last[1]
        whole = {**dict.fromkeys(always, 0), **rows}
        text = "".join([self.prefix(family, name, value) + value_text(number) for value, number in whole.items()])
        self._many[family] = (dict(rows), text)
        return text

    def lines(self, router: RouterVerdict, places: Mapping[tuple[str, str], AddressVerdict]) -> tuple[str, ...]:
        """One text per family of FAMILIES, in their order."""
        head, counters = self._head, router.counters
        finding = present_finding(router, places) if places else router.now
        infos, priorities, adverts, last_seen = [], [], [], []
        for row in self.masters(router.masters):
            info, priority_head, adverts_head, seen_head = self._master_text(row)
            infos.append(info)
            priorities.append(priority_head + value_text(row.priority))
            adverts.append(adverts_head + value_text(row.adverts))
            last_seen.append(f"{seen_head}{row.last!r}\n")
        return (
            head[GROUP_MASTERS] + value_text(router.live),
            *self._verdict(finding),
            head[SPLIT_EPISODES] + value_text(counters.split_episodes),
            head[SPLIT_SECONDS] + value_text(counters.split_seconds),
            self.by_cause(router),
            head[SPLIT_LAST_SEEN] + value_text(counters.split_last_seen),
            self.many(ADDRESS_OWNERS, "vip", self.owners(router, places)) if places else "",
            "".join(infos),
            "".join(priorities),
            "".join(adverts),
            "".join(last_seen),
            self.many(TRANSITIONS, "reason", counters.transitions, TRANSITION_REASONS),
            self.many(INVALID, "reason", counters.invalid) if counters.invalid else "",
            self.many(MISMATCH, "kind", self.mismatches(router)) if router.mismatches or self.kinds else "",
        )


class RouterRows:
    """Renders the per-router families of one judgement after another."""

    def __init__(self, failed: Callable[[str, Exception], None] = lambda collector, error: None) -> None:
        self._texts: dict[RouterKey, RouterText] = {}
        self._failed = failed

    def _current(self, judgement: Judgement) -> dict[RouterKey, RouterText]:
        known = self._texts
        texts = {key: known.get(key) or RouterText(r) for r in judgement.routers for key in (key_of(r),)}
        self._texts = texts  # routers that the judge forgot take their text with them
        return texts

    def render(self, judgement: Judgement, openmetrics: bool = False) -> str:
        """The exposition text of all FAMILIES; a router that cannot be rendered is left out and reported."""
        texts = self._current(judgement)
        places = addresses_by_place(judgement)
        rows: list[tuple[str, ...]] = []
        for router in judgement.routers:
            try:
                rows.append(texts[key_of(router)].lines(router, places))
            except Exception as error:  # noqa: BLE001 - a scrape shows what it can; one odd router must not hide a split elsewhere
                self._failed("routers", error)
        columns = zip(*rows, strict=True) if rows else [()] * len(FAMILIES)
        return "".join(f.header(openmetrics) + "".join(c) for f, c in zip(FAMILIES, columns, strict=True))
