"""Performs what machines ask for: adverts, addresses, announcements, and the word about it."""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Any, Final

from vrrpcore.addresses import text
from vrrpcore.machine import Action, Advertise, Announce, Changed, ReleaseAddresses, Remark, State, TakeAddresses
from vrrpcore.speaker.clock import wall_offset
from vrrpcore.speaker.hosting import Hosting
from vrrpcore.speaker.journal import Journal, word
from vrrpcore.speaker.router import VirtualRouter
from vrrpcore.speaker.statics import GONE
from vrrpcore.timers import TimerQueue
from vrrpcore.vrrpsockets import FrameSender

#: machine.Remark.kind -> level and words
_REMARKS: Final[dict[str, tuple[str, str]]] = {
    "several_owners": ("error", "another router is configured as address owner (priority 255) too:"),
    "own_address": ("error", "received an advert from our own address: a clone, or a loop in the network:"),
    "interval_learned": ("info", "advertisement interval of the master learned:"),
    "lower_priority": ("warning", "received an advert with lower priority while master, forcing new election:"),
    "priority_zero": ("info", "another router released mastership while we are master:"),
    "preempt_delay": ("info", "start preempt delay:"),
    "late": ("warning", "A thread timer expired late, others may have taken over meanwhile:"),
    "yielded": ("warning", "yields to a superior master that is proved to be within reach, though it is not heard:"),
}
_NUMBERED: Final = ("late", "lower_priority", "interval_learned")  # every line of these differs


class Performer:
    """One for all routers; after each event the router is armed in the timer queue again."""

    def __init__(self, hosting: Hosting, journal: Journal, queue: TimerQueue[VirtualRouter]) -> None:
        self._hosting, self._journal, self._queue = hosting, journal, queue
        self._frames = FrameSender()
        #: told of every change of state, after all else was done
        self.followers: list[Callable[[VirtualRouter, Changed, float], None]] = []
        self._perform_one: dict[type[Action], Callable[[VirtualRouter, Any, float], None]] = {
            Advertise: self._advertise,
            TakeAddresses: self._take,
            ReleaseAddresses: self._release,
            Announce: self._announce,
            Changed: self._changed,
            Remark: self._remarked,
        }

    def perform(self, router: VirtualRouter, actions: tuple[Action, ...], now: float) -> None:
        """All actions in their order."""
        for action in actions:
            self._perform_one[type(action)](router, action, now)
        self.settle(router)

    def end(self, router: VirtualRouter, now: float, *, deleted: bool = False) -> None:
        """Stop a router for good, and tell those whom that concerns: all of us end, or a reload has deleted it."""
        priority = router.machine.priority
        self.perform(router, router.machine.stop(now), now)
        if deleted:
            self._journal.report("deleted", (router.name, priority))
        else:
            self._journal.report("changed", (router.name, word(State.INIT), priority))

    def settle(self, router: VirtualRouter) -> None:
        """The router's deadline may have moved."""
        router.settle()
        if router.deadline < router.armed:
            self._queue.arm(router)

    def shoot(self, router: VirtualRouter, now: float) -> None:
        """Send the announcements that are due."""
        counters = router.machine.counters
        for shot in router.announcements.tick(now):
            try:
                self._frames.send(shot.frame, shot.interface)
                counters.announcements_sent += 1
            except OSError as error:
                counters.send_errors += 1
                what = f"cannot announce on {shot.interface}: {error.strerror}"
                self._journal.say(router.name, "error", f"announce {error.errno}", what)

    def close(self) -> None:
        self._frames.close()

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
                self._journal.say(router.name, "error", f"send {error.errno}", what)
        counters.adverts_sent += 1
        if action.priority == 0:
            counters.priority_zero_sent += 1
            self._journal.log("info", f"({router.name}) sent 0 priority")

    def _take(self, router: VirtualRouter, action: TakeAddresses, now: float) -> None:
        self._hosting.add_addresses(router)
        self._hosting.memberships.listen_for(router.name, router.places, master=True)
        self._hosting.perform(router.route_add, (errno.EEXIST,), f"({router.name}) adding routes")

    def _release(self, router: VirtualRouter, action: ReleaseAddresses, now: float) -> None:
        router.announcements.end()
        self._hosting.perform(router.route_delete, GONE, f"({router.name}) removing routes")
        interface = self._hosting.interfaces.by_index.get(router.carrier)
        kept = router.keeps(interface) if interface else frozenset()
        messages = [
            message
            for message, (address, _) in zip(router.delete_messages, reversed(router.places), strict=True)
            if address.address not in kept
        ]
        self._hosting.perform(messages, GONE, f"({router.name}) removing addresses")
        self._hosting.memberships.listen_for(router.name, router.places, master=False)

    def _announce(self, router: VirtualRouter, action: Announce, now: float) -> None:
        router.announcements.begin(action.kind, now)
        self.shoot(router, now)

    def _changed(self, router: VirtualRouter, action: Changed, now: float) -> None:
        self._journal.log("info", f"({router.name}) {_entering(action)}")
        if action.new is not State.INIT:  # why a router ends, and whom that concerns, its owner knows
            self._journal.report("changed", (router.name, word(action.new), router.machine.priority))
        self._journal.report("row", router.row(wall_offset()))
        for follower in self.followers:
            follower(router, action, now)

    def _remarked(self, router: VirtualRouter, action: Remark, now: float) -> None:
        level, words = _REMARKS[action.kind]
        line = f"{words} {action.detail}".strip()
        self._journal.say(router.name, level, action.kind, line, wording=action.kind not in _NUMBERED)
        if action.kind == "lower_priority":
            self._journal.report("lower_priority", (router.name, router.machine.priority))


def _entering(change: Changed) -> str:
    """keepalived's wording, which people's tools look for."""
    if change.new is State.INIT:
        return "Stopped"
    suffix = " (init)" if change.old is State.INIT else ""
    return f"Entering {change.new.value.upper()} STATE{suffix}"
