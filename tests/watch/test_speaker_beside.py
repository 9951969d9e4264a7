"""The supervisor between watcher, timekeeper and scripts; the sync group that yields together; the script that runs."""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from pathlib import Path
from typing import Any, cast

import pytest

from tests.core.machine_setup import OURS, PEER, instance, kinds
from vrrpcore.addresses import pack
from vrrpcore.errors import ConfigError
from vrrpcore.machine import Action, Machine, State
from vrrpcore.settings import Command, GlobalDefs, Instance, Settings
from vrrpcore.speaker import yielding
from vrrpcore.speaker.chores import Chores
from vrrpcore.speaker.groups import SyncGroups
from vrrpcore.speaker.performer import Performer
from vrrpcore.speaker.process import Child, Reports, received
from vrrpcore.speaker.router import VirtualRouter
from vrrpcore.speaker.yielding import Proofs
from vrrpwatch.run_speaker_beside import Beside
from vrrpwatch.run_speaker_watcher import WatcherOptions, checked


def settings(*instances: Instance) -> Settings:
    return Settings(instances=instances, global_defs=GlobalDefs())


def toml(folder: Path, text: str) -> WatcherOptions:
    path = folder / "w.toml"
    path.write_text(text)
    return WatcherOptions(config=str(path))


class World:
    """A supervisor's Beside without a watcher process: what would be one is in our hands."""

    def __init__(self, options: WatcherOptions, *instances: Instance) -> None:
        self.told: list[tuple[str, Any]] = []
        self.proved: list[Any] = []
        self.beside = Beside(options, lambda word, value: self.told.append((word, value)), self.proved.append)
        self.beside.read_config(settings(*instances))
        self.beside._watcher.look = lambda: None  # type: ignore[method-assign]
        self.watcher = self.beside._watcher._its_end
        self.watcher.setblocking(False)
        self.say = Reports(self.watcher)


def published(name: str, state: str = "master", yielded: bool = False) -> dict[str, dict[str, Any]]:
    return {name: {"name": name, "state": state, "yielded": yielded, "effective_priority": 90}}


ROW = {
    "interfaces": ["eth0"], "family": "ipv4", "vrid": 51, "vips": ["10.9.0.100"], "id": "e1", "class": "split_brain",
    "cause": "peer_deaf", "confidence": "proved", "since": 1.0, "end": None, "masters": ["10.9.0.3"], "blamed": [],
    "evidence": ["so"], "remedy": "do",
}  # fmt: skip


