"""What a proof means to a machine: whether it yields, how long it waits, how often it lets itself be talked into it.

Why no component of the network is left without a master by it: only a master that is *strictly* inferior to one that
advertises now and was reached from here yields, so of two never both; it waits no longer for the next proof than for
an accepted advert, and takes over by the ordinary Down timer; an owner never yields; and a yield that did not last
makes the next one harder. Opt-in: nothing happens unless somebody calls `Machine.prove`.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Final

from vrrpcore.machine.actions import State
from vrrpcore.machine.proof import ANSWERED, FRESH, Proof

if TYPE_CHECKING:
    from vrrpcore.machine.router import Machine

_CALM: Final = 30  # Down intervals after which a yield that ends was none that flaps
_MOST_STRIKES: Final = 6
INTERVAL_SLACK: Final = 1e-6  # seconds: two spellings of one interval


class Yielding:
    """One machine's memory of proofs."""

    __slots__ = ("_count", "_strikes", "active", "proof", "proved_at")

    def __init__(self) -> None:
        self.active = False  # backup on the strength of proofs alone: no advert has reached us since
        self.proof: Proof | None = None  # the last that was of use
        self.proved_at = -inf  # when its advert arrived
        self._count = 0  # proofs in succession since we became master
        self._strikes = 0  # yields that did not last: it takes 1, 2, 4 … proofs in succession

    @property
    def given(self) -> Proof:
        """The proof, where there is one."""
        assert self.proof is not None
        return self.proof

    def signal(self, machine: Machine, proof: Proof, now: float, heard: float) -> str:
        """What a proof is to the table: "proven", "zero" (the master that we follow has resigned) or "".

        `heard`: what the machine's Down timer counts from.
        """
        if machine.state is State.MASTER:
            return self._in_master(machine, proof, now)
        if machine.state is not State.BACKUP or not self.active or proof.at <= heard:
            return ""
        if proof.priority == 0:
            return "zero" if proof.source == machine.master_address else ""
        if not obliges(machine, proof, now):
            return ""
        self.proof, self.proved_at = proof, proof.at
        return "proven"

    def _in_master(self, machine: Machine, proof: Proof, now: float) -> str:
        last = self.proved_at
        # What spoke before we became master may be the very one whose end made us so; and the Down timer, which counts
        # from the proof, shall not end before the next one comes.
        if not obliges(machine, proof, now) or proof.at <= max(machine.since, last) or _age(proof, now) > 1.0:
            return ""
        self._count = self._count + 1 if proof.at - last <= FRESH * proof.interval else 1
        self.proof, self.proved_at = proof, proof.at
        return "proven" if self.ready(machine, now) else ""

    def ready(self, machine: Machine, now: float) -> bool:
        """Whether a master has all the proof that it needs to yield now, or with the next of its sync group."""
        proof = self.proof
        if proof is None or self._count < 1 << self._strikes or _age(proof, now) > FRESH:
            return False
        return obliges(machine, proof, now)

    def leave(self, machine: Machine, target: State, now: float) -> None:
        """The machine is about to leave its state."""
        self._count = 0
        if self.active and target is not State.BACKUP:
            self.active = False
            flaps = target is State.MASTER and now - machine.since < _CALM * machine.down_interval
            self._strikes = min(self._strikes + 1, _MOST_STRIKES) if flaps else 0


def _age(proof: Proof, now: float) -> float:
    """In its intervals; the way from a sensor to us takes its time, which is nothing to ordinary masters."""
    return (now - proof.at) / max(proof.interval, ANSWERED)


def obliges(machine: Machine, proof: Proof, now: float) -> bool:
    """Whether a proof is of a superior (RFC 9568 §6.4.3). One of the future means that a clock was set."""
    instance = machine.instance
    if instance.owner or not proof.priority or proof.source == machine.address or proof.at > now:
        return False
    if instance.version == 2 and proof.interval > machine.interval + INTERVAL_SLACK:
        return False  # our Down timer, which it cannot set as in version 3, would end before its next advert
    return (proof.priority, proof.source) > (machine.priority, machine.address)
