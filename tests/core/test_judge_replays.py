"""Real captures, whole and damaged, against the verdict that each must reach."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from .replaying import NAMES, Timed, expectation, judged, meets, observer

Damage = Callable[[tuple[Timed, ...], random.Random], list[Timed]]
BENIGN = frozenset(("steady", "handover"))


@pytest.mark.parametrize("name", NAMES)
def test_capture_reaches_its_verdict(name: str) -> None:
    judge = judged(observer(name))
    assert meets(judge, expectation(name)["expect"]), judge.report().worst


@pytest.mark.parametrize("name", [n for n in NAMES if BENIGN & set(expectation(n)["expect"]["class"])])
def test_no_prefix_of_a_benign_capture_is_a_split(name: str) -> None:
    from vrrpcore.judge import Judge

    judge = Judge()
    for time, frame in observer(name):
        judge.observe(time, "capture", False, frame)
        for book in judge.docket.books.values():
            assert not [r for r in book.episodes if r.cls == "split_brain"], time


def lose(share: float) -> Damage:
    return lambda frames, dice: [f for f in frames if dice.random() > share]


def swap(frames: tuple[Timed, ...], dice: random.Random) -> list[Timed]:
    """Swap neighbours that lie up to 1 ms apart."""
    swapped = list(frames)
    index = 0
    while index < len(swapped) - 1:
        if swapped[index + 1][0] - swapped[index][0] <= 0.001 and dice.random() < 0.5:
            swapped[index], swapped[index + 1] = swapped[index + 1], swapped[index]
            index += 1
        index += 1
    return swapped


def jitter(frames: tuple[Timed, ...], dice: random.Random) -> list[Timed]:
    return sorted(((t + dice.random() * 0.001, f) for t, f in frames), key=lambda row: row[0])


def cut_head(frames: tuple[Timed, ...], dice: random.Random) -> list[Timed]:
    return list(frames[dice.randrange(len(frames)) :])


def cut_tail(frames: tuple[Timed, ...], dice: random.Random) -> list[Timed]:
    return list(frames[: dice.randrange(1, len(frames))])


DAMAGES: dict[str, Damage] = {
    "lose 5 %": lose(0.05),
    "lose 20 %": lose(0.20),
    "swap": swap,
    "jitter": jitter,
    "cut head": cut_head,
    "cut tail": cut_tail,
}
SMALL = [n for n in NAMES if n not in ("many_vrids_v2_255", "v3_10ms_normal")]


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_never_makes_a_split_of_anything_else(damage: str) -> None:
    for name in SMALL:
        expect = expectation(name)["expect"]["class"]
        if "split_brain" in expect:
            continue
        for seed in range(4):
            frames = DAMAGES[damage](observer(name), random.Random(f"{name}/{damage}/{seed}"))
            worst = judged(frames).report().worst
            assert worst.cls != "split_brain", (name, damage, seed, worst)


@pytest.mark.parametrize("damage", ["lose 5 %", "swap", "jitter"])
def test_class_and_cause_survive_small_damage(damage: str) -> None:
    """At 5 % of the observer's frames lost, 97 % of the verdicts stay what they were."""
    met = total = 0
    for name in SMALL:
        expect = expectation(name)["expect"]
        for seed in range(4):
            frames = DAMAGES[damage](observer(name), random.Random(f"{name}/{damage}/{seed}"))
            met += meets(judged(frames), expect)
            total += 1
    assert met / total >= 0.97, f"{met} of {total}"


@pytest.mark.parametrize("name", NAMES)
def test_replay_gives_the_same_verdict_again(name: str) -> None:
    assert judged(observer(name)).report().as_json() == judged(observer(name)).report().as_json()
