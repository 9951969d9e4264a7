"""The pages about `watch` say what is so: every metric is described, every example loads."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from vrrpexporters.webhook import PLACEHOLDERS
from vrrpwatch.config import load

DOCS = Path(__file__).parents[2] / "docs"
GOLDEN = Path(__file__).parents[1] / "exporters" / "golden.prom"


def page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def blocks(name: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page(name), re.DOTALL)


def test_every_metric_is_described_with_its_labels() -> None:
    exposed = set(re.findall(r"^# TYPE (vrrpwatch_\S+)", GOLDEN.read_text(), re.MULTILINE))
    described = set(re.findall(r"`(vrrpwatch_\w+)", page("metrics.md")))
    assert described == exposed


def test_the_example_configuration_loads(tmp_path: Path) -> None:
    path = tmp_path / "vrrpwatch.toml"
    path.write_text("\n".join(blocks("vrrpwatch.toml.md", "toml")))
    config = load(path)
    assert config.webhook[0].template
    assert config.router[0].members == ("10.9.0.1", "10.9.0.2")


def test_every_placeholder_is_listed() -> None:
    listed = page("vrrpwatch.toml.md").split("a dollar sign is")[1].split("`secret_file`")[0]
    assert set(re.findall(r"`([a-z_]+)`", listed)) == set(PLACEHOLDERS)


@pytest.mark.parametrize("name", ["watch.md", "prometheus.md"])
def test_the_yaml_examples_are_yaml(name: str) -> None:
    for block in blocks(name, "yaml"):
        assert yaml.safe_load(block)
