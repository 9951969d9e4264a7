"""`vrrpwatch doctor` on a backup that hears nothing: it names the very rule, in the dialect in which it was written."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.lab.bench_of_hosts import Pair, vrrpwatch
from vrrpwatch.doctor import netlink, nft
from vrrpwatch.doctor.packets import Packet, drops
from vrrpwatch.lab import Lab

pytestmark = [pytest.mark.live, pytest.mark.root, pytest.mark.needs("keepalived", "iproute2", "nftables", "iptables")]


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    with Lab("vw-doctor") as lab:
        pair = Pair(lab, "d", 30)
        pair.start()
        pair.first.wait_state("MASTER")
        yield pair


def test_a_healthy_backup_has_no_problem(pair: Pair) -> None:
    answer = vrrpwatch(pair.b, "doctor", "-i", "eth0", "--for", "2.5")
    assert answer.code == 0, answer.out
    assert "no rule drops VRRP" in answer.out
    assert "listened to 224.0.0.18" in answer.out


def test_a_master_that_is_not_alone_is_told_so(pair: Pair) -> None:
    pair.b.drop_vrrp("input")
    pair.second.wait_state("MASTER")
    answer = vrrpwatch(pair.b, "doctor", "-i", "eth0", "--for", "2.5")
    pair.b.allow_vrrp()
    pair.second.wait_state("BACKUP")
    assert (
        "PROBLEM daemon     vrid 51/ipv4: this host advertises, and 10.9.30.1 (prio 150) is master as well"
        in answer.out
    )


def test_the_nft_rule_is_named_with_its_counter_and_the_line_that_opens_it_works(pair: Pair) -> None:
    pair.b.run("nft", "add table inet site; add chain inet site input { type filter hook input priority 0; }")
    pair.b.run("nft", "add rule inet site input ip protocol { 1, 112 } counter drop")
    pair.second.wait_state("MASTER")
    answer = vrrpwatch(pair.b, "doctor", "-i", "eth0", "--for", "2.5")
    assert answer.code == 1
    problem = next(line for line in answer.out.splitlines() if line.startswith("PROBLEM firewall"))
    assert "nft: inet site input:" in problem
    assert "packets" in problem
    assert "counter 0 packets" not in problem
    fix = next(line.split("fix: ", 1)[1] for line in answer.out.splitlines() if "fix: nft insert rule" in line)
    pair.b.run("sh", "-c", fix)
    pair.second.wait_state("BACKUP")
    assert vrrpwatch(pair.b, "doctor", "-i", "eth0", "--for", "2.5").code == 0
    pair.b.run("nft", "flush", "ruleset")


def test_an_iptables_rule_is_named_in_its_own_words(pair: Pair) -> None:
    pair.b.run("iptables", "-A", "INPUT", "-p", "tcp", "--dport", "22", "-j", "ACCEPT")
    pair.b.run("iptables", "-A", "INPUT", "-m", "pkttype", "--pkt-type", "multicast", "-j", "DROP")
    answer = vrrpwatch(pair.b, "doctor", "-i", "eth0", "--for", "0")
    assert answer.code == 1
    assert "iptables: ip filter INPUT: -A INPUT -m pkttype --pkt-type multicast -j DROP" in answer.out
    assert "iptables -I INPUT -p 112 -d 224.0.0.18 -j ACCEPT" in answer.out
    pair.b.run("iptables", "-F")


def test_without_the_nft_program_the_kernels_own_rules_are_walked(pair: Pair) -> None:
    rules = [
        "add table inet site",
        "add chain inet site deep",
        "add chain inet site input { type filter hook input priority 0; policy accept; }",
        "add rule inet site deep ip daddr 224.0.0.0/4 counter drop",
        "add rule inet site input ct state established accept",
        'add rule inet site input iifname "eth1" drop',
        "add rule inet site input tcp dport 22 accept",
        "add rule inet site input ip protocol 112 jump deep",
        "add table ip6 site",
        "add chain ip6 site input { type filter hook input priority 0; }",
        "add rule ip6 site input meta l4proto 112 reject",
    ]
    pair.b.run("nft", "-f", "-", input="\n".join(rules))
    with pair.b.entered():
        chains = netlink.read()
    four = drops(chains, Packet(4, 112, "224.0.0.18", interface="eth0"))
    assert [(hit.certain, hit.chain.name) for hit in four] == [(True, "deep")]
    assert "daddr 224.0.0.0/4 drop" in four[0].text
    six = drops(chains, Packet(6, 112, "ff02::12", interface="eth0"))
    assert [(hit.certain, hit.rule.action if hit.rule else "") for hit in six] == [(True, "reject")]
    assert drops(chains, Packet(4, 112, "224.0.0.18", interface="eth0", incoming=False)) == []
    same = nft.read(pair.b.run("nft", "-j", "list", "ruleset").stdout)
    for packet in (Packet(4, 112, "224.0.0.18", interface="eth0"), Packet(4, 51, "10.0.0.1", interface="eth1")):
        assert [hit.certain for hit in drops(same, packet)] == [hit.certain for hit in drops(chains, packet)]
    pair.b.run("nft", "flush", "ruleset")
