"""What a speaker sets up on its host before the first advert and puts back after the last: virtual interfaces, kernel
settings, addresses that a killed predecessor left, the filter behind no_accept."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable
from pathlib import Path

from vrrpcore.addresses import text
from vrrpcore.errors import ConfigError, SourceError
from vrrpcore.links import (
    SILENCE,
    Interfaces,
    Requests,
    Sysctls,
    install_filter,
    remove_filter,
    render_address,
)
from vrrpcore.links.requests import reason
from vrrpcore.settings import Instance, VirtualAddress
from vrrpcore.speaker.membership import Memberships
from vrrpcore.speaker.ownlinks import OwnLinks, sides_of
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
        self.memberships = Memberships(log)
        self.own_links = OwnLinks(self.interfaces, self._sysctls, self.memberships, log)
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
                carrier = self.own_links.own(instance, base)
            if instance.promote_secondaries:
                self._sysctls.set(f"ipv4/conf/{base.name}/promote_secondaries", "1")
        router = VirtualRouter(instance, index, carrier)
        for side in sides_of(instance):
            parent = self.interfaces.named(side[0])
            if parent is not None:
                router.sides[side] = made = self.own_links.side(instance, side, parent)
                source = parent.primary(side[1])
                if side[1] == 6 and source:
                    self._lend(made, source, instance.name)
        return router

    def lend_source(self, router: VirtualRouter, source: bytes) -> None:
        """Give a virtual interface the parent's link-local address, deprecated: without any the kernel refuses to send
        from it, and the first IPv6 advert of a takeover (and the last, with priority 0) would be lost."""
        if router.carrier != router.base and router.instance.family == 6:
            self._lend(router.carrier, source, router.name)

    def _lend(self, index: int, source: bytes, name: str) -> None:
        address = VirtualAddress(source, 64, nodad=True, scope=_LINK, preferred_lifetime_seconds=0)
        message = render_address(address, index, add=True)
        self.perform((message,), (errno.EEXIST,), f"({name}) link-local address of the virtual interface")

    def reborn(self, router: VirtualRouter) -> bool:
        """Whether the router's interface was deleted and made again: same name, another index."""
        if not router.base or router.base in self.interfaces.by_index:
            return False
        return self.interfaces.named(router.instance.interface) is not None

    def unplace(self, router: VirtualRouter) -> None:
        """The router is no more: its interfaces go."""
        self.own_links.remove(router.name)

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
                router.refused.discard(at)
            else:
                router.refused.add(at)
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
        if self._filtered is None and not self.memberships.silenced:
            remove_filter(SILENCE)
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
        self.own_links.close()
        self.memberships.close()
        if self._filtered:
            remove_filter()
        self._sysctls.restore()
        self.requests.close()
        self.interfaces.close()

    def refused_settings(self) -> dict[str, str]:
        """Kernel settings that could not be made: path -> why."""
        return dict(self._sysctls.refused)
