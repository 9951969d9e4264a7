"""tally + other witnesses + expectations -> verdicts with cause, evidence and remedy. Pure; time is an argument."""

from __future__ import annotations

from .frames import Frame
from .verdict import Judgement, Worst


class Judge:
    """One sensor's judgement, fed frame by frame in the order of their kernel timestamps."""

    def observe(self, time: float, segment: str, outgoing: bool, frame: Frame, ident: int | None = None) -> None:
        """Take one frame. `time` in epoch seconds; `segment` names the broadcast domain (with `.vlan`);
        `ident` overrides the frame's IPv4 identification (a memoised frame carries the first one's)."""

    def advance(self, now: float) -> None:
        """Let time pass without a frame: claims lapse, rounds close."""

    def report(self, now: float | None = None, source: str = "", version: str = "") -> Judgement:
        """The judgement as of `now` (epoch seconds; None: the last frame's time)."""
        return Judgement(version=version, source=source, start=None, end=None, worst=Worst("unknown"))

    def probes(self, now: float) -> list[tuple[str, bytes]]:
        """(segment, address) pairs that should be asked for by ARP / ND now; at most one per address and second."""
        return []
