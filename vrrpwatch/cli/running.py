"""Declarations of the commands that run until told to stop: watch, run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vrrpwatch.cli.shared import Interfaces, leave

if TYPE_CHECKING:
    from vrrpwatch.run_speaker_watcher import WatcherOptions

_SHARING = "So many processes share the VLANs; of use on trunks with several VLANs only [default: 1]."
Processes = Annotated[int | None, typer.Option("--processes", metavar="N", min=1, max=16, help=_SHARING)]


def watch(
    interface: Interfaces = None,
    config: Annotated[
        Path | None, typer.Option("--config", "-c", metavar="FILE", help="vrrpwatch.toml [default: none needed].")
    ] = None,
    listen: Annotated[
        str | None, typer.Option("--listen", metavar="ADDR:PORT", help="Serve /metrics here [default: :10112].")
    ] = None,
    web_config: Annotated[
        Path | None, typer.Option("--web.config.file", metavar="FILE", help="TLS and basic auth, as exporters have it.")
    ] = None,
    journal: Annotated[
        Path | None, typer.Option("--journal", metavar="FILE", help="Where episodes survive a restart.")
    ] = None,
    textfile: Annotated[
        Path | None,
        typer.Option("--textfile", metavar="FILE", help="Also write metrics for node_exporter here."),
    ] = None,
    promisc: Annotated[
        bool | None, typer.Option("--promisc/--no-promisc", help="Promiscuous: unicast pairs, mirror ports.")
    ] = None,
    probe: Annotated[
        bool | None, typer.Option("--probe/--no-probe", help="Ask by ARP and ND who owns an address in doubt.")
    ] = None,
    segment: Annotated[
        list[str] | None, typer.Option("--segment", metavar="[IF=]NAME", help="Name of the segment; repeatable.")
    ] = None,
    processes: Processes = None,
) -> None:
    """The daemon: sensor, Prometheus exporter, events and notifications.

    \b
      vrrpwatch watch -i eth0
      vrrpwatch watch --config /etc/vrrpwatch/vrrpwatch.toml --web.config.file /etc/vrrpwatch/web.yml
      curl -s localhost:10112/metrics | grep vrrpwatch_group_masters

    Needs CAP_NET_RAW. Command line wins over the file; SIGHUP reads the file again, SIGTERM ends it.
    """
    from vrrpwatch.daemon import run_watch

    leave(
        run_watch(
            interfaces=interface or (),
            config=config,
            listen=listen,
            web_config=web_config,
            journal=journal,
            textfile=textfile,
            promisc=promisc,
            probe=probe,
            segments=segment or (),
            processes=processes,
        )
    )


def run(
    file: Annotated[
        str, typer.Option("--file", "-f", metavar="FILE", help="The configuration.")
    ] = "/etc/keepalived/keepalived.conf",
    test: Annotated[
        bool, typer.Option("--config-test", "-t", help="Only read the file: exit 0, 2, 5 or 6 as keepalived does.")
    ] = False,
    config_id: Annotated[
        str, typer.Option("--config-id", "-I", metavar="ID", help="Which `@ID` lines apply [default: the host's name].")
    ] = "",
    pid_file: Annotated[str, typer.Option("--pid-file", metavar="FILE", help="Write the process id there.")] = "",
    state: Annotated[
        str, typer.Option("--state", metavar="FILE", help="Publish the state there; empty: nowhere.")
    ] = "/run/vrrpwatch/speaker.json",
    realtime: Annotated[
        bool, typer.Option("--realtime/--no-realtime", help="Real-time scheduling, where it is permitted.")
    ] = True,
    watch: Annotated[
        bool, typer.Option("--watch", help="Sensor and exporter beside it, in a process of their own.")
    ] = False,
    listen: Annotated[
        str, typer.Option("--listen", metavar="ADDR:PORT", help="With --watch: serve /metrics here [default: :10112].")
    ] = "",
    watch_config: Annotated[
        str, typer.Option("--watch-config", metavar="FILE", help="With --watch: its vrrpwatch.toml.")
    ] = "",
) -> None:
    """The active speaker: takes part in the election as keepalived.conf says, beside keepalived and FRR.

    \b
      sudo vrrpwatch run -f /etc/keepalived/keepalived.conf
      vrrpwatch run -t -f keepalived.conf
      sudo vrrpwatch run -f pair.conf --watch --listen 127.0.0.1:10112

    Needs CAP_NET_RAW and CAP_NET_ADMIN. SIGHUP reloads and keeps state, SIGTERM releases addresses with priority 0.
    """
    from vrrpwatch.run_speaker import RunOptions
    from vrrpwatch.run_speaker import run as run_speaker

    given = RunOptions(file, test, config_id, state, pid_file, realtime, _watcher(watch, listen, watch_config, state))
    leave(run_speaker(given))


def _watcher(wanted: bool, listen: str, config: str, state: str) -> WatcherOptions | None:
    """What `--watch` asks for, checked before anything is touched."""
    from vrrpwatch.run_speaker_watcher import WatcherOptions, checked

    if not wanted:
        if listen or config:
            raise typer.BadParameter(f"{'--listen' if listen else '--watch-config'} is for --watch")
        return None
    return checked(WatcherOptions(listen, config, state))
