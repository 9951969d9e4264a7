"""The last line of a test run, and the rules behind its numbers, on a small set of tests with every outcome."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import ROOT, root_problem

OUTCOMES = """\
import os, pytest
from tests.support import Inconclusive
runs = 0

@pytest.fixture
def broken(): raise RuntimeError

def test_passes(): pass
def test_fails(): assert False
def test_breaks_in_its_fixture(broken): pass
def test_skips(): pytest.skip("because")
@pytest.mark.needs("there")
def test_has_its_package(): pass
@pytest.mark.needs("not-there")
def test_lacks_a_package(): pass
@pytest.mark.root
def test_needs_root(): assert os.geteuid() == 0
@pytest.mark.live
def test_is_judged_in_its_third_run():
    global runs
    runs += 1
    if runs < 3:
        raise Inconclusive("the machine stalled for 0.4 s")
@pytest.mark.live
def test_never_gets_a_judgement():
    raise Inconclusive("the machine stalled for 0.4 s")
"""


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    tests = tmp_path / "tests"
    tests.mkdir()
    for name in ("__init__.py", "conftest.py", "support.py"):
        shutil.copy(ROOT / "tests" / name, tests)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tests / "packages.txt").write_text("there sh\nnot-there no-such-program\n")
    return tmp_path


def run(suite: Path, source: str, *under: str) -> tuple[int, list[str]]:
    (suite / "tests" / "lab").mkdir()
    (suite / "tests" / "lab" / "test_it.py").write_text(source)
    environment = os.environ | {"TMPDIR": str(suite)}  # its own lab lock: this run may hold the real one
    command = [*under, sys.executable, "-P", "-m", "pytest"]
    result = subprocess.run(command, cwd=suite, env=environment, capture_output=True, text=True, timeout=120)
    return result.returncode, result.stdout.splitlines()


def test_every_outcome_is_counted_and_every_skip_has_its_reason(suite: Path) -> None:
    code, lines = run(suite, OUTCOMES)
    passed, skipped = (4, 2) if root_problem() is None else (3, 3)
    assert lines[-1] == f"{passed} passed, 3 failed, {skipped} skipped, 4 inconclusive repeated"
    assert code == 1
    assert any("needs the Debian package not-there" in line for line in lines)
    assert any("because" in line for line in lines)


def test_nothing_repeated_leaves_the_plain_line(suite: Path) -> None:
    code, lines = run(suite, "def test_one(): pass\ndef test_two(): pass\n")
    assert (code, lines[-1]) == (0, "2 passed, 0 failed, 0 skipped")


def test_a_file_that_cannot_be_imported_is_a_failure(suite: Path) -> None:
    code, lines = run(suite, "import no_such_module\n")
    assert (code, lines[-1]) == (2, "0 passed, 1 failed, 0 skipped")


def test_a_need_that_no_list_names_is_a_failure_not_a_skip(suite: Path) -> None:
    code, lines = run(suite, "import pytest\n@pytest.mark.needs('misspelt')\ndef test_one(): pass\n")
    assert (code, lines[-1]) == (1, "0 passed, 1 failed, 0 skipped")


@pytest.mark.root
def test_a_root_without_the_capabilities_skips_and_says_which(suite: Path) -> None:
    source = "import pytest\n@pytest.mark.root\ndef test_one(): pass\n"
    code, lines = run(suite, source, "setpriv", "--bounding-set=-sys_admin")
    assert (code, lines[-1]) == (0, "0 passed, 0 failed, 1 skipped")
    assert any("needs root with CAP_SYS_ADMIN, which this root lacks" in line for line in lines)
