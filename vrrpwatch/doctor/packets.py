"""A firewall's rules, as values, and what they do to one VRRP advert. Pure.

The readers (`nft`, `iptables`) translate their dialect into chains of rules with conditions; here one packet walks
through them, as netfilter would send it. A condition that this model does not know is neither true nor false: such a
rule *may* match, and the walk says so instead of guessing.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Final

MAX_DEPTH: Final = 16  # netfilter's own limit on jumps
PROTOCOLS: Final = {"vrrp": 112, "carp": 112, "ah": 51, "icmp": 1, "tcp": 6, "udp": 17, "ipv6-icmp": 58, "icmpv6": 58}


@dataclass(frozen=True, slots=True)
class Packet:
    """An advert as the firewall sees it; empty strings are not known (and make conditions on them unknown)."""

    family: int  # 4 or 6
    protocol: int  # 112, or 51 (AH)
    destination: str  # the group, or a unicast peer's address
    source: str = ""
    interface: str = ""
    incoming: bool = True

    @property
    def facts(self) -> dict[str, str]:
        """Field -> value, in the words of both dialects."""
        multicast = ip_address(self.destination).is_multicast
        return {
            "nfproto": f"ipv{self.family}",
            "l4proto": str(self.protocol),
            "daddr": self.destination,
            "saddr": self.source,
            "iifname": self.interface if self.incoming else "\0",
            "oifname": self.interface if not self.incoming else "\0",
            "pkttype": ("multicast" if multicast else "host") if self.incoming else "",
            "daddrtype": ("multicast" if multicast else "local" if self.incoming else "unicast"),
            # nobody answers an advert to the same flow: conntrack never calls it established
            "ctstate": "new" if multicast else "",
        }


@dataclass(frozen=True, slots=True)
class Condition:
    """`field` is in `values`, or not in when `negated`; an unknown field leaves it open."""

    field: str
    values: tuple[str, ...] = ()
    negated: bool = False

    def holds(self, facts: Mapping[str, str]) -> bool | None:
        """True, False, or None when that cannot be known."""
        fact = facts.get(self.field, "")
        if not fact or not self.values:
            return None
        if fact == "\0":  # an interface that this hook does not have: matches no name
            return self.negated
        return any(_equal(self.field, fact, value) for value in self.values) != self.negated


def _equal(field: str, fact: str, value: str) -> bool:
    if field == "l4proto":
        return fact == str(PROTOCOLS.get(value, value))
    if field in ("daddr", "saddr"):
        try:
            if "-" in value:
                low, _, high = value.partition("-")
                one = ip_address(fact)
                return one.version == ip_address(low).version and int(ip_address(low)) <= int(one) <= int(
                    ip_address(high)
                )
            return ip_address(fact) in ip_network(value, strict=False)
        except ValueError:
            return False
    if field.endswith("ifname") and value.endswith(("*", "+")):
        return fact.startswith(value[:-1])
    return fact == value


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: all conditions, then an action. `text` is the rule as its own tool prints it."""

    conditions: tuple[Condition, ...]
    action: str  # accept, drop, reject, jump, goto, return, "" (goes on)
    target: str = ""  # of jump and goto
    packets: int | None = None  # its counter; None without one
    text: str = ""


@dataclass(frozen=True, slots=True)
class Chain:
    """A chain; one with a hook is where packets enter."""

    table: str  # "inet filter", "ip filter"
    name: str
    rules: tuple[Rule, ...]
    hook: str = ""  # prerouting, input, output, postrouting, ingress
    policy: str = "accept"
    priority: int = 0
    device: str = ""
    policy_packets: int | None = None
    tool: str = "nft"  # nft or iptables


@dataclass(frozen=True, slots=True)
class Hit:
    """A rule (or a policy) that drops the packet; `certain` False: only where its unknown conditions hold."""

    chain: Chain
    rule: Rule | None  # None: the chain's policy
    certain: bool

    @property
    def packets(self) -> int | None:
        """What its counter says; None without a counter."""
        return self.rule.packets if self.rule is not None else self.chain.policy_packets

    @property
    def text(self) -> str:
        """The rule as its tool prints it, with where it is."""
        where = f"{self.chain.tool}: {self.chain.table} {self.chain.name}"
        return f"{where}: {self.rule.text}" if self.rule is not None else f"{where}: policy {self.chain.policy}"


def drops(chains: Sequence[Chain], packet: Packet) -> list[Hit]:
    """Every rule and policy that drops the packet in the chains that it passes, certain ones first."""
    known = {(chain.table, chain.name): chain for chain in chains}
    hooks = ("prerouting", "input", "ingress") if packet.incoming else ("output", "postrouting", "egress")
    hits: list[Hit] = []
    for chain in sorted(chains, key=lambda one: (hooks.index(one.hook) if one.hook in hooks else 9, one.priority)):
        if chain.hook not in hooks or not _family_passes(chain.table, packet.family):
            continue
        if chain.device and packet.interface and chain.device != packet.interface:
            continue
        hits += _walk(chain, packet, known)
    return sorted(hits, key=lambda hit: not hit.certain)


def _family_passes(table: str, family: int) -> bool:
    kind = table.split()[0]
    return kind in ("inet", "netdev", "bridge", "ip" if family == 4 else "ip6")


def _walk(base: Chain, packet: Packet, known: Mapping[tuple[str, str], Chain]) -> Iterator[Hit]:
    """The drops on the way through one base chain; ends at the first certain verdict."""
    verdict = yield from _rules(base, packet.facts, known, 0, True)
    if verdict == "" and base.policy == "drop":
        yield Hit(base, None, True)


def _rules(
    chain: Chain, facts: Mapping[str, str], known: Mapping[tuple[str, str], Chain], depth: int, sure: bool
) -> Generator[Hit, None, str]:
    """Walk a chain; returns the certain verdict ("accept", "drop") or "" when it runs off the end."""
    for rule in chain.rules:
        states = [condition.holds(facts) for condition in rule.conditions]
        if False in states or not rule.action:
            continue
        certain = None not in states
        if rule.action in ("drop", "reject"):
            yield Hit(chain, rule, certain and sure)
            if certain:
                return "drop"
        elif rule.action == "accept" and certain:
            return "accept"
        elif rule.action == "return" and certain:
            return ""
        elif rule.action in ("jump", "goto") and depth < MAX_DEPTH:
            target = known.get((chain.table, rule.target))
            verdict = ""
            if target is not None:
                verdict = yield from _rules(target, facts, known, depth + 1, certain and sure)
            if certain and (verdict or rule.action == "goto"):
                return verdict
    return ""
