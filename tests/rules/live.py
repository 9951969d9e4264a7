"""Real Prometheus and Alertmanager for tests: own ports and folders, ended by process; a webhook that records."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import subprocess
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeVar

from tests.support import program

T = TypeVar("T")


def wait_for(what: str, probe: Callable[[], T], seconds: float = 60.0, pause: float = 0.1) -> T:
    """The first true answer of `probe`; AssertionError with its last answer when none came in time."""
    deadline = time.monotonic() + seconds
    while True:
        answer = probe()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"no {what} within {seconds} s; last answer: {answer!r}")
        time.sleep(pause)


class Place:
    """Where programs run and ports are: this machine."""

    def free_port(self) -> int:
        with self.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
            return port

    def socket(self) -> socket.socket:
        """A TCP socket of that place's network."""
        return socket.socket()

    @contextlib.contextmanager
    def running(self, command: list[str], log: Path) -> Iterator[None]:
        """The program, ended with SIGTERM (SIGKILL after 10 s) at the end; its output goes to `log`."""
        with log.open("wb") as sink:
            process = subprocess.Popen(command, stdout=sink, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        try:
            yield
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def get(self, port: int, path: str) -> tuple[int, bytes]:
        """Status and body of a page of 127.0.0.1; OSError when nobody answers."""
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        connection.sock = self.socket()
        try:
            connection.sock.settimeout(10)
            connection.sock.connect(("127.0.0.1", port))
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def ready(self, port: int) -> bool:
        try:
            return self.get(port, "/-/ready")[0] == 200
        except OSError:
            return False


HERE = Place()


@dataclass
class Prometheus:
    """A running server: `query` and `query_range` return the result lists of its API."""

    place: Place
    port: int

    def api(self, path: str, **params: Any) -> Any:
        status, body = self.place.get(self.port, f"/api/v1/{path}?{urllib.parse.urlencode(params, doseq=True)}")
        assert status == 200, f"{params}: {body.decode()}"
        return json.loads(body)["data"]

    def query(self, expr: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.api("query", query=expr)["result"]
        return found

    def query_range(self, expr: str, seconds: int, step: int = 1) -> list[dict[str, Any]]:
        now = time.time()
        found: list[dict[str, Any]] = self.api("query_range", query=expr, start=now - seconds, end=now, step=step)[
            "result"
        ]
        return found

    def firing(self) -> dict[str, list[dict[str, Any]]]:
        """alert name -> its firing alerts, the watchdog left out."""
        found: dict[str, list[dict[str, Any]]] = {}
        for alert in self.api("alerts")["alerts"]:
            name = alert["labels"]["alertname"]
            if alert["state"] == "firing" and name != "VrrpwatchWatchdog":
                found.setdefault(name, []).append(alert)
        return found

    def wait_for_targets(self, count: int = 1) -> None:
        """Until all are scraped (the first scrape of Prometheus comes after up to 6 s)."""
        wait_for(f"{count} targets up", lambda: len(self.query("up == 1")) == count)


@contextlib.contextmanager
def prometheus(
    folder: Path,
    targets: dict[str, list[str]],
    *,
    place: Place = HERE,
    rules: Path | None = None,
    alertmanager: str | None = None,
    relabel: list[dict[str, Any]] | None = None,
) -> Iterator[Prometheus]:
    """A Prometheus that scrapes `targets` (job -> host:port) and evaluates `rules` every second."""
    folder.mkdir(parents=True, exist_ok=True)
    config: dict[str, Any] = {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "scrape_configs": [
            {"job_name": job, "static_configs": [{"targets": names}], "metric_relabel_configs": relabel or []}
            for job, names in targets.items()
        ],
        "rule_files": [str(rules)] if rules else [],
    }
    if alertmanager:
        config["alerting"] = {"alertmanagers": [{"static_configs": [{"targets": [alertmanager]}]}]}
    (folder / "prometheus.yml").write_text(json.dumps(config))
    port = place.free_port()
    binary = program("prometheus")
    assert binary is not None
    command = [binary, f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'data'}"]
    command += [f"--web.listen-address=127.0.0.1:{port}", f"--web.external-url=http://127.0.0.1:{port}"]
    command += ["--rules.alert.resend-delay=1s"]
    with place.running(command, folder / "prometheus.log"):
        wait_for("Prometheus", lambda: place.ready(port))
        yield Prometheus(place, port)


@contextlib.contextmanager
def alertmanager(folder: Path, webhook: str, *, place: Place = HERE) -> Iterator[str]:
    """host:port of an Alertmanager that sends everything to `webhook` at once; the watchdog goes nowhere."""
    folder.mkdir(parents=True, exist_ok=True)
    times = {"group_wait": "0s", "group_interval": "1s", "repeat_interval": "1h"}
    silent = {"receiver": "nobody", "matchers": ["alertname = VrrpwatchWatchdog"]}
    config = {
        "route": {"receiver": "hook", "group_by": ["..."], **times, "routes": [silent]},
        "receivers": [
            {"name": "hook", "webhook_configs": [{"url": webhook, "send_resolved": True}]},
            {"name": "nobody"},
        ],
    }
    (folder / "alertmanager.yml").write_text(json.dumps(config))
    port = place.free_port()
    binary = program("prometheus-alertmanager")
    assert binary is not None
    command = [binary, f"--config.file={folder / 'alertmanager.yml'}", f"--storage.path={folder / 'am'}"]
    command += [f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address="]
    with place.running(command, folder / "alertmanager.log"):
        wait_for("Alertmanager", lambda: place.ready(port))
        yield f"127.0.0.1:{port}"


@dataclass
class Webhook:
    """What arrived: (time, alert) in order; `find` by name and status."""

    url: str
    arrived: list[tuple[float, dict[str, Any]]] = field(default_factory=list)

    def find(self, name: str, status: str = "firing", since: float = 0.0) -> list[tuple[float, dict[str, Any]]]:
        return [
            (moment, alert)
            for moment, alert in list(self.arrived)
            if alert["labels"]["alertname"] == name and alert["status"] == status and moment >= since
        ]

    def names(self, since: float = 0.0) -> set[str]:
        return {alert["labels"]["alertname"] for moment, alert in list(self.arrived) if moment >= since}


@contextlib.contextmanager
def webhook(place: Place = HERE) -> Iterator[Webhook]:
    """A threaded receiver on 127.0.0.1 of that place, which answers at once."""
    hook = Webhook("")

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            now = time.time()
            hook.arrived.extend((now, alert) for alert in body["alerts"])
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Receiver, bind_and_activate=False) as server:
        server.socket.close()
        server.socket = place.socket()
        server.server_bind()
        server.server_activate()
        hook.url = f"http://127.0.0.1:{server.server_address[1]}/"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield hook
        finally:
            server.shutdown()
            thread.join(10)
