"""Several vantage points, one judgement: sensors' frames merged on one clock, and what each of them did not see. Pure.

What one sensor cannot decide, a second one can: an advert that is captured on the deaf host itself was dropped by that
host (packet sockets see frames before netfilter); one that is not was lost on the way there. A sensor on a host is
recognised by its frames: every unicast frame that it captured has the host's MAC on one side.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from statistics import median
from typing import Final

from ..frames import Frame
from ..packet import Advertisement
from ..tally import Claimant
from ..verdict import Judgement
from . import Judge
from .docket import Book, Record
from .words import name

Timed = tuple[float, str, bool, Frame]  # epoch seconds, segment, outgoing, frame
SAME: Final = 0.050  # seconds between two sensors' sights of one frame, once their clocks are aligned
DEAF: Final = frozenset(("deaf", "peer_deaf", "mutually_deaf", "intermittent_path"))


@dataclass(slots=True)
class Sensor:
    """One vantage point's frames, and what they say about where it stands."""

    name: str
    frames: list[Timed]
    offset: float = 0.0  # seconds to add to its clock to get the reference's
    shared: int = 0  # frames seen by both
    host: bytes = b""  # the MAC of the host it runs on; empty: a bystander
    adverts: dict[tuple[bytes, int, int], list[float]] = field(default_factory=dict)  # (source, family, vrid)
    arrivals: dict[bytes, list[float]] = field(default_factory=dict)  # source MAC -> times of other frames

    def heard(self, claimant: Claimant, start: float, end: float) -> int:
        """Adverts of a claimant seen here within a window (reference clock)."""
        key = (claimant.source, claimant.ip.family, claimant.advert.vrid)
        return sum(1 for t in self.adverts.get(key, ()) if start <= t <= end)

    def arrived(self, macs: set[bytes], start: float, end: float) -> int:
        """Frames other than adverts from a host's MACs that were seen here within a window."""
        return sum(1 for mac in macs for t in self.arrivals.get(mac, ()) if start <= t <= end)


def _content(frame: Frame) -> tuple[object, ...]:
    ident = frame.ip.ident if frame.ip is not None else None
    return (frame.source_mac, frame.destination_mac, frame.vlans, ident, frame.ip, frame.body)


def _ends(frames: list[Timed]) -> set[bytes]:
    """The MACs that are on one side of every unicast frame: the sensor's own host is one of them."""
    ends: set[bytes] | None = None
    for _, _, _, frame in frames:
        if frame.destination_mac and frame.source_mac and not frame.destination_mac[0] & 1:
            sides = {frame.source_mac, frame.destination_mac}
            ends = sides if ends is None else ends & sides
    return ends or set()


def name_hosts(sensors: list[Sensor]) -> None:
    """Find the host that each sensor runs on: the one MAC of its `_ends` that no other sensor shares."""
    ends = [_ends(s.frames) for s in sensors]
    for index, sensor in enumerate(sensors):
        elsewhere = set().union(*(e for i, e in enumerate(ends) if i != index))
        own = ends[index] - elsewhere
        sensor.host = next(iter(own)) if len(own) == 1 else b""


def align(reference: list[Timed], other: list[Timed]) -> tuple[float, int]:
    """Clock offset of `other` (seconds to add) from frames that both saw exactly once; second: how many."""
    ours = _once(reference)
    theirs = _once(other)
    distances = [ours[key] - at for key, at in theirs.items() if key in ours]
    return (median(distances), len(distances)) if distances else (0.0, 0)


def _once(frames: list[Timed]) -> dict[tuple[object, ...], float]:
    seen: dict[tuple[object, ...], float | None] = {}
    for at, _, _, frame in frames:
        if frame.body is None:
            continue
        key = _content(frame)
        seen[key] = None if key in seen else at
    return {key: at for key, at in seen.items() if at is not None}


