"""Parameter shapes of single keywords: weights, scripts, virtual interfaces, forwarding methods and their like."""

from __future__ import annotations

import re
from dataclasses import dataclass

from vrrpwatch.keepalived_conf import values
from vrrpwatch.keepalived_conf.table import BadWord, Custom, Missing, checked, need
from vrrpwatch.keepalived_conf.values import INT_MAX, UINT_MAX
from vrrpwatch.keepalived_conf.words import QuoteError, Word, split_script


@dataclass(frozen=True, slots=True)
class ScriptLine:
    """A command as written: its words, and the words behind it (user and group)."""

    words: tuple[str, ...]
    trailing: tuple[str, ...]


def _script(words: list[Word], text: str) -> ScriptLine:
    if not words and '"' in text:
        raise BadWord(Word(text, 0), "the quotation mark is not closed", "close the quotation")
    need(words, 0)
    try:
        parts = split_script(text)
        command = split_script(parts[1].text) if len(parts) > 1 else []
    except QuoteError as error:
        raise BadWord(words[0], str(error), "close the quotation") from None
    if not command:
        raise BadWord(words[0], "the command is empty")
    return ScriptLine(tuple(each.text for each in command), tuple(each.text for each in parts[2:]))


def _optional_script(words: list[Word], text: str) -> ScriptLine | None:
    return _script(words, text) if words else None


#: A command with optional user and group (notify scripts).
NOTIFY = Custom('"COMMAND ARGUMENTS…" [USER [GROUP]]', _script, '"/bin/true up"', None)
OPTIONAL_NOTIFY = Custom('["COMMAND ARGUMENTS…" [USER [GROUP]]]', _optional_script, '"/bin/true gone"', None)
#: A command alone: what follows its word or quotation is lost.
SCRIPT = Custom('"COMMAND ARGUMENTS…"', _script, '"/bin/true now"', None)


@dataclass(frozen=True, slots=True)
class Weight:
    """A weight and its direction; `reverse` None where the line says nothing."""

    weight: int
    reverse: bool | None = None


def weight(low: int, high: int, noreverse: bool = False) -> Custom:
    """`weight N [reverse]` within limits."""

    def read(words: list[Word], text: str) -> Weight:
        value = checked(need(words, 0), values.signed, low, high)
        if len(words) < 2:
            return Weight(value)
        if words[1].text == "reverse":
            return Weight(value, True)
        if noreverse and words[1].text == "noreverse":
            return Weight(value, False)
        raise BadWord(words[1], f"'{words[1].text}' is not reverse")

    return Custom(f"N ({low} to {high}) [reverse]", read, "10", str(high + 1), 2)


@dataclass(frozen=True, slots=True)
class VmacLine:
    """Parameters of use_vmac: name and MAC address in any order; `vrid_octet`: the address lacks its last octet.

    `wrong`: what was said of words that are left out; the instance has its virtual interface all the same.
    """

    name: str = ""
    mac: bytes | None = None
    vrid_octet: bool = False
    wrong: tuple[str, ...] = ()


def _vmac(words: list[Word], text: str) -> VmacLine:
    name, mac, short = "", None, False
    wrong = []
    for word in words[:2]:
        try:
            if ":" in word.text:
                if mac is not None:
                    raise BadWord(word, "a second MAC address")
                mac, short = checked(word, values.mac_address)
            else:
                if name:
                    raise BadWord(word, "a second interface name")
                name = checked(word, values.interface_name)
        except BadWord as bad:
            wrong.append(str(bad))
    return VmacLine(name, mac, short, tuple(wrong))


USE_VMAC = Custom("[INTERFACE] [MAC-ADDRESS]", _vmac, "vrrp.51", "a-name-that-is-too-long", 2)


@dataclass(frozen=True, slots=True)
class IpvlanLine:
    """Parameters of use_ipvlan."""

    name: str = ""
    address: tuple[bytes, int] | None = None
    mode: str = "bridge"


def _ipvlan(words: list[Word], text: str) -> IpvlanLine:
    name, address, mode = "", None, ""
    for word in words:
        if word.text in ("bridge", "private", "vepa"):
            if mode:
                raise BadWord(word, "a second mode")
            mode = word.text
            continue
        try:
            found = values.network(word.text)
        except values.Rejected:
            if name:
                raise BadWord(word, "a second interface name") from None
            name = checked(word, values.interface_name)
            continue
        if address is not None:
            raise BadWord(word, "a second address")
        address = found
    return IpvlanLine(name, address, mode or "bridge")


USE_IPVLAN = Custom(
    "[INTERFACE] [IP-ADDRESS[/N]] [bridge|private|vepa]", _ipvlan, "10.9.0.1/24", "a-name-that-is-too-long"
)


def _extra_interfaces(words: list[Word], text: str) -> tuple[int, bool]:
    seconds, every = None, False
    for word in words:
        if word.text == "all":
            every = True
        else:
            seconds = checked(word, values.unsigned, 0, 86400)
    if seconds is None:
        raise Missing(False)
    return seconds, every


GARP_EXTRA_IF = Custom("[all] SECONDS (0 to 86400)", _extra_interfaces, "all 100", "often")


def _smtp_server(words: list[Word], text: str) -> tuple[str, int]:
    host = need(words, 0)
    if not re.fullmatch(r"[A-Za-z0-9_.:-]+", host.text) and not host.text.startswith("<"):
        raise BadWord(host, f"'{host.text}' is neither an address nor a host name")
    return host.text, checked(words[1], values.unsigned, 1, 65535) if len(words) > 1 else 25


SMTP_SERVER = Custom("ADDRESS|HOST [PORT]", _smtp_server, "127.0.0.1 25", "**", 2)

