"""`vrrpwatch list`: the virtual routers that are heard, as a table, JSON, or targets for Prometheus' file_sd."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from typing import Any

from vrrpcore.errors import UsageError
from vrrpcore.verdict import CLASS_STATE, Judgement
from vrrpexporters.report import words
from vrrpwatch.commands.console import answer, remark, wants_colour

COLUMNS = ("SEGMENT", "VRID", "FAMILY", "ADDRESSES", "MASTER", "PRIO", "VRRP", "EVERY", "AUTH", "STATE")


def run(
    interfaces: tuple[str, ...],
    sensors: tuple[str, ...],
    local: bool,
    seconds: float | None,
    promisc: bool,
    output: str,
) -> int:
    """Print the inventory; 0, also when nothing is heard (stderr says so)."""
    if local and (interfaces or sensors):
        raise UsageError("--local asks the speaker on this host: leave out --interface and --from")
    judgement = _judgement(interfaces, sensors, local, seconds, promisc)
    if output == "json":
        answer(json.dumps([router(row) for row in rows(judgement)], indent=1) + "\n")
    elif output == "file_sd":
        answer(json.dumps(file_sd(judgement), indent=1) + "\n")
    else:
        answer(table(judgement, colour=wants_colour(sys.stdout)))
    if not judgement.routers:
        remark(f"no virtual router heard on {judgement.source}")
    return 0


def _judgement(
    interfaces: tuple[str, ...], sensors: tuple[str, ...], local: bool, seconds: float | None, promisc: bool
) -> Judgement:
    from vrrpwatch.fleet import ask_sensors, fetch

    if local:
        return fetch("http://127.0.0.1:10112", timeout=3.0)
    if sensors:
        return ask_sensors(sensors)
    from vrrpcore.judge import Judge
    from vrrpwatch.capture import open_live
    from vrrpwatch.listening import Ears, listen

    with open_live(interfaces, promisc=promisc) as capture:
        return listen(capture, Ears(Judge()), seconds=seconds)


def rows(judgement: Judgement) -> Iterable[Any]:
    """Routers in the order of their names."""
    return sorted(judgement.routers, key=lambda row: (row.segment, row.vrid, row.family))


def router(row: Any) -> dict[str, Any]:
    """One router as JSON: identity, addresses, masters and present state, without the history."""
    document: dict[str, Any] = row.as_json()
    return {key: document[key] for key in ("segment", "family", "vrid", "vips", "now", "masters")}


def file_sd(judgement: Judgement) -> list[dict[str, Any]]:
    """One target group for each virtual router: its addresses (IPv6 in brackets), its identity as labels."""
    return [
        {
            "targets": [f"[{vip}]" if ":" in vip else vip for vip in row.vips],
            "labels": {"segment": row.segment, "family": row.family, "vrid": str(row.vrid)},
        }
        for row in rows(judgement)
        if row.vips
    ]


def table(judgement: Judgement, *, colour: bool = False) -> str:
    """Columns for people; the header alone when there is nothing."""
    lines: list[tuple[str, ...]] = [COLUMNS]
    for row in rows(judgement):
        holders = [one for one in row.masters if one.claim in words.HOLDING] or list(row.masters[:1])
        lines.append(
            (
                words.printable(row.segment),
                str(row.vrid),
                row.family,
                " ".join(row.vips) or "-",
                " ".join(one.source for one in holders) or "-",
                " ".join(str(one.priority) for one in holders) or "-",
                " ".join(sorted({f"v{one.version}" for one in holders})) or "-",
                " ".join(sorted({f"{one.advert_interval:g}s" for one in holders})) or "-",
                " ".join(sorted({one.auth for one in holders})) or "-",
                f"{CLASS_STATE[row.now.cls]} {words.finding(row.now.cls, row.now.cause)}",
            )
        )
    widths = [max(len(line[column]) for line in lines) for column in range(len(COLUMNS))]
    text = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    if colour:
        text[0] = f"\x1b[1m{text[0]}\x1b[0m"
    return "\n".join(text) + "\n"
