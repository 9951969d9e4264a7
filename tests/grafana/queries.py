"""Every query of a dashboard: targets of panels, annotations and variables, with Grafana's variables replaced."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.rules.live import Prometheus
from tests.support import ROOT

FOLDER = ROOT / "grafana"
DASHBOARDS: dict[str, dict[str, Any]] = {
    path.stem: json.loads(path.read_text()) for path in sorted((FOLDER / "dashboards").glob("*.json"))
}


@dataclass(frozen=True)
class Query:
    """One expression: where it stands, and whether Grafana asks for one instant or a range."""

    where: str
    expr: str
    instant: bool = False


def panels(dashboard: Mapping[str, Any]) -> list[dict[str, Any]]:
    """All panels that show something."""
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def queries(dashboard: Mapping[str, Any]) -> Iterator[Query]:
    for panel in panels(dashboard):
        for target in panel["targets"]:
            yield Query(f"{panel['title']} {target['refId']}", target["expr"], target.get("instant", False))
    for annotation in dashboard["annotations"]["list"]:
        yield Query(f"annotation {annotation['name']}", annotation["expr"])


def variables(dashboard: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """(name, selector, label) of the variables that come from label_values()."""
    for entry in dashboard["templating"]["list"]:
        if entry["type"] == "query":
            found = re.fullmatch(r"label_values\((.*), (\w+)\)", entry["query"]["query"])
            assert found, entry
            yield entry["name"], found[1], found[2]


def filled(expr: str, values: Mapping[str, str]) -> str:
    """The expression as Grafana would send it; AssertionError when a variable has no value here."""
    for name in sorted(values, key=len, reverse=True):
        expr = expr.replace(f"${name}", values[name])
    assert "$" not in expr, expr
    return expr


def unanswered(server: Prometheus, dashboard: Mapping[str, Any], values: Mapping[str, str]) -> list[str]:
    """Queries and variables of the dashboard that yield nothing in the last half minute."""
    empty = []
    for query in queries(dashboard):
        expr = filled(query.expr, values)
        found = server.query(expr) if query.instant else server.query_range(expr, 30)
        if not found:
            empty.append(query.where)
    for name, selector, label in variables(dashboard):
        if not server.api(f"label/{label}/values", **{"match[]": filled(selector, values)}):
            empty.append(f"variable {name}")
    return empty
