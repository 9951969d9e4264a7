"""The other short way: two claimants whose overlap is proved go on saying what they said before. Pure.

A split brain may last for days, and on a trunk with many of them its adverts must not cost more than their book
entries. While nothing but repetition happens, only the books of the two, the lock between them and the time of the
newest evidence change; whatever else comes takes the long way, with the same result.
"""

from __future__ import annotations

from math import inf

from ..frames import Frame
from ..tally import COPY_WINDOW, LAPSE_INTERVALS, Claimant
from .contention import Contention
from .docket import Book, Docket
from .masters import flap_window
from .quiet import constant, enter_ident, same_content, speak_many


def may_settle(docket: Docket, book: Book) -> Contention | None:
    """The contention that the short way may serve, or None; asked at each review."""
    contention = next(iter(book.contentions.values()))
    record = contention.record
    if contention.kind != "election" or record is None or record.confirmed is None or book.mutes:
        return None
    if book.open != [record] or len(book.router.components) != 1 or book.router.components[0].holder is None:
        return None
    both = (contention.first, contention.second)
    claims = book.claims()
    if len(claims) != 2 or any(c not in both or c.suppressed for c in claims):
        return None
    if contention.first.source == contention.second.source or not (contention.strike or contention.kinds):
        return None
    return contention if all(constant(docket, book, c) for c in both) else None


def goes_on(book: Book, frame: Frame, time: float, ident: int | None) -> bool:
    """Enter an advert that repeats one side of the settled contention, and say True; False leaves all as it was."""
    contention = book.settled
    assert contention is not None
    me, other = contention.first, contention.second
    if frame is not me.frame:
        if frame is other.frame or same_content(other, frame):
            me, other = other, me
        elif not same_content(me, frame):
            return False
    last = me.last
    record = contention.record
    if me.spoke < 2 or record is None or record.end is not None:
        return False
    if not COPY_WINDOW < time - last < LAPSE_INTERVALS * me.advert.interval:
        return False
    if time - other.last >= LAPSE_INTERVALS * other.advert.interval:
        return False
    if not enter_ident(me, time, ident):
        return False
    _enter(book, contention, me, other, time, ident)
    return True


def _enter(book: Book, contention: Contention, me: Claimant, other: Claimant, time: float, ident: int | None) -> None:
    me.previous, me.last = me.last, time
    me.count += 1
    me.spoke += 1
    row = me.macs[me.mac]
    row[0] += 1
    row[2] = time
    me.recent.append((time, ident, me.mac))
    me.versions[me.advert.version] = (me.advert, me.ip, time)
    me.outranked_at = me.outranked_by = None
    book.router.last = time
    upper = contention.top is me  # ranks are as they were when the contention was met the long way
    contention.turn(me, not upper, time)
    if not contention.kinds and upper:
        other.outranked_at, other.outranked_by = time, me
    record = contention.record
    if record is not None:
        record.last = time
        record.until = time if contention.rejecting else other.last
        book.split_last_seen = max(book.split_last_seen, time)


def go_on_many(book: Book, contention: Contention, events: list[float]) -> None:
    """`goes_on` for adverts of which each was found to repeat its side's last one, with the IP ID of that + 1.

    `events` are their times in their order, those of the inferior side negative.
    """
    x, y = contention.sides()
    contention.turns(x, y, events)
    above, below = [t for t in events if t > 0], [-t for t in events if t < 0]
    if above:
        speak_many(x, above)
        x.outranked_at = x.outranked_by = None
    if below:
        speak_many(y, below)
        y.outranked_at = y.outranked_by = None
    last, other = (x.last, y) if events[-1] > 0 else (y.last, x)
    if events[-1] > 0 and not contention.kinds:
        y.outranked_at, y.outranked_by = x.last, x
    book.router.last = last
    record = contention.record
    if record is not None:
        record.last = last
        record.until = last if contention.rejecting else other.last
        book.split_last_seen = max(book.split_last_seen, last)


def rearm(docket: Docket, book: Book, at: float) -> bool:
    """A deadline has come and both have spoken since: set the next one, say True; False where a review is due."""
    contention = book.settled
    assert contention is not None
    due = inf
    for claimant in (contention.first, contention.second):
        lapse = LAPSE_INTERVALS * claimant.advert.interval
        due = min(due, claimant.last + lapse)
        if due <= at or at - claimant.last >= lapse:
            return False
    component = book.router.components[0]
    if component.changes and component.changes[-1] + flap_window(component) >= at:
        return False
    book.due = due
    docket.arm(due, book)
    return True
