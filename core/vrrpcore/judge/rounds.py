"""Rounds of questions for one address: who answered, and how many hosts that were. Pure.

A round is all broadcast requests for one address by one asker within 200 ms; it closes 100 ms after the last of them.
Its owners are the distinct MACs that answered, one MAC counting k times when k answers came to one request within
10 ms: two masters behind one virtual MAC are two hosts.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from .docket import Record

ROUND: Final = 0.200  # seconds: requests that belong together
CLOSE: Final = 0.100  # seconds after the last request
EARLY: Final = 0.002  # seconds by which an answer may be stamped before its request
CLUSTER: Final = 0.010  # seconds: answers this close to a request count each
PROOF: Final = 0.95  # seconds between two rounds that prove two owners


@dataclass(slots=True, eq=False)
class Round:
    """One asker's questions for one address and the answers to it; times in epoch seconds."""

    book: AddressBook
    asker: bytes
    requests: list[float]
    answers: list[tuple[float, bytes]] = field(default_factory=list)

    @property
    def start(self) -> float:
        return self.requests[0]

    @property
    def due(self) -> float:
        return self.requests[-1] + CLOSE

    def owners(self) -> dict[bytes, int]:
        """MAC -> number of hosts behind it."""
        clusters: list[list[float]] = []
        for at in self.requests:
            if clusters and at - clusters[-1][-1] <= CLUSTER:
                clusters[-1].append(at)
            else:
                clusters.append([at])
        counts: dict[tuple[int, bytes], int] = {}
        found: dict[bytes, int] = {}
        for at, mac in self.answers:
            found.setdefault(mac, 1)
            index = max((i for i, c in enumerate(clusters) if c[0] - EARLY <= at), default=0)
            if at <= clusters[index][-1] + CLUSTER:
                counts[(index, mac)] = counts.get((index, mac), 0) + 1
        for (index, mac), count in counts.items():
            hosts = -(-count // len(clusters[index]))
            found[mac] = max(found[mac], hosts)
        return found


@dataclass(slots=True, eq=False)
class AddressBook:
    """What ARP and ND showed of one address on one segment."""

    segment: str
    address: bytes
    rounds: dict[bytes, Round] = field(default_factory=dict)  # open, by asker
    orphans: list[tuple[float, bytes, bytes]] = field(default_factory=list)  # answers without a request yet
    closed: int = 0
    unanswered: int = 0  # closed rounds in a row without an answer
    owners: dict[bytes, int] = field(default_factory=dict)  # of the last answered round
    widest: dict[bytes, int] = field(default_factory=dict)  # of the round with the most hosts
    first_double: float | None = None  # start of the first of the rounds with two owners
    last_double: float = 0.0
    singles: int = 0  # single-owner rounds in a row
    sole: deque[bytes] = field(default_factory=lambda: deque(maxlen=8))  # MACs that once owned it alone
    announcements: deque[tuple[float, bytes]] = field(default_factory=lambda: deque(maxlen=64))
    announcers: dict[bytes, float] = field(default_factory=dict)
    record: Record | None = None  # the open episode of this address
    records: deque[Record] = field(default_factory=lambda: deque(maxlen=16))
    asked: float = 0.0  # last probe that was asked for
    last_round: float = 0.0

    def burst(self, mac: bytes, since: float) -> bool:
        """Whether a MAC sent three announcements within 20 ms after `since`: a daemon became (or is) master."""
        times = [t for t, m in self.announcements if m == mac and t >= since]
        return any(c - a <= 0.020 for a, c in zip(times, times[2:], strict=False))

    def announced(self, mac: bytes, since: float) -> bool:
        """Whether a MAC announced the address at all since a time."""
        return any(m == mac and t >= since for t, m in self.announcements)

    def ask(self, now: float, asker: bytes) -> Round | None:
        """A broadcast request; returns a round that has just begun (and must be armed), or None."""
        current = self.rounds.get(asker)
        if current is not None and now - current.start <= ROUND and now <= current.due:
            if len(current.requests) < 64:
                current.requests.append(now)
            return None
        if current is None and len(self.rounds) >= 16:
            return None  # more askers at once than anyone needs
        fresh = Round(self, asker, [now])
        fresh.answers = [(t, mac) for t, mac, to in self.orphans if to == asker and now - t <= EARLY]
        self.orphans.clear()
        self.rounds[asker] = fresh
        return fresh

    def answer(self, now: float, asker: bytes, mac: bytes) -> None:
        """An answer to an asker."""
        current = self.rounds.get(asker)
        if current is not None and now <= current.due:
            if len(current.answers) < 64:
                current.answers.append((now, mac))
        else:
            self.orphans = [(now, mac, asker), *self.orphans[:7]]
