"""The generic webhook: one JSON document per event, signed, from our shape or from the user's template. Pure."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from string import Template
from typing import Any, Final

from .notices import Notice, stamp

#: What a template may use; also the keys of our own document.
PLACEHOLDERS: Final = (
    "status",
    "alertname",
    "severity",
    "summary",
    "description",
    "class",
    "cause",
    "confidence",
    "segment",
    "family",
    "vrid",
    "vips",
    "masters",
    "blamed",
    "evidence",
    "remedy",
    "runbook_url",
    "sensor",
    "episode",
    "started",
    "ended",
    "seconds",
)


class _Placeholders(Template):
    idpattern = "[a-z_]+"


def values(notice: Notice) -> dict[str, Any]:
    """The event as plain values: strings, numbers, lists of strings; `ended` is null while it lasts."""
    return {
        "status": "resolved" if notice.ended is not None else "firing",
        "alertname": notice.alertname,
        "severity": notice.severity,
        "summary": notice.summary,
        "description": notice.description,
        **notice.facts,
        "runbook_url": notice.runbook_url,
        "episode": notice.episode,
        "started": stamp(notice.started),
        "ended": stamp(notice.ended) if notice.ended is not None else None,
    }


def document(notice: Notice, template: str = "") -> bytes:
    """The body to post."""
    found = values(notice)
    if not template:
        return json.dumps({"schema": 1, **found}, ensure_ascii=False).encode()
    return _filled(template, found).encode()


def _filled(template: str, found: Mapping[str, Any]) -> str:
    """Placeholders stand inside JSON strings: `"text": "${summary}"`; lists are joined by commas."""
    texts = {name: ", ".join(v) if isinstance(v, list) else "" if v is None else str(v) for name, v in found.items()}
    return _Placeholders(template).substitute({name: json.dumps(text)[1:-1] for name, text in texts.items()})


def check_template(template: str) -> str:
    """What is wrong with a template, in a line; "" when it gives JSON for any event."""
    try:
        json.loads(_filled(template, dict.fromkeys(PLACEHOLDERS, 'a"b\\c\nd')))
    except KeyError as error:
        return f"there is no placeholder ${{{error.args[0]}}}; there are {', '.join(PLACEHOLDERS)}"
    except json.JSONDecodeError as error:
        return f"does not give JSON: {error.msg} at line {error.lineno} column {error.colno}"
    except ValueError as error:
        return f"{str(error)[:1].lower()}{str(error)[1:]}; a dollar sign itself is written $$"
    return ""


def signature(secret: bytes, timestamp: str, body: bytes) -> str:
    """`sha256=…` over `TIMESTAMP.BODY`: the receiver can tell a replay by the time."""
    return "sha256=" + hmac.new(secret, timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def headers(delivery: str, timestamp: str, body: bytes, secret: bytes) -> dict[str, str]:
    """`delivery` is the same for every attempt at one event: receivers can drop what they have already."""
    fields = {
        "Content-Type": "application/json",
        "X-Vrrpwatch-Delivery": delivery,
        "X-Vrrpwatch-Timestamp": timestamp,
    }
    if secret:
        fields["X-Vrrpwatch-Signature"] = signature(secret, timestamp, body)
    return fields
