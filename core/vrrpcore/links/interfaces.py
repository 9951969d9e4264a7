"""The host's interfaces and their addresses, kept up to date by netlink notifications."""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from pyroute2 import IPRoute

from vrrpcore.addresses import pack

_GROUPS: Final = 0x1 | 0x10 | 0x100  # RTMGRP_LINK, RTMGRP_IPV4_IFADDR, RTMGRP_IPV6_IFADDR
_HEADER: Final = struct.Struct("=IHHII")
_LINK: Final = struct.Struct("=BxHiII")  # family, type, index, flags, change
_ADDRESS: Final = struct.Struct("=BBBBI")  # family, prefixlen, flags, scope, index
_ATTRIBUTE: Final = struct.Struct("=HH")
_NEWLINK, _DELLINK, _NEWADDR, _DELADDR = 16, 17, 20, 21
_UP, _RUNNING = 0x1, 0x40
_IFLA_ADDRESS, _IFLA_IFNAME = 1, 3
_IFA_ADDRESS, _IFA_LOCAL, _IFA_FLAGS = 1, 2, 8
_TENTATIVE, _DADFAILED = 0x40, 0x08
_LINK_SCOPE: Final = 253


@dataclass(frozen=True, slots=True)
class Address:
    """One address of an interface; `flags` are IFA_F_*."""

    address: bytes
    prefixlen: int
    scope: int = 0
    flags: int = 0

    @property
    def usable(self) -> bool:
        return not self.flags & (_TENTATIVE | _DADFAILED)


@dataclass(slots=True)
class Interface:
    """One interface as the kernel last described it."""

    index: int
    name: str
    mac: bytes = b""
    flags: int = 0
    parent: int = 0  # index of the lower device of a macvlan or VLAN; 0: none
    kind: str = ""
    addresses: list[Address] = field(default_factory=list)
    linkbeat: bool | None = None  # what polling says of the link; None: it is not polled
    held: bool | None = None  # what routers are shown while a change has not lasted; None: the link as it is

    @property
    def link(self) -> bool:
        """Up with a carrier: what keepalived means by UP."""
        return self.flags & (_UP | _RUNNING) == _UP | _RUNNING and self.linkbeat is not False

    @property
    def running(self) -> bool:
        """Whether routers may use it."""
        return self.link if self.held is None else self.held

    def primary(self, family: int, virtual: frozenset[bytes] = frozenset()) -> bytes:
        """The address that adverts are sent from: the first one that is not virtual (an owner has no other), of
        IPv6 a link-local one (RFC 9568 §5.1.2.1). b"" while there is none."""
        found = [
            each.address
            for each in self.addresses
            if len(each.address) == (4 if family == 4 else 16)
            and each.usable
            and (family == 4 or each.scope == _LINK_SCOPE)
        ]
        return next((each for each in found if each not in virtual), found[0] if found else b"")

    def holds(self, address: bytes) -> Address | None:
        return next((each for each in self.addresses if each.address == address), None)


