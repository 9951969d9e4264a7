"""Helpers of the judge's tests: a replay directory as frames, and a judge fed with them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

from vrrpcore.frames import Frame, unwrap
from vrrpcore.judge import Judge
from vrrpcore.pcap import Decoder

REPLAYS = Path(__file__).resolve().parent.parent / "replays"
NAMES = sorted(d.name for d in REPLAYS.iterdir() if (d / "expect.json").exists())
Timed = tuple[float, Frame]


@lru_cache(maxsize=8)
def frames_of(path: Path) -> tuple[Timed, ...]:
    """Every frame of a capture with its time (epoch seconds)."""
    decoder = Decoder()
    records = decoder.feed(path.read_bytes()) + decoder.finish()
    return tuple((r.time, unwrap(r.frame, r.link.linktype, r.vlans)) for r in records)


def observer(name: str) -> tuple[Timed, ...]:
    """The frames of the observer of a replay."""
    return frames_of(next((REPLAYS / name).glob("observer.*")))


def expectation(name: str) -> dict[str, Any]:
    """The contract of a replay."""
    loaded: dict[str, Any] = json.loads((REPLAYS / name / "expect.json").read_text())
    return loaded


def judged(frames: Iterable[Timed], segment: str = "capture") -> Judge:
    """A judge that has seen the frames."""
    judge = Judge()
    for time, frame in frames:
        judge.observe(time, segment, False, frame)
    return judge


def meets(judge: Judge, expect: dict[str, list[str | None]]) -> bool:
    """Whether the worst verdict is one of those expected."""
    worst = judge.report().worst
    return worst.cls in expect["class"] and worst.cause in expect["cause"]
