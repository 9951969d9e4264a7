"""`run --watch`: the watcher beside our own speaker. What it does or suffers never shows in the adverts."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest

from tests.lab.bench_of_hosts import command
from tests.lab.speaker_lab import Capture
from tests.lab.test_watch_prometheus import fetch, free_port, sample
from tests.support import Inconclusive
from vrrpwatch.lab import Host, Lab, Program, Recorder, keepalived_config, module_path
from vrrpwatch.lab.processes import descendants

pytestmark = [pytest.mark.root, pytest.mark.live, pytest.mark.needs("iproute2")]
VIP = "10.9.0.100"
INTERVAL = 0.5


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab("vw-runwatch") as made:
        made.host("a", "10.9.0.1/24", mac="02:00:00:00:00:01")
        made.host("b", "10.9.0.2/24", mac="02:00:00:00:00:02")
        yield made


class Both:
    """`run --watch` on host a, what b captures of it, and its metrics."""

    def __init__(self, lab: Lab) -> None:
        self.lab, self.host = lab, lab.hosts["a"]
        self.port = free_port(self.host)
        self.file = lab.write("run.conf", self.text())
        words = command("run", "-f", str(self.file), "--watch", "--listen", f"127.0.0.1:{self.port}")
        self.program: Program = self.host.start(*words, log="run", environment=module_path())
        self.program.wait_for("Entering MASTER STATE")
        self.value = partial(sample, self.host, self.port)

    @staticmethod
    def text(priority: int = 150, interval: float = INTERVAL) -> str:
        return keepalived_config(51, priority, [f"{VIP}/24"], interval=interval, version=3)

    @property
    def watcher(self) -> int:
        """Its process id; 0 while there is none."""
        for pid in descendants(self.program.pid):
            if Path(f"/proc/{pid}/comm").read_text().strip() == "vrrpwatch-watch":
                return pid
        return 0

    def until(self, condition: Callable[[], object], what: str, timeout: float = 60.0) -> None:
        self.lab.wait(condition, what, timeout)

    def answers(self) -> bool:
        try:
            return b"ready" in fetch(self.host, self.port, "/-/ready")
        except OSError:
            return False

    def wait_watching(self) -> None:
        self.until(self.answers, "the watcher to be ready")
        self.until(lambda: self.value("vrrpwatch_instance_state", state="master") == 1, "our state")
        self.until(lambda: self.value("vrrpwatch_group_masters", vrid="51") == 1, "our adverts on the wire")


@pytest.fixture
def both(lab: Lab) -> Iterator[Both]:
    made = Both(lab)
    yield made
    made.program.stop()


def even(capture: Capture, begin: float, end: float = 1e12) -> None:
    """Every advert came in its time. Four late ones in sequence would be our doing, one alone this machine's."""
    times = [when for when, *_ in capture.adverts(51, begin, end)]
    assert len(times) >= 3
    gaps = [new - old for old, new in pairwise(times)]
    if INTERVAL * 1.5 < max(gaps) < INTERVAL * 3 and sum(gap > INTERVAL * 1.5 for gap in gaps) < 4:
        raise Inconclusive(f"an advert came after {max(gaps):.2f} s")
    assert max(gaps) <= INTERVAL * 1.5


def test_the_metrics_hold_what_we_believe_and_what_the_wire_says(both: Both) -> None:
    both.wait_watching()
    labels = {"family": "ipv4", "vrid": "51", "segment": "10.9.0.0/24"}
    assert both.value("vrrpwatch_instance_state", state="master", daemon="vrrpwatch", **labels) == 1
    assert both.value("vrrpwatch_group_masters", **labels) == 1
    assert both.value("vrrpwatch_split_brain_active", **labels) == 0
    assert both.value("vrrpwatch_source_up", daemon="vrrpwatch") == 1
    assert both.value("vrrpwatch_sniffer_up", interface="eth0") == 1


def test_a_hanging_watcher_and_crowding_scrapes_delay_no_advert(both: Both, tmp_path: Path) -> None:
    both.wait_watching()
    capture = Capture(tmp_path / "hanging.pcap")
    with Recorder(both.lab.hosts["b"], capture.path):
        begun = time.time()
        for _ in range(40):
            fetch(both.host, both.port, "/metrics")
        os.kill(both.watcher, signal.SIGSTOP)
        time.sleep(6 * INTERVAL)
        os.kill(both.watcher, signal.SIGCONT)
    capture.load()
    even(capture, begun)


def test_the_speaker_resigns_first_and_then_the_watcher_ends(lab: Lab, tmp_path: Path) -> None:
    capture = Capture(tmp_path / "stop.pcap")
    both = Both(lab)
    both.wait_watching()
    watcher = both.watcher
    with Recorder(lab.hosts["b"], capture.path):
        os.kill(watcher, signal.SIGTERM)  # as a service manager does, which tells the whole group at once
        both.program.process.terminate()
        assert both.program.process.wait(20) == 0
    assert not Path(f"/proc/{watcher}").exists()
    text = both.program.text()
    assert 0 < text.index("(VI_1) Stopped") < text.index("vrrpwatch: stopping")
    assert "by force" not in text
    capture.load()
    assert capture.adverts(51)[-1][2] == 0


def test_the_exit_code_is_the_speakers_also_when_the_watcher_cannot_begin(lab: Lab) -> None:
    host = lab.hosts["a"]
    port = free_port(host)
    occupant = host.start(sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1", log="occupant")
    lab.wait(lambda: _open(host, port), "the port to be taken")
    file = lab.write("taken.conf", Both.text())
    words = command("run", "-f", str(file), "--watch", "--listen", f"127.0.0.1:{port}")
    program = host.start(*words, log="taken", environment=module_path())
    program.wait_for(r"the watcher ended \(code \d\) and is started again in 1 s")
    program.wait_for(r"the watcher ended \(code \d\) and is started again in 2 s")
    program.wait_for("Entering MASTER STATE")
    assert program.stop(20) == 0
    occupant.stop()


def _open(host: Host, port: int) -> bool:
    try:
        fetch(host, port, "/")
    except OSError:
        return False
    return True


def test_a_reload_onto_another_interface_takes_the_watcher_along(both: Both) -> None:
    both.wait_watching()
    both.lab.join(both.host, both.lab.lan("lan1"), "10.8.0.1/24")
    more = keepalived_config(52, 150, ["10.8.0.100/24"], name="VI_2", interface="eth1", interval=INTERVAL, version=3)
    both.file.write_text(both.text() + more.split("}\n", 1)[1])
    old = both.watcher
    both.program.process.send_signal(signal.SIGHUP)
    both.until(lambda: both.value("vrrpwatch_sniffer_up", interface="eth1") == 1, "the other interface")
    both.until(lambda: both.value("vrrpwatch_group_masters", vrid="52") == 1, "the other router")
    assert both.watcher != old
    assert "the watcher ended" not in both.program.text()
