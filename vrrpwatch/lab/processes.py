"""Programs inside a lab host: they die with the lab, write to a log of their own, and are ended by their own id."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .namespaces import LabError, Namespace, die_with_parent


def start(
    namespace: Namespace, arguments: Sequence[str], *, environment: Mapping[str, str] | None = None, **options: Any
) -> subprocess.Popen[Any]:
    """Start a program inside `namespace`; `options` as for subprocess.Popen. Never from a short-lived thread."""
    enter, parent = namespace.enter_child(), os.getpid()

    def prepare() -> None:
        die_with_parent(parent)
        enter()

    merged = {**os.environ, **(environment or {})}
    try:
        return subprocess.Popen(list(arguments), preexec_fn=prepare, env=merged, **options)
    except FileNotFoundError as error:
        raise LabError(f"{arguments[0]}: not installed") from error


class Program:
    """A running program of a host, its output in `log`."""

    def __init__(self, namespace: Namespace, arguments: Sequence[str], log: Path, **options: Any) -> None:
        self.arguments = tuple(arguments)
        self.log = log
        with open(log, "ab") as out:
            self.process = start(
                namespace, arguments, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, **options
            )

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    def text(self) -> str:
        """What it has written so far."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def wait_for(self, pattern: str, timeout: float = 15.0, after: int = 0) -> int:
        """Wait until `pattern` (a regular expression) stands in the output beyond character `after`; its end offset.

        LabError with the last lines when the time is over or the program has ended without it.
        """
        deadline = time.monotonic() + timeout
        while True:
            ended = not self.running
            found = re.compile(pattern).search(self.text(), after)
            if found:
                return found.end()
            if ended or time.monotonic() > deadline:
                tail = " / ".join(self.text().strip().splitlines()[-4:])
                what = "ended" if ended else f"{timeout:.0f} s passed"
                raise LabError(f"{self.arguments[0]}: {what} without {pattern!r}; it said: {tail}")
            time.sleep(0.02)

    def signal(self, number: int) -> None:
        """Send a signal to the program and to all its children (a stalled or killed daemon is both)."""
        for pid in (*descendants(self.pid), self.pid):
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue

    def pause(self) -> None:
        """Stall it: the host is alive, the daemon does not run (a hypervisor's or a scheduler's pause)."""
        self.signal(signal.SIGSTOP)

    def resume(self) -> None:
        self.signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it and its children with -9, in one go: nothing is released."""
        pids = (self.pid, *descendants(self.pid))
        for number in (signal.SIGSTOP, signal.SIGKILL):  # stopped first, so that no child sees its parent die
            for pid in pids:
                try:
                    os.kill(pid, number)
                except ProcessLookupError:
                    continue
        self.process.wait()

    def ask_to_stop(self) -> None:
        """Send it the word to end gracefully, and do not wait."""
        if self.running:
            self.signal(signal.SIGCONT)
            self.process.terminate()

    def stop(self, timeout: float = 5.0) -> int:
        """End it gracefully, by force after `timeout` seconds; the exit code."""
        if self.running:
            self.ask_to_stop()
            try:
                self.process.wait(timeout)
            except subprocess.TimeoutExpired:
                self.kill()
        return self.process.wait()


def descendants(pid: int) -> list[int]:
    """Children, grandchildren … of a process, deepest last; empty when it is gone."""
    found: list[int] = []
    queue = [pid]
    while queue:
        current = queue.pop(0)
        try:
            children = Path(f"/proc/{current}/task/{current}/children").read_text().split()
        except OSError:
            continue
        queue += [int(child) for child in children]
        found += [int(child) for child in children]
    return found
