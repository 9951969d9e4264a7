"""Yielding on proof over random clusters: it ends a deaf inferior's split, and leaves nobody without a master."""

from __future__ import annotations

import random

import pytest

from .yielding import ENDED, KINDS, play, simulate

FRESH = random.SystemRandom().randrange(10**6, 10**9)


def test_fixed_seeds() -> None:
    tally = simulate(range(160))
    assert not tally.worse
    assert not tally.unended
    assert tally.yields > 40  # it is not by idleness
    for kind in ENDED[:2]:
        assert tally.splits[kind] == tally.ended[kind] > 0


def test_fresh_seeds() -> None:
    tally = simulate(range(FRESH, FRESH + 80))
    assert not tally.worse, f"first seed {FRESH}"
    assert not tally.unended, f"first seed {FRESH}"


def test_every_fault_takes_its_turn() -> None:
    assert len(KINDS) == len(set(KINDS)) <= 80


@pytest.mark.parametrize(
    ("seed", "kind", "what"),
    [
        (421, "deaf_unreachable", "an answer from before the way back was cut"),
        (36, "deaf_way_back", "adverts go on when the way back is cut"),
    ],
)
def test_seeds_that_once_failed(seed: int, kind: str, what: str) -> None:
    assert not play(seed, kind).worse, what


def test_who_yields_without_an_answer_leaves_clients_without_a_master() -> None:
    """What the measure would see of a weaker rule."""
    played = [play(seed, "deaf_unreachable", gullible=True) for seed in range(6)]
    assert any(each.worse for each in played)
