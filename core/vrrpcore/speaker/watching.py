"""Keeps routers in line with their host: interface faults, the primary address, addresses taken off from outside."""

from __future__ import annotations

import socket

from vrrpcore.addresses import text
from vrrpcore.links import Interface
from vrrpcore.machine import Announce, State
from vrrpcore.settings import Instance
from vrrpcore.speaker.hosting import Hosting
from vrrpcore.speaker.journal import Journal
from vrrpcore.speaker.performer import Performer
from vrrpcore.speaker.reception import Reception
from vrrpcore.speaker.router import VirtualRouter

#: kind of a fault -> RFC 8347 last-event, when it is the reason
_EVENTS = {"source": "no-primary-ip-address", "address": "no-virtual-ip-addresses"}


class HostWatch:
    """Looks at a router's part of the host whenever netlink says that it changed."""

    def __init__(self, hosting: Hosting, performer: Performer, reception: Reception, journal: Journal) -> None:
        self._hosting, self._performer, self._reception, self._journal = hosting, performer, reception, journal

    def examine(self, router: VirtualRouter, now: float) -> None:
        """Bring the router's faults, its primary address and its addresses in line with the host."""
        interfaces = self._hosting.interfaces.by_index
        base, carrier = interfaces.get(router.base), interfaces.get(router.carrier)
        was_down = "interface" in router.faults
        self.fault(router, "interface", _down(router, base, carrier))
        source = self._source(router.instance, router, base)
        where = router.instance.interface or "any interface"
        lonely = router.instance.unicast_fault_no_peer and not router.instance.unicast
        self.fault(router, "peer", "unicast without any peer (unicast_fault_no_peer)" if lonely else "")
        self.fault(router, "device", self._device_down(router))
        missing = f"no primary {'IPv4' if router.instance.family == 4 else 'link-local IPv6'} address on {where}"
        self.fault(router, "source", "" if source else missing)
        if source and router.set_source(source):
            self._reception.forget()
            self._hosting.lend_source(router, source)
        if was_down and "interface" not in router.faults:
            self._rejoin(router)
        self.follow_faults(router, now)
        if router.state is State.MASTER:
            self._restore_addresses(router, now)

    def _device_down(self, router: VirtualRouter) -> str:
        """Which interface of its addresses, routes and rules cannot be used, in words."""
        if not router.devices:
            return ""
        running = {each.name for each in self._hosting.interfaces.by_index.values() if each.running}
        down = sorted(router.devices - running)
        return f"interface {', '.join(down)} is down" if down else ""

    def fault(self, router: VirtualRouter, kind: str, why: str) -> None:
        """Set ("" clears) one fault of a router; `follow_faults` acts on it."""
        if why and router.faults.get(kind) != why:
            self._journal.log("warning", f"({router.name}) {why}")
        if why:
            router.faults[kind] = why
        else:
            router.faults.pop(kind, None)

    def follow_faults(self, router: VirtualRouter, now: float) -> None:
        """A router with faults is in Fault, one without is not."""
        machine = router.machine
        if router.faults and router.state in (State.BACKUP, State.MASTER):
            event = next((_EVENTS[kind] for kind in router.faults if kind in _EVENTS), "interface-down")
            self._performer.perform(router, machine.fail(now, event), now)
        elif not router.faults and router.state is State.FAULT:
            self._performer.perform(router, machine.recover(now), now)

    def _source(self, instance: Instance, router: VirtualRouter, base: Interface | None) -> bytes:
        """The address that we send from; b"" when there is none."""
        source = instance.source_address or b""
        if base is None:
            return source or (routed_source(instance) if instance.unicast and not router.base else b"")
        if not source:
            return router.primary(base)
        if instance.track_source_address and base.holds(source) is None:
            return b""
        return source

    def _rejoin(self, router: VirtualRouter) -> None:
        for key, receiver in self._reception.receivers.items():
            if receiver.index in (router.base, router.carrier) and key[1] == router.instance.family:
                try:
                    receiver.rejoin()
                except OSError as error:
                    self._journal.log("error", f"({router.name}) cannot join its multicast group: {error.strerror}")

    def restore_routes(self, router: VirtualRouter) -> None:
        """Somebody may have taken routes or rules off a master: put them back."""
        if router.state is State.MASTER and router.route_keep and self._hosting.restore_routes(router):
            what = "routes or rules were removed from outside while master: put back"
            self._journal.say(router.name, "warning", "routes", what)

    def _restore_addresses(self, router: VirtualRouter, now: float) -> None:
        """Somebody took a virtual address off a master: put it back and announce it again."""
        interfaces = self._hosting.interfaces.by_index
        gone = [
            at
            for at, (address, index) in enumerate(router.places)
            if not address.no_track
            and at not in router.refused
            and index in interfaces
            and interfaces[index].holds(address.address) is None
        ]
        if not gone:
            return
        names = ", ".join(text(router.places[at][0].address) for at in gone)
        self._journal.log("warning", f"({router.name}) {names} was removed from outside while master: put back")
        self._hosting.add_addresses(router, gone)
        self._performer.perform(router, (Announce("late"),), now)


def _down(router: VirtualRouter, base: Interface | None, carrier: Interface | None) -> str:
    """Why the router's interfaces cannot be used, or ""."""
    instance = router.instance
    if not router.base or instance.dont_track_primary:
        return ""
    if base is None:
        return f"interface {instance.interface} is gone"
    if not base.running:
        return f"interface {instance.interface} is down"
    if carrier is None or not carrier.running:
        return f"interface {instance.vmac.name if instance.vmac else instance.interface} is down"
    return ""


def routed_source(instance: Instance) -> bytes:
    """The address that the kernel would send from to the first peer (unicast without an interface)."""
    kind = socket.AF_INET if instance.family == 4 else socket.AF_INET6
    with socket.socket(kind, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((text(instance.unicast_peers[0].address), 9))
            return socket.inet_pton(kind, probe.getsockname()[0].split("%", 1)[0])
        except (OSError, IndexError):
            return b""
