"""The command line: declares the commands and their options, and nothing else. Each command imports its work lazily.

Exit codes: `check` and `analyze` 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN and bad usage; `config check` 0 clean,
1 warnings, 2 errors; every other command 0, 1 failure, 2 bad usage.
"""

from __future__ import annotations

import logging
import sys
from typing import Annotated, Any, Final, NoReturn

import typer

from vrrpwatch import __version__
from vrrpwatch.cli.lazy import Later, spare
from vrrpwatch.cli.shared import one_of

HELP = """\
Sees, proves, explains and reports split brain among VRRP routers (keepalived, FRR and every other speaker).

\b
  vrrpwatch check -i eth0                     who is master here, and is it only one? exit code 0 to 3
  vrrpwatch analyze split.pcap                the same judgement over a capture
  ssh host sudo tcpdump -i any -U -w - 'proto 112 or ah or arp or icmp6' | vrrpwatch analyze -

Listening needs CAP_NET_RAW, `run` CAP_NET_ADMIN as well: use sudo, or grant them to the interpreter or the unit.
"""

app = typer.Typer(
    name="vrrpwatch",
    help=HELP,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"vrrpwatch {__version__}")
        raise typer.Exit


@app.callback()
def options(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
    verbose: Annotated[int, typer.Option("--verbose", "-v", count=True, help="Say more on stderr; -vv for all.")] = 0,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only errors on stderr.")] = False,
    log_format: Annotated[str, typer.Option("--log-format", metavar="text|json", help="Form of stderr.")] = "text",
) -> None:
    from vrrpwatch.commands.console import set_up_logging

    one_of("--log-format", log_format, ("text", "json"))
    daemon = context.invoked_subcommand in ("watch", "run")
    chatty = daemon or sys.stderr.isatty()
    level = logging.ERROR if quiet else (logging.WARNING, logging.INFO, logging.DEBUG)[min(verbose, 2)]
    logging.getLogger("vrrpwatch").setLevel(min(level, logging.INFO) if chatty and not quiet else level)
    set_up_logging(level, log_format)


#: Name, short help, and where its declaration is: in the order of `--help`.
COMMANDS: Final = (
    ("check", "Listen, judge, print one verdict; exit code 0 to 3.", "sensing:check"),
    ("watch", "The daemon: sensor, exporter, notifications.", "running:watch"),
    ("analyze", "Judge captures: who was master, when two were, why.", "sensing:analyze"),
    ("list", "Inventory of the virtual routers that are heard.", "sensing:list_routers"),
    ("top", "The same as a live screen.", "sensing:top"),
    ("history", "Past episodes, from the journal of watch.", "sensing:history"),
    ("doctor", "This host's part: firewall, memberships, sysctls, residue.", "sensing:doctor"),
    ("run", "The active speaker, from a keepalived.conf.", "running:run"),
    ("rules", "Write out the Prometheus alert rules and runbooks.", "packs:rules"),
    ("dashboard", "Write out the Grafana dashboards.", "packs:dashboard"),
    ("demo", "A real split brain in namespaces, judged and healed.", "labs:demo"),
    ("config", "keepalived.conf: check, show, explain, fix.", "configuring:app"),
    ("lab", "A lab to split, heal, enter and lie to.", "labs:app"),
)


def command_line() -> Any:
    """The whole command line; the commands are `Later`."""
    command: Any = spare(typer.main.get_command(app))
    for name, short_help, where in COMMANDS:
        command.add_command(Later(name, short_help, f"vrrpwatch.cli.{where}"))
    return command


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line and exit."""
    from vrrpwatch.commands.outcome import run_to_exit

    words = sys.argv[1:] if arguments is None else arguments
    command = command_line()
    name = next((word for word in words if word in command.commands), "")
    # standalone_mode=False: errors become one line instead of being printed over several with exit code 2
    run_to_exit(lambda: command.main(args=words, prog_name="vrrpwatch", standalone_mode=False), name)
