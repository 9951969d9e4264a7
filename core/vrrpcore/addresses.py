"""Packed addresses as text and back: everywhere inside, an address is its octets in network order."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import ip_address

VRRP_GROUP4 = bytes((224, 0, 0, 18))  # RFC 9568 §5.1.1.2
VRRP_GROUP6 = bytes.fromhex("ff020000000000000000000000000012")  # RFC 9568 §5.1.2.2


@lru_cache(maxsize=65536)
def text(address: bytes) -> str:
    """`b"\\n\\x00\\x00\\x01"` -> `"10.0.0.1"`; 16 octets give RFC 5952 text."""
    if len(address) == 4:
        a, b, c, d = address  # a tenth of the cost
        return f"{a}.{b}.{c}.{d}"
    return str(ip_address(address))


@lru_cache(maxsize=65536)
def mac_text(mac: bytes) -> str:
    """Six octets -> `"02:00:00:00:00:01"`."""
    return mac.hex(":")


def pack(address: str) -> bytes:
    """`"10.0.0.1"` -> 4 octets, `"fd00::1"` -> 16; ValueError otherwise."""
    return ip_address(address.split("%", 1)[0]).packed


def virtual_mac(family: int, vrid: int) -> bytes:
    """The virtual router MAC address 00-00-5E-00-{01,02}-{VRID} (RFC 9568 §7.3)."""
    return bytes((0, 0, 0x5E, 0, 1 if family == 4 else 2, vrid))


def is_virtual_mac(mac: bytes) -> bool:
    """Whether a MAC is in the range that VRRP reserves (RFC 9568 §7.3)."""
    return mac[:4] == b"\x00\x00\x5e\x00" and mac[4:5] in (b"\x01", b"\x02")
