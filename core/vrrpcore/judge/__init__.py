"""tally + other witnesses + expectations -> verdicts with cause, evidence and remedy. Pure; time is an argument.

How it works: every frame goes to `Judge.observe` in the order of its kernel timestamp. First all deadlines before it
are served (claims lapse, rounds of ARP requests close), then the frame: adverts go to `adverts` (claims, changes of
master, contentions: `rivals`, `masters`, `clones`, `mutes`), ARP, ND and membership reports to `owners` (rounds of
answers, the second owner: `rounds`, `second`). Both keep their books in one `docket`. `causes` names why, `report`
renders the books as a `verdict.Judgement`. Nothing here reads a clock: replay gives the same verdicts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import INVALID_REASONS
from ..frames import Arp, Carp, Frame, Malformed, Membership, Neighbour
from ..packet import Advertisement
from ..tally import Caps, Router
from ..verdict import Judgement, SensorFacts
from . import mutes, settled
from .adverts import Adverts
from .docket import Book, Docket
from .owners import Owners
from .quiet import rearm, repeats
from .report import build, settle
from .rounds import Round

if TYPE_CHECKING:
    from .counting import Counting

BACKWARDS = 1.0  # seconds by which time may run backwards (merged files) before it is a clock step

__all__ = ["Caps", "Judge"]


class Judge:
    """One sensor's judgement, fed frame by frame in the order of their kernel timestamps."""

    def __init__(self, caps: Caps | None = None) -> None:
        self.docket = Docket(caps)
        self.adverts = Adverts(self.docket)
        self.owners = Owners(self.docket)
        self.frames = 0
        self.count = 0
        self.carp = 0
        self.dropped = 0
        self.malformed: dict[str, int] = {}
        self.start: float | None = None
        self.end: float | None = None
        self.short: Counting | None = None  # counts what only repeats, and enters it before anybody looks

    def observe(self, time: float, segment: str, outgoing: bool, frame: Frame, ident: int | None = None) -> None:
        """Take one frame. `time` in epoch seconds; `segment` names the broadcast domain (with `.vlan`);
        `ident` overrides the frame's IPv4 identification (a memoised frame carries the first one's)."""
        docket = self.docket
        self.frames += 1
        if time < docket.now:
            time = self._backwards(time)
        elif docket.heap and docket.heap[0][0] <= time:
            self._serve(time)
        docket.now = self.end = time
        if self.start is None:
            self.start = time
        body = frame.body
        if type(body) is Advertisement:
            self.count += 1
            self._advert(time, segment, frame, body, ident)
        elif body is not None:
            self._other(time, segment, frame)

    def _advert(self, time: float, segment: str, frame: Frame, advert: Advertisement, ident: int | None) -> None:
        docket = self.docket
        ip = frame.ip
        if ip is None:
            return
        key = (segment, ip.family, advert.vrid)
        book = docket.books.get(key)
        if ident is None:
            ident = ip.ident
        if book is not None:
            if repeats(book, frame, time, ident):
                return
            if book.settled is not None and settled.goes_on(book, frame, time, ident):
                return
        else:
            router, gone = docket.tally.router(key, time)
            for old in gone:
                self._evicted(old)
            docket.routers += 1
            book = docket.books[key] = Book(router, number=docket.routers)
        self.adverts.take(time, book, frame, advert, ip, ident)
        if book.mutes:
            claimant = book.router.claimants.get((ip.source, 0))
            if claimant is not None:
                mutes.spoke(docket, book, claimant, time)
                mutes.claim_ended(book, time)

    def _evicted(self, router: Router) -> None:
        """A router had to go for another one: forget what is indexed by it, and say so."""
        docket = self.docket
        book = docket.books.pop(router.key)
        book.hush()  # octets may still lead to it: see express
        docket.note("more virtual routers than are remembered: the one silent longest was forgotten (a flood?)")
        for address in book.listed:
            docket.unlist(router.key, address)

    def _other(self, time: float, segment: str, frame: Frame) -> None:
        body, ip = frame.body, frame.ip
        if isinstance(body, Arp):
            self.owners.arp(time, segment, frame, body)
        elif isinstance(body, Neighbour):
            if ip is not None:
                self.owners.neighbour(time, segment, frame, body, ip)
        elif isinstance(body, Membership):
            self.owners.membership(time, segment, frame, body, ip)
        elif isinstance(body, Malformed):
            reason = body.reason if body.reason in INVALID_REASONS else "frame"
            self.malformed[reason] = self.malformed.get(reason, 0) + 1
            if body.vrid is not None and ip is not None:
                self.docket.count_invalid((segment, ip.family, body.vrid), reason)
        elif isinstance(body, Carp):
            self.carp += 1

    def _backwards(self, time: float) -> float:
        """Frames may be swapped by moments (merged files, two sockets); a clock step is another matter."""
        docket = self.docket
        if docket.now - time <= BACKWARDS:
            return docket.now
        docket.note("time ran backwards: claims were forgotten and begin anew from there")
        for book in docket.books.values():
            for record in list(book.open):
                book.close(record, docket.now)
            book.contentions.clear()
            book.mutes.clear()
            book.hush()
            book.due = 0.0
            for claimant in book.router.claimants.values():
                claimant.end("", claimant.last)
                claimant.last = claimant.previous = 0.0
            for component in book.router.components:
                component.holder = None
                component.changes.clear()
                component.holder_since = component.announced = 0.0
        for address in self.owners.all_books():
            address.rounds.clear()
            address.announcements.clear()
            address.first_double = None
            address.record = None
        docket.heap.clear()
        return time

    def _serve(self, now: float) -> None:
        """Let everything happen that was due at or before `now`, in its order."""
        while (due := self.docket.due(now)) is not None:
            self.serve_one(*due)

    def serve_one(self, at: float, what: object) -> None:
        """Let the one thing happen that was due at `at`: it is off the heap already."""
        docket = self.docket
        docket.now = max(docket.now, at)
        if isinstance(what, Book):
            if what.due == at:
                what.due = 0.0
                if what.quiet is not None and rearm(docket, what, at):
                    return
                if what.settled is not None and settled.rearm(docket, what, at):
                    return
            if docket.books.get(what.router.key) is what:
                self.adverts.review(what, at)
                mutes.claim_ended(what, at)
        elif isinstance(what, Round):
            self.owners.due(at, what)

    def advance(self, now: float) -> None:
        """Let time pass without a frame: claims lapse, rounds close."""
        if self.short is not None:
            self.short.serve(now)
        if now > self.docket.now:
            self._serve(now)
            self.docket.now = now

    def lost(self, frames: int) -> None:
        """The kernel dropped frames before we could read them."""
        self.dropped += frames

    def watch(self, segment: str, address: bytes) -> None:
        """The user named an address: judge its owners even when no advert lists it."""
        self.owners.wanted.add((segment, address))

    def probes(self, now: float) -> list[tuple[str, bytes]]:
        """(segment, address) pairs that should be asked for by ARP / ND now; at most one per address and second."""
        return self.owners.probes(now)

    def report(self, now: float | None = None, source: str = "", version: str = "") -> Judgement:
        """The judgement as of `now` (epoch seconds; None: the last frame's time)."""
        if now is not None:
            self.advance(now)
        if self.short is not None:
            self.short.settle()
        settle(self.docket)
        return self.render(now, source, version)

    def render(self, now: float | None = None, source: str = "", version: str = "") -> Judgement:
        """The judgement from the books as they stand, causes included (a panel of sensors has refined them)."""
        sensor = SensorFacts(
            frames=self.frames,
            adverts=self.count,
            malformed=dict(self.malformed),
            dropped=self.dropped,
            carp=self.carp,
            evicted=self.docket.tally.evicted,
            notes=tuple(self.docket.notes),
        )
        end = max(self.end or 0.0, now or 0.0) or None
        return build(self.docket, self.owners, sensor, self.start, end, source, version)
