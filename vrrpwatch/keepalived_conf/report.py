"""Findings printed: for people with the line and a caret, as JSON for editors and CI, as SARIF."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

from vrrpwatch.keepalived_conf import effect
from vrrpwatch.keepalived_conf.findings import Finding, Severity
from vrrpwatch.keepalived_conf.sources import Library

_COLOURS = {Severity.ERROR: "\x1b[31m", Severity.WARNING: "\x1b[33m", Severity.NOTE: "\x1b[36m"}
_RESET = "\x1b[0m"


def as_text(findings: Sequence[Finding], library: Library, colour: bool = False) -> str:
    """Findings with their lines, one blank line apart, and a last line that counts them.

    What has no effect in `vrrpwatch run` is no mistake: one paragraph for all of it, and not counted.
    """
    told = [finding for finding in findings if finding.code != effect.CODE]
    blocks = [_one(finding, library, colour) for finding in told]
    count = Counter(finding.severity for finding in told)
    without = effect.grouped(finding for finding in findings if finding.code == effect.CODE)
    if without:
        blocks.append(_clean_lines(without))
    parts = [f"{count[each]} {each}{'s' if count[each] != 1 else ''}" for each in Severity if count[each]]
    blocks.append(", ".join(parts) if parts else "no findings")
    return "\n\n".join(blocks) + "\n"


def _clean_lines(text: str) -> str:
    return "\n".join(map(_clean, text.split("\n")))


def _one(finding: Finding, library: Library, colour: bool) -> str:
    place = f"{finding.file}:{finding.line}"
    if finding.end_line > finding.line:
        place += f"-{finding.end_line}"
    elif finding.column:
        place += f":{finding.column}"
    severity = f"{_COLOURS[finding.severity]}{finding.severity}{_RESET}" if colour else str(finding.severity)
    lines = [f"{place}: {severity}: {_clean(finding.message)} [{finding.code}]"]
    raw = library.raw(finding.file, finding.line)
    if raw.strip():
        shown, column = _window(raw, finding.column)
        lines.append("    " + shown)
        if column:
            blanks = "".join("\t" if char == "\t" else " " for char in shown[: column - 1])
            lines.append("    " + blanks + "^")
    if finding.fix:
        lines.append("    fix: " + _clean(finding.fix))
    return "\n".join(lines)


def _window(raw: str, column: int, width: int = 160) -> tuple[str, int]:
    """A part of a long line around the column, so that the terminal stays readable."""
    if len(raw) <= width:
        return _clean(raw), column
    start = max(0, min(column - width // 2, len(raw) - width))
    return _clean(raw[start : start + width]), column - start if column else 0


def _clean(text: str) -> str:
    """Printable text: control characters and broken octets of the file must not reach the terminal."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char == "\t" else "\ufffd" for char in text)


def as_json(findings: Sequence[Finding], files: Sequence[str]) -> str:
    """The stable form: {"schema": 1, "files": […], "findings": […]}."""
    document = {"schema": 1, "files": list(files), "findings": [finding.as_json() for finding in findings]}
    return json.dumps(document, indent=2, ensure_ascii=True) + "\n"


def as_sarif(findings: Sequence[Finding], version: str) -> str:
    """SARIF 2.1.0, which code hosts show beside the lines."""
    rules = sorted({finding.code for finding in findings})
    results = [_sarif_result(finding) for finding in findings]
    driver = {"name": "vrrpwatch", "version": version, "rules": [{"id": code} for code in rules]}
    document = {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "results": results}],
    }
    return json.dumps(document, indent=2, ensure_ascii=True) + "\n"


def _sarif_result(finding: Finding) -> dict[str, Any]:
    region: dict[str, Any] = {"startLine": finding.line, "endLine": finding.end_line}
    if finding.column and finding.end_line == finding.line:
        region["startColumn"] = finding.column
    text = finding.message + (f" Fix: {finding.fix}." if finding.fix else "")
    location = {"artifactLocation": {"uri": finding.file}, "region": region}
    return {
        "ruleId": finding.code,
        "level": str(finding.severity),
        "message": {"text": text},
        "locations": [{"physicalLocation": location}],
    }
