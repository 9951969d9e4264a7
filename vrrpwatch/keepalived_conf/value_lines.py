"""Lines inside value blocks: addresses, unicast peers, tracked things, link delays."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_network
from typing import Any

from vrrpcore.settings import InterfaceDelay, UnicastPeer, VirtualAddress
from vrrpwatch.keepalived_conf import values
from vrrpwatch.keepalived_conf.bind import Binder, origin
from vrrpwatch.keepalived_conf.nodes import Line, Node
from vrrpwatch.keepalived_conf.table import BadWord, checked
from vrrpwatch.keepalived_conf.words import Word

_FLAGS = {
    "home": "home",
    "-nodad": "dad",
    "mngtmpaddr": "mngtmpaddr",
    "noprefixroute": "noprefixroute",
    "autojoin": "autojoin",
    "no_track": "no_track",
}


def _address_and_length(line: Line, binder: Binder, what: str) -> tuple[bytes, int] | None:
    """The first word: an address that may carry a prefix length; a bad length becomes the longest one."""
    word = line.words[0]
    head, slash, tail = word.text.partition("/")
    try:
        packed = values.address(head)
    except values.Rejected as error:
        binder.refuse(line, BadWord(word, str(error), _address_fix(head)), "the line is skipped", what)
        return None
    longest = len(packed) * 8
    if not slash:
        return packed, longest
    try:
        return packed, values.unsigned(tail, 0, longest)
    except values.Rejected as error:
        fix = _mask_fix(head, tail)
        binder.refuse(line, BadWord(word, f"prefix length: {error}", fix), f"/{longest} is used", what)
        return packed, longest


def _address_fix(text: str) -> str:
    if text.count(".") == 3 and all(part.isdigit() for part in text.split(".")):
        return "every part of an IPv4 address is a number from 0 to 255 without leading zeros"
    return ""


def _mask_fix(head: str, tail: str) -> str:
    """`10.0.0.1/255.255.255.0` is a common way to write /24."""
    try:
        return f"write {head}/{ip_network(f'0.0.0.0/{tail}').prefixlen}"
    except ValueError:
        return ""


class AddressLine:
    """Reads one line of virtual_ipaddress, virtual_ipaddress_excluded or static_ipaddress."""

    def __init__(self, line: Line, binder: Binder, what: str, static: bool) -> None:
        self._line, self._binder, self._what, self._static = line, binder, what, static
        self._found: dict[str, Any] = {}
        self._drop = False

    def read(self) -> VirtualAddress | None:
        """The address, or None (with a finding) when keepalived drops the line."""
        first = _address_and_length(self._line, self._binder, self._what)
        if first is None:
            return None
        self._packed, self._length = first
        words = self._line.words
        at = 1
        while at < len(words) and not self._drop:
            at = self._option(words, at)
        if self._drop:
            return None
        self._finish()
        return VirtualAddress(self._packed, self._length, origin=origin(self._line, words[0]), **self._found)

    def _bad(self, word: Word, message: str, consequence: str, fix: str = "") -> None:
        self._binder.refuse(self._line, BadWord(word, message, fix), consequence, self._what)

    def _option(self, words: list[Word], at: int) -> int:
        word = words[at]
        name = word.text
        if name in _FLAGS:
            self._found[_FLAGS[name]] = True
            return at + 1
        if name == "use_vmac" and not self._static:
            self._found["use_vmac"] = True
            return at + 1
        readers = {
            "dev": self._dev,
            "scope": self._scope,
            "broadcast": self._broadcast,
            "brd": self._broadcast,
            "label": self._label,
            "peer": self._peer,
            "preferred_lft": self._lifetime,
        }
        if self._static:
            readers["track_group"] = self._track_group
        reader = readers.get(name)
        if reader is None:
            fix = "write -nodad" if name == "nodad" else "use one line per address" if _looks_like_address(name) else ""
            self._bad(word, f"'{name}' is no option of an address", "it is ignored", fix)
            return at + 1
        if at + 1 >= len(words):
            self._bad(word, f"{name} needs a value", "the address is dropped")
            self._drop = True
            return at + 1
        reader(words[at + 1])
        return at + 2

    def _dev(self, word: Word) -> None:
        if "dev" in self._found:
            self._bad(word, "a second dev", "the address is dropped")
            self._drop = True
            return
        try:
            self._found["dev"] = checked(word, values.interface_name)
        except BadWord as bad:
            fix = f"write dev {word.text.split(':')[0]} label {word.text}" if ":" in word.text else ""
            self._bad(word, str(bad), "the address is dropped", fix)
            self._drop = True
            return
        self._binder.check_template(self._line, word)

    def _scope(self, word: Word) -> None:
        try:
            self._found["scope"] = checked(word, values.scope)
        except BadWord as bad:
            self._bad(word, str(bad), "it is ignored")

    def _broadcast(self, word: Word) -> None:
        if len(self._packed) == 16:
            self._bad(word, "IPv6 has no broadcast", "the address is dropped", "remove brd")
            self._drop = True
        elif word.text in ("+", "-"):
            if self._length > 30:
                self._bad(
                    word,
                    f"/{self._length} has no broadcast address",
                    "it is ignored",
                    "remove brd or give the prefix length",
                )
                return
            host = 0xFFFFFFFF >> self._length
            number = int.from_bytes(self._packed)
            self._found["broadcast"] = (number | host if word.text == "+" else number & ~host).to_bytes(4)
            self._found["broadcast_auto"] = True
        else:
            try:
                packed = checked(word, values.address)
            except BadWord:
                packed = b""
            if len(packed) != 4:
                self._bad(word, f"'{word.text}' is not an IPv4 address", "the address is dropped")
                self._drop = True
            else:
                self._found["broadcast"] = packed

    def _label(self, word: Word) -> None:
        if len(word.text) > values.MAX_INTERFACE_NAME:
            self._bad(word, f"label '{word.text}' is longer than 15 characters", "the address is dropped")
            self._drop = True
        else:
            self._found["label"] = word.text
            self._binder.check_template(self._line, word)

    def _peer(self, word: Word) -> None:
        if "peer" in self._found:
            self._bad(word, "a second peer", "it is ignored")
            return
        try:
            packed: bytes = checked(word, values.address)
        except BadWord as bad:
            self._bad(word, str(bad), "the peer is ignored")
            return
        if len(packed) != len(self._packed):
            self._bad(word, "the peer is of the other address family", "the peer is ignored")
            return
        if self._length != len(packed) * 8:
            self._bad(word, "an address with a peer cannot have a prefix length", "the length is ignored")
        self._found["peer"], self._length = packed, len(packed) * 8

    def _lifetime(self, word: Word) -> None:
        if word.text == "forever":
            self._found["preferred_lifetime_seconds"] = None
            return
        try:
            self._found["preferred_lifetime_seconds"] = checked(word, values.unsigned)
        except BadWord as bad:
            self._bad(word, str(bad), "it is ignored")

    def _track_group(self, word: Word) -> None:
        if "track_group" in self._found:
            self._bad(word, "a second track_group", "it is ignored")
        else:
            self._found["track_group"] = word.text

    def _finish(self) -> None:
        if "peer" in self._found and "broadcast" in self._found:
            self._bad(self._line.words[0], "broadcast and peer exclude each other", "the broadcast is ignored")
            del self._found["broadcast"]
            self._found.pop("broadcast_auto", None)
        detection = self._found.pop("dad", False)
        if len(self._packed) == 16:
            self._found["nodad"] = not detection
            for name in ("scope", "label"):
                if self._found.get(name):
                    self._bad(self._line.words[0], f"an IPv6 address has no {name}", "it is ignored", f"remove {name}")
                self._found.pop(name, None)
            if self._length == 128:
                self._found.setdefault("preferred_lifetime_seconds", 0)


def _looks_like_address(text: str) -> bool:
    try:
        values.network(text)
    except values.Rejected:
        return False
    return True


def addresses(
    binder: Binder, nodes: Iterator[Node], what: str, static: bool = False
) -> list[tuple[Line, VirtualAddress]]:
    """All addresses of some blocks with their lines, repeated ones told."""
    found: list[tuple[Line, VirtualAddress]] = []
    seen: dict[tuple[bytes, str], Line] = {}
    for node in nodes:
        if not node.values and static is False:
            binder.note(node.line, "empty-block", f"{what} is empty")
        for line in node.values:
            address = AddressLine(line, binder, what, static).read()
            if address is None:
                continue
            key = (address.address, address.dev)
            if key in seen:
                binder.warn(
                    line,
                    "repeated-address",
                    f"{line.words[0].text} is already on line {seen[key].at.line}; keepalived adds it twice",
                    "remove one of them",
                )
            seen.setdefault(key, line)
            found.append((line, address))
    return found


def peer(binder: Binder, line: Line, family: int) -> UnicastPeer | None:
    """One line of unicast_peer; `family` 0 = not known yet."""
    word = line.words[0]
    try:
        packed: bytes = checked(word, values.socket_address)
    except BadWord as bad:
        binder.refuse(line, bad, "the peer is skipped", "unicast_peer")
        return None
    if family and len(packed) != (4 if family == 4 else 16):
        binder.error(
            line,
            "address-family",
            f"{word.text}: peers and addresses of an instance must be of one family; the peer is skipped",
            "remove it",
            word=word,
        )
        return None
    if "/" in word.text:
        binder.warn(
            line,
            "ignored-words",
            f"the prefix length of {word.text} is ignored",
            f"write {word.text.split('/')[0]}",
            word=word,
        )
    limits: dict[str, int] = {}
    options = line.words[1:]
    for at in range(0, len(options), 2):
        name = options[at]
        if at + 1 >= len(options):
            binder.error(line, "missing-parameter", f"{name.text} needs a value; it is ignored", word=name)
            break
        try:
            value = checked(options[at + 1], values.unsigned, 0, 255)
        except BadWord as bad:
            binder.refuse(line, bad, "it is ignored", name.text)
            continue
        if name.text not in ("min_ttl", "max_ttl"):
            fix = "write every peer on a line of its own" if _looks_like_address(name.text) else ""
            binder.error(
                line, "invalid-value", f"'{name.text}' is no option of a peer; the rest is ignored", fix, word=name
            )
            break
        limits[name.text] = value
    found = UnicastPeer(packed, limits.get("min_ttl"), limits.get("max_ttl"), origin(line, word))
    if (found.min_ttl or 0) > (255 if found.max_ttl is None else found.max_ttl):
        binder.error(
            line, "invalid-value", "min_ttl is above max_ttl: every advert of this peer is dropped", "exchange them"
        )
    return found


def names(nodes: Iterator[Node]) -> list[tuple[Line, Word]]:
    """All words of blocks that hold bare names."""
    return [(line, word) for node in nodes for line in node.values for word in line.words]


def delay(binder: Binder, line: Line) -> InterfaceDelay | None:
    """One line of interface_up_down_delays: INTERFACE DOWN [UP]."""
    numbers = []
    for word in line.words[1:3]:
        try:
            numbers.append(checked(word, values.decimal, 0, 255_000_000, 6) / 1e6)
        except BadWord as bad:
            binder.refuse(line, bad, "the line is ignored", "interface_up_down_delays")
            return None
    if not numbers:
        binder.warn(
            line, "missing-parameter", f"{line.head}: no delay is given; the line is ignored", "write the seconds"
        )
        return None
    return InterfaceDelay(line.head, numbers[0], numbers[1] if len(numbers) > 1 else 0.0, origin(line))
