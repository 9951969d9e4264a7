"""A fake wire with a virtual clock: machines of one virtual router talk over it, faster than time and reproducibly.

`Wire.link(sender, receiver, now)` decides what becomes of each copy of an advert: a delay in seconds, or None (lost);
replace it to cut, delay or thin out traffic. Everything that happened is in `Wire.log` and in each `Node`.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf

from vrrpcore.addresses import pack
from vrrpcore.frames import IpFacts
from vrrpcore.machine import (
    Action,
    Advertise,
    Announce,
    Changed,
    Machine,
    ReleaseAddresses,
    Rules,
    State,
    TakeAddresses,
    refuse,
)
from vrrpcore.packet import Advertisement
from vrrpcore.settings import Instance

WIRE_DELAY = 0.0001  # seconds


@dataclass(eq=False)
class Node:
    """One router on the wire: its machine, and what a host would hold."""

    name: str
    machine: Machine
    facts: IpFacts  # of the adverts that it sends
    owns: bool = False  # the virtual addresses are on this host
    alive: bool = True
    paused: bool = False
    queue: list[tuple[Advertisement, Node]] = field(default_factory=list)  # what arrived during a pause
    actions: list[tuple[float, Action]] = field(default_factory=list)
    refusals: list[tuple[float, str]] = field(default_factory=list)
    armed: float = inf  # the deadline that is in the wire's heap

    @property
    def state(self) -> State:
        return self.machine.state

    def advertisement(self, priority: int) -> Advertisement:
        """What this router puts on the wire."""
        instance = self.machine.instance
        return Advertisement(
            version=instance.version,
            vrid=instance.vrid,
            priority=priority,
            addresses=tuple(each.address for each in instance.addresses),
            interval=instance.advert_interval_seconds,
            family=instance.family,
            auth_type={"none": 0, "pass": 1, "ah": 2}[instance.auth_type],
            auth_data=instance.auth_data.ljust(8, b"\0") if instance.version == 2 else b"",
        )

    def sent(self, kind: type[Action]) -> list[float]:
        """When actions of this kind were asked for."""
        return [when for when, action in self.actions if isinstance(action, kind)]

    def priorities(self) -> list[int]:
        """The priorities advertised, in order."""
        return [action.priority for _, action in self.actions if isinstance(action, Advertise)]


class Wire:
    """The wire, the clock, and the routers on them."""

    def __init__(self) -> None:
        self.now = 0.0
        self.nodes: list[Node] = []
        self.link: Callable[[Node, Node, float], float | None] = lambda sender, receiver, now: WIRE_DELAY
        self.owners: list[tuple[float, tuple[str, ...]]] = [(0.0, ())]  # who owns the addresses, from when
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._serial = 0

    def add(self, name: str, instance: Instance, address: str, rules: Rules | None = None) -> Node:
        """A router that is not started yet."""
        packed = pack(address)
        facts = IpFacts(instance.family, packed, instance.multicast_group, 255)
        node = Node(name, Machine(instance, rules, packed), facts)
        self.nodes.append(node)
        return node

    # -- what happens to routers --

    def start(self, node: Node) -> None:
        node.alive = True
        self._perform(node, node.machine.start(self.now))

    def stop(self, node: Node) -> None:
        self._perform(node, node.machine.stop(self.now))
        node.alive = False

    def crash(self, node: Node, residual: bool = False) -> None:
        """The process ends without a word; `residual`: its addresses stay on the host."""
        node.alive = False
        node.machine = Machine(node.machine.instance, node.machine.rules, node.machine.address)
        if not residual:
            self._own(node, False)

    def fail(self, node: Node) -> None:
        self._perform(node, node.machine.fail(self.now))

    def recover(self, node: Node) -> None:
        self._perform(node, node.machine.recover(self.now))

    def pause(self, node: Node) -> None:
        node.paused = True

    def resume(self, node: Node) -> None:
        """As the speaker does: what was received is read before timers are looked at."""
        node.paused = False
        queue, node.queue = node.queue, []
        for advert, sender in queue:
            self._receive(node, advert, sender)
        self._tick(node)

    def at(self, when: float, do: Callable[[], None]) -> None:
        self._serial += 1
        heapq.heappush(self._heap, (when, self._serial, do))

    def run(self, until: float) -> None:
        """Let virtual time pass."""
        while self._heap and self._heap[0][0] <= until:
            self.now, _, do = heapq.heappop(self._heap)
            do()
        self.now = until

    # -- what is to be seen --

    def masters(self) -> list[str]:
        return [node.name for node in self.nodes if node.alive and node.state is State.MASTER]

    def overlap(self, begin: float = 0.0, end: float = inf) -> float:
        """The longest time within [begin, end] in which more than one host owned the addresses."""
        longest, since = 0.0, None
        for when, owners in [*self.owners, (min(self.now, end), ())]:
            when = min(max(when, begin), end)
            if len(owners) > 1:
                since = when if since is None else since
            elif since is not None:
                longest, since = max(longest, when - since), None
        return longest

    # -- inside --

    def _arm(self, node: Node) -> None:
        deadline = node.machine.deadline
        if deadline < node.armed:
            node.armed = deadline
            self.at(deadline, lambda: self._wake(node, deadline))

    def _wake(self, node: Node, armed: float) -> None:
        if node.armed == armed:
            node.armed = inf
        self._tick(node)

    def _tick(self, node: Node) -> None:
        if node.alive and not node.paused:
            if self.now >= node.machine.deadline:
                self._perform(node, node.machine.tick(self.now))
            self._arm(node)

    def _perform(self, node: Node, actions: tuple[Action, ...]) -> None:
        for action in actions:
            node.actions.append((self.now, action))
            if isinstance(action, Advertise):
                self._send(node, node.advertisement(action.priority))
            elif isinstance(action, TakeAddresses):
                self._own(node, True)
            elif isinstance(action, ReleaseAddresses):
                self._own(node, False)
        self._arm(node)

    def _own(self, node: Node, owns: bool) -> None:
        node.owns = owns
        self.owners.append((self.now, tuple(each.name for each in self.nodes if each.owns)))

    def _send(self, sender: Node, advert: Advertisement) -> None:
        for receiver in self.nodes:
            if receiver is sender:
                continue
            delay = self.link(sender, receiver, self.now)
            if delay is not None:
                self.at(self.now + delay, lambda receiver=receiver: self._receive(receiver, advert, sender))  # type: ignore[misc]

    def _receive(self, node: Node, advert: Advertisement, sender: Node) -> None:
        if not node.alive:
            return
        if node.paused:
            node.queue.append((advert, sender))
            return
        machine = node.machine
        if advert.vrid != machine.instance.vrid:
            return
        reason = refuse(machine.instance, machine.rules, advert, sender.facts)
        if reason:
            node.refusals.append((self.now, reason))
            machine.refused(self.now)
            self._arm(node)
            return
        self._perform(node, machine.receive(advert, sender.facts.source, self.now))


def changes(node: Node) -> list[tuple[float, State]]:
    """(time, new state) of a router."""
    return [(when, action.new) for when, action in node.actions if isinstance(action, Changed)]


def announcements(node: Node) -> list[tuple[float, str]]:
    """(time, kind) of the announcements that a router asked for."""
    return [(when, action.kind) for when, action in node.actions if isinstance(action, Announce)]
