"""The addresses of this host's interfaces, with flags: who may ask, and which of them a daemon left behind."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import Final

from vrrpwatch.interfaces import _IFA_ADDRESS, _IFA_LOCAL, _IFADDR, _RTM_GETADDR, _attributes, _dump

IFA_F_SECONDARY: Final = 0x01
IFA_F_TENTATIVE: Final = 0x40
IFA_F_DADFAILED: Final = 0x08
_LENGTHS: Final = {socket.AF_INET: 4, socket.AF_INET6: 16}


@dataclass(frozen=True, slots=True)
class LocalAddress:
    """One address of an interface in this network namespace."""

    index: int  # of the interface
    address: bytes  # packed
    prefix: int
    flags: int

    @property
    def usable(self) -> bool:
        """Whether the kernel lets packets go out from it (duplicate detection is over and well)."""
        return not self.flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED)


def local_addresses() -> list[LocalAddress]:
    """All addresses in the kernel's order: primary before secondary."""
    found = []
    for message in _dump(_RTM_GETADDR, _IFADDR.pack(0, 0, 0, 0, 0)):
        family, prefix, flags, _, index = _IFADDR.unpack_from(message)
        attributes = dict(_attributes(message, _IFADDR.size))
        address = attributes.get(_IFA_LOCAL) or attributes.get(_IFA_ADDRESS)
        if address and len(address) == _LENGTHS.get(family):
            found.append(LocalAddress(index, bytes(address), prefix, flags))
    return found


def by_interface() -> dict[str, list[LocalAddress]]:
    """Interface name -> its addresses in the kernel's order."""
    names = dict(socket.if_nameindex())
    found: dict[str, list[LocalAddress]] = {}
    for row in local_addresses():
        if row.index in names:
            found.setdefault(names[row.index], []).append(row)
    return found
