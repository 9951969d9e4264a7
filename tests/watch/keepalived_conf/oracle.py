"""The installed keepalived as an oracle: its `--config-test` and its dumps, in a network namespace of our own."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

NAMESPACE = "vw-conf"
INTERFACES = ("eth0", "eth1", "eth2")


def missing() -> str:
    """Why the oracle cannot be asked here; "" when it can."""
    if os.geteuid() != 0:
        return "needs root to make a network namespace"
    for program in ("keepalived", "ip", "unshare"):
        if shutil.which(program) is None:
            return f"needs {program}"
    return ""


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


@contextmanager
def namespace(interfaces: Iterable[str] = INTERFACES) -> Iterator[str]:
    """A namespace whose interfaces exist (bridges that lead nowhere), removed at the end."""
    name = f"{NAMESPACE}-{os.getpid()}"
    _ip("netns", "add", name)
    try:
        _ip("-n", name, "link", "set", "lo", "up")
        for interface in interfaces:
            _ip("-n", name, "link", "add", interface, "type", "bridge")
            _ip("-n", name, "link", "set", interface, "up")
        yield name
    finally:
        subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)


@dataclass(frozen=True)
class Answer:
    """What `keepalived --config-test` says of one file."""

    code: int
    messages: tuple[str, ...]

    def lines(self) -> set[int]:
        """The line numbers that it complains of."""
        found = (re.match(r"\((?:[^()]*: )?Line (\d+)\)", message) for message in self.messages)
        return {int(match.group(1)) for match in found if match}


def config_test(space: str, file: Path) -> Answer:
    """Ask about one file; every message once."""
    command = ["ip", "netns", "exec", space, "keepalived", "--config-test", "-f", str(file), "-l", "-i", "node"]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=60)
    return Answer(done.returncode, tuple(dict.fromkeys((done.stderr + done.stdout).splitlines())))


@dataclass(frozen=True)
class Dump:
    """What a running keepalived says of its VRRP part: the JSON list and the text of SIGUSR1."""

    instances: list[dict[str, Any]]
    data: str


def dump(space: str, file: Path) -> Dump:
    """Run keepalived until it has dumped its state, then end it.

    Without health checks (-P): they need IPVS in the kernel, which a test machine need not have.
    """
    with tempfile.TemporaryDirectory() as directory:
        names = (("--pid", "p"), ("--vrrp_pid", "v"), ("--checkers_pid", "c"), ("--bfd_pid", "b"))
        pid_files = [f"{option}={directory}/{name}.pid" for option, name in names]
        command = [
            "ip",
            "netns",
            "exec",
            space,
            "keepalived",
            "-P",
            "-n",
            "-l",
            "-i",
            "node",
            "-f",
            str(file),
            *pid_files,
        ]
        environment = os.environ | {"TMPDIR": directory}
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
        try:
            _wait(Path(directory) / "v.pid", process)
            instances = json.loads(_dumped(process, "JSON", Path(directory) / "keepalived.json"))
            data = _dumped(process, "DATA", Path(directory) / "keepalived.data")
            return Dump(instances, data)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


def _wait(path: Path, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 20
    while not path.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"keepalived did not start ({process.poll()})")
        time.sleep(0.02)


def _dumped(process: subprocess.Popen[bytes], what: str, path: Path) -> str:
    """Signal until the dump is there and complete: the children may not listen yet."""
    number = int(subprocess.run(["keepalived", f"--signum={what}"], capture_output=True, text=True, check=True).stdout)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        process.send_signal(number)
        time.sleep(0.3)
        text = path.read_text() if path.exists() else ""
        if text.strip() and (what == "DATA" or _complete(text)):
            return text
    raise RuntimeError(f"keepalived wrote no {path.name}")


def _complete(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True
