"""What the doctor understands of rulesets, and what it does with it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from vrrpcore.addresses import VRRP_GROUP4
from vrrpwatch.doctor import iptables, nft
from vrrpwatch.doctor.findings import Evidence, examine
from vrrpwatch.doctor.host import Daemon, Firewalls, frr_opinions
from vrrpwatch.doctor.packets import Hit, Packet, drops

IN4 = Packet(4, 112, "224.0.0.18", interface="eth0")
IN6 = Packet(6, 112, "ff02::12", interface="eth0")
OUT4 = Packet(4, 112, "224.0.0.18", interface="eth0", incoming=False)


def ruleset(
    *expressions: list[Any], policy: str = "accept", hook: str = "input", extra: list[Any] | None = None
) -> str:
    chain = {"family": "inet", "table": "filter", "name": "c", "handle": 1, "type": "filter", "hook": hook, "prio": 0}
    rows: list[Any] = [{"metainfo": {}}, {"chain": {**chain, "policy": policy}}, *(extra or [])]
    for number, expression in enumerate(expressions):
        rule = {"family": "inet", "table": "filter", "chain": "c", "handle": 10 + number, "expr": expression}
        rows.append({"rule": rule})
    return json.dumps({"nftables": rows})


def match(left: Any, right: Any, op: str = "==") -> dict[str, Any]:
    return {"match": {"op": op, "left": left, "right": right}}


META = {"meta": {"key": "l4proto"}}
PROTOCOL = {"payload": {"protocol": "ip", "field": "protocol"}}
DADDR = {"payload": {"protocol": "ip", "field": "daddr"}}
COUNTER = {"counter": {"packets": 7, "bytes": 280}}
DROP, ACCEPT = {"drop": None}, {"accept": None}


def hits(document: str, packet: Packet = IN4) -> list[Hit]:
    return drops(nft.read(document), packet)


@pytest.mark.parametrize(
    ("expressions", "packet", "certain"),
    [
        ([[match(META, 112), COUNTER, DROP]], IN4, True),
        ([[match(META, "vrrp"), COUNTER, DROP]], IN6, True),
        ([[match(META, "ah"), DROP]], IN4, None),
        ([[match(META, {"set": [1, "vrrp"]}), DROP]], IN4, True),
        ([[match(META, {"set": ["tcp", "udp"]}, "!="), {"reject": {"type": "icmpx"}}]], IN4, True),
        ([[match(PROTOCOL, 112), DROP]], IN6, None),  # `ip protocol` asks for IPv4
        ([[match(DADDR, {"prefix": {"addr": "224.0.0.0", "len": 4}}), DROP]], IN4, True),
        ([[match(DADDR, {"range": ["224.0.0.1", "224.0.0.10"]}), DROP]], IN4, None),
        ([[match(META, 112), ACCEPT], [DROP]], IN4, None),
        ([[match({"meta": {"key": "iifname"}}, "eth1"), ACCEPT], [COUNTER, DROP]], IN4, True),
        ([[match({"meta": {"key": "iifname"}}, "eth*"), DROP]], IN4, True),
        ([[match({"ct": {"key": "state"}}, {"set": ["established", "related"]}, "in"), ACCEPT], [DROP]], IN4, True),
        ([[match({"meta": {"key": "mark"}}, 1), DROP]], IN4, False),
        ([[{"limit": {"rate": 5}}, DROP]], IN4, False),
        ([[match({"meta": {"key": "pkttype"}}, "multicast"), DROP]], IN4, True),
        ([[match({"fib": {"result": "type", "flags": ["daddr"]}}, "multicast"), DROP]], IN4, True),
        ([[match(META, 112), {"return": None}], [DROP]], IN4, None),
    ],
)
def test_an_nft_rule_drops_an_advert_surely_perhaps_or_never(
    expressions: list[list[Any]], packet: Packet, certain: bool | None
) -> None:
    found = hits(ruleset(*expressions), packet)
    assert [hit.certain for hit in found] == ([] if certain is None else [certain])


def test_a_policy_that_drops_is_a_hit_of_the_chain() -> None:
    (hit,) = hits(ruleset([match(META, "tcp"), ACCEPT], policy="drop"))
    assert hit.rule is None
    assert hit.text == "nft: inet filter c: policy drop"


def test_jumps_are_followed_into_the_chain_that_drops() -> None:
    other = {"chain": {"family": "inet", "table": "filter", "name": "vrrp", "handle": 2}}
    rule = {"family": "inet", "table": "filter", "chain": "vrrp", "handle": 20, "expr": [COUNTER, DROP]}
    document = ruleset([match(META, 112), {"jump": {"target": "vrrp"}}], [ACCEPT], extra=[other, {"rule": rule}])
    (hit,) = hits(document)
    assert (hit.chain.name, hit.packets, hit.certain) == ("vrrp", 7, True)


def test_a_chain_that_jumps_to_itself_ends() -> None:
    assert hits(ruleset([{"jump": {"target": "c"}}])) == []


def test_a_verdict_map_is_read_entry_by_entry() -> None:
    data = {"set": [["tcp", {"accept": None}], ["vrrp", {"drop": None}]]}
    (hit,) = hits(ruleset([{"vmap": {"key": META, "data": data}}]))
    assert hit.certain


def test_a_named_set_is_looked_up() -> None:
    named = {"set": {"family": "inet", "table": "filter", "name": "bad", "elem": ["10.0.0.1", "224.0.0.18"]}}
    assert len(hits(ruleset([match(DADDR, "@bad"), DROP], extra=[named]))) == 1


def test_an_input_rule_does_not_concern_what_leaves() -> None:
    assert hits(ruleset([DROP]), OUT4) == []
    assert len(hits(ruleset([DROP], hook="output"), OUT4)) == 1


def test_the_rule_is_quoted_in_nfts_own_words() -> None:
    listing = "table inet filter {\n chain c { # handle 1\n  meta l4proto vrrp counter drop # handle 10\n }\n}\n"
    (hit,) = drops(nft.read(ruleset([match(META, 112), DROP]), listing), IN4)
    assert hit.text == "nft: inet filter c: meta l4proto vrrp counter drop"


SAVE = """*filter
:INPUT {policy} [3:120]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:VRRP - [0:0]
{rules}
COMMIT
"""


@pytest.mark.parametrize(
    ("rules", "policy", "text"),
    [
        ("[9:360] -A INPUT -p vrrp -j DROP", "ACCEPT", "-A INPUT -p vrrp -j DROP"),
        (
            "[9:360] -A INPUT -p 112 -j REJECT --reject-with icmp-port-unreachable",
            "ACCEPT",
            "-A INPUT -p 112 -j REJECT",
        ),
        ("[0:0] -A INPUT -p 112 -j ACCEPT\n[9:1] -A INPUT -j DROP", "ACCEPT", None),
        ("[0:0] -A INPUT ! -i eth0 -j DROP", "ACCEPT", None),
        ("[0:0] -A INPUT ! -s 10.0.0.0/8 -p tcp -j DROP", "ACCEPT", None),
        ("[0:0] -A INPUT -d 224.0.0.0/4 -j DROP", "ACCEPT", "-A INPUT -d 224.0.0.0/4 -j DROP"),
        ("[0:0] -A INPUT -p vrrp -j VRRP\n[2:2] -A VRRP -j DROP", "ACCEPT", "-A VRRP -j DROP"),
        ("[0:0] -A INPUT -m addrtype --dst-type MULTICAST -j DROP", "ACCEPT", "-A INPUT -m addrtype"),
        ("[0:0] -A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT", "DROP", "policy drop"),
        ("[0:0] -A INPUT -p tcp -m tcp --dport 22 -j ACCEPT", "DROP", "policy drop"),
        ('[0:0] -A INPUT -j LOG --log-prefix "in: "\n[0:0] -A INPUT -p vrrp -j ACCEPT', "DROP", None),
    ],
)
def test_an_iptables_ruleset_drops_an_advert_or_not(rules: str, policy: str, text: str | None) -> None:
    found = drops(iptables.read(SAVE.format(rules=rules, policy=policy), 4), IN4)
    if text is None:
        assert [hit for hit in found if hit.certain] == []
    else:
        assert text in found[0].text
        assert found[0].certain


def test_iptables_for_ipv4_says_nothing_about_ipv6() -> None:
    assert drops(iptables.read(SAVE.format(rules="-A INPUT -j DROP", policy="DROP"), 4), IN6) == []


def test_a_rule_of_an_unknown_module_only_may_drop() -> None:
    (hit,) = drops(iptables.read(SAVE.format(rules="-A INPUT -m u32 --u32 0=0 -j DROP", policy="ACCEPT"), 4), IN4)
    assert not hit.certain


def evidence(**options: Any) -> Evidence:
    given: dict[str, Any] = {"memberships": {"eth0": frozenset((VRRP_GROUP4,))}, "firewalls": Firewalls(tools=["nft"])}
    return Evidence(["eth0"], **{**given, **options})


def test_a_dropping_rule_is_a_problem_with_the_line_that_opens_it_in_each_dialect() -> None:
    firewalls = Firewalls(nft.read(ruleset([match(META, 112), COUNTER, DROP])), ["nft"])
    found = [one for one in examine(evidence(firewalls=firewalls)) if one.level == "problem"]
    assert any("counter 7 packets" in one.text for one in found)
    (four,) = (one for one in found if "224.0.0.18" in one.text)
    assert four.fix == (
        "nft insert rule inet filter c ip daddr 224.0.0.18 meta l4proto 112 accept",
        "iptables -I INPUT -p 112 -d 224.0.0.18 -j ACCEPT",
        "firewall-cmd --permanent --add-rich-rule='rule protocol value=\"vrrp\" accept' && firewall-cmd --reload",
    )


def test_what_cannot_be_seen_is_said() -> None:
    found = examine(evidence(firewalls=Firewalls(unseen=["nft is not installed"])))
    assert [one.text for one in found if one.level == "unseen"] == [
        "nft is not installed",
        "the wire was not listened to",
    ]
    assert not any("no rule drops" in one.text for one in found)


def test_strict_arp_is_asked_for_where_a_virtual_mac_lives() -> None:
    found = examine(
        evidence(
            macvlans={"vrrp4-51": "00:00:5e:00:01:33"},
            daemons=[Daemon("FRR vrrpd", 1)],
            sysctls={"net/ipv4/conf/all/arp_ignore": "0", "net/ipv4/conf/vrrp4-51/rp_filter": "1"},
        )
    )
    fixes = [line for one in found if one.level == "warning" for line in one.fix]
    assert fixes == ["sysctl -w net.ipv4.conf.eth0.arp_ignore=1", "sysctl -w net.ipv4.conf.vrrp4-51.rp_filter=2"]


def test_frrs_opinion_is_read_and_nonsense_is_none() -> None:
    row = {"vrid": 51, "v4": {"status": "Master"}, "v6": {"status": "Initialize"}}
    assert list(frr_opinions(json.dumps([row]))) == [(51, 4, "master")]
    assert list(frr_opinions("% Unknown command")) == []
    assert list(frr_opinions("3")) == []
