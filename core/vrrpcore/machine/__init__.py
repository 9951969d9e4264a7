"""The state machine of one virtual router: an event and the time in, actions and a deadline out. Pure.

House rules:

* Time is an argument. Nothing here reads a clock, a socket or a random number; the same events give the same actions.
* One machine for versions 2 and 3 and for both families: what differs is a value (`Instance.version`, `Rules`).
* An event (`start`, `stop`, `fail`, `recover`, `receive`, `prove`, `tick`, `set_priority`, `reconfigure`) becomes one
  *signal* in the light of state, priorities and rules; the table (`machine.table`) says where a signal leads and which
  steps are taken. The diagram in the documentation is drawn from the table.
* Actions are values (`machine.actions`); the host performs them in the order given and then waits for `deadline`.
* What may be acted on at all is decided before, by `acceptance.refuse`: an advert that it refuses never comes here.

Theory of operation: a backup counts its Down timer from the last advert that it follows; a master's advert schedule
is absolute, so that a late wake-up shifts one advert and not all that come after. A master whose timer fires so late
that others must have taken over announces its addresses again, as it does when it hears a claim that loses against
its own: whatever the neighbours learned meanwhile is put right.
"""

from __future__ import annotations

from vrrpcore.machine.acceptance import list_differs, refuse, remark
from vrrpcore.machine.actions import (
    Action,
    Advertise,
    Announce,
    Changed,
    ReleaseAddresses,
    Remark,
    State,
    TakeAddresses,
)
from vrrpcore.machine.counters import REFUSALS, Counters
from vrrpcore.machine.proof import Evidence, Proof
from vrrpcore.machine.router import Machine
from vrrpcore.machine.rules import FRR, HOUSE, KEEPALIVED, RFC3768, RFC5798, RFC9568, STRICT, Rules

__all__ = [
    "FRR",
    "HOUSE",
    "KEEPALIVED",
    "REFUSALS",
    "RFC3768",
    "RFC5798",
    "RFC9568",
    "STRICT",
    "Action",
    "Advertise",
    "Announce",
    "Changed",
    "Counters",
    "Evidence",
    "Machine",
    "Proof",
    "ReleaseAddresses",
    "Remark",
    "Rules",
    "State",
    "TakeAddresses",
    "list_differs",
    "refuse",
    "remark",
]
