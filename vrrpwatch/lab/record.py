"""Record what a lab host sees into a pcap file (nanoseconds, Ethernet, VLAN tags put back); no tcpdump needed."""

from __future__ import annotations

import os
import select
import socket
import struct
import threading
from pathlib import Path
from types import TracebackType
from typing import Final

from .namespaces import Namespace

ETH_P_ALL: Final = 0x0003
SOL_PACKET: Final = 263
PACKET_ADD_MEMBERSHIP: Final = 1
PACKET_AUXDATA: Final = 8
PACKET_MR_PROMISC: Final = 1
SO_TIMESTAMPNS: Final = 35
TP_STATUS_VLAN_VALID: Final = 0x10
TP_STATUS_VLAN_TPID_VALID: Final = 0x40
AUXDATA: Final = struct.Struct("=IIIHHHH")  # status, len, snaplen, mac, net, vlan_tci, vlan_tpid
PCAP_NS_HEADER: Final = struct.pack("=IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262144, 1)


class Recorder:
    """Writes every frame of one interface, as it is seen there, until closed. Use it with `with`."""

    def __init__(self, namespace: Namespace, path: Path | str, interface: str = "eth0") -> None:
        self.path = Path(path)
        self.frames = 0
        with namespace.entered():
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
            self._socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
            self._socket.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
            index = socket.if_nametoindex(interface)
            self._socket.bind((interface, ETH_P_ALL))
            request = struct.pack("IHH8s", index, PACKET_MR_PROMISC, 0, b"")
            self._socket.setsockopt(SOL_PACKET, PACKET_ADD_MEMBERSHIP, request)
        self._stop_read, self._stop_write = os.pipe2(os.O_CLOEXEC)
        self._file = self.path.open("wb")
        self._file.write(PCAP_NS_HEADER)
        self._thread = threading.Thread(target=self._loop, name="recorder", daemon=True)
        self._thread.start()

    def _loop(self) -> None:
        while True:
            ready, _, _ = select.select([self._socket.fileno(), self._stop_read], [], [])
            if self._socket.fileno() in ready:
                self._take()
            else:
                return  # only when nothing is left to read

    def _take(self) -> None:
        data, ancillary, _, _ = self._socket.recvmsg(65536, 256)
        seconds = nanoseconds = 0
        for level, kind, content in ancillary:
            if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS:
                seconds, nanoseconds = struct.unpack("=qq", content[:16])
            elif level == SOL_PACKET and kind == PACKET_AUXDATA:
                data = _with_tag(data, content)
        self._file.write(struct.pack("=IIII", seconds, nanoseconds, len(data), len(data)) + data)
        self.frames += 1

    def close(self) -> None:
        """Write what has arrived so far and stop."""
        os.write(self._stop_write, b".")
        self._thread.join(5)
        self._file.close()
        self._socket.close()
        os.close(self._stop_read)
        os.close(self._stop_write)

    def __enter__(self) -> Recorder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _with_tag(data: bytes, auxdata: bytes) -> bytes:
    """Put back the outermost VLAN tag, which the kernel has taken off (packet(7), PACKET_AUXDATA)."""
    status, _, _, _, _, tci, tpid = AUXDATA.unpack_from(auxdata)
    if not status & TP_STATUS_VLAN_VALID:
        return data
    tag = struct.pack("!HH", tpid if status & TP_STATUS_VLAN_TPID_VALID else 0x8100, tci)
    return data[:12] + tag + data[12:]
