"""`check` and `doctor` beside real FRR: a pair as FRR's manual wants it, the ARP flux without it, and a split."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.lab.bench_of_hosts import vrrpwatch
from vrrpwatch.lab import Frr, Host, Lab, frr_config

pytestmark = [pytest.mark.live, pytest.mark.root, pytest.mark.needs("frr", "iproute2")]
VIP = "10.9.50.100"


@dataclass
class FrrPair:
    lab: Lab
    a: Host
    b: Host
    observer: Host
    first: Frr
    second: Frr


@pytest.fixture(scope="module")
def pair() -> Iterator[FrrPair]:
    with Lab("vw-frr") as lab:
        a, b, observer = (lab.host(name, f"10.9.50.{number}/24") for name, number in (("a", 1), ("b", 2), ("o", 9)))
        for host in (a, b):
            host.sysctl("net/ipv4/conf/all/arp_ignore", "1")
        first, second = (Frr(host, 51, frr_config(priority=p), [VIP]) for host, p in ((a, 150), (b, 100)))
        pair = FrrPair(lab, a, b, observer, first, second)
        wait_master(pair, first)
        yield pair


def wait_master(pair: FrrPair, frr: Frr) -> None:
    pair.lab.wait(lambda: '"status":"Master"' in frr.show().replace(" ", ""), "FRR to be master", 30)


def test_an_frr_pair_is_steady_and_doctor_asks_for_arp_ignore_where_it_is_not_set(pair: FrrPair) -> None:
    steady = vrrpwatch(pair.observer, "check", "-o", "json")
    assert (steady.code, steady.worst[0]) == (0, "steady"), steady.out
    pair.b.sysctl("net/ipv4/conf/all/arp_ignore", "0")
    try:
        doctor = vrrpwatch(pair.b, "doctor", "-i", "eth0", "--for", "0")
        assert "sysctl -w net.ipv4.conf.eth0.arp_ignore=1" in doctor.out
        assert "FRR vrrpd runs" in doctor.out
    finally:
        pair.b.sysctl("net/ipv4/conf/all/arp_ignore", "1")


def test_a_split_of_an_frr_pair_is_found_and_doctor_names_the_rule(pair: FrrPair) -> None:
    pair.b.drop_vrrp("input")
    try:
        wait_master(pair, pair.second)
        answer = vrrpwatch(pair.observer, "check", "-o", "json")
        assert (answer.code, answer.worst[0]) == (2, "split_brain")
        assert set(answer.document["routers"][0]["episodes"][0]["masters"]) == {"10.9.50.1", "10.9.50.2"}
        doctor = vrrpwatch(pair.b, "doctor", "-i", "eth0", "--for", "2.5")
        assert doctor.code == 1
        assert "inet vrrpwatch-lab input: meta l4proto vrrp" in doctor.out
    finally:
        pair.b.allow_vrrp()
