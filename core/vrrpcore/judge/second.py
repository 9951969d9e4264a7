"""Who is the second owner of an address beside its one advertiser? Residue, duplicate, or an ARP flux. Pure."""

from __future__ import annotations

from ..addresses import is_virtual_mac, mac_text, text
from ..tally import Claimant, Component
from . import mutes
from .compat import visible
from .docket import Book, Docket, Record
from .masters import describe, down
from .rounds import AddressBook
from .words import at_text, name, span, with_priority


def judge(
    docket: Docket,
    book: AddressBook,
    pairs: list[tuple[Book, Component]],
    owners: dict[bytes, int],
    start: float,
    now: float,
    proved: bool,
) -> None:
    """A closed round with two owners that no contention and no mute master explains."""
    router, component = _with_holder(pairs)
    if router is None or component is None:
        _unadvertised(docket, book, pairs, owners, start, now, proved)
        return
    record = book.record
    if record is None or record.end is not None:
        record = Record("owners", "split_brain_suspected", None, start, "possible", suspected=now, last=now)
        record.addresses = frozenset((book.address,))
        book.record = router.add(record, docket.caps.episodes_per_router)
        book.records.append(record)
        router.hush()
    record.last = now
    record.until = start
    _name(docket, book, router, component, owners, record, proved)
    if proved and record.confirmed is None:
        record.confirmed = now
    if record.cls in ("split_brain_suspected", "split_brain"):
        router.count(record)


def explained(pairs: list[tuple[Book, Component]], book: AddressBook) -> None:
    """The adverts tell more than ARP did: an episode that was only suspected belongs to the contention."""
    record = book.record
    if record is None or record.end is not None or record.cls != "split_brain_suspected":
        return
    for router, _ in pairs:
        router.drop(record)
    if record in book.records:
        book.records.remove(record)
    book.record = None


def _with_holder(pairs: list[tuple[Book, Component]]) -> tuple[Book | None, Component | None]:
    for router, component in pairs:
        if component.holder is not None and component.holder.since is not None:
            return router, component
    return None, None


def _name(
    docket: Docket,
    book: AddressBook,
    router: Book,
    component: Component,
    owners: dict[bytes, int],
    record: Record,
    proved: bool,
) -> None:
    """Set class, cause, confidence, blame and evidence of the episode from who answered."""
    holder = component.holder
    assert holder is not None
    own = docket.macs_of(router.router.segment, holder)
    strangers = [m for m in owners if m not in own and not is_virtual_mac(m)]
    flux = [m for m in strangers if _is_flux(docket, book, router, m)]
    flux += [m for m in owners if m in own and not is_virtual_mac(m) and is_virtual_mac(holder.mac)]
    rest = [m for m in strangers if m not in flux]
    twice = any(k > 1 for m, k in owners.items() if is_virtual_mac(m) or m in own)
    former = _former(docket, router, rest)
    gone = former or (_lapsed_member(component, holder) if twice else None)
    record.masters = [name(holder)]
    record.evidence.clear()
    if gone is not None:
        _left_behind(record, gone, holder, book, proved, seen=former is not None)
    elif rest:
        sure = any(m in book.sole for m in owners if m not in rest)
        _set(record, proved, "duplicate_ip", "foreign_host_has_vip", "proved" if sure else "likely", mac_text(rest[0]))
        if not sure:
            record.candidates = ("foreign_host_has_vip", "suppressed_master", "stale_vip_after_daemon_death")
        record.facts["mac"] = mac_text(rest[0])
        record.say(f"{mac_text(rest[0])}, of which no advert was heard, answers for {text(book.address)}")
    elif flux:
        _set(record, proved, "arp_flux", "arp_flux", "proved", mac_text(flux[0]))
        macs = ", ".join(mac_text(m) for m in flux)
        record.say(f"{macs} answer with a physical MAC beside the virtual one: backups without arp_ignore")
    elif twice:
        _set(record, False, "split_brain_suspected", "deaf", "possible", name(holder))
    record.say(
        f"{sum(owners.values())} answers to one request for {text(book.address)} from "
        f"{', '.join(mac_text(m) for m in owners)}, last at {at_text(book.last_double)}"
    )


def _left_behind(record: Record, gone: Claimant, holder: Claimant, book: AddressBook, proved: bool, seen: bool) -> None:
    """A former speaker's host still answers (`seen`: by a MAC of its own, else as the virtual MAC's second answer)."""
    record.facts["owner"] = name(gone)
    record.masters.append(name(gone))
    mismatch = _silenced_by(gone, holder, record.last)
    if mismatch:
        _set(record, proved, "split_brain", mismatch, "likely", name(gone))
        record.candidates = ("stale_vip_after_daemon_death",)
        record.say(
            f"{with_priority(gone)} was last heard at {at_text(gone.last)}, when {with_priority(holder)} was master as "
            f"well, and they disagree: {describe(mismatch, gone, holder)}"
        )
        return
    confidence = "proved" if seen else "likely"
    _set(record, proved, "residual_vip", "stale_vip_after_daemon_death", confidence, name(gone))
    left = "resigned" if gone.ended == "resigned" else "never resigned"
    how = f"still answers for {text(book.address)}" if seen else "its virtual MAC answers twice"
    record.say(
        f"{with_priority(gone)} was heard last at {at_text(gone.last)}, {left}; {how} beside {with_priority(holder)}"
    )


