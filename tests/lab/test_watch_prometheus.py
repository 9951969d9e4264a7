"""`vrrpwatch watch` beside a real keepalived pair, scraped by a real Prometheus."""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from prometheus_client.parser import text_string_to_metric_families as parse

from tests.lab.bench_of_hosts import Pair, command, vrrpwatch
from vrrpexporters.journal import read_episodes
from vrrpwatch.evidence import AFTER, file_name, folder_of
from vrrpwatch.lab import Frr, Host, Lab, Program, Watcher, frr_config, keepalived_config, module_path

pytestmark = [pytest.mark.live, pytest.mark.root, pytest.mark.needs("keepalived", "prometheus", "iproute2")]

PROMETHEUS = """
global: {{scrape_interval: 1s, scrape_timeout: 1s}}
scrape_configs:
  - job_name: vrrpwatch
    static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
"""


def free_port(host: Host) -> int:
    """A port that nobody in that host's network uses."""
    with host.entered(), socket.socket() as wire:
        wire.bind(("127.0.0.1", 0))
        return int(wire.getsockname()[1])


def fetch(host: Host, port: int, path: str) -> bytes:
    """GET from inside the host, without a proxy; raises OSError."""
    with host.entered():
        wire = socket.create_connection(("127.0.0.1", port), timeout=10)
    with wire:
        wire.sendall(f"GET {path} HTTP/1.0\r\nHost: lab\r\n\r\n".encode())
        octets = b"".join(iter(lambda: wire.recv(65536), b""))
    head, _, body = octets.partition(b"\r\n\r\n")
    if b" 200 " not in head.split(b"\r\n")[0]:
        raise OSError(head.decode("latin-1").partition("\r\n")[0] or "it hung up")
    return body


def sample(host: Host, port: int, name: str, **labels: str) -> float | None:
    """The first sample of that name with these labels; None while there is none."""
    try:
        body = fetch(host, port, "/metrics").decode()
    except OSError:
        return None
    rows = [s for f in parse(body) for s in f.samples if s.name == name and labels.items() <= s.labels.items()]
    return float(rows[0].value) if rows else None


class Watched:
    """A pair with an observer that runs `watch` and Prometheus."""

    def __init__(self, lab: Lab, index: int, *arguments: str, journal: bool = False) -> None:
        self.lab = lab
        self.pair = Pair(lab, f"w{index}", index)
        self.observer = self.pair.observer
        self.port = free_port(self.observer)
        self.journal = lab.directory / f"journal{index}.db" if journal else None
        self._arguments = arguments
        self.watch = self.begin()
        self.prometheus_port = 0

    def begin(self) -> Program:
        """Start `watch`, and wait until it is ready."""
        more = ("--journal", str(self.journal)) if self.journal else ()
        words = command("-v", "watch", "-i", "eth0", "--listen", f"127.0.0.1:{self.port}", *more, *self._arguments)
        self.watch = self.observer.start(*words, log="watch", environment=module_path())
        self.until(lambda: b"ready" in self.get("/-/ready"), "watch to be ready")
        return self.watch

    def get(self, path: str) -> bytes:
        """A page of `watch`; b"" while it does not answer."""
        try:
            return fetch(self.observer, self.port, path)
        except OSError:
            return b""

    def value(self, name: str, **labels: str) -> float | None:
        """One sample of /metrics."""
        return sample(self.observer, self.port, name, **labels)

    def until(self, condition: Callable[[], object], what: str, timeout: float = 30.0) -> None:
        self.lab.wait(condition, what, timeout)

    def start_prometheus(self) -> None:
        """A real Prometheus that scrapes `watch` once a second."""
        self.prometheus_port = free_port(self.observer)
        folder = self.lab.directory / f"prometheus{self.prometheus_port}"
        folder.mkdir()
        config = self.lab.write(f"prometheus{self.prometheus_port}.yml", PROMETHEUS.format(port=self.port))
        self.observer.start(
            "prometheus",
            f"--config.file={config}",
            f"--storage.tsdb.path={folder}",
            f"--web.listen-address=127.0.0.1:{self.prometheus_port}",
            log="prometheus",
        )
        self.until(lambda: self.query("up") == [1.0], "the first scrape", 60)

    def query(self, expression: str) -> list[float]:
        """The values of an instant query."""
        try:
            path = f"/api/v1/query?{urlencode({'query': expression})}"
            answer: dict[str, Any] = json.loads(fetch(self.observer, self.prometheus_port, path))
        except (OSError, ValueError):
            return []
        return [float(row["value"][1]) for row in answer["data"]["result"]]

    def split(self) -> None:
        self.pair.b.drop_vrrp("input")
        self.pair.second.wait_state("MASTER")

    def heal(self) -> None:
        self.pair.b.allow_vrrp()
        self.pair.second.wait_state("BACKUP")


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab("vw-watch") as lab:
        yield lab


