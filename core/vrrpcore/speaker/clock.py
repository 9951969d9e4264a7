"""The clock of the process that keeps time: timerfd, SCHED_FIFO, locked memory, a quiet garbage collector."""

from __future__ import annotations

import ctypes
import gc
import os
import resource
import struct
import time
from math import inf
from typing import Final

_CLOCK_MONOTONIC: Final = 1
_TFD_FLAGS: Final = os.O_NONBLOCK | os.O_CLOEXEC
_TFD_TIMER_ABSTIME: Final = 1
_MCL_CURRENT, _MCL_FUTURE = 1, 2
_FIFO_PRIORITY: Final = 1
_libc = ctypes.CDLL(None, use_errno=True)


class AlarmClock:
    """A timerfd on CLOCK_MONOTONIC: select and epoll round to milliseconds and add slack, this does not."""

    def __init__(self) -> None:
        self._descriptor = _libc.timerfd_create(_CLOCK_MONOTONIC, _TFD_FLAGS)
        if self._descriptor < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create")
        self._value = ctypes.create_string_buffer(32)
        self._settime = _libc.timerfd_settime
        self._set = inf

    def fileno(self) -> int:
        return int(self._descriptor)

    def set(self, when: float) -> None:
        """Become readable at `when` (time.monotonic seconds); inf: never."""
        if when == self._set:
            return
        self._set = when
        if when == inf:
            seconds = nanoseconds = 0
        else:
            seconds, nanoseconds = divmod(max(1, int(when * 1e9)), 1_000_000_000)
        struct.pack_into("=qqqq", self._value, 0, 0, 0, seconds, nanoseconds)
        self._settime(self._descriptor, _TFD_TIMER_ABSTIME, self._value, None)

    def rung(self) -> None:
        """It became readable: take note, so that it is quiet until set again."""
        self._set = inf
        try:
            os.read(self._descriptor, 8)
        except BlockingIOError:
            pass

    def close(self) -> None:
        os.close(self._descriptor)


def keep_time(priority: int | None = None, *, lock: bool = True) -> list[str]:
    """Ask the kernel for what a timekeeper needs; what it refuses, in words.

    SCHED_FIFO (CAP_SYS_NICE), all memory locked (CAP_IPC_LOCK or RLIMIT_MEMLOCK), garbage collector frozen.
    """
    notes = []
    try:
        parameter = os.sched_param(_FIFO_PRIORITY if priority is None else priority)
        os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, parameter)
    except OSError as error:
        notes.append(
            f"SCHED_FIFO is not permitted ({error.strerror}): adverts may be late under load; grant CAP_SYS_NICE"
        )
    if lock and _libc.mlockall(_MCL_CURRENT | _MCL_FUTURE) != 0:
        why = os.strerror(ctypes.get_errno())
        notes.append(f"memory cannot be locked ({why}): swapping may delay adverts; grant CAP_IPC_LOCK")
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 50)
    return notes


def raise_file_limit() -> None:
    """As many descriptors as the hard limit allows: one receive socket for each interface with virtual routers."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def wall_offset() -> float:
    """What to add to time.monotonic for epoch seconds."""
    return time.time() - time.monotonic()
