"""The judge's words: how hosts, times and figures are written in evidence. Pure."""

from __future__ import annotations

from datetime import UTC, datetime

from ..addresses import mac_text, text
from ..tally import Claimant


def name(claimant: Claimant) -> str:
    """A claimant's source address; a clone is told apart by its MAC."""
    address = text(claimant.source)
    return f"{address}@{mac_text(claimant.mac)}" if claimant.tag else address


def with_priority(claimant: Claimant) -> str:
    """`10.0.0.2 (priority 150)`."""
    return f"{name(claimant)} (priority {claimant.priority})"


def at_text(time: float) -> str:
    """Epoch seconds as `12:44:25.981 UTC`."""
    moment = datetime.fromtimestamp(time, UTC)
    return f"{moment:%H:%M:%S}.{moment.microsecond // 1000:03d} UTC"


def span(seconds: float) -> str:
    """A duration with as many digits as it deserves: `0.31 ms`, `3.6 s`."""
    if abs(seconds) < 0.1:
        return f"{seconds * 1000:.2f} ms"
    return f"{seconds:.2f} s" if abs(seconds) < 10 else f"{seconds:.1f} s"


def listing(items: list[str] | tuple[str, ...]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    if len(items) <= 1:
        return "".join(items)
    return ", ".join(items[:-1]) + " and " + items[-1]
