"""What leaves the daemon at one moment: the judgement, the wires behind it, and what VRRP daemons say of themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from vrrpcore.verdict import RANK, AddressVerdict, Episode, Finding, Judgement, RouterVerdict, Worst

#: (segment, family name, vrid): what identifies a virtual router.
RouterKey = tuple[str, str, int]

#: The states of RFC 8347 §3 (`initialize`, `backup`, `master`) and keepalived's FAULT.
INSTANCE_STATES: Final = ("init", "backup", "master", "fault")


@dataclass(frozen=True, slots=True)
class Sniffer:
    """One captured interface; counters are cumulative since the daemon started."""

    interface: str
    up: bool
    frames: int = 0
    last_frame: float = 0.0  # epoch seconds, 0 = none yet
    error: str = ""  # why it is not up, one line


@dataclass(frozen=True, slots=True)
class Awareness:
    """What our speaker knows of split brain of one of its instances, by the judge beside it; times in epoch seconds."""

    level: str = "none"  # none, suspected, confirmed
    cls: str = ""
    cause: str = ""
    since: float = 0.0  # 0 = there is none
    yielded: bool = False  # backup on proof of a superior that is not heard
    last_proof: float = 0.0  # 0 = never


@dataclass(frozen=True, slots=True)
class Instance:
    """One VRRP instance as the daemon that runs it describes it (RFC 6527 §5 and RFC 8347 §3 name the counters)."""

    daemon: str  # vrrpwatch, keepalived, frr
    name: str
    segment: str
    family: str  # ipv4, ipv6
    vrid: int
    interface: str
    state: str  # one of INSTANCE_STATES
    since: float | None = None  # time.monotonic() at which it became master; None when it is not
    priority: int | None = None  # in force now
    held: int | None = None  # virtual addresses that are on this host's interfaces now
    counters: Mapping[str, int] = field(default_factory=dict)  # keys of prometheus_sensor.INSTANCE_COUNTERS
    errors: Mapping[str, int] = field(default_factory=dict)  # rejected adverts by reason
    awareness: Awareness | None = None  # None: nobody judges beside it

    @property
    def key(self) -> RouterKey:
        return (self.segment, self.family, self.vrid)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The judgement as the capture loop published it last; everything in it is immutable and safe to share."""

    sequence: int  # 0 = nothing was published yet
    time: float  # epoch seconds of publication
    monotonic: float  # time.monotonic() of publication
    judgement: Judgement
    sniffers: tuple[Sniffer, ...] = ()


def key_of(router: RouterVerdict) -> RouterKey:
    """What identifies this virtual router."""
    return (router.segment, router.family, router.vrid)


def addresses_by_place(judgement: Judgement) -> dict[tuple[str, str], AddressVerdict]:
    """The address verdicts by (segment, address)."""
    return {(row.segment, row.vip): row for row in judgement.addresses}


def present_finding(router: RouterVerdict, places: Mapping[tuple[str, str], AddressVerdict]) -> Finding:
    """The worst of what is so now for this router and for the addresses that it carries."""
    worst = router.now
    for vip in router.vips:
        address = places.get((router.segment, vip))
        if address is not None and RANK[address.now.cls] < RANK[worst.cls]:
            worst = address.now
    return worst


def _in_window(episode: Episode, start: float) -> bool:
    return episode.end is None or episode.end >= start


def _recent(router: RouterVerdict, start: float) -> RouterVerdict:
    episodes = tuple(e for e in router.episodes if _in_window(e, start))
    masters = tuple(m for m in router.masters if m.claim == "live" or m.last >= start)
    # At equal class confirmed before not, then the earliest; what is so now has an episode that says it better.
    ranked = sorted(episodes, key=lambda e: (RANK[e.cls], e.confirmed is None, e.start))
    worst = Finding(ranked[0].cls, ranked[0].cause) if ranked else router.now
    if RANK[router.now.cls] < RANK[worst.cls]:
        worst = router.now
    return replace(router, worst=worst, episodes=episodes, masters=masters)


def recent(judgement: Judgement, seconds: float) -> Judgement:
    """The same judgement over its last `seconds` only: a daemon's memory is longer than what a check asks about."""
    end = judgement.end
    if end is None:
        return judgement
    start = max(end - seconds, judgement.start if judgement.start is not None else end - seconds)
    routers = tuple(_recent(router, start) for router in judgement.routers)
    addresses = tuple(replace(address, worst=address.now) for address in judgement.addresses)
    places = {(r.segment, vip): r for r in routers for vip in r.vips}
    candidates = [Worst(r.worst.cls, r.worst.cause, r.vrid, r.family, r.segment) for r in routers]
    for address in addresses:
        router = places.get((address.segment, address.vip))
        vrid, family = (router.vrid, router.family) if router else (None, None)
        candidates.append(Worst(address.worst.cls, address.worst.cause, vrid, family, address.segment))
    worst = min(candidates, key=lambda row: RANK[row.cls], default=Worst("unknown"))
    return replace(judgement, start=start, worst=worst, routers=routers, addresses=addresses)


def service_discovery(judgement: Judgement) -> list[dict[str, object]]:
    """Prometheus http_sd / file_sd groups: one per virtual router, its addresses as targets."""
    return [
        {
            "targets": list(router.vips),
            "labels": {
                "__meta_vrrpwatch_segment": router.segment,
                "__meta_vrrpwatch_family": router.family,
                "__meta_vrrpwatch_vrid": str(router.vrid),
                "__meta_vrrpwatch_verdict": router.now.cls,
            },
        }
        for router in judgement.routers
        if router.vips
    ]
