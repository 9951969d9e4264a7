"""Everything that is tracked: one file, one story, keepalived and our speaker side by side in labs of their own.

Each instance tracks something else; what the two logs say of its states and priorities must be the same, and so must
what is on the hosts afterwards.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest
from pyroute2 import IPRoute

from tests.lab.speaker_lab import Router, Start
from vrrpwatch.lab import Host, Keepalived, Lab, Watcher

pytestmark = [pytest.mark.root, pytest.mark.live, pytest.mark.needs("keepalived", "iproute2")]

HEAD = """
global_defs {{
    router_id lab
    enable_script_security
    script_user root
}}
linkbeat_interfaces {{
    eth3
}}
interface_up_down_delays {{
    eth2 0.9 0.2
}}
track_group T {{
    group {{
        TGROUP
    }}
}}
static_ipaddress {{
    10.1.0.50/24 dev eth1 track_group T
}}
static_routes {{
    198.51.100.0/24 via 10.1.0.2 dev eth1 track_group T
}}
static_rules {{
    from 10.1.0.50 iif eth1 table 7 priority 101 track_group T
}}
vrrp_script chk {{
    script "{folder}/check"
    interval 1
    fall 2
    rise 2
}}
vrrp_script slow {{
    script "{folder}/slow"
    interval 3
}}
track_file f {{
    file {folder}/number
    weight 2
}}
vrrp_sync_group PAIR {{
    group {{
        PAIR1
        PAIR2
    }}
}}
vrrp_sync_group WEIGHED {{
    sync_group_tracking_weight
    group {{
        WEIGHED1
        WEIGHED2
    }}
    track_file {{
        f
    }}
}}
"""
#: instance -> lines, address; VRIDs are counted
INSTANCES: dict[str, tuple[str, str]] = {
    "WEIGHT": ("track_script {\n chk weight -30\n}", ""),
    "REVERSE": ("track_script {\n chk weight 40 reverse\n}", ""),
    "ZERO": ("track_script {\n chk weight 0\n}", ""),
    "PAIR1": ("track_script {\n slow\n chk weight -30\n}\ntrack_file {\n f\n}", ""),
    "PAIR2": ("", ""),
    "WEIGHED1": ("", ""),
    "WEIGHED2": ("", ""),
    "DEVICE": ("", "10.1.0.51/24 dev eth1"),
    "LOOSE": ("", "10.1.0.52/24 dev eth1 no_track"),
    "EXCLUDED": ("virtual_ipaddress_excluded {\n 10.1.0.53/24 dev eth1\n}", ""),
    "ROUTE": ("virtual_routes {\n 192.0.2.0/24 via 10.1.0.2 dev eth1\n}", ""),
    "TGROUP": ("", ""),
    "AWAY": ("track_interface {\n eth1 weight 0 reverse\n}", ""),
    "LIGHT": ("track_interface {\n eth1 weight -10\n}", ""),
    "UNTRACKED": ("interface eth1\ndont_track_primary", "10.1.0.54/24"),
    "DELAYED": ("track_interface {\n eth2\n}", ""),
    "POLLED": ("interface eth3", "10.3.0.51/24"),
    "LONELY": ("unicast_src_ip 10.0.0.1\nunicast_fault_no_peer", ""),
}


def config(folder: Path) -> str:
    blocks = []
    for number, (name, (lines, address)) in enumerate(INSTANCES.items(), 51):
        interface = "" if "interface eth" in lines.split("{")[0] else "interface eth0\n"
        blocks.append(
            f"vrrp_instance {name} {{\nstate BACKUP\n{interface}{lines}\nversion 3\nadvert_int 0.5\npriority 100\n"
            f"virtual_router_id {number}\nvirtual_ipaddress {{\n{address or f'10.0.0.{number}/24'}\n}}\n}}\n"
        )
    return HEAD.format(folder=folder) + "".join(blocks)


class Stage:
    """One router in a lab of its own."""

    def __init__(self, kind: Start, tag: str) -> None:
        self.lab = Lab(f"faults-{tag}")
        self.host: Host = self.lab.host("a", "10.0.0.1/24")
        for number in (1, 2, 3):
            self.lab.join(self.host, self.lab.lan(f"lan{number}"), f"10.{number}.0.1/24")
        self.folder = self.lab.directory / "tracked"
        self.folder.mkdir()
        for name, wait in (("check", ""), ("slow", "sleep 1; ")):
            (self.folder / name).write_text(f"#!/bin/sh\n{wait}test -e {self.folder}/good\n")
            (self.folder / name).chmod(0o755)
        self.good(True)
        self.number(0)
        self.router: Router = kind(self.host, config(self.folder))
        self._read = 0

    def good(self, yes: bool) -> None:
        (self.folder / "good").touch() if yes else (self.folder / "good").unlink()

    def number(self, value: int) -> None:
        (self.folder / "number").write_text(f"{value}\n")

    def ip(self, *words: str) -> None:
        self.host.run("ip", *words)

    def plug(self, number: int, *, up: bool) -> None:
        """The switch's end of a cable."""
        with self.lab.switch.entered(), IPRoute() as ipr:
            index = ipr.link_lookup(ifname=self.host.interfaces[number][1])[0]
            ipr.link("set", index=index, state="up" if up else "down")

    def wait(self, *lines: str) -> None:
        """Until each "NAME STATE" or "NAME number" was logged after the last wait."""
        ends = []
        for name, what in (line.split() for line in lines):
            words = rf"to {what}\b" if what.isdigit() else rf"[Ee]ntering {what} [Ss]"
            ends.append(self.router.program.wait_for(rf"\({name}\):? .*{words}", 30, after=self._read))
        self._read = min(ends)

    def story(self) -> dict[str, list[str]]:
        """instance -> its states and priorities in their order."""
        found: dict[str, list[str]] = {name: [] for name in INSTANCES}
        line = r"\((\w+)\) (?:[Ee]ntering (\w+) [Ss]|Changing effective priority from \d+ to (\d+))"
        for name, state, priority in re.findall(line, self.router.program.text()):
            found[name].append(state or priority)
        return found

    def on_host(self) -> set[str]:
        """Addresses, routes and rules."""
        rows = self.host.run("ip", "-4", "-o", "addr").stdout.splitlines()
        found = {" ".join(row.split()[1:4]) for row in rows if "brd" not in row.split()[:1]}
        for command in (("route",), ("rule",)):
            found |= {" ".join(row.split()) for row in self.host.run("ip", *command).stdout.splitlines()}
        return found

    def has(self, wanted: tuple[str, ...]) -> bool:
        rows = self.on_host()
        return all(any(one in row for row in rows) for one in wanted)


