"""kill -9 of each of our processes in turn beside a keepalived that waits: no residual address, no second master.

One story on one host: the watcher, the process for scripts, the one that keeps time, at last the supervisor. Judged by
the timestamps of one capture, and by asking both hosts' kernels for the address every few milliseconds.
"""

from __future__ import annotations

import os
import signal
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from tests.lab.bench_of_hosts import command
from tests.lab.speaker_lab import Capture, make_lab
from tests.lab.test_watch_prometheus import fetch, free_port
from tests.support import Inconclusive
from vrrpcore.addresses import pack
from vrrpwatch.lab import Host, Keepalived, Program, Recorder, keepalived_config, module_path

pytestmark = [pytest.mark.root, pytest.mark.live, pytest.mark.needs("keepalived")]
VIP = "10.9.0.100"
INTERVAL = 0.5
TAKEOVER = 0.5  # seconds that two may hold the address while one takes it from the other; a busy machine included
VICTIMS = ("watcher", "chores", "timekeeper", "supervisor")
SOURCE = {"a": "10.9.0.1", "b": "10.9.0.2"}


class Holding(threading.Thread):
    """Asks a host's kernel again and again whether it has the address: when it began and ceased to have it."""

    def __init__(self, host: Host) -> None:
        super().__init__(daemon=True)
        with host.entered():
            self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
        self._ended = threading.Event()
        self.changes: list[tuple[float, bool]] = [(0.0, False)]
        self.start()

    def run(self) -> None:
        request = struct.pack("=IHHII8x", 24, 22, 0x301, 1, 0)  # RTM_GETADDR, request a dump of all families
        local = b"\x08\0\x02\0" + pack(VIP)  # IFA_LOCAL
        while not self._ended.wait(0.005):
            self._socket.send(request)
            answer = b""
            while b"\x14\0\0\0\x03\0" not in answer[-20:]:  # NLMSG_DONE
                answer += self._socket.recv(1 << 16)
            if (local in answer) is not self.changes[-1][1]:
                self.changes.append((time.time(), local in answer))

    @property
    def now(self) -> bool:
        return self.changes[-1][1]

    def spans(self, begin: float, end: float) -> Iterator[tuple[float, float]]:
        """The stretches between two instants in which the host had it."""
        for (since, had), (until, _) in pairwise([*self.changes, (1e12, False)]):
            if had and max(since, begin) < min(until, end):
                yield max(since, begin), min(until, end)

    def close(self) -> None:
        self._ended.set()
        self.join(5)
        self._socket.close()


