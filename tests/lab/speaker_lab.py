"""Two routers and an observer that keeps a capture: what the live tests of the speaker share.

Both kinds of router are given the same keepalived.conf. Every variant is an instance of its own, so that one election,
one stop, one kill shows all of them at once; what happened is judged by the timestamps of the observer's capture.
"""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from vrrpcore.addresses import text
from vrrpcore.frames import Arp, Frame, Neighbour, unwrap
from vrrpcore.packet import Advertisement
from vrrpwatch.files import CaptureFile
from vrrpwatch.lab import Host, Keepalived, Lab, Watcher

ADDRESS = {"a": "10.9.0.1", "b": "10.9.0.2"}
LINK_LOCAL = {"a": "fe80::ff:fe00:1", "b": "fe80::ff:fe00:2"}


@dataclass(frozen=True)
class Variant:
    """One virtual router of the test: its lines in keepalived.conf."""

    name: str
    vrid: int
    vip: str
    interval: float = 0.5
    lines: tuple[str, ...] = ()
    family: int = 4
    unicast: bool = False

    def text(self, own: str, other: str, priority: int) -> str:
        lines = ["state BACKUP", "interface eth0", f"virtual_router_id {self.vrid}", f"priority {priority}"]
        lines += [f"advert_int {self.interval:g}", *self.lines]
        if self.unicast:
            lines += [f"unicast_src_ip {ADDRESS[own]}", "unicast_peer {", f"  {ADDRESS[other]}", "}"]
        lines += ["virtual_ipaddress {", f"  {self.vip}", "}"]
        return f"vrrp_instance {self.name} {{\n" + "\n".join(f"  {line}" for line in lines) + "\n}\n"

    def source(self, host: str) -> str:
        return ADDRESS[host] if self.family == 4 else LINK_LOCAL[host]


VARIANTS = (
    Variant("V2", 51, "10.9.0.51/24", 1),
    Variant("PASS", 52, "10.9.0.52/24", 1, ("authentication {", "  auth_type PASS", "  auth_pass secret", "}")),
    Variant("AH", 58, "10.9.0.58/24", 1, ("authentication {", "  auth_type AH", "  auth_pass secret", "}")),
    Variant("V3", 53, "10.9.0.53/24", 0.5, ("version 3",)),
    Variant("V6", 54, "fe80::54/64", 0.5, ("version 3",), family=6),
    Variant("UNI", 55, "10.9.0.55/24", 0.5, ("version 3",), unicast=True),
    Variant("VMAC", 56, "10.9.0.56/24", 0.5, ("version 3", "use_vmac")),
    Variant("BASE", 59, "10.9.0.59/24", 0.5, ("version 3", "use_vmac", "vmac_xmit_base")),
    Variant("VMAC6", 60, "fe80::60/64", 0.5, ("version 3", "use_vmac vr6"), family=6),
    Variant("STAY", 57, "10.9.0.57/24", 0.5, ("version 3", "nopreempt")),
)


def config(own: str, other: str, priority: int, variants: Iterable[Variant] = VARIANTS) -> str:
    """A keepalived.conf with every variant."""
    return "global_defs {\n  router_id lab\n}\n" + "".join(each.text(own, other, priority) for each in variants)


@dataclass(frozen=True)
class Seen:
    """One frame of the observer's capture."""

    time: float
    frame: Frame


@dataclass
class Capture:
    """What the observer saw."""

    path: Path
    seen: list[Seen] = field(default_factory=list)

    def load(self) -> None:
        self.seen = [Seen(each.time, unwrap(each.frame)) for each in CaptureFile(str(self.path))]

    def adverts(self, vrid: int, begin: float = 0, end: float = 1e12, source: str = "") -> list[tuple[float, str, int]]:
        """(time, source, priority) of a router's adverts."""
        return [
            (each.time, text(each.frame.ip.source), each.frame.body.priority)
            for each in self.seen
            if begin <= each.time < end
            and isinstance(each.frame.body, Advertisement)
            and each.frame.ip is not None
            and each.frame.body.vrid == vrid
            and (not source or text(each.frame.ip.source) == source)
        ]

    def announcements(self, vip: str, begin: float = 0, end: float = 1e12) -> list[tuple[float, bytes]]:
        """(time, MAC) of gratuitous ARP requests and unsolicited NA for an address."""
        found = []
        for each in self.seen:
            body = each.frame.body
            if not begin <= each.time < end:
                continue
            if isinstance(body, Arp) and body.sender_ip == body.target_ip and text(body.sender_ip) == vip:
                found.append((each.time, body.sender_mac))
            elif isinstance(body, Neighbour) and body.type == 136 and not body.solicited and text(body.target) == vip:
                found.append((each.time, body.link_layer))
        return found

    def expert(self) -> str:
        """tshark's warnings and errors about VRRP, ARP and ND; "" without any."""
        command = ("tshark", "-r", str(self.path), "-Y", "_ws.expert.severity >= 6291456 && vrrp", "-T", "fields")
        fields = ("-e", "frame.number", "-e", "_ws.expert.message")
        done = subprocess.run([*command, *fields], capture_output=True, text=True, timeout=60, check=False)
        return done.stdout.strip()


Told = TypeVar("Told")
Router = Keepalived | Watcher
Start = Callable[[Host, str], Router]


class Side:
    """One host and the router that runs on it; it may be ended and started again."""

    def __init__(self, host: Host, start: Start, text: str) -> None:
        self.host, self._start, self._text = host, start, text
        self.router: Router
        self.logs: list[str] = []

    def start(self) -> None:
        self.router = self._start(self.host, self._text)

    def stop(self) -> None:
        self.router.stop()
        self.logs.append(self.router.program.text())

    def kill(self) -> None:
        self.router.program.kill()
        self.logs.append(self.router.program.text())

    def wait(self, state: str, names: Iterable[str], timeout: float = 30.0) -> None:
        """Until every named instance has entered the state and no other one since."""
        for name in names:
            pattern = rf"\({name}\) Entering {state} STATE(?![\s\S]*\({name}\) Entering (?!{state}))"
            self.router.program.wait_for(pattern, timeout)

    def log(self) -> str:
        return "\n".join([*self.logs, self.router.program.text()])

    def vips(self, wanted: Iterable[str]) -> set[str]:
        """Those of the addresses that the host has, on any interface."""
        return set(self.host.addresses(None)) & set(wanted)


#: What either kind of router says when it does not like an advert.
COMPLAINTS = re.compile(
    r"refused|wrong|invalid|mismatch|expect|not present|unexpected|Unknown VRID|authentication|cannot|checksum",
    re.IGNORECASE,
)


def complaints(log: str) -> list[str]:
    return [line for line in log.splitlines() if COMPLAINTS.search(line) and "Command line" not in line]


def pause(seconds: float) -> float:
    """Let the lab run; the time after it."""
    time.sleep(seconds)
    return time.time()


def together(*stories: Callable[[], Told]) -> list[Told]:
    """Several stories at the same time, each in a lab of its own, for they mostly wait: what each of them told.

    A story must end its programs before it returns: they die with the thread that started them.
    """
    with ThreadPoolExecutor(len(stories)) as pool:
        return [each.result() for each in [pool.submit(story) for story in stories]]


def make_lab(name: str) -> tuple[Lab, Host, Host, Host]:
    lab = Lab(name)
    a = lab.host("a", "10.9.0.1/24", mac="02:00:00:00:00:01")
    b = lab.host("b", "10.9.0.2/24", mac="02:00:00:00:00:02")
    return lab, a, b, lab.host("observer", "10.9.0.9/24")