_UMASK = {f"I{right}{who}" for right in "RWX" for who in ("USR", "GRP", "OTH")}


def _umask(words: list[Word], text: str) -> int:
    word = need(words, 0)
    if word.text[:1].isdigit():
        if len(words) > 1:
            raise BadWord(words[1], "one number only")
        return int(checked(word, values.unsigned_any_base, 0, 0o777))
    bits = 0
    for name in " ".join(each.text for each in words).replace("|", " ").split():
        if name not in _UMASK:
            raise BadWord(word, f"'{name}' is not one of IRUSR … IXOTH")
        bits |= {"R": 4, "W": 2, "X": 1}[name[1]] << {"USR": 6, "GRP": 3, "OTH": 0}[name[2:]]
    return bits


UMASK = Custom("NUMBER | BITS joined by |", _umask, "022", "IALL")


def _user(words: list[Word], text: str) -> tuple[str, str]:
    return need(words, 0).text, words[1].text if len(words) > 1 else ""


USER = Custom("USER [GROUP]", _user, "root", None, 2)


def _harmless_user(words: list[Word], text: str) -> tuple[str, str]:
    need(words, 0, False)
    return _user(words, text)


#: The same where a missing user is a complaint only, not the end.
HARMLESS_USER = Custom("USER [GROUP]", _harmless_user, "root", None, 2)


def _one_name(words: list[Word], text: str) -> str:
    name = need(words, 0, False).text
    if len(words) > 1:
        raise BadWord(words[1], f"a name is one word, '{words[1].text}' is too much", f"write {name}_{words[1].text}")
    return name


#: The name of a block that keepalived skips when the name is missing or has blanks.
ONE_NAME = Custom("NAME", _one_name, "VI_1", "VI 1")


def _fifo(words: list[Word], text: str) -> tuple[str, str, str]:
    return need(words, 0, False).text, *(_user(words[1:], text) if len(words) > 1 else ("", ""))


FIFO = Custom("PATH [USER [GROUP]]", _fifo, "/run/vrrp.fifo", "", 3)


def _cpus(words: list[Word], text: str) -> tuple[int, ...]:
    need(words, 0, False)
    return tuple(checked(word, values.signed, 0, 4095) for word in words)


CPUS = Custom("CPU…", _cpus, "0", "first")


def _rx_policy(words: list[Word], text: str) -> str:
    need(words, 0, False)
    policy = ""
    for word in words:
        if word.text.upper() in ("MTU", "ADVERT"):
            if policy and policy != word.text.upper():
                raise BadWord(word, "only one of MTU, ADVERT and a number can hold")
            policy = word.text.upper()
        else:
            policy = str(checked(word, values.unsigned, 0, UINT_MAX))
    return policy


RX_POLICY = Custom("MTU|ADVERT|OCTETS", _rx_policy, "MTU", "plenty")


def _words(words: list[Word], text: str) -> tuple[str, ...]:
    return tuple(word.text for word in words)


#: Any words; what they mean is not looked into.
WORDS = Custom("WORD…", _words, "a b", None)


def _some_words(words: list[Word], text: str) -> tuple[str, ...]:
    need(words, 0, True)
    return _words(words, text)


SOME_WORDS = Custom("WORD…", _some_words, "sshd -D", None)


def _init_file(words: list[Word], text: str) -> tuple[int, bool]:
    value, overwrite = 0, False
    for word in words:
        if word.text == "overwrite":
            overwrite = True
        elif re.match(r"-?[0-9]", word.text):
            value = checked(word, values.signed, -254, 254)
        else:
            raise BadWord(word, f"'{word.text}' is neither a number nor overwrite")
    return value, overwrite


INIT_FILE = Custom("[N] [overwrite]", _init_file, "0 overwrite", "empty", 2)


def _include_check(words: list[Word], text: str) -> tuple[str, ...]:
    for index, word in enumerate(words):
        if word.text.lstrip("+-") not in ("read", "readable", "match", "wildcard_match", "brace_match"):
            raise BadWord(word, f"'{word.text}' is not readable, match, wildcard_match or brace_match")
        if index and word.text[0] not in "+-":
            raise BadWord(word, f"'{word.text}' needs + or -")
    return _words(words, text)


INCLUDE_CHECK = Custom("[[+|-]CHECK…]", _include_check, "match", "perhaps")


def _rt_priority(words: list[Word], text: str) -> int:
    return min(99, max(1, int(checked(need(words, 0, False), values.signed, 1, 99))))


RT_PRIORITY = Custom("N (1 to 99)", _rt_priority, "50", "100", 1)


def _auth_pass(words: list[Word], text: str) -> str:
    return need(words, 0).text


def _hmac_key(words: list[Word], text: str) -> tuple[int, str]:
    number = checked(need(words, 0), values.unsigned, 1, 255)
    secret = need(words, 1)
    if not secret.text.startswith(("hex:", "file:")) and not 32 <= len(secret.text.encode()) <= 64:
        raise BadWord(secret, "a key has 32 to 64 octets", "write hex: and 64 to 128 hexadecimal digits, or file:PATH")
    return number, secret.text


HMAC_KEY = Custom("ID (1 to 255) hex:DIGITS|file:PATH|TEXT", _hmac_key, f"1 hex:{'0f' * 32}", "256 short", 2)
AUTH_PASS = Custom("PASSWORD (8 octets count)", _auth_pass, "s3cret", "longer-than-eight", 1)


def _bfd_hops(words: list[Word], text: str) -> int:
    return int(checked(need(words, 0), values.signed, -1, 255))


BFD_MAX_HOPS = Custom("N (-1 to 255)", _bfd_hops, "1", "256", 1)
LIMIT = INT_MAX
