"""What keepalived, FRR and our speaker say of themselves, from real-looking words and from broken ones."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from vrrpcore.addresses import pack
from vrrpcore.speaker import state as speaker_state
from vrrpexporters.snapshot import Instance
from vrrpwatch.config import FrrSource, KeepalivedSource, SpeakerSource
from vrrpwatch.sources import Masterships
from vrrpwatch.sources.frr import FrrState
from vrrpwatch.sources.keepalived import KeepalivedState
from vrrpwatch.sources.speaker import SpeakerState

CONF = """
vrrp_instance VI_1 {
    interface eth0
    virtual_router_id 51
    priority 150
    virtual_ipaddress {
        10.9.0.100/24
        10.9.0.101/24
    }
}
vrrp_instance VI_6 {
    interface eth0
    virtual_router_id 51
    virtual_ipaddress {
        fe80::1
        fd00::1
    }
}
"""


def segment(interface: str) -> str:
    return f"lan of {interface}"


class Fifo:
    """keepalived's end."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "fifo"
        os.mkfifo(self.path)
        self._end: int | None = None
        self.held: set[bytes] = set()
        config = folder / "keepalived.conf"
        config.write_text(CONF)
        self.source = KeepalivedState(
            KeepalivedSource(str(self.path), str(config)), segment, addresses=lambda: self.held
        )
        self.source._WAIT = 0.02  # type: ignore[misc]

    def open(self) -> None:
        """As keepalived does: for reading and writing, so that it never blocks."""
        self._end = os.open(self.path, os.O_RDWR | os.O_NONBLOCK)

    def say(self, text: str) -> None:
        assert self._end is not None
        os.write(self._end, text.encode())

    def close(self) -> None:
        if self._end is not None:
            os.close(self._end)
        self._end = None

    def look(self) -> dict[str, Instance]:
        self.source.update()
        return {row.name: row for row in self.source.instances()}


@pytest.fixture
def fifo(tmp_path: Path) -> Iterator[Fifo]:
    made = Fifo(tmp_path)
    yield made
    made.close()
    made.source.close()


def test_keepalived_that_does_not_run_is_init(fifo: Fifo) -> None:
    fifo.held = {pack("10.9.0.100"), pack("10.9.0.101")}
    row = fifo.look()["VI_1"]
    assert (row.state, row.since, row.held) == ("init", None, 2)
    assert not fifo.source.up


def test_what_keepalived_said_before_we_came_is_read(fifo: Fifo) -> None:
    fifo.open()
    fifo.say('INSTANCE "VI_1" BACKUP 150\nINSTANCE "VI_1" MASTER 150\nGROUP "G" MASTER 0\n')
    rows = fifo.look()
    assert (rows["VI_1"].state, rows["VI_1"].priority, rows["VI_1"].segment) == ("master", 150, "lan of eth0")
    assert rows["VI_1"].since is not None
    assert (rows["VI_6"].state, rows["VI_6"].family, rows["VI_6"].held) == ("backup", "ipv6", 0)
    assert fifo.source.up


def test_a_restart_of_ours_learns_from_the_addresses(fifo: Fifo) -> None:
    fifo.open()
    fifo.held = {pack("10.9.0.100"), pack("10.9.0.101"), pack("fd00::1")}
    rows = fifo.look()
    assert (rows["VI_1"].state, rows["VI_6"].state) == ("master", "backup")


def test_states_are_followed_and_counted(fifo: Fifo) -> None:
    fifo.open()
    fifo.say('INSTANCE "VI_1" BACKUP 150\n')
    assert fifo.look()["VI_1"].state == "backup"
    fifo.say('INSTANCE "VI_1" MAS')
    assert fifo.look()["VI_1"].state == "backup"
    fifo.say('TER 150\nINSTANCE "VI_1" MASTER_RX_LOWER_PRI 150\nINSTANCE "VI_1" MASTER_PRIORITY 140\n')
    row = fifo.look()["VI_1"]
    assert (row.state, row.priority) == ("master", 140)
    began = row.since
    assert fifo.look()["VI_1"].since == began
    fifo.say('INSTANCE "VI_1" FAULT 150\nINSTANCE "VI_1" MASTER 150\n')
    row = fifo.look()["VI_1"]
    assert row.since is not None
    assert began is not None
    assert row.since > began
    assert row.counters == {"master_transitions": 2, "master_releases": 1}
    fifo.say('INSTANCE "VI_1" STOP 150\n')
    assert fifo.look()["VI_1"].state == "init"


