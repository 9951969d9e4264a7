"""From logical lines to a tree of blocks, twice: as the author meant it, and as keepalived's parser walks.

keepalived does not skip a block that it does not know: the block's `}` closes the block around it, and what follows
is read in the wrong place. The tree skips such a block, so that the rest keeps its meaning; a second walk (`walk`)
imitates keepalived, and where the two disagree, the finding that began it covers all lines that keepalived misreads.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass, replace
from difflib import get_close_matches

from vrrpwatch.keepalived_conf.findings import Collector, Finding, Severity
from vrrpwatch.keepalived_conf.lines import LogicalLine
from vrrpwatch.keepalived_conf.nodes import Context, Line, Node
from vrrpwatch.keepalived_conf.table import Level
from vrrpwatch.keepalived_conf.tables.top import FORMER, FORMER_ANYWHERE
from vrrpwatch.keepalived_conf.walking import walk, walk_skipping
from vrrpwatch.keepalived_conf.words import Word


@dataclass(slots=True)
class _Frame:
    index: int
    level: Level
    node: Node
    kind: str = "block"  # block, stray (braces without a block keyword)
    needs_brace: bool = True

    @property
    def context(self) -> Context:
        return self.index, self.kind


class TreeBuilder:
    """Builds the tree as meant, with one finding per mistake of structure."""

    def __init__(self, lines: list[Line], root: Level, collector: Collector) -> None:
        self._lines = lines
        self._root_level = root
        self._collector = collector
        first = lines[0] if lines else Line(LogicalLine("", "", 1, 1), [Word("", 0)])
        self.root = Node(first, root, None)
        self._stack = [_Frame(-1, root, self.root, needs_brace=False)]
        self.contexts: list[Context] = [(-1, "block")] * len(lines)
        self._advices: dict[tuple[str, str, str], tuple[str, str]] = {}
        self.told: list[tuple[int, Finding]] = []  # structural findings with the line's index
        self.misread: set[tuple[str, int]] = set()  # (file, line) that keepalived reads in another block than meant
        braces = [line.at.text for line in lines if line.at.text in ("{", "}")]
        self._unclosed = braces.count("{") > braces.count("}")

    # -- findings ------------------------------------------------------------------------------------------------

    def _tell(
        self, index: int, last: int, severity: Severity, code: str, message: str, fix: str, exit_code: int = 5
    ) -> None:
        at, end = self._lines[index].at, self._lines[last].at
        end_line = end.line if end.file == at.file and end.line > at.line else at.line
        column = at.column_at(self._lines[index].words[0].offset)
        finding = Finding(at.file, at.line, column, end_line, severity, code, message, fix, exit_code)
        self.told.append((index, finding))

    def _where(self, frame: _Frame) -> str:
        words = frame.node.line.words
        name = f" {words[1].text}" if len(words) > 1 else ""
        return f"{words[0].text}{name}" if frame.index >= 0 else "the top level"

    # -- walking -------------------------------------------------------------------------------------------------

    def build(self) -> Node:
        """The tree; every line is in it or in a finding."""
        index, count = 0, len(self._lines)
        while index < count:
            index = self._step(index)
        self._finish()
        return self.root

    def _step(self, index: int) -> int:
        line, frame = self._lines[index], self._stack[-1]
        self.contexts[index] = frame.context
        head = line.at.text if line.at.text in "{}" else line.head
        if frame.needs_brace:
            frame.needs_brace = False
            if head == "{":
                return index + 1
            self._missing_open(index, frame)
        elif head == "{":
            self._stray_open(index, frame)
            return index + 1
        if head == "}":
            return self._close(index)
        keyword = frame.level.get(head)
        if keyword is None:
            return self._unknown(index, frame)
        node = Node(line, frame.level, keyword, end_line=line.at.line)
        frame.node.children.append(node)
        if keyword.level is not None:
            self._stack.append(_Frame(index, keyword.level, node))
        elif keyword.values:
            return self._value_block(index, node)
        return index + 1

    def _close(self, index: int) -> int:
        if len(self._stack) > 1:
            frame = self._stack.pop()
            frame.node.end_line = self._lines[index].at.line
        elif index and self.told and self.told[-1][0] == index - 1 and self.told[-1][1].code == "brace-extra":
            self._grow(len(self.told) - 1, index)
        else:
            self._tell(
                index,
                index,
                Severity.ERROR,
                "brace-extra",
                "this } closes nothing",
                "remove it, or look above for a block that was closed too early",
            )
        return index + 1

    def _missing_open(self, index: int, frame: _Frame) -> None:
        self._tell(
            index,
            index,
            Severity.ERROR,
            "brace-missing",
            f"{self._where(frame)} is a block, but no {{ follows",
            f"write {{ after {self._where(frame)}",
        )

    def _stray_open(self, index: int, frame: _Frame) -> None:
        before = frame.node.children[-1].line if frame.node.children else None
        name = before.head if before is not None else self._where(frame)
        self._tell(
            index,
            index,
            Severity.ERROR,
            "brace-unexpected",
            f"{name} takes no block; keepalived ignores the {{, and its }} closes {self._where(frame)} too early",
            "remove the braces, one keyword per line",
        )
        self._stack.append(_Frame(index, frame.level, frame.node, "stray", needs_brace=False))

    # -- what is not known ---------------------------------------------------------------------------------------

    def _opens_block(self, index: int) -> bool:
        return index + 1 < len(self._lines) and self._lines[index + 1].at.text == "{"

    def _starts_top_block(self, index: int) -> bool:
        keyword = self._root_level.get(self._lines[index].head)
        return keyword is not None and keyword.is_block and self._opens_block(index)

    def _unknown(self, index: int, frame: _Frame) -> int:
        line = self._lines[index]
        outer = self._outer_frame(index)
        if outer is not None:
            self._unclosed_before(index, outer)
            return index
        keyword = Node(line, frame.level, None, end_line=line.at.line)
        frame.node.children.append(keyword)
        if not self._opens_block(index):
            self._tell(index, index, Severity.ERROR, "unknown-keyword", *self._advice(line, frame, ""))
            return index + 1
        stop = self._matching(index + 1)
        for at in range(index + 1, min(stop + 1, len(self._lines))):
            self.contexts[at] = (index, "unknown")
        last = min(stop, len(self._lines) - 1)
        keyword.end_line = self._lines[last].at.line
        self._tell(index, last, Severity.ERROR, "unknown-block", *self._advice(line, frame, " block"))
        return stop + 1

    def _outer_frame(self, index: int) -> int | None:
        """The depth to fall back to when a keyword belongs further out, because a `}` is missing; None otherwise."""
        if len(self._stack) == 1:
            return None
        if self._starts_top_block(index):
            return 1
        if not self._unclosed:
            return None
        name = self._lines[index].head
        for depth in range(len(self._stack) - 1, 1, -1):
            if self._stack[depth - 1].level.get(name) is not None:
                return depth
        return None

    def _unclosed_before(self, index: int, depth: int) -> None:
        """Close all blocks down to a depth, with one finding."""
        inner = self._stack[depth]
        opened = self._lines[inner.index].at.line
        self._tell(
            index,
            index,
            Severity.ERROR,
            "brace-not-closed",
            f"{self._where(inner)} (line {opened}) is not closed before {self._lines[index].head}; "
            "keepalived reads on inside of it",
            f"write }} before line {self._lines[index].at.line}",
        )
        for frame in self._stack[depth:]:
            frame.node.end_line = self._lines[max(0, index - 1)].at.line
        del self._stack[depth:]
        self._unclosed = False

    def _matching(self, index: int) -> int:
        """The index of the `}` that closes the `{` at an index; one before a top-level block where none does."""
        depth = 0
        for at in range(index, len(self._lines)):
            text = self._lines[at].at.text
            if text == "{":
                depth += 1
            elif text == "}":
                depth -= 1
                if depth == 0:
                    return at
            elif self._unclosed and at > index and self._starts_top_block(at):
                return at - 1
        return len(self._lines) - 1

    def _advice(self, line: Line, frame: _Frame, kind: str) -> tuple[str, str]:
        """Message and fix for a keyword that its block does not know; found once per name."""
        key = (frame.level.name, line.head, kind)
        if key not in self._advices:
            self._advices[key] = self._new_advice(line.head, frame, kind)
        return self._advices[key]

    def _new_advice(self, name: str, frame: _Frame, kind: str) -> tuple[str, str]:
        place = frame.level.name
        lost = "; keepalived reads the block's content as if it stood outside" if kind else "; the line is ignored"
        message = f"keepalived knows no{kind} '{name}' in {place}{lost}"
        former = FORMER.get((place, name)) or FORMER_ANYWHERE.get(name)
        if former:
            return f"{place} has no '{name}' (any more); the line is ignored" if not kind else message, former
        if "\xa0" in name or "\ufeff" in name or "\u3000" in name:
            return message, "there is an invisible character (no-break space) before it: type the blanks anew"
        if name.lower() != name and frame.level.get(name.lower()):
            return message, f"write {name.lower()}"
        homes = [each for each in _homes(self._root_level, name) if each != place]
        close = get_close_matches(name, frame.level.names(), 1, 0.75) if len(name) < 60 else []
        if close and not homes:
            return message, f"did you mean {close[0]}?"
        if homes:
            return message, f"it belongs into {' or '.join(homes[:3])}"
        return message, "remove it, or correct its name"

    # -- blocks of values ----------------------------------------------------------------------------------------

    def _value_block(self, index: int, node: Node) -> int:
        own = 2 if node.keyword is not None and node.keyword.values == "server_group" else 1
        extra = node.line.words[own:]
        opened = self._opens_block(index)
        if extra and not opened:
            node.values.append(Line(node.line.at, extra))
            words = " ".join(each.text for each in extra)
            self._tell(
                index,
                index,
                Severity.ERROR,
                "brace-missing",
                f"{node.line.head} takes its values in braces; keepalived takes the following lines for its values",
                f"write {node.line.head} {{ {words} }}",
            )
            return index + 1
        if extra:
            self._tell(
                index,
                index,
                Severity.ERROR,
                "words-before-brace",
                f"'{extra[0].text}' between {node.line.head} and {{ is ignored",
                "move it into the braces",
            )
        at = index + 2
        if not opened:
            self._missing_open(min(index + 1, len(self._lines) - 1), _Frame(index, node.level, node))
            at = index + 1
        return self._values(index, at, node)

    def _values(self, index: int, at: int, node: Node) -> int:
        """Read value lines from `at` to the closing brace; gives the index behind it."""
        context = (index, "values")
        for skipped in range(index + 1, min(at, len(self._lines))):
            self.contexts[skipped] = context
        while at < len(self._lines):
            line = self._lines[at]
            if line.at.text == "}":
                self.contexts[at] = context
                node.end_line = line.at.line
                return at + 1
            if self._ends_values(at, node):
                opened = node.line.at.line
                self._tell(
                    at,
                    at,
                    Severity.ERROR,
                    "brace-not-closed",
                    f"{node.line.head} (line {opened}) is not closed before {line.head}; keepalived takes it for a"
                    " value",
                    f"write }} before line {line.at.line}",
                )
                self._unclosed = False
                return at
            self.contexts[at] = context
            if line.at.text == "{":
                stop = self._matching(at)
                self._tell(
                    at,
                    min(stop, len(self._lines) - 1),
                    Severity.ERROR,
                    "brace-unexpected",
                    f"no block can stand in {node.line.head}",
                    "remove it, or close the braces before it",
                )
                for inner in range(at, min(stop + 1, len(self._lines))):
                    self.contexts[inner] = (at, "unknown")
                at = stop + 1
                continue
            node.values.append(line)
            at += 1
        self._never_closed(index)
        return at

    def _ends_values(self, at: int, node: Node) -> bool:
        """Whether a line among values is the beginning of the next keyword: a closing brace was forgotten."""
        name = self._lines[at].head
        known = node.level.get(name)
        if known is not None and (self._opens_block(at) or self._unclosed):
            return True
        return self._starts_top_block(at)

    # -- the end -------------------------------------------------------------------------------------------------

    def _never_closed(self, index: int) -> None:
        frame = _Frame(index, self._root_level, Node(self._lines[index], self._root_level, None))
        self._tell(
            index,
            index,
            Severity.ERROR,
            "brace-not-closed",
            f"{self._where(frame)} is never closed",
            "write } at its end",
        )

    def _finish(self) -> None:
        for frame in self._stack[1:]:
            frame.node.end_line = self._lines[-1].at.line
        if len(self._stack) > 1:
            self._never_closed(self._stack[-1].index)
        self._cover_misread()
        for _, finding in self.told:
            self._collector.add(finding)

    def _grow(self, which: int, last: int) -> None:
        """Extend a structural finding to a later line of its file."""
        index, old = self.told[which]
        at = self._lines[last].at
        if at.file == old.file and at.line > old.end_line:
            self.told[which] = (index, replace(old, end_line=at.line))

    def _cover_misread(self) -> None:
        """Let findings cover every line that keepalived reads in another place than meant, or complains of."""
        contexts, complaints = walk(self._lines, self._root_level)
        complaints |= walk_skipping(self._lines, self._root_level)
        self.misread = {
            (line.at.file, line.at.line)
            for line, meant, taken in zip(self._lines, self.contexts, contexts, strict=True)
            if meant != taken
        }
        self.told.sort(key=lambda each: each[0])
        indexes = [index for index, _ in self.told]
        at, count = 0, len(self._lines)
        while at < count:
            if contexts[at] == self.contexts[at] and at not in complaints:
                at += 1
                continue
            start = at
            while at < count and (contexts[at] != self.contexts[at] or at in complaints):
                at += 1
            self._cover(start, at - 1, indexes)

    def _cover(self, start: int, last: int, indexes: list[int]) -> None:
        """Extend the finding that a run of misread lines began with; a run without one gets its own."""
        latest = bisect_right(indexes, start) - 1
        if latest >= 0:
            # among findings of one line the first is the cause
            which = bisect_left(indexes, indexes[latest])
            if self.told[which][1].file == self._lines[start].at.file:
                self._grow(which, last)
                return
        template = any(self._lines[at].at.pieces for at in range(start, last + 1))
        code = "template-braces" if template else "misread-lines"
        message = "keepalived reads these lines in another block than meant"
        if template:
            message = "templates were not filled: keepalived takes their braces for blocks and misreads these lines"
        fix = "fill the template first (envsubst, the container's start script)" if template else "check the braces"
        self._tell(start, last, Severity.ERROR, code, message, fix)


def _homes(level: Level, name: str) -> list[str]:
    """The names of all levels that know a keyword."""
    found: list[str] = []
    pending = [level]
    while pending:
        current = pending.pop(0)
        for row in current.rows:
            if row.name == name and current.name not in found:
                found.append(current.name)
            if row.level is not None:
                pending.append(row.level)
    return found
