"""A simulated cluster with a judge beside it: machines on a virtual wire, kernels that answer ARP, an observer.

The observer sees what a sensor on a mirror port would see, with its own losses; every frame goes to the judge with
the time at which it was on the wire. What the hosts hold is the truth against which the verdict is measured.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import pairwise
from math import inf
from random import Random

from vrrpcore.addresses import VRRP_GROUP4, VRRP_GROUP6, pack, virtual_mac
from vrrpcore.frames import Arp, AuthHeader, Frame, IpFacts, Membership, Neighbour
from vrrpcore.judge import Judge
from vrrpcore.machine import Action, Advertise, Announce, ReleaseAddresses, Rules, State, TakeAddresses, refuse
from vrrpcore.packet import Advertisement
from vrrpcore.settings import Instance

from .virtual import Node, Wire

SEGMENT = "lan"
BROADCAST = b"\xff" * 6
ALL_NODES = pack("ff02::1")
OBSERVER_MAC = bytes.fromhex("0200000000fe")
OBSERVER4, OBSERVER6 = pack("10.9.0.254"), pack("fe80::fe")
EPOCH = 1_800_000_000.0  # the judge sees epoch seconds; floats keep them to a quarter of a microsecond


@dataclass(eq=False)
class Member(Node):
    """A host of the cluster: a machine, the software that it plays, and its kernel."""

    index: int = 0
    software: str = "keepalived"  # keepalived, frr, house
    vmac: bool = False
    style: str = "pseudo"  # v3/IPv4 checksum that it sends
    ttl: int = 255
    ident: int = 0
    deaf: bool = False  # its INPUT drops adverts
    mute: bool = False  # its OUTPUT drops adverts
    frozen: bool = False  # the whole host stands still, its kernel too
    residual: bool = False  # holds the addresses without a daemon
    born: int = 0  # process number: timers of a dead one do nothing
    stutter: float = 0.0  # how late its timers fire at most (a loaded host), in seconds

    @property
    def mac(self) -> bytes:
        return bytes((2, 0, 0, 0, 0, self.index))

    @property
    def vrrp_mac(self) -> bytes:
        instance = self.machine.instance
        return virtual_mac(instance.family, instance.vrid) if self.vmac else self.mac

    @property
    def holds(self) -> bool:
        return self.owns or self.residual


@dataclass
class Sight:
    """How the observer sees: loss as a share, jitter in seconds."""

    loss: float = 0.0
    jitter: float = 0.0
    probes: bool = True


@dataclass
class Span:
    """Two hosts held one address; times in seconds of the wire's clock."""

    begin: float
    end: float
    hosts: tuple[str, ...]
    spoken: bool = False  # both of them advertised within it

    @property
    def seconds(self) -> float:
        return self.end - self.begin


