"""Sync groups: what is told of them, and what they wait for. Without sockets."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from tests.core.machine_setup import instance
from vrrpcore.machine import Changed
from vrrpcore.settings import Command, Settings, SyncGroup, Track, Tracking, TrackScript
from vrrpcore.speaker.groups import SyncGroups
from vrrpcore.speaker.journal import Journal
from vrrpcore.speaker.router import VirtualRouter
from vrrpcore.speaker.tracking import Tracker


class Host:
    """Three routers, two of them in a group."""

    def __init__(self) -> None:
        scripted = Tracking(scripts=(Track("check"),))
        made = (instance(name="A", vrid=1), instance(name="B", vrid=2, tracking=scripted), instance(name="C", vrid=3))
        self.settings = Settings(
            instances=made,
            sync_groups=(SyncGroup("G", ("A", "B")),),
            scripts=(TrackScript("check", Command(("/bin/true",))),),
        )
        self.routers = {each.name: VirtualRouter(each, 1, 1) for each in made}
        self.told: list[tuple[str, Any]] = []
        performer = cast(Any, SimpleNamespace(followers=[]))
        journal = Journal(lambda kind, value: self.told.append((kind, value)) if kind != "log" else None)
        self.groups = SyncGroups(self.routers, performer, cast(Any, None), journal)
        self.groups.configure(self.settings)

    def start(self, *names: str, healthy: bool = True) -> None:
        for name in names:
            router = self.routers[name]
            router.machine.address = bytes(4)
            for action in router.machine.start(0.0, healthy=healthy):
                if isinstance(action, Changed):
                    self.groups.follow(router, action, 0.0)


def test_a_member_waits_for_what_the_others_track() -> None:
    host = Host()
    tracker = Tracker(host.settings)
    assert host.groups.pending(host.routers["A"], tracker) == ["script check"]
    assert host.groups.pending(host.routers["C"], tracker) == []
    tracker.update("script", "check", 0)
    assert host.groups.pending(host.routers["A"], tracker) == []


def test_a_group_is_told_when_its_members_share_a_state_and_at_the_end() -> None:
    host = Host()
    host.start("A", "C")
    assert host.told == []
    host.start("B")
    assert host.told == [("group", ("G", "BACKUP"))]
    host.groups.stop()
    assert host.told[1:] == [("group", ("G", "STOP"))]


def test_standings_are_those_of_groups_and_of_routers_that_have_begun() -> None:
    host = Host()
    host.start("A", "B", healthy=False)
    host.told.clear()
    host.groups.tell_standings(["A", "B", "C", "gone"])
    assert host.told == [
        ("standing", ("GROUP", "G", "FAULT", 0)),
        ("standing", ("INSTANCE", "A", "FAULT", 100)),
        ("standing", ("INSTANCE", "B", "FAULT", 100)),
    ]


def test_a_group_that_a_reload_has_deleted_is_forgotten() -> None:
    host = Host()
    host.start("A", "B")
    host.told.clear()
    host.groups.configure(Settings(instances=host.settings.instances))
    host.groups.tell_standings([])
    host.groups.stop()
    assert host.told == []
