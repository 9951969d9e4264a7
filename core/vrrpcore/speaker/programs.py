"""Running the programs of a configuration: as their user, in a session of their own, never longer than allowed."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import Callable, Mapping
from typing import Any, Final

from vrrpcore.settings import Command, GlobalDefs
from vrrpcore.speaker.permission import identity, refusal

_GRACE: Final = 1.0  # seconds between SIGTERM and SIGKILL


def _options(command: Command, defs: GlobalDefs, environment: Mapping[str, str] | None = None) -> dict[str, Any]:
    """What subprocess needs to know. Signals that we catch are the program's own again after exec."""
    options: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
    options["start_new_session"] = True
    if environment:
        options["env"] = {**os.environ, **environment}
    who = identity(command, defs)
    if who != (os.geteuid(), os.getegid()):
        options |= {"user": who.uid, "group": who.gid, "extra_groups": []}
    return options


def run_to_end(command: Command, defs: GlobalDefs, seconds: float) -> str:
    """Run a program and wait for it: "" when all went well, else what did not, in words."""
    reason = refusal(command, defs)
    if reason:
        return f"is not run: {reason}"
    try:
        process = subprocess.Popen(command.words, **_options(command, defs))
    except (OSError, subprocess.SubprocessError) as error:
        return f"cannot be run: {error}"
    try:
        code = process.wait(seconds)
    except subprocess.TimeoutExpired:
        end(process.pid, signal.SIGKILL)
        process.wait()
        return f"took longer than {seconds:g} s and was ended"
    return f"ended with code {code}" if code else ""


def end(pid: int, number: int) -> None:
    """Send a signal to a program and to all that it has started in its session."""
    try:
        os.killpg(pid, number)
    except ProcessLookupError:
        pass  # it was faster


async def _end_gently(process: asyncio.subprocess.Process) -> None:
    """SIGTERM, and SIGKILL for what does not heed it."""
    end(process.pid, signal.SIGTERM)
    try:
        await asyncio.wait_for(process.wait(), _GRACE)
    except TimeoutError:
        end(process.pid, signal.SIGKILL)
        await process.wait()


class Programs:
    """Runs programs in the event loop. `log(level, line)` hears of every one that could not be run."""

    def __init__(self, defs: GlobalDefs, log: Callable[[str, str], None]) -> None:
        self.defs = defs
        self._log = log
        self._refused: dict[Command, str] = {}  # why, as it was told last

    async def run(
        self,
        command: Command,
        arguments: tuple[str, ...],
        timeout: float | None,
        environment: Mapping[str, str] | None = None,
    ) -> int | None:
        """Run a program to its end: its exit code; -1 when it could not be run or took too long; None when it must
        not be run (said once for each reason, until it may again). `environment` is added to ours."""
        reason = refusal(command, self.defs)
        name = " ".join(command.words)
        if reason:
            if self._refused.get(command) != reason:
                self._log("error", f"{name} is not run: {reason}")
            self._refused[command] = reason
            return None
        self._refused.pop(command, None)
        try:
            options = _options(command, self.defs, environment)
            process = await asyncio.create_subprocess_exec(*command.words, *arguments, **options)
        except (OSError, subprocess.SubprocessError, ValueError) as error:
            self._log("error", f"cannot run {name}: {error}")
            return -1
        try:
            return await asyncio.wait_for(process.wait(), timeout)
        except TimeoutError:
            self._log("warning", f"{command.words[0]} took longer than {timeout:g} s and was ended")
            return -1
        finally:
            if process.returncode is None:
                await _end_gently(process)
