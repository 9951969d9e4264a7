"""Tracked things and their arithmetic: keepalived's rules for weights, reverse and faults."""

from __future__ import annotations

import pytest

from tests.core.machine_setup import instance
from vrrpcore.settings import Command, Settings, SyncGroup, Track, Tracking, TrackScript
from vrrpcore.speaker.tracking import Tracker


def tracker(kind: str, track: Track, priority: int = 100) -> tuple[Tracker, Settings]:
    made = instance(
        priority=priority, tracking=Tracking(**{"process": {"processes": (track,)}}.get(kind, {kind + "s": (track,)}))
    )
    settings = Settings(instances=(made,))
    return Tracker(settings), settings


@pytest.mark.parametrize("kind", ["interface", "script", "process"])
@pytest.mark.parametrize(
    ("weight", "reverse", "up", "priority", "fault"),
    [
        (0, False, 1, 100, False),
        (0, False, 0, 100, True),
        (0, True, 1, 100, True),
        (0, True, 0, 100, False),
        (20, False, 1, 120, False),
        (20, False, 0, 100, False),
        (-20, False, 1, 100, False),
        (-20, False, 0, 80, False),
        (20, True, 1, 80, False),
        (-20, True, 0, 120, False),
        (250, False, 1, 254, False),
        (-250, False, 0, 1, False),
    ],
)
def test_up_and_down(kind: str, weight: int, reverse: bool, up: int, priority: int, fault: bool) -> None:
    made, settings = tracker(kind, Track("it", weight, reverse))
    made.update(kind, "it", up)
    standing = made.standing(settings.instances[0])
    assert (standing.priority, bool(standing.faults)) == (priority, fault)


@pytest.mark.parametrize(
    ("weight", "number", "priority", "fault"),
    [
        (1, 10, 110, False),
        (2, 10, 120, False),
        (1, -40, 60, False),
        (1, -254, 100, True),
        (-1, 254, 100, True),
        (100, 3, 254, False),
        (0, 0, 100, False),
        (0, 3, 100, True),
    ],
)
def test_a_file_counts_with_its_number(weight: int, number: int, priority: int, fault: bool) -> None:
    made, settings = tracker("file", Track("it", weight))
    made.update("file", "it", number)
    standing = made.standing(settings.instances[0])
    assert (standing.priority, bool(standing.faults)) == (priority, fault)


def test_what_is_not_known_yet_holds_the_instance_back() -> None:
    made, settings = tracker("script", Track("it", 0))
    assert made.pending(settings.instances[0]) == ["script it"]
    made.update("script", "it", 1)
    assert made.pending(settings.instances[0]) == []


def test_a_weighted_script_holds_nobody_back_but_files_and_processes_are_known_at_once() -> None:
    for kind, waits in (("script", False), ("file", True), ("process", True)):
        made, settings = tracker(kind, Track("it", -20))
        assert bool(made.pending(settings.instances[0])) is waits
        assert made.standing(settings.instances[0]).priority == 100


def test_a_file_that_is_a_fault_counts_as_it_did_before() -> None:
    made, settings = tracker("file", Track("it", 2))
    found = []
    for number in (5, -200, -130, 3):
        made.update("file", "it", number)
        standing = made.standing(settings.instances[0])
        found.append((standing.priority, bool(standing.faults)))
    assert found == [(110, False), (110, True), (110, True), (106, False)]


@pytest.mark.parametrize(
    ("group", "priority", "weights"), [(None, 255, False), (False, 100, False), (True, 100, True), (None, 100, True)]
)
def test_weights_of_scripts_and_files_count_where_keepalived_takes_them(
    group: bool | None, priority: int, weights: bool
) -> None:
    tracked = Tracking(scripts=(Track("s", -20), Track("s0", 0)), files=(Track("f", 1),))
    made = instance(priority=priority, tracking=tracked)
    groups = () if group is None else (SyncGroup("G", ("VI_1",), tracking_weight=group),)
    settings = Settings(instances=(made,), sync_groups=groups)
    one = Tracker(settings)
    for kind, name, value in (("script", "s", 0), ("script", "s0", 0), ("file", "f", -254)):
        one.update(kind, name, value)
    standing = one.standing(made)
    assert standing.priority == (80 if weights else priority)
    assert len(standing.faults) == (2 if weights else 1)


def test_init_fail_begins_as_failed() -> None:
    script = TrackScript("it", Command(("true",)), init_fail=True)
    settings = Settings(scripts=(script,), instances=(instance(tracking=Tracking(scripts=(Track("it", -20),))),))
    assert Tracker(settings).standing(settings.instances[0]).priority == 80


def test_an_owner_keeps_its_priority() -> None:
    made, settings = tracker("script", Track("it", -20), priority=255)
    made.update("script", "it", 0)
    assert made.standing(settings.instances[0]).priority == 255


def test_a_group_tracks_for_all_its_members_and_values_survive_a_reload() -> None:
    group = SyncGroup("G", ("VI_1",), tracking=Tracking(scripts=(Track("it", 0),)))
    settings = Settings(sync_groups=(group,), instances=(instance(),))
    made = Tracker(settings)
    assert made.update("script", "it", 0)
    assert not made.update("script", "it", 0)
    assert not made.update("script", "unknown", 0)
    made.configure(settings)
    assert made.standing(settings.instances[0]).faults == ("tracked script it fails",)
