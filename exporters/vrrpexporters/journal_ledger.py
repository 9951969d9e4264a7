"""Continues after a restart what was so before: counters, episodes that were open, routers that were heard. Pure.

* Counters go on from where they were. Were they to begin at 0, Prometheus would see a reset, and that is fine; were
  they to come back at less than they had been, it would see an increase that never happened. So all or nothing: what
  is exposed is written down at once, and added here.
* An episode that was open goes on when the same is found soon after the start (it is not counted again), and otherwise
  ends at the moment at which it was last known to be so.
* A router that was heard in the last hours and is not heard now has no master: a restart in the middle of an outage
  must not end the alert about it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, TypeVar

from vrrpcore.verdict import RANK, Counters, Episode, Finding, Judgement, RouterVerdict, Worst

from .journal import StoredEpisode, StoredRouter
from .snapshot import RouterKey, key_of

GRACE: Final = 120.0  # seconds after the start in which an open episode may be found again
LISTEN_FIRST: Final = 15.0  # seconds before the silence of a router means anything
COMMIT_LAG: Final = 1.5  # seconds: an upper bound of how far the journal is behind during an episode
MEMORY: Final = 4 * 3600.0  # seconds for which a silent router is remembered
_SPLIT: Final = ("split_brain", "split_brain_suspected", "transient_dual_master")
_KEPT_EPISODES: Final = 16
_Cause = tuple[str, str]  # class and cause, as they are counted


@dataclass(slots=True)
class _Resumed:
    """An episode of the last run that goes on in this one."""

    before: Episode  # as the last run wrote it down
    shown: Episode | None = None  # as this run told it last,
    seen: float = 0.0  # and when
    recounted: tuple[_Cause, _Cause] | None = None  # ended: what the judge counted it as, and what it was

    def whole(self, episode: Episode, now: float) -> Episode:
        """The judge's episode with its beginning. What was confirmed once was a split, however its rest looks."""
        before = self.before
        confirmed = before.cls == "split_brain" and episode.cls in _SPLIT
        worse = before if confirmed or (episode.end is None and RANK[before.cls] <= RANK[episode.cls]) else episode
        self.seen = now
        self.shown = replace(
            episode,
            id=before.id,
            cls=worse.cls,
            cause=episode.cause if episode.cls == worse.cls else worse.cause,
            start=before.start,
            suspected=before.suspected if before.suspected is not None else episode.suspected,
            confirmed=before.confirmed if before.confirmed is not None else episode.confirmed,
            seconds=round((episode.end if episode.end is not None else now) - before.start, 6),
        )
        return self.shown


@dataclass(slots=True)
class _Book:
    """What is known of one router from before."""

    base: Counters = field(default_factory=Counters)
    last: Counters = field(default_factory=Counters)  # the judge's, when last seen
    shown: Counters = field(default_factory=Counters)  # as exposed: never less than before
    open: list[StoredEpisode] = field(default_factory=list)  # of the last run, not found again yet
    resumed: dict[str, _Resumed] = field(default_factory=dict)  # by the judge's id
    extra: list[Episode] = field(default_factory=list)  # ended or running ones that the judge knows nothing of
    heard: float = 0.0
    vips: tuple[str, ...] = ()


