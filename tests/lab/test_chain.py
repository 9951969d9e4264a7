"""The whole chain, for real: keepalived, the wire, `watch`, Prometheus, the rule pack, Alertmanager, a webhook.

One lab, in the order in which its rules allow it: what must stay silent first, then a partition (which the rules leave
to VrrpSplitBrain for some minutes after a split that was seen), then the split that everybody hears. Two Prometheus
watch the same sensors: one as it is, one to which no instance state is shown, so that it has passive sensors only.
"""

from __future__ import annotations

import contextlib
import json
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.grafana.queries import DASHBOARDS, unanswered
from tests.lab.bench_of_hosts import Pair, command, steady_machine
from tests.rules.live import Place, Prometheus, Webhook, alertmanager, prometheus, wait_for, webhook
from tests.rules.promtool import CRITICAL, RULES
from tests.support import Inconclusive
from vrrpwatch.lab import Host, Keepalived, Lab, LabError, module_path

pytestmark = [
    pytest.mark.live,
    pytest.mark.root,
    pytest.mark.needs("keepalived", "prometheus", "prometheus-alertmanager", "iproute2"),
]
FIFO = "/run/vrrpwatch.fifo"
TOLD: dict[str, Any] = {"global_extra": [f"vrrp_notify_fifo {FIFO}"]}
PORT = 10112
#: Panels that stay empty in a split of well-behaved routers: nothing is invalid, dropped or in disagreement, and no
#: episode has ended whose end would be counted.
QUIET = {
    "Frames at the sensors B",
    "Invalid adverts by reason A",
    "Disagreements A",
    "Episodes by class and cause A",
}


class InHost(Place):
    """A lab host as the place where Prometheus and Alertmanager run."""

    def __init__(self, host: Host) -> None:
        self.host = host

    def socket(self) -> socket.socket:
        with self.host.entered():
            return socket.socket()

    @contextlib.contextmanager
    def running(self, command: list[str], log: Path) -> Iterator[None]:
        process = self.host.start(*command, log=log.name)
        try:
            yield
        finally:
            process.stop()


@dataclass
class Chain:
    """The lab with everything running."""

    lab: Lab
    pair: Pair
    fast: Pair
    full: Prometheus
    passive: Prometheus
    hook: Webhook

    def repair(self) -> None:
        """All paths open."""
        self.lab.unblock()
        self.pair.b.allow_vrrp()
        self.fast.b.allow_vrrp()

    def calm(self) -> None:
        """The pair as it should be, and all three sensors of it agree."""
        self.repair()
        if not self.pair.first.program.running:
            self.pair.first = Keepalived(self.pair.a, self.pair.config(150, **TOLD), tag=f"ka{time.monotonic_ns()}")
        self.pair.first.wait_state("MASTER")
        self.pair.second.wait_state("BACKUP")
        own = f'vrrpwatch_group_masters{{segment="{self.pair.prefix}.0/24"}}'
        wait_for(
            "one master for all",
            lambda: self.full.query(f"count({own} == 1) == 3 and count(max_over_time({own}[5s]) == 1) == 3"),
        )

    def episode(self) -> dict[str, Any]:
        """The latest split brain episode as the observer's sensor tells it."""
        verdicts = InHost(self.pair.observer).get(PORT, "/api/v1/verdicts")[1]
        rows = [e for r in json.loads(verdicts)["routers"] for e in r["episodes"] if e["class"] == "split_brain"]
        return max(rows, key=lambda row: row["start"])


@contextlib.contextmanager
def conclusive(chain: Chain) -> Iterator[float]:
    """Begin in peace, yield the time, end in peace.

    A test that failed while scrapes took longer than a second, or while this process was not run, proves nothing.
    """
    chain.calm()
    begin = time.time()
    try:
        with steady_machine():
            yield begin
    except (AssertionError, LabError) as error:
        window = int(time.time() - begin) + 1
        if not chain.full.query("up") or chain.full.query(f"min_over_time(up[{window}s]) == 0"):
            raise Inconclusive("scrapes took longer than a second") from error
        raise
    finally:
        chain.repair()


