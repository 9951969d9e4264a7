"""The capture ring on a real cable: the same frames as recvmsg gives and as were sent, kernel time, counted drops."""

from __future__ import annotations

import errno
import select
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from struct import unpack_from

import pytest

from tests.core.frame_samples import A4, FOREIGN, MAC, OURS, V2, VLAN_STACKS
from tests.core.veth import cable
from vrrpcore import wires
from vrrpcore.addresses import VRRP_GROUP4
from vrrpcore.cbpf import encode, vrrp_filter
from vrrpcore.frames import Malformed, build_advert, unwrap
from vrrpcore.judge.layouts import RING
from vrrpcore.memo import Memo
from vrrpcore.records import Link, Record

pytestmark = pytest.mark.root

PROGRAM = encode(vrrp_filter())
PATIENCE = 30.0  # seconds until a frame that was sent counts as lost


@dataclass
class Bench:
    """A cable: frames go in at `sender`; `links` names the interface at the other end."""

    sender: socket.socket
    indexes: dict[str, int]

    @property
    def links(self) -> Mapping[int, Link]:
        return {self.indexes["out"]: Link("out", "lan")}

    def sent(self, frames: list[bytes]) -> None:
        for frame in frames:
            self.sender.send(frame)


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    with cable("ring") as indexes, socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as sender:
        sender.bind(("in", 0))
        yield Bench(sender, indexes)


def ring(bench: Bench, blocks: int = wires.BLOCK_COUNTS[0]) -> wires.RingSocket:
    """A block is handed over every RETIRE_MS, full or not: a stalled test needs many of them."""
    return wires.RingSocket(bench.indexes["out"], PROGRAM, blocks)


def message(bench: Bench) -> wires.MessageSocket:
    return wires.MessageSocket(bench.indexes["out"], PROGRAM)


BOTH = pytest.mark.parametrize("make", [ring, message])


def gather(sock: wires.PacketSocket, links: Mapping[int, Link], count: int) -> list[Record]:
    """Records until there are `count`, or until nothing comes any more."""
    found: list[Record] = []
    poll = select.poll()
    poll.register(sock.fileno(), select.POLLIN)
    deadline = time.monotonic() + PATIENCE
    while len(found) < count and time.monotonic() < deadline:
        poll.poll(100)
        found += sock.receive(links)
    return found


def adverts(count: int, first: int = 1) -> list[bytes]:
    """Adverts that differ in IP ID alone."""
    return [build_advert(V2, MAC, A4, VRRP_GROUP4, ident=ident & 0xFFFF) for ident in range(first, first + count)]


@BOTH
def test_every_kind_and_every_stack_of_tags_arrives_as_sent(
    bench: Bench, make: Callable[[Bench], wires.PacketSocket]
) -> None:
    sock = make(bench)
    try:
        originals = [build(vlans) for build in OURS.values() for vlans in VLAN_STACKS]
        strangers = [build(vlans) for build in FOREIGN.values() for vlans in VLAN_STACKS]
        for original, stranger in zip(originals, strangers * 3, strict=False):
            bench.sent([stranger, original])
        records = gather(sock, bench.links, len(originals))
    finally:
        sock.close()
    assert len(records) == len(originals)
    memo = Memo()
    for original, record in zip(originals, records, strict=True):
        plain = unwrap(original)
        # The kernel took the outer tag off and handed its VLAN id beside the frame.
        assert unwrap(record.frame, 1, record.vlans) == plain
        assert len(record.vlans) == min(len(plain.vlans), 1)
        frame, ident = memo.lookup(record.frame, 1, record.vlans)
        if plain.ip is not None and frame.ip is not None:
            frame = replace(frame, ip=replace(frame.ip, ident=ident))
        assert frame == plain
        assert not record.outgoing
        assert record.link == Link("out", "lan")


