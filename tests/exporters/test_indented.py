"""`indented` against the library: the same octets."""

from __future__ import annotations

import json
import random
from math import inf, nan
from typing import Any

import pytest

from vrrpexporters.report.indented import indented

WORDS = (
    "",
    "a",
    "100 %",
    "%s",
    "%(x)s",
    'quo"te',
    "back\\slash",
    "\x00\x1f\x7f",
    "käse",
    "\U0001f600",
    "\udcff",
    "\u2028",
)
LEAVES: tuple[Any, ...] = (None, True, False, 0, -1, 2**80, 0.0, -0.0, 1.5, 1e300, 1785000000.123456, *WORDS)


def made(chance: random.Random, depth: int) -> Any:
    kind = chance.choice(("leaf", "dict", "list")) if depth else "leaf"
    if kind == "leaf":
        return chance.choice(LEAVES)
    size = chance.choice((0, 1, 2, 5))
    if kind == "list":
        return [made(chance, depth - 1) for _ in range(size)]
    return {chance.choice(WORDS) + str(number): made(chance, depth - 1) for number in range(size)}


def test_documents_of_every_shape_are_as_the_library_writes_them() -> None:
    chance = random.Random(7)
    for _ in range(2000):
        document = made(chance, 5)
        assert indented(document) == json.dumps(document, indent=1)
    assert indented({"a": (1, ())}) == json.dumps({"a": (1, ())}, indent=1)


def test_what_is_no_number_is_null_and_what_is_no_json_is_an_error() -> None:
    assert indented([nan, inf, -inf]) == "[\n null,\n null,\n null\n]"
    with pytest.raises(TypeError):
        indented({"a": b"octets"})
