"""Two claimants of one address: the strikes that prove it, and who of them hears whom. Pure.

A correct router that is outranked stops at once. So an advert of y later than δ after an advert of a live superior x is
a *strike*: y did not accept x. Two different adverts of x ignored prove the split; where a field differs that every
receiver must reject, one advert of the first after the second began proves it.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from math import inf
from typing import Final

from ..tally import Claimant, delta, superior
from .docket import Record

ANSWER_LIMIT: Final = 0.005  # seconds: an answer to a lower advert takes 0.01–4.2 ms (measured)
LATE_LIMIT: Final = 0.2  # seconds within which a host under load reacts
SKIP: Final = 1.8  # a gap of more than this many intervals skips a turn


@dataclass(slots=True)
class Lock:
    """Counts of the phase between x (superior) and y: the patterns R, S and C."""

    y_adverts: int = 0
    answered: int = 0
    heard_from: int = 0  # the number of y's advert that x was first seen to hear: 0 = none
    late: int = 0  # turns in which x reacted, but as a host under load does: within a quarter of its interval
    late_last: int = 0  # the newest such
    heard_last: int = 0  # the newest in time
    heard: int = 0  # how many of them
    inside: int = 0  # adverts of x between 5 ms and adv − tol after one of y
    x_adverts: int = 0
    skipped: bool = False  # one of them left out turns without losing an IP ID
    last_y: float = 0.0
    open_turn: bool = False  # the last advert of y is not answered yet
    third: bool = False  # a third speaker was heard since y's last advert

    @property
    def reacts(self) -> bool:
        """x reacts to most adverts of y, if late: it announces after them, or speaks far before its turn."""
        return self.late >= 2 and self.late * 2 >= self.y_adverts

    @property
    def pattern(self) -> str:
        """R: x hears y and answers. S: they hear and reject each other. C: neither shows."""
        # Adverts in phase look like answers. x hears y where it announced, or spoke before its turn: at y's first
        # adverts or at many of them. Once in between is its own second burst, once at the end the healed path.
        early = 0 < self.heard_from <= 2 or self.heard >= 3
        if early and self.answered * 2 >= self.y_adverts:
            return "R"
        if self.reacts:
            return "R"
        if self.skipped and self.inside == 0:
            return "S"
        return "C"


@dataclass(slots=True, eq=False)
class Contention:
    """An overlap of two claims for one address (or, `collision`, for one VRID)."""

    first: Claimant  # whose claim stood
    second: Claimant  # whose claim began while it did
    began: float  # the second's first advert
    kind: str  # "election", "vrid" (one address under two VRIDs), "collision" (disjoint lists)
    record: Record | None = None  # None while nothing is suspected
    strike: float | None = None
    kinds: tuple[str, ...] = ()  # must-reject fields that differ
    lists: bool = False  # address lists intersect but differ
    sealed: bool = False  # both AH: keys cannot be compared
    lock: Lock = field(default_factory=Lock)
    top: Claimant | None = None  # x of the lock
    ignored: deque[float] = field(default_factory=lambda: deque(maxlen=8))  # times of x's adverts, newest last
    first_spoke_again: bool = False  # the first was heard after the second began
    answered_before: bool = False  # x answered a lower advert in this contention

    @property
    def rejecting(self) -> bool:
        """They refuse each other's adverts: silence of one is no yielding."""
        if self.kinds or self.kind != "election":
            return True
        proved = self.record is not None and self.record.confirmed is not None
        return (self.lists or self.sealed) and proved and self.lock.inside == 0 and self.lock.pattern != "R"

    @property
    def maybe_rejecting(self) -> bool:
        """Lists differ, or keys cannot be compared: they may refuse each other, and may not."""
        return (self.lists or self.sealed) and self.record is not None and self.lock.pattern != "R"

    def sides(self) -> tuple[Claimant, Claimant]:
        """(x, y): the superior one and the other."""
        if superior(self.first, self.second):
            return self.first, self.second  # also when both are: first come
        return self.second, self.first

    def other(self, claimant: Claimant) -> Claimant:
        return self.second if claimant is self.first else self.first

    def heard(self, claimant: Claimant, now: float) -> None:
        """Count an advert of one of the two for the lock; its book (last, previous, step) is already up to date."""
        x, y = self.sides()
        if self.top is not x:
            self.top = x
            self.lock = Lock()
            self.ignored.clear()
        self.turn(claimant, claimant is y and claimant is not x, now)

    def turn(self, claimant: Claimant, lower: bool, now: float) -> None:
        """`heard` where the ranks cannot have changed since; `lower`: it is y's advert."""
        lock = self.lock
        if lower:
            lock.y_adverts += 1
            lock.last_y = now
            lock.open_turn = True
            lock.third = False
        else:
            self.ignored.append(now)
            lock.x_adverts += 1
            self._x_spoke(claimant, now)
        gap = claimant.last - claimant.previous if claimant.previous > self.began else 0.0
        if gap > SKIP * claimant.interval and claimant.step == 1 and not lock.third:
            lock.skipped = True

    def turns(self, x: Claimant, y: Claimant, events: list[float]) -> None:
        """`turn` for many adverts at once, before they are in the books: times, y's negative; each IP ID follows."""
        lock, began = self.lock, self.began
        tolerance = 0.004 + 0.004 * x.interval
        early, full, quarter = 0.75 * x.interval, x.interval - tolerance, min(LATE_LIMIT, x.interval / 4)
        answer = min(ANSWER_LIMIT, x.interval / 8)
        x_skip = SKIP * x.interval if x.ident is not None else inf
        y_skip = SKIP * y.interval if y.ident is not None else inf
        x_last, y_last = x.last, y.last
        for event in events:
            if event < 0:
                now = -event
                lock.y_adverts += 1
                lock.last_y = now
                lock.open_turn = True
                lock.third = False
                if now - y_last > y_skip and y_last > began:
                    lock.skipped = True
                y_last = now
                continue
            gap, after = event - x_last, event - lock.last_y
            if lock.last_y:
                if x_last and gap < early and 0 <= after <= quarter and lock.late_last != lock.y_adverts:
                    lock.late_last = lock.y_adverts
                    lock.late += 1
                if lock.open_turn and after <= answer:
                    lock.answered += 1
                    lock.open_turn = False
                    if x_last and gap < full:
                        self._heard_y()
                        self.answered_before = True
                if ANSWER_LIMIT < after < full and not lock.third:
                    lock.inside += 1
            if gap > x_skip and x_last > began and not lock.third:
                lock.skipped = True
            x_last = event
        above = [t for t in events if t > 0]
        lock.x_adverts += len(above)
        self.ignored.extend(above)

    def _x_spoke(self, x: Claimant, now: float) -> None:
        lock = self.lock
        if not lock.last_y:
            return
        tolerance = 0.004 + 0.004 * x.interval
        after = now - lock.last_y
        if x.previous and now - x.previous < 0.75 * x.interval:
            self._reacted(after, x.interval)
        if lock.open_turn and after <= min(ANSWER_LIMIT, x.interval / 8):
            lock.answered += 1
            lock.open_turn = False
            if x.previous and now - x.previous < x.interval - tolerance:
                self._heard_y()
                self.answered_before = True
        if ANSWER_LIMIT < after < x.interval - tolerance and not lock.third:
            lock.inside += 1

    def announced(self, now: float) -> None:
        """x announced an address."""
        lock = self.lock
        if self.top is None or not lock.last_y:
            return
        self._reacted(now - lock.last_y, self.top.interval)
        if lock.open_turn and now - lock.last_y <= min(ANSWER_LIMIT, self.top.interval / 8):
            lock.answered += 1
            lock.open_turn = False
            self._heard_y()
        elif 0 <= now - lock.last_y <= min(ANSWER_LIMIT, self.top.interval / 8):
            self._heard_y()

    def _reacted(self, after: float, interval: float) -> None:
        lock = self.lock
        if 0 <= after <= min(LATE_LIMIT, interval / 4) and lock.late_last != lock.y_adverts:
            lock.late_last = lock.y_adverts
            lock.late += 1

    def _heard_y(self) -> None:
        lock = self.lock
        lock.heard_from = lock.heard_from or lock.y_adverts
        if lock.heard_last != lock.y_adverts:
            lock.heard_last = lock.y_adverts
            lock.heard += 1

    def proves(self, now: float) -> bool:
        """Whether y's advert at `now` is strike 2: it has ignored two different adverts of x."""
        if self.strike is None or self.top is None:
            return False
        limit = delta(self.top.interval)
        return any(self.strike - limit < at <= now - limit for at in self.ignored)
