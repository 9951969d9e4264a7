"""The speaker's sockets: raw receive and send for protocol 112 (and 51), group membership, frames of ARP and ND.

One receive socket serves all virtual routers of one (interface, family); adverts are rendered ahead with their IP
header. Of IPv4 it is sent as it is (the kernel fills in the checksum), of IPv6 it tells what the kernel shall write:
only so do adverts bear the flow label that the host gives to a flow, as keepalived's do. Raw IP sockets, not packet
sockets: a speaker obeys the host's firewall, as keepalived and FRR do.
"""

from __future__ import annotations

import array
import errno
import socket
import struct
import sys
from collections.abc import Iterator
from typing import Final

from vrrpcore.addresses import text
from vrrpcore.errors import PermissionMissing, SourceError
from vrrpcore.frames import IpFacts

VRRP: Final = 112
AH: Final = 51
_IP_MULTICAST_ALL: Final = 49
_IPV6_MULTICAST_ALL: Final = 29
_IPV6_RECVHOPLIMIT: Final = 51
_IPV6_RECVPKTINFO: Final = 49
_SO_RCVBUFFORCE: Final = 33
_SO_ATTACH_FILTER: Final = 26
_RECEIVE_BUFFER: Final = 2 << 20  # octets: a stall of seconds at thousands of adverts a second loses nothing
_ANCILLARY: Final = socket.CMSG_SPACE(20) + socket.CMSG_SPACE(4)
_DROP: Final = (0x06, 0, 0, 0)  # ret 0
_IPV6_HEADER: Final = 40  # octets
_PRIORITY_CONTROL: Final = 6  # TC_PRIO_INTERACTIVE's neighbour: adverts leave a full queue first


def _open(family: int, protocol: int, interface: str) -> socket.socket:
    try:
        made = socket.socket(
            socket.AF_INET if family == 4 else socket.AF_INET6,
            socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC,
            protocol,
        )
    except PermissionError:
        raise PermissionMissing(
            "a raw socket needs CAP_NET_RAW: run as root, or grant cap_net_raw,cap_net_admin"
        ) from None
    try:
        if interface:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode() + b"\0")
    except OSError as error:
        made.close()
        raise SourceError(f"{interface}: {error.strerror}") from None
    return made


def _filter(sock: socket.socket, *program: tuple[int, int, int, int]) -> None:
    """Attach a classic BPF program: (code, jump if true, jump if false, value) each."""
    octets = array.array("B", b"".join(struct.pack("=HBBI", *each) for each in program))
    sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("@HP", len(program), octets.buffer_info()[0]))


class Receiver:
    """Everything of one protocol that reaches one interface ("" = any), of one family."""

    def __init__(self, interface: str, index: int, family: int, protocol: int = VRRP) -> None:
        self.interface, self.index, self.family = interface, index, family
        self._joined: set[bytes] = set()
        self._socket = _open(family, protocol, interface)
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _RECEIVE_BUFFER)
        except OSError:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
        if family == 4:
            self._socket.setsockopt(socket.IPPROTO_IP, _IP_MULTICAST_ALL, 0)
        else:
            self._socket.setsockopt(socket.IPPROTO_IPV6, _IPV6_MULTICAST_ALL, 0)
            self._socket.setsockopt(socket.IPPROTO_IPV6, _IPV6_RECVHOPLIMIT, 1)
            self._socket.setsockopt(socket.IPPROTO_IPV6, _IPV6_RECVPKTINFO, 1)

    def fileno(self) -> int:
        return self._socket.fileno()

    def join(self, group: bytes) -> None:
        """Become a member of a group here; again after the interface came back. OSError where that is refused."""
        option = socket.IP_ADD_MEMBERSHIP if self.family == 4 else socket.IPV6_JOIN_GROUP
        try:
            self._membership(option, group)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
        self._joined.add(group)

    def rejoin(self) -> None:
        """Leave and join every group: a membership does not survive some interfaces' absence."""
        for group in self._joined:
            option = socket.IP_DROP_MEMBERSHIP if self.family == 4 else socket.IPV6_LEAVE_GROUP
            try:
                self._membership(option, group)
            except OSError:
                pass  # it was gone already
            self.join(group)

    def _membership(self, option: int, group: bytes) -> None:
        if self.family == 4:
            request = struct.pack("=4s4si", group, bytes(4), self.index)
            self._socket.setsockopt(socket.IPPROTO_IP, option, request)
        else:
            self._socket.setsockopt(socket.IPPROTO_IPV6, option, struct.pack("=16si", group, self.index))

    def only_vrid(self, vrid: int) -> None:
        """Let the kernel drop adverts of other VRIDs: a virtual interface gets copies of everybody's."""
        # ldxb 4*([0]&0xf); ldb [x+1] | ldb [1]; jeq vrid; ret -1; ret 0. IPv6 raw sockets are given the payload only.
        load = ((0xB1, 0, 0, 0), (0x50, 0, 0, 1)) if self.family == 4 else ((0x30, 0, 0, 1),)
        _filter(self._socket, *load, (0x15, 0, 1, vrid), (0x06, 0, 0, 0xFFFFFFFF), _DROP)

    def packets4(self, limit: int = 256) -> Iterator[bytes]:
        """What has arrived: IPv4 packets with their headers."""
        receive = self._socket.recv
        for _ in range(limit):
            try:
                yield receive(2048)
            except BlockingIOError:
                return
            except OSError:  # the interface went down
                return

    def packets6(self, limit: int = 256) -> Iterator[tuple[bytes, tuple[bytes, ...], str]]:
        """What has arrived: (message, ancillary data for `facts6`, source as the kernel writes it)."""
        receive = self._socket.recvmsg
        for _ in range(limit):
            try:
                data, ancillary, _, peer = receive(2048, _ANCILLARY)
            except BlockingIOError:
                return
            except OSError:
                return
            yield data, tuple([value for _, _, value in ancillary]), peer[0]

    def close(self) -> None:
        self._socket.close()