def test_keepalived_that_was_killed_is_init_whatever_it_left_behind(fifo: Fifo) -> None:
    fifo.open()
    fifo.held = {pack("10.9.0.100"), pack("10.9.0.101")}
    fifo.say('INSTANCE "VI_1" MASTER 150\n')
    assert fifo.look()["VI_1"].state == "master"
    fifo.close()
    row = fifo.look()["VI_1"]
    assert (row.state, row.since, row.held) == ("init", None, 2)
    fifo.open()
    fifo.held = set()
    assert fifo.look()["VI_1"].state == "backup"


def test_a_fifo_that_was_made_anew_is_opened_anew(fifo: Fifo) -> None:
    fifo.open()
    fifo.say('INSTANCE "VI_1" MASTER 150\n')
    assert fifo.look()["VI_1"].state == "master"
    fifo.close()
    fifo.path.unlink()
    assert fifo.look()["VI_1"].state == "init"  # and it is there again, for whoever starts
    fifo.open()
    fifo.say('INSTANCE "VI_1" BACKUP 150\n')
    assert fifo.look()["VI_1"].state == "backup"
    fifo.path.unlink()
    os.mkfifo(fifo.path)
    fifo.close()
    fifo.open()
    fifo.say('INSTANCE "VI_1" MASTER 150\n')
    assert fifo.look()["VI_1"].state == "master"


def test_nonsense_in_the_fifo_is_passed_over(fifo: Fifo) -> None:
    fifo.open()
    fifo.say(
        '\xff\x00\nINSTANCE VI_1 MASTER\nINSTANCE "VI_1" DANCING 1\nINSTANCE "other" MASTER 1\n' + "x" * 9000 + "\n"
    )
    assert fifo.look()["VI_1"].state == "backup"


def test_a_missing_configuration_is_said_once_and_tried_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    failures: list[str] = []
    settings = KeepalivedSource(str(tmp_path / "fifo"), str(tmp_path / "keepalived.conf"))
    source = KeepalivedState(settings, segment, lambda name, error: failures.append(name), set)
    source.update()
    source.update()
    assert failures == ["source_keepalived"] * 2
    assert caplog.text.count("keepalived cannot be asked") == 1
    (tmp_path / "keepalived.conf").write_text(CONF)
    source._WAIT = 0.02  # type: ignore[misc]
    source.update()
    assert len(source.instances()) == 2
    source.close()


def test_a_mastership_begins_when_it_is_first_seen_and_anew_when_it_was_lost_in_between() -> None:
    seen = Masterships()
    began = seen.see("a", "master")
    assert seen.see("a", "master") == began
    assert seen.see("a", "master", again=True) != began
    assert seen.see("a", "backup") is None
    assert (seen.see("a", "master", age=10.0) or 0) < time.monotonic() - 9
    assert seen.counters("a") == {"master_transitions": 2, "master_releases": 2}


# FRR


def frr(**sides: Any) -> str:
    return json.dumps([{"vrid": 7, "interface": "eth0", "version": 3, **sides}])


def side(status: str = "Master", transitions: int = 2, **more: Any) -> dict[str, Any]:
    stats = {"adverTx": 40, "adverRx": 3, "garpTx": 1, "transitions": transitions}
    return {"status": status, "effectivePriority": 150, "stats": stats, "addresses": ["10.9.0.100"], **more}


class Vtysh:
    def __init__(self, answer: str) -> None:
        self.answer = answer
        self.failures: list[str] = []
        self.source = FrrState(
            FrrSource(), segment, lambda name, error: self.failures.append(name), lambda _: self.answer
        )

    def look(self, answer: str) -> tuple[Instance, ...]:
        self.answer = answer
        self.source.update()
        return self.source.instances()


