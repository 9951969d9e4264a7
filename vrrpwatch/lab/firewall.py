"""Firewall rules of a lab host through pyroute2: the split that the demo and the tests make needs no nft binary."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from pyroute2.netlink.nfnetlink.nftsocket import Cmp, Meta, Regs
from pyroute2.nftables.expressions import genex, verdict
from pyroute2.nftables.main import NFTables

TABLE: Final = "vrrpwatch-lab"
NFPROTO_INET: Final = 1
NFPROTO_BRIDGE: Final = 7
NF_DROP: Final = 0
VRRP_PROTOCOLS: Final = (112, 51)  # VRRP and the AH that may carry it
#: nf_inet_hooks / bridge hooks have the same numbers for these
HOOKS: Final = ("input", "output", "forward")


def _value(data: bytes) -> dict[str, Any]:
    return {"attrs": [("NFTA_DATA_VALUE", data)]}


def _equals(data: bytes) -> dict[str, Any]:
    expression: dict[str, Any] = genex("cmp", {"sreg": Regs.NFT_REG_1, "op": Cmp.NFT_CMP_EQ, "data": _value(data)})
    return expression


def _meta(key: Meta) -> dict[str, Any]:
    expression: dict[str, Any] = genex("meta", {"key": key, "dreg": Regs.NFT_REG_1})
    return expression


def _counted_drop() -> list[Any]:
    return [genex("counter", {"bytes": 0, "packets": 0}), *verdict(NF_DROP)]


def add_drop(hook: str, protocols: Iterable[int]) -> None:
    """Drop these IP protocols (IPv4 and IPv6, counted) at `hook` (input, output) of the network of this thread."""
    with NFTables(nfgen_family=NFPROTO_INET) as nft:
        nft.table("add", name=TABLE)
        nft.chain("add", table=TABLE, name=hook, hook=hook, type="filter", policy=1)
        for protocol in protocols:
            match = [_meta(Meta.NFT_META_L4PROTO), _equals(bytes([protocol]))]
            nft.rule("add", table=TABLE, chain=hook, expressions=(match + _counted_drop(),))


def add_switch_drop(from_port: str, to_port: str, protocol: int | None = None) -> None:
    """In the switch: drop what comes in by one port and leaves by another; only an IPv4 protocol when given."""
    with NFTables(nfgen_family=NFPROTO_BRIDGE) as nft:
        nft.table("add", name=TABLE)
        nft.chain("add", table=TABLE, name="forward", hook="forward", type="filter", policy=1)
        expressions: list[Any] = []
        for key, name in ((Meta.NFT_META_IIFNAME, from_port), (Meta.NFT_META_OIFNAME, to_port)):
            expressions += [_meta(key), _equals(name.encode().ljust(16, b"\0"))]
        if protocol is not None:
            expressions += [_meta(Meta.NFT_META_PROTOCOL), _equals(b"\x08\x00")]
            # base 1 = network header; the protocol field is its octet 9 (RFC 791 §3.1)
            expressions.append(genex("payload", {"dreg": Regs.NFT_REG_1, "base": 1, "offset": 9, "len": 1}))
            expressions.append(_equals(bytes([protocol])))
        nft.rule("add", table=TABLE, chain="forward", expressions=(expressions + _counted_drop(),))


def remove_all(bridge: bool = False) -> None:
    """Remove every rule that this module added to the network of this thread; nothing happens without any."""
    with NFTables(nfgen_family=NFPROTO_BRIDGE if bridge else NFPROTO_INET) as nft:
        if any(table.get_attr("NFTA_TABLE_NAME") == TABLE for table in nft.get_tables()):
            nft.table("del", name=TABLE)


def counters() -> dict[str, int]:
    """chain -> packets dropped by the rules of this module in the network of this thread."""
    found: dict[str, int] = {}
    with NFTables(nfgen_family=NFPROTO_INET) as nft:
        for rule in nft.get_rules():
            if rule.get_attr("NFTA_RULE_TABLE") != TABLE:
                continue
            chain = str(rule.get_attr("NFTA_RULE_CHAIN"))
            for expression in rule.get_attr("NFTA_RULE_EXPRESSIONS") or ():
                if expression.get_attr("NFTA_EXPR_NAME") == "counter":
                    data = expression.get_attr("NFTA_EXPR_DATA")
                    found[chain] = found.get(chain, 0) + int(data.get_attr("NFTA_COUNTER_PACKETS"))
    return found
