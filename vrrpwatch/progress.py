"""A line on a terminal that says how far the reading of a capture is: share, rate and the time that is left."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, TextIO

_EVERY: Final = 0.5  # seconds between two lines
_QUIET: Final = 1.0  # seconds: what is over sooner needs no line
_WIDTH: Final = 24
_CLEAR: Final = "\r\x1b[K"


class Progress:
    """Call it with (octets read, octets in all or 0); `close` wipes the line. Writes only to a terminal."""

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream, self._clock = stream, clock
        self._begun = self._last = clock()
        self._shown = False
        self._terminal = stream.isatty()

    def __call__(self, done: int, total: int) -> None:
        """Say how far it is, at most twice a second."""
        now = self._clock()
        if not self._terminal or now - self._begun < _QUIET or now - self._last < _EVERY:
            return
        self._last, self._shown = now, True
        self._stream.write(f"{_CLEAR}{line(done, total, now - self._begun)}")
        self._stream.flush()

    def close(self) -> None:
        """Leave nothing behind on the terminal."""
        if self._shown:
            self._stream.write(_CLEAR)
            self._stream.flush()
            self._shown = False


def line(done: int, total: int, seconds: float) -> str:
    """`" 42 % ##########--------------  12.3 MB/s  0:17 left"`; without a total only what was read and the rate."""
    rate = done / seconds if seconds > 0 else 0.0
    speed = f"{rate / 1e6:.1f} MB/s"
    if not total:
        return f"{done / 1e6:.0f} MB read  {speed}"
    share = min(done / total, 1.0)
    bar = "#" * round(share * _WIDTH)
    left = round((total - done) / rate) if rate else 0
    return f"{100 * share:3.0f} % {bar:-<{_WIDTH}}  {speed}  {left // 60}:{left % 60:02d} left"
