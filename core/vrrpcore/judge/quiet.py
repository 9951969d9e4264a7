"""The quiet path: the sole live claimant of an uncontested router says once more what it said before. Pure.

Most adverts of most networks are that, and nothing can follow from one: no claim begins or ends, nobody is outranked,
no deadline moves forward. So no more than the claimant's own book is brought up to date. Whatever is not plainly so
takes the long way, and the result is the same: `Adverts` offers a router to the quiet path (`Book.quiet`) only while
it has one claim, one component, one content and nothing open.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..frames import Frame
from ..tally import COPY_WINDOW, LAPSE_INTERVALS, RECENT, Claimant
from .clones import SAME_PACE
from .docket import Book, Docket
from .masters import flap_window


def constant(docket: Docket, book: Book, claimant: Claimant) -> bool:
    """Whether a claimant says the same to the same group, for addresses that no other router lists."""
    segment, claimants = book.router.segment, book.router.claimants
    return (
        len(claimant.versions) == 1
        and len(claimant.destinations) == 1
        and claimant.ip.ttl == 255  # any other is counted each time
        and (claimant.source, 1) not in claimants  # a clone: which of the two spoke?
        and not any(len(docket.listed.get((segment, address), ())) > 1 for address in claimant.advert.addresses)
    )


def repeats(book: Book, frame: Frame, time: float, ident: int | None) -> bool:
    """Enter an advert that is a mere repetition, and say True; False leaves everything as it was.

    `ident`: its IPv4 identification (None: IPv6). The caller has served all deadlines up to `time`.
    """
    sole = book.quiet
    if sole is None or (sole.frame is not frame and not same_content(sole, frame)):
        return False
    last = sole.last
    if not COPY_WINDOW < time - last < LAPSE_INTERVALS * sole.advert.interval:
        return False  # a copy, or a claim that lapsed
    if sole.spoke < 2 <= sole.count:
        return False  # the second advert after a return: that one may be a stall's
    if not enter_ident(sole, time, ident):
        return False
    sole.previous, sole.last = last, time
    sole.count += 1
    sole.spoke += 1
    mac = sole.mac
    row = sole.macs[mac]
    row[0] += 1
    row[2] = time
    sole.recent.append((time, ident, mac))
    advert = sole.advert
    sole.versions[advert.version] = (advert, sole.ip, time)
    book.router.last = time
    return True


def repeat_many(book: Book, sole: Claimant, times: list[float], holes: list[tuple[int, int]]) -> None:
    """`repeats` for adverts of which each was found a mere repetition, with the IP ID of the one before + 1.

    Exceptions are `holes`: (index, identification).
    """
    speak_many(sole, times, holes)
    book.router.last = sole.last


def speak_many(claimant: Claimant, times: list[float], holes: Sequence[tuple[int, int]] = ()) -> None:
    """Enter adverts that repeat the claimant's last one, `times` in their order, into its book."""
    number = len(times)
    claimant.previous = times[-2] if number > 1 else claimant.last
    claimant.last = times[-1]
    claimant.count += number
    claimant.spoke += number
    claimant.versions[claimant.advert.version] = (claimant.advert, claimant.ip, claimant.last)
    mac = claimant.mac
    row = claimant.macs[mac]
    row[0] += number
    row[2] = claimant.last
    if claimant.ident is None:
        claimant.recent.extend([(time, None, mac) for time in times[-RECENT:]])
        return
    begin, ident, lost = 0, claimant.ident, 0
    for end, resumed in (*holes, (number, 0)):
        if end > begin:
            claimant.step = 1
        first = max(begin, end - RECENT)
        claimant.recent.extend([(times[n], ident + 1 + n - begin & 0xFFFF, mac) for n in range(first, end)])
        ident = ident + end - begin & 0xFFFF
        if end < number:
            claimant.recent.append((times[end], resumed, mac))
            claimant.step = resumed - ident & 0xFFFF
            lost += claimant.step != 1
            begin, ident = end + 1, resumed
    claimant.ident = ident
    claimant.counted += number - lost
    claimant.uncounted += lost


def enter_ident(claimant: Claimant, time: float, ident: int | None) -> bool:
    """Enter the IP ID of an advert that repeats the last one; False, and nothing entered, where it may be a clone's.

    Lost adverts leave holes and must not cost more than others: a sensor that falls behind would never catch up.
    """
    known, own = claimant.ident, not claimant.ip.dont_fragment and claimant.ip.family == 4
    if not own and time - claimant.last < SAME_PACE * claimant.interval:
        return False  # out of turn: there may be two schedules
    if known is None or ident is None:
        claimant.ident = ident
        return True
    step = (ident - known) & 0xFFFF
    if step == 1 == claimant.step:
        claimant.counted += 1
    else:
        before = claimant.recent[-2][1] if len(claimant.recent) > 1 else ident
        if own and (before is None or (ident - before) & 0xFFFF == 1):
            return False  # it continues the last but one: there may be two counters
        if step == 1:
            claimant.counted += 1
        else:
            if claimant.own_counter and ident < known and step > 64:
                claimant.restarted = time
            claimant.uncounted += 1
    claimant.step = step
    claimant.ident = ident
    return True


def rearm(docket: Docket, book: Book, at: float) -> bool:
    """A deadline of a quiet router has come at `at`, and its claimant has spoken since: set the next one, say True.

    What a full review would find is known: nothing. False where it might find something.
    """
    sole = book.quiet
    assert sole is not None
    lapse = LAPSE_INTERVALS * sole.advert.interval
    due = sole.last + lapse
    if due <= at or at - sole.last >= lapse:
        return False
    component = book.router.components[0]
    if component.changes and component.changes[-1] + flap_window(component) >= at:
        return False
    book.due = due
    docket.arm(due, book)
    return True


def same_content(claimant: Claimant, frame: Frame) -> bool:
    """Whether an advert came as the claimant's last one did, but for the IP ID (a memo was emptied in between)."""
    known, new = claimant.frame, frame
    if known is None or known.ip is None or new.ip is None or known.body != new.body:
        return False
    a, b = known.ip, new.ip
    return (
        known.source_mac == new.source_mac
        and (a.source, a.destination, a.ttl, a.dont_fragment, a.tos)
        == (b.source, b.destination, b.ttl, b.dont_fragment, b.tos)
        and (a.ah is None) == (b.ah is None)
    )
