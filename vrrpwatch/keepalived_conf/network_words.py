"""What lines of routes and rules share: words read one by one, and the address family found so far."""

from __future__ import annotations

from typing import Any

from vrrpwatch.keepalived_conf import values
from vrrpwatch.keepalived_conf.bind import Binder
from vrrpwatch.keepalived_conf.findings import Severity
from vrrpwatch.keepalived_conf.nodes import Line
from vrrpwatch.keepalived_conf.table import BadWord, checked, need
from vrrpwatch.keepalived_conf.words import Word

_ANY = ("default", "any", "all")
_TABLES = {"main", "local", "default", "unspec"}


class WordReader:
    """What routes and rules share: a position in the words and the address family found so far."""

    def __init__(self, line: Line, binder: Binder, what: str) -> None:
        self.line, self.binder, self.what = line, binder, what
        self.words = line.words
        self.at = 0
        self.family = 0
        self.found: dict[str, Any] = {}

    def value(self) -> Word:
        """The word behind the current one."""
        self.at += 1
        return need(self.words, self.at)

    def set_family(self, word: Word, family: int) -> None:
        if self.family and family and family != self.family:
            raise BadWord(word, "IPv4 and IPv6 are mixed")
        self.family = self.family or family

    def address(self, word: Word) -> bytes:
        packed: bytes = checked(word, values.address)
        self.set_family(word, 4 if len(packed) == 4 else 6)
        return packed

    def network(self, word: Word) -> tuple[bytes, int] | None:
        """A network, or None for default, any, all (whose family the rest decides)."""
        if word.text in _ANY:
            return None
        if word.text == "default6":
            self.set_family(word, 6)
            return None
        packed, length = checked(word, values.network)
        self.set_family(word, 4 if len(packed) == 4 else 6)
        return packed, length

    def interface(self, word: Word) -> str:
        name: str = checked(word, values.interface_name)
        self.binder.check_template(self.line, word)
        return name

    def zero(self) -> bytes:
        return bytes(16 if self.family == 6 else 4)


def table_name(word: Word) -> str:
    if word.text in _TABLES:
        return word.text
    if word.text[:1].isdigit():
        checked(word, values.unsigned_any_base, 0, values.UINT_MAX)
    return word.text  # a name of /etc/iproute2/rt_tables, which this host need not have


def missing_value(binder: Binder, line: Line, what: str) -> None:
    message = f"{what}: '{line.words[-1].text}' needs a value; keepalived gives up here"
    binder.tell(line, Severity.ERROR, "missing-parameter", message, "complete the line", exit_code=2)
