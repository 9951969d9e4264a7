"""Hand-made judgements for the tests of the ways out."""

from __future__ import annotations

import time

from vrrpcore.verdict import (
    AddressVerdict,
    Counters,
    Episode,
    Finding,
    Judgement,
    MasterRow,
    RouterVerdict,
    SensorFacts,
    Worst,
)
from vrrpexporters.snapshot import Awareness, Instance, Snapshot, Sniffer

T0 = 1795336654.25
STEADY = Finding("steady")


def master(source: str, priority: int = 150, claim: str = "live", adverts: int = 30, last: float = T0) -> MasterRow:
    """One claimant; its MAC follows from its address."""
    mac = f"02:00:00:00:00:{int(source.rsplit('.', 1)[1]):02x}" if "." in source else "02:00:00:00:00:66"
    return MasterRow(source, mac, priority, 2, 1.0, "none", adverts, T0 - 30, last, claim)


def episode(
    cls: str = "split_brain", cause: str | None = "peer_deaf", start: float = T0 - 10, end: float | None = None
) -> Episode:
    """One episode of two masters."""
    return Episode(
        id=f"51-{start}",
        cls=cls,
        cause=cause,
        confidence="proved",
        candidates=("firewall_input", "one_way_path"),
        start=start,
        suspected=start,
        confirmed=start + 1,
        end=end,
        seconds=(end or T0) - start,
        masters=("10.9.0.1", "10.9.0.2"),
        blamed=("10.9.0.2",),
        evidence=("10.9.0.2 advertised 9 times while 10.9.0.1 with priority 150 was live",),
        remedy="open protocol 112 on 10.9.0.2",
    )


def router(
    vrid: int = 51,
    now: Finding = STEADY,
    masters: tuple[MasterRow, ...] = (master("10.9.0.1"),),
    episodes: tuple[Episode, ...] = (),
    counters: Counters | None = None,
    segment: str = "10.9.0.0/24",
    mismatches: tuple[str, ...] = (),
) -> RouterVerdict:
    """One IPv4 virtual router; the worst of its window follows from its episodes."""
    worst = Finding(episodes[0].cls, episodes[0].cause) if episodes else now
    live = sum(row.claim == "live" for row in masters)
    vips = (f"10.9.0.{100 + vrid % 100}",)
    return RouterVerdict(
        segment, "ipv4", vrid, vips, now, worst, masters, episodes, live, mismatches, counters or Counters()
    )


def split_router(vrid: int = 51, start: float = T0 - 10, end: float | None = None) -> RouterVerdict:
    """Two live masters, one confirmed episode."""
    return router(
        vrid,
        Finding("split_brain", "peer_deaf") if end is None else STEADY,
        (master("10.9.0.1"), master("10.9.0.2", 100, "live" if end is None else "yielded", 9)),
        (episode(start=start, end=end),),
        Counters({"10.9.0.1": 30, "10.9.0.2": 9}, {"preempted": 1}, {"checksum": 2}, 1, (end or T0) - start, end or T0),
        mismatches=("advert_int_mismatch",),
    )


def judgement(*routers: RouterVerdict, addresses: tuple[AddressVerdict, ...] = (), end: float = T0) -> Judgement:
    """A judgement over some routers, its worst taken from them."""
    from vrrpcore.verdict import RANK

    worst = Worst("unknown")
    for row in routers:
        if RANK[row.worst.cls] < RANK[worst.cls]:
            worst = Worst(row.worst.cls, row.worst.cause, row.vrid, row.family, row.segment)
    sensor = SensorFacts(frames=313, adverts=41, malformed={"checksum": 2}, dropped=0)
    return Judgement("0.1.0", "eth0", T0 - 30, end, worst, routers, addresses, sensor)


def owners(hosts: int = 2, vip: str = "10.9.0.151", now: Finding = STEADY) -> AddressVerdict:
    """Who answers for an address."""
    return AddressVerdict(
        "10.9.0.0/24", vip, tuple(f"02:00:00:00:00:0{n}" for n in range(hosts)), hosts, now, now, hosts
    )


def snapshot(now: Judgement, sequence: int = 1, sniffers: tuple[Sniffer, ...] | None = None) -> Snapshot:
    """What the capture loop would publish."""
    wires = (Sniffer("eth0", True, 313, T0),) if sniffers is None else sniffers
    return Snapshot(sequence, T0, time.monotonic(), now, wires)


def instance(
    state: str = "master",
    since: float | None = None,
    daemon: str = "keepalived",
    awareness: Awareness | None = None,
) -> Instance:
    """One VRRP instance by its daemon's account."""
    return Instance(
        daemon=daemon,
        name="VI_1",
        segment="10.9.0.0/24",
        family="ipv4",
        vrid=51,
        interface="eth0",
        state=state,
        since=since,
        priority=150,
        held=1,
        counters={"master_transitions": 2, "adverts_sent": 40},
        errors={"interval": 1},
        awareness=awareness,
    )
