"""The course of events that a shape's file is put through, on one host beside one neighbour, and what was seen of it.

All courses advance together: each is a generator that yields what it waits for; one thread asks them in turn.
"""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Callable, Generator, Hashable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from tests.lab.shapes import PEER, Shape
from tests.lab.speaker_lab import Start
from vrrpcore.addresses import pack
from vrrpcore.settings import Instance
from vrrpcore.speaker.render import Adverts
from vrrpcore.vrrpsockets import Sender
from vrrpwatch.keepalived_conf import read
from vrrpwatch.lab import Lab, LabError, Recorder

MAC: Final = "02:00:00:00:00:01"
#: What `ip` is asked for at each stage.
LISTINGS: Final = {
    "addresses": "-d addr",
    "routes": "route show table all",
    "routes of IPv6": "-6 route show table all",
    "rules": "rule",
    "rules of IPv6": "-6 rule",
}
_EVERYTHING: Final = "; ".join(f"ip -N -j {words}; echo" for words in LISTINGS.values())
Wait = tuple[str, Callable[[], object], float]  # what for, whether it is there, seconds at most
Steps = Generator[Wait, None, None]


class Neighbour:
    """The router next door: it claims what it is told to, as the file's own instances would from its address."""

    def __init__(self, lane: Lane, instances: Iterable[Instance]) -> None:
        self._adverts = [(each, self._rendered(each)) for each in instances]
        host = lane.lab.hosts[lane.peer]
        with host.entered():
            self._senders = {family: Sender("eth0", host.index("eth0"), family) for family in (4, 6)}

    @staticmethod
    def _rendered(instance: Instance) -> Adverts:
        if not instance.unicast:
            return Adverts(instance, pack(PEER[instance.family]))
        source, destination = ("10.9.0.2", "10.9.0.1") if instance.family == 4 else ("fd00:9::2", "fd00:9::1")
        made = Adverts(instance, pack(source))
        made.destinations = (pack(destination),)
        return made

    def claim(self, priority: int, name: str = "") -> None:
        """One advert of every instance, or of the named one."""
        for instance, adverts in self._adverts:
            if name in ("", instance.name):
                adverts.sequence += 1000  # AH: keepalived wants it to be above its own
                for packet, destination in adverts.next(priority):
                    self._senders[instance.family].send(packet, destination)

    def close(self) -> None:
        for each in self._senders.values():
            each.close()


