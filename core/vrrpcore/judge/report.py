"""The books as a Judgement: every router, every address, the worst of all. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..addresses import mac_text, text
from ..tally import Claimant
from ..verdict import (
    CLASS_STATE,
    FAMILY_NAMES,
    AddressVerdict,
    Counters,
    Episode,
    Finding,
    Judgement,
    MasterRow,
    RouterVerdict,
    SensorFacts,
    Worst,
)
from . import causes
from .docket import Book, Docket, Record
from .remedies import remedy
from .words import name

if TYPE_CHECKING:
    from .owners import Owners
    from .rounds import AddressBook

OWNED_TWICE = frozenset(
    ("split_brain", "residual_vip", "duplicate_ip", "split_brain_suspected", "transient_dual_master", "arp_flux")
)


def settle(docket: Docket) -> None:
    """Decide the causes of what is open, as known now."""
    for book in docket.books.values():
        for contention in book.contentions.values():
            causes.decide(docket, book, contention, docket.now)


def build(
    docket: Docket,
    owners: Owners,
    sensor: SensorFacts,
    start: float | None,
    end: float | None,
    source: str,
    version: str,
) -> Judgement:
    """Render everything that is known as of `docket.now`."""
    routers = tuple(router_verdict(docket, book) for book in docket.books.values())
    addresses = tuple(v for b in owners.all_books() if (v := address_verdict(docket, b)) is not None)
    worst = _worst(docket, owners)
    return Judgement(version, source, start, end, worst, routers, addresses, sensor)


def _worst(docket: Docket, owners: Owners) -> Worst:
    best: tuple[tuple[int, int, int, float], Record] | None = None
    for book in docket.books.values():
        for record in book.episodes:
            if best is None or record.order < best[0]:
                best = (record.order, record)
        old = book.best_forgotten
        if old is not None and (best is None or old.order < best[0]):
            best = (old.order, old)
    for address in owners.all_books():
        for record in address.records:
            if best is None or record.order < best[0]:
                best = (record.order, record)
    if best is not None:
        found = best[1]
        return Worst(found.cls, found.cause, found.vrid or None, FAMILY_NAMES[found.family], found.segment)
    for book in docket.books.values():
        router = book.router
        if any(c.last_claim for c in router.claimants.values()):
            return Worst("steady", None, router.vrid, FAMILY_NAMES[router.family], router.segment)
    return Worst("unknown")


def router_verdict(docket: Docket, book: Book) -> RouterVerdict:
    """One virtual router as it stands."""
    router = book.router
    now = docket.now
    records = sorted(book.episodes, key=lambda r: (r.start, r.last))
    known = any(c.last_claim for c in router.claimants.values())
    calm = Finding("steady") if known else Finding("unknown")
    ranked = [*records, *([book.best_forgotten] if book.best_forgotten else [])]
    worst = min(ranked, key=lambda r: r.order, default=None)
    standing = [r for r in book.open if r.cls in CLASS_STATE]
    present = min(standing, key=lambda r: r.order, default=None)
    vips = sorted({a for c in router.claimants.values() for a in c.advert.addresses})
    contended = {id(c) for k in book.contentions.values() if k.record for c in (k.first, k.second)}
    live = [c for c in router.claimants.values() if c.live(now) or c.suppressed or id(c) in contended]
    return RouterVerdict(
        segment=router.segment,
        family=FAMILY_NAMES[router.family],
        vrid=router.vrid,
        vips=tuple(text(a) for a in vips),
        now=Finding(present.cls, present.cause) if present else calm,
        worst=Finding(worst.cls, worst.cause) if worst else calm,
        masters=tuple(_master(c, now) for c in sorted(router.claimants.values(), key=lambda c: c.first)),
        episodes=tuple(episode(r, now) for r in records),
        live=len(live) + sum(1 for m in book.mutes.values() if m.record is not None),
        mismatches=_mismatches(book),
        counters=_counters(book),
    )


def _mismatches(book: Book) -> tuple[str, ...]:
    kinds = {r.cause for r in book.open if r.kind == "misconfig" and r.cause}
    for contention in book.contentions.values():
        if contention.record is not None and contention.kind == "election":
            kinds.update(contention.kinds)
            if contention.lists:
                kinds.add("vip_list_mismatch")
    return tuple(sorted(kinds))


def _master(claimant: Claimant, now: float) -> MasterRow:
    if claimant.since is None:
        claim = claimant.ended or "lapsed"
    elif claimant.suppressed:
        claim = "suppressed"
    else:
        claim = "live" if claimant.outranked_at is None else "yielded"
    return MasterRow(
        source=text(claimant.source),
        mac=mac_text(claimant.mac),
        priority=claimant.priority,
        version=claimant.advert.version,
        advert_interval=claimant.interval,
        auth=claimant.auth_name(),
        adverts=claimant.count,
        first=round(claimant.first, 6),
        last=round(claimant.last, 6),
        claim=claim,
        auth_data=claimant.advert.auth_data,
    )


def episode(record: Record, now: float) -> Episode:
    """A record as a value."""

    def stamp(at: float | None) -> float | None:
        return None if at is None else round(at, 6)

    return Episode(
        id=record.id,
        cls=record.cls,
        cause=record.cause,
        confidence=record.confidence,
        candidates=record.candidates,
        start=round(record.start, 6),
        suspected=stamp(record.suspected),
        confirmed=stamp(record.confirmed),
        end=stamp(record.end),
        seconds=round(record.seconds(now), 6),
        masters=tuple(dict.fromkeys(record.masters)),
        blamed=tuple(dict.fromkeys(record.blamed)),
        evidence=tuple(record.evidence),
        remedy=remedy(record),
    )


def _counters(book: Book) -> Counters:
    running = [r for r in book.open if r.counted]
    adverts: dict[str, int] = {}
    for claimant in book.router.claimants.values():
        adverts[name(claimant)] = claimant.count
    return Counters(
        adverts=adverts,
        transitions=dict(book.transitions),
        invalid=dict(book.invalid),
        split_episodes=book.split_episodes,
        split_seconds=book.split_seconds + sum(max(0.0, r.until - r.start) for r in running),
        split_last_seen=max([book.split_last_seen, *(r.last for r in running)]),
        episodes_by_cause=dict(book.by_cause),
    )


def address_verdict(docket: Docket, book: AddressBook) -> AddressVerdict | None:
    """One address; None where nothing makes it ours."""
    key = (book.segment, book.address)
    pairs = docket.component_books(*key)
    if not pairs and not book.records:
        return None
    records = list(book.records)
    for router, _ in pairs:
        records += [r for r in router.episodes if book.address in r.addresses and r not in records]
    doubles = [r for r in records if r.cls in OWNED_TWICE]
    worst = min(doubles, key=lambda r: r.order, default=None)
    present = min((r for r in doubles if r.end is None), key=lambda r: r.order, default=None)
    owners = book.widest or book.owners
    return AddressVerdict(
        segment=book.segment,
        vip=text(book.address),
        owners=tuple(mac_text(m) for m in owners),
        hosts=sum(owners.values()),
        worst=Finding(worst.cls, worst.cause) if worst else Finding("steady"),
        now=Finding(present.cls, present.cause) if present else Finding("steady"),
        hosts_now=sum(book.owners.values()),
    )
