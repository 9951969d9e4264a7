"""A check every minute on a thousand hosts: the commands that run often import only what they use."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import ROOT

HEAVY = ("scapy", "pyroute2", "prometheus_client", "apscheduler", "numpy", "asyncio", "multiprocessing", "cryptography")
CAPTURE = ROOT / "tests" / "replays" / "v2_pass_normal"


def loaded(*arguments: str) -> set[str]:
    """The top-level packages that are loaded when a command ends."""
    code = (
        "import sys, atexit\n"
        "atexit.register(lambda: print(*sorted({n.split('.')[0] for n in sys.modules}), file=sys.stderr))\n"
        f"sys.argv = {['vrrpwatch', *arguments]!r}\n"
        "from vrrpwatch.cli import main\n"
        "main()\n"
    )
    path = os.pathsep.join(str(ROOT / folder) for folder in ("", "core", "exporters"))
    run = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
        check=False,
    )
    assert run.stderr, run.stdout
    return set(run.stderr.splitlines()[-1].split())


def capture() -> str:
    return str(next(Path(CAPTURE).glob("*.pcap")))


@pytest.mark.parametrize(
    "arguments",
    [
        ("--help",),
        ("check", "--help"),
        ("check", "-i", "lo", "--for", "0.2", "--no-probe"),
        ("analyze", "--help"),
        ("analyze", "CAPTURE"),
        ("analyze", "CAPTURE", "-o", "json"),
        ("analyze", "nowhere.pcap"),
    ],
    ids=" ".join,
)
def test_commands_that_run_often_load_nothing_heavy(arguments: tuple[str, ...]) -> None:
    modules = loaded(*(capture() if word == "CAPTURE" else word for word in arguments))
    assert "vrrpwatch" in modules
    assert not modules & set(HEAVY)
