"""What a speaker sets up on its host before the first advert and puts back after the last: virtual interfaces, kernel
settings, addresses that a killed predecessor left, the filter behind no_accept."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable
from pathlib import Path

from vrrpcore.addresses import text
from vrrpcore.errors import ConfigError, SourceError
from vrrpcore.links import (
    Interface,
    Interfaces,
    Requests,
    Sysctls,
    create_vmac,
    install_filter,
    remove_filter,
    remove_link,
    render_address,
)
from vrrpcore.links.requests import reason
from vrrpcore.links.vmacs import raise_link
from vrrpcore.settings import Instance, VirtualAddress
from vrrpcore.speaker.router import VirtualRouter
from vrrpcore.speaker.statics import Statics

_LINK = 253  # RT_SCOPE_LINK
Log = Callable[[str, str], None]  # level, text


class Hosting:
    """The host as the speaker changed it."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self.interfaces = Interfaces()
        self.requests = Requests()
        self._sysctls = Sysctls()
        self._vmacs: dict[str, int] = {}  # instance name -> index
        self.statics = Statics(self.interfaces, self.requests, log)
        self._filtered: frozenset[bytes] | None = None  # None: whatever a predecessor may have left

    def place(self, instance: Instance) -> VirtualRouter:
        """A router for the instance on this host; ConfigError / SourceError where that cannot be."""
        base = self.interfaces.named(instance.interface) if instance.interface else None
        if base is None and not (instance.unicast and not instance.interface):
            raise ConfigError(f"{instance.name}: there is no interface {instance.interface or '(none named)'}")
        index = base.index if base else 0
        carrier = index
        if base is not None:
            if instance.vmac is not None:
                carrier = self._vmac(instance, base)
            if instance.promote_secondaries:
                self._sysctls.set(f"ipv4/conf/{base.name}/promote_secondaries", "1")
        return VirtualRouter(instance, index, carrier)

    def _vmac(self, instance: Instance, base: Interface) -> int:
        vmac = instance.vmac
        assert vmac is not None
        index = create_vmac(instance, base.index)
        self._vmacs[instance.name] = index
        own = {"arp_ignore": "1", "rp_filter": "0", "accept_local": "1", "promote_secondaries": "1"}
        for key, value in own.items():
            self._sysctls.set(f"ipv4/conf/{vmac.name}/{key}", value)
        if not vmac.ipvlan:  # only the virtual interface answers for the virtual address (RFC 9568 §8.1.2)
            for key in ("arp_ignore", "arp_filter"):
                self._sysctls.set(f"ipv4/conf/{base.name}/{key}", "1")
            # Or the parent asks for neighbours in the name of the virtual address, and they learn its own MAC for it.
            self._sysctls.set(f"ipv4/conf/{base.name}/arp_announce", "2")
        if instance.family == 4:
            self._sysctls.set(f"ipv6/conf/{vmac.name}/disable_ipv6", "1")
        else:
            for key in ("accept_ra", "autoconf", "dad_transmits"):
                self._sysctls.set(f"ipv6/conf/{vmac.name}/{key}", "0")
        raise_link(index)
        self.interfaces.read()
        if index not in self.interfaces.by_index:
            self.interfaces.refresh()
        self.interfaces.by_index[index].parent = base.index
        return index

    def lend_source(self, router: VirtualRouter, source: bytes) -> None:
        """Give a virtual interface the parent's link-local address, deprecated: without any the kernel refuses to send
        from it, and the first IPv6 advert of a takeover (and the last, with priority 0) would be lost."""
        if router.carrier == router.base or router.instance.family != 6:
            return
        address = VirtualAddress(source, 64, nodad=True, scope=_LINK, preferred_lifetime_seconds=0)
        message = render_address(address, router.carrier, add=True)
        self.perform((message,), (errno.EEXIST,), f"({router.name}) link-local address of the virtual interface")

    def reborn(self, router: VirtualRouter) -> bool:
        """Whether the router's interface was deleted and made again: same name, another index."""
        if not router.base or router.base in self.interfaces.by_index:
            return False
        return self.interfaces.named(router.instance.interface) is not None

    def unplace(self, router: VirtualRouter) -> None:
        """The router is no more: its interface goes."""
        index = self._vmacs.pop(router.name, None)
        if index is not None:
            remove_link(index)

    def forwarding(self, family: int) -> bool:
        """Whether this host forwards packets, that is, is a router to its neighbours."""
        path = "ipv4/ip_forward" if family == 4 else "ipv6/conf/all/forwarding"
        try:
            return (Path("/proc/sys/net") / path).read_text(encoding="ascii").strip() == "1"
        except OSError:
            return False

    def clean(self, router: VirtualRouter) -> int:
        """Remove this router's virtual addresses that are on the host although it is not master; how many."""
        messages, names = [], []
        for address, index in router.places:
            interface = self.interfaces.by_index.get(index)
            held = interface.holds(address.address) if interface else None
            if interface is None or held is None or held.prefixlen != address.prefixlen:
                continue
            if address.address in router.keeps(interface):
                continue
            messages.append(render_address(address, index, add=False))
            names.append(f"{text(address.address)} on {interface.name}")
        for number, name in zip(self.requests.perform(messages), names, strict=True):
            if number == 0:
                self._log("warning", f"({router.name}) removed {name}: left behind by a predecessor that was killed")
        self.interfaces.read()
        return len(messages)

    def restore_routes(self, router: VirtualRouter) -> bool:
        """Put a master's tracked routes and rules back that somebody took off; whether there were any."""
        results = self.requests.perform(router.route_keep)
        for number in results:
            if number not in (0, errno.EEXIST):
                self._log("error", f"({router.name}) putting a route or rule back: {reason(number)}")
        return 0 in results

    def perform(self, messages: Iterable[bytes], fine: tuple[int, ...], what: str) -> None:
        """Perform requests; errors that are not `fine` are logged."""
        for number in self.requests.perform(tuple(messages)):
            if number and number not in fine:
                self._log("error", f"{what}: {reason(number)}")

    def add_addresses(self, router: VirtualRouter, which: Iterable[int] | None = None) -> None:
        """Put the router's addresses (or those at these positions of `places`) on the host."""
        wanted = range(len(router.places)) if which is None else tuple(which)
        results = self.requests.perform([router.add_messages[at] for at in wanted])
        for at, number in zip(wanted, results, strict=True):
            address, index = router.places[at]
            if number in (0, errno.EEXIST):
                self.interfaces.assume(index, address.address, address.prefixlen)
            else:
                self._log("error", f"({router.name}) adding {text(address.address)}: {reason(number)}")

    def enforce_accept(self, instances: Iterable[Instance]) -> None:
        """Install (or remove) the filter for the instances that do not accept packets to their addresses."""
        addresses = frozenset(
            address.address
            for each in instances
            if not each.accept and not each.owner
            for address in (*each.addresses, *each.excluded_addresses)
        )
        if addresses == self._filtered:
            return
        try:
            if addresses:
                install_filter(sorted(addresses))
            else:
                remove_filter()
        except SourceError as error:
            self._log("error", str(error))
        self._filtered = addresses

    def close(self) -> None:
        """Put everything back."""
        self.statics.close()
        for index in self._vmacs.values():
            remove_link(index)
        if self._filtered:
            remove_filter()
        self._sysctls.restore()
        self.requests.close()
        self.interfaces.close()

    def refused_settings(self) -> dict[str, str]:
        """Kernel settings that could not be made: path -> why."""
        return dict(self._sysctls.refused)
