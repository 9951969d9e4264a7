"""Everything that a virtual router sends, rendered ahead: adverts for each destination, gratuitous ARP, NA. Pure."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence

from vrrpcore.frames import ah_coverage, build_garp, build_unsolicited_na, ipv4_packet, ipv6_packet
from vrrpcore.packet import PROTOCOL, Advertisement, build
from vrrpcore.settings import Instance, VirtualAddress
from vrrpcore.speaker.announce import Shot

_AUTH_NUMBERS = {"none": 0, "pass": 1, "ah": 2}
_AH_PROTOCOL = 51
_ICV_LENGTH = 12


def advertisement(instance: Instance, priority: int) -> Advertisement:
    """What the instance says with this priority."""
    number = _AUTH_NUMBERS[instance.auth_type] if instance.version == 2 else 0
    data = instance.auth_data.ljust(8, b"\0") if number == 1 else bytes(8)
    return Advertisement(
        version=instance.version,
        vrid=instance.vrid,
        priority=priority,
        addresses=tuple(each.address for each in instance.addresses),
        interval=instance.advert_interval_seconds,
        family=instance.family,
        auth_type=number,
        auth_data=data if instance.version == 2 else b"",
    )


class Adverts:
    """The IP packets of one virtual router's adverts.

    IPv4 identification counts 1, 2, 3 … for each advert of the router, as keepalived's does (0 would let the kernel
    choose); all unicast copies of one advert bear the same number.
    """

    def __init__(self, instance: Instance, source: bytes, ident: int = 0, sequence: int = 0) -> None:
        self.instance, self.source = instance, source
        self.ident, self.sequence = ident, sequence
        self.destinations = self._destinations()
        self._rendered: dict[int, list[tuple[bytearray, bytes]]] = {}

    def _destinations(self) -> tuple[bytes, ...]:
        if self.instance.unicast:
            return tuple(peer.address for peer in self.instance.unicast_peers)
        return (self.instance.multicast_group,)

    def next(self, priority: int) -> list[tuple[bytearray, bytes]]:
        """(packet, destination) pairs of the next advert; valid until the next call."""
        rendered = self._rendered.get(priority)
        if rendered is None:
            rendered = [(bytearray(self._render(priority, each)), each) for each in self.destinations]
            self._rendered[priority] = rendered
        if self.instance.family == 4:
            self.ident = self.ident % 0xFFFF + 1
            high, low = self.ident >> 8, self.ident & 0xFF
            for packet, _ in rendered:
                packet[4] = high
                packet[5] = low
            if self.instance.auth_type == "ah" and self.instance.version == 2:
                self.sequence = self.sequence % 0xFFFFFFFF + 1
                for packet, _ in rendered:
                    self._authenticate(packet)
        return rendered

    def follow(self, sequence: int) -> None:
        """A peer's authenticated advert had this AH sequence number: ours go on behind it. keepalived has one counter
        for all that it hears and sends, and refuses whoever takes over with a lower one."""
        if not self.sequence or 0 < (sequence - self.sequence) % (1 << 32) < 1 << 31:
            self.sequence = sequence

    def _render(self, priority: int, destination: bytes) -> bytes:
        instance = self.instance
        ttl = instance.unicast_ttl if instance.unicast else 255
        style = "message" if instance.v3_checksum_as_v2 else "pseudo"
        message = build(advertisement(instance, priority), self.source, destination, style)
        if instance.family == 6:
            return ipv6_packet(self.source, destination, PROTOCOL, message, hop_limit=ttl)
        if instance.auth_type == "ah" and instance.version == 2:
            # next header, length in words minus 2, reserved, SPI = our address (as keepalived), sequence, ICV
            header = bytes((PROTOCOL, (12 + _ICV_LENGTH) // 4 - 2, 0, 0)) + self.source + bytes(4 + _ICV_LENGTH)
            return ipv4_packet(self.source, destination, _AH_PROTOCOL, header + message, ttl=ttl)
        return ipv4_packet(self.source, destination, PROTOCOL, message, ttl=ttl)

    def _authenticate(self, packet: bytearray) -> None:
        packet[28:32] = self.sequence.to_bytes(4, "big")
        packet[32 : 32 + _ICV_LENGTH] = authenticator(bytes(packet), self.instance.auth_data)


def authenticator(packet: bytes, secret: bytes) -> bytes:
    """HMAC-MD5-96 over an IPv4 packet with an authentication header, as keepalived computes it (RFC 2403)."""
    return hmac.new(secret, ah_coverage(packet, _ICV_LENGTH), hashlib.md5).digest()[:_ICV_LENGTH]


def shots(places: Sequence[tuple[VirtualAddress, str, bytes]], router: bool) -> tuple[Shot, ...]:
    """One announcement for each (address, interface, MAC); `router`: the R flag of unsolicited NA."""
    found = []
    for address, interface, mac in places:
        if address.family == 4:
            found.append(Shot(interface, build_garp(mac, address.address), False))
        else:
            found.append(Shot(interface, build_unsolicited_na(mac, address.address, router=router), True))
    return tuple(found)
