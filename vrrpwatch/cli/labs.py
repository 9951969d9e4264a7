"""Declarations of the commands that build a lab: demo, lab."""

from __future__ import annotations

from typing import Annotated

import typer

from vrrpwatch.cli.shared import leave, one_of


def demo(
    routers: Annotated[
        str, typer.Option("--routers", metavar="auto|vrrpwatch|keepalived", help="Whose routers to split.")
    ] = "auto",
) -> None:
    """Two routers and an observer in namespaces: a real split, judged and healed, in under 40 seconds.

    Needs user namespaces or root. Nothing outside the namespaces is touched.
    """
    from vrrpwatch.demo import run

    one_of("--routers", routers, ("auto", "vrrpwatch", "keepalived"))
    leave(run(routers))
