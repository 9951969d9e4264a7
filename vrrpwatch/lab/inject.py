"""A rogue or broken speaker inside a lab: sends adverts as told, whatever they do. Never outside of a lab."""

from __future__ import annotations

import socket
import time
from dataclasses import dataclass

from vrrpcore.addresses import VRRP_GROUP4, VRRP_GROUP6, pack
from vrrpcore.errors import UsageError
from vrrpcore.frames import build_advert
from vrrpcore.packet import Advertisement

from .standing import enter, the_lab


@dataclass(frozen=True, slots=True)
class Rogue:
    """What it claims, and how."""

    vrid: int = 51
    priority: int = 255
    version: int = 2
    interval: float = 1.0  # seconds
    source: str = "10.9.0.66"
    vips: tuple[str, ...] = ("10.9.0.100",)
    password: str = ""  # version 2: simple password
    ttl: int = 255
    mac: str = "02:00:00:00:00:66"
    count: int = 0  # 0: until interrupted


def frame(rogue: Rogue, ident: int) -> bytes:
    """One advert of the rogue as a frame; UsageError for what no frame can say."""
    try:
        source = pack(rogue.source)
        addresses = tuple(pack(vip) for vip in rogue.vips)
        mac = bytes.fromhex(rogue.mac.replace(":", ""))
    except ValueError as error:
        raise UsageError(f"lab inject: {error}") from None
    if len(mac) != 6 or any(len(address) != len(source) for address in addresses):
        raise UsageError("lab inject: source and addresses must be of one family, the MAC six octets")
    if not (
        0 <= rogue.vrid <= 255 and 0 <= rogue.priority <= 255 and 0 <= rogue.ttl <= 255 and rogue.version in (2, 3)
    ):
        raise UsageError("lab inject: vrid, priority and ttl are 0 to 255, version is 2 or 3")
    if not 0.01 <= rogue.interval <= 255:
        raise UsageError("lab inject: the interval is 0.01 to 255 seconds")
    family = 4 if len(source) == 4 else 6
    secret = rogue.password.encode()[:8].ljust(8, b"\0") if rogue.version == 2 else b""
    message = Advertisement(
        version=rogue.version,
        vrid=rogue.vrid,
        priority=rogue.priority,
        addresses=addresses,
        interval=rogue.interval,
        family=family,
        auth_type=1 if rogue.password and rogue.version == 2 else 0,
        auth_data=secret,
    )
    group = VRRP_GROUP4 if family == 4 else VRRP_GROUP6
    return build_advert(message, mac, source, group, ident=ident & 0xFFFF, ttl=rogue.ttl)


def run(rogue: Rogue, host: str, interface: str = "eth0") -> int:
    """Enter a host of the standing lab and advertise until the count is reached or Ctrl-C; how many were sent."""
    frame(rogue, 1)  # complain before entering
    enter(the_lab(), host)
    sent = 0
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as out:
        out.bind((interface, 0))
        following = time.monotonic()
        try:
            while not rogue.count or sent < rogue.count:
                sent += 1
                out.send(frame(rogue, sent))
                following += rogue.interval
                time.sleep(max(following - time.monotonic(), 0.0))
        except KeyboardInterrupt:
            pass
    return sent
