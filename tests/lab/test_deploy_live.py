"""The daemons as their units let them run: few capabilities, no new privileges, a service manager's socket."""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.house.test_deploy import DEPLOY, directives
from tests.lab.bench_of_hosts import command
from tests.lab.test_watch_prometheus import free_port, sample
from vrrpwatch.lab import Host, Lab, Program, keepalived_config, module_path
from vrrpwatch.lab.processes import descendants

pytestmark = [pytest.mark.root, pytest.mark.live, pytest.mark.needs("iproute2")]
#: What MemoryDenyWriteExecute= asks of the kernel since Linux 6.3; older ones refuse it, and the program runs without.
CONFINE = "import ctypes, os, sys; ctypes.CDLL(None).prctl(65, {}, 0, 0, 0); os.execvp(sys.argv[1], sys.argv[1:])"


class Manager:
    """A service manager's end of NOTIFY_SOCKET: (process id of the sender, line), as they came."""

    def __init__(self, folder: Path) -> None:
        self.path = str(folder / "notify")
        self._wire = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._wire.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self._wire.bind(self.path)
        self._wire.setblocking(False)
        self._told: list[tuple[int, str]] = []

    def told(self) -> list[tuple[int, str]]:
        while True:
            try:
                data, rights, _, _ = self._wire.recvmsg(4096, socket.CMSG_SPACE(12))
            except BlockingIOError:
                return self._told
            sender = int.from_bytes(rights[0][2][:4], sys.byteorder)
            self._told += [(sender, line) for line in data.decode().split("\n")]

    def lines(self) -> list[str]:
        return [line for _, line in self.told()]


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab("vw-deploy") as made:
        made.host("a", "10.9.0.1/24", mac="02:00:00:00:00:01")
        yield made


def as_unit(host: Host, unit: str, manager: Manager, state: Path, *words: str) -> Program:
    """Start `vrrpwatch` with what the unit grants; it is root in both, for a checkout may be closed to others."""
    granted = directives(DEPLOY / "systemd" / unit)
    (held,) = granted["Service.CapabilityBoundingSet"]
    caps = "-all," + ",".join(f"+{name.removeprefix('CAP_').lower()}" for name in held.split())
    before = ["setpriv", f"--bounding-set={caps}", "--inh-caps=-all", "--no-new-privs"]
    confined = CONFINE.format(int("Service.MemoryDenyWriteExecute" in granted))
    environment = {
        "NOTIFY_SOCKET": manager.path,
        "WATCHDOG_USEC": "3000000",
        "STATE_DIRECTORY": str(state),
        **module_path(),
    }
    return host.start(*before, sys.executable, "-c", confined, *command(*words), log="unit", environment=environment)


def test_the_monitor_works_with_what_its_unit_grants(lab: Lab, tmp_path: Path) -> None:
    host, manager = lab.hosts["a"], Manager(tmp_path)
    port = free_port(host)
    words = ("watch", "-i", "eth0", "--listen", f"127.0.0.1:{port}")
    program = as_unit(host, "vrrpwatch-watch.service", manager, tmp_path, *words)
    lab.wait(lambda: "READY=1" in manager.lines(), "READY", 60)
    lab.wait(lambda: sample(host, port, "vrrpwatch_sniffer_up", interface="eth0") == 1, "the first judgement", 60)
    lab.wait(lambda: manager.lines().count("WATCHDOG=1") >= 3, "signs of life", 60)
    status = Path(f"/proc/{program.pid}/status").read_text()
    assert "CapEff:\t0000000000002000" in status  # CAP_NET_RAW
    assert "NoNewPrivs:\t1" in status
    program.process.send_signal(signal.SIGHUP)
    program.wait_for("the configuration was read again")
    assert program.stop(20) == 0
    assert "STOPPING=1" in manager.lines()
    assert (tmp_path / "journal.db").exists()


def test_a_monitor_that_hangs_gives_no_sign_of_life(lab: Lab, tmp_path: Path) -> None:
    host, manager = lab.hosts["a"], Manager(tmp_path)
    words = ("watch", "-i", "eth0", "--listen", f"127.0.0.1:{free_port(host)}")
    program = as_unit(host, "vrrpwatch-watch.service", manager, tmp_path, *words)
    lab.wait(lambda: "WATCHDOG=1" in manager.lines(), "a sign of life", 60)
    program.pause()
    before = manager.lines().count("WATCHDOG=1")
    time.sleep(3.0)
    assert manager.lines().count("WATCHDOG=1") == before
    program.resume()
    lab.wait(lambda: manager.lines().count("WATCHDOG=1") > before, "signs of life again", 60)
    assert program.stop(20) == 0


def test_the_speaker_works_with_what_its_unit_grants_and_speaks_alone_to_the_manager(lab: Lab, tmp_path: Path) -> None:
    host, manager = lab.hosts["a"], Manager(tmp_path)
    ran = tmp_path / "ran"
    script = tmp_path / "told.sh"
    script.write_text(f'#!/bin/sh\necho "$3" >> {ran}\n')
    script.chmod(0o755)
    text = keepalived_config(
        51, 150, ["10.9.0.100/24"], interval=0.5, version=3, extra=["use_vmac", f"notify {script}"]
    )
    file = lab.write("unit.conf", text)
    port = free_port(host)
    words = ("run", "-f", str(file), "--watch", "--listen", f"127.0.0.1:{port}")
    program = as_unit(host, "vrrpwatch.service", manager, tmp_path, *words)
    program.wait_for("Entering MASTER STATE", 60)
    lab.wait(lambda: "READY=1" in manager.lines(), "READY", 60)
    lab.wait(lambda: sample(host, port, "vrrpwatch_group_masters", vrid="51") == 1, "our adverts", 60)
    lab.wait(lambda: manager.lines().count("WATCHDOG=1") >= 3, "signs of life", 60)
    lab.wait(lambda: "MASTER" in (ran.read_text() if ran.exists() else ""), "the script", 30)
    policies = [os.sched_getscheduler(pid) & ~os.SCHED_RESET_ON_FORK for pid in descendants(program.pid)]
    assert policies.count(os.SCHED_FIFO) == 1 or "SCHED_FIFO is not permitted" in program.text()
    assert program.stop(20) == 0
    assert "10.9.0.100" not in host.addresses(None)
    assert {sender for sender, _ in manager.told()} == {program.pid}
    assert "STOPPING=1" in manager.lines()
