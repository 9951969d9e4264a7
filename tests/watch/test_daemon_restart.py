"""A daemon that dies in a split and comes back tells one episode, with its end, and counts it once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pytest

from tests.core.replaying import Timed, observer
from vrrpcore.judge import Judge
from vrrpcore.verdict import Episode, Judgement
from vrrpexporters.journal import StoredEpisode, StoredRouter
from vrrpexporters.journal_ledger import Ledger
from vrrpexporters.snapshot import RouterKey, key_of

#: Splits that heal before the capture ends.
HEALING: Final = ("sb_fw_backup_drops_input", "sb_v3_100ms_fw", "frr_sb_fw", "sb_partition_full")
AWAY: Final = 0.35  # seconds for which nobody listens
PUBLISHED: Final = 0.2  # seconds between two judgements


def judgements(frames: list[Timed], ledger: Ledger) -> Iterator[Judgement]:
    """What a daemon publishes while it hears these frames."""
    judge, due = Judge(), frames[0][0]
    for time, frame in frames:
        while due < time:
            judge.advance(due)
            yield ledger.continued(judge.report())
            due += PUBLISHED
        judge.observe(time, "capture", False, frame)
    yield ledger.continued(judge.report())


def split(judgement: Judgement) -> Episode | None:
    rows = [e for r in judgement.routers for e in r.episodes if e.cls == "split_brain"]
    return rows[0] if rows else None


def restarts(name: str) -> Iterator[tuple[float, list[Timed], StoredEpisode, StoredRouter]]:
    """Every moment of the split at which the daemon may die: what the journal holds, and what is heard later."""
    frames = list(observer(name))
    for last in judgements(frames, Ledger(frames[0][0])):
        episode = split(last)
        if episode is None or episode.end is not None or last.end is None:
            continue
        (router,) = (row for row in last.routers if episode in row.episodes)
        key: RouterKey = key_of(router)
        heard = [row for row in frames if row[0] > last.end + AWAY]
        yield last.end, heard, StoredEpisode(key, episode, last.end), StoredRouter(key, last.end, router.counters)


@pytest.mark.parametrize("name", HEALING)
def test_a_restart_at_any_moment_of_a_split_costs_neither_its_end_nor_its_name(name: str) -> None:
    found_again = 0
    for died, heard, stored, router in restarts(name):
        told = False
        for judgement in judgements(heard, Ledger(died + AWAY, {router.key: router}, [stored])):
            rows = [e for r in judgement.routers for e in r.episodes if e.id == stored.episode.id]
            assert rows or not told, f"died at {died}: once found again, the episode is not lost"
            told = told or bool(rows)
            assert {e.cls for e in rows} <= {"split_brain"}, f"died at {died}"
        if told:
            found_again += 1
            assert [e.end is not None for e in rows] == [True], f"died at {died}: it ended"
            (last,) = (r for r in judgement.routers if key_of(r) == router.key)
            # What a fresh judge suspects before it knows the pair counts as an episode of its own: a transient.
            assert 1 <= last.counters.split_episodes <= 2, f"died at {died}"
            counted = last.counters.episodes_by_cause
            assert sum(n for key, n in counted.items() if key[0] == "split_brain") == 1, f"died at {died}: {counted}"
    assert found_again >= 20
