"""From files to logical lines: comments, `@id`, `$` definitions, `~SEQ`, includes and braces, in keepalived's order.

Per physical line: blanks are stripped; a comment begins at the first `!` or `#` outside of `"`; `@id rest` stays only
on the right host; `$NAME=value` defines; `~SEQ`/`~LST` repeat the rest; `$NAME` is replaced; an include is entered;
what is left is cut at braces, so that every brace is a line of its own.
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from vrrpwatch.keepalived_conf.cutting import TEMPLATE, cut_at_braces, decomment
from vrrpwatch.keepalived_conf.definitions import Definition, Definitions, MacroError, Repeat, parse_repeat
from vrrpwatch.keepalived_conf.findings import Collector, Finding, Severity
from vrrpwatch.keepalived_conf.sources import MAX_INCLUDE_DEPTH, MAX_LINE_BYTES, Library, Source, Unreadable, matching

#: Logical lines that one configuration may expand to.
MAX_LINES = 250_000
#: Steps on the way to them: rounds of ~SEQ that define something, lines of other hosts.
MAX_STEPS = 1_000_000


class LogicalLine(NamedTuple):
    """What keepalived's parser sees as one line, and where it came from.

    `column` is that of the text's first character; `exact` says that the text is a piece of the file, so that offsets
    in it are columns (not after a substitution). A template that nobody filled (`${VIP:-x}`, `{{ vip }}`) stays one
    word in `text`; `pieces` is what keepalived makes of it, for which its braces are braces.
    """

    text: str
    file: str
    line: int
    column: int
    exact: bool = True
    pieces: tuple[str, ...] = ()

    def column_at(self, offset: int) -> int:
        """The column of a character of the text, as far as it is in the file."""
        return self.column + offset if self.exact else self.column


@dataclass(slots=True)
class _Open:
    """One file of the include stack."""

    source: Source
    waiting: list[str]  # further files of the same include
    real: str
    line: int = 0  # lines read so far


@dataclass(slots=True)
class _Text:
    """The buffer that the steps work on."""

    text: str
    column: int
    exact: bool


_INCLUDE = re.compile(r"include([rmwba]?)[ \t\f\v\r]+(.*)\Z", re.DOTALL)


class LineReader:
    """Reads a configuration with its includes as a stream of logical lines; problems go to the collector."""

    def __init__(
        self,
        library: Library,
        collector: Collector,
        config_id: str = "",
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._library = library
        self._collector = collector
        self._id = config_id or socket.gethostname().split(".", 1)[0]
        self._stack: list[_Open] = []
        self._definitions = Definitions(self._id, os.environ if environment is None else environment, self._directory)
        self._repeats: list[Repeat] = []
        self._bodies: list[tuple[list[str], int]] = []  # bodies under way: lines still to come, depth of repeats
        self._repeat_depth = 0
        self._definition: Definition | None = None  # a multi-line definition being written
        self._random_told = False
        self._steps = 0

    def _directory(self) -> str:
        return os.path.abspath(self._stack[-1].source.directory) if self._stack else os.getcwd()

    def _report(self, severity: Severity, code: str, message: str, fix: str = "", exit_code: int = 0) -> None:
        place = self._stack[-1] if self._stack else None
        name, line = (place.source.name, max(1, place.line)) if place else ("", 1)
        self._collector.add(Finding(name, line, 0, line, severity, code, message, fix, exit_code))

    # -- files ---------------------------------------------------------------------------------------------------

    def open(self, name: str) -> bool:
        """Start with the main file; False (and a finding) when it cannot be read."""
        try:
            self._enter(name, [])
        except Unreadable as error:
            self._collector.add(Finding(name, 1, 0, 1, Severity.ERROR, error.code, str(error), error.fix, 2))
            return False
        return True

    def _enter(self, name: str, waiting: list[str]) -> None:
        real = name if name == "-" else os.path.realpath(name)
        if any(each.real == real for each in self._stack):
            raise Unreadable("include-cycle", f"{name} includes itself", "remove the include that closes the circle")
        if len(self._stack) >= MAX_INCLUDE_DEPTH:
            raise Unreadable("include-depth", f"includes are nested deeper than {MAX_INCLUDE_DEPTH}")
        source = self._library.open(name)
        self._stack.append(_Open(source, waiting, real))
        if source.executable:
            self._report(
                Severity.ERROR,
                "config-executable",
                f"{name} is executable: keepalived refuses to read an executable file as configuration",
                f"chmod a-x {name}",
                2 if len(self._stack) == 1 else 0,
            )
        if source.cut:
            self._report(
                Severity.ERROR,
                "file-too-large",
                f"{name} is too large; only its first {len(source.lines)} lines are read",
                "split the configuration, or generate it with ~SEQ",
            )

    def _leave(self) -> None:
        done = self._stack.pop()
        while done.waiting:
            name = done.waiting.pop(0)
            if self._try_enter(name, done.waiting):
                return

    def _try_enter(self, name: str, waiting: list[str]) -> bool:
        try:
            self._enter(name, waiting)
        except Unreadable as error:
            self._report(Severity.ERROR, error.code, str(error), error.fix, 0)
            return False
        return True

    def _include(self, kind: str, pattern: str) -> None:
        """Enter the files that an include names; a missing one is told, which keepalived does not."""
        directory = self._stack[-1].source.directory if self._stack else "."
        names = matching(pattern, directory)
        if not names:
            strict = bool(kind)
            self._report(
                Severity.ERROR if strict else Severity.WARNING,
                "include-missing",
                f"no file matches include{kind} {pattern}; keepalived "
                + ("treats that as an error" if strict else "goes on without a word"),
                "create the file, correct the name, or remove the line",
                5 if kind in ("a", "w", "m") else 0,
            )
            return
        while names:
            name = names.pop(0)
            if self._try_enter(name, names):
                return

    # -- lines ---------------------------------------------------------------------------------------------------

    def lines(self) -> Iterator[LogicalLine]:
        """Every logical line, braces cut apart; stops with a finding at MAX_LINES."""
        count = 0
        while count < MAX_LINES and (piece := self._next()) is not None:
            place = self._stack[-1] if self._stack else None
            name, line = (place.source.name, place.line) if place else ("", 1)
            if "{" not in piece.text and "}" not in piece.text:
                yield LogicalLine(piece.text, name, line, piece.column, piece.exact)
                count += 1
                continue
            for text, offset in cut_at_braces(piece.text, keep=TEMPLATE):
                column = piece.column + offset if piece.exact else piece.column
                inner = tuple(each for each, _ in cut_at_braces(text)) if "{" in text and text != "{" else ()
                yield LogicalLine(text, name, line, column, piece.exact, inner if len(inner) > 1 else ())
                count += 1
        if count >= MAX_LINES or self._steps >= MAX_STEPS:
            self._report(
                Severity.ERROR,
                "too-many-lines",
                f"the configuration expands to more than {MAX_LINES} lines; the rest is not read",
                "check ~SEQ and ~LST: their rounds multiply",
            )

    def _next(self) -> _Text | None:
        """The next line after all steps but the cutting at braces."""
        while self._steps < MAX_STEPS:
            self._steps += 1
            piece = self._fetch()
            if piece is None:
                return None
            if self._definition is not None:
                self._extend_definition(piece.text)
                continue
            done = self._transform(piece)
            if done is None or not done.text:
                continue
            match = _INCLUDE.match(done.text)
            if match is None:
                return done
            self._include(match.group(1), match.group(2).lstrip(" \t"))
        return None

    def _fetch(self) -> _Text | None:
        """The next raw text: a round of ~SEQ, a line of a body, or a line of the file."""
        column = 1
        if len(self._repeats) > self._repeat_depth:
            repeat = self._repeats[-1]
            text = repeat.advance(self._definitions)
            if repeat.done:
                self._repeats.pop()
            return _Text(text, column, False)
        if self._bodies:
            body, depth = self._bodies[-1]
            text = body.pop(0) if body else ""
            if not body:
                self._bodies.pop()
                self._repeat_depth = depth
            return _Text(text, column, False)
        return self._physical()

    def _physical(self) -> _Text | None:
        while self._stack:
            place = self._stack[-1]
            if place.line >= len(place.source.lines):
                self._leave()
                continue
            raw = place.source.lines[place.line]
            place.line += 1
            raw = raw.rstrip("\r")
            if not raw:
                self._definition = None  # an empty line ends a multi-line definition
                continue
            raw = self._check_raw(raw)
            text, open_quote = decomment(raw)
            if open_quote:
                self._report(
                    Severity.ERROR,
                    "quote-open",
                    'a " on this line has no partner: the rest of the line, comments too, belongs to the string',
                    'close the quotation with "',
                    5,
                )
            if "\\#" in raw or "\\!" in raw:
                text = self._escaped(text)
            if text:
                return _Text(text, len(raw) - len(raw.lstrip(" \t")) + 1, True)
        return None

    def _escaped(self, text: str) -> str:
        """An escaped comment sign outlives the first reading only: keepalived's children read a decommented copy."""
        again, _ = decomment(text)
        if again != text:
            self._report(
                Severity.WARNING,
                "escaped-comment",
                "keepalived takes an escaped # or ! for a comment after all, except in global_defs",
                'write it inside of " "',
            )
        return again

    def _check_raw(self, raw: str) -> str:
        """What a C string cannot hold, and what is longer than keepalived's buffer."""
        if "\0" in raw:
            self._report(
                Severity.ERROR, "nul-octet", "a NUL octet ends this line for keepalived", "save the file as plain text"
            )
            raw = raw.split("\0", 1)[0]
        if len(raw) > MAX_LINE_BYTES // 4 and len(raw.encode("utf-8", "surrogateescape")) > MAX_LINE_BYTES:
            self._report(
                Severity.ERROR,
                "line-too-long",
                f"more than {MAX_LINE_BYTES} octets: keepalived 2.2 reads the rest as further lines, later ones"
                " drop it",
                "shorten the line",
                5,
            )
        return raw

    def _extend_definition(self, text: str) -> None:
        definition = self._definition
        if definition is None or definition.body is None:
            return
        if text.endswith("\\"):
            text = text[:-1].rstrip(" \t")
        else:
            self._definition = None
        if text:
            definition.body.append(text)

    def _transform(self, piece: _Text) -> _Text | None:
        """Steps `@`, `$NAME=`, `~` and `$NAME` in their loop; None when nothing is left of the line."""
        for _ in range(100):
            if piece.text.startswith("@"):
                kept = self._conditional(piece)
                if kept is None:
                    return None
                piece = kept
            if piece.text.startswith("$"):
                line = self._stack[-1].line if self._stack else 0
                definition = self._definitions.define(piece.text, line)
                if definition is not None:
                    self._definition = definition if definition.multiline else None
                    return None
            if piece.text.startswith(("~SEQ", "~LST")):
                self._repeat(piece.text)
                return None
            if piece.text.startswith("~") or "$" not in piece.text:
                return piece
            changed, again = self._substitute(piece)
            piece = changed
            if not again:
                return piece
        return piece

    def _conditional(self, piece: _Text) -> _Text | None:
        """`@id rest` and `@^id rest`: the rest on the host that it is for."""
        negated = piece.text.startswith("@^")
        head, _, rest = piece.text[2 if negated else 1 :].replace("\t", " ").partition(" ")
        rest = rest.lstrip(" ")
        if not rest or (head == self._id) == negated:
            return None
        kept = piece.text[len(piece.text) - len(rest) :]
        return _Text(kept, piece.column + len(piece.text) - len(kept), piece.exact)

    def _repeat(self, text: str) -> None:
        try:
            self._repeats.append(parse_repeat(text, self._definitions))
        except MacroError as error:
            self._report(
                Severity.ERROR, "bad-repeat", f"{error}; the line is ignored", "see ~SEQ and ~LST in the manual", 5
            )

    def _substitute(self, piece: _Text) -> tuple[_Text, bool]:
        """Replace names; the flag says that the steps must run again on the result."""
        try:
            text, body, changed = self._definitions.substitute(piece.text)
        except MacroError as error:
            self._report(Severity.ERROR, "bad-substitution", f"{error}; keepalived drops or garbles it", "shorten it")
            return _Text("", piece.column, False), False
        if self._definitions.used_random and not self._random_told:
            self._random_told = True
            self._report(
                Severity.NOTE, "random-value", "${_RANDOM} differs at every start; a fixed value is shown here"
            )
        if not changed:
            return piece, False
        if body is not None:
            self._bodies.append((list(body), self._repeat_depth))
            self._repeat_depth = len(self._repeats)
            if not body:
                self._repeat_depth = self._bodies.pop()[1]
        cleaned, _ = decomment(text)
        return _Text(cleaned, piece.column, False), cleaned.startswith("@") or "$" in cleaned
