"""The judgement as values: what the judge returns and every way out (text, JSON, plugin line, metrics) renders.

The words, their order and the JSON shape are a contract with users; times are epoch seconds of the packets.
"""

from __future__ import annotations

from dataclasses import field, fields
from operator import attrgetter
from typing import Any, Final

from vrrpcore.values import value

#: verdict class -> plugin state; in the order of badness, worst first.
CLASS_STATE: Final[dict[str, str]] = {
    "split_brain": "CRITICAL",
    "residual_vip": "CRITICAL",
    "duplicate_ip": "CRITICAL",
    "vrid_collision": "CRITICAL",
    "no_master": "CRITICAL",
    "split_brain_suspected": "WARNING",
    "transient_dual_master": "WARNING",
    "flapping": "WARNING",
    "arp_flux": "WARNING",
    "misconfig": "WARNING",
    "handover": "OK",
    "steady": "OK",
    "unknown": "UNKNOWN",
}
CLASSES: Final = tuple(CLASS_STATE)
RANK: Final = {name: rank for rank, name in enumerate(CLASSES)}  # 0 is the worst
EXIT_CODES: Final = {"OK": 0, "WARNING": 1, "CRITICAL": 2, "UNKNOWN": 3}
FAMILY_NAMES: Final = {4: "ipv4", 6: "ipv6"}


@value
class Finding:
    """A class and its cause (None when all is well)."""

    cls: str
    cause: str | None = None

    def as_json(self) -> dict[str, Any]:
        return {"class": self.cls, "cause": self.cause}


@value
class MasterRow:
    """One claimant of a virtual router in the window."""

    source: str
    mac: str
    priority: int
    version: int
    advert_interval: float
    auth: str  # none, pass, ah, or the number
    adverts: int
    first: float
    last: float
    claim: str  # live, suppressed, resigned, yielded, lapsed
    auth_data: bytes = field(default=b"", repr=False)  # for expectations; a secret, never written out

    def as_json(self) -> dict[str, Any]:
        return dict(zip(_MASTER, _master(self), strict=True))


_MASTER: Final = tuple(each.name for each in fields(MasterRow) if each.name != "auth_data")
_master: Final = attrgetter(*_MASTER)


@value
class Episode:
    """A stretch of time in which something other than steady was so; open while `end` is None."""

    id: str
    cls: str
    cause: str | None
    confidence: str  # proved, likely, possible
    candidates: tuple[str, ...]
    start: float
    suspected: float | None
    confirmed: float | None
    end: float | None
    seconds: float
    masters: tuple[str, ...]
    blamed: tuple[str, ...]
    evidence: tuple[str, ...]
    remedy: str

    def as_json(self) -> dict[str, Any]:
        values = (list(each) if type(each) is tuple else each for each in _episode(self))
        return dict(zip(_EPISODE, values, strict=True))


_EPISODE: Final = tuple("class" if each.name == "cls" else each.name for each in fields(Episode))
_episode: Final = attrgetter(*(each.name for each in fields(Episode)))


@value
class Counters:
    """Cumulative since the router was first seen; never decrease while it is remembered."""

    adverts: dict[str, int] = field(default_factory=dict)  # by source
    transitions: dict[str, int] = field(default_factory=dict)  # changes of master by handover cause
    invalid: dict[str, int] = field(default_factory=dict)  # by errors.INVALID_REASONS
    split_episodes: int = 0  # confirmed, transient and suspected, counted at their beginning
    split_seconds: float = 0.0  # including the running episode
    split_last_seen: float = 0.0  # epoch seconds, 0 = never
    episodes_by_cause: dict[tuple[str, str], int] = field(default_factory=dict)  # (class, cause), counted at the end


@value
class RouterVerdict:
    """One virtual router: (segment, family, vrid)."""

    segment: str
    family: str  # ipv4, ipv6
    vrid: int
    vips: tuple[str, ...]
    now: Finding
    worst: Finding
    masters: tuple[MasterRow, ...]
    episodes: tuple[Episode, ...]
    live: int = 0  # live claimants now
    mismatches: tuple[str, ...] = ()  # kinds of disagreement now: cause words
    counters: Counters = field(default_factory=Counters)

    def as_json(self) -> dict[str, Any]:
        return {
            "segment": self.segment,
            "family": self.family,
            "vrid": self.vrid,
            "vips": list(self.vips),
            "now": self.now.as_json(),
            "worst": self.worst.as_json(),
            "masters": [m.as_json() for m in self.masters],
            "episodes": [e.as_json() for e in self.episodes],
        }


@value
class AddressVerdict:
    """One virtual address: how many hosts answer for it."""

    segment: str
    vip: str
    owners: tuple[str, ...]  # MACs
    hosts: int  # answers per request: two hosts behind one virtual MAC are 2
    worst: Finding
    now: Finding = Finding("steady")
    hosts_now: int = 0  # of the last answered round

    def as_json(self) -> dict[str, Any]:
        return {
            "segment": self.segment,
            "vip": self.vip,
            "owners": list(self.owners),
            "hosts": self.hosts,
            "worst": self.worst.as_json(),
        }


@value
class SensorFacts:
    """What the sensor itself received."""

    frames: int = 0
    adverts: int = 0
    malformed: dict[str, int] = field(default_factory=dict)
    dropped: int = 0
    carp: int = 0
    evicted: int = 0
    notes: tuple[str, ...] = ()  # one-line remarks: a cut-off record, a flood, a clock step

    def as_json(self) -> dict[str, Any]:
        row: dict[str, Any] = {
            "frames": self.frames,
            "adverts": self.adverts,
            "malformed": dict(self.malformed),
            "dropped": self.dropped,
        }
        row.update({"carp": self.carp, "evicted": self.evicted, "notes": list(self.notes)})
        return row


@value
class Worst:
    """The worst finding of the window and where it was."""

    cls: str
    cause: str | None = None
    vrid: int | None = None
    family: str | None = None
    segment: str | None = None

    def as_json(self) -> dict[str, Any]:
        row: dict[str, Any] = {"class": self.cls, "cause": self.cause}
        row.update({"vrid": self.vrid, "family": self.family, "segment": self.segment})
        return row


@value
class Judgement:
    """Everything that was judged over one window; `as_json` is schema 1 of `-o json`."""

    version: str
    source: str
    start: float | None
    end: float | None
    worst: Worst
    routers: tuple[RouterVerdict, ...] = ()
    addresses: tuple[AddressVerdict, ...] = ()
    sensor: SensorFacts = SensorFacts()

    @property
    def state(self) -> str:
        """OK, WARNING, CRITICAL or UNKNOWN."""
        return CLASS_STATE[self.worst.cls]

    @property
    def exit_code(self) -> int:
        return EXIT_CODES[self.state]

    def as_json(self) -> dict[str, Any]:
        return {
            "schema": 1,
            "version": self.version,
            "source": self.source,
            "window": {"start": self.start, "end": self.end},
            "state": self.state,
            "exit_code": self.exit_code,
            "worst": self.worst.as_json(),
            "routers": [r.as_json() for r in self.routers],
            "addresses": [a.as_json() for a in self.addresses],
            "sensor": self.sensor.as_json(),
        }
