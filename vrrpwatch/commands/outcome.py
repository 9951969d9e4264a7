"""From what happened to an exit code: every error is one line on stderr, and no crash looks like a verdict."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from typing import Any, Final, NoReturn

from vrrpcore.errors import VrrpwatchError

#: commands whose exit codes are those of monitoring plugins: errors and bad usage are UNKNOWN there
PLUGINS: Final = ("check", "analyze")
#: commands that answer nobody
DAEMONS: Final = ("watch", "run")
FAILURE: Final = 1
USAGE: Final = 2
UNKNOWN: Final = 3
INTERRUPTED: Final = 130  # 128 + SIGINT


def run_to_exit(command: Callable[[], Any], name: str) -> NoReturn:
    """Run the command line (`name` is its command) and leave the process with the right exit code."""
    plugin = name in PLUGINS
    if _opened_for_nobody() and name not in DAEMONS:
        say("standard output is closed: there is nowhere to answer to")
        raise SystemExit(UNKNOWN if plugin else FAILURE)
    sys.unraisablehook = _once_more
    try:
        code = command()
        sys.stdout.flush()
    except VrrpwatchError as error:
        code = _code_of(error, plugin)
        say(str(error))
    except KeyboardInterrupt:
        code = INTERRUPTED
    except OSError as error:
        say(f"{f'{error.filename}: ' if error.filename else ''}{error.strerror or error}")
        code = UNKNOWN if plugin else FAILURE
    except Exception as error:  # noqa: BLE001 (Click's exceptions have no home that every typer shares)
        code = _click_error(error, plugin)
    raise SystemExit(code if isinstance(code, int) else 0)


def _opened_for_nobody() -> bool:
    """Whether standard output was closed. Whatever was is /dev/null from now on, or a socket would take its number."""
    closed = sys.stdout is None  # so the interpreter says it, whatever the types promise
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            os.dup2(os.open(os.devnull, os.O_RDWR), number)
            if number:  # who reads from a standard input that was closed is told so
                setattr(sys, name, os.fdopen(number, "w"))
    return closed


def _once_more(swallowed: Any) -> None:
    """Python drops what is raised in a finalizer (a library's event loop, say). A Ctrl-C that met one comes again.

    Anything else is for -vv: an event loop that a Ctrl-C caught half made cannot be closed, which is no news.
    """
    if swallowed.exc_type is not KeyboardInterrupt:
        found = (swallowed.exc_type, swallowed.exc_value, swallowed.exc_traceback)
        logging.getLogger("vrrpwatch").debug("in a finalizer (%r)", swallowed.object, exc_info=found)
        return
    import signal

    signal.signal(signal.SIGALRM, signal.default_int_handler)
    signal.setitimer(signal.ITIMER_REAL, 0.02)


def _code_of(error: VrrpwatchError, plugin: bool) -> int:
    if plugin:
        return UNKNOWN
    return FAILURE if error.exit_code == UNKNOWN else error.exit_code


def _click_error(error: Exception, plugin: bool) -> int:
    """Click's errors are known by their shape (typer vendors Click); whatever else arrives here is a defect of ours."""
    name = type(error).__name__
    if name == "Abort":
        return INTERRUPTED
    if name == "Exit":
        return int(getattr(error, "exit_code", 0))
    form: Any = getattr(error, "format_message", None)
    if form is None:
        if logging.getLogger().isEnabledFor(logging.DEBUG):
            logging.getLogger("vrrpwatch").error("internal error", exc_info=error)
        else:
            say(f"internal error: {name}: {error}; a defect of vrrpwatch, -vv before the command shows where")
        return UNKNOWN if plugin else FAILURE
    if name == "NoArgsIsHelpError":
        sys.stderr.write(f"{form()}\n")
        return USAGE
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "vrrpwatch"
    say(f"{form()} (see `{path} --help`)")
    return UNKNOWN if plugin else USAGE


def say(text: str) -> None:
    """One error, one line, in the form of the log."""
    line = " ".join(text.split())
    if logging.getLogger().handlers:
        logging.getLogger("vrrpwatch").error(line)
    else:
        sys.stderr.write(f"vrrpwatch: error: {line}\n")  # bad usage of the options that set the log up
