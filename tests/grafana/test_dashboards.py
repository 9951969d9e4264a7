"""The dashboards as files: up to date, readable by Grafana's own model, on the grid, and by the rules of a good one."""

from __future__ import annotations

import copy
import json
import re
from typing import Any

import promql_parser
import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from grafana import generate
from tests.grafana.queries import DASHBOARDS, FOLDER, Query, filled, panels, queries, variables
from tests.support import ROOT

UIDS = {"vrrpwatch-overview", "vrrpwatch-router"}
UPLOADS = {path.stem: json.loads(path.read_text()) for path in (FOLDER / "grafana.com").glob("*.json")}
#: For parsing: any value of the right kind.
SAMPLE = {"__rate_interval": "5m", "job": ".+", "instance": ".+", "segment": "s", "family": "ipv4", "vrid": "51"}
#: Units that Grafana knows, of those that a VRRP dashboard may want.
UNITS = {"short", "s", "pps", "cps", "percentunit", "dateTimeFromNow", "none"}
each = pytest.mark.parametrize("uid", sorted(UIDS))


def every_query() -> list[Query]:
    return [query for dashboard in DASHBOARDS.values() for query in queries(dashboard)]


def test_committed_files_are_what_the_script_writes() -> None:
    for path, text in generate.files().items():
        assert path.read_text() == text, f"{path.relative_to(ROOT)}: run python -m grafana.generate"
    written = set(generate.files())
    assert {path for name in ("dashboards", "grafana.com") for path in (FOLDER / name).iterdir()} == written


def test_uids_are_fixed() -> None:
    assert {model["uid"] for model in DASHBOARDS.values()} == set(DASHBOARDS) == UIDS


@each
def test_grafanas_model_reads_and_writes_the_same(uid: str) -> None:
    register_default_plugins()
    model = copy.deepcopy(DASHBOARDS[uid])
    read = Dashboard.from_json(model)
    again = json.loads(JSONEncoder().encode(read))
    # the model of an annotation lacks the fields of the Prometheus data source
    for annotation in (*again["annotations"]["list"], *model["annotations"]["list"]):
        for name in ("titleFormat", "step", "useValueForTime"):
            annotation.pop(name, None)
    assert again == model


