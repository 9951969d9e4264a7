"""The process for scripts: what it watches over a reload, how it ends what takes too long. Real files and programs."""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.core.machine_setup import instance
from vrrpcore.settings import Command, Settings, Track, TrackFile, Tracking, TrackProcess, TrackScript
from vrrpcore.speaker.chores import Chores

Told = list[tuple[str, Any]]


def play(settings: Settings, story: Callable[[Chores, Told], Awaitable[None]]) -> Told:
    """Run the chores of a configuration while a story is told; everything that they reported."""
    told: Told = []

    async def run() -> None:
        chores = Chores(settings, lambda kind, value: told.append((kind, value)))  # type: ignore[arg-type]
        chores.configure(settings)
        await story(chores, told)
        await chores.finish()

    asyncio.run(run())
    return told


async def until(condition: Callable[[], object]) -> None:
    by = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < by
        await asyncio.sleep(0.01)


def values(told: Told, kind: str) -> list[int]:
    return [value[2] for what, value in told if what == "tracked" and value[0] == kind]


def test_a_reload_goes_on_with_what_is_the_same_and_begins_what_is_new(tmp_path: Path) -> None:
    log, number = tmp_path / "runs", tmp_path / "number"
    number.write_text("4\n")
    run = TrackScript("run", Command(("/bin/sh", "-c", f"echo x >> {log}")), interval_seconds=60)
    unused = TrackScript("unused", Command(("/bin/sh", "-c", f"echo y >> {log}")), interval_seconds=60)
    file = TrackFile("f", str(number))
    tracking = Tracking(scripts=(Track("run"),), files=(Track("f"),))
    settings = Settings(scripts=(run, unused), track_files=(file,), instances=(instance(tracking=tracking),))

    async def story(chores: Chores, told: Told) -> None:
        await until(lambda: values(told, "script") and values(told, "file"))
        chores.configure(settings)
        chores.configure(replace(settings, track_files=(replace(file, weight=7),)))
        await until(lambda: len(values(told, "file")) == 2)
        number.write_text("9\n")
        await until(lambda: len(values(told, "file")) == 3)

    told = play(settings, story)
    assert values(told, "file") == [4, 4, 9]
    assert values(told, "script") == [1]
    assert log.read_text() == "x\n"


def test_a_script_that_takes_too_long_may_clean_up_and_has_failed(tmp_path: Path) -> None:
    cleaned = tmp_path / "cleaned"
    words = ("/bin/sh", "-c", f"trap 'touch {cleaned}; exit 0' TERM; sleep 60 & wait")
    script = TrackScript("slow", Command(words), interval_seconds=60, timeout_seconds=0.3)
    settings = Settings(scripts=(script,), instances=(instance(tracking=Tracking(scripts=(Track("slow"),))),))

    async def story(chores: Chores, told: Told) -> None:
        await until(lambda: values(told, "script"))

    assert values(play(settings, story), "script") == [0]
    assert cleaned.exists()


def test_a_process_that_has_ended_does_not_run_although_its_parent_has_not_asked(tmp_path: Path) -> None:
    program = tmp_path / "trackedprog"
    program.write_text("#!/bin/sh\nread line\n")
    program.chmod(0o755)
    wanted = TrackProcess("p", "trackedprog")
    settings = Settings(processes=(wanted,), instances=(instance(tracking=Tracking(processes=(Track("p"),))),))

    async def story(chores: Chores, told: Told) -> None:
        zombie = subprocess.Popen([program], stdin=subprocess.PIPE)
        await until(lambda: values(told, "process")[-1:] == [1])
        assert zombie.stdin is not None
        zombie.stdin.close()
        await until(lambda: values(told, "process")[-1:] == [0])
        assert zombie.returncode is None
        zombie.wait()

    play(settings, story)
