"""What must exist, held against what was heard: a mismatch is a verdict with file and line. Pure.

Expectations come from a keepalived.conf (`from_settings`) or from vrrpwatch.toml (`Expected` values of its own). A
router that is expected and not heard while the sensor hears other frames has no master; what is heard and differs is
a `misconfig`, as is a speaker that is not among the members.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from ..addresses import text
from ..settings import Instance, Settings
from ..verdict import FAMILY_NAMES, RANK, Episode, Finding, Judgement, MasterRow, RouterVerdict, Worst

UNEXPECTED_SOURCE: Final = "unexpected_source"


@dataclass(frozen=True, slots=True)
class Expected:
    """One virtual router that must exist; empty or None fields expect nothing."""

    vrid: int
    family: int = 4
    segment: str = ""
    addresses: tuple[str, ...] = ()
    version: int | None = None
    interval: float | None = None  # seconds
    auth: str | None = None  # none, pass, ah
    auth_data: bytes | None = None
    priorities: Mapping[str, int] = field(default_factory=dict)  # source -> priority
    members: tuple[str, ...] = ()  # sources that may speak; empty: anyone
    where: Mapping[str, str] = field(default_factory=dict)  # field -> file:line; "" -> the whole

    def origin(self, name: str) -> str:
        """Where a field is written, as `file:line`."""
        return self.where.get(name) or self.where.get("", "")


def from_settings(settings: Settings) -> list[Expected]:
    """Every vrrp_instance of a keepalived.conf as an expectation."""
    return [_from_instance(instance) for instance in settings.instances]


def _from_instance(instance: Instance) -> Expected:
    own = text(instance.source_address) if instance.source_address is not None else ""
    peers = [text(peer.address) for peer in instance.unicast_peers]
    members = (own, *peers) if own and peers else ()
    keywords = {
        "addresses": "virtual_ipaddress",
        "version": "version",
        "interval": "advert_int",
        "auth": "authentication",
        "priority": "priority",
        "members": "unicast_peer",
        "vrid": "virtual_router_id",
    }
    where = {name: str(instance.where(keyword)) for name, keyword in keywords.items()}
    where[""] = str(instance.origin)
    return Expected(
        vrid=instance.vrid,
        family=instance.family,
        addresses=tuple(text(a.address) for a in instance.addresses),
        version=instance.version,
        interval=instance.advert_interval_seconds,
        auth=instance.auth_type if instance.version == 2 else None,
        auth_data=instance.auth_data if instance.auth_type == "pass" else None,
        priorities={own: instance.priority} if own else {},
        members=members,
        where=where,
    )


def hold(judgement: Judgement, expected: Sequence[Expected], *, hearing: bool) -> Judgement:
    """The judgement with every mismatch added; `hearing`: the sensor received frames, so silence proves something."""
    routers = list(judgement.routers)
    for wish in expected:
        family = FAMILY_NAMES[wish.family]
        found = [
            i
            for i, row in enumerate(routers)
            if row.vrid == wish.vrid and row.family == family and wish.segment in ("", row.segment)
        ]
        # The same VRID may be used on several segments: those that carry one of the addresses are meant.
        same = [i for i in found if set(routers[i].vips) & set(wish.addresses)] or found
        if not same and hearing:
            routers.append(_missing(judgement, wish))
        for index in same:
            routers[index] = _compare(judgement, routers[index], wish)
    rows = tuple(routers)
    return replace(judgement, routers=rows, worst=_worst(judgement, rows))


def _worst(judgement: Judgement, rows: tuple[RouterVerdict, ...]) -> Worst:
    best = judgement.worst
    for row in rows:
        if RANK[row.worst.cls] < RANK[best.cls] or best.cls == "unknown":
            best = Worst(row.worst.cls, row.worst.cause, row.vrid, row.family, row.segment)
    return best


def _missing(judgement: Judgement, wish: Expected) -> RouterVerdict:
    start, end = judgement.start or 0.0, judgement.end or judgement.start or 0.0
    sentence = (
        f"{wish.origin('vrid') or 'the expectation'} wants VRID {wish.vrid}, and no advert of it was heard in "
        f"{end - start:.1f} s, while other frames were"
    )
    lost = Finding("no_master", "master_lost")
    missing = _episode(judgement, wish, "no_master", "master_lost", sentence, ())
    family = FAMILY_NAMES[wish.family]
    return RouterVerdict(wish.segment, family, wish.vrid, wish.addresses, lost, lost, (), (missing,))


def _episode(
    judgement: Judgement, wish: Expected, cls: str, cause: str, sentence: str, blamed: tuple[str, ...]
) -> Episode:
    start, end = judgement.start or 0.0, judgement.end or judgement.start or 0.0
    where = wish.origin("vrid") or wish.origin("")
    return Episode(
        id=f"expected-{wish.family}-{wish.vrid}-{cause}-{'-'.join(blamed)}",
        cls=cls,
        cause=cause,
        confidence="proved",
        candidates=(),
        start=start,
        suspected=None,
        confirmed=end,
        end=None,
        seconds=max(0.0, end - start),
        masters=blamed,
        blamed=blamed,
        evidence=(sentence,),
        remedy=f"make the wire and the expectation agree ({where})" if where else "make the wire and the file agree",
    )


def _compare(judgement: Judgement, row: RouterVerdict, wish: Expected) -> RouterVerdict:
    """One router held against one expectation."""
    episodes = list(row.episodes)
    kinds = set(row.mismatches)
    for master in row.masters:
        if master.claim not in ("live", "suppressed"):
            continue
        for cause, sentence in _differences(row, master, wish):
            kinds.add(cause)
            episodes.append(_episode(judgement, wish, "misconfig", cause, sentence, (master.source,)))
    added = episodes[len(row.episodes) :]
    if not added:
        return row
    finding = Finding("misconfig", added[0].cause)
    worst = row.worst if RANK[row.worst.cls] <= RANK["misconfig"] else finding
    now = row.now if RANK[row.now.cls] <= RANK["misconfig"] else finding
    return replace(row, episodes=tuple(episodes), worst=worst, now=now, mismatches=tuple(sorted(kinds)))


def _differences(row: RouterVerdict, master: MasterRow, wish: Expected) -> Iterable[tuple[str, str]]:
    """(cause, sentence) for each field of a live master that is not as expected."""

    def say(name: str, wanted: object, heard: object) -> str:
        return f"{wish.origin(name) or 'the expectation'} wants {wanted}, {master.source} advertises {heard}"

    if wish.members and master.source not in wish.members:
        names = ", ".join(wish.members)
        yield UNEXPECTED_SOURCE, say("members", f"only {names} to speak", f"VRID {row.vrid} all the same")
    if wish.version is not None and master.version != wish.version:
        yield "version_mismatch", say("version", f"VRRP version {wish.version}", f"version {master.version}")
    if wish.interval is not None and abs(master.advert_interval - wish.interval) > 1e-6:
        yield "advert_int_mismatch", say("interval", f"advert_int {wish.interval:g} s", f"{master.advert_interval:g} s")
    if wish.auth is not None and master.auth != wish.auth:
        yield "auth_type_mismatch", say("auth", f"authentication {wish.auth}", master.auth)
    elif wish.auth_data is not None and master.auth_data[:8].rstrip(b"\0") != wish.auth_data[:8].rstrip(b"\0"):
        yield "auth_data_mismatch", say("auth", "its auth_pass", "another one")
    if wish.addresses and set(wish.addresses) != set(row.vips):
        yield "vip_list_mismatch", say("addresses", ", ".join(wish.addresses), ", ".join(row.vips) or "none")
    priority = wish.priorities.get(master.source)
    if priority is not None and master.priority != priority:
        yield "priority_mismatch", say("priority", f"priority {priority}", f"priority {master.priority}")
