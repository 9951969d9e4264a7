"""The kernel filter: every kind of frame behind every stack of tags, in an interpreter of ours and in the kernel."""

from __future__ import annotations

import ctypes
import socket
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.frame_samples import FOREIGN, OURS, VLAN_STACKS, damaged
from tests.core.veth import cable
from vrrpcore.cbpf import Instruction, assemble, chooser, encode, share_filter, share_of, vrrp_filter
from vrrpcore.frames import Arp, unwrap

Samples = list[tuple[str, bytes, bool]]
SO_ATTACH_FILTER: Final = 26
ETH_P_ALL: Final = 3
PACKET_OUTGOING: Final = 4


def run(program: Sequence[Instruction], frame: bytes, tag: int | None = None) -> int:
    """Classic BPF as linux/filter.h and the packet filter of 1993 define it; octets to pass, 0 drops.

    `tag` is what stood in a VLAN tag that the kernel took off.
    """
    a = x = at = 0
    while True:
        code, jt, jf, k = program[at]
        at += 1
        kind = code & 7
        if kind == 6:  # RET
            return a if code & 0x18 == 0x10 else k
        if code == 0:
            a = k
        elif k >= 0xFFFFF000:  # what the kernel knows beside the frame
            a = {44: tag or 0, 48: int(tag is not None)}[k - 0xFFFFF000]
        elif kind == 0:  # LD
            k -= 0xFFE00000 if k >= 0xFFE00000 else 0  # from the Ethernet header on
            size = {0x00: 4, 0x08: 2, 0x10: 1}[code & 0x18]
            offset = k + (x if code & 0xE0 == 0x40 else 0)
            if offset + size > len(frame):
                return 0
            a = int.from_bytes(frame[offset : offset + size], "big")
        elif kind == 1:  # LDX
            x = k
        elif kind == 4:  # ALU
            operand = x if code & 8 else k
            operations: dict[int, Callable[[int, int], int]] = {
                0x00: lambda p, q: p + q,
                0x20: lambda p, q: p * q,
                0x90: lambda p, q: p % q,
                0x50: lambda p, q: p & q,
                0x60: lambda p, q: p << q,
                0x70: lambda p, q: p >> q,
            }
            a = operations[code & 0xF0](a, operand) & 0xFFFFFFFF
        elif kind == 5:  # JMP
            at += k if code == 5 else jt if a == k else jf
        elif code == 0x07:
            x = a
        else:
            a = x


def samples() -> Samples:
    ours = [(f"{name}{vlans}", make(vlans), True) for name, make in OURS.items() for vlans in VLAN_STACKS]
    return ours + [(f"{name}{vlans}", make(vlans), False) for name, make in FOREIGN.items() for vlans in VLAN_STACKS]


@pytest.mark.parametrize(("name", "octets", "ours"), samples(), ids=[row[0] for row in samples()])
def test_what_is_ours_passes_and_nothing_else(name: str, octets: bytes, ours: bool) -> None:
    assert bool(run(vrrp_filter(), octets)) is ours
    tag = octets[12:14] if octets[12:14] in (b"\x81\x00", b"\x88\xa8") else None
    if tag:  # 9100, as older switches tag
        assert bool(run(vrrp_filter(), octets[:12] + b"\x91\x00" + octets[14:])) is ours


@pytest.mark.parametrize("name", [*OURS, *FOREIGN])
def test_interfaces_without_link_layer_have_a_program_too(name: str) -> None:
    octets = {**OURS, **FOREIGN}[name](())
    if octets[12:14] in (b"\x08\x00", b"\x86\xdd"):
        assert bool(run(vrrp_filter(ethernet=False), octets[14:])) is (name in OURS)


@settings(max_examples=500)
@given(damaged())
def test_the_filter_keeps_nothing_from_the_parser(octets: bytes) -> None:
    """Whatever the codec can say more of than that it is broken passes."""
    frame = unwrap(octets)
    if frame.ip is not None or isinstance(frame.body, Arp):
        assert run(vrrp_filter(), octets) or too_deep(octets)


def too_deep(octets: bytes) -> bool:
    """More than two tags in the frame: the kernel takes one off, so that is three on the wire and beyond the filter."""
    return all(octets[at : at + 2] in (b"\x81\x00", b"\x88\xa8", b"\x91\x00") for at in (12, 16, 20))


def test_jumps_reach_and_the_program_is_small() -> None:
    for ethernet in (True, False):
        program = vrrp_filter(ethernet)
        assert len(program) < 70
        assert len(encode(program)) == 8 * len(program)
        for at, (code, jt, jf, k) in enumerate(program):
            if code & 7 == 5:
                assert at + 1 + max(jt, jf, k if code == 5 else 0) < len(program)


def test_the_assembler_writes_what_linux_filter_h_says() -> None:
    source = """
             ldh [12]        ; ethertype
             jne #0x800, drop
             ldb [x+23]
             and #15
             lsh #2
             rsh #1
             add #8
             add x
             tax
             txa
             ldx #4
             ld [0]
             ld #3
             mul #5
             mod #2
             ldh [ll+12]
             ld vlan_tci
             ld vlan_avail
             ja accept
    drop:    ret #0
    accept:  ret a
    """
    assert assemble(source) == [
        (0x28, 0, 0, 12),
        (0x15, 0, 17, 0x800),
        (0x50, 0, 0, 23),
        (0x54, 0, 0, 15),
        (0x64, 0, 0, 2),
        (0x74, 0, 0, 1),
        (0x04, 0, 0, 8),
        (0x0C, 0, 0, 0),
        (0x07, 0, 0, 0),
        (0x87, 0, 0, 0),
        (0x01, 0, 0, 4),
        (0x20, 0, 0, 0),
        (0x00, 0, 0, 3),
        (0x24, 0, 0, 5),
        (0x94, 0, 0, 2),
        (0x28, 0, 0, 0xFFE0000C),
        (0x20, 0, 0, 0xFFFFF02C),
        (0x20, 0, 0, 0xFFFFF030),
        (0x05, 0, 0, 1),
        (0x06, 0, 0, 0),
        (0x16, 0, 0, 0),
    ]