class Lane:
    """One shape, one kind of router, on a switch of its own."""

    def __init__(self, lab: Lab, number: int, shape: Shape, kind: Start, folder: Path) -> None:
        self.lab, self.shape, self._kind, self.folder = lab, shape, kind, folder
        folder.mkdir()
        lan = lab.lan(f"seg{number}")
        self.peer = f"p{number}"
        self.host = lab.host(f"s{number}", "10.9.0.1/24", "fd00:9::1/64", mac=MAC, lan=lan)
        if "mcast_src_ip" in shape.text:
            self.host.add_address("10.9.0.7/24")
        if "eth1" in shape.text:
            lab.join(self.host, lab.lan(f"link{number}"), "10.8.0.1/24", mac="02:00:00:00:08:01")
        lab.host(self.peer, "10.9.0.2/24", "fd00:9::2/64", mac="02:00:00:00:00:02", lan=lan)
        self.text = shape.text.replace("FOLDER", str(folder))
        (folder / "keepalived.conf").write_text(self.text)
        self._write_script(folder / "check")
        settings, _ = read(str(folder / "keepalived.conf"))
        self.instances = {each.name: each for each in settings.instances}
        self.neighbour = Neighbour(self, settings.instances)
        self.marks: dict[str, float] = {}  # event -> when
        self.stages: dict[str, dict[str, list[Any]]] = {}  # stage -> listing -> rows of `ip -j`
        self.log = ""
        self.path = folder / "seen.pcap"
        self._recorder = Recorder(lab.hosts[self.peer], self.path)
        self._read = (-1, "")

    def _write_script(self, script: Path) -> None:
        """The tracked script: it fails while there is a file `bad`, and notes when it first did."""
        noted = self.folder / "failed"
        script.write_text(
            f"#!/bin/sh\ntest -e {self.folder}/bad || exit 0\ntest -e {noted} || date +%s.%N > {noted}\nexit 1\n"
        )
        script.chmod(0o755)

    def failed_at(self) -> float:
        """When the script first failed; 0 where it never did."""
        noted = self.folder / "failed"
        return float(noted.read_text()) if noted.exists() else 0.0

    def course(self, pool: ThreadPoolExecutor, everyone_ready: Callable[[], bool]) -> Steps:
        """Start, an inferior claim, trouble, a superior claim, what comes after it, stop."""
        yield from self._stage(pool, "before")
        self._mark("start")
        self.router = self._kind(self.host, self.text)
        yield "the mastership", lambda: self.all_are("MASTER"), 60
        yield "the mastership of all others", everyone_ready, 60
        yield self._pause(2.2)
        yield from self._stage(pool, "master")
        self._mark("inferior")
        self.neighbour.claim(50)
        yield self._pause(1.3)
        if self.shape.trouble:
            yield from self._trouble()
        yield from self._superior(pool)
        self._mark("stop")
        self.router.program.ask_to_stop()
        yield "the end", lambda: not self.router.program.running, 15
        yield from self._stage(pool, "stopped")
        self.log = self.router.program.text()

    def _superior(self, pool: ThreadPoolExecutor) -> Steps:
        """The neighbour claims more than we do, as long as it takes to look at us, and then what the shape says."""
        self._mark("superior")
        self._claim_superior()
        if all(each.priority < self.shape.superior for each in self.instances.values()):
            yield "the way back", lambda: self.all_are("BACKUP"), 10
            yield self._pause(0.25)  # the word comes before the deed
            future = pool.submit(self._listing)
            while not future.done():
                yield self._pause(0.3)
                self._claim_superior()
            self.stages["backup"] = future.result()
        yield self._pause(0.3)
        self._mark("last superior")
        begun = time.monotonic()
        self._claim_superior()
        for seconds, priority in self.shape.after:
            yield self._pause(seconds - (time.monotonic() - begun))
            self.neighbour.claim(priority, self.shape.speaks_to)
        yield "the return", lambda: self.all_are("MASTER"), 20
        yield self._pause(1.3)
        yield from self._stage(pool, "master again")

    def _claim_superior(self) -> None:
        self.neighbour.claim(self.shape.superior, self.shape.speaks_to)

    def _trouble(self) -> Steps:
        """A tracked thing fails: a fault, or the priority sinks and a claim that was inferior wins."""
        length = len(self._log())
        self._mark("trouble")
        self._fail(True)
        if self.shape.trouble == "fault":
            yield "the fault", lambda: self.all_are("FAULT"), 10
            yield self._pause(1.3)  # the kernel tells of changes of a link once a second
        else:
            yield "the lower priority", lambda: "from 150 to 90" in self._log()[length:], 10
            yield self._pause(0.7)
            self.neighbour.claim(100)
            yield "the way back", lambda: self.all_are("BACKUP"), 10
        self._fail(False)
        yield "the mastership again", lambda: self.all_are("MASTER"), 20
        yield self._pause(0.6)

    def _fail(self, wrong: bool) -> None:
        if self.shape.trouble in ("link", "fault"):
            self.host.set_link("eth1", up=not wrong)
        elif wrong:
            (self.folder / "bad").touch()
        else:
            (self.folder / "bad").unlink()

    def _log(self) -> str:
        size = self.router.program.log.stat().st_size
        if size != self._read[0]:
            self._read = (size, self.router.program.text())
        return self._read[1]

    def all_are(self, state: str) -> bool:
        """Whether every instance's last word is this state."""
        last = dict(re.findall(r"\((\w+)\) Entering (\w+) STATE", self._log()))
        return all(last.get(name) == state for name in self.instances)

    def _mark(self, name: str) -> None:
        self.marks[name] = time.time()

    @staticmethod
    def _pause(seconds: float) -> Wait:
        until = time.monotonic() + seconds
        return "the time", lambda: time.monotonic() >= until, abs(seconds) + 10

    def _stage(self, pool: ThreadPoolExecutor, name: str) -> Steps:
        future = pool.submit(self._listing)
        yield f"the listing {name}", future.done, 30
        self.stages[name] = future.result()

    def _listing(self) -> dict[str, list[Any]]:
        with self.host.entered():
            done = subprocess.run(["sh", "-c", _EVERYTHING], capture_output=True, text=True, timeout=30, check=True)
        parts = (json.loads(part) for part in done.stdout.split("\n\n") if part.strip())
        return dict(zip(LISTINGS, parts, strict=True))

    def close(self) -> None:
        self._recorder.close()
        self.neighbour.close()


def advance(lanes: Mapping[Hashable, Lane]) -> None:
    """Lead all lanes through their courses; LabError names the one that waited in vain."""
    ready: set[Hashable] = set()

    def everyone_ready() -> bool:
        for key, lane in lanes.items():
            if key not in ready and "start" in lane.marks and hasattr(lane, "router") and lane.all_are("MASTER"):
                ready.add(key)
        return len(ready) == len(lanes)

    with ThreadPoolExecutor(2) as pool:
        courses = {key: lane.course(pool, everyone_ready) for key, lane in lanes.items()}
        waits = {key: (next(course), time.monotonic()) for key, course in courses.items()}
        while waits:
            time.sleep(0.01)
            for key, ((what, reached, seconds), since) in list(waits.items()):
                if reached():
                    following = next(courses[key], None)
                    if following is None:
                        del waits[key]
                    else:
                        waits[key] = (following, time.monotonic())
                elif time.monotonic() > since + seconds:
                    said = lanes[key].router.program.text()[-500:]
                    raise LabError(f"{key}: {seconds:g} s passed without {what}; it said: {said}")
