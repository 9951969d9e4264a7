"""Packet sockets that listen: kernel filter before bind, kernel timestamps, VLAN words, direction, counted drops.

Two ways to the same records, chosen by trying: `RingSocket` shares a TPACKET_V3 ring with the kernel (a block of
frames for one wake-up, copied out and handed back at once), `MessageSocket` asks for each frame with recvmsg. Only the
kernel's own timestamps are used: user space learns of a frame up to milliseconds later, and of the frames of two
sockets in the wrong order.

A socket is opened for no protocol (it receives nothing), gets its filter, its ring and its memberships, and is bound
last: no frame passes unfiltered. See packet(7) and Documentation/networking/packet_mmap.rst of Linux.
"""

from __future__ import annotations

import array
import mmap
import os
import socket
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from struct import Struct
from typing import Final, Protocol, TypeAlias

from .errors import PermissionMissing, SourceError
from .records import Link, Record

ETH_P_ALL: Final = 0x0003
SOL_PACKET: Final = 263
_SO_ATTACH_FILTER, _SO_TIMESTAMPNS, _SO_RCVBUFFORCE = 26, 35, 33
_PACKET_ADD_MEMBERSHIP, _PACKET_RX_RING, _PACKET_STATISTICS, _PACKET_AUXDATA = 1, 5, 6, 8
_PACKET_VERSION, _TPACKET_V3 = 10, 2
_PACKET_FANOUT, _PACKET_FANOUT_DATA, _FANOUT_CBPF, _FANOUT_UNIQUE_ID = 18, 22, 6, 0x2000
_MR_MULTICAST, _MR_PROMISC = 0, 1
_OUTGOING: Final = 4  # sockaddr_ll packet type: sent by this host
_VLAN_VALID: Final = 1 << 4  # TP_STATUS_VLAN_VALID

#: What a sensor that is not promiscuous must still get: the groups of VRRP, and those that reports are sent to.
_GROUPS: Final = tuple(
    bytes.fromhex(mac) for mac in ("01005e000012", "333300000012", "01005e000016", "333300000016", "333300000001")
)

_AUXDATA = Struct("=IIIHHHH")  # status, len, snaplen, mac, net, vlan_tci, vlan_tpid
_TIMESPEC = Struct("@ll")
_STATISTICS = Struct("=II")
_MREQ = Struct("=iHH8s")
_SOCKADDR = Struct("=HHi12x")
_FPROG = Struct("@HP")
_RING_REQUEST = Struct("=7I")
_BLOCK = Struct("=8xIIII")  # status, packets, offset of the first, octets used
_NUMBERED = Struct("=8xI12xQ")  # status, number of the block in the order of filling
_STATUS = Struct("=I")
#: tpacket3_hdr, and the sockaddr_ll behind it up to its packet type
_FRAME = Struct("=IIII4xIH6xI16xi2xB")

#: A block that holds a frame is handed over after RETIRE_MS, full or not: many small blocks (16 MiB in all) bridge a
#: stall of 5 s at any rate up to 25,000 adverts/s, where a few big ones would be used up by a trickle in half a second.
BLOCK_SIZE: Final = 32_768
BLOCK_COUNTS: Final = (512, 128, 32)  # most first: a container may allow less
RETIRE_MS: Final = 10
_RECEIVE_BUFFER: Final = 8 * 1_048_576
_SNAPLEN: Final = 65_535
_STAMPING: Final = 0.01  # seconds until arriving frames are stamped after the first socket asked for it


class Repeats(Protocol):
    """Works off frames that only repeat what is known (`judge.express`)."""

    slack: int  # octets that must follow a block

    @property
    def newest(self) -> float:
        """Kernel time of the last frame that was known or observed."""

    def run(self, buf: bytes, pos: int, end: int) -> tuple[int, int]:
        """(offset of the first frame that repeats nothing, number of frames before it)."""


#: A frame that repeats nothing; the octets of its block, and where its ring header is in them.
Take: TypeAlias = Callable[[Record, bytes, int], None]


