"""What keepalived acts on and `vrrpwatch run` does not: accepted, kept, and listed, never silently lost."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from vrrpwatch.keepalived_conf.findings import Collector, Finding, Severity
from vrrpwatch.keepalived_conf.nodes import Node
from vrrpwatch.keepalived_conf.table import Keyword
from vrrpwatch.keepalived_conf.tables.effect import NO_EFFECT

CODE = "no-effect-here"
_OFF = ("off", "no", "false")


def why_without_effect(level: str, keyword: Keyword) -> str:
    """Why `vrrpwatch run` does not act on a keyword of a block; "" where it does."""
    named = NO_EFFECT.get((level, keyword.name), "")
    if named or keyword.field or keyword.is_block:
        return named
    return NO_EFFECT.get((level, ""), "it has nothing that this could set")


def without_effect(tree: Node, files: Iterable[str]) -> list[Finding]:
    """One note per keyword or block of a tree that `vrrpwatch run` does not act on; none of them is a mistake."""
    collector = Collector()
    for node, why in _nodes(tree):
        at = node.line.at
        column = at.column_at(node.line.words[0].offset)
        message = f"{node.line.head}: accepted, but without effect in vrrpwatch run: {why}"
        last = max(at.line, node.end_line)
        collector.add(Finding(at.file, at.line, column, last, Severity.NOTE, CODE, message))
    return collector.sorted(files)


def _nodes(tree: Node) -> Iterator[tuple[Node, str]]:
    """Nodes without effect in the order of the file; what is inside of one is not told again."""
    pending = list(reversed(tree.children))
    while pending:
        node = pending.pop()
        if node.keyword is None:
            continue
        why = why_without_effect(node.level.name, node.keyword)
        if not why:
            pending += reversed(node.children)
        elif not (node.parameters and node.parameters[0].text in _OFF and not node.keyword.is_block):
            yield node, why


def grouped(findings: Iterable[Finding]) -> str:
    """All notes of `without_effect` in one: which keywords, on which lines; "" without any."""
    places: dict[str, dict[str, list[str]]] = {}
    for each in findings:
        span = f"{each.line}-{each.end_line}" if each.end_line > each.line else f"{each.line}"
        keyword = each.message.partition(":")[0]
        places.setdefault(each.file, {}).setdefault(keyword, []).append(span)
    lines = []
    for file, keywords in places.items():
        told = ", ".join(f"{keyword} ({_lines(spans)})" for keyword, spans in keywords.items())
        lines.append(f"{file}: note: accepted, but without effect in vrrpwatch run: {told} [{CODE}]")
    return "\n".join(lines)


def _lines(spans: list[str], most: int = 5) -> str:
    more = f" and {len(spans) - most} more" if len(spans) > most else ""
    return ("line " if len(spans) == 1 and "-" not in spans[0] else "lines ") + ", ".join(spans[:most]) + more
