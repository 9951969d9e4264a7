"""A check every minute on a thousand hosts: the commands that run often import only what they use."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import ROOT

#: What no command that runs often may load. pydantic is what typer would ask to convert words.
HEAVY = frozenset(
    "scapy pyroute2 prometheus_client apscheduler numpy asyncio multiprocessing cryptography pydantic pydantic_core "
    "rich importlib.metadata email sqlite3 tempfile yaml bcrypt".split()
)
#: And what only some of them need.
LISTENING = frozenset(
    "vrrpwatch.capture vrrpwatch.interfaces vrrpwatch.listening vrrpwatch.probes vrrpcore.wires vrrpcore.cbpf "
    "vrrpcore.membership".split()
)
READING = frozenset("vrrpwatch.sensors vrrpwatch.replay vrrpcore.pcap vrrpwatch.commands.analyze".split())
JUDGING = frozenset("vrrpcore.judge vrrpcore.frames vrrpcore.verdict".split())
REPORTS = frozenset(f"vrrpexporters.report.{form}" for form in ("documents", "page", "plugin", "text"))
DECLARED = frozenset(f"vrrpwatch.cli.{name}" for name in ("configuring", "labs", "packs", "running", "sensing"))
CAPTURE = ROOT / "tests" / "replays" / "v2_pass_normal"


def loaded(*arguments: str) -> set[str]:
    """The modules that are loaded when a command ends."""
    code = (
        "import sys, atexit, runpy\n"
        "atexit.register(lambda: print(*sorted(sys.modules), file=sys.stderr))\n"
        f"sys.argv = {['vrrpwatch', *arguments]!r}\n"
        "runpy.run_module('vrrpwatch', run_name='__main__', alter_sys=True)\n"
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


SENSING = DECLARED - {"vrrpwatch.cli.sensing"}


@pytest.mark.parametrize(
    ("arguments", "unused"),
    [
        (("--help",), DECLARED | LISTENING | READING | JUDGING | REPORTS),
        (("--version",), DECLARED | LISTENING | READING | JUDGING | REPORTS),
        (("check", "--help"), SENSING | LISTENING | READING | JUDGING | REPORTS),
        (
            ("check", "-i", "lo", "--vrid", "51", "--for", "0.2", "--no-probe"),
            SENSING | READING | REPORTS - {"vrrpexporters.report.plugin"},
        ),
        (("analyze", "--help"), SENSING | LISTENING | READING | JUDGING | REPORTS),
        (("analyze", "CAPTURE"), SENSING | LISTENING | REPORTS - {"vrrpexporters.report.text"} | {"json"}),
        (("analyze", "CAPTURE", "-o", "json"), SENSING | LISTENING | REPORTS - {"vrrpexporters.report.documents"}),
        (("analyze", "nowhere.pcap", "--vip", "10.9.0.1", "--segment", "office"), SENSING | LISTENING | REPORTS),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_commands_that_run_often_load_only_what_they_use(arguments: tuple[str, ...], unused: frozenset[str]) -> None:
    modules = loaded(*(capture() if word == "CAPTURE" else word for word in arguments))
    assert "vrrpwatch.cli" in modules
    assert sorted(modules & (HEAVY | unused)) == []
