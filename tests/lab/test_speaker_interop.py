"""Our speaker beside real keepalived, superior and inferior: every variant in one story, judged by one capture."""

from __future__ import annotations

import time
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest

from tests.lab.speaker_lab import VARIANTS, Capture, Side, Start, Variant, complaints, config, make_lab, pause, together
from vrrpwatch.lab import Keepalived, Recorder, Watcher

#: Seconds by which a bridge on a busy machine may hand a frame to the observer later than to the router (11 ms seen).
EARLY = 0.03
pytestmark = [pytest.mark.root, pytest.mark.live, pytest.mark.needs("keepalived", "tshark")]
NAMES = [each.name for each in VARIANTS]
PREEMPTING = [each.name for each in VARIANTS if each.name != "STAY"]
VIPS = {each.name: each.vip.split("/")[0] for each in VARIANTS}


class Story:
    """What happened, when: A (priority 150) and B (100) are started, A is stopped, started, killed, started; the path
    between them is cut and mended; A is stopped at last."""

    def __init__(self, ours: str, folder: Path) -> None:
        self.ours = ours  # which side is our speaker
        self.marks: dict[str, float] = {}
        self.held: dict[str, tuple[set[str], set[str]]] = {}
        self.capture = Capture(folder / f"{ours}.pcap")
        lab, a, b, observer = make_lab(f"interop-{ours}")
        with lab, Recorder(observer, self.capture.path):
            kinds: dict[str, Start] = {ours: Watcher, "b" if ours == "a" else "a": Keepalived}
            self.a = Side(a, kinds["a"], config("a", "b", 150))
            self.b = Side(b, kinds["b"], config("b", "a", 100))
            self._tell(lab)
        self.capture.load()

    def _mark(self, name: str) -> None:
        self.marks[name] = time.time()
        self.held[name] = (self.a.vips(VIPS.values()), self.b.vips(VIPS.values()))

    def _tell(self, lab: object) -> None:
        a, b = self.a, self.b
        a.start()
        a.wait("BACKUP", NAMES)
        b.start()
        a.wait("MASTER", NAMES)
        pause(1.2)
        self._mark("elected")
        a.stop()
        b.wait("MASTER", NAMES)
        pause(0.5)
        self._mark("stopped")
        a.start()
        a.wait("MASTER", PREEMPTING)
        b.wait("BACKUP", PREEMPTING)
        pause(1.2)
        self._mark("preempted")
        a.kill()
        b.wait("MASTER", NAMES)
        pause(0.3)
        self._mark("killed")
        a.start()
        a.wait("MASTER", PREEMPTING)
        b.wait("BACKUP", PREEMPTING)
        pause(0.3)
        self._mark("back")
        a.host.lab.block(a.host, b.host)
        a.host.lab.block(b.host, a.host)
        b.wait("MASTER", NAMES)
        a.wait("MASTER", NAMES)
        pause(0.5)
        self._mark("split")
        self.marks["mended"] = time.time()  # before: an advert may pass in the very moment of the mending
        a.host.lab.unblock()
        b.wait("BACKUP", PREEMPTING)
        pause(1.3)
        self._mark("healed")
        self.log_a, self.log_b = a.log(), b.log()
        a.stop()
        b.stop()


@pytest.fixture(scope="module")
def stories(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Story]:
    """Both at once, each in its own lab."""
    folder = tmp_path_factory.mktemp("interop")
    return dict(zip("ab", together(*(partial(Story, ours, folder) for ours in "ab")), strict=True))


@pytest.fixture(scope="module", params=["a", "b"], ids=["ours-superior", "ours-inferior"])
def story(request: pytest.FixtureRequest, stories: dict[str, Story]) -> Story:
    return stories[request.param]


each_variant = pytest.mark.parametrize("variant", VARIANTS, ids=lambda each: each.name)
each_preempting = pytest.mark.parametrize(
    "variant", [each for each in VARIANTS if each.name != "STAY"], ids=lambda each: each.name
)


def advertisers(story: Story, variant: Variant, mark: str, seconds: float = 1.1) -> set[str]:
    end = story.marks[mark]
    return {source for _, source, _ in story.capture.adverts(variant.vrid, end - seconds, end)}


@each_variant
def test_the_superior_router_is_elected_alone(story: Story, variant: Variant) -> None:
    assert advertisers(story, variant, "elected") == {variant.source("a")}
    assert VIPS[variant.name] in story.held["elected"][0]
    assert VIPS[variant.name] not in story.held["elected"][1]


@each_variant
def test_a_graceful_stop_hands_over_in_the_skew(story: Story, variant: Variant) -> None:
    begin, end = story.marks["elected"], story.marks["stopped"]
    adverts = story.capture.adverts(variant.vrid, begin, end)
    resigned = [when for when, source, priority in adverts if priority == 0 and source == variant.source("a")]
    assert len(resigned) == 1
    first = next(when for when, source, _ in adverts if source == variant.source("b"))
    skew = (156 / 256) * (1.0 if variant.interval == 1 else 0.5)
    assert skew - EARLY < first - resigned[0] < skew + 0.3
    assert story.held["stopped"] == (set(), set(VIPS.values()))


