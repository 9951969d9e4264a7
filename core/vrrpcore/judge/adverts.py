"""The judge's ear for adverts: claims begin and end, masters change, overlaps become contentions. Pure."""

from __future__ import annotations

from ..frames import Frame, IpFacts
from ..packet import Advertisement
from ..tally import (
    COPY_WINDOW,
    Claimant,
    Component,
    is_group,
    note_advert,
)
from . import masters, rivals
from .clones import split_clone
from .docket import Book, Docket, Record
from .quiet import constant
from .settled import may_settle
from .words import at_text, name


class Adverts:
    """Takes adverts in the order of time and keeps the books of routers."""

    def __init__(self, docket: Docket) -> None:
        self.docket = docket

    def take(self, now: float, book: Book, frame: Frame, advert: Advertisement, ip: IpFacts, ident: int | None) -> None:
        """One valid advert of a router."""
        router = book.router
        claimant = self._claimant(now, book, frame, advert, ip, ident)
        if claimant is None:
            return  # a copy
        if ip.ttl != 255:
            self.docket.count_invalid(router.key, "ttl")
        if note_advert(claimant, now, frame, advert, ip, ident):
            self._regroup(book)
        router.last = now
        clone = split_clone(self.docket, book, claimant, now)
        if clone is not None:
            claimant = clone
        component = router.component_of(claimant)
        if advert.priority == 0:
            self._resign(now, book, component, claimant)
        else:
            self._claim(now, book, component, claimant)
        self.review(book, now)

    # ---- who speaks ------------------------------------------------------------------------------------------

    def _claimant(
        self, now: float, book: Book, frame: Frame, advert: Advertisement, ip: IpFacts, ident: int | None
    ) -> Claimant | None:
        """The claimant of an advert, made when new; None when the advert is a copy of one already counted."""
        router = book.router
        claimant = router.claimants.get((ip.source, 0))
        if claimant is None:
            claimant = Claimant(ip.source, frame.source_mac, advert, ip, now)
            claimant.destinations[ip.destination] = now
            gone = self.docket.tally.add(router, claimant)
            if gone is not None:
                self._forget(book, gone)
            self._list(book)
            return claimant
        twin = router.claimants.get((ip.source, 1))
        if twin is not None and _is_twin(twin, claimant, frame.source_mac, ident, now):
            claimant = twin
        claimant.destinations[ip.destination] = now
        if len(claimant.destinations) > 16:
            del claimant.destinations[min(claimant.destinations, key=lambda d: claimant.destinations[d])]
        return None if self._is_copy(now, claimant, frame, ip, ident) else claimant

    @staticmethod
    def _is_copy(now: float, claimant: Claimant, frame: Frame, ip: IpFacts, ident: int | None) -> bool:
        """Whether this is the last advert once more: for another unicast peer, or from a mirror port."""
        if not claimant.count:
            return False
        apart = now - claimant.last
        same = bool(ident) and ident == claimant.ident and frame.source_mac == claimant.mac
        last_to = claimant.ip.destination
        other_peer = ip.destination != last_to and not is_group(ip.destination) and not is_group(last_to)
        if same and (other_peer or apart <= COPY_WINDOW):
            return True
        return other_peer and apart <= min(COPY_WINDOW, claimant.interval / 2)

    def _list(self, book: Book) -> None:
        """Index the router under the addresses that its claimants list now; what nobody lists any more goes."""
        router, listed = book.router, self.docket.listed
        now = {a for c in router.claimants.values() for a in c.advert.addresses}
        for address in book.listed - now:
            self.docket.unlist(router.key, address)
        book.listed &= now
        for address in now - book.listed:
            if len(listed) >= self.docket.caps.addresses and (router.segment, address) not in listed:
                self.docket.note("more virtual addresses than are remembered: further ones are not judged (a flood?)")
                break
            listed.setdefault((router.segment, address), {})[router.key] = None
            book.listed.add(address)

    def _regroup(self, book: Book) -> None:
        book.router.regroup()
        self._list(book)

    def _forget(self, book: Book, gone: Claimant) -> None:
        for pair, contention in list(book.contentions.items()):
            if gone in (contention.first, contention.second):
                if contention.record is not None:
                    book.close(contention.record, gone.last)
                del book.contentions[pair]

    # ---- claims ----------------------------------------------------------------------------------------------

    def _resign(self, now: float, book: Book, component: Component, claimant: Claimant) -> None:
        had = claimant.since is not None
        if had or claimant.count == 1:
            claimant.end("resigned", now)
        for contention in list(book.contentions.values()):
            if claimant in (contention.first, contention.second):
                rivals.close(self.docket, book, contention, now, claimant)

    def _claim(self, now: float, book: Book, component: Component, claimant: Claimant) -> None:
        begins = claimant.since is None
        before = claimant.ended
        if begins and book.closed and rivals.never_stopped(book, claimant, now) and rivals.resume(book, claimant):
            claimant.since = claimant.last_claim
            begins = False
        if begins:
            claimant.since = claimant.last_claim = now
            claimant.spoke = 0
        claimant.spoke += 1
        claimant.outranked_at = None
        claimant.outranked_by = None
        claimant.suppressed = False
        overlapped = self._meet(now, book, component, claimant)
        rivals.meet_strangers(self.docket, book, component, claimant, now)
        self._end_no_master(book, component, now)
        if begins:
            masters.began(self.docket, book, component, claimant, now, overlapped, before)
        elif claimant.spoke == 2:
            masters.spoke(self.docket, book, component, claimant, now)
        elif (component.holder is None or component.holder.since is None) and not overlapped:
            component.holder, component.holder_since = claimant, now

    def _meet(self, now: float, book: Book, component: Component, claimant: Claimant) -> bool:
        """Hold the claimant's advert against every other claim of its component; True when one of them stands."""
        overlapped = False
        for other in component.members:
            if other is claimant or other.since is None:
                continue
            if rivals.meet(self.docket, book, claimant, other, now):
                overlapped = True
        return overlapped

    def _end_no_master(self, book: Book, component: Component, now: float) -> None:
        for record in list(book.open):
            if record.kind == "no_master" and record.facts.get("addresses") in (None, masters.key_of(component)):
                book.close(record, now)

    # ---- what time does --------------------------------------------------------------------------------------

    def review(self, book: Book, now: float) -> None:
        """Bring the book up to `now`: claims lapse, contentions close, a router is left without a master."""
        router = book.router
        for claimant in list(router.claimants.values()):
            if claimant.since is not None and now - claimant.last >= claimant.lapse:
                self._lapse(book, claimant, now)
        for contention in list(book.contentions.values()):
            rivals.review(self.docket, book, contention, now)
        for component in router.components:
            masters.review(self.docket, book, component, now)
            self._no_master(book, component, now)
        self._arm(book, now)

    def _lapse(self, book: Book, claimant: Claimant, now: float) -> None:
        if rivals.keeps_silent(book, claimant, now):
            claimant.suppressed = True
            return
        claimant.suppressed = False
        claimant.end("yielded" if claimant.outranked_at is not None else "lapsed", claimant.last)

    def _no_master(self, book: Book, component: Component, now: float) -> None:
        if any(m.since is not None for m in component.members):
            return
        speakers = [m for m in component.members if m.last_claim]
        if not speakers or any(
            r.kind == "no_master" and r.facts["addresses"] == masters.key_of(component) for r in book.open
        ):
            return
        last = max(speakers, key=lambda m: m.last)
        if now - max(last.last, component.announced) < masters.silence(last):
            return
        cause = "resigned" if last.ended == "resigned" else "master_lost"
        record = Record("no_master", "no_master", cause, last.last, confirmed=now, last=now, masters=[name(last)])
        record.facts["addresses"] = masters.key_of(component)
        record.blamed.append(name(last))
        how = "it resigned (priority 0)" if cause == "resigned" else "it fell silent without resigning"
        record.say(
            f"no advert and no announcement since {at_text(last.last)}, when {name(last)} was heard last: {how}; "
            f"a backup would have taken over within {masters.silence(last):.2f} s"
        )
        book.add(record, self.docket.caps.episodes_per_router)

    def _arm(self, book: Book, now: float) -> None:
        """Arm the next check; and tell the quiet path whether it may serve this router."""
        times = []
        claims = book.claims()
        for claimant in claims:
            if not claimant.suppressed:
                times.append(claimant.last + claimant.lapse)
        for component in book.router.components:
            if not any(m.since is not None for m in component.members):
                speakers = [m for m in component.members if m.last_claim]
                if speakers:
                    last = max(speakers, key=lambda m: m.last)
                    times.append(max(last.last, component.announced) + masters.silence(last))
            if component.changes:
                times.append(component.changes[-1] + masters.flap_window(component))
        alone = len(claims) == 1 and not book.contentions and not book.open and len(book.router.components) == 1
        sole = claims[0] if alone else None
        book.quiet = sole if sole is not None and self._may_be_quiet(book, sole) else None
        book.settled = may_settle(self.docket, book) if len(book.contentions) == 1 else None
        future = [t for t in times if t > now]
        if future:
            due = min(future)
            if not book.due or due < book.due or book.due <= now:
                book.due = due
                self.docket.arm(due, book)

    def _may_be_quiet(self, book: Book, claimant: Claimant) -> bool:
        holds = book.router.components[0].holder is claimant and claimant.outranked_at is None
        # What mute masters announced is decided by the claimant's next advert.
        return holds and not book.mutes and constant(self.docket, book, claimant)


def _is_twin(twin: Claimant, claimant: Claimant, mac: bytes, ident: int | None, now: float) -> bool:
    """Whether an advert of a source that two hosts share is the twin's: by MAC, by counter, else by its turn."""
    if twin.mac != claimant.mac:
        return mac == twin.mac
    if ident is not None and twin.ident is not None and claimant.ident is not None:
        steps = (ident - twin.ident) & 0xFFFF, (ident - claimant.ident) & 0xFFFF
        if (steps[0] == 1) != (steps[1] == 1):
            return steps[0] == 1
    return abs(now - twin.last - twin.interval) < abs(now - claimant.last - claimant.interval)
