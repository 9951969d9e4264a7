"""How a line of keepalived.conf falls into words: two different ways of quoting, as keepalived has them."""

from __future__ import annotations

import re
from typing import NamedTuple

BLANKS = " \t\f\n\r\v"


class Word(NamedTuple):
    """A word and where it begins in its line (0 = first character)."""

    text: str
    offset: int
    quoted: bool = False


class QuoteError(ValueError):
    """A quotation mark without its partner, or a backslash with nothing behind it; `offset` says where."""

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(message)
        self.offset = offset


def split(text: str) -> tuple[list[Word], int | None]:
    """Ordinary splitting: blanks separate, `"` encloses (and also ends a word before it), no escapes.

    Returns the words and the offset of an opening quotation mark without a partner (the words before it count).
    """
    if '"' not in text:
        return _plain(text), None
    words: list[Word] = []
    at, end = 0, len(text)
    while True:
        while at < end and text[at] in BLANKS:
            at += 1
        if at >= end:
            return words, None
        if text[at] == '"':
            close = text.find('"', at + 1)
            if close < 0:
                return words, at
            words.append(Word(text[at + 1 : close], at, True))
            at = close + 1
            continue
        start = at
        while at < end and text[at] not in BLANKS and text[at] != '"':
            at += 1
        words.append(Word(text[start:at], start))


# not str.split(): that also splits at the no-break space of copied web pages, which keepalived takes for a letter
_WORD = re.compile(r"[^ \t\f\n\r\v]+")


def _plain(text: str) -> list[Word]:
    return [Word(match.group(), match.start()) for match in _WORD.finditer(text)]


_SIMPLE = {"a": "\a", "b": "\b", "E": "\x1b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_OCTAL = "01234567"
_HEX = "0123456789abcdefABCDEF"


def split_script(text: str) -> list[Word]:
    """Splitting of lines that hold a command: `"` and `'` enclose and join, with C-like escapes in and out of them.

    Raises QuoteError where keepalived gives up.
    """
    words: list[Word] = []
    at, end = 0, len(text)
    while True:
        while at < end and text[at] in BLANKS:
            at += 1
        if at >= end:
            return words
        start, quote, out, was_quoted = at, "", [], False
        while at < end:
            char = text[at]
            if char == "\\":
                piece, at = _escape(text, at + 1)
                out.append(piece)
            elif quote:
                if char == quote:
                    quote = ""
                else:
                    out.append(char)
                at += 1
            elif char in "\"'":
                quote, was_quoted, opened = char, True, at
                at += 1
            elif char in BLANKS:
                break
            else:
                out.append(char)
                at += 1
        if quote:
            raise QuoteError(f"the quotation mark {quote} is not closed", opened)
        words.append(Word("".join(out), start, was_quoted))


def _escape(text: str, at: int) -> tuple[str, int]:
    """The character that an escape stands for, and the position behind it; `at` is just after the backslash."""
    if at >= len(text):
        raise QuoteError("a backslash at the end escapes nothing", at - 1)
    char = text[at]
    if char == "x" and text[at + 1 : at + 2] and text[at + 1] in _HEX:
        stop = at + 1
        while stop < len(text) and text[stop] in _HEX:
            stop += 1
        return chr(int(text[at + 1 : stop], 16) & 0xFF), stop
    if char == "c" and at + 1 < len(text):
        return chr(ord(text[at + 1]) & 0x1F), at + 2
    if char in _OCTAL:
        stop = at + 1
        while stop < min(len(text), at + 3) and text[stop] in _OCTAL:
            stop += 1
        return chr(int(text[at:stop], 8) & 0xFF), stop
    return _SIMPLE.get(char, char), at + 1
