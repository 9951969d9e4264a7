"""Reading captures: ours (full judgement) against tools that only print or count, and against ourselves at scale."""

from __future__ import annotations

import statistics
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from tests.bench import captures
from tests.bench.harness import Contender, Options, Result, have, median_ratio, race, say, table, verdict, vrrpwatch

HERE = Path(__file__).parent
_JITTER = 2000  # microseconds: about four adverts overtake each other
_LATE = "vrrpwatch analyze, 2 ms of jitter"
_FIELDS = ("frame.time_epoch", "ip.src", "ipv6.src", "vrrp.virt_rtr_id", "vrrp.prio")
#: peer -> (floor, aim, factor that the ratio is of: theirs / ours, or ours / theirs where smaller is better)
_TARGETS = {
    "tshark -T fields": (10.0, 20.0, False),
    "scapy PcapReader": (120.0, 240.0, False),
    "tcpdump -nn": (1.3, 2.7, False),
    "C tally on libpcap": (12.0, 6.0, True),
}


def c_tally(folder: Path) -> str | None:
    """The C program, compiled; None (and a remark) without a compiler or libpcap's headers."""
    compiler = next(iter(have("cc", "gcc", "clang")), None)
    if compiler is None:
        say("  no C compiler: the C tally is left out")
        return None
    program = folder / "tally"
    run = subprocess.run(
        [compiler, "-O2", "-o", str(program), str(HERE / "tally.c"), "-lpcap"],
        capture_output=True,
        text=True,
        check=False,
    )
    if run.returncode:
        say(f"  the C tally is left out (libpcap's headers?): {run.stderr.splitlines()[:1]}")
        return None
    return str(program)


def contenders(capture: Path, short: Path, adverts: int, short_adverts: int, folder: Path) -> list[Contender]:
    """Ours first; the slow ones read the short capture, and are compared by the advert."""
    found = [Contender("vrrpwatch analyze", vrrpwatch("analyze", str(capture), "-o", "json"))]
    if have("tshark"):
        fields = [word for name in _FIELDS for word in ("-e", name)]
        found.append(Contender("tshark -T fields", ("tshark", "-n", "-r", str(capture), "-T", "fields", *fields)))
    if have("tcpdump"):
        found.append(Contender("tcpdump -nn", ("tcpdump", "-nn", "-r", str(capture))))
    program = c_tally(folder)
    if program:
        found.append(Contender("C tally on libpcap", (program, str(capture))))
    if find_spec("dpkt"):
        command = (sys.executable, str(HERE / "peer_dpkt.py"), str(short))
        found.append(Contender("dpkt", command, short_adverts))
    if find_spec("scapy"):
        command = (sys.executable, str(HERE / "peer_scapy.py"), str(short))
        found.append(Contender("scapy PcapReader", command, short_adverts, rounds=3))
    return found


def row(name: str, ours: Result, theirs: Result, adverts: int) -> list[str]:
    """One line of the table."""
    costs = theirs.per_item(adverts)
    median, low, high = median_ratio(ours.per_item(adverts), costs)
    standing = "–"
    if name in _TARGETS:
        floor, aim, less = _TARGETS[name]
        standing = verdict(1 / median if less else median, floor, aim, less=less)
        standing += f" (floor {floor:g}×, aim {aim:g}×{' slower' if less else ''})"
    relation = (
        f"{median:.1f}× ({low:.1f}–{high:.1f})"
        if median >= 1
        else f"1/{1 / median:.1f} (1/{1 / low:.1f}–1/{1 / high:.1f})"
    )
    return [name, f"{statistics.median(costs) * 1e6:.2f} µs", relation, standing]


