"""The virtual router's own interface: a macvlan with the virtual MAC address (RFC 9568 §7.3), or an ipvlan."""

from __future__ import annotations

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from vrrpcore.addresses import mac_text
from vrrpcore.errors import SourceError
from vrrpcore.settings import Vmac


class NameTaken(SourceError):
    """An interface that is none of ours has the name."""


_IPVLAN_FLAGS = {"bridge": 0, "private": 1, "vepa": 2}


def create_vmac(vmac: Vmac, mac: bytes, parent: int, parent_name: str) -> int:
    """Create a virtual interface below `parent` (an index), down, without addresses of its own; its index.

    One of that name and parent is taken over when kind and MAC fit (a predecessor left it), else replaced.
    SourceError where the kernel refuses, NameTaken where another kind of interface has the name.
    """
    kind = "ipvlan" if vmac.ipvlan else "macvlan"
    with IPRoute() as netlink:
        for index in netlink.link_lookup(ifname=vmac.name):
            link = netlink.get_links(index)[0]
            if link.get_nested("IFLA_LINKINFO", "IFLA_INFO_KIND") not in ("macvlan", "ipvlan"):
                raise NameTaken(f"{vmac.name}: an interface of that name exists and is no {kind}")
            netlink.link("del", index=index)
        options = {"ifname": vmac.name, "kind": kind, "link": parent}
        if vmac.ipvlan:
            options["ipvlan_mode"] = 0
            options["ipvlan_flags"] = _IPVLAN_FLAGS.get(vmac.ipvlan_mode, 0)
        else:
            options["macvlan_mode"] = "private"
            options["address"] = mac_text(mac)
        try:
            netlink.link("add", **options)
            index = netlink.link_lookup(ifname=vmac.name)[0]
            netlink.link(
                "set", index=index, IFLA_AF_SPEC={"attrs": [("AF_INET6", {"attrs": [("IFLA_INET6_ADDR_GEN_MODE", 1)]})]}
            )
        except NetlinkError as error:
            raise SourceError(f"{vmac.name}: {kind} on interface {parent_name}: {error.args[1]}") from None
    return int(index)


def raise_link(index: int) -> None:
    """Set an interface up."""
    with IPRoute() as netlink:
        netlink.link("set", index=index, state="up")


def remove_link(index: int) -> None:
    """Delete an interface that we made; one that is gone already is no error."""
    with IPRoute() as netlink:
        try:
            netlink.link("del", index=index)
        except NetlinkError:
            pass
