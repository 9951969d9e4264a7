"""What the tests of the machine share: an instance, an advert, the facts of the packet that carried it."""

from __future__ import annotations

from typing import Any

from vrrpcore.addresses import VRRP_GROUP4, VRRP_GROUP6, pack
from vrrpcore.frames import IpFacts
from vrrpcore.machine import Action, Machine, Rules
from vrrpcore.packet import Advertisement
from vrrpcore.settings import Instance, VirtualAddress

OURS, PEER, HIGHER = "10.9.0.5", "10.9.0.3", "10.9.0.9"
OURS6, PEER6 = "fe80::5", "fe80::3"


def instance(version: int = 3, family: int = 4, **changes: Any) -> Instance:
    """VRID 51 with one address, priority 100 and 1 s unless changed."""
    vip = VirtualAddress(pack("10.9.0.100"), 32) if family == 4 else VirtualAddress(pack("fe80::100"), 128)
    given: dict[str, Any] = {
        "name": "VI_1",
        "vrid": 51,
        "interface": "eth0",
        "family": family,
        "version": version,
        "priority": 100,
        "addresses": (vip,),
        "multicast_group": VRRP_GROUP4 if family == 4 else VRRP_GROUP6,
    }
    return Instance(**{**given, **changes})


def advert(priority: int, version: int = 3, family: int = 4, **changes: Any) -> Advertisement:
    """A peer's advert that agrees with `instance` unless changed."""
    given: dict[str, Any] = {
        "version": version,
        "vrid": 51,
        "priority": priority,
        "addresses": (pack("10.9.0.100" if family == 4 else "fe80::100"),),
        "interval": 1.0,
        "family": family,
        "auth_data": bytes(8) if version == 2 else b"",
    }
    return Advertisement(**{**given, **changes})


def facts(family: int = 4, **changes: Any) -> IpFacts:
    given: dict[str, Any] = {
        "family": family,
        "source": pack(PEER if family == 4 else PEER6),
        "destination": VRRP_GROUP4 if family == 4 else VRRP_GROUP6,
        "ttl": 255,
    }
    return IpFacts(**{**given, **changes})


def machine(rules: Rules | None = None, **changes: Any) -> Machine:
    made = instance(**changes)
    return Machine(made, rules, pack(OURS if made.family == 4 else OURS6))


def backup(rules: Rules | None = None, now: float = 100.0, **changes: Any) -> Machine:
    """A machine that has just become backup."""
    made = machine(rules, **changes)
    made.start(now)
    return made


def master(rules: Rules | None = None, now: float = 100.0, **changes: Any) -> Machine:
    """A machine that became master at `now`."""
    made = machine(rules, **changes)
    made.start(now - made.down_interval)
    made.tick(now)
    return made


def kinds(actions: tuple[Action, ...]) -> list[str]:
    """The names of actions, in order, without the change of state."""
    return [type(each).__name__ for each in actions if type(each).__name__ not in ("Changed", "Remark")]
