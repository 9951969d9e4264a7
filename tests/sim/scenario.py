"""Random clusters and what befalls them: one seed, one scenario, one report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any, Final

from vrrpcore.addresses import VRRP_GROUP4, VRRP_GROUP6, pack
from vrrpcore.machine import FRR, HOUSE, KEEPALIVED, Machine, State
from vrrpcore.settings import Instance, UnicastPeer, VirtualAddress

from .cluster import Cluster, Member, Sight

RULES: Final = {"keepalived": KEEPALIVED, "frr": FRR, "house": HOUSE}
LEGITIMATE: Final = (
    "nothing", "stop", "crash", "preempt", "lower", "restart", "fault", "backup_restart", "lost_advert", "bond",
    "nopreempt_return",
)  # fmt: skip
REAL: Final = (
    "deaf_backup", "deaf_both", "partition", "multicast_cut", "one_way", "mute_master", "auth_pass", "auth_type",
    "ah_against_pass", "version", "interval", "ttl", "checksum", "lists", "transport", "residual", "clone", "vrid",
)  # fmt: skip
BETWEEN: Final = ("stall", "lost_three")
#: Which causes name the injected fault rightly, from one vantage point.
CAUSES: Final[dict[str, frozenset[str]]] = {
    "deaf_backup": frozenset(("peer_deaf", "deaf")),
    "one_way": frozenset(("peer_deaf", "deaf")),
    "deaf_both": frozenset(("mutually_deaf", "deaf")),
    "partition": frozenset(("mutually_deaf", "deaf")),
    "multicast_cut": frozenset(("mutually_deaf", "deaf", "multicast_filtered")),
    "mute_master": frozenset(("firewall_output",)),
    "auth_pass": frozenset(("auth_data_mismatch",)),
    "auth_type": frozenset(("auth_type_mismatch",)),
    "ah_against_pass": frozenset(("auth_type_mismatch",)),
    "version": frozenset(("version_mismatch",)),
    "interval": frozenset(("advert_int_mismatch",)),
    "ttl": frozenset(("ttl_not_255",)),
    "checksum": frozenset(("checksum_style_mismatch",)),
    "lists": frozenset(("vip_list_mismatch",)),
    "transport": frozenset(("transport_mismatch",)),
    "residual": frozenset(("stale_vip_after_daemon_death",)),
    "clone": frozenset(("identical_source",)),
    "vrid": frozenset(("vrid_mismatch",)),
    "stall": frozenset(("master_stalled", "intermittent_path", "stale_vip_after_daemon_death")),
    "lost_three": frozenset(("intermittent_path",)),
}


@dataclass
class Scenario:
    """One cluster with its fault; everything follows from the seed."""

    seed: int
    kind: str
    dice: Random
    cluster: Cluster
    interval: float
    version: int
    family: int
    begin: float = 0.0  # when the fault sets in
    heal: float = 0.0
    end: float = 0.0
    notes: dict[str, Any] = field(default_factory=dict)

    @property
    def members(self) -> list[Member]:
        return self.cluster.members

    def master(self) -> Member | None:
        """The superior one of those that are master now."""
        masters = [m for m in self.members if m.alive and m.state is State.MASTER]
        return max(masters, key=lambda m: (m.machine.priority, m.facts.source), default=None)


def build(seed: int, kind: str | None = None, lossy: bool = True, crowd: bool = False) -> Scenario:
    """The scenario of a seed; `kind` forces its fault, `lossy` False gives the observer perfect sight, with `crowd`
    there may be more than two hosts whatever the fault."""
    dice = Random(seed)
    kind = kind or dice.choice(LEGITIMATE + REAL + BETWEEN)
    version, family = dice.choice(((2, 4), (2, 4), (3, 4), (3, 6)))
    if kind in ("auth_pass", "auth_type", "ah_against_pass", "interval"):
        version, family = 2, 4
    if kind in ("checksum", "version"):
        version, family = 3, 4
    interval = dice.choice((1.0, 1.0, 2.0)) if version == 2 or kind == "version" else dice.choice((1.0, 0.5, 0.2, 0.1))
    sight = Sight(loss=dice.choice((0.0, 0.0, 0.0, 0.005)) if lossy else 0.0)
    cluster = Cluster(dice, sight)
    scenario = Scenario(seed, kind, dice, cluster, interval, version, family)
    _people(scenario, crowd)
    _plan(scenario)
    return scenario


def _address(family: int, number: int) -> str:
    return f"10.9.0.{number}" if family == 4 else f"fe80::{number}"


def _instance(scenario: Scenario, priority: int, preempt: bool) -> Instance:
    family = scenario.family
    vips = ("10.9.0.100",) if family == 4 else ("fe80::5:100", "fd09::100")
    return Instance(
        name="VI",
        vrid=51,
        interface="eth0",
        family=family,
        version=scenario.version,
        priority=priority,
        preempt=preempt,
        advert_interval_seconds=scenario.interval,
        addresses=tuple(VirtualAddress(pack(v), 24 if family == 4 else 64) for v in vips),
        multicast_group=VRRP_GROUP4 if family == 4 else VRRP_GROUP6,
    )


def _people(scenario: Scenario, crowd: bool) -> None:
    """Two to five hosts with priorities, software and habits."""
    dice = scenario.dice
    count = dice.choices((2, 3, 4, 5), (70, 20, 6, 4))[0]
    if not crowd and (scenario.kind in REAL or scenario.kind in BETWEEN):
        count = 2  # what a third one does to the evidence is another subject
    preempt = dice.random() < 0.8 or scenario.kind in ("preempt", "lower", "deaf_backup")
    priorities = dice.sample(range(1, 255), count)
    priorities.sort(reverse=True)
    if dice.random() < 0.1:
        priorities = [100] * count
    software = dice.choice(("keepalived", "keepalived", "house", "frr"))
    if scenario.kind in ("lists", "ah_against_pass", "auth_pass", "auth_type", "clone", "mute_master"):
        software = "keepalived"
    vmac = software == "frr" or (dice.random() < 0.25 and scenario.kind not in ("mute_master", "transport"))
    for index, priority in enumerate(priorities):
        instance = _instance(scenario, priority, preempt)
        rules = RULES[software]
        address = _address(scenario.family, index + 1)
        member = scenario.cluster.join(instance, address, rules, software=software, vmac=vmac)
        member.stutter = dice.choice((0.0, 0.0005, 0.004)) if scenario.interval >= 0.2 else 0.0002


def _plan(scenario: Scenario) -> None:
    cluster, dice, unit = scenario.cluster, scenario.dice, scenario.interval
    skew = 1.0 if scenario.version == 2 else unit
    scenario.begin = 8 * unit + 2 * skew + dice.random() * unit
    lasting = max(12 * unit, 6.0) + dice.random() * 4 * unit
    scenario.heal = scenario.begin + lasting
    scenario.end = scenario.heal + 8 * unit + 2 * skew + 2.0
    order = list(scenario.members)
    dice.shuffle(order)
    for index, member in enumerate(order):
        delay = dice.random() * 0.3 * unit + index * dice.choice((0.0, 0.5)) * unit
        if scenario.kind == "preempt" and member is scenario.members[0]:
            continue
        cluster.at(delay, lambda m=member: cluster.report_membership(m))  # type: ignore[misc]
        cluster.at(delay + 0.001, lambda m=member: _boot(cluster, m))  # type: ignore[misc]
    cluster.at(dice.random() * 0.9, lambda: cluster.probe(scenario.end))
    BEFORE.get(scenario.kind, _no_change)(scenario)
    cluster.at(scenario.begin, lambda: DURING.get(scenario.kind, _no_change)(scenario))
    cluster.at(scenario.heal, lambda: AFTER.get(scenario.kind, _no_change)(scenario))


def _boot(cluster: Cluster, member: Member) -> None:
    member.ident = 0
    member.born += 1
    cluster.start(member)


def _no_change(scenario: Scenario) -> None:
    """Nothing happens."""


def _alter(member: Member, **fields: object) -> None:
    """Give a host another configuration before it starts."""
    machine = member.machine
    instance = replace(machine.instance, **fields)  # type: ignore[arg-type]
    member.machine = Machine(instance, machine.rules, machine.address)


# ---- what is wrong from the beginning ------------------------------------------------------------------------


def _backup(scenario: Scenario) -> Member:
    return scenario.members[-1]


def _auth_pass(scenario: Scenario) -> None:
    for member, word in zip(scenario.members, (b"1111", b"2222"), strict=False):
        _alter(member, auth_type="pass", auth_data=word)


def _auth_type(scenario: Scenario) -> None:
    _alter(_backup(scenario), auth_type="pass", auth_data=b"1111")


def _ah_against_pass(scenario: Scenario) -> None:
    _alter(scenario.members[0], auth_type="pass", auth_data=b"1111")
    _alter(_backup(scenario), auth_type="ah", auth_data=b"1111")


def _version(scenario: Scenario) -> None:
    _alter(_backup(scenario), version=2)


def _interval(scenario: Scenario) -> None:
    _alter(_backup(scenario), advert_interval_seconds=scenario.interval * scenario.dice.choice((2.0, 3.0)))


def _ttl(scenario: Scenario) -> None:
    scenario.members[0].ttl = scenario.dice.choice((1, 64, 254))


def _checksum(scenario: Scenario) -> None:
    for member, style in zip(scenario.members, ("pseudo", "message"), strict=False):
        member.style = style
        member.machine.rules = replace(KEEPALIVED, v3_checksum=style)
        member.software = "keepalived"


def _lists(scenario: Scenario) -> None:
    member = _backup(scenario)
    more = "10.9.0.102" if scenario.family == 4 else "fd09::102"
    extra = VirtualAddress(pack(more), 24)
    _alter(member, addresses=(*member.machine.instance.addresses, extra))


def _transport(scenario: Scenario) -> None:
    member = _backup(scenario)
    peer = UnicastPeer(scenario.members[0].facts.source)
    _alter(member, unicast=True, unicast_peers=(peer,))


def _clone(scenario: Scenario) -> None:
    a, b = scenario.members[0], _backup(scenario)
    _alter(b, priority=a.machine.instance.priority)
    b.machine.address = a.machine.address
    b.facts = a.facts
    b.ident = 1000


def _vrid(scenario: Scenario) -> None:
    _alter(_backup(scenario), vrid=52)


BEFORE: Final[dict[str, Callable[[Scenario], None]]] = {
    "auth_pass": _auth_pass,
    "auth_type": _auth_type,
    "ah_against_pass": _ah_against_pass,
    "version": _version,
    "interval": _interval,
    "ttl": _ttl,
    "checksum": _checksum,
    "lists": _lists,
    "transport": _transport,
    "clone": _clone,
    "vrid": _vrid,
}


# ---- what happens at `begin` ---------------------------------------------------------------------------------


def _stop(scenario: Scenario) -> None:
    master = scenario.master()
    if master is not None:
        scenario.notes["who"] = master
        scenario.cluster.stop(master)


def _crash(scenario: Scenario) -> None:
    master = scenario.master()
    if master is not None:
        scenario.notes["who"] = master
        master.frozen = True
        scenario.cluster.crash(master)
        master.residual = False


def _residual(scenario: Scenario) -> None:
    master = scenario.master()
    if master is not None:
        scenario.notes["who"] = master
        master.residual = True
        scenario.cluster.crash(master)
        scenario.cluster.note_holders()


def _start_first(scenario: Scenario) -> None:
    scenario.cluster.report_membership(scenario.members[0])
    _boot(scenario.cluster, scenario.members[0])


def _lower(scenario: Scenario) -> None:
    master = scenario.master()
    if master is not None:
        instance = replace(master.machine.instance, priority=1)
        scenario.cluster._perform(
            master, master.machine.reconfigure(instance, scenario.cluster.now, master.machine.rules)
        )


def _restart(scenario: Scenario) -> None:
    _stop(scenario)
    who = scenario.notes.get("who")
    if who is not None:
        pause = scenario.dice.random() * 3 * scenario.interval
        scenario.cluster.at(scenario.cluster.now + pause, lambda: _boot(scenario.cluster, who))


def _fault(scenario: Scenario) -> None:
    master = scenario.master()
    if master is not None:
        scenario.notes["who"] = master
        scenario.cluster.fail(master)


def _backup_restart(scenario: Scenario) -> None:
    member = _backup(scenario)
    scenario.cluster.stop(member)
    scenario.cluster.at(scenario.cluster.now + scenario.interval, lambda: _boot(scenario.cluster, member))


def _lost_adverts(count: int) -> Callable[[Scenario], None]:
    def lose(scenario: Scenario) -> None:
        until = scenario.cluster.now + count * scenario.interval
        master = scenario.master()
        scenario.cluster.cut = lambda sender, receiver, what: sender is master and scenario.cluster.now <= until

    return lose


def _bond(scenario: Scenario) -> None:
    master = scenario.master()
    if master is not None:
        master.index += 32  # another slave of the bond, another MAC


def _deaf_backup(scenario: Scenario) -> None:
    for member in scenario.members:
        member.deaf = member is not scenario.master()


def _deaf_both(scenario: Scenario) -> None:
    for member in scenario.members:
        member.deaf = True


def _partition(scenario: Scenario) -> None:
    scenario.cluster.cut = lambda sender, receiver, what: True


def _multicast_cut(scenario: Scenario) -> None:
    scenario.cluster.cut = lambda sender, receiver, what: what == "advert"


def _one_way(scenario: Scenario) -> None:
    master = scenario.master()
    scenario.cluster.cut = lambda sender, receiver, what: sender is master


def _mute(scenario: Scenario) -> None:
    master = scenario.master()
    if master is not None:
        master.mute = True


def _pause(scenario: Scenario) -> None:
    master = scenario.master()
    if master is not None:
        scenario.notes["who"] = master
        scenario.cluster.pause(master)


DURING: Final[dict[str, Callable[[Scenario], None]]] = {
    "stop": _stop,
    "crash": _crash,
    "preempt": _start_first,
    "lower": _lower,
    "restart": _restart,
    "fault": _fault,
    "backup_restart": _backup_restart,
    "lost_advert": _lost_adverts(2),
    "lost_three": _lost_adverts(4),
    "bond": _bond,
    "nopreempt_return": _crash,
    "deaf_backup": _deaf_backup,
    "deaf_both": _deaf_both,
    "partition": _partition,
    "multicast_cut": _multicast_cut,
    "one_way": _one_way,
    "mute_master": _mute,
    "residual": _residual,
    "stall": _pause,
}


# ---- healing -------------------------------------------------------------------------------------------------


def _mend(scenario: Scenario) -> None:
    scenario.cluster.cut = lambda sender, receiver, what: False
    for member in scenario.members:
        member.deaf = member.mute = False


def _return(scenario: Scenario) -> None:
    who = scenario.notes.get("who")
    if who is not None and not who.alive:
        who.frozen = False
        _boot(scenario.cluster, who)


def _recover(scenario: Scenario) -> None:
    who = scenario.notes.get("who")
    if who is not None:
        scenario.cluster.recover(who)


def _resume(scenario: Scenario) -> None:
    who = scenario.notes.get("who")
    if who is not None:
        scenario.cluster.resume(who)


AFTER: Final[dict[str, Callable[[Scenario], None]]] = {
    "stop": _return,
    "crash": _return,
    "nopreempt_return": _return,
    "fault": _recover,
    "deaf_backup": _mend,
    "deaf_both": _mend,
    "partition": _mend,
    "multicast_cut": _mend,
    "one_way": _mend,
    "mute_master": _mend,
    "stall": _resume,
}
