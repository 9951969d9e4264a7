"""One source address, two speakers: interleaving MACs or interleaving IP-ID sequences. Pure.

A single change of MAC is a bond failover or a toggled VMAC and means nothing; m1 m2 m1 m2 at twice the rate are two
hosts (a cloned machine). With one MAC (FRR's virtual one) two counters that interleave tell the same.
"""

from __future__ import annotations

from ..tally import Claimant
from .docket import Book, Docket


def split_clone(docket: Docket, book: Book, claimant: Claimant, now: float) -> Claimant | None:
    """Split a claimant in two when its last four adverts interleave; returns the newly found twin, else None."""
    if claimant.tag or (claimant.source, 1) in book.router.claimants or len(claimant.recent) < 4:
        return None
    (t1, i1, m1), (_, i2, m2), (_, i3, m3), (t4, i4, m4) = list(claimant.recent)[-4:]
    if t4 - t1 > 2.5 * claimant.interval:  # each of the two keeps its own rate: four adverts in two turns
        return None
    by_mac = m1 == m3 and m2 == m4 and m1 != m2
    by_ident = False
    if not by_mac and None not in (i1, i2, i3, i4) and not claimant.ip.dont_fragment and claimant.ip.family == 4:
        assert i1 is not None and i2 is not None and i3 is not None and i4 is not None
        by_ident = (i3 - i1) & 0xFFFF == 1 and (i4 - i2) & 0xFFFF == 1 and abs(i2 - i1) > 1
    if not (by_mac or by_ident):
        return None
    return _split(docket, book, claimant, now, by_mac)


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
