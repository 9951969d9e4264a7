"""Lines with their words, and the nodes of the tree."""

from __future__ import annotations

from dataclasses import dataclass, field

from vrrpwatch.keepalived_conf.cutting import TEMPLATE
from vrrpwatch.keepalived_conf.findings import Collector, Finding, Severity
from vrrpwatch.keepalived_conf.lines import LogicalLine
from vrrpwatch.keepalived_conf.table import Keyword, Level
from vrrpwatch.keepalived_conf.words import Word, split


@dataclass(slots=True)
class Line:
    """A logical line with its words."""

    at: LogicalLine
    words: list[Word]

    @property
    def head(self) -> str:
        return self.words[0].text


@dataclass(slots=True)
class Node:
    """One keyword with its words; a block has children or values."""

    line: Line
    level: Level
    keyword: Keyword | None
    children: list[Node] = field(default_factory=list)
    values: list[Line] = field(default_factory=list)
    end_line: int = 0

    @property
    def parameters(self) -> list[Word]:
        return self.line.words[1:]


#: Where the parser stands: the index of the line that opened the innermost block, and what kind of block it is.
Context = tuple[int, str]


def prepare(lines: list[LogicalLine], collector: Collector) -> list[Line]:
    """Split every line into words; a quotation mark without a partner is told, empty lines go."""
    result = []
    for at in lines:
        words, open_quote = _split_template(at.text) if at.pieces else split(at.text)
        if open_quote is not None:
            column = at.column_at(open_quote)
            collector.add(
                Finding(
                    at.file,
                    at.line,
                    column,
                    at.line,
                    Severity.ERROR,
                    "quote-unmatched",
                    'this " has no partner; keepalived drops it and what follows',
                    'close the quotation with "',
                    5,
                )
            )
        if words:
            result.append(Line(at, words))
    return result


def _split_template(text: str) -> tuple[list[Word], int | None]:
    """As `split`, but `{{ a name }}` is one word."""
    masked = TEMPLATE.sub(lambda match: match.group().replace(" ", "\0").replace("\t", "\0"), text)
    words, open_quote = split(masked)
    return [word._replace(text=word.text.replace("\0", " ")) for word in words], open_quote
