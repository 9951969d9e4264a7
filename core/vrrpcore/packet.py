"""VRRP advertisements, bytes <-> values (RFC 3768 §5, RFC 9568 §5). Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Advertisement:
    """One VRRP ADVERTISEMENT as it was on the wire; `version` is a value, not a class tree.

    Addresses are packed octets in network order (4 or 16), in the order of the message: they compare as unsigned
    integers, as the election of RFC 9568 §6.4.3 wants.
    """

    version: int  # 2 or 3
    vrid: int  # 1..255
    priority: int  # 0..255
    addresses: tuple[bytes, ...]
    interval: float  # seconds: v2 whole seconds, v3 centiseconds / 100
    family: int = 4  # 4 or 6: of the IP packet that carried it
    auth_type: int = 0  # v2 only: 0 none, 1 simple password, 2 AH of RFC 2338
    auth_data: bytes = b""  # v2 only: always 8 octets on the wire
    checksum: int = 0  # as received; 0 when to be computed
    checksum_style: str = ""  # which formula verified: "message" (no pseudo-header), "pseudo", "either", "" unknown
    reserved: int = 0  # v3: upper nibble before Max Advertise Interval
    trailer: bytes = b""  # octets after the message (keepalived's HMAC)