def sensor(lab: Lab, host: Host, conf: Path | None) -> None:
    """`watch` on eth0 of a host; with the keepalived.conf of a router also as its keepalived's witness."""
    words = ["watch", "-i", "eth0", "--listen", f"0.0.0.0:{PORT}"]
    if conf is not None:
        text = f'[keepalived]\nfifo = "{FIFO}"\nconfig = "{conf}"\n'
        words += ["--config", str(lab.write(f"{host.short}.toml", text))]
    host.start(*command(*words), log="watch", environment=module_path())


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    with contextlib.ExitStack() as stack:
        lab = stack.enter_context(Lab("vw-chain"))
        pair, fast = Pair(lab, "c", 11), Pair(lab, "f", 12)
        lab.lan("manage")
        pair.start(TOLD, TOLD)
        targets = []
        for number, host in enumerate((pair.a, pair.b, pair.observer, fast.observer), 1):
            lab.join(host, "manage", f"10.8.0.{number}/24")
            conf = {1: pair.first.config, 2: pair.second.config}.get(number)
            sensor(lab, host, conf)
            targets.append(f"10.8.0.{number}:{PORT}")
        place = InHost(lab.host("monitor", "10.8.0.9/24", lan="manage"))
        folder = tmp_path_factory.mktemp("chain")
        # the two minutes for which the alert goes on are promtool's to show (tests/rules)
        short = folder / "rules.yml"
        text = RULES.read_text().replace("keep_firing_for: 1m", "keep_firing_for: 2s")
        short.write_text(
            text.replace(
                "vrrpwatch_split_brain_active[1m])\n            or", "vrrpwatch_split_brain_active[1s])\n            or"
            )
        )
        hook = stack.enter_context(webhook(place))
        manager = stack.enter_context(alertmanager(folder, hook.url, place=place))
        scraped = {"vrrpwatch": targets}
        hidden = [{"source_labels": ["__name__"], "regex": "vrrpwatch_instance_.*", "action": "drop"}]
        full = stack.enter_context(prometheus(folder / "full", scraped, place=place, rules=short, alertmanager=manager))
        blind = prometheus(folder / "passive", scraped, place=place, rules=short, relabel=hidden)
        passive = stack.enter_context(blind)
        for server in (full, passive):
            server.wait_for_targets(len(targets))
        wait_for("one master everywhere", lambda: full.query("count(vrrpwatch_group_masters == 1) == 3"))
        yield Chain(lab, pair, fast, full, passive, hook)


def one_master(chain: Chain, host: str) -> list[dict[str, Any]]:
    """Whether this host alone says that it is master, and every sensor hears one."""
    alone = f'vrrpwatch_instance_state{{state="master",instance="{host}:{PORT}"}} == 1'
    return chain.full.query(
        f'{alone} and on () (count(vrrpwatch_instance_state{{state="master"}} == 1) == 1)'
        f' and on () (max(vrrpwatch_group_masters{{segment="{chain.pair.prefix}.0/24"}}) == 1)'
    )


def test_graceful_stop_and_preemption_fire_nothing_critical(chain: Chain) -> None:
    with conclusive(chain) as begin:
        chain.pair.first.stop()
        wait_for("the backup to be master", lambda: one_master(chain, "10.8.0.2"))
        chain.calm()
        wait_for("the first to be master again", lambda: one_master(chain, "10.8.0.1"))
        for server in (chain.full, chain.passive):
            window = int(time.time() - begin) + 1
            fired = server.query(f'count by (alertname) (count_over_time(ALERTS{{alertstate="firing"}}[{window}s]))')
            assert not {row["metric"]["alertname"] for row in fired} & set(CRITICAL)
        assert not chain.hook.names(begin) & set(CRITICAL)


