"""The packs that come with the program: alert rules with their runbooks, and Grafana dashboards.

In a wheel they are package data (`vrrpwatch/alerts`, `vrrpwatch/grafana`); in a checkout they are the top-level folders
of the same names, which is where a developer edits them.
"""

from __future__ import annotations

import shutil
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final

from vrrpcore.errors import UsageError

RULES_FILE: Final = "vrrpwatch.rules.yml"
KUBERNETES_FILE: Final = "vrrpwatch.prometheusrule.yaml"
RUNBOOK_BASE: Final = "https://github.com/vrrpwatch/vrrpwatch/blob/main/alerts/runbooks/"
FORMATS: Final = ("prometheus", "kubernetes")
KUBERNETES_HEAD: Final = """\
# A PrometheusRule of the Prometheus operator (0.65 and newer know keep_firing_for). The operator of a cluster selects
# rules by labels: add the one that yours asks for (often `release: …`).
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: vrrpwatch
  labels:
    app.kubernetes.io/name: vrrpwatch
    app.kubernetes.io/component: monitoring
spec:
"""


def pack(name: str) -> Traversable:
    """The folder `alerts` or `grafana`, wherever this installation has it; FileNotFoundError if it has none."""
    packaged = resources.files("vrrpwatch") / name
    if packaged.is_dir():
        return packaged
    checkout = Path(__file__).resolve().parent.parent / name
    if checkout.is_dir():
        return checkout
    raise FileNotFoundError(f"this installation lacks its folder {name!r}; install vrrpwatch again")


def rules_text(format: str = "prometheus", runbook_base: str = RUNBOOK_BASE) -> str:
    """The rule pack as one YAML document; UsageError for an unknown format."""
    if format not in FORMATS:
        raise UsageError(f"--format {format}: not one of {', '.join(FORMATS)}")
    text = (pack("alerts") / RULES_FILE).read_text(encoding="utf-8").replace(RUNBOOK_BASE, runbook_base)
    if format == "prometheus":
        return text
    head, body = text.split("\ngroups:\n", 1)
    indented = "".join(f"  {line}" if line.strip() else line for line in f"groups:\n{body}".splitlines(keepends=True))
    return f"{head}\n{KUBERNETES_HEAD}{indented}"


def write_rules(out: Path, format: str = "prometheus", runbook_base: str = RUNBOOK_BASE) -> int:
    """Write rules, runbooks and the Alertmanager example below `out` (made if absent); the number of files written.

    `runbook_base` replaces the address under which the alerts say their runbook pages are. Only the rule file ends in
    .yml or .yaml, so that a whole folder can be given to `rule_files`. OSError when `out` cannot be written.
    """
    text = rules_text(format, runbook_base)
    source = pack("alerts")
    out.mkdir(parents=True, exist_ok=True)
    (out / (RULES_FILE if format == "prometheus" else KUBERNETES_FILE)).write_text(text, encoding="utf-8")
    example = (source / "alertmanager.example.yml").read_text(encoding="utf-8")
    (out / "alertmanager.yml.example").write_text(example, encoding="utf-8")
    return 2 + copy_tree(source / "runbooks", out / "runbooks", (".md",))


def write_dashboards(out: Path) -> int:
    """Write the dashboards and the provisioning example below `out` (made if absent); the number of files written.

    `out/*.json` is for provisioning and import by file, `out/grafana.com/*.json` for upload to grafana.com (its data
    source is an input), `out/provisioning/` an example of how Grafana loads them. OSError when `out` cannot be written.
    """
    source = pack("grafana")
    written = copy_tree(source / "dashboards", out, (".json",))
    written += copy_tree(source / "grafana.com", out / "grafana.com", (".json",))
    return written + copy_tree(source / "provisioning", out / "provisioning", (".yaml",))


def copy_tree(source: Traversable, target: Path, endings: tuple[str, ...]) -> int:
    """Copy the files with these endings, folders included; how many."""
    target.mkdir(parents=True, exist_ok=True)
    count = 0
    for entry in sorted(source.iterdir(), key=lambda e: e.name):
        if entry.is_dir():
            count += copy_tree(entry, target / entry.name, endings)
        elif entry.name.endswith(endings):
            with entry.open("rb") as original, (target / entry.name).open("wb") as copy:
                shutil.copyfileobj(original, copy)
            count += 1
    return count
