"""virtual_routes, static_routes, virtual_rules and static_rules as rtnetlink requests, rendered ahead of their use."""

from __future__ import annotations

import struct
import sys
from dataclasses import replace
from typing import Any, Final, TypeVar

from pyroute2.netlink.rtnl import rt_proto, rt_scope, rt_type
from pyroute2.netlink.rtnl.fibmsg import fibmsg
from pyroute2.netlink.rtnl.rtmsg import rtmsg

from vrrpcore.addresses import text
from vrrpcore.errors import ConfigError
from vrrpcore.settings import Nexthop, Route, Rule, Settings

from .route_options import attribute, encapsulation, extended, flow, named, route_attributes, rule_attributes, service

_KEEPALIVED_PROTOCOL: Final = 18  # RTPROT_KEEPALIVED
_TABLES: Final = {"": 254, "main": 254, "local": 255, "default": 253, "unspec": 0}
_ADD, _DELETE = 0x5 | 0x400 | 0x100, 0x5  # request, ack, create, replace
_ONLINK: Final = 4
_RTA_GATEWAY, _RTA_MULTIPATH = 5, 9
_FIRST_RULE: Final = 16384
_Row = TypeVar("_Row", Route, Rule)


def table_number(name: str) -> int:
    """A routing table by number or by its name in rt_tables; ConfigError when nobody knows it."""
    if name in _TABLES:
        return _TABLES[name]
    return named(name, "rt_tables", "routing table")


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
    message["scope"] = _number(route.scope, rt_scope, 0)
    message["tos"] = service(route.tos)
    message["src_len"] = route.from_network[1] if route.from_network is not None else 0
    attributes: list[tuple[str, Any]] = [("RTA_TABLE", table)]
    if route.prefixlen:
        attributes.append(("RTA_DST", text(route.destination)))
    if route.metric is not None:
        attributes.append(("RTA_PRIORITY", route.metric))
    if route.source is not None:
        attributes.append(("RTA_PREFSRC", text(route.source)))
    hops = route.nexthops or ((Nexthop(dev=dev),) if dev and route.kind == "unicast" else ())
    more = route_attributes(route, add=add)
    if len(hops) == 1 and not hops[0].realms and hops[0].encap is None:
        attributes += _hop(hops[0], indexes)
        message["flags"] = _ONLINK if hops[0].onlink else 0
    elif hops:
        more += attribute(_RTA_MULTIPATH, b"".join(_multipath(hop, indexes) for hop in hops))
    message["attrs"] = attributes
    message["header"] = {"type": 24 if add else 25, "flags": _ADD if add else _DELETE, "sequence_number": 0, "pid": 0}
    message.encode()
    return extended(bytes(message.data), more)


def exclusive(message: bytes) -> bytes:
    """A rendered request to add, which now fails with EEXIST where the thing is there already."""
    flags = int.from_bytes(message[6:8], sys.byteorder) & ~0x100 | 0x200
    return message[:6] + flags.to_bytes(2, sys.byteorder) + message[8:]


def route_protocol(route: Route) -> int:
    """The number that the kernel keeps with the route to say whose it is."""
    return _number(route.protocol, rt_proto, _KEEPALIVED_PROTOCOL)


def _multipath(hop: Nexthop, indexes: dict[str, int]) -> bytes:
    """struct rtnexthop (length, flags, weight - 1, interface) and its attributes."""
    if hop.dev and hop.dev not in indexes:
        raise ConfigError(f"route: there is no interface {hop.dev}")
    inner = attribute(_RTA_GATEWAY, hop.via) if hop.via is not None else b""
    inner += flow(hop.realms)
    if hop.encap is not None:
        inner += encapsulation(hop.encap)
    flags = _ONLINK if hop.onlink else 0
    return struct.pack("=HBBi", 8 + len(inner), flags, hop.weight - 1, indexes.get(hop.dev, 0)) + inner


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


def resolvable(settings: Settings) -> tuple[Settings, list[str]]:
    """Without the routes and rules whose names nobody here knows (tables, realms, …), and a line for each of those."""
    lost: list[str] = []

    def known(rows: tuple[_Row, ...], what: str) -> tuple[_Row, ...]:
        found = []
        for each in rows:
            try:
                resolve(each)
                found.append(each)
            except ConfigError as error:
                lost.append(f"{what} {' '.join(each.words)} is left out: {error}")
        return tuple(found)

    instances = tuple(
        replace(
            each,
            routes=known(each.routes, f"({each.name}) route"),
            rules=known(each.rules, f"({each.name}) rule"),
        )
        if each.routes or each.rules
        else each
        for each in settings.instances
    )
    routes, rules = known(settings.routes, "static route"), known(settings.rules, "static rule")
    return replace(settings, instances=instances, routes=routes, rules=rules), lost


def resolve(row: Route | Rule) -> None:
    """ConfigError when it names a table, realm, … that this host does not know."""
    table_number(row.table)
    service(row.tos)
    if isinstance(row, Rule):
        rule_attributes(row)
    else:
        route_attributes(row, add=True)
        for hop in row.nexthops:
            _multipath(replace(hop, dev=""), {})


def render_rule(rule: Rule, *, add: bool) -> bytes:
    """The request for one policy rule."""
    actions = {"table": 1, "goto": 2, "nop": 3, "blackhole": 6, "unreachable": 7, "prohibit": 8}
    message = fibmsg()
    message["family"] = 2 if rule.family == 4 else 10
    message["action"] = actions[rule.action]
    table = table_number(rule.table) if rule.action == "table" and not rule.l3mdev else 0
    message["table"] = table if table < 256 else 0
    message["flags"] = 2 if rule.invert else 0  # FIB_RULE_INVERT
    message["tos"] = service(rule.tos)
    attributes: list[tuple[str, Any]] = [("FRA_TABLE", table)] if table else []
    if add:
        attributes.append(("FRA_PROTOCOL", rule_protocol(rule)))
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
    return extended(bytes(message.data), rule_attributes(rule))


def rule_protocol(rule: Rule) -> int:
    """The number that the kernel keeps with the rule to say whose it is."""
    return _KEEPALIVED_PROTOCOL if rule.protocol is None else rule.protocol
