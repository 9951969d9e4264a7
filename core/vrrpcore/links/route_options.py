"""What a route or rule may say beyond destination and next hops, as rtnetlink attributes (linux/rtnetlink.h).

Encoded here and not by pyroute2, whose tables lack some of them (ttl-propagate, fastopen_no_cookie, encapsulation of
the kinds that keepalived.conf knows).
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Final

from vrrpcore.errors import ConfigError
from vrrpcore.settings import Encap, Route, Rule

_DIRECTORIES: Final = ("/etc/iproute2", "/usr/share/iproute2", "/usr/lib/iproute2")
_RTA_METRICS, _RTA_PREF, _RTA_ENCAP_TYPE, _RTA_ENCAP, _RTA_EXPIRES, _RTA_TTL = 8, 20, 21, 22, 23, 26
_FLOW: Final = 11  # RTA_FLOW and FRA_FLOW
_NESTED: Final = 0x8000
_LOCK, _CONGCTL = 1, 16
#: RTAX_*: metrics by their words.
METRICS: Final = {
    "mtu": 2,
    "window": 3,
    "rtt": 4,
    "rttvar": 5,
    "ssthresh": 6,
    "cwnd": 7,
    "advmss": 8,
    "reordering": 9,
    "hoplimit": 10,
    "initcwnd": 11,
    "features": 12,
    "rto_min": 13,
    "initrwnd": 14,
    "quickack": 15,
    "congctl": _CONGCTL,
    "fastopen_no_cookie": 17,
}
_ENCAPS: Final = {"mpls": 1, "ip": 2, "ip6": 4}
#: FRA_*: number and how it is packed.
_RULE: Final = {
    "tunnel_id": (12, ">Q"),
    "suppress_prefixlength": (14, "=I"),
    "ip_protocol": (22, "=B"),
}
_RULE_RANGES: Final = {"users": (20, "=II"), "source_ports": (23, "=HH"), "destination_ports": (24, "=HH")}
_FRA_SUPPRESS_GROUP, _FRA_L3MDEV = 13, 19


def named(word: str, file: str, what: str, most: int = 0xFFFFFFFF) -> int:
    """A number, or a name from one of iproute2's files; ConfigError when nobody knows it."""
    number = _number(word)
    if number is not None:
        if number > most:
            raise ConfigError(f"{what} {word}: more than {most}")
        return number
    for directory in _DIRECTORIES:
        try:
            lines = Path(directory, file).read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            continue
        for line in lines:
            words = line.split("#")[0].split()
            if len(words) == 2 and words[1] == word and (number := _number(words[0])) is not None:
                return number
    raise ConfigError(f"{what} {word}: not a number and not in {file}")


def _number(word: str) -> int | None:
    try:
        return int(word, 16) if word[:2].lower() == "0x" else int(word) if word.isascii() and word.isdigit() else None
    except ValueError:
        return None


def flow(realms: str) -> bytes:
    """The attribute for TO or FROM/TO, of a route, a next hop or a rule; nothing for "". ConfigError: unknown name."""
    if not realms:
        return b""
    *sources, target = (named(each, "rt_realms", "realm", 0xFFFF) for each in realms.split("/", 1))
    return attribute(_FLOW, struct.pack("=I", sum(sources) << 16 | target))


def service(word: str) -> int:
    """A type of service by number or by its name in rt_dsfield; ConfigError when nobody knows it."""
    return named(word, "rt_dsfield", "tos", 255) if word else 0


def attribute(number: int, payload: bytes) -> bytes:
    """One netlink attribute, padded."""
    return struct.pack("=HH", 4 + len(payload), number) + payload + bytes(-len(payload) % 4)


def extended(message: bytes, attributes: bytes) -> bytes:
    """A rendered request with more attributes behind."""
    return struct.pack("=I", len(message) + len(attributes)) + message[4:] + attributes


def route_attributes(route: Route, *, add: bool) -> bytes:
    """All that finds a route again is told in both cases, the rest only when it is added."""
    found = b""
    if route.from_network is not None:
        found += attribute(2, route.from_network[0])
    if not add:
        return found
    found += _metrics(route)
    found += flow(route.realms)
    if route.pref is not None:
        found += attribute(_RTA_PREF, bytes((route.pref,)))
    if route.expires_seconds is not None:
        found += attribute(_RTA_EXPIRES, struct.pack("=I", route.expires_seconds))
    if route.ttl_propagate is not None:
        found += attribute(_RTA_TTL, bytes((route.ttl_propagate,)))
    return found + (encapsulation(route.encap) if route.encap else b"")


def _metrics(route: Route) -> bytes:
    rows = [attribute(METRICS[name], struct.pack("=I", value)) for name, value in route.metrics]
    if route.congctl:
        rows.append(attribute(_CONGCTL, route.congctl.encode() + b"\0"))
    locked = sum(1 << METRICS[name] for name in route.locked)
    if locked:
        rows.append(attribute(_LOCK, struct.pack("=I", locked)))
    return attribute(_RTA_METRICS, b"".join(rows)) if rows else b""


def encapsulation(encap: Encap) -> bytes:
    """RTA_ENCAP_TYPE and RTA_ENCAP; ConfigError for a kind that is not supported here."""
    if encap.kind not in _ENCAPS:
        raise ConfigError(f"encap {encap.kind} is not supported here")
    if encap.kind == "mpls":
        last = len(encap.labels) - 1
        rows = attribute(
            1, b"".join(struct.pack(">I", each << 12 | (n == last) << 8) for n, each in enumerate(encap.labels))
        )
    else:
        given: list[tuple[int, str, int | None]] = [
            (1, ">Q", encap.id),
            (4, "=B", encap.ttl),
            (5, "=B", encap.tos),
            (6, ">H", encap.flags),
        ]
        rows = b"".join(attribute(number, struct.pack(code, each)) for number, code, each in given if each is not None)
        ends = ((2, encap.destination), (3, encap.source))
        rows += b"".join(attribute(number, each) for number, each in ends if each is not None)
    kind = attribute(_RTA_ENCAP_TYPE, struct.pack("=H", _ENCAPS[encap.kind]))
    return kind + attribute(_RTA_ENCAP | _NESTED, rows)


def rule_attributes(rule: Rule) -> bytes:
    """All of them find the rule again."""
    found = b""
    for name, (number, code) in _RULE.items():
        value = getattr(rule, name)
        if value is not None:
            found += attribute(number, struct.pack(code, value))
    for name, (number, code) in _RULE_RANGES.items():
        pair = getattr(rule, name)
        if pair is not None:
            found += attribute(number, struct.pack(code, *pair))
    found += flow(rule.realms)
    if rule.suppress_group:
        found += attribute(_FRA_SUPPRESS_GROUP, struct.pack("=I", named(rule.suppress_group, "group", "group")))
    if rule.l3mdev:
        found += attribute(_FRA_L3MDEV, b"\1")
    return found
