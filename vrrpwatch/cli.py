"""The command line: declares the commands and their options, and nothing else. Each command imports its work lazily.

Exit codes: `check` and `analyze` 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN and bad usage; `config check` 0 clean,
1 warnings, 2 errors; every other command 0, 1 failure, 2 bad usage.
"""

from __future__ import annotations

import logging
import sys
from typing import Annotated, NoReturn

import typer

from vrrpwatch import __version__

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
lab_app = typer.Typer(help="A network in namespaces to try things in.", rich_markup_mode=None, no_args_is_help=True)
config_app = typer.Typer(
    help="Read, check, fix and explain keepalived.conf.", rich_markup_mode=None, no_args_is_help=True
)
app.add_typer(lab_app, name="lab")
app.add_typer(config_app, name="config")

Interfaces = Annotated[
    list[str] | None, typer.Option("--interface", "-i", metavar="IF", help="Interface to listen on; repeatable.")
]
Vrids = Annotated[list[int] | None, typer.Option("--vrid", metavar="ID", help="Expect this router; repeatable.")]
Vips = Annotated[list[str] | None, typer.Option("--vip", metavar="ADDRESS", help="Expect this address; repeatable.")]
NoPromisc = Annotated[bool, typer.Option("--promisc/--no-promisc", help="Promiscuous: unicast pairs, mirror ports.")]
Sensors = Annotated[
    list[str] | None, typer.Option("--from", metavar="URL", help="Ask this `vrrpwatch watch`; repeatable.")
]


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"vrrpwatch {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
    verbose: Annotated[int, typer.Option("--verbose", "-v", count=True, help="Say more on stderr; -vv for all.")] = 0,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only errors on stderr.")] = False,
    log_format: Annotated[str, typer.Option("--log-format", metavar="text|json", help="Form of stderr.")] = "text",
) -> None:
    from vrrpwatch.commands.console import set_up_logging

    _one_of("--log-format", log_format, ("text", "json"))
    level = logging.ERROR if quiet else (logging.WARNING, logging.INFO, logging.DEBUG)[min(verbose, 2)]
    if not verbose and not quiet:
        logging.getLogger("vrrpwatch").setLevel(logging.INFO if sys.stderr.isatty() else logging.WARNING)
    set_up_logging(level, log_format)


@app.command()
def check(
    interface: Interfaces = None,
    vrid: Vrids = None,
    vip: Vips = None,
    segment: Annotated[
        list[str] | None, typer.Option("--segment", metavar="NAME", help="Only this broadcast domain; repeatable.")
    ] = None,
    seconds: Annotated[
        float | None,
        typer.Option(
            "--for", metavar="SECONDS", help="Listen this long [default: until the slowest router had its turn, >= 4]."
        ),
    ] = None,
    probe: Annotated[
        bool | None, typer.Option("--probe/--no-probe", help="Ask by ARP and ND who owns an address in doubt.")
    ] = None,
    promisc: NoPromisc = True,
    expect: Annotated[
        str | None, typer.Option("--expect", metavar="FILE", help="keepalived.conf or vrrpwatch.toml: what must exist.")
    ] = None,
    sensor: Sensors = None,
    prometheus: Annotated[
        str | None, typer.Option("--prometheus", metavar="URL", help="Ask a Prometheus that scrapes the fleet.")
    ] = None,
    output: Annotated[str, typer.Option("--output", "-o", metavar="plugin|text|json")] = "plugin",
) -> None:
    """Listen, judge, print one verdict; exit 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN.

    \b
      vrrpwatch check -i eth0 --vrid 51
      vrrpwatch check -i eth0 --expect /etc/keepalived/keepalived.conf -o text
      vrrpwatch check --from http://node-a:10112 --from http://node-b:10112

    Needs CAP_NET_RAW; without it, asks the daemon on this host. With --from and no -i, only the named sensors speak.
    """
    from vrrpwatch.commands.check import CheckOptions, run

    _one_of("--output", output, ("plugin", "text", "json"))
    _leave(
        run(
            CheckOptions(
                interfaces=tuple(interface or ()),
                vrids=tuple(vrid or ()),
                vips=tuple(vip or ()),
                segments=tuple(segment or ()),
                seconds=seconds,
                probe=probe,
                promisc=promisc,
                expect=expect,
                sensors=tuple(sensor or ()),
                prometheus=prometheus,
                output=output,  # type: ignore[arg-type]  # one of the three, as checked
            )
        )
    )


