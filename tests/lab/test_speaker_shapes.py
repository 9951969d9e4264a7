"""The same keepalived.conf, the most usual shapes: keepalived and we do and say the same with it.

Each file is run by keepalived and by us on equal hosts, each beside a neighbour of its own that says the same at the
same points of the story (tests/lab/shape_course.py). What differs on purpose is named here, with its reason.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from tests.lab.shape_course import LISTINGS, MAC, Lane, advance
from tests.lab.shapes import SHAPES, Shape
from vrrpcore.addresses import pack
from vrrpcore.checksums import checksum, remainder
from vrrpcore.frames import Arp, Frame, Membership, Neighbour, solicited_node, unwrap
from vrrpcore.packet import Advertisement
from vrrpwatch.files import CaptureFile
from vrrpwatch.lab import Keepalived, Lab, Watcher

pytestmark = [pytest.mark.root, pytest.mark.live, pytest.mark.needs("keepalived", "iproute2")]
STAGES = ("before", "master", "backup", "master again", "stopped")
#: What the kernel counts, not what a router decides.
CHANCE = ("valid_life_time", "ifindex", "link_index", "expires")
#: The hosts' own addresses: when the kernel tells of their groups is its own affair.
OWN_GROUPS = {solicited_node(pack(each)) for each in ("fe80::ff:fe00:1", "fd00:9::1")}
NEIGHBOUR = bytes.fromhex("020000000002")
#: Differences that are meant: shape -> why. The code that lets them pass is beside each use.
HOP_LIMIT = {"unicast-ipv6": "keepalived leaves unicast IPv6 adverts the kernel's hop limit of 64, RFC 9568 wants 255"}
AT_ONCE = 15  # shapes: with thirty, keepalived itself was 0.4 s late now and then
LATE = 0.3  # seconds that a busy machine may take


@dataclass(frozen=True)
class Sent:
    """One frame of the host's."""

    time: float
    octets: bytes
    frame: Frame

    @property
    def router(self) -> tuple[int, int]:
        """(VRID, family) of an advert."""
        body = self.frame.body
        return (body.vrid, body.family) if isinstance(body, Advertisement) else (0, 0)

    @property
    def priority(self) -> int:
        return self.frame.body.priority if isinstance(self.frame.body, Advertisement) else -1

    @property
    def key(self) -> tuple[int, int]:
        """AH: what two routers' adverts must agree on to be equal altogether."""
        assert self.frame.ip is not None
        return self.frame.ip.ident or 0, self.frame.ip.ah.sequence if self.frame.ip.ah else 0


class Told:
    """What one kind of router did with a shape."""

    def __init__(self, lane: Lane) -> None:
        self.stages, self.marks, self.log, self.failed = lane.stages, lane.marks, lane.log, lane.failed_at()
        self.routers = {name: (each.vrid, each.family) for name, each in lane.instances.items()}
        frames = ((each.time, bytes(each.frame)) for each in CaptureFile(str(lane.path)))
        self.sent = [Sent(when, octets, unwrap(octets)) for when, octets in frames if octets[6:12] != NEIGHBOUR]
        self.adverts = [each for each in self.sent if each.router[0]]

    def states(self) -> dict[str, list[str]]:
        return {name: re.findall(rf"\({name}\) Entering (\w+) STATE", self.log) for name in self.routers}

    def after(self, mark: str, router: tuple[int, int]) -> list[float]:
        """Seconds from an event to each advert that came later."""
        return [
            each.time - self.marks[mark]
            for each in self.adverts
            if each.time > self.marks[mark] and each.router == router
        ]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, bool], Told]:
    """(shape, ours) -> what happened."""
    folder: Path = tmp_path_factory.mktemp("shapes")
    found: dict[tuple[str, bool], Told] = {}
    with Lab("shapes") as lab:
        for begin in range(0, len(SHAPES), AT_ONCE):
            lanes: dict[Any, Lane] = {}
            try:
                for kind in (Watcher, Keepalived):  # ours first: it takes longer to begin
                    for shape in SHAPES[begin : begin + AT_ONCE]:
                        number = len(found) + len(lanes)
                        lanes[shape.name, kind is Watcher] = Lane(lab, number, shape, kind, folder / str(number))
                advance(lanes)
            finally:
                for lane in lanes.values():
                    lane.close()
            found |= {key: Told(lane) for key, lane in lanes.items()}
    return found


Pair = tuple[Told, Told]
each_shape = pytest.mark.parametrize("shape", SHAPES, ids=lambda each: each.name)


@pytest.fixture
def pair(told: dict[tuple[str, bool], Told], shape: Shape) -> Pair:
    """(keepalived's, ours)"""
    return told[shape.name, False], told[shape.name, True]


def without_chance(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_chance(each) for key, each in value.items() if key not in CHANCE}
    return [without_chance(each) for each in value] if isinstance(value, list) else value


def rows(listing: Iterable[Any]) -> list[str]:
    return sorted(json.dumps(without_chance(row), sort_keys=True) for row in listing)


@each_shape
def test_addresses_routes_and_rules_are_the_same(shape: Shape, pair: Pair) -> None:
    theirs, ours = pair
    assert ours.stages.keys() == theirs.stages.keys() >= {"before", "master", "master again", "stopped"}
    for stage in theirs.stages:
        for what in LISTINGS:
            assert rows(ours.stages[stage][what]) == rows(theirs.stages[stage][what]), (stage, what)
    vips: list[str] = re.findall(r"10\.9\.0\.1\d\d|fd00:9::1\d\d|fe80::51", shape.text)
    assert all(address in str(ours.stages["master"]["addresses"]) for address in vips)
    assert not any(f"'{address}'" in str(ours.stages["stopped"]["addresses"]) for address in vips)


