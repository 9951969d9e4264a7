"""Two claims that meet: strikes, confirmation, and how a contention ends. Pure.

Within a component it is a possible split brain; between components of one virtual router a collision of VRIDs; between
two virtual routers that list one address a split brain under two VRIDs.
"""

from __future__ import annotations

from typing import Final

from ..addresses import text
from ..tally import Claimant, Component, delta, superior
from . import causes, masters
from .compat import lists_differ, must_reject
from .contention import Contention
from .docket import Book, Docket, Record
from .words import at_text, name, span, with_priority

#: Seconds for which a silence that differing lists or unknown keys may explain is left open: keepalived's second
#: burst of announcements comes after 5 s, and two rounds of questions close sooner.
DOUBT: Final = 6.0


def pair_key(a: Claimant, b: Claimant) -> tuple[int, int]:
    """Names the unordered pair of two claimants."""
    return (id(a), id(b)) if id(a) < id(b) else (id(b), id(a))


def meet(docket: Docket, book: Book, me: Claimant, other: Claimant, now: float) -> bool:
    """`me` has just advertised while the claim of `other` stands; returns whether the two overlap."""
    contention = book.contentions.get(pair_key(me, other))
    kinds = rejections(me, other, now)
    if contention is None:
        contention = _open(docket, book, me, other, kinds, now)
        if contention is None:
            if not kinds and superior(me, other):
                other.outranked_at, other.outranked_by = now, me
            return False
    contention.kinds = kinds or (contention.kinds if contention.kind != "election" else ())
    contention.lists = lists_differ(me, other)
    contention.sealed = me.ip.ah is not None and other.ip.ah is not None
    contention.heard(me, now)
    third_speaker(book, me, other)
    if kinds or me.source == other.source:
        if (me is contention.first and now > contention.began) or me.source == other.source:
            contention.first_spoke_again = True
            confirm(docket, book, contention, now)
        _suspect(docket, book, contention, now)
    else:
        _strike(docket, book, contention, me, other, now)
        if superior(me, other):
            other.outranked_at, other.outranked_by = now, me
    if (contention.lists or contention.sealed) and contention.record and contention.lock.pattern == "S":
        confirm(docket, book, contention, now)
    _refresh(book, contention, now)
    return contention.record is not None


def rejections(me: Claimant, other: Claimant, now: float) -> tuple[str, ...]:
    """The must-reject fields that keep the two from agreeing who is master.

    A wrong TTL is refused by its receiver alone: where only the outranked one's is wrong, that one still hears and
    obeys its superior.
    """
    if me.source == other.source:
        return ()
    kinds = must_reject(me, other, now)
    if "ttl_not_255" in kinds and (me if superior(me, other) else other).ip.ttl == 255:
        kinds = tuple(kind for kind in kinds if kind != "ttl_not_255")
    return kinds


def _open(
    docket: Docket, book: Book, me: Claimant, other: Claimant, kinds: tuple[str, ...], now: float
) -> Contention | None:
    """A contention, where `me`'s advert and the other's claim make one."""
    stands = other.live(now) or other.suppressed
    if not stands:
        return None
    if not kinds and me.source != other.source and not _is_strike(me, other, now):
        return None
    first, second = (other, me) if (me.since or now) >= (other.since or now) else (me, other)
    contention = Contention(first, second, second.since or now, "election")
    contention.kinds = kinds
    book.contentions[pair_key(me, other)] = contention
    # The lock wants the last advert of each side from before.
    x, y = contention.sides()
    contention.top = x
    before = x.last if x is other else x.previous
    if before:
        contention.ignored.append(before)
        if x is other and x.previous and x.previous >= (x.since or 0):
            contention.ignored.appendleft(x.previous)
    if y is other:
        contention.lock.last_y = y.last
        contention.lock.y_adverts = 1
        contention.lock.open_turn = False
    return contention


def _is_strike(me: Claimant, other: Claimant, now: float) -> bool:
    """Whether an advert of `me` at `now` ignores one of a live superior `other` (more than δ older)."""
    if not superior(other, me) or (me.since is None):
        return False
    if other.priority == 255 and me.priority == 255 and other.spoke < 2:
        return False  # two owners: the loser of the tie may need a turn to lower itself
    limit = delta(other.interval)
    if now - other.last > limit:
        return True
    earlier = other.previous
    return bool(earlier) and earlier >= (other.since or 0) and limit < now - earlier <= other.lapse


def _strike(docket: Docket, book: Book, contention: Contention, me: Claimant, other: Claimant, now: float) -> None:
    if not (other.live(now) and _is_strike(me, other, now)):
        return
    if contention.strike is None:
        contention.strike = now
        _suspect(docket, book, contention, now)
    elif contention.record is not None and contention.record.confirmed is None and contention.proves(now):
        confirm(docket, book, contention, now)


def third_speaker(book: Book, me: Claimant, other: Claimant) -> None:
    """An advert of `me` spoils the turns of the pairs that it does not belong to."""
    for contention in book.contentions.values():
        if me is not contention.first and me is not contention.second:
            contention.lock.third = True


