"""Tracked files: the number that one holds, and word of each change by inotify(7)."""

from __future__ import annotations

import ctypes
import os
import re
import struct
from collections.abc import Callable
from typing import Final

_libc = ctypes.CDLL(None, use_errno=True)
_CLOSE_WRITE, _MOVED_FROM, _MOVED_TO, _DELETE = 0x8, 0x40, 0x80, 0x200
_EVENT: Final = struct.Struct("=iIII")  # watch, mask, cookie, length of the name
_NUMBER: Final = re.compile(rb"\s*([+-]?)(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)")
_MOST: Final = 254  # as keepalived limits the number


def number_in(path: str) -> int:
    """What a tracked file says, within ±254: a decimal, 0octal or 0xhexadecimal number at its beginning; 0 for
    anything else, and for a file that cannot be read."""
    try:
        with open(path, "rb") as file:
            found = _NUMBER.match(file.read(127))
    except OSError:
        return 0
    if found is None:
        return 0
    sign, digits = found[1], found[2]
    octal = digits.startswith(b"0") and digits[1:].isdigit()
    number = int(digits, 8 if octal else 0)
    return max(-_MOST, min(_MOST, -number if sign == b"-" else number))


class FileWatch:
    """Calls back when a file was closed after writing, moved in or out, or removed. Half-written files, which a
    program that polls would read, are never told of."""

    def __init__(self) -> None:
        """OSError where the kernel gives no inotify instance."""
        self._descriptor = int(_libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))
        if self._descriptor < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        self._calls: dict[tuple[int, bytes], list[Callable[[], None]]] = {}

    def fileno(self) -> int:
        return self._descriptor

    def add(self, path: str, call: Callable[[], None]) -> None:
        """Watch the file `path` (absolute; it need not exist). OSError where its directory cannot be watched."""
        folder, name = os.path.split(os.fsencode(path))
        mask = _CLOSE_WRITE | _MOVED_FROM | _MOVED_TO | _DELETE
        watch = int(_libc.inotify_add_watch(self._descriptor, folder, mask))
        if watch < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        self._calls.setdefault((watch, name), []).append(call)

    def read(self) -> None:
        """Take in what has happened."""
        try:
            data = os.read(self._descriptor, 1 << 16)
        except BlockingIOError:
            return
        at = 0
        while at + _EVENT.size <= len(data):
            watch, _, _, length = _EVENT.unpack_from(data, at)
            name = data[at + _EVENT.size : at + _EVENT.size + length].rstrip(b"\0")
            at += _EVENT.size + length
            for call in self._calls.get((watch, name), ()):
                call()

    def close(self) -> None:
        os.close(self._descriptor)
