"""How keepalived reads numbers, times, names and addresses; what it would say of a word that is none."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address

UINT_MAX = 2**32 - 1
INT_MAX = 2**31 - 1
INT_MIN = -(2**31)

#: Longest interface name of Linux (IFNAMSIZ - 1).
MAX_INTERFACE_NAME = 15

_DECIMAL = re.compile(r"([0-9]*)(?:\.([0-9]*))?\Z")
_STRTOL = re.compile(r"[ \t\n\v\f\r]*([+-]?[0-9]+)\Z")


class Rejected(Exception):
    """A word that keepalived does not take; the text says why."""


def signed(text: str, low: int = INT_MIN, high: int = INT_MAX) -> int:
    """A decimal integer in a range, as strtol reads it to the last character."""
    match = _STRTOL.match(text)
    if match is None:
        raise Rejected(f"'{text}' is not a number")
    value = int(match.group(1)) if len(match.group(1)) < 30 else INT_MAX + 1
    if not low <= value <= high:
        raise Rejected(f"{text} is outside of {low} to {high}")
    return value


def unsigned(text: str, low: int = 0, high: int = UINT_MAX) -> int:
    """A decimal number that is not negative, in a range."""
    if text.lstrip(" \t\n\v\f\r").startswith("-"):
        raise Rejected(f"{text} is negative")
    return signed(text, low, high)


def unsigned_any_base(text: str, low: int = 0, high: int = UINT_MAX) -> int:
    """A number that may be written as 0x… or octal."""
    try:
        value = int(text, 16) if text[:2] in ("0x", "0X") else int(text, 8 if re.match(r"0[0-7]+\Z", text) else 10)
    except ValueError:
        raise Rejected(f"'{text}' is not a number") from None
    if not low <= value <= high:
        raise Rejected(f"{text} is outside of {low} to {high}")
    return value


def decimal(text: str, low: int, high: int, digits: int) -> int:
    """A decimal fraction as an integer in units of 10**-digits; `low` and `high` in those units too.

    More digits than `digits` are refused by `--config-test`, as everywhere here.
    """
    match = _DECIMAL.match(text)
    if match is None or (not match.group(1) and not match.group(2)) or len(text) > 40:
        raise Rejected(f"{text} is negative" if text.startswith("-") else f"'{text}' is not a number")
    fraction = match.group(2) or ""
    if len(fraction) > digits:
        raise Rejected(f"{text} has more than {digits} decimal places")
    value = int((match.group(1) or "0") + fraction.ljust(digits, "0"))
    if not low <= value <= high:
        raise Rejected(f"{text} is outside of {_shown(low, digits)} to {_shown(high, digits)}")
    return value


def _shown(value: int, digits: int) -> str:
    whole, part = divmod(value, 10**digits)
    return f"{whole}.{part:0{digits}d}".rstrip("0").rstrip(".")


def boolean(text: str) -> bool:
    """on, true, yes / off, false, no."""
    if text in ("on", "true", "yes"):
        return True
    if text in ("off", "false", "no"):
        return False
    raise Rejected(f"'{text}' is neither on, true, yes nor off, false, no")


def address(text: str) -> bytes:
    """An IPv4 or IPv6 address without a prefix length, strictly as inet_pton takes it."""
    try:
        if ":" in text:
            if "%" in text:
                raise Rejected(f"{text} names a zone; give the interface with dev")
            return IPv6Address(text).packed
        return IPv4Address(text).packed
    except ValueError:
        raise Rejected(f"'{text}' is not an IP address") from None


def socket_address(text: str) -> bytes:
    """As `address`, but what follows the first `-` or `/` is ignored (keepalived's reader of peers and servers)."""
    cut = re.split(r"[-/]", text, maxsplit=1)[0]
    try:
        return address(cut)
    except Rejected:
        raise Rejected(f"'{text}' is not an IP address") from None


def network(text: str) -> tuple[bytes, int]:
    """`10.0.0.0/24` -> (octets, 24); without a length 32 or 128."""
    head, slash, tail = text.partition("/")
    packed = address(head)
    limit = len(packed) * 8
    return packed, unsigned(tail, 0, limit) if slash else limit


def is_multicast(packed: bytes) -> bool:
    return packed[0] & 0xF0 == 0xE0 if len(packed) == 4 else packed[0] == 0xFF


def is_link_local_multicast(packed: bytes) -> bool:
    """ffX2:: — the scope that VRRP over IPv6 needs."""
    return len(packed) == 16 and packed[0] == 0xFF and packed[1] & 0x0F == 2


def is_link_local(packed: bytes) -> bool:
    return len(packed) == 16 and packed[0] == 0xFE and packed[1] & 0xC0 == 0x80


def interface_name(text: str) -> str:
    """A name that a Linux interface can have."""
    if len(text.encode("utf-8", "surrogateescape")) > MAX_INTERFACE_NAME:
        raise Rejected(f"interface name '{text}' is longer than {MAX_INTERFACE_NAME} characters")
    if not text or text in (".", "..") or any(char in "/: \t\n\v\f\r" for char in text):
        raise Rejected(f"'{text}' cannot be the name of an interface")
    return text


def mac_address(text: str) -> tuple[bytes, bool]:
    """`02:00:5e:00:01:33` -> octets; with five octets (and True) the VRID is to be the sixth."""
    parts = text.rstrip(":").split(":")
    if not all(re.fullmatch(r"[0-9A-Fa-f]{1,2}", part) for part in parts) or len(parts) not in (5, 6):
        raise Rejected(f"'{text}' is not a MAC address")
    packed = bytes(int(part, 16) for part in parts)
    if packed[0] & 1:
        raise Rejected(f"{text} is a multicast address")
    if packed[:4] == b"\x00\x00\x5e\x00" and packed[4] in (1, 2):
        raise Rejected(f"{text} is in the range of RFC 9568 itself, which use_vmac takes without being told")
    return packed, len(packed) == 5


#: rtnetlink scopes by name (iproute2's rt_scopes).
SCOPES = {"global": 0, "universe": 0, "site": 200, "link": 253, "host": 254, "nowhere": 255}


def scope(text: str) -> int:
    if text in SCOPES:
        return SCOPES[text]
    try:
        return unsigned_any_base(text, 0, 255)
    except Rejected:
        raise Rejected(f"'{text}' is no scope ({', '.join(SCOPES)})") from None


_PLACEHOLDERS = (
    re.compile(r"\$\{?[A-Za-z_][A-Za-z0-9_]*(?:[:?+-][^}]*)?\}?"),  # ${VIP}, ${VRRP_ID:-51}, $VIP
    re.compile(r"\{\{[^{}]*\}\}|\{%[^{}]*%\}"),  # {{ vip }}
    re.compile(r"__[A-Za-z0-9_.-]+__"),
    re.compile(r"<[^<>]*[A-Za-z][^<>]*>?"),  # <vip>, <--VIP-->
    re.compile(r"%%?[A-Za-z_][A-Za-z0-9_]*%%?"),
    re.compile(r"@[A-Za-z_][A-Za-z0-9_]*@"),
    re.compile(r"\[[A-Za-z_ -]+\]"),
)
_MASKED_ADDRESS = re.compile(r"(?=.*[xX])[xX0-9*?_-]{1,9}(?:\.[xX0-9*?_-]{1,9}){3}(?:/\S*)?\Z")
_SHOUTING = re.compile(
    r"[A-Z][A-Z0-9]*(?:[_-][A-Z0-9]+)+(?:/\S*)?\Z|(?:VIP|IP|VRID|PASSWORD|INTERFACE|PRIORITY|CHANGEME)\Z"
)


def placeholder(text: str, rejected: bool = False) -> str:
    """The part of a word that looks like an unfilled template, or ""; more forms count where a value was refused."""
    for pattern in _PLACEHOLDERS:
        match = pattern.search(text)
        if match is not None:
            return match.group()
    if _MASKED_ADDRESS.match(text):
        return text
    if rejected and (_SHOUTING.match(text) or re.search(r"(?i)your|change_?me|example_|placeholder|\bvip\b|xxx", text)):
        return text
    return ""
