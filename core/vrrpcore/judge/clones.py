"""One source address, two speakers: interleaving MACs or interleaving IP-ID sequences. Pure.

A single change of MAC is a bond failover or a toggled VMAC and means nothing; m1 m2 m1 m2 at twice the rate are two
hosts (a cloned machine). With one MAC (FRR's virtual one) two counters that interleave tell the same.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Final

from ..tally import COPY_WINDOW, Claimant
from .docket import Book, Docket

SAME_PACE: Final = 0.97  # of an interval: less between two adverts is out of turn


def split_clone(docket: Docket, book: Book, claimant: Claimant, now: float) -> Claimant | None:
    """Split a claimant in two when its last adverts interleave; returns the newly found twin, else None."""
    if claimant.tag or (claimant.source, 1) in book.router.claimants or len(claimant.recent) < 4:
        return None
    recent = list(claimant.recent)
    if _paced(recent[-4:], claimant.interval):
        m1, m2, m3, m4 = (mac for _, _, mac in recent[-4:])
        if m1 == m3 and m2 == m4 and m1 != m2:
            return _split(docket, book, claimant, now, by_mac=True)
    if claimant.ip.dont_fragment or claimant.ip.family != 4:
        alone = len(book.claims()) == 1 and len(claimant.versions) == 1
        if alone and len(recent) >= 6 and _twice_the_rate(recent[-6:], claimant.interval):
            return _split(docket, book, claimant, now, by_mac=False)
        return None
    for count in (4, 6):
        last = recent[-count:]
        if len(last) == count and _paced(last, claimant.interval) and _two_counters(last):
            return _split(docket, book, claimant, now, by_mac=False)
    return None


def _paced(adverts: list[tuple[float, int | None, bytes]], interval: float) -> bool:
    """Whether every second advert keeps the interval: two speakers at their own rate, not one that bursts."""
    times = [t for t, _, _ in adverts]
    return all(0.5 * interval < b - a < 1.5 * interval for a, b in zip(times, times[2:], strict=False))


def _twice_the_rate(adverts: list[tuple[float, int | None, bytes]], interval: float) -> bool:
    """Whether two exact schedules interleave where neither MAC nor IP ID tells the two apart.

    Not when anyone else speaks (answers to a rival come out of turn), nor for a master of two versions.
    """
    times = [t for t, _, _ in adverts]
    own_pace = all(abs(b - a - interval) < 0.1 * interval for a, b in zip(times, times[2:], strict=False))
    return own_pace and all(COPY_WINDOW < b - a < SAME_PACE * interval for a, b in pairwise(times))


def _two_counters(adverts: list[tuple[float, int | None, bytes]]) -> bool:
    """Whether every second advert continues one counter by 1; four are enough where the two are far apart or equal.

    Adverts swapped on the way (1 3 2 4) look alike, but not six in a row.
    """
    idents = [i for _, i, _ in adverts if i is not None]
    if len(idents) < len(adverts):
        return False
    apart = (idents[1] - idents[0]) & 0xFFFF
    if len(adverts) < 6 and apart and not 64 < apart < 0x10000 - 64:
        return False
    return all((b - a) & 0xFFFF == 1 for a, b in zip(idents, idents[2:], strict=False))


def _split(docket: Docket, book: Book, claimant: Claimant, now: float, by_mac: bool) -> Claimant:
    recent = list(claimant.recent)
    theirs = [r for k, r in enumerate(reversed(recent)) if (r[2] == recent[-1][2] if by_mac else k % 2 == 0)][::-1]
    if not by_mac:
        theirs = theirs[-2:]
    mine = [r for r in recent if r not in theirs]
    twin = Claimant(claimant.source, recent[-1][2], claimant.advert, claimant.ip, theirs[0][0], tag=1)
    twin.frame = claimant.frame
    twin.versions = dict(claimant.versions)
    twin.destinations = dict(claimant.destinations)
    twin.count, twin.last, twin.ident = len(theirs), theirs[-1][0], theirs[-1][1]
    twin.previous = theirs[-2][0] if len(theirs) > 1 else 0.0
    if by_mac:
        count, first, last = claimant.macs.pop(twin.mac)
        twin.count, twin.first, twin.last = int(count), first, last
        twin.macs = {twin.mac: [count, first, last]}
    else:
        twin.macs = {twin.mac: [len(theirs), twin.first, twin.last]}
    twin.recent.extend(theirs)
    # What is left is the one that was here first: its own last advert, its own counter.
    claimant.count -= twin.count
    claimant.mac = mine[-1][2]
    claimant.last, claimant.ident = mine[-1][0], mine[-1][1]
    claimant.previous = mine[-2][0] if len(mine) > 1 else 0.0
    claimant.recent.clear()
    claimant.recent.extend(mine)
    docket.tally.add(book.router, twin)
    # Its claim began with its first advert; the judge sees it begin now.
    claimant.since = claimant.since or mine[0][0]
    twin.since = twin.last_claim = theirs[0][0]
    twin.spoke = len(theirs) - 1
    return twin
