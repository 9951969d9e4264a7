"""Without Prometheus: keepalived splits, `watch` tells a real Alertmanager and a webhook itself, over its own death."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from datetime import datetime
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.lab.bench_of_hosts import steady_machine
from tests.lab.test_chain import InHost
from tests.lab.test_watch_prometheus import Watched
from tests.rules.live import alertmanager, wait_for, webhook
from vrrpwatch.lab import Host, Lab

pytestmark = [
    pytest.mark.live,
    pytest.mark.root,
    pytest.mark.needs("keepalived", "prometheus-alertmanager", "iproute2"),
]


class Hook(ThreadingHTTPServer):
    """Our own webhook's receiver on a lab host; refuses while `closed`."""

    daemon_threads = True

    def __init__(self, host: Host) -> None:
        super().__init__(("127.0.0.1", 0), _Receiver, bind_and_activate=False)
        self.socket.close()
        self.socket = InHost(host).socket()
        self.server_bind()
        self.server_activate()
        self.closed = False
        self.events: list[tuple[float, dict[str, Any]]] = []

    def seen(self, status: str) -> list[dict[str, Any]]:
        return [event for _, event in self.events if event["status"] == status and event["class"] == "split_brain"]


class _Receiver(BaseHTTPRequestHandler):
    server: Hook

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(503 if self.server.closed else 200)
        self.end_headers()
        if not self.server.closed:
            self.server.events.append((time.time(), body))

    def log_message(self, format: str, *args: object) -> None:
        return


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab("vw-tells") as lab:
        yield lab


def test_a_split_is_told_and_its_end_also_when_the_daemon_was_killed_in_between(lab: Lab, tmp_path: Path) -> None:
    file = lab.write("tells.toml", "")
    watched = Watched(lab, 1, "--config", str(file), journal=True)
    place = InHost(watched.observer)
    hook = Hook(watched.observer)
    threading.Thread(target=hook.serve_forever, daemon=True).start()
    with webhook(place) as behind, alertmanager(tmp_path / "am", behind.url, place=place) as address, steady_machine():
        file.write_text(
            f'[[alertmanager]]\nurl = "http://{address}"\nresend = 1\nhold = 5\n'
            f'[[webhook]]\nname = "hook"\nurl = "http://127.0.0.1:{hook.server_address[1]}/"\n'
        )
        watched.watch.signal(1)
        watched.until(lambda: watched.value("vrrpwatch_notifications_total", result="sent") == 0, "the receivers")
        watched.pair.start()
        watched.pair.first.wait_state("MASTER")
        watched.until(lambda: watched.value("vrrpwatch_group_masters") == 1, "one master")
        watched.split()
        wait_for("the split at the webhook", lambda: hook.seen("firing"))
        wait_for("the split behind Alertmanager", lambda: behind.find("VrrpSplitBrain"))
        event = hook.seen("firing")[0]
        assert event["masters"] == ["10.9.1.1", "10.9.1.2"]
        assert event["alertname"] == "VrrpSplitBrain"
        assert behind.find("VrrpSplitBrain")[0][1]["annotations"]["sources"] == "10.9.1.1, 10.9.1.2"
        hook.closed = True
        watched.watch.kill()
        watched.begin()
        watched.until(lambda: watched.value("vrrpwatch_split_brain_active") == 1, "the split to be found again")
        watched.heal()
        refused = partial(watched.value, "vrrpwatch_notifications_total", receiver="hook", result="failed")
        watched.until(lambda: (refused() or 0) >= 1, "a refusal")
        hook.closed = False
        wait_for("the end at the webhook", lambda: hook.seen("resolved"))
        wait_for("the end behind Alertmanager", lambda: behind.find("VrrpSplitBrain", "resolved"))
        assert [e["episode"] for e in hook.seen("firing")] == [event["episode"]]
        assert {e["episode"] for e in hook.seen("resolved")} == {event["episode"]}
        first = hook.events[[e for _, e in hook.events].index(event)][0]
        print(f"told {first - _epoch(event['started']):.1f} s after the split began")
    hook.shutdown()
    hook.server_close()


def _epoch(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
