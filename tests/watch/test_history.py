"""`history`: what the journal remembers, for people and for programs."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.exporters.samples import T0, episode
from vrrpcore.errors import SourceError, UsageError
from vrrpexporters.journal import Entry, Journal, StoredEpisode
from vrrpwatch.history import HistoryOptions, instant, rows, run, where

KEY = ("10.9.0.0/24", "ipv4", 51)


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    path = tmp_path / "journal.db"
    made = Journal(path)
    found = [
        StoredEpisode(KEY, episode(start=T0 - 100, end=T0 - 90), T0 - 90),
        StoredEpisode(KEY, replace(episode("handover", "preempted", T0 - 50, T0 - 50), id="h"), T0 - 50),
        StoredEpisode((*KEY[:2], 52), episode("no_master", "resigned", T0 - 10), T0),
    ]
    made.commit(Entry(episodes=found), T0)
    made.close()
    return path


def test_episodes_are_told_in_words(journal: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(HistoryOptions(journal)) == 0
    text = capsys.readouterr().out
    assert text.startswith(
        "2026-11-22 08:35:54.250 UTC  vrid 51/ipv4 on 10.9.0.0/24  split brain: peer_deaf (proved)  10.000 s  "
        f"51-{T0 - 100}\n"
        "    masters 10.9.0.1, 10.9.0.2\n"
    )
    assert "no master: resigned (proved)  not over when last written down" in text
    assert "handover" not in text


def test_programs_get_json_and_can_ask_for_less(journal: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(HistoryOptions(journal, output="json", everything=True))
    found = json.loads(capsys.readouterr().out)
    assert [row["class"] for row in found["episodes"]] == ["split_brain", "handover", "no_master"]
    assert found["episodes"][0]["vrid"] == 51
    assert [row.key[2] for row in rows(HistoryOptions(journal, vrid=52))] == [52]
    assert len(rows(HistoryOptions(journal, since="2026-11-22T08:37:00"))) == 1


@pytest.mark.parametrize(
    ("text", "when"),
    [
        ("", 0.0),
        ("90s", T0 - 90),
        ("1.5h", T0 - 5400),
        ("7d", T0 - 604800),
        ("2026-11-22T08:37:34+00:00", 1795336654.0),
    ],
)
def test_since(text: str, when: float) -> None:
    assert instant(text, T0) == when


def test_mistakes_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="write 30m, 24h, 7d or a date"):
        instant("yesterday", T0)
    with pytest.raises(SourceError, match="no journal that can be read"):
        rows(HistoryOptions(tmp_path / "none.db"))
    (tmp_path / "vrrpwatch.toml").write_text("")
    with pytest.raises(SourceError, match="names no journal"):
        where(HistoryOptions(config=tmp_path / "vrrpwatch.toml"))
