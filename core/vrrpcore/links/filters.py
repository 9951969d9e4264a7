"""What enforces `no_accept` (RFC 9568 §6.1 Accept_Mode False): nftables rules that drop packets to virtual addresses.

Rules stay for the life of the speaker: a host without the address never sees such a packet in its input hook, so they
need not change at a transition. Neighbour Solicitations and Advertisements are never dropped (RFC 9568 §6.1).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from pyroute2.netlink.exceptions import NetlinkError
from pyroute2.netlink.nfnetlink.nftsocket import Cmp, Meta, Regs
from pyroute2.nftables.expressions import genex, verdict
from pyroute2.nftables.main import NFTables

from vrrpcore.errors import SourceError

TABLE: Final = "vrrpwatch"
_INET: Final = 1  # NFPROTO_INET
_DROP, _ACCEPT = 0, 1
_ICMPV6: Final = 58
_NETWORK, _TRANSPORT = 1, 2  # payload bases


def _equals(data: bytes) -> Any:
    return genex("cmp", {"sreg": Regs.NFT_REG_1, "op": Cmp.NFT_CMP_EQ, "data": {"attrs": [("NFTA_DATA_VALUE", data)]}})


def _meta(key: Meta, value: int) -> list[Any]:
    return [genex("meta", {"key": key, "dreg": Regs.NFT_REG_1}), _equals(bytes([value]))]


def _payload(base: int, offset: int, data: bytes) -> list[Any]:
    take = {"dreg": Regs.NFT_REG_1, "base": base, "offset": offset, "len": len(data)}
    return [genex("payload", take), _equals(data)]


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


def remove_filter(table: str = TABLE) -> None:
    """Remove what `install_filter` made, also what a killed predecessor left."""
    try:
        with NFTables(nfgen_family=_INET) as nft:
            if any(each.get_attr("NFTA_TABLE_NAME") == table for each in nft.get_tables()):
                nft.table("del", name=table)
    except (NetlinkError, OSError):
        pass  # no nftables here: then there is nothing of ours either