class PacketSocket(Protocol):
    """An open packet socket. `receive` never blocks; times are epoch seconds of the kernel."""

    memory: int  # octets of kernel memory set aside
    behind: bool  # the last reading left frames behind, for want of time
    newest: float  # kernel time of the last frame that was read

    def fileno(self) -> int: ...

    def receive(self, links: Mapping[int, Link]) -> list[Record]:
        """Everything that has arrived on interfaces of `links` (by index); OSError(ENETDOWN) when one went down."""

    def dropped(self) -> int:
        """Frames that the kernel had no room for since the socket was opened."""

    def listen_on(self, index: int, promisc: bool) -> None:
        """Have an interface pass up what would otherwise not reach this host."""

    def join(self, group: int | None, program: bytes) -> int:
        """Join a PACKET_FANOUT group, or begin one (None) whose `program` says which member a frame goes to.

        Gives the group's number. Members count from 0 in the order of joining. OSError where the kernel refuses.
        """

    def resume(self) -> None:
        """Read on where another process, which had inherited this socket as well, has stopped."""

    def close(self) -> None: ...


def attach_filter(sock: socket.socket, program: bytes) -> None:
    """Attach a classic BPF program (struct sock_filter array); frames that it rejects cost no wake-up."""
    _hand_over(sock, socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)


