"""The capture loop of `watch`: frames into the judge, its judgement published as an immutable snapshot.

The judge runs in this thread alone. Others never wait for it nor it for them: they read the snapshot published last.
How often it is published follows from what it costs (judging a full segment takes a fiftieth of the time at most), and
at once when a reader asks for a fresher one. A reader that holds the interpreter delays
a frame's handling, not its timestamp: that is the kernel's, and the ring keeps what arrives meanwhile.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from vrrpcore.judge import Judge
from vrrpcore.records import Record
from vrrpcore.shares import part_of
from vrrpcore.verdict import Judgement, SensorFacts, Worst
from vrrpexporters.snapshot import Snapshot, Sniffer
from vrrpwatch import __version__
from vrrpwatch.capture import LiveCapture
from vrrpwatch.listening import TICK, Ears, state
from vrrpwatch.probes import Prober

from .crew import Crew

LEAST_INTERVAL: Final = 0.2  # seconds between two publications
MOST_INTERVAL: Final = 2.0
SHARE: Final = 50  # publishing may take 1/SHARE of the time
FRESH: Final = 0.5  # seconds: a reader of an older snapshot asks for the next
PATIENCE: Final = 0.3  # seconds that it waits for it: the capture loop may be busy


class Board:
    """Where the latest snapshot hangs; readers take it, and may wait for the next."""

    def __init__(self) -> None:
        nothing = Judgement(__version__, "", None, None, Worst("unknown"), sensor=SensorFacts())
        self._snapshot = Snapshot(0, 0.0, time.monotonic(), nothing)
        self._changed = threading.Condition()
        self.wanted = False  # somebody waits for the next

    def latest(self) -> Snapshot:
        """The last snapshot; its `sequence` is 0 before the first."""
        return self._snapshot

    def publish(self, snapshot: Snapshot) -> None:
        """Hang up the next."""
        with self._changed:
            self._snapshot = snapshot
            self.wanted = False
            self._changed.notify_all()

    def fresh(self) -> Snapshot:
        """The latest snapshot; one that is not of now is asked for anew, and waited for a moment."""
        snapshot = self._snapshot
        if not snapshot.sequence or time.monotonic() - snapshot.monotonic < FRESH:
            return snapshot
        self.wanted = True
        return self.wait(snapshot.sequence, PATIENCE)

    def wait(self, sequence: int, seconds: float) -> Snapshot:
        """The latest snapshot after `sequence`, or whatever hangs there when the time is over."""
        with self._changed:
            self._changed.wait_for(lambda: self._snapshot.sequence > sequence, seconds)
            return self._snapshot


class Sensor:
    """Runs until `stop`; `continued` adds what is known from before to each judgement, `keep` holds frames.

    A `crew` judges the other shares of the wires; what it says is merged into each publication.
    """

    def __init__(
        self,
        capture: LiveCapture,
        board: Board,
        *,
        judge: Judge | None = None,
        continued: Callable[[Judgement], Judgement] = lambda judgement: judgement,
        alive: Callable[[], None] = lambda: None,
        keep: Callable[[Record], None] | None = None,
        crew: Crew | None = None,
    ) -> None:
        self._capture = capture
        self._board = board
        self._ears = Ears(judge or Judge())
        self._keep = [keep] if keep is not None else []
        self._turn: Callable[[set[bytes]], None] = lambda virtual: None
        self._crew = crew
        self._continued = continued
        self._alive = alive
        self._prober: Prober | None = None
        self._started = time.time()
        self._sequence = 0
        self._stopped = False
        self._due = self._published = 0.0  # time.monotonic()

    def stop(self) -> None:
        """End the loop; for signal handlers and other threads."""
        self._stopped = True
        self._capture.wake()

    @property
    def received(self) -> bool:
        """Whether a frame came from elsewhere."""
        return self._ears.received or (self._crew is not None and self._crew.received)

    @property
    def listening(self) -> bool:
        """Whether the silence of a router may mean something, as far as the other processes are concerned."""
        return self._crew is None or self._crew.listening

    def accompany(self, keep: Callable[[Record], None] | None, turn: Callable[[set[bytes]], None]) -> None:
        """Somebody else who wants every frame, and to be called with each turn of the loop (with the virtual addresses
        that were heard of)."""
        self._keep += [keep] if keep is not None else []
        self._turn = turn

    def probe(self, wanted: bool) -> None:
        """Ask who owns an address while in doubt, or stay passive."""
        if wanted and self._prober is None:
            self._prober = Prober(lambda: self._capture.links.values())
        elif not wanted:
            self._prober = None

    def run(self) -> None:
        """Listen, judge, publish."""
        crew = self._crew
        while not self._stopped:
            self._ears.hear(self._capture, TICK, self._keep)
            self._turn(self._ears.virtual)
            now = self._capture.horizon()
            self._ears.judge.advance(now)
            if crew is not None:
                crew.hear()
            self._ask(now)
            clock = time.monotonic()
            if clock >= self._due or (self._board.wanted and clock >= self._published + LEAST_INTERVAL):
                if crew is not None and not crew.gathered(clock):
                    continue
                self.publish(now)
                self._alive()

    def _ask(self, now: float) -> None:
        """Ask for addresses that are in doubt: one process asks for all, and knows every virtual address."""
        crew, prober = self._crew, self._prober
        if crew is not None:
            crew.probing = prober is not None
        if prober is None:
            return
        requests, virtual = self._ears.judge.probes(now), self._ears.virtual
        if crew is not None:
            requests, crew.requests = [*requests, *crew.requests], []
            crew.virtual |= virtual
            virtual = crew.virtual
        prober.ask(requests, virtual)

    def publish(self, now: float) -> None:
        """Judge as of `now` (epoch seconds) and hang the result up."""
        begun = time.thread_time()  # of the processor: waiting for others must not make us rarer
        judgement = state(self._capture, self._ears, self._started, now)
        elsewhere = 0.0
        if self._crew is not None:
            own = part_of(self._ears.judge, judgement)
            judgement, now = self._crew.merged(own, now, self.received)
            judgement = replace(judgement, start=self._started, end=max(now, self._started))
            elsewhere, self._crew.spent = self._crew.spent, 0.0
        judgement = self._continued(judgement)
        self._sequence += 1
        self._board.publish(Snapshot(self._sequence, now, time.monotonic(), judgement, self._sniffers()))
        spent = time.thread_time() - begun + elsewhere
        self._published = time.monotonic()
        self._due = self._published + min(max(LEAST_INTERVAL, SHARE * spent), MOST_INTERVAL)

    def _sniffers(self) -> tuple[Sniffer, ...]:
        capture, crew = self._capture, self._crew
        return tuple(
            Sniffer(
                name,
                capture.up.get(name, False),
                capture.frames.get(name, 0) + (crew.frames(name) if crew else 0),
                max(capture.last_frame.get(name, 0.0), crew.last_frame(name) if crew else 0.0),
                "" if capture.up.get(name) else "the interface is down or gone",
            )
            for name in capture.links
        )
