"""What the judge has before it: episodes, contentions, books of routers and addresses, and the clock. Pure."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Final

from ..errors import INVALID_REASONS
from ..tally import Caps, Claimant, Component, Router, RouterKey, Tally
from ..verdict import RANK

if TYPE_CHECKING:
    from .contention import Contention

SPLIT_CLASSES: Final = frozenset(("split_brain", "split_brain_suspected", "transient_dual_master"))
#: Handovers rank among themselves, worst first.
HANDOVER_RANK: Final = {"master_lost": 0, "resigned": 1, "priority_changed": 2, "preempted": 3}

_LAST: Final = 1 << 62  # more routers than can be heard

AddressKey = tuple[str, bytes]  # segment, packed address


@dataclass(slots=True, eq=False)
class Record:
    """One episode while it may still be revised; times in epoch seconds."""

    kind: str  # what keeps it: contention, owners, mute, no_master, flapping, misconfig, handover, flood
    cls: str
    cause: str | None
    start: float
    confidence: str = "proved"
    candidates: tuple[str, ...] = ()
    suspected: float | None = None
    confirmed: float | None = None
    end: float | None = None
    last: float = 0.0  # the newest evidence
    until: float = 0.0  # the overlap certainly lasted so long: what counters may count
    masters: list[str] = field(default_factory=list)
    blamed: list[str] = field(default_factory=list)
    evidence: list[str] = field(default_factory=list)
    facts: dict[str, str] = field(default_factory=dict)  # what a remedy needs: vip, group, interface-free
    segment: str = ""
    family: int = 4
    vrid: int = 0
    counted: bool = False  # in split_episodes
    ended_as: tuple[str, str] | None = None  # how it was counted at its end
    addresses: frozenset[bytes] = frozenset()  # those with two owners

    @property
    def id(self) -> str:
        """Stable across replays: of where, what and when."""
        from hashlib import blake2s  # loads OpenSSL, for which no start should wait

        text = f"{self.segment}|{self.family}|{self.vrid}|{self.kind}|{self.start:.6f}"
        return blake2s(text.encode(), digest_size=6).hexdigest()

    @property
    def order(self) -> tuple[int, int, int, float]:
        """Sorts the worst first: class, handovers among themselves, confirmed before not, then the earliest."""
        sub = HANDOVER_RANK.get(self.cause or "", 9) if self.cls == "handover" else 0
        return (RANK[self.cls], sub, self.confirmed is None, self.start)

    def seconds(self, now: float) -> float:
        """How long it lasted, or has lasted so far."""
        return max(0.0, (self.end if self.end is not None else max(self.last, now)) - self.start)

    def say(self, sentence: str) -> None:
        """Add a sentence of evidence once; at most twelve."""
        if sentence not in self.evidence and len(self.evidence) < 12:
            self.evidence.append(sentence)


@dataclass(slots=True, eq=False)
class Mute:
    """A host that announces a claimed address while another advertises it: lock G (judging.md §3)."""

    mac: bytes
    address: bytes
    claimant: Claimant  # the one whose adverts are heard
    first: float
    began: int  # the claimant's adverts when this began
    last: float = 0.0
    pending: float | None = None  # an announcement that waits for the claimant to speak on
    strikes: int = 0
    answers: int = 0  # adverts of the claimant that were answered within 5 ms
    answered_at: float = 0.0
    record: Record | None = None


@dataclass(slots=True, eq=False)
class Book:
    """All that is known of one virtual router beside its claimants."""

    router: Router
    contentions: dict[tuple[int, int], Contention] = field(default_factory=dict)
    episodes: deque[Record] = field(default_factory=deque)
    open: list[Record] = field(default_factory=list)
    listed: set[bytes] = field(default_factory=set)  # addresses under which the docket finds this router
    best_forgotten: Record | None = None  # the worst of the episodes that the cap has pushed out
    quiet: Claimant | None = None  # sole live claimant of an uncontested router: the quiet path serves it
    settled: Contention | None = None  # the one proved overlap of this router: `settled.goes_on` may serve it
    due: float = 0.0  # the armed check, 0 = none
    transitions: dict[str, int] = field(default_factory=dict)
    invalid: dict[str, int] = field(default_factory=dict)
    split_episodes: int = 0
    split_seconds: float = 0.0  # of ended episodes
    split_last_seen: float = 0.0
    by_cause: dict[tuple[str, str], int] = field(default_factory=dict)
    deaf_pairs: dict[tuple[bytes, bytes], list[Record]] = field(default_factory=dict)
    closed: deque[Contention] = field(default_factory=lambda: deque(maxlen=4))  # may have closed for lost frames
    mutes: dict[bytes, Mute] = field(default_factory=dict)  # by MAC: masters that announce and are not heard
    number: int = 0  # in the order in which routers were first heard

    def add(self, record: Record, cap: int) -> Record:
        """Open an episode (or enter one that is over at once)."""
        key = self.router.key
        record.segment, record.family, record.vrid = key
        self.episodes.append(record)
        if record.end is None:
            self.open.append(record)
        if len(self.episodes) > cap:
            gone = next((r for r in self.episodes if r.end is not None), None)
            if gone is not None:
                self.episodes.remove(gone)
                if self.best_forgotten is None or gone.order < self.best_forgotten.order:
                    self.best_forgotten = gone
        return record

    def count(self, record: Record) -> None:
        """Count an episode of split kind once, at its beginning; it is also news of a split."""
        if not record.counted:
            record.counted = True
            self.split_episodes += 1
        self.seen(record)

    def seen(self, record: Record) -> None:
        """The newest sight of a split."""
        if record.counted:
            self.split_last_seen = max(self.split_last_seen, record.last)

    def close(self, record: Record, at: float) -> None:
        """End an episode: its class and cause are final."""
        if record.end is not None:
            return
        record.end = max(at, record.start, record.until)
        record.last = max(record.last, record.end)
        if record in self.open:
            self.open.remove(record)
        if record.counted:
            self.split_seconds += record.end - record.start
            self.split_last_seen = max(self.split_last_seen, record.end)
        pair = (record.cls, record.cause or "none")
        if pair in self.by_cause or len(self.by_cause) < 64:
            self.by_cause[pair] = self.by_cause.get(pair, 0) + 1
            record.ended_as = pair

    def reopen(self, record: Record) -> None:
        """An end that was none: frames were lost on the way to the sensor."""
        if record.end is None or record not in self.episodes:
            return
        if record.counted:
            self.split_seconds -= record.end - record.start
        if record.ended_as is not None:
            self.by_cause[record.ended_as] -= 1
            record.ended_as = None
        record.end = None
        self.open.append(record)

    def drop(self, record: Record) -> None:
        """An episode that turned out to be none."""
        if record in self.open:
            self.open.remove(record)
        if record in self.episodes:
            self.episodes.remove(record)
        if record.counted:
            self.split_episodes -= 1

    def hush(self) -> None:
        """Something stands open: no short way may serve this router until its next review."""
        self.quiet = None
        self.settled = None

    def claims(self) -> list[Claimant]:
        """Claimants whose claim stands (live, outranked a moment ago, or suppressed)."""
        return [c for c in self.router.claimants.values() if c.since is not None]


@dataclass(slots=True, eq=False)
class Host:
    """What a MAC has shown of itself on a segment beside VRRP."""

    mac: bytes
    addresses: dict[bytes, float] = field(default_factory=dict)  # its own (not virtual) addresses
    member4: float = 0.0  # last membership report for 224.0.0.18
    member6: float = 0.0


class Docket:
    """Everything that the two sides of the judge share: the books, the hosts, the clock and its deadlines."""

    def __init__(self, caps: Caps | None = None) -> None:
        self.caps = caps or Caps()
        self.tally = Tally(self.caps)
        self.books: dict[RouterKey, Book] = {}
        self.listed: dict[AddressKey, dict[RouterKey, None]] = {}  # which routers list an address
        self.hosts: dict[tuple[str, bytes], Host] = {}  # (segment, MAC)
        self.owners_of: dict[tuple[str, bytes], dict[bytes, float]] = {}  # (segment, own address) -> MACs
        self.heap: list[tuple[float, int, object]] = []
        self.sequence = 0
        self.routers = 0  # first heard so far
        self.now = 0.0
        self.notes: list[str] = []
        self.floods = 0

    def arm(self, at: float, what: object) -> None:
        """Ask for `what` to be looked at when time reaches `at`.

        What is due at the same instant comes in the order in which the routers were first heard, then rounds: not in
        that of arming, which differs between the long way and the short ones.
        """
        self.sequence += 1
        rank = what.number if type(what) is Book else _LAST
        heappush(self.heap, (at, rank << 64 | self.sequence, what))

    def due(self, now: float) -> tuple[float, object] | None:
        """The next deadline at or before `now`, taken off, or None."""
        if self.heap and self.heap[0][0] <= now:
            at, _, what = heappop(self.heap)
            return at, what
        return None

    def note(self, text: str) -> None:
        """A remark about the sensor's own view, once; at most twenty."""
        if text not in self.notes and len(self.notes) < 20:
            self.notes.append(text)

    def host(self, segment: str, mac: bytes) -> Host | None:
        """What is known of a MAC, made when new and there is room."""
        key = (segment, mac)
        found = self.hosts.get(key)
        if found is None:
            if len(self.hosts) >= self.caps.hosts:
                del self.hosts[next(iter(self.hosts))]
            found = self.hosts[key] = Host(mac)
        return found

    def learn(self, segment: str, mac: bytes, address: bytes, now: float) -> None:
        """A host used `address` as its own (not a virtual one) with this MAC."""
        if not any(address) or (segment, address) in self.listed:
            return
        host = self.host(segment, mac)
        if host is None:
            return
        host.addresses[address] = now
        if len(host.addresses) > 8:
            del host.addresses[min(host.addresses, key=lambda a: host.addresses[a])]
        macs = self.owners_of.get((segment, address))
        if macs is None:
            if len(self.owners_of) >= self.caps.hosts:
                del self.owners_of[next(iter(self.owners_of))]
            macs = self.owners_of[(segment, address)] = {}
        macs[mac] = now
        if len(macs) > 4:
            del macs[min(macs, key=lambda m: macs[m])]

    def macs_of(self, segment: str, claimant: Claimant) -> set[bytes]:
        """Every MAC that is known to be the claimant's host: those of its adverts and of its own address."""
        return {*claimant.macs, *self.owners_of.get((segment, claimant.source), ())}

    def count_invalid(self, key: RouterKey, reason: str) -> None:
        """An advert of a known router that no receiver may accept."""
        book = self.books.get(key)
        if book is not None and reason in INVALID_REASONS:
            book.invalid[reason] = book.invalid.get(reason, 0) + 1

    def unlist(self, key: RouterKey, address: bytes) -> None:
        """A router no longer lists an address."""
        keys = self.listed.get((key[0], address))
        if keys is not None:
            keys.pop(key, None)
            if not keys:
                del self.listed[(key[0], address)]

    def component_books(self, segment: str, address: bytes) -> list[tuple[Book, Component]]:
        """The routers of a segment that list an address, with the component that does."""
        found = []
        for key in self.listed.get((segment, address), ()):
            book = self.books[key]
            for component in book.router.components:
                if any(address in m.advert.addresses for m in component.members):
                    found.append((book, component))
        return found
