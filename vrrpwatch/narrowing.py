"""A judgement narrowed to what the user asked about; what was asked for and not heard becomes `no_master`. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

from vrrpcore.addresses import pack, text
from vrrpcore.errors import UsageError
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


#: what is said of a router or address that was expected and not heard
LOST: Final = Finding("no_master", "master_lost")


class Wanted(NamedTuple):
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


def address(word: str, option: str) -> str:
    """An address in its usual spelling; UsageError."""
    try:
        return text(pack(word))
    except ValueError:
        raise UsageError(f"{option} {word}: not an IPv4 or IPv6 address") from None


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
        routers += tuple(_unheard_routers(judgement, wanted, routers))
        addresses = _with_unheard(addresses, wanted, routers)
    return replace(judgement, routers=routers, addresses=addresses, worst=worst_of(routers, addresses))


def _only(wanted: Wanted) -> str:
    return wanted.segments[0] if len(wanted.segments) == 1 else ""


def _unheard_routers(judgement: Judgement, wanted: Wanted, heard: Sequence[RouterVerdict]) -> Iterable[RouterVerdict]:
    """A `no_master` row for each wanted VRID that was not heard."""
    for vrid in wanted.vrids:
        if not any(row.vrid == vrid for row in heard):
            family = 6 if wanted.vips and all(":" in vip for vip in wanted.vips) else 4
            yield unheard_router(judgement, _only(wanted), family, vrid)


def _with_unheard(
    addresses: tuple[AddressVerdict, ...], wanted: Wanted, heard: Sequence[RouterVerdict]
) -> tuple[AddressVerdict, ...]:
    """Wanted addresses that no heard router carries have no master; a worse word about them stays."""
    lost = {vip for vip in wanted.vips if not any(vip in row.vips for row in heard)}
    known = {row.vip for row in addresses}
    marked = [
        replace(row, now=LOST, worst=LOST) if row.vip in lost and RANK[row.worst.cls] > RANK[LOST.cls] else row
        for row in addresses
    ]
    marked += [AddressVerdict(_only(wanted), vip, (), 0, LOST, LOST) for vip in wanted.vips if vip in lost - known]
    return tuple(marked)


def unheard_router(
    judgement: Judgement, segment: str, family: int, vrid: int, vips: tuple[str, ...] = (), origin: str = ""
) -> RouterVerdict:
    """An expected virtual router of which no advert was heard in the window; `origin`: what expects it."""
    start, end = judgement.start or 0.0, judgement.end or 0.0
    others = f"{judgement.sensor.frames} other frames" if judgement.sensor.frames else "other traffic"
    expected = f" (expected by {origin})" if origin else ""
    sentence = f"no advert of VRID {vrid} in {end - start:.1f} s, while {others} arrived{expected}"
    if end <= start:  # asked, not listened
        sentence = f"VRID {vrid} is not known to {judgement.source}{expected}"
    episode = Episode(
        id=f"unheard-{segment}-{family}-{vrid}-{start:.0f}",
        cls=LOST.cls,
        cause=LOST.cause,
        confidence="likely",
        candidates=("master_lost", "not_configured", "wrong_interface"),
        start=start,
        suspected=None,
        confirmed=None,
        end=None,
        seconds=max(end - start, 0.0),
        masters=(),
        blamed=(),
        evidence=(sentence,),
        remedy="start the VRRP daemon of this router, or check that the sensor listens on its segment",
    )
    return RouterVerdict(segment, FAMILY_NAMES[family], vrid, vips, LOST, LOST, (), (episode,))


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
        place = Worst(row.worst.cls, row.worst.cause, row.vrid, row.family, row.segment)
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
