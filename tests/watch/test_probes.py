"""What a probe looks like, and how often it may be sent."""

from __future__ import annotations

import pytest

from vrrpcore.addresses import pack
from vrrpcore.frames import Arp, Neighbour, unwrap
from vrrpcore.records import Link
from vrrpwatch.probes import Prober, request

MAC = bytes.fromhex("020000000009")


def arp(frame: bytes | None) -> Arp:
    assert frame is not None
    body = unwrap(frame, 1).body
    assert isinstance(body, Arp)
    return body


def test_an_address_in_our_prefix_is_asked_for_from_our_address() -> None:
    question = arp(request(MAC, pack("10.9.0.100"), [(pack("10.9.0.9"), 24)]))
    assert question == Arp(1, MAC, pack("10.9.0.9"), bytes(6), pack("10.9.0.100"))


def test_an_address_outside_every_prefix_is_asked_for_from_nobody() -> None:
    assert arp(request(MAC, pack("192.0.2.1"), [(pack("10.9.0.9"), 24)])).sender_ip == bytes(4)


def test_a_virtual_address_never_asks() -> None:
    own = [(pack("10.9.0.100"), 24), (pack("10.9.0.9"), 24)]
    assert arp(request(MAC, pack("10.9.0.101"), own, virtual={pack("10.9.0.100")})).sender_ip == pack("10.9.0.9")
    assert arp(request(MAC, pack("10.9.0.100"), own[:1])).sender_ip == bytes(4)


def test_a_tagged_segment_is_asked_with_its_tags_and_from_nobody() -> None:
    frame = request(MAC, pack("10.9.0.100"), [(pack("10.9.0.9"), 24)], vlans=(100,))
    assert frame is not None
    assert unwrap(frame, 1).vlans == (100,)
    assert arp(frame).sender_ip == bytes(4)


def test_a_solicitation_comes_from_our_link_local_with_our_mac_or_linux_would_not_answer() -> None:
    frame = request(MAC, pack("fd00:9::100"), [(pack("fd00:9::9"), 64), (pack("fe80::9"), 64)])
    assert frame is not None
    whole = unwrap(frame, 1)
    assert whole.ip is not None
    assert whole.ip.source == pack("fe80::9")
    assert whole.ip.destination == pack("ff02::1:ff00:100")
    assert whole.ip.ttl == 255
    assert whole.body == Neighbour(135, pack("fd00:9::100"), MAC)


def test_without_a_link_local_address_nothing_is_solicited() -> None:
    assert request(MAC, pack("fd00:9::100"), [(pack("fd00:9::9"), 64)]) is None


def test_one_address_is_asked_for_at_most_once_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    prober = Prober(lambda: [Link("eth0", "lan")])
    sent: list[tuple[str, bytes]] = []
    now = [100.0]
    monkeypatch.setattr("vrrpwatch.probes.time.monotonic", lambda: now[0])

    def send(segment: str, address: bytes, *_: object) -> bool:
        sent.append((segment, address))
        return True

    monkeypatch.setattr(prober, "_send", send)
    for _ in range(30):  # three seconds
        prober.ask([("lan", pack("10.9.0.100")), ("lan", pack("10.9.0.100"))])
        now[0] += 0.1
    assert len(sent) == 3


def test_a_request_that_comes_too_early_is_sent_when_its_second_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    prober = Prober(lambda: [Link("eth0", "lan")])
    now = [100.0]
    sent: list[float] = []
    monkeypatch.setattr("vrrpwatch.probes.time.monotonic", lambda: now[0])

    def send(*_: object) -> bool:
        sent.append(now[0])
        return True

    monkeypatch.setattr(prober, "_send", send)
    key = ("lan", pack("10.9.0.100"))
    for moment, requests in ((100.0, [key]), (100.98, [key]), (100.99, [key]), (101.03, []), (101.5, [])):
        now[0] = moment
        prober.ask(requests)
    assert sent == [100.0, 101.03]
    assert prober.counters.held == 1


def test_a_segment_that_no_link_shows_is_counted_not_sent() -> None:
    prober = Prober(lambda: [Link("eth0", "lan")])
    assert prober.ask([("elsewhere", pack("10.9.0.100")), ("lan.x", pack("10.9.0.101"))]) == 0
    assert prober.counters.unable == 2
