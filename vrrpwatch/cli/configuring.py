"""Declarations of `config check`, `config show`, `config explain` and `config fix`."""

from __future__ import annotations

from typing import Annotated

import typer

from vrrpwatch.cli.shared import leave

app = typer.Typer(
    name="config",
    help="keepalived.conf: every problem with line and remedy, normalised, explained, repaired. Needs no rights.",
    rich_markup_mode=None,
    add_completion=False,
    no_args_is_help=True,
)

Files = Annotated[list[str], typer.Argument(metavar="FILE...", help="keepalived.conf; `-` is standard input.")]
ConfigId = Annotated[
    str, typer.Option("--config-id", "-I", metavar="ID", help="Which `@ID` lines apply [default: the host's name].")
]


@app.command(short_help="Every problem at file:line:column, with the fix; exit code 0 to 2.")
def check(
    files: Files,
    output: Annotated[str, typer.Option("--output", "-o", metavar="text|json|sarif", help="Form of stdout.")] = "text",
    strict: Annotated[bool, typer.Option("--strict", help="Warnings count as errors.")] = False,
    host: Annotated[bool, typer.Option("--host", help="Also interfaces, users and scripts of this machine.")] = False,
    config_id: ConfigId = "",
) -> None:
    """Find what keepalived drops, and what it does without saying so. Two files: also what would split them.

    \b
      vrrpwatch config check /etc/keepalived/keepalived.conf
      vrrpwatch config check a/keepalived.conf b/keepalived.conf
      vrrpwatch config check --host --strict -o json keepalived.conf

    Exit code 0 clean, 1 warnings, 2 errors.
    """
    from vrrpwatch.keepalived_conf.commands import check as run

    leave(run(files, output, strict, host, config_id))


@app.command(short_help="The configuration in force, normalised.")
def show(
    file: Annotated[str, typer.Argument(metavar="FILE", help="keepalived.conf; `-` is standard input.")],
    config_id: ConfigId = "",
) -> None:
    """Print what the file means: macros and includes expanded, defaults resolved. Reading it again means the same.

    \b
      vrrpwatch config show /etc/keepalived/keepalived.conf
      vrrpwatch config show -I node1 keepalived.conf
      diff <(vrrpwatch config show a.conf) <(vrrpwatch config show b.conf)
    """
    from vrrpwatch.keepalived_conf.commands import show as run

    leave(run(file, config_id))


@app.command(short_help="What a keyword does, where it belongs, its default.")
def explain(
    keywords: Annotated[list[str] | None, typer.Argument(metavar="[KEYWORD...]", help="None lists all.")] = None,
) -> None:
    """Explain keywords of keepalived.conf.

    \b
      vrrpwatch config explain nopreempt
      vrrpwatch config explain garp_master_delay garp_master_refresh
      vrrpwatch config explain | grep unicast
    """
    from vrrpwatch.keepalived_conf.commands import explain as run

    leave(run(keywords or ()))


@app.command(short_help="Safe repairs as a diff.")
def fix(
    files: Files,
    write: Annotated[bool, typer.Option("--write", help="Change the files instead of only showing the diff.")] = False,
    config_id: ConfigId = "",
) -> None:
    """Repair what can be repaired without changing what the routers do: old names, values that are rounded or cut.

    \b
      vrrpwatch config fix keepalived.conf
      vrrpwatch config fix keepalived.conf | patch -p0
      sudo vrrpwatch config fix --write /etc/keepalived/keepalived.conf
    """
    from vrrpwatch.keepalived_conf.commands import fix as run

    leave(run(files, write, config_id))
