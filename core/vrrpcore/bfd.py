"""Bidirectional Forwarding Detection, asynchronous mode, without authentication (RFC 5880, 5881, 5883). Pure.

     0                   1                   2                   3
     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
    |Vers |  Diag   |Sta|P|F|C|A|D|M|  Detect Mult  |    Length     |
    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
    |                       My Discriminator                        |
    |                      Your Discriminator                       |
    |                    Desired Min TX Interval                    |
    |                   Required Min RX Interval                    |
    |                 Required Min Echo RX Interval                 |
    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+

Intervals are microseconds on the wire and seconds here.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from math import inf
from struct import Struct
from typing import Final

from vrrpcore.errors import ParseError
from vrrpcore.settings import BfdInstance
from vrrpcore.values import value

_FORM: Final = Struct("!BBBBIIIII")
_VERSION: Final = 1
_POLL, _FINAL, _AUTHENTICATED, _DEMAND, _MULTIPOINT = 0x20, 0x10, 0x04, 0x02, 0x01
_SLOW: Final = 1.0  # seconds: nobody sends faster while the session is not up (§6.8.3)


class BfdState(IntEnum):
    """§4.1 Sta."""

    ADMIN_DOWN = 0
    DOWN = 1
    INIT = 2
    UP = 3


#: §4.1 Diag
NO_DIAGNOSTIC, TIME_EXPIRED, NEIGHBOR_DOWN, ADMINISTRATIVELY_DOWN = 0, 1, 3, 7


@value
class Control:
    """One BFD control packet."""

    state: BfdState
    mine: int  # My Discriminator
    yours: int
    multiplier: int
    desired_tx: float
    required_rx: float
    diagnostic: int = NO_DIAGNOSTIC
    poll: bool = False
    final: bool = False
    demand: bool = False


def build_control(packet: Control) -> bytes:
    """A control packet -> octets of a UDP payload."""
    flags = packet.state << 6 | _POLL * packet.poll | _FINAL * packet.final | _DEMAND * packet.demand
    times = (round(each * 1e6) for each in (packet.desired_tx, packet.required_rx))
    first = _VERSION << 5 | packet.diagnostic
    return _FORM.pack(first, flags, packet.multiplier, _FORM.size, packet.mine, packet.yours, *times, 0)


def parse_control(data: bytes) -> Control:
    """Octets of a UDP payload -> control packet, checked as §6.8.6 asks; ParseError where it must be discarded."""
    if len(data) < _FORM.size:
        raise ParseError("truncated", f"{len(data)} octets; a BFD control packet has {_FORM.size}")
    first, flags, multiplier, length, mine, yours, desired, required, _ = _FORM.unpack_from(data)
    state = BfdState(flags >> 6)
    if first >> 5 != _VERSION:
        raise ParseError("version", f"BFD version {first >> 5}")
    if not _FORM.size <= length <= len(data):
        raise ParseError("length", f"length {length} of {len(data)} octets")
    if flags & _AUTHENTICATED:
        raise ParseError("auth_type", "authentication is not in use")
    if multiplier == 0 or mine == 0 or flags & _MULTIPOINT:
        raise ParseError("type", "multiplier 0, discriminator 0 or multipoint")
    if yours == 0 and state > BfdState.DOWN:
        raise ParseError("type", f"state {state.name} without our discriminator")
    bits = (bool(flags & bit) for bit in (_POLL, _FINAL, _DEMAND))
    return Control(state, mine, yours, multiplier, desired / 1e6, required / 1e6, first & 31, *bits)


class BfdSession:
    """One session. Times are seconds of one monotonic clock; `deadline` is when `tick` wants to be called.

    `receive` and `tick` return the packets to send, in order.
    """

    def __init__(self, instance: BfdInstance, discriminator: int, chance: Callable[[], float]) -> None:
        """`discriminator`: ours, unique on this host, not 0; `chance`: numbers in 0..1 for the jitter (§6.8.7)."""
        self.instance, self.discriminator = instance, discriminator
        self._chance = chance
        self.state = BfdState.DOWN
        self.diagnostic = NO_DIAGNOSTIC
        #: What clients shall think of the path: a neighbour that says AdminDown is no failure (RFC 5882 §3.2).
        self.good = False
        self._remote: Control | None = None  # the last packet of the neighbour, None while there is none in time
        self._polling = False
        self._next = inf  # when the next packet is due
        self._expires = inf  # when the neighbour has been silent for too long

    @property
    def up(self) -> bool:
        return self.state is BfdState.UP

    @property
    def deadline(self) -> float:
        return min(self._next, self._expires)

    @property
    def desired_tx(self) -> float:
        """bfd.DesiredMinTxInterval."""
        return (self.instance.min_tx_ms if self.up else max(self.instance.idle_tx_ms, _SLOW * 1000)) / 1000

    @property
    def detection_time(self) -> float:
        """§6.8.4: for how long the neighbour may be silent; inf while it has not spoken."""
        if self._remote is None:
            return inf
        return self._remote.multiplier * max(self.instance.min_rx_ms / 1000, self._remote.desired_tx)

    def start(self, now: float) -> None:
        """Begin to send, unless passive: then the neighbour begins."""
        self._next = inf if self.instance.passive else now

    def stop(self) -> list[bytes]:
        """The end: tells the neighbour that it is meant."""
        self.state, self.diagnostic = BfdState.ADMIN_DOWN, ADMINISTRATIVELY_DOWN
        self._next = self._expires = inf
        return [self._packet()] if self._remote is not None else []

    def receive(self, packet: Control, now: float) -> list[bytes]:
        """A packet of this session (RFC 5880 §6.8.6)."""
        if self.state is BfdState.ADMIN_DOWN:
            return []
        silent = self._remote is None
        self._remote = packet
        if packet.final:
            self._polling = False
        was = self.state
        self._follow(packet.state)
        self._expires = now + self.detection_time
        if self.state is not was or silent or not packet.required_rx:
            self._next = now  # what is new is told at once
        elif self._next > now + self._interval:
            self._next = now + self._jittered()
        if not packet.required_rx:
            self._next = inf
        return [self._packet(final=True)] if packet.poll else []

    def tick(self, now: float) -> list[bytes]:
        """Time passed."""
        if self._expires <= now:
            self._expires = inf
            self._remote = None
            if self.state in (BfdState.INIT, BfdState.UP):
                self.state, self.diagnostic, self.good = BfdState.DOWN, TIME_EXPIRED, False
            self._polling = False
            self._next = inf if self.instance.passive else now
        if self._next > now:
            return []
        self._next = now + self._jittered()
        return [self._packet()]

    def _follow(self, theirs: BfdState) -> None:
        """The state machine of §6.2."""
        if theirs is BfdState.ADMIN_DOWN or (self.up and theirs is BfdState.DOWN):
            if self.state is not BfdState.DOWN:
                self.state, self.diagnostic = BfdState.DOWN, NEIGHBOR_DOWN
                self.good = self.good and theirs is BfdState.ADMIN_DOWN
        elif self.state is BfdState.DOWN and theirs is BfdState.DOWN:
            self.state = BfdState.INIT
        elif (self.state is BfdState.DOWN and theirs is BfdState.INIT) or (
            self.state is BfdState.INIT and theirs in (BfdState.INIT, BfdState.UP)
        ):
            self.state, self.diagnostic, self.good = BfdState.UP, NO_DIAGNOSTIC, True
            self._polling = True  # our intervals are other ones from now on (§6.8.3)

    @property
    def _interval(self) -> float:
        """§6.8.7: not faster than the neighbour can take."""
        return max(self.desired_tx, self._remote.required_rx if self._remote else 0.0)

    def _jittered(self) -> float:
        most = 0.90 if self.instance.multiplier == 1 else 1.0
        return self._interval * (0.75 + (most - 0.75) * self._chance())

    def _packet(self, *, final: bool = False) -> bytes:
        remote = self._remote
        return build_control(
            Control(
                self.state,
                self.discriminator,
                remote.mine if remote else 0,
                self.instance.multiplier,
                self.desired_tx,
                self.instance.min_rx_ms / 1000,
                self.diagnostic,
                self._polling and not final,
                final,
            )
        )
