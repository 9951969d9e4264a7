"""VRRP advertisements, bytes <-> values. Pure.

VRRPv2 (RFC 3768 §5.1)                                     VRRPv3 (RFC 9568 §5.1)

     0                   1                   2                   3
     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
    |Version| Type  | Virtual Rtr ID|   Priority    |Count IP Addrs |
    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 v2 |   Auth Type   |   Adver Int   |          Checksum             |
 v3 |Reserve| Max Advertise Interval|          Checksum             |
    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
    |     IPvX Address (1) ... (n): 4 or 16 octets each             |
    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 v2 |     Authentication Data: 8 octets, always there               |
    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
    |     whatever follows in the IP payload: `trailer`             |

Three formulas are in use for the checksum of VRRPv3 over IPv4: the message alone ("message": RFC 9568, holo, Cisco,
Juniper), with a pseudo-header ("pseudo": keepalived, FRR), and, from keepalived <= 1.3.6 to unicast peers, with a
pseudo-header that names the group 224.0.0.18 as destination. The last counts as "pseudo": newer keepalived detects
and accepts it by itself. VRRPv2 knows the message alone, IPv6 the pseudo-header alone.
"""

from __future__ import annotations

from struct import Struct
from struct import error as StructError
from typing import Final

from .addresses import VRRP_GROUP4
from .checksums import checksum, pseudo_remainder, remainder
from .errors import ParseError
from .values import value

PROTOCOL: Final = 112  # RFC 9568 §5.1.1.4
ADVERTISEMENT: Final = 1  # the only type (RFC 9568 §5.2.2)
AUTH_DATA_LENGTH: Final = 8  # RFC 3768 §5.3.10
KNOWN_AUTH_TYPES: Final = (0, 1, 2)  # RFC 3768 §5.3.6: none, and the two of RFC 2338

_HEADER: Final = Struct("!BBBBHH")


@value
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


def parse(data: bytes, family: int, source: bytes, destination: bytes, *, empty: bool = False) -> Advertisement:
    """Octets of an IP payload -> Advertisement, checked as RFC 3768 §7.1 / RFC 9568 §7.1 ask of a receiver.

    `family` is 4 or 6; `source` and `destination` are packed (4 or 16 octets) and serve the checksum only. Empty
    ones mean unknown: what cannot be verified then gets the checksum style "". `empty`: an advert may name no
    address (keepalived's no_virtual_ipaddress; the RFCs want one at least).
    Raises ParseError with one of errors.INVALID_REASONS. TTL, VRID and interval against a local configuration are
    for the machine and the judge: here they are facts.
    """
    if len(data) < 8:
        raise ParseError("truncated", f"{len(data)} octets; the fixed part of an advertisement has 8")
    first, vrid, priority, count, word, received = _HEADER.unpack_from(data)
    version = first >> 4
    if (version != 3 and version != 2) or (version == 2 and family == 6):
        raise ParseError("version", f"version {version} over IPv{family}")
    if first & 15 != ADVERTISEMENT:
        raise ParseError("type", f"type {first & 15}")
    size = 4 if family == 4 else 16
    end = 8 + size * count
    if version == 2:
        end += AUTH_DATA_LENGTH
    if len(data) < end:
        raise ParseError("length", f"{len(data)} octets; {count} addresses need {end}")
    style = _verified_style(data, end, version, family, source, destination)
    if style is None:
        raise ParseError("checksum", f"0x{received:04x} verifies under no known formula")
    if vrid == 0:
        raise ParseError("vrid", "VRID 0")
    if count == 0 and not empty:
        raise ParseError("count", "no address")
    interval = word & 255 if version == 2 else word & 4095
    if interval == 0:
        raise ParseError("interval", "advertisement interval 0")
    addresses = (data[8:12],) if end == 12 else tuple([data[i : i + size] for i in range(8, 8 + size * count, size)])
    if version == 3:
        # Positional: keywords cost a fifth of this function's time, and it runs once per distinct advert.
        return Advertisement(
            3, vrid, priority, addresses, interval / 100, family, 0, b"", received, style, word >> 12, data[end:]
        )
    if word >> 8 not in KNOWN_AUTH_TYPES:
        raise ParseError("auth_type", f"authentication type {word >> 8}")
    auth_data = data[end - AUTH_DATA_LENGTH : end]
    return Advertisement(
        2, vrid, priority, addresses, float(interval), 4, word >> 8, auth_data, received, style, 0, data[end:]
    )


