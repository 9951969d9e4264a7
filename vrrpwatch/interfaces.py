"""Which interfaces to listen on by default, and how their broadcast domains are called.

Read by two netlink dumps over a plain socket: they are right in any network namespace (/sys may still show another
one) and cost a millisecond, where a netlink library would dominate the start of `vrrpwatch check`.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Network, IPv6Network, ip_network
from struct import Struct
from typing import Final

from vrrpcore.errors import SourceError
from vrrpcore.values import value

#: Kinds whose frames their parent shows as well (tagged, or with the child's own MAC): listening to both counts twice.
_CHILDREN: Final = frozenset(("vlan", "macvlan", "macvtap", "ipvlan", "ipvtap"))
_IFF_UP, _IFF_LOOPBACK = 0x1, 0x8
_RTM_GETLINK, _RTM_GETADDR = 18, 22
_NLM_F_REQUEST_DUMP = 0x301
_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_IFLA_IFNAME, _IFLA_LINK, _IFLA_MASTER, _IFLA_LINKINFO, _IFLA_LINK_NETNSID = 3, 5, 10, 18, 37
_IFLA_INFO_KIND = 1
_IFA_ADDRESS, _IFA_LOCAL = 1, 2

_HEADER = Struct("=IHHII")
_IFINFO = Struct("=BxHiII")
_IFADDR = Struct("=BBBBI")
_ATTRIBUTE = Struct("=HH")

Prefix = IPv4Network | IPv6Network


@value
class Interface:
    """A network interface as the kernel has it now."""

    index: int
    name: str
    up: bool
    loopback: bool
    hardware: int  # ARPHRD_ number: 1 is Ethernet
    kind: str = ""  # "vlan", "veth", "bridge", …; empty for hardware
    parent: int = 0  # index of the lower interface in this namespace; 0: none
    master: int = 0  # index of the bridge, bond or VRF that it belongs to; 0: none
    prefixes: tuple[Prefix, ...] = ()


def interfaces() -> dict[str, Interface]:
    """All interfaces of this network namespace by name."""
    prefixes: dict[int, list[Prefix]] = {}
    for message in _dump(_RTM_GETADDR, _IFADDR.pack(0, 0, 0, 0, 0)):
        family, length, _, _, index = _IFADDR.unpack_from(message)
        attributes = dict(_attributes(message, _IFADDR.size))
        # On a point-to-point link IFA_ADDRESS is the peer: the connected prefix is the peer's.
        address = attributes.get(_IFA_ADDRESS) or attributes.get(_IFA_LOCAL)
        if address and family in (socket.AF_INET, socket.AF_INET6):
            prefixes.setdefault(index, []).append(ip_network((address, length), strict=False))
    found: dict[str, Interface] = {}
    for message in _dump(_RTM_GETLINK, _IFINFO.pack(0, 0, 0, 0, 0)):
        interface = _interface(message, prefixes)
        found[interface.name] = interface
    return found


def _interface(message: bytes, prefixes: dict[int, list[Prefix]]) -> Interface:
    _, hardware, index, flags, _ = _IFINFO.unpack_from(message)
    attributes = dict(_attributes(message, _IFINFO.size))
    info = dict(_attributes(attributes.get(_IFLA_LINKINFO, b""), 0))
    # A parent in another namespace shows its frames there, not to us.
    foreign = _IFLA_LINK_NETNSID in attributes
    return Interface(
        index=index,
        name=attributes.get(_IFLA_IFNAME, b"?").split(b"\0")[0].decode("utf-8", "replace"),
        up=bool(flags & _IFF_UP),
        loopback=bool(flags & _IFF_LOOPBACK),
        hardware=hardware,
        kind=info.get(_IFLA_INFO_KIND, b"").split(b"\0")[0].decode("ascii", "replace"),
        parent=0 if foreign else int.from_bytes(attributes.get(_IFLA_LINK, b""), sys.byteorder),
        master=int.from_bytes(attributes.get(_IFLA_MASTER, b""), sys.byteorder),
        prefixes=tuple(prefixes.get(index, ())),
    )


def _dump(kind: int, body: bytes) -> Iterator[bytes]:
    """The payloads of a netlink dump."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as netlink:
        netlink.settimeout(5)
        netlink.send(_HEADER.pack(_HEADER.size + len(body), kind, _NLM_F_REQUEST_DUMP, 1, 0) + body)
        while True:
            data = netlink.recv(1 << 20)
            position = 0
            while position + _HEADER.size <= len(data):
                length, kind_of, *_ = _HEADER.unpack_from(data, position)
                if kind_of in (_NLMSG_DONE, _NLMSG_ERROR) or length < _HEADER.size:
                    return
                yield data[position + _HEADER.size : position + length]
                position += (length + 3) // 4 * 4


def _attributes(data: bytes, position: int) -> Iterator[tuple[int, bytes]]:
    while position + 4 <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, position)
        if length < 4:
            return
        yield kind & 0x3FFF, data[position + 4 : position + length]
        position += (length + 3) // 4 * 4


def default_interfaces(known: dict[str, Interface] | None = None) -> list[Interface]:
    """Every interface that is up, not loopback, in no bond or bridge, and no child of one that is taken.

    The members of a VRF are taken and the VRF device is not: it is a router's table, not a wire.
    """
    known = interfaces() if known is None else known
    by_index = {interface.index: interface for interface in known.values()}

    def wanted(interface: Interface) -> bool:
        master = by_index.get(interface.master)
        free = interface.master == 0 or (master is not None and master.kind == "vrf")
        return interface.up and not interface.loopback and free and interface.kind != "vrf"

    def shown_by_parent(interface: Interface) -> bool:
        parent = by_index.get(interface.parent)
        if interface.kind not in _CHILDREN or parent is None or parent is interface:
            return False
        return wanted(parent) or shown_by_parent(parent)

    return [i for i in sorted(known.values(), key=lambda i: i.index) if wanted(i) and not shown_by_parent(i)]


def choose(names: Iterable[str]) -> list[Interface]:
    """The interfaces that a user named, or the default ones; SourceError naming what exists."""
    known = interfaces()
    chosen: list[Interface] = []
    for name in dict.fromkeys(names):
        if name not in known:
            raise SourceError(f"no interface {name!r} here; there are: {', '.join(known) or 'none'}")
        chosen.append(known[name])
    chosen = chosen or default_interfaces(known)
    if not chosen:
        raise SourceError(f"no interface is up; name one with -i: {', '.join(known) or 'there is none'}")
    return chosen


def segment_name(interface: Interface, host: str = "") -> str:
    """The lowest connected prefix, IPv4 before IPv6, so that all sensors of one LAN agree; else `host/interface`.

    Host routes (virtual addresses are often /32 or /128) and link-local prefixes name no LAN.
    """
    usable = [p for p in interface.prefixes if p.prefixlen < p.max_prefixlen and not p.is_link_local]
    if usable:
        return str(min(usable, key=lambda p: (p.version, int(p.network_address), p.prefixlen)))
    return f"{host or socket.gethostname()}/{interface.name}"
