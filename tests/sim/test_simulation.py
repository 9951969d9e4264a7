"""The judge over random clusters: never a false split brain, never a missed one, the cause named rightly."""

from __future__ import annotations

import random

import pytest

from .outcome import Report, run, simulate
from .scenario import BETWEEN, LEGITIMATE, REAL

FORCED = 20_000_000  # seeds above were run with their fault forced
FRESH = random.SystemRandom().randrange(10**6, 10**9)


def verdict(report: Report) -> str:
    """What must not be in a report; empty when all is well."""
    wrong = [
        f"{word} {seeds[:10]}"
        for word, seeds in (
            ("false split brain:", report.false_splits),
            ("missed:", report.missed),
            ("called harmless:", report.hidden),
        )
        if seeds
    ]
    return "; ".join(wrong)


@pytest.mark.parametrize("first", [0, 100_000, 200_000])
def test_fixed_seeds(first: int) -> None:
    report = simulate(range(first, first + 300))
    assert not verdict(report), verdict(report)
    right = sum(n for (_, ok), n in report.causes.items() if ok)
    assert right >= 0.99 * sum(report.causes.values()), report.wrong_causes


def test_fresh_seeds() -> None:
    print(f"fresh seeds from {FRESH}")
    report = simulate(range(FRESH, FRESH + 200))
    assert not verdict(report), f"first seed {FRESH}: {verdict(report)}"


@pytest.mark.parametrize("kind", LEGITIMATE)
def test_legitimate_faults_are_never_a_split(kind: str) -> None:
    report = simulate(range(500, 520), (kind,))
    assert not report.false_splits


@pytest.mark.parametrize("kind", REAL + BETWEEN)
def test_real_faults_are_found(kind: str) -> None:
    report = simulate(range(600, 620), (kind,))
    assert not verdict(report), verdict(report)


@pytest.mark.parametrize(
    ("seed", "kind", "what"),
    [
        (1759, "lists", "a newcomer within δ of its superior is no new master"),
        (1667, "clone", "one address, one MAC, no IP IDs: two schedules at twice the rate"),
        (1315, "deaf_both", "adverts in phase are no answers: only an early one out of turn is"),
        (1411, "lists", "a preempted master that rejects its successor is no residue"),
        (506, "lists", "one strike between lists that differ is no lost resignation"),
        (100_137, "partition", "the second burst of a master, in phase with its rival, is no answer"),
        (20_045_514, "checksum", "two owners seen before the overlap was, because an advert was lost"),
        (20_048_394, "checksum", "the same from the holder's side"),
        (480, "deaf_both", "equal priorities: the address decides"),
    ],
)
def test_seeds_that_once_failed(seed: int, kind: str, what: str) -> None:
    outcome = run(seed, kind if seed > FORCED else None)
    assert outcome.kind == kind, what
    assert outcome.truth == "real"
    assert outcome.cls in ("split_brain", "residual_vip"), what
    assert outcome.cause_right is not False, what
