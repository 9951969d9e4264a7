"""Live capture on virtual cables in a namespace of its own: filter, VLAN words, direction, order, loss, links."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest
from pyroute2 import IPRoute

from tests.support import ROOT
from vrrpcore import wires
from vrrpcore.addresses import VRRP_GROUP4, VRRP_GROUP6, pack
from vrrpcore.cbpf import encode, vrrp_filter
from vrrpcore.errors import SourceError
from vrrpcore.frames import build_advert, ethernet
from vrrpcore.membership import memberships
from vrrpcore.packet import Advertisement
from vrrpcore.records import RAW, Link, Record
from vrrpwatch.capture import LiveCapture, open_live
from vrrpwatch.interfaces import choose, default_interfaces, interfaces, segment_name
from vrrpwatch.lab.namespaces import Namespace

pytestmark = pytest.mark.root

MAC = bytes.fromhex("02000000000a")
ADVERT = Advertisement(
    version=2, vrid=51, priority=100, addresses=(pack("10.9.0.100"),), interval=1.0, auth_data=bytes(8)
)
DEADLINE = 10.0


@pytest.fixture
def cables() -> Iterator[None]:
    """The test runs inside a namespace with the pairs a0-a1 and b0-b1, all up."""
    namespace = Namespace("vw-src-wires")
    try:
        with namespace.entered():
            with IPRoute() as netlink:
                for pair in "ab":
                    make_pair(netlink, pair)
            yield
    finally:
        namespace.close()


def make_pair(netlink: IPRoute, pair: str) -> None:
    netlink.link("add", ifname=f"{pair}0", kind="veth", peer={"ifname": f"{pair}1"})
    for end in "01":
        set_up(netlink, f"{pair}{end}", True)


def set_up(netlink: IPRoute, name: str, up: bool) -> None:
    netlink.link("set", index=socket.if_nametoindex(name), state="up" if up else "down")


def advert(ident: int, *, vlans: tuple[int, ...] = (), vrid: int = 51) -> bytes:
    message = Advertisement(2, vrid, 100, (pack("10.9.0.100"),), 1.0, auth_data=bytes(8))
    return build_advert(message, MAC, pack("10.9.0.1"), VRRP_GROUP4, ident=ident, vlans=vlans)


def sender(interface: str) -> socket.socket:
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    sock.bind((interface, 0))
    return sock


def send(interface: str, *frames: bytes) -> None:
    with sender(interface) as sock:
        for frame in frames:
            sock.send(frame)


def ours(record: Record) -> bool:
    return record.frame[6:12] == MAC


def gather(capture: LiveCapture, count: int, until: Callable[[], bool] = lambda: True) -> list[Record]:
    """Our own frames, at least `count` of them, within the deadline."""
    found: list[Record] = []
    end = time.monotonic() + DEADLINE
    while time.monotonic() < end and not (len(found) >= count and until()):
        found += filter(ours, capture.poll(0.2))
    return found


@pytest.mark.parametrize("kind", ["ring", "messages"])
def test_both_kinds_of_socket_give_the_same_records(cables: None, kind: str) -> None:
    index = socket.if_nametoindex("a1")
    program = encode(vrrp_filter())
    sock: wires.PacketSocket = (
        wires.RingSocket(index, program, 64) if kind == "ring" else wires.MessageSocket(index, program)
    )
    links = {index: Link("a1", "lan")}
    before = time.time()
    unrelated = ethernet(b"\xff" * 6, MAC, 0x88CC, bytes(50))
    plain, tagged, double = advert(1), advert(2, vlans=(100,)), advert(3, vlans=(200, 100))
    send("a0", plain, unrelated, tagged, double)
    send("a1", advert(4))
    found: list[Record] = []
    end = time.monotonic() + DEADLINE
    while len(found) < 4 and time.monotonic() < end:
        found += filter(ours, sock.receive(links))
        time.sleep(0.01)
    sock.close()
    assert [(r.link.name, r.outgoing, r.vlans) for r in found] == [
        ("a1", False, ()),
        ("a1", False, (100,)),
        ("a1", False, (200,)),
        ("a1", True, ()),
    ]
    assert found[0].frame == plain
    assert found[1].frame == advert(2)  # the kernel took the tag off
    assert found[2].frame == advert(3, vlans=(100,))
    assert all(before - 0.1 <= r.time <= time.time() for r in found)
    assert [r.time for r in found] == sorted(r.time for r in found)


def test_records_of_several_interfaces_come_in_the_order_of_their_timestamps(cables: None) -> None:
    with open_live(["a1", "b1"]) as capture:
        with sender("a0") as a, sender("b0") as b:
            for number in range(0, 400, 2):
                a.send(advert(number + 1))
                b.send(advert(number + 2))
        records = gather(capture, 400)
        assert [r.frame[18] << 8 | r.frame[19] for r in records] == list(range(1, 401))
        assert [r.time for r in records] == sorted(r.time for r in records)
        assert {r.link.name for r in records} == {"a1", "b1"}
        assert capture.drops() == 0
        assert capture.frames["a1"] >= 200
        assert capture.last_frame["b1"] >= records[-1].time
        assert capture.counters.notes == []


def test_the_groups_are_joined_and_what_was_joined_before_is_remembered(cables: None) -> None:
    with open_live(["a1"]) as capture:
        assert {VRRP_GROUP4, VRRP_GROUP6} <= memberships()["a1"]
        assert not {VRRP_GROUP4, VRRP_GROUP6} & capture.memberships_before.get("a1", frozenset())
    assert VRRP_GROUP4 not in memberships()["a1"]


@pytest.mark.parametrize("promisc", [True, False])
def test_promiscuous_unless_told_otherwise(cables: None, promisc: bool) -> None:
    def promiscuity() -> int:
        with IPRoute() as netlink:
            (link,) = netlink.get_links(socket.if_nametoindex("a1"))
            return int(link.get_attr("IFLA_PROMISCUITY"))

    with open_live(["a1"], promisc=promisc) as capture:
        assert promiscuity() == int(promisc)
        send("a0", advert(1))
        assert len(gather(capture, 1)) == 1
    assert promiscuity() == 0


def test_an_interface_goes_down_and_comes_back(cables: None) -> None:
    with open_live(["a1", "b1"]) as capture, IPRoute() as netlink:
        set_up(netlink, "a1", False)
        gather(capture, 0, lambda: not capture.up["a1"])
        send("b0", advert(1))
        assert len(gather(capture, 1)) == 1
        set_up(netlink, "a1", True)
        gather(capture, 0, lambda: capture.up["a1"])
        send("a0", advert(2))
        assert [r.link.name for r in gather(capture, 1)] == ["a1"]
        assert capture.counters.notes == [
            "interface a1 went down during the capture",
            "interface a1 came back during the capture",
        ]


def test_an_interface_that_was_deleted_and_made_again_is_heard_again(cables: None) -> None:
    with open_live(["a1", "b1"], segments={"a1": "dc1"}) as capture, IPRoute() as netlink:
        netlink.link("del", index=socket.if_nametoindex("a0"))
        gather(capture, 0, lambda: not capture.up["a1"])
        make_pair(netlink, "a")
        gather(capture, 0, lambda: capture.up["a1"])
        send("a0", advert(7))
        (record,) = gather(capture, 1)
        assert (record.link.name, record.link.segment) == ("a1", "dc1")
        assert VRRP_GROUP4 in memberships()["a1"]
        assert capture.counters.notes[-1] == "interface a1 came back during the capture"


def test_many_interfaces_share_one_ring(cables: None) -> None:
    with IPRoute() as netlink:
        for pair in "cdefg":
            make_pair(netlink, pair)
        names = [f"{pair}1" for pair in "abcdefg"] + ["c0", "d0"]
        with open_live(names) as capture:
            assert capture.memory == wires.BLOCK_COUNTS[0] * wires.BLOCK_SIZE
            send("a0", advert(1))
            send("g0", advert(2))
            send("e1", advert(3))  # e0 is not listened to, e1 shows it as its own
            assert [(r.link.name, r.outgoing) for r in gather(capture, 3)] == [
                ("a1", False),
                ("g1", False),
                ("e1", True),
            ]
            netlink.link("del", index=socket.if_nametoindex("a0"))
            gather(capture, 0, lambda: not capture.up["a1"])
            make_pair(netlink, "a")
            gather(capture, 0, lambda: capture.up["a1"])
            send("a0", advert(4))
            assert [r.link.name for r in gather(capture, 1)] == ["a1"]


def test_a_reader_that_falls_behind_does_not_take_waiting_frames_for_silence(
    cables: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    receive = wires.RingSocket.receive
    monkeypatch.setattr(wires.RingSocket, "receive", lambda self, links: receive(self, links, limit=1))
    with open_live(["a1"]) as capture:
        for ident in range(5):
            send("a0", advert(ident))
            time.sleep(0.05)  # a block of the ring each
        end = time.monotonic() + DEADLINE
        seen: list[Record] = []
        behind = 0
        while time.monotonic() < end and len(seen) < 5:
            batch = [r for r in capture.poll(0.2) if ours(r)]
            seen += batch
            if batch and capture.horizon() == batch[-1].time:
                behind += 1
        assert behind >= 3
        while time.monotonic() < end and capture.horizon() < time.time() - 1:
            capture.poll(0.1)
        assert capture.horizon() > time.time() - 1


def test_frames_that_the_kernel_had_no_room_for_are_counted(cables: None) -> None:
    sock = wires.RingSocket(socket.if_nametoindex("a1"), encode(vrrp_filter()), 2)
    with sender("a0") as out:
        frame = advert(1)
        for _ in range(2_000):
            out.send(frame)
    dropped = sock.dropped()
    assert dropped > 0
    assert sock.dropped() == dropped  # the kernel's counter starts again at each read; ours does not
    sock.close()


def test_a_ring_is_worked_off_past_its_end(cables: None) -> None:
    index = socket.if_nametoindex("a1")
    sock = wires.RingSocket(index, encode(vrrp_filter()), 8)
    links = {index: Link("a1", "lan")}
    seen = 0
    with sender("a0") as out:
        for number in range(10_000):
            out.send(advert(number & 0xFFFF))
            if number % 100 == 99:
                seen += sum(map(ours, sock.receive(links)))
    end = time.monotonic() + DEADLINE
    while seen + sock.dropped() < 10_000 and time.monotonic() < end:
        seen += sum(map(ours, sock.receive(links)))
        time.sleep(0.01)
    sock.close()
    assert (seen, sock.dropped()) == (10_000, 0)


def test_where_no_ring_can_be_had_frames_are_received_one_by_one(cables: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(12, "Cannot allocate memory")

    monkeypatch.setattr(wires, "RingSocket", refuse)
    with open_live(["a1"]) as capture:
        send("a0", advert(1))
        assert len(gather(capture, 1)) == 1
        assert capture.counters.notes == ["no capture ring (Cannot allocate memory): frames are received one by one"]


def test_a_tunnel_without_link_layer_gives_bare_ip(cables: None) -> None:
    tun = os.open("/dev/net/tun", os.O_RDWR)
    try:
        import fcntl
        from struct import pack as pack_struct

        fcntl.ioctl(tun, 0x400454CA, pack_struct("16sH22x", b"tun7", 0x1001))  # TUNSETIFF: IFF_TUN | IFF_NO_PI
        with IPRoute() as netlink:
            set_up(netlink, "tun7", True)
        with open_live(["tun7"]) as capture:
            assert capture.links["tun7"].linktype == RAW
            os.write(tun, advert(1)[14:])
            end = time.monotonic() + DEADLINE
            records: list[Record] = []
            while not records and time.monotonic() < end:
                records = [r for r in capture.poll(0.2) if r.frame == advert(1)[14:]]
            assert records
    finally:
        os.close(tun)


def test_an_unknown_interface_is_refused_with_the_names_that_exist(cables: None) -> None:
    with pytest.raises(SourceError, match="no interface 'eth9' here; there are: lo, a1, a0, b1, b0"):
        open_live(["eth9"])


def test_poll_can_be_woken(cables: None) -> None:
    with open_live(["a1"]) as capture:
        gather(capture, 0)
        capture.wake()
        begun = time.monotonic()
        end = begun + DEADLINE
        while capture.poll(1.0) and time.monotonic() < end:
            pass
        assert time.monotonic() - begun < DEADLINE


def test_default_interfaces_leave_out_what_would_count_twice(cables: None) -> None:
    with IPRoute() as netlink:
        netlink.link("add", ifname="br0", kind="bridge")
        netlink.link("set", index=socket.if_nametoindex("b1"), master=socket.if_nametoindex("br0"))
        netlink.link("add", ifname="mv0", kind="macvlan", link=socket.if_nametoindex("a0"))
        for name in ("lo", "br0", "mv0"):
            set_up(netlink, name, True)
        set_up(netlink, "b0", False)
        assert [i.name for i in default_interfaces()] == ["a1", "a0", "br0"]
        set_up(netlink, "a0", False)  # now its child shows what nobody else does
        set_up(netlink, "br0", False)
        assert [i.name for i in default_interfaces()] == ["a1", "mv0"]
        assert [i.name for i in choose(["mv0", "b0", "mv0"])] == ["mv0", "b0"]


def test_segments_are_called_by_the_lowest_connected_prefix(cables: None) -> None:
    def segment() -> str:
        return segment_name(interfaces()["a1"], host="box")

    with IPRoute() as netlink:
        index = socket.if_nametoindex("a1")

        def add(address: str, length: int) -> None:
            netlink.addr("add", index=index, address=address, prefixlen=length)

        assert segment() == "box/a1"
        add("fd09::5", 64)
        assert segment() == "fd09::/64"
        add("10.9.0.100", 32)  # a virtual address
        assert segment() == "fd09::/64"
        add("10.9.0.5", 24)
        assert segment() == "10.9.0.0/24"
        add("10.8.3.1", 22)
        assert segment() == "10.8.0.0/22"


def test_without_the_capability_one_line_says_how_to_grant_it() -> None:
    code = (
        "import os, vrrpwatch.capture; from vrrpcore.errors import PermissionMissing\n"
        "os.setgid(65534); os.setuid(65534)\n"  # after the imports: the interpreter may be root's own
        "try: vrrpwatch.capture.open_live(['lo'])\n"
        "except PermissionMissing as error: print(error.exit_code, error)"
    )
    path = os.pathsep.join(str(ROOT / folder) for folder in ("", "core", "exporters"))
    environment = {**os.environ, "PYTHONPATH": path}
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)
    assert run.stderr == ""
    assert run.stdout.startswith(
        "3 listening on a network interface needs CAP_NET_RAW: use sudo, or grant it once with"
    )
    assert "`sudo setcap cap_net_raw+ep /" in run.stdout
    assert run.stdout.count("\n") == 1
