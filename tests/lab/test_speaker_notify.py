"""Notify scripts, FIFO and mail: the same file and the same events told to keepalived and to ours, side by side.

A sync group, a fault, changes of priority, a peer that does not hear us, a reload that deletes instances, a stop.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.lab.speaker_lab import Start, make_lab
from tests.mail_sink import Received, kept
from vrrpwatch.lab import Keepalived, Lab, Watcher

pytestmark = [pytest.mark.root, pytest.mark.live, pytest.mark.needs("keepalived")]

HEAD = """
global_defs {{
    router_id lab
    enable_script_security
    script_user root
    vrrp_notify_fifo {folder}/fifo
    notification_email {{
        one@example.org
        two@example.org
    }}
    notification_email_from from@example.org
    smtp_server ::1 2525
    smtp_alert on
}}
track_file number {{
    file {folder}/number
    weight 1
}}
"""
GROUP = """
vrrp_sync_group G {{
    group {{
        VI_1
        VI_2
    }}
    notify_master "{folder}/tell G master"
    notify_backup "{folder}/tell G backup"
    notify_fault "{folder}/tell G fault"
    notify_stop "{folder}/tell G stop"
    notify "{folder}/tell G any"
    smtp_alert on
}}
"""
PEER = "vrrp_instance VI_P {\n interface eth0\n version 3\n virtual_router_id 66\n priority 100\n advert_int 0.5\n"
PEER += " virtual_ipaddress {\n 10.9.0.66/24\n }\n}\n"
PRIORITY = """
    notify_priority_changes on
    notify_master_rx_lower_pri "{folder}/tell VI_P lower"
    track_file {{
        number
    }}
