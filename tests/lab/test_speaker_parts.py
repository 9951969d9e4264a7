"""Tracked interfaces, files and processes, start and stop scripts, notify_fault and notify_stop, the service manager,
the data dump: one story on one host; what keepalived can do in a namespace is told to keepalived, too."""

from __future__ import annotations

import re
import shutil
import signal
import socket
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from vrrpwatch.lab import Keepalived, Lab, module_path
from vrrpwatch.lab.processes import Program

pytestmark = [pytest.mark.root, pytest.mark.live, pytest.mark.needs("keepalived")]
DAEMON = "vw-tracked-daemon"
HEAD = """
global_defs {{
    router_id lab
    script_user root
    startup_script "{folder}/tell startup"
    startup_script_timeout 5
    shutdown_script "{folder}/tell shutdown"
    shutdown_script_timeout 5
}}
track_file number {{
    file {folder}/number
    weight 2
}}
"""
PROCESS = """
vrrp_track_process daemon {{
    process {folder}/{daemon}
    weight 20
}}
"""
#: name -> (VRID, what it tracks)
TRACKS = {
    "IF": (61, "track_interface {\n        eth1\n    }"),
    "WEIGHT": (62, "track_interface {\n        eth1 weight -50\n    }"),
    "PLUS": (63, "track_interface {\n        eth1 weight 7\n    }"),
    "FILE": (64, "track_file {\n        number\n    }"),
    "PROC": (65, "track_process {\n        daemon\n    }"),
}


def instance(name: str, folder: Path) -> str:
    vrid, track = TRACKS[name]
    return (
        f"vrrp_instance {name} {{\n    state BACKUP\n    interface eth0\n    version 3\n    advert_int 0.5\n"
        f"    virtual_router_id {vrid}\n    priority 100\n    {track}\n"
        f'    notify_fault "{folder}/tell {name} fault"\n    notify_stop "{folder}/tell {name} stop"\n'
        f"    virtual_ipaddress {{\n        10.9.0.{vrid}/24\n    }}\n}}\n"
    )


def config(folder: Path, names: list[str]) -> str:
    text = HEAD.format(folder=folder) + (PROCESS.format(folder=folder, daemon=DAEMON) if "PROC" in names else "")
    return text + "".join(instance(name, folder) for name in names)


@dataclass
class Told:
    """What a router told of itself."""

    log: str = ""
    scripts: list[str] = field(default_factory=list)
    manager: list[str] = field(default_factory=list)
    dump: str = ""
    started_before_adverts: bool = False

    def lines(self, name: str) -> list[str]:
        """Changes of state and priority of one instance, in their order."""
        wanted = rf"\({name}\) ((?:Entering \w+ STATE|Changing effective priority from \d+ to \d+).*)"
        return [each.replace(" (init)", "") for each in re.findall(wanted, self.log)]


