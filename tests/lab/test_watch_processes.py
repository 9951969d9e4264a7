"""`watch --processes`: several processes on one trunk judge as one does, and outlive one another's death."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pyroute2 import IPRoute

from tests.core.frame_samples import A4, B4, MAC, PEER, V2, V3
from tests.core.veth import cable
from vrrpcore.addresses import VRRP_GROUP4
from vrrpcore.cbpf import share_of
from vrrpcore.frames import Arp, build_advert, build_garp, unwrap
from vrrpcore.judge import Judge
from vrrpcore.pcap import Decoder
from vrrpcore.records import segment_of
from vrrpcore.shares import part_of
from vrrpwatch.capture import LiveCapture, Share, open_live
from vrrpwatch.cli.running import Processes
from vrrpwatch.config import MOST_PROCESSES
from vrrpwatch.daemon import crew as module
from vrrpwatch.daemon.crew import Crew
from vrrpwatch.evidence import folder_of
from vrrpwatch.lab import module_path
from vrrpwatch.listening import Ears, state

pytestmark = [pytest.mark.root, pytest.mark.live]

DEADLINE = 40.0
VLANS = [(), (10,), (20,), (30,), (40,), (50,), (100,), (200,)]
#: In each of three shares one domain with two masters and one without.
SPLIT = [next(v for v in VLANS if share_of(v, 3) == number) for number in range(3)]
QUIET = [next(v for v in VLANS if share_of(v, 3) == number and v not in SPLIT) for number in (1, 2)]
ADVERT = replace(V3, interval=0.5)
KILLED = segment_of("lan", SPLIT[1])  # judged by the second process


@pytest.fixture
def wire() -> Iterator[None]:
    with cable("crew"), IPRoute() as route:
        route.link("set", index=route.link_lookup(ifname="lo")[0], state="up")
        yield


def until(done: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + DEADLINE
    while not done():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


class Routers:
    """Speak on all VLANs from a thread until told to stop."""

    def __init__(self) -> None:
        self.ident = 0
        self._stopping = threading.Event()

    @contextmanager
    def speaking(self) -> Iterator[None]:
        self._stopping.clear()
        thread = threading.Thread(target=self._speak)
        thread.start()
        try:
            yield
        finally:
            self._stopping.set()
            thread.join()

    def _speak(self) -> None:
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as sock:
            sock.bind(("in", 0))
            while not self._stopping.wait(0.5):
                self.ident += 1
                for vlans in (*SPLIT, *QUIET):
                    sock.send(build_advert(ADVERT, MAC, A4, VRRP_GROUP4, ident=self.ident, vlans=vlans))
                for vlans in SPLIT:
                    other = replace(ADVERT, priority=100)
                    sock.send(build_advert(other, PEER, B4, VRRP_GROUP4, ident=self.ident, vlans=vlans))


class Daemon:
    """`vrrpwatch watch` in a process of its own."""

    def __init__(self, folder: Path, processes: int, *arguments: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.journal = folder / f"journal{processes}.db"
        self.log = folder / f"watch{processes}.log"
        words = [
            "-m",
            "vrrpwatch",
            "-v",
            "watch",
            "-i",
            "out",
            "--segment",
            "lan",
            "--listen",
            f"127.0.0.1:{self.port}",
        ]
        words += ["--journal", str(self.journal), "--processes", str(processes), *arguments]
        with self.log.open("ab") as log:
            environment = {**os.environ, **module_path()}
            self.program = subprocess.Popen([sys.executable, "-P", *words], stderr=log, env=environment)
        until(lambda: "ready" in self.get("/-/ready"), "watch is not ready")

    def get(self, path: str) -> str:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=10) as wire:
                wire.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
                return b"".join(iter(lambda: wire.recv(65536), b"")).partition(b"\r\n\r\n")[2].decode()
        except OSError:
            return ""

    def judgement(self) -> dict[str, Any]:
        return json.loads(self.get("/api/v1/verdicts?window=all"))  # type: ignore[no-any-return]

    def router(self, segment: str) -> dict[str, Any]:
        return next((row for row in self.judgement()["routers"] if row["segment"] == segment), {})

    def value(self, name: str, **labels: str) -> float:
        """A sample of /metrics; 0 while there is none."""
        for line in self.get("/metrics").splitlines():
            match = re.fullmatch(rf"{name}(?:{{(.*)}})? (\S+)", line)
            if match and all(f'{key}="{text}"' in (match[1] or "") for key, text in labels.items()):
                return float(match[2])
        return 0.0

    def split(self) -> bool:
        return all(self.router(segment_of("lan", v)).get("now", {}).get("class") == "split_brain" for v in SPLIT)

    def others(self) -> dict[str, int]:
        """Its other processes by name."""
        found: dict[str, int] = {}
        parents = [self.program.pid]
        for parent in parents:
            for child in Path(f"/proc/{parent}/task/{parent}/children").read_text().split():
                found[Path(f"/proc/{child}/comm").read_text().strip()] = int(child)
                parents.append(int(child))
        return found


def gone(pid: int) -> bool:
    """Whether a process has ended, be it that nobody has asked how yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] in "ZX"
    except OSError:
        return True


