"""Episodes as notices: what is worth telling somebody, under the alert names of the rule pack. Pure."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from vrrpcore.verdict import Episode, Judgement, RouterVerdict


@dataclass(frozen=True, slots=True)
class Kind:
    """What a class of episodes is called, how bad it is, and how long it must last to be told (seconds)."""

    alertname: str
    severity: str
    hold: float = 0.0


KINDS: Final[dict[str, Kind]] = {
    "split_brain": Kind("VrrpSplitBrain", "critical"),
    "residual_vip": Kind("VrrpResidualAddress", "critical"),
    "duplicate_ip": Kind("VrrpDuplicateAddress", "critical"),
    "vrid_collision": Kind("VrrpVridCollision", "critical"),
    "no_master": Kind("VrrpNoMaster", "critical", 30.0),
    "transient_dual_master": Kind("VrrpSplitBrainTransient", "warning"),
    # An open suspicion is confirmed or over within moments; one that ended as a suspicion is told like a transient.
    "split_brain_suspected": Kind("VrrpSplitBrainTransient", "warning", 30.0),
    "flapping": Kind("VrrpMasterFlapping", "warning"),
    "arp_flux": Kind("VrrpConfigMismatch", "warning", 60.0),
    "misconfig": Kind("VrrpConfigMismatch", "warning", 60.0),
}
#: Told even when they are over at once: this is what a scrape misses.
_ALWAYS: Final = ("split_brain", "transient_dual_master", "split_brain_suspected")


@dataclass(frozen=True, slots=True)
class Notice:
    """One episode at one moment, ready to be told. `ended` None: it lasts."""

    episode: str
    alertname: str
    severity: str
    started: float  # epoch seconds
    ended: float | None
    summary: str
    description: str
    runbook_url: str
    facts: dict[str, Any]  # class, cause, segment, … (webhook.PLACEHOLDERS)

    @property
    def labels(self) -> dict[str, str]:
        """What identifies the alert: the same from the first push to the last, as Alertmanager wants it."""
        same = {name: str(self.facts[name]) for name in ("segment", "family", "vrid", "sensor")}
        return {"alertname": self.alertname, "severity": self.severity, **same}


def stamp(when: float) -> str:
    """Epoch seconds as RFC 3339."""
    return datetime.datetime.fromtimestamp(when, datetime.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def notices(judgement: Judgement, now: float, sensor: str, runbooks: str) -> Iterator[Notice]:
    """Every episode that is worth telling as of `now` (epoch seconds), those that are over included."""
    for router in judgement.routers:
        for episode in router.episodes:
            kind = KINDS.get(episode.cls)
            if kind is not None and _due(episode, kind, now):
                yield notice(router, episode, kind, sensor, runbooks)


def _due(episode: Episode, kind: Kind, now: float) -> bool:
    if episode.end is not None and episode.cls in _ALWAYS:
        return True
    return (episode.end if episode.end is not None else now) - episode.start >= kind.hold


def notice(router: RouterVerdict, episode: Episode, kind: Kind, sensor: str, runbooks: str) -> Notice:
    """One episode in words."""
    place = f"vrid {router.vrid}/{router.family} on {router.segment}"
    what = f"{episode.cls.replace('_', ' ')}{f' ({episode.cause})' if episode.cause else ''}"
    masters = _rows(router, episode.masters)
    return Notice(
        episode=episode.id,
        alertname=kind.alertname,
        severity=kind.severity,
        started=episode.start,
        ended=episode.end,
        summary=f"{place}: {what}" + (f", masters {masters}" if masters else ""),
        description=" ".join([*episode.evidence, episode.remedy]).strip(),
        runbook_url=f"{runbooks.rstrip('/')}/{kind.alertname}.md",
        facts={
            "class": episode.cls,
            "cause": episode.cause,
            "confidence": episode.confidence,
            "segment": router.segment,
            "family": router.family,
            "vrid": router.vrid,
            "vips": list(router.vips),
            "masters": list(episode.masters),
            "blamed": list(episode.blamed),
            "evidence": list(episode.evidence),
            "remedy": episode.remedy,
            "sensor": sensor,
            "seconds": round(episode.seconds, 3),
        },
    )


def _rows(router: RouterVerdict, masters: Iterable[str]) -> str:
    priority = {row.source: row.priority for row in router.masters}
    return ", ".join(f"{source} (prio {priority[source]})" if source in priority else source for source in masters)
