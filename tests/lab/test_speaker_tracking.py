"""Tracking, sync groups, notify scripts and FIFO: the same file and the same events, keepalived first, then ours."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest

from tests.lab.speaker_lab import Capture, Start, make_lab, together
from vrrpwatch.lab import Keepalived, Lab, Recorder, Watcher

pytestmark = [pytest.mark.root, pytest.mark.live, pytest.mark.needs("keepalived")]

CONFIG = """
global_defs {{
    router_id lab
    enable_script_security
    script_user root
    vrrp_notify_fifo {folder}/fifo
}}
vrrp_script chk {{
    script "{folder}/check"
    interval 1
    weight -60
    fall 1
    rise 1
}}
vrrp_sync_group G {{
    group {{
        VI_4
        VI_6
    }}
    notify "{folder}/tell"
}}
vrrp_instance VI_4 {{
    state BACKUP
    interface eth0
    version 3
    virtual_router_id 61
    priority {priority}
    advert_int 0.5
    notify "{folder}/tell"
    virtual_ipaddress {{
        10.9.0.61/24
    }}
}}
vrrp_instance VI_6 {{
    state BACKUP
    interface eth0
    version 3
    virtual_router_id 62
    priority {priority}
    advert_int 0.5
    virtual_ipaddress {{
        fe80::62/64
    }}
    notify_master "{folder}/tell master-of-6"
    notify_backup "{folder}/tell backup-of-6"
    notify_stop "{folder}/tell stop-of-6"
}}
vrrp_instance VI_S {{
    state BACKUP
    interface eth0
    version 3
    virtual_router_id 63
    priority {priority}
    advert_int 0.5
    track_script {{
        {script}
    }}
    virtual_ipaddress {{
        10.9.0.63/24
    }}
}}
"""


@dataclass
class Told:
    """What one kind of router told during the story, and when the address moved."""

    fifo: list[str] = field(default_factory=list)
    scripts: list[str] = field(default_factory=list)
    moved: float = 0.0  # seconds from the script's first failure to the peer's first advert
    returned: float = 0.0  # seconds from its next success to our first advert of the old priority
    log: str = ""


def executable(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


def tell_story(kind: Start, tag: str) -> Told:
    told = Told()
    lab, a, b, observer = make_lab(f"track-{tag}")
    with lab:
        folder = lab.directory / "scripts"
        folder.mkdir(mode=0o755)
        os.mkfifo(folder / "fifo", 0o600)
        reader = os.open(folder / "fifo", os.O_RDWR | os.O_NONBLOCK)
        times = f"date +%s.%N >> {folder}/good-at; exit 0", f"date +%s.%N >> {folder}/bad-at; exit 1"
        executable(folder / "check", f"#!/bin/sh\nif test -e {folder}/good; then {times[0]}; else {times[1]}; fi\n")
        executable(folder / "tell", f'#!/bin/sh\necho "$@" >> {folder}/told\n')
        (folder / "good").touch()
        capture = Capture(folder / "story.pcap")
        with Recorder(observer, capture.path):
            peer = Watcher(
                b, CONFIG.format(folder=folder / "none", priority=120, script="").replace("vrrp_notify_fifo", "#")
            )
            router = kind(a, CONFIG.format(folder=folder, priority=150, script="chk"))
            for name in ("VI_4", "VI_6", "VI_S"):
                router.program.wait_for(rf"\({name}\) Entering MASTER STATE", 40)
            time.sleep(1.2)
            (folder / "good").unlink()
            end = router.program.wait_for(r"\(VI_S\) Entering BACKUP STATE\n", 20)
            (folder / "good").touch()
            router.program.wait_for(r"\(VI_S\) Entering MASTER STATE", 20, after=end)
            time.sleep(0.6)
            router.stop()
            peer.stop()
        told.fifo = os.read(reader, 1 << 16).decode().splitlines()
        os.close(reader)
        told.scripts = sorted((folder / "told").read_text().splitlines())
        told.log = router.program.text()
        capture.load()
        failed = ran(folder / "bad-at")[0]
        returned = next(when for when in ran(folder / "good-at") if when > failed)
        told.moved = capture.adverts(63, failed, source="10.9.0.2")[0][0] - failed
        told.returned = next(t for t, _, p in capture.adverts(63, returned, source="10.9.0.1") if p == 150) - returned
        assert lab_is_clean(lab)
    return told


def ran(path: Path) -> list[float]:
    """When the script ran, with this result."""
    return [float(line) for line in path.read_text().splitlines()]


def lab_is_clean(lab: Lab) -> bool:
    """No virtual address is left anywhere."""
    return not any(
        address in ("10.9.0.61", "10.9.0.63", "fe80::62")
        for host in lab.hosts.values()
        for address in host.addresses(None)
    )


@pytest.fixture(scope="module")
def both() -> tuple[Told, Told]:
    theirs, ours = together(partial(tell_story, Keepalived, "ka"), partial(tell_story, Watcher, "ours"))
    return theirs, ours


def by_instance(lines: list[str]) -> dict[str, list[str]]:
    """Lines of each instance or group in their order; between instances the order is chance."""
    rows: dict[str, list[str]] = {}
    for line in lines:
        rows.setdefault(" ".join(line.split()[:2]), []).append(line)
    return rows


def test_the_fifo_tells_the_same_as_keepalived(both: tuple[Told, Told]) -> None:
    theirs, ours = both
    assert by_instance(ours.fifo) == by_instance(theirs.fifo)


def test_notify_scripts_are_run_with_the_same_words_as_by_keepalived(both: tuple[Told, Told]) -> None:
    theirs, ours = both
    assert ours.scripts == theirs.scripts


def test_a_failing_script_moves_the_address_at_the_same_time_as_keepalived_s(both: tuple[Told, Told]) -> None:
    theirs, ours = both
    assert abs(ours.moved - theirs.moved) < 0.5 + 0.3  # one advert, a busy machine
    assert abs(ours.returned - theirs.returned) < 0.5 + 0.3


def test_the_priority_follows_the_script(both: tuple[Told, Told]) -> None:
    assert "(VI_S) Changing effective priority from 150 to 90" in both[1].log
    assert "(VI_S) Changing effective priority from 90 to 150" in both[1].log


def test_a_sync_group_is_master_as_a_whole_or_not_at_all() -> None:
    """While only one family's path is broken the other member hears the master, and neither takes over."""
    together(partial(break_one_family, Keepalived, "ka"), partial(break_one_family, Watcher, "ours"))


