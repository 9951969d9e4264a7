"""The kernel filter of a sensor: a small assembler for classic BPF, and the program that passes what is ours. Pure.

A packet socket without a filter is woken for every frame of the machine. This program runs in the kernel (compiled
to machine code there) and passes only what `frames.unwrap` reads: VRRP and CARP (protocol 112), AH that carries it,
ARP, Neighbour Solicitations and Advertisements, IGMP, MLD reports — behind 0, 1 or 2 VLAN tags in the frame. One
outer tag more may have been taken off by the kernel before. `proto 112`, as tcpdump compiles it, finds none of the
tagged ones.

Source lines are `[label:] mnemonic [operand] [, label]`, after the kernel's own bpf_asm:

    ld|ldh|ldb [k]     A = word, half word or octet at k         ret #k       let k octets through; 0 drops
    ld|ldh|ldb [x+k]   the same at X + k                         jeq #k, l    if A == k go to l, else to the next line
    ldx #k, tax, txa   X = k, X = A, A = X                       jne #k, l    the other way round
    and #k, lsh #k, rsh #k, add #k, add x, mul #k, mod #k        ja l         go to l
    ld #k                 A = k                                  ret a        the number in A
    ldh [ll+k]            the same from the Ethernet header on, wherever the program's own offset 0 is
    ld vlan_avail         whether the kernel took a tag off      ld vlan_tci  and what stood in it

A jump goes forward only. A load beyond the end of the frame drops it.

Several processes may share a wire by VLAN: `share_filter` passes the share of one of them, `chooser` says to a
PACKET_FANOUT group whose a frame is, `share_of` is what both compute.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from struct import Struct
from typing import Final, TypeAlias

#: One `struct sock_filter`: code, jump if true, jump if false, k.
Instruction: TypeAlias = tuple[int, int, int, int]

_SOCK_FILTER: Final = Struct("=HBBI")
#: linux/filter.h: class | size | mode
_LOADS: Final = {"ld": 0x00, "ldh": 0x08, "ldb": 0x10}
_ABSOLUTE: Final = 0x20
_INDIRECT: Final = 0x40
_CONSTANTS: Final = {
    "ld": 0x00,
    "ldx": 0x01,
    "ret": 0x06,
    "add": 0x04,
    "mul": 0x24,
    "and": 0x54,
    "lsh": 0x64,
    "rsh": 0x74,
    "mod": 0x94,
}
_ANCILLARY: Final = 0xFFFFF000  # SKF_AD_OFF: not octets of the frame but what the kernel knows of it
_LINK_LAYER: Final = 0xFFE00000  # SKF_LL_OFF
_PLAIN: Final = {
    "tax": (0x07, 0),
    "txa": (0x87, 0),
    "add x": (0x0C, 0),
    "ret a": (0x16, 0),
    "ld vlan_tci": (0x20, _ANCILLARY + 44),
    "ld vlan_avail": (0x20, _ANCILLARY + 48),
}
_JUMP: Final = 0x05
_JUMP_EQUAL: Final = 0x15
_LINE: Final = re.compile(r"(?:(?P<label>\w+):)?\s*(?P<op>\w+)(?:\s+(?P<operand>[^,\s]+))?(?:\s*,\s*(?P<target>\w+))?")
_OPERAND: Final = re.compile(r"#(?P<constant>0x[0-9a-f]+|\d+)|\[(?P<base>x\+|ll\+)?(?P<offset>\d+)\]")


def assemble(source: str) -> list[Instruction]:
    """Source text -> instructions; ValueError names the line that makes no sense.

    Everything after `;` is a comment.
    """
    lines = [text for text in (line.split(";")[0].strip() for line in source.splitlines()) if text]
    labels: dict[str, int] = {}
    matches: list[re.Match[str]] = []
    for at, line in enumerate(lines):
        match = _LINE.fullmatch(line)
        if match is None:
            raise ValueError(f"no instruction: {line!r}")
        if match["label"]:
            labels[match["label"]] = at
        matches.append(match)
    return [_instruction(match, at, labels) for at, match in enumerate(matches)]


def _instruction(match: re.Match[str], at: int, labels: dict[str, int]) -> Instruction:
    op, operand, target = match["op"], match["operand"] or "", match["target"]
    if op == "ja":
        return (_JUMP, 0, 0, _distance(operand, at, labels, 0xFFFFFFFF))
    if f"{op} {operand}".strip() in _PLAIN:
        code, k = _PLAIN[f"{op} {operand}".strip()]
        return (code, 0, 0, k)
    number = _OPERAND.fullmatch(operand)
    if number is None:
        raise ValueError(f"no operand: {match[0]!r}")
    if number["offset"]:
        if op in _LOADS:
            base = _LINK_LAYER if number["base"] == "ll+" else 0
            return (
                _LOADS[op] | (_INDIRECT if number["base"] == "x+" else _ABSOLUTE),
                0,
                0,
                base + int(number["offset"]),
            )
    elif op in ("jeq", "jne") and target:
        distance = _distance(target, at, labels, 255)
        jumps = (distance, 0) if op == "jeq" else (0, distance)
        return (_JUMP_EQUAL, *jumps, int(number["constant"], 0))
    elif op in _CONSTANTS:
        return (_CONSTANTS[op], 0, 0, int(number["constant"], 0))
    raise ValueError(f"no instruction: {match[0]!r}")


def _distance(label: str, at: int, labels: dict[str, int], most: int) -> int:
    """Lines between the jump and its label."""
    if label not in labels or not 0 <= labels[label] - at - 1 <= most:
        raise ValueError(f"no label {label!r} within reach ahead of line {at + 1}")
    return labels[label] - at - 1


def encode(program: list[Instruction]) -> bytes:
    """Instructions -> the array of `struct sock_filter` that SO_ATTACH_FILTER's `struct sock_fprog` points to."""
    return b"".join(_SOCK_FILTER.pack(*instruction) for instruction in program)


