"""The speaker's log: lines go to the supervisor, and those that a packet can provoke are rationed (RFC 9568 §8.3)."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from typing import Any, Final

from vrrpcore.machine import State

_QUIET: Final = 60.0  # seconds between two lines of one kind about one router
_KEPT: Final = 1000

#: ("log", (level, line)) | ("row", row) | ("global", row) | ("note", line) | ("ready", None) | ("reloaded", None) and
#: what scripts, FIFOs and mail may have to tell (speaker.chores): ("changed", (name, STATE, priority)) …
Report = Callable[[str, Any], object]


def word(state: State) -> str:
    """A state as scripts, FIFOs and mail name it: MASTER, BACKUP, FAULT, STOP."""
    return "STOP" if state is State.INIT else state.value.upper()


class Journal:
    """What the speaker has to say."""

    def __init__(self, report: Report) -> None:
        self.report = report
        self._said: dict[tuple[str, str, str], float] = {}
        self._hushed: Counter[tuple[str, str, str]] = Counter()

    def log(self, level: str, line: str) -> None:
        """One line: debug, info, warning or error."""
        self.report("log", (level, line))

    def say(self, router: str, level: str, kind: str, line: str, *, wording: bool = True) -> None:
        """A line that may come with every packet: once a minute for each router and kind (and wording)."""
        now = time.monotonic()
        what = (router, kind, line if wording else "")
        said = self._said.get(what)
        if said is not None and now - said < _QUIET:
            self._hushed[what] += 1
            return
        if len(self._said) > _KEPT:
            self._said.clear()
            self._hushed.clear()
        self._said[what] = now
        more = self._hushed.pop(what, 0)
        self.log(
            level, (f"({router}) " if router else "") + line + (f" ({more} more like this before)" if more else "")
        )
