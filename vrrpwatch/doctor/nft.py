"""nftables' ruleset, as `nft -j list ruleset` prints it, into chains (libnftables-json(5)). Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from vrrpwatch.doctor.packets import Chain, Condition, Rule

#: (payload protocol, field) -> our field
PAYLOADS: Final = {
    ("ip", "protocol"): "l4proto",
    ("ip6", "nexthdr"): "l4proto",
    ("ip", "daddr"): "daddr",
    ("ip6", "daddr"): "daddr",
    ("ip", "saddr"): "saddr",
    ("ip6", "saddr"): "saddr",
}
METAS: Final = {
    "l4proto": "l4proto",
    "nfproto": "nfproto",
    "iifname": "iifname",
    "oifname": "oifname",
    "iif": "iifname",
    "oif": "oifname",
    "pkttype": "pkttype",
}
VERDICTS: Final = ("accept", "drop", "reject", "jump", "goto", "return", "queue")
#: statements that neither match nor decide
NEUTRAL: Final = frozenset(("counter", "log", "comment", "mangle", "notrack", "set", "flow"))
OPEN: Final = Condition("unknown")


def read(document: str, listing: str = "") -> list[Chain]:
    """Chains of the ruleset; `listing` is `nft -a list ruleset`, for the rules' own words. ValueError for no JSON."""
    rows = [row for row in json.loads(document).get("nftables", []) if isinstance(row, dict)]
    sets = {
        (f"{row['set'].get('family')} {row['set'].get('table')}", row["set"].get("name")): row["set"].get("elem", [])
        for row in rows
        if isinstance(row.get("set"), dict)
    }
    words = _by_handle(listing)
    rules: dict[tuple[str, str], list[Rule]] = {}
    for row in rows:
        rule = row.get("rule")
        if isinstance(rule, dict):
            table = f"{rule.get('family')} {rule.get('table')}"
            place = (table, str(rule.get("chain")))
            text = words.get((*place, int(rule.get("handle", 0))), "")
            rules.setdefault(place, []).extend(_rules(rule, table, sets, text))
    return [_chain(row["chain"], rules) for row in rows if isinstance(row.get("chain"), dict)]


def _chain(row: Mapping[str, Any], rules: Mapping[tuple[str, str], list[Rule]]) -> Chain:
    table, name = f"{row.get('family')} {row.get('table')}", str(row.get("name"))
    priority = row.get("prio", 0)
    return Chain(
        table=table,
        name=name,
        rules=tuple(rules.get((table, name), ())),
        hook=str(row.get("hook", "")),
        policy=str(row.get("policy", "accept")),
        priority=priority if isinstance(priority, int) else 0,
        device=str(row.get("dev", "")),
    )


def _by_handle(listing: str) -> dict[tuple[str, str, int], str]:
    """(table, chain, handle) -> the rule's line."""
    found: dict[tuple[str, str, int], str] = {}
    table = chain = ""
    for line in listing.splitlines():
        text = line.strip()
        if head := re.match(r"table (\S+ \S+) \{", text):
            table = head[1]
        elif head := re.match(r"chain (\S+) \{", text):
            chain = head[1]
        elif rule := re.match(r"(.*) # handle (\d+)$", text):
            found[table, chain, int(rule[2])] = rule[1]
    return found


def _rules(row: Mapping[str, Any], table: str, sets: Mapping[tuple[str, Any], Any], text: str) -> list[Rule]:
    """One rule; a verdict map becomes one for each of its entries."""
    conditions: list[Condition] = []
    packets: int | None = None
    out: list[Rule] = []
    for expression in row.get("expr", []):
        kind, value = next(iter(expression.items())) if isinstance(expression, dict) and expression else ("", None)
        if kind == "match":
            conditions += _conditions(value, table, sets)
        elif kind == "counter" and isinstance(value, dict):
            packets = int(value.get("packets", 0))
        elif kind in VERDICTS:
            target = str(value.get("target", "")) if isinstance(value, dict) and kind in ("jump", "goto") else ""
            out.append(Rule(tuple(conditions), kind, target, packets, text or _words(row)))
        elif kind == "vmap" and isinstance(value, dict):
            out += _map(value, conditions, packets, text or _words(row), table, sets)
        elif kind not in NEUTRAL:
            conditions.append(OPEN)
    return out


