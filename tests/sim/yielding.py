"""Masters that yield on proof, in random clusters: is anybody left without a master by it, and does it end a split?

Every member looks on as `run --watch` does: it sees what reaches its wire before its firewall does, asks for addresses
at every advert, and a proof takes its time to the machine. The same seed is played without yielding beside it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Final

from vrrpcore.frames import IpFacts
from vrrpcore.machine import Evidence, Proof, State
from vrrpcore.packet import Advertisement

from . import scenario as faults
from .cluster import Cluster, Member
from .scenario import BETWEEN, LEGITIMATE, REAL, Scenario, build
from .virtual import WIRE_DELAY

ASK_AGAIN: Final = 0.05  # seconds
HURRY, LATE = 0.02, 1.5  # seconds that a proof takes on its way, usually and at worst
STEPS: Final = 20  # looks at the cluster in one interval
#: Kinds after which only the superior may hold the addresses when its inferiors yield.
ENDED: Final = ("deaf_backup", "deaf_both", "deaf_lower", "deaf_own_stall")


# ---- what tempts to yield wrongly ----------------------------------------------------------------------------


def _unreachable(scenario: Scenario) -> None:
    """Nothing gets to the master any more: its adverts alone are no help to anybody."""
    master = scenario.master()
    scenario.cluster.cut = lambda sender, receiver, what: receiver is master


def _deaf_unreachable(scenario: Scenario) -> None:
    faults._deaf_backup(scenario)
    _unreachable(scenario)


def _deaf_and(then: Callable[[Scenario], None]) -> Callable[[Scenario], None]:
    """Deaf first; something happens to the superior while the others live by proof."""

    def happen(scenario: Scenario) -> None:
        faults._deaf_backup(scenario)
        scenario.cluster.at((scenario.begin + scenario.heal) / 2, lambda: then(scenario))

    return happen


def _own_stall(scenario: Scenario) -> None:
    """The inferiors' processes stand still for longer than their Down timers."""
    cluster, master = scenario.cluster, scenario.master()
    for member in scenario.members:
        if member is not master and member.alive:
            cluster.pause(member)
            cluster.at(cluster.now + 6 * scenario.interval, lambda m=member: cluster.resume(m))  # type: ignore[misc]


def _flapping_way(scenario: Scenario) -> None:
    """The others are deaf, and the way between them and the master comes and goes."""
    master, cluster, begin, unit = scenario.master(), scenario.cluster, scenario.begin, 5 * scenario.interval
    faults._deaf_backup(scenario)
    cluster.cut = lambda sender, receiver, what: (
        (sender is master) != (receiver is master) and int((cluster.now - begin) / unit) % 2 == 1
    )


DURING: Final[dict[str, Callable[[Scenario], None]]] = {
    "deaf_unreachable": _deaf_unreachable,
    "deaf_stall": _deaf_and(faults._pause),
    "deaf_own_stall": _deaf_and(_own_stall),
    "deaf_stop": _deaf_and(faults._stop),
    "deaf_crash": _deaf_and(faults._crash),
    "deaf_residual": _deaf_and(faults._residual),
    "deaf_way_back": _deaf_and(_unreachable),
    "deaf_lower": _deaf_and(faults._lower),
    "deaf_partition": _deaf_and(faults._partition),
    "flapping_way": _flapping_way,
}
KINDS: Final = LEGITIMATE + REAL + BETWEEN + tuple(DURING)


def tempting(seed: int, kind: str, *, crowd: bool) -> Scenario:
    """The scenario of a seed with one of KINDS."""
    made = build(seed, kind, lossy=False, crowd=crowd)
    if kind in DURING:
        more = max(16 * made.interval, 8.0)  # time for a second takeover, and for a second yield
        made.heal, made.end = made.heal + more, made.end + more
        made.cluster.at(made.begin, lambda: DURING[kind](made))
        made.cluster.at(made.heal, lambda: _mend(made))
    return made


def _mend(made: Scenario) -> None:
    faults._mend(made)
    who = made.notes.get("who")
    if who is not None and who.paused:
        made.cluster.resume(who)
    elif who is not None and not who.residual:
        faults._return(made)


