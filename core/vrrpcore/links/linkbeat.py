"""Whether a link has its carrier, asked of the driver: linkbeat polling by MII, ethtool or interface flags.

Netlink tells of a lost carrier up to a second late where links flap (the kernel's linkwatch), and of none at all where
the driver does not report it. The MII and ethtool requests wait for the kernel's rtnl lock, and a slow PHY: never ask
from the process that keeps time.
"""

from __future__ import annotations

import array
import errno
import fcntl
import socket
import struct
from collections.abc import Callable
from typing import Final

_SIOCGIFFLAGS, _SIOCETHTOOL, _SIOCGMIIPHY, _SIOCGMIIREG = 0x8913, 0x8946, 0x8947, 0x8948
_ETHTOOL_GLINK: Final = 0x0A
_BMSR, _BMSR_LSTATUS = 1, 0x0004  # basic mode status register (IEEE 802.3 clause 22): link status, latched low
_RUNNING: Final = 0x40
_REQUEST: Final = struct.Struct("=16sHHHH16x")  # struct ifreq with struct mii_ioctl_data
_FLAGS: Final = struct.Struct("=16sH22x")


def by_mii(sock: socket.socket, name: str) -> bool:
    """The PHY's link status; OSError where the driver has no MII."""
    request = bytearray(_REQUEST.pack(name.encode(), 0, 0, 0, 0))
    fcntl.ioctl(sock, _SIOCGMIIPHY, request)
    phy = _REQUEST.unpack(request)[1]
    value = 0
    for _ in range(2):  # the first reading tells whether it was lost since, the second how it is
        request = bytearray(_REQUEST.pack(name.encode(), phy, _BMSR, 0, 0))
        fcntl.ioctl(sock, _SIOCGMIIREG, request)
        value = _REQUEST.unpack(request)[4]
        if value & _BMSR_LSTATUS:
            return True
    if value == 0xFFFF:
        raise OSError(errno.EOPNOTSUPP, "no PHY answers")
    return False


def by_ethtool(sock: socket.socket, name: str) -> bool:
    """What the driver says of its link; OSError where it does not."""
    value = array.array("I", [_ETHTOOL_GLINK, 0])
    fcntl.ioctl(sock, _SIOCETHTOOL, struct.pack("16sP16x", name.encode(), value.buffer_info()[0]))
    return bool(value[1])


def by_flags(sock: socket.socket, name: str) -> bool:
    """IFF_RUNNING as the kernel has it now; takes no lock."""
    request = bytearray(_FLAGS.pack(name.encode(), 0))
    fcntl.ioctl(sock, _SIOCGIFFLAGS, request)
    return bool(_FLAGS.unpack(request)[1] & _RUNNING)


_WAYS: Final[dict[str, Callable[[socket.socket, str], bool]]] = {
    "MII": by_mii,
    "ETHTOOL": by_ethtool,
    "IOCTL": by_flags,
}


class Linkbeat:
    """One polled interface. `way` is how it is asked: the preferred one, or the first that the driver knows."""

    def __init__(self, name: str, preferred: str = "") -> None:
        self.name, self.way = name, ""
        self._order = ([preferred] if preferred else []) + [each for each in _WAYS if each != preferred]
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)

    def up(self) -> bool:
        """Whether the link is there; an interface that is gone has none."""
        for way in (self.way,) if self.way else self._order:
            try:
                found = _WAYS[way](self._socket, self.name)
            except OSError as error:
                if error.errno == errno.ENODEV:
                    self.way = ""
                    return False
                continue
            self.way = way
            return found
        return False

    def close(self) -> None:
        self._socket.close()
