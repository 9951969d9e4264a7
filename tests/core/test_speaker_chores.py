"""The process for scripts, FIFOs and mail, as its supervisor has it: a real one, told of changes."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.mail_sink import Sink
from vrrpcore.settings import Command, Fifo, GlobalDefs, Instance, Notify, Settings, Track, Tracking, TrackScript
from vrrpcore.speaker import chores
from vrrpcore.speaker.chores import ChoresProcess


def until(condition: Callable[[], object], what: str, seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


class Run:
    """One process and what it has reported."""

    def __init__(self, settings: Settings) -> None:
        self.process = ChoresProcess(settings)
        self.reports: list[tuple[str, Any]] = []

    def take(self) -> list[tuple[str, Any]]:
        self.reports += self.process.read()
        return self.reports

    def log(self) -> list[str]:
        return [value[1] for kind, value in self.take() if kind == "log"]

    def mails(self) -> dict[str, int]:
        return next((value for kind, value in reversed(self.take()) if kind == "mail"), {})

    def stop(self) -> float:
        """Seconds that it took."""
        begun = time.monotonic()
        self.process.stop()
        until(lambda: self.process.poll() is not None, "the process did not end")
        self.take()
        return time.monotonic() - begun


@pytest.fixture
def begin() -> Iterator[Callable[[Settings], Run]]:
    runs: list[Run] = []

    def start(settings: Settings) -> Run:
        runs.append(Run(settings))
        return runs[-1]

    yield start
    for run in runs:
        run.process.kill()
        run.process.close()


def executable(path: Path, text: str) -> str:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def test_a_mute_mail_server_delays_no_script_and_its_mail_is_told_of_at_the_end(
    begin: Callable[[Settings], Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chores, "_LAST_SECONDS", 0.5)
    told = tmp_path / "told"
    notify = Notify(any=Command((executable(tmp_path / "tell", f'echo "$@" >> {told}'),)), smtp_alert=True)
    with Sink("127.0.0.1", mute=True) as sink:
        defs = GlobalDefs(notification_email=("a@example.org",), smtp_server="127.0.0.1", smtp_server_port=sink.port)
        run = begin(Settings(global_defs=defs, instances=(Instance("V", 1, notify=notify),)))
        run.process.command("changed", ("V", "BACKUP", 100))
        until(lambda: sink.connections, "the mail server was not asked")
        begun = time.monotonic()
        for number in range(10):
            run.process.command("changed", ("V", "MASTER" if number % 2 else "FAULT", number))
        until(lambda: len(lines(told)) == 11, "not every script was run")
        assert time.monotonic() - begun < 5  # the server's time is 30 s
        assert run.mails() == {"sent": 0, "failed": 0, "waiting": 11}
        assert 0.4 < run.stop() < 4
    assert run.mails()["failed"] == 11
    assert len([line for line in run.log() if line.startswith("mail not sent: VRRP Instance V")]) == 11


def test_signals_that_the_supervisor_gets_are_a_script_s_own(begin: Callable[[Settings], Run], tmp_path: Path) -> None:
    out = tmp_path / "out"
    tell = executable(tmp_path / "tell", f"grep SigIgn /proc/$$/status > {out}.new; mv {out}.new {out}")
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGHUP, signal.SIGUSR1)}
    try:
        run = begin(Settings(instances=(Instance("V", 1, notify=Notify(master=Command((tell,)))),)))
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    run.process.command("changed", ("V", "MASTER", 100))
    until(lambda: out.exists(), "the script was not run")
    ignored = int(out.read_text().split()[1], 16)
    ours = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGPIPE)
    assert [each.name for each in ours if ignored >> (each - 1) & 1] == []
    assert run.stop() < 4


@pytest.mark.root
def test_a_fifo_and_its_reader_live_as_long_as_the_configuration_names_them(
    begin: Callable[[Settings], Run], tmp_path: Path
) -> None:
    told, path = tmp_path / "told", tmp_path / "fifo"
    reader = executable(
        tmp_path / "reader", f'echo "begin $@" >> {told}\nwhile read line; do echo "$line" >> {told}; done < "$1"'
    )
    fifo = Fifo(str(path), "nobody", "", Command((reader,)))
    settings = Settings(global_defs=GlobalDefs(vrrp_notify_fifo=fifo))
    settings = replace(settings, instances=(Instance("V", 1),))
    run = begin(settings)
    run.process.command("changed", ("V", "MASTER", 100))
    until(lambda: len(lines(told)) == 2, "the reader got no line")
    assert lines(told) == [f"begin {path}", 'INSTANCE "V" MASTER 100']
    assert (path.stat().st_uid, path.stat().st_mode & 0o777) == (65534, 0o600)
    run.process.command("configure", replace(settings, instances=(Instance("V", 1), Instance("W", 2))))
    run.process.command("standing", ("INSTANCE", "V", "MASTER", 100))
    run.process.command("changed", ("W", "BACKUP", 7))
    until(lambda: len(lines(told)) == 4, "the reader got nothing more")
    assert lines(told)[2:] == ['INSTANCE "V" MASTER 100', 'INSTANCE "W" BACKUP 7']
    run.process.command("configure", replace(settings, global_defs=GlobalDefs()))
    until(lambda: not path.exists(), "the FIFO was not removed")
    run.process.command("configure", settings)
    until(lambda: len(lines(told)) == 5, "the reader was not started again")
    other = Command((reader, str(path), "other"))
    run.process.command("configure", replace(settings, global_defs=GlobalDefs(notify_fifo=replace(fifo, script=other))))
    until(lambda: len(lines(told)) == 6, "another reader was not started")
    run.process.command("changed", ("V", "BACKUP", 100))
    until(lambda: len(lines(told)) == 7, "it got no line, or the one before got it, too")
    assert lines(told)[4:] == [f"begin {path}", f"begin {path} other {path}", 'INSTANCE "V" BACKUP 100']
    assert run.stop() < 4
    assert not path.exists()


def test_a_file_that_is_no_fifo_is_told_and_left_alone(begin: Callable[[Settings], Run], tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("mine\n")
    run = begin(Settings(global_defs=GlobalDefs(notify_fifo=Fifo(str(path))), instances=(Instance("V", 1),)))
    until(lambda: run.log(), "nothing was told")
    assert run.log() == [f"notify FIFO {path}: exists and is no FIFO"]
    run.stop()
    assert path.read_text() == "mine\n"


@pytest.mark.parametrize(
    ("notify", "expected"),
    [
        (Notify(), ['INSTANCE "V" FAULT 90']),
        (Notify(deleted_sends_deleted=True), ['INSTANCE "V" DELETED 90']),
    ],
    ids=["without", "with notify_deleted"],
)
def test_who_was_deleted_is_told_as_it_was_configured(
    begin: Callable[[Settings], Run], tmp_path: Path, notify: Notify, expected: list[str]
) -> None:
    path, told = tmp_path / "fifo", tmp_path / "told"
    os.mkfifo(path)
    end = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    tell = executable(tmp_path / "tell", f'echo "$@" >> {told}')
    notify = replace(notify, fault=Command((tell, "fault")), any=Command((tell, "any")))
    settings = Settings(
        global_defs=GlobalDefs(notify_fifo=Fifo(str(path))), instances=(Instance("V", 1, notify=notify),)
    )
    run = begin(settings)
    run.process.command("configure", replace(settings, instances=()))
    run.process.command("deleted", ("V", 90))
    until(lambda: lines(told), "no script was run")
    run.stop()
    state = "DELETED" if notify.deleted_sends_deleted else "FAULT"
    assert lines(told) == [f"any INSTANCE V {state} 90"]
    assert os.read(end, 4096).decode().splitlines() == expected
    os.close(end)


@pytest.mark.parametrize("init_fail", [False, True])
@pytest.mark.parametrize("good", [False, True])
def test_the_first_result_of_a_script_counts_at_once(
    good: bool, init_fail: bool, begin: Callable[[Settings], Run], tmp_path: Path
) -> None:
    """`rise` and `fall` are for later ones; init_fail is what holds until then (keepalived 2.2.7)."""
    runs = tmp_path / "runs"
    runs.touch()
    command = Command(("/bin/sh", "-c", f"echo >> {runs}; exit {0 if good else 1}"))
    script = TrackScript("it", command, interval_seconds=0.1, rise=30, fall=30, init_fail=init_fail)
    made = Instance("VI_1", 51, tracking=Tracking(scripts=(Track("it", 20),)))
    run = begin(Settings(scripts=(script,), instances=(made,)))
    until(lambda: len(runs.read_text()) >= 3, "the third run")
    told = [value for kind, value in run.take() if kind == "tracked"]
    assert told == ([("script", "it", int(good))] if good or not init_fail else [])  # else it was down already