def test_ring_and_recvmsg_give_the_same_records(bench: Bench) -> None:
    one, other = ring(bench), message(bench)
    try:
        # SO_TIMESTAMPNS switches the stamping of arriving frames on by a kernel worker, a moment later; until then
        # recvmsg gives the time of the call. The ring stamps by itself.
        deadline = time.monotonic() + PATIENCE
        apart = 1.0
        while apart > 1e-6 and time.monotonic() < deadline:
            bench.sent(adverts(1))
            apart = abs(gather(one, bench.links, 1)[0].time - gather(other, bench.links, 1)[0].time)
        begun = time.time()
        bench.sent([*adverts(500), OURS["garp"]((100, 200)), OURS["mld2"]((9,))])
        ours, theirs = gather(one, bench.links, 502), gather(other, bench.links, 502)
        ended = time.time()
    finally:
        one.close()
        other.close()
    assert len(ours) == len(theirs) == 502
    for a, b in zip(ours, theirs, strict=True):
        assert a._replace(time=0) == b._replace(time=0)
        assert abs(a.time - b.time) < 1e-6  # the kernel stamps a frame once
    times = [record.time for record in ours]
    assert times == sorted(times)
    assert begun - 0.001 <= times[0] <= times[-1] <= ended + 0.001


def test_a_ring_goes_round_and_what_was_received_stays(bench: Bench) -> None:
    """Each turn takes one block at least, so the ring is gone round several times and written over."""
    sock = ring(bench, blocks := 16)
    try:
        records: list[Record] = []
        for turn in range(4 * blocks):
            bench.sent(adverts(50, 1 + 50 * turn))
            records += gather(sock, bench.links, 50)
        dropped = sock.dropped()
    finally:
        sock.close()
    assert dropped == 0
    assert [record.frame for record in records] == adverts(4 * blocks * 50)


def test_feeding_gives_what_receiving_gives(bench: Bench) -> None:
    """`feed` shows every frame where it lies in the block, and makes records of those that are declined."""
    one, other = ring(bench), ring(bench)
    link = bench.links[bench.indexes["out"]]
    taken: list[Record] = []

    class EveryThird:
        """Works off each third frame, by the layout that `judge.express` goes by."""

        slack = 100
        newest = 0.0

        def __init__(self) -> None:
            self.shown: list[tuple[bytes, bytes]] = []

        def run(self, buf: bytes, pos: int, end: int) -> tuple[int, int]:
            assert end == len(buf) - self.slack
            taken = 0
            while pos < end:
                step, length = unpack_from("=I8xI", buf, pos)
                size = RING.size(length)
                assert step in (size, 0)
                assert pos + size <= end
                self.shown.append((buf[pos + 12 : pos + 66], buf[pos + RING.lead : pos + RING.lead + length]))
                if len(self.shown) % 3:
                    break
                taken += 1
                pos += size
            return pos, taken

    ways = EveryThird()
    try:
        bench.sent([build(vlans) for build in OURS.values() for vlans in VLAN_STACKS] * 2)
        total = len(OURS) * len(VLAN_STACKS) * 2
        records = gather(other, bench.links, total)
        count, last = 0, 0.0
        deadline = time.monotonic() + PATIENCE
        while count < total and time.monotonic() < deadline:
            more, last = one.feed(link, ways, lambda record, block, at: taken.append(record))
            count += more
    finally:
        one.close()
        other.close()
    assert count == len(records) == total
    assert [frame for _, frame in ways.shown] == [r.frame for r in records]
    assert [r._replace(time=0) for r in taken] == [r._replace(time=0) for n, r in enumerate(records, 1) if n % 3]
    half = total // 2  # the same again: all before the frame that is compared must be equal
    assert [head for head, _ in ways.shown[:half]] == [head for head, _ in ways.shown[half:]]
    assert last == taken[-1].time or count % 3 == 0


@BOTH
def test_what_did_not_fit_is_counted_once(bench: Bench, make: Callable[[Bench], wires.PacketSocket]) -> None:
    small = make is ring
    sock = ring(bench, blocks=4) if small else make(bench)
    many = 10_000 if small else 40_000  # more than the 1 MiB of such a ring or the socket's buffer holds
    try:
        assert sock.dropped() == 0
        bench.sent(adverts(many))
        lost = 0
        received = 0
        deadline = time.monotonic() + PATIENCE
        while received + lost < many and time.monotonic() < deadline:
            received += len(gather(sock, bench.links, 1))
            lost = sock.dropped()
        again = sock.dropped()
    finally:
        sock.close()
    assert lost > 0
    assert received + lost == many
    assert again == lost  # PACKET_STATISTICS starts again at each read; we add up


