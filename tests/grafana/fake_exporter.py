"""A scrape target that serves, by hand, what the exporter serves during a split: for the dashboards' queries alone."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from vrrpcore.verdict import CLASSES

GROUP = {"segment": "10.9.0.0/24", "family": "ipv4", "vrid": "51"}


def exposition(age: float) -> str:
    """The exposition `age` seconds after the start: two masters, everything that counts goes up."""
    now = time.time()
    lines: list[str] = []

    def put(name: str, value: float, **labels: str) -> None:
        own = name.startswith(("vrrpwatch_sniffer", "vrrpwatch_build"))  # the sensor's, not a virtual router's
        pairs = labels if own else {**GROUP, **labels}
        text = ",".join(f'{key}="{value}"' for key, value in pairs.items())
        lines.append(f"{name}{{{text}}} {value}")

    ticks = int(age)
    put("vrrpwatch_build_info", 1, version="0")
    put("vrrpwatch_group_masters", 2)
    for name in CLASSES:
        put("vrrpwatch_verdict", name == "split_brain", **{"class": name})
    put("vrrpwatch_verdict_info", 1, **{"class": "split_brain", "cause": "peer_deaf"})
    put("vrrpwatch_split_brain_active", 1)
    put("vrrpwatch_split_brain_suspected", 0)
    put("vrrpwatch_split_brain_episodes_total", ticks // 2)
    put("vrrpwatch_split_brain_seconds_total", age)
    put("vrrpwatch_split_brain_episodes_by_cause_total", ticks // 2, **{"class": "split_brain", "cause": "peer_deaf"})
    put("vrrpwatch_split_brain_last_seen_timestamp_seconds", now)
    put("vrrpwatch_address_owners", 2, vip="10.9.0.100")
    for number, source in enumerate(("10.9.0.2", "10.9.0.3")):
        put("vrrpwatch_master_info", 1, source=source, mac=f"02:00:00:00:00:0{number}", version="2", auth="none")
        put("vrrpwatch_master_priority", 150 - 50 * number, source=source)
        put("vrrpwatch_master_adverts_total", ticks, source=source)
        put("vrrpwatch_master_last_seen_timestamp_seconds", now, source=source)
    put("vrrpwatch_master_transitions_total", ticks // 2, reason="preempted")
    put("vrrpwatch_adverts_invalid_total", ticks, reason="checksum")
    put("vrrpwatch_mismatch", 1, kind="advert_int_mismatch")
    for state in ("init", "backup", "master", "fault"):
        put("vrrpwatch_instance_state", state == "master", instance_name="VI_1", state=state)
    put("vrrpwatch_instance_master_age_seconds", age, instance_name="VI_1")
    put("vrrpwatch_sniffer_up", 1, interface="eth0")
    put("vrrpwatch_sniffer_frames_total", ticks, interface="eth0")
    put("vrrpwatch_sniffer_dropped_total", ticks, interface="eth0")
    put("vrrpwatch_sniffer_last_frame_timestamp_seconds", now, interface="eth0")
    return "\n".join(lines).replace(" True", " 1").replace(" False", " 0") + "\n"


@contextlib.contextmanager
def fake_exporter() -> Iterator[str]:
    """host:port of the target."""
    begin = time.monotonic()

    class Target(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = exposition(time.monotonic() - begin).encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Target) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join(10)
