"""The speaker beside keepalived: lateness of a takeover, cost of 510 routers, the interval under load.

Both get the same keepalived.conf and the same provocations, in turn, in one run; times are the kernel's timestamps of
frames at an observer's interface. `python -m tests.bench.speaker [takeover|scale|load|quiet]` prints a table each.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

from tests.bench.harness import Options, say, table
from vrrpcore.addresses import VRRP_GROUP4, pack
from vrrpcore.frames import Arp, ipv4_packet, unwrap
from vrrpcore.packet import PROTOCOL, Advertisement, build
from vrrpcore.vrrpsockets import Sender
from vrrpwatch.files import CaptureFile
from vrrpwatch.lab import Host, Keepalived, Lab, Recorder, Watcher, keepalived_config
from vrrpwatch.lab.processes import descendants

SPEAKERS: dict[str, Callable[[Host, str], Keepalived | Watcher]] = {"keepalived": Keepalived, "vrrpwatch": Watcher}
PRIORITY = 100
VIP = pack("10.9.0.100")


@contextmanager
def lab(name: str) -> Iterator[tuple[Lab, Host, Host, Host]]:
    with Lab(name) as made:
        yield (
            made,
            made.host("a", "10.9.0.1/16", "fd00:9::1/64"),
            made.host("b", "10.9.0.2/16", "fd00:9::2/64"),
            made.host("o", "10.9.0.9/16"),
        )


class FakeMaster:
    """Adverts of priority 200 from a host without a speaker, as exact as its sleep allows."""

    def __init__(self, host: Host, interval: float) -> None:
        with host.entered():
            self._sender = Sender("eth0", host.index("eth0"), 4)
        self._interval = interval

    def send(self, priority: int) -> None:
        advert = Advertisement(3, 51, priority, (VIP,), self._interval)
        message = build(advert, pack("10.9.0.1"), VRRP_GROUP4)
        self._sender.send(ipv4_packet(pack("10.9.0.1"), VRRP_GROUP4, PROTOCOL, message), VRRP_GROUP4)

    def reign(self, turns: int) -> None:
        for _ in range(turns):
            self.send(200)
            time.sleep(self._interval)


def takeover_excess(kind: str, interval: float, repeats: int, resign: bool) -> tuple[list[float], list[float]]:
    """(lateness of the first advert, announcement after that advert) of each takeover, in ms."""
    skew = (256 - PRIORITY) / 256 * interval
    theory = skew if resign else 3 * interval + skew
    with tempfile.TemporaryDirectory() as folder, lab(f"bench-{kind[:2]}") as (_, a, b, observer):
        path = Path(folder) / "takeover.pcap"
        with Recorder(observer, path):
            extra = [f"garp_master_delay {0}"]
            router = SPEAKERS[kind](
                b, keepalived_config(51, PRIORITY, ["10.9.0.100/32"], interval=interval, version=3, extra=extra)
            )
            router.program.wait_for("Entering BACKUP STATE", 60)
            master = FakeMaster(a, interval)
            for _ in range(repeats):
                master.reign(5)
                if resign:
                    master.send(0)
                time.sleep(theory + max(0.1, interval / 2))
            router.stop()
        return _lateness(path, theory, resign)


def _lateness(path: Path, theory: float, resign: bool) -> tuple[list[float], list[float]]:
    late, announced = [], []
    last: float | None = None
    first: float | None = None
    for record in CaptureFile(str(path)):
        frame = unwrap(record.frame)
        if isinstance(frame.body, Advertisement) and frame.ip is not None:
            if frame.ip.source == pack("10.9.0.1"):
                wanted = frame.body.priority == 0 if resign else frame.body.priority == 200
                last, first = (record.time, None) if wanted else (None, None)
            elif last is not None and first is None and frame.body.priority == PRIORITY:
                if record.time - last < theory / 2:
                    continue  # the parting word of one who had stood in for the master
                first = record.time
                late.append((first - last - theory) * 1000)
                last = None
        elif isinstance(frame.body, Arp) and first is not None and frame.body.sender_ip == VIP:
            announced.append((record.time - first) * 1000)
            first = None
    return late, announced


def takeover(options: Options) -> str:
    """Lateness of a takeover against theory."""
    rows = []
    for resign in (False, True):
        for interval in (1.0, 0.1, 0.01):
            repeats = max(5, options.rounds) if interval == 1 else 3 * max(5, options.rounds)
            for kind in SPEAKERS:
                say(f"  takeover: {kind}, {interval:g} s, {'resigned' if resign else 'silent'} master, {repeats} times")
                late, announced = takeover_excess(kind, interval, repeats, resign)
                rows.append(
                    [
                        "priority 0" if resign else "silence",
                        f"{interval:g} s",
                        kind,
                        str(len(late)),
                        _spread(late),
                        _spread(announced),
                    ]
                )
    head = ["master ends by", "advert_int", "speaker", "n", "first advert after theory, ms", "GARP after it, ms"]
    return "min / median / max.\n\n" + table(head, rows)


def _spread(values: Sequence[float]) -> str:
    if not values:
        return "none seen"
    return f"{min(values):.2f} / {statistics.median(values):.2f} / {max(values):.2f}"


def many(count: int, priority: int, interval: float) -> str:
    """keepalived.conf with `count` routers: VRIDs 1 to 255 in IPv4, then in IPv6."""
    realtime = "  vrrp_rt_priority 1\n  vrrp_rlimit_rttime 5000000\n"
    parts = ["global_defs {\n  router_id bench\n  vrrp_version 3\n" + realtime + "}\n"]
    for number in range(count):
        family, vrid = (4, number + 1) if number < 255 else (6, number - 254)
        vip = f"10.9.1.{vrid}/32" if family == 4 else f"fe80::1:{vrid:x}/128"
        parts.append(
            f"vrrp_instance V{family}_{vrid} {{\n  state BACKUP\n  interface eth0\n  virtual_router_id {vrid}\n"
            f"  priority {priority}\n  advert_int {interval:g}\n  garp_master_delay 0\n  garp_master_repeat 1\n"
            f"  virtual_ipaddress {{\n    {vip}\n  }}\n}}\n"
        )
    return "".join(parts)


def scale(options: Options) -> str:
    """CPU, memory and adverts of 510 routers at 0.1 s: master and backup of the same kind."""
    rows = []
    for _ in range(max(1, options.rounds // 3)):
        for kind in SPEAKERS:
            say(f"  scale: {kind}, 510 routers at 0.1 s")
            rows.append([kind, *_scale(kind, 510, 0.1)])
    head = ["speaker", "CPU % master / backup", "RSS MiB master / backup", "adverts/s recorded", "masters of a VRID"]
    return "The process that keeps time alone, over 10 s, both with SCHED_FIFO.\n\n" + table(head, rows)


def _scale(kind: str, count: int, interval: float) -> list[str]:
    with tempfile.TemporaryDirectory() as folder, lab(f"scale-{kind[:2]}") as (_, a, b, observer):
        sides = [SPEAKERS[kind](host, many(count, priority, interval)) for host, priority in ((a, 200), (b, 100))]
        sides[0].program.wait_for(r"Entering MASTER", 60)
        time.sleep(12)
        pids = [_timekeeper(side) for side in sides]
        before = [_cpu(pid) for pid in pids]
        begun = time.monotonic()
        time.sleep(10)
        elapsed = time.monotonic() - begun
        used = [100 * (_cpu(pid) - old) / elapsed for pid, old in zip(pids, before, strict=True)]
        path = Path(folder) / "scale.pcap"  # after the measurement: a recorder's copies are charged to the sender
        begun = time.monotonic()
        with Recorder(observer, path):
            time.sleep(2)
        elapsed = time.monotonic() - begun
        memory = [_memory(pid) for pid in pids]
        sources: dict[tuple[int, int], set[bytes]] = {}
        adverts = 0
        for record in CaptureFile(str(path)):
            frame = unwrap(record.frame)
            if isinstance(frame.body, Advertisement) and frame.ip is not None:
                adverts += 1
                sources.setdefault((frame.body.family, frame.body.vrid), set()).add(frame.ip.source)
        for side in sides:
            side.program.kill()
    masters = max(len(each) for each in sources.values()) if sources else 0
    return [
        f"{used[0]:.1f} / {used[1]:.1f}",
        f"{memory[0]:.1f} / {memory[1]:.1f}",
        f"{adverts / elapsed:.0f}",
        f"{masters} ({len(sources)} VRIDs seen)",
    ]


def _timekeeper(side: Keepalived | Watcher) -> int:
    """The child that speaks VRRP: the only child of either kind here."""
    return descendants(side.program.pid)[-1]


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _memory(pid: int) -> float:
    text = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("VmRSS")) / 1024


def load(options: Options) -> str:
    """The advert interval of one master beside two busy loops."""
    rows = []
    for interval in (1.0, 0.1, 0.01):
        for kind in SPEAKERS:
            for fifo in (False, True):
                say(f"  load: {kind}, {interval:g} s, {'FIFO' if fifo else 'normal'} scheduling")
                rows.append([f"{interval:g} s", kind, "yes" if fifo else "no", *_load(kind, interval, fifo)])
    head = ["advert_int", "speaker", "FIFO", "n", "mean interval error, %", "jitter p50 / p99 / max, ms"]
    return "Beside two busy loops on the machine's cores.\n\n" + table(head, rows)


def _load(kind: str, interval: float, fifo: bool) -> list[str]:
    with tempfile.TemporaryDirectory() as folder, lab(f"load-{kind[:2]}") as (_, a, _b, observer):
        extra = ["vrrp_rt_priority 1"] if fifo and kind == "keepalived" else []
        text = keepalived_config(51, 200, ["10.9.0.100/32"], interval=interval, version=3, global_extra=extra)
        router = SPEAKERS[kind](a, text)
        router.program.wait_for("Entering MASTER STATE", 60)
        if kind == "vrrpwatch" and not fifo:
            os.sched_setscheduler(_timekeeper(router), os.SCHED_OTHER, os.sched_param(0))
        time.sleep(1)
        busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2)]
        path = Path(folder) / "load.pcap"
        try:
            with Recorder(observer, path):
                time.sleep(max(8.0, min(30 * interval, 20)))
        finally:
            for each in busy:
                each.kill()
                each.wait()
        router.stop()
        times = [
            record.time
            for record in CaptureFile(str(path))
            if isinstance(body := unwrap(record.frame).body, Advertisement) and body.priority == 200
        ]
    gaps = [new - old for old, new in pairwise(times)]
    errors = sorted(abs(gap - interval) * 1000 for gap in gaps)
    mean = (times[-1] - times[0]) / len(gaps)
    p99 = errors[min(len(errors) - 1, int(len(errors) * 0.99))]
    return [
        str(len(gaps)),
        f"{100 * (mean / interval - 1):+.3f}",
        f"{statistics.median(errors):.3f} / {p99:.3f} / {errors[-1]:.3f}",
    ]


def quiet(options: Options) -> str:
    """60 s at 10 ms adverts: how often did the backup take over without cause?"""
    rows = []
    for kind in SPEAKERS:
        say(f"  quiet: {kind}, 60 s at 10 ms")
        with tempfile.TemporaryDirectory() as folder, lab(f"quiet-{kind[:2]}") as (_, a, b, observer):
            sides = []
            for host, priority in ((a, 200), (b, 100)):
                text = keepalived_config(51, priority, ["10.9.0.100/32"], interval=0.01, version=3)
                sides.append(SPEAKERS[kind](host, text))
            sides[0].program.wait_for("Entering MASTER STATE")
            time.sleep(2)
            path = Path(folder) / "quiet.pcap"
            with Recorder(observer, path):
                time.sleep(60)
            stolen = adverts = 0
            for record in CaptureFile(str(path)):
                body = unwrap(record.frame).body
                adverts += isinstance(body, Advertisement)
                stolen += isinstance(body, Advertisement) and body.priority == 100
            for side in sides:
                side.stop()
        rows.append([kind, str(adverts), str(stolen)])
    return table(["speaker pair", "adverts in 60 s", "of them from the backup"], rows)


SECTIONS: dict[str, Callable[[Options], str]] = {"takeover": takeover, "scale": scale, "load": load, "quiet": quiet}


def section(options: Options) -> str:
    """All parts as markdown."""
    parts = []
    for name, part in SECTIONS.items():
        parts.append(f"### {name}\n\n{(part.__doc__ or '').strip()} {part(options)}")
    return "\n\n".join(parts)


if __name__ == "__main__":
    wanted = sys.argv[1:] or list(SECTIONS)
    for each in wanted:
        print(f"\n### {each}\n\n{SECTIONS[each](Options(5, 0, Path()))}")
