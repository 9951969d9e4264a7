"""`vrrpwatch history`: past episodes from the journal of `watch`."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from vrrpcore.errors import SourceError, UsageError
from vrrpexporters.journal import StoredEpisode, read_episodes
from vrrpwatch.config import load
from vrrpwatch.evidence import file_name, folder_of

#: Where the packaged service keeps it (StateDirectory=vrrpwatch).
DEFAULT_JOURNAL: Final = Path("/var/lib/vrrpwatch/journal.db")
_UNITS: Final = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}


@dataclass(frozen=True, slots=True)
class HistoryOptions:
    """What the command line says. `since`: `24h`, `7d`, or a date and time of ISO 8601 (UTC unless it says)."""

    journal: Path | None = None
    config: Path | None = None
    since: str = ""
    vrid: int | None = None
    everything: bool = False  # handovers too
    output: str = "text"  # text, json
    limit: int = 1000
    pcap: str = ""  # the id of an episode (or how it begins): write its frames instead
    out: Path | None = None  # where to; None: stdout


def instant(text: str, now: float) -> float:
    """`24h` before `now`, or an ISO 8601 moment, in epoch seconds; UsageError otherwise."""
    if not text:
        return 0.0
    if found := re.fullmatch(r"(\d+(?:\.\d+)?)([smhdw])", text):
        return now - float(found[1]) * _UNITS[found[2]]
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"--since {text}: write 30m, 24h, 7d or a date such as 2026-11-22T08:30") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def where(options: HistoryOptions) -> Path:
    """The journal to read: named, configured, or where the service keeps it."""
    if options.journal is not None:
        return options.journal
    if options.config is not None:
        named = load(options.config).watch.journal
        if not named:
            raise SourceError(f"{options.config}: names no journal (watch.journal); name it with --journal")
        return options.config.parent / named
    return DEFAULT_JOURNAL


def rows(options: HistoryOptions) -> list[StoredEpisode]:
    """The episodes that were asked for, oldest first; SourceError where there is no journal."""
    since = instant(options.since, time.time())
    found = read_episodes(where(options), since, options.limit)
    return [
        row
        for row in found
        if (options.everything or row.episode.cls != "handover") and options.vrid in (None, row.key[2])
    ]


def as_json(found: Iterable[StoredEpisode]) -> str:
    """`{"schema": 1, "episodes": [{segment, family, vrid, updated, …the keys of an episode}]}`."""
    episodes: list[dict[str, Any]] = []
    for row in found:
        segment, family, vrid = row.key
        place = {"segment": segment, "family": family, "vrid": vrid, "updated": row.updated}
        episodes.append({**place, **row.episode.as_json()})
    return json.dumps({"schema": 1, "episodes": episodes}, indent=2, ensure_ascii=False) + "\n"


def as_text(found: Iterable[StoredEpisode]) -> str:
    """One episode in some lines: when, where, what, whom, why."""
    return "".join(map(_paragraph, found)) or "no episodes\n"


def _paragraph(row: StoredEpisode) -> str:
    episode, (segment, family, vrid) = row.episode, row.key
    begun = datetime.fromtimestamp(episode.start, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
    lasted = f"{episode.seconds:.3f} s" if episode.end is not None else "not over when last written down"
    cause = f": {episode.cause} ({episode.confidence})" if episode.cause else ""
    what = f"{episode.cls.replace('_', ' ')}{cause}"
    lines = [f"{begun} UTC  vrid {vrid}/{family} on {segment}  {what}  {lasted}  {episode.id}"]
    if episode.masters:
        lines.append(f"    masters {', '.join(episode.masters)}")
    lines += [f"    - {sentence}" for sentence in episode.evidence]
    if episode.remedy:
        lines += [f"    remedy: {episode.remedy}"]
    return "\n".join(lines) + "\n"


def evidence(options: HistoryOptions) -> bytes:
    """The frames behind one episode as a pcap; SourceError when none were kept."""
    journal = where(options)
    wanted = file_name(options.pcap).removesuffix(".pcap")
    try:
        found = sorted(path for path in folder_of(journal).iterdir() if path.name.startswith(wanted) and wanted)
        if len(found) == 1:
            return found[0].read_bytes()
    except OSError as error:
        if not isinstance(error, FileNotFoundError):
            raise SourceError(f"{folder_of(journal)}: {(error.strerror or str(error)).lower()}") from error
        found = []
    reason = "several episodes begin so; give more of the id" if found else "no frames were kept of such an episode"
    raise SourceError(f"--pcap {options.pcap}: {reason} (history -o json shows the ids)")


def run(options: HistoryOptions) -> int:
    """Print them; 0 also when there are none. Raises an error of VrrpwatchError's tree."""
    from vrrpwatch.commands.console import answer

    if options.pcap:
        frames = evidence(options)
        if options.out is not None:
            options.out.write_bytes(frames)
        else:
            sys.stdout.buffer.write(frames)
            sys.stdout.buffer.flush()
        return 0
    found = rows(options)
    answer(as_json(found) if options.output == "json" else as_text(found))
    return 0
