"""BFD: octets of RFC 5880 §4.1, the state machine of §6.2, its timers, and two sessions on a wire that loses."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vrrpcore.addresses import pack
from vrrpcore.bfd import (
    ADMINISTRATIVELY_DOWN,
    NEIGHBOR_DOWN,
    TIME_EXPIRED,
    BfdSession,
    BfdState,
    Control,
    build_control,
    parse_control,
)
from vrrpcore.errors import ParseError
from vrrpcore.settings import BfdInstance

UP = Control(BfdState.UP, 7, 9, 3, 0.05, 0.1, poll=True)
OCTETS = "20 e0 03 18 00000007 00000009 0000c350 000186a0 00000000"
#: version 1, no diagnostic | UP, poll | multiplier | length | mine | yours | 50 ms | 100 ms | no echo


def test_the_octets_are_those_of_the_rfc_and_are_read_back() -> None:
    assert build_control(UP) == bytes.fromhex(OCTETS.replace(" ", ""))
    assert parse_control(build_control(UP)) == UP


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ((0, 0x40), "version"),
        ((1, 0xE4), "auth_type"),
        ((1, 0xE1), "type"),  # multipoint
        ((2, 0), "type"),  # multiplier
        ((3, 23), "length"),
        ((3, 25), "length"),
        ((7, 0), "type"),  # my discriminator
        ((11, 0), "type"),  # up without ours
    ],
)
def test_what_must_be_discarded_is(change: tuple[int, int], reason: str) -> None:
    octets = bytearray(build_control(UP))
    octets[change[0]] = change[1]
    with pytest.raises(ParseError) as raised:
        parse_control(bytes(octets))
    assert raised.value.reason == reason


@given(st.binary(max_size=40))
def test_any_octets_are_a_packet_or_our_error(octets: bytes) -> None:
    try:
        parse_control(octets)
    except ParseError:
        pass


class Pair:
    """Two sessions on a wire with a virtual clock."""

    def __init__(self, loss: float = 0.0, **changes: float) -> None:
        self.now, self.chance, self.loss = 100.0, random.Random(1), loss
        one = BfdInstance("B", pack("10.9.0.2"), min_rx_ms=100, min_tx_ms=50, multiplier=3)
        two = BfdInstance("B", pack("10.9.0.1"), min_rx_ms=20, min_tx_ms=20, multiplier=5, **changes)  # type: ignore[arg-type]
        self.ends = [BfdSession(one, 1, self.chance.random), BfdSession(two, 2, self.chance.random)]
        self.sent: list[tuple[float, int, Control]] = []
        self.cut = False
        for each in self.ends:
            each.start(self.now)

    def carry(self, sender: int, packets: list[bytes]) -> None:
        for octets in packets:
            packet = parse_control(octets)
            self.sent.append((self.now, sender, packet))
            if not self.cut and self.chance.random() >= self.loss:
                self.carry(1 - sender, self.ends[1 - sender].receive(packet, self.now))

    def run(self, seconds: float) -> None:
        until = self.now + seconds
        while min(each.deadline for each in self.ends) <= until:
            sender = min((0, 1), key=lambda at: self.ends[at].deadline)
            self.now = max(self.now, self.ends[sender].deadline)
            self.carry(sender, self.ends[sender].tick(self.now))
        self.now = until

    @property
    def up(self) -> tuple[bool, bool]:
        return self.ends[0].up, self.ends[1].up


def test_two_ends_come_up_and_then_keep_to_what_the_other_can_take() -> None:
    pair = Pair()
    pair.run(3.0)
    assert pair.up == (True, True)
    assert not any(each._polling for each in pair.ends)
    begin = pair.now
    pair.run(10.0)
    for sender, interval in ((0, 0.05), (1, 0.1)):  # the second wants 20 ms, the first takes no more than each 100
        count = sum(1 for when, who, _ in pair.sent if who == sender and when > begin)
        assert 10 / interval <= count <= 10 / interval / 0.75 + 1
    assert [each.detection_time for each in pair.ends] == [pytest.approx(0.5), pytest.approx(0.15)]


def test_silence_is_found_in_the_detection_time_and_ends_when_it_ends() -> None:
    pair = Pair()
    pair.run(5.0)
    pair.cut = True
    pair.run(0.5 + 0.001)
    assert pair.up == (False, False)
    assert [each.diagnostic for each in pair.ends] == [TIME_EXPIRED, TIME_EXPIRED]
    begin = pair.now
    pair.run(10.0)
    assert sum(1 for when, _, _ in pair.sent if when > begin) <= 2 * (10 / 0.75 + 1)  # one a second while down
    pair.cut = False
    pair.run(3.0)
    assert pair.up == (True, True)


def test_an_end_that_is_switched_off_is_no_failure_of_the_path() -> None:
    pair = Pair()
    pair.run(5.0)
    pair.carry(0, pair.ends[0].stop())
    assert (pair.ends[1].state, pair.ends[1].diagnostic, pair.ends[1].good) == (BfdState.DOWN, NEIGHBOR_DOWN, True)
    assert pair.sent[-1][2].diagnostic == ADMINISTRATIVELY_DOWN
    pair.run(60.0)
    assert pair.ends[1].good
    assert pair.ends[0].deadline == float("inf")


def test_one_that_was_restarted_takes_the_other_down_and_up_again() -> None:
    pair = Pair()
    pair.run(5.0)
    pair.ends[0] = BfdSession(pair.ends[0].instance, 77, pair.chance.random)
    pair.ends[0].start(pair.now)
    pair.carry(0, pair.ends[0].tick(pair.now))
    assert not pair.ends[1].good
    pair.run(3.0)
    assert pair.up == (True, True)


def test_a_passive_end_waits_and_two_of_them_wait_for_ever() -> None:
    pair = Pair(passive=True)
    assert pair.ends[1].deadline == float("inf")
    pair.run(3.0)
    assert pair.up == (True, True)


@given(st.integers(0, 2**32), st.floats(0.0, 0.5))
def test_after_any_losses_both_ends_are_up_together(seed: int, loss: float) -> None:
    pair = Pair(loss=loss)
    pair.chance.seed(seed)
    pair.run(20.0)
    pair.loss = 0.0
    pair.run(10.0)
    assert pair.up == (True, True)
