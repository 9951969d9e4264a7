"""What must exist, over time: the judge compares one moment; here its findings get a beginning and an end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from vrrpcore.judge.expectations import Expected, hold
from vrrpcore.verdict import Episode, Judgement, RouterVerdict
from vrrpexporters.snapshot import RouterKey, key_of

LISTEN_FIRST: Final = 15.0  # seconds before silence means anything
_SHOWN: Final = 300.0  # seconds for which an ended finding is still shown
_MARK: Final = "expected-"


@dataclass(slots=True)
class _Standing:
    episode: Episode  # as it began
    seen: float


class Expectations:
    """Holds judgement after judgement against what must exist."""

    def __init__(self, expected: Sequence[Expected], started: float) -> None:
        self.expected = tuple(expected)
        self._started = started
        self._open: dict[tuple[RouterKey, str], _Standing] = {}
        self._over: list[tuple[RouterKey, Episode]] = []

    def hold(self, judgement: Judgement, hearing: bool) -> Judgement:
        """The judgement with every mismatch, each since it was first found."""
        if not self.expected and not self._open and not self._over:
            return judgement
        now = judgement.end if judgement.end is not None else self._started
        held = hold(judgement, self.expected, hearing=hearing and now - self._started > LISTEN_FIRST)
        found: set[tuple[RouterKey, str]] = set()
        rows = [self._dated(row, now, found) for row in held.routers]
        self._close(found)
        self._over = [(key, e) for key, e in self._over if e.end is not None and now - e.end < _SHOWN]
        rows = [self._with_past(row) for row in rows]
        return replace(held, routers=tuple(rows))

    def _dated(self, row: RouterVerdict, now: float, found: set[tuple[RouterKey, str]]) -> RouterVerdict:
        if not any(episode.id.startswith(_MARK) for episode in row.episodes):
            return row
        key = key_of(row)
        episodes: list[Episode] = []
        for episode in row.episodes:
            if not episode.id.startswith(_MARK):
                episodes.append(episode)
                continue
            mark = (key, episode.id)
            found.add(mark)
            standing = self._open.get(mark)
            if standing is None:
                name = f"{episode.id}-{row.segment}-{now:.3f}"
                begun = replace(episode, id=name, start=now, confirmed=now, seconds=0.0)
                standing = self._open[mark] = _Standing(begun, now)
            standing.seen = now
            episodes.append(replace(standing.episode, seconds=round(now - standing.episode.start, 6)))
        return replace(row, episodes=tuple(episodes))

    def _close(self, found: set[tuple[RouterKey, str]]) -> None:
        for mark in [mark for mark in self._open if mark not in found]:
            standing = self._open.pop(mark)
            begun = standing.episode
            ended = replace(begun, end=standing.seen, seconds=round(standing.seen - begun.start, 6))
            self._over.append((mark[0], ended))

    def _with_past(self, row: RouterVerdict) -> RouterVerdict:
        # One that was missed on any segment ("") has come back on this one.
        ours = (key_of(row), ("", row.family, row.vrid))
        past = tuple(episode for key, episode in self._over if key in ours)
        return replace(row, episodes=(*past, *row.episodes)) if past else row
