"""What survives a restart: routers with their counters, episodes, what was told of them, and what still must be told.

One SQLite file in WAL mode, safe against kill -9 and power loss (every commit is synced: there are a few a second at
most, and only while something happens). It is written by the scribe and the couriers, never by the capture loop. A file
that is damaged is set aside and a new one begun; a disk that fails or fills up costs memory of the past, not alerts.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final

from vrrpcore.errors import ConfigError, SourceError
from vrrpcore.verdict import Counters, Episode

from .snapshot import RouterKey

log = logging.getLogger(__name__)

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS routers (
    segment TEXT, family TEXT, vrid INTEGER, heard REAL, split_episodes INTEGER, split_seconds REAL,
    split_last_seen REAL, more TEXT, PRIMARY KEY (segment, family, vrid)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS episodes (
    id TEXT PRIMARY KEY, segment TEXT, family TEXT, vrid INTEGER, class TEXT, cause TEXT, start REAL, "end" REAL,
    updated REAL, body TEXT);
CREATE INDEX IF NOT EXISTS episodes_start ON episodes (start);
CREATE TABLE IF NOT EXISTS told (episode TEXT PRIMARY KEY, alertname TEXT, ended INTEGER, time REAL);
CREATE TABLE IF NOT EXISTS outbox (
    id INTEGER PRIMARY KEY AUTOINCREMENT, receiver TEXT, episode TEXT, alertname TEXT, ended INTEGER, body TEXT,
    created REAL, first_sent REAL);
CREATE INDEX IF NOT EXISTS outbox_receiver ON outbox (receiver, id);
PRAGMA user_version = 1;
"""
#: Above this many episodes the oldest go at once: whoever can make episodes must not fill the disk.
MOST_EPISODES: Final = 100_000


@dataclass(frozen=True, slots=True)
class StoredRouter:
    """One virtual router as it was when the daemon last wrote it down."""

    key: RouterKey
    heard: float  # epoch seconds of its last advert
    counters: Counters = field(default_factory=Counters)  # split_*, transitions and episodes_by_cause only
    vips: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StoredEpisode:
    """One episode, and when it was last known to be so."""

    key: RouterKey
    episode: Episode
    updated: float


@dataclass(frozen=True, slots=True)
class Told:
    """What was last told of an episode."""

    episode: str
    alertname: str
    ended: bool


@dataclass(frozen=True, slots=True)
class Letter:
    """Something that a receiver must be told. `body`: a Notice as JSON."""

    receiver: str
    episode: str
    alertname: str
    ended: bool
    body: str
    id: int = 0
    created: float = 0.0
    first_sent: float | None = None


@dataclass(slots=True)
class Entry:
    """What one commit writes, all or nothing."""

    routers: list[StoredRouter] = field(default_factory=list)
    episodes: list[StoredEpisode] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)
    letters: list[Letter] = field(default_factory=list)  # appended
    states: list[Letter] = field(default_factory=list)  # replace the unsent one of the same episode and alert

    def __bool__(self) -> bool:
        return any(getattr(self, f.name) for f in fields(self))