# Network layer: A holds the ethertype, X what the VLAN tags add to every offset; {n} is an offset in the network
# header of an untagged frame. IPv6 chains of two extension headers and more are let through and left to the parser.
_NETWORK: Final = """
    network: jeq #0x0800, ipv4
             jeq #0x86dd, ipv6
             jeq #0x0806, accept
             ja drop
    ipv4:    ldb [x+{9}]                ; protocol
             jeq #112, accept
             jeq #2, accept             ; IGMP
             jne #51, drop
             ldb [x+{0}]                ; AH: what follows the header of IHL words
             and #15
             lsh #2
             add x
             tax
             ldb [x+{0}]
             jeq #112, accept
             ja drop
    ipv6:    ldb [x+{6}]                ; next header
             jeq #112, accept
             jeq #58, icmp
             jeq #51, ah
             jeq #0, option             ; hop by hop, destination, routing, fragment: all name the next one first
             jeq #60, option
             jeq #43, option
             jne #44, drop
    option:  ldb [x+{40}]
             jne #58, chain
             ldb [x+{41}]               ; ICMPv6 behind one header of (length + 1) * 8 octets
             lsh #3
             add #8
             add x
             tax
             ja icmp
    ah:      ldb [x+{40}]
             jeq #58, accept
    chain:   jeq #112, accept
             jeq #0, accept
             jeq #60, accept
             jeq #43, accept
             jeq #44, accept
             jeq #51, accept
             ja drop
    icmp:    ldb [x+{40}]               ; type
             jeq #135, accept
             jeq #136, accept
             jeq #131, accept
             jeq #132, accept
             jeq #143, accept
    drop:    ret #0
    accept:  ret #262144
"""
_ETHERNET: Final = """
             ldx #0
             ldh [12]
             jeq #0x8100, tag
             jeq #0x88a8, tag
             jne #0x9100, network
    tag:     ldx #4
             ldh [16]
             jeq #0x8100, tag2
             jeq #0x88a8, tag2
             jne #0x9100, network
    tag2:    ldx #8
             ldh [20]
"""
_RAW: Final = """
             ldx #0
             ldb [0]
             rsh #4
             jeq #4, ipv4
             jeq #6, ipv6
             ja drop
"""


# A = the share of a frame: its outermost VLAN id that is not 0 (that one is a priority tag and no other domain), mixed,
# because ids are often multiples of 10, modulo their number. {count} is the number.
_MIX: Final = 0x9E3779B1
_SHARE: Final = f"""
             ld vlan_avail
             jeq #0, frame
             ld vlan_tci
             and #0xfff
             jne #0, mix
    frame:   ldh [ll+12]
             jeq #0x8100, outer
             jeq #0x88a8, outer
             jne #0x9100, none
    outer:   ldh [ll+14]
             and #0xfff
             jne #0, mix
             ldh [ll+16]
             jeq #0x8100, inner
             jeq #0x88a8, inner
             jne #0x9100, none
    inner:   ldh [ll+18]
             and #0xfff
             ja mix
    none:    ld #0
    mix:     mul #{_MIX:#x}
             rsh #16
             mod #{{count}}
"""


def share_of(vlans: Iterable[int], count: int) -> int:
    """Which of `count` shares the frames of a broadcast domain are in; VLAN ids outermost first, () is untagged."""
    return ((next((vlan for vlan in vlans if vlan), 0) * _MIX & 0xFFFFFFFF) >> 16) % count


def vrrp_filter(ethernet: bool = True) -> list[Instruction]:
    """The sensor's program for interfaces with an Ethernet header, or (`ethernet` False) with none: tunnels."""
    return assemble(_vrrp(ethernet))


def share_filter(share: int, count: int) -> list[Instruction]:
    """`vrrp_filter` for Ethernet that passes one of `count` shares (0 has all that is untagged) and no other frame."""
    return assemble(f"{_SHARE.format(count=count)} jne #{share}, drop {_vrrp(ethernet=True)}")


def chooser(count: int) -> list[Instruction]:
    """A program for PACKET_FANOUT_DATA: the number of the member that a frame is for."""
    return assemble(f"{_SHARE.format(count=count)} ret a")


def _vrrp(ethernet: bool) -> str:
    base = 14 if ethernet else 0
    return (_ETHERNET if ethernet else _RAW) + re.sub(r"\{(\d+)\}", lambda at: str(base + int(at[1])), _NETWORK)