def _suspect(docket: Docket, book: Book, contention: Contention, now: float) -> None:
    if contention.record is not None:
        return
    record = Record("contention", "split_brain_suspected", None, contention.began, suspected=now, last=now)
    record.confidence = "possible"
    record.masters = [name(contention.first), name(contention.second)]
    record.addresses = frozenset(contention.first.advert.addresses) & frozenset(contention.second.advert.addresses)
    _, y = contention.sides()
    x = contention.other(y)
    record.say(
        f"{with_priority(y)} advertised at {at_text(now)}, {span(now - _last_before(x, now))} after an advert of "
        f"{with_priority(x)}, which outranks it"
    )
    contention.record = record
    if contention.kind != "collision":
        book.add(record, docket.caps.episodes_per_router)
        book.count(record)
        _absorb_handover(book, contention)


def _last_before(claimant: Claimant, now: float) -> float:
    return claimant.last if claimant.last < now else claimant.previous or claimant.last


def _absorb_handover(book: Book, contention: Contention) -> None:
    """What was entered as a clean handover was the beginning of the overlap."""
    own = contention.second in book.router.claimants.values()  # else a host of the same name, under another VRID
    for record in list(book.episodes) if own else ():
        if (
            record.kind == "handover"
            and record.end == contention.began
            and record.masters[-1] == name(contention.second)
        ):
            book.drop(record)
            component = book.router.component_of(contention.second)
            if component.changes and component.changes[-1] == contention.began:
                component.changes.pop()
    for record in list(book.open):
        if record.kind == "misconfig" and set(record.masters) == {name(contention.first), name(contention.second)}:
            book.drop(record)


def confirm(docket: Docket, book: Book, contention: Contention, now: float) -> None:
    """The overlap is proved."""
    if contention.record is None:
        _suspect(docket, book, contention, now)
    record = contention.record
    assert record is not None
    if record.confirmed is not None:
        return
    record.confirmed = now
    record.cls = "vrid_collision" if contention.kind == "collision" else "split_brain"
    record.confidence = "proved"
    if contention.kind == "collision":
        book.add(record, docket.caps.episodes_per_router)
    causes.note_confirmed(docket, book, contention)


def _refresh(book: Book, contention: Contention, now: float) -> None:
    record = contention.record
    if record is None:
        return
    record.last = now
    record.until = now if contention.rejecting else min(contention.first.last, contention.second.last)
    book.seen(record)


# ---- other addresses, other VRIDs ----------------------------------------------------------------------------


def meet_strangers(docket: Docket, book: Book, component: Component, me: Claimant, now: float) -> None:
    """Hold an advert against claims outside its component: disjoint lists, and the same address under another VRID."""
    for stranger in book.router.components:
        if stranger is component:
            continue
        for other in stranger.members:
            _meet_stranger(docket, book, me, other, "collision", now)
    for address in me.advert.addresses:
        keys = docket.listed.get((book.router.segment, address), ())
        if len(keys) < 2:
            continue
        for key in keys:
            if key == book.router.key:
                continue
            neighbour = docket.books[key]
            for other in neighbour.router.claimants.values():
                if address in other.advert.addresses and not _same_host(docket, book, me, other):
                    neighbour.hush()
                    _meet_stranger(docket, book, me, other, "vrid", now, neighbour)


def _same_host(docket: Docket, book: Book, a: Claimant, b: Claimant) -> bool:
    segment = book.router.segment
    return a.source == b.source or bool(docket.macs_of(segment, a) & docket.macs_of(segment, b))


def _meet_stranger(
    docket: Docket, book: Book, me: Claimant, other: Claimant, kind: str, now: float, neighbour: Book | None = None
) -> None:
    if other.since is None:
        return
    homes = [book, neighbour] if neighbour is not None else [book]
    pair = pair_key(me, other)
    home = next((b for b in homes if pair in b.contentions), None)
    if home is None:
        if not (other.live(now) or other.suppressed) or me.since is None:
            return
        first, second = (other, me) if me.since >= (other.since or 0) else (me, other)
        home = book
        contention = Contention(first, second, second.since or now, kind, kinds=("vrid_collision",))
        if kind == "vrid":
            contention.kinds = ("vrid_mismatch",)
        book.contentions[pair] = contention
    contention = home.contentions[pair]
    contention.heard(me, now)
    if kind == "vrid":
        _suspect(docket, home, contention, now)
    if me is contention.first and now > contention.began:
        confirm(docket, home, contention, now)
    _refresh(home, contention, now)


# ---- endings -------------------------------------------------------------------------------------------------


def keeps_silent(book: Book, silent: Claimant, now: float) -> bool:
    """Whether the silence of a claim can be the work of a peer whose adverts it rejects (its timer restarts)."""
    if silent.like_keepalived is False:
        return False  # FRR's timer is not restarted: it has gone
    for contention in book.contentions.values():
        if silent not in (contention.first, contention.second):
            continue
        doubtful = contention.maybe_rejecting and now - silent.last < max(10 * silent.interval, DOUBT)
        if contention.kind == "vrid" or not (contention.rejecting or doubtful):
            continue  # another VRID does not touch its timer
        other = contention.other(silent)
        fast_enough = other.interval <= 1.5 * silent.interval
        if other.since is not None and now - other.last < other.lapse and fast_enough:
            return True
    return False