# ---- those who yield -----------------------------------------------------------------------------------------


class Onlookers:
    """A sensor beside each member. `gullible`: to show what the rules are good for, they take an answer for granted."""

    def __init__(self, made: Scenario, gullible: bool = False) -> None:
        self._cluster, self._gullible = made.cluster, gullible
        self._dice = Random(made.seed)
        self._evidence = {each.name: Evidence(each.machine.instance) for each in made.members}
        self._asked: dict[str, float] = {}
        self._cluster.overhear = self._overhear

    def _overhear(self, sender: Member, receiver: Member, advert: Advertisement, ip: IpFacts) -> None:
        cluster = self._cluster
        same = sender.machine.instance.auth_data == receiver.machine.instance.auth_data

        def arrive() -> None:
            proof = self._evidence[receiver.name].advert(cluster.now, advert, ip, sender.vrrp_mac, same)
            self._pass_on(receiver, proof)
            self._ask(receiver)

        cluster.at(cluster.now + WIRE_DELAY, arrive)

    def _engaged(self, member: Member) -> bool:
        return member.alive and (member.state is State.MASTER or member.machine.yielding.active)

    def _ask(self, member: Member) -> None:
        cluster = self._cluster
        if not self._engaged(member) or cluster.now - self._asked.get(member.name, -ASK_AGAIN) < ASK_AGAIN:
            return
        self._asked[member.name] = cluster.now
        for address in self._evidence[member.name].questions(cluster.now, member.machine.priority):
            for other in cluster.members:
                mac = self._answers(other, address)
                if other is not member and mac and (self._gullible or reach(cluster, member, other)):
                    cluster.at(cluster.now + 3 * WIRE_DELAY, lambda a=address, m=mac: self._answered(member, a, m))  # type: ignore[misc]

    @staticmethod
    def _answers(host: Member, address: bytes) -> bytes:
        """The MAC with which a host's kernel answers for an address; b"" when it does not."""
        if host.frozen:
            return b""
        if address == host.facts.source:
            return host.mac
        listed = any(each.address == address for each in host.machine.instance.addresses)
        return host.vrrp_mac if host.holds and listed else b""

    def _answered(self, member: Member, address: bytes, mac: bytes) -> None:
        self._pass_on(member, self._evidence[member.name].answer(self._cluster.now, address, mac))

    def _pass_on(self, member: Member, proof: Proof | None) -> None:
        if proof is None or not self._engaged(member):
            return
        delay = LATE if self._dice.random() < 0.02 else HURRY
        self._cluster.at(self._cluster.now + self._dice.random() * delay, lambda: self._prove(member, proof))

    def _prove(self, member: Member, proof: Proof) -> None:
        if member.alive and not member.paused and not member.frozen:
            self._cluster._perform(member, member.machine.prove(proof, self._cluster.now))


def reach(cluster: Cluster, one: Member, other: Member) -> bool:
    """Whether two hosts, and the clients beside them, reach each other both ways."""
    return not cluster.cut(one, other, "arp") and not cluster.cut(other, one, "arp")


# ---- what is measured ----------------------------------------------------------------------------------------


class Service:
    """For how long a host, with the clients in its component of the network, was without a master at most."""

    def __init__(self, made: Scenario) -> None:
        self._cluster = made.cluster
        self.longest = 0.0
        self.single = 0  # looks at which one host held the addresses, in the last eighth of the fault
        self.double = 0
        self._late = made.heal - (made.heal - made.begin) / 8
        self._heal, self._end, self._step = made.heal, made.end, made.interval / STEPS
        self._served: dict[str, float] = {}
        self._cluster.at(made.begin - made.interval, self._look)

    def _look(self) -> None:
        cluster, now = self._cluster, self._cluster.now
        for group in components(cluster):
            able = any(each.alive and each.state in (State.BACKUP, State.MASTER) and not each.paused for each in group)
            served = any(each.holds for each in group) or not able
            for each in group:
                if served:
                    self._served[each.name] = now
                self.longest = max(self.longest, now - self._served.setdefault(each.name, now))
        if self._late <= now < self._heal:
            holders = sum(each.holds for each in cluster.members)
            self.single += holders == 1
            self.double += holders > 1
        if now < self._end:
            cluster.at(now + self._step, self._look)


