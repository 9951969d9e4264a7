"""Alertmanager's API v2 (`POST /api/v2/alerts`): notices as the alerts it wants. Pure.

An alert there is its labels: the same labels again extend it, an `endsAt` in the past resolves it, and one that is not
sent again expires at its last `endsAt`. So a firing notice is pushed again and again, each time with an end some pushes
ahead, as Prometheus does; if the sensor dies, Alertmanager resolves the alert by itself.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from .notices import Notice, stamp

PATH: Final = "/api/v2/alerts"
#: A firing alert's end lies this many resend intervals ahead (Prometheus: 4).
AHEAD: Final = 4


@dataclass(frozen=True, slots=True)
class Push:
    """One notice to be pushed; `over`: it has ended, and was shown for long enough."""

    notice: Notice
    over: bool


def is_over(notice: Notice, first_sent: float | None, hold: float, now: float) -> bool:
    """Whether it may be resolved: a short episode must outlive Alertmanager's `group_wait`, or nobody hears of it."""
    return notice.ended is not None and first_sent is not None and now - first_sent >= hold


def alerts(
    pushes: Iterable[Push], now: float, resend: float, labels: Mapping[str, str], url: str
) -> list[dict[str, Any]]:
    """The body of a push. Of two episodes with the same labels the one that goes on wins, then the later."""
    chosen: dict[tuple[tuple[str, str], ...], Push] = {}
    for push in pushes:
        identity = tuple(sorted({**push.notice.labels, **labels}.items()))
        rival = chosen.get(identity)
        if rival is None or (not push.over, push.notice.started) >= (not rival.over, rival.notice.started):
            chosen[identity] = push
    return [_alert(push, dict(identity), now, resend, url) for identity, push in chosen.items()]


def _alert(push: Push, labels: dict[str, str], now: float, resend: float, url: str) -> dict[str, Any]:
    notice, facts = push.notice, push.notice.facts
    annotations = {
        "summary": notice.summary,
        "description": notice.description,
        "runbook_url": notice.runbook_url,
        "class": str(facts["class"]),
        "cause": str(facts["cause"] or ""),
        "confidence": str(facts["confidence"]),
        "sources": ", ".join(facts["masters"]),
        "addresses": ", ".join(facts["vips"]),
        "remedy": str(facts["remedy"]),
    }
    return {
        "labels": labels,
        "annotations": {name: text for name, text in annotations.items() if text},
        "startsAt": stamp(notice.started),
        "endsAt": stamp(now if push.over else now + AHEAD * resend),
        "generatorURL": url,
    }


def body(rows: list[dict[str, Any]]) -> bytes:
    """As it is posted."""
    return json.dumps(rows, ensure_ascii=False).encode()
