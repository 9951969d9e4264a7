"""The files behind a configuration: opening within limits, includes with globs and braces, the raw lines."""

from __future__ import annotations

import glob
import os
import stat
import sys
from dataclasses import dataclass, field

#: Limits that a sane configuration never meets; beyond them reading stops with a finding.
MAX_BYTES = 32 * 1024 * 1024
MAX_FILES = 1000
MAX_INCLUDE_DEPTH = 32
#: keepalived's own buffer holds 1023 octets of a line.
MAX_LINE_BYTES = 1023


class Unreadable(Exception):
    """A file that cannot be used; `code` is the finding's code, the text says why, `fix` what to do."""

    def __init__(self, code: str, message: str, fix: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.fix = fix


@dataclass(slots=True)
class Source:
    """One file that was read: raw lines without line ends, decoded so that any octets survive."""

    name: str
    lines: list[str]
    directory: str
    cut: bool = False  # longer than the limit: only the beginning was read
    executable: bool = False
    ends_open: bool = False  # the last line has no line end


@dataclass(slots=True)
class Library:
    """All files read for one configuration, and how much may still be read."""

    sources: dict[str, Source] = field(default_factory=dict)
    bytes_left: int = MAX_BYTES

    def open(self, name: str) -> Source:
        """Read a file once; Unreadable when it cannot be used. `-` is standard input."""
        known = self.sources.get(name)
        if known is not None:
            return known
        if len(self.sources) >= MAX_FILES:
            raise Unreadable("too-many-files", f"more than {MAX_FILES} files are included")
        source = self._read(name)
        self.sources[name] = source
        return source

    def _read(self, name: str) -> Source:
        if name == "-":
            data, executable = sys.stdin.buffer.read(self.bytes_left + 1), False
        else:
            data, executable = _read_regular(name, self.bytes_left + 1)
        cut = len(data) > self.bytes_left
        data = data[: self.bytes_left]
        self.bytes_left -= len(data)
        text = data.decode("utf-8", "surrogateescape")
        lines = text.split("\n")
        ends_open = bool(lines[-1])
        if not ends_open:
            lines.pop()  # the text ended with a line end, as it should
        directory = os.path.dirname(name) or "."
        return Source(name, lines, directory, cut, executable, ends_open)

    def raw(self, name: str, line: int) -> str:
        """The text of a line as it is in the file, for quoting; "" when there is none."""
        source = self.sources.get(name)
        if source is None or not 0 < line <= len(source.lines):
            return ""
        return source.lines[line - 1].rstrip("\r")


def _read_regular(name: str, limit: int) -> tuple[bytes, bool]:
    """The first `limit` octets of a regular file, and whether it is executable."""
    try:
        status = os.stat(name)
        if stat.S_ISDIR(status.st_mode):
            raise Unreadable("not-a-file", f"{name} is a directory", "name the file in it")
        if not stat.S_ISREG(status.st_mode):
            raise Unreadable("not-a-file", f"{name} is not a regular file", "name a regular file")
        with open(name, "rb") as stream:
            return stream.read(limit), bool(status.st_mode & 0o111)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise Unreadable(
            "file-unreadable", f"cannot read {name}: {reason}", "check the name and its permissions"
        ) from None


def matching(pattern: str, directory: str) -> list[str]:
    """The files that an include names, in keepalived's order: glob with csh-style braces, relative to `directory`."""
    found: list[str] = []
    for each in _braces(pattern):
        path = each if os.path.isabs(each) or directory == "." else os.path.join(directory, each)
        try:
            if glob.has_magic(path):
                found += sorted(glob.glob(path, include_hidden=False))
            elif os.path.lexists(path):
                found.append(path)
        except ValueError:  # a NUL in the name
            continue
        if len(found) > MAX_FILES:
            break
    return found


def _braces(pattern: str, limit: int = 1000) -> list[str]:
    """`a{b,{c,d}}` -> `ab ac ad`, at most `limit` of them; braces that do not pair stay as they are."""
    pending: list[str] = [pattern]
    done: list[str] = []
    while pending and len(pending) + len(done) < limit:
        text = pending.pop()
        span = _first_brace(text)
        if span is None:
            done.append(text)
            continue
        start, end, parts = span
        pending += [text[:start] + part + text[end + 1 :] for part in reversed(parts)]
    return done + pending


def _first_brace(text: str) -> tuple[int, int, list[str]] | None:
    start = text.find("{")
    while start >= 0:
        depth, parts, begin = 0, [], start + 1
        for at in range(start, len(text)):
            if text[at] == "{":
                depth += 1
            elif text[at] == "," and depth == 1:
                parts.append(text[begin:at])
                begin = at + 1
            elif text[at] == "}":
                depth -= 1
                if depth == 0:
                    return (start, at, [*parts, text[begin:at]]) if parts else None
        start = text.find("{", start + 1)
    return None