def break_one_family(kind: Start, tag: str) -> None:
    lab, a, b, observer = make_lab(f"sync-{tag}")
    with lab:
        folder = lab.directory
        capture = Capture(folder / "sync.pcap")
        text = CONFIG.replace("vrrp_notify_fifo", "#").replace("notify", "#notify")
        with Recorder(observer, capture.path):
            high = Watcher(a, text.format(folder=folder, priority=150, script=""))
            for name in ("VI_4", "VI_6"):
                high.program.wait_for(rf"\({name}\) Entering MASTER STATE", 40)
            low = kind(b, text.format(folder=folder, priority=100, script=""))
            low.program.wait_for(r"\(VI_6\) Entering BACKUP STATE")
            time.sleep(0.7)
            broken = time.time()
            lab.block(a, b, protocol=112)  # IPv4 only
            time.sleep(4.5)  # more than two Down timers
            halved = time.time()
            lab.block(a, b)
            for name in ("VI_4", "VI_6"):
                low.program.wait_for(rf"\({name}\) Entering MASTER STATE", 20)
            healed = time.time()
            lab.unblock()
            for name in ("VI_4", "VI_6"):
                low.program.wait_for(rf"\({name}\) Entering MASTER[\s\S]*\({name}\) Entering BACKUP", 20)
            time.sleep(1.2)
        capture.load()
        for vrid, source in ((61, "10.9.0.2"), (62, "fe80::ff:fe00:2")):
            assert capture.adverts(vrid, broken, halved, source) == []
            assert capture.adverts(vrid, halved, healed, source)
            assert capture.adverts(vrid, healed + 1.5, source=source) == []
        high.stop()
        low.stop()
