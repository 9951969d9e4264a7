"""What the supervisor makes of the judge's verdicts: each piece of news once, rationed, to the end."""

from __future__ import annotations

from typing import Any

import pytest

from tests.core.machine_setup import instance
from vrrpcore.addresses import pack
from vrrpcore.settings import VirtualAddress
from vrrpcore.verdict import Episode, Finding, RouterVerdict
from vrrpwatch.daemon.informer import AGAIN, Informer, message
from vrrpwatch.daemon.sensor import Board
from vrrpwatch.run_speaker_aware import Awareness, News

T0 = 1_800_000_000.0
STEADY = Finding("steady")


def episode(cls: str = "split_brain", end: float | None = None, id: str = "e1", cause: str = "peer_deaf") -> Episode:
    return Episode(
        id, cls, cause, "proved", ("firewall_input",), T0, T0, None, end, 1.0, ("10.9.0.1", "10.9.0.2"),
        ("10.9.0.2",), ("it went on",), "let VRRP in",
    )  # fmt: skip


def router(*episodes: Episode, vrid: int = 51, family: str = "ipv4") -> RouterVerdict:
    return RouterVerdict("lan", family, vrid, ("10.9.0.100",), STEADY, STEADY, (), episodes)


def row(cls: str = "split_brain", end: float | None = None, id: str = "e1", **changes: Any) -> dict[str, Any]:
    cause = changes.pop("cause", "peer_deaf")
    return {**message(router(episode(cls, end, id, cause)), episode(cls, end, id, cause), ("eth0",)), **changes}


def aware(*names: str) -> Awareness:
    made = Awareness()
    made.configure([instance(name=name) for name in names or ("VI_1",)])
    return made


def words(news: list[News]) -> list[str]:
    return [f"{each.name} {each.word}" for each in news]


def story(made: Awareness, *steps: dict[str, Any] | None) -> list[str]:
    """What is said when these rows come in one after another, two seconds apart; None: nothing comes."""
    said = []
    for number, step in enumerate(steps):
        if step is not None:
            made.hear(step, 100.0 + 2 * number)
        said += words(made.news(100.0 + 2 * number))
    return said


# ---- news ----------------------------------------------------------------------------------------------------


def test_an_episode_is_told_at_each_of_its_stages_and_never_twice() -> None:
    said = story(aware(), row("split_brain_suspected"), row(), row(), row(), row(end=T0 + 9), row(end=T0 + 9), None)
    assert said == ["VI_1 SPLIT_BRAIN_SUSPECTED", "VI_1 SPLIT_BRAIN", "VI_1 SPLIT_BRAIN_ENDED"]


def test_a_line_has_cause_evidence_remedy_and_who_is_to_blame() -> None:
    made = aware()
    made.hear(row(), 100.0)
    (news,) = made.news(100.0)
    assert news.line() == (
        "(VI_1) split brain: peer_deaf (proved); masters 10.9.0.1, 10.9.0.2; blamed 10.9.0.2; evidence: it went on; "
        "remedy: let VRRP in"
    )
    assert news.level == "error"
    assert news.environment()["VRRPWATCH_BLAMED"] == "10.9.0.2"
    made.hear(row(end=T0 + 9.5), 102.0)
    (news,) = made.news(102.0)
    assert (news.line(), news.level) == ("(VI_1) split brain ended after 9.5 s: peer_deaf", "info")


def test_what_was_over_before_it_could_be_told_is_told_all_the_same() -> None:
    assert story(aware(), row(end=T0 + 0.3), None) == ["VI_1 SPLIT_BRAIN", "VI_1 SPLIT_BRAIN_ENDED"]


def test_a_suspicion_that_came_to_nothing_ends() -> None:
    said = story(aware(), row("split_brain_suspected"), row("transient_dual_master", end=T0 + 1), None)
    assert said == ["VI_1 SPLIT_BRAIN_SUSPECTED", "VI_1 SPLIT_BRAIN_SUSPECTED_ENDED"]
    assert story(aware(), row("split_brain_suspected", end=T0 + 1), row("transient_dual_master", end=T0 + 1)) == []


def test_another_cause_is_news() -> None:
    assert story(aware(), row(cause="deaf"), row(cause="peer_deaf")) == ["VI_1 SPLIT_BRAIN"] * 2


def test_the_worst_of_several_is_told_and_then_what_is_left() -> None:
    said = story(
        aware(), row(id="e1"), row("vrid_collision", id="e2"), row(id="e1", end=T0 + 5), None,
        row("vrid_collision", id="e2", end=T0 + 9),
    )  # fmt: skip
    assert said == [
        "VI_1 SPLIT_BRAIN", "VI_1 SPLIT_BRAIN_ENDED", "VI_1 VRID_COLLISION", "VI_1 VRID_COLLISION_ENDED",
    ]  # fmt: skip


def test_another_watcher_that_sees_the_same_tells_nothing_new() -> None:
    made = aware()
    assert story(made, row(id="e1"), row(id="e2")) == ["VI_1 SPLIT_BRAIN"]
    for now in range(104, 130, 2):
        made.hear(row(id="e2"), now)
        made.watching(now - 100.0, now)
        assert made.news(now) == []


