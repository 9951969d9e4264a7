"""Speaker: runs the machines of one host on sockets and links, with one timer.

One turn of its loop: wait until a socket or the alarm clock is ready; take in the host's changes and all adverts that
have arrived (they come before timers, so that a process that was stalled learns of its successor before it speaks);
then fire what is due. Nothing in the loop waits for a disk, a terminal or another process.
"""

from __future__ import annotations

import errno
import select
import socket
import time
from collections import Counter
from collections.abc import Callable
from math import inf
from typing import Any, Final

from vrrpcore.addresses import text
from vrrpcore.errors import ConfigError, SourceError, VrrpwatchError
from vrrpcore.machine import (
    Action,
    Advertise,
    Announce,
    Changed,
    ReleaseAddresses,
    Remark,
    State,
    TakeAddresses,
    remark,
)
from vrrpcore.settings import Instance, Settings
from vrrpcore.speaker.announce import Pacer
from vrrpcore.speaker.clock import AlarmClock, wall_offset
from vrrpcore.speaker.hosting import _GONE, Hosting
from vrrpcore.speaker.reception import Heard, Key, Reception
from vrrpcore.speaker.router import VirtualRouter
from vrrpcore.timers import TimerQueue
from vrrpcore.vrrpsockets import FrameSender, Sender

_EARLY: Final = 0.0005  # seconds: how much sooner an advert may leave to share a wake-up with another
_QUIET: Final = 60.0  # seconds between two log lines of one kind about one router
_ROW_TURNS: Final = 8  # the rows of all routers are published once a second, in so many parts

Report = Callable[[str, Any], None]  # "log", (level, text) | "row", row | "global", row | "changed", (name, old, new)


