"""Proofs on their way to machines: a superior master is alive and within reach, though its adverts never came here.

A sensor beside the speaker found them (machine.proof); here they meet the clock that machines live by, and the sync
groups: a group yields together or not at all.
"""

from __future__ import annotations

import time
from typing import Final

from vrrpcore.machine import Proof, State
from vrrpcore.speaker.clock import wall_offset
from vrrpcore.speaker.groups import SyncGroups
from vrrpcore.speaker.performer import Performer
from vrrpcore.speaker.router import VirtualRouter

#: (instance, source, priority, interval in seconds, kernel timestamp in epoch seconds), as it comes from the supervisor
Message = tuple[str, bytes, int, float, float]
_ROUNDING: Final = 0.001  # seconds by which two readings of two clocks may differ


class Proofs:
    """Hands each proof to its machine."""

    def __init__(self, routers: dict[str, VirtualRouter], groups: SyncGroups, performer: Performer) -> None:
        self._routers, self._groups, self._performer = routers, groups, performer

    def take(self, message: Message) -> None:
        """One proof. One for a router that is gone, or of another time (a clock was set), is of no use to anybody."""
        name, source, priority, interval, at = message
        router = self._routers.get(name)
        if router is None:
            return
        now = time.monotonic()
        arrived = at - wall_offset()
        if 0.0 < arrived - now < _ROUNDING:
            arrived = now
        proof = Proof(source, priority, interval, arrived)
        masters = [each.machine for each in self._groups.others(router) if each.state is State.MASTER]
        together = all(each.yielding.ready(each, now) for each in masters)
        self._performer.perform(router, router.machine.prove(proof, now, together), now)
