"""Live capture on a virtual cable in a namespace of its own: cost of an advert, lossless rate, unrelated traffic.

Needs root and a C compiler for the sender; the rate and the time of all sending are bounded.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from tests.bench import captures
from tests.bench.harness import Options, environment, have, say, table, verdict
from tests.core.capture_octets import pcap
from vrrpcore.frames import ethernet, ipv4_packet
from vrrpwatch.lab.namespaces import Namespace

HERE = Path(__file__).parent
SECONDS = 4.0
WARM_UP = 4.5  # seconds in which our sensor learns who is there
RATES = (20_000, 50_000, 100_000, 200_000, 350_000, 500_000)
SCAPY_RATES = (500, 1_000, 2_000, 4_000)


@dataclass(frozen=True, slots=True)
class Run:
    """One receiver under one load."""

    sent: int
    rate: float  # frames per second that were really sent
    received: int
    cpu: float

    @property
    def lossless(self) -> bool:
        return self.received >= self.sent


class Cable:
    """The ends a0 (sender) and a1 (receiver), and what runs on them."""

    def __init__(self, namespace: Namespace, blast: str) -> None:
        self.namespace, self.blast = namespace, blast

    def popen(self, *command: str) -> subprocess.Popen[str]:
        """Start a program inside."""
        return subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(),
            preexec_fn=self.namespace.enter_child(),
        )

    def send(self, frames: Path, rate: int, seconds: float, warm: float) -> tuple[int, float]:
        """(frames sent after the warm-up, frames per second)."""
        out, error = self.popen(self.blast, "a0", str(frames), str(rate), str(seconds), str(warm)).communicate()
        if not out:
            raise RuntimeError(f"the sender failed: {error}")
        sent, took = out.split()
        return int(sent), int(sent) / float(took)

    def python(self, script: str, frames: Path, rate: int, *more: str, seconds: float = SECONDS) -> Run:
        """A receiver in Python that says `ready` and at its end what it got."""
        warm = WARM_UP if script == "live_ours.py" else 0.0
        process = self.popen(sys.executable, str(HERE / script), "a1", str(warm + 0.6), str(seconds + 2), *more)
        assert process.stdout is not None
        if process.stdout.readline() != "ready\n":
            raise RuntimeError(process.communicate()[1].strip().splitlines()[-1:])
        sent, real = self.send(frames, rate, seconds, warm)
        out, _ = process.communicate(timeout=60)
        received, _, cpu = out.split()
        return Run(sent, real, int(received), float(cpu))

    def tcpdump(self, frames: Path, rate: int, seconds: float) -> Run:
        """tcpdump -w, with its default buffer."""
        process = self.popen("tcpdump", "-i", "a1", "-w", "/dev/null", "-Z", "root")
        time.sleep(1.0)
        sent, real = self.send(frames, rate, seconds, 0.0)
        time.sleep(1.0)
        before = os.times()
        process.terminate()
        _, error = process.communicate(timeout=30)
        after = os.times()
        found = re.search(r"(\d+) packets? captured", error)
        cpu = after.children_user + after.children_system - before.children_user - before.children_system
        return Run(sent, real, int(found[1]) if found else 0, cpu)


@contextmanager
def cable() -> Iterator[Cable]:
    """A namespace with one virtual cable; RuntimeError where that cannot be had."""
    from pyroute2 import IPRoute

    compiler = next(iter(have("cc", "gcc", "clang")), None)
    if os.geteuid() != 0 or compiler is None:
        raise RuntimeError("needs root and a C compiler")
    with tempfile.TemporaryDirectory() as folder:
        blast = str(Path(folder) / "blast")
        subprocess.run([compiler, "-O2", "-o", blast, str(HERE / "blast.c")], check=True)
        namespace = Namespace("vw-bench-live")
        try:
            with namespace.entered(), IPRoute() as netlink:
                netlink.link("add", ifname="a0", kind="veth", peer={"ifname": "a1"})
                for name in ("a0", "a1"):
                    (index,) = netlink.link_lookup(ifname=name)
                    netlink.link("set", index=index, state="up")
            time.sleep(1.0)
            yield Cable(namespace, blast)
        finally:
            namespace.close()


def best(runs: list[Run]) -> float:
    """The highest rate without loss."""
    return max((run.rate for run in runs if run.lossless), default=0.0)


def live(options: Options) -> str:
    """Adverts of 4,000 routers at rising rates."""
    frames = captures.write(options.folder / "live.pcap", 4000, 4000, 0.0, 3)  # one of each: the sender counts up
    with cable() as line:
        ours = [_said("vrrpwatch", line.python("live_ours.py", frames, rate)) for rate in RATES]
        scapy = []
        if find_spec("scapy"):
            scapy = [_said("scapy", line.python("live_scapy.py", frames, rate)) for rate in SCAPY_RATES]
        long = _said("vrrpwatch, 8 s", line.python("live_ours.py", frames, 500_000, seconds=8.0))
        dump = _said("tcpdump, 8 s", line.tcpdump(frames, 500_000, 8.0)) if have("tcpdump") else None
    steady = next(run for run in reversed(ours) if run.lossless or run is ours[0])
    own = steady.cpu / max(steady.received, 1)
    rows = [
        ["vrrpwatch: CPU per advert", f"{own * 1e6:.2f} µs at {steady.rate:,.0f}/s", ""],
        ["vrrpwatch: best rate without loss", f"{best(ours):,.0f}/s", ""],
    ]
    if scapy:
        calm = scapy[0]
        theirs = calm.cpu / max(calm.received, 1)
        ratio, rates = theirs / own, best(ours) / max(best(scapy), 1.0)
        rows += [
            [
                "scapy AsyncSniffer: CPU per advert",
                f"{theirs * 1e6:.0f} µs at {calm.rate:,.0f}/s: {ratio:.0f}× ours",
                verdict(ratio, 100, 200) + " (floor 100×, aim 200×)",
            ],
            [
                "scapy: best rate without loss",
                f"{best(scapy):,.0f}/s: ours {rates:.0f}×",
                verdict(rates, 30, 100) + " (floor 30×, aim 100×)",
            ],
        ]
    if dump is not None:
        kept = long.received / max(long.sent, 1)
        theirs = dump.received / max(dump.sent, 1)
        rows.append(
            [
                f"{long.rate:,.0f}/s for 8 s: share received",
                f"{kept:.3f} (tcpdump -w: {theirs:.3f})",
                verdict(round(kept / max(theirs, 1e-9), 3), 0.5, 1.0) + " (floor 0.5 of tcpdump's, aim 1.0)",
            ]
        )
    return (
        "IPv4 adverts of 4,000 virtual routers over a virtual cable; sender and receiver share the machine's cores;"
        " CPU of the receiving process while it listens.\n\n" + table(["what", "measured", "target"], rows)
    )


def idle(options: Options) -> str:
    """What traffic costs that does not concern the sensor."""
    packet = ipv4_packet(bytes((10, 0, 0, 1)), bytes((10, 0, 0, 2)), 17, bytes(64))
    frame = ethernet(bytes((2, 0, 0, 0, 0, 2)), bytes((2, 0, 0, 0, 0, 1)), 0x0800, packet)
    path = options.folder / "unrelated.pcap"
    path.write_bytes(pcap([(1_795_336_000.0, frame)] * 1000))
    rows, ratios = [], []
    with cable() as line:
        for _ in range(3):
            with_filter = _said("filtered", line.python("live_ours.py", path, 200_000))
            without = _said("unfiltered", line.python("live_ours.py", path, 200_000, "unfiltered"))
            ratios.append(with_filter.cpu / max(without.cpu, 1e-9))
            rows.append(
                [
                    f"{with_filter.rate:,.0f}/s",
                    f"{with_filter.cpu:.3f} s",
                    f"{without.cpu:.2f} s",
                    f"1/{1 / max(ratios[-1], 1e-9):.0f}",
                ]
            )
    middle = sorted(ratios)[1]
    standing = verdict(1 / max(middle, 1e-9), 50, 200)
    return (
        f"UDP traffic beside the sensor, {SECONDS:g} s; the sensor's CPU with its kernel filter and with none:"
        f" {standing} (floor 1/50, aim 1/200).\n\n"
        + table(["unrelated frames", "with the filter", "without", "ratio"], rows)
    )


def _said(name: str, run: Run) -> Run:
    share = 100 * run.received / max(run.sent, 1)
    say(f"  {name}: {run.rate:,.0f}/s, received {share:.2f} %, {run.cpu:.2f} s CPU")
    return run
