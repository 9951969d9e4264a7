"""What the benchmarks share: contenders run in turn, CPU time from the kernel's accounting, ratios, machine facts."""

from __future__ import annotations

import os
import platform
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
DOCUMENT: Final = ROOT / "docs" / "benchmarks.md"


@dataclass(frozen=True, slots=True)
class Usage:
    """What one run of a program cost, children that it waited for included."""

    cpu: float  # seconds, user and system
    wall: float  # seconds
    memory: int  # KiB, largest resident set


@dataclass(frozen=True, slots=True)
class Contender:
    """A program to be measured; `work` is the number of adverts in its input, where it is not that of the others."""

    name: str
    command: tuple[str, ...]
    work: int = 0
    rounds: int = 0  # 0: as many as the others


@dataclass(slots=True)
class Result:
    """All runs of one contender."""

    contender: Contender
    runs: list[Usage] = field(default_factory=list)

    def per_item(self, items: int) -> list[float]:
        """CPU seconds per item of each run."""
        return [run.cpu / (self.contender.work or items) for run in self.runs]


def environment() -> dict[str, str]:
    """The environment in which our own packages are found."""
    path = os.pathsep.join(str(ROOT / folder) for folder in ("", "core", "exporters"))
    return {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "", "NO_COLOR": "1"}


def vrrpwatch(*arguments: str) -> tuple[str, ...]:
    """The command line of our own program, without the cost of `./run`."""
    return (sys.executable, "-m", "vrrpwatch", *arguments)


def measure(command: Sequence[str], allowed: Sequence[int] = (0, 1, 2, 3)) -> Usage:
    """Run a program to its end, its output thrown away; RuntimeError when it fails."""
    with open(os.devnull, "r+b") as null:
        begun = time.monotonic()
        actions = [(os.POSIX_SPAWN_DUP2, null.fileno(), descriptor) for descriptor in (0, 1, 2)]
        process = os.posix_spawnp(command[0], list(command), environment(), file_actions=actions)
        _, status, usage = os.wait4(process, 0)
    wall = time.monotonic() - begun
    if os.waitstatus_to_exitcode(status) not in allowed:
        raise RuntimeError(f"{' '.join(command)}: exit code {os.waitstatus_to_exitcode(status)}")
    return Usage(usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss)


def race(contenders: Sequence[Contender], rounds: int) -> dict[str, Result]:
    """Run all contenders in turn, `rounds` times; what does not run at all is left out and said so."""
    results = {one.name: Result(one) for one in contenders}
    for number in range(rounds):
        for one in contenders:
            if one.name not in results or (one.rounds and number >= one.rounds):
                continue
            try:
                results[one.name].runs.append(measure(one.command))
            except (RuntimeError, OSError) as error:
                say(f"  {one.name} is left out: {error}")
                del results[one.name]
        say(
            f"  round {number + 1} of {rounds}: " + ", ".join(f"{n} {r.runs[-1].cpu:.2f} s" for n, r in results.items())
        )
    return results


def median_ratio(ours: Sequence[float], theirs: Sequence[float]) -> tuple[float, float, float]:
    """(median, lowest, highest) of theirs / ours; runs of the same round are compared with each other."""
    ratios = [b / a for a, b in zip(ours, theirs, strict=False)]
    return statistics.median(ratios), min(ratios), max(ratios)


def have(*programs: str) -> list[str]:
    """Those of the programs that are installed."""
    return [program for program in programs if shutil.which(program)]


def say(text: str) -> None:
    """Progress for the one who waits."""
    print(text, file=sys.stderr, flush=True)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(row) + " |" for row in lines)


def verdict(ratio: float, floor: float, aim: float, *, less: bool = False) -> str:
    """How a figure stands to its floor and aim; `less`: smaller is better."""
    if (ratio <= aim) if less else (ratio >= aim):
        return "aim met"
    if (ratio <= floor) if less else (ratio >= floor):
        return "floor met"
    return "below the floor"


def machine() -> str:
    """One line on the machine and the versions of what was measured."""
    model = next(
        (line.split(":")[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")), "unknown CPU"
    )
    facts = [f"{os.cpu_count()} × {model}", f"Linux {platform.release()}", f"Python {platform.python_version()}"]
    facts += [f"load {os.getloadavg()[0]:.1f} at the start"]
    for program, option in (("tshark", "--version"), ("tcpdump", "--version")):
        if have(program):
            out = subprocess.run([program, option], capture_output=True, text=True, check=False)
            facts.append((out.stdout or out.stderr).splitlines()[0].split(" (")[0].rstrip("."))
    return "; ".join(facts)


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []


Benchmark = Callable[["Options"], str]


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line said."""

    rounds: int
    adverts: int
    folder: Path  # for captures; kept between runs


def write_sections(sections: Mapping[str, str]) -> None:
    """Put what was measured into docs/benchmarks.md; the sections of other benchmarks stay as they are."""
    old = DOCUMENT.read_text() if DOCUMENT.exists() else ""
    parts: dict[str, str] = {}
    for part in old.split("\n## ")[1:]:
        name, _, text = part.partition("\n")
        parts[name.strip()] = text.strip()
    parts.update({name: text.strip() for name, text in sections.items()})
    body = "\n\n".join(f"## {name}\n\n{text}" for name, text in parts.items())
    DOCUMENT.write_text(f"{PREFACE}\n\n{body}\n")


PREFACE: Final = """\
# Benchmarks

Written by `./run bench`. Each section was measured in one run on one machine (busy with other work at the time, see
its load), ours and the other tools in alternation: only the ratios mean anything. CPU time is user and system time of
the whole process from its start, by the kernel's accounting. `./run bench NAME` repeats one section; floor and aim are
the project's own targets."""