def review(docket: Docket, book: Book, contention: Contention, now: float) -> None:
    """End a contention one of whose claims has ended; confirm a collision that silences one side."""
    for claimant in (contention.first, contention.second):
        if claimant.since is None:
            close(docket, book, contention, claimant.ended_at, claimant)
            return
    silenced = contention.first.suppressed or contention.second.suppressed
    if contention.kind == "collision" and silenced:
        confirm(docket, book, contention, now)


def close(docket: Docket, book: Book, contention: Contention, at: float, ended: Claimant) -> None:
    """One of the two claims has ended."""
    book.contentions = {k: c for k, c in book.contentions.items() if c is not contention}
    record = contention.record
    survivor = contention.other(ended)
    if record is not None and record.confirmed is not None and ended.ended != "resigned":
        book.closed.append(contention)
    if contention.kind != "election":
        if record is not None and record.confirmed is not None:
            causes.decide(docket, book, contention, at)
            book.close(record, at)
        elif record is not None:
            book.drop(record)
        return
    if record is None:
        return
    component = book.router.component_of(survivor)
    if record.confirmed is not None:
        causes.decide(docket, book, contention, at)
        book.close(record, at)
        _inherit(book, component, survivor, at)
        return
    _close_unproved(docket, book, component, contention, at, ended)


def never_stopped(book: Book, claimant: Claimant, now: float) -> bool:
    """Whether a claim that seemed to have ended went on, its adverts lost on the way to the sensor.

    A router that had yielded could not begin again before its master-down time, 3·adv + skew after a later advert of
    the superior one; and keepalived's own counter counts the adverts that were sent and not seen.
    """
    if claimant.ended not in ("yielded", "lapsed") or not claimant.previous:
        return False
    gap = claimant.last - claimant.previous
    if claimant.like_keepalived and claimant.step is not None:
        return 2 <= claimant.step <= 8 and abs(claimant.step * claimant.interval - gap) < claimant.interval / 2
    turns = round(gap / claimant.interval)
    unit = claimant.interval if claimant.advert.version == 3 else 1.0
    down = 3 * claimant.interval + (256 - claimant.priority) / 256 * unit
    return 2 <= turns <= 4 and abs(gap - turns * claimant.interval) < 0.02 * unit and gap < down - 0.03 * unit


def resume(book: Book, claimant: Claimant) -> bool:
    """Take back the end of a claim, and of the contentions that ended with it; returns whether there were any."""
    found = False
    for contention in list(book.closed):
        if claimant not in (contention.first, contention.second) or contention.record is None:
            continue
        other = contention.other(claimant)
        if other.since is None or contention.record not in book.episodes:
            continue
        book.closed.remove(contention)
        book.contentions[pair_key(contention.first, contention.second)] = contention
        book.reopen(contention.record)
        found = True
    return found


def _inherit(book: Book, component: Component, survivor: Claimant, at: float) -> None:
    """The survivor of an overlap holds the address."""
    if survivor.since is None:
        return
    if component.holder is not survivor:
        book.transitions["preempted"] = book.transitions.get("preempted", 0) + 1
    component.holder, component.holder_since = survivor, at


def _close_unproved(
    docket: Docket, book: Book, component: Component, contention: Contention, at: float, ended: Claimant
) -> None:
    record = contention.record
    assert record is not None
    x, y = contention.sides()
    strike = contention.strike if contention.strike is not None else contention.began
    spoke_on = x.last > strike or (x.ended == "resigned" and x.ended_at > strike)
    restarted = x.restarted > strike
    if not contention.kinds and ended is x and not spoke_on:
        book.drop(record)
        masters.handed_over(docket, book, component, x, y, "resigned", likely=True)
        return
    if not contention.kinds and ended is y and restarted:
        book.drop(record)
        masters.handed_over(docket, book, component, x, y, "resigned", likely=True)
        _inherit(book, component, x, at)
        return
    if not contention.kinds and spoke_on:
        record.cls = "transient_dual_master"
        record.confidence = "likely"
    causes.decide(docket, book, contention, at)
    book.close(record, at)
    _inherit(book, component, contention.other(ended), at)


def stop(docket: Docket, book: Book, claimant: Claimant, now: float, why: str) -> None:
    """Evidence from outside (ARP, ND) that a suppressed claim has ended."""
    for contention in list(book.contentions.values()):
        if claimant in (contention.first, contention.second) and contention.record is not None:
            contention.record.say(f"{name(claimant)} {why} at {at_text(now)}")
    claimant.end("lapsed", now)
    for contention in list(book.contentions.values()):
        review(docket, book, contention, now)


def addresses_of(contention: Contention) -> list[str]:
    """The addresses that both claim."""
    both = set(contention.first.advert.addresses) & set(contention.second.advert.addresses)
    return [text(a) for a in sorted(both)]
