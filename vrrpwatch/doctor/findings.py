"""This host's half of the evidence, put together: what is wrong here, why, and the line that mends it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from vrrpcore.addresses import VRRP_GROUP4, VRRP_GROUP6, text
from vrrpcore.verdict import Judgement, RouterVerdict
from vrrpexporters.report import words
from vrrpwatch.doctor.host import Daemon, Firewalls
from vrrpwatch.doctor.packets import Hit, Packet, drops

GROUPS: Final = {4: text(VRRP_GROUP4), 6: text(VRRP_GROUP6)}
AH: Final = 51
VRRP: Final = 112
LEVELS: Final = ("problem", "warning", "unseen", "note", "ok")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    level: str  # one of LEVELS
    subject: str  # firewall, membership, sysctl, address, daemon, wire
    text: str
    fix: tuple[str, ...] = ()

    def as_json(self) -> dict[str, object]:
        return {"level": self.level, "subject": self.subject, "text": self.text, "fix": list(self.fix)}


@dataclass(slots=True)
class Evidence:
    """All that was gathered; addresses as text."""

    interfaces: Sequence[str]
    firewalls: Firewalls
    memberships: Mapping[str, frozenset[bytes]]  # as they were before we joined
    daemons: Sequence[Daemon] = ()
    judgement: Judgement | None = None  # None: the wire was not listened to
    deaf: str = ""  # and why not
    own: frozenset[tuple[int, int]] = frozenset()  # (vrid, family) that this host itself advertises
    transports: frozenset[tuple[int, int, str]] = frozenset()  # (family, protocol, destination) that were heard
    addresses: Mapping[str, Sequence[tuple[str, int]]] = field(default_factory=dict)  # interface -> (address, prefix)
    macvlans: Mapping[str, str] = field(default_factory=dict)  # interface -> virtual MAC
    sysctls: Mapping[str, str] = field(default_factory=dict)  # path below /proc/sys -> value

    def in_use(self, family: int) -> bool:
        """Whether VRRP of this family is heard, run or listened for here."""
        group = VRRP_GROUP4 if family == 4 else VRRP_GROUP6
        return (
            any(one[0] == family for one in self.transports)
            or any(opinion[1] == family for daemon in self.daemons for opinion in daemon.opinions)
            or any(group in groups for groups in self.memberships.values())
        )


def examine(evidence: Evidence) -> list[Finding]:
    """Everything, worst first; within a level in the order of the causes' frequency."""
    found = [
        *_firewall(evidence),
        *_membership(evidence),
        *_addresses(evidence),
        *_opinions(evidence),
        *_sysctls(evidence),
        *_wire(evidence),
    ]
    return sorted(found, key=lambda one: LEVELS.index(one.level))


def _packets(evidence: Evidence) -> Iterator[Packet]:
    """The adverts that must pass: the groups of both families, and what else was heard here."""
    heard = {(family, protocol, to) for family, protocol, to in evidence.transports}
    wanted = {(4, VRRP, GROUPS[4]), (6, VRRP, GROUPS[6])} | heard
    for interface in evidence.interfaces:
        for family, protocol, destination in sorted(wanted):
            for incoming in (True, False):
                yield Packet(family, protocol, destination, interface=interface, incoming=incoming)


def _firewall(evidence: Evidence) -> Iterator[Finding]:
    for reason in evidence.firewalls.unseen:
        yield Finding("unseen", "firewall", reason)
    seen: set[tuple[str, int, int, bool]] = set()
    for packet in _packets(evidence):
        for hit in drops(evidence.firewalls.chains, packet):
            key = (hit.text, packet.family, packet.protocol, packet.incoming)
            if key not in seen:
                seen.add(key)
                yield _hit(hit, packet, evidence)
    if not seen and evidence.firewalls.tools:
        tools = ", ".join(evidence.firewalls.tools)
        yield Finding("ok", "firewall", f"no rule drops VRRP on {', '.join(evidence.interfaces)} ({tools})")


def _hit(hit: Hit, packet: Packet, evidence: Evidence) -> Finding:
    kind = "AH-carried VRRP (protocol 51)" if packet.protocol == AH else "VRRP (protocol 112)"
    way = f"{'arriving on' if packet.incoming else 'leaving by'} {packet.interface}"
    count = "" if hit.packets is None else f", counter {words.plural(hit.packets, 'packet')}"
    verb = "drops" if hit.certain else "may drop (it has conditions that cannot be judged from here)"
    what = f"{verb} IPv{packet.family} {kind} to {packet.destination} {way}{count}: {hit.text}"
    level = "problem" if hit.certain else "warning"
    if not evidence.in_use(packet.family) and not hit.packets:
        level, what = "note", f"{what}; IPv{packet.family} VRRP is not in use here now"
    return Finding(level, "firewall", what, tuple(remedies(hit, packet, evidence.firewalls.tools)))


