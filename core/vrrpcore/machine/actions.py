"""States of a virtual router, and what its machine asks of the host: values, performed in the order given."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias


class State(Enum):
    """RFC 9568 §6.4 (Active is called master here, as everywhere in the field), and keepalived's Fault."""

    INIT = "init"
    BACKUP = "backup"
    MASTER = "master"
    FAULT = "fault"


@dataclass(frozen=True, slots=True)
class Advertise:
    """Send one ADVERTISEMENT with this priority (0: we release mastership)."""

    priority: int


@dataclass(frozen=True, slots=True)
class TakeAddresses:
    """Put the virtual addresses (and routes, rules) on the host."""


@dataclass(frozen=True, slots=True)
class ReleaseAddresses:
    """Take them off; always before the last advert of a claim."""


@dataclass(frozen=True, slots=True)
class Announce:
    """Start a schedule of gratuitous ARP / unsolicited NA: "master" (took over), "lower_prio" or "late"."""

    kind: str


@dataclass(frozen=True, slots=True)
class Changed:
    """The state changed; the last action of its row. `event` is RFC 8347's last-event, `reason` its
    new-master-reason ("" unless the new state is master)."""

    old: State
    new: State
    event: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Remark:
    """Something an operator should read in the log (the speaker limits the rate): `kind` is a closed word."""

    #: several_owners, own_address, interval_learned, lower_priority, priority_zero, preempt_delay, late, yielded
    kind: str
    detail: str = ""


Action: TypeAlias = Advertise | TakeAddresses | ReleaseAddresses | Announce | Changed | Remark