def test_what_a_watcher_no_longer_repeats_is_over_but_not_while_there_is_none() -> None:
    made = aware()
    made.hear(row(), 100.0)
    made.news(100.0)
    assert made.news(300.0) == []  # nobody watches: nobody knows
    assert not made.row("VI_1", 300.0)["watched"]
    made.watching(2.0, 302.0)  # a new one has not looked on for long enough
    assert made.news(302.0) == []
    made.watching(20.0, 320.0)
    assert words(made.news(320.0)) == ["VI_1 SPLIT_BRAIN_ENDED"]


def test_news_that_the_wire_can_provoke_is_rationed_and_the_last_word_is_said() -> None:
    made, said = aware(), []
    for number in range(600):  # an episode each tenth of a second
        now = 100.0 + number / 10
        made.hear(row(id=f"e{number}", end=T0 + 0.01), now)
        said += made.news(now)
    assert 5 < len(said) <= 11
    for number in range(1000):
        said += made.news(160.0 + number)
    assert said[-1].over
    assert made.row("VI_1", 2000.0)["level"] == "none"


@pytest.mark.parametrize(
    ("changes", "concerned"),
    [
        ({}, True),
        ({"vrid": 52}, True),  # our address under another VRID
        ({"vrid": 52, "vips": ["10.9.0.7"]}, False),
        ({"vips": ["10.9.0.7"]}, True),  # our VRID with other addresses: a collision
        ({"interfaces": ["eth1"]}, False),
        ({"family": "ipv6"}, False),
    ],
)
def test_which_verdicts_concern_an_instance(changes: dict[str, Any], concerned: bool) -> None:
    made = aware()
    made.hear(row(**changes), 100.0)
    assert bool(made.news(100.0)) is concerned


def test_the_state_says_what_is_so_now() -> None:
    made = aware("VI_1", "VI_2")
    made.configure(
        [instance(name="VI_1"), instance(name="VI_2", vrid=52, addresses=(VirtualAddress(pack("10.9.0.7"), 24),))]
    )
    made.hear(row(), 100.0)
    made.news(100.0)
    first, second = made.row("VI_1", 101.0), made.row("VI_2", 101.0)
    assert (first["level"], first["class"], first["cause"], first["since"]) == (
        "confirmed",
        "split_brain",
        "peer_deaf",
        T0,
    )
    assert (first["episodes"], first["last"], first["watched"]) == (1, T0, True)
    assert (second["level"], second["episodes"]) == ("none", 0)
    made.configure([instance(name="VI_2")])
    assert made.row("VI_1", 101.0)["level"] == "none"


# ---- the informer --------------------------------------------------------------------------------------------


class Heard:
    """A supervisor that may be deaf."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, Any]] = []
        self.deaf = False

    def __call__(self, kind: str, value: Any) -> bool:
        if not self.deaf:
            self.rows.append((kind, value["class"] if kind == "episode" else value))
        return not self.deaf


def informer() -> tuple[Informer, Heard]:
    heard = Heard()
    return Informer(Board(), heard, lambda segment: ("eth0",)), heard


def test_an_episode_is_said_when_it_changes_and_again_while_it_is_open() -> None:
    made, heard = informer()
    for clock in (0.0, 0.5, 1.0, AGAIN + 0.1):
        made.tell((router(episode()),), T0 + clock, clock)
    assert [kind for kind, _ in heard.rows if kind == "episode"] == ["episode"] * 2
    made.tell((router(episode(end=T0 + 3)),), T0 + 3, 3.0)
    made.tell((router(episode(end=T0 + 3)),), T0 + 6, 6.0)
    assert [kind for kind, _ in heard.rows if kind == "episode"] == ["episode"] * 3


def test_what_was_lost_is_said_again() -> None:
    made, heard = informer()
    heard.deaf = True
    made.tell((router(episode()),), T0, 0.0)
    heard.deaf = False
    made.tell((router(episode()),), T0, 0.2)
    assert ("episode", "split_brain") in heard.rows


def test_only_what_concerns_owners_is_said_and_its_revision() -> None:
    made, heard = informer()
    made.tell((router(episode("handover"), episode("misconfig", id="e2")),), T0, 0.0)
    made.tell((router(episode(end=T0 - 60)),), T0, 0.0)  # long ago
    assert [row for row in heard.rows if row[0] == "episode"] == []
    made.tell((router(episode("split_brain_suspected", id="e3")),), T0, 0.0)
    made.tell((router(episode("transient_dual_master", id="e3", end=T0)),), T0, 0.1)
    assert [row[1] for row in heard.rows if row[0] == "episode"] == ["split_brain_suspected", "transient_dual_master"]


def test_a_flood_of_episodes_is_bounded() -> None:
    made, heard = informer()
    made.tell((router(*(episode(id=f"e{n}") for n in range(500))),), T0, 0.0)
    assert len(heard.rows) <= 65