def _hand_over(sock: socket.socket, level: int, option: int, program: bytes) -> None:
    octets = array.array("B", program)
    sock.setsockopt(level, option, _FPROG.pack(len(program) // 8, octets.buffer_info()[0]))


def permission_missing(what: str, capability: str = "CAP_NET_RAW") -> PermissionMissing:
    """The error that says how to grant a capability, for each of the three ways in which people run this."""
    python = Path(sys.executable).resolve()
    return PermissionMissing(
        f"{what} needs {capability}: use sudo, or grant it once with `sudo setcap {capability.lower()}+ep {python}`,"
        f" or in a systemd unit AmbientCapabilities={capability}"
    )


def _open(kind: int, program: bytes | None) -> socket.socket:
    try:
        sock = socket.socket(socket.AF_PACKET, kind, 0)
    except PermissionError:
        raise permission_missing("listening on a network interface") from None
    except OSError as error:
        raise SourceError(f"no packet sockets here: {error.strerror}") from None
    sock.setblocking(False)
    if program:
        attach_filter(sock, program)
    return sock


class _Counted:
    """PACKET_STATISTICS starts again at each read: accumulate."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._dropped = 0
        self.behind = False
        self.newest = 0.0

    def dropped(self) -> int:
        with suppress(OSError):
            data = self._sock.getsockopt(SOL_PACKET, _PACKET_STATISTICS, 12)
            self._dropped += _STATISTICS.unpack_from(data)[1]
        return self._dropped

    def fileno(self) -> int:
        return self._sock.fileno()

    def listen_on(self, index: int, promisc: bool) -> None:
        add = SOL_PACKET, _PACKET_ADD_MEMBERSHIP
        if promisc:
            self._sock.setsockopt(*add, _MREQ.pack(index, _MR_PROMISC, 0, b""))
            return
        for mac in _GROUPS:
            with suppress(OSError):  # links without multicast addresses have nothing to ask for
                self._sock.setsockopt(*add, _MREQ.pack(index, _MR_MULTICAST, len(mac), mac))

    def join(self, group: int | None, program: bytes) -> int:
        flags = _FANOUT_CBPF | (_FANOUT_UNIQUE_ID if group is None else 0)
        self._sock.setsockopt(SOL_PACKET, _PACKET_FANOUT, flags << 16 | (group or 0))
        if group is None:
            _hand_over(self._sock, SOL_PACKET, _PACKET_FANOUT_DATA, program)
            group = self._sock.getsockopt(SOL_PACKET, _PACKET_FANOUT) & 0xFFFF
        return group

    def resume(self) -> None:
        """A queue has no position."""

    def raise_pending(self) -> None:
        """Raise the error that waits on the socket (ENETDOWN), once."""
        number = self._sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if number:
            raise OSError(number, os.strerror(number))


def bind(sock: socket.socket, index: int) -> None:
    """Begin to receive from one interface, or from all (0)."""
    if index:
        sock.bind((socket.if_indextoname(index), ETH_P_ALL))
        return
    import ctypes  # Python's bind wants the name of one interface

    address = _SOCKADDR.pack(socket.AF_PACKET, socket.htons(ETH_P_ALL), 0)
    if ctypes.CDLL(None, use_errno=True).bind(sock.fileno(), address, len(address)):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


class MessageSocket(_Counted):
    """One recvmsg per frame: works everywhere. `cooked` strips the link layer (tunnels, PPP): frames begin with IP."""

    def __init__(self, index: int, program: bytes | None, *, cooked: bool = False) -> None:
        self._socket = _open(socket.SOCK_DGRAM if cooked else socket.SOCK_RAW, None if cooked else program)
        super().__init__(self._socket)
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
            self._socket.setsockopt(SOL_PACKET, _PACKET_AUXDATA, 1)
            try:
                self._socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _RECEIVE_BUFFER)
            except OSError:  # without CAP_NET_ADMIN only up to net.core.rmem_max
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
            self.memory = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
            # A kernel worker switches stamping on a moment later; frames from before get the time of the call.
            time.sleep(_STAMPING)
            bind(self._socket, index)
        except OSError:
            self._socket.close()
            raise

    def receive(self, links: Mapping[int, Link], limit: int = 4096) -> list[Record]:
        """At most `limit` frames, so that one busy interface cannot starve another."""
        out: list[Record] = []
        receive = self._socket.recvmsg
        indexes: dict[str, int] = {}
        self.behind = True
        for _ in range(limit):
            try:
                frame, ancillary, _, (name, _, kind, *_) = receive(_SNAPLEN, 256)
            except BlockingIOError:
                self.behind = False
                break
            index = indexes.get(name) or indexes.setdefault(name, _index(name))
            link = links.get(index)
            if link is None or (kind == _OUTGOING and name == "lo"):  # loopback shows each frame twice
                continue
            time, vlans = _control(ancillary)
            self.newest = time
            out.append(Record(time, link, kind == _OUTGOING, frame, vlans))
        return out

    def close(self) -> None:
        self._socket.close()


def _index(name: str) -> int:
    try:
        return socket.if_nametoindex(name)
    except OSError:
        return 0


def _control(ancillary: list[tuple[int, int, bytes]]) -> tuple[float, tuple[int, ...]]:
    """(kernel time, VLAN ids that the kernel took off) from the control messages of one frame."""
    time = 0.0
    vlans: tuple[int, ...] = ()
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == _SO_TIMESTAMPNS:
            seconds, nanoseconds = _TIMESPEC.unpack_from(data)
            time = seconds + nanoseconds / 1_000_000_000
        elif level == SOL_PACKET and kind == _PACKET_AUXDATA and len(data) >= _AUXDATA.size:
            status, *_, tci, _ = _AUXDATA.unpack_from(data)
            if status & _VLAN_VALID:
                vlans = (tci & 0xFFF,)
    return time, vlans


class RingSocket(_Counted):
    """A TPACKET_V3 ring shared with the kernel: one wake-up and one copy for a block of frames."""

    def __init__(self, index: int, program: bytes | None, blocks: int = BLOCK_COUNTS[0]) -> None:
        self._socket = _open(socket.SOCK_RAW, program)
        super().__init__(self._socket)
        self.memory = blocks * BLOCK_SIZE
        self._blocks = blocks
        self._next = 0
        try:
            self._socket.setsockopt(SOL_PACKET, _PACKET_VERSION, _TPACKET_V3)
            request = (BLOCK_SIZE, blocks, 2048, blocks * (BLOCK_SIZE // 2048), RETIRE_MS, 0, 0)
            self._socket.setsockopt(SOL_PACKET, _PACKET_RX_RING, _RING_REQUEST.pack(*request))
            self._ring = mmap.mmap(self._socket.fileno(), self.memory)
            bind(self._socket, index)
        except (OSError, ValueError):
            self._socket.close()
            raise

    def block(self, slack: int = 0) -> tuple[bytes, int, int] | None:
        """(octets, number of frames, offset of the first) of the next full block, then the kernel's again; or None.

        `slack` octets of whatever content are behind the frames.
        """
        start = self._next * BLOCK_SIZE
        status, packets, first, used = _BLOCK.unpack_from(self._ring, start)
        if not status & 1:
            return None
        data = self._ring[start : start + used + slack]
        _STATUS.pack_into(self._ring, start + 8, 0)
        self._next = (self._next + 1) % self._blocks
        if len(data) < used + slack:
            data = data.ljust(used + slack, b"\0")
        return data, packets, first

    def resume(self) -> None:
        """Go to the oldest block that is full, or to the one that is being filled; looks until nothing changes."""
        seen: list[tuple[int, ...]] = []
        rows: list[tuple[int, ...]] = [(0, 0, 0)]
        while rows != seen:
            seen = rows
            rows = [(*_NUMBERED.unpack_from(self._ring, at * BLOCK_SIZE), at) for at in range(self._blocks)]
        full = [(number, at) for status, number, at in rows if status & 1]
        self._next = min(full)[1] if full else max((number, at) for _, number, at in rows)[1]

    def receive(self, links: Mapping[int, Link], limit: int = 4096) -> list[Record]:
        """The frames of the blocks that are full or timed out, at least `limit` of them when there are so many."""
        out: list[Record] = []
        self.behind = True
        while len(out) < limit:
            block = self.block()
            if block is None:
                self.behind = False
                break
            data, packets, position = block
            for _ in range(packets):
                step, sec, nsec, snaplen, status, mac, tci, index, kind = _FRAME.unpack_from(data, position)
                link = links.get(index)
                if link is not None and not (kind == _OUTGOING and link.name == "lo"):
                    frame = data[position + mac : position + mac + snaplen]
                    vlans = (tci & 0xFFF,) if status & _VLAN_VALID else ()
                    out.append(Record(sec + nsec / 1_000_000_000, link, kind == _OUTGOING, frame, vlans))
                position += step
        if out:
            self.newest = out[-1].time
        else:
            self.raise_pending()
        return out

    def feed(self, link: Link, ways: Repeats, take: Take, limit: int = 4096) -> tuple[int, float]:
        """Like `receive` for a socket of one interface, but what `ways` works off in the block costs no record.

        The rest goes to `take`, in order. Gives the number of frames and the time of the last one.
        """
        count, time = 0, 0.0
        unpack, loopback = _FRAME.unpack_from, link.name == "lo"
        self.behind = True
        while count < limit:
            block = self.block(ways.slack)
            if block is None:
                self.behind = False
                break
            data, packets, position = block
            end = len(data) - ways.slack
            while packets:
                position, repeated = ways.run(data, position, end)
                packets -= repeated
                count += repeated
                if not packets:
                    break
                step, sec, nsec, snaplen, status, mac, tci, _, kind = unpack(data, position)
                if not (loopback and kind == _OUTGOING):
                    time = sec + nsec / 1_000_000_000
                    vlans = (tci & 0xFFF,) if status & _VLAN_VALID else ()
                    start = position + mac
                    count += 1
                    record = Record(time, link, kind == _OUTGOING, data[start : start + snaplen], vlans)
                    take(record, data, position)
                packets -= 1
                position += step
        if count:
            self.newest = time = max(time, ways.newest)
        else:
            self.raise_pending()
        return count, time

    def close(self) -> None:
        self._ring.close()
        self._socket.close()


def open_socket(
    index: int, program: bytes | None, *, cooked: bool = False, most: int = BLOCK_COUNTS[0]
) -> tuple[PacketSocket, str | None]:
    """The best socket that can be had for one interface (0: all), and a remark when it is not the best there is.

    `cooked` is for links without an Ethernet header; `most` limits the blocks of the ring.
    Raises PermissionMissing, SourceError, OSError(ENODEV).
    """
    if not cooked:
        reason = ""
        for blocks in (count for count in BLOCK_COUNTS if count <= most):
            try:
                ring = RingSocket(index, program, blocks)
            except (OSError, ValueError) as error:
                if index and index not in dict(socket.if_nameindex()):
                    raise
                reason = getattr(error, "strerror", None) or str(error)
                continue
            small = f"a small capture ring of {ring.memory >> 20} MiB: bursts may be lost" if blocks < most else None
            return ring, small
        return MessageSocket(index, program), f"no capture ring ({reason}): frames are received one by one"
    return MessageSocket(index, program, cooked=True), None
