"""Our speaker beside real FRR, superior and inferior: version 2, version 3 and IPv6 in one story, one capture."""

from __future__ import annotations

import time
from collections.abc import Iterable
from functools import partial
from pathlib import Path

import pytest

from tests.lab.speaker_lab import Capture, Side, Variant, complaints, config, make_lab, pause, together
from vrrpwatch.lab import Frr, Host, Recorder, Watcher

pytestmark = [pytest.mark.root, pytest.mark.live, pytest.mark.needs("frr")]
VARIANTS = (
    Variant("V2", 51, "10.9.0.51/24", 1),
    Variant("V3", 53, "10.9.0.53/24", 0.5, ("version 3", "use_vmac")),
    Variant("V6", 54, "fe80::54/64", 0.5, ("version 3",), family=6),
)
NAMES = [each.name for each in VARIANTS]
VIPS = {each.name: each.vip.split("/")[0] for each in VARIANTS}
each_variant = pytest.mark.parametrize("variant", VARIANTS, ids=lambda each: each.name)


class FrrSide:
    """FRR on one host with every variant."""

    def __init__(self, host: Host, priority: int) -> None:
        self.host = host
        for each in VARIANTS:
            mac = f"00:00:5e:00:0{1 if each.family == 4 else 2}:{each.vrid:02x}"
            host.add_macvlan(f"vrrp{each.family}-{each.vrid}", mac, [each.vip])
        lines = []
        for each in VARIANTS:
            start = f" vrrp {each.vrid}"
            lines += [f"{start} version {2 if each.name == 'V2' else 3}", f"{start} priority {priority}"]
            lines += [f"{start} advertisement-interval {int(each.interval * 1000)}"]
            lines += [f"{start} {'ip' if each.family == 4 else 'ipv6'} {VIPS[each.name]}"]
        self._text = "debug vrrp\ninterface eth0\n" + "\n".join(lines) + "\nexit\n"
        self._logs: list[str] = []

    def start(self) -> None:
        self.router = Frr(self.host, 0, self._text, (), prepare=False)

    def stop(self) -> None:
        self.router.stop()
        self._logs.append(self.router.vrrpd.text())

    def kill(self) -> None:
        self.router.kill()
        self._logs.append(self.router.vrrpd.text())

    def wait(self, state: str, names: Iterable[str], timeout: float = 30.0) -> None:
        word = state.capitalize()
        for name in names:
            vrid = next(each.vrid for each in VARIANTS if each.name == name)
            tag = rf"\[VRID {vrid}\] \[IPv[46]\] \w+ -> "
            self.router.vrrpd.wait_for(rf"{tag}{word}(?![\s\S]*{tag}(?!{word}))", timeout)

    def log(self) -> str:
        return "\n".join([*self._logs, self.router.vrrpd.text()])


class Story:
    """A (150) and B (100) are started, A is stopped, started, killed."""

    def __init__(self, ours: str, folder: Path) -> None:
        self.ours = ours
        self.marks: dict[str, float] = {}
        self.held: dict[str, set[str]] = {}
        self.capture = Capture(folder / f"frr-{ours}.pcap")
        lab, a, b, observer = make_lab(f"frr-{ours}")
        with lab, Recorder(observer, self.capture.path):
            sides: dict[str, Side | FrrSide] = {
                "a": Side(a, Watcher, config("a", "b", 150, VARIANTS)) if ours == "a" else FrrSide(a, 150),
                "b": Side(b, Watcher, config("b", "a", 100, VARIANTS)) if ours == "b" else FrrSide(b, 100),
            }
            own = sides[ours]
            assert isinstance(own, Side)
            self._tell(sides["a"], sides["b"], own)
            self.ours_log = own.log()
        self.capture.load()

    def _tell(self, a: Side | FrrSide, b: Side | FrrSide, own: Side) -> None:
        def mark(name: str) -> None:
            self.marks[name] = time.time()
            self.held[name] = own.vips(VIPS.values())

        a.start()
        a.wait("BACKUP", NAMES)
        b.start()
        a.wait("MASTER", NAMES)
        pause(1.2)
        mark("elected")
        a.stop()
        b.wait("MASTER", NAMES)
        pause(0.5)
        mark("stopped")
        a.start()
        a.wait("MASTER", NAMES)
        pause(1.3)
        mark("preempted")
        a.kill()
        b.wait("MASTER", NAMES)
        pause(0.5)
        mark("killed")
        b.stop()


