"""Rendered netlink requests on an open socket: many in one system call, the kernel's answers read at once."""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Sequence
from typing import Final

_HEADER: Final = struct.Struct("=IHHII")  # length, type, flags, sequence, port
_ERROR: Final = struct.Struct("=i")
_NLMSG_ERROR: Final = 2
_RTM_NEWADDR: Final = 20
_BATCH: Final = 100  # requests a datagram; the answers must fit the receive buffer


class Requests:
    """A NETLINK_ROUTE socket for requests that are ready as bytes."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
        self._socket.bind((0, 0))
        self._sequence = 0

    def perform(self, messages: Sequence[bytes]) -> list[int]:
        """Send requests (each with NLM_F_ACK); the kernel's answer to each in their order: 0 or an errno."""
        results: list[int] = []
        for begin in range(0, len(messages), _BATCH):
            results += self._batch(messages[begin : begin + _BATCH])
        return results

    def _batch(self, messages: Sequence[bytes]) -> list[int]:
        first = self._sequence + 1
        parts = []
        for message in messages:
            self._sequence += 1
            part = bytearray(message)
            part[8:12] = self._sequence.to_bytes(4, "little" if struct.pack("=H", 1)[0] else "big")
            part += bytes(-len(part) % 4)
            parts.append(part)
        self._socket.send(b"".join(parts))
        results = [errno.EIO] * len(messages)
        missing = len(messages)
        while missing:
            data = self._socket.recv(65536)
            at = 0
            while at + _HEADER.size <= len(data):
                length, kind, _, sequence, _ = _HEADER.unpack_from(data, at)
                if kind == _NLMSG_ERROR and first <= sequence < first + len(messages):
                    results[sequence - first] = -_ERROR.unpack_from(data, at + _HEADER.size)[0]
                    missing -= 1
                at += max(length + 3 & ~3, _HEADER.size)
        return results

    def close(self) -> None:
        self._socket.close()


def reason(number: int) -> str:
    """An errno of `perform` in words."""
    return os.strerror(number)
