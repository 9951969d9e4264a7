"""Writes down what the capture loop publishes: journal, outbox, textfile. In a thread of its own: disks may be slow."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

from vrrpcore.verdict import Counters, Episode, Judgement
from vrrpexporters import textfile
from vrrpexporters.journal import Entry, Journal, Letter, StoredEpisode, StoredRouter, Told
from vrrpexporters.notices import Notice, notices
from vrrpexporters.snapshot import RouterKey, Snapshot, key_of
from vrrpwatch.evidence import Evidence

from .sensor import Board

log = logging.getLogger(__name__)

LEAST_INTERVAL: Final = 0.5  # seconds between two commits
_OPEN_AGAIN: Final = 1.0  # seconds after which an open episode is written again: it is known to last until then
_HEARD_AGAIN: Final = 60.0
_GONE: Final = 60.0  # seconds
_SEVERITIES: Final = {"warning": 0, "critical": 1}


@dataclass(frozen=True, slots=True)
class Receiver:
    """What the scribe knows of a receiver. `state`: only the latest of each alert matters (Alertmanager)."""

    name: str
    state: bool
    minimum: str = "warning"
    resolved: bool = True

    def wants(self, notice: Notice) -> bool:
        """Whether it is bad enough."""
        return _SEVERITIES[notice.severity] >= _SEVERITIES[self.minimum]


class Scribe:
    """Keeps the journal up to date with the board."""

    def __init__(
        self,
        board: Board,
        journal: Journal,
        sensor: str,
        *,
        posted: Callable[[], None] = lambda: None,
        failed: Callable[[str, Exception], None] = lambda collector, error: None,
    ) -> None:
        self._board, self._journal, self._sensor = board, journal, sensor
        self.posted, self._failed = posted, failed
        self.receivers: Sequence[Receiver] = ()
        self.evidence = Evidence(None)
        self.runbooks = ""
        self.textfile: Path | None = None
        self.textfile_interval = 15.0
        self.render: Callable[[], bytes] = bytes
        self._told = journal.told()
        self._episodes: dict[str, tuple[Episode, float]] = {}  # as written, and when
        self._routers: dict[RouterKey, tuple[float, Counters]] = {}  # heard, counters as written
        self._firing: dict[str, tuple[Notice, float]] = {}  # and when they were last so
        self._textfile_due = 0.0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="scribe", daemon=True)

    def start(self) -> None:
        """Begin, in a thread."""
        self._thread.start()

    def stop(self) -> None:
        """Write down the last snapshot and end."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(10.0)

    def _run(self) -> None:
        sequence = 0
        while not self._stopping.is_set():
            snapshot = self._board.wait(sequence, 1.0)
            if snapshot.sequence > sequence:
                sequence = snapshot.sequence
                self._take(snapshot)
            self._write_textfile()
            self._stopping.wait(LEAST_INTERVAL)
        if self._board.latest().sequence:
            self._take(self._board.latest())

    def _take(self, snapshot: Snapshot) -> None:
        try:
            self.write(snapshot.judgement, snapshot.time)
        except Exception as error:  # noqa: BLE001 - the next snapshot is tried again, and the failure is counted
            self._failed("journal", error)
        try:
            self.evidence.collect(snapshot.judgement, snapshot.time)
        except OSError as error:
            self._failed("evidence", error)

    def write(self, judgement: Judgement, now: float) -> None:
        """Commit what has changed since the last call: all of it, or nothing and again the next time."""
        entry = Entry()
        written = self._changed_episodes(judgement, now, entry)
        routers = self._changed_routers(judgement, entry)
        told = self._notices(judgement, now, entry)
        if not entry:
            return
        self._journal.commit(entry, now)
        self._episodes.update(written)
        self._routers.update(routers)
        self._told.update(told)
        self._forget(judgement)
        if entry.letters or entry.states:
            self.posted()

    def _changed_episodes(self, judgement: Judgement, now: float, entry: Entry) -> dict[str, tuple[Episode, float]]:
        changed: dict[str, tuple[Episode, float]] = {}
        for router in judgement.routers:
            for episode in router.episodes:
                known = self._episodes.get(episode.id)
                if known is None or _differs(known[0], episode) or _lasts(episode, now - known[1]):
                    changed[episode.id] = (episode, now)
                    updated = episode.end if episode.end is not None else now
                    entry.episodes.append(StoredEpisode(key_of(router), episode, updated))
        return changed

    def _changed_routers(self, judgement: Judgement, entry: Entry) -> dict[RouterKey, tuple[float, Counters]]:
        changed: dict[RouterKey, tuple[float, Counters]] = {}
        for router in judgement.routers:
            known = self._routers.get(key_of(router))
            heard = max((row.last for row in router.masters), default=0.0)
            if not heard and known is None and not router.counters.split_episodes:
                continue  # expected and never heard: nothing to remember
            heard = max(heard, known[0] if known else 0.0)
            if known is None or heard - known[0] >= _HEARD_AGAIN or _counted(known[1], router.counters):
                if not heard:
                    continue  # carried over from the journal, and unchanged there
                changed[key_of(router)] = (heard, router.counters)
                entry.routers.append(StoredRouter(key_of(router), heard, router.counters, router.vips))
        return changed

    def _notices(self, judgement: Judgement, now: float, entry: Entry) -> dict[str, Told]:
        told: dict[str, Told] = {}
        current = {notice.episode: notice for notice in notices(judgement, now, self._sensor, self.runbooks)}
        for notice in (*current.values(), *self._vanished(judgement, now)):
            known = self._told.get(notice.episode)
            ended = notice.ended is not None
            if not ended:
                self._firing[notice.episode] = (notice, now)
            else:
                self._firing.pop(notice.episode, None)
            if known is not None and (known.alertname, known.ended) == (notice.alertname, ended):
                continue
            if known is not None and known.ended and known.alertname == notice.alertname:
                continue  # over is over
            told[notice.episode] = Told(notice.episode, notice.alertname, ended)
            entry.told.append(told[notice.episode])
            for receiver in self.receivers:
                self._post(receiver, notice, known, entry)
        return told

    def _vanished(self, judgement: Judgement, now: float) -> list[Notice]:
        """Notices that fire and whose episode nobody speaks of any more (its router was forgotten): they are over."""
        present = {e.id for r in judgement.routers for e in r.episodes}
        gone = [key for key, (_, when) in self._firing.items() if key not in present and now - when > _GONE]
        return [replace(notice, ended=when) for notice, when in map(self._firing.pop, gone)]

    def _post(self, receiver: Receiver, notice: Notice, known: Told | None, entry: Entry) -> None:
        """The letters of one change: another name of the alert ends the one before."""
        if not receiver.wants(notice):
            return
        into = entry.states if receiver.state else entry.letters
        if known is not None and known.alertname != notice.alertname and not known.ended:
            before = replace(notice, alertname=known.alertname, ended=notice.ended or time.time())
            if receiver.resolved:
                into.append(_letter(receiver, before))
        renamed = known is None or known.alertname != notice.alertname
        if renamed and notice.ended is not None and not receiver.state:
            into.append(
                _letter(receiver, replace(notice, ended=None))
            )  # over before it could be told: told all the same
        if notice.ended is None or receiver.resolved or receiver.state:
            into.append(_letter(receiver, notice))

    def _forget(self, judgement: Judgement) -> None:
        """Bound the memory: what the judge has forgotten need not be compared any more."""
        present = {e.id for r in judgement.routers for e in r.episodes}
        if len(self._episodes) > 2 * len(present) + 1000:
            self._episodes = {key: row for key, row in self._episodes.items() if key in present}
        if len(self._told) > 2 * len(present) + 10_000:
            self._told = {key: row for key, row in self._told.items() if key in present or not row.ended}
        keys = {key_of(r) for r in judgement.routers}
        self._routers = {key: row for key, row in self._routers.items() if key in keys}

    def _write_textfile(self) -> None:
        if self.textfile is None or time.monotonic() < self._textfile_due:
            return
        self._textfile_due = time.monotonic() + self.textfile_interval
        try:
            textfile.write(self.textfile, self.render())
        except OSError as error:
            log.error("%s: the textfile cannot be written: %s", self.textfile, error.strerror or error)
            self._failed("textfile", error)


def _letter(receiver: Receiver, notice: Notice) -> Letter:
    body = json.dumps(asdict(notice), ensure_ascii=True)
    return Letter(receiver.name, notice.episode, notice.alertname, notice.ended is not None, body)


def notice_of(letter: Letter) -> Notice:
    """What was put into a letter."""
    return Notice(**json.loads(letter.body))


def _differs(known: Episode, episode: Episode) -> bool:
    def facts(row: Episode) -> tuple[object, ...]:
        return (row.cls, row.cause, row.confidence, row.confirmed is None, row.end, row.masters, row.blamed)

    return facts(known) != facts(episode)


def _lasts(episode: Episode, age: float) -> bool:
    return episode.end is None and age >= _OPEN_AGAIN


def _counted(known: Counters, now: Counters) -> bool:
    def facts(row: Counters) -> tuple[object, ...]:
        return (row.split_episodes, row.split_seconds, row.split_last_seen, row.episodes_by_cause, row.transitions)

    return facts(known) != facts(now)
