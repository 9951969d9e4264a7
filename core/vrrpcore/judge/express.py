"""From the octets of a frame to the judge's short ways in one look-up, for live capture. Pure.

The content of an advert is its frame without the IPv4 identification and header checksum, as in `vrrpcore.memo`. Here
each content is known together with the router that it belongs to, so that a repetition costs neither a slice of the
whole frame nor a record, a key or a call of the long way:

    Ethernet header, tags, IPv4 up to the length | identification | flags, TTL, protocol | checksum | the rest
    head                                           (evidence)       middle                 (left out)  key

What `repeats` does not take, the caller takes the long way (memo, `Judge.observe`) and then shows to `learn`. A content
is known in its lane only: one link, one VLAN that the kernel took off.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

from ..frames import Frame
from ..packet import Advertisement
from .docket import Book
from .quiet import repeats
from .settled import goes_on

if TYPE_CHECKING:
    from . import Judge

#: Contents known at most; past it all are forgotten and learned again.
MOST: Final = 32_768
_TAGS: Final = frozenset((0x81, 0x88, 0x91))  # first octet of the ethertypes of a VLAN tag

#: head, middle, content, its router
_Known: TypeAlias = tuple[bytes, bytes, Frame, Book]
#: contents by their key: IPv4 untagged, IPv4 behind one tag, IPv6
_Lane: TypeAlias = tuple[dict[bytes, _Known], dict[bytes, _Known], dict[bytes, _Known]]


class Express:
    """Feeds one judge with the adverts that only repeat what it knows."""

    __slots__ = ("_judge", "_lanes", "_learned")

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self._lanes: dict[object, _Lane] = {}
        self._learned = 0

    def forget(self) -> None:
        """Interfaces have changed: what a lane stands for is no longer what it was."""
        self._lanes.clear()
        self._learned = 0

    def repeats(self, lane: object, data: bytes, start: int, stop: int, time: float) -> bool:
        """Enter the Ethernet frame data[start:stop] and say True when it is a mere repetition; else False.

        `time`: the kernel's, in epoch seconds.
        """
        tables = self._lanes.get(lane)
        if tables is None or stop - start < 42:
            return False
        kind = data[start + 12]
        at = 0
        if kind == 0x08:
            known = tables[0].get(data[start + 26 : stop])
            at = start + 18
        elif kind in _TAGS and data[start + 16] == 0x08:
            known = tables[1].get(data[start + 30 : stop])
            at = start + 22
        else:
            known = tables[2].get(data[start:stop])
        if known is None:
            return False
        head, middle, frame, book = known
        ident = None
        if at:
            if not (data.startswith(head, start) and data.startswith(middle, at + 2)):
                return False
            ident = data[at] << 8 | data[at + 1]
        judge = self._judge
        docket = judge.docket
        if time < docket.now:
            return False
        if docket.heap and docket.heap[0][0] <= time:
            judge._serve(time)
        docket.now = time
        if not repeats(book, frame, time, ident) and (book.settled is None or not goes_on(book, frame, time, ident)):
            return False
        judge.frames += 1
        judge.count += 1
        judge.end = time
        return True

    def learn(self, lane: object, octets: bytes, frame: Frame, segment: str) -> None:
        """Know a frame that went the long way, if the next one like it may be a mere repetition.

        `octets` unwrapped to `frame`; `segment` is where the judge has observed it.
        """
        advert, ip = frame.body, frame.ip
        if type(advert) is not Advertisement or ip is None or ip.ah is not None or advert.trailer:
            return
        book = self._judge.docket.books.get((segment, ip.family, advert.vrid))
        if book is None or (book.quiet is None and book.settled is None):
            return  # a flood of inventions must not be learned
        table, at = 2, 0
        if ip.family == 4:
            tagged = octets[12] in _TAGS
            if tagged and octets[16] in _TAGS:
                return  # two tags in the frame: rare enough for the long way
            table, at = (1, 22) if tagged else (0, 18)
        if self._learned >= MOST:
            self.forget()
        self._learned += 1
        tables = self._lanes.setdefault(lane, ({}, {}, {}))
        if at:
            tables[table][octets[at + 8 :]] = (octets[:at], octets[at + 2 : at + 6], frame, book)
        else:
            tables[table][octets] = (b"", b"", frame, book)
