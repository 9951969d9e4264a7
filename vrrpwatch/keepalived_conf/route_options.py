"""Options of routes beside destination and next hops: metrics, realms, preference, encapsulation (measured: 2.2.7)."""

from __future__ import annotations

import re
import socket
from typing import Any, Final

from vrrpcore.settings import Encap
from vrrpwatch.keepalived_conf import values
from vrrpwatch.keepalived_conf.network_words import WordReader
from vrrpwatch.keepalived_conf.table import BadWord, checked
from vrrpwatch.keepalived_conf.words import Word

#: Metric -> (highest value, whether `lock` may come before it).
_NUMBERS: Final = {
    "mtu": (values.UINT_MAX, True),
    "advmss": (values.UINT_MAX, True),
    "reordering": (values.UINT_MAX, True),
    "cwnd": (values.UINT_MAX, True),
    "ssthresh": (values.UINT_MAX, True),
    "hoplimit": (255, False),
    "window": (values.UINT_MAX, False),
    "initcwnd": (values.UINT_MAX, False),
    "initrwnd": (values.UINT_MAX, False),
    "quickack": (1, False),
    "fastopen_no_cookie": (1, False),
}
#: Times -> parts of a millisecond that the kernel counts. keepalived never sets less than 200 ms.
_TIMES: Final = {"rtt": 8, "rttvar": 4, "rto_min": 1}
_LEAST_MS: Final = 200
_UNITS: Final = {"": 0, "s": 1000, "sec": 1000, "secs": 1000, "ms": 1, "msec": 1, "msecs": 1}
_LONGEST: Final = 480_000  # as it is counted there
_TIME: Final = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(s|secs?|ms|msecs?)?\Z")
_PREFERENCES: Final = {"medium": 0, "high": 1, "low": 3}
_ECN: Final = 1
_LABELS: Final = re.compile(r"[0-9]{1,7}(/[0-9]{1,7})*\Z")


