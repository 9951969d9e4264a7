"""Where a configured value was written, and what was written without an effect here."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Origin:
    """A place in a file: `file` as it was opened, `line` and `column` from 1 (column 0: the whole line)."""

    file: str
    line: int
    column: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" + (f":{self.column}" if self.column else "")


#: For values that no file holds (defaults, built by hand in tests).
NOWHERE = Origin("", 0)


@dataclass(frozen=True, slots=True)
class UnusedKeyword:
    """A keyword that was understood and kept, but that has no effect in vrrpwatch (or that nobody knows)."""

    path: tuple[str, ...]  # enclosing blocks, outermost first, with their names: ("vrrp_instance VI_1",)
    words: tuple[str, ...]  # keyword and parameters as written
    known: bool  # keepalived knows the keyword
    origin: Origin = NOWHERE
