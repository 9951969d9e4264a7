"""virtual_routes, static_routes, virtual_rules and static_rules as rtnetlink requests, rendered ahead of their use."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from pyroute2.netlink.rtnl import rt_proto, rt_scope, rt_type
from pyroute2.netlink.rtnl.fibmsg import fibmsg
from pyroute2.netlink.rtnl.rtmsg import rtmsg

from vrrpcore.addresses import text
from vrrpcore.errors import ConfigError
from vrrpcore.settings import Nexthop, Route, Rule, Settings

_KEEPALIVED_PROTOCOL: Final = 18  # RTPROT_KEEPALIVED
_TABLES: Final = {"": 254, "main": 254, "local": 255, "default": 253, "unspec": 0}
_ADD, _DELETE = 0x5 | 0x400 | 0x100, 0x5  # request, ack, create, replace
_ONLINK: Final = 4
_FIRST_RULE: Final = 16384


def table_number(
    name: str, files: tuple[str, ...] = ("/etc/iproute2/rt_tables", "/usr/share/iproute2/rt_tables")
) -> int:
    """A routing table by number or by its name in rt_tables; ConfigError when nobody knows it."""
    if name in _TABLES:
        return _TABLES[name]
    if name.isdigit():
        return int(name)
    for file in files:
        try:
            lines = Path(file).read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            continue
        for line in lines:
            words = line.split("#")[0].split()
            if len(words) == 2 and words[1] == name and words[0].isdigit():
                return int(words[0])
    raise ConfigError(f"routing table {name}: not a number and not in rt_tables")


def _hop(hop: Nexthop, indexes: dict[str, int]) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    if hop.via is not None:
        found.append(("RTA_GATEWAY", text(hop.via)))
    if hop.dev:
        if hop.dev not in indexes:
            raise ConfigError(f"route: there is no interface {hop.dev}")
        found.append(("RTA_OIF", indexes[hop.dev]))
    return found


def render_route(route: Route, indexes: dict[str, int], *, add: bool, dev: str = "") -> bytes:
    """The request for one route; `indexes`: interface name -> index; `dev`: for a route without hop and device."""
    message = rtmsg()
    message["family"] = 2 if route.family == 4 else 10
    message["dst_len"] = route.prefixlen
    table = table_number(route.table)
    message["table"] = table if table < 256 else 0
    message["type"] = rt_type.get(route.kind, 1)
    message["proto"] = route_protocol(route) if add else 0
    linked = not any(hop.via for hop in route.nexthops) and route.kind == "unicast" and route.family == 4
    message["scope"] = _number(route.scope, rt_scope, 253 if linked else 0)
    message["tos"] = int(route.tos, 0) if route.tos and route.tos[0].isdigit() else 0
    attributes: list[tuple[str, Any]] = [("RTA_TABLE", table)]
    if route.prefixlen:
        attributes.append(("RTA_DST", text(route.destination)))
    if route.metric is not None:
        attributes.append(("RTA_PRIORITY", route.metric))
    if route.source is not None:
        attributes.append(("RTA_PREFSRC", text(route.source)))
    hops = route.nexthops or ((Nexthop(dev=dev),) if dev and route.kind == "unicast" else ())
    if len(hops) == 1:
        attributes += _hop(hops[0], indexes)
        message["flags"] = _ONLINK if hops[0].onlink else 0
    elif hops:
        attributes.append(("RTA_MULTIPATH", [_multipath(hop, indexes) for hop in hops]))
    if route.mtu is not None:
        metrics = [("RTAX_MTU", route.mtu)]
        attributes.append(("RTA_METRICS", {"attrs": metrics}))
    message["attrs"] = attributes
    message["header"] = {"type": 24 if add else 25, "flags": _ADD if add else _DELETE, "sequence_number": 0, "pid": 0}
    message.encode()
    return bytes(message.data)


def exclusive(message: bytes) -> bytes:
    """A rendered request to add, which now fails with EEXIST where the thing is there already."""
    flags = int.from_bytes(message[6:8], sys.byteorder) & ~0x100 | 0x200
    return message[:6] + flags.to_bytes(2, sys.byteorder) + message[8:]


def route_protocol(route: Route) -> int:
    """The number that the kernel keeps with the route to say whose it is."""
    return _number(route.protocol, rt_proto, _KEEPALIVED_PROTOCOL)


def _multipath(hop: Nexthop, indexes: dict[str, int]) -> dict[str, Any]:
    attributes = [each for each in _hop(hop, indexes) if each[0] != "RTA_OIF"]
    return {
        "oif": indexes.get(hop.dev, 0),
        "hops": hop.weight - 1,
        "flags": _ONLINK if hop.onlink else 0,
        "attrs": attributes,
    }


def _number(word: str, names: dict[str, int], default: int) -> int:
    if not word:
        return default
    return int(word) if word.isdigit() else int(names.get(word, default))


def number_rules(settings: Settings) -> Settings:
    """Give rules without a preference keepalived's: 16384 and downwards by family, static ones first."""
    following = {4: _FIRST_RULE, 6: _FIRST_RULE}

    def numbered(rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
        found = []
        for rule in rules:
            if rule.priority is None:
                rule, following[rule.family] = (
                    replace(rule, priority=following[rule.family]),
                    following[rule.family] - 1,
                )
            found.append(rule)
        return tuple(found)

    static = numbered(settings.rules)
    instances = tuple(replace(each, rules=numbered(each.rules)) if each.rules else each for each in settings.instances)
    return replace(settings, rules=static, instances=instances)


def render_rule(rule: Rule, *, add: bool) -> bytes:
    """The request for one policy rule."""
    actions = {"table": 1, "goto": 2, "nop": 3, "blackhole": 6, "unreachable": 7, "prohibit": 8}
    message = fibmsg()
    message["family"] = 2 if rule.family == 4 else 10
    message["action"] = actions[rule.action]
    table = table_number(rule.table) if rule.action == "table" else 0
    message["table"] = table if table < 256 else 0
    message["flags"] = 2 if rule.invert else 0  # FIB_RULE_INVERT
    attributes: list[tuple[str, Any]] = [("FRA_TABLE", table)] if table else []
    if add:
        attributes.append(("FRA_PROTOCOL", _KEEPALIVED_PROTOCOL))
    for name, network, field in (("FRA_SRC", rule.source, "src_len"), ("FRA_DST", rule.destination, "dst_len")):
        if network is not None:
            message[field] = network[1]
            attributes.append((name, text(network[0])))
    for name, value in (("FRA_PRIORITY", rule.priority), ("FRA_FWMARK", rule.fwmark), ("FRA_FWMASK", rule.fwmask)):
        if value is not None:
            attributes.append((name, value))
    for name, word in (("FRA_IIFNAME", rule.iif), ("FRA_OIFNAME", rule.oif)):
        if word:
            attributes.append((name, word))
    if rule.goto is not None:
        attributes.append(("FRA_GOTO", rule.goto))
    message["attrs"] = attributes
    bits = 0x5 | 0x400 | 0x200 if add else 0x5  # rules: exclusive, so that a reload does not double them
    message["header"] = {"type": 32 if add else 33, "flags": bits, "sequence_number": 0, "pid": 0}
    message.encode()
    return bytes(message.data)
