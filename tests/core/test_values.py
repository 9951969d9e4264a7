"""`@value` against the frozen dataclass that it stands for."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from vrrpcore.values import value
from vrrpcore.verdict import MasterRow


@value
class Pair:
    """Two values, one of them a secret."""

    left: int
    right: bytes = field(default=b"", repr=False)
    rest: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Plain:
    """The same as a dataclass."""

    left: int
    right: bytes = field(default=b"", repr=False)
    rest: dict[str, int] = field(default_factory=dict)


@value
class Single:
    """One value."""

    only: tuple[int, ...]


def test_equality_is_by_type_and_fields() -> None:
    assert Pair(1, b"x") == Pair(1, b"x")
    assert Pair(1) != Pair(2)
    assert Pair(1, rest={"a": 1}) != Pair(1)
    theirs: Any = Plain(1)
    assert Pair(1) != theirs
    assert Single((1,)) != Single((2,))


def test_the_hash_follows_equality() -> None:
    assert len({Single((1, 2)), Single((1, 2)), Single((3,))}) == 2
    with pytest.raises(TypeError):
        hash(Pair(1))


def test_what_is_shown_is_what_a_dataclass_shows_and_no_secret() -> None:
    assert repr(Pair(1, b"secret")) == repr(Plain(1, b"secret")).replace("Plain", "Pair")
    row = MasterRow("10.0.0.1", "00:00:5e:00:01:01", 100, 2, 1.0, "pass", 1, 0.0, 0.0, "live", b"secret")
    assert "secret" not in repr(row)


def test_replace_and_defaults_work_and_there_are_no_other_attributes() -> None:
    one = Pair(1)
    assert replace(one, left=2) == Pair(2)
    assert Pair(1).rest is not Pair(1).rest
    with pytest.raises(AttributeError):
        one.other = 1  # type: ignore[attr-defined]