def analyze(options: Options) -> str:
    """A capture of many routers, one in ten contested, read by everyone in turn."""
    adverts, short_adverts = options.adverts, max(options.adverts // 20, 1000)
    capture = captures.write(options.folder / f"{adverts}.pcap", adverts)
    short = captures.write(options.folder / f"{short_adverts}.pcap", short_adverts)
    late = captures.write(options.folder / f"late-{adverts}.pcap", adverts, jitter=_JITTER)
    everyone = contenders(capture, short, adverts, short_adverts, options.folder)
    everyone.insert(1, Contender(_LATE, vrrpwatch("analyze", str(late), "-o", "json")))
    results = race(everyone, options.rounds)
    ours = results.pop("vrrpwatch analyze")
    own = ours.per_item(adverts)
    rows = [["vrrpwatch analyze", f"{statistics.median(own) * 1e6:.2f} µs", "1", "full judgement, JSON"]]
    rows += [row(name, ours, theirs, adverts) for name, theirs in results.items()]
    memory = max(run.memory for run in ours.runs) / 1024
    return (
        f"{adverts:,} adverts of 2,000 virtual routers (VRRPv2 and v3, IPv4 and IPv6, 8 VLANs), one in ten of them"
        f" split; CPU time per advert, start-up included, median of {options.rounds} rounds; `min–max` over the rounds."
        f" scapy and dpkt read {short_adverts:,} adverts. vrrpwatch used at most {memory:.0f} MiB.\n\n"
        + table(["program", "CPU per advert", "against ours", "target"], rows)
    )


def scale(options: Options) -> str:
    """Ten times the packets, and many senders against few: cost per advert and memory must stay flat."""
    small = captures.write(options.folder / f"{options.adverts}.pcap", options.adverts)
    big = captures.write(options.folder / f"{10 * options.adverts}.pcap", 10 * options.adverts)
    few = captures.write(options.folder / f"few-{options.adverts}.pcap", options.adverts, 10, 0.0)
    many = captures.write(options.folder / f"many-{options.adverts}.pcap", options.adverts, 4000, 0.0)
    runs = [
        Contender("1×", vrrpwatch("analyze", str(small), "-o", "json")),
        Contender("10×", vrrpwatch("analyze", str(big), "-o", "json")),
        Contender("10 senders", vrrpwatch("analyze", str(few), "-o", "json")),
        Contender("4,000 senders", vrrpwatch("analyze", str(many), "-o", "json")),
    ]
    results = race(runs, min(options.rounds, 3))
    time, low, high = median_ratio([r.cpu for r in results["1×"].runs], [r.cpu for r in results["10×"].runs])
    memory = max(r.memory for r in results["10×"].runs) - max(r.memory for r in results["1×"].runs)
    senders, least, most = median_ratio(
        [r.cpu for r in results["10 senders"].runs], [r.cpu for r in results["4,000 senders"].runs]
    )
    rows = [
        [
            f"{10 * options.adverts:,} against {options.adverts:,} adverts, CPU time",
            f"{time:.1f}× ({low:.1f}–{high:.1f})",
            verdict(time, 11, 10, less=True) + " (floor 11×, aim 10×)",
        ],
        [
            "the same, memory",
            f"{memory / 1024:+.1f} MiB",
            verdict(memory / 1024, 20, 5, less=True) + " (floor +20, aim +5)",
        ],
        [
            "4,000 senders against 10, CPU time per advert",
            f"{senders:.2f}× ({least:.2f}–{most:.2f})",
            verdict(senders, 1.5, 1.25, less=True) + " (floor 1.5×, aim 1.25×)",
        ],
    ]
    big.unlink()  # 800 MB
    rounds = len(results["1×"].runs)
    return f"Median (lowest–highest) of {rounds} rounds.\n\n" + table(["what", "ratio", "target"], rows)


def startup(options: Options) -> str:
    """What a monitoring system pays for each check."""
    short = captures.write(options.folder / "100.pcap", 100, 10)
    runs = [
        Contender("vrrpwatch check --help", vrrpwatch("check", "--help")),
        Contender("vrrpwatch analyze (100 adverts)", vrrpwatch("analyze", str(short))),
        Contender("python -c pass", (sys.executable, "-c", "pass")),
    ]
    if have("tshark"):
        runs.insert(0, Contender("tshark -c 1 -r", ("tshark", "-c", "1", "-r", str(short))))
    results = race(runs, max(options.rounds, 9))
    peer = results.get("tshark -c 1 -r")
    rows = []
    for name, result in results.items():
        cost = f"{statistics.median(r.cpu for r in result.runs) * 1000:.0f} ms"
        ratio, standing = "–", "–"
        if peer is not None and name != "tshark -c 1 -r":
            median, low, high = median_ratio([r.cpu for r in peer.runs], [r.cpu for r in result.runs])
            ratio = f"{median:.2f}× ({low:.2f}–{high:.2f})"
            if name.startswith("vrrpwatch"):
                standing = verdict(median, 1.0, 0.8, less=True) + " (floor 1.0×, aim 0.8×)"
        rows.append([name, cost, ratio, standing])
    return table(["start of", "CPU", "against tshark", "target"], rows)
