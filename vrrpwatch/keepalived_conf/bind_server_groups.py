"""Binding of virtual_server_group and SSL."""

from __future__ import annotations

from vrrpcore.settings import (
    SslFiles,
    VirtualServerGroup,
    VirtualServerGroupEntry,
)
from vrrpwatch.keepalived_conf import values
from vrrpwatch.keepalived_conf.bind import Binder, origin
from vrrpwatch.keepalived_conf.findings import Severity
from vrrpwatch.keepalived_conf.nodes import Line, Node
from vrrpwatch.keepalived_conf.table import BadWord, Missing, checked, need
from vrrpwatch.keepalived_conf.words import Word


def server_group(binder: Binder, node: Node) -> VirtualServerGroup | None:
    """One virtual_server_group."""
    name = binder.value_of(Line(node.line.at, node.line.words[:2]), node.keyword) if node.keyword else None
    if name is None:
        return None
    entries = tuple(each for line in node.values if (each := _group_entry(binder, line)) is not None)
    if not entries:
        binder.tell(
            node.line,
            Severity.ERROR,
            "empty-group",
            f"virtual_server_group {name} has no entries; keepalived removes it",
            "add ADDRESS PORT lines",
            end_line=node.end_line,
        )
    return VirtualServerGroup(name, entries, origin(node.line))


def _group_entry(binder: Binder, line: Line) -> VirtualServerGroupEntry | None:
    try:
        return _fwmark_entry(line) if line.head == "fwmark" else _range_entry(line)
    except BadWord as bad:
        binder.refuse(line, bad, "the line is skipped", "virtual_server_group")
    except Missing:
        binder.tell(
            line,
            Severity.ERROR,
            "missing-parameter",
            "fwmark needs a number; keepalived gives up here",
            "write fwmark N",
            exit_code=2,
        )
    return None


def _fwmark_entry(line: Line) -> VirtualServerGroupEntry:
    mark = checked(need(line.words, 1), values.unsigned)
    family = None
    if len(line.words) > 2:
        families = {"inet": 4, "inet6": 6}
        if line.words[2].text not in families:
            raise BadWord(line.words[2], f"'{line.words[2].text}' is not inet or inet6")
        family = families[line.words[2].text]
    return VirtualServerGroupEntry(fwmark=mark, family=family)


def _range_entry(line: Line) -> VirtualServerGroupEntry:
    word = line.words[0]
    first: bytes = checked(word, values.socket_address)
    port = 0
    if len(line.words) > 1 and line.words[1].text.strip("0"):
        port = checked(line.words[1], values.unsigned, 1, 65535)
    return VirtualServerGroupEntry(first, _range_end(word, first), port)


def _range_end(word: Word, first: bytes) -> bytes:
    """The last address of `A`, `A/LENGTH`, `A-B` or `A-N` (the last part)."""
    bits = len(first) * 8
    if "/" in word.text:
        length: int = checked(Word(word.text.partition("/")[2], word.offset), values.unsigned, 1, bits)
        host = (1 << (bits - length)) - 1
        if int.from_bytes(first) & host:
            raise BadWord(word, f"{word.text} has bits beyond its prefix length")
        return (int.from_bytes(first) | host).to_bytes(len(first))
    if "-" not in word.text:
        return first
    tail = word.text.partition("-")[2]
    if "." in tail or ":" in tail:
        last: bytes = checked(Word(tail, word.offset), values.address)
    else:
        base = 10 if len(first) == 4 else 16
        size = 1 if len(first) == 4 else 2
        try:
            last = first[:-size] + int(tail, base).to_bytes(size)
        except (ValueError, OverflowError):
            raise BadWord(word, f"'{tail}' is no end of a range") from None
    if len(last) != len(first) or last < first:
        raise BadWord(word, f"{word.text} ends before it begins")
    return last


def ssl(binder: Binder, node: Node) -> SslFiles:
    """The SSL block."""
    block = binder.read(node)
    return SslFiles(*(block.get(name, "") for name in ("password", "ca", "certificate", "key")))