@pytest.fixture(scope="module")
def stories(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Story]:
    """Both at once, each in its own lab."""
    folder = tmp_path_factory.mktemp("frr")
    return dict(zip("ab", together(*(partial(Story, ours, folder) for ours in "ab")), strict=True))


@pytest.fixture(scope="module", params=["a", "b"], ids=["ours-superior", "ours-inferior"])
def story(request: pytest.FixtureRequest, stories: dict[str, Story]) -> Story:
    return stories[request.param]


def last_advertisers(story: Story, variant: Variant, mark: str) -> set[int]:
    """Priorities in the last second before a mark: 150 is A's, 100 is B's."""
    end = story.marks[mark]
    return {priority for _, _, priority in story.capture.adverts(variant.vrid, end - 1.05, end)}


@each_variant
def test_the_superior_router_is_elected_alone(story: Story, variant: Variant) -> None:
    assert last_advertisers(story, variant, "elected") == {150}


@each_variant
def test_a_graceful_stop_hands_over_in_the_skew(story: Story, variant: Variant) -> None:
    adverts = story.capture.adverts(variant.vrid, story.marks["elected"], story.marks["stopped"])
    resigned = [when for when, _, priority in adverts if priority == 0]
    first = next(when for when, _, priority in adverts if priority == 100)
    skew = (156 / 256) * (1.0 if variant.interval == 1 else 0.5)
    late = variant.interval if variant.family == 6 and story.ours == "a" else 0.0
    assert len(resigned) == 1
    assert skew - 0.02 < first - resigned[0] < skew + late + 0.3  # FRR loses its first IPv6 advert


@each_variant
def test_the_superior_router_preempts_when_it_is_back(story: Story, variant: Variant) -> None:
    assert last_advertisers(story, variant, "preempted") == {150}


@each_variant
def test_a_killed_master_is_replaced_after_the_down_interval(story: Story, variant: Variant) -> None:
    adverts = story.capture.adverts(variant.vrid, story.marks["preempted"] - 1.2, story.marks["killed"])
    last = max(when for when, _, priority in adverts if priority == 150)
    first = min(when for when, _, priority in adverts if priority == 100)
    down = 3 * variant.interval + (156 / 256) * (1.0 if variant.interval == 1 else 0.5)
    late = variant.interval if variant.family == 6 and story.ours == "a" else 0.0
    assert down - 0.02 < first - last < down + late + 0.3


def test_our_addresses_follow_our_state(story: Story) -> None:
    master = {"elected": "a", "stopped": "b", "preempted": "a", "killed": "b"}
    for mark, side in master.items():
        if mark == "killed" and story.ours == "a":
            continue  # a killed process leaves what it had
        expected = set(VIPS.values()) if side == story.ours else set()
        if mark == "stopped" and story.ours == "a":
            expected = set()
        assert story.held[mark] == expected, mark


def test_we_do_not_complain_about_frr(story: Story) -> None:
    assert complaints(story.ours_log) == []


def test_our_first_ipv6_advert_is_not_lost(story: Story) -> None:
    """The announcement follows the advert at once, for IPv6 as for IPv4."""
    if story.ours != "b":
        return  # we take over in the other story only
    adverts = story.capture.adverts(54, story.marks["elected"], story.marks["stopped"])
    first = next(when for when, _, priority in adverts if priority == 100)
    shots = story.capture.announcements("fe80::54", story.marks["elected"], story.marks["stopped"])
    assert 0 <= shots[0][0] - first < 0.1
