"""The lab itself: the demo to its end, nothing left behind however it ends, a standing lab that others enter."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.lab.bench_of_hosts import Answer
from vrrpwatch.lab import Lab, LabError, module_path, sweep
from vrrpwatch.lab.network import PREFIX

pytestmark = [pytest.mark.live, pytest.mark.root]
MARK = "VRRPWATCH_TEST_MARK"


class Child:
    """`vrrpwatch` with a mark in its environment, by which all its descendants are found."""

    def __init__(self, *words: str) -> None:
        self.mark = uuid.uuid4().hex
        self.process = subprocess.Popen(
            [sys.executable, "-m", "vrrpwatch", *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **module_path(), MARK: self.mark},
            start_new_session=True,
        )

    def read_until(self, words: str) -> str:
        assert self.process.stdout is not None
        seen = ""
        for line in self.process.stdout:
            seen += line
            if words in line:
                return seen
        raise AssertionError(
            f"ended without {words!r}: {seen} {self.process.stderr.read() if self.process.stderr else ''}"
        )

    def relatives(self) -> list[int]:
        """Living processes that carry the mark."""
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                if f"{MARK}={self.mark}".encode() in (entry / "environ").read_bytes():
                    found.append(int(entry.name))
            except OSError:
                continue
        return found

    def wait_gone(self) -> None:
        deadline = time.monotonic() + 20
        while self.relatives():
            assert time.monotonic() < deadline, f"still there: {self.relatives()}"
            time.sleep(0.05)


@contextmanager
def standing(*words: str) -> Iterator[Child]:
    child = Child(*words)
    try:
        yield child
    finally:
        child.process.kill()
        child.process.communicate()
        child.wait_gone()


def demos() -> set[str]:
    """Directories of demos, living or not; labs of other test runs are none of our business."""
    return {path.name for path in Path(tempfile.gettempdir()).glob(f"{PREFIX}*-demo-*")}


def test_the_demo_shows_a_split_and_its_healing_and_leaves_nothing() -> None:
    before = demos()
    child = Child("demo")
    out, err = child.process.communicate(timeout=120)
    assert (child.process.returncode, err) == (0, "")
    for words in ("one master", "SPLIT BRAIN", "peer_deaf", "remedy:", "healed"):
        assert words in out
    child.wait_gone()
    assert demos() <= before


NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all", "--bounding-set=-all")


def test_an_ordinary_user_sees_the_demo_as_well() -> None:
    environment = {**os.environ, **module_path(), "HOME": "/nonexistent"}
    # by way of a shell: setpriv itself still has root's rights when it looks the program up
    command = [*NOBODY, "sh", "-c", 'exec "$0" "$@"', sys.executable, "-m", "vrrpwatch"]
    if subprocess.run([*command, "--version"], env=environment, capture_output=True, check=False).returncode:
        pytest.skip(f"{sys.executable} cannot be run by an ordinary user")
    if subprocess.run([*NOBODY, "unshare", "--user", "true"], capture_output=True, check=False).returncode:
        pytest.skip("this kernel refuses user namespaces to an ordinary user")
    done = subprocess.run([*command, "demo"], env=environment, capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    assert "SPLIT BRAIN" in done.stdout
    assert "healed" in done.stdout


def test_kill_9_in_the_middle_of_the_demo_leaves_no_process_and_the_next_lab_sweeps() -> None:
    before = demos()
    with standing("demo") as child:
        child.read_until("one master")
        child.process.kill()
        child.process.wait()
        child.wait_gone()
    sweep()
    assert demos() <= before


def test_ctrl_c_ends_the_demo_cleanly() -> None:
    before = demos()
    with standing("demo") as child:
        child.read_until("one master")
        os.killpg(child.process.pid, signal.SIGINT)  # as a terminal does: the whole foreground group
        assert child.process.wait(20) == 130
        assert child.process.stderr is not None
        assert "Traceback" not in child.process.stderr.read()
        child.wait_gone()
        assert demos() <= before


def lab_command(*words: str) -> Answer:
    begun = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "vrrpwatch", "lab", *words],
        capture_output=True,
        text=True,
        env={**os.environ, **module_path()},
        check=False,
        timeout=60,
    )
    return Answer(done.returncode, done.stdout, done.stderr, time.monotonic() - begun)


def test_a_standing_lab_is_split_judged_healed_and_lied_to() -> None:
    with standing("lab", "up") as child:
        child.read_until("Ctrl-C here")
        assert "observer   10.9.0.9" in lab_command("list").out
        steady = lab_command("exec", "observer", "vrrpwatch", "check", "--vrid", "51", "--for", "8")
        assert steady.code == 0, steady
        assert lab_command("split").code == 0
        found = lab_command("exec", "observer", "vrrpwatch", "check", "-o", "json", "--for", "12")
        assert (found.code, found.worst[0]) == (2, "split_brain")
        assert lab_command("heal").code == 0
        assert lab_command("inject", "--priority", "200", "--count", "2").code == 0
        assert lab_command("inject", "--vip", "nonsense").code == 2
        assert lab_command("exec", "nowhere", "true").code == 2
        assert lab_command("exec", "router-1", "/no/such/program").code == 1


def test_a_command_for_a_lab_that_does_not_stand_says_how_to_start_one() -> None:
    answer = lab_command("split")
    assert answer.code == 1
    assert "vrrpwatch lab up" in answer.err


def test_a_living_labs_directory_is_not_swept() -> None:
    with Lab("vw-sweep") as lab:
        assert lab.directory.name not in sweep()
        assert lab.directory.is_dir()
    assert not lab.directory.exists()


def test_a_program_that_is_not_there_is_a_clear_error() -> None:
    with Lab("vw-missing") as lab:
        host = lab.host("a", "10.9.0.1/24")
        with pytest.raises(LabError, match="no-such-program: not installed"):
            host.run("no-such-program")
