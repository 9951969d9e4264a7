"""nftables' ruleset straight from the kernel, for hosts without the nft program: its bytecode into chains.

The kernel keeps a rule as loads into registers and comparisons of them. What is not understood leaves a condition
open, so that such a rule *may* drop. The only part of the doctor that needs pyroute2, and only imported without nft.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address
from typing import Any, Final

from pyroute2.nftables.main import NFTables

from vrrpwatch.doctor.packets import Chain, Condition, Rule

FAMILIES: Final = {1: "inet", 2: "ip", 5: "netdev", 7: "bridge", 10: "ip6"}
HOOKS: Final = {0: "prerouting", 1: "input", 2: "forward", 3: "output", 4: "postrouting"}
METAS: Final = {
    "NFT_META_L4PROTO": "l4proto",
    "NFT_META_NFPROTO": "nfproto",
    "NFT_META_IIFNAME": "iifname",
    "NFT_META_OIFNAME": "oifname",
    "NFT_META_PKTTYPE": "pkttype",
}
#: (offset, length) in the network header -> field; IPv4 and IPv6 differ (RFC 791 §3.1, RFC 8200 §3)
PAYLOADS: Final = {
    (9, 1): "l4proto",
    (12, 4): "saddr",
    (16, 4): "daddr",
    (6, 1): "l4proto",
    (8, 16): "saddr",
    (24, 16): "daddr",
}
NFPROTOS: Final = {2: "ipv4", 10: "ipv6"}
PACKET_TYPES: Final = {0: "host", 1: "broadcast", 2: "multicast", 3: "other"}
CT_STATES: Final = {1: "invalid", 2: "established", 4: "related", 8: "new", 64: "untracked"}
VERDICTS: Final = {
    "NF_DROP": "drop",
    "NF_ACCEPT": "accept",
    "NFT_JUMP": "jump",
    "NFT_GOTO": "goto",
    "NFT_RETURN": "return",
}
NEUTRAL: Final = frozenset(("log", "notrack", "objref"))
OPEN: Final = Condition("unknown")


def read() -> list[Chain]:
    """All chains of this network namespace. OSError (or pyroute2's NetlinkError, which is one) where it is refused."""
    with NFTables(nfgen_family=0) as nft:
        chains, rules = list(nft.get_chains()), list(nft.get_rules())
    found: dict[tuple[str, str], list[Rule]] = {}
    for message in rules:
        found.setdefault(_place(message, "RULE"), []).append(rule(message))
    return [_chain(message, found.get(_place(message, "CHAIN"), [])) for message in chains]


def _place(message: Any, kind: str) -> tuple[str, str]:
    family = FAMILIES.get(int(message["nfgen_family"]), "?")
    name = "NFTA_RULE_CHAIN" if kind == "RULE" else "NFTA_CHAIN_NAME"
    return f"{family} {message.get_attr(f'NFTA_{kind}_TABLE')}", str(message.get_attr(name))


def _chain(message: Any, rules: Iterable[Rule]) -> Chain:
    table, name = _place(message, "CHAIN")
    hook = message.get_attr("NFTA_CHAIN_HOOK")
    number = hook.get_attr("NFTA_HOOK_HOOKNUM") if hook is not None else None
    where = "" if number is None else ("ingress" if table.startswith("netdev") else HOOKS.get(int(number), ""))
    priority = hook.get_attr("NFTA_HOOK_PRIORITY") if hook is not None else 0
    policy = "drop" if where and message.get_attr("NFTA_CHAIN_POLICY") == 0 else "accept"
    return Chain(table, name, tuple(rules), where, policy, int(priority or 0))


def rule(message: Any) -> Rule:
    """One rule message as a rule: registers are followed from load to comparison."""
    conditions: list[Condition] = []
    action = target = loaded = ""
    mask = b""
    packets: int | None = None
    for expression in message.get_attr("NFTA_RULE_EXPRESSIONS") or ():
        kind, data = str(expression.get_attr("NFTA_EXPR_NAME")), expression.get_attr("NFTA_EXPR_DATA")
        if kind == "meta":
            loaded, mask = METAS.get(str(data.get_attr("NFTA_META_KEY")), "unknown"), b""
        elif kind == "payload":
            loaded, mask = _payload(data), b""
        elif kind == "ct":
            loaded, mask = "ctstate" if data.get_attr("NFTA_CT_KEY") == "NFT_CT_STATE" else "unknown", b""
        elif kind == "bitwise":
            mask = bytes(data.get_attr("NFTA_BITWISE_MASK").get_attr("NFTA_DATA_VALUE") or b"")
        elif kind == "cmp":
            value = bytes(data.get_attr("NFTA_CMP_DATA").get_attr("NFTA_DATA_VALUE") or b"")
            conditions.append(_compare(loaded, mask, str(data.get_attr("NFTA_CMP_OP")), value))
        elif kind == "counter":
            packets = int(data.get_attr("NFTA_COUNTER_PACKETS") or 0)
        elif kind == "immediate":
            action, target = _verdict(data)
        elif kind == "reject":
            action = "reject"
        elif kind not in NEUTRAL:
            conditions.append(OPEN)
    text = f"handle {message.get_attr('NFTA_RULE_HANDLE')}: {words(conditions, action, target)}"
    return Rule(tuple(conditions), action, target, packets, text)


def _payload(data: Any) -> str:
    if data.get_attr("NFTA_PAYLOAD_BASE") != "NFT_PAYLOAD_NETWORK_HEADER":
        return "unknown"
    place = (int(data.get_attr("NFTA_PAYLOAD_OFFSET")), int(data.get_attr("NFTA_PAYLOAD_LEN")))
    return PAYLOADS.get(place, "unknown")


def _compare(field: str, mask: bytes, operation: str, value: bytes) -> Condition:
    if operation not in ("NFT_CMP_EQ", "NFT_CMP_NEQ") or field == "unknown":
        return OPEN
    negated = operation == "NFT_CMP_NEQ"
    if field == "ctstate":  # state & bits != 0: any of them
        bits = int.from_bytes(mask, "little")
        names = tuple(name for bit, name in CT_STATES.items() if bits & bit)
        return Condition(field, names, not negated) if names and not any(value) else OPEN
    if field in ("daddr", "saddr"):
        prefix = int.from_bytes(mask, "big").bit_count() if mask else 8 * len(value)
        return Condition(field, (f"{ip_address(value)}/{prefix}",), negated) if len(value) in (4, 16) else OPEN
    if mask:
        return OPEN
    if field.endswith("ifname"):
        name = value.split(b"\0")[0].decode(errors="replace")
        return Condition(field, (name if b"\0" in value else f"{name}*",), negated)
    number = value[0] if len(value) == 1 else -1
    known = {"l4proto": str(number), "nfproto": NFPROTOS.get(number, ""), "pkttype": PACKET_TYPES.get(number, "")}
    return Condition(field, (known[field],), negated) if known.get(field) else OPEN


def _verdict(data: Any) -> tuple[str, str]:
    content = data.get_attr("NFTA_IMMEDIATE_DATA")
    verdict = content.get_attr("NFTA_DATA_VERDICT") if content is not None else None
    if verdict is None:
        return "", ""
    action = VERDICTS.get(str(verdict.get_attr("NFTA_VERDICT_CODE")), "")
    return action, str(verdict.get_attr("NFTA_VERDICT_CHAIN") or "")


def words(conditions: Iterable[Condition], action: str, target: str) -> str:
    """A rule said in words that nft's own listing would use, as far as it is understood."""
    parts = []
    for one in conditions:
        if one.field == "unknown":
            parts.append("(…)")
        else:
            parts.append(f"{one.field} {'!= ' if one.negated else ''}{', '.join(one.values)}")
    return " ".join([*parts, action or "(goes on)", target]).strip()
