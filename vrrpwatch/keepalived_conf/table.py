"""What a keyword table is made of: levels, keywords and the shapes of their parameters.

A shape reads the words of a line into a value, describes itself for `config explain`, and gives a sample that
keepalived accepts and one that it rejects: parsing, documentation and tests come from the same row.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from vrrpwatch.keepalived_conf import values
from vrrpwatch.keepalived_conf.values import INT_MAX, UINT_MAX, Rejected
from vrrpwatch.keepalived_conf.words import Word


class Missing(Exception):
    """A parameter that is not there; `fatal`: keepalived then gives up altogether (exit code 2)."""

    def __init__(self, fatal: bool = True) -> None:
        super().__init__("a parameter is missing")
        self.fatal = fatal


class BadWord(Exception):
    """One word of the line that keepalived does not take."""

    def __init__(self, word: Word, message: str, fix: str = "") -> None:
        super().__init__(message)
        self.word = word
        self.fix = fix


class Shape(Protocol):
    """How the words behind a keyword are read."""

    @property
    def syntax(self) -> str:
        """The parameters as a reference shows them."""

    @property
    def most(self) -> int | None:
        """How many words are looked at; None = all."""

    def read(self, words: list[Word], text: str) -> Any:
        """The value; `words` without the keyword, `text` the whole line. Missing or BadWord where it fails."""

    def samples(self) -> tuple[str | None, str | None]:
        """Parameters that are accepted, and ones that are rejected (None: nothing can be wrong)."""


def need(words: list[Word], index: int, fatal: bool = True) -> Word:
    """The word at an index, or Missing."""
    if index >= len(words):
        raise Missing(fatal)
    return words[index]


def checked(word: Word, reader: Callable[..., Any], *arguments: Any) -> Any:
    """A word through a reader of `values`; its complaint becomes a BadWord."""
    try:
        return reader(word.text, *arguments)
    except Rejected as error:
        raise BadWord(word, str(error)) from None


@dataclass(frozen=True, slots=True)
class Flag:
    """No parameter: being there is the value."""

    syntax: str = ""
    most: int | None = 0

    def read(self, words: list[Word], text: str) -> Any:
        return True

    def samples(self) -> tuple[str | None, str | None]:
        return "", None


@dataclass(frozen=True, slots=True)
class Bool:
    """An optional boolean; without it `default`."""

    default: bool = True
    syntax: str = "[on|off|true|false|yes|no]"
    most: int | None = 1

    def read(self, words: list[Word], text: str) -> Any:
        return checked(words[0], values.boolean) if words else self.default

    def samples(self) -> tuple[str | None, str | None]:
        return "on", "maybe"


@dataclass(frozen=True, slots=True)
class Number:
    """A whole number in a range."""

    low: int = 0
    high: int = UINT_MAX
    name: str = "N"
    fatal: bool = True
    most: int | None = 1

    @property
    def syntax(self) -> str:
        return f"{self.name} ({self.low} to {self.high})"

    def read(self, words: list[Word], text: str) -> Any:
        reader = values.signed if self.low < 0 else values.unsigned
        return checked(need(words, 0, self.fatal), reader, self.low, self.high)

    def samples(self) -> tuple[str | None, str | None]:
        accepted = min(self.high, max(self.low, 1))
        return str(accepted), str(self.high + 1) if self.high < UINT_MAX else "many"


@dataclass(frozen=True, slots=True)
class OptionalNumber:
    """A whole number that may be left out; then `default`."""

    low: int
    high: int
    default: int
    name: str = "N"
    most: int | None = 1

    @property
    def syntax(self) -> str:
        return f"[{self.name} ({self.low} to {self.high})]"

    def read(self, words: list[Word], text: str) -> Any:
        if not words:
            return self.default
        return checked(words[0], values.signed if self.low < 0 else values.unsigned, self.low, self.high)

    def samples(self) -> tuple[str | None, str | None]:
        return str(max(self.low, 1)), str(self.high + 1)


@dataclass(frozen=True, slots=True)
class Seconds:
    """A time in seconds with up to six decimal places; limits in microseconds."""

    low: int = 0
    high: int = 2**63
    digits: int = 6
    name: str = "SECONDS"
    most: int | None = 1

    @property
    def syntax(self) -> str:
        high = "" if self.high >= 2**62 else f" to {self.high / 10**self.digits:g}"
        return f"{self.name} ({self.low / 10**self.digits:g}{high})"

    def read(self, words: list[Word], text: str) -> Any:
        return checked(need(words, 0), values.decimal, self.low, self.high, self.digits) / 10**self.digits

    def samples(self) -> tuple[str | None, str | None]:
        middle = min(self.high, max(self.low, 10**self.digits))
        whole, part = divmod(middle, 10**self.digits)
        return f"{whole}.{part:0{self.digits}d}" if part else str(whole), "soon"


@dataclass(frozen=True, slots=True)
class Text:
    """One word, any."""

    name: str = "NAME"
    fatal: bool = True
    sample: str = "sample"
    most: int | None = 1

    @property
    def syntax(self) -> str:
        return self.name

    def read(self, words: list[Word], text: str) -> Any:
        return need(words, 0, self.fatal).text

    def samples(self) -> tuple[str | None, str | None]:
        return self.sample, None


@dataclass(frozen=True, slots=True)
class OptionalText:
    """One word that may be left out; then `default`."""

    name: str = "NAME"
    default: str = ""
    sample: str = "sample"
    most: int | None = 1

    @property
    def syntax(self) -> str:
        return f"[{self.name}]"

    def read(self, words: list[Word], text: str) -> Any:
        return words[0].text if words else self.default

    def samples(self) -> tuple[str | None, str | None]:
        return self.sample, None


@dataclass(frozen=True, slots=True)
class Choice:
    """One of some words."""

    words: tuple[str, ...]
    fold: bool = False  # case does not matter
    default: str | None = None  # may be left out
    most: int | None = 1

    @property
    def syntax(self) -> str:
        inner = "|".join(self.words)
        return inner if self.default is None else f"[{inner}]"

    def read(self, words: list[Word], text: str) -> Any:
        if not words and self.default is not None:
            return self.default
        word = need(words, 0)
        for each in self.words:
            if word.text == each or (self.fold and word.text.upper() == each.upper()):
                return each
        fix = next((each for each in self.words if each.upper() == word.text.upper()), "")
        raise BadWord(word, f"'{word.text}' is not one of {', '.join(self.words)}", f"write {fix}" if fix else "")

    def samples(self) -> tuple[str | None, str | None]:
        return self.words[0], "wrong"


@dataclass(frozen=True, slots=True)
class Address:
    """An IP address; `family` 4 or 6 where only one fits, `multicast` where it must be a group."""

    family: int = 0
    multicast: bool = False
    most: int | None = 1

    @property
    def syntax(self) -> str:
        kind = {0: "IP", 4: "IPV4", 6: "IPV6"}[self.family]
        return f"{kind}-MULTICAST-ADDRESS" if self.multicast else f"{kind}-ADDRESS"

    def read(self, words: list[Word], text: str) -> Any:
        word = need(words, 0)
        packed: bytes = checked(word, values.socket_address)
        if self.family and len(packed) != (4 if self.family == 4 else 16):
            raise BadWord(word, f"{word.text} is not an IPv{self.family} address")
        if self.multicast and not values.is_multicast(packed):
            raise BadWord(word, f"{word.text} is not a multicast address")
        return packed

    def samples(self) -> tuple[str | None, str | None]:
        accepted = {(4, True): "224.0.0.18", (6, True): "ff02::12", (6, False): "fe80::1"}
        return accepted.get((self.family, self.multicast), "224.0.0.18" if self.multicast else "10.9.0.1"), "nowhere"


@dataclass(frozen=True, slots=True)
class Interface:
    """The name of a network interface."""

    strict: bool = True  # keepalived itself checks the length
    most: int | None = 1
    syntax: str = "INTERFACE"

    def read(self, words: list[Word], text: str) -> Any:
        return checked(need(words, 0), values.interface_name)

    def samples(self) -> tuple[str | None, str | None]:
        return "eth0", "an-interface-name-too-long" if self.strict else None


@dataclass(frozen=True, slots=True)
class Custom:
    """A shape of its own: a function, its syntax and its samples."""

    syntax: str
    reader: Callable[[list[Word], str], Any]
    accepted: str | None
    rejected: str | None
    most: int | None = None

    def read(self, words: list[Word], text: str) -> Any:
        return self.reader(words, text)

    def samples(self) -> tuple[str | None, str | None]:
        return self.accepted, self.rejected


@dataclass(frozen=True, slots=True)
class Keyword:
    """One row of a table."""

    name: str
    summary: str
    shape: Shape = Flag()
    field: str = ""  # the value's name in the block that is being built; "" = kept, but without effect here
    default: str = ""
    since: str = ""  # first version, where later than 2.2.7
    deprecated: str = ""  # what to write instead
    warned: bool = False  # keepalived itself complains of the deprecated form
    repeat: str = "last"  # which one counts when it is repeated: last, first (keepalived complains), all
    level: Level | None = None  # a block with keywords of its own
    values: str = ""  # a block of values: what they are
    ignored: str = ""  # what happens when the value is refused, beyond "the line is ignored"
    advice: str = ""  # how to mend a value that is refused, where that is known

    @property
    def is_block(self) -> bool:
        return self.level is not None or bool(self.values)


@dataclass(slots=True)
class Level:
    """The keywords that are known in one kind of block."""

    name: str
    rows: tuple[Keyword, ...]
    _index: dict[str, Keyword] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._index = {row.name: row for row in self.rows}

    def get(self, name: str) -> Keyword | None:
        """The row of a keyword; case matters."""
        return self._index.get(name)

    def names(self) -> list[str]:
        return list(self._index)


#: Often used limits.
SMALL_SECONDS = UINT_MAX // 1_000_000
WEIGHT_MAX = INT_MAX
