"""Schema 1 of the judgement as JSON, there and back: `-o json`, `GET /api/v1/verdicts`, and the reader of `--from`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from vrrpcore.errors import SourceError
from vrrpcore.verdict import (
    CLASS_STATE,
    AddressVerdict,
    Episode,
    Finding,
    Judgement,
    MasterRow,
    RouterVerdict,
    SensorFacts,
    Worst,
)
from vrrpexporters.report.indented import indented

#: A peer's answer is untrusted input: more rows than any sensor may hold are not read.
MAX_ROWS = 65536


def as_json(judgement: Judgement) -> str:
    """One JSON document, schema 1, with a final newline; plain ASCII, no NaN."""
    return indented(judgement.as_json()) + "\n"


def from_json(text: str | bytes, where: str) -> Judgement:
    """Read schema 1; unknown keys are ignored, unknown classes become `unknown`. SourceError naming `where`."""
    try:
        document = json.loads(text)
        if not isinstance(document, dict) or document.get("schema") != 1:
            raise ValueError("not schema 1 of a vrrpwatch judgement")
        return _judgement(document)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        detail = f"missing {error}" if isinstance(error, KeyError) else str(error)
        raise SourceError(
            f"{where}: not a vrrpwatch verdict ({detail}); is this the address of `vrrpwatch watch`?"
        ) from error


def _judgement(document: Mapping[str, Any]) -> Judgement:
    window, worst, sensor = document["window"], document["worst"], document.get("sensor") or {}
    return Judgement(
        version=str(document.get("version", "")),
        source=str(document.get("source", "")),
        start=_time(window.get("start")),
        end=_time(window.get("end")),
        worst=Worst(
            _class(worst), _text(worst.get("cause")), worst.get("vrid"), worst.get("family"), worst.get("segment")
        ),
        routers=tuple(_router(row) for row in document["routers"][:MAX_ROWS]),
        addresses=tuple(_address(row) for row in document.get("addresses", ())[:MAX_ROWS]),
        sensor=SensorFacts(
            frames=int(sensor.get("frames", 0)),
            adverts=int(sensor.get("adverts", 0)),
            malformed={str(key): int(value) for key, value in (sensor.get("malformed") or {}).items()},
            dropped=int(sensor.get("dropped", 0)),
            carp=int(sensor.get("carp", 0)),
            evicted=int(sensor.get("evicted", 0)),
            notes=_texts(sensor.get("notes")),
        ),
    )


def _router(row: Mapping[str, Any]) -> RouterVerdict:
    masters = tuple(_master(item) for item in row["masters"])
    return RouterVerdict(
        segment=str(row["segment"]),
        family=str(row["family"]),
        vrid=int(row["vrid"]),
        vips=_texts(row.get("vips")),
        now=_finding(row["now"]),
        worst=_finding(row["worst"]),
        masters=masters,
        episodes=tuple(_episode(item) for item in row.get("episodes", ())),
        live=sum(item.claim == "live" for item in masters),
    )


def _address(row: Mapping[str, Any]) -> AddressVerdict:
    return AddressVerdict(
        segment=str(row["segment"]),
        vip=str(row["vip"]),
        owners=_texts(row.get("owners")),
        hosts=int(row["hosts"]),
        worst=_finding(row["worst"]),
        now=_finding(row["now"]) if "now" in row else Finding("steady"),
    )


def _master(row: Mapping[str, Any]) -> MasterRow:
    return MasterRow(
        source=str(row["source"]),
        mac=str(row["mac"]),
        priority=int(row["priority"]),
        version=int(row["version"]),
        advert_interval=float(row["advert_interval"]),
        auth=str(row["auth"]),
        adverts=int(row["adverts"]),
        first=float(row["first"]),
        last=float(row["last"]),
        claim=str(row["claim"]),
    )


def _episode(row: Mapping[str, Any]) -> Episode:
    return Episode(
        id=str(row["id"]),
        cls=_class(row),
        cause=_text(row.get("cause")),
        confidence=str(row.get("confidence", "possible")),
        candidates=_texts(row.get("candidates")),
        start=float(row["start"]),
        suspected=_time(row.get("suspected")),
        confirmed=_time(row.get("confirmed")),
        end=_time(row.get("end")),
        seconds=float(row["seconds"]),
        masters=_texts(row.get("masters")),
        blamed=_texts(row.get("blamed")),
        evidence=_texts(row.get("evidence")),
        remedy=str(row.get("remedy", "")),
    )


def _finding(row: Mapping[str, Any]) -> Finding:
    return Finding(_class(row), _text(row.get("cause")))


def _class(row: Mapping[str, Any]) -> str:
    cls = row["class"]
    return cls if isinstance(cls, str) and cls in CLASS_STATE else "unknown"


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(str(item) for item in value or ())


def _time(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None
