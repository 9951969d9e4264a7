"""The bounded table of `source` label values of one virtual router: anyone on the wire can invent sources."""

from __future__ import annotations

from collections.abc import Sequence

from vrrpcore.verdict import MasterRow

OTHER = "other"


class SourceTable:
    """Decides which claimants of one virtual router get a series of their own; the rest are summed as `other`.

    A place once given is kept, so that a flood of invented sources cannot make series churn; it is handed on only when
    its holder has been silent for `patience` seconds and somebody who is live has none.
    """

    def __init__(self, places: int = 8, patience: float = 60.0) -> None:
        self._places = places
        self._patience = patience
        self._named: dict[str, float] = {}  # source -> last heard, epoch seconds
        self._unnamed: dict[str, int] = {}  # source -> adverts when last looked at
        self._other_adverts = 0
        self.overflowed = False  # whether `other` was ever needed: its counter then stays

    def divide(self, masters: Sequence[MasterRow]) -> tuple[Sequence[MasterRow], Sequence[MasterRow]]:
        """The rows with a label of their own, and those that are `other`."""
        named = self._named
        if len(masters) <= self._places and all(row.source in named for row in masters):
            return masters, ()
        newest = max((row.last for row in masters), default=0.0)
        named.update((row.source, row.last) for row in masters if row.source in named)
        for row in sorted(masters, key=lambda row: (row.claim != "live", row.first)):
            if row.source in named:
                continue
            if len(named) < self._places:
                named[row.source] = row.last
            elif row.claim == "live" and (idle := self._idlest(newest)) is not None:
                del named[idle]
                named[row.source] = row.last
        kept = tuple(row for row in masters if row.source in named)
        return kept, tuple(row for row in masters if row.source not in named)

    def _idlest(self, newest: float) -> str | None:
        source = min(self._named, key=self._named.__getitem__)
        return source if newest - self._named[source] > self._patience else None

    def other_adverts(self, rows: Sequence[MasterRow]) -> int:
        """Adverts of all that had no place, ever: a counter that never falls although sources come and go."""
        self.overflowed = True
        seen: dict[str, int] = {}
        for row in rows:
            self._other_adverts += max(row.adverts - self._unnamed.get(row.source, 0), 0)
            seen[row.source] = row.adverts
        self._unnamed = seen
        return self._other_adverts