def test_frr_gives_one_instance_for_each_family_that_has_addresses() -> None:
    vtysh = Vtysh("")
    (row,) = vtysh.look(frr(v4=side(), v6=side("Initialize", addresses=[])))
    assert (row.name, row.family, row.state, row.priority, row.segment) == (
        "eth0/7",
        "ipv4",
        "master",
        150,
        "lan of eth0",
    )
    assert row.counters["adverts_sent"] == 40
    both = vtysh.look(frr(v4=side("Backup"), v6=side(addresses=["fd00::1"])))
    assert [(row.family, row.state) for row in both] == [("ipv4", "backup"), ("ipv6", "master")]


def test_frr_that_changed_twice_between_two_looks_began_anew() -> None:
    vtysh = Vtysh("")
    (first,) = vtysh.look(frr(v4=side(transitions=2)))
    (same,) = vtysh.look(frr(v4=side(transitions=2)))
    (again,) = vtysh.look(frr(v4=side(transitions=4)))
    assert first.since == same.since
    assert again.since != first.since


@pytest.mark.parametrize("answer", ["", "{}", "[1]", "% Unknown command", '[{"v4": {"addresses": ["x"]}}]'])
def test_frr_that_answers_nonsense_is_down_and_counted(answer: str) -> None:
    vtysh = Vtysh("")
    vtysh.look(frr(v4=side()))
    assert vtysh.look(answer) == ()
    assert (vtysh.source.up, vtysh.failures) == (False, ["source_frr"])


def test_a_vtysh_that_is_not_there_is_said_in_a_line(caplog: pytest.LogCaptureFixture) -> None:
    source = FrrState(FrrSource(vtysh="/nonexistent/vtysh"), segment)
    source.update()
    assert "frr cannot be asked: /nonexistent/vtysh is not installed" in caplog.text


# Our speaker


def publish(path: Path, state: str = "master", age: float = 0.0, since: float = 100.0, **more: object) -> None:
    now = time.time()
    counters = {"master_transitions": 1, "advertisement_sent": 30, "interval_errors": 2}
    instance = {
        "name": "VI_1",
        "interface": "eth0",
        "vrid": 51,
        "family": "ipv4",
        "state": state,
        "since": now - since,
        "effective_priority": 150,
        "counters": counters,
    }
    speaker_state.write(str(path), {"schema": 1, "updated": now - age, "instances": [{**instance, **more}]})


def test_our_speaker_tells_its_state_age_and_counters(tmp_path: Path) -> None:
    source = SpeakerState(SpeakerSource(str(tmp_path / "s.json")), segment)
    publish(tmp_path / "s.json")
    source.update()
    (row,) = source.instances()
    assert (row.state, row.priority, row.counters["adverts_sent"], row.errors["interval"]) == ("master", 150, 30, 2)
    assert row.since is not None
    assert 99 < time.monotonic() - row.since < 130
    assert source.up


def test_a_state_that_nobody_renews_is_of_a_speaker_that_is_gone(tmp_path: Path) -> None:
    source = SpeakerState(SpeakerSource(str(tmp_path / "s.json")), segment)
    publish(tmp_path / "s.json", age=6)
    source.update()
    (row,) = source.instances()
    assert (row.state, row.since, source.up) == ("init", None, False)


def test_what_the_judge_beside_our_speaker_says_comes_along_while_it_is_of_now(tmp_path: Path) -> None:
    source = SpeakerState(SpeakerSource(str(tmp_path / "s.json")), segment)
    said = {"level": "confirmed", "class": "split_brain", "cause": "peer_deaf", "since": 1000.5}
    for age, level in ((0.0, "confirmed"), (6.0, "")):
        publish(tmp_path / "s.json", age=age, split_brain=said, yielded=True, last_proof=1002.0)
        source.update()
        (row,) = source.instances()
        assert (row.awareness.level if row.awareness else "") == level
    publish(tmp_path / "s.json", split_brain=None)
    source.update()
    assert source.instances()[0].awareness is None


def test_no_speaker_is_said_in_a_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    source = SpeakerState(SpeakerSource(str(tmp_path / "s.json")), segment)
    source.update()
    assert "vrrpwatch cannot be asked" in caplog.text
    assert "no speaker publishes" in caplog.text
