"""Speaker: runs the machines of one host on sockets and links, with one timer.

One turn of its loop: wait until a socket or the alarm clock is ready; take in the host's changes and all adverts that
have arrived (they come before timers, so that a process that was stalled learns of its successor before it speaks);
then fire what is due. Nothing in the loop waits for a disk, a terminal or another process.
"""

from __future__ import annotations

import select
import time
from collections.abc import Callable
from math import inf
from typing import Final

from vrrpcore.addresses import text
from vrrpcore.errors import ConfigError, SourceError, VrrpwatchError
from vrrpcore.links import number_rules, resolvable
from vrrpcore.machine import State, remark
from vrrpcore.settings import Instance, Settings
from vrrpcore.speaker.announce import Pacer, pacers
from vrrpcore.speaker.changing import change, same_place
from vrrpcore.speaker.clock import AlarmClock, wall_offset
from vrrpcore.speaker.groups import SyncGroups
from vrrpcore.speaker.guarding import RouteGuard
from vrrpcore.speaker.hosting import Hosting
from vrrpcore.speaker.journal import Journal, Report, word
from vrrpcore.speaker.linkstates import LinkStates
from vrrpcore.speaker.performer import Performer
from vrrpcore.speaker.reception import Heard, Key, Reception
from vrrpcore.speaker.router import VirtualRouter, global_row
from vrrpcore.speaker.statics import devices
from vrrpcore.speaker.tracking import Tracker
from vrrpcore.speaker.watching import HostWatch
from vrrpcore.speaker.yielding import Proofs
from vrrpcore.timers import TimerQueue
from vrrpcore.vrrpsockets import Sender

_EARLY: Final = 0.0005  # seconds: how much sooner an advert may leave to share a wake-up with another
_ROW_TURNS: Final = 8  # the rows of all routers are published in so many parts
_ROWS_A_SECOND: Final = 200  # once a second, or as often as this allows; changes are published at once


