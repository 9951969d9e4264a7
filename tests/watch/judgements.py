"""Judgements made by hand, for the tests of what renders them."""

from __future__ import annotations

from typing import Any

from vrrpcore.verdict import (
    AddressVerdict,
    Episode,
    Finding,
    Judgement,
    MasterRow,
    RouterVerdict,
    SensorFacts,
    Worst,
)

START = 1795336654.41
LAN = "10.9.0.0/24"


def master(source: str, priority: int, claim: str = "live", **options: Any) -> MasterRow:
    mac = f"02:00:00:00:00:{int(source.rsplit('.', 1)[-1]):02x}" if "." in source else "02:00:00:00:00:01"
    given: dict[str, Any] = {"version": 2, "advert_interval": 1.0, "auth": "none", "adverts": 30}
    given |= {"first": START + 4, "last": START + 28, "mac": mac, **options}
    return MasterRow(source=source, priority=priority, claim=claim, **given)


def episode(cls: str, cause: str | None, **options: Any) -> Episode:
    given: dict[str, Any] = {
        "id": f"{cls}-1",
        "confidence": "proved",
        "candidates": (),
        "start": START + 11,
        "suspected": START + 12,
        "confirmed": START + 13,
        "end": None,
        "seconds": 12.0,
        "masters": (),
        "blamed": (),
        "evidence": (),
        "remedy": "",
    }
    return Episode(cls=cls, cause=cause, **{**given, **options})


def router(cls: str, cause: str | None = None, **options: Any) -> RouterVerdict:
    given: dict[str, Any] = {"segment": LAN, "family": "ipv4", "vrid": 51, "vips": ("10.9.0.100",)}
    given |= {"now": Finding(cls, cause), "worst": Finding(cls, cause), "masters": (), "episodes": (), "live": 1}
    return RouterVerdict(**{**given, **options})


def judgement(*routers: RouterVerdict, worst: Worst | None = None, **options: Any) -> Judgement:
    if worst is None:
        first = routers[0] if routers else None
        worst = Worst("unknown")
        if first is not None:
            worst = Worst(first.worst.cls, first.worst.cause, first.vrid, first.family, first.segment)
    given: dict[str, Any] = {"version": "0.1.0", "source": "eth0", "start": START, "end": START + 29.2}
    given["sensor"] = SensorFacts(frames=313, adverts=41)
    return Judgement(worst=worst, routers=routers, **{**given, **options})


STEADY = judgement(router("steady", masters=(master("10.9.0.2", 150),)))
SPLIT = judgement(
    router(
        "split_brain",
        "peer_deaf",
        live=2,
        masters=(master("10.9.0.2", 150), master("10.9.0.3", 100)),
        episodes=(
            episode(
                "split_brain",
                "peer_deaf",
                masters=("10.9.0.2", "10.9.0.3"),
                blamed=("10.9.0.3",),
                candidates=("firewall_input", "one_way_path"),
                evidence=("10.9.0.2 answered 11 of 11 adverts of 10.9.0.3",),
                remedy="on 10.9.0.3, let VRRP in: nft insert rule … | iptables -I INPUT -p 112 -j ACCEPT",
            ),
        ),
    ),
    addresses=(
        AddressVerdict(LAN, "10.9.0.100", ("02:00:00:00:00:02", "02:00:00:00:00:03"), 2, Finding("split_brain")),
    ),
)
EMPTY = judgement(worst=Worst("unknown"), sensor=SensorFacts(frames=4))
DEAF = judgement(worst=Worst("unknown"), sensor=SensorFacts())
