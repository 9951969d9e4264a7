"""`vrrpwatch check` against real keepalived: steady, split, healed, unheard; and every way to use it wrongly."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pyroute2 import IPRoute

from tests.lab.bench_of_hosts import Pair, TaggingCable, steady_machine, vrrpwatch
from vrrpwatch.lab import Lab

pytestmark = [pytest.mark.live, pytest.mark.root, pytest.mark.needs("keepalived", "iproute2")]


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab("vw-check") as lab:
        yield lab


@pytest.fixture(scope="module")
def pair(lab: Lab) -> Pair:
    """A v2 pair at 1 s, steady when a test begins; each test leaves it steady."""
    pair = Pair(lab, "p", 1)
    pair.start()
    pair.first.wait_state("MASTER")
    return pair


@pytest.fixture(scope="module")
def unicast(lab: Lab) -> Pair:
    """A unicast pair with VRRPv3 at 0.5 s."""
    pair = Pair(lab, "u", 2)
    one, two = f"{pair.prefix}.1", f"{pair.prefix}.2"
    common = {"version": 3, "interval": 0.5}
    pair.start({"peers": [two], "source": one, **common}, {"peers": [one], "source": two, **common})
    pair.first.wait_state("MASTER")
    return pair


def split(pair: Pair) -> None:
    pair.b.drop_vrrp("input")
    pair.second.wait_state("MASTER")


def heal(pair: Pair) -> None:
    pair.b.allow_vrrp()
    pair.second.wait_state("BACKUP")


def test_check_is_ok_while_one_keepalived_is_master(pair: Pair) -> None:
    answer = vrrpwatch(pair.observer, "check", "-i", "eth0")
    assert (answer.code, answer.err) == (0, "")
    assert answer.out.startswith(
        "VRRP OK - vrid 51/ipv4 on 10.9.1.0/24: steady, master 10.9.1.1 (prio 150) | masters=1;"
    )
    assert len(answer.out.splitlines()) == 1


def test_check_finds_a_real_split_and_is_ok_after_healing(pair: Pair) -> None:
    """It answers as soon as the split is proved: who is deaf may take one more look, where their adverts coincide."""
    with steady_machine():
        split(pair)
        try:
            looks = [vrrpwatch(pair.observer, "check", "-i", "eth0", "-o", "json")]
            while looks[-1].worst == ("split_brain", "deaf") and len(looks) < 3:
                looks.append(vrrpwatch(pair.observer, "check", "-i", "eth0", "-o", "json"))
        finally:
            heal(pair)
        answer = looks[-1]
        assert [(each.code, each.worst[0]) for each in looks] == [(2, "split_brain")] * len(looks)
        assert answer.worst == ("split_brain", "peer_deaf"), answer.out
        window = answer.document["window"]
        assert window["end"] - window["start"] <= 10.0
        router = answer.document["routers"][0]
        assert router["episodes"][0]["blamed"] == ["10.9.1.2"]
        assert {row["source"] for row in router["masters"]} == {"10.9.1.1", "10.9.1.2"}
        after = vrrpwatch(pair.observer, "check", "-i", "eth0", "-o", "json")
        assert (after.code, after.worst[0]) == (0, "steady")


def test_a_vrid_or_address_that_is_not_heard_has_no_master(pair: Pair) -> None:
    answer = vrrpwatch(pair.observer, "check", "-i", "eth0", "--vrid", "77", "--vip", "10.9.1.200", "-o", "json")
    assert (answer.code, answer.worst) == (2, ("no_master", "master_lost"))
    assert answer.document["routers"][0]["vrid"] == 77
    assert [row["vip"] for row in answer.document["addresses"]] == ["10.9.1.200"]


def test_a_short_look_does_not_miss_a_router(pair: Pair) -> None:
    """Half an interval of silence is none; what speaks in it counts all the same."""
    answer = vrrpwatch(pair.observer, "check", "-i", "eth0", "--vrid", "77", "--for", "0.5", "-o", "json")
    assert (answer.code, answer.worst) == (3, ("unknown", None))
    assert any("too short" in note for note in answer.document["sensor"]["notes"])


def test_a_vrid_and_address_that_are_heard_are_ok(pair: Pair) -> None:
    assert vrrpwatch(pair.observer, "check", "--vrid", "51", "--vip", "10.9.1.100").code == 0


def test_check_is_unknown_where_nothing_is_heard(lab: Lab) -> None:
    lonely = lab.host("lonely", "10.9.90.9/24", lan=lab.lan("quiet"))
    answer = vrrpwatch(lonely, "check", "--for", "1")
    assert answer.code == 3
    assert answer.out.startswith("VRRP UNKNOWN - ")


def test_a_deaf_sensor_misses_nothing(lab: Lab) -> None:
    """Its own joins and questions are frames on its wire, but nothing that was received."""
    deaf = lab.host("deaf", "10.9.91.9/24", lan=lab.lan("dead"))
    with deaf.entered(), IPRoute() as route:  # a switch port would send now and then: this far end never does
        route.link("add", ifname="dead0", kind="veth", peer={"ifname": "far0"})
        Path("/proc/sys/net/ipv6/conf/far0/disable_ipv6").write_text("1")
        near, far = (route.link_lookup(ifname=name)[0] for name in ("dead0", "far0"))
        route.addr("add", index=near, address="10.9.92.9", prefixlen=24)
        for index in (near, far):
            route.link("set", index=index, state="up")
    answer = vrrpwatch(deaf, "check", "-i", "dead0", "--vrid", "51", "--vip", "10.9.92.100", "-o", "json")
    assert (answer.code, answer.worst[0]) == (3, "unknown")
    said = answer.document["sensor"]["notes"]
    assert "nothing was received on dead0: its silence says nothing about the routers" in said


def test_a_unicast_pair_is_seen_and_its_split_found(unicast: Pair) -> None:
    assert vrrpwatch(unicast.observer, "check", "-i", "eth0").code == 0
    with steady_machine():
        split(unicast)
        try:
            answer = vrrpwatch(unicast.observer, "check", "-i", "eth0", "-o", "json")
        finally:
            heal(unicast)
        assert (answer.code, answer.worst) == (2, ("split_brain", "peer_deaf")), answer.out


def test_a_split_on_a_tagged_network_is_found_and_named_with_its_vlan(pair: Pair, lab: Lab) -> None:
    trunk = lab.lan("trunk")
    cable_host = lab.host("cable", lan=pair.lan)
    lab.join(cable_host, trunk)
    observer = lab.host("tagged", "192.0.2.9/24", lan=trunk)
    cable = TaggingCable(cable_host, 100)
    try:
        steady = vrrpwatch(observer, "check", "-i", "eth0", "-o", "json")
        assert (steady.code, steady.document["routers"][0]["segment"]) == (0, "192.0.2.0/24.100")
        with steady_machine():
            split(pair)
            try:
                answer = vrrpwatch(observer, "check", "-i", "eth0", "-o", "json")
            finally:
                heal(pair)
            assert (answer.code, answer.worst[0]) == (2, "split_brain")
            assert answer.document["worst"]["segment"] == "192.0.2.0/24.100"
    finally:
        cable.close()


def test_list_shows_the_router_and_its_master(pair: Pair) -> None:
    table = vrrpwatch(pair.observer, "list", "--for", "2.5")
    assert table.code == 0
    assert table.out.splitlines()[1].split() == (
        "10.9.1.0/24 51 ipv4 10.9.1.100 10.9.1.1 150 v2 1s none OK steady".split()
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("check", "-i", "nope"), "no interface 'nope'"),
        (("check", "-i", "nope", "-o", "json"), "no interface 'nope'"),
        (("check", "--vrid", "300"), "--vrid 300"),
        (("check", "--vip", "10.9"), "--vip 10.9"),
        (("check", "-o", "xml"), "--output xml"),
        (("check", "--for", "0"), "--for 0"),
        (("check", "--bad"), "--bad"),
        (("check", "--from", "ftp://x"), "ftp://x"),
        (("check", "--from", "http://127.0.0.1:1"), "127.0.0.1:1"),
    ],
)
def test_every_mistake_is_one_line_and_unknown(lab: Lab, words: tuple[str, ...], said: str) -> None:
    host = lab.hosts.get("mistaken") or lab.host("mistaken", "10.9.91.9/24")
    answer = vrrpwatch(host, *words)
    assert answer.code == 3
    lines = (answer.out + answer.err).splitlines()
    assert len(lines) == 1
    assert said in lines[0]


def test_without_permission_and_without_a_daemon_check_is_unknown_and_says_what_to_grant(pair: Pair) -> None:
    answer = vrrpwatch(pair.observer, "check", before=("setpriv", "--bounding-set=-all", "--inh-caps=-all"))
    assert answer.code == 3
    assert answer.out.startswith("VRRP UNKNOWN - ")
    assert "CAP_NET_RAW" in answer.out
    assert len(answer.out.splitlines()) == 1