def times_aside(judgement: dict[str, Any]) -> dict[str, Any]:
    """Without what rests on times: two sockets stamp a frame within microseconds, not the same. In one order."""
    for router in judgement["routers"]:
        for master in router["masters"]:
            del master["first"], master["last"]
        for episode in router["episodes"]:
            for key in ("id", "start", "suspected", "confirmed", "end", "seconds", "evidence"):
                del episode[key]
    del judgement["window"]
    del judgement["sensor"]["frames"]  # the one that began first heard the other one join the groups
    judgement["routers"].sort(key=lambda row: row["segment"])
    judgement["addresses"].sort(key=lambda row: (row["segment"], row["vip"]))
    return judgement


def evidence(daemon: Daemon) -> list[set[tuple[int, ...]]]:
    """The domains of the frames in each of its files."""
    found = []
    for path in folder_of(daemon.journal).glob("*.pcap"):
        decoder = Decoder()
        found.append({unwrap(row.frame).vlans for row in (*decoder.feed(path.read_bytes()), *decoder.finish())})
    return found


def asked(seen: LiveCapture) -> set[tuple[int, ...]]:
    """The domains in which somebody has asked for the virtual address."""
    frames = [unwrap(record.frame, 1, record.vlans) for record in seen.poll(0)]
    return {f.vlans for f in frames if isinstance(f.body, Arp) and f.body.target_ip == ADVERT.addresses[0]}


def test_three_processes_say_what_one_says_and_go_on_when_one_of_them_dies(wire: None, tmp_path: Path) -> None:
    routers = Routers()
    one, three = Daemon(tmp_path, 1), Daemon(tmp_path, 3, "--probe")
    try:
        with open_live(["in"], join=False) as seen, routers.speaking():
            until(lambda: one.split() and three.split(), "no split brain")
            assert set(SPLIT) <= asked(seen)  # by one process, for all
        # Now all is quiet, and every claim lapses: both have seen the same.
        until(lambda: not any(row["live"] for row in rows(one) + rows(three)), "claims that do not lapse")
        compared = [times_aside(daemon.judgement()) for daemon in (three, one)]
        assert compared[0] == compared[1]
        assert compared[0]["sensor"]["notes"] == []
        frames = three.value("vrrpwatch_sniffer_frames_total", interface="out")
        assert 0 <= one.value("vrrpwatch_sniffer_frames_total", interface="out") - frames <= 4
        until(lambda: len(evidence(one)) == len(evidence(three)) >= len(SPLIT), "no evidence")
        assert all({*SPLIT, *QUIET} <= domains for daemon in (one, three) for domains in evidence(daemon))

        with routers.speaking():
            until(three.split, "no split brain after the pause")
            counted = three.value("vrrpwatch_split_brain_episodes_total", segment=KILLED)
            assert counted >= 2
            (before,) = open_episodes(three, KILLED)
            others = {v: open_episodes(three, segment_of("lan", v)) for v in (SPLIT[0], SPLIT[2])}
            os.kill(three.others()["vrrpwatch-2"], signal.SIGKILL)
            until(lambda: three.value("vrrpwatch_collector_errors_total", collector="judge") == 1, "not counted")
            until(lambda: len(three.others()) == 3, "not started again")
            until(lambda: [e["id"] for e in open_episodes(three, KILLED)] == [before["id"]], "not found again")
            assert three.router(KILLED)["now"]["class"] == "split_brain"
            assert three.value("vrrpwatch_split_brain_episodes_total", segment=KILLED) == counted
            assert three.value("vrrpwatch_sniffer_frames_total", interface="out") > frames
            for vlans, known in others.items():
                assert [e["id"] for e in open_episodes(three, segment_of("lan", vlans))] == [e["id"] for e in known]
            notes = three.judgement()["sensor"]["notes"]
            assert notes == ["process 2 of 3 ended and was started again: what it judges is incomplete since then"]
            until(lambda: "process 2 of 3 ended (signal 9)" in three.log.read_text(), "no line in the log")

        processes = three.others()
        assert sorted(processes) == ["vrrpwatch-2", "vrrpwatch-3", "vrrpwatch-keep"]
        for pid in processes.values():  # a service manager sends it to everybody
            os.kill(pid, signal.SIGTERM)
        three.program.send_signal(signal.SIGTERM)
        assert three.program.wait(DEADLINE) == 0
        assert all(map(gone, processes.values()))
        assert "ended (" not in three.log.read_text().split("was started again")[-1]
    finally:
        for daemon in (one, three):
            daemon.program.kill()
            daemon.program.wait()


