"""AH as keepalived has it: the integrity value first, then that the sequence number rises (with wrap)."""

from __future__ import annotations

import hmac
from math import inf
from typing import Final

from vrrpcore.frames import IpFacts
from vrrpcore.speaker.render import authenticator

_WINDOW: Final = 1 << 31


class Seals:
    """The last sequence number of each sender that proved to have the key."""

    def __init__(self) -> None:
        self._sequences: dict[tuple[str, bytes], tuple[int, float]] = {}  # last number and when, by router and source

    def refuse(self, router: str, packet: bytes, facts: IpFacts, key: bytes, now: float, silence: float) -> str:
        """Why an IPv4 packet is not authentic ("auth_failure", "replay"), or "".

        A peer that was restarted begins at 1 again, and that advert may be lost: whoever was silent for as long as a
        master's end takes (`silence`, seconds) may begin anywhere. Refusing it for good would make a split brain of a
        lost packet.
        """
        assert facts.ah is not None
        if not hmac.compare_digest(authenticator(packet, key), facts.ah.icv):
            return "auth_failure"
        who = (router, facts.source)
        last, when = self._sequences.get(who, (0, -inf))
        sequence = facts.ah.sequence
        rises = 0 < (sequence - last) % (1 << 32) < _WINDOW
        if not rises and sequence != 1 and now - when < silence:
            return "replay"
        self._sequences[who] = (sequence, now)
        return ""