class Journal:
    """The file; safe to use from several threads. `path` None: memory only."""

    def __init__(self, path: Path | None, failed: Callable[[Exception], None] = lambda error: None) -> None:
        self.path = path
        self._failed = failed
        self._lock = threading.RLock()
        self._guard = -1
        if path is None:
            self._db = self._open(":memory:")
            return
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._guard = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
            fcntl.flock(self._guard, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._release()
            raise ConfigError(f"{path}: another vrrpwatch uses this journal; give each its own (--journal)") from None
        except OSError as error:
            self._release()
            raise ConfigError(f"{path}: the journal cannot be written: {error.strerror} (--journal)") from error
        self._db = self._open_or_begin_anew(path)

    def _release(self) -> None:
        if self._guard >= 0:
            os.close(self._guard)
            self._guard = -1

    def _open_or_begin_anew(self, path: Path) -> sqlite3.Connection:
        try:
            return self._open(str(path))
        except sqlite3.DatabaseError as error:
            aside = path.with_name(f"{path.name}.damaged-{int(time.time())}")
            log.error("%s: the journal is damaged (%s): set aside as %s, a new one begins", path, error, aside.name)
            self._failed(error)
        try:
            for suffix in ("", "-wal", "-shm"):
                damaged = Path(f"{path}{suffix}")
                if damaged.exists():
                    damaged.rename(f"{aside}{suffix}")
            return self._open(str(path))
        except (OSError, sqlite3.DatabaseError) as error:
            self._release()
            raise ConfigError(f"{path}: no journal can be kept here: {error} (--journal)") from error

    @staticmethod
    def _open(name: str) -> sqlite3.Connection:
        db = sqlite3.connect(name, timeout=5.0, isolation_level=None, check_same_thread=False)
        try:
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = FULL")
            if db.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
                raise sqlite3.DatabaseError("quick_check found damage")
            db.executescript(_SCHEMA)
        except sqlite3.DatabaseError:
            db.close()
            raise
        return db

    def close(self) -> None:
        """Finish writing and let go of the file."""
        with self._lock:
            self._db.close()
            self._release()

    @contextmanager
    def _commit(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    def _safely(self, action: Callable[[sqlite3.Connection], None]) -> None:
        """Write; on a disk that fails, go on in memory with what has still to be told."""
        try:
            with self._commit() as db:
                action(db)
        except sqlite3.Error as error:
            self._failed(error)
            self._retreat(error)
            with self._commit() as db:
                action(db)

    def _retreat(self, error: sqlite3.Error) -> None:
        with self._lock:
            log.error("%s: writing failed (%s): from now on the journal is kept in memory only", self.path, error)
            rescued: list[Letter] = []
            try:
                rescued = list(self._letters("SELECT * FROM outbox", ()))
            except sqlite3.Error:
                log.error("%s: what was still to be told cannot be read back", self.path)
            try:
                self._db.close()
            except sqlite3.Error:
                log.debug("closing failed as well")
            self._db = self._open(":memory:")
            for letter in rescued:
                self._insert(self._db, letter)

    # Writing

    def commit(self, entry: Entry, now: float) -> None:
        """Write down all of it, or nothing."""

        def write(db: sqlite3.Connection) -> None:
            db.executemany("INSERT OR REPLACE INTO routers VALUES (?,?,?,?,?,?,?,?)", map(_router_row, entry.routers))
            db.executemany(
                "INSERT OR REPLACE INTO episodes VALUES (?,?,?,?,?,?,?,?,?,?)", map(_episode_row, entry.episodes)
            )
            db.executemany(
                "INSERT OR REPLACE INTO told VALUES (?,?,?,?)",
                [(row.episode, row.alertname, row.ended, now) for row in entry.told],
            )
            for letter in entry.letters:
                self._insert(db, letter, now)
            for letter in entry.states:
                same = (letter.receiver, letter.episode, letter.alertname)
                done = db.execute(
                    "UPDATE outbox SET ended = ?, body = ? WHERE receiver = ? AND episode = ? AND alertname = ?",
                    (letter.ended, letter.body, *same),
                )
                if not done.rowcount:
                    self._insert(db, letter, now)

        self._safely(write)

    @staticmethod
    def _insert(db: sqlite3.Connection, letter: Letter, now: float | None = None) -> None:
        db.execute(
            "INSERT INTO outbox (receiver, episode, alertname, ended, body, created, first_sent)"
            " VALUES (?,?,?,?,?,?,?)",
            (
                letter.receiver,
                letter.episode,
                letter.alertname,
                letter.ended,
                letter.body,
                letter.created if now is None else now,
                letter.first_sent,
            ),
        )

    def sent(self, letters: Iterable[Letter], now: float, *, finished: bool) -> None:
        """They arrived: `finished` ones are forgotten, the others will be sent again."""
        rows = [(letter.id,) for letter in letters]

        def write(db: sqlite3.Connection) -> None:
            if finished:
                db.executemany("DELETE FROM outbox WHERE id = ?", rows)
            else:
                db.executemany(f"UPDATE outbox SET first_sent = coalesce(first_sent, {now!r}) WHERE id = ?", rows)  # noqa: S608 - a float

        self._safely(write)

    def prune(self, before: float, most: int = MOST_EPISODES) -> int:
        """Forget episodes that ended before `before` (epoch seconds) and the oldest beyond `most`; how many went."""
        gone = 0

        def write(db: sqlite3.Connection) -> None:
            nonlocal gone
            gone = db.execute('DELETE FROM episodes WHERE "end" < ?', (before,)).rowcount
            gone += db.execute(
                "DELETE FROM episodes WHERE id IN (SELECT id FROM episodes ORDER BY start DESC LIMIT -1 OFFSET ?)",
                (most,),
            ).rowcount
            db.execute("DELETE FROM told WHERE time < ? AND episode NOT IN (SELECT id FROM episodes)", (before,))
            db.execute("DELETE FROM routers WHERE heard < ? AND split_last_seen < ?", (before, before))

        self._safely(write)
        return gone

    def trim(self, receiver: str, most: int) -> int:
        """Keep the latest `most` letters to a receiver that takes none; how many went."""
        gone = 0

        def write(db: sqlite3.Connection) -> None:
            nonlocal gone
            gone = db.execute(
                "DELETE FROM outbox WHERE receiver = ? AND id NOT IN"
                " (SELECT id FROM outbox WHERE receiver = ? ORDER BY id DESC LIMIT ?)",
                (receiver, receiver, most),
            ).rowcount

        self._safely(write)
        return gone

    # Reading

    def _rows(self, query: str, parameters: tuple[Any, ...] = ()) -> list[Any]:
        with self._lock:
            return self._db.execute(query, parameters).fetchall()

    def routers(self) -> dict[RouterKey, StoredRouter]:
        """All that are remembered."""
        found = {}
        for segment, family, vrid, heard, episodes, seconds, seen, more in self._rows("SELECT * FROM routers"):
            extra = json.loads(more)
            by_cause = {(cls, cause): number for cls, cause, number in extra["by_cause"]}
            counters = Counters({}, extra["transitions"], {}, episodes, seconds, seen, by_cause)
            key = (segment, family, vrid)
            found[key] = StoredRouter(key, heard, counters, tuple(extra["vips"]))
        return found

    def open_episodes(self) -> list[StoredEpisode]:
        """Those that had not ended when the daemon did."""
        return list(map(_episode, self._rows('SELECT * FROM episodes WHERE "end" IS NULL ORDER BY start')))

    def episodes(self, since: float = 0.0, limit: int = 1000) -> list[StoredEpisode]:
        """The latest episodes that were so at `since` (epoch seconds) or later, oldest first."""
        rows = self._rows(
            'SELECT * FROM episodes WHERE coalesce("end", updated) >= ? ORDER BY start DESC LIMIT ?', (since, limit)
        )
        return list(map(_episode, reversed(rows)))

    def told(self) -> dict[str, Told]:
        """What was last told of each episode."""
        return {row[0]: Told(row[0], row[1], bool(row[2])) for row in self._rows("SELECT * FROM told")}

    def letters(self, receiver: str, limit: int = 500) -> list[Letter]:
        """What a receiver must still be told, in the order in which it happened."""
        with self._lock:
            return list(self._letters("SELECT * FROM outbox WHERE receiver = ? ORDER BY id LIMIT ?", (receiver, limit)))

    def _letters(self, query: str, parameters: tuple[Any, ...]) -> Iterator[Letter]:
        for number, receiver, episode, alertname, ended, body, created, sent in self._db.execute(query, parameters):
            yield Letter(receiver, episode, alertname, bool(ended), body, number, created, sent)

    def waiting(self) -> dict[str, int]:
        """Letters in the outbox by receiver."""
        return dict(self._rows("SELECT receiver, count(*) FROM outbox GROUP BY receiver"))

    def forget_receivers(self, known: Iterable[str]) -> int:
        """Drop letters to receivers that are no longer configured; how many."""
        names = list(known)
        gone = 0

        def write(db: sqlite3.Connection) -> None:
            nonlocal gone
            marks = ",".join("?" * len(names))
            gone = db.execute(f"DELETE FROM outbox WHERE receiver NOT IN ({marks})", names).rowcount  # noqa: S608 - marks

        self._safely(write)
        return gone


def read_episodes(path: Path, since: float = 0.0, limit: int = 1000) -> list[StoredEpisode]:
    """Past episodes from the journal of a daemon that may be running; SourceError where there is none to read."""
    try:
        db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=5.0)
        try:
            rows = db.execute(
                'SELECT * FROM episodes WHERE coalesce("end", updated) >= ? ORDER BY start DESC LIMIT ?', (since, limit)
            ).fetchall()
        finally:
            db.close()
    except sqlite3.Error as error:
        raise SourceError(f"{path}: no journal that can be read ({error}); name it with --journal") from error
    return list(map(_episode, reversed(rows)))


def _router_row(row: StoredRouter) -> tuple[Any, ...]:
    counters = row.counters
    more = {
        "transitions": dict(counters.transitions),
        "by_cause": [[cls, cause, number] for (cls, cause), number in counters.episodes_by_cause.items()],
        "vips": list(row.vips),
    }
    numbers = (counters.split_episodes, counters.split_seconds, counters.split_last_seen)
    return (*row.key, row.heard, *numbers, json.dumps(more))


def _episode_row(row: StoredEpisode) -> tuple[Any, ...]:
    episode = row.episode
    found = (episode.cls, episode.cause, episode.start, episode.end, row.updated)
    return (episode.id, *row.key, *found, json.dumps(episode.as_json(), ensure_ascii=True))


def _episode(row: tuple[Any, ...]) -> StoredEpisode:
    return StoredEpisode((row[1], row[2], row[3]), episode_from_json(json.loads(row[9])), row[8])


def episode_from_json(raw: Mapping[str, Any]) -> Episode:
    """The inverse of `Episode.as_json`."""
    values: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in raw.items()}
    values["cls"] = values.pop("class")
    return Episode(**values)
