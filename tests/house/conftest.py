"""A checkout in small: the real `run` and its builders around a program that tells how it was started."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support import ROOT

PROGRAM = """\
import json, os, signal, sys
if sys.argv[1:2] == ["exit"]:
    sys.exit(int(sys.argv[2]))
if sys.argv[1:2] == ["wait"]:
    print("ready", flush=True)
    signal.pause()
import vrrpcore
print(json.dumps({"pid": os.getpid(), "arguments": sys.argv[1:], "cwd": os.getcwd(), "python": sys.executable,
                  "core": vrrpcore.__file__, "pythonpath": os.environ.get("PYTHONPATH")}))
"""


@dataclass
class Checkout:
    """A folder with `run`; its requirements are empty, so that nothing is fetched."""

    path: Path
    cache: Path

    def environment(self, **changes: str) -> dict[str, str]:
        return os.environ | {"XDG_CACHE_HOME": str(self.cache), "VRRPWATCH_PYTHON": sys.executable} | changes

    def run(self, *arguments: str, user: int | None = None, **changes: str) -> subprocess.CompletedProcess[str]:
        """`./run` from `/`, as a user's shell would start it."""
        return subprocess.run(
            [self.path / "run", *arguments], cwd="/", env=self.environment(**changes), user=user,
            group=user, extra_groups=[] if user else None, capture_output=True, text=True, timeout=300,
        )  # fmt: skip

    def layers(self, kind: str) -> list[Path]:
        return [path for path in (self.path / ".run").glob(f"{kind}-*") if path.suffix != ".building"]


def make_checkout(folder: Path) -> Checkout:
    checkout = Checkout(folder / "checkout", folder / "cache")
    (checkout.path / "requirements").mkdir(parents=True)
    shutil.copy(ROOT / "run", checkout.path)
    for source in (ROOT / "requirements").glob("*.py"):
        shutil.copy(source, checkout.path / "requirements")
    for kind in ("runtime", "test", "lint"):
        (checkout.path / "requirements" / f"{kind}.txt").touch()
    for package in ("vrrpwatch", "core/vrrpcore", "exporters/vrrpexporters"):
        (checkout.path / package).mkdir(parents=True)
        (checkout.path / package / "__init__.py").touch()
    (checkout.path / "vrrpwatch" / "__main__.py").write_text(PROGRAM)
    return checkout


@pytest.fixture
def checkout() -> Iterator[Checkout]:
    """A checkout of its own, with no layer yet, in a folder that other users may enter."""
    with tempfile.TemporaryDirectory(prefix="vrrpwatch-house-") as folder:
        Path(folder).chmod(0o755)
        yield make_checkout(Path(folder))


@pytest.fixture(scope="module")
def warm() -> Iterator[Checkout]:
    """A checkout whose runtime layer stands; tests share it and leave it as it is."""
    with tempfile.TemporaryDirectory(prefix="vrrpwatch-house-") as folder:
        Path(folder).chmod(0o755)
        checkout = make_checkout(Path(folder))
        first = checkout.run("vrrpwatch", "exit", "0")
        assert first.returncode == 0, first.stderr
        yield checkout
