"""What survives a restart, and that nothing is invented by it."""

from __future__ import annotations

import sqlite3
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from tests.exporters.samples import T0, episode, judgement, master, router, split_router
from vrrpcore.errors import ConfigError, SourceError
from vrrpcore.verdict import Counters, Finding, Judgement, RouterVerdict
from vrrpexporters.journal import (
    Entry,
    Journal,
    Letter,
    StoredEpisode,
    StoredRouter,
    Told,
    read_episodes,
)
from vrrpexporters.journal_ledger import COMMIT_LAG, GRACE, LISTEN_FIRST, MEMORY, Ledger
from vrrpexporters.snapshot import key_of

KEY = ("10.9.0.0/24", "ipv4", 51)
COUNTERS = Counters({}, {"preempted": 2}, {}, 3, 12.5, T0 - 100, {("split_brain", "peer_deaf"): 2})


def letter(number: int, receiver: str = "hook", ended: bool = False) -> Letter:
    return Letter(receiver, f"episode-{number}", "VrrpSplitBrain", ended, "{}")


# The file


def test_everything_comes_back_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "state" / "journal.db"
    journal = Journal(path)
    stored = StoredRouter(KEY, T0, COUNTERS, ("10.9.0.151",))
    running, past = episode(start=T0 - 5), episode(start=T0 - 50, end=T0 - 40)
    journal.commit(
        Entry([stored], [StoredEpisode(KEY, e, T0) for e in (running, past)], [Told(past.id, "A", True)], [letter(1)]),
        T0,
    )
    journal.close()
    again = Journal(path)
    assert again.routers() == {KEY: stored}
    assert again.open_episodes() == [StoredEpisode(KEY, running, T0)]
    assert [row.episode for row in again.episodes()] == [past, running]
    assert again.told() == {past.id: Told(past.id, "A", True)}
    assert [(x.episode, x.created) for x in again.letters("hook")] == [("episode-1", T0)]
    again.close()


