"""How every command speaks: the answer to stdout, everything else to stderr, one line for each error."""

from __future__ import annotations

import logging
import os
import sys
import time
from typing import TYPE_CHECKING, Final, Literal, TextIO

if TYPE_CHECKING:
    from vrrpcore.verdict import Judgement

BROKEN_PIPE: Final = 141  # 128 + SIGPIPE
Output = Literal["plugin", "text", "json", "html"]


def answer(text: str) -> None:
    """Write to stdout and see it through: a full disk or a closed pipe must not look like success."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        # the interpreter would complain about the lost output once more at its exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(BROKEN_PIPE) from None


def remark(text: str) -> None:
    """One line to stderr for people; silent under --quiet."""
    logging.getLogger("vrrpwatch").info(text)


def wants_colour(stream: TextIO) -> bool:
    """Colour only on a terminal, and not where NO_COLOR is set (https://no-color.org) or the terminal is dumb."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def render(judgement: Judgement, output: Output) -> str:
    """The judgement in the asked form."""
    if output == "plugin":
        from vrrpexporters.report.plugin import as_plugin

        return as_plugin(judgement)
    if output == "json":
        from vrrpexporters.report.documents import as_json

        return as_json(judgement)
    if output == "html":
        from vrrpexporters.report.page import as_html

        return as_html(judgement)
    from vrrpexporters.report.text import as_text

    return as_text(judgement, colour=wants_colour(sys.stdout))


class _TextLines(logging.Formatter):
    """`vrrpwatch: message`, for a terminal or a journal that adds the time by itself."""

    def format(self, record: logging.LogRecord) -> str:
        level = "" if record.levelno <= logging.INFO else f"{record.levelname.lower()}: "
        text = f"vrrpwatch: {level}{record.getMessage()}"
        return f"{text}\n{self.formatException(record.exc_info)}" if record.exc_info else text


class _JsonLines(logging.Formatter):
    """One JSON object for each line of the log."""

    def format(self, record: logging.LogRecord) -> str:
        import json  # most logs are text

        row: dict[str, object] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            row["exception"] = self.formatException(record.exc_info)
        extra = getattr(record, "fields", None)
        if isinstance(extra, dict):
            row.update(extra)
        return json.dumps(row, default=str)


class _Stderr(logging.Handler):
    """Writes to whatever stderr is at that moment."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            sys.stderr.write(self.format(record) + "\n")
            sys.stderr.flush()
        except (OSError, ValueError):
            pass  # there is nobody left to tell


def set_up_logging(level: int, form: str) -> None:
    """Send the log to stderr, as lines of text or JSON."""
    handler = _Stderr()
    handler.setFormatter(_JsonLines() if form == "json" else _TextLines())
    logging.basicConfig(level=level, handlers=[handler], force=True)