def _map(
    value: Mapping[str, Any],
    conditions: list[Condition],
    packets: int | None,
    text: str,
    table: str,
    sets: Mapping[tuple[str, Any], Any],
) -> list[Rule]:
    data = value.get("data")
    pairs = data.get("set", []) if isinstance(data, dict) else sets.get((table, str(data).lstrip("@")), [])
    out = []
    for pair in pairs:
        if not (isinstance(pair, list) and len(pair) == 2 and isinstance(pair[1], dict) and pair[1]):
            continue
        action, argument = next(iter(pair[1].items()))
        target = str(argument.get("target", "")) if isinstance(argument, dict) else ""
        matches = _conditions({"op": "==", "left": value.get("key"), "right": pair[0]}, table, sets)
        out.append(Rule((*conditions, *matches), action, target, packets, text))
    return out


def _conditions(match: Any, table: str, sets: Mapping[tuple[str, Any], Any]) -> tuple[Condition, ...]:
    """A match as conditions: a field of the IPv4 header silently asks for IPv4 as well (likewise IPv6)."""
    if not isinstance(match, dict) or match.get("op") not in ("==", "!=", "in"):
        return (OPEN,)
    left = match.get("left")
    payload = left.get("payload") if isinstance(left, dict) else None
    header = payload.get("protocol") if isinstance(payload, dict) else ""
    family = (Condition("nfproto", ({"ip": "ipv4", "ip6": "ipv6"}[header],)),) if header in ("ip", "ip6") else ()
    field = _field(left)
    values = _values(match.get("right"), table, sets)
    if not field or values is None:
        return (*family, OPEN)
    return (*family, Condition(field, values, match["op"] == "!="))


def _field(left: Any) -> str:
    if not isinstance(left, dict):
        return ""
    if isinstance(meta := left.get("meta"), dict):
        return METAS.get(str(meta.get("key")), "")
    if isinstance(payload := left.get("payload"), dict):
        return PAYLOADS.get((str(payload.get("protocol")), str(payload.get("field"))), "")
    if isinstance(ct := left.get("ct"), dict) and ct.get("key") == "state":
        return "ctstate"
    if (
        isinstance(fib := left.get("fib"), dict)
        and fib.get("result") == "type"
        and fib.get("flags") in ("daddr", ["daddr"])
    ):
        return "daddrtype"
    return ""


def _values(right: Any, table: str, sets: Mapping[tuple[str, Any], Any]) -> tuple[str, ...] | None:
    """The words on the right side; None when they are of a kind that is not understood."""
    if isinstance(right, str) and right.startswith("@"):
        right = sets.get((table, right[1:]))
    if isinstance(right, str | int):
        return (str(right),)
    if isinstance(right, dict):
        if isinstance(prefix := right.get("prefix"), dict):
            return (f"{prefix.get('addr')}/{prefix.get('len')}",)
        if isinstance(ends := right.get("range"), list) and len(ends) == 2:
            return (f"{ends[0]}-{ends[1]}",)
        if isinstance(element := right.get("elem"), dict):
            return _values(element.get("val"), table, sets)
        right = right.get("set")
    if isinstance(right, list):
        parts = [_values(item, table, sets) for item in right]
        return None if None in parts else tuple(word for part in parts if part for word in part)
    return None


def _words(row: Mapping[str, Any]) -> str:
    """Without nft's own listing: its handle, which `nft delete rule` wants anyway."""
    return f"rule with handle {row.get('handle')}"