def test_a_partition_is_found_from_both_sides(chain: Chain) -> None:
    pair, name = chain.pair, "VrrpSplitBrainPartitioned"
    with conclusive(chain) as begin:
        for one, other in ((pair.a, pair.b), (pair.a, pair.observer)):
            chain.lab.block(one, other)
            chain.lab.block(other, one)
        arrived, alert = wait_for("the partition", lambda: chain.hook.find(name, since=begin))[0]
        [begun] = chain.full.query("vrrpwatch:master_claim_from:max")
        overlap = float(begun["value"][1])  # when the second became master, on Prometheus' clock
        text = alert["annotations"]["description"]
        assert "10.8.0.1:10112 (for" in text
        assert "10.8.0.2:10112 (for" in text
        assert "Cause: l2_partition" in text
        fired = wait_for("the passive sensors' proof", lambda: chain.passive.firing().get(name, []), 300)[0]
        proved = time.time()
        text = fired["annotations"]["description"]
        assert "passive_sensors" in text
        assert f"{pair.prefix}.1 (by 10.8.0.1:10112)" in text
        assert f"{pair.prefix}.2 (by 10.8.0.2:10112)" in text
        assert not chain.hook.find("VrrpSplitBrain", since=begin)
        chain.repair()
        wait_for("its end", lambda: chain.hook.find(name, "resolved", begin))
        wait_for("the passive end", lambda: name not in chain.passive.firing(), 120)
    print(f"partition: {arrived - overlap:.2f} s to the webhook, {proved - overlap:.2f} s by passive sensors alone")


def test_a_split_reaches_the_webhook_within_seconds_and_ends_after_healing(chain: Chain) -> None:
    pair, name = chain.pair, "VrrpSplitBrain"
    with conclusive(chain) as begin:
        pair.b.drop_vrrp("input")
        arrived, alert = wait_for("the split at the webhook", lambda: chain.hook.find(name, since=begin))[0]
        episode = chain.episode()
        assert arrived - episode["confirmed"] < 30
        group = {key: alert["labels"][key] for key in ("segment", "family", "vrid")}
        assert group == {"segment": f"{pair.prefix}.0/24", "family": "ipv4", "vrid": "51"}
        # the cause is decided a little later than the class: the annotation follows
        wait_for("sources and cause", lambda: [a for a in chain.full.firing().get(name, []) if named(a, pair)])
        for uid, dashboard in DASHBOARDS.items():
            values = {"__rate_interval": "10s", "job": ".+", "instance": ".+", **group}
            assert set(unanswered(chain.full, dashboard, values)) <= QUIET, uid
        pair.b.allow_vrrp()
        pair.second.wait_state("BACKUP")
        healed = time.time()
        resolved, _ = wait_for("its end", lambda: chain.hook.find(name, "resolved", begin))[0]
    print(
        f"split: webhook {arrived - episode['start']:.2f} s after the overlap began,"
        f" {arrived - episode['confirmed']:.2f} s after it was confirmed;"
        f" resolved {resolved - healed:.2f} s after healing, of which 3 s it was kept firing"
    )


def named(alert: dict[str, Any], pair: Pair) -> bool:
    """Whether the description names both masters and why."""
    text = alert["annotations"]["description"]
    masters = (f"{pair.prefix}.1 (priority 150)", f"{pair.prefix}.2 (priority 100)")
    causes = ("peer_deaf", "firewall_input", "one_way_path", "multicast_filtered")
    return all(words in text for words in masters) and any(f"Cause: {cause}" in text for cause in causes)


def test_a_split_of_a_third_of_a_second_is_reported(chain: Chain) -> None:
    """At adverts of 0.1 s: over long before a scrape has to see it."""
    chain.fast.start({"version": 3, "interval": 0.1}, {"version": 3, "interval": 0.1})
    segment = f"{chain.fast.prefix}.0/24"
    chain.fast.first.wait_state("MASTER")
    wait_for("its 0", lambda: chain.full.query(f'vrrpwatch_split_brain_episodes_total{{segment="{segment}"}}'))
    with conclusive(chain) as begin:
        chain.fast.b.drop_vrrp("input")
        chain.fast.second.wait_state("MASTER")
        time.sleep(0.3)  # the length of the split, not a wait for anything
        chain.fast.b.allow_vrrp()
        names = ("VrrpSplitBrain", "VrrpSplitBrainTransient")
        found = wait_for("a report", lambda: [row for name in names for row in chain.hook.find(name, since=begin)])
        assert segment in {alert["labels"]["segment"] for _, alert in found}
