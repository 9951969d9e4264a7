"""nftables rules: what enforces `no_accept` (RFC 9568 §6.1 Accept_Mode False), what virtual interfaces must not report.

Rules that drop packets to virtual addresses stay for the life of the speaker: a host without the address never sees
such a packet in its input hook, so they need not change at a transition. Neighbour Solicitations and Advertisements are
never dropped (RFC 9568 §6.1).
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any, Final

from pyroute2.netlink.exceptions import NetlinkError
from pyroute2.netlink.nfnetlink.nftsocket import Cmp, Meta, Regs
from pyroute2.nftables.expressions import genex, verdict
from pyroute2.nftables.main import NFTables

from vrrpcore.errors import SourceError

TABLE: Final = "vrrpwatch"
SILENCE: Final = "vrrpwatch-silence"
_INET: Final = 1  # NFPROTO_INET
_DROP, _ACCEPT = 0, 1
_IGMP: Final = 2
_ICMPV6: Final = 58
_MLD: Final = (131, 132, 143)  # ICMPv6 types: report and done of version 1, report of version 2
_NETWORK, _TRANSPORT = 1, 2  # payload bases


def _compare(data: bytes, operator: int = Cmp.NFT_CMP_EQ) -> Any:
    return genex("cmp", {"sreg": Regs.NFT_REG_1, "op": operator, "data": {"attrs": [("NFTA_DATA_VALUE", data)]}})


def _meta(key: Meta, value: int, size: int = 1) -> list[Any]:
    return [genex("meta", {"key": key, "dreg": Regs.NFT_REG_1}), _compare(value.to_bytes(size, sys.byteorder))]


def _payload(base: int, offset: int, data: bytes) -> list[Any]:
    take = {"dreg": Regs.NFT_REG_1, "base": base, "offset": offset, "len": len(data)}
    return [genex("payload", take), _compare(data)]


def _rules(addresses: Iterable[bytes]) -> Iterable[list[Any]]:
    for kind in (135, 136):
        icmp = _meta(Meta.NFT_META_L4PROTO, _ICMPV6) + _payload(_TRANSPORT, 0, bytes([kind]))
        yield icmp + list(verdict(_ACCEPT))
    counted = [genex("counter", {"bytes": 0, "packets": 0}), *verdict(_DROP)]
    for address in addresses:
        family, offset = (2, 16) if len(address) == 4 else (10, 24)
        yield _meta(Meta.NFT_META_NFPROTO, family) + _payload(_NETWORK, offset, address) + counted


def install_filter(addresses: Iterable[bytes], table: str = TABLE) -> None:
    """Drop everything to these addresses but Neighbour Discovery; SourceError where the kernel has no nftables."""
    remove_filter(table)
    try:
        with NFTables(nfgen_family=_INET) as nft:
            nft.table("add", name=table)
            nft.chain("add", table=table, name="input", hook="input", type="filter", policy=1)
            for rule in _rules(addresses):
                nft.rule("add", table=table, chain="input", expressions=(rule,))
    except (NetlinkError, OSError) as error:
        raise SourceError(f"no_accept: nftables refused ({error}); addresses would be accepted") from None


def silence_reports(index: int, *, first: bool) -> None:
    """Drop the IGMP and MLD reports of the interface with this index. `first`: nobody else has been silenced yet (what
    a killed predecessor left goes). SourceError where the kernel has no nftables."""
    if first:
        remove_filter(SILENCE)
    reports = [_meta(Meta.NFT_META_L4PROTO, _IGMP)]
    reports += [_meta(Meta.NFT_META_L4PROTO, _ICMPV6) + _payload(_TRANSPORT, 0, bytes([kind])) for kind in _MLD]
    try:
        with NFTables(nfgen_family=_INET) as nft:
            if first:
                nft.table("add", name=SILENCE)
                nft.chain("add", table=SILENCE, name="output", hook="output", type="filter", policy=1)
                others = [_compare(bytes([each]), Cmp.NFT_CMP_NEQ) for each in (_IGMP, _ICMPV6)]  # most of what is sent
                shortcut = [genex("meta", {"key": Meta.NFT_META_L4PROTO, "dreg": Regs.NFT_REG_1}), *others]
                nft.rule("add", table=SILENCE, chain="output", expressions=([*shortcut, *verdict(_ACCEPT)],))
            for report in reports:
                rule = _meta(Meta.NFT_META_OIF, index, 4) + report + list(verdict(_DROP))
                nft.rule("add", table=SILENCE, chain="output", expressions=(rule,))
    except (NetlinkError, OSError) as error:
        raise SourceError(f"nftables refused ({error})") from None


def remove_filter(table: str = TABLE) -> None:
    """Remove what was made here, also what a killed predecessor left."""
    try:
        with NFTables(nfgen_family=_INET) as nft:
            if any(each.get_attr("NFTA_TABLE_NAME") == table for each in nft.get_tables()):
                nft.table("del", name=table)
    except (NetlinkError, OSError):
        pass  # no nftables here: then there is nothing of ours either
