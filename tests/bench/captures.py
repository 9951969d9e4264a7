"""Captures of any length for the benchmarks: many virtual routers, some of them contested, keepalived's habits.

2,000 routers by default: 250 VRIDs in each of 8 VLANs (the first one untagged), a quarter each of VRRPv2, VRRPv2 with a
password, VRRPv3 over IPv4 and over IPv6; every advert once a second with the IPv4 identification counted up; one
router in ten has a second master that goes on speaking.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from random import Random
from struct import Struct, pack

from vrrpcore.addresses import VRRP_GROUP4, VRRP_GROUP6
from vrrpcore.frames import build_advert
from vrrpcore.packet import Advertisement

START = 1_795_336_000
_RECORD = Struct("<IIII")
_VRIDS = 250


@dataclass(slots=True)
class Speaker:
    """One master: its frame in pieces around the fields that change."""

    phase: int  # microseconds into the second
    head: bytes
    middle: bytes
    tail: bytes
    sum: int  # of the IPv4 header without identification and checksum; 0: IPv6
    ident: int = 0
    length: int = 0

    def record(self, second: int, late: int = 0) -> bytes:
        """The record of one second, `late` microseconds after its time."""
        stamp = _RECORD.pack(START + second, self.phase + late, self.length, self.length)
        if not self.sum:
            return stamp + self.head
        self.ident = self.ident % 65535 + 1
        total = self.sum + self.ident
        total = (total & 0xFFFF) + (total >> 16)
        return b"".join((stamp, self.head, pack(">H", self.ident), self.middle, pack(">H", total ^ 0xFFFF), self.tail))


def speaker(router: int, rank: int, phase: int, kinds: int = 4) -> Speaker:
    """The `rank`-th master (0, 1) of a router; `kinds` 3 leaves out IPv6."""
    vlan, vrid = divmod(router, _VRIDS)
    kind = router % kinds
    family = 6 if kind == 3 else 4
    low = bytes((10 + vlan, vrid, rank + 1))
    address = bytes((10,)) + low if family == 4 else bytes.fromhex("fe80") + bytes(11) + low
    vip = bytes((10, 200 + vlan, vrid, 100)) if family == 4 else bytes.fromhex("fe80") + bytes(12) + bytes((vlan, vrid))
    advert = Advertisement(
        version=2 if kind < 2 else 3,
        vrid=vrid + 1,
        priority=150 - 50 * rank,
        addresses=(vip,),
        interval=1.0,
        family=family,
        auth_type=1 if kind == 1 else 0,
        auth_data=b"secret\0\0" if kind == 1 else bytes(8) if kind == 0 else b"",
    )
    group = VRRP_GROUP4 if family == 4 else VRRP_GROUP6
    mac = bytes((2, 0, *address[-4:]))
    frame = build_advert(advert, mac, address, group, vlans=(100 + vlan,) if vlan else ())
    frame = frame.ljust(60, b"\0")
    if family == 6:
        return Speaker(phase, frame, b"", b"", 0, 0, len(frame))
    at = 14 + (4 if vlan else 0)
    bare = frame[at : at + 4] + bytes(2) + frame[at + 6 : at + 10] + bytes(2) + frame[at + 12 : at + 20]
    words = sum(int.from_bytes(bare[n : n + 2], "big") for n in range(0, 20, 2))
    words = (words & 0xFFFF) + (words >> 16)
    return Speaker(phase, frame[: at + 4], frame[at + 6 : at + 10], frame[at + 12 :], words, 0, len(frame))


def speakers(routers: int, contested: float, kinds: int = 4) -> list[Speaker]:
    """All masters in the order of their phases."""
    found = []
    every = round(1 / contested) if contested else 0
    for router in range(routers):
        phase = (router * 7919) % 400_000
        found.append(speaker(router, 0, phase, kinds))
        if every and router % every == every - 1:
            found.append(speaker(router, 1, phase + 400_000, kinds))
    found.sort(key=lambda one: one.phase)
    return found


def _at(row: tuple[int, int, Speaker]) -> int:
    return row[0]


def write(
    path: Path, adverts: int, routers: int = 2000, contested: float = 0.1, kinds: int = 4, jitter: int = 0
) -> Path:
    """Write a capture unless it is there already; it appears under its name only when complete.

    `jitter`: each advert is up to so many microseconds late, so that their order changes from second to second.
    """
    if path.exists():
        return path
    random = Random(adverts)
    part = path.with_suffix(".part")
    everyone = speakers(routers, contested, kinds)
    written, second = 0, 0
    with part.open("wb", buffering=1 << 20) as file:
        file.write(pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262_144, 1))
        while written < adverts:
            now = [(one.phase, 0, one) for one in everyone]
            if jitter:
                late = [random.randrange(jitter) for _ in everyone]
                now = sorted(((one.phase + more, more, one) for one, more in zip(everyone, late, strict=True)), key=_at)
            now = now[: adverts - written]
            file.write(b"".join([one.record(second, more) for _, more, one in now]))
            written += len(now)
            second += 1
    os.replace(part, path)
    return path
