"""static_ipaddress, static_routes and static_rules: put on the host, put back when they vanish, and what a track_group
makes of one that cannot be put back."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from vrrpcore.addresses import text
from vrrpcore.errors import ConfigError
from vrrpcore.links import Interfaces, Requests, exclusive, render_address, render_route, render_rule
from vrrpcore.links.requests import reason
from vrrpcore.settings import Instance, Settings, VirtualAddress

#: What the kernel says when there is nothing left to remove.
GONE = (errno.EADDRNOTAVAIL, errno.ENOENT, errno.ESRCH, errno.ENODEV)


@dataclass(frozen=True, slots=True)
class Static:
    """One of them, rendered; `add` does nothing where it is on the host already."""

    words: str
    group: str
    devices: frozenset[str]
    add: bytes
    delete: bytes
    place: tuple[VirtualAddress, int] | None = None  # of an address: itself and the interface's index


class Statics:
    """All of one configuration."""

    def __init__(self, interfaces: Interfaces, requests: Requests, log: Callable[[str, str], None]) -> None:
        self._interfaces, self._requests, self._log = interfaces, requests, log
        self._settings = Settings()
        self._parts: list[Static] = []
        self._indexes: dict[str, int] = {}
        self._lost: dict[str, str] = {}  # words -> why it is not there
        self._groups: dict[str, str] = {}  # track group -> the words of what it lost

    def configure(self, settings: Settings) -> None:
        """Put everything on the host; what an earlier configuration put there and this one lacks is removed."""
        before = [each.delete for each in self._parts]
        self._settings = settings
        self._indexes = {each.name: each.index for each in self._interfaces.by_index.values()}
        self._parts = list(self._render(settings))
        kept = {each.delete for each in self._parts}
        self._remove(each for each in before if each not in kept)
        self._lost = {}
        self._add(first=True)

    def restore(self) -> None:
        """Put back what is gone from the host."""
        if not self._parts:
            return
        indexes = {each.name: each.index for each in self._interfaces.by_index.values()}
        wanted = set().union(*(each.devices for each in self._parts))
        if any(indexes.get(name) != self._indexes.get(name) for name in wanted):
            self._indexes = indexes
            self._parts = list(self._render(self._settings))
        self._add(first=False)

    def trouble(self, instance: str) -> str:
        """What the instance's track groups miss, in words; "" when all is there."""
        groups = [each.name for each in self._settings.track_groups if instance in each.members]
        return next((self._groups[name] for name in groups if name in self._groups), "")

    def close(self) -> None:
        """Take everything off the host."""
        self._remove(each.delete for each in reversed(self._parts))
        self._parts = []

    def _add(self, *, first: bool) -> None:
        running = {each.name for each in self._interfaces.by_index.values() if each.running}
        missing = [each for each in self._parts if (first or each.devices <= running) and not self._holds(each)]
        results = self._requests.perform([each.add for each in missing])
        for part, number in zip(missing, results, strict=True):
            if number in (0, errno.EEXIST):
                self._lost.pop(part.words, None)
                if part.place is not None:
                    address, index = part.place
                    self._interfaces.assume(index, address.address, address.prefixlen)
                if number == 0 and not first:
                    self._log("info", f"Restoring deleted {part.words}")
            elif self._lost.get(part.words) != reason(number):
                self._lost[part.words] = reason(number)
                self._log("error", f"{part.words}: {reason(number)}")
        self._groups = {
            each.group: f"{each.words} is missing" for each in reversed(self._parts) if each.words in self._lost
        }

    def _holds(self, part: Static) -> bool:
        if part.place is None:
            return False  # of routes and rules nobody keeps a list: the kernel is asked
        address, index = part.place
        interface = self._interfaces.by_index.get(index)
        return interface is not None and interface.holds(address.address) is not None

    def _remove(self, messages: Iterable[bytes]) -> None:
        for number in self._requests.perform(list(messages)):
            if number and number not in GONE:
                self._log("error", f"static configuration: {reason(number)}")

    def _render(self, settings: Settings) -> Iterable[Static]:
        for address in settings.addresses:
            name = address_device(address.dev, settings)
            words = f"static address {text(address.address)}/{address.prefixlen} dev {name}"
            index = self._indexes.get(name)
            if index is None:
                self._log("error", f"{words}: there is no interface {name}")
                continue
            add, delete = (render_address(address, index, add=each) for each in (True, False))
            yield Static(words, address.track_group, frozenset((name,)), add, delete, (address, index))
        for route in settings.routes:
            words = f"static route {text(route.destination)}/{route.prefixlen}"
            devices = frozenset(hop.dev for hop in route.nexthops if hop.dev)
            try:
                add, delete = (render_route(route, self._indexes, add=each) for each in (True, False))
            except ConfigError as error:
                self._log("error", f"{words}: {error}")
                continue
            yield Static(words, route.track_group, devices, exclusive(add), delete)
        for rule in settings.rules:
            add, delete = (render_rule(rule, add=each) for each in (True, False))
            yield Static(f"static rule {' '.join(rule.words)}", rule.track_group, frozenset(), add, delete)


def address_device(dev: str, settings: Settings) -> str:
    """Where a static address without `dev` goes."""
    return dev or settings.global_defs.default_interface or "eth0"


def devices(instance: Instance, settings: Settings) -> frozenset[str]:
    """The interfaces that an instance cannot do without, beside its own: those of its addresses, routes and rules
    (unless no_track) and of the static ones that its track groups name."""
    found = {each.dev for each in (*instance.addresses, *instance.excluded_addresses) if not each.no_track}
    found |= {hop.dev for each in instance.routes if not each.no_track for hop in each.nexthops}
    found |= {name for each in instance.rules if not each.no_track for name in (each.iif, each.oif)}
    groups = {each.name for each in settings.track_groups if instance.name in each.members}
    found |= {address_device(each.dev, settings) for each in settings.addresses if each.track_group in groups}
    found |= {hop.dev for each in settings.routes if each.track_group in groups for hop in each.nexthops}
    found |= {name for each in settings.rules if each.track_group in groups for name in (each.iif, each.oif)}
    return frozenset(found - {"", instance.interface, instance.vmac.name if instance.vmac else ""})
