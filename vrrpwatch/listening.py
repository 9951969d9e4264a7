"""From the wire into a judge: what `check` and `list` do for some seconds.

A frame is taken apart once (the memo), observed with the kernel's timestamp, and time goes on without frames as well.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from vrrpcore.judge import Judge
from vrrpcore.judge.express import Express
from vrrpcore.judge.layouts import RING
from vrrpcore.memo import Memo
from vrrpcore.packet import Advertisement
from vrrpcore.records import Record, segment_of
from vrrpcore.verdict import Judgement
from vrrpwatch import __version__
from vrrpwatch.capture import LiveCapture
from vrrpwatch.probes import Prober

TICK: Final = 0.05  # seconds without a frame until the judge hears that time passes
LEAST: Final = 4.0
#: A single invented advert may claim an interval of 255 s and must not hold up a monitoring system.
MOST: Final = 60.0
MAX_VIRTUAL: Final = 65536


class Ears:
    """Frames into one judge; keeps what the caller needs to know beside the judgement."""

    def __init__(self, judge: Judge, slowest: float = 0.0) -> None:
        self.judge = judge
        self.memo = Memo()
        self.express = Express(judge, RING)
        self.frames = 0
        self.received = False  # a frame came from elsewhere: our own joins and questions prove nothing
        #: Seconds after which the slowest router heard (or expected) counts as silent: 3·adv + skew.
        self.slowest = slowest
        self.virtual: set[bytes] = set()  # every virtual address heard of
        self._known: object = None

    def hear(self, capture: LiveCapture, timeout: float, keep: Sequence[Callable[[Record], None]] = ()) -> None:
        """Observe what arrives; waits up to `timeout` seconds for it. What is to be kept costs a record each."""
        if keep:
            for record in capture.poll(timeout):
                for each in keep:
                    each(record)
                self.take(record)
            return
        self.frames += capture.pump(timeout, self.express, self._take)

    def take(self, record: Record) -> None:
        """Observe one record."""
        self.frames += 1
        self._take(record)

    def _take(self, record: Record, block: bytes = b"", at: int = 0) -> None:
        """The long way of a frame that is no mere repetition; `block` and `at` as `LiveCapture.pump` gives them."""
        frame, ident = self.memo.lookup(record.frame, record.link.linktype, record.vlans)
        segment = segment_of(record.link.segment, frame.vlans)
        self.received = self.received or not record.outgoing
        self.express.observe(record.time, segment, record.outgoing, frame, ident)
        if block:
            self.express.learn(block, at, len(record.frame), segment, frame)
        body = frame.body
        if isinstance(body, Advertisement) and body is not self._known:
            self._known = body
            # skew: at most 1 s in version 2 (RFC 3768 §6.1), at most one interval in version 3 (RFC 9568 §6.1)
            skew = 1.0 if body.version == 2 else body.interval
            self.slowest = max(self.slowest, 3 * body.interval + skew)
            if len(self.virtual) < MAX_VIRTUAL:
                self.virtual.update(body.addresses)


def listen(
    capture: LiveCapture,
    ears: Ears,
    *,
    seconds: float | None = None,
    prober: Prober | None = None,
    done: Callable[[Judgement], bool] = lambda _: False,
    doubtful: Callable[[Judgement], bool] = lambda _: False,
) -> Judgement:
    """Listen and judge.

    For `seconds`, or for as long as the slowest router heard may be silent (LEAST to MOST). Ends early when
    `done(judgement)`; goes on for another while (half of LEAST at least) when the time is over and it is `doubtful`.
    """
    begun, wall = time.monotonic(), time.time()
    received = received_frames(capture)
    looked = begun
    extension, pause = 0.0, 5 * TICK
    while True:
        ears.hear(capture, TICK)
        now = capture.horizon()
        ears.judge.advance(now)
        if prober is not None:
            prober.ask(ears.judge.probes(now), ears.virtual)
        clock = time.monotonic()
        limit = (min(max(LEAST, ears.slowest), MOST) if seconds is None else seconds) + extension
        over = clock - begun >= limit
        if over or clock - looked > pause:
            judgement = state(capture, ears, wall, now)
            looked = time.monotonic()
            pause = max(5 * TICK, 10 * (looked - clock))  # thousands of routers: a tenth of the time at most
            if done(judgement):
                return judgement
            if over:
                if seconds is not None or extension or not doubtful(judgement):
                    return _with_remark(judgement, ears, received_frames(capture) - received)
                extension = min(max(LEAST / 2, ears.slowest), MOST / 2)


def state(capture: LiveCapture, ears: Ears, start: float, now: float) -> Judgement:
    """The judgement as of `now`, with what the capture knows of itself."""
    judgement = ears.judge.report(now, capture.name, __version__)
    drops = capture.drops()
    facts = replace(judgement.sensor, dropped=drops, notes=(*judgement.sensor.notes, *capture.counters.notes))
    return replace(judgement, start=start, end=max(now, start), sensor=facts)


def _with_remark(judgement: Judgement, ears: Ears, received: int) -> Judgement:
    """Say so when nothing arrives, or frames none of which concern VRRP: a dead sensor and a wrong port differ."""
    if ears.received:
        return judgement
    note = f"nothing was received on {judgement.source}: its silence says nothing about the routers"
    if received > 0:
        note = f"{received} frames arrived on {judgement.source}, none of them VRRP, ARP or neighbour discovery"
    return replace(judgement, sensor=replace(judgement.sensor, notes=(*judgement.sensor.notes, note)))


def received_frames(capture: LiveCapture) -> int:
    """Frames that the kernel has counted as received on the captured interfaces, whatever they carry."""
    total = 0
    try:
        lines = Path("/proc/thread-self/net/dev").read_text().splitlines()[2:]
    except OSError:
        return 0
    for line in lines:
        name, _, rest = line.partition(":")
        if name.strip() in capture.links and len(rest.split()) > 1:
            total += int(rest.split()[1])
    return total
