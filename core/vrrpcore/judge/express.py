"""From octets to the judge's short ways: adverts that only repeat what is known cost no parsing and no record. Pure.

Serves the records of a capture file and the frames of a capture ring alike (`layouts` says how they lie). Each content
is known together with the router (book) that it belongs to, and with the content that came after it last time: in a
network that goes on as before, that is where it is looked for first. What repeats is counted (`counting`); both ways
give the same verdicts, and tests hold them against each other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..frames import Arp, Frame, Neighbour
from ..packet import Advertisement
from .counting import Counting, Known
from .layouts import LONGEST, SLACK, TAGS, Content, Layout, Unpack, no_shape, stride

if TYPE_CHECKING:
    from . import Judge

#: Contents known at most; past it all are forgotten and learned again.
MOST: Final = 32_768
#: Two for each advert that was not where it was last time, less one for each that was: from this many on the shape is
#: taken from the record itself, which costs a little more than a good guess and a lot less than a bad one.
_LOST: Final = 8
_NONE: Final[list[Unpack]] = [no_shape] * 256
_JUMP: Final = 3599  # seconds between two records, beyond which the clock must be looked at


class Express:
    """Feeds one judge, by the short ways where they will do."""

    def __init__(self, judge: Judge, layout: Layout) -> None:
        self.judge = judge
        self.counting = judge.short = Counting(judge)
        self._evicted = 0
        self.use(layout)

    def use(self, layout: Layout) -> None:
        """Records lie so from now on."""
        self.layout = layout
        self.slack = SLACK
        self.counting.order = layout.order
        self.forget()

    @property
    def newest(self) -> float:
        """The judge's time: of the last frame, or later."""
        return self.judge.docket.now

    def forget(self) -> None:
        """Interfaces or files have changed: contents do not stand for what they stood for."""
        self.counting.settle()
        self._known: dict[Content, Known] = {}
        self._unpackers: dict[tuple[int, int, int], Unpack] = {}
        self._shapes: dict[int, list[Unpack]] = {}  # by the low octet of the length
        #: by the first octet of the ethertype and the low octet of the length: the one that was learned last
        self._likely: list[list[Unpack]] = [_NONE] * 256
        self._previous: Known | None = None
        self._lost = 0  # how bad the guess is (_LOST)

    # ---- the long way ----------------------------------------------------------------------------------------

    def observe(self, time: float, segment: str, outgoing: bool, frame: Frame, ident: int | None) -> None:
        """`Judge.observe`, with the books up to date that it may look at."""
        judge = self.judge
        docket = judge.docket
        body = frame.body
        self.counting.serve(time)
        if time < docket.now:
            self.counting.settle()  # a clock that runs backwards is everybody's affair
        elif type(body) is Advertisement:
            if frame.ip is not None:
                key = (segment, frame.ip.family, body.vrid)
                if key in docket.books:
                    self.counting.enter_books((docket.books[key],))
                elif docket.tally.full:
                    self.counting.settle()  # the one that was silent longest must go
                self.counting.enter_listing(segment, body.addresses)
        elif isinstance(body, Arp):
            self.counting.enter_listing(segment, (body.sender_ip, body.target_ip))
        elif isinstance(body, Neighbour):
            self.counting.enter_listing(segment, (body.target,))
        judge.observe(time, segment, outgoing, frame, ident)
        if docket.tally.evicted != self._evicted:
            self._evicted = docket.tally.evicted
            self.forget()  # a router that is forgotten there may be known here

    def learn(self, buf: bytes, pos: int, captured: int, segment: str, frame: Frame) -> None:
        """Know the record at `pos`, which has taken the long way, if the next one like it may be a mere repetition.

        `captured` are the octets of its frame; `segment` is where the judge has observed it.
        """
        advert, ip = frame.body, frame.ip
        if type(advert) is not Advertisement or ip is None or ip.ah is not None or advert.trailer:
            return
        book = self.judge.docket.books.get((segment, ip.family, advert.vrid))
        if book is None or ((book.quiet is None or book.quiet.spoke < 2) and book.settled is None):
            return  # a flood of inventions must not be learned
        layout = self.layout
        at = pos + layout.lead + 12
        tags = 4 if buf[at] in TAGS else 0
        if (tags and buf[at + 4] in TAGS) or captured > LONGEST:
            return  # rare enough for the long way
        if len(self._known) >= MOST:
            self.forget()
        unpack = self._unpacker(captured, ip.family, tags)
        if self._likely[buf[at]] is _NONE:
            self._likely[buf[at]] = _NONE.copy()
        self._likely[buf[at]][captured & 0xFF] = unpack
        _, _, before, head, ident, middle, key = unpack(buf, pos)
        content = (before, head, middle, key)
        known = self._known.get(content)
        if known is None or known.book is not book:
            known = self._known[content] = Known(content, frame, book, unpack, layout.size(captured))
            known.stride = stride(ip.family, layout.order)
            known.following = ident
        if self._previous is not None:
            self._previous.after = known
        self._previous = known
        self.counting.begin_with(known, self.judge.docket.now)

    def _unpacker(self, captured: int, family: int, tags: int) -> Unpack:
        shape = (captured, family, tags)
        found = self._unpackers.get(shape)
        if found is None:
            found = self._unpackers[shape] = self.layout.shape(captured, family, tags)
            self._shapes.setdefault(captured & 0xFF, []).append(found)
        return found

    # ---- the short way ---------------------------------------------------------------------------------------

    def run(self, buf: bytes, pos: int, end: int) -> tuple[int, int]:
        """Work off and count records from `pos` on, up to `end`: (offset of the first for the long way, how many).

        SLACK octets of whatever content must follow `end`.
        """
        counting, docket, previous, lost = self.counting, self.judge.docket, self._previous, self._lost
        get, likely, layout = self._known.get, self._likely, self.layout
        kind, low, units = layout.lead + 12, layout.low, layout.units
        if previous is None:
            return pos, 0
        now, due, counted = docket.now, counting.serve(docket.now), 0
        try:
            while pos < end:
                known = previous.after
                unpack = known.unpack if lost < _LOST else likely[buf[pos + kind]][buf[pos + low]]
                seconds, fraction, before, head, ident, middle, key = unpack(buf, pos)
                if key != known.key or head != known.head or before != known.before or middle != known.middle:
                    found = get((before, head, middle, key))
                    if found is None:
                        found, seconds, fraction, ident = self._find(buf, pos)
                        if found is None:
                            break
                    known = previous.after = found
                    if lost < _LOST + _LOST:
                        lost += 2
                elif lost:
                    lost -= 1
                time = seconds + fraction / units
                if ident == known.following and known.least < time - known.last < known.lapse and now <= time < due:
                    rival = known.rival
                    if rival is None:
                        known.times.append(time)
                    elif time - rival.last < rival.lapse:
                        known.times.append(time if known.upper else -time)
                    else:
                        break
                    known.following = ident + known.stride
                    known.last = now = time
                else:
                    if not 0 <= time - now < _JUMP:
                        break
                    if time >= due:
                        docket.now = now
                        due = counting.serve(time)
                        continue  # nothing but what was found there may have changed
                    if not (counting.resumes(known, time, ident) or counting.repeats(known, time, ident)):
                        break
                    now = time
                previous = known
                pos += known.size
                counted += 1
        finally:  # also when Ctrl-C ends the reading
            self._previous, self._lost = previous, lost
            counting.account(counted, now)
        return pos, counted

    def _find(self, buf: bytes, pos: int) -> tuple[Known | None, int, float, int]:
        """A record of whatever shape: its content, if it is known, its time and identification."""
        for unpack in self._shapes.get(buf[pos + self.layout.low], ()):
            seconds, fraction, before, head, ident, middle, key = unpack(buf, pos)
            found = self._known.get((before, head, middle, key))
            if found is not None:
                return found, seconds, fraction, ident
        return None, 0, 0.0, 0