class Interfaces:
    """All interfaces by index; `read` takes in what the kernel has notified since."""

    def __init__(self) -> None:
        self.by_index: dict[int, Interface] = {}
        self.beats: dict[str, bool] = {}  # what linkbeat polling says, by name
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK, 0)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self._socket.bind((0, _GROUPS))
        self.refresh()

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        self._socket.close()

    def named(self, name: str) -> Interface | None:
        return next((each for each in self.by_index.values() if each.name == name), None)

    def name(self, index: int) -> str:
        """The name of an interface; "" where there is none."""
        interface = self.by_index.get(index)
        return interface.name if interface else ""

    def refresh(self) -> None:
        """Ask the kernel for everything (at start, and after notifications were lost)."""
        found: dict[int, Interface] = {}
        with IPRoute() as netlink:
            for link in netlink.get_links():
                mac = link.get_attr("IFLA_ADDRESS")
                found[link["index"]] = Interface(
                    link["index"],
                    link.get_attr("IFLA_IFNAME"),
                    bytes.fromhex(mac.replace(":", "")) if mac else b"",
                    link["flags"],
                    link.get_attr("IFLA_LINK") or 0,
                    link.get_nested("IFLA_LINKINFO", "IFLA_INFO_KIND") or "",
                    linkbeat=self.beats.get(link.get_attr("IFLA_IFNAME")),
                )
            for row in netlink.get_addr():
                interface = found.get(row["index"])
                local = row.get_attr("IFA_LOCAL") or row.get_attr("IFA_ADDRESS")
                if interface is not None and local:
                    flags = row.get_attr("IFA_FLAGS")
                    flags = row["flags"] if flags is None else flags
                    interface.addresses.append(Address(pack(local), row["prefixlen"], row["scope"], flags))
        self.by_index = found

    def assume(self, index: int, address: bytes, prefixlen: int) -> None:
        """The kernel accepted an address of ours: it tells of an IPv6 one only later, from a work queue."""
        interface = self.by_index.get(index)
        if interface is not None and interface.holds(address) is None:
            interface.addresses.append(Address(address, prefixlen))

    def read(self) -> set[int]:
        """Take in notifications; the indexes of interfaces that changed in what we keep of them."""
        changed: set[int] = set()
        while True:
            try:
                data = self._socket.recv(1 << 16)
            except BlockingIOError:
                return changed
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                before = self.by_index
                self.refresh()
                changed |= set(before) | set(self.by_index)
                continue
            for kind, body in _messages(data):
                index = self._link(kind, body) if kind in (_NEWLINK, _DELLINK) else self._address(kind, body)
                if index:
                    changed.add(index)

    def _link(self, kind: int, body: bytes) -> int:
        family, _, index, flags, _ = _link(body)
        if family:  # bridge ports speak of their bridge here
            return 0
        if kind == _DELLINK:
            return index if self.by_index.pop(index, None) else 0
        interface = self.by_index.get(index)
        attributes = dict(_attributes(body, _LINK.size))
        name = attributes.get(_IFLA_IFNAME, b"").rstrip(b"\0").decode()
        mac = attributes.get(_IFLA_ADDRESS, b"")
        if interface is None:
            self.by_index[index] = Interface(index, name, mac, flags, linkbeat=self.beats.get(name))
            return index
        if (interface.flags, interface.mac, interface.name) == (flags, mac, name):
            return 0
        interface.flags, interface.mac, interface.name = flags, mac, name
        return index

    def _address(self, kind: int, body: bytes) -> int:
        if kind not in (_NEWADDR, _DELADDR):
            return 0
        _, prefixlen, flags, scope, index = _address(body)
        interface = self.by_index.get(index)
        attributes = dict(_attributes(body, _ADDRESS.size))
        local = attributes.get(_IFA_LOCAL) or attributes.get(_IFA_ADDRESS)
        if interface is None or local is None:
            return 0
        if _IFA_FLAGS in attributes:
            flags = int.from_bytes(attributes[_IFA_FLAGS], "little" if struct.pack("=H", 1)[0] else "big")
        at = next(
            (n for n, each in enumerate(interface.addresses) if (each.address, each.prefixlen) == (local, prefixlen)),
            -1,
        )
        if kind == _DELADDR:
            if at < 0:
                return 0
            del interface.addresses[at]
        elif at < 0:
            interface.addresses.append(Address(local, prefixlen, scope, flags))
        else:
            interface.addresses[at] = Address(local, prefixlen, scope, flags)
        return index


def _link(body: bytes) -> tuple[int, int, int, int, int]:
    return _LINK.unpack_from(body)


def _address(body: bytes) -> tuple[int, int, int, int, int]:
    return _ADDRESS.unpack_from(body)


def _messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + _HEADER.size <= len(data):
        length, kind, _, _, _ = _HEADER.unpack_from(data, at)
        if length < _HEADER.size:
            return
        yield kind, data[at + _HEADER.size : at + length]
        at += length + 3 & ~3


def _attributes(body: bytes, at: int) -> Iterator[tuple[int, bytes]]:
    while at + _ATTRIBUTE.size <= len(body):
        length, kind = _ATTRIBUTE.unpack_from(body, at)
        if length < _ATTRIBUTE.size:
            return
        yield kind & 0x3FFF, body[at + _ATTRIBUTE.size : at + length]
        at += length + 3 & ~3
