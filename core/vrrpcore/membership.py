"""Who in this host listens to the groups of VRRP, and how a sensor joins them.

A switch that snoops forwards a group only to ports where somebody asked for it: 224.0.0.0/24 is flooded by correct
switches (RFC 4541 §2.1.2), ff02::12 is not (§3), so a sensor joins both. Joining changes what the host reports about
itself: read `memberships()` first.
"""

from __future__ import annotations

import socket
from contextlib import suppress
from pathlib import Path
from struct import Struct
from typing import Final

from .addresses import VRRP_GROUP4, VRRP_GROUP6

_MREQN = Struct("=4s4si")
_MREQ6 = Struct("=16sI")
_PROC: Final = Path("/proc/thread-self/net")


def memberships(proc: Path = _PROC) -> dict[str, frozenset[bytes]]:
    """Interface -> packed IPv4 and IPv6 group addresses that this network namespace listens to now.

    Read from /proc/net/igmp and igmp6; a file that cannot be read adds nothing.
    """
    found: dict[str, set[bytes]] = {}
    name = ""
    for line in _lines(proc / "igmp"):
        words = line.split()
        if len(words) >= 3 and words[0].isdigit():
            name = words[1].rstrip(":")  # "2\teth0      :     2      V3"
            found.setdefault(name, set())
        elif name and words and len(words[0]) == 8:
            with suppress(ValueError):  # printed as one integer of the host's byte order
                found[name].add(Struct("=I").pack(int(words[0], 16)))
    for line in _lines(proc / "igmp6"):
        words = line.split()
        if len(words) >= 3 and len(words[2]) == 32:
            with suppress(ValueError):
                found.setdefault(words[1], set()).add(bytes.fromhex(words[2]))
    return {interface: frozenset(groups) for interface, groups in found.items()}


def _lines(path: Path) -> list[str]:
    try:
        return path.read_bytes().decode("utf-8", "replace").splitlines()
    except OSError:
        return []


class Joined:
    """Membership of both groups on one interface, for as long as this object is open. What fails is in `failed`."""

    def __init__(self, index: int) -> None:
        self._sockets: list[socket.socket] = []
        self.failed: tuple[str, ...] = ()
        level6, join6 = socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP
        join4 = (socket.AF_INET, socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, _MREQN.pack(VRRP_GROUP4, b"", index))
        for family, level, option, request in (
            join4,
            (socket.AF_INET6, level6, join6, _MREQ6.pack(VRRP_GROUP6, index)),
        ):
            group = "224.0.0.18" if family == socket.AF_INET else "ff02::12"
            try:
                sock = socket.socket(family, socket.SOCK_DGRAM)
            except OSError:  # a kernel without this family needs no group of it
                continue
            self._sockets.append(sock)
            try:
                sock.setsockopt(level, option, request)
            except OSError as error:
                self.failed += (f"{group}: {error.strerror}",)

    def close(self) -> None:
        """Leave both groups."""
        for sock in self._sockets:
            sock.close()
        self._sockets = []
