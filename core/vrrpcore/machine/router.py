"""Machine: the state machine of one virtual router. Pure: an event and the time in, actions and a deadline out."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Final

from vrrpcore import addresses
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
from vrrpcore.machine.counters import Counters
from vrrpcore.machine.proof import Proof
from vrrpcore.machine.rules import Rules
from vrrpcore.machine.table import TABLE
from vrrpcore.machine.yielding import INTERVAL_SLACK, Yielding
from vrrpcore.packet import Advertisement
from vrrpcore.settings import Instance

OWNER: Final = 255
_TAKE, _RELEASE, _RESIGN = TakeAddresses(), ReleaseAddresses(), Advertise(0)
_MASTER, _LOWER, _LATE = Announce("master"), Announce("lower_prio"), Announce("late")


class Machine:
    """One virtual router. Times are seconds of one monotonic clock, real-valued: nothing is rounded to centiseconds.

    `receive` takes adverts that acceptance let pass. Every event returns the actions to perform, in their order;
    afterwards `deadline` (inf: none) is when `tick` wants to be called. A tick before the deadline does nothing.
    """

    __slots__ = (
        "_advertise", "_again", "_again_down", "_delay_until", "_heard", "_lost_master", "_lower_seen", "_owner",
        "_zero_seen", "address", "counters", "deadline", "instance", "interval", "last_advert_sent", "last_event",
        "master_address", "master_interval", "master_priority", "new_master_reason", "priority", "rules", "since",
        "state", "wants_master", "yielding",
    )  # fmt: skip

    def __init__(self, instance: Instance, rules: Rules | None = None, address: bytes = b"") -> None:
        """`address`: the primary address of the interface, packed; b"" while there is none."""
        self.rules = rules if rules is not None else Rules.of(instance)
        self.address = address
        self.counters = Counters()
        self.state = State.INIT
        self.deadline = inf
        self.wants_master = False  # the Down timer has fired, but the sync group is not ready
        self.since = 0.0  # when the present state began
        self.last_event = "none"  # RFC 8347 last-event
        self.new_master_reason = "not-master"  # RFC 8347 new-master-reason
        self.last_advert_sent = -inf
        self.master_address = b""  # of the master that we follow
        self.master_priority = 0
        self._heard = 0.0  # the instant that the Down timer counts from
        self._lost_master = b""  # the master whose silence made us take over
        self._delay_until: float | None = None  # preempt_delay
        self._lower_seen = False  # a lower master was heard since the Down timer was set
        self._zero_seen = False  # the Down timer was set by a priority 0
        self._again: Advertisement | None = None  # the very value that was followed last, and nothing happened since
        self._again_down = 0.0
        self.yielding = Yielding()
        self._configure(instance)
        self.master_interval = self.interval

    def _configure(self, instance: Instance) -> None:
        self.instance = instance
        self.interval = instance.advert_interval_seconds
        self._owner = instance.priority == OWNER
        self._set_priority(instance.priority)

    def _set_priority(self, priority: int) -> None:
        self.priority = priority
        self._again = None
        self._advertise = Advertise(priority)

    # -- what the timers are made of (RFC 9568 §6.1, RFC 3768 §6.1) --

    @property
    def skew(self) -> float:
        """Skew_Time in seconds: of one second in version 2, of the master's interval in version 3."""
        base = self.master_interval if self.instance.version == 3 else 1.0
        return (256 - self.priority) * base / 256

    @property
    def down_interval(self) -> float:
        """Master_Down_Interval in seconds (Active_Down_Interval in RFC 9568)."""
        return self.instance.down_timer_adverts * self.master_interval + self.skew

    # -- events --

    def start(self, now: float, healthy: bool = True) -> tuple[Action, ...]:
        """Start-up (RFC 9568 §6.4.1); `healthy` False: something that we depend on is down."""
        if self.state is not State.INIT:
            return ()
        self.last_event = "startup"
        self.master_interval = self.interval
        if not healthy:
            return self._run("start_faulty", now)
        return self._run("start_owner" if self._owner else "start", now)

    def stop(self, now: float) -> tuple[Action, ...]:
        """Shutdown: a master releases its addresses and says so with priority 0."""
        if self.state is State.INIT:
            return ()
        self.last_event = "shutdown"
        return self._run("stop", now)

    def fail(self, now: float, event: str = "interface-down") -> tuple[Action, ...]:
        """Something without which we must not be master is gone; `event` is RFC 8347's word for it."""
        if self.state not in (State.BACKUP, State.MASTER):
            return ()
        self.last_event = event
        return self._run("fail", now)

    def recover(self, now: float, event: str = "interface-up") -> tuple[Action, ...]:
        """All that had failed is back."""
        if self.state is not State.FAULT:
            return ()
        self.last_event = event
        self.master_interval = self.interval
        return self._run("recover_owner" if self._owner else "recover", now)

    def join_master(self, now: float) -> tuple[Action, ...]:
        """Another member of the sync group became master: so do we."""
        return self._run("group_master", now) if self.state is State.BACKUP else ()

    def join_backup(self, now: float) -> tuple[Action, ...]:
        """Another member of the sync group yielded: so do we."""
        if self.state is not State.MASTER:
            return ()
        return self._run("proven" if self.yielding.ready(self, now) else "group_backup", now)

    def tick(self, now: float, group_ready: bool = True) -> tuple[Action, ...]:
        """Time passed; acts when the deadline is reached. `group_ready` False: another member of the sync group hears
        a master that it follows, so that this one must not take over alone."""
        late = now - self.deadline
        if late < 0:
            return ()
        if self.state is State.BACKUP:
            if not group_ready:
                self.wants_master = True
                return self._run("down_wait", now)
            self.last_event = "lower-priority-master" if self._lower_seen else "master-timeout"
            return self._run("down", now)
        if self.state is not State.MASTER:
            return ()
        if late > self.interval:
            self.counters.late += 1
            if late > (self.instance.down_timer_adverts - 1) * self.interval:
                yields = self.rules.late_master_yields and not self._preempts
                return self._run("due_late_yield" if yields else "due_late", now)
        return self._run("due", now)

    def receive(self, advert: Advertisement, source: bytes, now: float) -> tuple[Action, ...]:
        """An advert that passed acceptance, from `source` (packed)."""
        if advert is self._again and source is self.master_address:  # the usual case, many thousand times
            self.counters.adverts_received += 1
            self._heard = now
            self.deadline = now + self._again_down
            return ()
        if self.state is State.BACKUP:
            signal = self._signal_in_backup(advert, source, now)
        elif self.state is State.MASTER:
            signal = self._signal_in_master(advert, source)
        else:
            return ()
        self.counters.adverts_received += 1
        if signal != "lower":
            self.wants_master = False
        actions = self._run(signal, now, advert, source)
        if signal == "follow":
            self._again, self._again_down = advert, self.deadline - now
        else:
            self._again = None
        return actions

    def prove(self, proof: Proof, now: float, together: bool = True) -> tuple[Action, ...]:
        """A superior master is proved to be alive and within reach, though its adverts do not reach us (see proof).

        A master yields to it; a backup that has yielded waits on, as if the advert had been accepted on arrival.
        `together` False: other members of the sync group have no such proof, and we stay master with them.
        """
        signal = self.yielding.signal(self, proof, now, self._heard)
        if self.state is State.MASTER:
            if not (signal and together):
                return ()
            self.last_event = "higher-priority-backup"
        return self._run(signal, now) if signal else ()

    def refused(self, now: float) -> None:
        """An advert of this VRID was refused. It has no effect, unless the rules model keepalived's defect."""
        if self.rules.any_packet_rearms and self.state is State.MASTER:
            self.deadline = now + self.interval

    def set_priority(self, priority: int, now: float) -> tuple[Action, ...]:
        """A new effective priority (tracking): in Backup the running Down timer keeps its beginning."""
        del now
        if priority == self.priority:
            return ()
        self._set_priority(priority)
        if self.state is State.BACKUP:
            self.deadline = self._heard + (self.skew if self._zero_seen else self.down_interval)
        return ()

    def reconfigure(self, instance: Instance, now: float, rules: Rules | None = None) -> tuple[Action, ...]:
        """A reload: the state stays; timers follow the new numbers from where they began."""
        self.rules = rules if rules is not None else Rules.of(instance)
        learned = self.master_interval != self.interval
        self._configure(instance)
        if self.state is State.BACKUP:
            if not (learned and instance.version == 3):
                self.master_interval = self.interval
            self.deadline = self._heard + self.down_interval
        elif self.state is State.MASTER:
            self.master_interval = self.interval
            self.deadline = min(self.deadline, now + self.interval)
        return ()

    # -- events become signals --

    @property
    def _preempts(self) -> bool:
        return self.instance.preempt or self._owner  # an owner always preempts (RFC 9568 §6.1)

    def _signal_in_backup(self, advert: Advertisement, source: bytes, now: float) -> str:
        """RFC 9568 §6.4.2. Equal priorities compare no address here."""
        priority = advert.priority
        if priority == 0:
            self.counters.priority_zero_received += 1
            return "zero"
        if priority >= self.priority:
            self._delay_until = None
            return "follow"
        if not self._preempts:
            return "follow"
        if self.instance.preempt_delay_seconds:
            if self._delay_until is None:
                self._delay_until = now + self.instance.preempt_delay_seconds
            if now < self._delay_until:
                return "wait"
        return "lower"

    def _signal_in_master(self, advert: Advertisement, source: bytes) -> str:
        """RFC 9568 §6.4.3: greater priority wins, then the greater address as an unsigned number."""
        priority = advert.priority
        if priority == 0:
            self.counters.priority_zero_received += 1
            return "own" if source == self.address else "zero"
        if priority > self.priority or (priority == self.priority and source > self.address):
            self.last_event = "higher-priority-backup"
            if self.rules.parting_advert == "always":
                return "superior_parting"
            healing = self.rules.parting_advert == "healing" and source == self._lost_master
            return "superior_parting" if healing else "superior"
        if source == self.address:
            return "own"
        return "lower" if self.rules.assert_at_once else "lower_quiet"

    def _run(
        self, signal: str, now: float, advert: Advertisement | None = None, source: bytes = b""
    ) -> tuple[Action, ...]:
        target, steps = _COMPILED[self.state, signal]
        actions = []
        for step in steps:
            action = step(self, now, advert, source)
            if action is not None:
                actions.append(action)
        if target is not self.state:
            actions.append(self._change(target, now))
        return tuple(actions)

    def _change(self, target: State, now: float) -> Action:
        self.yielding.leave(self, target, now)
        old, self.state, self.since = self.state, target, now
        self._again = None
        self.wants_master = False
        reason = ""
        if target is State.MASTER:
            reason = self._reason()
            self.new_master_reason = reason
            self.counters.master_transitions += 1
            self.master_address, self.master_priority = self.address, self.priority
        elif old is State.MASTER:
            self.new_master_reason = "not-master"
            self._lost_master = b""
            self.counters.master_releases += 1
        if target is State.BACKUP:
            self.counters.backup_transitions += 1
        self._delay_until = None
        self._lower_seen = self._zero_seen = False
        return Changed(old, target, self.last_event, reason)

    def _reason(self) -> str:
        """RFC 8347 new-master-reason of a takeover that happens now."""
        if self._owner or self._zero_seen:
            return "priority"
        if self._lower_seen:
            return "preempted"
        self._lost_master = self.master_address
        return "no-response"

    # -- steps: named in the table --

    def advertise(self, now: float, advert: Advertisement | None, source: bytes) -> Action:
        self.last_advert_sent = now
        return self._advertise

    def resign(self, now: float, advert: Advertisement | None, source: bytes) -> Action:
        return _RESIGN

    def take_addresses(self, now: float, advert: Advertisement | None, source: bytes) -> Action:
        return _TAKE

    def release_addresses(self, now: float, advert: Advertisement | None, source: bytes) -> Action:
        return _RELEASE

    def announce_master(self, now: float, advert: Advertisement | None, source: bytes) -> Action:
        return _MASTER

    def announce_lower(self, now: float, advert: Advertisement | None, source: bytes) -> Action:
        return _LOWER

    def announce_late(self, now: float, advert: Advertisement | None, source: bytes) -> Action:
        return _LATE

    def start_adverts(self, now: float, advert: Advertisement | None, source: bytes) -> None:
        """A schedule begins with the advert that was just sent."""
        self.deadline = now + self.interval

    def next_advert(self, now: float, advert: Advertisement | None, source: bytes) -> None:
        """The schedule goes on from where it should have been: lateness must not add up."""
        deadline = self.deadline + self.interval
        self.deadline = deadline if deadline > now else now + self.interval

    def disarm(self, now: float, advert: Advertisement | None, source: bytes) -> None:
        self.deadline = inf

    def arm_down(self, now: float, advert: Advertisement | None, source: bytes) -> None:
        self._heard = now
        self._lower_seen = self._zero_seen = False
        self.deadline = now + self.down_interval

    def arm_skew(self, now: float, advert: Advertisement | None, source: bytes) -> None:
        self._heard = now
        self._zero_seen = True
        self.deadline = now + self.skew

    def learn(self, now: float, advert: Advertisement | None, source: bytes) -> Action | None:
        """Follow the sender: who it is and, in version 3, its interval (RFC 9568 §6.1 Active_Adver_Interval)."""
        assert advert is not None
        self.yielding.active = False  # it reaches us
        self.master_address, self.master_priority = source, advert.priority
        if self.instance.version != 3 or abs(advert.interval - self.master_interval) < INTERVAL_SLACK:
            return None
        old, self.master_interval = self.master_interval, advert.interval
        return Remark("interval_learned", f"{old:g} s -> {advert.interval:g} s from {addresses.text(source)}")

    def note_lower_master(self, now: float, advert: Advertisement | None, source: bytes) -> None:
        assert advert is not None
        self._lower_seen = True
        self.master_address, self.master_priority = source, advert.priority

    def note_delay(self, now: float, advert: Advertisement | None, source: bytes) -> Action | None:
        first = self._delay_until == now + self.instance.preempt_delay_seconds
        return Remark("preempt_delay", f"{self.instance.preempt_delay_seconds:g} s") if first else None

    def note_zero(self, now: float, advert: Advertisement | None, source: bytes) -> Action:
        return Remark("priority_zero", addresses.text(source))

    def note_lower(self, now: float, advert: Advertisement | None, source: bytes) -> Action:
        assert advert is not None
        self.counters.lower_priority_received += 1
        if advert.priority == self.priority == OWNER:
            return Remark("several_owners", addresses.text(source))
        return Remark("lower_priority", f"{addresses.text(source)} priority {advert.priority}, ours {self.priority}")

    def note_own(self, now: float, advert: Advertisement | None, source: bytes) -> Action:
        self.counters.own_address_received += 1
        return Remark("own_address", addresses.text(source))

    def note_yield(self, now: float, advert: Advertisement | None, source: bytes) -> Action:
        proof = self.yielding.given
        self.yielding.active = True
        self.counters.yields += 1
        return Remark("yielded", f"{addresses.text(proof.source)} priority {proof.priority}, ours {self.priority}")

    def follow_proof(self, now: float, advert: Advertisement | None, source: bytes) -> None:
        """As `learn` and `arm_down`, but the Down timer counts from when the proved advert arrived."""
        proof = self.yielding.given
        self.master_address, self.master_priority = proof.source, proof.priority
        if self.instance.version == 3:
            self.master_interval = proof.interval
        self.arm_down(proof.at, advert, source)

    def note_late(self, now: float, advert: Advertisement | None, source: bytes) -> Action:
        return Remark("late", f"{now - self.deadline:.3f} s")


Step = Callable[[Machine, float, Advertisement | None, bytes], Action | None]
_COMPILED: Final[dict[tuple[State, str], tuple[State, tuple[Step, ...]]]] = {
    key: (row.target, tuple(getattr(Machine, name) for name in row.steps)) for key, row in TABLE.items()
}