def rows(daemon: Daemon) -> list[dict[str, Any]]:
    return [{"live": any(m["claim"] == "live" for m in row["masters"])} for row in daemon.judgement()["routers"]]


def open_episodes(daemon: Daemon, segment: str) -> list[dict[str, Any]]:
    return [e for e in daemon.router(segment).get("episodes", []) if e["end"] is None and e["class"] == "split_brain"]


def test_nobody_outlives_the_main_process_and_it_does_not_outlive_the_keeper(wire: None, tmp_path: Path) -> None:
    daemon = Daemon(tmp_path, 2)
    processes = daemon.others()
    daemon.program.kill()
    daemon.program.wait()
    until(lambda: all(map(gone, processes.values())), "a worker that lives on")

    daemon = Daemon(tmp_path, 2)
    processes = daemon.others()
    os.kill(processes["vrrpwatch-keep"], signal.SIGKILL)
    assert daemon.program.wait(DEADLINE) == 1
    assert "the process that keeps the workers alive was ended" in daemon.log.read_text().splitlines()[-1]
    until(lambda: all(map(gone, processes.values())), "a worker that lives on")


def judged(capture: LiveCapture, ears: Ears, crew: Crew) -> dict[str, Any]:
    """Hear what there is, and one publication."""
    deadline = time.monotonic() + DEADLINE
    while True:
        ears.hear(capture, 0.01)
        crew.hear()
        if crew.gathered(time.monotonic()):
            break
        assert time.monotonic() < deadline
    now = capture.horizon()
    own = part_of(ears.judge, state(capture, ears, 0.0, now))
    return crew.merged(own, now, True)[0].as_json()


def test_one_that_hangs_is_ended_and_its_frames_wait_for_the_next(wire: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HUNG", 0.5)
    monkeypatch.setattr(module, "PATIENCE", 0.1)
    failures: list[str] = []
    adverts = [build_advert(V2, MAC, A4, VRRP_GROUP4, vlans=v) for v in (*SPLIT, *QUIET)]
    garps = [build_garp(MAC, V2.addresses[0], vlans=v) for v in (*SPLIT, *QUIET)]
    with open_live(["out"], join=False, segments={"": "lan"}, share=Share(0, 2)) as capture:
        crew = Crew(
            capture, 2, promisc=True, keeps=True, failed=lambda name, error: failures.append(f"{name}: {error}")
        )
        ears = Ears(Judge())

        def hears(frames: int, routers: int) -> Callable[[], bool]:
            def done() -> bool:
                said = judged(capture, ears, crew)
                return (said["sensor"]["frames"], len(said["routers"])) == (frames, routers)

            return done

        try:
            send(adverts)
            until(hears(5, 5), "the adverts")
            (member,) = crew._members
            signal.pidfd_send_signal(member.process, signal.SIGSTOP)
            send(garps)
            until(hears(10, 5), "what waited in the ring for the next one")
            assert failures == ["judge: process 2 of 2 ended"]
            rows = judged(capture, ears, crew)["routers"]
            unheard = {row["segment"] for row in rows if not row["masters"]}
            assert unheard == {segment_of("lan", v) for v in (*SPLIT, *QUIET) if share_of(v, 2)}
            held = crew.held("lan.40", 0.0, time.time() + 1)
            assert len(held) == len(unheard)
            assert not crew.listening  # its silence proves nothing yet
        finally:
            crew.close()


def send(frames: list[bytes]) -> None:
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as sock:
        sock.bind(("in", 0))
        for frame in frames:
            sock.send(frame)


def test_the_command_line_and_the_file_allow_the_same() -> None:
    assert Processes.__metadata__[0].max == MOST_PROCESSES  # type: ignore[attr-defined]