@pytest.mark.parametrize(
    "source",
    [
        "mov #1",
        "ldh 12",
        "ret 0",
        "jeq #1",
        "jeq #1, nowhere\nret #0",
        "back: ret #0\njeq #1, back",  # backwards
        "ldh [12",
        "ldh",
        "ret #0 extra words",
    ],
)
def test_the_assembler_names_what_it_cannot_read(source: str) -> None:
    with pytest.raises(ValueError, match=r"^no (instruction|operand|label)"):
        assemble(source)


#: VLAN ids as a frame may carry them on a trunk; 0 is a priority tag.
TRUNK: Final = [(), (0,), (1,), (10,), (20,), (100,), (0, 100), (100, 7), (20, 0), (0, 0, 20), (4094,), (0xFFF, 3)]


@pytest.mark.parametrize("count", [2, 3, 8])
def test_a_frame_is_in_the_share_of_its_outermost_vlan_wherever_its_tags_are(count: int) -> None:
    for vlans in TRUNK:
        share = share_of(vlans, count)
        for name, make in OURS.items():
            in_data = make(vlans)
            ways: list[tuple[bytes, int | None]] = [(in_data, None)] if len(vlans) < 3 else []
            ways += [(in_data[:12] + in_data[16:], 0x6000 | vlans[0])] if vlans else []  # taken off, with priority bits
            if len(vlans) == 1:
                ways.append((in_data[:12] + b"\x91\x00" + in_data[14:], None))
            for octets, tag in ways:
                assert run(chooser(count), octets, tag) == share, (name, vlans)
                passes = [bool(run(share_filter(one, count), octets, tag)) for one in range(count)]
                assert passes == [one == share for one in range(count)], (name, vlans)
    assert share_of((), count) == share_of((0,), count) == 0


@pytest.mark.parametrize("name", FOREIGN)
def test_no_share_passes_what_is_not_ours(name: str) -> None:
    assert not any(run(share_filter(one, 2), FOREIGN[name](()), tag) for one in (0, 1) for tag in (None, 10, 11))


@pytest.mark.parametrize("step", [1, 2, 5, 10, 16, 100, 256])
@pytest.mark.parametrize("count", [2, 3, 4])
def test_the_usual_ways_of_numbering_vlans_spread_over_the_shares(step: int, count: int) -> None:
    ids = list(range(step, 4095, step))[:64]
    sizes = [sum(share_of((vlan,), count) == one for vlan in ids) for one in range(count)]
    assert min(sizes) >= len(ids) / count / 2, sizes


@dataclass
class Wire:
    """Both ends of a cable: frames go in at `sender`, the filter sits at `receiver`."""

    sender: socket.socket
    receiver: socket.socket

    def passes(self, octets: bytes) -> bool:
        """Send one frame, then a known advert; whether the first arrived before the second."""
        marker = OURS["v2"]((4000,))
        self.sender.send(octets)
        self.sender.send(marker)
        seen: list[bool] = []
        while not seen or seen[-1] is not True:
            data, address = self.receiver.recvfrom(2048)
            if address[2] == PACKET_OUTGOING:
                continue
            seen.append(data in (marker, marker[:12] + marker[16:]))
        return len(seen) > 1


def attach(wire: socket.socket, program: list[Instruction]) -> None:
    octets = encode(program)
    buffer = ctypes.create_string_buffer(octets, len(octets))
    wire.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HL", len(program), ctypes.addressof(buffer)))


@pytest.fixture(scope="module")
def wire() -> Iterator[Wire]:
    with cable("cbpf"):
        sender = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        receiver = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        with sender, receiver:
            sender.bind(("in", 0))
            attach(receiver, vrrp_filter())
            receiver.bind(("out", ETH_P_ALL))
            receiver.settimeout(10)
            yield Wire(sender, receiver)


@pytest.mark.root
def test_the_kernel_agrees_with_the_interpreter(wire: Wire) -> None:
    wrong = [name for name, octets, ours in samples() if wire.passes(octets.ljust(60, b"\0")) is not ours]
    assert wrong == []


@pytest.mark.root
def test_the_kernel_passes_a_third_tag_because_it_took_one_off(wire: Wire) -> None:
    octets = OURS["v2"]((10, 20, 30))
    assert run(vrrp_filter(), octets) == 0
    assert wire.passes(octets)


@pytest.mark.root
@given(st.lists(damaged(), min_size=20, max_size=60))
@settings(max_examples=5)
def test_the_kernel_agrees_on_damaged_frames(wire: Wire, many: list[bytes]) -> None:
    for octets in many:
        octets = octets.ljust(60, b"\0")
        expected = bool(run(vrrp_filter(), untagged(octets)))
        assert wire.passes(octets) is expected, octets.hex()


def untagged(octets: bytes) -> bytes:
    """What the kernel leaves: it takes off one outer tag of 8100 or 88a8."""
    return octets[:12] + octets[16:] if octets[12:14] in (b"\x81\x00", b"\x88\xa8") else octets
