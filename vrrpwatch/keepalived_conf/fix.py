"""`config fix`: repairs that change nothing but the complaint, or that write what was plainly meant, as a diff.

Safe means: the adverts on the wire, the addresses and the election stay what they are. What would change behaviour
(a dropped address that comes back, a script that suddenly gets its arguments) is left to its author; `check` names it.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass

from vrrpwatch.keepalived_conf.cutting import decomment
from vrrpwatch.keepalived_conf.nodes import Node
from vrrpwatch.keepalived_conf.read import Reading
from vrrpwatch.keepalived_conf.tables.top import FORMER, FORMER_ANYWHERE
from vrrpwatch.keepalived_conf.words import Word


@dataclass(frozen=True, slots=True)
class Edit:
    """Replace a span of one line; `text` None removes the line."""

    file: str
    line: int
    start: int = 0  # 0-based
    end: int = 0
    text: str | None = None


def edits(reading: Reading) -> list[Edit]:
    """All safe repairs of one configuration, in file order."""
    found: list[Edit] = []
    for node in _nodes(reading.tree):
        if node.line.at.exact:
            found += _of_node(node, reading)
    return found


def _nodes(root: Node) -> Iterator[Node]:
    pending = list(reversed(root.children))
    while pending:
        node = pending.pop()
        yield node
        pending.extend(reversed(node.children))


def _replace(node: Node, word: Word, text: str) -> Edit:
    at = node.line.at
    start = at.column_at(word.offset) - 1
    return Edit(at.file, at.line, start, start + len(word.text), text)


def _remove(node: Node, reading: Reading) -> list[Edit]:
    """Remove the line, if the keyword is all that it holds."""
    at = node.line.at
    text, _ = decomment(reading.library.raw(at.file, at.line))
    return [Edit(at.file, at.line)] if text == at.text else []


def _of_node(node: Node, reading: Reading) -> list[Edit]:
    head, level = node.line.words[0], node.level
    if node.keyword is None:
        return _former(node, reading)
    if node.keyword.deprecated and level.get(node.keyword.deprecated) is not None:
        return [_replace(node, head, node.keyword.deprecated)]
    first = node.parameters[0] if node.parameters else None
    if first is None:
        return []
    if head.text in ("vrrp_garp_interval", "vrrp_gna_interval", "persistence_timeout") and not first.text.strip("0"):
        return _remove(node, reading)
    if head.text == "state" and first.text not in ("MASTER", "BACKUP"):
        upper = first.text.upper()
        return [_replace(node, first, "BACKUP")] if upper in ("BACKUP", "SLAVE", "STANDBY", "SECONDARY") else []
    if head.text == "quorum" and first.text == "0":
        return [_replace(node, first, "1")]
    if head.text == "auth_pass":
        return _password(node, first)
    if head.text == "advert_int":
        return _interval(node, first, reading)
    return []


def _former(node: Node, reading: Reading) -> list[Edit]:
    head, level = node.line.words[0], node.level
    advice = FORMER.get((level.name, head.text)) or FORMER_ANYWHERE.get(head.text) or ""
    if advice.startswith("delete"):
        return _remove(node, reading)
    parts = advice.split()
    if len(parts) > 1 and parts[0] == "write" and level.get(parts[1]) is not None:
        return [_replace(node, head, parts[1])]
    if head.text.lower() != head.text and level.get(head.text.lower()) is not None:
        return [_replace(node, head, head.text.lower())]
    return []


def _password(node: Node, word: Word) -> list[Edit]:
    """Only the first 8 octets count: writing just those changes nothing on the wire."""
    data = word.text.encode("utf-8", "surrogateescape")
    if word.quoted or len(data) <= 8 or not word.text.isascii():
        return []
    return [_replace(node, word, word.text[:8])]


def _interval(node: Node, word: Word, reading: Reading) -> list[Edit]:
    """What version 2 rounds anyway."""
    for instance in reading.settings.instances:
        where = instance.origins.get("advert_int")
        if where is not None and (where.file, where.line) == (node.line.at.file, node.line.at.line):
            used = f"{instance.advert_interval_seconds:g}"
            try:
                differs = float(word.text) != instance.advert_interval_seconds
            except ValueError:
                return []
            return [_replace(node, word, used)] if differs and instance.version == 2 else []
    return []


def repaired(reading: Reading) -> dict[str, list[str]]:
    """The lines of every file that changes, after all repairs."""
    result: dict[str, list[str]] = {}
    for edit in sorted(set(edits(reading)), key=lambda each: (each.file, each.line, each.start), reverse=True):
        lines = result.setdefault(edit.file, list(reading.library.sources[edit.file].lines))
        at = edit.line - 1
        if edit.text is None:
            del lines[at]
        else:
            lines[at] = lines[at][: edit.start] + edit.text + lines[at][edit.end :]
    return result


def diff(reading: Reading) -> str:
    """The repairs as a unified diff; "" when there is nothing to repair."""
    parts = []
    for name, lines in repaired(reading).items():
        before = [line + "\n" for line in reading.library.sources[name].lines]
        after = [line + "\n" for line in lines]
        parts.append("".join(difflib.unified_diff(before, after, name, name)))
    return "".join(sorted(parts))
