"""The frames behind an episode, kept as a pcap beside the journal: what a person wants to see after the verdict.

The last frames are held in memory (bounded); when an episode is bad enough, those of its segment from shortly before
its beginning go to `JOURNAL.evidence/ID.pcap`, once at first sight and once more when it is over or has lasted a while.
"""

from __future__ import annotations

import logging
import re
import struct
from collections import deque
from collections.abc import Callable, Iterable
from operator import attrgetter
from pathlib import Path
from typing import Final

from vrrpcore.records import ETHERNET, Record
from vrrpcore.verdict import CLASS_STATE, Episode, Judgement

log = logging.getLogger(__name__)

BEFORE: Final = 10.0  # seconds before an episode's beginning
AFTER: Final = 5.0  # seconds after its end: `analyze` shall see that it is over
LASTS: Final = 30.0  # seconds after which a running one is written for the last time
MOST_FRAMES: Final = 16_384  # in memory
MOST_OCTETS: Final = 512  # of one frame
MOST_FILES: Final = 200
_NANOSECONDS: Final = 0xA1B23C4D


def pcap(records: Iterable[Record]) -> bytes:
    """A pcap of these records (of one link type) with nanoseconds; tags that the kernel took off are put back."""
    rows = list(records)
    linktype = rows[0].link.linktype if rows else ETHERNET
    parts = [struct.pack("<IHHiIII", _NANOSECONDS, 2, 4, 0, 0, 262_144, linktype)]
    for row in rows:
        frame = row.frame
        if row.vlans and linktype == ETHERNET:
            tags = b"".join(struct.pack("!HH", 0x8100, vlan) for vlan in row.vlans)
            frame = frame[:12] + tags + frame[12:]
        seconds = int(row.time)
        nanoseconds = min(round((row.time - seconds) * 1e9), 999_999_999)
        parts += [struct.pack("<IIII", seconds, nanoseconds, len(frame), len(frame)), frame]
    return b"".join(parts)


def file_name(episode: str) -> str:
    """An episode's id as a file name."""
    return re.sub(r"[^A-Za-z0-9._-]", "_", episode)[:120] + ".pcap"


def folder_of(journal: Path) -> Path:
    """Where the evidence of a journal's episodes is."""
    return journal.with_name(f"{journal.name}.evidence")


class Evidence:
    """`keep` is called by the capture loop, `collect` by the scribe."""

    def __init__(
        self,
        journal: Path | None,
        elsewhere: Callable[[str, float, float], list[Record]] = lambda segment, since, until: [],
    ) -> None:
        self._elsewhere = elsewhere  # what other processes have of it
        self._folder = folder_of(journal) if journal else None
        self._frames: deque[Record] = deque(maxlen=MOST_FRAMES)
        self._written: dict[str, bool] = {}  # id -> whether for the last time

    @property
    def wanted(self) -> bool:
        """Whether there is a place for it."""
        return self._folder is not None

    def keep(self, record: Record) -> None:
        """Hold a frame for a while."""
        if len(record.frame) > MOST_OCTETS:
            record = record._replace(frame=record.frame[:MOST_OCTETS])
        self._frames.append(record)

    def collect(self, judgement: Judgement, now: float) -> None:
        """Write what is due; OSError when that is not possible."""
        if self._folder is None:
            return
        present: set[str] = set()
        for router in judgement.routers:
            for episode in router.episodes:
                if CLASS_STATE[episode.cls] not in ("CRITICAL", "WARNING"):
                    continue
                present.add(episode.id)
                ripe = now >= min(episode.end if episode.end is not None else now, episode.start + LASTS) + AFTER
                done = self._written.get(episode.id)
                if done is None or (ripe and not done):
                    self._write(self._folder, router.segment, episode, now)
                    self._written[episode.id] = ripe
        if len(self._written) > 4 * len(present) + 1000:
            self._written = {name: done for name, done in self._written.items() if name in present}

    def _write(self, folder: Path, segment: str, episode: Episode, now: float) -> None:
        when = episode.start - BEFORE, (episode.end if episode.end is not None else now) + AFTER
        rows = [*self.between(segment, *when), *self._elsewhere(segment, *when)]
        rows.sort(key=attrgetter("time"))
        if not rows:
            return
        folder.mkdir(mode=0o750, exist_ok=True)
        path = folder / file_name(episode.id)
        beside = path.with_suffix(".new")
        beside.write_bytes(pcap(row for row in rows if row.link.linktype == rows[0].link.linktype))
        beside.replace(path)
        for old in sorted(folder.glob("*.pcap"), key=lambda p: p.stat().st_mtime)[:-MOST_FILES]:
            old.unlink(missing_ok=True)

    def between(self, segment: str, since: float, until: float) -> list[Record]:
        """The frames of the wire that a segment is on, from one moment to another."""
        return [row for row in self._held() if since <= row.time <= until and _in(row, segment)]

    def _held(self) -> list[Record]:
        while True:
            try:
                return list(self._frames)
            except RuntimeError:  # the capture loop appended meanwhile
                continue


def _in(record: Record, segment: str) -> bool:
    """Whether a record was captured where a segment is (`10.9.0.0/24.100` is a VLAN of `10.9.0.0/24`)."""
    return segment == record.link.segment or segment.startswith(f"{record.link.segment}.")