@pytest.fixture(scope="module")
def watched(lab: Lab) -> Watched:
    found = Watched(lab, 1, journal=True)
    found.pair.start()
    found.pair.first.wait_state("MASTER")
    return found


def test_prometheus_sees_one_master_then_two_then_one(watched: Watched) -> None:
    watched.start_prometheus()
    watched.until(lambda: watched.query("vrrpwatch_group_masters") == [1.0], "one master")
    assert watched.query("vrrpwatch_split_brain_episodes_total") == [0.0]
    watched.split()
    watched.until(lambda: watched.query("vrrpwatch_group_masters") == [2.0], "two masters")
    watched.until(lambda: watched.query("vrrpwatch_split_brain_active") == [1.0], "the split to be active")
    watched.heal()
    watched.until(lambda: watched.query("vrrpwatch_group_masters") == [1.0], "one master again")
    watched.until(lambda: watched.query("vrrpwatch_split_brain_active") == [0.0], "the split to be over")
    assert watched.query("max_over_time(vrrpwatch_group_masters[5m])") == [2.0]
    assert watched.query("vrrpwatch_split_brain_episodes_total") == [1.0]
    assert watched.query('vrrpwatch_verdict{class="steady"}') == [1.0]
    assert watched.query("up") == [1.0]


def test_the_frames_behind_the_split_were_kept_and_judge_the_same(watched: Watched) -> None:
    assert watched.journal is not None
    journal = watched.journal

    def splits() -> list[Any]:
        return [row for row in read_episodes(journal) if row.episode.cls == "split_brain"]

    watched.until(lambda: all(row.episode.end for row in splits()), "the journal to know the end")
    (found,) = splits()
    path = folder_of(watched.journal) / file_name(found.episode.id)
    watched.until(lambda: path.exists() and path.stat().st_mtime > (found.episode.end or 0) + AFTER, "the evidence")
    again = vrrpwatch(watched.observer, "analyze", "-o", "json", str(path))
    assert again.code == 2, again.out
    assert again.worst[0] == "split_brain"