class Ledger:
    """Used by the capture loop alone."""

    def __init__(
        self,
        started: float,
        routers: Mapping[RouterKey, StoredRouter] | None = None,
        open_episodes: Iterable[StoredEpisode] = (),
    ) -> None:
        self._started = started
        self._books = {key: _Book(row.counters, heard=row.heard, vips=row.vips) for key, row in (routers or {}).items()}
        for row in open_episodes:
            book = self._books.setdefault(row.key, _Book())
            book.open.append(row)
            if row.episode.cls in _SPLIT:
                # It ran on between the last commit and the end: less than was exposed would look like a reset.
                book.base = replace(book.base, split_seconds=book.base.split_seconds + COMMIT_LAG)

    def continued(self, judgement: Judgement, hearing: bool = True) -> Judgement:
        """The judgement with the past added. `hearing`: the sensor receives frames of some kind."""
        now = judgement.end if judgement.end is not None else self._started
        routers = [self._router(row, now) for row in judgement.routers]
        known = {key_of(row) for row in routers}
        self._forgotten(known)
        routers += self._silent(known, now, hearing)
        if len(routers) == len(judgement.routers):
            return replace(judgement, routers=tuple(routers))
        worst = judgement.worst
        for row in routers[len(judgement.routers) :]:
            if RANK[row.worst.cls] < RANK[worst.cls]:
                worst = Worst(row.worst.cls, row.worst.cause, row.vrid, row.family, row.segment)
        return replace(judgement, routers=tuple(routers), worst=worst)

    def _router(self, row: RouterVerdict, now: float) -> RouterVerdict:
        book = self._books.get(key_of(row))
        if book is None:
            book = self._books[key_of(row)] = _Book()
        self._found_again(book, row)
        self._give_up(book, now)
        if row.live:
            self._is_there(book, min((m.first for m in row.masters), default=now))
        if _total(row.counters.transitions) < _total(book.last.transitions):
            book.base = _sum(book.base, book.last)  # forgotten and met again at once: what was counted is kept
        book.last = row.counters
        self._close_lost(book, row.episodes)
        episodes = tuple(self._as_begun(book, e, now) for e in row.episodes)
        whole = tuple(sorted((*book.extra, *episodes), key=lambda e: e.start))
        counters = book.shown = _shown(book.shown, _sum(book.base, row.counters))
        if counters == row.counters and not book.resumed and not book.extra:
            return row
        return replace(row, now=self._present(book, row), episodes=whole, counters=counters)

    @staticmethod
    def _is_there(book: _Book, when: float) -> None:
        """A router that was missing has a master: what was open about that ends."""
        gone = [stored for stored in book.open if stored.episode.cls == "no_master"]
        book.open = [stored for stored in book.open if stored not in gone]
        book.extra += [stored.episode for stored in gone]
        for index, episode in enumerate(book.extra):
            if episode.end is None:
                book.extra[index] = _ended(episode, when)
                _count(book, _cause(book.extra[index]))

    def _found_again(self, book: _Book, row: RouterVerdict) -> None:
        """Open episodes of the last run that this run found as well."""
        for stored in list(book.open):
            for episode in row.episodes:
                if episode.id not in book.resumed and _same(stored, episode):
                    book.resumed[episode.id] = _Resumed(stored.episode)
                    book.open.remove(stored)
                    if stored.episode.cls in _SPLIT and episode.cls in _SPLIT:
                        book.base = replace(book.base, split_episodes=book.base.split_episodes - 1)
                    break

    def _give_up(self, book: _Book, now: float) -> None:
        """Open episodes of the last run that were not found again in time ended when they were last known."""
        if book.open and now - self._started > GRACE:
            for stored in book.open:
                book.extra.append(_ended(stored.episode, stored.updated))
                _count(book, _cause(book.extra[-1]))
            book.open = []
        del book.extra[:-_KEPT_EPISODES]

    @staticmethod
    def _as_begun(book: _Book, episode: Episode, now: float) -> Episode:
        resumed = book.resumed.get(episode.id)
        if resumed is None:
            return episode
        whole = resumed.whole(episode, now)
        recounted = None if whole.end is None else (_cause(episode), _cause(whole))
        if recounted != resumed.recounted:  # it ended, or an end was taken back
            for (judged, told), sign in ((resumed.recounted or _SAME, -1), (recounted or _SAME, 1)):
                if judged != told:
                    _count(book, judged, -sign)
                    _count(book, told, sign)
            resumed.recounted = recounted
        return whole

    @staticmethod
    def _close_lost(book: _Book, episodes: Iterable[Episode], *, taken_back: bool = True) -> None:
        """A split that this run found again, and then took for an ordinary change when only its end was left.

        `taken_back`: the judge, too, counts it no more.
        """
        present = {episode.id for episode in episodes}
        for key in [key for key in book.resumed if key not in present]:
            resumed = book.resumed.pop(key)
            if resumed.shown is not None and resumed.shown.end is None:
                book.extra.append(_ended(resumed.shown, resumed.seen))
                _count(book, _cause(book.extra[-1]))
                if taken_back and resumed.before.cls in _SPLIT:
                    book.base = replace(book.base, split_episodes=book.base.split_episodes + 1)

    def _forgotten(self, known: set[RouterKey]) -> None:
        """What the judge had counted of a router that it speaks of no more is kept."""
        for key, book in self._books.items():
            if key not in known and (book.last != _NOTHING or book.resumed):
                self._close_lost(book, (), taken_back=False)
                book.base = _sum(book.base, replace(book.last, adverts={}, invalid={}))
                book.last = _NOTHING

    @staticmethod
    def _present(book: _Book, row: RouterVerdict) -> Finding:
        """What was confirmed before the restart is not suspected again but still so."""
        if row.now.cls == "split_brain_suspected":
            for episode in row.episodes:
                resumed = book.resumed.get(episode.id)
                if episode.end is None and resumed is not None and resumed.before.cls == "split_brain":
                    return Finding(resumed.before.cls, resumed.before.cause)
        return row.now

    def _silent(self, known: set[RouterKey], now: float, hearing: bool) -> list[RouterVerdict]:
        """Routers that were heard before the start and not since."""
        rows = []
        for key, book in self._books.items():
            if key in known or not (book.heard or book.open or book.extra):
                continue
            self._give_up(book, now)
            if now - book.heard < MEMORY or book.open:
                rows.append(self._unheard(key, book, now, hearing))
        return rows

    def _unheard(self, key: RouterKey, book: _Book, now: float, hearing: bool) -> RouterVerdict:
        finding = Finding("unknown")
        running = next((s.episode for s in book.open if s.episode.cls == "no_master"), None)
        if running is not None:  # it had none before the restart, and has none after
            book.open = [s for s in book.open if s.episode is not running]
            book.extra.append(running)
        if hearing and now - self._started > LISTEN_FIRST:
            if not book.extra or book.extra[-1].end is not None:
                book.extra.append(_no_master(key, book.heard or self._started, now))
            last = book.extra[-1]
            book.extra[-1] = replace(last, seconds=round(now - last.start, 6))
            finding = Finding("no_master", last.cause)
        counters = book.shown = _shown(book.shown, book.base)
        segment, family, vrid = key
        worst = min([finding, *(Finding(e.cls, e.cause) for e in book.extra)], key=lambda f: RANK[f.cls])
        return RouterVerdict(segment, family, vrid, book.vips, finding, worst, (), tuple(book.extra), 0, (), counters)


