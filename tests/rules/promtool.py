"""Scenarios as promtool unit tests: series written second by second, and what has to fire when."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.rules.world import Sensor, World
from tests.support import ROOT, program

RULES = ROOT / "alerts" / "vrrpwatch.rules.yml"
#: Alerts that page somebody.
CRITICAL = (
    "VrrpSplitBrain VrrpSplitBrainPartitioned VrrpResidualAddress VrrpDuplicateAddress VrrpVridCollision VrrpNoMaster"
).split()


Value = Callable[[int], float | str | None]


def row(name: str, instance: str = "a:10112", **labels: str) -> str:
    """A series of the usual group and job; an empty label is left out."""
    group = {"segment": "10.9.0.0/24", "family": "ipv4", "vrid": "51"}
    pairs = {**group, "job": "vrrpwatch", "instance": instance, **labels}
    return name + "{" + ",".join(f'{key}="{value}"' for key, value in pairs.items() if value) + "}"


def scraped(value: Callable[[int], float | None], phase: int = 0, interval: int = 15) -> Value:
    """The value at the seconds of a scrape, nothing in between."""
    return lambda now: value(now) if now % interval == phase else None


@dataclass
class Scenario:
    """One promtool test: the series of some worlds and loose series, and expectations on ALERTS.

    `ever`: exactly the alerts that may and must fire at any evaluation (the watchdog aside). `at`: (seconds, alert,
    number of firing alerts). `step`: seconds between evaluations.
    """

    name: str
    seconds: int
    worlds: list[World] = field(default_factory=list)
    series: Mapping[str, Value] = field(default_factory=dict)
    ever: Iterable[str] = ()
    at: list[tuple[int, str, int]] = field(default_factory=list)
    interval: int = 15
    step: int = 5
    annotations: list[tuple[int, str, list[dict[str, object]]]] = field(default_factory=list)

    def rows(self) -> dict[str, list[str]]:
        """Series notation -> one value per second, `_` where nothing is scraped."""
        rows: dict[str, list[str]] = {}
        for world in self.worlds:
            for sensor in world.sensors:
                self.scrape(world, sensor, rows)
        for name, value in self.series.items():
            rows[name] = [notation(value(now)) for now in range(self.seconds + 1)]
        return rows

    def scrape(self, world: World, sensor: Sensor, rows: dict[str, list[str]]) -> None:
        target = {"job": "vrrpwatch", "instance": sensor.instance, **sensor.labels}
        exposed: set[str] = set()
        for now in range(sensor.phase, self.seconds + 1, self.interval):
            gone = sensor.gone(now)
            if gone == "gap":
                continue
            found = (
                {}
                if gone
                else {identity(n, {**dict(ls), **target}): v for (n, ls), v in world.expose(sensor, now).items()}
            )
            for series in exposed - set(found):  # Prometheus marks what a scrape no longer has
                rows[series][now] = "stale"
            for series, value in found.items():
                rows.setdefault(series, ["_"] * (self.seconds + 1))[now] = notation(value)
            rows.setdefault(identity("up", target), ["_"] * (self.seconds + 1))[now] = "0" if gone else "1"
            exposed = set(found)

    def as_test(self) -> dict[str, object]:
        firing = 'alertstate="firing",alertname!="VrrpwatchWatchdog"'
        rows = self.rows()
        if not any(name.startswith("up{") for name in rows):  # else VrrpwatchDown says that the job is absent
            rows['up{job="vrrpwatch",instance="a"}'] = ["1"] * (self.seconds + 1)
        checks: list[dict[str, object]] = [
            {
                "expr": f"group by (alertname) (count_over_time(ALERTS{{{firing}}}[{self.seconds + 1}s]))",
                "eval_time": f"{self.seconds}s",
                "exp_samples": [{"labels": f'{{alertname="{name}"}}', "value": 1} for name in sorted(self.ever)],
            }
        ]
        for seconds, alert, count in self.at:
            expr = f'count(ALERTS{{alertname="{alert}",alertstate="firing"}}) or vector(0)'
            checks.append({"expr": expr, "eval_time": f"{seconds}s", "exp_samples": [{"labels": "{}", "value": count}]})
        return {
            "name": self.name,
            "interval": "1s",
            "input_series": [{"series": name, "values": pack(values)} for name, values in rows.items()],
            "promql_expr_test": checks,
            "alert_rule_test": [
                {"eval_time": f"{seconds}s", "alertname": alert, "exp_alerts": alerts}
                for seconds, alert, alerts in self.annotations
            ],
        }


def identity(name: str, labels: dict[str, str]) -> str:
    return name + "{" + ",".join(f"{k}={json.dumps(v)}" for k, v in sorted(labels.items())) + "}"


def notation(value: float | str | None) -> str:
    return "_" if value is None else value if isinstance(value, str) else f"{value:.6f}".rstrip("0").rstrip(".")


def pack(values: list[str]) -> str:
    """promtool's notation, runs of `_` shortened."""
    return re.sub(r"_( _)+", lambda m: f"_x{(len(m[0]) + 1) // 2}", " ".join(values))


def run(folder: Path, *scenarios: Scenario, rules: Path = RULES) -> None:
    """Run promtool over the scenarios; AssertionError with its own words when one does not hold."""
    promtool = program("promtool")
    assert promtool is not None
    by_step: dict[int, list[Scenario]] = {}
    for scenario in scenarios:
        by_step.setdefault(scenario.step, []).append(scenario)
    for step, some in by_step.items():
        file = folder / f"test-{step}.json"  # JSON is YAML
        file.write_text(
            json.dumps(
                {"rule_files": [str(rules)], "evaluation_interval": f"{step}s", "tests": [s.as_test() for s in some]}
            )
        )
        done = subprocess.run([promtool, "test", "rules", str(file)], capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, f"{[s.name for s in some]}\n{done.stdout}{done.stderr}"
