"""Declarations of the commands that build a lab: demo, lab."""

from __future__ import annotations

from typing import Annotated

import typer

from vrrpwatch.cli.shared import leave, one_of

ROUTERS = ("auto", "vrrpwatch", "keepalived")
Routers = Annotated[str, typer.Option("--routers", metavar="auto|vrrpwatch|keepalived", help="Whose routers to start.")]
HostName = Annotated[str, typer.Argument(metavar="[HOST]", help="A host of the lab: router-1, router-2, observer.")]

app = typer.Typer(
    name="lab",
    help="A pair and an observer in namespaces, to try things in. Needs user namespaces or root.",
    rich_markup_mode=None,
    add_completion=False,
    no_args_is_help=True,
)


def demo(routers: Routers = "auto") -> None:
    """Two routers and an observer in namespaces: a real split, judged and healed, in under 40 seconds.

    Needs user namespaces or root. Nothing outside the namespaces is touched.
    """
    from vrrpwatch.demo import run

    one_of("--routers", routers, ROUTERS)
    leave(run(routers))


@app.command(short_help="Build the lab and keep it until Ctrl-C.")
def up(
    routers: Routers = "auto",
    interval: Annotated[float, typer.Option("--interval", metavar="SECONDS", help="Advert interval.")] = 1.0,
) -> None:
    """Two routers and an observer that stand until Ctrl-C, for `split`, `heal`, `inject` and `exec`."""
    from vrrpwatch.commands.lab import up as run

    one_of("--routers", routers, ROUTERS)
    if not 0.1 <= interval <= 255:
        raise typer.BadParameter(f"--interval {interval:g}: 0.1 to 255 seconds")
    leave(run(routers, interval))


@app.command(name="list", short_help="The labs that stand, and their hosts.")
def list_labs() -> None:
    """Print the labs that stand on this machine."""
    from vrrpwatch.commands.lab import show

    leave(show())


@app.command(
    name="exec",
    short_help="Run a program on a host of the lab.",
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
def exec_(
    host: Annotated[str, typer.Argument(metavar="HOST", help="router-1, router-2 or observer.")],
    program: Annotated[list[str], typer.Argument(metavar="PROGRAM...", help="The program and its arguments.")],
) -> None:
    """Run a program on a host of the standing lab: `vrrpwatch lab exec observer vrrpwatch check -o text`."""
    from vrrpwatch.commands.lab import run_inside

    leave(run_inside(host, program))


@app.command(short_help="A firewall that eats VRRP on one host.")
def split(
    host: HostName = "router-2",
    hook: Annotated[
        str, typer.Option("--hook", metavar="input|output", help="What arrives, or what leaves.")
    ] = "input",
) -> None:
    """Make a host of the standing lab deaf (input) or mute (output) for VRRP."""
    from vrrpwatch.commands.lab import split as run

    leave(run(host, hook))


@app.command(short_help="Remove that firewall.")
def heal(host: HostName = "router-2") -> None:
    """Undo `lab split`."""
    from vrrpwatch.commands.lab import heal as run

    leave(run(host))


@app.command(short_help="A rogue or broken speaker inside the lab.")
def inject(
    host: HostName = "observer",
    vrid: Annotated[int, typer.Option("--vrid", metavar="ID")] = 51,
    priority: Annotated[int, typer.Option("--priority", metavar="0..255")] = 255,
    version: Annotated[int, typer.Option("--version", metavar="2|3")] = 2,
    interval: Annotated[float, typer.Option("--interval", metavar="SECONDS")] = 1.0,
    source: Annotated[str, typer.Option("--source", metavar="ADDRESS")] = "10.9.0.66",
    vip: Annotated[list[str] | None, typer.Option("--vip", metavar="ADDRESS", help="Repeatable.")] = None,
    password: Annotated[str, typer.Option("--auth-pass", metavar="TEXT", help="Version 2: simple password.")] = "",
    ttl: Annotated[int, typer.Option("--ttl", metavar="0..255")] = 255,
    count: Annotated[int, typer.Option("--count", metavar="N", help="Adverts to send [default: until Ctrl-C].")] = 0,
) -> None:
    """Advertise whatever is asked for from a port of the lab. Only ever inside a lab.

    \b
      vrrpwatch lab inject --priority 200
      vrrpwatch lab inject --ttl 64 --source 10.9.0.2 --count 5
      vrrpwatch lab inject --version 3 --source fd00:9::66 --vip fd00:9::100
    """
    from vrrpwatch.commands.lab import inject as run
    from vrrpwatch.lab.inject import Rogue

    rogue = Rogue(vrid, priority, version, interval, source, tuple(vip or ("10.9.0.100",)), password, ttl, count=count)
    leave(run(rogue, host))