def remedies(hit: Hit, packet: Packet, tools: Sequence[str]) -> Iterator[str]:
    """The lines that let this packet pass: first in the dialect of the rule, then in the others that are here."""
    dialects = [hit.chain.tool.replace("ip6tables", "iptables")]
    if hit.chain.table.endswith(" firewalld") or "firewalld" in tools:
        dialects.insert(0, "firewalld")
    dialects += [name for name in ("nft", "iptables", "firewalld") if name not in dialects]
    for dialect in dialects:
        if dialect == "nft":
            yield nft_line(hit, packet)
        elif dialect == "iptables":
            yield iptables_line(packet)
        elif packet.incoming:
            word = "ah" if packet.protocol == AH else "vrrp"
            rule = f'rule protocol value="{word}" accept'
            yield f"firewall-cmd --permanent --add-rich-rule='{rule}' && firewall-cmd --reload"


def nft_line(hit: Hit, packet: Packet) -> str:
    """`nft insert rule …` at the head of the base chain where the packet is lost."""
    chain = hit.chain
    if chain.tool == "nft" and chain.hook:
        place = f"{chain.table} {chain.name}"
    else:
        place = f"inet filter {'input' if packet.incoming else 'output'}"
    family = "ip" if packet.family == 4 else "ip6"
    return f"nft insert rule {place} {family} daddr {packet.destination} meta l4proto {packet.protocol} accept"


def iptables_line(packet: Packet) -> str:
    """The same for iptables or ip6tables."""
    name = "iptables" if packet.family == 4 else "ip6tables"
    chain = "INPUT" if packet.incoming else "OUTPUT"
    return f"{name} -I {chain} -p {packet.protocol} -d {packet.destination} -j ACCEPT"


def _membership(evidence: Evidence) -> Iterator[Finding]:
    for interface in evidence.interfaces:
        groups = evidence.memberships.get(interface, frozenset())
        names = [GROUPS[family] for family, group in ((4, VRRP_GROUP4), (6, VRRP_GROUP6)) if group in groups]
        if names:
            yield Finding("ok", "membership", f"{interface} listened to {' and '.join(names)} before we looked")
        elif not evidence.daemons:
            yield Finding("note", "membership", f"nothing on this host listened to a VRRP group on {interface}")
        elif any(to in GROUPS.values() for _, _, to in evidence.transports) and interface not in evidence.macvlans:
            lost = any(VRRP_GROUP4 in one or VRRP_GROUP6 in one for one in evidence.memberships.values())
            if not lost:  # else the daemon sits on another interface
                daemon = evidence.daemons[0].name
                yield Finding(
                    "problem",
                    "membership",
                    f"{daemon} runs here and adverts arrive on {interface}, but nobody joined 224.0.0.18 or ff02::12:"
                    " it cannot hear them",
                    (f"restart {daemon}: its membership was lost, as when an interface was made anew",),
                )


def _rivals(evidence: Evidence) -> Iterator[tuple[RouterVerdict, list[str]]]:
    """Routers on the wire with the addresses of theirs that this host holds."""
    held = {address for rows in evidence.addresses.values() for address, _ in rows}
    for row in evidence.judgement.routers if evidence.judgement else ():
        yield row, [vip for vip in row.vips if vip in held]


def _local_sources(evidence: Evidence) -> frozenset[str]:
    return frozenset(address for rows in evidence.addresses.values() for address, _ in rows)


def _addresses(evidence: Evidence) -> Iterator[Finding]:
    mine = _local_sources(evidence)
    for row, held in _rivals(evidence):
        family = 4 if row.family == "ipv4" else 6
        others = [one for one in row.masters if one.claim in words.HOLDING and one.source not in mine]
        if not held or not others or (row.vrid, family) in evidence.own:
            continue
        lines = tuple(_delete_lines(evidence, held))
        master = words.master(others[0])
        if evidence.daemons:
            what = f"{', '.join(held)} is here though {master} is master and no advert of ours leaves"
            fix: tuple[str, ...] = (f"look at the log of {evidence.daemons[0].name} and at the output rules above",)
        else:
            what = f"{', '.join(held)} was left behind: no VRRP daemon runs here, and {master} is master"
            fix = lines
        yield Finding("problem", "address", what, fix)
    for name, mac in evidence.macvlans.items():
        if not evidence.daemons and any(rows for key, rows in evidence.addresses.items() if key == name):
            what = f"{name} has the virtual MAC {mac} and no VRRP daemon runs here"
            yield Finding("warning", "address", what, (f"ip link del {name}",))