class Story:
    """The interface goes and comes, the file's number changes, the process comes and goes, the router is stopped."""

    def __init__(self, ours: bool) -> None:
        self.told = Told()
        with Lab("parts") as lab:
            self._host = lab.host("a", "10.9.0.1/24")
            lab.join(self._host, lab.lan("lan1"), "10.8.0.1/24")
            self._folder = lab.directory / "parts"
            self._folder.mkdir()
            (self._folder / "number").write_text("0\n")
            (self._folder / "tell").write_text(f'#!/bin/sh\necho "$@" >> {self._folder}/told\n')
            (self._folder / "tell").chmod(0o755)
            self._manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self._manager.bind(str(self._folder / "notify"))
            self._manager.setblocking(False)
            self.program = self._start(lab, ours)
            self._tell(ours)
            self.program.stop(15)
            self.told.log = self.program.text()
            self.told.scripts = (self._folder / "told").read_text().splitlines()
            self.told.manager += datagrams(self._manager)
            self._manager.close()

    def _start(self, lab: Lab, ours: bool) -> Program:
        names = [name for name in TRACKS if ours or name != "PROC"]  # keepalived needs the first network for processes
        text = config(self._folder, names)
        if not ours:
            return Keepalived(self._host, text).program
        file = lab.write("parts.conf", text)
        extra = {"NOTIFY_SOCKET": str(self._folder / "notify"), "TMPDIR": str(self._folder)}
        arguments = (sys.executable, "-m", "vrrpwatch", "run", "-f", str(file))
        return self._host.start(*arguments, log="parts", environment={**module_path(), **extra})

    def _change(self, name: str, old: int, new: int) -> None:
        self.program.wait_for(rf"\({name}\) Changing effective priority from {old} to {new}\n")

    def _tell(self, ours: bool) -> None:
        for name in ("IF", "WEIGHT", "PLUS", "FILE"):
            self.program.wait_for(rf"\({name}\) Entering MASTER STATE")
        self.told.started_before_adverts = "startup" in (self._folder / "told").read_text()
        self._host.set_link("eth1", up=False)
        end = self.program.wait_for(r"\(IF\) Entering FAULT STATE")
        self._change("WEIGHT", 100, 50)
        self._change("PLUS", 107, 100)
        self._host.lab.wait(lambda: "10.9.0.61" not in self._host.addresses(), "the address to be released")
        self._host.set_link("eth1", up=True)
        self.program.wait_for(r"\(IF\) Entering MASTER STATE", after=end)
        self._change("WEIGHT", 50, 100)
        (self._folder / "number").write_text("10\n")
        self._change("FILE", 100, 120)
        (self._folder / "number").write_text("-20\n")
        self._change("FILE", 120, 60)
        self.told.manager += datagrams(self._manager)  # the kernel keeps ten
        if ours:
            self._tell_ours()

    def _tell_ours(self) -> None:
        program = self._folder / DAEMON
        shutil.copy2(shutil.which("sleep") or "/bin/sleep", program)
        daemon = self._host.popen(str(program), "60")
        self._change("PROC", 100, 120)
        daemon.kill()
        daemon.wait()
        self._change("PROC", 120, 100)
        self.program.process.send_signal(signal.SIGUSR1)
        self.program.wait_for(r"wrote .*keepalived\.data")
        self.told.dump = (self._folder / "keepalived.data").read_text()
        time.sleep(1.2)  # a sign of life each second


def datagrams(end: socket.socket) -> Iterator[str]:
    """What is waiting to be read."""
    while True:
        try:
            yield end.recv(4096).decode()
        except BlockingIOError:
            return


@pytest.fixture(scope="module")
def ours() -> Told:
    return Story(ours=True).told


@pytest.fixture(scope="module")
def theirs() -> Told:
    return Story(ours=False).told


@pytest.mark.parametrize("name", ["IF", "WEIGHT", "PLUS", "FILE"])
def test_tracked_interfaces_and_files_do_the_same_as_with_keepalived(ours: Told, theirs: Told, name: str) -> None:
    assert ours.lines(name) == theirs.lines(name)


def test_notify_fault_and_notify_stop_are_run_as_by_keepalived(ours: Told, theirs: Told) -> None:
    assert sorted(each for each in ours.scripts if "PROC" not in each) == sorted(theirs.scripts)
    assert ours.scripts.count("IF fault") == 1
    assert {f"{name} stop" for name in TRACKS} <= set(ours.scripts)


def test_the_startup_script_comes_first_and_the_shutdown_script_last(ours: Told) -> None:
    assert ours.started_before_adverts
    assert (ours.scripts[0], ours.scripts[-1]) == ("startup", "shutdown")


def test_a_tracked_process_counts_while_it_runs(ours: Told) -> None:
    assert [each for each in ours.lines("PROC") if "priority" in each] == [
        "Changing effective priority from 100 to 120",
        "Changing effective priority from 120 to 100",
    ]


def test_the_service_manager_hears_ready_signs_of_life_and_stopping(ours: Told) -> None:
    assert ours.manager[0].startswith("READY=1\n")
    assert ours.manager.count("STOPPING=1") == 1
    assert ours.manager.count("WATCHDOG=1") >= 3
    assert ours.manager.index("WATCHDOG=1") > 0


def test_the_data_dump_tells_state_and_priority_of_every_instance(ours: Told) -> None:
    blocks = dict(re.findall(r" VRRP Instance = (\w+)\n((?:   .*\n)*)", ours.dump))
    assert set(blocks) == set(TRACKS)
    assert "   state = master\n" in blocks["FILE"]
    assert "   effective_priority = 60\n" in blocks["FILE"]
