"""The virtual interfaces of routers: one for the router itself (use_vmac, use_ipvlan), and one for each other interface
or family whose addresses shall have the virtual MAC, too (use_vmac of an address, use_vmac_addr)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import chain, count

from vrrpcore.addresses import virtual_mac
from vrrpcore.links import Interface, Interfaces, NameTaken, Sysctls, create_vmac, raise_link, remove_link
from vrrpcore.settings import Instance, Settings, VirtualAddress, Vmac
from vrrpcore.speaker.membership import Memberships

#: (interface that the address names, family): what shares one virtual interface
Side = tuple[str, int]
_ALWAYS = {"arp_ignore": "1", "rp_filter": "0", "accept_local": "1", "promote_secondaries": "1"}


def side_of(instance: Instance, address: VirtualAddress) -> Side | None:
    """Which virtual interface beside the router's own an address of the instance belongs to; None: to none."""
    side = (address.dev or instance.interface, address.family)
    own = (instance.interface, instance.family)
    if not (address.use_vmac or (instance.vmac_for_addresses and side != own)):
        return None
    if side == own and instance.vmac is not None:
        return None
    return side


def sides_of(instance: Instance) -> tuple[Side, ...]:
    """All of an instance, in the order of its addresses."""
    found = (side_of(instance, each) for each in (*instance.addresses, *instance.excluded_addresses))
    return tuple(dict.fromkeys(each for each in found if each is not None))


class OwnLinks:
    """All virtual interfaces that we made."""

    def __init__(
        self, interfaces: Interfaces, sysctls: Sysctls, memberships: Memberships, log: Callable[[str, str], None]
    ) -> None:
        self._interfaces, self._sysctls, self._memberships, self._log = interfaces, sysctls, memberships, log
        self._made: dict[str, dict[str, int]] = {}  # instance -> interface name -> index
        self._reserved: set[str] = set()
        self._prefix = self._own_prefix = "vrrp"

    def configure(self, settings: Settings) -> None:
        """Which names are taken, and how ours begin."""
        self._reserved = {each.vmac.name for each in settings.instances if each.vmac is not None}
        self._prefix = settings.global_defs.vmac_addr_prefix
        self._own_prefix = settings.global_defs.vmac_prefix

    def own(self, instance: Instance, base: Interface) -> int:
        """Make the router's own interface; its index. A name that another kind of interface has is not insisted on."""
        vmac = instance.vmac
        assert vmac is not None
        try:
            return self._make(instance, vmac, instance.mac, instance.family, base)
        except NameTaken as error:
            name = self._name(self._own_prefix, instance.vrid, instance.family)
            self._log("error", f"({instance.name}) {error}: {name} is used instead")
            return self._make(instance, replace(vmac, name=name), instance.mac, instance.family, base)

    def side(self, instance: Instance, side: Side, base: Interface) -> int:
        """Make one for other addresses of the instance; its index."""
        family = side[1]
        vmac = Vmac(self._name(self._prefix, instance.vrid, family), virtual_mac(family, instance.vrid))
        return self._make(instance, vmac, virtual_mac(family, instance.vrid), family, base)

    def _name(self, prefix: str, vrid: int, family: int) -> str:
        """keepalived's: prefix.VRID, where that is taken prefix6.VRID (IPv6), prefix1.VRID …"""
        taken = self._reserved | {name for made in self._made.values() for name in made}
        numbers = chain([""], [6] if family == 6 else [], (number for number in count(1) if number != 6))
        return next(each for each in (f"{prefix}{number}.{vrid}" for number in numbers) if each not in taken)

    def _make(self, instance: Instance, vmac: Vmac, mac: bytes, family: int, base: Interface) -> int:
        index = create_vmac(vmac, mac, base.index, base.name)
        self._made.setdefault(instance.name, {})[vmac.name] = index
        for key, value in _ALWAYS.items():
            self._sysctls.set(f"ipv4/conf/{vmac.name}/{key}", value)
        if not vmac.ipvlan:  # only the virtual interface answers for the virtual address (RFC 9568 §8.1.2)
            for key in ("arp_ignore", "arp_filter"):
                self._sysctls.set(f"ipv4/conf/{base.name}/{key}", "1")
            # Or the parent asks for neighbours in the name of the virtual address, and they learn its own MAC for it.
            self._sysctls.set(f"ipv4/conf/{base.name}/arp_announce", "2")
        if family == 4:
            self._sysctls.set(f"ipv6/conf/{vmac.name}/disable_ipv6", "1")
        else:
            for key in ("accept_ra", "autoconf", "dad_transmits"):
                self._sysctls.set(f"ipv6/conf/{vmac.name}/{key}", "0")
        self._memberships.take_over(instance, family, index, base.index)
        raise_link(index)
        self._interfaces.read()
        if index not in self._interfaces.by_index:
            self._interfaces.refresh()
        self._interfaces.by_index[index].parent = base.index
        return index

    def remove(self, instance: str) -> None:
        """The router is no more: its interfaces go."""
        self._memberships.forget(instance)
        for index in self._made.pop(instance, {}).values():
            remove_link(index)

    def close(self) -> None:
        for name in list(self._made):
            self.remove(name)