def children(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def named(pid: int, name: str) -> bool:
    return Path(f"/proc/{pid}/comm").read_text().strip() == name


class Story:
    """Each victim's death, and the time until all is steady again."""

    def __init__(self, folder: Path) -> None:
        self.capture = Capture(folder / "killed.pcap")
        self.spans: dict[str, tuple[float, float]] = {}  # victim -> from its death until all was steady
        self.logs: dict[str, str] = {}  # victim -> what was said meanwhile
        self.steady: dict[str, tuple[bool, bool]] = {}  # victim -> whether a and b hold the address then
        self.timekeeper = 0  # its process id
        self.lab, a, b, observer = make_lab("killed")
        script = 'vrrp_script ok {\n  script "/bin/true"\n  interval 1\n}\n'
        text = keepalived_config(
            51, 150, [f"{VIP}/24"], interval=INTERVAL, version=3, extra=["track_script {", "ok", "}"]
        )
        with self.lab, Recorder(observer, self.capture.path):
            self.a, self.b = Holding(a), Holding(b)
            self._host, self._port = a, free_port(a)
            file = self.lab.write("run.conf", text.replace("vrrp_instance", f"{script}vrrp_instance", 1))
            words = command("run", "-f", str(file), "--watch", "--listen", f"127.0.0.1:{self._port}")
            self.program: Program = a.start(*words, log="run", environment=module_path())
            self.program.wait_for("Entering MASTER STATE")
            peer = Keepalived(b, keepalived_config(51, 100, [f"{VIP}/24"], interval=INTERVAL, version=3))
            peer.wait_state("BACKUP")
            for victim in VICTIMS:
                self._kill(victim)
            peer.stop()
            for each in (self.a, self.b):
                each.close()
        self.capture.load()

    def _kill(self, victim: str) -> None:
        self._wait(self._watching, "the watcher to answer")
        family = children(self.program.pid)
        watcher = next(pid for pid in family if named(pid, "vrrpwatch-watch"))
        chores, timekeeper = (
            (pid for pid in family if pid != watcher) if victim != "timekeeper" else (0, self.timekeeper)
        )
        self.timekeeper = timekeeper
        pids = {"watcher": watcher, "chores": chores, "timekeeper": timekeeper, "supervisor": self.program.pid}
        length, begun = len(self.program.text()), time.time()
        os.kill(pids[victim], signal.SIGKILL)
        if victim == "supervisor":
            self._wait(lambda: not any(Path(f"/proc/{pid}").exists() for pid in family), "all of it to end")
            self._wait(lambda: self.b.now and not self.a.now, "the other router to take over")
        else:
            self._wait(lambda: len(set(children(self.program.pid)) - {pids[victim]}) == 3, "another process")
            if victim == "timekeeper":
                self.program.wait_for("Entering MASTER STATE", after=length)
            self._wait(lambda: self.a.now and not self.b.now, "us to be master alone")
        time.sleep(3 * INTERVAL)
        self.spans[victim] = (begun, time.time())
        self.logs[victim] = self.program.text()[length:]
        self.steady[victim] = (self.a.now, self.b.now)

    def _wait(self, condition: Callable[[], object], what: str) -> None:
        self.lab.wait(condition, what, 30.0)

    def _watching(self) -> bool:
        try:
            return b"ready" in fetch(self._host, self._port, "/-/ready")
        except OSError:
            return False

    def adverts(self, victim: str) -> list[tuple[float, str, int]]:
        begin, end = self.spans[victim]
        return self.capture.adverts(51, begin - 1.2 * INTERVAL, end)


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    return Story(tmp_path_factory.mktemp("killed"))


@pytest.mark.parametrize("victim", VICTIMS)
def test_the_address_is_on_one_host_and_never_on_two_for_longer_than_a_takeover(story: Story, victim: str) -> None:
    assert story.steady[victim] == ((False, True) if victim == "supervisor" else (True, False))
    span = story.spans[victim]
    for begin, end in story.a.spans(*span):
        for since, until in story.b.spans(*span):
            assert min(end, until) - max(begin, since) < TAKEOVER


@pytest.mark.parametrize("victim", VICTIMS)
def test_adverts_of_two_routers_never_alternate(story: Story, victim: str) -> None:
    """From us to the other one and, after the timekeeper's death, back: two that claim at once change each interval."""
    changes = sum(new[1] != old[1] for old, new in pairwise(story.adverts(victim)))
    assert changes <= {"watcher": 0, "chores": 0, "timekeeper": 2, "supervisor": 1}[victim]


@pytest.mark.parametrize("victim", ["watcher", "chores"])
def test_who_keeps_no_time_is_not_missed(story: Story, victim: str) -> None:
    """No advert is late and no state changes; the process is started again."""
    gaps = [new[0] - old[0] for old, new in pairwise(story.adverts(victim))]
    if INTERVAL * 1.5 < max(gaps) < INTERVAL * 3 and sum(gap > INTERVAL * 1.5 for gap in gaps) < 4:
        raise Inconclusive(f"an advert came after {max(gaps):.2f} s")
    assert max(gaps) <= INTERVAL * 1.5
    assert {source for _, source, _ in story.adverts(victim)} == {SOURCE["a"]}
    assert "STATE" not in story.logs[victim]
    name = {"watcher": r"the watcher ended (signal 9)", "chores": "the process for scripts ended"}[victim]
    assert f"{name} and is started again" in story.logs[victim]


def test_the_next_timekeeper_removes_what_was_left_before_it_begins(story: Story) -> None:
    log = story.logs["timekeeper"]
    assert log.index("the speaker ended (signal 9) and is started again") < log.index(
        f"removed {VIP} on eth0: left behind"
    )
    assert log.index("left behind") < log.index("Entering BACKUP STATE") < log.index("Entering MASTER STATE")
    begun = story.spans["timekeeper"][0]
    gone = next(when for when, had in story.a.changes if when > begun and not had)
    assert gone - begun < 3 * INTERVAL  # before anybody could take over


def test_the_supervisor_s_death_is_a_resignation(story: Story) -> None:
    ours = [each for each in story.adverts("supervisor") if each[1] == SOURCE["a"]]
    assert ours[-1][2] == 0
    begun = story.spans["supervisor"][0]
    gone = next(when for when, had in story.a.changes if when > begun and not had)
    first = next(when for when, source, _ in story.adverts("supervisor") if source == SOURCE["b"])
    assert gone < first  # our address went before the other one's came
