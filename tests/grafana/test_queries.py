"""Every expression and variable of the dashboards, asked of a real Prometheus that scrapes a split."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.grafana.fake_exporter import GROUP, fake_exporter
from tests.grafana.queries import DASHBOARDS, filled, queries, unanswered
from tests.rules.live import Prometheus, prometheus, wait_for

pytestmark = pytest.mark.needs("prometheus")
VALUES = {"__rate_interval": "10s", "job": ".+", "instance": ".+", **GROUP}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    folder = tmp_path_factory.mktemp("prometheus")
    with fake_exporter() as target, prometheus(folder, {"vrrpwatch": [target]}) as running:
        running.wait_for_targets()
        wait_for("an increase", lambda: running.query("increase(vrrpwatch_split_brain_episodes_total[1m]) > 0"))
        yield running


@pytest.mark.parametrize("uid", sorted(DASHBOARDS))
def test_every_query_and_variable_returns_data(uid: str, server: Prometheus) -> None:
    assert unanswered(server, DASHBOARDS[uid], VALUES) == []


def test_a_split_is_what_the_overview_shows(server: Prometheus) -> None:
    shown = {query.where: query for query in queries(DASHBOARDS["vrrpwatch-overview"])}
    now = server.query(filled(shown["Split brains now A"].expr, VALUES))
    assert [row["value"][1] for row in now] == ["1"]
    who = server.query(filled(shown["Who is master A"].expr, VALUES))
    assert {row["metric"]["source"] for row in who} == {"10.9.0.2", "10.9.0.3"}
    table = server.query(filled(shown["Virtual routers A"].expr, VALUES))
    assert [(row["metric"]["class"], row["metric"]["cause"]) for row in table] == [("split_brain", "peer_deaf")]
