"""The import contracts of pyproject.toml catch what they are there for."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import ROOT

LINT = "from importlinter.cli import lint_imports_command as main; main()"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for folder in ("core", "exporters", "vrrpwatch"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def broken(copy: Path) -> list[str]:
    """The names of the contracts that the copy breaks."""
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(str(copy / source) for source in ("", "core", "exporters"))
    }
    command = [sys.executable, "-P", "-c", LINT, "--no-cache", "--no-logo"]
    result = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True)
    lines = result.stdout.splitlines()
    assert any(line.startswith("Contracts: ") for line in lines), result.stdout + result.stderr
    return [found.group(1) for line in lines if (found := re.match(r"(.+) BROKEN\b", line))]


def test_the_tree_keeps_them(copy: Path) -> None:
    assert broken(copy) == []


@pytest.mark.parametrize(
    ("module", "statement", "contract"),
    [
        ("core/vrrpcore/packet.py", "import vrrpexporters", "vrrpwatch -> vrrpexporters -> vrrpcore"),
        ("core/vrrpcore/packet.py", "import vrrpcore.frames", "Inside the core"),
        ("core/vrrpcore/astray.py", "", "Inside the core"),
        ("core/vrrpcore/tally.py", "import time", "The pure ring"),
        ("core/vrrpcore/packet.py", "import yaml", "The pure ring"),
        ("vrrpwatch/__init__.py", "import core.vrrpcore", "core and exporters are source roots"),
        ("vrrpwatch/__init__.py", "import scapy.layers.vrrp", "scapy"),
        ("exporters/vrrpexporters/__init__.py", "import pyroute2", "pyroute2"),
        ("exporters/vrrpexporters/__init__.py", "import typer", "typer"),
        ("vrrpwatch/__init__.py", "import apscheduler", "apscheduler"),
        ("vrrpwatch/__init__.py", "import prometheus_client", "prometheus_client"),
    ],
)
def test_a_stray_import_breaks_its_contract(copy: Path, module: str, statement: str, contract: str) -> None:
    with (copy / module).open("a") as file:
        file.write(f"\n{statement}\n")
    assert any(name.startswith(contract) for name in broken(copy))