class OptionReader(WordReader):
    """Reads one option of a route at a time into `found`."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.metrics: dict[str, int] = {}
        self.locked: list[str] = []

    def metric(self, name: str) -> bool:
        """Read a metric; False for any other word."""
        if name not in _NUMBERS and name not in _TIMES and name != "congctl":
            return False
        word = self.value()
        if word.text == "lock" and (name in _TIMES or name == "congctl" or _NUMBERS[name][1]):
            self.locked.append(name)
            word = self.value()
        if name == "congctl":
            self.found["congctl"] = word.text
        elif name in _TIMES:
            self.metrics[name] = checked(word, _time, _TIMES[name])
        else:
            self.metrics[name] = checked(word, values.unsigned, 0, _NUMBERS[name][0])
        return True

    def option(self, word: Word) -> bool:
        """Read any other option; False for a word that is none."""
        name = word.text
        if name == "realms":
            value = self.value()
            self.set_family(value, 4)
            self.found["realms"] = realms(value)
        elif name == "pref":
            value = self.value()
            self.set_family(value, 6)
            named = _PREFERENCES.get(value.text)
            self.found["pref"] = checked(value, values.unsigned, 0, 255) if named is None else named
        elif name == "expires":
            value = self.value()
            self.set_family(value, 6)
            self.found["expires_seconds"] = checked(value, values.unsigned)
        elif name == "features":
            self._features(self.value())
        elif name == "ttl-propagate":
            self._ttl_propagate(self.value())
        elif name == "encap":
            self.found["encap"] = self.encap()
        elif name == "as":
            if self.value().text == "to":
                self.value()
            self._ignored(word, "as is for MPLS only and ignored")
        elif name == "vrf":
            raise BadWord(self.value(), "a route cannot be put into a VRF here", "write its table instead")
        else:
            return False
        return True

    def collected(self) -> None:
        """Put the metrics where the others are."""
        self.found["metrics"], self.found["locked"] = tuple(self.metrics.items()), tuple(dict.fromkeys(self.locked))

    def _features(self, word: Word) -> None:
        if word.text == "ecn":
            self.metrics["features"] = self.metrics.get("features", 0) | _ECN
        else:
            self._ignored(word, f"'{word.text}' is no feature; it is ignored")

    def _ttl_propagate(self, word: Word) -> None:
        if word.text in ("enabled", "disabled"):
            self.found["ttl_propagate"] = word.text == "enabled"
        else:
            self._ignored(word, f"ttl-propagate is enabled or disabled, not '{word.text}'; it is ignored")

    def _ignored(self, word: Word, message: str) -> None:
        self.binder.error(self.line, "invalid-value", f"{self.what}: {message}", word=word)

    # -- encapsulation -------------------------------------------------------------------------------------------

    def encap(self) -> Encap:
        """`encap KIND …`, up to the first word that is none of its own."""
        kind = self.value()
        if kind.text == "mpls":
            return Encap("mpls", labels=self._labels(self.value()))
        if kind.text == "ila":
            self.value()
            return Encap("ila")
        if kind.text not in ("ip", "ip6"):
            raise BadWord(kind, f"'{kind.text}' is no encapsulation")
        family = 4 if kind.text == "ip" else 6
        found: dict[str, Any] = {}
        while self.at + 1 < len(self.words) and self._encap_option(self.words[self.at + 1].text, family, found):
            pass
        if "id" not in found and "destination" not in found:
            raise BadWord(kind, f"encap {kind.text} needs dst or id")
        return Encap(kind.text, **found)

    def _encap_option(self, name: str, family: int, found: dict[str, Any]) -> bool:
        octets = ("tos", "ttl") if family == 4 else ("tc", "hoplimit")
        if name not in ("id", "dst", "src", "flags", *octets):
            return False
        self.at += 1
        word = self.value()
        if name == "id":
            found["id"] = checked(word, values.unsigned_any_base, 0, (1 << 64) - 1)
        elif name == "flags":
            found["flags"] = checked(word, values.unsigned_any_base, 0, 0xFFFF)
        elif name in octets:
            found["tos" if name == octets[0] else "ttl"] = checked(word, values.unsigned_any_base, 0, 255)
        else:
            packed: bytes = checked(word, values.address)
            if len(packed) != (4 if family == 4 else 16):
                raise BadWord(word, f"encap ip{family if family == 6 else ''} wants addresses of IPv{family}")
            found["destination" if name == "dst" else "source"] = packed
        return True

    def _labels(self, word: Word) -> tuple[int, ...]:
        labels = tuple(map(int, word.text.split("/"))) if _LABELS.match(word.text) else ()
        if not labels or max(labels) >= 1 << 20:
            raise BadWord(word, f"'{word.text}' is no stack of MPLS labels")
        return labels


def realms(word: Word) -> str:
    """TO or FROM/TO; names are those of a host's rt_realms."""
    for part in word.text.split("/") if word.text.count("/") < 2 else [""]:
        if not part:
            raise BadWord(word, f"'{word.text}' is neither TO nor FROM/TO")
        if part[0].isdigit():
            checked(Word(part, word.offset), values.unsigned_any_base, 0, 0xFFFF)
    return word.text


def service(word: Word) -> str:
    """A type of service; names are those of a host's rt_dsfield."""
    if word.text[:1].isdigit():
        checked(word, values.unsigned_any_base, 0, 255)
    return word.text


def ip_protocol(word: Word) -> int:
    """A protocol by number or by its name in /etc/protocols."""
    if word.text.isdigit():
        number: int = checked(word, values.unsigned, 0, 255)
        return number
    try:
        return socket.getprotobyname(word.text.lower())
    except OSError:
        raise BadWord(word, f"'{word.text}' is no IP protocol") from None


def number_range(word: Word, most: int) -> tuple[int, int]:
    """FIRST-LAST."""
    first, dash, last = word.text.partition("-")
    if not dash or not (first.isdigit() and last.isdigit()):
        raise BadWord(word, f"'{word.text}' is no range", f"write {first}-{first}" if first.isdigit() else "")
    return min(int(first), most), min(int(last), most)


def _time(text: str, parts: int) -> int:
    """A time in `parts` of a millisecond; without a unit it is counted in those already."""
    match = _TIME.match(text)
    if match is None:
        raise values.Rejected(f"'{text}' is not a number")
    number = float(match[1])
    if number > _LONGEST:
        raise values.Rejected(f"{text} is outside of 0 to {_LONGEST}")
    unit = _UNITS[match[2] or ""]
    return max(round(number * unit * parts) if unit else int(number), _LEAST_MS * parts)