class Speaker:
    """The active speaker of one configuration. `open`, `start`, then `run` until `stop` was asked for, `close`."""

    def __init__(self, settings: Settings, report: Report) -> None:
        self.settings = settings
        self.report = report
        self.routers: dict[str, VirtualRouter] = {}
        self.stopping = False
        self.hosting: Hosting
        self._queue: TimerQueue[VirtualRouter] = TimerQueue()
        self._senders: dict[tuple[int, int], Sender] = {}
        self._pacers: dict[tuple[str, bool], Pacer] = {}
        self._reception = Reception(self._heard, self._nobodys)
        self._said: dict[tuple[str, str, str], float] = {}
        self._hushed: Counter[tuple[str, str, str]] = Counter()
        self._watched: dict[int, Callable[[], None]] = {}
        self._keys: dict[int, Key] = {}
        self._early = _EARLY
        self._next_rows = inf
        self._row_turn = 0
        self._perform_one: dict[type[Action], Callable[[VirtualRouter, Any, float], None]] = {
            Advertise: self._advertise,
            TakeAddresses: self._take,
            ReleaseAddresses: self._release,
            Announce: self._announce,
            Changed: self._changed,
            Remark: self._remarked,
        }

    # -- life --

    def open(self) -> None:
        """Sockets, interfaces, rendered packets; addresses that a predecessor left are removed. VrrpwatchError where
        the host does not have or allow what the configuration needs."""
        self._epoll = select.epoll()
        self._alarm = AlarmClock()
        self._epoll.register(self._alarm.fileno(), select.EPOLLIN)
        self.hosting = Hosting(self.log)
        self.watch(self.hosting.interfaces.fileno(), self._links_changed)
        self._frames = FrameSender()
        self._make_pacers()
        errors = []
        for instance in self.settings.instances:
            try:
                self._add(instance)
            except (ConfigError, SourceError) as error:
                errors.append(str(error))
        if errors:
            raise ConfigError("; ".join(errors))
        self.hosting.add_static(self.settings)
        self.hosting.enforce_accept(self.settings.instances)

    def start(self) -> None:
        """Start every machine, after the startup delay where there is one."""
        now = time.monotonic()
        delay = self.settings.global_defs.startup_delay_seconds
        since_boot = time.clock_gettime(time.CLOCK_BOOTTIME)
        delay = max(delay, self.settings.global_defs.delay_after_boot_seconds - since_boot)
        if delay > 0:
            self.log("info", f"waiting {delay:g} s before taking part (vrrp_startup_delay)")
        for router in self.routers.values():
            self._start(router, now, delay)
        self._next_rows = now

    def _start(self, router: VirtualRouter, now: float, delay: float = 0.0) -> None:
        if delay > 0:
            router.start_at = now + delay
            router.settle()
            self._queue.arm(router)
        else:
            router.start_at = inf
            self._perform(router, router.machine.start(now, healthy=not router.faults), now)

    def run(self) -> None:
        """Until `stop` was called (from a handler of the loop)."""
        while not self.stopping:
            self.turn()

    def turn(self, timeout: float | None = None) -> None:
        """One turn of the loop; `timeout` in seconds bounds the wait (tests)."""
        self._alarm.set(min(self._queue.next(), self._next_rows))
        try:
            ready = self._epoll.poll(timeout)
        except InterruptedError:
            return
        now = time.monotonic()
        for descriptor, _ in ready:
            handler = self._watched.get(descriptor)
            if handler is not None:
                handler()
        for descriptor, _ in ready:
            key = self._keys.get(descriptor)
            if key is not None:
                self._reception.read(key, now)
        self._alarm.rung()
        self._fire(time.monotonic())
        if now >= self._next_rows:
            self._publish_part(now)

    def _fire(self, now: float) -> None:
        for router in self._queue.due(now, self._early):
            machine = router.machine
            if router.start_at <= now:
                self._start(router, now)
                continue
            if router.announcements.deadline <= now:
                self._shoot(router, now)
            if machine.deadline <= now + self._early and (router.hurry or machine.deadline <= now):
                self._perform(router, machine.tick(max(now, machine.deadline)), now)
            else:
                router.settle()
                self._queue.arm(router)

    def stop(self) -> None:
        """Release everything: addresses first, then priority 0; the loop ends."""
        now = time.monotonic()
        for router in self.routers.values():
            router.start_at = inf
            self._perform(router, router.machine.stop(now), now)
        self.stopping = True

    def close(self) -> None:
        """Give back sockets and what was changed on the host."""
        for router in list(self.routers.values()):
            self._remove(router)
        for sender in self._senders.values():
            sender.close()
        self._frames.close()
        self.hosting.close()
        self._alarm.close()
        self._epoll.close()

    def watch(self, descriptor: int, handler: Callable[[], None]) -> None:
        """Call `handler` in the loop when `descriptor` is readable."""
        self._watched[descriptor] = handler
        self._epoll.register(descriptor, select.EPOLLIN)

    # -- routers come and go --

    def _make_pacers(self) -> None:
        self._pacers.clear()
        for instance in self.settings.instances:
            for interval, neighbour in (
                (instance.garp.garp_interval_seconds, False),
                (instance.garp.gna_interval_seconds, True),
            ):
                if interval:
                    self._pacers[instance.interface, neighbour] = Pacer(interval)
        for group in self.settings.garp_groups:  # interfaces of a group share one pace
            arp, neighbour_pace = Pacer(group.garp_interval_seconds), Pacer(group.gna_interval_seconds)
            for name in group.interfaces:
                self._pacers[name, False], self._pacers[name, True] = arp, neighbour_pace

    def _add(self, instance: Instance) -> VirtualRouter:
        router = self.hosting.place(instance)
        group = self.settings.sync_group_of(instance.name)
        router.sync_group = group.name if group else ""
        self.routers[instance.name] = router
        interfaces = self.hosting.interfaces
        router.install(interfaces, self._pacers, self.hosting.forwarding(instance.family))
        self.hosting.clean(router)
        xmit = self._xmit_index(router)
        interface = interfaces.by_index.get(xmit)
        name = interface.name if interface else ""
        try:
            made = self._reception.add(router, name, xmit, shared=xmit == router.base)
        except OSError as error:
            made = self._reception.receivers.get(self._reception.key(router, name))
            self.log("error", f"({instance.name}) cannot join the multicast group on {name}: {error.strerror}")
        if made is not None and made.fileno() not in self._keys:
            self._keys[made.fileno()] = self._reception.key(router, name)
            self._epoll.register(made.fileno(), select.EPOLLIN)
        router.sender = self._sender(0 if instance.unicast else xmit, "" if instance.unicast else name, instance.family)
        self._examine(router, time.monotonic())
        return router

    def _xmit_index(self, router: VirtualRouter) -> int:
        """Where adverts leave and enter: the router's own interface, unless vmac_xmit_base or unicast say otherwise."""
        vmac = router.instance.vmac
        own = vmac is not None and not vmac.xmit_base and not router.instance.unicast
        return router.carrier if own else router.base

    def _sender(self, index: int, name: str, family: int) -> Sender:
        sender = self._senders.get((index, family))
        if sender is None:
            sender = self._senders[index, family] = Sender(name, index, family)
        return sender

    def _remove(self, router: VirtualRouter) -> None:
        for receiver in self._reception.remove(router):
            self._keys.pop(receiver.fileno(), None)
            self._epoll.unregister(receiver.fileno())
            receiver.close()
        router.announcements.end()
        router.deadline = inf
        self.hosting.unplace(router)
        self.routers.pop(router.name, None)

    # -- what the host says --

    def _links_changed(self) -> None:
        changed = self.hosting.interfaces.read()
        if not changed:
            return
        now = time.monotonic()
        for router in list(self.routers.values()):
            if router.base in changed or router.carrier in changed or not router.base:
                self._examine(router, now)

    def _examine(self, router: VirtualRouter, now: float) -> None:
        """Bring the router's faults, its primary address and its addresses in line with the host."""
        instance = router.instance
        base = self.hosting.interfaces.by_index.get(router.base)
        carrier = self.hosting.interfaces.by_index.get(router.carrier)
        was_down = "interface" in router.faults
        if router.base and not instance.dont_track_primary:
            places = ((base, instance.interface), (carrier, f"of {instance.name}'s virtual MAC"))
            names = [name for interface, name in places if interface is None or not interface.running]
            down = f"interface {names[0]} is down" if names else ""
            self._fault(router, "interface", down)
        source = instance.source_address or b""
        if base is not None and (not source or instance.track_source_address):
            found = base.primary(instance.family, router.virtual)
            if instance.track_source_address and source:
                found = source if base.holds(source) else b""
            source = found
        if not base and not source and instance.unicast:
            source = _routed_source(instance)
        self._fault(
            router, "source", "" if source else f"no primary {_family(instance)} address on {instance.interface}"
        )
        if source and router.set_source(source):
            self._reception.forget()
        if was_down and "interface" not in router.faults:
            self._rejoin(router)
        self._follow_faults(router, now)
        if router.state is State.MASTER:
            self._restore_addresses(router, now)

    def _fault(self, router: VirtualRouter, kind: str, why: str) -> None:
        if why and router.faults.get(kind) != why:
            self.log("warning", f"({router.name}) {why}")
        if why:
            router.faults[kind] = why
        else:
            router.faults.pop(kind, None)

    def _follow_faults(self, router: VirtualRouter, now: float) -> None:
        if router.faults and router.state in (State.BACKUP, State.MASTER):
            event = "no-primary-ip-address" if "source" in router.faults else "interface-down"
            self._perform(router, router.machine.fail(now, event), now)
        elif not router.faults and router.state is State.FAULT:
            self._perform(router, router.machine.recover(now), now)

    def _rejoin(self, router: VirtualRouter) -> None:
        for key, receiver in self._reception.receivers.items():
            if receiver.index == self._xmit_index(router) and key[1] == router.instance.family:
                try:
                    receiver.rejoin()
                except OSError as error:
                    self.log("error", f"({router.name}) cannot join the multicast group again: {error.strerror}")

    def _restore_addresses(self, router: VirtualRouter, now: float) -> None:
        """Somebody took a virtual address off a master: put it back and announce it again."""
        interfaces = self.hosting.interfaces.by_index
        gone = [
            (message, address)
            for message, (address, index) in zip(router.add_messages, router.places, strict=True)
            if index in interfaces and interfaces[index].holds(address.address) is None
        ]
        if not gone:
            return
        names = ", ".join(text(address.address) for _, address in gone)
        self.log("warning", f"({router.name}) {names} was removed from outside while master: put back")
        self.hosting.perform([message for message, _ in gone], (errno.EEXIST,), f"({router.name}) adding {names}")
        self._perform(router, (Announce("late"),), now)

    # -- what arrives --

    def _heard(self, heard: Heard, now: float) -> None:
        router = heard.router
        if router is None:
            self._reception.nobodys("", heard)
            return
        machine = router.machine
        if heard.refusal:
            self._refused(router, heard, now)
            return
        advert = heard.advert
        assert advert is not None
        if advert.version == 3 and advert.family == 4 and not heard.note:
            machine.counters.checksum_styles[advert.checksum_style] += 1
        elif heard.note:
            self._say(router, "warning", "differs", f"{text(heard.source)} {heard.note}")
            remark(router.instance, advert, machine.counters)
        router.last_source = heard.source
        actions = machine.receive(advert, heard.source, now)
        if actions:
            self._perform(router, actions, now)
        else:  # the usual case: a backup that goes on waiting
            router.settle()
            if router.deadline < router.armed:
                self._queue.arm(router)

    def _refused(self, router: VirtualRouter, heard: Heard, now: float) -> None:
        source = text(heard.source) if heard.source else "?"
        router.machine.counters.refuse(heard.refusal, source)
        router.machine.refused(now)
        self._say(router, "warning", heard.refusal, f"refused an advert from {source}: {heard.refusal}")

    def _nobodys(self, reason: str, source: str, vrid: int | None) -> None:
        if reason == "vrid" and not self.settings.global_defs.log_unknown_vrids:
            return
        what = f"unknown VRID {vrid}" if vrid is not None else reason
        self._say(None, "warning", f"{reason} {vrid}", f"an advert from {source} belongs to no router here: {what}")

    # -- actions --

    def _perform(self, router: VirtualRouter, actions: tuple[Action, ...], now: float) -> None:
        for action in actions:
            self._perform_one[type(action)](router, action, now)
        router.settle()
        if router.deadline < router.armed:
            self._queue.arm(router)

    def _advertise(self, router: VirtualRouter, action: Advertise, now: float) -> None:
        counters = router.machine.counters
        sender = router.sender
        if sender is None or not router.machine.address:
            return
        for packet, destination in router.adverts.next(action.priority):
            try:
                sender.send(packet, destination)
            except OSError as error:
                counters.send_errors += 1
                what = f"cannot send an advert to {text(destination)}: {error.strerror}"
                self._say(router, "error", f"send {error.errno}", what)
        counters.adverts_sent += 1
        if action.priority == 0:
            counters.priority_zero_sent += 1
            self.log("info", f"({router.name}) sent 0 priority")

    def _take(self, router: VirtualRouter, action: TakeAddresses, now: float) -> None:
        self.hosting.perform(router.add_messages, (errno.EEXIST,), f"({router.name}) adding addresses")
        self.hosting.perform(router.route_add, (errno.EEXIST,), f"({router.name}) adding routes")

    def _release(self, router: VirtualRouter, action: ReleaseAddresses, now: float) -> None:
        router.announcements.end()
        self.hosting.perform(router.route_delete, _GONE, f"({router.name}) removing routes")
        interface = self.hosting.interfaces.by_index.get(router.carrier)
        kept = router.keeps(interface) if interface else frozenset()
        messages = [
            message
            for message, (address, _) in zip(router.delete_messages, reversed(router.places), strict=True)
            if address.address not in kept
        ]
        self.hosting.perform(messages, _GONE, f"({router.name}) removing addresses")

    def _announce(self, router: VirtualRouter, action: Announce, now: float) -> None:
        router.announcements.begin(action.kind, now)
        self._shoot(router, now)

    def _shoot(self, router: VirtualRouter, now: float) -> None:
        counters = router.machine.counters
        for shot in router.announcements.tick(now):
            try:
                self._frames.send(shot.frame, shot.interface)
                counters.announcements_sent += 1
            except OSError as error:
                counters.send_errors += 1
                what = f"cannot announce on {shot.interface}: {error.strerror}"
                self._say(router, "error", f"announce {error.errno}", what)

    def _changed(self, router: VirtualRouter, action: Changed, now: float) -> None:
        self.log("info", f"({router.name}) {_entering(action)}")
        self.report("changed", (router.name, action.old.value, action.new.value))
        self.report("row", router.row(wall_offset()))

    def _remarked(self, router: VirtualRouter, action: Remark, now: float) -> None:
        level, words = _REMARKS[action.kind]
        self._say(router, level, action.kind, f"{words} {action.detail}".strip())

    # -- reload --

    def reload(self, settings: Settings) -> None:
        """Take over a new configuration: what may stay stays (a master stays master), the rest stops or starts."""
        now = time.monotonic()
        old, self.settings = self.settings, settings
        self._make_pacers()
        wanted = {each.name: each for each in settings.instances}
        for router in list(self.routers.values()):
            new = wanted.get(router.name)
            if new is None or not _same_place(router.instance, new):
                self._perform(router, router.machine.stop(now), now)
                self._remove(router)
        for name, instance in wanted.items():
            router_or_none = self.routers.get(name)
            try:
                if router_or_none is None:
                    self._start(self._add(instance), now)
                elif router_or_none.instance != instance:
                    self._change(router_or_none, instance, now)
            except VrrpwatchError as error:
                self.log("error", str(error))
        self.hosting.add_static(settings)
        self.hosting.enforce_accept(settings.instances)
        self._reception.forget()
        if old.global_defs != settings.global_defs:
            self.log("info", "global_defs changed; what concerns processes takes effect at the next start")

    def _change(self, router: VirtualRouter, instance: Instance, now: float) -> None:
        before = dict(zip(router.places, router.delete_messages[::-1], strict=True))
        routes_before = router.route_delete
        announcements = router.announcements
        router.instance = instance
        router.virtual = frozenset(each.address for each in (*instance.addresses, *instance.excluded_addresses))
        router.install(self.hosting.interfaces, self._pacers, self.hosting.forwarding(instance.family))
        router.adverts = type(router.adverts)(
            instance, router.machine.address, router.adverts.ident, router.adverts.sequence
        )
        self._perform(router, router.machine.reconfigure(instance, now), now)
        if router.state is State.MASTER:
            gone = [message for place, message in before.items() if place not in router.places]
            new = [m for place, m in zip(router.places, router.add_messages, strict=True) if place not in before]
            if routes_before != router.route_delete:
                self.hosting.perform(routes_before, _GONE, f"({router.name}) removing routes")
                self.hosting.perform(router.route_add, (errno.EEXIST,), f"({router.name}) adding routes")
            self.hosting.perform(gone, _GONE, f"({router.name}) removing addresses")
            self.hosting.perform(new, (errno.EEXIST,), f"({router.name}) adding addresses")
            if new:
                self._perform(router, (Announce("master"),), now)
            elif instance.garp.refresh_seconds or announcements.deadline < inf:
                router.announcements.begin("master", now)
        self._examine(router, now)

    # -- what is told --

    def log(self, level: str, line: str) -> None:
        """One line for the log: debug, info, warning or error."""
        self.report("log", (level, line))

    def _say(self, router: VirtualRouter | None, level: str, kind: str, line: str) -> None:
        """A line that may come with every packet: once a minute for each router, kind and wording."""
        name = router.name if router else ""
        now = time.monotonic()
        what = (name, kind, line if kind not in ("late", "lower_priority") else "")
        said = self._said.get(what)
        if said is not None and now - said < _QUIET:
            self._hushed[what] += 1
            return
        if len(self._said) > 1000:
            self._said.clear()
            self._hushed.clear()
        self._said[what] = now
        more = self._hushed.pop(what, 0)
        self.log(level, (f"({name}) " if name else "") + line + (f" ({more} more like this before)" if more else ""))

    def _publish_part(self, now: float) -> None:
        self._next_rows = now + 1.0 / _ROW_TURNS
        self._row_turn = (self._row_turn + 1) % _ROW_TURNS
        offset = wall_offset()
        for number, router in enumerate(self.routers.values()):
            if number % _ROW_TURNS == self._row_turn:
                self.report("row", router.row(offset))
        if self._row_turn == 0:
            self.report("global", self.global_row())

    def global_row(self) -> dict[str, int]:
        """RFC 8347's global statistics."""
        errors = self._reception.global_errors
        total = Counter[str]()
        for router in self.routers.values():
            total.update(router.machine.counters.refused)
        total.update(errors)
        return {
            "virtual_routers": len(self.routers),
            "interfaces": len({router.base for router in self.routers.values()}),
            "checksum_errors": total["checksum"] + total["checksum_style"],
            "version_errors": total["version"],
            "vrid_errors": total["vrid"],
            "ip_ttl_errors": total["ttl"] + total["peer_ttl"],
        }


