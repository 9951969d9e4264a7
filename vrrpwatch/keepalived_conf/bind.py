"""From the tree to values: every line through its row of the table, every surprise a finding."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from vrrpcore.settings import Command, Origin, UnusedKeyword
from vrrpwatch.keepalived_conf import values
from vrrpwatch.keepalived_conf.findings import Collector, Finding, Severity
from vrrpwatch.keepalived_conf.nodes import Line, Node
from vrrpwatch.keepalived_conf.shapes import ScriptLine
from vrrpwatch.keepalived_conf.table import BadWord, Flag, Keyword, Missing
from vrrpwatch.keepalived_conf.words import Word


@dataclass(slots=True)
class Entry:
    """One accepted line of a block."""

    keyword: Keyword
    value: Any
    line: Line
    node: Node


@dataclass(slots=True)
class Block:
    """What a block says: accepted lines in order, and per field the one that counts."""

    node: Node
    name: str
    entries: list[Entry] = field(default_factory=list)
    counts: dict[str, Entry] = field(default_factory=dict)  # by field
    origins: dict[str, Origin] = field(default_factory=dict)  # by keyword

    def get(self, name: str, default: Any = None) -> Any:
        """The value of a field, or the default."""
        entry = self.counts.get(name)
        return default if entry is None else entry.value

    def has(self, name: str) -> bool:
        return name in self.counts

    def line(self, name: str) -> Line:
        """The line that sets a field, else the block's first line."""
        entry = self.counts.get(name)
        return self.node.line if entry is None else entry.line

    def children(self, *names: str) -> Iterator[Node]:
        """Blocks inside, by keyword, in order."""
        return (each for each in self.node.children if each.keyword is not None and each.keyword.name in names)


def origin(line: Line, word: Word | None = None) -> Origin:
    """Where a line, or a word of it, is in its file."""
    at = line.at
    return Origin(at.file, at.line, at.column_at(word.offset if word else 0))


