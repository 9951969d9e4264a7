"""The live screen: fits any terminal, newest first, and only where there is a terminal."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
import time

import pytest

from tests.watch.judgements import SPLIT, START, STEADY, episode, judgement, router
from vrrpcore.errors import UsageError
from vrrpwatch.commands import top


@pytest.mark.parametrize(("columns", "rows"), [(80, 24), (20, 5), (1, 1), (300, 100)])
def test_the_screen_fits(columns: int, rows: int) -> None:
    many = judgement(*(router("steady", vrid=vrid) for vrid in range(1, 256)))
    for one in (STEADY, SPLIT, many):
        lines = top.screen(one, columns, rows, START)
        assert 1 <= len(lines) <= rows
        assert all(len(line) <= columns for line in lines)


def test_the_latest_episodes_come_first_and_say_whether_they_last() -> None:
    row = router(
        "split_brain",
        "deaf",
        episodes=(
            episode("handover", "resigned", start=START + 1, end=START + 2, seconds=1.0),
            episode("split_brain", "deaf", start=START + 20),
        ),
    )
    lines = top.recent(judgement(row), 5)
    assert [line.split()[1] for line in lines] == ["CRITICAL", "OK"]
    assert lines[0].endswith("split brain: deaf, still so")
    assert lines[1].endswith("handover: resigned, 1.0s")


def test_without_a_terminal_it_says_what_to_use() -> None:
    with pytest.raises(UsageError, match="vrrpwatch list"):
        top.run((), (), True, 1.0)


@pytest.mark.root
def test_on_a_terminal_it_draws_and_leaves_the_screen_as_it_was() -> None:
    ours, theirs = pty.openpty()
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(sys.path),
        "TERM": "xterm",
        "COLUMNS": "80",
        "LINES": "24",
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "vrrpwatch", "top", "-i", "lo", "--interval", "0.2"],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=environment,
    )
    os.close(theirs)
    seen = b""
    deadline = time.monotonic() + 60
    try:
        while b"SEGMENT" not in seen:
            assert time.monotonic() < deadline, seen
            if select.select([ours], [], [], 1.0)[0]:
                seen += os.read(ours, 65536)
        process.send_signal(signal.SIGINT)
        while True:
            try:
                part = os.read(ours, 65536)
            except OSError:  # the other end is closed
                break
            if not part:
                break
            seen += part
        assert process.wait(20) == 0
    finally:
        process.kill()
        os.close(ours)
    assert seen.count(b"\x1b[?1049h") == 1
    assert seen.rstrip().endswith(b"\x1b[?25h\x1b[?1049l")
    assert b"Traceback" not in seen
