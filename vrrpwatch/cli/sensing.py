"""Declarations of the commands that listen or read: check, analyze, list, top, history, doctor."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vrrpwatch.cli.shared import Expect, Interfaces, NoPromisc, Sensors, Vips, Vrids, leave, one_of


def check(
    interface: Interfaces = None,
    vrid: Vrids = None,
    vip: Vips = None,
    segment: Annotated[
        list[str] | None,
        typer.Option("--segment", metavar="[IF=]NAME", help="Name it, or choose it."),
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
    expect: Expect = None,
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

    one_of("--output", output, ("plugin", "text", "json"))
    leave(
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
    expect: Expect = None,
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

    one_of("--output", output, ("text", "json", "html"))
    leave(
        run(
            AnalyzeOptions(
                files=tuple(files or ()),
                sensors=tuple(sensor or ()),
                segment=segment,
                vrids=tuple(vrid or ()),
                vips=tuple(vip or ()),
                expect=expect,
                output=output,  # type: ignore[arg-type]
            )
        )
    )


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

    one_of("--output", output, ("table", "json", "file_sd"))
    leave(run(tuple(interface or ()), tuple(sensor or ()), local, seconds, promisc, output))


def top(
    interface: Interfaces = None,
    sensor: Sensors = None,
    promisc: NoPromisc = True,
    interval: Annotated[float, typer.Option("--interval", metavar="SECONDS", help="Between two looks.")] = 1.0,
) -> None:
    """The inventory as a live screen, with what happened last; Ctrl-C ends it.

    \b
      vrrpwatch top
      vrrpwatch top -i eth0 --interval 0.5
      vrrpwatch top --from http://node-a:10112 --from http://node-b:10112

    Needs CAP_NET_RAW, or --from; and a terminal.
    """
    from vrrpwatch.commands.top import run

    leave(run(tuple(interface or ()), tuple(sensor or ()), promisc, interval))


def history(
    journal: Annotated[
        Path | None, typer.Option("--journal", metavar="FILE", help="[default: /var/lib/vrrpwatch/journal.db]")
    ] = None,
    config: Annotated[
        Path | None, typer.Option("--config", "-c", metavar="FILE", help="vrrpwatch.toml that names the journal.")
    ] = None,
    since: Annotated[str, typer.Option("--since", metavar="WHEN", help="30m, 24h, 7d, or a date and time.")] = "",
    vrid: Annotated[int | None, typer.Option("--vrid", metavar="ID", help="Only this virtual router.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Handovers too.")] = False,
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, help="At most so many.")] = 1000,
    output: Annotated[str, typer.Option("--output", "-o", metavar="text|json")] = "text",
    pcap: Annotated[str, typer.Option("--pcap", metavar="ID", help="Write the frames behind this episode.")] = "",
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="With --pcap [default: stdout].")] = None,
) -> None:
    """Past episodes, from the journal that `watch` keeps.

    \b
      vrrpwatch history --since 7d
      vrrpwatch history --vrid 51 --all -o json
      vrrpwatch history --pcap fa2dec7ba88f | vrrpwatch analyze -
      vrrpwatch history --pcap 2bbd254c2501 | vrrpwatch analyze -

    Needs to be allowed to read the journal.
    """
    from vrrpwatch.history import HistoryOptions, run

    one_of("--output", output, ("text", "json"))
    leave(run(HistoryOptions(journal, config, since, vrid, everything, output, limit, pcap, out)))


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

    one_of("--output", output, ("text", "json"))
    leave(run(tuple(interface or ()), seconds, output))