def test_a_verdict_reaches_the_log_the_scripts_and_the_state(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    world = World(toml(tmp_path, "[speaker]\non_split_brain = '/bin/echo it'"), instance())
    assert world.beside.wants_scripts
    world.say("episode", ROW)
    world.beside.read()
    with caplog.at_level(logging.INFO):
        assert world.beside.turn(published("VI_1"))
    assert "(VI_1) split brain: peer_deaf (proved); masters 10.9.0.3; evidence: so; remedy: do" in caplog.text
    ((word, (name, what, priority, command, environment)),) = world.told
    assert (word, name, what, priority) == ("split_brain", "VI_1", "SPLIT_BRAIN", 90)
    assert (command, environment["VRRPWATCH_REMEDY"]) == (Command(("/bin/echo", "it")), "do")
    row = world.beside.row("VI_1")
    assert row is not None
    assert (row["level"], row["yields"]) == ("confirmed", False)
    assert not world.beside.turn(published("VI_1"))


def test_proofs_pass_only_for_instances_that_may_yield(tmp_path: Path) -> None:
    world = World(toml(tmp_path, "[speaker]\nyield_to_superior = ['VI_2']"), instance(), instance(name="VI_2", vrid=52))
    for name in ("VI_1", "VI_2", "VI_3"):
        world.say("proof", (name, pack(PEER), 150, 1.0, 5.0))
    world.beside.read()
    assert [row[0] for row in world.proved] == ["VI_2"]


def test_proof_is_looked_for_where_it_matters_and_again_for_another_watcher(tmp_path: Path) -> None:
    world = World(toml(tmp_path, "[speaker]\nyield_to_superior = ['*']"), instance())
    world.beside.turn(published("VI_1", "backup"))
    assert received(world.watcher) == []
    world.beside.turn(published("VI_1"))
    world.beside.turn(published("VI_1"))
    assert received(world.watcher) == [("engaged", {"VI_1": 90})]
    world.beside._engaged = (world.beside._engaged[0], -1e9)
    world.beside.turn(published("VI_1", "backup", yielded=True))
    assert received(world.watcher) == [("engaged", {"VI_1": 90})]
    world.beside.turn(published("VI_1", "backup"))
    assert received(world.watcher) == [("engaged", {})]


def test_what_is_asked_for_in_vain_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    World(toml(tmp_path, "[speaker]\nyield_to_superior = ['*', 'VI_9']"), instance(priority=255))
    assert "(VI_1) yield_to_superior has no effect" in caplog.text
    assert "there is no vrrp_instance VI_9" in caplog.text


def test_a_mistake_in_the_file_stops_a_start_but_no_running_speaker(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    options = toml(tmp_path, "[speaker]\nyield_to_superior = ['VI_1']")
    world = World(options, instance())
    toml(tmp_path, "[speaker]\nyield = 1")
    with pytest.raises(ConfigError, match="unknown key"):
        checked(options)
    world.beside.read_config(settings(instance()))
    assert "unknown key speaker.yield" in caplog.text
    row = world.beside.row("VI_1")
    assert row is not None
    assert row["yields"]
    with pytest.raises(ConfigError, match="/nowhere/x cannot be executed"):
        checked(toml(tmp_path, "[speaker]\non_split_brain = '/nowhere/x'"))
    with pytest.raises(ConfigError, match=r"watch\.processes: beside a speaker one process judges; leave it out"):
        checked(toml(tmp_path, "[watch]\nprocesses = 2"))


def test_without_a_watcher_there_is_nothing_to_say() -> None:
    beside = Beside(None, lambda word, value: None, lambda message: None)
    beside.read_config(settings(instance()))
    beside.read()
    assert (beside.turn({}), beside.row("VI_1"), beside.watched, beside.fileno()) == (False, None, False, -1)


# ---- towards the timekeeper ----------------------------------------------------------------------------------


def test_an_offer_never_waits_and_what_follows_is_understood() -> None:
    child = object.__new__(Child)
    child._control, end = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    taken = 0
    while child.offer("proof", ("VI_1", b"\x0a" * 16, 150, 1.0, 5.0)):
        taken += 1
    assert 100 < taken < 1_000_000
    end.close()
    assert not child.offer("proof", None)
    child._control.close()


class Member:
    """As much of a VirtualRouter as is needed to yield."""

    def __init__(self, name: str, now: float) -> None:
        self.name, self.sync_group, self.done = name, "G", cast(list[Action], [])
        self.machine = Machine(instance(name=name), None, pack(OURS))
        self.machine.start(now - 10)
        self.machine.tick(now)

    @property
    def state(self) -> State:
        return self.machine.state


def test_a_sync_group_yields_together_or_not_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yielding, "wall_offset", lambda: 0.0)
    now = time.monotonic()
    members = {name: Member(name, now - 5) for name in ("VI_1", "VI_2")}

    class Doing:
        followers: list[Any] = []  # noqa: RUF012

        def perform(self, router: Member, actions: tuple[Action, ...], when: float) -> None:
            router.done += actions
            if "ReleaseAddresses" in kinds(actions):
                for other in members.values():
                    if other is not router:
                        other.done += other.machine.join_backup(when)

    doing = cast(Performer, Doing())
    routers = cast(dict[str, VirtualRouter], members)
    groups = SyncGroups(routers, doing, cast(Any, None), cast(Any, None))
    groups._members = {"G": ("VI_1", "VI_2")}
    proofs = Proofs(routers, groups, doing)
    proofs.take(("VI_1", pack(PEER), 150, 1.0, now))
    assert {each.state for each in members.values()} == {State.MASTER}
    proofs.take(("VI_9", pack(PEER), 150, 1.0, now))  # nobody's
    proofs.take(("VI_2", pack(PEER), 150, 1.0, now + 3600))  # of another time
    assert {each.state for each in members.values()} == {State.MASTER}
    proofs.take(("VI_2", pack(PEER), 150, 1.0, now))
    assert {each.state for each in members.values()} == {State.BACKUP}
    assert all(each.machine.yielding.active for each in members.values())


# ---- the script ----------------------------------------------------------------------------------------------


def test_the_script_gets_words_and_environment(tmp_path: Path) -> None:
    record = tmp_path / "record"
    script = tmp_path / "split"
    script.write_text(f'#!/bin/sh\necho "$*/$VRRPWATCH_CAUSE/$VRRPWATCH_REMEDY" > {record}\n')
    script.chmod(0o755)
    said: list[Any] = []

    async def work() -> None:
        chores = Chores(settings(instance()), cast(Reports, lambda kind, value: said.append(value)))
        environment = {"VRRPWATCH_CAUSE": "peer_deaf", "VRRPWATCH_REMEDY": "let VRRP in; $(false)"}
        chores.obey("split_brain", ("VI_1", "SPLIT_BRAIN", 100, Command((str(script), "more")), environment))
        chores.obey("split_brain", ("VI_1", "SPLIT_BRAIN", 100, None, environment))
        await chores.finish()

    asyncio.run(work())
    assert record.read_text() == "more INSTANCE VI_1 SPLIT_BRAIN 100 peer_deaf/peer_deaf/let VRRP in; $(false)\n"
    assert said == []
