"""What several commands' declarations share: options, the check of a word, the way out."""

from __future__ import annotations

from typing import Annotated, NoReturn

import typer

Interfaces = Annotated[
    list[str] | None, typer.Option("--interface", "-i", metavar="IF", help="Interface to listen on; repeatable.")
]
Vrids = Annotated[list[int] | None, typer.Option("--vrid", metavar="ID", help="Expect this router; repeatable.")]
Vips = Annotated[list[str] | None, typer.Option("--vip", metavar="ADDRESS", help="Expect this address; repeatable.")]
NoPromisc = Annotated[bool, typer.Option("--promisc/--no-promisc", help="Promiscuous: unicast pairs, mirror ports.")]
Sensors = Annotated[
    list[str] | None, typer.Option("--from", metavar="URL", help="Ask this `vrrpwatch watch`; repeatable.")
]
Expect = Annotated[
    str | None, typer.Option("--expect", metavar="FILE", help="keepalived.conf or vrrpwatch.toml: what must exist.")
]


def one_of(option: str, value: str, allowed: tuple[str, ...]) -> None:
    """Bad usage unless `value` is one of the allowed words."""
    if value not in allowed:
        raise typer.BadParameter(f"{option} {value}: choose {', '.join(allowed)}")


def leave(code: int) -> NoReturn:
    """End the command with this exit code."""
    raise typer.Exit(code)