class Cluster(Wire):
    """The wire with kernels and an observer. `cut(sender, receiver, what)` says whether a frame is lost between two."""

    def __init__(self, dice: Random, sight: Sight) -> None:
        super().__init__()
        self.dice = dice
        self.sight = sight
        self.judge = Judge()
        self.members: list[Member] = []
        self.cut: Callable[[Member, Member, str], bool] = lambda sender, receiver, what: False
        self.unseen: Callable[[Member], bool] = lambda sender: False
        #: told of every advert that reaches a host's wire, whatever the host's firewall then makes of it
        self.overhear: Callable[[Member, Member, Advertisement, IpFacts], None] | None = None
        self.holding: list[tuple[float, tuple[str, ...]]] = [(0.0, ())]
        self.spoke: list[tuple[float, str]] = []
        self.bursts: dict[str, int] = {}
        self._last_seen = 0.0

    def join(self, instance: Instance, address: str, rules: Rules, **fields: object) -> Member:
        """A host that is not started yet."""
        from vrrpcore.machine import Machine

        packed = pack(address)
        facts = IpFacts(instance.family, packed, instance.multicast_group, 255)
        index = len(self.members) + 1
        member = Member(f"h{index}", Machine(instance, rules, packed), facts, index=index)
        for key, value in fields.items():
            setattr(member, key, value)
        self.members.append(member)
        self.nodes.append(member)
        return member

    # ---- the observer ----------------------------------------------------------------------------------------

    def see(self, frame: Frame, sender: Member | None = None) -> None:
        """A frame on the mirror port."""
        if sender is not None and self.unseen(sender):
            return
        if self.sight.loss and self.dice.random() < self.sight.loss:
            return
        at = self.now + (self.dice.random() * self.sight.jitter if self.sight.jitter else 0.0)
        self.judge.observe(EPOCH + at, SEGMENT, False, frame)

    def probe(self, until: float) -> None:
        """One round of questions per second for the first address, until a time."""
        if self.now > until:
            return
        first = next(
            (m.machine.instance.addresses[0].address for m in self.members if m.machine.instance.addresses), b""
        )
        if first and self.sight.probes:
            self._ask(first)
        self.at(self.now + 1.0, lambda: self.probe(until))

    def _ask(self, address: bytes) -> None:
        if len(address) == 4:
            body: Arp | Neighbour = Arp(1, OBSERVER_MAC, OBSERVER4, bytes(6), address)
            self.see(Frame(OBSERVER_MAC, BROADCAST, (), None, body))
        else:
            ip = IpFacts(6, OBSERVER6, pack("ff02::1:ff00:64"), 255)
            self.see(Frame(OBSERVER_MAC, b"\x33\x33\xff\0\0\x64", (), ip, Neighbour(135, address)))
        for member in self.members:
            if member.holds and not member.frozen and self._has(member, address) and not self.unseen(member):
                self.at(self.now + 0.00003 + self.dice.random() * 0.0002, lambda m=member: self._answer(m, address))  # type: ignore[misc]

    @staticmethod
    def _has(member: Member, address: bytes) -> bool:
        return any(a.address == address for a in member.machine.instance.addresses)

    def _answer(self, member: Member, address: bytes) -> None:
        if not member.holds:
            return
        mac = member.vrrp_mac
        if len(address) == 4:
            reply: Arp | Neighbour = Arp(2, mac, address, OBSERVER_MAC, OBSERVER4)
            self.see(Frame(mac, OBSERVER_MAC, (), None, reply), member)
        else:
            ip = IpFacts(6, address, OBSERVER6, 255)
            reply = Neighbour(136, address, mac, solicited=True, override=True)
            self.see(Frame(mac, OBSERVER_MAC, (), ip, reply), member)

    def report_membership(self, member: Member) -> None:
        """A host joins the group, and says so."""
        family = member.machine.instance.family
        group = VRRP_GROUP4 if family == 4 else VRRP_GROUP6
        ip = IpFacts(family, member.facts.source, pack("224.0.0.22") if family == 4 else pack("ff02::16"), 1)
        self.see(Frame(member.mac, BROADCAST, (), ip, Membership((group,))), member)

    # ---- what hosts do ---------------------------------------------------------------------------------------

    def _perform(self, node: Node, actions: tuple[Action, ...]) -> None:
        assert isinstance(node, Member)
        for action in actions:
            node.actions.append((self.now, action))
            if isinstance(action, Advertise):
                self._send(node, node.advertisement(action.priority))
            elif isinstance(action, TakeAddresses):
                node.residual = False
                self._own(node, True)
            elif isinstance(action, ReleaseAddresses):
                self._own(node, False)
            elif isinstance(action, Announce):
                self._announce(node, action.kind)
        self._arm(node)

    def _own(self, node: Node, owns: bool) -> None:
        node.owns = owns
        self.note_holders()

    def note_holders(self) -> None:
        """Enter who holds the addresses from now on."""
        holders = tuple(m.name for m in self.members if m.holds)
        if holders != self.holding[-1][1]:
            self.holding.append((self.now, holders))

    def _announce(self, member: Member, kind: str) -> None:
        count = 1 if member.software == "frr" else 5
        self._burst(member, count)
        if kind == "master" and member.software != "frr":
            born = member.born
            self.at(self.now + 5.0, lambda: self._late_burst(member, born, count))

    def _late_burst(self, member: Member, born: int, count: int) -> None:
        if member.alive and member.born == born and member.state is State.MASTER and not member.paused:
            self._burst(member, count)

    def _burst(self, member: Member, count: int) -> None:
        if member.frozen:
            return
        for address in member.machine.instance.addresses:
            packed, mac = address.address, member.vrrp_mac
            for k in range(count):
                if len(packed) == 4:
                    frame = Frame(mac, BROADCAST, (), None, Arp(1, mac, packed, BROADCAST, packed))
                else:
                    ip = IpFacts(6, packed, ALL_NODES, 255)
                    frame = Frame(mac, b"\x33\x33\0\0\0\x01", (), ip, Neighbour(136, packed, mac, override=True))
                self.at(self.now + 0.0001 + 0.00003 * k, lambda f=frame: self.see(f, member))  # type: ignore[misc]

    def _send(self, sender: Node, advert: Advertisement) -> None:
        assert isinstance(sender, Member)
        instance = sender.machine.instance
        self.spoke.append((self.now, sender.name))
        sender.ident = sender.ident % 0xFFFF + 1
        ident = None if instance.family == 6 else sender.ident
        if sender.software == "frr" and ident is not None:
            ident = self.dice.randrange(65536)
        if instance.version == 3 and instance.family == 4:
            advert = replace(advert, checksum_style=sender.style)
        else:
            advert = replace(advert, checksum_style="message" if instance.version == 2 else "pseudo")
        sealed = AuthHeader(1, sender.ident, bytes(12)) if instance.auth_type == "ah" else None
        targets = [p.address for p in instance.unicast_peers] if instance.unicast else [instance.multicast_group]
        for target in targets:
            ip = IpFacts(
                instance.family, sender.facts.source, target, sender.ttl, ident, sender.software == "frr", 0xC0, sealed
            )
            sender.facts = ip
            if not sender.mute:
                self.see(Frame(sender.vrrp_mac, BROADCAST, (), ip, advert), sender)
                self._deliver(sender, advert, ip)

    def _deliver(self, sender: Member, advert: Advertisement, ip: IpFacts) -> None:
        for receiver in self.members:
            what = "unicast" if ip.destination == receiver.facts.source else "advert"
            if receiver is sender or self.cut(sender, receiver, what):
                continue
            if ip.destination not in (receiver.facts.source, receiver.machine.instance.multicast_group):
                continue
            if self.overhear is not None:
                self.overhear(sender, receiver, advert, ip)
            if receiver.deaf:
                continue
            delay = self.link(sender, receiver, self.now)
            if delay is not None:
                self.at(self.now + delay, lambda r=receiver: self._arrive(r, advert, sender, ip))  # type: ignore[misc]

    def _arrive(self, member: Member, advert: Advertisement, sender: Member, ip: IpFacts) -> None:
        if not member.alive:
            return
        if member.paused:
            member.queue.append((advert, sender))
            return
        machine = member.machine
        if advert.vrid != machine.instance.vrid:
            return
        if ip.source == machine.address:
            return  # a packet from one's own address is a martian: the kernel drops it
        # PASS against AH are two IP protocols: the packet never reaches the daemon's socket.
        if (ip.ah is not None) != (machine.instance.auth_type == "ah"):
            return
        if refuse(machine.instance, machine.rules, advert, ip):
            machine.refused(self.now)
            self._arm(member)
            return
        self._perform(member, machine.receive(advert, sender.facts.source, self.now))

    def _receive(self, node: Node, advert: Advertisement, sender: Node) -> None:
        assert isinstance(node, Member)
        assert isinstance(sender, Member)
        self._arrive(node, advert, sender, sender.facts)

    def _arm(self, node: Node) -> None:
        assert isinstance(node, Member)
        deadline = node.machine.deadline
        if deadline < node.armed:
            node.armed = deadline
            late = self.dice.random() * node.stutter if node.stutter else 0.0
            self.at(max(deadline, self.now) + late, lambda: self._wake(node, deadline))

    # ---- truth -----------------------------------------------------------------------------------------------

    def overlaps(self) -> list[Span]:
        """Every stretch of time in which two hosts held the addresses."""
        spans: list[Span] = []
        rows = [*self.holding, (self.now, ())]
        for (begin, hosts), (end, _) in pairwise(rows):
            if len(hosts) < 2:
                continue
            if spans and spans[-1].end == begin:
                spans[-1].end = end
                spans[-1].hosts = tuple(sorted({*spans[-1].hosts, *hosts}))
            else:
                spans.append(Span(begin, end, hosts))
        for span in spans:
            said = {who for at, who in self.spoke if span.begin <= at <= span.end}
            span.spoken = len(said & set(span.hosts)) >= 2
        return spans


__all__ = ["EPOCH", "SEGMENT", "Cluster", "Member", "Sight", "Span", "field", "inf"]
