"""Beside our own speaker: tells its supervisor what the judge says of the virtual routers here.

Level, not edge: every episode that matters goes out when it changes, an open one again every few seconds, and a sign
of life with them. What is lost because the supervisor does not read is said again; nobody waits for anybody.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, Final

from vrrpcore.verdict import Episode, RouterVerdict
from vrrpwatch.run_speaker_aware import CONFIRMED, SUSPECTED

from .sensor import Board

#: Classes that concern who owns an address; the others are for metrics and alerts.
CONCERNING: Final = CONFIRMED | {SUSPECTED}
AGAIN: Final = 2.0  # seconds: open episodes and the sign of life are repeated
_WAIT: Final = 0.2  # seconds until it looks whether it is to end
_RECENT: Final = 10.0  # seconds for which an episode that is over is still told
_MOST_SENTENCES: Final = 4
_MOST_LETTERS: Final = 300  # of a sentence: a datagram stays small
_MOST_EPISODES: Final = 64  # of one judgement

Say = Callable[[str, Any], bool]


class Informer:
    """A thread that reads the board. `say(kind, value)` never waits; `places` gives a segment's interfaces here."""

    def __init__(self, board: Board, say: Say, places: Callable[[str], tuple[str, ...]]) -> None:
        self._board, self._say, self._places = board, say, places
        self._said: dict[str, tuple[object, float]] = {}  # by episode: what, and time.monotonic() when
        self._begun = self._alive = time.monotonic()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="informer", daemon=True)

    def start(self) -> None:
        """Begin, in a thread."""
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(5.0)

    def _run(self) -> None:
        sequence = 0
        while not self._stopping.is_set():
            snapshot = self._board.wait(sequence, _WAIT)
            if snapshot.sequence > sequence:
                sequence = snapshot.sequence
                self.tell(snapshot.judgement.routers, snapshot.time, time.monotonic())

    def tell(self, routers: tuple[RouterVerdict, ...], now: float, clock: float) -> None:
        """One judgement as of `now` (epoch seconds); `clock`: time.monotonic()."""
        wanted = [
            (router, episode)
            for router in routers
            for episode in router.episodes
            if (episode.cls in CONCERNING or episode.id in self._said)  # one that was revised must be known as such
            and (episode.end is None or now - episode.end < _RECENT)
        ]
        for router, episode in wanted[-_MOST_EPISODES:]:
            what = (episode.cls, episode.cause, episode.confidence, episode.end, episode.masters, episode.blamed)
            known = self._said.get(episode.id)
            if known is not None and known[0] == what and (episode.end is not None or clock - known[1] < AGAIN):
                continue
            if self._say("episode", message(router, episode, self._places(router.segment))):
                self._said[episode.id] = (what, clock)
        current = {episode.id for _, episode in wanted}
        self._said = {key: row for key, row in self._said.items() if key in current}
        if clock - self._alive >= AGAIN and self._say("watching", clock - self._begun):
            self._alive = clock


def message(router: RouterVerdict, episode: Episode, interfaces: tuple[str, ...]) -> dict[str, Any]:
    """An episode as the supervisor gets it: plain values."""
    return {
        "interfaces": list(interfaces),
        "family": router.family,
        "vrid": router.vrid,
        "vips": list(router.vips),
        "id": episode.id,
        "class": episode.cls,
        "cause": episode.cause or "",
        "confidence": episode.confidence,
        "since": episode.start,
        "end": episode.end,
        "masters": list(episode.masters[:8]),
        "blamed": list(episode.blamed[:8]),
        "evidence": [sentence[:_MOST_LETTERS] for sentence in episode.evidence[:_MOST_SENTENCES]],
        "remedy": episode.remedy[:_MOST_LETTERS],
    }