_NOTHING: Final = Counters()
_SAME: Final = (("", ""), ("", ""))
_Key = TypeVar("_Key")


def _same(stored: StoredEpisode, episode: Episode) -> bool:
    """Whether an episode of this run is one that was open at the end of the last."""
    before = stored.episode
    alike = before.cls == episode.cls or (before.cls in _SPLIT and episode.cls in _SPLIT)
    soon = episode.start - stored.updated < GRACE
    return (
        alike
        and soon
        and (set(before.masters) == set(episode.masters) or len({*before.masters} & {*episode.masters}) > 1)
    )


def _ended(episode: Episode, when: float) -> Episode:
    when = max(when, episode.start)
    return replace(episode, end=when, seconds=round(when - episode.start, 6))


def _cause(episode: Episode) -> _Cause:
    return episode.cls, episode.cause or "none"


def _count(book: _Book, cause: _Cause, number: int = 1) -> None:
    by_cause = {**book.base.episodes_by_cause, cause: book.base.episodes_by_cause.get(cause, 0) + number}
    book.base = replace(book.base, episodes_by_cause=by_cause)


def _no_master(key: RouterKey, since: float, now: float) -> Episode:
    silence = max(now - since, 0.0)
    return Episode(
        id=f"unheard-{'-'.join(map(str, key))}-{since:.3f}",
        cls="no_master",
        cause="master_lost",
        confidence="likely",
        candidates=(),
        start=since,
        suspected=None,
        confirmed=None,
        end=None,
        seconds=round(silence, 6),
        masters=(),
        blamed=(),
        evidence=("No advertisement was heard since the sensor started.",),
        remedy="See whether the routers run, and whether this sensor is still in their segment.",
    )


def _total(counts: Mapping[str, int]) -> int:
    return sum(counts.values())


def _shown(before: Counters, now: Counters) -> Counters:
    """Never less than before: the judge may take an episode back, and find out an end later than it was."""
    if before == _NOTHING == now:
        return now
    by_cause = dict(before.episodes_by_cause)
    for key, number in now.episodes_by_cause.items():
        if number > by_cause.get(key, 0):
            by_cause[key] = number
    return replace(
        now,
        split_episodes=max(now.split_episodes, before.split_episodes),
        split_seconds=max(now.split_seconds, before.split_seconds),
        episodes_by_cause=by_cause,
    )


def _sum(base: Counters, current: Counters) -> Counters:
    return Counters(
        adverts=current.adverts,
        transitions=_added(base.transitions, current.transitions),
        invalid=current.invalid,
        split_episodes=base.split_episodes + current.split_episodes,
        split_seconds=base.split_seconds + current.split_seconds,
        split_last_seen=max(base.split_last_seen, current.split_last_seen),
        episodes_by_cause=_added(base.episodes_by_cause, current.episodes_by_cause),
    )


def _added(first: Mapping[_Key, int], second: Mapping[_Key, int]) -> dict[_Key, int]:
    return {key: first.get(key, 0) + second.get(key, 0) for key in {**first, **second}}