@BOTH
def test_frames_of_this_host_are_marked_outgoing(bench: Bench, make: Callable[[Bench], wires.PacketSocket]) -> None:
    sock = make(bench)
    try:
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as here:
            here.bind(("out", 0))
            here.send(OURS["v2"](()))
            bench.sent([OURS["v3-pseudo"](())])
            records = gather(sock, bench.links, 2)
    finally:
        sock.close()
    assert [record.outgoing for record in records] == [True, False]


@BOTH
def test_runts_do_not_end_the_loop(bench: Bench, make: Callable[[Bench], wires.PacketSocket]) -> None:
    sock = make(bench)
    try:
        bench.sent([OURS["garp"](())[:14], OURS["v2"](())[:24], OURS["v2"](())])
        records = gather(sock, bench.links, 3)
    finally:
        sock.close()
    bodies = [unwrap(record.frame, 1, record.vlans).body for record in records]
    assert [body.reason if isinstance(body, Malformed) else "" for body in bodies] == ["arp", "truncated", ""]


@BOTH
def test_an_interface_of_no_interest_is_passed_over(bench: Bench, make: Callable[[Bench], wires.PacketSocket]) -> None:
    sock = make(bench)
    try:
        bench.sent(adverts(3))
        assert gather(sock, bench.links, 3)
        bench.sent(adverts(3))
        time.sleep(0.05)
        assert sock.receive({}) == []
    finally:
        sock.close()


@BOTH
def test_nothing_passes_before_the_filter_is_there(bench: Bench, make: Callable[[Bench], wires.PacketSocket]) -> None:
    """A socket that was bound first, and filtered then, would hold foreign frames from between."""
    for _ in range(6):
        bench.sent([FOREIGN["tcp"](())] * 20)
        sock = make(bench)
        try:
            bench.sent([FOREIGN["tcp"](())] * 20 + adverts(1))
            records = gather(sock, bench.links, 1)
        finally:
            sock.close()
        assert [record.frame[23] for record in records] == [112]


@BOTH
def test_an_interface_that_goes_down_says_so(bench: Bench, make: Callable[[Bench], wires.PacketSocket]) -> None:
    from pyroute2 import IPRoute

    sock = make(bench)
    try:
        with IPRoute() as route:
            route.link("set", index=bench.indexes["out"], state="down")
            with pytest.raises(OSError, match=r"\d") as caught:
                gather(sock, bench.links, 1)
            route.link("set", index=bench.indexes["out"], state="up")
            for end in ("in", "out"):  # the kernel tells of a carrier up to a second late, and drops until then
                route.poll(route.link, "dump", timeout=10, index=bench.indexes[end], operstate="UP")
        assert caught.value.errno == errno.ENETDOWN
        bench.sent(adverts(1))
        assert len(gather(sock, bench.links, 1)) == 1  # the same socket goes on
    finally:
        sock.close()


def test_the_fallback_is_chosen_by_trying_and_said(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    sock, remark = wires.open_socket(bench.indexes["out"], PROGRAM)
    sock.close()
    assert (type(sock), remark) == (wires.RingSocket, None)

    tried: list[int] = []

    class Refused(wires.RingSocket):
        def __init__(self, index: int, program: bytes | None, blocks: int = 64) -> None:
            tried.append(blocks)
            raise OSError(errno.ENOMEM, "Cannot allocate memory")

    monkeypatch.setattr(wires, "RingSocket", Refused)
    sock, remark = wires.open_socket(bench.indexes["out"], PROGRAM)
    try:
        assert tried == list(wires.BLOCK_COUNTS)
        assert isinstance(sock, wires.MessageSocket)
        assert remark == "no capture ring (Cannot allocate memory): frames are received one by one"
        bench.sent(adverts(1))
        assert len(gather(sock, bench.links, 1)) == 1
    finally:
        sock.close()
