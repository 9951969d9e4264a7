"""The program as a process of its own, by `vrrpwatch` or `python -m vrrpwatch`: how it begins and how it ends."""

from __future__ import annotations

import atexit
import gc
import os
import sys
import threading
from typing import Final, NoReturn

#: Who has loaded one of these may hold more than memory: files, processes, a database.
_HOLDERS: Final = frozenset(("asyncio", "multiprocessing", "sqlite3"))


def main() -> NoReturn:
    """Run the command line, then leave without taking every object apart: the kernel does that at once."""
    gc.disable()  # what start-up makes stays: no use in looking through it for garbage again and again
    from vrrpwatch import cli

    gc.freeze()
    gc.set_threshold(20_000, 20, 20)  # what is loaded and judged is not garbage either
    gc.enable()
    try:
        cli.main()
    except SystemExit as stop:
        if isinstance(stop.code, int) and threading.active_count() == 1 and _HOLDERS.isdisjoint(sys.modules):
            _end(stop.code)
        raise


def _end(code: int) -> None:
    """End here if nothing is left to be done or said; if something is, the interpreter does it and complains."""
    atexit._run_exitfuncs()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except (AttributeError, OSError, ValueError):  # one of them is closed, or its reader is gone
        return
    os._exit(code)


if __name__ == "__main__":
    main()
