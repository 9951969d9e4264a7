"""Routers whose adverts are counted outside the judge's books, and entered there in bulk. Pure.

While a router is quiet (`judge.quiet`), or its two masters go on as they did (`judge.settled`), an advert changes only
its claimant's book. `Express` checks each against the time and identification of the one before; here are the routers
for which that will do (`Run`), their deadlines, and the return to the books: at the latest before anything that takes
the long way (`Judge.observe`) may look there.
"""

from __future__ import annotations

from collections.abc import Iterable
from heapq import heappop, heapreplace
from math import floor, inf
from typing import TYPE_CHECKING, Final

from ..frames import Frame
from ..packet import Advertisement
from ..tally import COPY_WINDOW, LAPSE_INTERVALS, Claimant
from .clones import SAME_PACE
from .docket import Book
from .layouts import Content, Unpack, swapped
from .masters import flap_window
from .quiet import repeat_many, repeats
from .rounds import Round
from .settled import go_on_many, goes_on

if TYPE_CHECKING:
    from . import Judge
    from .contention import Contention

#: Adverts that may wait for their entry in the books.
MOST_PENDING: Final = 200_000


class Known:
    """A content, the router that it belongs to, and its adverts that are not yet in the claimant's book."""

    __slots__ = (
        "after", "before", "book", "following", "frame", "head", "holes", "interval", "key", "lapse", "last", "least",
        "middle", "own", "rival", "size", "sole", "steady", "stride", "times", "unpack", "upper",
    )  # fmt: skip

    def __init__(self, content: Content, frame: Frame, book: Book, unpack: Unpack, size: int) -> None:
        advert, ip = frame.body, frame.ip
        assert isinstance(advert, Advertisement)
        self.before, self.head, self.middle, self.key = content
        self.frame, self.book = frame, book
        self.unpack, self.size = unpack, size
        self.after: Known = self  # the content that came next, last time
        self.interval = advert.interval
        #: Seconds that lie between two adverts at least: less may be a copy, or two schedules (`judge.clones`).
        self.own = ip is not None and ip.family == 4 and not ip.dont_fragment
        self.least = COPY_WINDOW if self.own else max(COPY_WINDOW, SAME_PACE * self.interval)
        self.stride = 0  # from an identification, as read, to the one that must follow
        self.following = 0  # the identification that must follow, as it is read
        self.last = 0.0  # time of the last advert
        #: Seconds within which the next advert must come; 0: nothing is counted here.
        self.lapse = 0.0
        self.sole: Claimant | None = None  # whose advert it is
        self.rival: Known | None = None  # the other one's content, where two masters go on
        self.upper = True  # the superior of the two
        self.times: list[float] = []  # of the run
        self.holes: list[tuple[int, int]] = []
        self.steady = False  # its identifications go upwards, or tell nothing: a hole cannot be another counter's turn


class Run:
    """A router whose adverts are counted here: those of its one master, or of the two that go on side by side."""

    __slots__ = ("book", "contention", "first", "guarded", "holes", "knowns", "times")

    def __init__(self, book: Book, knowns: tuple[Known, ...], contention: Contention | None) -> None:
        self.book, self.knowns, self.contention = book, knowns, contention
        self.first = knowns[0]
        self.guarded = False  # its deadline is looked after here, and not on the judge's heap
        self.times: list[float] = []  # of the adverts that are not yet entered; the inferior's are negative
        self.holes: list[tuple[int, int]] = []  # (which of these, its identification) where that does not follow
        for known in knowns:
            known.times, known.holes = self.times, self.holes
            known.lapse = LAPSE_INTERVALS * known.interval
        if contention is not None:
            for known, rival in (knowns, knowns[::-1]):
                known.rival, known.upper = rival, known.sole is contention.top

    @property
    def due(self) -> float:
        """When the first of its claims would lapse (epoch seconds)."""
        known = self.first
        due = known.last + known.lapse
        rival = known.rival
        return due if rival is None else min(due, rival.last + rival.lapse)

    def enter(self) -> None:
        """Bring the router's books up to date."""
        if not self.times:
            return
        if self.contention is not None:
            go_on_many(self.book, self.contention, self.times)
        elif self.first.sole is not None:
            repeat_many(self.book, self.first.sole, self.times, self.holes)
        self.times.clear()
        self.holes.clear()

    def end(self) -> None:
        """Enter the last, and count no more."""
        self.enter()
        for known in self.knowns:
            known.sole = known.rival = None
            known.lapse, known.times, known.holes = 0.0, [], []


#: Seconds ahead in which most deadlines lie: three intervals of 1 s.
_SOON: Final = 4


