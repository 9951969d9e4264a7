"""`@value`: an immutable record with slots, which costs a quarter of a frozen dataclass to declare and half to make.

`@dataclass(frozen=True, slots=True)` compiles seven functions for each class, 0.6 ms each time a program starts; a few
dozen of them are a third of the start of `analyze`. Here only `__init__` is compiled, the rest is shared. That no
field is assigned again is seen to by the type checker, not at run time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from operator import attrgetter
from typing import Any, TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def value(cls: type[T]) -> type[T]:
    """Make a dataclass of `cls`: equal and hashed by its fields, shown without those of `field(repr=False)`."""
    made: Any = dataclass(repr=False, eq=False, slots=True)(cls)
    every = fields(made)
    made.__eq__, made.__hash__ = _comparison(attrgetter(*(each.name for each in every)))
    made.__repr__ = _representation([each.name for each in every if each.repr])
    return made  # type: ignore[no-any-return]


def _comparison(content: Callable[[Any], Any]) -> tuple[Callable[[Any, object], bool], Callable[[Any], int]]:
    def equal(self: Any, other: object) -> bool:
        return content(self) == content(other) if other.__class__ is self.__class__ else NotImplemented

    def hashed(self: Any) -> int:
        return hash(content(self))

    return equal, hashed


def _representation(names: list[str]) -> Callable[[Any], str]:
    def shown(self: Any) -> str:
        return f"{type(self).__qualname__}({', '.join(f'{name}={getattr(self, name)!r}' for name in names)})"

    return shown
