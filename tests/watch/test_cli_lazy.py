"""Lazy commands: the same values as typer makes by itself, and no command without its declaration."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import pytest
import typer

from vrrpwatch.cli import COMMANDS, command_line
from vrrpwatch.cli.lazy import spare


def everything(
    words: Annotated[list[str] | None, typer.Argument()] = None,
    text: Annotated[str, typer.Option("--text")] = "plain",
    maybe: Annotated[str | None, typer.Option("--maybe")] = None,
    number: Annotated[int, typer.Option("--number")] = 7,
    numbers: Annotated[list[int] | None, typer.Option("--numbers")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=9)] = 5,
    seconds: Annotated[float, typer.Option("--seconds")] = 1.0,
    flag: Annotated[bool | None, typer.Option("--flag/--no-flag")] = None,
    path: Annotated[Path | None, typer.Option("--path")] = None,
    count: Annotated[int, typer.Option("--count", count=True)] = 0,
    needed: Annotated[str, typer.Option("--needed")] = ...,  # type: ignore[assignment]
    checked: Annotated[str, typer.Option("--checked", callback=lambda value: f"<{value}>")] = "x",
) -> Any:
    """A command with an option of each kind."""
    return dict(locals())


def outcome(command: Any, words: list[str]) -> Any:
    try:
        return command.main(args=words, standalone_mode=False)
    except Exception as error:  # noqa: BLE001 (typer's, whichever it is)
        return type(error).__name__, error.format_message()  # type: ignore[attr-defined]


NUMBERS = (
    "0",
    "51",
    "007",
    "-1",
    "+5",
    " 5",
    "5 ",
    "1_0",
    "1.5",
    ".5",
    "5.",
    "1e3",
    "nan",
    "inf",
    "x",
    "",
    "9" * 30,
    "٣",
    "１",
    "0x1",
)
TEXTS = ("", "x", "käse", "a b", "\udcff", "-")


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["a", "b", "käse"],
        *([option, word] for option in ("--number", "--numbers", "--limit", "--seconds") for word in NUMBERS),
        *([option, word] for option in ("--text", "--maybe", "--path", "--checked") for word in TEXTS),
        ["--numbers", "1", "--numbers", "2"],
        ["--numbers", "1", "--numbers", "x"],
        ["--flag", "--count", "--count"],
        ["--no-flag"],
        ["--nonsense"],
        ["--text"],
    ],
    ids=ascii,
)
def test_values_and_errors_are_those_of_typer(words: list[str]) -> None:
    app = typer.Typer(rich_markup_mode=None, add_completion=False)
    app.command()(everything)
    theirs, ours = typer.main.get_command(app), spare(typer.main.get_command(app))
    for line in (words, [*words, "--needed", "n"]):
        assert repr(outcome(ours, line)) == repr(outcome(theirs, line))  # repr: types count, and nan is nan


def test_every_command_is_declared_where_the_table_says_and_says_itself_the_same() -> None:
    commands = command_line().commands
    assert list(commands) == [name for name, _, _ in COMMANDS]
    for name, short_help, _ in COMMANDS:
        loaded = commands[name].load()
        assert loaded.name == name
        assert loaded.help
        assert commands[name].get_short_help_str(100) == short_help
