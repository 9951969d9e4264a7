"""Shapes of what belongs to IPVS and its health checks."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from vrrpcore.settings import Forwarding, LvsSyncDaemon
from vrrpwatch.keepalived_conf import values
from vrrpwatch.keepalived_conf.table import BadWord, Custom, Missing, checked, need
from vrrpwatch.keepalived_conf.values import UINT_MAX
from vrrpwatch.keepalived_conf.words import Word


def _forwarding(words: list[Word], text: str) -> Forwarding:
    method = need(words, 0)
    if method.text not in ("NAT", "DR", "TUN"):
        fix = f"write {method.text.upper()}" if method.text.upper() in ("NAT", "DR", "TUN") else ""
        raise BadWord(method, f"'{method.text}' is not NAT, DR or TUN", fix)
    tunnel, port, checksum, at = "ipip", None, "nocsum", 1
    while at < len(words):
        word = words[at]
        if word.text == "type":
            tunnel_word = need(words, at + 1, False)
            if tunnel_word.text not in ("ipip", "gue", "gre"):
                raise BadWord(tunnel_word, f"'{tunnel_word.text}' is not ipip, gue or gre")
            tunnel, at = tunnel_word.text, at + 2
        elif word.text == "port":
            port, at = checked(need(words, at + 1, False), values.unsigned, 1, 65535), at + 2
        elif word.text in ("nocsum", "csum", "remcsum"):
            checksum, at = word.text, at + 1
        else:
            raise BadWord(word, f"'{word.text}' is no option of a tunnel")
    if (tunnel == "gue") != (port is not None):
        raise BadWord(method, "a gue tunnel needs a port, and only a gue tunnel")
    if (tunnel == "ipip" and checksum != "nocsum") or (tunnel == "gre" and checksum == "remcsum"):
        raise BadWord(method, f"{tunnel} tunnels do not support {checksum}")
    return Forwarding(method.text, tunnel, port, checksum)


LVS_METHOD = Custom("NAT|DR|TUN [type {ipip|gue port PORT|gre}] [nocsum|csum|remcsum]", _forwarding, "NAT", "dr")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """ADDRESS [PORT], `fwmark N` or `group NAME`; port 0 = not given."""

    address: bytes | None = None
    port: int = 0
    fwmark: int | None = None
    group: str = ""


def _port(words: list[Word], index: int) -> int:
    if index >= len(words) or not words[index].text.strip("0"):
        return 0
    port: int = checked(words[index], values.unsigned, 1, 65535)
    return port


def _server(words: list[Word], text: str) -> Endpoint:
    return Endpoint(checked(need(words, 0), values.socket_address), _port(words, 1))


def _virtual_server(words: list[Word], text: str) -> Endpoint:
    first = need(words, 0)
    if first.text == "group":
        return Endpoint(group=need(words, 1, False).text)
    if first.text == "fwmark":
        return Endpoint(fwmark=checked(need(words, 1, False), values.unsigned, 0, UINT_MAX))
    return _server(words, text)


SERVER = Custom("IP-ADDRESS [PORT]", _server, "10.9.0.9 80", "server.example 80", 2)
VIRTUAL_SERVER = Custom(
    "IP-ADDRESS [PORT] | fwmark N | group NAME", _virtual_server, "10.9.0.100 80", "www.example 80", 2
)


def _timeouts(words: list[Word], text: str) -> tuple[tuple[str, int], ...]:
    if len(words) < 2:
        raise Missing(False)
    found: list[tuple[str, int]] = []
    for at in range(0, len(words), 2):
        if words[at].text not in ("tcp", "tcpfin", "udp"):
            raise BadWord(words[at], f"'{words[at].text}' is not tcp, tcpfin or udp")
        found.append((words[at].text, checked(need(words, at + 1, False), values.unsigned, 0, 86400 * 31)))
    return tuple(found)


LVS_TIMEOUTS = Custom("[tcp SECONDS] [tcpfin SECONDS] [udp SECONDS]", _timeouts, "tcp 900 udp 300", "icmp 5")


def _sync_daemon(words: list[Word], text: str) -> LvsSyncDaemon:
    name = need(words, 0, False)
    if len(name.text) > 15:
        raise BadWord(name, f"interface name '{name.text}' is longer than 15 characters")
    known = {
        "inst": "instance",
        "id": "sync_id",
        "maxlen": "max_length",
        "port": "port",
        "ttl": "ttl",
        "group": "group",
    }
    limits = {"id": (0, 255), "maxlen": (1, 65507), "port": (1, 65535), "ttl": (1, 255)}
    found: dict[str, Any] = {}
    at = 1
    while at < len(words):
        option = words[at].text
        if option not in known:
            if at == 1:
                found["instance"], at = option, 2
                continue
            raise BadWord(words[at], f"'{option}' is no option of lvs_sync_daemon")
        value = need(words, at + 1, False)
        if option in limits:
            found[known[option]] = checked(value, values.unsigned, *limits[option])
        elif option == "group":
            found["group"] = checked(value, values.socket_address)
            if not values.is_multicast(found["group"]):
                raise BadWord(value, f"{value.text} is not a multicast address")
        else:
            found["instance"] = value.text
        at += 2
    return LvsSyncDaemon(name.text, **found)


LVS_SYNC_DAEMON = Custom(
    "INTERFACE [[inst] INSTANCE] [id N] [maxlen N] [port N] [ttl N] [group IP-ADDRESS]",
    _sync_daemon,
    "eth0 id 51",
    "eth0 inst VI_1 id 300",
)


def _status_codes(words: list[Word], text: str) -> tuple[tuple[int, int], ...]:
    found = []
    for word in words:
        match = re.fullmatch(r"([0-9]{1,4})(?:-([0-9]{1,4}))?", word.text)
        low, high = (int(match.group(1)), int(match.group(2) or match.group(1))) if match else (0, 0)
        if not 100 <= low <= high <= 599:
            raise BadWord(word, f"'{word.text}' is no HTTP status or range of 100 to 599")
        found.append((low, high))
    return tuple(found)


STATUS_CODES = Custom("CODE|LOW-HIGH…", _status_codes, "200-299 301", "600")


def _digest(words: list[Word], text: str) -> str:
    word = need(words, 0)
    if not re.fullmatch(r"[0-9A-Fa-f]{32}", word.text):
        raise BadWord(word, f"an MD5 digest has 32 hexadecimal digits, '{word.text}' has not")
    return word.text


DIGEST = Custom("32-HEX-DIGITS", _digest, "9b3a0c85a887a256d6939da88aabd8cd", "9b3a", 1)


def hex_string(wildcards: bool) -> Custom:
    """Octets in hexadecimal with blanks; in a reply x stands for any digit."""
    digits = "[0-9A-Fa-fxX \t]+" if wildcards else "[0-9A-Fa-f \t]+"

    def read(words: list[Word], text: str) -> str:
        joined = " ".join(word.text for word in words)
        if not words and wildcards:
            return ""
        need(words, 0, False)
        if not re.fullmatch(digits, joined):
            raise BadWord(words[0], f"'{joined}' is not hexadecimal")
        return joined

    return Custom("[HEX…]" if wildcards else "HEX…", read, "ab cd", "zz")


def _dns_name(words: list[Word], text: str) -> str:
    word = need(words, 0)
    if ".." in word.text or (word.text.startswith(".") and word.text != "."):
        raise BadWord(word, f"'{word.text}' has an empty label")
    return word.text


DNS_NAME = Custom("DOMAIN", _dns_name, "example.org", "a..b", 1)


def _granularity(words: list[Word], text: str) -> int:
    word = need(words, 0)
    if "." in word.text:
        packed: bytes = checked(word, values.address)
        return int.from_bytes(packed).bit_count()
    return int(checked(word, values.unsigned, 1, 128))


GRANULARITY = Custom("NETMASK|PREFIX-LENGTH", _granularity, "255.255.255.0", "wide", 1)
