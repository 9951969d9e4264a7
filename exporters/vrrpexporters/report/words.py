"""The phrases that all reports share: how classes, places, times and masters are said. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

from vrrpcore.verdict import RANK, AddressVerdict, Episode, Finding, Judgement, MasterRow, RouterVerdict, Worst

#: class -> what people call it
PHRASES: Final[dict[str, str]] = {
    "split_brain": "split brain",
    "residual_vip": "address left behind",
    "duplicate_ip": "duplicate address",
    "vrid_collision": "VRID collision",
    "no_master": "no master",
    "split_brain_suspected": "split brain suspected",
    "transient_dual_master": "two masters for a moment",
    "flapping": "flapping",
    "arp_flux": "ARP flux",
    "misconfig": "configuration mismatch",
    "handover": "handover",
    "steady": "steady",
    "unknown": "unknown",
}
#: claims that still hold mastership of something
HOLDING: Final = frozenset(("live", "suppressed"))


def printable(text: str) -> str:
    """Text from a file or a peer without control characters, so that it cannot steer a terminal or break a line."""
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else "?" for character in text)


def phrase(cls: str) -> str:
    """What people call a verdict class."""
    return PHRASES.get(cls, cls)


def finding(cls: str, cause: str | None) -> str:
    """`split brain: peer_deaf`; the bare phrase without a cause."""
    return f"{phrase(cls)}: {cause}" if cause else phrase(cls)


def place(vrid: int | None, family: str | None, segment: str | None) -> str:
    """`vrid 51/ipv4 on 10.9.0.0/24`, as much of it as is known; may be empty."""
    router = f"vrid {vrid}/{family}" if vrid is not None else ""
    return " on ".join(part for part in (router, printable(segment or "")) if part)


def seconds(value: float) -> str:
    """`12.0s`; below a second in milliseconds, above two minutes in minutes and so on."""
    if value < 1:
        return f"{value * 1000:.0f}ms"
    for limit, unit, size in ((120, "s", 1), (7200, "min", 60), (172800, "h", 3600)):
        if value < limit:
            return f"{value / size:.1f}{unit}"
    return f"{value / 86400:.1f}d"


def moment(time: float, *, date: bool = False) -> str:
    """`10:44:25.980`, in UTC; with the date in front when asked. Any float gives text, never an error."""
    try:
        when = datetime.fromtimestamp(time, UTC)
    except (OverflowError, ValueError, OSError):
        return f"{time:.3f}"
    return when.strftime("%Y-%m-%d %H:%M:%S." if date else "%H:%M:%S.") + f"{when.microsecond // 1000:03d}"


def master(row: MasterRow) -> str:
    """`10.0.0.2 (prio 150)`."""
    return f"{printable(row.source)} (prio {row.priority})"


def remedy_lines(remedy: str) -> list[str]:
    """A remedy's lines; its alternatives (nft, iptables, firewalld), joined by ` | `, one a line."""
    return [part for line in remedy.splitlines() for part in line.split(" | ") if part]


def plural(count: int, noun: str) -> str:
    """`1 frame`, `2 frames`."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def badness(row: RouterVerdict) -> tuple[int, str, str, int]:
    """Sort key: worst first, then by name."""
    return (min(RANK[row.worst.cls], RANK[row.now.cls]), row.segment, row.family, row.vrid)


def worst_episode(episodes: Iterable[Episode], wanted: Finding | Worst) -> Episode | None:
    """The episode behind a finding: same class and cause, confirmed before not, then the earliest."""
    same = [row for row in episodes if row.cls == wanted.cls and row.cause == wanted.cause]
    return min(same, key=lambda row: (row.confirmed is None, row.start), default=None)


def worst_router(judgement: Judgement) -> RouterVerdict | None:
    """The router that `worst` of the judgement is about; None when it is about an address or nothing."""
    worst = judgement.worst
    for row in judgement.routers:
        if (row.segment, row.family, row.vrid) == (worst.segment, worst.family, worst.vrid):
            return row
    return None


def worst_address(judgement: Judgement) -> AddressVerdict | None:
    """The address that `worst` of the judgement is about, when it is about one."""
    worst = judgement.worst
    for row in judgement.addresses:
        if row.segment == worst.segment and (row.worst.cls, row.worst.cause) == (worst.cls, worst.cause):
            return row
    return None
