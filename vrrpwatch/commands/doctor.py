"""`vrrpwatch doctor`: gather this host's evidence, print what is wrong and the line that mends it."""

from __future__ import annotations

import json
import sys
from typing import Final

from vrrpcore.addresses import text
from vrrpcore.errors import PermissionMissing, UsageError
from vrrpcore.membership import memberships
from vrrpcore.packet import Advertisement
from vrrpcore.records import Record
from vrrpexporters.report import words
from vrrpwatch.commands.console import answer, remark, wants_colour
from vrrpwatch.doctor import host
from vrrpwatch.doctor.findings import Evidence, Finding, examine
from vrrpwatch.interfaces import choose
from vrrpwatch.listening import Ears, listen
from vrrpwatch.local_addresses import by_interface

COLOURS: Final = {"problem": "\x1b[1;31m", "warning": "\x1b[33m", "unseen": "\x1b[35m", "ok": "\x1b[32m"}
RESET: Final = "\x1b[0m"


class Collector(Ears):
    """Ears that also note what this host itself sends, and how adverts travel."""

    def __init__(self) -> None:
        from vrrpcore.judge import Judge

        super().__init__(Judge())
        self.own: set[tuple[int, int]] = set()
        self.transports: set[tuple[int, int, str]] = set()

    def _take(self, record: Record, block: bytes = b"", at: int = 0) -> None:  # each content comes so at least once
        super()._take(record, block, at)
        frame, _ = self.memo.lookup(record.frame, record.link.linktype, record.vlans)
        if isinstance(frame.body, Advertisement) and frame.ip is not None and len(self.transports) < 256:
            ip = frame.ip
            self.transports.add((ip.family, 51 if ip.ah else 112, text(ip.destination)))
            if record.outgoing and frame.body.priority:
                self.own.add((frame.body.vrid, ip.family))


def run(interfaces: tuple[str, ...], seconds: float, output: str) -> int:
    """Print the findings; 1 when there is a problem, else 0."""
    if not 0 <= seconds <= 86400:
        raise UsageError(f"--for {seconds:g}: give seconds between 0 and 86400; 0 leaves the wire alone")
    evidence = gather([one.name for one in choose(interfaces)], seconds)
    found = examine(evidence)
    if output == "json":
        answer(json.dumps({"schema": 1, "findings": [one.as_json() for one in found]}, indent=1) + "\n")
    else:
        answer(as_text(found, colour=wants_colour(sys.stdout)))
    return int(any(one.level == "problem" for one in found))


def gather(names: list[str], seconds: float) -> Evidence:
    """Ask this host, and listen to the wire for `seconds` where that is permitted."""
    before = memberships()
    evidence = Evidence(names, host.firewalls(), before, host.daemons())
    evidence.addresses = {
        interface: [(text(row.address), row.prefix) for row in rows]
        for interface, rows in by_interface().items()
        if interface != "lo"
    }
    evidence.macvlans = host.macvlans()
    paths = (
        f"net/ipv4/conf/{scope}/{name}"
        for scope in ("all", *names, *evidence.macvlans)
        for name in ("arp_ignore", "rp_filter")
    )
    evidence.sysctls = {path: value for path in paths if (value := host.sysctl(path)) is not None}
    if seconds:
        _hear(evidence, names, seconds)
    return evidence


def _hear(evidence: Evidence, names: list[str], seconds: float) -> None:
    from vrrpwatch.capture import open_live

    collector = Collector()
    try:
        # Not joining: the memberships of this host are part of what is looked at.
        with open_live(names, join=False) as capture:
            remark(f"listening on {capture.name} for {seconds:g} s")
            evidence.judgement = listen(capture, collector, seconds=seconds)
    except PermissionMissing as error:
        evidence.deaf = str(error)
        return
    evidence.own = frozenset(collector.own)
    evidence.transports = frozenset(collector.transports)


def as_text(found: list[Finding], *, colour: bool = False) -> str:
    """One line for each finding, its remedies indented below."""
    lines = []
    for one in found:
        level = one.level.upper().ljust(7)
        paint = COLOURS.get(one.level, "") if colour else ""
        lines.append(f"{paint}{level}{RESET if paint else ''} {one.subject:<10} {words.printable(one.text)}")
        if one.level != "ok":
            lines += [f"{'':>19}{'fix: ' if not index else '     '}{line}" for index, line in enumerate(one.fix)]
    return "\n".join(lines) + "\n"
