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
    and #k, lsh #k, rsh #k, add #k, add x                        ja l         go to l

A jump goes forward only. A load beyond the end of the frame drops it.
"""

from __future__ import annotations

import re
from struct import Struct
from typing import Final, TypeAlias

#: One `struct sock_filter`: code, jump if true, jump if false, k.
Instruction: TypeAlias = tuple[int, int, int, int]

_SOCK_FILTER: Final = Struct("=HBBI")
#: linux/filter.h: class | size | mode
_LOADS: Final = {"ld": 0x00, "ldh": 0x08, "ldb": 0x10}
_ABSOLUTE: Final = 0x20
_INDIRECT: Final = 0x40
_CONSTANTS: Final = {"ldx": 0x01, "and": 0x54, "lsh": 0x64, "rsh": 0x74, "add": 0x04, "ret": 0x06}
_PLAIN: Final = {"tax": 0x07, "txa": 0x87, "add x": 0x0C}
_JUMP: Final = 0x05
_JUMP_EQUAL: Final = 0x15
_LINE: Final = re.compile(r"(?:(?P<label>\w+):)?\s*(?P<op>\w+)(?:\s+(?P<operand>[^,\s]+))?(?:\s*,\s*(?P<target>\w+))?")
_OPERAND: Final = re.compile(r"#(?P<constant>0x[0-9a-f]+|\d+)|\[(?P<x>x\+)?(?P<offset>\d+)\]")


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
        return (_PLAIN[f"{op} {operand}".strip()], 0, 0, 0)
    number = _OPERAND.fullmatch(operand)
    if number is None:
        raise ValueError(f"no operand: {match[0]!r}")
    if number["offset"]:
        if op in _LOADS:
            return (_LOADS[op] | (_INDIRECT if number["x"] else _ABSOLUTE), 0, 0, int(number["offset"]))
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


def vrrp_filter(ethernet: bool = True) -> list[Instruction]:
    """The sensor's program for interfaces with an Ethernet header, or (`ethernet` False) with none: tunnels."""
    base = 14 if ethernet else 0
    network = re.sub(r"\{(\d+)\}", lambda match: str(base + int(match[1])), _NETWORK)
    return assemble((_ETHERNET if ethernet else _RAW) + network)