class Binder:
    """Reads blocks; holds what all of them share: the collector and the keywords without effect."""

    def __init__(self, collector: Collector) -> None:
        self._collector = collector
        self.unused: list[UnusedKeyword] = []

    # -- findings ------------------------------------------------------------------------------------------------

    def tell(
        self,
        line: Line,
        severity: Severity,
        code: str,
        message: str,
        fix: str = "",
        *,
        word: Word | None = None,
        exit_code: int = 5,
        end_line: int = 0,
    ) -> None:
        """Report something about a line or one of its words."""
        at = line.at
        column = at.column_at(word.offset if word else line.words[0].offset)
        self._collector.add(
            Finding(at.file, at.line, column, max(end_line, at.line), severity, code, message, fix, exit_code)
        )

    def error(self, line: Line, code: str, message: str, fix: str = "", *, word: Word | None = None) -> None:
        """Something that keepalived complains of and drops."""
        self.tell(line, Severity.ERROR, code, message, fix, word=word)

    def warn(
        self, line: Line, code: str, message: str, fix: str = "", *, exit_code: int = 0, word: Word | None = None
    ) -> None:
        """Something that surprises; `exit_code` 5 where keepalived mentions it too."""
        self.tell(line, Severity.WARNING, code, message, fix, word=word, exit_code=exit_code)

    def note(self, line: Line, code: str, message: str, fix: str = "", *, word: Word | None = None) -> None:
        """Something good to know."""
        self.tell(line, Severity.NOTE, code, message, fix, word=word, exit_code=0)

    def refuse(self, line: Line, bad: BadWord, consequence: str, what: str = "") -> None:
        """A word that keepalived does not take; a template that nobody filled is called by its name."""
        subject = what or line.head
        template = values.placeholder(bad.word.text, rejected=True)
        if template:
            self.error(
                line,
                "unfilled-placeholder",
                f"{subject}: '{template}' looks like a template that was never filled; {consequence}",
                f"put the real value in place of {template}",
                word=bad.word,
            )
        else:
            self.error(line, "invalid-value", f"{subject}: {bad}; {consequence}", bad.fix, word=bad.word)

    # -- blocks --------------------------------------------------------------------------------------------------

    def read(self, node: Node, special: Callable[[Block, Entry], bool] | None = None) -> Block:
        """All lines of a block; `special` may take over what is done with an accepted line (True: done)."""
        block = Block(node, node.parameters[0].text if node.parameters else "")
        for child in node.children:
            keyword = child.keyword
            if keyword is None:
                self._keep(node, child, known=False)
                continue
            self._age(node, child, keyword)
            if keyword.is_block:
                self._repeated_block(block, child, keyword)
                if keyword.since and keyword.level is not None:  # nothing here binds it: its lines are kept
                    self.read(child)
                block.origins.setdefault(keyword.name, origin(child.line))
                continue
            entry = self._entry(child, keyword)
            if entry is None or (special is not None and special(block, entry)):
                continue
            self._count(block, entry)
        return block

    def _keep(self, node: Node, child: Node, known: bool) -> None:
        path = (" ".join(word.text for word in node.line.words),) if node.keyword is not None else ()
        words = tuple(word.text for word in child.line.words)
        self.unused.append(UnusedKeyword(path, words, known, origin(child.line)))

    def _age(self, node: Node, child: Node, keyword: Keyword) -> None:
        line = child.line
        if keyword.since:
            message = f"{keyword.name} needs keepalived {keyword.since} or later; older ones do not know it"
            if keyword.is_block:
                message += f", and its }} closes {node.line.head} for them"
            end = node.end_line if keyword.is_block else 0
            self.tell(line, Severity.NOTE, "needs-version", message, exit_code=0, end_line=end)
        if keyword.deprecated:
            self.warn(
                line,
                "deprecated",
                f"{keyword.name} is deprecated",
                f"write {keyword.deprecated}",
                exit_code=5 if keyword.warned else 0,
            )

    def _repeated_block(self, block: Block, child: Node, keyword: Keyword) -> None:
        if keyword.name not in block.origins or keyword.repeat == "all" or keyword.level is not None:
            return
        first = block.origins[keyword.name].line
        if keyword.values == "members":
            self.error(
                child.line,
                "repeated-block",
                f"a second {keyword.name} block is ignored (first: line {first})",
                "merge them",
            )
        else:
            self.warn(
                child.line,
                "repeated-block",
                f"a second {keyword.name} block: its entries are added to those of line {first}",
                "merge them",
            )

    def value_of(self, line: Line, keyword: Keyword, consequence: str = "") -> Any:
        """The value of a line through its keyword's shape; None with a finding when there is none."""
        parameters = line.words[1:]
        what = consequence or (keyword.ignored or "the line is ignored")
        try:
            value = keyword.shape.read(parameters, line.at.text)
        except Missing as missing:
            fatal = missing.fatal
            self.tell(
                line,
                Severity.ERROR,
                "missing-parameter",
                f"{keyword.name} needs {keyword.shape.syntax or 'a value'}; "
                + ("keepalived gives up here" if fatal else "the line is ignored"),
                f"write {keyword.name} {keyword.shape.syntax}".strip(),
                exit_code=2 if fatal else 5,
            )
            return None
        except BadWord as bad:
            bad.fix = bad.fix or keyword.advice
            self.refuse(line, bad, what, keyword.name)
            return None
        self._extra_words(line, keyword)
        return value

    def _entry(self, child: Node, keyword: Keyword) -> Entry | None:
        value = self.value_of(child.line, keyword)
        if value is None and not (keyword.field and keyword.name == "notify_deleted" and not child.parameters):
            return None
        for word in child.parameters[: keyword.shape.most if keyword.shape.most is not None else None]:
            self.check_template(child.line, word)
        return Entry(keyword, value, child.line, child)

    def check_template(self, line: Line, word: Word) -> None:
        """A word that was taken although it is a template, or ends as in another language."""
        if word.text[-1:] in (";", ",") and "interface" in line.head:
            self.warn(
                line,
                "trailing-punctuation",
                f"{line.head}: '{word.text[-1]}' is taken for a part of the name",
                f"write {word.text.rstrip(';,')}",
                word=word,
            )
        template = values.placeholder(word.text)
        if template and "script" not in line.head and not word.text.startswith("/"):
            self.warn(
                line,
                "unfilled-placeholder",
                f"{line.head}: '{template}' looks like a template that was never filled; it is taken as it stands",
                f"put the real value in place of {template}",
                word=word,
            )

    def _extra_words(self, line: Line, keyword: Keyword) -> None:
        most = keyword.shape.most
        if most is None or len(line.words) - 1 <= most:
            return
        word = line.words[most + 1]
        lost = " ".join(each.text for each in line.words[most + 1 :])
        if isinstance(keyword.shape, Flag) and word.text in ("off", "no", "false", "0"):
            self.warn(
                line,
                "flag-with-value",
                f"{keyword.name} takes no value: '{word.text}' is ignored and {keyword.name} is on",
                "remove the line to turn it off",
                word=word,
            )
            return
        self.warn(
            line,
            "ignored-words",
            f"'{lost}' after {keyword.name} is ignored: one keyword per line",
            "write it on a line of its own, or remove it",
            word=word,
        )

    def _count(self, block: Block, entry: Entry) -> None:
        name = entry.keyword.field or f"={entry.keyword.name}"
        if not entry.keyword.field:
            self._keep(block.node, entry.node, known=True)
        earlier = block.counts.get(name)
        if earlier is not None and entry.keyword.repeat == "first":
            self.error(
                entry.line,
                "repeated-keyword",
                f"{entry.keyword.name} is given again; the one of line {earlier.line.at.line} counts",
                "remove one of them",
            )
            return
        if earlier is not None and entry.keyword.repeat == "last":
            self._told_twice(entry, earlier)
        block.entries.append(entry)
        block.counts[name] = entry
        block.origins[entry.keyword.name] = origin(entry.line)

    def _told_twice(self, entry: Entry, earlier: Entry) -> None:
        first, now = (" ".join(word.text for word in each.line.words[1:]) for each in (earlier, entry))
        same = entry.value == earlier.value
        self.warn(
            entry.line,
            "repeated-keyword",
            f"{entry.keyword.name} was already given on line {earlier.line.at.line}"
            + (
                "" if same else f" ({first or 'no value'}); keepalived silently uses the last one ({now or 'no value'})"
            ),
            "remove one of them",
        )

    # -- commands ------------------------------------------------------------------------------------------------

    def command(self, entry: Entry | None) -> Command | None:
        """A script line as a Command, with the user behind it."""
        if entry is None or not isinstance(entry.value, ScriptLine):
            return None
        user, group, *_ = (*entry.value.trailing, "", "")
        return Command(entry.value.words, user, group, origin(entry.line))