def test_history_reads_the_file_of_a_daemon_that_runs(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    journal = Journal(path)
    journal.commit(Entry(episodes=[StoredEpisode(KEY, episode(end=T0), T0)]), T0)
    assert len(read_episodes(path)) == 1
    assert read_episodes(path, since=T0 + 1) == []
    journal.close()
    with pytest.raises(SourceError, match="no journal that can be read"):
        read_episodes(tmp_path / "none.db")


def test_two_daemons_may_not_share_a_journal(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.db")
    with pytest.raises(ConfigError, match="another vrrpwatch uses this journal"):
        Journal(tmp_path / "journal.db")
    journal.close()
    Journal(tmp_path / "journal.db").close()


@pytest.mark.parametrize(
    "damage", [b"not a database, not at all, but long enough to look at", b"SQLite format 3\0" + b"\xff" * 4096]
)
def test_a_damaged_file_is_set_aside_and_a_new_one_begun(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "journal.db"
    path.write_bytes(damage)
    failures: list[Exception] = []
    journal = Journal(path, failures.append)
    journal.commit(Entry(letters=[letter(1)]), T0)
    assert len(failures) == 1
    assert len(list(tmp_path.glob("journal.db.damaged-*"))) == 1
    journal.close()
    assert len(Journal(path).letters("hook")) == 1


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="journal cannot be written"):
        Journal(tmp_path / "file" / "journal.db")


def test_a_disk_that_fails_costs_no_letter(tmp_path: Path) -> None:
    failures: list[Exception] = []
    journal = Journal(tmp_path / "journal.db", failures.append)
    journal.commit(Entry(letters=[letter(1)]), T0)
    journal._db.execute("PRAGMA max_page_count = 1")  # what a full disk looks like
    journal.commit(Entry(letters=[letter(n) for n in range(2, 500)]), T0)
    assert len(failures) == 1
    assert isinstance(failures[0], sqlite3.Error)
    assert len(journal.letters("hook", 1000)) == 499
    journal.close()


def test_commits_from_several_threads_do_not_clash(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.db")

    def write(base: int) -> None:
        for n in range(20):
            journal.commit(Entry(letters=[letter(base + n)]), T0)

    threads = [threading.Thread(target=write, args=(100 * n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(journal.letters("hook")) == 80
    journal.close()


def test_states_replace_what_was_not_sent_and_letters_do_not() -> None:
    journal = Journal(None)
    journal.commit(Entry(letters=[letter(1), letter(1, ended=True)], states=[letter(2)]), T0)
    journal.commit(Entry(states=[letter(2, ended=True)]), T0)
    assert [(x.episode, x.ended) for x in journal.letters("hook")] == [
        ("episode-1", False),
        ("episode-1", True),
        ("episode-2", True),
    ]


def test_sent_letters_leave_or_are_marked() -> None:
    journal = Journal(None)
    journal.commit(Entry(letters=[letter(1), letter(2)]), T0)
    first, second = journal.letters("hook")
    journal.sent([first], T0 + 1, finished=True)
    journal.sent([second], T0 + 2, finished=False)
    journal.sent([second], T0 + 3, finished=False)
    assert [(x.episode, x.first_sent) for x in journal.letters("hook")] == [("episode-2", T0 + 2)]


def test_pruning_keeps_what_is_open_and_bounds_the_rest() -> None:
    journal = Journal(None)
    rows = [StoredEpisode(KEY, episode(start=T0 + n, end=T0 + n + 0.5), T0 + n) for n in range(100)]
    rows.append(StoredEpisode(KEY, episode(start=T0 - 1e6), T0))
    journal.commit(Entry(episodes=rows), T0)
    assert journal.prune(T0 + 50) == 50
    assert len(journal.open_episodes()) == 1
    assert journal.prune(0.0, most=10) == 41
    journal.commit(Entry(letters=[letter(n) for n in range(100)]), T0)
    assert journal.trim("hook", 10) == 90
    assert journal.letters("hook")[0].episode == "episode-90"
    assert journal.forget_receivers(["other"]) == 10


# The ledger


def ledger(routers: dict[tuple[str, str, int], StoredRouter] | None = None, *stored: StoredEpisode) -> Ledger:
    return Ledger(T0, routers, stored)


def only(now: Judgement) -> RouterVerdict:
    assert len(now.routers) == 1
    return now.routers[0]


def test_without_a_past_the_judgement_is_left_alone() -> None:
    now = judgement(split_router())
    assert ledger().continued(now) == now


def test_counters_go_on_from_where_they_were() -> None:
    book = ledger({KEY: StoredRouter(KEY, T0 - 60, COUNTERS)})
    fresh = Counters(
        {"10.9.0.1": 5}, {"preempted": 1, "resigned": 1}, {"ttl": 1}, 1, 2.0, T0, {("split_brain", "peer_deaf"): 1}
    )
    found = only(book.continued(judgement(router(51, counters=fresh)))).counters
    assert (found.split_episodes, found.split_seconds, found.split_last_seen) == (4, 14.5, T0)
    assert found.transitions == {"preempted": 3, "resigned": 1}
    assert found.episodes_by_cause == {("split_brain", "peer_deaf"): 3}
    assert (found.adverts, found.invalid) == (fresh.adverts, fresh.invalid)
    quiet = only(book.continued(judgement(router(51))))
    assert quiet.counters.split_last_seen == T0 - 100 or quiet.counters.split_last_seen == T0


def test_last_seen_survives() -> None:
    book = ledger({KEY: StoredRouter(KEY, T0 - 60, COUNTERS)})
    assert only(book.continued(judgement(router(51)))).counters.split_last_seen == T0 - 100


def test_counters_never_fall_when_the_judge_forgets_a_router_or_corrects_an_end() -> None:
    book, last = ledger(), (0, 0.0)
    for judged in [(1, 5.0), (1, 6.2), (1, 5.1), (1, 5.1), None, (1, 1.0), (2, 3.0)]:
        if judged is None:
            book.continued(judgement())
            continue
        counters = Counters({}, {}, {}, *judged, T0)
        found = only(book.continued(judgement(router(51, counters=counters)))).counters
        assert (found.split_episodes, found.split_seconds) >= last
        assert found.split_seconds >= last[1]
        last = (found.split_episodes, found.split_seconds)
    assert last[0] == 3


def test_an_episode_that_the_judge_takes_back_and_finds_again_is_counted_once() -> None:
    book, cause = ledger(), ("split_brain", "peer_deaf")
    for episodes, ended in [(1, 0), (1, 1), (1, 0), (1, 1), (0, 0), (1, 0), (1, 1)]:
        counters = Counters({"10.9.0.1": 7}, {"preempted": 4}, {}, episodes, 1.0, T0, {cause: ended} if ended else {})
        found = only(book.continued(judgement(router(51, counters=counters)))).counters
    assert (found.split_episodes, found.episodes_by_cause, found.transitions) == (1, {cause: 1}, {"preempted": 4})


def resumed_split(book: Ledger) -> RouterVerdict:
    """One that was confirmed before the restart is suspected after it; as the judge says it."""
    again = replace(episode(start=T0 + 3, cls="split_brain_suspected", cause=None), id="new")
    counters = Counters({}, {}, {}, 1, 1.0, T0 + 4)
    row = replace(split_router(), now=Finding("split_brain_suspected"), episodes=(again,), counters=counters)
    assert only(book.continued(judgement(row, end=T0 + 4))).now.cls == "split_brain"
    return row


@pytest.mark.parametrize(
    ("cls", "cause"), [("transient_dual_master", "advert_race"), ("split_brain_suspected", None), ("split_brain", None)]
)
def test_a_confirmed_split_that_ends_soon_after_a_restart_ends_as_the_split_that_it_was(
    cls: str, cause: str | None
) -> None:
    before = episode(start=T0 - 30)
    book = ledger({KEY: StoredRouter(KEY, T0, COUNTERS)}, StoredEpisode(KEY, before, T0 - 1))
    row = resumed_split(book)
    over = replace(row.episodes[0], end=T0 + 5, cls=cls, cause=cause)
    counters = Counters({}, {}, {}, 1, 2.0, T0 + 5, {(cls, cause or "none"): 1})
    for _ in range(2):
        ended = replace(row, episodes=(over,), now=Finding("steady"), counters=counters)
        found = only(book.continued(judgement(ended, end=T0 + 6)))
        assert [(e.id, e.cls, e.end) for e in found.episodes] == [(before.id, "split_brain", T0 + 5)]
        assert found.counters.split_episodes == 3
        counted = {key: number for key, number in found.counters.episodes_by_cause.items() if number}
        assert sum(counted.values()) == 3
        assert {key[0] for key in counted} == {"split_brain"}
    pushed_out = only(book.continued(judgement(replace(ended, episodes=()), end=T0 + 7)))
    assert pushed_out.counters == found.counters


def test_an_end_that_was_none_takes_its_count_back() -> None:
    book = ledger({KEY: StoredRouter(KEY, T0, COUNTERS)}, StoredEpisode(KEY, episode(start=T0 - 30), T0 - 1))
    row = resumed_split(book)
    transient = {("transient_dual_master", "none"): 1}
    for end, by_cause in [(T0 + 5, transient), (None, {}), (T0 + 6, transient)]:
        last = replace(row.episodes[0], end=end, cls="transient_dual_master", cause=None)
        counters = Counters({}, {}, {}, 1, 1.0, T0 + 5, by_cause)
        found = only(book.continued(judgement(replace(row, episodes=(last,), counters=counters), end=T0 + 6)))
    assert {k: n for k, n in found.counters.episodes_by_cause.items() if n} == {("split_brain", "peer_deaf"): 3}


@pytest.mark.parametrize("forgotten", [False, True])
def test_a_split_of_which_only_the_end_was_seen_after_a_restart_ends_all_the_same(forgotten: bool) -> None:
    """The judge takes it for a handover and drops it; whoever was told of the split must hear of its end."""
    before = episode(start=T0 - 30)
    book = ledger({KEY: StoredRouter(KEY, T0, COUNTERS)}, StoredEpisode(KEY, before, T0 - 1))
    resumed_split(book)
    dropped = () if forgotten else (router(51, counters=Counters({}, {}, {}, 0, 0.0, T0 + 4)),)
    found = only(book.continued(judgement(*dropped, end=T0 + 5)))
    assert [(e.id, e.cls, e.end) for e in found.episodes] == [(before.id, "split_brain", T0 + 4)]
    assert found.counters.split_episodes == 3
    assert found.counters.episodes_by_cause == {("split_brain", "peer_deaf"): 3}


def test_an_open_episode_that_is_found_again_goes_on_and_is_not_counted_twice() -> None:
    before = episode(start=T0 - 30)
    book = ledger({KEY: StoredRouter(KEY, T0, COUNTERS)}, StoredEpisode(KEY, before, T0 - 1))
    again = replace(episode(start=T0 + 3, cls="split_brain_suspected", cause=None), id="new")
    counters = Counters({}, {}, {}, 1, 1.0, T0 + 4)
    row = replace(split_router(), now=Finding("split_brain_suspected"), episodes=(again,), counters=counters)
    found = only(book.continued(judgement(row, end=T0 + 4)))
    assert found.counters.split_episodes == 3
    assert found.counters.split_seconds == 12.5 + COMMIT_LAG + 1.0
    assert found.now == Finding("split_brain", "peer_deaf")
    assert [(e.id, e.cls, e.start, e.seconds) for e in found.episodes] == [(before.id, "split_brain", T0 - 30, 34.0)]
    over = replace(again, end=T0 + 6, cls="split_brain", cause="peer_deaf")
    found = only(book.continued(judgement(replace(row, episodes=(over,), now=Finding("steady")), end=T0 + 7)))
    assert [(e.id, e.end, e.seconds) for e in found.episodes] == [(before.id, T0 + 6, 36.0)]
    assert found.now == Finding("steady")


def test_an_episode_of_other_masters_is_another_one() -> None:
    book = ledger({KEY: StoredRouter(KEY, T0, COUNTERS)}, StoredEpisode(KEY, episode(start=T0 - 30), T0 - 1))
    other = replace(episode(start=T0 + 3), id="new", masters=("10.9.0.1", "10.9.0.7"))
    row = replace(split_router(), episodes=(other,), counters=Counters({}, {}, {}, 1, 1.0, T0))
    found = only(book.continued(judgement(row)))
    assert found.counters.split_episodes == 4
    assert found.episodes == (other,)


def test_an_open_episode_that_is_not_found_again_ended_when_it_was_last_known() -> None:
    book = ledger({KEY: StoredRouter(KEY, T0, COUNTERS)}, StoredEpisode(KEY, episode(start=T0 - 30), T0 - 1))
    assert only(book.continued(judgement(router(51), end=T0 + GRACE - 1))).episodes == ()
    found = only(book.continued(judgement(router(51), end=T0 + GRACE + 1)))
    assert [(e.end, e.seconds) for e in found.episodes] == [(T0 - 1, 29.0)]
    assert found.counters.episodes_by_cause == {("split_brain", "peer_deaf"): 3}


def test_a_router_that_was_heard_before_the_restart_and_is_not_now_has_no_master() -> None:
    book = ledger({KEY: StoredRouter(KEY, T0 - 60, COUNTERS, ("10.9.0.151",))})
    early = only(book.continued(judgement(end=T0 + LISTEN_FIRST - 1)))
    assert (early.now.cls, early.live, early.counters.split_episodes) == ("unknown", 0, 3)
    late = book.continued(judgement(end=T0 + LISTEN_FIRST + 1))
    found = only(late)
    assert (found.now.cls, found.vips, late.worst.cls) == ("no_master", ("10.9.0.151",), "no_master")
    assert [(e.start, e.end) for e in found.episodes] == [(T0 - 60, None)]
    back = router(51, masters=(replace(master("10.9.0.1"), first=T0 + 40, last=T0 + 41),))
    found = only(book.continued(judgement(back, end=T0 + 42)))
    assert found.now.cls == "steady"
    assert [(e.cls, e.end) for e in found.episodes] == [("no_master", T0 + 40)]


def test_a_deaf_sensor_proves_nothing_about_routers_of_the_past() -> None:
    book = ledger({KEY: StoredRouter(KEY, T0 - 60, COUNTERS)})
    assert only(book.continued(judgement(end=T0 + 60), hearing=False)).now.cls == "unknown"


def test_a_router_that_fell_silent_hours_ago_is_forgotten() -> None:
    book = ledger({KEY: StoredRouter(KEY, T0 - MEMORY - 1, COUNTERS)})
    assert book.continued(judgement(end=T0 + 60)).routers == ()
    assert only(book.continued(judgement(router(51)))).counters.split_episodes == 3


def test_an_outage_that_lasts_over_two_restarts_is_one_episode() -> None:
    outage = replace(episode("no_master", "resigned", start=T0 - 500), masters=(), id="outage")
    book = ledger({KEY: StoredRouter(KEY, T0 - 500, COUNTERS)}, StoredEpisode(KEY, outage, T0 - 5))
    found = only(book.continued(judgement(end=T0 + 60)))
    assert [(e.id, e.start, e.end) for e in found.episodes] == [("outage", T0 - 500, None)]
    assert found.now == Finding("no_master", "resigned")
    back = router(51, masters=(replace(master("10.9.0.1"), first=T0 + 70, last=T0 + 71),))
    assert [(e.id, e.end) for e in only(book.continued(judgement(back, end=T0 + 72))).episodes] == [("outage", T0 + 70)]


def test_keys_are_those_of_the_judge() -> None:
    assert key_of(router(51)) == KEY