@each_shape
def test_the_states_follow_each_other_in_the_same_way(shape: Shape, pair: Pair) -> None:
    theirs, ours = pair
    assert ours.states() == theirs.states()
    assert all(each[-1] == "MASTER" for each in ours.states().values())


def without_ident(octets: bytes) -> bytes:
    """The frame with IPv4 identification and header checksum 0; the checksum must have been right."""
    if octets[12:14] != b"\x08\x00":
        return octets
    assert checksum(remainder(octets[14:34])) == 0
    return octets[:18] + b"\0\0" + octets[20:24] + b"\0\0" + octets[26:]


def without_counter(sent: Sent) -> bytes:
    """AH: also without sequence number and integrity value, which depends on it and on the identification."""
    octets = without_ident(sent.octets)
    ah = sent.frame.ip is not None and sent.frame.ip.ah is not None
    return octets[:42] + bytes(16) + octets[58:] if ah else octets


def collapsed(shape: Shape, told: Told, router: tuple[int, int]) -> list[bytes]:
    """The adverts in their order, equal ones that follow each other as one."""
    found = [octets for octets, _ in groupby(without_counter(each) for each in told.adverts if each.router == router)]
    if shape.name in HOP_LIMIT:
        assert {each[21] for each in found} in ({64}, {255})
        found = [each[:21] + b"\xff" + each[22:] for each in found]
    return found


@each_shape
def test_every_advert_is_the_same_octet_for_octet_but_for_its_ident(shape: Shape, pair: Pair) -> None:
    theirs, ours = pair
    for router in theirs.routers.values():
        expected = collapsed(shape, theirs, router)
        assert len(expected) >= 2  # as master and, with priority 0, at the end
        assert collapsed(shape, ours, router) == expected


@pytest.mark.parametrize("shape", [each for each in SHAPES if each.name.endswith("-ah")], ids=lambda each: each.name)
def test_authenticated_adverts_with_the_same_numbers_are_the_same_altogether(shape: Shape, pair: Pair) -> None:
    theirs, ours = pair
    expected = {each.key: each.octets for each in theirs.adverts}
    found = {each.key: each.octets for each in ours.adverts}
    common = expected.keys() & found.keys()
    assert len(common) >= 3
    assert all(found[key] == expected[key] for key in common)
    # keepalived's one counter: after an advert from the neighbour (1000 more each time) ours go on behind it
    assert [key[1] // 1000 for key in sorted(found)][-1] == [key[1] // 1000 for key in sorted(expected)][-1] > 1


def announcements(told: Told, begin: float = 0, end: float = 1e12) -> list[bytes]:
    """Gratuitous ARP and unsolicited NA."""
    return sorted(
        each.octets
        for each in told.sent
        if begin <= each.time < end
        and (
            (isinstance(each.frame.body, Arp) and each.frame.body.sender_ip == each.frame.body.target_ip)
            or (
                isinstance(each.frame.body, Neighbour) and each.frame.body.type == 136 and not each.frame.body.solicited
            )
        )
    )


@each_shape
def test_the_addresses_are_announced_with_the_same_frames(shape: Shape, pair: Pair) -> None:
    """And as often at the first takeover. Later keepalived's second burst of an earlier mastership may come in
    between: its timer is not stopped by the way back to backup."""
    theirs, ours = pair
    assert set(announcements(ours)) == set(announcements(theirs)) != set()
    first = [announcements(each, each.marks["start"], each.adverts[0].time + 2.0) for each in pair]
    assert first[0] == first[1] != []


def groups(told: Told) -> set[tuple[bytes, bytes, str]]:
    """(MAC, group, whether joined or left) of all reports of membership."""
    found = set()
    for each in told.sent:
        body = each.frame.body
        if isinstance(body, Membership):
            found |= {(each.octets[6:12], group, "joined") for group in body.joined}
            found |= {(each.octets[6:12], group, "left") for group in body.left}
    return {(mac, group, how) for mac, group, how in found if group not in OWN_GROUPS}


@each_shape
def test_the_same_groups_are_joined_and_left(shape: Shape, pair: Pair) -> None:
    theirs, ours = pair
    assert groups(ours) == groups(theirs)


@each_shape
def test_claims_are_answered_and_addresses_taken_at_the_same_time(shape: Shape, pair: Pair) -> None:
    for router in pair[0].routers.values():
        theirs, ours = (returned(each, shape, router) for each in pair)
        assert abs(theirs - ours) < LATE
    if shape.trouble in ("link", "script"):
        theirs, ours = (lowered(each) for each in pair)
        assert abs(theirs - ours) < 0.5 + LATE  # one advert


def returned(told: Told, shape: Shape, router: tuple[int, int]) -> float:
    """Seconds from the neighbour's last superior claim to the first advert of the next mastership."""
    ended = 0.0 if shape.name == "owner" else 0.2  # nobody is superior to an owner
    return next(when for when in told.after("last superior", router) if when > ended)


def lowered(told: Told) -> float:
    """Seconds from the failure (of a script: of its first run that failed) to the first advert that shows it."""
    return next(each.time for each in told.adverts if each.priority == 90) - (told.failed or told.marks["trouble"])


def test_the_host_s_own_mac_is_what_the_lab_gave_it(told: dict[tuple[str, bool], Told]) -> None:
    assert all(each.adverts[0].octets[6:12].hex(":") == MAC for (name, _), each in told.items() if name == "v2-pass")
