"""Runs the long steps of ./run with something to look at: one live line on a terminal, a line now and then elsewhere.

Everything goes to stderr: stdout belongs to the command that ./run was asked for.
"""

from __future__ import annotations

import os
import re
import selectors
import subprocess
import sys
import time
from collections.abc import Sequence

HEARTBEAT = 20.0  # seconds between lines where there is no terminal


class Failed(Exception):
    """A step ended with an error; the message is its last word, `output` all that it said."""

    def __init__(self, message: str, output: str) -> None:
        super().__init__(message)
        self.output = output


def say(text: str) -> None:
    print(f"run: {text}", file=sys.stderr, flush=True)


def last_word(output: str) -> str:
    """The line of a tool's output that says what went wrong."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if re.match(r"(ERROR|error|E)\s*:", line)]
    return (errors or lines or ["no output"])[-1][:300]


def clean_environment() -> dict[str, str]:
    """The caller's environment without what would bend an installation elsewhere; index settings stay."""
    bending = ("PYTHONHOME", "PYTHONPATH", "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_REQUIRE_VIRTUALENV", "PIP_USER")
    kept = {name: value for name, value in os.environ.items() if name not in bending}
    return kept | {"PIP_NO_INPUT": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_USER": "0", "UV_LINK_MODE": "copy"}


def run(label: str, command: Sequence[str], environment: dict[str, str] | None = None) -> str:
    """Run one step to its end and return its output; Failed when it does not exit with 0 or cannot start."""
    started = shown = time.monotonic()
    live = sys.stderr.isatty()
    if not live:
        say(f"{label} ...")
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=clean_environment() | (environment or {}),
        )
    except OSError as error:
        raise Failed(f"{command[0]}: {error.strerror}", "") from None
    assert process.stdout is not None
    chunks: list[bytes] = []
    with process, selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while True:
            if selector.select(timeout=1.0):
                chunk = os.read(process.stdout.fileno(), 65536)
                if not chunk:
                    break
                chunks.append(chunk)
            now = time.monotonic()
            if live or now - shown > HEARTBEAT:
                shown = now
                show(live, label, b"".join(chunks[-1:]), now - started)
    output = b"".join(chunks).decode(errors="replace")
    if live:
        sys.stderr.write("\r\x1b[K")
    if process.returncode != 0:
        raise Failed(last_word(output), output)
    say(f"{label}: done in {time.monotonic() - started:.0f} s")
    return output


def show(live: bool, label: str, tail: bytes, seconds: float) -> None:
    """What the step is at, from the last thing that it printed."""
    lines = [line for line in tail.decode(errors="replace").splitlines() if line.strip() and "://" not in line]
    doing = re.sub(r"\s*\(from .*", "", lines[-1]).strip()[:50] if lines else ""
    text = f"run: {label}, {seconds:.0f} s  {doing}".rstrip()
    sys.stderr.write(f"\r\x1b[K{text[:100]}" if live else text + "\n")
    sys.stderr.flush()