@each
def test_ids_are_unique_and_panels_lie_on_the_grid_without_overlap(uid: str) -> None:
    everything = DASHBOARDS[uid]["panels"]
    assert len({panel["id"] for panel in everything}) == len(everything)
    taken: set[tuple[int, int]] = set()
    for panel in everything:
        place = panel["gridPos"]
        assert 0 <= place["x"] <= 24 - place["w"], panel["title"]
        cells = {(x + place["x"], y + place["y"]) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken, panel["title"]
        taken |= cells
    rows = {y for _x, y in taken}
    assert rows == set(range(max(rows) + 1)), "a gap between panels"
    assert all({x for x, y in taken if y == row} == set(range(24)) for row in rows), "a line that is not full"


@each
def test_the_upload_form_asks_for_its_data_source(uid: str) -> None:
    upload = UPLOADS[uid]
    assert [entry["name"] for entry in upload["__inputs"]] == ["DS_PROMETHEUS"]
    assert "${datasource}" not in json.dumps(upload)
    assert upload["id"] is None if "id" in upload else True
    assert {entry["id"] for entry in upload["__requires"] if entry["type"] == "panel"} == {
        panel["type"] for panel in panels(upload)
    }
    assert [panel["title"] for panel in panels(upload)] == [panel["title"] for panel in panels(DASHBOARDS[uid])]


def test_the_provisioning_example_is_what_grafana_reads() -> None:
    provider = yaml.safe_load((FOLDER / "provisioning/dashboards/vrrpwatch.yaml").read_text())
    assert (provider["apiVersion"], provider["providers"][0]["type"]) == (1, "file")
    source = yaml.safe_load((FOLDER / "provisioning/datasources/vrrpwatch.yaml").read_text())
    assert (source["apiVersion"], source["datasources"][0]["type"]) == (1, "prometheus")


# --- the rules of dashboard-linter (its names in the comments), by our own implementation ---------------------------


@each
def test_the_data_source_is_a_variable_and_everything_uses_it(uid: str) -> None:
    # template-datasource-rule, panel-datasource-rule
    model = DASHBOARDS[uid]
    sources = [entry for entry in model["templating"]["list"] if entry["type"] == "datasource"]
    assert [(entry["name"], entry["label"], entry["query"]) for entry in sources] == [
        ("datasource", "Data source", "prometheus")
    ]
    users = [*panels(model), *(t for p in panels(model) for t in p["targets"]), *model["annotations"]["list"]]
    users += [entry for entry in model["templating"]["list"] if entry["type"] == "query"]
    assert all(user["datasource"] == {"type": "prometheus", "uid": "${datasource}"} for user in users)


@each
@pytest.mark.parametrize(("name", "label"), [("job", "Job"), ("instance", "Instance")])
def test_job_and_instance_can_be_chosen(uid: str, name: str, label: str) -> None:
    # template-job-rule, template-instance-rule
    [entry] = [entry for entry in DASHBOARDS[uid]["templating"]["list"] if entry["name"] == name]
    assert (entry["type"], entry["label"], entry["multi"], entry["includeAll"]) == ("query", label, True, True)
    assert entry["allValue"] == ".+"


@each
def test_variables_are_read_anew_when_the_time_range_changes(uid: str) -> None:
    # template-on-time-change-reload-rule
    entries = [entry for entry in DASHBOARDS[uid]["templating"]["list"] if entry["type"] == "query"]
    assert entries
    assert all(entry["refresh"] == 2 for entry in entries)


@each
def test_variables_are_valid_promql(uid: str) -> None:
    # template-label-promql-rule
    for name, selector, label in variables(DASHBOARDS[uid]):
        promql_parser.parse(filled(selector, SAMPLE))
        assert name == label


@each
def test_panels_have_title_description_unit_targets_and_thresholds(uid: str) -> None:
    # panel-title-description-rule, panel-units-rule, panel-no-targets-rule
    for panel in panels(DASHBOARDS[uid]):
        assert panel["title"]
        assert len(panel["description"]) > 20, panel["title"]
        assert panel["targets"], panel["title"]
        defaults = panel["fieldConfig"]["defaults"]
        assert defaults["unit"] in UNITS, panel["title"]
        assert defaults["thresholds"]["steps"][0]["value"] is None, panel["title"]


@each
def test_dashboards_cannot_be_edited_in_place(uid: str) -> None:
    # uneditable-dashboard
    assert DASHBOARDS[uid]["editable"] is False


@pytest.mark.parametrize("query", every_query(), ids=lambda query: query.where)
def test_queries_follow_the_rules(query: Query) -> None:
    # target-promql-rule, target-job-rule, target-instance-rule, target-rate-interval-rule, target-counter-agg-rule
    promql_parser.parse(filled(query.expr, SAMPLE))
    selectors = re.findall(r"(vrrpwatch_\w+)(\{[^}]*\})?", query.expr)
    assert selectors
    for metric, matchers in selectors:
        assert 'job=~"$job"' in matchers, (metric, matchers)
        assert 'instance=~"$instance"' in matchers, (metric, matchers)
        if metric.endswith("_total"):
            assert re.search(r"(rate|increase)\(" + re.escape(metric + matchers) + r"\[", query.expr), metric
    for window in re.findall(r"\[([^\]]+)\]", query.expr):
        assert window == "$__rate_interval" or allowed_window(query, window), window


def allowed_window(query: Query, window: str) -> bool:
    """Exclusions from target-rate-interval-rule, with their reasons."""
    if window == "24h":
        return "24 h" in query.where or query.instant  # the figure *is* that of a day, whatever the range shown
    return window == "1m" and query.where.startswith("annotation ")  # annotations have no $__rate_interval


@each
def test_links_to_runbooks_and_dashboards_lead_somewhere(uid: str) -> None:
    text = json.dumps(DASHBOARDS[uid])
    for page in re.findall(r"alerts/runbooks/(\w+)\.md", text):
        assert (ROOT / "alerts" / "runbooks" / f"{page}.md").is_file(), page
    assert "alerts/runbooks/VrrpSplitBrain.md" in text
    assert set(re.findall(r'"/d/([\w-]+)', text)) <= UIDS


def variables_used(model: dict[str, Any]) -> set[str]:
    return set(re.findall(r"\$([a-z]+)", json.dumps([query.expr for query in queries(model)])))


@each
def test_every_variable_is_used_and_every_used_one_exists(uid: str) -> None:
    model = DASHBOARDS[uid]
    names = {entry["name"] for entry in model["templating"]["list"]}
    assert variables_used(model) | {"datasource"} == names
