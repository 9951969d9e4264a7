"""What is wrong with a configuration, where, what keepalived would do, and how to mend it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """error: keepalived refuses or drops it; warning: it behaves in a way that surprises; note: good to know."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding; lines and columns count from 1, `end_line` is inclusive, column 0 means the whole line.

    `code` is stable kebab-case. `exit_code` is what `keepalived --config-test` would return for this alone: 0 it says
    nothing, 2 it gives up, 5 it complains, 6 script security (measured with 2.2.7).
    """

    file: str
    line: int
    column: int
    end_line: int
    severity: Severity
    code: str
    message: str
    fix: str = ""
    exit_code: int = 0

    def as_json(self) -> dict[str, object]:
        """The finding as `config check -o json` prints it."""
        return {
            "file": self.file,
            "line": self.line,
            "column": self.column,
            "end_line": self.end_line,
            "severity": str(self.severity),
            "code": self.code,
            "message": self.message,
            "fix": self.fix,
        }


def worst(findings: Iterable[Finding]) -> Severity | None:
    """The highest severity among findings; None without any."""
    present = {each.severity for each in findings}
    return next((severity for severity in Severity if severity in present), None)


#: Errors that keepalived survives by leaving out a line or a block, or by taking a default: it starts, and so do we.
FORGIVEN = frozenset(
    "address-family arguments-lost bad-repeat bfd-without-neighbor defined-later empty-group"
    " garp-group-without-interval invalid-value missing-parameter no-path no-real-server no-url not-defined"
    " process-without-name repeated-block repeated-keyword repeated-name repeated-value script-without-command"
    " track-file-without-file unknown-keyword".split()
)


def forbids(finding: Finding) -> bool:
    """Whether nothing may run with this: keepalived gives up, or misreads what follows (braces, blocks, templates)."""
    if finding.severity is not Severity.ERROR:
        return False
    return finding.exit_code == 2 or finding.code not in FORGIVEN


def mistakes(findings: Iterable[Finding]) -> frozenset[tuple[str, str]]:
    """(code, message) of every error: the same ones again after lines have moved."""
    return frozenset((each.code, each.message) for each in findings if each.severity is Severity.ERROR)


def config_test_code(findings: Iterable[Finding]) -> int:
    """The exit code that `keepalived --config-test` gives for these findings: 0, 2, 5 or 6.

    An interface that is not there ends its test before it looks at scripts.
    """
    found = list(findings)
    codes = {each.exit_code for each in found}
    early = 5 in (each.exit_code for each in found if each.code == "interface-missing")
    return next((code for code in ((2, 5) if early else (2, 6, 5)) if code in codes), 0)


#: Findings beyond this number are counted, not listed: a template with 100,000 lines must not drown its reader.
MAX_FINDINGS = 2000


class Collector:
    """Gathers findings in file order, each place and code once."""

    def __init__(self) -> None:
        self._findings: list[Finding] = []
        self._seen: set[tuple[str, int, int, str, str]] = set()
        self.dropped = 0

    def add(self, finding: Finding) -> None:
        """Keep a finding unless the same one is already there."""
        key = (finding.file, finding.line, finding.column, finding.code, finding.message)
        if finding.code == "unfilled-placeholder":  # one per line: the template is the cause of all that is wrong there
            key = (finding.file, finding.line, 0, finding.code, "")
        if key in self._seen:
            return
        if len(self._findings) >= MAX_FINDINGS:
            self.dropped += 1
            return
        self._seen.add(key)
        self._findings.append(finding)

    def found(self) -> tuple[Finding, ...]:
        """What is there so far."""
        return tuple(self._findings)

    def sorted(self, files: Iterable[str]) -> list[Finding]:
        """All findings, by file in the given order, then by line and column; a last one says how many were left out."""
        order = {name: index for index, name in enumerate(files)}
        result = sorted(
            self._findings, key=lambda each: (order.get(each.file, len(order)), each.line, each.column, each.code)
        )
        if self.dropped:
            last = result[-1]
            text = f"{self.dropped} more findings are not listed"
            result.append(Finding(last.file, last.line, 0, last.line, Severity.NOTE, "too-many-findings", text))
        return result
