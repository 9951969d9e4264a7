"""`$NAME=value` definitions and what stands for them, `~SEQ` and `~LST`: the macro part of keepalived.conf."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random

_DEFINITION = re.compile(r"\$([A-Za-z_][A-Za-z0-9_]*)=[ \t]*(.*)\Z", re.DOTALL)
_BRACED = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)((?: +[^{}\s]+)*)\}")
_BARE = re.compile(r"\$([A-Za-z_][A-Za-z0-9_]*)(?=[ \t,)]|\Z)")

#: How often one line may be substituted before we call it endless, and how long it may become.
MAX_SUBSTITUTIONS = 1000
MAX_EXPANDED = 1023


class MacroError(ValueError):
    """A macro that cannot be understood or never ends."""


@dataclass(slots=True)
class Definition:
    """One definition; a multi-line body keeps its lines apart."""

    value: str = ""
    body: list[str] | None = None  # lines of a multi-line definition
    line: int = 0  # where it was written

    @property
    def multiline(self) -> bool:
        return self.body is not None


class Definitions:
    """All definitions known at this point of the file, the predefined ones too."""

    def __init__(self, instance: str, environment: Mapping[str, str], directory: Callable[[], str]) -> None:
        self._names: dict[str, Definition] = {}
        self._instance = instance
        self._environment = environment
        self._directory = directory
        self._random = Random(0)  # the same file gives the same model
        self.used_random = False

    def define(self, text: str, line: int) -> Definition | None:
        """Take a line `$NAME=value`; None when it is none. A value that ends with a backslash opens a body."""
        match = _DEFINITION.match(text)
        if match is None:
            return None
        name, value = match.groups()
        definition = Definition(value, line=line)
        if value.endswith("\\"):
            first = value[:-1].rstrip(" \t")
            definition = Definition(body=[first] if first else [], line=line)
        self._names[name] = definition
        return definition

    def set(self, name: str, value: str) -> None:
        """What `~SEQ` and `~LST` do for each round."""
        self._names[name] = Definition(value)

    def _predefined(self, name: str, parameters: list[str]) -> str | None:
        if name == "_ENV":
            return self._environment.get(parameters[0]) if len(parameters) == 1 else None
        if name == "_RANDOM":
            if len(parameters) > 2 or not all(each.isdigit() and len(each) < 10 for each in parameters):
                return None
            low = int(parameters[0]) if parameters else 0
            high = int(parameters[1]) if len(parameters) == 2 else 32767
            self.used_random = True
            return str(self._random.randint(low, max(low, high)))
        if parameters:
            return None
        if name == "_PWD":
            return self._directory()
        return {"_INSTANCE": self._instance, "_HASH": "#", "_BANG": "!"}.get(name)

    def substitute(self, text: str) -> tuple[str, list[str] | None, bool]:
        """Replace what is defined, again and again from the left; undefined names stay.

        Returns the text, the further lines of a multi-line definition that ended it, and whether anything changed.
        Raises MacroError when that never ends or the line grows beyond what keepalived can hold.
        """
        at, rest, changed = 0, None, False
        for _ in range(MAX_SUBSTITUTIONS):
            at = text.find("$", at)
            if at < 0:
                return text, rest, changed
            found = self._replacement(text, at)
            if found is None:
                at += 1
                continue
            value, end, body = found
            if body is not None:
                rest = body
            text = text[:at] + value + text[end:]
            changed = True
            if len(text) > MAX_EXPANDED:
                raise MacroError("the line grows beyond 1023 characters by substitution")
            if value.lstrip(" \t").startswith("~"):
                return text, rest, changed
        raise MacroError("the substitution never ends: a definition refers to itself")

    def _replacement(self, text: str, at: int) -> tuple[str, int, list[str] | None] | None:
        match = _BRACED.match(text, at)
        parameters = match.group(2).split() if match else []
        match = match or _BARE.match(text, at)
        if match is None:
            return None
        name = match.group(1)
        definition = self._names.get(name)
        if definition is None or parameters:
            value = self._predefined(name, parameters)
            return None if value is None else (value, match.end(), None)
        if definition.body is None:
            return definition.value, match.end(), None
        if match.end() != len(text):
            return None  # a multi-line body only stands at the end of a line
        lines = definition.body or [""]
        return lines[0], match.end(), lines[1:]


@dataclass(slots=True)
class Repeat:
    """`~SEQ(v, …) rest` or `~LST(v, …) rest` under way: the rest of the line and the rounds still to come."""

    names: tuple[str, ...]
    rounds: list[tuple[str, ...]] | range
    hexadecimal: bool
    text: str
    next: int = 0

    def advance(self, definitions: Definitions) -> str:
        """Set the variables of the next round and give the text to read."""
        current = self.rounds[self.next]
        self.next += 1
        values = current if isinstance(current, tuple) else (f"{current:x}" if self.hexadecimal else str(current),)
        for name, value in zip(self.names, values, strict=False):
            definitions.set(name, value)
        return self.text

    @property
    def done(self) -> bool:
        return self.next >= len(self.rounds)


_SEQ = re.compile(r"~SEQ(x?)[ \t]*\([ \t]*([^ \t,)]+)[ \t]*,([^)]*)\)[ \t]*(.*)\Z", re.DOTALL)
_LIST = re.compile(r"~LST[ \t]*\(", re.DOTALL)
_NUMBER = re.compile(r"[ \t]*([+-]?(?:0[xX][0-9a-fA-F]+|[0-9]+))?[ \t]*\Z")


def parse_repeat(text: str, definitions: Definitions) -> Repeat:
    """A line that begins with `~SEQ` or `~LST`; MacroError says what is wrong with it."""
    if text.startswith("~SEQ"):
        return _parse_sequence(text, definitions)
    return _parse_list(text)


def _parse_sequence(text: str, definitions: Definitions) -> Repeat:
    match = _SEQ.match(text)
    if match is None:
        raise MacroError("~SEQ takes a variable, then [start, [step,]] end: ~SEQ(N, 1, 4)")
    hexadecimal, name, arguments, rest = match.group(1) == "x", match.group(2), match.group(3), match.group(4)
    arguments, body, _ = definitions.substitute(arguments)
    numbers = [_NUMBER.match(each) for each in arguments.split(",")]
    if body is not None or len(numbers) > 3 or not all(numbers):
        raise MacroError(f"~SEQ takes one to three numbers, not ({arguments.strip()})")
    values = [_integer(each.group(1)) for each in numbers if each]
    if len(values) == 1:
        start, step, end = (-1 if values[0] < 0 else 1), (-1 if values[0] < 1 else 1), values[0]
    elif len(values) == 2:
        start, end = values
        step = 1 if start <= end else -1
    else:
        start, step, end = values
        if step == 0 or (start < end and step < 0) or (start > end and step > 0):
            raise MacroError(f"~SEQ never reaches {end} from {start} in steps of {step}")
    if hexadecimal and (start < 0 or end < 0):
        raise MacroError("~SEQx takes positive numbers only")
    # the first round always happens, even where the end is already passed
    rounds = range(start, end + (1 if step > 0 else -1), step) or range(start, start + 1)
    return Repeat((name,), rounds, hexadecimal, rest)


def _integer(text: str | None) -> int:
    if not text:
        return 0
    digits = text.lstrip("+-")
    base = 16 if digits[:2] in ("0x", "0X") else 8 if digits.startswith("0") and len(digits) > 1 else 10
    try:
        value = int(digits, base)
    except ValueError:  # 08: strtol stops before the 8
        raise MacroError(f"{text} is not a number") from None
    value = min(value, 2**62)
    return -value if text.startswith("-") else value


def _parse_list(text: str) -> Repeat:
    match = _LIST.match(text)
    if match is None:
        raise MacroError("~LST takes a variable and values: ~LST(N, a, b)")
    names, at = _list_item(text, match.end())
    rounds: list[tuple[str, ...]] = []
    while text[at : at + 1] == ",":
        values, at = _list_item(text, at + 1)
        if len(values) > len(names):
            raise MacroError(f"~LST has {len(values)} values for {len(names)} variables")
        rounds.append((*values, *[""] * (len(names) - len(values))))
    if text[at : at + 1] != ")" or not rounds or not names[0]:
        raise MacroError("~LST takes a variable and values: ~LST({A,B}, {1,2}, {3,4})")
    return Repeat(names, rounds, False, text[at + 1 :].lstrip(" \t"))


def _list_item(text: str, at: int) -> tuple[tuple[str, ...], int]:
    """One item, plain or in braces; gives its values and the position of what follows it."""
    at = _skip(text, at)
    if text[at : at + 1] != "{":
        match = re.compile(r"[^ \t,})]*").match(text, at)
        assert match is not None
        return (match.group(),), _skip(text, match.end())
    end = text.find("}", at)
    if end < 0:
        raise MacroError("a brace of ~LST is not closed")
    return tuple(each.strip(" \t") for each in text[at + 1 : end].split(",")), _skip(text, end + 1)


def _skip(text: str, at: int) -> int:
    while text[at : at + 1] in (" ", "\t"):
        at += 1
    return at