class Membership:
    """Groups that an interface is a member of because we say so; receives nothing."""

    def __init__(self, family: int) -> None:
        self._family = family
        kind = socket.AF_INET if family == 4 else socket.AF_INET6
        self._socket = socket.socket(kind, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC, 0)

    def change(self, group: bytes, index: int, *, join: bool) -> None:
        """Join or leave; OSError where that is so already."""
        if self._family == 4:
            option = socket.IP_ADD_MEMBERSHIP if join else socket.IP_DROP_MEMBERSHIP
            self._socket.setsockopt(socket.IPPROTO_IP, option, struct.pack("=4s4si", group, bytes(4), index))
        else:
            option = socket.IPV6_JOIN_GROUP if join else socket.IPV6_LEAVE_GROUP
            self._socket.setsockopt(socket.IPPROTO_IPV6, option, struct.pack("=16si", group, index))

    def close(self) -> None:
        self._socket.close()


def facts6(ancillary: tuple[bytes, ...], peer: str) -> IpFacts:
    """Source, destination and hop limit (0 when unknown) of a message of `packets6`."""
    hops, destination = 0, bytes(16)
    for value in ancillary:
        if len(value) == 4:  # IPV6_HOPLIMIT
            hops = int.from_bytes(value, sys.byteorder)
        elif len(value) == 20:  # IPV6_PKTINFO: address, interface index
            destination = value[:16]
    return IpFacts(6, socket.inet_pton(socket.AF_INET6, peer.split("%", 1)[0]), destination, hops)


class Sender:
    """Sends IP packets out of one interface ("" = as routed). Receives nothing."""

    def __init__(self, interface: str, index: int, family: int) -> None:
        self.interface, self.index, self.family = interface, index, family
        self._socket = _open(family, socket.IPPROTO_RAW if family == 4 else VRRP, interface)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_PRIORITY, _PRIORITY_CONTROL)
        if family == 4:
            self._socket.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 0)
            if index:
                request = struct.pack("=4s4si", bytes(4), bytes(4), index)
                self._socket.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, request)
        else:
            _filter(self._socket, _DROP)  # a socket of protocol 112 would be given, and keep, every advert that arrives
            self._socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_LOOP, 0)
            if index:
                self._socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
        self._addresses: dict[bytes, tuple[str, int] | tuple[str, int, int, int]] = {}
        self._ancillary: dict[bytes, list[tuple[int, int, bytes]]] = {}  # by IPv6 header

    def send(self, packet: bytes | bytearray, destination: bytes) -> None:
        """One packet; OSError where the kernel refuses (EPERM: a firewall, ENETDOWN …)."""
        address = self._addresses.get(destination)
        if address is None:
            linked = self.family == 6 and destination[:2] in (b"\xff\x02", b"\xfe\x80")
            name = text(destination)
            address = (name, 0) if self.family == 4 else (name, 0, 0, self.index if linked else 0)
            self._addresses[destination] = address
        if self.family == 4:
            self._socket.sendto(packet, address)
            return
        header = bytes(packet[:_IPV6_HEADER])
        ancillary = self._ancillary.get(header)
        if ancillary is None:
            ancillary = self._ancillary[header] = _as_ancillary(header, self.index)
        self._socket.sendmsg((packet[_IPV6_HEADER:],), ancillary, 0, address)

    def close(self) -> None:
        self._socket.close()


def _as_ancillary(header: bytes, index: int) -> list[tuple[int, int, bytes]]:
    """What the kernel must be told to write the source, traffic class and hop limit of an IPv6 header (RFC 3542)."""
    traffic_class, hop_limit, source = (header[0] << 8 | header[1]) >> 4 & 0xFF, header[7], header[8:24]
    return [
        (socket.IPPROTO_IPV6, socket.IPV6_PKTINFO, source + struct.pack("=i", index)),
        (socket.IPPROTO_IPV6, socket.IPV6_HOPLIMIT, struct.pack("=i", hop_limit)),
        (socket.IPPROTO_IPV6, socket.IPV6_TCLASS, struct.pack("=i", traffic_class)),
    ]


class FrameSender:
    """Sends Ethernet frames (gratuitous ARP, unsolicited NA) out of any interface. Receives nothing."""

    def __init__(self) -> None:
        try:
            kind = socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
            self._socket = socket.socket(socket.AF_PACKET, kind, 0)
        except PermissionError:
            raise PermissionMissing("a packet socket needs CAP_NET_RAW: run as root, or grant cap_net_raw") from None

    def send(self, frame: bytes, interface: str) -> None:
        """One frame; OSError where the kernel refuses."""
        self._socket.sendto(frame, (interface, 0))

    def close(self) -> None:
        self._socket.close()
