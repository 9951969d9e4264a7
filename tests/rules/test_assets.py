"""Writing the packs out: complete, loadable, and the same rules in every format."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml

from tests.support import program
from vrrpcore.errors import UsageError
from vrrpwatch import assets


def test_the_prometheus_format_is_the_pack_with_its_runbooks(tmp_path: Path) -> None:
    written = assets.write_rules(tmp_path / "new" / "folder")
    files = [path for path in (tmp_path / "new" / "folder").rglob("*") if path.is_file()]
    assert written == len(files)
    rules = yaml.safe_load((tmp_path / "new" / "folder" / assets.RULES_FILE).read_text())["groups"][0]["rules"]
    pages = {path.stem for path in files if path.parent.name == "runbooks"}
    assert {rule["alert"] for rule in rules if "alert" in rule} <= pages


def test_only_the_rule_file_looks_like_one(tmp_path: Path) -> None:
    assets.write_rules(tmp_path)
    assert [path.name for path in tmp_path.rglob("*.y*ml")] == [assets.RULES_FILE]


@pytest.mark.needs("prometheus")
def test_what_was_written_passes_promtool(tmp_path: Path) -> None:
    assets.write_rules(tmp_path)
    promtool = program("promtool")
    assert promtool is not None
    subprocess.run(
        [promtool, "check", "rules", str(tmp_path / assets.RULES_FILE)], check=True, capture_output=True, timeout=60
    )


def test_the_kubernetes_format_holds_the_same_groups(tmp_path: Path) -> None:
    assets.write_rules(tmp_path, "kubernetes")
    rule = yaml.safe_load((tmp_path / assets.KUBERNETES_FILE).read_text())
    assert (rule["apiVersion"], rule["kind"]) == ("monitoring.coreos.com/v1", "PrometheusRule")
    assert rule["spec"] == yaml.safe_load(assets.rules_text())


def test_another_place_for_the_runbooks() -> None:
    assert "https://wiki.example/vrrp/VrrpNoMaster.md" in assets.rules_text(runbook_base="https://wiki.example/vrrp/")


def test_an_unknown_format_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="not one of prometheus, kubernetes"):
        assets.rules_text("helm")
