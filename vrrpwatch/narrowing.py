"""A judgement narrowed to what the user asked about; what was asked for and not heard becomes `no_master`. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from vrrpcore.verdict import (
    FAMILY_NAMES,
    RANK,
    AddressVerdict,
    Episode,
    Finding,
    Judgement,
    RouterVerdict,
    Worst,
)

#: handovers among themselves, worst first (judging.md §4)
HANDOVERS: Final = {
    cause: rank for rank, cause in enumerate(("master_lost", "resigned", "priority_changed", "preempted"))
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What `check` was asked about; empty fields ask about everything."""

    vrids: tuple[int, ...] = ()
    vips: tuple[str, ...] = ()
    segments: tuple[str, ...] = ()

    def router(self, row: RouterVerdict) -> bool:
        """Whether a virtual router was asked about."""
        return (
            (not self.vrids or row.vrid in self.vrids)
            and (not self.vips or any(vip in self.vips for vip in row.vips))
            and self.segment(row.segment)
        )

    def segment(self, name: str) -> bool:
        """Whether a broadcast domain was asked about; its VLANs belong to it."""
        return not self.segments or any(name == one or name.startswith(f"{one}.") for one in self.segments)


def narrow(judgement: Judgement, wanted: Wanted, *, hearing: bool) -> Judgement:
    """Only what was asked for, with `worst` over that alone.

    `hearing`: the sensor received something during the window. Then a wanted VRID or address that was not heard has
    no master; a sensor that received nothing at all proves nothing and stays `unknown`.
    """
    if wanted == Wanted():
        return judgement
    routers = tuple(row for row in judgement.routers if wanted.router(row))
    vips = {(row.segment, vip) for row in routers for vip in row.vips}
    addresses = tuple(
        row
        for row in judgement.addresses
        if wanted.segment(row.segment)
        and (not wanted.vips or row.vip in wanted.vips)
        and (not wanted.vrids or (row.segment, row.vip) in vips)
    )
    if hearing:
        routers += tuple(_unheard(judgement, wanted, routers))
    return replace(judgement, routers=routers, addresses=addresses, worst=worst_of(routers, addresses))


def _unheard(judgement: Judgement, wanted: Wanted, heard: Sequence[RouterVerdict]) -> Iterable[RouterVerdict]:
    """A `no_master` row for each wanted VRID that was not heard, or for the addresses that no router carried."""
    segment = wanted.segments[0] if len(wanted.segments) == 1 else ""
    missing = tuple(vip for vip in wanted.vips if not any(vip in row.vips for row in heard))
    for vrid in wanted.vrids:
        if not any(row.vrid == vrid for row in heard):
            family = 6 if missing and all(":" in vip for vip in missing) else 4
            yield unheard_router(judgement, segment, family, vrid, missing)
    if not wanted.vrids:
        for vip in missing:
            yield unheard_router(judgement, segment, 6 if ":" in vip else 4, 0, (vip,))


def unheard_router(
    judgement: Judgement, segment: str, family: int, vrid: int, vips: tuple[str, ...], origin: str = ""
) -> RouterVerdict:
    """An expected virtual router of which no advert was heard in the window. VRID 0: only its address is known."""
    what = f"VRID {vrid}" if vrid else f"{', '.join(vips)}"
    start, end = judgement.start or 0.0, judgement.end or 0.0
    finding = Finding("no_master", "master_lost")
    others = f"{judgement.sensor.frames} other frames" if judgement.sensor.frames else "other traffic"
    episode = Episode(
        id=f"unheard-{segment}-{family}-{vrid}-{start:.0f}",
        cls=finding.cls,
        cause=finding.cause,
        confidence="likely",
        candidates=("master_lost", "not_configured", "wrong_interface"),
        start=start,
        suspected=None,
        confirmed=None,
        end=None,
        seconds=max(end - start, 0.0),
        masters=(),
        blamed=(),
        evidence=(
            f"no advert of {what} in {max(end - start, 0.0):.1f} s, while {others} arrived"
            + (f" (expected by {origin})" if origin else ""),
        ),
        remedy="start the VRRP daemon of this router, or check that the sensor listens on its segment",
    )
    return RouterVerdict(segment, FAMILY_NAMES[family], vrid, vips, finding, finding, (), (episode,))


def worst_of(routers: Iterable[RouterVerdict], addresses: Iterable[AddressVerdict]) -> Worst:
    """The worst finding: class, then confirmed before not, then the earliest; `unknown` of nothing at all."""
    candidates: list[tuple[tuple[int, int, bool, float], Worst]] = []
    for row in routers:
        episode = min(
            (item for item in row.episodes if (item.cls, item.cause) == (row.worst.cls, row.worst.cause)),
            key=lambda item: (item.confirmed is None, item.start),
            default=None,
        )
        unproved, start = (episode.confirmed is None, episode.start) if episode else (True, 0.0)
        place = Worst(row.worst.cls, row.worst.cause, row.vrid or None, row.family, row.segment)
        candidates.append(((*_rank(row.worst), unproved, start), place))
    for address in addresses:
        family = FAMILY_NAMES[6 if ":" in address.vip else 4]
        place = Worst(address.worst.cls, address.worst.cause, None, family, address.segment)
        candidates.append(((*_rank(address.worst), True, float("inf")), place))
    if not candidates:
        return Worst("unknown")
    return min(candidates, key=lambda item: item[0])[1]


def _rank(finding: Finding) -> tuple[int, int]:
    cause = HANDOVERS.get(finding.cause or "", len(HANDOVERS)) if finding.cls == "handover" else 0
    return RANK[finding.cls], cause