def _set(record: Record, proved: bool, cls: str, cause: str, confidence: str, blamed: str) -> None:
    record.cls = cls if proved else "split_brain_suspected"
    record.cause = cause
    record.confidence = confidence if proved else "possible"
    record.candidates = ()
    record.blamed = [blamed]


def _is_flux(docket: Docket, book: AddressBook, router: Book, mac: bytes) -> bool:
    """A member that listens and never spoke nor announced: its kernel answers for an address it should not."""
    host = docket.hosts.get((router.router.segment, mac))
    if host is None:
        return False
    member = host.member4 if router.router.family == 4 else host.member6
    spoke = any(
        mac in docket.macs_of(router.router.segment, c) and not is_virtual_mac(c.mac)
        for c in router.router.claimants.values()
    )
    return bool(member) and not spoke and not book.announced(mac, 0.0) and _virtual_router(router)


def _virtual_router(router: Book) -> bool:
    return any(is_virtual_mac(c.mac) for c in router.router.claimants.values())


def _former(docket: Docket, router: Book, macs: list[bytes]) -> Claimant | None:
    """A claimant that spoke before, has ended, and whose host is one of the MACs."""
    for claimant in router.router.claimants.values():
        if claimant.since is None and claimant.last_claim:
            known = docket.macs_of(router.router.segment, claimant)
            if any(m in known for m in macs):
                return claimant
    return None


def _silenced_by(claimant: Claimant | None, holder: Claimant, now: float) -> str | None:
    """What the two disagree about, when the claimant fell silent only after the holder's claim began.

    A daemon that died before its successor began leaves residue; one that spoke beside it, and is silent since, hears
    adverts that it rejects.
    """
    if claimant is None or holder.since is None or claimant.ended == "resigned":
        return None
    if claimant.last < holder.since and claimant.ended != "yielded":
        return None
    kinds = visible(claimant, holder, now)
    return kinds[0] if kinds else None


def _lapsed_member(component: Component, holder: Claimant) -> Claimant | None:
    gone = [m for m in component.members if m is not holder and m.last_claim and m.ended in ("lapsed", "yielded")]
    return max(gone, key=lambda m: m.last) if gone else None


def _unadvertised(
    docket: Docket,
    book: AddressBook,
    pairs: list[tuple[Book, Component]],
    owners: dict[bytes, int],
    start: float,
    now: float,
    proved: bool,
) -> None:
    """No live claim names the address: announcements by two hosts, or by one beside a former master, make it ours.

    Two masters whose adverts are both dropped on their way out look so: not one VRRP frame, and two owners.
    """
    former = [m for m in owners if any(mutes.owner_of(docket, r, m) is not None for r, _ in pairs)]
    silent_since = max((m.last for _, c in pairs for m in c.members), default=0.0)
    announcing = [m for m in owners if book.announced(m, silent_since)]
    masters = list(dict.fromkeys([*former, *announcing]))
    if not announcing or len(masters) < 2:
        return
    record = book.record
    if record is None or record.end is not None:
        record = Record("owners", "split_brain_suspected", None, start, "possible", suspected=now, last=now)
        record.addresses = frozenset((book.address,))
        record.segment, record.family = book.segment, 4 if len(book.address) == 4 else 6
        book.record = record
        book.records.append(record)
        if pairs:
            pairs[0][0].add(record, docket.caps.episodes_per_router)
    record.last = now
    record.masters = [_host_name(docket, pairs, m) for m in masters]
    record.blamed = list(record.masters)
    record.cause = "firewall_output"
    record.candidates = ("firewall_output", "stale_vip_after_daemon_death", "foreign_host_has_vip")
    if proved:
        record.cls, record.confidence = "split_brain", "likely"
        record.confirmed = record.confirmed or now
    if pairs:
        pairs[0][0].count(record)
    record.evidence.clear()
    record.say(
        f"{' and '.join(record.masters)} both answer for {text(book.address)}, "
        f"{' and '.join(_host_name(docket, pairs, m) for m in announcing)} announced it, and no advert is heard from "
        f"either"
    )


def _host_name(docket: Docket, pairs: list[tuple[Book, Component]], mac: bytes) -> str:
    for router, _ in pairs:
        claimant = mutes.owner_of(docket, router, mac)
        if claimant is not None:
            return name(claimant)
    return mac_text(mac)


def ended(docket: Docket, book: AddressBook, now: float) -> None:
    """Two rounds in a row with one owner: the episode of the address is over."""
    record = book.record
    if record is None or record.end is not None:
        book.record = None
        return
    book.record = None
    for router, component in docket.component_books(book.segment, book.address):
        if record in router.open:
            holder = component.holder
            first = router.router.first
            if holder is not None and record.confirmed is None and record.start <= first + 2 * holder.interval:
                record.cls, record.cause, record.confidence = "transient_dual_master", "startup_race", "likely"
                record.say(f"{name(holder)} was heard first at {at_text(first)}: two routers started at once")
            early = holder is not None and now - component.holder_since <= down(holder)
            if early and record.facts.get("owner"):
                record.cls, record.cause, record.confidence = "transient_dual_master", "master_stalled", "likely"
                record.say(
                    f"it stopped answering {span(now - component.holder_since)} after the takeover: it stalled, and "
                    f"yielded when it ran again"
                )
                router.count(record)
            router.close(record, max(book.last_double, record.start))
            return
    record.end = max(book.last_double, record.start)
