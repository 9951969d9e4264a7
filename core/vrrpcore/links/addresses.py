"""Virtual addresses as rtnetlink requests, rendered ahead of their use (rtnetlink(7))."""

from __future__ import annotations

from typing import Any, Final

from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg

from vrrpcore.addresses import text
from vrrpcore.settings import VirtualAddress

_NEW, _DELETE = 20, 21  # RTM_NEWADDR, RTM_DELADDR
_REQUEST_ACK: Final = 0x5
_CREATE_REPLACE: Final = 0x400 | 0x100
_NODAD, _HOME, _MANAGETEMP, _NOPREFIXROUTE, _AUTOJOIN = 0x02, 0x10, 0x100, 0x200, 0x400
_FOREVER: Final = 0xFFFFFFFF


def render_address(address: VirtualAddress, index: int, *, add: bool) -> bytes:
    """The request that puts `address` on the interface `index`, or takes it off. Adding what is there succeeds."""
    message = ifaddrmsg()
    message["family"] = 2 if address.family == 4 else 10
    message["prefixlen"] = address.prefixlen if address.peer_prefixlen is None else address.peer_prefixlen
    message["index"] = index
    message["scope"] = address.scope
    flags = _flags(address)
    message["flags"] = flags & 0xFF
    message["attrs"] = _attributes(address, flags, add)
    kind, bits = (_NEW, _REQUEST_ACK | _CREATE_REPLACE) if add else (_DELETE, _REQUEST_ACK)
    message["header"] = {"type": kind, "flags": bits, "sequence_number": 0, "pid": 0}
    message.encode()
    return bytes(message.data)


def _flags(address: VirtualAddress) -> int:
    flags = 0
    if address.family == 6:
        flags |= _NODAD if address.nodad else 0  # duplicate detection would cost a second, unless it is asked for
        flags |= _HOME if address.home else 0
        flags |= _MANAGETEMP if address.mngtmpaddr else 0
    flags |= _NOPREFIXROUTE if address.noprefixroute else 0
    return flags | (_AUTOJOIN if address.autojoin else 0)


def _attributes(address: VirtualAddress, flags: int, add: bool) -> list[tuple[str, Any]]:
    local = text(address.address)
    found: list[tuple[str, Any]] = [
        ("IFA_LOCAL", local),
        ("IFA_ADDRESS", local if address.peer is None else text(address.peer)),
    ]
    if address.label and address.family == 4:
        found.append(("IFA_LABEL", address.label))
    if not add:
        return found
    if flags & ~0xFF:
        found.append(("IFA_FLAGS", flags))
    if address.family == 4 and address.broadcast is not None:
        found.append(("IFA_BROADCAST", text(address.broadcast)))
    elif address.family == 4 and address.broadcast_auto and address.prefixlen < 31:
        number = int.from_bytes(address.address, "big") | (1 << 32 - address.prefixlen) - 1
        found.append(("IFA_BROADCAST", text(number.to_bytes(4, "big"))))
    if address.preferred_lifetime_seconds is not None:
        preferred = {
            "ifa_preferred": address.preferred_lifetime_seconds,
            "ifa_valid": _FOREVER,
            "cstamp": 0,
            "tstamp": 0,
        }
        found.append(("IFA_CACHEINFO", preferred))
    return found
