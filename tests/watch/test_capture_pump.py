"""Live capture into the judge's short ways: as with records, with one interface and with two, also past a link flap."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from pyroute2 import IPRoute

from tests.core.frame_samples import A4, B4, FOREIGN, MAC, OURS, PEER, V2
from tests.core.veth import cable
from vrrpcore.addresses import VRRP_GROUP4
from vrrpcore.frames import build_advert
from vrrpcore.judge import Judge
from vrrpcore.judge.express import Express
from vrrpcore.judge.layouts import RING
from vrrpcore.records import Record
from vrrpwatch.capture import LiveCapture, open_live
from vrrpwatch.listening import Ears

pytestmark = pytest.mark.root

DEADLINE = 30.0


@pytest.fixture
def indexes() -> Iterator[dict[str, int]]:
    with cable("pump") as found:
        yield found


def until(done: Callable[[], bool], step: Callable[[], object]) -> None:
    """Repeat `step` until `done`, at most DEADLINE seconds."""
    deadline = time.monotonic() + DEADLINE
    while not done():
        assert time.monotonic() < deadline, "nothing more arrives"
        step()


def split(turns: int, first: int = 1, vlans: tuple[int, ...] = ()) -> list[bytes]:
    """Two masters in turn, each with its own IP-ID counter, and something foreign between them."""
    frames = []
    for turn in range(first, first + turns):
        frames += [
            build_advert(V2, MAC, A4, VRRP_GROUP4, ident=turn, vlans=vlans),
            FOREIGN["udp"](vlans),
            build_advert(replace(V2, priority=100), PEER, B4, VRRP_GROUP4, ident=turn, vlans=vlans),
        ]
    return frames


def send(name: str, frames: list[bytes], pause: float = 0.0) -> None:
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as sock:
        sock.bind((name, 0))
        for frame in frames:
            sock.send(frame)
            time.sleep(pause)


def test_a_pumped_capture_is_judged_as_its_records_are(indexes: dict[str, int]) -> None:
    """The same frames through both at once. Repetitions are 7 ms apart: nearer ones are copies to the judge."""
    alone = [build_advert(V2, MAC, A4, VRRP_GROUP4, ident=turn, vlans=(7,)) for turn in range(1, 81)]
    ways, sent = Ears(Judge()), alone + split(40)
    records: list[Record] = []
    with open_live(["out"], join=False) as one, open_live(["out"], join=False) as other:
        send("in", sent, pause=0.007)
        expected = 160
        until(lambda: ways.frames >= expected, lambda: ways.hear(one, 0.1))
        until(lambda: len(records) >= expected, lambda: records.extend(other.poll(0.1)))
        assert one.counters.frames == one.frames["out"] == len(records) == ways.frames == expected
    assert ways.memo.hits + ways.memo.misses + ways.memo.bypassed < expected - 60  # the rest took the short way

    plain = Ears(Judge())
    for record in records:
        plain.take(record)
    assert times_aside(ways) == times_aside(plain)


def times_aside(ears: Ears) -> str:
    """The report without what rests on times: two sockets stamp a frame within microseconds, not the same."""
    report = ears.judge.report(None, "source", "version").as_json()
    for router in report["routers"]:
        for master in router["masters"]:
            del master["first"], master["last"]
        for episode in router["episodes"]:
            for key in ("id", "start", "suspected", "confirmed", "end", "seconds", "evidence"):
                del episode[key]
    del report["window"]
    return json.dumps(report, indent=1)


def test_two_interfaces_are_pumped_in_the_order_of_time(indexes: dict[str, int]) -> None:
    taken: list[Record] = []
    shown: list[int] = []

    class Shown(Express):
        def run(self, buf: bytes, pos: int, end: int) -> tuple[int, int]:
            shown.append(pos)
            return super().run(buf, pos, end)

    ways = Shown(Judge(), RING)

    with open_live(["in", "out"], join=False) as capture:
        send("in", [OURS["v2"](())] * 5)
        until(lambda: len(taken) >= 10, lambda: capture.pump(0.1, ways, lambda record, block, at: taken.append(record)))
    assert shown == []  # several sockets: the order of records comes first
    assert [record.time for record in taken] == sorted(record.time for record in taken)
    assert sorted(record.link.name for record in taken) == ["in"] * 5 + ["out"] * 5


def hear(capture: LiveCapture, ears: Ears, count: int) -> None:
    until(lambda: ears.frames >= count, lambda: ears.hear(capture, 0.1))


def test_an_interface_that_goes_down_and_up_is_pumped_again(indexes: dict[str, int]) -> None:
    ears = Ears(Judge())
    with open_live(["out"], join=False) as capture, IPRoute() as route:
        send("in", split(3))
        hear(capture, ears, 6)
        route.link("set", index=indexes["out"], state="down")
        until(lambda: capture.up["out"] is False, lambda: ears.hear(capture, 0.1))
        route.link("set", index=indexes["out"], state="up")
        route.poll(route.link, "dump", timeout=10, index=indexes["out"], operstate="UP")
        until(lambda: capture.up["out"], lambda: ears.hear(capture, 0.1))
        send("in", split(3, first=4))
        hear(capture, ears, 12)
        assert any("came back" in note for note in capture.counters.notes)


def test_waking_ends_the_wait(indexes: dict[str, int]) -> None:
    ears = Ears(Judge())
    with open_live(["out"], join=False) as capture:
        capture.wake()
        begun = time.monotonic()
        ears.hear(capture, 1.0)
        assert time.monotonic() - begun < 0.9
