"""A physical line cut: where its comment begins, and where its braces are."""

from __future__ import annotations

import re


def decomment(raw: str) -> tuple[str, bool]:
    """A line without its comment and outer blanks, and whether a quotation mark was left open.

    Only `"` quotes here; `\\#` and `\\!` stand for themselves; blanks before a final backslash go too.
    """
    text = raw.strip(" \t")
    if not any(char in text for char in '!#"\\'):
        return text, False
    out: list[str] = []
    quoted, comment, at, end = False, False, 0, len(text)
    continued = False
    while at < end:
        char = text[at]
        if char == '"' and not comment:
            quoted = not quoted
        elif char == "\\":
            if at + 1 == end:
                continued = True
                break
            if not quoted and text[at + 1] in "#!":
                at += 1
                char = text[at]
            elif not comment:
                out.append(char)
                at += 1
                char = text[at]
            else:
                at += 1
        elif char in "!#" and not quoted:
            comment = True
        if not comment:
            out.append(char)
        at += 1
    cleaned = "".join(out).rstrip(" \t")
    return (cleaned + "\\" if continued else cleaned), quoted


#: Templates of shells, Docker, Jinja, Go and Ansible that were never filled.
TEMPLATE = re.compile(r"\$\{[A-Za-z_][^{}\"]*\}|\{\{[^{}\"]*\}\}|\{%[^{}\"]*%\}")


def cut_at_braces(text: str, keep: re.Pattern[str] | None = None) -> list[tuple[str, int]]:
    """A line cut so that every brace outside of `"` stands alone: pieces with their offsets.

    What `keep` matches stays in one piece.
    """
    if "{" not in text and "}" not in text:
        return [(text, 0)]
    kept = {match.start(): match.end() for match in keep.finditer(text)} if keep is not None else {}
    pieces: list[tuple[str, int]] = []
    at, end = 0, len(text)
    while at < end:
        if text[at] in " \t":
            at += 1
        elif text[at] in "{}" and at not in kept:
            pieces.append((text[at], at))
            at += 1
        else:
            stop = _brace_after(text, at, kept)
            pieces.append((text[at:stop].rstrip(" \t"), at))
            at = stop
    return pieces


def _brace_after(text: str, at: int, kept: dict[int, int]) -> int:
    """The position of the first brace that is not quoted; the end when there is none (or a quote stays open)."""
    end = len(text)
    while at < end:
        if at in kept:
            at = kept[at]
            continue
        if text[at] in "{}":
            return at
        if text[at] == '"':
            close = text.find('"', at + 1)
            if close < 0:
                return end
            at = close
        at += 1
    return end
