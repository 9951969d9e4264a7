"""Writes the dashboards: `python -m grafana.generate` at the top of the checkout (needs requirements/test.txt).

dashboards/*.json are for provisioning and import, grafana.com/*.json for upload to grafana.com: there the data source
is an input that the importing Grafana asks for. Both are committed; a test checks that they are what this script
writes.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from . import overview, router

HERE: Final = Path(__file__).resolve().parent
GRAFANA: Final = "11.6.0"
PANELS: Final = {"stat": "Stat", "state-timeline": "State timeline", "table": "Table", "timeseries": "Time series"}


def dashboards() -> dict[str, dict[str, Any]]:
    """uid -> dashboard as Grafana's JSON model."""
    built = (overview.build().build(), router.build().build())
    models = [json.loads(JSONEncoder(sort_keys=True).encode(board)) for board in built]
    return {model["uid"]: model for model in models}


def for_upload(model: dict[str, Any]) -> dict[str, Any]:
    """The same dashboard with its data source as an input, as grafana.com wants it."""
    text = json.dumps(model).replace("${datasource:queryparam}&", "").replace("${datasource}", "${DS_PROMETHEUS}")
    upload: dict[str, Any] = json.loads(text)
    variables = upload["templating"]["list"]
    upload["templating"]["list"] = [v for v in variables if v["type"] != "datasource"]
    source = {"name": "DS_PROMETHEUS", "label": "Prometheus", "description": "The Prometheus that scrapes vrrpwatch"}
    upload["__inputs"] = [{**source, "type": "datasource", "pluginId": "prometheus", "pluginName": "Prometheus"}]
    used = sorted({panel["type"] for panel in upload["panels"]} - {"row"})
    upload["__requires"] = [
        {"type": "grafana", "id": "grafana", "name": "Grafana", "version": GRAFANA},
        {"type": "datasource", "id": "prometheus", "name": "Prometheus", "version": "1.0.0"},
        *({"type": "panel", "id": name, "name": PANELS[name], "version": ""} for name in used),
    ]
    return upload


def files() -> dict[Path, str]:
    """Every file that the script writes, with its text."""
    written = {}
    for uid, model in dashboards().items():
        written[HERE / "dashboards" / f"{uid}.json"] = as_text(model)
        written[HERE / "grafana.com" / f"{uid}.json"] = as_text(for_upload(model))
    return written


def as_text(model: dict[str, Any]) -> str:
    return json.dumps(model, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def main() -> None:
    for path, text in files().items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
        print(path.relative_to(HERE.parent))


if __name__ == "__main__":
    main()
