"""The progress line: on a terminal only, not for short work, wiped at the end."""

from __future__ import annotations

import io

import pytest

from vrrpwatch.progress import Progress, line


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_share_rate_and_time_left() -> None:
    assert line(25_000_000, 100_000_000, 2.5) == " 25 % ######------------------  10.0 MB/s  0:08 left"
    assert line(100, 100, 1.0).startswith("100 % ########################  ")
    assert line(900_000_000, 0, 90.0) == "900 MB read  10.0 MB/s"


@pytest.mark.parametrize(("stream", "expected"), [(Terminal(), True), (io.StringIO(), False)])
def test_only_long_work_on_a_terminal_is_reported_and_the_line_is_wiped(stream: io.StringIO, expected: bool) -> None:
    times = iter([0.0, 0.9, 1.5, 1.6, 1.7, 2.5])
    progress = Progress(stream, lambda: next(times))
    progress(1, 100)
    assert stream.getvalue() == ""  # over in less than a second: no line
    for _ in range(4):
        progress(50, 100)
    progress.close()
    assert (stream.getvalue().count("50 %") == 2) is expected
    assert (stream.getvalue() != "") is expected
    assert stream.getvalue().endswith("\r\x1b[K") is expected