class Counting:
    """The routers that are counted outside of one judge's books."""

    def __init__(self, judge: Judge) -> None:
        self.judge = judge
        self.order = "<"  # in which identifications were read
        self._runs: dict[Book, Run] = {}
        self._halves: dict[Book, Known] = {}  # the content of one of two masters, heard last
        self._watch: dict[int, list[Run]] = {}  # guarded runs by the second in which their deadline was
        self._swept = -inf  # deadlines up to here are on the judge's heap
        self._pending = 0  # adverts that are counted here only, at most

    # ---- an advert that does not simply follow ---------------------------------------------------------------

    def resumes(self, known: Known, time: float, ident: int) -> bool:
        """Adverts were lost on their way to us, or the kernel numbers them; else False, and all is as it was.

        That must not cost more than others: a sensor that falls behind would never catch up.
        """
        if not (known.steady and known.least < time - known.last < known.lapse):
            return False
        order = self.order
        number = swapped(ident, order)
        if known.own and not 0 < number - swapped(known.following, order) < 0x4000:
            return False
        known.holes.append((len(known.times), number))
        known.times.append(time)
        known.following = ident + known.stride
        known.last = time
        return True

    def repeats(self, known: Known, time: float, ident: int) -> bool:
        """The content repeats what the judge knows, and is entered; else False, and all is as it was."""
        book = known.book
        run = self._runs.get(book)
        if run is not None:
            run.enter()
        number = None if not known.stride else swapped(ident, self.order)
        way = repeats if book.settled is None else goes_on
        if not way(book, known.frame, time, number):
            return False
        if run is not None:
            if known in run.knowns and self._synchronise(known):
                return True  # adverts were lost on the way to us
            self._leave(run)
        self.begin_with(known, time)
        return True

    def begin_with(self, known: Known, time: float) -> None:
        """This content has just been entered, and its router is not counted here: begin, or wait for the other half."""
        book = known.book
        if book.settled is None:
            self._begin(book, (known,), time)
        else:
            other = self._halves.get(book, known)
            self._halves[book] = known
            if other is not known:
                self._begin(book, (other, known), time)

    def _begin(self, book: Book, knowns: tuple[Known, ...], time: float) -> None:
        """From the next advert on these contents may be counted here, if they are as plain as that."""
        if book in self._runs:
            return
        component = book.router.components[0]
        if component.changes and component.changes[-1] + flap_window(component) >= time:
            return  # the end of that time wants a review
        contention = book.settled
        sides = (book.quiet,) if contention is None else (contention.first, contention.second)
        for known in knowns:
            known.sole = next((one for one in sides if one is not None and one.frame is known.frame), None)
        if len({known.sole for known in knowns}) < len(knowns) or not all(map(self._synchronise, knowns)) or time <= 0:
            return
        self._runs[book] = Run(book, knowns, contention)

    def _synchronise(self, known: Known) -> bool:
        """Go on from what the claimant's book says; False where more than plain repetition may follow."""
        sole = known.sole
        if sole is None or sole.spoke < 2:
            return False
        known.last = sole.last
        if sole.ident is None:
            return True
        known.following = swapped(sole.ident + 1 & 0xFFFF, self.order)
        upwards = sole.step is not None and 0 < sole.step < 0x4000
        known.steady = known.book.settled is None and (upwards or not known.own)
        return sole.step is not None and (sole.step > 0 or not known.own)  # the same twice may be two counters

    # ---- the books -------------------------------------------------------------------------------------------

    def account(self, adverts: int, now: float) -> None:
        """So many adverts took the short way, the last of them at `now`."""
        judge = self.judge
        judge.docket.now = now
        if not adverts:
            return
        judge.frames += adverts
        judge.count += adverts
        judge.end = now
        self._pending += adverts
        if self._pending > MOST_PENDING:
            self._pending = 0
            for run in self._runs.values():
                run.enter()

    def _leave(self, run: Run) -> None:
        """Count no more adverts of this router here; its books are up to date afterwards."""
        if run.guarded:
            self._hand_back(run)
        run.end()
        del self._runs[run.book]

    def _hand_back(self, run: Run) -> None:
        """The judge's heap looks after a deadline again."""
        run.guarded = False
        run.book.due = run.due
        self.judge.docket.arm(run.book.due, run.book)

    def settle(self) -> None:
        """Enter everything that is only counted here into the judge's books."""
        for run in list(self._runs.values()):
            self._leave(run)
        self._pending = 0
        self._watch.clear()
        self._halves.clear()

    def enter_books(self, books: Iterable[Book]) -> None:
        """Something takes the long way that may look at these books: they are up to date, and nobody counts there."""
        for book in books:
            self._halves.pop(book, None)
            run = self._runs.get(book)
            if run is not None:
                self._leave(run)

    def enter_listing(self, segment: str, addresses: Iterable[bytes]) -> None:
        """Enter what concerns the routers that list one of these addresses."""
        docket = self.judge.docket
        for address in addresses:
            keys = docket.listed.get((segment, address))
            if keys is not None:
                self.enter_books([docket.books[key] for key in keys])

    # ---- deadlines -------------------------------------------------------------------------------------------

    def serve(self, time: float) -> float:
        """Serve the deadlines up to `time`; when to come again.

        The deadline of a router that has spoken since is moved on. When it is not in the same second, it is kept from
        the heap, and looked at with all others of its second.
        """
        if time >= self._swept:
            self._sweep(time)
        heap = self.judge.docket.heap
        while heap:
            at, number, what = heap[0]
            if at > time:
                return min(at, self._swept)
            if type(what) is Book:
                run = self._runs.get(what)
                if run is not None:
                    due = run.due
                    if what.due == at and due >= self._swept:
                        heappop(heap)
                        what.due, run.guarded = 0.0, True
                        self._watch.setdefault(int(due), []).append(run)
                        continue
                    if what.due == at and due > at:
                        what.due = due
                        heapreplace(heap, (due, number, what))
                        continue
                    self._leave(run)
            elif isinstance(what, Round):
                self.enter_listing(what.book.segment, (what.book.address,))
            heappop(heap)
            self.judge.serve_one(at, what)
        return self._swept

    def _sweep(self, time: float) -> None:
        """Put the deadlines of the second that has begun on the heap; the others will come with theirs."""
        swept = self._swept = float(floor(time) + 1)
        watch = self._watch
        first = int(swept)
        soon = [watch.setdefault(first + n, []) for n in range(_SOON)]
        last = swept + _SOON
        for second in [second for second in watch if second < swept]:
            for run in watch.pop(second):
                if not run.guarded:
                    continue
                known = run.first
                due = known.last + known.lapse if known.rival is None else run.due
                if due < swept:
                    self._hand_back(run)
                elif due < last:
                    soon[int(due - swept)].append(run)
                else:
                    watch.setdefault(int(due), []).append(run)
