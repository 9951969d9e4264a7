"""iptables' rules, as `iptables-save -c` and `ip6tables-save -c` print them, into chains. Pure."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from typing import Final

from vrrpwatch.doctor.packets import Chain, Condition, Rule

#: option -> our field
FIELDS: Final = {
    "-p": "l4proto",
    "--protocol": "l4proto",
    "-s": "saddr",
    "--source": "saddr",
    "-d": "daddr",
    "--destination": "daddr",
    "-i": "iifname",
    "--in-interface": "iifname",
    "-o": "oifname",
    "--out-interface": "oifname",
    "--pkt-type": "pkttype",
    "--dst-type": "daddrtype",
    "--ctstate": "ctstate",
    "--state": "ctstate",
}
#: matches whose options are above; any other module leaves the rule open
MODULES: Final = frozenset(("pkttype", "addrtype", "conntrack", "state", "comment"))
HOOKS: Final = {"PREROUTING": "prerouting", "INPUT": "input", "OUTPUT": "output", "POSTROUTING": "postrouting"}
PRIORITIES: Final = {"raw": -300, "mangle": -150, "nat": -100, "filter": 0, "security": 50}
#: targets that do not end a packet's way
PASSING: Final = frozenset(
    ("LOG", "NFLOG", "MARK", "CONNMARK", "CT", "NOTRACK", "TRACE", "TCPMSS", "TTL", "HL", "DSCP")
)
VERDICTS: Final = {"ACCEPT": "accept", "DROP": "drop", "REJECT": "reject", "RETURN": "return"}


def read(text: str, family: int) -> list[Chain]:
    """The chains of one `iptables-save -c` (family 4) or `ip6tables-save -c` (6)."""
    kind = "ip" if family == 4 else "ip6"
    heads: dict[tuple[str, str], tuple[str, int | None]] = {}
    rules: dict[tuple[str, str], list[Rule]] = {}
    table = ""
    for line in text.splitlines():
        if line.startswith("*"):
            table = line[1:].strip()
        elif head := re.match(r":(\S+) (\S+)(?: \[(\d+):\d+\])?", line):
            heads[table, head[1]] = (head[2].lower(), int(head[3]) if head[3] else None)
        elif rule := re.match(r"(?:\[(\d+):\d+\] )?-A (\S+) ?(.*)", line):
            packets = int(rule[1]) if rule[1] else None
            rules.setdefault((table, rule[2]), []).append(_rule(rule[3], packets, f"-A {rule[2]} {rule[3]}"))
    return [
        Chain(
            table=f"{kind} {table}",
            name=name,
            rules=tuple(rules.get((table, name), ())),
            hook=HOOKS.get(name, ""),
            policy="drop" if policy == "drop" else "accept",
            priority=PRIORITIES.get(table, 0),
            policy_packets=count,
            tool="iptables" if family == 4 else "ip6tables",
        )
        for (table, name), (policy, count) in heads.items()
        if table != "nat"  # NAT chains do not filter
    ]


def _rule(options: str, packets: int | None, text: str) -> Rule:
    try:
        words = shlex.split(options)
    except ValueError:
        words = options.split()
    conditions: list[Condition] = []
    action = target = ""
    position = 0
    while position < len(words):
        word = words[position]
        negated = word == "!"
        if negated:
            position += 1
            word = words[position] if position < len(words) else ""
        value = words[position + 1] if position + 1 < len(words) else ""
        position += 2
        if word in ("-j", "--jump", "-g", "--goto"):
            action, target = _verdict(value, word in ("-g", "--goto"))
            if action:  # what follows are the target's own options
                break
        elif word in ("-m", "--match"):
            conditions += [] if value in MODULES else [Condition("unknown")]
        elif word in FIELDS:
            conditions += _condition(FIELDS[word], value, negated)
        elif word != "--comment":
            conditions.append(Condition("unknown"))
            position -= 0 if value and not value.startswith("-") else 1
    return Rule(tuple(conditions), action, target, packets, text)


def _verdict(word: str, goto: bool) -> tuple[str, str]:
    if word in VERDICTS:
        return VERDICTS[word], ""
    if word in PASSING:
        return "", ""
    return ("goto" if goto else "jump"), word


def _condition(field: str, value: str, negated: bool) -> Sequence[Condition]:
    if field == "l4proto" and value in ("all", "0"):
        return ()
    values = tuple(word.lower() if field in ("ctstate", "daddrtype", "pkttype") else word for word in value.split(","))
    return (Condition(field, values, negated),)
