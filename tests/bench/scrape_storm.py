"""A storm of scrapes beside a busy capture: are frames lost, how long does a scrape take, how old is what it shows?

`sudo python -m tests.bench.scrape_storm [SECONDS]`: 255 VRIDs with 2 masters each into a lab, `watch` on the observer,
eight scrapers that never rest, 300 idle connections. Prints frames sent, seen and dropped without and with the storm.
"""

from __future__ import annotations

import contextlib
import socket
import statistics
import sys
import threading
import time
from collections.abc import Iterator

from tests.lab.bench_of_hosts import command
from tests.lab.test_watch_prometheus import fetch, free_port, sample
from vrrpcore.addresses import VRRP_GROUP4, pack
from vrrpcore.frames import build_advert
from vrrpcore.packet import Advertisement
from vrrpwatch.lab import Host, Lab, LabError, module_path

RATE = 1000  # adverts per second, every one of them contested: the dearest there are


def frames() -> list[bytes]:
    """One advert of each of 255 routers from each of two sources (a split brain on every one)."""
    rows = []
    for number, mac in ((1, "020000000001"), (2, "020000000002")):
        for vrid in range(1, 256):
            advert = Advertisement(3, vrid, 150 - number, (pack(f"10.9.100.{vrid}"),), 1.0)
            rows.append(build_advert(advert, bytes.fromhex(mac), pack(f"10.9.0.{number}"), VRRP_GROUP4))
    return rows


def send(host: Host, seconds: float) -> int:
    """Send at RATE for some time; how many."""
    with host.entered():
        wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        wire.bind(("eth0", 0))
    rows, sent = frames(), 0
    begun = time.monotonic()
    with wire:
        while (now := time.monotonic() - begun) < seconds:
            while sent < now * RATE:
                wire.send(rows[sent % len(rows)])
                sent += 1
            time.sleep(0.002)
    return sent


@contextlib.contextmanager
def storm(host: Host, port: int, took: list[float]) -> Iterator[None]:
    """Eight scrapers without a pause, 300 connections that say nothing."""
    over = threading.Event()

    def scrape() -> None:
        while not over.is_set():
            begun = time.monotonic()
            with contextlib.suppress(OSError):
                fetch(host, port, "/metrics")
                took.append(time.monotonic() - begun)

    with contextlib.ExitStack() as stack:
        with host.entered():
            for _ in range(300):
                stack.enter_context(socket.create_connection(("127.0.0.1", port)))
        threads = [threading.Thread(target=scrape) for _ in range(8)]
        for thread in threads:
            thread.start()
        yield
        over.set()
        for thread in threads:
            thread.join()


def run(seconds: float = 5.0) -> None:
    """Without the storm, then with it."""
    with Lab("vw-storm") as lab:
        sender = lab.host("sender", "10.9.0.1/16")
        observer = lab.host("observer", "10.9.0.9/16")
        port = free_port(observer)
        words = command("watch", "-i", "eth0", "--listen", f"127.0.0.1:{port}")
        observer.start(*words, log="watch", environment=module_path())
        lab.wait(lambda: sample(observer, port, "vrrpwatch_sniffer_up") == 1, "watch", 30)
        for stormy in (False, True):
            _measure(sender, observer, port, seconds, stormy)


def _measure(sender: Host, observer: Host, port: int, seconds: float, stormy: bool) -> None:
    took: list[float] = []

    def seen() -> int:
        return int(sample(observer, port, "vrrpwatch_sniffer_adverts_total") or 0)

    before = seen()
    with storm(observer, port, took) if stormy else contextlib.nullcontext():
        sent = send(sender, seconds)
    with contextlib.suppress(LabError):
        observer.lab.wait(lambda: seen() >= before + sent, "all adverts", 10)
    dropped = sample(observer, port, "vrrpwatch_sniffer_dropped_total") or 0
    age = sample(observer, port, "vrrpwatch_snapshot_age_seconds") or 0
    words = [f"sent {sent}, seen {seen() - before}, dropped {dropped:.0f}, judged {age:.2f} s ago"]
    if took:
        took.sort()
        p99 = took[max(int(len(took) * 0.99) - 1, 0)]
        words.append(f"{len(took)} scrapes, median {statistics.median(took) * 1e3:.0f} ms, p99 {p99 * 1e3:.0f} ms")
    print("storm:" if stormy else "calm: ", ", ".join(words))


if __name__ == "__main__":
    run(float(sys.argv[1]) if len(sys.argv) > 1 else 5.0)