def components(cluster: Cluster) -> list[list[Member]]:
    """Hosts that are up, by who reaches whom both ways (transitively)."""
    left = [each for each in cluster.members if not each.frozen]
    found = []
    while left:
        group = [left.pop()]
        for one in group:
            near = [other for other in left if reach(cluster, one, other)]
            group += near
            left = [other for other in left if other not in near]
        found.append(group)
    return found


@dataclass(frozen=True)
class Played:
    """One seed, plain and with yielding; times in seconds."""

    seed: int
    kind: str
    plain: float  # the longest time without a master
    yielding: float
    bound: float  # what losing a master costs an ordinary pair: a Down interval
    yields: int
    split_before: bool  # two holders, as the fault went on
    split_after: bool

    @property
    def worse(self) -> bool:
        return self.yielding > max(self.plain, self.bound)


def play(seed: int, kind: str, *, crowd: bool = True, gullible: bool = False) -> Played:
    """Both lives of one seed."""
    lives = []
    for yields in (False, True):
        made = tempting(seed, kind, crowd=crowd)
        if yields:
            Onlookers(made, gullible)
        service = Service(made)
        made.cluster.run(made.end)
        lives.append(service)
    slowest = max(each.machine.instance.advert_interval_seconds for each in made.members)
    skew = 1.0 if any(each.machine.instance.version == 2 for each in made.members) else slowest
    stutter = max(each.stutter for each in made.members)
    bound = 3 * slowest + skew + stutter + 2 * slowest / STEPS
    yields_seen = sum(each.machine.counters.yields for each in made.members)
    before, after = lives
    return Played(
        seed, kind, before.longest, after.longest, bound, yields_seen, before.double > 0, after.double > 0
    )  # fmt: skip


@dataclass
class Tally:
    """Many seeds."""

    episodes: int = 0
    yields: int = 0
    worse: list[tuple[int, str]] = field(default_factory=list)
    unended: list[tuple[int, str]] = field(default_factory=list)
    splits: Counter[str] = field(default_factory=Counter)  # kind -> episodes in which two held the addresses to the end
    ended: Counter[str] = field(default_factory=Counter)  # of these, how many yielding has ended
    share: float = 0.0  # the longest time without a master, as a share of what an ordinary pair may need

    def add(self, played: Played) -> None:
        self.episodes += 1
        self.yields += played.yields
        self.share = max(self.share, played.yielding / max(played.plain, played.bound))
        if played.worse:
            self.worse.append((played.seed, played.kind))
        if played.split_before:
            self.splits[played.kind] += 1
            self.ended[played.kind] += not played.split_after
        if played.split_after and played.kind in ENDED:
            self.unended.append((played.seed, played.kind))

    def merge(self, other: Tally) -> None:
        """Add another tally."""
        self.episodes += other.episodes
        self.yields += other.yields
        self.share = max(self.share, other.share)
        self.worse += other.worse
        self.unended += other.unended
        self.splits.update(other.splits)
        self.ended.update(other.ended)

    def text(self) -> str:
        """For people."""
        lines = [f"episodes: {self.episodes}, yields: {self.yields}"]
        lines.append(f"longer without a master than an ordinary pair: {len(self.worse)} {self.worse[:10]}")
        lines.append(f"longest time without a master: {self.share:.2f} of what an ordinary pair may need")
        lines.append(f"a deaf inferior that stayed master: {len(self.unended)} {self.unended[:10]}")
        lines.append("splits that lasted, and how many yielding ended:")
        lines += [f"  {kind:18} {number:6} {self.ended[kind]:6}" for kind, number in sorted(self.splits.items())]
        return "\n".join(lines)


def simulate(seeds: range, kinds: tuple[str, ...] = ()) -> Tally:
    """Run many seeds; the kinds take turns."""
    tally = Tally()
    kinds = kinds or KINDS
    for seed in seeds:
        tally.add(play(seed, kinds[seed % len(kinds)]))
    return tally
