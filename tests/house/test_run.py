"""`./run`: what it promises about starting the program, and about building what the program needs."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.house.conftest import Checkout

NOBODY = 65534


def test_warm_start_execs_the_program_with_nothing_of_its_own_on_stdout_or_stderr(warm: Checkout) -> None:
    process = subprocess.Popen(
        [warm.path / "run", "vrrpwatch", "check", "-i", "eth 0", ""],
        cwd="/",
        env=warm.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    stdout, stderr = process.communicate(timeout=60)
    told = json.loads(stdout)
    assert told["pid"] == process.pid
    assert told["arguments"] == ["check", "-i", "eth 0", ""]
    assert told["cwd"] == "/"
    assert told["core"] == str(warm.path / "core" / "vrrpcore" / "__init__.py")
    assert stderr == ""


@pytest.mark.parametrize("code", [0, 1, 2, 3, 6])
def test_exit_codes_pass_through(warm: Checkout, code: int) -> None:
    assert warm.run("vrrpwatch", "exit", str(code)).returncode == code


def test_signals_reach_the_program(warm: Checkout) -> None:
    process = subprocess.Popen(
        [warm.path / "run", "vrrpwatch", "wait"], env=warm.environment(), stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=60) == -signal.SIGTERM
    process.stdout.close()


def test_demo_is_the_programs_demo(warm: Checkout) -> None:
    assert json.loads(warm.run("demo", "--fast").stdout)["arguments"] == ["demo", "--fast"]


def test_modules_in_the_callers_folder_are_never_imported(warm: Checkout, tmp_path: Path) -> None:
    for name in ("vrrpwatch", "vrrpcore", "json", "signal"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('imported from the current folder')")
    result = subprocess.run(
        [warm.path / "run", "vrrpwatch"], cwd=tmp_path, env=warm.environment(), capture_output=True, text=True
    )
    assert json.loads(result.stdout)["cwd"] == str(tmp_path), result.stderr


def test_runs_through_a_symbolic_link_and_adds_nothing_to_the_environment(warm: Checkout, tmp_path: Path) -> None:
    (tmp_path / "vw").symlink_to(warm.path / "run")
    result = subprocess.run([tmp_path / "vw", "vrrpwatch"], env=warm.environment(), capture_output=True, text=True)
    assert json.loads(result.stdout)["pythonpath"] is None


def test_a_moved_checkout_runs_its_own_code(warm: Checkout, tmp_path: Path) -> None:
    copy = Checkout(tmp_path / "elsewhere", tmp_path / "cache")
    shutil.copytree(warm.path, copy.path, symlinks=True)
    result = copy.run("vrrpwatch")
    assert json.loads(result.stdout)["core"].startswith(str(copy.path)), result.stderr
    assert result.stderr == ""


@pytest.mark.root
def test_warm_start_needs_no_network(warm: Checkout) -> None:
    command = ["unshare", "--net", str(warm.path / "run"), "vrrpwatch", "exit", "3"]
    assert subprocess.run(command, env=warm.environment(), timeout=60).returncode == 3


@pytest.mark.root
def test_another_user_runs_the_layer_that_root_built(warm: Checkout) -> None:
    result = warm.run("vrrpwatch", user=NOBODY, HOME="/nonexistent")
    assert json.loads(result.stdout)["python"].startswith(str(warm.path / ".run")), result.stderr


@pytest.mark.root
def test_a_checkout_that_cannot_be_written_uses_the_users_cache(checkout: Checkout) -> None:
    checkout.cache.mkdir()
    os.chown(checkout.cache, NOBODY, NOBODY)
    cold = checkout.run("vrrpwatch", user=NOBODY)
    told = json.loads(cold.stdout)
    assert told["python"].startswith(str(checkout.cache))
    assert told["core"].startswith(str(checkout.path))
    assert checkout.run("vrrpwatch", user=NOBODY).stderr == ""
    assert not (checkout.path / ".run").exists()


@pytest.mark.root
def test_nowhere_to_write_is_one_line(checkout: Checkout) -> None:
    result = checkout.run("vrrpwatch", user=NOBODY, XDG_CACHE_HOME="/proc/nowhere")
    assert result.returncode == 1
    assert result.stderr.startswith("run: cannot write to ")
    assert result.stderr.count("\n") == 1


@pytest.mark.root
def test_roots_work_in_a_users_checkout_belongs_to_the_user(checkout: Checkout) -> None:
    os.chown(checkout.path, NOBODY, NOBODY)
    assert checkout.run("vrrpwatch", "exit", "0").returncode == 0
    assert {path.lstat().st_uid for path in (checkout.path / ".run").rglob("*")} == {NOBODY}
    assert not list((checkout.path / "vrrpwatch").rglob("*.pyc"))


def test_two_cold_starts_build_once(checkout: Checkout) -> None:
    command = [str(checkout.path / "run"), "vrrpwatch", "exit", "0"]
    starts = [
        subprocess.Popen(command, env=checkout.environment(), stderr=subprocess.PIPE, text=True) for _ in range(2)
    ]
    said = [process.communicate(timeout=300)[1] for process in starts]
    assert [process.returncode for process in starts] == [0, 0], said
    assert sum("setting up the runtime packages ..." in text for text in said) == 1, said
    assert len(checkout.layers("runtime")) == 1


def test_a_killed_build_leaves_nothing_that_counts(checkout: Checkout) -> None:
    process = subprocess.Popen(
        [checkout.path / "run", "vrrpwatch"], env=checkout.environment(), stderr=subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while not list((checkout.path / ".run").glob("*.building/bin/python")):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(timeout=60)
    assert checkout.layers("runtime") == []
    assert checkout.run("vrrpwatch", "exit", "0").returncode == 0
    assert not list((checkout.path / ".run").glob("*.building"))


def test_changed_requirements_make_a_new_layer(warm: Checkout, tmp_path: Path) -> None:
    checkout = Checkout(tmp_path / "changed", tmp_path / "cache")
    shutil.copytree(warm.path, checkout.path, symlinks=True)
    (checkout.path / "requirements" / "runtime.txt").write_text("# one more line\n")
    again = checkout.run("vrrpwatch", "exit", "0")
    assert again.returncode == 0
    assert "setting up the runtime packages" in again.stderr
    assert len(checkout.layers("runtime")) == 2


def test_a_warm_start_does_not_even_start_a_second_python(warm: Checkout, tmp_path: Path) -> None:
    checkout = Checkout(tmp_path / "warm", tmp_path / "cache")
    shutil.copytree(warm.path, checkout.path, symlinks=True)
    assert checkout.run("vrrpwatch", "exit", "0", VRRPWATCH_PYTHON="").returncode == 0
    script = (checkout.path / "run").read_text()
    (checkout.path / "run").write_text(script.replace("\nimport os\n", "\nraise SystemExit('by way of Python')\n"))
    assert json.loads(checkout.run("vrrpwatch", VRRPWATCH_PYTHON="").stdout)["core"].startswith(str(checkout.path))
    (checkout.path / "requirements" / "runtime.txt").write_text("# one more line\n")
    assert checkout.run("vrrpwatch", VRRPWATCH_PYTHON="").stderr == "by way of Python\n"


def test_packages_that_cannot_be_had_are_one_clear_line(checkout: Checkout) -> None:
    requirement = f"vrrpwatch-no-such-package==1 --hash=sha256:{'0' * 64}\n"
    (checkout.path / "requirements" / "runtime.txt").write_text(requirement)
    result = checkout.run("vrrpwatch", PIP_NO_INDEX="1", PATH="/usr/bin:/bin")
    assert result.returncode == 1
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    assert result.stderr.splitlines()[-1].startswith("run: cannot install Python packages: ")
    assert checkout.layers("runtime") == []


def test_an_old_python_is_refused_in_one_line(checkout: Checkout) -> None:
    pretend = (
        "import runpy, sys; sys.version_info = (3, 9, 2, 'final', 0); sys.argv = ['run', 'vrrpwatch']; "
        f"runpy.run_path({str(checkout.path / 'run')!r}, run_name='__main__')"
    )
    result = subprocess.run(
        [sys.executable, "-I", "-S", "-c", pretend], env={"PATH": "/nonexistent"}, capture_output=True, text=True
    )
    assert result.returncode == 1
    assert result.stderr == f"run: needs Python 3.11 or newer, found only {sys.executable} (3.9)\n"


@pytest.mark.parametrize("python", ["/no/such/python3", "python-without-a-name"])
def test_a_named_interpreter_that_is_not_there_is_one_clear_line(checkout: Checkout, python: str) -> None:
    result = checkout.run("test", VRRPWATCH_PYTHON=python, PATH="/usr/bin:/bin", XDG_CACHE_HOME="/proc/nowhere")
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    assert f"{python}: cannot be started: No such file or directory" in result.stderr.splitlines()[-1]


def test_usage(warm: Checkout) -> None:
    assert warm.run("--help").stdout.startswith("usage: ./run COMMAND")
    nothing = warm.run()
    assert (nothing.returncode, nothing.stdout) == (2, "")
    unknown = warm.run("chekc")
    assert (unknown.returncode, unknown.stdout) == (2, "")
    assert unknown.stderr == "run: no command 'chekc'; ./run --help lists them\n"
