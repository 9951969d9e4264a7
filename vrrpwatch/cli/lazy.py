"""Commands that are named at once and declared when they are called: a start pays for the one command that it runs.

typer stays the only parser. What is spared is its work for the other commands and, for values that are already what
they are declared to be, the library that it asks to convert them.
"""

from __future__ import annotations

from functools import partial
from importlib import import_module
from typing import Any, Final, get_args, get_origin

import typer
from typer.core import TyperCommand

_DOUBT: Final = object()


class Later(TyperCommand):
    """A command by its name and short help; `where` (`module:name`) is its function, or the typer.Typer of a group."""

    def __init__(self, name: str, short_help: str, where: str) -> None:
        super().__init__(name=name, short_help=short_help, rich_markup_mode=None)
        self.where = where

    def load(self) -> Any:
        """The command itself, declared now."""
        module, _, name = self.where.partition(":")
        found = getattr(import_module(module), name)
        if not isinstance(found, typer.Typer):
            one = typer.Typer(rich_markup_mode=None, add_completion=False)
            one.command(name=self.name, short_help=self.short_help)(found)
            found = one
        return spare(typer.main.get_command(found))

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """The context of the command itself: everything after this is its own doing."""
        return self.load().make_context(info_name, args, parent=parent, **extra)


def spare(command: Any) -> Any:
    """`command`, with plain values taken as they are.

    Since 0.29 typer loads pydantic to look at each value, for 80 ms of CPU at every start. Other releases of typer are
    left alone: they convert by themselves.
    """
    command.get_params = partial(_params, command)
    for each in getattr(command, "commands", {}).values():
        spare(each)
    return command


def _params(command: Any, context: typer.Context) -> Any:
    """The parameters of a command, --help among them, with `_process` in front."""
    found = type(command).get_params(command, context)
    for param in found:
        if hasattr(param, "type_descriptor"):
            param.process_value = partial(_process, param)
    return found


def _process(param: Any, context: typer.Context, value: Any) -> Any:
    """What typer makes of a value. Whatever is wrong, missing or not quite plain, typer itself has to say."""
    plain = _plain(param, value)
    if plain is _DOUBT or (param.required and param.value_is_missing(plain)):
        return type(param).process_value(param, context, value)
    return plain if param.callback is None else param.callback(context, param, plain)


def _plain(param: Any, value: Any) -> Any:
    """The value in its declared type, or _DOUBT."""
    about = param.type_descriptor.parameter_info
    several = param.multiple or param.nargs == -1
    if value is None:
        return () if several else None
    if about.parser is not None or about.min is not None or about.max is not None:
        return _DOUBT
    kind = param.type_descriptor.annotation
    if get_origin(kind) is not list:
        return _DOUBT if several else _word(kind, value)
    if not isinstance(value, list | tuple):
        return _DOUBT
    words = [_word(get_args(kind)[0], item) for item in value]
    return _DOUBT if _DOUBT in words else words


def _word(kind: Any, value: Any) -> Any:
    """One value: of its type already, or digits for a number."""
    if type(value) is not str:
        return value if kind in (bool, int, float) and type(value) is kind else _DOUBT
    if kind is str:
        return value if value.isascii() else _DOUBT
    if len(value) <= 9 and value.isascii():
        if kind is int and value.isdigit():
            return int(value)
        whole, _, rest = value.partition(".")
        if kind is float and whole.isdigit() and rest.isdigit():
            return float(value)
    return _DOUBT