class Speaker:
    """The active speaker of one configuration. `open`, `start`, then `run` until `stop` was called, `close`."""

    def __init__(self, settings: Settings, report: Report) -> None:
        self.settings, self._left_out = resolvable(number_rules(settings))
        self.routers: dict[str, VirtualRouter] = {}
        self.journal = Journal(report)
        self.stopping = False
        self._queue: TimerQueue[VirtualRouter] = TimerQueue()
        self._senders: dict[tuple[int, int], Sender] = {}
        self._pacers: dict[tuple[str, bool], Pacer] = {}
        self._watched: dict[int, Callable[[], None]] = {}
        self._keys: dict[int, Key] = {}
        self._waiting: set[str] = set()  # routers that start when all that they track is known
        self._next_rows = inf
        self._row_turn = 0

    # -- life --

    def open(self) -> None:
        """Sockets, interfaces, rendered packets; addresses that a predecessor left are removed. VrrpwatchError where
        the host does not have or allow what the configuration needs."""
        self._epoll = select.epoll()
        self._alarm = AlarmClock()
        self.watch(self._alarm.fileno(), self._alarm.rung)
        self.hosting = Hosting(self.journal.log)
        self.watch(self.hosting.interfaces.fileno(), self._links_changed)
        self.links = LinkStates(self.hosting.interfaces)
        self.links.configure(self.settings, time.monotonic())
        self.hosting.own_links.configure(self.settings)
        self.performer = Performer(self.hosting, self.journal, self._queue)
        self._reception = Reception(self._heard, self._nobodys)
        self.host_watch = HostWatch(self.hosting, self.performer, self._reception, self.journal)
        self._guard = RouteGuard(
            self.routers,
            self.hosting,
            self.host_watch,
            self.watch,
            self._unwatch,
            lambda: self._weigh(time.monotonic()),
        )
        self.groups = SyncGroups(self.routers, self.performer, self.host_watch, self.journal)
        self.proofs = Proofs(self.routers, self.groups, self.performer)
        self.tracker = Tracker(self.settings)
        self._pacers = pacers(self.settings)
        errors = []
        for instance in self.settings.instances:
            try:
                self._add(instance)
            except (ConfigError, SourceError) as error:
                errors.append(str(error))
        if errors:
            self.close()
            raise ConfigError("; ".join(errors))
        self.groups.configure(self.settings)
        self.hosting.statics.configure(self.settings)
        self._guard.configure(self.settings)
        self._weigh(time.monotonic())
        self.hosting.enforce_accept(self.settings.instances)

    def start(self) -> None:
        """Start every machine, after the startup delay where there is one."""
        now = time.monotonic()
        self._tell_left_out()
        delay = self.settings.global_defs.startup_delay_seconds
        since_boot = time.clock_gettime(time.CLOCK_BOOTTIME)
        delay = max(delay, self.settings.global_defs.delay_after_boot_seconds - since_boot)
        if delay > 0:
            self.journal.log("info", f"waiting {delay:g} s before taking part (vrrp_startup_delay)")
        for router in self.routers.values():
            self._start(router, now, delay)
        self._next_rows = now

    def _tell_left_out(self) -> None:
        for line in self._left_out:
            self.journal.log("error", line)

    def _start(self, router: VirtualRouter, now: float, delay: float = 0.0) -> None:
        if delay > 0:
            router.start_at = now + delay
            self.performer.settle(router)
        elif pending := self.groups.pending(router, self.tracker):
            router.start_at = inf
            self._waiting.add(router.name)
            self.journal.log("info", f"({router.name}) waits for the first result of {', '.join(pending)}")
        else:
            router.start_at = inf
            self._waiting.discard(router.name)
            self.performer.perform(router, router.machine.start(now, healthy=not router.faults), now)

    def run(self) -> None:
        """Until `stop` was called (from a handler of the loop)."""
        while not self.stopping:
            self.turn()

    def turn(self, timeout: float | None = None) -> None:
        """One turn of the loop; `timeout` in seconds bounds the wait (tests)."""
        self._alarm.set(min(self._queue.next(), self._next_rows, self.links.deadline))
        try:
            ready = self._epoll.poll(timeout)
        except InterruptedError:
            return
        now = time.monotonic()
        keys = []
        for descriptor, _ in ready:
            key = self._keys.get(descriptor)
            if key is not None:
                keys.append(key)
            else:
                self._watched[descriptor]()
        for key in keys:
            self._reception.read(key, now)
        if self.stopping:
            return
        now = time.monotonic()
        if self._queue.next() <= now + _EARLY:
            self._fire(now)
        if now >= self.links.deadline:
            self._follow_links(self.links.due(now), now)
        if now >= self._next_rows:
            self._publish_part(now)

    def _fire(self, now: float) -> None:
        for router in self._queue.due(now, _EARLY):
            machine = router.machine
            if router.start_at <= now:
                self._start(router, now)
                continue
            if router.announcements.deadline <= now:
                self.performer.shoot(router, now)
            if machine.deadline <= now or (router.hurry and machine.deadline <= now + _EARLY):
                ready = not router.sync_group or self.groups.ready(router)
                self.performer.perform(router, machine.tick(max(now, machine.deadline), ready), now)
            else:
                self.performer.settle(router)

    def stop(self) -> None:
        """Release everything: addresses first, then priority 0; the loop ends."""
        if self.stopping:
            return
        now = time.monotonic()
        for router in self.routers.values():
            router.start_at = inf
            self.performer.end(router, now)
        self.groups.stop()
        self.stopping = True

    def close(self) -> None:
        """Give back sockets and what was changed on the host."""
        for router in list(self.routers.values()):
            self._remove(router)
        for sender in self._senders.values():
            sender.close()
        self.performer.close()
        self._guard.close()
        self.hosting.close()
        self._alarm.close()
        self._epoll.close()

    def watch(self, descriptor: int, handler: Callable[[], None]) -> None:
        """Call `handler` in the loop when `descriptor` is readable."""
        self._watched[descriptor] = handler
        self._epoll.register(descriptor, select.EPOLLIN)

    def _unwatch(self, descriptor: int) -> None:
        del self._watched[descriptor]
        self._epoll.unregister(descriptor)

    # -- routers come and go --

    def _add(self, instance: Instance) -> VirtualRouter:
        router = self.hosting.place(instance)
        self.routers[instance.name] = router
        router.devices = devices(instance, self.settings)
        interfaces = self.hosting.interfaces
        router.install(interfaces, self._pacers, self.hosting.forwarding(instance.family))
        self.hosting.clean(router)
        index = router.xmit_index
        self._listen(router, interfaces.name(index), index)
        if instance.unicast:  # routes decide, as for everything else that is sent to a peer
            index = 0
        key = (index, instance.family)
        if key not in self._senders:
            self._senders[key] = Sender(interfaces.name(index), index, instance.family)
        router.sender = self._senders[key]
        self.host_watch.examine(router, time.monotonic())
        return router

    def _listen(self, router: VirtualRouter, name: str, index: int) -> None:
        try:
            self._reception.add(router, name, index, shared=index == router.base)
        except OSError as error:
            self.journal.log("error", f"({router.name}) cannot join its multicast group on {name}: {error.strerror}")
        key = self._reception.key(router, name)
        descriptor = self._reception.receivers[key].fileno()
        if descriptor not in self._keys:
            self._keys[descriptor] = key
            self._epoll.register(descriptor, select.EPOLLIN)

    def _remove(self, router: VirtualRouter) -> None:
        for receiver in self._reception.remove(router):
            self._keys.pop(receiver.fileno(), None)
            self._epoll.unregister(receiver.fileno())
            receiver.close()
        router.announcements.end()
        router.deadline = inf
        self._waiting.discard(router.name)
        if router.carrier != router.base:  # its interface goes, and with it what was bound to it
            sender = self._senders.pop((router.carrier, router.instance.family), None)
            if sender is not None:
                sender.close()
        self.hosting.unplace(router)
        self.routers.pop(router.name, None)

    def _links_changed(self) -> None:
        now = time.monotonic()
        self._follow_links(self.links.read(now), now)

    def _follow_links(self, changed: set[int], now: float) -> None:
        if not changed:
            return
        self.hosting.statics.restore()
        for router in list(self.routers.values()):
            if self.hosting.reborn(router):
                self._settle_anew(router, now)
            elif router.base in changed or router.carrier in changed or not router.base or router.devices:
                self.host_watch.examine(router, now)
        self._weigh(now)

    def _settle_anew(self, router: VirtualRouter, now: float) -> None:
        """All that was bound to the old interface is void: begin again on the new one."""
        instance, priority = router.instance, router.machine.priority
        self.journal.log("info", f"({router.name}) interface {instance.interface} was made again: starting there")
        self.performer.perform(router, router.machine.stop(now), now)
        self._remove(router)
        try:
            made = self._add(instance)
        except VrrpwatchError as error:
            self.journal.log("error", str(error))
            return
        self.groups.configure(self.settings)
        made.machine.set_priority(priority, now)
        self._start(made, now)

    # -- what is tracked --

    def tracked(self, kind: str, name: str, value: int) -> None:
        """A tracked script, file or process has this value now (see speaker.tracking), or a polled link."""
        if kind == "link":
            now = time.monotonic()
            self._follow_links(self.links.beat(name, bool(value), now), now)
        elif self.tracker.update(kind, name, value):
            self._weigh(time.monotonic())

    def _weigh(self, now: float) -> None:
        """Bring priorities and faults in line with all that is tracked."""
        for name in self.tracker.things("interface"):
            interface = self.hosting.interfaces.named(name)
            self.tracker.update("interface", name, int(interface is not None and interface.running))
        for router in self.routers.values():
            standing = self.tracker.standing(router.instance)
            self.host_watch.fault(router, "tracked", "; ".join(standing.faults))
            self.host_watch.fault(router, "static", self.hosting.statics.trouble(router.name))
            self._set_priority(router, standing.priority, now)
            self.host_watch.follow_faults(router, now)
        self.groups.spread_faults(now)
        for name in [each for each in self._waiting if each in self.routers]:
            if not self.groups.pending(self.routers[name], self.tracker):
                self._start(self.routers[name], now)

    def _set_priority(self, router: VirtualRouter, priority: int, now: float) -> None:
        old = router.machine.priority
        if priority == old:
            return
        self.performer.perform(router, router.machine.set_priority(priority, now), now)
        self.journal.log("info", f"({router.name}) Changing effective priority from {old} to {priority}")
        if router.state is not State.INIT:  # its first state will be told with its priority
            self.journal.report("priority", (router.name, word(router.state), priority))

    # -- what arrives --

    def _heard(self, heard: Heard, now: float) -> None:
        router, advert = heard.router, heard.advert
        if router is None:
            self._reception.nobodys("", heard)
            return
        counters = router.machine.counters
        if heard.refusal or advert is None:
            source = text(heard.source) if heard.source else "?"
            counters.refuse(heard.refusal, source)
            router.machine.refused(now)
            line = f"refused an advert from {source}: {heard.refusal}"
            self.journal.say(router.name, "warning", heard.refusal, line)
            return
        if heard.note:
            remark(router.instance, advert, counters)
            self.journal.say(router.name, "warning", "differs", f"{text(heard.source)} {heard.note}")
        elif advert.checksum_style:
            counters.checksum_styles[advert.checksum_style] += 1
        router.last_source = heard.source
        actions = router.machine.receive(advert, heard.source, now)
        if actions:
            self.performer.perform(router, actions, now)
        else:  # the usual case: a backup that goes on waiting
            self.performer.settle(router)

    def _nobodys(self, reason: str, source: str, vrid: int | None) -> None:
        if reason == "vrid" and not self.settings.global_defs.log_unknown_vrids:
            return
        what = f"unknown VRID {vrid}" if vrid is not None else reason
        line = f"an advert from {source} belongs to no router here: {what}"
        self.journal.say("", "warning", f"{reason} {vrid}", line)

    # -- reload --

    def reload(self, settings: Settings) -> None:
        """Take over a new configuration: what may stay stays (a master stays master), the rest stops or starts."""
        now = time.monotonic()
        settings, self._left_out = resolvable(number_rules(settings))
        self.settings = settings
        self._tell_left_out()
        self._pacers = pacers(settings)
        self.hosting.own_links.configure(settings)
        wanted = {each.name: each for each in settings.instances}
        for router in list(self.routers.values()):
            new = wanted.get(router.name)
            if new is None or not same_place(router.instance, new):
                self.performer.end(router, now, deleted=True)
                self._remove(router)
        stayed = list(self.routers)
        for name, instance in wanted.items():
            try:
                if name not in self.routers:
                    self._start(self._add(instance), now)
                elif self.routers[name].instance != instance:
                    change(self.routers[name], instance, self.hosting, self.performer, self._pacers, now)
                    self.journal.report("row", self.routers[name].row(wall_offset()))
            except VrrpwatchError as error:
                self.journal.log("error", str(error))
        self.links.configure(settings, now)
        self.hosting.statics.configure(settings)
        self._guard.configure(self.settings)
        for router in self.routers.values():
            router.devices = devices(router.instance, settings)
            self.host_watch.examine(router, now)
        self.hosting.enforce_accept(settings.instances)
        self.groups.configure(settings)
        self.tracker.configure(settings)
        self._weigh(now)
        self._reception.forget()
        if settings.global_defs.fifo_write_vrrp_states_on_reload:
            self.groups.tell_standings(stayed)

    # -- what is published --

    def _publish_part(self, now: float) -> None:
        self._next_rows = now + max(1.0, len(self.routers) / _ROWS_A_SECOND) / _ROW_TURNS
        self._row_turn = (self._row_turn + 1) % _ROW_TURNS
        offset = wall_offset()
        for number, router in enumerate(self.routers.values()):
            if number % _ROW_TURNS == self._row_turn:
                self.journal.report("row", router.row(offset))
        if self._row_turn == 0:
            self.journal.report("global", global_row(self.routers.values(), self._reception.global_errors))