@app.command()
def analyze(
    files: Annotated[
        list[str] | None, typer.Argument(metavar="[FILE]...", help="pcap or pcapng, gzip or not; - is stdin.")
    ] = None,
    sensor: Annotated[
        list[str] | None, typer.Option("--sensor", metavar="NAME=FILE", help="FILE is sensor NAME's; repeatable.")
    ] = None,
    segment: Annotated[
        str | None, typer.Option("--segment", metavar="NAME", help="Name of the broadcast domain.")
    ] = None,
    vrid: Vrids = None,
    vip: Vips = None,
    output: Annotated[str, typer.Option("--output", "-o", metavar="text|json|html")] = "text",
) -> None:
    """Judge captures: who was master, when two were, why, and what to do.

    \b
      vrrpwatch analyze split.pcap
      vrrpwatch analyze -o json router-a.pcap router-b.pcap observer.pcap
      ssh host sudo tcpdump -i eth0 -U -w - | vrrpwatch analyze -

    Files that overlap in time are several sensors, disjoint ones a sequence. Needs no capability.
    """
    from vrrpwatch.commands.analyze import AnalyzeOptions, run

    _one_of("--output", output, ("text", "json", "html"))
    _leave(
        run(
            AnalyzeOptions(
                files=tuple(files or ()),
                sensors=tuple(sensor or ()),
                segment=segment,
                vrids=tuple(vrid or ()),
                vips=tuple(vip or ()),
                output=output,  # type: ignore[arg-type]
            )
        )
    )


@app.command(name="list")
def list_routers(
    interface: Interfaces = None,
    sensor: Sensors = None,
    local: Annotated[bool, typer.Option("--local", help="Only what this host's own speaker runs.")] = False,
    seconds: Annotated[float | None, typer.Option("--for", metavar="SECONDS", help="Listen this long.")] = None,
    promisc: NoPromisc = True,
    output: Annotated[str, typer.Option("--output", "-o", metavar="table|json|file_sd")] = "table",
) -> None:
    """Inventory of the virtual routers that are heard.

    \b
      vrrpwatch list
      vrrpwatch list -i eth0 -o json
      vrrpwatch list --from http://node-a:10112 -o file_sd > targets.json

    Needs CAP_NET_RAW, or --from.
    """
    from vrrpwatch.commands.inventory import run

    _one_of("--output", output, ("table", "json", "file_sd"))
    _leave(run(tuple(interface or ()), tuple(sensor or ()), local, seconds, promisc, output))


@app.command()
def demo(
    routers: Annotated[
        str, typer.Option("--routers", metavar="auto|vrrpwatch|keepalived", help="Whose routers to split.")
    ] = "auto",
) -> None:
    """Two routers and an observer in namespaces: a real split, judged and healed, in under 40 seconds.

    Needs user namespaces or root. Nothing outside the namespaces is touched.
    """
    from vrrpwatch.demo import run

    _one_of("--routers", routers, ("auto", "vrrpwatch", "keepalived"))
    _leave(run(routers))


@app.command()
def doctor(
    interface: Interfaces = None,
    seconds: Annotated[float, typer.Option("--for", metavar="SECONDS", help="Listen to the wire this long.")] = 4.0,
    output: Annotated[str, typer.Option("--output", "-o", metavar="text|json")] = "text",
) -> None:
    """This host's part: firewall rules, memberships, sysctls, addresses left behind, the daemon's opinion.

    \b
      sudo vrrpwatch doctor -i eth0
      sudo vrrpwatch doctor -i eth0 -o json
      sudo vrrpwatch doctor --for 0

    Needs CAP_NET_ADMIN for the firewall, CAP_NET_RAW for the wire; says what it could not see. Exit 1 for a finding.
    """
    from vrrpwatch.commands.doctor import run

    _one_of("--output", output, ("text", "json"))
    _leave(run(tuple(interface or ()), seconds, output))


def _one_of(option: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise typer.BadParameter(f"{option} {value}: choose {', '.join(allowed)}")


def _leave(code: int) -> NoReturn:
    raise typer.Exit(code)


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line and exit."""
    from vrrpwatch.commands.outcome import run_to_exit

    words = sys.argv[1:] if arguments is None else arguments
    command = typer.main.get_command(app)
    name = next((word for word in words if word in getattr(command, "commands", ())), "")
    # standalone_mode=False: errors become one line instead of being printed over several with exit code 2
    run_to_exit(lambda: command.main(args=words, prog_name="vrrpwatch", standalone_mode=False), name)