@pytest.fixture(scope="module")
def stages() -> Iterator[tuple[Stage, Stage]]:
    with ExitStack() as stack:
        both = Stage(Keepalived, "keepalived"), Stage(Watcher, "ours")
        for each in both:
            stack.enter_context(each.lab)
        yield both


def test_the_same_file_and_the_same_events_give_the_same_states_and_priorities(stages: tuple[Stage, Stage]) -> None:
    masters = [f"{name} MASTER" for name in INSTANCES if name not in ("AWAY", "LONELY")]
    acts = [
        (None, [*masters, "AWAY FAULT"]),
        (lambda each: each.good(False), ["ZERO FAULT", "WEIGHT 70", "REVERSE 100", "PAIR1 FAULT", "PAIR2 FAULT"]),
        (lambda each: each.good(True), ["ZERO MASTER", "WEIGHT 100", "REVERSE 60", "PAIR1 MASTER", "PAIR2 MASTER"]),
        (lambda each: each.number(5), ["WEIGHED1 110", "WEIGHED2 110"]),
        (lambda each: each.number(-200), ["WEIGHED1 FAULT", "WEIGHED2 FAULT"]),
        (lambda each: each.number(5), ["WEIGHED1 MASTER", "WEIGHED2 MASTER"]),
        (
            lambda each: each.host.set_link("eth1", up=False),
            ["DEVICE FAULT", "EXCLUDED FAULT", "ROUTE FAULT", "TGROUP FAULT", "AWAY BACKUP", "LIGHT 90", "AWAY MASTER"],
        ),
        (
            lambda each: each.host.set_link("eth1", up=True),
            ["DEVICE MASTER", "EXCLUDED MASTER", "ROUTE MASTER", "TGROUP MASTER", "AWAY FAULT", "LIGHT 100"],
        ),
        (lambda each: each.plug(2, up=False), []),  # not for long enough, while the next one takes its time
        (lambda each: each.plug(3, up=False), []),
        (lambda each: each.plug(2, up=True), ["POLLED FAULT"]),
        (lambda each: each.plug(3, up=True), ["POLLED MASTER"]),
        (lambda each: each.plug(2, up=False), ["DELAYED FAULT"]),
        (lambda each: each.plug(2, up=True), ["DELAYED MASTER"]),
    ]
    for act, lines in acts:
        for each in stages:
            if act is not None:
                act(each)
        for each in stages:
            each.wait(*lines) if lines else None
    theirs, ours = (each.story() for each in stages)
    assert (theirs.pop("LONELY"), ours.pop("LONELY")) == ([], ["FAULT"])  # keepalived has other words for it
    assert ours == theirs
    assert ours["DELAYED"] == ["BACKUP", "MASTER", "FAULT", "BACKUP", "MASTER"]
    assert ours["PAIR1"] == ["BACKUP", "MASTER", "FAULT", "BACKUP", "MASTER"]


def test_what_is_taken_off_the_host_comes_back_unless_it_is_not_tracked(stages: tuple[Stage, Stage]) -> None:
    wanted = ("10.1.0.50/24", "10.1.0.51/24", "192.0.2.0/24 via", "198.51.100.0/24 via", "101: from 10.1.0.50")
    for each in stages:
        each.ip("addr", "del", "10.1.0.52/24", "dev", "eth1")
        each.ip("addr", "del", "10.1.0.50/24", "dev", "eth1")
        each.ip("route", "del", "198.51.100.0/24")
        each.ip("rule", "del", "priority", "101")
        each.ip("addr", "del", "10.1.0.51/24", "dev", "eth1")
        each.ip("route", "del", "192.0.2.0/24")
    for each in stages:
        each.lab.wait(partial(each.has, wanted), "all of it to be back", 30.0)
    theirs, ours = (each.on_host() for each in stages)
    assert ours == theirs
    assert not any("10.1.0.52/24" in row for row in ours)