def _verified_style(data: bytes, end: int, version: int, family: int, source: bytes, destination: bytes) -> str | None:
    """The formula under which the checksum of data[:end] verifies, "" when that cannot be known, None when none.

    Octets after the message are tried without and with: a sender that lets its kernel compute the checksum (IPv6
    raw sockets) covers its whole payload.
    """
    for octets in (data[:end], data) if len(data) > end else (data,):
        total = remainder(octets)
        if version == 2:
            if total == 0:
                return "message"
            continue
        if not source or not destination:
            return "message" if family == 4 and total == 0 else ""
        covered = pseudo_remainder(source, destination, len(octets), PROTOCOL)
        if (total + covered) % 65535 == 0:
            return "either" if family == 4 and total == 0 else "pseudo"
        if family == 6:
            continue
        if total == 0:
            return "message"
        if destination[0] < 224:
            grouped = pseudo_remainder(source, VRRP_GROUP4, len(octets), PROTOCOL)
            if (total + grouped) % 65535 == 0:
                return "pseudo"
    return None


def build(advert: Advertisement, source: bytes, destination: bytes, style: str = "") -> bytes:
    """Advertisement -> octets of the IP payload: the inverse of `parse`.

    A non-zero `advert.checksum` is written as it stands, 0 is computed: for VRRPv3 over IPv4 by `style` ("message" or
    "pseudo"), else by the advert's own checksum_style, else "pseudo" as keepalived and FRR send it.
    What fits its field is written even when `parse` would refuse it (VRID 0, no address): tests and the lab need
    such frames. What does not fit raises ValueError.
    """
    size = 4 if advert.family == 4 else 16
    if any(len(address) != size for address in advert.addresses):
        raise ValueError(f"every address of an IPv{advert.family} advertisement has {size} octets")
    if advert.version == 2:
        word, tail = _version2_fields(advert)
    else:
        word, tail = _version3_interval(advert), b""
    message = b"".join(
        (_header(advert, word, advert.checksum), *advert.addresses, tail),
    )
    if not advert.checksum:
        total = remainder(message)
        if advert.version != 2 and (advert.family == 6 or (style or advert.checksum_style) != "message"):
            total += pseudo_remainder(source, destination, len(message), PROTOCOL)
        message = b"".join((message[:6], checksum(total).to_bytes(2, "big"), message[8:]))
    return message + advert.trailer


def _header(advert: Advertisement, word: int, value: int) -> bytes:
    first = advert.version << 4 | ADVERTISEMENT
    try:
        return _HEADER.pack(first, advert.vrid, advert.priority, len(advert.addresses), word, value)
    except StructError as error:
        raise ValueError(f"a field of {advert} does not fit: {error}") from None


def _version2_fields(advert: Advertisement) -> tuple[int, bytes]:
    """The word of authentication type and interval, and the 8 octets of authentication data."""
    seconds = round(advert.interval)
    if seconds != advert.interval or not 0 <= seconds <= 255 or not 0 <= advert.auth_type <= 255:
        raise ValueError(f"VRRPv2 wants whole seconds up to 255 and an authentication type up to 255, not {advert}")
    if len(advert.auth_data) > AUTH_DATA_LENGTH:
        raise ValueError(f"VRRPv2 has {AUTH_DATA_LENGTH} octets of authentication data, not {len(advert.auth_data)}")
    return advert.auth_type << 8 | seconds, advert.auth_data.ljust(AUTH_DATA_LENGTH, b"\x00")


def _version3_interval(advert: Advertisement) -> int:
    """The word of the reserved nibble and the interval in centiseconds."""
    centiseconds = round(advert.interval * 100)
    if not 0 <= centiseconds <= 4095 or not 0 <= advert.reserved <= 15:
        raise ValueError(f"VRRPv3 has 12 bits of centiseconds and 4 reserved bits, not {advert}")
    return advert.reserved << 12 | centiseconds
