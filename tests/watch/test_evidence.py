"""The frames behind an episode: written once it is seen and once it is over, bounded, and readable by `analyze`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.exporters.samples import T0, episode, judgement, router
from vrrpcore.errors import SourceError
from vrrpcore.pcap import Decoder
from vrrpcore.records import Link, Record
from vrrpwatch import evidence as module
from vrrpwatch.evidence import AFTER, BEFORE, Evidence, file_name, folder_of
from vrrpwatch.history import HistoryOptions, evidence

LAN = Link("eth0", "10.9.0.0/24")
OTHER = Link("eth1", "10.8.0.0/24")


def record(seconds: float, link: Link = LAN, vlans: tuple[int, ...] = ()) -> Record:
    return Record(T0 + seconds, link, False, bytes(range(60)), vlans)


def times(path: Path) -> list[float]:
    decoder = Decoder()
    return [round(row.time - T0, 6) for row in (*decoder.feed(path.read_bytes()), *decoder.finish())]


def test_an_episode_is_written_at_first_sight_and_again_when_it_is_over(tmp_path: Path) -> None:
    keeper = Evidence(tmp_path / "journal.db")
    for second in range(-30, 6):
        keeper.keep(record(second))
        keeper.keep(record(second, OTHER))
    running = episode(start=T0)
    keeper.collect(judgement(router(51, episodes=(running,))), T0 + 5)
    path = folder_of(tmp_path / "journal.db") / file_name(running.id)
    assert times(path) == [float(n) for n in range(int(-BEFORE), 6)]
    over = replace(running, end=T0 + 8)
    keeper.keep(record(8 + AFTER - 0.5))
    keeper.collect(judgement(router(51, episodes=(over,))), T0 + 8)
    assert times(path)[-1] == 5.0  # not yet: what follows the end belongs to it
    keeper.collect(judgement(router(51, episodes=(over,))), T0 + 8 + AFTER)
    assert times(path)[-1] == 8 + AFTER - 0.5
    path.unlink()
    keeper.collect(judgement(router(51, episodes=(over,))), T0 + 60)
    assert not path.exists()


def test_tags_that_the_kernel_took_off_are_put_back() -> None:
    decoder = Decoder()
    (row,) = [*decoder.feed(module.pcap([record(0, vlans=(100,))])), *decoder.finish()]
    assert row.frame == bytes(range(12)) + b"\x81\x00\x00\x64" + bytes(range(12, 60))


def test_handovers_leave_no_file_and_old_files_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_FILES", 2)
    keeper = Evidence(tmp_path / "journal.db")
    keeper.keep(record(0))
    rows = [replace(episode(start=T0), id=f"e{n}") for n in range(4)]
    rows.append(replace(episode("handover", "preempted", T0, T0), id="h"))
    keeper.collect(judgement(router(51, episodes=tuple(rows))), T0)
    assert len(list(folder_of(tmp_path / "journal.db").iterdir())) == 2


def test_memory_is_bounded() -> None:
    keeper = Evidence(None)
    for second in range(module.MOST_FRAMES + 10):
        keeper.keep(record(second))
    assert len(keeper._held()) == module.MOST_FRAMES
    keeper.keep(Record(T0, LAN, False, bytes(9000)))
    assert len(keeper._held()[-1].frame) == module.MOST_OCTETS
    assert not keeper.wanted


def test_history_hands_it_out_by_the_beginning_of_its_id(tmp_path: Path) -> None:
    journal = tmp_path / "journal.db"
    keeper = Evidence(journal)
    keeper.keep(record(0))
    rows = tuple(replace(episode(start=T0), id=name) for name in ("abc1", "abd2", "lan/x"))
    keeper.collect(judgement(router(51, episodes=rows)), T0)
    assert evidence(HistoryOptions(journal, pcap="abc"))[:4] == b"\x4d\x3c\xb2\xa1"
    assert evidence(HistoryOptions(journal, pcap="lan/x"))
    with pytest.raises(SourceError, match="several episodes begin so"):
        evidence(HistoryOptions(journal, pcap="ab"))
    for wanted in ("none", "../journal"):
        with pytest.raises(SourceError, match="no frames were kept"):
            evidence(HistoryOptions(journal, pcap=wanted))
    with pytest.raises(SourceError, match="no frames were kept"):
        evidence(HistoryOptions(tmp_path / "other.db", pcap="abc"))
