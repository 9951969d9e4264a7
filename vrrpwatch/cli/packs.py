"""Declarations of the commands that write out what comes with the program: rules, dashboard."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vrrpwatch.cli.shared import leave

Out = Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder to write to; made if absent.")]


def rules(
    out: Out,
    form: Annotated[
        str, typer.Option("--format", metavar="prometheus|kubernetes", help="Rule file, or PrometheusRule object.")
    ] = "prometheus",
) -> None:
    """Write the alert rules with their runbooks and an Alertmanager example.

    \b
      vrrpwatch rules --out /etc/prometheus/vrrpwatch
      vrrpwatch rules --out . --format kubernetes && kubectl apply -f vrrpwatch.prometheusrule.yaml
      promtool check rules /etc/prometheus/vrrpwatch/vrrpwatch.rules.yml

    Needs no capability.
    """
    from vrrpwatch.assets import write_rules

    leave(_written(write_rules(out, form), out))


def dashboard(out: Out) -> None:
    """Write the Grafana dashboards: for import, for grafana.com, and a provisioning example.

    \b
      vrrpwatch dashboard --out /var/lib/grafana/dashboards/vrrpwatch
      vrrpwatch dashboard --out dashboards && ls dashboards
      vrrpwatch dashboard --out /tmp/vrrpwatch      then in Grafana: Dashboards, New, Import

    Needs no capability.
    """
    from vrrpwatch.assets import write_dashboards

    leave(_written(write_dashboards(out), out))


def _written(count: int, out: Path) -> int:
    from vrrpwatch.commands.console import remark

    remark(f"{count} files written to {out}")
    return 0
