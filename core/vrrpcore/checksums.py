"""The Internet checksum (RFC 1071) and the pseudo-headers that go before it (RFC 9568 §5.2.8, RFC 8200 §8.1). Pure.

The one's complement sum of 16-bit words is the remainder of the octets, read as one big number, modulo 65535:
the interpreter does that in C, several times faster than a loop over words. Octets that carry a right checksum
leave the remainder 0; no message of ours is all zeros, the one case in which the two would differ.
"""

from __future__ import annotations


def remainder(data: bytes) -> int:
    """One's complement sum of the 16-bit words of `data` modulo 65535 (odd length: a zero octet is appended)."""
    if len(data) & 1:
        data += b"\x00"
    return int.from_bytes(data, "big") % 65535


def pseudo_remainder(source: bytes, destination: bytes, length: int, protocol: int) -> int:
    """The same sum over a pseudo-header: addresses (4 or 16 octets each), upper-layer length, protocol number.

    IPv4 (RFC 793) and IPv6 (RFC 8200 §8.1) order their fields differently; the sum is the same.
    """
    return (int.from_bytes(source + destination, "big") + length + protocol) % 65535


def checksum(total: int) -> int:
    """The value for a checksum field whose message (with that field zero) and pseudo-header sum up to `total`."""
    return -total % 65535
