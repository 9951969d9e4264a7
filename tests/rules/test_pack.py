"""The pack as a whole: every alert of the contract, with what an operator needs to act on it."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml

from tests.rules.promtool import CRITICAL, RULES, Scenario, row, run, scraped
from tests.rules.test_two_masters import LONG_AGO, A, B, divided
from tests.rules.world import Claim, Sensor, World
from tests.support import ROOT, program

SEVERITY = {
    **dict.fromkeys(CRITICAL, "critical"),
    **dict.fromkeys(
        "VrrpSplitBrainTransient VrrpMasterFlapping VrrpConfigMismatch VrrpUnexpectedSource"
        " VrrpwatchDown VrrpwatchSensorDeaf VrrpwatchSensorDropping".split(),
        "warning",
    ),
    "VrrpwatchWatchdog": "none",
}
GROUPS: list[dict[str, Any]] = yaml.safe_load(RULES.read_text())["groups"]
ALERTS: dict[str, dict[str, Any]] = {rule["alert"]: rule for rule in GROUPS[0]["rules"] if "alert" in rule}
SECTIONS = ("## Meaning", "## Impact", "## Diagnosis", "## Mitigation")


def runbook(alert: str) -> Path:
    return ROOT / "alerts" / "runbooks" / f"{alert}.md"


def test_records_and_the_alerts_that_use_them_are_in_one_group() -> None:
    assert len(GROUPS) == 1


def test_the_pack_has_exactly_the_alerts_of_the_contract_with_their_severity() -> None:
    assert {name: rule["labels"]["severity"] for name, rule in ALERTS.items()} == SEVERITY


@pytest.mark.parametrize("alert", SEVERITY)
def test_an_alert_says_what_it_is_and_where_to_read_on(alert: str) -> None:
    notes = ALERTS[alert]["annotations"]
    assert set(notes) == {"summary", "description", "runbook_url", "dashboard_url"}
    assert notes["runbook_url"].endswith(f"/alerts/runbooks/{alert}.md")
    assert re.match(r"/d/vrrpwatch-(overview|router\?var-segment=)", notes["dashboard_url"])
    assert len(notes["summary"]) < 250


@pytest.mark.parametrize("alert", SEVERITY)
def test_an_alert_has_its_runbook_page(alert: str) -> None:
    text = runbook(alert).read_text()
    assert text.startswith(f"# {alert}\n")
    assert [line for line in text.splitlines() if line in SECTIONS] == list(SECTIONS)
    assert "vrrpwatch " in text or "promtool" in text, "a page names the commands to run"


def test_no_runbook_page_is_left_without_an_alert() -> None:
    assert {page.stem for page in runbook("x").parent.glob("*.md")} - {"README"} == set(SEVERITY)


def test_links_between_runbook_pages_lead_somewhere() -> None:
    for page in runbook("x").parent.glob("*.md"):
        for target in re.findall(r"\]\(([^)#:]+\.md)", page.read_text()):
            assert (page.parent / target).is_file(), f"{page.name}: {target}"


@pytest.mark.needs("prometheus")
def test_promtool_accepts_the_rules() -> None:
    promtool = program("promtool")
    assert promtool is not None
    done = subprocess.run(
        [promtool, "check", "rules", "--lint-fatal", str(RULES)], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("rule", GROUPS[0]["rules"], ids=lambda rule: rule.get("record") or rule["alert"])
def test_a_parser_of_a_newer_promql_reads_the_expressions(rule: dict[str, Any]) -> None:
    promql_parser.parse(rule["expr"])


@pytest.mark.needs("prometheus-alertmanager")
def test_alertmanager_accepts_the_example() -> None:
    amtool = program("amtool")
    assert amtool is not None
    example = ROOT / "alerts" / "alertmanager.example.yml"
    done = subprocess.run([amtool, "check-config", str(example)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.needs("prometheus")
def test_the_description_names_sources_cause_and_sensors(tmp_path: Path) -> None:
    world = World(
        [Claim(A, LONG_AGO), Claim(B, 121, 200)], [Sensor("a:10112", host=A), Sensor("b:10112", phase=7, host=B)]
    )
    partition = World(
        [Claim(A, LONG_AGO), Claim(B, 121.5)],
        divided(120, name="2"),
        {"segment": "10.8.0.0/24", "family": "ipv4", "vrid": "7"},
    )
    split = annotated(
        "VrrpSplitBrain",
        {"segment": "10.9.0.0/24", "family": "ipv4", "vrid": "51"},
        "VRRP split brain: VRID 51/ipv4 on 10.9.0.0/24 has more than one master",
        "Masters of VRID 51/ipv4 on 10.9.0.0/24: 10.9.0.2 (priority 100) 10.9.0.3 (priority 100)."
        " Cause: peer_deaf. Seen by: a:10112 b:10112.",
    )
    partitioned = annotated(
        "VrrpSplitBrainPartitioned",
        partition.group,
        "VRRP split brain across a partition: VRID 7/ipv4 on 10.8.0.0/24 has 2 masters that no sensor hears together",
        "VRID 7/ipv4 on 10.8.0.0/24, proved by instance_state."
        " Hosts that call themselves master: a2:10112 (for 18m 55s) b2:10112 (for 13.5s)."
        " Masters heard: 10.9.0.2 (by a2:10112) 10.9.0.3 (by b2:10112)."
        " Cause: l2_partition; nothing of VRRP passes between the two sides.",
    )
    notes: list[tuple[int, str, list[dict[str, object]]]] = [
        (145, "VrrpSplitBrain", [split]),
        (135, "VrrpSplitBrainPartitioned", [partitioned]),
    ]
    ever = ["VrrpSplitBrain", "VrrpSplitBrainPartitioned"]
    run(tmp_path, Scenario("words", 145, [world, partition], ever=ever, annotations=notes))


@pytest.mark.needs("prometheus")
def test_the_description_of_a_residual_address_tells_master_and_former_speaker_apart(tmp_path: Path) -> None:
    names = {"A": "10.9.0.2", "B": "10.9.0.3"}
    seen, info = "vrrpwatch_master_last_seen_timestamp_seconds", "vrrpwatch_master_info"
    series = {
        row(seen, source=names["A"]): scraped(lambda now: min(now, 100)),
        row(seen, source=names["B"]): scraped(lambda now: max(now, 104)),
        row(info, source=names["A"], mac="m2"): scraped(lambda _now: 1),  # an exporter may list who is remembered
        row(info, source=names["B"], mac="m3"): scraped(lambda _now: 1),
        row("vrrpwatch_address_owners", vip="10.9.0.100"): scraped(lambda _now: 2),
        row("vrrpwatch_verdict", **{"class": "residual_vip"}): scraped(lambda now: float(now >= 180)),
        row("vrrpwatch_verdict_info", **{"class": "residual_vip", "cause": "stale_vip_after_daemon_death"}): scraped(
            lambda _now: 1
        ),
    }
    alert = annotated(
        "VrrpResidualAddress",
        {"segment": "10.9.0.0/24", "family": "ipv4", "vrid": "51"},
        "Address left behind: a former master of VRID 51/ipv4 on 10.9.0.0/24 still answers for it",
        "A host that no longer speaks VRRP still answers for an address of VRID 51/ipv4 on 10.9.0.0/24."
        " Master now: 10.9.0.3. Former speakers: 10.9.0.2 (silent for 1m 20s)."
        " 10.9.0.100 is answered by 2 hosts. Cause: stale_vip_after_daemon_death.",
    )
    at = [(180, "VrrpResidualAddress", [alert])]
    run(tmp_path, Scenario("words", 180, series=series, ever=["VrrpResidualAddress"], annotations=list(at)))


def annotated(alert: str, group: dict[str, str], summary: str, description: str) -> dict[str, object]:
    """One expected alert in promtool's notation."""
    router = f"var-segment={group['segment'].replace('/', '%2F')}&var-family={group['family']}&var-vrid={group['vrid']}"
    return {
        "exp_labels": {**group, "severity": SEVERITY[alert]},
        "exp_annotations": {
            "summary": summary,
            "description": description,
            "runbook_url": f"https://github.com/vrrpwatch/vrrpwatch/blob/main/alerts/runbooks/{alert}.md",
            "dashboard_url": f"/d/vrrpwatch-router?{router}",
        },
    }