@each_variant
def test_a_takeover_is_announced_at_once_and_five_times(story: Story, variant: Variant) -> None:
    begin, end = story.marks["elected"], story.marks["stopped"]
    first = story.capture.adverts(variant.vrid, begin, end, variant.source("b"))[0][0]
    shots = [when for when, _ in story.capture.announcements(VIPS[variant.name], begin, end)]
    assert len([when for when in shots if first - 0.05 < when < first + 0.3]) == 5


@each_preempting
def test_the_superior_router_preempts_when_it_is_back(story: Story, variant: Variant) -> None:
    assert advertisers(story, variant, "preempted") == {variant.source("a")}
    assert VIPS[variant.name] in story.held["preempted"][0]
    assert VIPS[variant.name] not in story.held["preempted"][1]


def test_nopreempt_leaves_the_inferior_master_alone(story: Story) -> None:
    stay = next(each for each in VARIANTS if each.name == "STAY")
    assert advertisers(story, stay, "preempted") == {stay.source("b")}
    assert VIPS["STAY"] in story.held["preempted"][1]


@each_preempting
def test_a_killed_master_is_replaced_after_the_down_interval(story: Story, variant: Variant) -> None:
    begin, end = story.marks["preempted"], story.marks["killed"]
    adverts = story.capture.adverts(variant.vrid, begin - 1.2, end)
    last = max(when for when, source, _ in adverts if source == variant.source("a"))
    first = min(when for when, source, _ in adverts if source == variant.source("b"))
    down = 3 * variant.interval + (156 / 256) * (1.0 if variant.interval == 1 else 0.5)
    assert down - EARLY < first - last < down + 0.3
    assert all(priority for _, _, priority in adverts)


@each_preempting
def test_what_a_killed_router_left_is_cleaned_and_it_takes_its_place_again(story: Story, variant: Variant) -> None:
    assert VIPS[variant.name] in story.held["killed"][1]
    assert VIPS[variant.name] in story.held["back"][0]
    assert VIPS[variant.name] not in story.held["back"][1]


@each_preempting
def test_a_partition_heals_and_the_winner_announces_itself(story: Story, variant: Variant) -> None:
    assert advertisers(story, variant, "split") == {variant.source("a"), variant.source("b")}
    assert advertisers(story, variant, "healed", 1.05) == {variant.source("a")}
    assert VIPS[variant.name] not in story.held["healed"][1]
    mended = story.marks["mended"]
    shots = story.capture.announcements(VIPS[variant.name], mended, story.marks["healed"])
    if variant.unicast or variant.name in ("VMAC", "VMAC6", "BASE"):
        return  # checked where the MAC tells the hosts apart
    winner = bytes.fromhex("020000000001")
    if story.ours == "b" or any(
        source == variant.source("b") for _, source, _ in story.capture.adverts(variant.vrid, mended, mended + 1.2)
    ):
        assert any(mac == winner for _, mac in shots)


@each_variant
def test_outside_partitions_there_is_one_master(story: Story, variant: Variant) -> None:
    """Claims overlap by no more than the wire and a wake-up take: after the new master's first advert the old one
    sends at most one more (its parting word)."""
    spans = [("elected", "stopped"), ("preempted", "killed")]
    for begin, end in spans:
        adverts = story.capture.adverts(variant.vrid, story.marks[begin], story.marks[end])
        changes = sum(1 for old, new in pairwise(adverts) if old[1] != new[1])
        assert changes <= 1


def test_neither_side_complains_about_the_other(story: Story) -> None:
    assert complaints(story.log_a) == []
    assert complaints(story.log_b) == []


def test_tshark_finds_nothing_to_warn_of(story: Story) -> None:
    assert story.capture.expert() == ""


@each_variant
def test_our_adverts_are_keepalived_s_but_for_what_names_the_sender(story: Story, variant: Variant) -> None:
    """Same TOS, TTL, flags, destination, message form and address list; identification counts from 1."""
    rows = {}
    for side in ("a", "b"):
        for each in story.capture.seen:
            ip, body = each.frame.ip, each.frame.body
            if ip is None or getattr(body, "vrid", None) != variant.vrid or not getattr(body, "priority", 0):
                continue
            if ip.source == _packed(variant.source(side)):
                rows[side] = (
                    *(ip.tos, ip.ttl, ip.dont_fragment, ip.ah is None),
                    *(getattr(body, name) for name in ("version", "addresses", "interval", "auth_type", "auth_data")),
                    *(getattr(body, name) for name in ("checksum_style", "reserved", "trailer")),
                    *(None if variant.unicast else ip.destination, variant.name == "VMAC" and each.frame.source_mac),
                )
                break
    assert rows["a"] == rows["b"]


def _packed(address: str) -> bytes:
    from vrrpcore.addresses import pack

    return pack(address)
