"""The process for scripts and mail in the hands of `vrrpwatch run`: it is started again, and its mails are counted."""

from __future__ import annotations

import logging
import os
import selectors
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.mail_sink import Sink
from vrrpcore.settings import (
    Command,
    Fifo,
    GlobalDefs,
    Instance,
    Notify,
    Settings,
    SyncGroup,
    Track,
    Tracking,
    TrackScript,
)
from vrrpwatch.run_speaker_chores import Chores, run_script, without_refused


class Parent:
    """What the supervisor is to it: one loop."""

    def __init__(self) -> None:
        self.selector = selectors.DefaultSelector()
        self.tracked: list[tuple[str, str, int]] = []
        self.chores = Chores(self.selector, lambda *value: self.tracked.append(value))

    def turn_until(self, condition: Callable[[], Any], what: str) -> None:
        deadline = time.monotonic() + 10
        while not condition():
            assert time.monotonic() < deadline, what
            for key, _ in self.selector.select(0.05):
                key.data()


@pytest.fixture
def parent() -> Iterator[Parent]:
    parent = Parent()
    yield parent
    parent.chores.end()
    parent.selector.close()


def children() -> list[int]:
    return [int(each) for each in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()]


def mailing(port: int) -> Settings:
    defs = GlobalDefs(notification_email=("a@example.org",), smtp_server="127.0.0.1", smtp_server_port=port)
    return Settings(global_defs=defs, instances=(Instance("V", 1, notify=Notify(smtp_alert=True)),))


def test_mails_are_counted_over_the_end_of_a_process_and_those_that_it_takes_along_are_told(
    parent: Parent, caplog: pytest.LogCaptureFixture
) -> None:
    before = set(children())
    with Sink("127.0.0.1") as sink, Sink("127.0.0.1", mute=True) as mute:
        parent.chores.configure(mailing(sink.port))
        (first,) = set(children()) - before
        parent.chores.tell("changed", ("V", "BACKUP", 100))
        parent.turn_until(lambda: parent.chores.mails()["sent"] == 1, "no mail was sent")
        parent.chores.configure(mailing(mute.port))
        for state in ("MASTER", "FAULT"):
            parent.chores.tell("changed", ("V", state, 100))
        parent.turn_until(lambda: parent.chores.mails()["waiting"] == 2, "no mail waits")
        os.kill(first, signal.SIGKILL)
        parent.turn_until(lambda: set(children()) - before - {first}, "it was not started again")
        assert parent.chores.mails() == {"sent": 1, "failed": 2, "waiting": 0}
        assert "2 mails were not sent: the process for scripts and mail ended" in caplog.messages
        parent.chores.configure(mailing(sink.port))
        parent.chores.tell("changed", ("V", "BACKUP", 100))
        parent.turn_until(lambda: parent.chores.mails()["sent"] == 2, "the new process sent no mail")


def test_what_it_says_while_it_ends_is_heard(parent: Parent, caplog: pytest.LogCaptureFixture) -> None:
    with Sink("127.0.0.1") as gone:
        port = gone.port
    parent.chores.configure(mailing(port))
    parent.chores.tell("changed", ("V", "STOP", 100))
    begun = time.monotonic()
    parent.chores.end()
    assert time.monotonic() - begun < 4
    assert [line for line in caplog.messages if line.startswith("mail not sent: VRRP Instance V - Stopping: ")]
    assert parent.chores.mails()["failed"] == 1


def test_nothing_is_started_for_a_file_without_chores_until_a_reload_brings_some(parent: Parent) -> None:
    before = children()
    parent.chores.configure(Settings(instances=(Instance("V", 1),)))
    parent.chores.tell("changed", ("V", "BACKUP", 100))
    assert children() == before
    parent.chores.configure(mailing(1))
    assert len(children()) == len(before) + 1


@pytest.mark.parametrize("state", ["stop", "deleted"])
def test_one_notify_script_of_any_kind_is_enough_to_need_it(parent: Parent, state: str) -> None:
    before = children()
    notify = Notify(**{state: Command(("/bin/true",))})  # type: ignore[arg-type]
    parent.chores.configure(Settings(instances=(Instance("V", 1, notify=notify),)))
    assert len(children()) == len(before) + 1


@pytest.mark.root
def test_a_script_that_must_not_run_is_not_tracked_and_each_reason_is_told(tmp_path: Path) -> None:
    good, bad = (tmp_path / name for name in ("good", "bad"))
    for path, mode in ((good, 0o755), (bad, 0o757)):
        path.write_text("#!/bin/sh\n")
        path.chmod(mode)
    scripts = tuple(TrackScript(path.name, Command((str(path),), "root")) for path in (good, bad))
    tracking = Tracking(scripts=(Track("good"), Track("bad")))
    notify = Notify(any=Command((str(tmp_path / "none"),), "root"))
    settings = Settings(
        global_defs=GlobalDefs(script_security=True, lvs_notify_fifo=Fifo("/x", script=Command(("/none",)))),
        scripts=scripts,
        instances=(Instance("V", 1, tracking=tracking, notify=notify),),
        sync_groups=(SyncGroup("G", ("V",), tracking=tracking),),
    )
    kept, lines = without_refused(settings)
    assert [each.name for each in kept.scripts] == ["good"]
    assert kept.instances[0].tracking.scripts == kept.sync_groups[0].tracking.scripts == (Track("good"),)
    assert kept.instances[0].notify == notify
    assert lines == [
        f"vrrp_script bad: {bad} is not run: root would run it, and others can change {bad} (enable_script_security)",
        f"V: {tmp_path / 'none'} is not run: No such file or directory",
        "not tracked for that reason: bad",
    ]
    assert without_refused(Settings()) == (Settings(), [])


def test_a_startup_script_that_fails_is_told(caplog: pytest.LogCaptureFixture) -> None:
    run_script(None, GlobalDefs(), 1)
    run_script(Command(("/bin/true",)), GlobalDefs(), 1)
    assert caplog.messages == []
    run_script(Command(("/bin/false",)), GlobalDefs(), 1)
    run_script(Command(("/bin/sleep", "9")), GlobalDefs(), 0.1)
    assert caplog.messages == ["/bin/false ended with code 1", "/bin/sleep 9 took longer than 0.1 s and was ended"]
    assert {record.levelno for record in caplog.records} == {logging.ERROR}
