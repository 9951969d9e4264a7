"""The short way must give exactly what the long way gives: captures, damaged copies, and random mixes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from random import Random
from struct import pack as pack_fields

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.bench import captures
from tests.core.capture_octets import enhanced, interface, option, pcap, section
from tests.core.test_pcap import damaged
from tests.core.test_quiet_path import CHANGED_VERSION, EVENTS, Event, long_way_only, script
from tests.support import ROOT
from vrrpcore.addresses import VRRP_GROUP4, VRRP_GROUP6, pack
from vrrpcore.errors import SourceError
from vrrpcore.frames import build_advert, build_garp, ethernet, ipv4_packet, unwrap
from vrrpcore.judge import Judge
from vrrpcore.packet import Advertisement
from vrrpcore.pcap import Decoder
from vrrpcore.records import SourceCounters, segment_of
from vrrpcore.tally import Caps
from vrrpcore.verdict import Judgement
from vrrpwatch.quick import Quick
from vrrpwatch.replay import replay
from vrrpwatch.sensors import open_files

REPLAYS = sorted((ROOT / "tests" / "replays").rglob("*.pcap*"))
T0 = 1_795_336_654.0


def plain(data: bytes, caps: Caps | None = None) -> tuple[Judgement, SourceCounters]:
    """No short way, no memo: every record parsed and observed."""
    decoder, judge = Decoder(), Judge(caps)
    with long_way_only():
        for record in decoder.feed(data) + decoder.finish():
            frame = unwrap(record.frame, record.link.linktype, record.vlans)
            judge.observe(record.time, segment_of(record.link.segment, frame.vlans), record.outgoing, frame)
        return judge.report(None, "x"), decoder.counters


def quick(data: bytes, chunk: int = 1 << 20, caps: Caps | None = None) -> tuple[Judgement, SourceCounters]:
    """The short way, fed in chunks."""
    decoder, judge = Decoder(), Judge(caps)
    way = Quick(judge)
    decoder.feed(data[:24])
    way.attach(decoder.inner)
    for start in range(24, len(data), chunk):
        for record in decoder.feed(data[start : start + chunk]):
            way.take(record)
    for record in decoder.finish():
        way.take(record)
    return judge.report(None, "x"), decoder.counters


def pcapng(frames: Iterable[tuple[float, bytes]], order: str) -> bytes:
    """The same as `pcap`, on two interfaces of which one counts nanoseconds; some blocks have options."""
    nano = option(9, b"\x09", order)
    found = [section(order), interface(order=order), interface(order=order, options=[nano])]
    for number, (time, frame) in enumerate(frames):
        which = frame[-1] & 1  # every content stays on its interface
        ticks = round(time * 10**9) if which else round(time * 10**6)
        flags = option(2, pack_fields(order + "I", number & 2), order) if number % 50 > 45 else b""
        found.append(enhanced(ticks, frame, which, order, options=flags))
    return b"".join(found)


FORMATS = st.sampled_from([pcap, lambda frames: pcapng(frames, "<"), lambda frames: pcapng(frames, ">")])


@pytest.mark.parametrize("path", REPLAYS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_every_capture_is_judged_the_same(path: Path) -> None:
    data = path.read_bytes()
    expected = plain(data)
    assert quick(data) == expected
    assert quick(data, 777) == expected
    judge = Judge()
    replay(open_files([str(path)]), judge)
    assert judge.report(None, "x") == expected[0]


def test_damaged_copies_are_judged_the_same() -> None:
    random = Random(77)
    small = [path for path in REPLAYS if path.stat().st_size < 30_000]
    for _ in range(100):
        data = random.choice(small).read_bytes()
        if random.random() < 0.4 and data[:4] == b"\xd4\xc3\xb2\xa1":
            data = pcapng([(r.time, r.frame) for r in Decoder().feed(data)], random.choice("<>"))
        data = damaged(data, random)
        try:
            expected = plain(data)
        except SourceError:
            continue
        assert quick(data, random.choice((500, 1 << 20))) == expected


@pytest.mark.parametrize(("routers", "contested"), [(40, 0.1), (40, 1.0), (3, 0.0)])
def test_the_benchmarks_capture_is_judged_the_same(tmp_path: Path, routers: int, contested: float) -> None:
    data = captures.write(tmp_path / "bench.pcap", 3000, routers, contested).read_bytes()
    expected = plain(data)
    assert quick(data) == expected
    assert expected[0].sensor.adverts == 3000


@pytest.mark.parametrize("jitter", [30_000, 300_000])
def test_adverts_that_overtake_each_other_are_judged_the_same(tmp_path: Path, jitter: int) -> None:
    data = captures.write(tmp_path / "late.pcap", 3000, 40, 0.1, jitter=jitter).read_bytes()
    expected = plain(data)
    assert quick(data) == expected
    assert quick(data, 4000) == expected


def test_contents_that_are_counted_in_bulk_are_entered_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vrrpcore.judge.counting.MOST_PENDING", 50)
    monkeypatch.setattr("vrrpcore.judge.express.MOST", 7)
    data = captures.write(tmp_path / "bench.pcap", 3000, 40, 0.1).read_bytes()
    assert quick(data, 4000) == plain(data)


def test_routers_that_were_forgotten_for_room_are_not_counted_on(tmp_path: Path) -> None:
    data = captures.write(tmp_path / "bench.pcap", 3000, 40, 0.1).read_bytes()
    caps = Caps(routers=16, claimants_per_router=4, claimants=20)
    assert quick(data, 4000, caps) == plain(data, caps)


def advert(vrid: int, host: int, priority: int, ident: int, kind: int) -> bytes:
    """One of a few kinds of advert: v2, tagged v2, v3 over IPv4, v3 over IPv6, tagged twice."""
    family = 6 if kind == 3 else 4
    message = Advertisement(
        version=2 if kind < 2 or kind == 4 else 3,
        vrid=vrid,
        priority=priority,
        addresses=(pack("fe80::100") if family == 6 else pack(f"10.9.{vrid}.100"),),
        interval=1.0 if kind != 2 else 0.5,
        family=family,
        auth_data=bytes(8) if kind < 2 or kind == 4 else b"",
    )
    source = pack(f"fe80::{host}") if family == 6 else pack(f"10.9.0.{host}")
    group = VRRP_GROUP6 if family == 6 else VRRP_GROUP4
    vlans = {1: (100,), 4: (100, 200)}.get(kind, ())
    return build_advert(message, bytes((2, 0, 0, 0, 0, host)), source, group, ident=ident, vlans=vlans)


STEP = st.tuples(
    st.sampled_from([0.0, 0.004, 0.02, 0.25, 0.5, 0.5, 0.5, 1.0, 3.5, -0.01, -2.0, 5000.0]),
    st.sampled_from(["advert"] * 12 + ["garp", "udp", "lldp"]),
    st.integers(1, 3),  # vrid
    st.integers(1, 2),  # host
    st.sampled_from([100] * 9 + [0, 200]),
    st.sampled_from([1] * 12 + [0, 2, 700]),  # step of the identification
    st.integers(0, 4),
)


@settings(max_examples=150)
@given(st.lists(STEP, min_size=5, max_size=80), st.integers(60, 400), FORMATS)
def test_random_mixes_are_judged_the_same(
    steps: list[tuple[float, str, int, int, int, int, int]], chunk: int, form: Callable[..., bytes]
) -> None:
    time, frames, idents = T0, [], dict.fromkeys(range(1, 100), 0)
    for gap, what, vrid, host, priority, step, kind in steps:
        time = max(time + gap, 1.0)
        mac = bytes((2, 0, 0, 0, 0, host))
        if what == "advert":
            idents[host] = idents[host] + step & 0xFFFF
            frames.append((time, advert(vrid, host, priority, idents[host], kind)))
        elif what == "garp":
            frames.append((time, build_garp(mac, pack(f"10.9.{vrid}.100")).ljust(60, b"\0")))
        elif what == "udp":
            packet = ipv4_packet(pack("10.9.0.9"), pack("10.9.0.8"), 17, bytes(30))
            frames.append((time, ethernet(mac, mac, 0x0800, packet)))
        else:
            frames.append((time, ethernet(b"\xff" * 6, mac, 0x88CC, bytes(50))))
    data = form(frames)
    assert quick(data, chunk) == plain(data)


@settings(max_examples=40)
@given(st.integers(1, 4), st.integers(20, 200), st.integers(0, 2**32), FORMATS)
def test_steady_routers_with_a_disturbance_are_judged_the_same(
    hosts: int, count: int, seed: int, form: Callable[..., bytes]
) -> None:
    random = Random(seed)
    frames = []
    for host in range(1, hosts + 1):
        kind, ident = random.randrange(5), random.randrange(65536)
        for turn in range(count):
            if random.random() < 0.98:
                jitter = random.choice((0.0, 0.0, 0.0, 0.3))
                frames.append((T0 + host / 7 + turn + jitter, advert(random.choice((7, host)), host, 100, ident, kind)))
                ident = ident + 1 & 0xFFFF
    data = form(sorted(frames, key=lambda item: item[0]))
    assert quick(data) == plain(data)


@settings(max_examples=150)
@example(CHANGED_VERSION, 6)
@given(st.lists(EVENTS, min_size=1, max_size=60), st.integers(0, 6))
def test_random_scripts_are_judged_the_same(events: list[Event], lead: int) -> None:
    data = pcap((record.time, record.frame) for record in script(events, lead))
    assert quick(data) == plain(data)


@pytest.mark.parametrize("jitter", [0, 30_000])
@pytest.mark.parametrize("form", ["pcap", "pcapng"])
def test_the_short_way_is_taken(tmp_path: Path, form: str, jitter: int) -> None:
    """Else the equality above would prove nothing."""
    data = captures.write(tmp_path / "bench.pcap", 3000, 40, 0.1, jitter=jitter).read_bytes()
    if form == "pcapng":
        data = pcapng([(r.time, r.frame) for r in Decoder().feed(data)], "<")
    decoder, judge, heard = Decoder(), Judge(), 0

    def count(_: object) -> None:
        nonlocal heard
        heard += 1

    way = Quick(judge, count)
    decoder.feed(data[:24])
    way.attach(decoder.inner)
    for record in decoder.feed(data[24:]) + decoder.finish():
        way.take(record)
    assert heard < (300 if form == "pcap" else 540)  # one block in twelve has options
