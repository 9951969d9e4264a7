"""Several vantage points merged into one judgement."""

from __future__ import annotations

import random

import pytest

from vrrpcore.frames import Frame
from vrrpcore.judge.panel import Panel, Timed
from vrrpcore.packet import Advertisement

from .replaying import NAMES, REPLAYS, expectation, frames_of

MERGED = [n for n in NAMES if "expect_merged" in expectation(n)]


def sensors(name: str, shift: dict[str, float] | None = None) -> dict[str, list[Timed]]:
    """Every vantage point of a replay; `shift` sets a sensor's clock wrong by seconds."""
    found: dict[str, list[Timed]] = {}
    for path in sorted((REPLAYS / name).glob("*.pcap*")):
        off = (shift or {}).get(path.stem, 0.0)
        found[path.stem] = [(t + off, "lan", False, f) for t, f in frames_of(path)]
    return found


def worst(views: dict[str, list[Timed]]) -> tuple[str, str | None]:
    panel = Panel()
    for view, frames in views.items():
        panel.add(view, frames)
    found = panel.report().worst
    return found.cls, found.cause


@pytest.mark.parametrize("name", MERGED)
def test_merged_captures_reach_their_verdict(name: str) -> None:
    expect = expectation(name)["expect_merged"]
    cls, cause = worst(sensors(name))
    assert cls in expect["class"]
    assert cause in expect["cause"]


@pytest.mark.parametrize("name", MERGED)
def test_wrong_clocks_and_another_order_change_nothing(name: str) -> None:
    expect = expectation(name)["expect_merged"]
    views = sensors(name, {"host-a": 7.3, "host-b": -11.8})
    order = list(views)
    random.Random(name).shuffle(order)
    cls, cause = worst({f"sensor {i}": views[key] for i, key in enumerate(order)})
    assert cls in expect["class"]
    assert cause in expect["cause"]


def _source(frame: Frame) -> bytes:
    return frame.ip.source if frame.ip is not None else b""


def test_a_partition_that_nobody_sees_whole_is_found() -> None:
    """Two bystanders, either side of a cut: each hears one healthy master."""
    frames = sensors("sb_partition_full")["observer"]
    a, b = bytes((10, 9, 0, 1)), bytes((10, 9, 0, 2))
    cut = [t for t, _, _, f in frames if isinstance(f.body, Advertisement) and _source(f) == b]
    left = [row for row in frames if not (cut[0] <= row[0] <= cut[-1] and row[3].source_mac.endswith(b"\x02"))]
    right = [row for row in frames if not (cut[0] <= row[0] <= cut[-1] and row[3].source_mac.endswith(b"\x01"))]
    assert any(_source(f) == a for _, _, _, f in left)
    assert worst({"left": left, "right": right}) == ("split_brain", "l2_partition")