"""
#: name -> (VRID, interface, what else it has)
INSTANCES = {
    "VI_1": (61, "eth0", ""),
    "VI_2": (62, "eth1", ""),
    "VI_P": (66, "eth0", PRIORITY),
    "VI_S": (67, "eth0", ""),
    "VI_D": (63, "eth0", 'notify_deleted "{folder}/tell VI_D deleted"'),
    "VI_E": (64, "eth0", ""),
    "VI_F": (65, "eth0", "notify_deleted"),
    "VI_X": (69, "eth0", ""),
    "VI_N": (68, "eth0", ""),  # comes with the reload
}
#: program of an instance's scripts, user of its `notify`
PROGRAMS = {"VI_X": "open", "VI_S": "opened"}
USERS = {"VI_P": "nobody", "VI_N": "nobody daemon"}
DELETED = ("VI_D", "VI_E", "VI_F")


def instance(name: str, folder: Path, priority: int = 150) -> str:
    vrid, interface, extra = INSTANCES[name]
    tell = f"{folder}/{PROGRAMS.get(name, 'tell')} {name}"
    return (
        f"vrrp_instance {name} {{\n    state BACKUP\n    interface {interface}\n    version 3\n"
        f"    virtual_router_id {vrid}\n    priority {priority}\n    advert_int 0.5\n"
        f'    notify_master "{tell} master"\n    notify_backup "{tell} backup"\n'
        f'    notify_fault "{tell} fault"\n    notify_stop "{tell} stop"\n'
        f'    notify "{folder}/tell {name} any" {USERS.get(name, "")}\n    {extra.format(folder=folder)}\n'
        f"    virtual_ipaddress {{\n        10.9.{interface[-1]}.{vrid}/24\n    }}\n}}\n"
    )


class Story:
    """One router; what it told at each step."""

    def __init__(self, kind: Start, name: str, stack: ExitStack) -> None:
        self.lab: Lab
        self.lab, self.a, self.b, _ = make_lab(name)
        stack.enter_context(self.lab)
        self.lab.join(self.a, self.lab.lan("lan1"), "10.9.1.1/24")
        self.folder = self.lab.directory / "scripts"
        self.folder.mkdir(mode=0o755)
        os.mkfifo(self.folder / "fifo", 0o600)
        self._reader = os.open(self.folder / "fifo", os.O_RDWR | os.O_NONBLOCK)
        self._told = self.folder / "told"
        for path, mode in (("tell", 0o755), ("open", 0o777), ("opened", 0o755)):
            (self.folder / path).write_text(f'#!/bin/sh\necho "$@" as $(id -un) $(id -Gn) >> {self._told}\n')
            (self.folder / path).chmod(mode)
        (self.folder / "number").write_text("0\n")
        self._told.touch()
        self._told.chmod(0o666)
        sink = self.a.start(
            *(sys.executable, str(Path(__file__).parents[1] / "mail_sink.py"), str(self.folder / "mails")),
            *("::1", "2525"),
            log="sink",
        )
        sink.wait_for("listening")
        self.peer = Watcher(self.b, PEER)
        self.router = kind(self.a, self._config([name for name in INSTANCES if name != "VI_N"]))
        self._end = 0
        self.fifo: list[str] = []
        self.scripts: list[str] = []
        self.mails: list[Received] = []
        self.log = ""

    def _config(self, names: list[str], changed: str = "") -> str:
        bodies = [instance(name, self.folder, 140 if name == changed else 150) for name in names]
        return HEAD.format(folder=self.folder) + GROUP.format(folder=self.folder) + "".join(bodies)

    def entered(self, state: str, *names: str) -> None:
        """Wait until the instances have entered the state since the step before."""
        ends = [self.router.program.wait_for(rf"\({name}\) Entering {state} STATE", 20, self._end) for name in names]
        self._end = max(ends)

    def said(self, words: str) -> None:
        """Wait for a line in the FIFO."""

        def read() -> bool:
            try:
                self.fifo += os.read(self._reader, 1 << 16).decode().splitlines()
            except BlockingIOError:
                pass
            return words in self.fifo

        self.lab.wait(read, f"{words} in the FIFO")

    def mailed(self, words: str) -> None:
        """Wait for a mail: keepalived takes those that are on their way along when it ends."""
        mails = self.folder / "mails"
        self.lab.wait(lambda: any(words in mail.header("Subject") for mail in kept(mails)), f"a mail: {words}")

    def reload(self) -> None:
        names = [name for name in INSTANCES if name not in DELETED]
        self.router.config.write_text(self._config(names, changed="VI_S"))
        self.router.program.process.send_signal(signal.SIGHUP)

    def number(self, number: int) -> None:
        (self.folder / "number").write_text(f"{number}\n")

    def end(self) -> None:
        (self.folder / "opened").chmod(0o777)
        self.router.stop()
        self.said('GROUP "G" STOP 0')
        os.close(self._reader)
        self.scripts = self._told.read_text().splitlines()
        self.mails = kept(self.folder / "mails")
        self.log = self.router.program.text()
        self.peer.stop()


#: What is done to both, and what is waited for.
STEPS: tuple[tuple[Callable[[Story], object], Callable[[Story], object]], ...] = (
    (lambda _: None, lambda story: story.entered("MASTER", *(name for name in INSTANCES if name != "VI_N"))),
    (lambda story: story.said('INSTANCE "VI_F" MASTER 150'), lambda _: None),
    (lambda story: story.a.set_link("eth1", up=False), lambda story: story.entered("FAULT", "VI_1", "VI_2")),
    (lambda story: story.number(50), lambda story: story.said('INSTANCE "VI_P" MASTER_PRIORITY 200')),
    (lambda story: story.number(-90), lambda story: story.said('INSTANCE "VI_P" BACKUP 60')),
    (lambda story: story.a.set_link("eth1", up=True), lambda story: story.entered("MASTER", "VI_1", "VI_2")),
    (lambda story: story.number(0), lambda story: story.entered("MASTER", "VI_P")),
    (
        lambda story: story.lab.block(story.a, story.b),
        lambda story: story.said('INSTANCE "VI_P" MASTER_RX_LOWER_PRI 150'),
    ),
    (lambda story: story.lab.unblock(), lambda story: story.peer.program.wait_for(r"MASTER STATE[\s\S]*BACKUP STATE")),
    (lambda story: story.reload(), lambda story: story.entered("MASTER", "VI_N")),
    (lambda story: story.mailed("VI_N - Entering MASTER state"), lambda story: story.end()),
)


@pytest.fixture(scope="module")
def both() -> tuple[Story, Story]:
    with ExitStack() as stack:
        stories = (Story(Keepalived, "tell-ka", stack), Story(Watcher, "tell-ours", stack))
        for act, wait in STEPS:
            for story in stories:
                act(story)
            for story in stories:
                wait(story)
    return stories


def by_name(lines: list[str]) -> dict[str, list[str]]:
    """The lines of each instance or group in their order; between instances the order is chance, and how many adverts
    of a lower priority a master hears is so, too."""
    rows: dict[str, list[str]] = {}
    for line in lines:
        row = rows.setdefault(" ".join(line.split()[:2]), [])
        if not ("MASTER_RX_LOWER_PRI" in line and row[-1:] == [line]):
            row.append(line)
    return rows


def test_the_fifo_tells_the_same_as_keepalived_s(both: tuple[Story, Story]) -> None:
    theirs, ours = both
    assert by_name(ours.fifo) == by_name(theirs.fifo)
    wanted = {'"VI_D" DELETED', '"VI_E" FAULT', '"VI_2" FAULT', '"VI_S" STOP 140', '"G" STOP 0', "BACKUP_PRIORITY 150"}
    assert not [each for each in wanted if each not in "\n".join(ours.fifo)]


def test_the_scripts_are_run_with_the_same_words_as_the_same_users(both: tuple[Story, Story]) -> None:
    theirs, ours = (sorted(line for line in story.scripts if "VI_P lower" not in line) for story in both)
    opened = [line for line in theirs if line.startswith("VI_S stop")]
    assert ours == [line for line in theirs if line not in opened]
    assert all("VI_P lower as root root" in story.scripts for story in both)
    assert "VI_P any INSTANCE VI_P MASTER 150 as nobody nogroup" in ours
    assert "VI_N any INSTANCE VI_N MASTER 150 as nobody daemon" in ours


def test_what_others_can_write_is_never_run_as_root(both: tuple[Story, Story]) -> None:
    """keepalived looks when it reads the file, ours before each run: VI_S's script became unsafe after that."""
    theirs, ours = both
    assert "VI_S stop as root root" in theirs.scripts
    assert "VI_S stop as root root" not in ours.scripts
    assert not [line for story in both for line in story.scripts if line.startswith(("VI_X master", "VI_X backup"))]
    assert f"{ours.folder}/opened VI_S stop is not run: root would run it, and others can change" in ours.log
    assert f"VI_X: {ours.folder}/open VI_X master is not run: root would run it" in ours.log


def test_the_mails_are_keepalived_s_and_those_about_the_end_arrive_too(both: tuple[Story, Story]) -> None:
    theirs, ours = (
        sorted((mail.header("Subject"), mail.body, mail.header("To"), mail.header("From")) for mail in story.mails)
        for story in both
    )
    about_the_end = [mail for mail in ours if mail[0].endswith("Stopping")]
    assert [mail for mail in ours if mail not in about_the_end] == [
        mail for mail in theirs if "Stopping" not in mail[0]
    ]
    assert len(about_the_end) == 7  # six instances and the group
    assert ("[lab] VRRP Instance VI_D - Deleted", "=> VRRP Deleted at reload <=") in [mail[:2] for mail in ours]
    for mail in both[1].mails:
        assert (mail.sender, mail.recipients) == ("from@example.org", ["one@example.org", "two@example.org"])