def _family(instance: Instance) -> str:
    return "IPv4" if instance.family == 4 else "link-local IPv6"


def _entering(change: Changed) -> str:
    """keepalived's wording, which people's tools look for."""
    if change.new is State.INIT:
        return "Stopped"
    suffix = " (init)" if change.old is State.INIT else ""
    return f"Entering {change.new.value.upper()} STATE{suffix}"


def _same_place(old: Instance, new: Instance) -> bool:
    """Whether a reload may keep the router: what names it on the wire and on the host is the same."""

    def place(each: Instance) -> tuple[object, ...]:
        return (each.vrid, each.interface, each.family, each.version, each.unicast, each.vmac, each.multicast_group,
                each.auth_type)  # fmt: skip

    return place(old) == place(new)


def _routed_source(instance: Instance) -> bytes:
    """The address that the kernel would send from to the first peer (unicast without interface)."""
    kind = socket.AF_INET if instance.family == 4 else socket.AF_INET6
    with socket.socket(kind, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((text(instance.unicast_peers[0].address), 9))
            return socket.inet_pton(kind, probe.getsockname()[0].split("%", 1)[0])
        except (OSError, IndexError):
            return b""


_REMARKS: Final[dict[str, tuple[str, str]]] = {
    "several_owners": ("error", "another router is configured as address owner (priority 255) too:"),
    "own_address": ("error", "received an advert from our own address: a clone, or a loop in the network:"),
    "interval_learned": ("info", "advertisement interval of the master learned:"),
    "lower_priority": ("warning", "Received a lower priority advert while master:"),
    "priority_zero": ("info", "another router released mastership while we are master:"),
    "preempt_delay": ("info", "start preempt delay:"),
    "late": ("warning", "A thread timer expired late, others may have taken over meanwhile:"),
}
__all__ = ["Speaker"]