@pytest.mark.needs("prometheus")
def test_live_metrics_are_clean_for_promtool(watched: Watched) -> None:
    done = subprocess.run(
        ["promtool", "check", "metrics"], input=watched.get("/metrics"), capture_output=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_episodes_and_counters_survive_kill_9_and_a_running_split_is_not_counted_twice(watched: Watched) -> None:
    before = watched.value("vrrpwatch_split_brain_episodes_total") or 0
    watched.split()
    watched.until(lambda: watched.value("vrrpwatch_split_brain_active") == 1, "the split")
    counted = watched.value("vrrpwatch_split_brain_episodes_total")
    assert counted == before + 1
    seen = watched.value("vrrpwatch_split_brain_last_seen_timestamp_seconds") or 0
    assert seen > 0
    # Only what was committed survives kill -9; the episode is, with its beginning.
    watched.until(lambda: _episodes(watched.journal, "split_brain") >= counted, "the journal to know")
    watched.watch.kill()
    watched.begin()
    watched.until(lambda: watched.value("vrrpwatch_split_brain_active") == 1, "the split to be found again")
    assert watched.value("vrrpwatch_split_brain_episodes_total") == counted
    assert (watched.value("vrrpwatch_split_brain_last_seen_timestamp_seconds") or 0) >= seen
    watched.heal()
    watched.until(lambda: watched.value("vrrpwatch_split_brain_active") == 0, "the split to be over")
    assert watched.value("vrrpwatch_split_brain_episodes_total") == counted
    watched.until(lambda: _ended(watched) >= before, "earlier episodes to be counted by cause still")


def _ended(watched: Watched) -> float:
    name = "vrrpwatch_split_brain_episodes_by_cause_total"
    rows = [s for f in parse(watched.get("/metrics").decode()) for s in f.samples if s.name == name]
    return sum(s.value for s in rows if s.labels["class"] == "split_brain")


def _episodes(journal: Path | None, cls: str) -> int:
    assert journal is not None
    return sum(row.episode.cls == cls for row in read_episodes(journal))


def test_sighup_reads_the_configuration_again_and_sigterm_ends_cleanly(lab: Lab) -> None:
    file = lab.write("reload.toml", '[watch]\nsegments = {eth0 = "lan-a"}\n')
    watched = Watched(lab, 2, "--config", str(file))
    watched.pair.start()
    watched.pair.first.wait_state("MASTER")
    watched.until(lambda: watched.value("vrrpwatch_group_masters", segment="lan-a") == 1, "one master")
    file.write_text("[watch]\nlissten = 1\n")
    watched.watch.signal(1)
    watched.until(lambda: watched.value("vrrpwatch_config_last_reload_successful") == 0, "the failed reload")
    assert "unknown key watch.lissten; did you mean listen?" in watched.watch.text()
    assert watched.value("vrrpwatch_group_masters", segment="lan-a") == 1
    file.write_text('[watch]\nsegments = {eth0 = "lan-a"}\n[[router]]\nvrid = 99\naddresses = ["10.9.2.99"]\n')
    watched.watch.signal(1)
    watched.until(lambda: watched.value("vrrpwatch_config_last_reload_successful") == 1, "the good reload")
    watched.until(
        lambda: watched.value("vrrpwatch_verdict", vrid="99", **{"class": "no_master"}) == 1,
        "the router that must exist to be missed",
        60,
    )
    assert watched.watch.stop() == 0


def test_keepalived_says_by_its_fifo_who_is_master(lab: Lab) -> None:
    """`watch` on a router itself: state, age and transitions, and what is left when keepalived is killed."""
    pair = Pair(lab, "k", 3)
    fifo = "/run/vrrpwatch.fifo"
    extra = {"global_extra": [f"vrrp_notify_fifo {fifo}"]}
    pair.start(extra, {})
    pair.first.wait_state("MASTER")
    port = free_port(pair.a)
    file = lab.write("own.toml", f'[keepalived]\nfifo = "{fifo}"\nconfig = "{pair.first.config}"\n')
    words = command("-v", "watch", "-i", "eth0", "--listen", f"127.0.0.1:{port}", "--config", str(file))
    watch = pair.a.start(*words, log="watch", environment=module_path())

    value = partial(sample, pair.a, port)
    lab.wait(lambda: value("vrrpwatch_instance_state", state="master", daemon="keepalived") == 1, "master", 30)
    assert value("vrrpwatch_instance_addresses_held") == 1
    assert (value("vrrpwatch_instance_master_age_seconds") or -1) >= 0
    lab.wait(lambda: value("vrrpwatch_group_masters", vrid="51") == 1, "its own adverts on the wire", 30)
    pair.first.program.kill()
    lab.wait(lambda: value("vrrpwatch_instance_state", state="init", daemon="keepalived") == 1, "it to be gone", 30)
    assert value("vrrpwatch_instance_master_age_seconds") == -1
    assert value("vrrpwatch_instance_addresses_held") == 1  # kill -9 leaves the address behind
    watch.stop()


@pytest.mark.needs("frr")
def test_frr_says_by_vtysh_who_is_master(lab: Lab) -> None:
    host = lab.host("frr", "10.9.5.1/24", lan=lab.lan("lan-frr"))
    Frr(host, 7, frr_config(7, priority=150, vips=["10.9.5.100"]), ["10.9.5.100"])
    port = free_port(host)
    file = lab.write("frr.toml", '[frr]\nvtysh = "vtysh"\ninterval = 0.5\n')
    words = command("-v", "watch", "-i", "eth0", "--listen", f"127.0.0.1:{port}", "--config", str(file))
    host.start(*words, log="watch", environment=module_path())
    lab.wait(lambda: sample(host, port, "vrrpwatch_instance_state", state="master", daemon="frr") == 1, "master", 60)
    assert sample(host, port, "vrrpwatch_source_up", daemon="frr") == 1
    labels = {"family": "ipv4", "vrid": "7", "segment": "10.9.5.0/24"}
    assert (sample(host, port, "vrrpwatch_instance_adverts_sent_total", **labels) or 0) > 0
    assert (sample(host, port, "vrrpwatch_instance_master_age_seconds", **labels) or -1) >= 0


def test_our_speaker_says_in_its_state_file_who_is_master(lab: Lab) -> None:
    host = lab.host("spk", "10.9.6.1/24", lan=lab.lan("lan-spk"))
    speaker = Watcher(host, keepalived_config(8, 150, ["10.9.6.100/24"], interval=0.5, version=3))
    port = free_port(host)
    file = lab.write("speaker.toml", "[speaker]\n")
    words = command("-v", "watch", "-i", "eth0", "--listen", f"127.0.0.1:{port}", "--config", str(file))
    host.start(*words, log="watch", environment=module_path())
    mine = partial(sample, host, port, "vrrpwatch_instance_state", daemon="vrrpwatch")
    lab.wait(lambda: mine(state="master") == 1, "master", 60)
    labels = {"family": "ipv4", "vrid": "8", "segment": "10.9.6.0/24"}
    assert (sample(host, port, "vrrpwatch_instance_master_age_seconds", **labels) or -1) >= 0
    assert sample(host, port, "vrrpwatch_instance_master_transitions_total", **labels) == 1
    speaker.program.kill()
    lab.wait(lambda: mine(state="init") == 1, "its state to be stale", 30)
    assert sample(host, port, "vrrpwatch_instance_master_age_seconds", **labels) == -1
    assert sample(host, port, "vrrpwatch_source_up", daemon="vrrpwatch") == 0