class Panel:
    """Sensors that judge together."""

    def __init__(self) -> None:
        self.sensors: list[Sensor] = []
        self.judge = Judge()

    def add(self, sensor: str, frames: Iterable[Timed]) -> None:
        """Enter one sensor's frames, in the order of their times."""
        self.sensors.append(Sensor(sensor, list(frames)))

    def report(self, source: str = "", version: str = "") -> Judgement:
        """Merge, judge, and refine the causes by what each vantage point saw."""
        for at, segment, outgoing, frame in self._merged():
            self.judge.observe(at, segment, outgoing, frame)
        first = self.judge.report(source=source, version=version)
        for book in self.judge.docket.books.values():
            for record in book.episodes:
                if record.cls in ("split_brain", "split_brain_suspected", "transient_dual_master"):
                    self._refine(book, record)
        if not first.routers:
            return first
        return self.judge.render(source=source, version=version)

    # ---- merging ---------------------------------------------------------------------------------------------

    def _merged(self) -> list[Timed]:
        reference = max(self.sensors, key=lambda s: (len(self._speakers(s)), len(s.frames)))
        merged = list(reference.frames)
        name_hosts(self.sensors)
        for sensor in self.sensors:
            if sensor is not reference:
                sensor.offset, sensor.shared = align(reference.frames, sensor.frames)
                merged += self._unseen(merged, sensor)
        merged.sort(key=lambda row: row[0])
        for sensor in self.sensors:
            self._index(sensor)
        return merged

    @staticmethod
    def _speakers(sensor: Sensor) -> set[tuple[bytes, int]]:
        return {
            (f.ip.source, f.body.vrid) for _, _, _, f in sensor.frames if f.ip and isinstance(f.body, Advertisement)
        }

    @staticmethod
    def _unseen(merged: list[Timed], sensor: Sensor) -> list[Timed]:
        """Frames of a sensor that are not in the merged stream yet, on the reference clock; matched one to one."""
        known: dict[tuple[object, ...], list[float]] = {}
        for at, _, _, frame in merged:
            if frame.body is not None:
                known.setdefault(_content(frame), []).append(at)
        for times in known.values():
            times.sort(reverse=True)
        fresh = []
        for at, segment, outgoing, frame in sensor.frames:
            moved = at + sensor.offset
            times = known.get(_content(frame), []) if frame.body is not None else []
            while times and times[-1] < moved - SAME:
                times.pop()
            if times and abs(times[-1] - moved) <= SAME:
                times.pop()
                continue
            fresh.append((moved, segment, outgoing, frame))
        return fresh

    @staticmethod
    def _index(sensor: Sensor) -> None:
        for at, _, _, frame in sensor.frames:
            moved = at + sensor.offset
            if isinstance(frame.body, Advertisement) and frame.ip is not None:
                key = (frame.ip.source, frame.ip.family, frame.body.vrid)
                sensor.adverts.setdefault(key, []).append(moved)
            elif frame.source_mac:
                sensor.arrivals.setdefault(frame.source_mac, []).append(moved)

    # ---- what the vantage points add -------------------------------------------------------------------------

    def _refine(self, book: Book, record: Record) -> None:
        sides = [c for c in book.router.claimants.values() if name(c) in record.masters]
        if len(sides) != 2:
            return
        end = record.end if record.end is not None else max(record.last, self.judge.docket.now)
        if record.kind == "mute" and record.cause == "firewall_output":
            self._refine_mute(book, record, sides, end)
            return
        if record.cause not in DEAF:
            return
        deaf = [c for c in sides if name(c) in record.blamed] if record.cause == "peer_deaf" else sides
        found = [f for c in deaf if (f := self._why_deaf(book, record, c, _other(sides, c), end)) is not None]
        if not found:
            self._bystanders(record, sides, end)
            return
        causes = [cause for cause, _, _ in found]
        cause = next((c for c in ("l2_partition", "multicast_filtered") if causes.count(c) == len(causes)), causes[0])
        record.cause = cause
        record.confidence = "proved"
        record.candidates = ()
        record.blamed = [who for c, who, _ in found if c == cause] if cause == "firewall_input" else record.blamed
        for _, _, sentence in found:
            record.say(sentence)

    def _sensor_on(self, book: Book, claimant: Claimant) -> Sensor | None:
        macs = self.judge.docket.macs_of(book.router.segment, claimant)
        return next((s for s in self.sensors if s.host and s.host in macs), None)

    def _why_deaf(
        self, book: Book, record: Record, deaf: Claimant, speaker: Claimant, end: float
    ) -> tuple[str, str, str] | None:
        """(cause, host, sentence) for one deaf side, from its own sensor; None without one."""
        sensor = self._sensor_on(book, deaf)
        if sensor is None:
            return None
        spoken = max(s.heard(speaker, record.start, end) for s in self.sensors)
        seen = sensor.heard(speaker, record.start, end)
        if spoken and seen * 2 >= spoken:
            return (
                "firewall_input",
                name(deaf),
                f"{seen} of {spoken} adverts of {name(speaker)} reached {name(deaf)} itself ({sensor.name}): "
                f"it drops them locally",
            )
        macs = self.judge.docket.macs_of(book.router.segment, speaker)
        other_traffic = sensor.arrived(macs, record.start, end)
        back = self._sensor_on(book, speaker)
        heard_back = back.heard(deaf, record.start, end) if back is not None else 0
        text = f"{seen} of {spoken} adverts of {name(speaker)} reached {name(deaf)} ({sensor.name})"
        if record.cause == "peer_deaf" or heard_back:
            return "one_way_path", name(deaf), f"{text}, while those of {name(deaf)} arrive at {name(speaker)}"
        if other_traffic:
            return "multicast_filtered", name(deaf), f"{text}, while {other_traffic} other frames of it did"
        return "l2_partition", name(deaf), f"{text}, and no other frame of it either"

    def _bystanders(self, record: Record, sides: list[Claimant], end: float) -> None:
        """Two bystanders, each of which hears one side only: the segment is cut between them."""
        a, b = sides
        hears = [(s, s.heard(a, record.start, end), s.heard(b, record.start, end)) for s in self.sensors]
        only_a = [s.name for s, x, y in hears if x and not y]
        only_b = [s.name for s, x, y in hears if y and not x]
        if only_a and only_b and not any(x and y for _, x, y in hears):
            record.cause, record.confidence, record.candidates = "l2_partition", "likely", ("multicast_filtered",)
            record.say(f"{', '.join(only_a)} hears only {name(a)}, {', '.join(only_b)} only {name(b)}")

    def _refine_mute(self, book: Book, record: Record, sides: list[Claimant], end: float) -> None:
        """Its own sensor sees what leaves the host: nothing left (a local rule), or it was lost on the way."""
        mute = next((c for c in sides if name(c) in record.blamed), None)
        sensor = self._sensor_on(book, mute) if mute is not None else None
        if mute is None or sensor is None:
            return
        sent = sensor.heard(mute, record.start, end - SAME)  # its return ends the episode
        if sent:
            record.cause = "one_way_path"
            record.say(f"{sent} adverts of {name(mute)} left it ({sensor.name}) and reached nobody")
        else:
            record.say(f"no advert of {name(mute)} left it ({sensor.name}): it drops them locally")
        record.confidence, record.candidates = "proved", ()


def _other(sides: list[Claimant], one: Claimant) -> Claimant:
    return sides[1] if sides[0] is one else sides[0]
