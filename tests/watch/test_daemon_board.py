"""The board between the capture loop and its readers, and the loop's own pace."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.exporters.samples import judgement, snapshot
from vrrpcore.records import Link, SourceCounters
from vrrpexporters.snapshot import Snapshot
from vrrpwatch.capture import LiveCapture
from vrrpwatch.daemon import sensor as module
from vrrpwatch.daemon.sensor import FRESH, Board, Sensor


def old(sequence: int = 1) -> Snapshot:
    return replace(snapshot(judgement(), sequence), monotonic=time.monotonic() - FRESH - 1)


def test_a_fresh_snapshot_is_taken_as_it_is() -> None:
    board = Board()
    board.publish(snapshot(judgement()))
    assert board.fresh() is board.latest()
    assert not board.wanted


def test_before_the_first_nobody_waits() -> None:
    assert Board().fresh().sequence == 0


def test_an_old_one_is_asked_for_anew_and_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE", 60.0)
    board = Board()
    board.publish(old())
    got: list[int] = []
    thread = threading.Thread(target=lambda: got.append(board.fresh().sequence))
    thread.start()
    deadline = time.monotonic() + 10
    while not board.wanted and time.monotonic() < deadline:
        time.sleep(0.001)
    assert board.wanted
    board.publish(snapshot(judgement(), 2))
    thread.join()
    assert not board.wanted
    assert got == [2]


def test_a_capture_loop_that_is_busy_is_not_waited_for_long() -> None:
    board = Board()
    board.publish(old())
    assert board.fresh().sequence == 1


class Wire:
    """A capture on which nothing arrives."""

    name = "eth0"
    links = {"eth0": Link("eth0", "10.9.0.0/24")}  # noqa: RUF012
    up = {"eth0": True}  # noqa: RUF012
    frames: dict[str, int] = {}  # noqa: RUF012
    last_frame: dict[str, float] = {}  # noqa: RUF012

    def __init__(self) -> None:
        self.counters = SourceCounters()
        self.polls = 0
        self.then: Callable[[], None] = lambda: None

    def pump(self, timeout: float, repeats: object, take: object) -> int:
        self.polls += 1
        time.sleep(0.002)
        self.then()
        return 0

    def horizon(self) -> float:
        return time.time()

    def drops(self) -> int:
        return 3

    def wake(self) -> None:
        return


def test_the_loop_publishes_without_a_frame_and_sooner_when_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LEAST_INTERVAL", 0.01)
    monkeypatch.setattr(module, "SHARE", 1e9)  # by itself: once in MOST_INTERVAL
    board, wire = Board(), Wire()
    sensor = Sensor(wire, board)  # type: ignore[arg-type]
    asked = 0

    def then() -> None:
        nonlocal asked
        if board.latest().sequence > asked:
            asked = board.latest().sequence
            board.wanted = True
        if asked == 3:
            sensor.stop()

    wire.then = then
    begun = time.monotonic()
    sensor.run()
    assert board.latest().sequence >= 3
    assert time.monotonic() - begun < 3 * module.MOST_INTERVAL
    assert board.latest().judgement.sensor.dropped == 3
    assert [row.interface for row in board.latest().sniffers] == ["eth0"]


def test_the_wire_of_this_test_has_what_a_capture_has() -> None:
    for name in ("pump", "horizon", "drops", "wake"):
        assert callable(getattr(LiveCapture, name))