def _delete_lines(evidence: Evidence, held: Iterable[str]) -> Iterator[str]:
    for interface, rows in evidence.addresses.items():
        for address, prefix in rows:
            if address in held:
                yield f"ip addr del {address}/{prefix} dev {interface}"


def _opinions(evidence: Evidence) -> Iterator[Finding]:
    """What daemons say against what the wire says."""
    mine = _local_sources(evidence)
    if not evidence.daemons:
        yield Finding("note", "daemon", "no VRRP daemon runs in this network namespace")
    for daemon in evidence.daemons:
        said = ", ".join(f"vrid {vrid}/ipv{family} {state}" for vrid, family, state in daemon.opinions)
        yield Finding("ok", "daemon", f"{daemon.name} runs (pid {daemon.pid}){f': {said}' if said else ''}")
    for row in evidence.judgement.routers if evidence.judgement else ():
        family = 4 if row.family == "ipv4" else 6
        others = [one for one in row.masters if one.claim in words.HOLDING and one.source not in mine]
        key = (row.vrid, family)
        states = {one[2] for daemon in evidence.daemons for one in daemon.opinions if one[:2] == key}
        acting = key in evidence.own
        place = f"vrid {row.vrid}/{row.family}"
        if others and (acting or "master" in states):
            held = "says it is master" if "master" in states else "advertises"
            names = ", ".join(words.master(one) for one in others)
            yield Finding(
                "problem",
                "daemon",
                f"{place}: this host {held}, and {names} is master as well; its adverts do arrive here (they are"
                " captured before the firewall), so this host drops or rejects them, or they reject ours",
                ("mend the firewall rules named here; else `vrrpwatch check -o text` names what the two disagree on",),
            )
        elif "master" in states and not acting:
            what = f"{place}: the daemon says master, but no advert of it leaves this host"
            yield Finding("problem", "daemon", what, ("look at output rules and at the daemon's log",))


def _sysctls(evidence: Evidence) -> Iterator[Finding]:
    for interface in evidence.interfaces:
        values = {
            name: max(_number(evidence, scope, name) for scope in ("all", interface))
            for name in ("arp_ignore", "rp_filter")
        }
        said = ", ".join(f"{name} {value}" for name, value in values.items())
        if evidence.macvlans and values["arp_ignore"] == 0:
            yield Finding(
                "warning",
                "sysctl",
                f"{interface}: {said}; with a virtual MAC here, the physical one answers for the address as well",
                (f"sysctl -w net.ipv4.conf.{interface}.arp_ignore=1",),
            )
        else:
            yield Finding("ok", "sysctl", f"{interface}: {said}")
        for name in evidence.macvlans:
            if max(_number(evidence, scope, "rp_filter") for scope in ("all", name)) == 1:
                what = f"{name}: rp_filter 1 (strict) drops what arrives for the virtual MAC"
                yield Finding("warning", "sysctl", what, (f"sysctl -w net.ipv4.conf.{name}.rp_filter=2",))


def _number(evidence: Evidence, scope: str, name: str) -> int:
    value = evidence.sysctls.get(f"net/ipv4/conf/{scope}/{name}", "0")
    return int(value) if value.isdigit() else 0


def _wire(evidence: Evidence) -> Iterator[Finding]:
    judgement = evidence.judgement
    if judgement is None:
        yield Finding("unseen", "wire", evidence.deaf or "the wire was not listened to")
        return
    if not judgement.routers:
        yield Finding(
            "note", "wire", f"no advert on {judgement.source} ({words.plural(judgement.sensor.frames, 'frame')})"
        )
    for row in judgement.routers:
        holders = ", ".join(words.master(one) for one in row.masters if one.claim in words.HOLDING) or "nobody"
        where = words.place(row.vrid, row.family, row.segment)
        level = "ok" if row.now.cls in ("steady", "handover") else "warning"
        yield Finding(level, "wire", f"{where}: {words.finding(row.now.cls, row.now.cause)}; master {holders}")
