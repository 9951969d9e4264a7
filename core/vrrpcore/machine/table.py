"""The transition table: (state, signal) -> the next state and what is done on the way. docs/state-machine.md is drawn
from it (`python -m vrrpcore.machine.diagram`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from vrrpcore.machine.actions import State

INIT, BACKUP, MASTER, FAULT = State.INIT, State.BACKUP, State.MASTER, State.FAULT


@dataclass(frozen=True, slots=True)
class Row:
    """Where a signal leads: `steps` are methods of Machine, run in this order; `why` is for people."""

    target: State
    steps: tuple[str, ...] = ()
    why: str = ""


#: What is put to the table. An event (start, tick, an advert …) becomes exactly one signal in the light of the state,
#: the priorities and the rules; the table itself knows no numbers.
SIGNALS: Final[dict[str, str]] = {
    "start": "start-up, healthy",
    "start_owner": "start-up as owner (priority 255)",
    "start_faulty": "start-up with a fault",
    "stop": "shutdown",
    "fail": "interface, address or tracked thing lost",
    "recover": "all faults gone",
    "recover_owner": "all faults gone, owner",
    "down": "Master_Down_Timer fires",
    "down_wait": "Master_Down_Timer fires, but others of the sync group hear their master",
    "due": "Adver_Timer fires",
    "due_late": "Adver_Timer fires, so late that others must have taken over",
    "due_late_yield": "the same with timer_expired_backup and nopreempt",
    "zero": "advert with priority 0",
    "follow": "advert of the master that we follow",
    "wait": "advert of a lower master, preempt_delay running",
    "lower": "advert with lower priority",
    "lower_quiet": "advert with lower priority, rule says silence",
    "own": "advert with our own address and priority",
    "superior": "advert that wins against ours",
    "group_master": "another member of the sync group took over",
    "group_backup": "another member of the sync group yielded",
    "proven": "proof (not an advert that reached us) that a superior master is alive and within reach; opt-in",
    "superior_parting": "advert that wins against ours; the sender must hear of our claim",
}

_TAKE_OVER: Final = ("advertise", "take_addresses", "announce_master", "start_adverts")
_STEP_DOWN: Final = ("release_addresses", "resign", "disarm")

TABLE: Final[dict[tuple[State, str], Row]] = {
    (INIT, "start"): Row(BACKUP, ("arm_down",), "§6.4.1"),
    (INIT, "start_owner"): Row(MASTER, _TAKE_OVER, "§6.4.1"),
    (INIT, "start_faulty"): Row(FAULT, ("disarm",)),
    (BACKUP, "stop"): Row(INIT, ("disarm",), "§6.4.2: no advert"),
    (BACKUP, "fail"): Row(FAULT, ("disarm",)),
    (BACKUP, "down"): Row(MASTER, _TAKE_OVER, "§6.4.2: advert first"),
    (BACKUP, "down_wait"): Row(BACKUP, ("arm_down",), "keepalived's sync groups: all or none"),
    (BACKUP, "group_master"): Row(MASTER, _TAKE_OVER, "keepalived's sync groups"),
    (BACKUP, "zero"): Row(BACKUP, ("arm_skew",), "§6.4.2"),
    (BACKUP, "follow"): Row(BACKUP, ("learn", "arm_down"), "§6.4.2"),
    (BACKUP, "wait"): Row(BACKUP, ("note_delay", "learn", "arm_down"), "keepalived's preempt_delay"),
    (BACKUP, "lower"): Row(BACKUP, ("note_lower_master",), "§6.4.2: discarded, the timer runs on"),
    (BACKUP, "proven"): Row(BACKUP, ("follow_proof",), "ours: as if the proved advert had been accepted"),
    (MASTER, "stop"): Row(INIT, _STEP_DOWN, "§6.4.3; addresses go first"),
    (MASTER, "fail"): Row(FAULT, _STEP_DOWN),
    (MASTER, "due"): Row(MASTER, ("advertise", "next_advert"), "§6.4.3"),
    (MASTER, "due_late"): Row(MASTER, ("note_late", "advertise", "announce_late", "next_advert")),
    (MASTER, "due_late_yield"): Row(BACKUP, ("note_late", "release_addresses", "arm_down")),
    (MASTER, "zero"): Row(MASTER, ("note_zero", "advertise", "start_adverts", "announce_lower"), "§6.4.3"),
    (MASTER, "lower"): Row(
        MASTER, ("note_lower", "advertise", "start_adverts", "announce_lower"), "§6.4.3: asserted at once"
    ),
    (MASTER, "lower_quiet"): Row(MASTER, ("note_lower", "announce_lower"), "RFC 5798 §6.4.3"),
    (MASTER, "own"): Row(MASTER, ("note_own",)),
    (MASTER, "group_backup"): Row(BACKUP, ("release_addresses", "arm_down"), "keepalived's sync groups"),
    (MASTER, "superior"): Row(BACKUP, ("release_addresses", "learn", "arm_down"), "§6.4.3"),
    (MASTER, "superior_parting"): Row(BACKUP, ("release_addresses", "advertise", "learn", "arm_down")),
    (MASTER, "proven"): Row(
        BACKUP,
        ("note_yield", "release_addresses", "advertise", "follow_proof"),
        "ours: a superior that hears us announces its addresses again",
    ),
    (FAULT, "recover"): Row(BACKUP, ("arm_down",)),
    (FAULT, "recover_owner"): Row(MASTER, _TAKE_OVER),
    (FAULT, "stop"): Row(INIT, ("disarm",)),
}
