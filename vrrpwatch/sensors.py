"""Which capture files belong to one sensor: files that overlap in time are several sensors, disjoint ones a sequence.

`--sensor NAME=FILE` decides where the user knows better. Rotated files of two sensors (a1 b1 a2 b2) are told apart by
the likeness of their names.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from heapq import merge
from itertools import takewhile
from pathlib import Path
from typing import Final, NamedTuple

from vrrpcore.errors import UsageError
from vrrpcore.pcap import PcapDecoder
from vrrpcore.records import Record, SourceCounters

from .files import STDIN, CaptureFile

_HEAD: Final = 1_048_576


class Span(NamedTuple):
    """First and last time of a file's records, epoch seconds; None, None: it holds none."""

    first: float | None
    last: float | None


class Sensor(NamedTuple):
    """One vantage point: a name and its files in the order of their time."""

    name: str
    paths: tuple[str, ...]


def span(path: str) -> Span:
    """The time that a file covers. Only the two ends of a plain pcap are read; other formats are read as a whole."""
    source = CaptureFile(path)
    batches = source.batches()
    first = last = None
    try:
        for batch in batches:
            if batch:
                first = min(batch[0].time, first) if first is not None else batch[0].time
                last = max(batch[-1].time, last) if last is not None else batch[-1].time
                if source.size > 4 * _HEAD and isinstance(source.decoder.inner, PcapDecoder):
                    tail = _tail_time(path, source.decoder.inner)
                    return Span(first, last if tail is None else max(tail, last))
        return Span(first, last)
    finally:
        source.close()


def _tail_time(path: str, decoder: PcapDecoder) -> float | None:
    """The time of the last record of a big pcap, read from its end; None when no record boundary is found there."""
    with open(path, "rb") as file:
        if os.pread(file.fileno(), 2, 0) == b"\x1f\x8b":
            return None
        file.seek(-_HEAD, os.SEEK_END)
        return decoder.last_time(file.read())


def plan(paths: Sequence[str], named: Sequence[tuple[str, str]] = ()) -> tuple[Sensor, ...]:
    """Group files into sensors; `named` are (sensor, file) pairs that the user decided.

    UsageError when standard input, which cannot be read twice, is combined with other files.
    """
    every = [*paths, *(path for _, path in named)]
    if not every:
        raise UsageError("no capture file given; - reads standard input")
    if STDIN in every and len(every) > 1:
        raise UsageError("standard input (-) can only be analyzed alone")
    chosen: dict[str, list[str]] = {}
    for name, path in named:
        chosen.setdefault(name, []).append(path)
    sensors = [Sensor(name, _in_order(files)) for name, files in chosen.items()]
    if len(paths) == 1:
        return (*sensors, Sensor(_stem(paths[0]), (paths[0],)))
    return (*sensors, *_grouped(paths))


def _in_order(paths: Sequence[str]) -> tuple[str, ...]:
    if len(paths) == 1:
        return tuple(paths)
    return tuple(path for _, path in _by_start(paths))


def _by_start(paths: Iterable[str]) -> list[tuple[Span, str]]:
    spans = [(span(path), path) for path in dict.fromkeys(paths)]
    return sorted(spans, key=lambda item: item[0].first if item[0].first is not None else float("-inf"))


def _grouped(paths: Sequence[str]) -> tuple[Sensor, ...]:
    """Each file joins the free sensor (whose last file ended before it began) with the likest file name, or is new."""
    rows: list[tuple[float, list[str]]] = []  # (end of its last file, files)
    for covered, path in _by_start(paths):
        begin = covered.first if covered.first is not None else float("-inf")
        end = covered.last if covered.last is not None else float("-inf")
        free = [row for row in rows if row[0] < begin or row[0] == float("-inf")]
        if free:
            row = max(free, key=lambda row: (_likeness(row[1][-1], path), row[0]))
            rows[rows.index(row)] = (max(row[0], end), [*row[1], path])
        else:
            rows.append((end, [path]))
    return tuple(Sensor(_stem(files[0]), tuple(files)) for _, files in rows)


def _likeness(one: str, other: str) -> int:
    """How many characters the two file names have in common at their beginning."""
    pairs = zip(Path(one).name, Path(other).name, strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _stem(path: str) -> str:
    if path == STDIN:
        return "stdin"
    name = Path(path).name
    for suffix in (".gz", ".pcap", ".pcapng", ".cap"):
        name = name.removesuffix(suffix)
    return name or Path(path).name


class FileCapture:
    """The records of one or several sensors' files, in the order of time, as a live capture would give them.

    Iterating yields (sensor index, record). A file that cannot be read raises SourceError when it is opened, before
    anything is yielded from it.
    """

    def __init__(self, sensors: Sequence[Sensor], segment: str | None = None) -> None:
        self.sensors = tuple(sensors)
        self._files = [[CaptureFile(path, segment) for path in sensor.paths] for sensor in self.sensors]

    @property
    def files(self) -> list[CaptureFile]:
        """Every file, sensor by sensor."""
        return [file for row in self._files for file in row]

    @property
    def name(self) -> str:
        """What is analyzed, for reports."""
        return ", ".join(file.name for file in self.files)

    @property
    def counters(self) -> SourceCounters:
        """All files together; remarks name their file where there are several."""
        total = SourceCounters()
        several = len(self.files) > 1
        for file in self.files:
            total.frames += file.counters.frames
            total.dropped += file.counters.dropped
            total.truncated += file.counters.truncated
            total.unsupported += file.counters.unsupported
            for text in file.counters.notes:
                total.note(f"{file.name}: {text}" if several else text)
        return total

    @property
    def progress(self) -> tuple[int, int]:
        """(octets read, octets in all); the latter 0 when not known."""
        files = self.files
        known = all(file.size for file in files)
        return sum(file.position for file in files), sum(file.size for file in files) if known else 0

    def __iter__(self) -> Iterator[tuple[int, Record]]:
        rows = [self._row(index) for index in range(len(self._files))]
        if len(rows) == 1:
            return rows[0]
        return merge(*rows, key=lambda item: item[1].time)

    def _row(self, index: int) -> Iterator[tuple[int, Record]]:
        for file in self._files[index]:
            for batch in file.batches():
                for record in batch:
                    yield index, record

    def close(self) -> None:
        """Close all files."""
        for file in self.files:
            file.close()


def open_files(paths: Sequence[str], named: Sequence[tuple[str, str]] = (), segment: str | None = None) -> FileCapture:
    """Capture files (`-`: standard input) as one source; SourceError, UsageError."""
    return FileCapture(plan(paths, named), segment)


def parse_sensor(text: str) -> tuple[str, str]:
    """`"host-a=a.pcap"` -> (`"host-a"`, `"a.pcap"`); UsageError."""
    name, equals, path = text.partition("=")
    if not (name and equals and path):
        raise UsageError(f"--sensor {text}: write NAME=FILE")
    return name, path
