"""What the live tests of the program share: a pair with an observer, `vrrpwatch` run on a lab host, a tagging cable."""

from __future__ import annotations

import json
import os
import select
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.support import Inconclusive
from vrrpwatch.lab import Host, Keepalived, Lab, keepalived_config, module_path

#: A gap in this process' own scheduling that makes timing on this machine meaningless (half of an advert interval).
STALL = 0.5


@dataclass
class Answer:
    """What one run of `vrrpwatch` gave."""

    code: int
    out: str
    err: str
    seconds: float

    @property
    def document(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.out)
        return found

    @property
    def worst(self) -> tuple[str, str | None]:
        """(class, cause)."""
        worst = self.document["worst"]
        return worst["class"], worst["cause"]


def command(*arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "vrrpwatch", *arguments)


def vrrpwatch(host: Host, *arguments: str, before: tuple[str, ...] = ()) -> Answer:
    """Run the program on a lab host to its end; `before` are words in front of it (setpriv …)."""
    begun = time.monotonic()
    done = host.run(*before, *command(*arguments), check=False, environment=module_path())
    return Answer(done.returncode, done.stdout, done.stderr, time.monotonic() - begun)


class Running:
    """`vrrpwatch` on a lab host, to be collected later."""

    def __init__(self, host: Host, *arguments: str) -> None:
        self._begun = time.monotonic()
        self._process = host.popen(
            *command(*arguments),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            environment=module_path(),
        )

    def wait_listening(self, host: Host) -> None:
        """Until it has its packet socket."""
        host.lab.wait(lambda: "\n" in host.run("sh", "-c", "sed 1d /proc/net/packet").stdout, "a listener")

    def collect(self, timeout: float = 60.0) -> Answer:
        out, err = self._process.communicate(timeout=timeout)
        return Answer(self._process.returncode, out, err, time.monotonic() - self._begun)


class Pair:
    """Two keepalived and an observer on a switch of their own."""

    def __init__(self, lab: Lab, tag: str, network: int, lan: str = "") -> None:
        self.lab, self.tag = lab, tag
        self.lan = lan or lab.lan(f"lan-{tag}"[:15])
        self.prefix = f"10.9.{network}"
        self.vip = f"{self.prefix}.100"
        self.a = self._host("a", 1)
        self.b = self._host("b", 2)
        self.observer = self._host("o", 9)

    def _host(self, letter: str, number: int) -> Host:
        mac = f"02:00:00:00:{self.prefix.split('.')[2].zfill(2)}:{number:02d}"
        return self.lab.host(f"{letter}{self.tag}"[:9], f"{self.prefix}.{number}/24", mac=mac, lan=self.lan)

    def config(self, priority: int, **options: Any) -> str:
        options.setdefault("vips", [f"{self.vip}/24"])
        return keepalived_config(priority=priority, **options)

    def start(self, first: dict[str, Any] | None = None, second: dict[str, Any] | None = None) -> None:
        """Start both; the first has the higher priority."""
        self.first = Keepalived(self.a, self.config(150, **(first or {})), tag=f"ka-{self.tag}")
        self.second = Keepalived(self.b, self.config(100, **(second or {})), tag=f"kb-{self.tag}")


@contextmanager
def steady_machine() -> Iterator[None]:
    """Inconclusive when a block fails in which this process was not scheduled for STALL seconds: it proves nothing."""
    longest = 0.0
    over = threading.Event()

    def watch() -> None:
        nonlocal longest
        last = time.monotonic()
        while not over.wait(0.05):
            now = time.monotonic()
            longest = max(longest, now - last - 0.05)
            last = now

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    except AssertionError as error:
        if longest > STALL:
            raise Inconclusive(f"this machine stalled for {longest:.2f} s") from error
        raise
    finally:
        over.set()
        thread.join()


class TaggingCable:
    """Copies every frame from one interface of a host to another one with an 802.1Q tag, as a trunk port would."""

    def __init__(self, host: Host, vlan: int, source: str = "eth0", sink: str = "eth1") -> None:
        self._tag = struct.pack("!HH", 0x8100, vlan)
        self._stop_read, self._stop_write = os.pipe()
        with host.entered():
            self._from = self._open(source)
            self._to = self._open(sink)
            # promiscuous: unicast between the routers passes as well
            index = socket.if_nametoindex(source)
            self._from.setsockopt(263, 1, struct.pack("IHH8s", index, 1, 0, b""))
        self._thread = threading.Thread(target=self._copy, daemon=True)
        self._thread.start()

    @staticmethod
    def _open(interface: str) -> socket.socket:
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        sock.bind((interface, 3))
        return sock

    def _copy(self) -> None:
        while True:
            ready, _, _ = select.select([self._from.fileno(), self._stop_read], [], [])
            if self._stop_read in ready:
                return
            data, address = self._from.recvfrom(65536)
            if address[2] != socket.PACKET_OUTGOING:
                self._to.send(data[:12] + self._tag + data[12:])

    def close(self) -> None:
        os.write(self._stop_write, b".")
        self._thread.join(5)
        for end in (self._from, self._to):
            end.close()
        os.close(self._stop_read)
        os.close(self._stop_write)
