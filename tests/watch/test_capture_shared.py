"""One trunk for several processes: every frame goes to one member, that of its VLAN, with and without PACKET_FANOUT."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator

import pytest
from pyroute2 import IPRoute

from tests.core.frame_samples import A4, FOREIGN, MAC, OURS, V2
from tests.core.veth import cable, lay
from vrrpcore import wires
from vrrpcore.addresses import VRRP_GROUP4
from vrrpcore.cbpf import share_of, vrrp_filter
from vrrpcore.frames import build_advert, unwrap
from vrrpcore.records import Record
from vrrpwatch import capture as capture_module
from vrrpwatch.capture import LiveCapture, Share, open_live

pytestmark = pytest.mark.root

DEADLINE = 30.0
COUNT = 3
#: What a trunk may carry; 0 is a priority tag.
STACKS = [(), (0,), (5,), (10,), (20,), (30,), (40,), (100,), (0, 20), (100, 7), (7, 100), (4094,)]
SHARES = [share_of(vlans, COUNT) for vlans in STACKS]


@pytest.fixture
def indexes() -> Iterator[dict[str, int]]:
    with cable("share") as found:
        yield found


def members(count: int = COUNT) -> list[LiveCapture]:
    first = open_live(["out"], join=False, share=Share(0, count))
    return [first, *(open_live(["out"], join=False, share=Share(n, count, first)) for n in range(1, count))]


def send(frames: list[bytes], end: str = "in") -> None:
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as sock:
        sock.bind((end, 0))
        for frame in frames:
            sock.send(frame)


def trunk() -> list[bytes]:
    """A frame of each kind on each domain, foreign ones between them, and tags that the kernel leaves alone."""
    frames = [make(vlans) for vlans in STACKS for make in (*OURS.values(), *FOREIGN.values())]
    return frames + [frame[:12] + b"\x91\x00" + frame[14:] for frame in (OURS["v2"]((20,)), OURS["garp"]((100, 7)))]


def gather(captures: list[LiveCapture], count: int) -> list[list[Record]]:
    """What each of them received once there are `count` in all, and a moment later."""
    found: list[list[Record]] = [[] for _ in captures]
    deadline = time.monotonic() + DEADLINE
    last = 0
    while last < 5:  # nothing comes behind what was expected
        assert time.monotonic() < deadline, [len(records) for records in found]
        for records, capture in zip(found, captures, strict=True):
            records.extend(capture.poll(0.01))
        last += sum(map(len, found)) >= count
    return found


def domain(record: Record) -> tuple[int, ...]:
    return tuple(vlan for vlan in unwrap(record.frame, 1, record.vlans).vlans if vlan)


def refused(self: object, group: int | None, program: bytes) -> int:
    raise OSError(95, "Operation not supported")


@pytest.mark.parametrize("way", ["both", "fanout", "filters", "recvmsg"])
def test_every_frame_goes_to_the_one_member_of_its_vlan(
    indexes: dict[str, int], monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    if way == "fanout":
        monkeypatch.setattr(capture_module, "share_filter", lambda *_: vrrp_filter())
    if way == "filters":
        monkeypatch.setattr(wires.RingSocket, "join", refused)
    if way == "recvmsg":
        monkeypatch.setattr(wires, "BLOCK_COUNTS", (0, 0, 0))
    captures = members()
    try:
        expected = len(STACKS) * len(OURS) + 2
        for end, outgoing in (("in", False), ("out", True)):  # from elsewhere, and from this host
            send(trunk(), end)
            found = gather(captures, expected)
            assert sum(map(len, found)) == expected
            for number, records in enumerate(found):
                assert {share_of(domain(record), COUNT) for record in records} <= {number}
                assert {record.outgoing for record in records} <= {outgoing}
            assert [len(records) for records in found] == [
                SHARES.count(number) * len(OURS) + [share_of((v,), COUNT) for v in (20, 100)].count(number)
                for number in range(COUNT)
            ]
        notes = [note for note in captures[0].counters.notes if "PACKET_FANOUT" in note]
        assert notes == (
            ["no PACKET_FANOUT (operation not supported): every process filters all frames for its own VLANs"]
            if way == "filters"
            else []
        )
        assert bool(captures[0].groups) is (way != "filters")
    finally:
        for capture in captures:
            capture.close()


def test_shares_outlast_a_link_that_flaps_one_that_is_made_again_and_a_member_that_is_gone(
    indexes: dict[str, int],
) -> None:
    captures = members(2)
    frames = [build_advert(V2, MAC, A4, VRRP_GROUP4, vlans=(vlan,)) for vlan in range(1, 41)]
    sizes = [sum(share_of((vlan,), 2) == number for vlan in range(1, 41)) for number in (0, 1)]

    def until(done: Callable[[], bool]) -> None:
        deadline = time.monotonic() + DEADLINE
        while not done():
            assert time.monotonic() < deadline
            for capture in captures:
                capture.poll(0.05)

    def set_up(route: IPRoute, up: bool) -> None:
        for end in ("in", "out"):
            route.link("set", index=route.link_lookup(ifname=end)[0], state="up" if up else "down")
        if up:
            route.poll(route.link, "dump", timeout=10, ifname="out", operstate="UP")
        until(lambda: all(capture.up["out"] is up for capture in captures))

    try:
        with IPRoute() as route:
            set_up(route, False)
            set_up(route, True)
            send(frames)
            assert [len(records) for records in gather(captures, 40)] == sizes
            captures[1].close()
            send(frames)
            assert len(gather(captures[:1], sizes[0])[0]) == sizes[0]  # nobody else's VLANs fall to it
            captures[1] = open_live(["out"], join=False, share=Share(1, 2, captures[0]))
            send(frames)
            assert [len(records) for records in gather(captures, 40)] == sizes
            route.link("del", index=indexes["out"])
            until(lambda: not any(capture.up["out"] for capture in captures))
            lay(route)
            set_up(route, True)
            send(frames)
            assert [len(records) for records in gather(captures, 40)] == sizes
    finally:
        for capture in captures:
            capture.close()


def test_another_reader_resumes_where_the_first_one_stopped(indexes: dict[str, int]) -> None:
    """As after the death of a process that had inherited the capture: its place in the ring is found again."""
    with open_live(["out"], join=False) as capture:
        frames = [build_advert(V2, MAC, A4, VRRP_GROUP4, ident=ident) for ident in range(1, 41)]
        for turn in range(4):
            for frame in frames[10 * turn : 10 * turn + 5]:
                send([frame])
                assert len(gather([capture], 1)[0]) == 1
            (ring,) = capture._sockets.values()
            assert isinstance(ring, wires.RingSocket)
            if turn % 2:  # some wait in the ring meanwhile
                send(frames[10 * turn + 5 : 10 * turn + 10])
            ring._next = 0
            capture.resume()
            if turn % 2:
                assert [r.frame for r in gather([capture], 5)[0]] == frames[10 * turn + 5 : 10 * turn + 10]
