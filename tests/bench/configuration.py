"""keepalived.conf of 10,000 lines: reading, binding and judging it, beside `keepalived --config-test`.

Ours reports each problem with its line, range and fix; keepalived reads the same file in each of its processes. Where
keepalived is there and we are root, both run in a network namespace in which the interface exists.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.bench.harness import Contender, Options, have, median_ratio, race, table, vrrpwatch

INSTANCES = 1000
BLOCK = """\
vrrp_instance VI_{0} {{
  interface eth0
  virtual_router_id {1}
  priority 100
  mcast_dst_ip 224.0.{4}.18
  virtual_ipaddress {{
    10.{2}.{3}.1/24
  }}
  nopreempt
}}
"""


def text(instances: int = INSTANCES) -> str:
    """A configuration of ten lines per instance: every VRID on four groups, so that none collides."""
    return "".join(BLOCK.format(n, n % 255 + 1, n // 250, n % 250, n // 255) for n in range(instances))


def reading(path: Path, rounds: int) -> list[float]:
    """CPU seconds of reading, binding and judging within one process, each round once."""
    from vrrpwatch.keepalived_conf import read

    spent = []
    for _ in range(rounds + 1):
        begun = time.process_time()
        settings, _ = read(str(path), "node", {})
        spent.append(time.process_time() - begun)
    if len(settings.instances) != INSTANCES:
        raise RuntimeError(f"{len(settings.instances)} of {INSTANCES} instances were read")
    return spent[1:]


@contextmanager
def _namespace() -> Iterator[tuple[str, ...]]:
    """The words that run a command where eth0 exists; () where there is no keepalived or no permission."""
    if os.geteuid() != 0 or len(have("keepalived", "ip")) < 2:
        yield ()
        return
    name = f"vw-bench-{os.getpid()}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        subprocess.run(["ip", "-n", name, "link", "add", "eth0", "type", "bridge"], check=True)
        subprocess.run(["ip", "-n", name, "link", "set", "eth0", "up"], check=True)
        yield ("ip", "netns", "exec", name)
    finally:
        subprocess.run(["ip", "netns", "del", name], check=False)


def section(options: Options) -> str:
    """Reading 10,000 lines within a process, and the whole command beside keepalived's own test."""
    path = options.folder / "thousand-instances.conf"
    path.write_text(text())
    spent = sorted(reading(path, max(options.rounds, 5)))
    middle = spent[len(spent) // 2]
    rows = [["read, bind and judge, in one process", f"{middle:.2f} s", "-", _target(middle)]]
    with _namespace() as space:
        ours = Contender("vrrpwatch config check", (*space, *vrrpwatch("config", "check", str(path))))
        theirs = Contender("keepalived --config-test", (*space, "keepalived", "--config-test", "-f", str(path)))
        results = race([ours, theirs] if space else [ours], options.rounds)
    costs = {name: [run.cpu for run in result.runs] for name, result in results.items()}
    if ours.name not in costs:
        raise RuntimeError("config check could not be run")
    for name, values in costs.items():
        cost = sorted(values)[len(values) // 2]
        ratio = "1" if name == ours.name else f"{median_ratio(costs[ours.name], values)[0]:.2f}"
        rows.append([f"`{name}`, start-up included", f"{cost:.2f} s", ratio, "-"])
    lines = len(text().splitlines())
    note = "" if space else " keepalived was not measured: it needs root and the package."
    return (
        f"{lines:,} lines, {INSTANCES:,} instances without a mistake of syntax; CPU time, median of"
        f" {options.rounds} alternating rounds.{note}\n\n" + table(["what", "CPU", "× ours", "target"], rows)
    )


def _target(seconds: float) -> str:
    return ("met" if seconds < 1 else "missed") + " (well under 1 s)"
