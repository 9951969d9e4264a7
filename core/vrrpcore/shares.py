"""Several judges that share a wire by broadcast domain, made one again. Pure.

The judge treats domains (segments: an interface and its VLANs) independently of each other: routers, addresses, hosts
and episodes belong to one each. Judges that are given all frames of their own domains and no others therefore know
together what one would know, and `merged` puts it together: rows side by side, counts added, the worst of the worst.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from math import inf
from typing import Final, TypeAlias

from .judge import Judge
from .values import value
from .verdict import RANK, Judgement, RouterVerdict, SensorFacts

#: As `judge.docket.Record.order`: class, rank among handovers, unconfirmed, start; the least is the worst.
Order: TypeAlias = tuple[int, int, int, float]
_LAST: Final = (9, 1, inf)


@value
class Part:
    """What one of the judges says."""

    judgement: Judgement
    order: Order | None = None  # of the worst of all its episodes, also of those that are in no row any more


def part_of(judge: Judge, judgement: Judgement) -> Part:
    """The judge's present `judgement` with what `merged` needs beside it."""
    books = judge.docket.books.values()
    records = [record for book in books for record in book.episodes]
    records += [book.best_forgotten for book in books if book.best_forgotten is not None]
    records += [record for address in judge.owners.all_books() for record in address.records]
    return Part(judgement, min((record.order for record in records), default=None))


def merged(parts: Sequence[Part]) -> Judgement:
    """One judgement of them all, as one judge would give it; version and source are the first one's.

    Routers stand in the order in which they were first heard.
    """
    judgements = [part.judgement for part in parts]
    routers = sorted((row for judgement in judgements for row in judgement.routers), key=_first_heard)
    place = {(row.segment, row.family, row.vrid): at for at, row in enumerate(routers)}

    def badness(part: Part) -> tuple[Order, int]:
        worst = part.judgement.worst
        rank = RANK[worst.cls]
        order = part.order if part.order is not None and part.order[0] <= rank else (rank, *_LAST)
        return order, place.get((worst.segment or "", worst.family or "", worst.vrid or 0), len(place))

    return replace(
        judgements[0],
        start=min((each.start for each in judgements if each.start is not None), default=None),
        end=max((each.end for each in judgements if each.end is not None), default=None),
        worst=min(parts, key=badness).judgement.worst,
        routers=tuple(routers),
        addresses=tuple(row for judgement in judgements for row in judgement.addresses),
        sensor=facts(judgement.sensor for judgement in judgements),
    )


def _first_heard(row: RouterVerdict) -> float:
    return min((master.first for master in row.masters), default=inf)


def facts(every: Iterable[SensorFacts]) -> SensorFacts:
    """What they received together."""
    rows = list(every)
    malformed: Counter[str] = Counter()
    for row in rows:
        malformed.update(row.malformed)
    return SensorFacts(
        frames=sum(row.frames for row in rows),
        adverts=sum(row.adverts for row in rows),
        malformed=dict(malformed),
        dropped=sum(row.dropped for row in rows),
        carp=sum(row.carp for row in rows),
        evicted=sum(row.evicted for row in rows),
        notes=tuple(dict.fromkeys(note for row in rows for note in row.notes)),
    )
