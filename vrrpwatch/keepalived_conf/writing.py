"""Writing words, commands and blocks so that keepalived reads back what was meant."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from vrrpcore.settings import Command

_PLAIN_WORD = re.compile(r"[^\s\"'#!{}\\@$~][^\s\"'#!{}\\]*\Z")
_PLAIN_PART = re.compile(r"[^\x00-\x20\"'\\]+\Z")


def word(text: str) -> str:
    """A word as the ordinary splitting reads it back; `"` cannot be written at all and becomes '."""
    if _PLAIN_WORD.match(text):
        return text
    return '"' + text.replace('"', "'") + '"'


def command(script: Command) -> str:
    """A command in quotation marks, with user and group behind it; special characters as octal escapes."""
    inner = " ".join(_part(each) for each in script.words)
    behind = "".join(f" {each}" for each in (script.user, script.group) if each)
    return f'"{inner}"{behind}'


def _part(text: str) -> str:
    """One word of a command, to be split twice: a backslash must survive the first time."""
    if _PLAIN_PART.match(text) and "${_" not in text:
        return text
    if text and re.fullmatch(r"[^\x00-\x1f\"'\\]+", text) and "${_" not in text:
        return f"'{text}'"
    if not text:
        return "''"
    return "".join(char if _PLAIN_PART.match(char) and char != "$" else f"\\\\{ord(char) & 0xFF:03o}" for char in text)


def number(value: float, digits: int) -> str:
    """A decimal without superfluous zeros."""
    return f"{value:.{digits}f}".rstrip("0").rstrip(".") if digits else str(value)


def seconds(value: float) -> str:
    """Seconds with up to six places."""
    return number(value, 6)


@dataclass(slots=True)
class Block:
    """A block with its lines and inner blocks; without a title, lines of the top level."""

    title: str
    lines: list[str] = field(default_factory=list)
    blocks: list[Block] = field(default_factory=list)
    keep: bool = False  # also when empty

    @property
    def empty(self) -> bool:
        return not self.keep and not self.lines and all(block.empty for block in self.blocks)

    def add(self, block: Block) -> None:
        """Put a block inside."""
        self.blocks.append(block)

    def render(self, depth: int = 0) -> str:
        """The block as text, four blanks per level."""
        inner = depth + 1 if self.title else depth
        lines = [" " * 4 * inner + line + "\n" for line in self.lines]
        body = "".join(lines) + "".join(block.render(inner) for block in self.blocks if not block.empty)
        if not self.title:
            return body
        blanks = " " * 4 * depth
        return f"{blanks}{self.title} {{\n{body}{blanks}}}\n"
