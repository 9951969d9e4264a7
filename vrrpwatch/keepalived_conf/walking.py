"""keepalived's own way through the lines, reduced to where it stands and what it complains of."""

from __future__ import annotations

from vrrpwatch.keepalived_conf.nodes import Context, Line
from vrrpwatch.keepalived_conf.table import Level
from vrrpwatch.keepalived_conf.words import split


def _tokens(line: Line) -> tuple[str, ...]:
    """What keepalived's parser looks at: the first word, or every piece of a template that it cuts at braces."""
    if line.at.pieces:
        return tuple(
            split(piece)[0][0].text if piece not in "{}" else piece for piece in line.at.pieces if split(piece)[0]
        )
    return (line.at.text if line.at.text in ("{", "}") else line.head,)


class _Walker:
    """keepalived's parser, reduced to where it stands and what it does not know."""

    def __init__(self, root: Level) -> None:
        self._stack: list[tuple[Level, Context]] = [(root, (-1, "block"))]
        self._needs_brace = False
        self._values = -1  # the index that opened a block of values
        self._wants_open = False

    @property
    def context(self) -> Context:
        return (self._values, "values") if self._values >= 0 else self._stack[-1][1]

    def step(self, index: int, head: str) -> bool:
        """Take one token; whether keepalived complains of it."""
        return self._value(head) if self._values >= 0 else self._keyword(index, head)

    def _value(self, head: str) -> bool:
        opening, self._wants_open = self._wants_open, False
        if opening and head == "{":
            return False
        if head == "}":
            self._values = -1
        return head == "{"

    def _keyword(self, index: int, head: str) -> bool:
        needed, self._needs_brace = self._needs_brace, False
        if needed and head == "{":
            return False
        if head == "{":
            return True
        if head == "}" and len(self._stack) > 1:
            self._stack.pop()
            return needed
        keyword = self._stack[-1][0].get(head)
        if keyword is None:
            return True
        if keyword.level is not None:
            self._stack.append((keyword.level, (index, "block")))
            self._needs_brace = True
        elif keyword.values:
            self._values, self._wants_open = index, True
        return needed


def walk(lines: list[Line], root: Level) -> tuple[list[Context], set[int]]:
    """How keepalived's parser goes through the lines: where it stands at each, and which ones it complains of."""
    contexts: list[Context] = []
    complaints: set[int] = set()
    walker = _Walker(root)
    for index, line in enumerate(lines):
        contexts.append(walker.context)
        for head in _tokens(line):
            if walker.step(index, head):
                complaints.add(index)
    return contexts, complaints


def walk_skipping(lines: list[Line], root: Level) -> set[int]:
    """What keepalived's other processes complain of: they skip every top-level block by counting braces.

    The parent and the health checks do not read vrrp_instance, the VRRP process no virtual_server. A block without its
    `{` is not skipped at all, and a `}` too many ends the skipping early: what follows is read at the top level.
    """
    complaints: set[int] = set()
    depth, pending = 0, False  # pending: a block's keyword was read, its `{` must be next
    for index, line in enumerate(lines):
        for text in _tokens(line):
            if pending:
                pending = False
                if text == "{":
                    depth = 1
                    continue
            if depth:
                depth += {"{": 1, "}": -1}.get(text, 0)
                continue
            keyword = root.get(text)
            if keyword is None:
                complaints.add(index)
            elif keyword.is_block:
                pending = True
    return complaints
