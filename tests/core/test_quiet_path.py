"""Equality under speed: the memo and the judge's two short ways give what the parser and the long way give.

The same frames go to two judges, one through the memo with both short ways open, one through the plain codec with
both closed. Their whole reports must be equal: every claim, count, time and word of evidence.
"""

from __future__ import annotations

import json
import random
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import takewhile
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.core.frame_samples import V2, V3, V6
from tests.core.replaying import NAMES, REPLAYS
from vrrpcore import frames
from vrrpcore.addresses import VRRP_GROUP4, VRRP_GROUP6, pack
from vrrpcore.frames import unwrap
from vrrpcore.judge import Caps, Judge, adverts
from vrrpcore.judge.express import Express
from vrrpcore.judge.layouts import RING, SLACK
from vrrpcore.memo import Memo
from vrrpcore.packet import Advertisement
from vrrpcore.pcap import Decoder
from vrrpcore.records import Link, Record, segment_of

LINK = Link("eth0", "lan")


@contextmanager
def long_way_only() -> Iterator[None]:
    """Close both short ways."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(adverts.Adverts, "_may_be_quiet", lambda *_: False)
        patch.setattr(adverts, "may_settle", lambda *_: None)
        yield


def report(judge: Judge) -> str:
    return json.dumps(judge.report(None, "source", "version").as_json(), indent=1)


def fast(records: list[Record], capacity: int = 1000) -> str:
    judge, memo = Judge(), Memo(capacity)
    for record in records:
        frame, ident = memo.lookup(record.frame, record.link.linktype, record.vlans)
        judge.observe(record.time, segment_of("lan", frame.vlans), record.outgoing, frame, ident)
    return report(judge)


def ring_record(record: Record) -> bytes:
    """The frame as it lies in a capture ring: tpacket3_hdr, sockaddr_ll, left-overs, the frame, and up to the next."""
    seconds = int(record.time)
    length, vlan = len(record.frame), record.vlans[0] if record.vlans else 0
    status = 1 | (1 << 4 if record.vlans else 0)
    size = -(-(82 + length) // 8) * 8
    head = struct.pack("=6I", size, seconds, round((record.time - seconds) * 1e9), length, length, status)
    head += struct.pack("=HHIIHH8x", 82, 96, 0, vlan, 0x8100 if record.vlans else 0, 0)
    head += struct.pack("=HHiHBB8s", 17, 0, 2, 1, 4 if record.outgoing else 0, 6, record.frame[6:12])
    return (head + random.randbytes(14) + record.frame).ljust(size, b"\0")


def stamped(records: list[Record]) -> list[Record]:
    """The same with times as the kernel gives them: whole nanoseconds."""
    return [r._replace(time=int(r.time) + round((r.time - int(r.time)) * 1e9) / 1_000_000_000) for r in records]


def express(records: list[Record]) -> str:
    judge = Judge()
    hear(judge, records)
    return report(judge)


def hear(judge: Judge, records: list[Record]) -> int:
    """As in live capture: frames lie in blocks of the ring, and only what is no repetition becomes a record.

    How many were none.
    """
    memo, ways = Memo(), Express(judge, RING)
    ethernet = [record.link.linktype == 1 for record in records]
    pieces = [ring_record(record) if ours else b"" for record, ours in zip(records, ethernet, strict=True)]
    block = b"".join(pieces) + random.randbytes(SLACK)
    pos = at = taken = 0
    while at < len(records):
        if ethernet[at]:
            stop = pos + sum(map(len, takewhile(bool, pieces[at : at + 50])))  # a block holds some of them
            pos, known = ways.run(block, pos, stop)
            at += known
            taken += known
            if known:
                continue
        record = records[at]
        frame, ident = memo.lookup(record.frame, record.link.linktype, record.vlans)
        segment = segment_of("lan", frame.vlans)
        ways.observe(record.time, segment, record.outgoing, frame, ident)
        if ethernet[at]:
            ways.learn(block, pos, len(record.frame), segment, frame)
        pos += len(pieces[at])
        at += 1
    return taken


def plain(records: list[Record]) -> str:
    judge = Judge()
    with long_way_only():
        for record in records:
            frame = unwrap(record.frame, record.link.linktype, record.vlans)
            judge.observe(record.time, segment_of("lan", frame.vlans), record.outgoing, frame)
        return report(judge)


def capture(path: Path) -> list[Record]:
    decoder = Decoder()
    return decoder.feed(path.read_bytes()) + decoder.finish()


CAPTURES = sorted(path for name in NAMES for path in (REPLAYS / name).glob("*.pcap*"))


@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: f"{path.parent.name}.{path.stem}")
def test_every_capture_is_judged_the_same(path: Path) -> None:
    records = stamped(capture(path))
    assert fast(records) == express(records) == plain(records)


def by_time(records: list[Record]) -> list[Record]:
    return sorted(records, key=lambda record: record.time)


def lost(source: random.Random, records: list[Record], _: list[Record]) -> list[Record]:
    share = source.random() / 2
    return [record for record in records if source.random() > share]


def jittered(source: random.Random, records: list[Record], _: list[Record]) -> list[Record]:
    most = source.choice((0.001, 0.02, 0.3))
    return by_time([record._replace(time=record.time + source.random() * most) for record in records])


def swapped(source: random.Random, records: list[Record], _: list[Record]) -> list[Record]:
    """Times that run backwards, as in merged files."""
    return sorted(records, key=lambda record: record.time + source.random() * 0.5)


def stepped(source: random.Random, records: list[Record], _: list[Record]) -> list[Record]:
    """The clock is set back by ten seconds."""
    at = source.randrange(len(records))
    return records[:at] + [record._replace(time=record.time - 10) for record in records[at:]]


def cut(source: random.Random, records: list[Record], _: list[Record]) -> list[Record]:
    one, other = source.randrange(len(records)), source.randrange(len(records))
    return records[min(one, other) : max(one, other) + 1]


def merged(source: random.Random, records: list[Record], others: list[Record]) -> list[Record]:
    """Another network on the same wire: collisions, clones, foreign adverts."""
    shift = records[0].time - others[0].time + source.choice((0.0, source.random() * 5))
    return by_time(records + [record._replace(time=record.time + shift) for record in others])


def doubled(source: random.Random, records: list[Record], _: list[Record]) -> list[Record]:
    """A mirror port shows some frames twice."""
    again = [r._replace(time=r.time + source.random() * 0.01) for r in records if source.random() < 0.1]
    return by_time(records + again)


def mutated(source: random.Random, records: list[Record], _: list[Record]) -> list[Record]:
    found = []
    for record in records:
        octets = bytearray(record.frame)
        if source.random() < 0.05:
            octets[source.randrange(len(octets))] ^= 1 << source.randrange(8)
        found.append(record._replace(frame=bytes(octets)))
    return found


Damage = Callable[[random.Random, list[Record], list[Record]], list[Record]]


@pytest.mark.parametrize("damage", [lost, jittered, swapped, stepped, cut, merged, doubled, mutated])
def test_damaged_captures_are_judged_the_same(damage: Damage) -> None:
    seed = random.randrange(2**32)
    source = random.Random(seed)
    for _ in range(6):
        path, other = source.choice(CAPTURES), source.choice(CAPTURES)
        records = stamped(damage(source, capture(path), capture(other)))
        capacity = source.choice((1, 3, 1000))  # the memo must not show, however small
        assert fast(records, capacity) == express(records) == plain(records), (seed, path, other)


TEMPLATES = (
    V2,
    replace(V2, priority=100),
    replace(V2, auth_data=b"other\0\0\0"),
    replace(V2, interval=2.0),
    replace(V2, addresses=(pack("10.9.0.200"),)),
    replace(V2, vrid=52),
    replace(V3, addresses=V2.addresses, interval=1.0),
    replace(V3, interval=0.1),
    V6,
    replace(V6, priority=100),
)
#: host, content, seconds since the event before, what happens
Event = tuple[int, int, float, str]
GAPS = (0.0, 0.0003, 0.004, 0.007, 0.1, 0.5, 1.0, 1.0, 1.0, 1.0, 2.9, 3.1, 6.0)
DEEDS = ("advert",) * 9 + ("resign", "garp", "answer", "twice", "lose", "ttl", "unicast", "frr", "clone")


def script(events: list[Event], lead: int) -> list[Record]:
    """Records of hosts that say what the events tell, after `lead` seconds of quiet speech of the first of them."""
    idents = dict.fromkeys(range(4), 0)
    records: list[Record] = []
    now = 1_000_000.0
    if events:
        first = (events[0][0], events[0][1], 1.0, "advert")
        second = (events[-1][0], events[-1][1], 0.0, "advert")
        events = [first] * lead + [one for _ in range(lead) for one in (first, second)] + events
    for host, content, gap, deed in events:
        now += gap
        advert = TEMPLATES[content]
        idents[host] += 3 if deed == "lose" else 1
        if deed == "resign":
            advert = replace(advert, priority=0)
        for octets in _deed(host, advert, idents[host], deed):
            records.append(Record(now, LINK, False, octets))
    return records


def _deed(host: int, advert: Advertisement, ident: int, deed: str) -> list[bytes]:
    mac = bytes((2, 0, 0, 0, 9 if deed == "clone" else 0, host + 1))
    source = pack(f"10.9.0.{host + 1}" if advert.family == 4 else f"fe80::{host + 1}")
    group = VRRP_GROUP4 if advert.family == 4 else VRRP_GROUP6
    vip = advert.addresses[0]
    if deed == "garp":
        return [frames.build_garp(mac, vip) if advert.family == 4 else frames.build_unsolicited_na(mac, vip)]
    if deed == "answer" and advert.family == 4:
        asker = bytes.fromhex("0200000000fe")
        asked = frames.build_arp(frames.Arp(1, asker, pack("10.9.0.254"), bytes(6), vip))
        return [asked, frames.build_arp(frames.Arp(2, mac, vip, asker, pack("10.9.0.254")))]
    unicast = deed == "unicast" and advert.family == 4
    frame = frames.build_advert(
        advert,
        mac,
        source,
        pack("10.9.0.9") if unicast else group,
        destination_mac=bytes(6) if unicast else b"",
        ttl=64 if deed == "ttl" else 255,
        ident=ident * (4919 if deed == "frr" else 1) & 0xFFFF,
        dont_fragment=deed == "frr",
    )
    return [frame] * (2 if deed == "twice" else 1)


EVENTS = st.tuples(st.integers(0, 3), st.integers(0, len(TEMPLATES) - 1), st.sampled_from(GAPS), st.sampled_from(DEEDS))


#: A router that changes its version after long repetition: both versions are fresh at that moment.
CHANGED_VERSION: list[Event] = [
    (1, 6, 0.0, "advert"),
    (0, 0, 0.0, "advert"),
    (0, 0, 3.1, "advert"),
    (0, 6, 0.0, "advert"),
]


@settings(max_examples=100)
@example(CHANGED_VERSION, 6)
@given(st.lists(EVENTS, min_size=1, max_size=60), st.integers(0, 6))
def test_random_scripts_are_judged_the_same(events: list[Event], lead: int) -> None:
    records = stamped(script(events, lead))
    assert fast(records) == express(records) == plain(records)


def test_what_is_due_at_one_instant_comes_in_one_order() -> None:
    """One claim lapses while the review of another router looks at it: the way it was counted must not show."""
    told = [(1.0, 2, 5, 1, "advert"), (3.0, 2, 5, 3, "advert"), (4.0, 2, 5, 4, "advert"), (5.0, 2, 5, 6, "advert")]
    told += [(6.0, 2, 5, 8, "advert"), (6.0, 2, 2, 9, "advert"), (6.6, 1, 1, 1, "advert"), (9.5, 2, 5, 0, "garp")]
    records = [
        Record(1_000_000 + at, LINK, False, octets)
        for at, host, content, ident, deed in told
        for octets in _deed(host, TEMPLATES[content], ident, deed)
    ]
    records = stamped(records)
    assert fast(records) == express(records) == plain(records)


def test_a_forgotten_router_is_not_reached_by_octets() -> None:
    """The book of an evicted router must not go on counting."""
    judge = Judge(Caps(routers=2))
    contents = [replace(V2, vrid=vrid) for vrid in (1, 2, 3)]
    records, now = [], 1_000_000.0
    for turn in range(40):
        for content in contents[:1] if turn < 10 else contents:
            now += 0.25
            records.append(Record(now, LINK, False, _deed(0, content, turn + 1, "advert")[0]))
    assert hear(judge, records)
    judge.report()
    assert judge.frames == 10 + 30 * 3
    counted = sum(c.count for book in judge.docket.books.values() for c in book.router.claimants.values())
    assert counted < judge.count
    assert set(judge.docket.books) <= set(judge.docket.tally.routers)


def test_both_short_ways_are_taken() -> None:
    """Else the equality above would prove nothing."""
    quiet = settled = 0
    for path in CAPTURES:
        judge, memo = Judge(), Memo()
        for record in capture(path):
            frame, ident = memo.lookup(record.frame, record.link.linktype, record.vlans)
            judge.observe(record.time, "lan", record.outgoing, frame, ident)
            books = judge.docket.books.values()
            quiet += any(book.quiet is not None for book in books)
            settled += any(book.settled is not None for book in books)
            if quiet > 500 < settled:
                return
    raise AssertionError((quiet, settled))
