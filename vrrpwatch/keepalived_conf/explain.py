"""`config explain KEYWORD`: what a keyword does, straight from the tables."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches

from vrrpwatch.keepalived_conf.effect import why_without_effect
from vrrpwatch.keepalived_conf.table import Keyword, Level
from vrrpwatch.keepalived_conf.tables import ROOT
from vrrpwatch.keepalived_conf.tables.top import FORMER, FORMER_ANYWHERE

#: What the lines of value blocks look like.
VALUE_SYNTAX = {
    "address": (
        "IP-ADDRESS[/LENGTH] [brd IP|+|-] [dev INTERFACE] [use_vmac] [scope SCOPE] [label LABEL] [peer IP] [home]"
        " [-nodad] [mngtmpaddr] [noprefixroute] [autojoin] [no_track] [preferred_lft SECONDS|forever]"
    ),
    "excluded": "as in virtual_ipaddress, of either address family",
    "static_address": "as in virtual_ipaddress, and [track_group NAME]",
    "route": (
        "[KIND] NETWORK [via IP] [dev INTERFACE] [src IP] [table NAME] [metric N] [scope SCOPE] [no_track] … [nexthop"
        " via IP dev INTERFACE weight N …]"
    ),
    "static_route": "as in virtual_routes, and [track_group NAME]",
    "rule": (
        "[not] [from NETWORK] [to NETWORK] [iif INTERFACE] [oif INTERFACE] [fwmark N[/MASK]] table NAME preference N"
    ),
    "static_rule": "as in virtual_rules, and [track_group NAME]",
    "peer": "IP-ADDRESS [min_ttl N] [max_ttl N]",
    "track_interface": "INTERFACE [weight N [reverse]]",
    "track_script": "NAME [weight N [reverse|noreverse]]",
    "track_file": "NAME [weight N [reverse|noreverse]]",
    "track_process": "NAME [weight N [reverse|noreverse]]",
    "track_bfd": "NAME [weight N [reverse|noreverse]]",
    "members": "NAME…",
    "interfaces": "INTERFACE…",
    "email": "MAIL-ADDRESS…",
    "linkbeat": "INTERFACE [MII|ETHTOOL|IOCTL]",
    "delays": "INTERFACE DOWN-SECONDS [UP-SECONDS]",
    "server_group": "IP-ADDRESS[-END|/LENGTH] [PORT], or fwmark N [inet|inet6]",
}


def occurrences(name: str) -> Iterator[tuple[str, Keyword]]:
    """Every place where a keyword is known: the names of the blocks around it, and its row."""
    pending: list[tuple[str, Level]] = [("", ROOT)]
    while pending:
        path, level = pending.pop(0)
        for row in level.rows:
            if row.name == name:
                yield path or "top level", row
            if row.level is not None:
                pending.append((f"{path} > {row.name}" if path else row.name, row.level))


def all_names() -> list[str]:
    """Every keyword once, sorted."""
    names: set[str] = set()
    pending = [ROOT]
    while pending:
        for row in pending.pop().rows:
            names.add(row.name)
            if row.level is not None:
                pending.append(row.level)
    return sorted(names)


def explain(name: str) -> str | None:
    """The explanation of a keyword as text; None when nobody knows it."""
    found = list(occurrences(name))
    if not found:
        return _former(name)
    groups: dict[tuple[object, ...], list[str]] = {}
    rows: dict[tuple[object, ...], Keyword] = {}
    for path, row in found:
        key = (row.summary, row.shape.syntax, row.default, row.values)
        groups.setdefault(key, []).append(path)
        rows.setdefault(key, row)
    return "\n\n".join(_one(rows[key], paths) for key, paths in groups.items()) + "\n"


def _one(row: Keyword, paths: list[str]) -> str:
    lines = [f"{row.name} {row.shape.syntax}".rstrip() + (" { … }" if row.is_block else "")]
    lines.append(f"    {row.summary}")
    lines.append(f"    in: {'; '.join(paths)}")
    if row.values:
        lines.append(f"    each line: {VALUE_SYNTAX[row.values]}")
    if row.level is not None:
        lines.append(f"    keywords: {', '.join(row.level.names())}")
    if row.default:
        lines.append(f"    default: {row.default}")
    if row.since:
        lines.append(f"    since: keepalived {row.since}")
    if row.deprecated:
        lines.append(f"    deprecated: write {row.deprecated}")
    why = why_without_effect("the top level" if paths[0] == "top level" else paths[0].rpartition(" > ")[2], row)
    if why:
        lines.append(f"    accepted, but without effect in vrrpwatch run: {why}")
    accepted, _ = row.shape.samples()
    if accepted is not None and not row.is_block:
        lines.append(f"    example: {row.name} {accepted}".rstrip())
    return "\n".join(lines)


def _former(name: str) -> str | None:
    advice = FORMER_ANYWHERE.get(name) or next((text for (_, each), text in FORMER.items() if each == name), None)
    return f"{name}\n    keepalived has no such keyword (any more): {advice}\n" if advice else None


def suggestions(name: str) -> list[str]:
    """Keywords with similar names."""
    return get_close_matches(name[:60], all_names(), 3, 0.6)
