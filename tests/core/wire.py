"""A scripted wire for the judge's tests: hosts that advertise, announce and answer, on virtual time."""

from __future__ import annotations

from dataclasses import dataclass, field

from vrrpcore.addresses import VRRP_GROUP4, VRRP_GROUP6, pack, virtual_mac
from vrrpcore.frames import Arp, Frame, IpFacts, Malformed, Membership
from vrrpcore.judge import Judge
from vrrpcore.packet import Advertisement
from vrrpcore.verdict import Judgement

SEGMENT = "10.9.0.0/24"
BROADCAST = b"\xff" * 6
OBSERVER = bytes.fromhex("0200000000fe")
VIP = "10.9.0.100"


@dataclass
class Host:
    """A speaker: every field is what its frames carry."""

    number: int
    priority: int = 100
    interval: float = 1.0
    vrid: int = 51
    version: int = 2
    family: int = 4
    vips: tuple[str, ...] = (VIP,)
    auth_type: int = 0
    auth_data: bytes = bytes(8)
    style: str = ""
    ttl: int = 255
    to: str = ""
    vmac: bool = False
    frr: bool = False
    ident: int = 0
    address: str = ""

    @property
    def mac(self) -> bytes:
        return bytes((2, 0, 0, 0, 0, self.number))

    @property
    def source(self) -> str:
        return self.address or (f"10.9.0.{self.number}" if self.family == 4 else f"fe80::{self.number}")

    def advert(self, priority: int | None = None) -> Frame:
        """The next advert; keepalived's own IP-ID counter goes on by one."""
        self.ident += 1
        group = VRRP_GROUP4 if self.family == 4 else VRRP_GROUP6
        ip = IpFacts(
            family=self.family,
            source=pack(self.source),
            destination=pack(self.to) if self.to else group,
            ttl=self.ttl,
            ident=None if self.family == 6 else (self.ident * 7919 & 0xFFFF if self.frr else self.ident),
            dont_fragment=self.frr,
            tos=0xC0,
        )
        body = Advertisement(
            version=self.version,
            vrid=self.vrid,
            priority=self.priority if priority is None else priority,
            addresses=tuple(pack(v) for v in self.vips),
            interval=self.interval,
            family=self.family,
            auth_type=self.auth_type if self.version == 2 else 0,
            auth_data=self.auth_data if self.version == 2 else b"",
            checksum_style=self.style or ("message" if self.version == 2 else "pseudo"),
        )
        mac = virtual_mac(self.family, self.vrid) if self.vmac else self.mac
        return Frame(mac, BROADCAST, (), ip, body)

    def announce(self, vip: str = VIP) -> Frame:
        """One gratuitous ARP as keepalived sends it."""
        mac = virtual_mac(4, self.vrid) if self.vmac else self.mac
        return Frame(mac, BROADCAST, (), None, Arp(1, mac, pack(vip), BROADCAST, pack(vip)))

    def answer(self, vip: str = VIP, mac: bytes | None = None) -> Frame:
        """The kernel's ARP reply to the observer."""
        own = mac or (virtual_mac(4, self.vrid) if self.vmac else self.mac)
        return Frame(own, OBSERVER, (), None, Arp(2, own, pack(vip), OBSERVER, pack("10.9.0.254")))

    def member(self) -> Frame:
        """An IGMP report for 224.0.0.18."""
        ip = IpFacts(4, pack(self.source), pack("224.0.0.22"), 1)
        return Frame(self.mac, BROADCAST, (), ip, Membership((VRRP_GROUP4,)))


def ask(vip: str = VIP) -> Frame:
    """The observer's ARP request."""
    return Frame(OBSERVER, BROADCAST, (), None, Arp(1, OBSERVER, pack("10.9.0.254"), bytes(6), pack(vip)))


def malformed(reason: str, vrid: int | None = None) -> Frame:
    """A frame that did not parse."""
    ip = IpFacts(4, pack("10.9.0.9"), VRRP_GROUP4, 255)
    return Frame(OBSERVER, BROADCAST, (), ip, Malformed(reason, vrid=vrid))


@dataclass
class Wire:
    """Frames by time; `judgement` plays them to a judge in order."""

    rows: list[tuple[float, int, Frame]] = field(default_factory=list)
    start: float = 1000.0

    def at(self, time: float, *frames: Frame) -> Wire:
        """Put frames at seconds after the start."""
        for frame in frames:
            self.rows.append((self.start + time, len(self.rows), frame))
        return self

    def adverts(self, host: Host, begin: float, end: float, pace: float | None = None) -> Wire:
        """Adverts of a host from `begin` until before `end`."""
        time = begin
        while time < end - 1e-9:
            self.at(time, host.advert())
            time += pace or host.interval
        return self

    def burst(self, host: Host, time: float) -> Wire:
        """keepalived's five announcements."""
        for k in range(5):
            self.at(time + 0.0001 * (k + 1), host.announce())
        return self

    def probes(self, owners: dict[float, list[Frame]]) -> Wire:
        """Requests at the given times with their answers."""
        for time, answers in owners.items():
            self.at(time, ask())
            for k, answer in enumerate(answers):
                self.at(time + 0.0001 * (k + 1), answer)
        return self

    def judge(self, until: float | None = None) -> Judge:
        judge = Judge()
        for time, _, frame in sorted(self.rows, key=lambda row: (row[0], row[1])):
            judge.observe(time, SEGMENT, False, frame)
        if until is not None:
            judge.advance(self.start + until)
        return judge

    def judgement(self, until: float | None = None) -> Judgement:
        return self.judge(until).report()

    def worst(self, until: float | None = None) -> tuple[str, str | None]:
        found = self.judgement(until).worst
        return found.cls, found.cause
