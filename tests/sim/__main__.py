"""`./run simulate N [--seed S] [--kinds a,b] [--processes P]`: N random clusters, and the full confusion matrix.

Exits 1 when a legitimate episode was called a split brain or a real one was missed; the seeds are printed, and
`--show SEED` replays one of them step by step. With `--yielding` the same clusters have masters that yield on proof:
exits 1 when anybody was without a master for longer than an ordinary pair may need, or a deaf inferior stayed master.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor

from . import yielding
from .outcome import BETWEEN, LEGITIMATE, REAL, Report, measure, simulate
from .scenario import build

CHUNK = 250


def _chunk(work: tuple[int, int, tuple[str, ...], bool]) -> Report:
    first, count, kinds, lossy = work
    return simulate(range(first, first + count), kinds, lossy)


def _yielding_chunk(work: tuple[int, int, tuple[str, ...]]) -> yielding.Tally:
    first, count, kinds = work
    return yielding.simulate(range(first, first + count), kinds)


def main(words: list[str] | None = None) -> int:
    """Run and print; the exit code."""
    parser = argparse.ArgumentParser(prog="run simulate", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("episodes", nargs="?", type=int, default=2000, help="how many clusters (default 2000)")
    parser.add_argument("--seed", type=int, default=0, help="the first seed (default 0); each episode has its own")
    parser.add_argument("--kinds", default="", help=f"faults to draw from: {', '.join(LEGITIMATE + REAL + BETWEEN)}")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--sharp", action="store_true", help="an observer that loses nothing")
    parser.add_argument("--yielding", action="store_true", help="masters that yield on proof: is anybody left alone?")
    parser.add_argument("--show", type=int, metavar="SEED", help="one episode in full")
    options = parser.parse_args(words)
    kinds = tuple(k for k in options.kinds.split(",") if k)
    known = yielding.KINDS if options.yielding else LEGITIMATE + REAL + BETWEEN
    unknown = [k for k in kinds if k not in known]
    if unknown:
        parser.error(f"no such fault: {', '.join(unknown)}")
    if options.yielding:
        return play_yielding(options.episodes, options.seed, kinds, options.processes)
    if options.show is not None:
        return show(options.show, kinds[0] if kinds else None, not options.sharp)
    return play(options.episodes, options.seed, kinds, not options.sharp, options.processes)


def play(episodes: int, seed: int, kinds: tuple[str, ...], lossy: bool, processes: int) -> int:
    """Many episodes on several processes."""
    begun = time.monotonic()
    work = [(seed + k, min(CHUNK, episodes - k), kinds, lossy) for k in range(0, episodes, CHUNK)]
    total = Report()
    with ProcessPoolExecutor(max_workers=max(1, processes)) as pool:
        for done, report in enumerate(pool.map(_chunk, work), 1):
            total.merge(report)
            if sys.stderr.isatty():
                sys.stderr.write(f"\r{min(done * CHUNK, episodes)} of {episodes} episodes")
    if sys.stderr.isatty():
        sys.stderr.write("\r\x1b[K")
    print(total.text())
    print(f"{episodes} episodes from seed {seed} in {time.monotonic() - begun:.1f} s")
    return 1 if total.false_splits or total.missed or total.hidden else 0


def play_yielding(episodes: int, seed: int, kinds: tuple[str, ...], processes: int) -> int:
    """Many episodes, each plain and with yielding."""
    begun = time.monotonic()
    work = [(seed + k, min(CHUNK, episodes - k), kinds) for k in range(0, episodes, CHUNK)]
    total = yielding.Tally()
    with ProcessPoolExecutor(max_workers=max(1, processes)) as pool:
        for tally in pool.map(_yielding_chunk, work):
            total.merge(tally)
    print(total.text())
    print(f"{episodes} episodes from seed {seed}, each twice, in {time.monotonic() - begun:.1f} s")
    return 1 if total.worse or total.unended else 0


def show(seed: int, kind: str | None, lossy: bool) -> int:
    """One episode: who held what, who spoke, what was judged."""
    scenario = build(seed, kind, lossy)
    scenario.cluster.run(scenario.end)
    print(measure(scenario))
    for member in scenario.members:
        instance = member.machine.instance
        print(
            f"{member.name}: priority {instance.priority}, {member.software}, version {instance.version}, "
            f"advert_int {instance.advert_interval_seconds:g} s, preempt {instance.preempt}, vmac {member.vmac}"
        )
    print(f"fault {scenario.kind} from {scenario.begin:.3f} to {scenario.heal:.3f} s, end at {scenario.end:.3f} s")
    print("held by:", "; ".join(f"{at:.3f} {'+'.join(who) or '-'}" for at, who in scenario.cluster.holding))
    print("adverts:", " ".join(f"{at:.3f}:{who}" for at, who in scenario.cluster.spoke))
    print(json.dumps(scenario.cluster.judge.report().as_json(), indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
