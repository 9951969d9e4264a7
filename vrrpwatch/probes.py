"""Asking who owns an address: ARP requests (RFC 826) and Neighbour Solicitations (RFC 4861 §7.2.2) as the judge wants.

A probe must not change what it measures. An ARP request comes from this host's own address when the asked one is in
its prefix, else from 0.0.0.0 (an ARP probe, RFC 5227 §1.1). A solicitation comes from our link-local address with our
link-layer address (RFC 4861 §4.3; Linux does not answer a stranger without one), and never from `::`, which would make
another host's tentative address fail its duplicate detection. Never is a virtual address the sender. At most one
request per address and second (unless a prober was made for more), whoever asks for more.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Final

from vrrpcore.errors import PermissionMissing
from vrrpcore.frames import Arp, build_arp, build_neighbour_solicitation
from vrrpcore.records import ETHERNET, Link
from vrrpwatch.local_addresses import by_interface

SPACING: Final = 1.0  # seconds between two requests for one address
REREAD: Final = 10.0  # seconds until this host's addresses are read again
NOBODY4: Final = bytes(4)
MAX_REMEMBERED: Final = 16384


@dataclass(slots=True)
class ProbeCounters:
    """What became of the requests; cumulative."""

    sent: int = 0
    unable: int = 0  # no link-local address, link gone, interface without Ethernet addresses
    held: int = 0  # asked for again too soon


class Prober:
    """Sends what the judge asks for, out of the interface that saw the segment.

    `links` gives the captured links of now. PermissionMissing from `ask` where packet sockets are not allowed.
    """

    def __init__(self, links: Callable[[], Iterable[Link]], spacing: float = SPACING) -> None:
        """`spacing`: seconds between two requests for one address, at least."""
        self.counters = ProbeCounters()
        self._links, self._spacing = links, spacing
        self._sockets: dict[str, socket.socket] = {}
        self._asked: dict[tuple[str, bytes], float] = {}
        self._waiting: dict[tuple[str, bytes], None] = {}  # asked for too soon after the last request
        self._own: dict[str, list[tuple[bytes, int]]] = {}  # interface -> (address, prefix length), kernel's order
        self._read_at = float("-inf")

    def ask(self, requests: Iterable[tuple[str, bytes]], virtual: Collection[bytes] = ()) -> int:
        """Send one request for each (segment, packed address); how many were sent.

        `virtual` are the virtual addresses that are known: never used as a sender, wherever they sit.
        """
        sent = 0
        now = time.monotonic()
        due = [key for key in self._waiting if now - self._asked[key] >= self._spacing]
        for key in due:
            del self._waiting[key]
        for key in (*due, *requests):
            if now - self._asked.get(key, float("-inf")) < self._spacing:
                # The judge's clock and ours may differ by moments: too early is later, not never.
                self.counters.held += key not in self._waiting
                self._waiting[key] = None
                continue
            self._remember(key, now)
            if self._send(*key, virtual, now):
                sent += 1
                self.counters.sent += 1
            else:
                self.counters.unable += 1
        return sent

    def _remember(self, key: tuple[str, bytes], now: float) -> None:
        if len(self._asked) >= MAX_REMEMBERED:
            self._asked = {
                old: at for old, at in self._asked.items() if now - at < self._spacing or old in self._waiting
            }
        self._asked[key] = now

    def _send(self, segment: str, address: bytes, virtual: Collection[bytes], now: float) -> bool:
        link, vlans = self._link(segment)
        if link is None:
            return False
        try:
            out = self._socket(link.name)
            mac = _mac(out)
            if not mac:
                return False
            frame = request(mac, address, self._addresses(link.name, now), virtual, vlans)
            if frame is None:
                return False
            out.send(frame)
        except PermissionError as error:
            raise PermissionMissing("probing needs CAP_NET_RAW: run as root, or use --no-probe") from error
        except OSError:  # the interface went down or away: the next request opens it anew
            self._forget(link.name)
            return False
        return True

    def _link(self, segment: str) -> tuple[Link | None, tuple[int, ...]]:
        """The link that shows a segment, and the VLAN ids that lead to it."""
        for link in self._links():
            if link.linktype != ETHERNET:
                continue
            if segment == link.segment:
                return link, ()
            rest = segment.removeprefix(f"{link.segment}.")
            if rest != segment and all(part.isdigit() for part in rest.split(".")):
                return link, tuple(int(part) for part in rest.split("."))
        return None, ()

    def _socket(self, interface: str) -> socket.socket:
        if interface not in self._sockets:
            # protocol 0: this socket sends only, the kernel shall not queue anything for it
            out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK, 0)
            try:
                out.bind((interface, 0))
            except OSError:
                out.close()
                raise
            self._sockets[interface] = out
        return self._sockets[interface]

    def _addresses(self, interface: str, now: float) -> list[tuple[bytes, int]]:
        if now - self._read_at > REREAD:
            self._own = {
                name: [(row.address, row.prefix) for row in rows if row.usable] for name, rows in by_interface().items()
            }
            self._read_at = now
        return self._own.get(interface, [])

    def _forget(self, interface: str) -> None:
        out = self._sockets.pop(interface, None)
        if out is not None:
            out.close()
        self._read_at = float("-inf")

    def mac(self, interface: str) -> bytes:
        """The interface's own Ethernet address now; b"" while nothing was sent there, or it has none."""
        try:
            return _mac(self._sockets[interface]) if interface in self._sockets else b""
        except OSError:
            return b""

    def close(self) -> None:
        """Close the sockets."""
        for interface in list(self._sockets):
            self._forget(interface)


def _mac(out: socket.socket) -> bytes:
    mac = bytes(out.getsockname()[4])
    return mac if len(mac) == 6 else b""


def request(
    mac: bytes,
    address: bytes,
    own: Iterable[tuple[bytes, int]],
    virtual: Collection[bytes] = (),
    vlans: tuple[int, ...] = (),
) -> bytes | None:
    """The frame that asks for `address`; None when this host has no address that may ask (IPv6 without link-local).

    `own` are this interface's addresses with prefix lengths; on a tagged segment they say nothing about its prefix.
    """
    usable = [(mine, prefix) for mine, prefix in own if len(mine) == len(address) and mine not in virtual]
    if len(address) == 4:
        sender = (
            NOBODY4 if vlans else next((mine for mine, prefix in usable if _inside(address, mine, prefix)), NOBODY4)
        )
        message = Arp(operation=1, sender_mac=mac, sender_ip=sender, target_mac=bytes(6), target_ip=address)
        return build_arp(message, vlans=vlans)
    local = next((mine for mine, _ in usable if ip_address(mine).is_link_local), None)
    if local is None:
        return None
    return build_neighbour_solicitation(mac, local, address, link_layer=mac, vlans=vlans)


def _inside(address: bytes, mine: bytes, prefix: int) -> bool:
    return mine != address and ip_address(address) in ip_network((mine, prefix), strict=False)
