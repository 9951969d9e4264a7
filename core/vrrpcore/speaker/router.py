"""One virtual router at run time: its machine, its rendered packets, its place on the host, what is wrong with it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping
from math import inf
from typing import Any, Final

from vrrpcore.addresses import mac_text, text
from vrrpcore.links import Interface, Interfaces, exclusive, render_address, render_route, render_rule
from vrrpcore.machine import Machine, State
from vrrpcore.settings import Instance, VirtualAddress
from vrrpcore.speaker.announce import Announcements, Pacer
from vrrpcore.speaker.ownlinks import Side, side_of
from vrrpcore.speaker.render import Adverts, shots
from vrrpcore.vrrpsockets import Sender

SHARED_WAKE_UPS: Final = 0.05  # seconds: from this interval on, adverts may leave early to share a wake-up


class VirtualRouter:
    """`deadline`, `armed` and `hurry` are what the timer queue wants of it."""

    __slots__ = (
        "add_messages", "adverts", "announcements", "armed", "base", "carrier", "deadline", "delete_messages",
        "devices", "faults", "hurry", "instance", "last_source", "machine", "places", "refused", "route_add",
        "route_delete", "route_keep", "sender", "sides", "start_at", "sync_group", "virtual",
    )  # fmt: skip

    def __init__(self, instance: Instance, base: int, carrier: int) -> None:
        """`base`: index of the configured interface; `carrier`: where the addresses live (a macvlan, or base)."""
        self.instance = instance
        self.base, self.carrier = base, carrier
        self.machine = Machine(instance)
        self.machine.counters.since = time.time()
        self.faults: dict[str, str] = {}  # kind -> why, in words
        self.virtual = frozenset(each.address for each in (*instance.addresses, *instance.excluded_addresses))
        self.places: tuple[tuple[VirtualAddress, int], ...] = ()
        self.add_messages: tuple[bytes, ...] = ()
        self.refused: set[int] = set()  # positions of addresses that the kernel did not take
        self.delete_messages: tuple[bytes, ...] = ()
        self.route_add: tuple[bytes, ...] = ()
        self.route_delete: tuple[bytes, ...] = ()
        self.route_keep: tuple[bytes, ...] = ()  # what a master puts back when somebody takes it off
        self.devices: frozenset[str] = frozenset()  # other interfaces that it cannot do without
        self.announcements = Announcements(instance.garp, (), {})
        self.adverts = Adverts(instance, bytes(4 if instance.family == 4 else 16))
        self.sender: Sender | None = None
        self.start_at = inf  # startup delay
        self.last_source = b""  # of the last advert that was accepted
        self.sync_group = ""
        self.sides: dict[Side, int] = {}  # virtual interfaces beside `carrier` -> index
        self.deadline = inf
        self.armed = inf
        self.hurry = False

    @property
    def name(self) -> str:
        return self.instance.name

    @property
    def state(self) -> State:
        return self.machine.state

    @property
    def xmit_index(self) -> int:
        """Where adverts leave and enter: the router's own interface, unless vmac_xmit_base or unicast say otherwise.
        (On the parent we would not hear the other router: its MAC is our own virtual one.)"""
        vmac = self.instance.vmac
        own = vmac is not None and not vmac.xmit_base and not self.instance.unicast
        return self.carrier if own else self.base

    def settle(self) -> None:
        """After any event: when are we to be called again?"""
        deadline = self.machine.deadline
        announcing = self.announcements.deadline
        # Half a millisecond early is nothing to a router of 100 ms, and 5 % of the interval to one of 10 ms.
        self.hurry = self.machine.state is State.MASTER and self.machine.interval >= SHARED_WAKE_UPS
        if announcing < deadline:
            deadline, self.hurry = announcing, False
        self.deadline = min(deadline, self.start_at)

    def install(self, interfaces: Interfaces, pacers: dict[tuple[str, bool], Pacer], forwarding: bool) -> None:
        """Render what the takeover needs. KeyError-free: an address on an interface that is missing is left out and
        is a fault of its own."""
        instance = self.instance
        self.faults.pop("address", None)
        places, rows = [], []
        extra: dict[int, tuple[VirtualAddress, str, bytes]] = {}
        for address in (*instance.addresses, *instance.excluded_addresses):
            interface = self._interface_of(address, interfaces)
            if interface is None:
                if not address.no_track:
                    self.faults["address"] = f"{text(address.address)}: there is no interface {address.dev}"
                continue
            places.append((address, interface.index))
            rows.append((address, interface.name, interface.mac))
            own = interface.index in self.sides.values()
            if interface.index != self.carrier and (own or instance.garp.extra_if_all):
                extra.setdefault(interface.index, rows[-1])  # one address is enough for the switches
        self.places = tuple(places)
        self.refused.clear()
        self.add_messages = tuple(render_address(each, index, add=True) for each, index in places)
        self.delete_messages = tuple(render_address(each, index, add=False) for each, index in reversed(places))
        kept_alive = shots(tuple(extra.values()), forwarding)
        self.announcements = Announcements(instance.garp, shots(rows, forwarding), pacers, kept_alive)
        self._render_routes({each.name: each.index for each in interfaces.by_index.values()}, interfaces)

    def _interface_of(self, address: VirtualAddress, interfaces: Interfaces) -> Interface | None:
        side = side_of(self.instance, address)
        if side is not None:
            return interfaces.by_index.get(self.sides.get(side, 0))
        if address.dev:
            return interfaces.named(address.dev)
        # the virtual MAC is one family's: addresses of the other stay with the parent, as keepalived has it
        return interfaces.by_index.get(self.carrier if address.family == self.instance.family else self.base)

    def _render_routes(self, indexes: Mapping[str, int], interfaces: Interfaces) -> None:
        instance = self.instance
        if not (instance.routes or instance.rules):
            self.route_add = self.route_delete = self.route_keep = ()
            return
        carrier = interfaces.by_index.get(self.carrier)
        dev = carrier.name if carrier else ""
        known = dict(indexes)
        add = [render_route(each, known, add=True, dev=dev) for each in instance.routes]
        add += [render_rule(each, add=True) for each in instance.rules]
        delete = [render_rule(each, add=False) for each in reversed(instance.rules)]
        delete += [render_route(each, known, add=False, dev=dev) for each in reversed(instance.routes)]
        self.route_add, self.route_delete = tuple(add), tuple(delete)
        loose = [each.no_track for each in instance.routes] + [each.no_track for each in instance.rules]
        self.route_keep = tuple(exclusive(one) for one, free in zip(add, loose, strict=True) if not free)

    def keeps(self, interface: Interface) -> frozenset[bytes]:
        """Virtual addresses that are the owner's genuine ones, which are never taken off."""
        genuine = self.primary(interface) if self.instance.owner else b""
        return frozenset((genuine,)) if genuine in self.virtual else frozenset()

    def primary(self, interface: Interface) -> bytes:
        """The address that adverts are sent from. Of IPv4 an owner's is the first, be it virtual: what we add comes
        behind it; the kernel lists new IPv6 addresses first."""
        owner = self.instance.owner and self.instance.family == 4
        return interface.primary(self.instance.family, frozenset() if owner else self.virtual)

    def set_source(self, source: bytes) -> bool:
        """Our primary address is (now) this one; True when that is new."""
        if source == self.machine.address:
            return False
        self.machine.address = source
        self.adverts = Adverts(self.instance, source, self.adverts.ident, self.adverts.sequence)
        return True

    def row(self, offset: float) -> dict[str, Any]:
        """What is published of this router (see speaker.state); `offset`: monotonic -> epoch."""
        machine, instance = self.machine, self.instance
        own_mac = instance.vmac is not None and not instance.vmac.ipvlan
        return {
            "name": instance.name,
            "interface": instance.interface,
            "vrid": instance.vrid,
            "family": "ipv4" if instance.family == 4 else "ipv6",
            "version": instance.version,
            "state": machine.state.value,
            "since": machine.since + offset,
            "priority": instance.priority,
            "effective_priority": machine.priority,
            "owner": instance.owner,
            "preempt": instance.preempt,
            "accept": instance.accept,
            "advert_interval": machine.interval,
            "master_interval": machine.master_interval,
            "skew": machine.skew,
            "master_down_interval": machine.down_interval,
            "vips": [text(each.address) for each in instance.addresses],
            "address": text(machine.address) if machine.address else "",
            "virtual_mac": mac_text(instance.mac) if own_mac else "",
            "master": text(machine.master_address) if machine.master_address else "",
            "master_priority": machine.master_priority,
            "last_adv_source": text(self.last_source) if self.last_source else "",
            "last_event": machine.last_event,
            "new_master_reason": machine.new_master_reason,
            "faults": list(self.faults.values()),
            "sync_group": self.sync_group,
            "yielded": machine.yielding.active,
            "last_proof": machine.yielding.proved_at + offset if machine.yielding.proof else 0.0,
            "counters": machine.counters.as_json(),
        }


def global_row(routers: Iterable[VirtualRouter], errors: Mapping[str, int]) -> dict[str, int]:
    """RFC 8347's global statistics; `errors`: of packets that belonged to no router."""
    routers = tuple(routers)
    total = Counter(errors)
    for router in routers:
        total.update(router.machine.counters.refused)
    return {
        "virtual_routers": len(routers),
        "interfaces": len({router.base for router in routers}),
        "checksum_errors": total["checksum"] + total["checksum_style"],
        "version_errors": total["version"],
        "vrid_errors": total["vrid"],
        "ip_ttl_errors": total["ttl"] + total["peer_ttl"],
    }
