"""The report for people: the verdict first, then each router with its masters and what happened, then the rest."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from vrrpcore.verdict import CLASS_STATE, AddressVerdict, Episode, Judgement, MasterRow, RouterVerdict
from vrrpexporters.report import words

COLOURS: Final = {"OK": "\x1b[32m", "WARNING": "\x1b[33m", "CRITICAL": "\x1b[1;31m", "UNKNOWN": "\x1b[35m"}
RESET: Final = "\x1b[0m"
MAX_QUIET: Final = 12  # more steady routers than this are listed in short
MAX_EPISODES: Final = 30  # of one router; the JSON has them all


def as_text(judgement: Judgement, *, colour: bool = False) -> str:
    """The whole report; `colour` adds ANSI colours to the state words."""
    lines = _head(judgement, colour)
    rows = sorted(judgement.routers, key=words.badness)
    loud = [row for row in rows if row.episodes or row.worst.cls != "steady"]
    quiet = [row for row in rows if not row.episodes and row.worst.cls == "steady"]
    short = len(quiet) > MAX_QUIET
    for row in loud if short else loud + quiet:
        lines += ["", *_router(row, colour)]
    if short:
        lines += ["", *_quiet(quiet)]
    lines += _addresses(judgement.addresses)
    lines += _sensor(judgement)
    return "\n".join(lines) + "\n"


def _paint(text: str, state: str, colour: bool) -> str:
    return f"{COLOURS[state]}{text}{RESET}" if colour else text


def _head(judgement: Judgement, colour: bool) -> list[str]:
    worst = judgement.worst
    what = words.finding(worst.cls, worst.cause)
    address = words.worst_address(judgement) if words.worst_router(judgement) is None else None
    where = address.vip if address else words.place(worst.vrid, worst.family, worst.segment)
    if worst.cls == "unknown":
        what, where = "nothing that could be judged", ""
    elif worst.cls == "steady":
        count = len(judgement.routers)
        what = "each virtual router has one master" if count > 1 else "one master"
        where = where if count == 1 else words.plural(count, "virtual router")
    lines = [f"{_paint(judgement.state, judgement.state, colour)}: {what}{f' - {where}' if where else ''}"]
    source = words.printable(judgement.source)
    if judgement.start is not None and judgement.end is not None:
        length = words.seconds(judgement.end - judgement.start)
        window = f"{words.moment(judgement.start, date=True)} to {words.moment(judgement.end)} UTC ({length})"
        lines.append(f"{f'{source}, ' if source else ''}{window}")
    elif source:
        lines.append(source)
    return lines


def _router(row: RouterVerdict, colour: bool) -> list[str]:
    state = CLASS_STATE[row.worst.cls]
    worst = _paint(words.finding(row.worst.cls, row.worst.cause), state, colour)
    now = "" if row.now == row.worst else f", now {words.finding(row.now.cls, row.now.cause)}"
    where = words.place(row.vrid, row.family, row.segment)
    lines = [f"{where}: {worst}{now}", f"  addresses  {' '.join(row.vips) or 'none seen'}"]
    lines += _table("masters", (_master(item) for item in row.masters))
    if row.mismatches:
        lines.append(f"  mismatch   {', '.join(row.mismatches)}")
    for episode in row.episodes[:MAX_EPISODES]:
        lines += _episode(episode, colour)
    if len(row.episodes) > MAX_EPISODES:
        lines.append(f"  … {words.plural(len(row.episodes) - MAX_EPISODES, 'more episode')} in -o json")
    return lines


def _master(row: MasterRow) -> tuple[str, ...]:
    auth = "" if row.auth == "none" else f"auth {words.printable(row.auth)}"
    return (
        words.printable(row.source),
        f"prio {row.priority}",
        f"VRRPv{row.version}",
        f"every {row.advert_interval:g}s",
        auth,
        words.plural(row.adverts, "advert"),
        f"{words.moment(row.first)} to {words.moment(row.last)}",
        row.claim,
        row.mac,
    )


def _table(title: str, rows: Iterable[tuple[str, ...]]) -> list[str]:
    """Columns side by side under a title; empty columns vanish."""
    table = list(rows)
    widths = [max((len(cell) for cell in column), default=0) for column in zip(*table, strict=True)]
    lines = []
    for index, row in enumerate(table):
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True) if width]
        lines.append(f"  {title if not index else '':<9}  {'  '.join(cells)}".rstrip())
    return lines


def _episode(row: Episode, colour: bool) -> list[str]:
    until = "still so" if row.end is None else f"to {words.moment(row.end)}"
    what = _paint(words.finding(row.cls, row.cause), CLASS_STATE[row.cls], colour)
    lines = [f"  {words.moment(row.start)} {until}, {words.seconds(row.seconds)}: {what} ({row.confidence})"]
    steps = [("suspected", row.suspected), ("confirmed", row.confirmed)]
    said = [f"{name} {words.seconds(at - row.start)} in" for name, at in steps if at is not None]
    if row.masters:
        said.append(f"masters {', '.join(row.masters)}")
    if row.blamed:
        said.append(f"look at {', '.join(row.blamed)}")
    if said:
        lines.append(f"    {'; '.join(said)}")
    lines += [f"    - {words.printable(sentence)}" for sentence in row.evidence]
    if row.candidates:
        lines.append(f"    candidates: {', '.join(row.candidates)}")
    for index, line in enumerate(words.remedy_lines(row.remedy)):
        lines.append(f"    {'remedy: ' if not index else '        '}{words.printable(line)}")
    return lines


def _quiet(rows: list[RouterVerdict]) -> list[str]:
    lines = [f"{words.plural(len(rows), 'steady router')}:"]
    for row in rows:
        holders = " ".join(words.master(item) for item in row.masters if item.claim in words.HOLDING)
        lines.append(f"  {words.place(row.vrid, row.family, row.segment)}: {holders or 'no live master'}")
    return lines


def _addresses(rows: Iterable[AddressVerdict]) -> list[str]:
    odd = [row for row in rows if CLASS_STATE[row.worst.cls] != "OK" or row.hosts > 1]
    if not odd:
        return []
    lines = ["", "addresses"]
    for row in odd:
        owners = " ".join(row.owners) or "nobody"
        what = words.finding(row.worst.cls, row.worst.cause)
        lines.append(f"  {row.vip}: {words.plural(row.hosts, 'host')} answer ({owners}): {what}")
    return lines


def _sensor(judgement: Judgement) -> list[str]:
    facts = judgement.sensor
    parts = [words.plural(facts.frames, "frame"), words.plural(facts.adverts, "advert")]
    bad = {reason: count for reason, count in facts.malformed.items() if count}
    if bad:
        parts.append("invalid: " + ", ".join(f"{reason} {count}" for reason, count in sorted(bad.items())))
    if facts.dropped:
        parts.append(f"{facts.dropped} lost before they could be read")
    if facts.carp:
        parts.append(f"{facts.carp} CARP")
    if facts.evicted:
        parts.append(f"{facts.evicted} forgotten for lack of room")
    return ["", "; ".join(parts), *(f"note: {words.printable(note)}" for note in facts.notes)]
