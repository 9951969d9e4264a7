"""The most usual pair of all, two hosts with VRID 55 and one address: on us against us, on us and keepalived.

Every pairing and both modes run at once, each on a switch of its own: start, stop of the master, its return.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.lab.speaker_lab import Capture, Side, Start
from vrrpwatch.lab import Host, Keepalived, Lab, Recorder, Watcher

pytestmark = [pytest.mark.root, pytest.mark.live, pytest.mark.needs("keepalived")]
CONFIGS = Path(__file__).resolve().parent.parent / "data" / "keepalived_conf"
VIP, VRID = "10.122.111.99", 55
PREEMPT, STAY = "pair-a.conf", "pair-a-nopreempt.conf"
MACS = {"a": "02:00:00:00:00:80", "b": "02:00:00:00:00:81"}
SOURCES = {"10.122.111.80": "a", "10.122.111.81": "b"}
PAIRINGS: dict[str, tuple[Start, Start]] = {
    "ours-ours": (Watcher, Watcher),
    "ours-keepalived": (Watcher, Keepalived),
    "keepalived-ours": (Keepalived, Watcher),
}
STORIES = [(pairing, mode) for pairing in PAIRINGS for mode in (PREEMPT, STAY)]


class Pair:
    """One pairing in one mode, on its own switch."""

    def __init__(self, lab: Lab, number: int, pairing: str, mode: str, folder: Path) -> None:
        lan = lab.lan(f"lan{number + 1}")
        hosts = [
            lab.host(f"{side}{number}", f"10.122.111.8{at}/24", mac=MACS[side], lan=lan) for at, side in enumerate("ab")
        ]
        first, second = PAIRINGS[pairing]
        self.a = Side(hosts[0], first, (CONFIGS / mode).read_text())
        self.b = Side(hosts[1], second, (CONFIGS / "pair-b.conf").read_text())
        self.observer: Host = lab.host(f"o{number}", lan=lan)
        self.capture = Capture(folder / f"{pairing}-{mode}.pcap")
        self.returns = mode == PREEMPT
        self.held: dict[str, str] = {}  # phase -> the hosts that hold the address in it, such as "a"

    def holders(self) -> str:
        """The hosts that have the address on an interface: "a", "b", "" or, in a split, "ab"."""
        sides = {"a": self.a, "b": self.b}
        return "".join(name for name, side in sides.items() if VIP in side.host.addresses(None))

    def masters(self, begin: float, end: float) -> set[str]:
        """Who advertised between two instants, by the observer's timestamps."""
        return {SOURCES[source] for _, source, priority in self.capture.adverts(VRID, begin, end) if priority}


class Story:
    """Start; the master is stopped; it is started again."""

    def __init__(self, folder: Path) -> None:
        self.phases: dict[str, tuple[float, float]] = {}
        with Lab("pair") as lab, ExitStack() as recording:
            self.pairs = {story: Pair(lab, at, *story, folder) for at, story in enumerate(STORIES)}
            self._lab = lab
            everyone = list(self.pairs.values())
            for pair in everyone:
                recording.enter_context(Recorder(pair.observer, pair.capture.path))
                pair.a.start()
            for pair in everyone:  # B's Down timer begins later than A's and is longer: A is master first
                pair.a.router.program.wait_for("Entering BACKUP STATE", 40)
                pair.b.start()
            for pair in everyone:
                pair.b.wait("BACKUP", ["VI_1"])
            self._until(lambda pair: pair.holders() == "a", "A to take the address")
            self._phase("before")
            for pair in everyone:
                pair.a.stop()
            self._until(lambda pair: pair.holders() == "b", "B to take over")
            self._phase("during")
            for pair in everyone:
                pair.a.start()
            for pair in everyone:
                pair.a.wait("MASTER" if pair.returns else "BACKUP", ["VI_1"])
            self._until(lambda pair: pair.holders() in ("a", "b"), "one holder after A's return")
            time.sleep(1.5)  # with the phase that follows more than A's Master_Down_Interval of 3.61 s
            self._phase("after")
        for pair in everyone:
            pair.capture.load()

    def _until(self, condition: Callable[[Pair], bool], what: str) -> None:
        self._lab.wait(lambda: all(condition(pair) for pair in self.pairs.values()), what, 40.0)

    def _phase(self, name: str) -> None:
        """Two adverts' time in which nothing is done, then who holds the address."""
        begin = time.time()
        time.sleep(2.2)
        for pair in self.pairs.values():
            pair.held[name] = pair.holders()
        self.phases[name] = (begin, time.time())


@pytest.fixture(scope="module")
def story() -> Iterator[Story]:
    with tempfile.TemporaryDirectory() as folder:
        yield Story(Path(folder))


@pytest.mark.parametrize(("pairing", "mode"), STORIES)
def test_the_address_is_on_exactly_one_host_before_during_and_after_a_failover(
    story: Story, pairing: str, mode: str
) -> None:
    pair = story.pairs[pairing, mode]
    expected = {"before": "a", "during": "b", "after": "a" if mode == PREEMPT else "b"}
    assert pair.held == expected
    assert {name: pair.masters(*span) for name, span in story.phases.items()} == {
        name: {holder} for name, holder in expected.items()
    }


@pytest.mark.parametrize(("pairing", "mode"), STORIES)
def test_the_neighbours_are_told_where_the_address_is_last(story: Story, pairing: str, mode: str) -> None:
    pair = story.pairs[pairing, mode]
    for phase, holder in pair.held.items():
        told = pair.capture.announcements(VIP, end=story.phases[phase][1])
        assert told[-1][1] == bytes.fromhex(MACS[holder].replace(":", ""))


@pytest.mark.parametrize(("pairing", "mode"), STORIES)
def test_the_stopped_master_says_so_and_the_backup_waits_for_its_skew_only(
    story: Story, pairing: str, mode: str
) -> None:
    capture = story.pairs[pairing, mode].capture
    adverts = capture.adverts(VRID, story.phases["before"][1])
    at = next(index for index, (_, _, priority) in enumerate(adverts) if priority == 0)
    first = next(when for when, source, _ in adverts[at:] if SOURCES[source] == "b")
    assert abs(first - adverts[at][0] - (256 - 50) / 256) < 0.5  # one second of skew in version 2; a busy machine


@pytest.mark.parametrize("mode", [PREEMPT, STAY])
def test_neither_of_us_has_anything_to_complain_about(story: Story, mode: str) -> None:
    for pairing in PAIRINGS:
        pair = story.pairs[pairing, mode]
        for side in (pair.a, pair.b):
            assert "refused" not in side.log()
            assert "invalid" not in side.log()
