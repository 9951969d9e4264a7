"""`vrrpwatch config check | show | explain | fix` as plain functions: arguments in, text on stdout, exit code back.

check(files, output, strict, host)  0 clean (or notes only), 1 warnings, 2 errors
show(file)                          0; 1 when the file cannot be read
explain(keywords)                   0; 1 when a keyword is unknown
fix(files, write)                   0; 1 when a file cannot be read
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import replace

from vrrpcore.errors import ConfigError, UsageError
from vrrpwatch.keepalived_conf import explain as explaining
from vrrpwatch.keepalived_conf import fix as fixing
from vrrpwatch.keepalived_conf import report
from vrrpwatch.keepalived_conf.cluster import compare_all
from vrrpwatch.keepalived_conf.effect import without_effect
from vrrpwatch.keepalived_conf.findings import Finding, Severity, worst
from vrrpwatch.keepalived_conf.host import on_this_host
from vrrpwatch.keepalived_conf.read import Reading, read_all
from vrrpwatch.keepalived_conf.show import show as shown
from vrrpwatch.keepalived_conf.sources import Library

OUTPUTS = ("text", "json", "sarif")
_EXIT = {None: 0, Severity.NOTE: 0, Severity.WARNING: 1, Severity.ERROR: 2}


def gather(files: Sequence[str], host: bool = False, config_id: str = "") -> tuple[list[Finding], Library]:
    """All findings about some files (two or more: also as one cluster), and their lines."""
    library = Library()
    findings: list[Finding] = []
    readings = [read_all(name, config_id) for name in files]
    for reading in readings:
        findings += on_this_host(reading) if host else reading.findings
        findings += without_effect(reading.tree, reading.settings.files)
        library.sources |= reading.library.sources
    if len(readings) > 1:
        findings += compare_all([reading.settings for reading in readings])
    order = {name: index for index, name in enumerate(library.sources)}
    findings.sort(key=lambda each: (order.get(each.file, len(order)), each.line, each.column, each.code))
    return findings, library


def check(
    files: Sequence[str], output: str = "text", strict: bool = False, host: bool = False, config_id: str = ""
) -> int:
    """Print every finding; with two or more files also what would split their cluster."""
    if output not in OUTPUTS:
        raise UsageError(f"--output {output}: choose {', '.join(OUTPUTS)}")
    if not files:
        raise UsageError("name a keepalived.conf")
    findings, library = gather(files, host, config_id)
    if strict:
        findings = [_strict(finding) for finding in findings]
    if output == "json":
        text = report.as_json(findings, files)
    elif output == "sarif":
        from vrrpwatch import __version__

        text = report.as_sarif(findings, __version__)
    else:
        colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
        text = report.as_text(findings, library, colour)
    _write(text)
    return _EXIT[worst(findings)]


def _strict(finding: Finding) -> Finding:
    return replace(finding, severity=Severity.ERROR) if finding.severity is Severity.WARNING else finding


def _readable(name: str, config_id: str) -> Reading:
    """The reading of a file that can be read at all; ConfigError otherwise."""
    reading = read_all(name, config_id)
    if not reading.library.sources:
        reason = reading.findings[0].message if reading.findings else "cannot be read"
        error = ConfigError(reason)
        error.exit_code = 1
        raise error
    return reading


def show(file: str, config_id: str = "") -> int:
    """Print the normalised configuration; reading that again gives the same model."""
    reading = _readable(file, config_id)
    _write(shown(reading.settings))
    errors = sum(finding.severity is Severity.ERROR for finding in reading.findings)
    if errors:
        sys.stderr.write(
            f"{file}: {errors} errors; what keepalived drops is not shown: vrrpwatch config check {file}\n"
        )
    return 0


def explain(keywords: Sequence[str]) -> int:
    """Print what keywords do; without any, list them all."""
    if not keywords:
        _write("\n".join(explaining.all_names()) + "\n")
        return 0
    code, texts = 0, []
    for name in keywords:
        text = explaining.explain(name)
        if text is not None:
            texts.append(text)
            continue
        code = 1
        similar = explaining.suggestions(name)
        hint = f"; did you mean {', '.join(similar)}?" if similar else ""
        sys.stderr.write(f"keepalived knows no keyword {name!r}{hint}\n")
    _write("\n".join(texts))
    return code


def fix(files: Sequence[str], write: bool = False, config_id: str = "") -> int:
    """Print safe repairs as a unified diff for `patch -p0`; with `write`, make them."""
    if not files:
        raise UsageError("name a keepalived.conf")
    for name in files:
        reading = _readable(name, config_id)
        _write(fixing.diff(reading))
        if write:
            for changed, lines in fixing.repaired(reading).items():
                if changed == "-":
                    raise UsageError("--write cannot change standard input")
                _replace_file(changed, lines)
    return 0


def _replace_file(name: str, lines: list[str]) -> None:
    """Write beside the file, then rename: a crash leaves the old one whole."""
    real = os.path.realpath(name)
    temporary = f"{real}.vrrpwatch-new"
    data = "".join(line + "\n" for line in lines).encode("utf-8", "surrogateescape")
    status = os.stat(real)
    with open(temporary, "wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
    os.chmod(temporary, status.st_mode & 0o7777)
    os.replace(temporary, real)


def _write(text: str) -> None:
    """To stdout as octets, so that names that are no UTF-8 come through."""
    data = text.encode("utf-8", "surrogateescape")
    buffer = getattr(sys.stdout, "buffer", None)
    if buffer is None:
        sys.stdout.write(data.decode("utf-8", "replace"))
    else:
        sys.stdout.flush()
        buffer.write(data)
        buffer.flush()
