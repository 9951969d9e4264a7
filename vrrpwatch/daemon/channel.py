"""Values between the daemon's own processes: pickles with their length before them, on a socket pair."""

from __future__ import annotations

import pickle
import socket
import struct
import time
from typing import Any, Final

_LENGTH: Final = struct.Struct("=I")
_PIECE: Final = 1 << 20
#: Seconds until a value that was begun, or asked for, must have arrived.
_PATIENCE: Final = 5.0


class Channel:
    """One end. Sending waits while the other end does not read; receiving never waits, but `one` does."""

    def __init__(self, end: socket.socket) -> None:
        self._socket = end
        self._buffer = bytearray()

    def fileno(self) -> int:
        return self._socket.fileno()

    def send(self, value: object) -> None:
        """OSError when the other end is gone."""
        octets = pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
        self._socket.sendall(_LENGTH.pack(len(octets)) + octets)

    def receive(self) -> list[Any]:
        """The values that have arrived in whole; EOFError when the other end is gone."""
        found: list[Any] = []
        while True:
            try:
                piece = self._socket.recv(_PIECE, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return found
            except ConnectionError:
                piece = b""
            if not piece:
                if found:
                    return found  # the end comes again with the next call
                raise EOFError("the other process is gone")
            self._buffer += piece
            found += self._whole()

    def _whole(self) -> list[Any]:
        found = []
        while len(self._buffer) >= _LENGTH.size:
            end = _LENGTH.size + _LENGTH.unpack_from(self._buffer)[0]
            if len(self._buffer) < end:
                break
            found.append(pickle.loads(self._buffer[_LENGTH.size : end]))  # noqa: S301 - our own process wrote it
            del self._buffer[:end]
        return found

    def one(self) -> Any:
        """The next value, waited for; TimeoutError when there is none for too long, EOFError as above."""
        deadline = time.monotonic() + _PATIENCE
        while not (found := self._whole()):
            self._socket.settimeout(max(deadline - time.monotonic(), 0.001))
            try:
                piece = self._socket.recv(_PIECE)
            except ConnectionError:
                piece = b""
            finally:
                self._socket.settimeout(None)
            if not piece:
                raise EOFError("the other process is gone")
            self._buffer += piece
        return found[0]

    def close(self) -> None:
        self._socket.close()
