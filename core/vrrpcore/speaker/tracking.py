"""What tracked things do to priorities and faults, by keepalived's arithmetic. Pure.

A script, process or interface is up or down, a file holds a number; None: not known yet. Weight 0 means that a thing
that is down is the instance's fault; another weight w adds w while the thing is up (w > 0) or while it is down (w < 0);
`reverse` turns that round. A file adds its number times the weight, and is a fault at -254 and below (any number but 0
when the weight is 0); until it is none any more it counts as it did before.

As keepalived has it, weights of an owner's scripts and files do not count, nor those of a sync group's member unless
the group says sync_group_tracking_weight (interfaces and processes do).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from vrrpcore.settings import Instance, Settings, Track, Tracking

LOWEST, HIGHEST, OWNER = 1, 254, 255
_FILE_FAULT: Final = -254
_FILE_MOST: Final = 253
Thing = tuple[str, str]  # kind (interface, script, file, process, bfd), name


@dataclass(frozen=True, slots=True)
class Standing:
    """What all tracked things together mean for one instance."""

    priority: int  # effective
    faults: tuple[str, ...]  # in words


class Tracker:
    """The last known value of each tracked thing, and who depends on it."""

    def __init__(self, settings: Settings) -> None:
        self._values: dict[Thing, int | None] = {}
        self._tracks: dict[str, tuple[tuple[str, Track], ...]] = {}
        self._held: dict[tuple[str, str], int] = {}  # (instance, file) -> what it changed while it was no fault
        self.configure(settings)

    def configure(self, settings: Settings) -> None:
        """Take over a configuration; values of things that stay are kept."""
        groups = {member: group for group in settings.sync_groups for member in group.members}
        self._tracks = {}
        values: dict[Thing, int | None] = {}
        starts = {("script", each.name): 0 if each.init_fail else None for each in settings.scripts}
        starts |= {("bfd", each.name): 0 for each in settings.bfd_instances}
        for instance in settings.instances:
            group = groups.get(instance.name)
            weights = not instance.owner and (group is None or group.tracking_weight)
            found = [each for each in _listed(instance.tracking) if weights or _counts_anyhow(*each)]
            if group is not None:
                found += _listed(group.tracking)
            self._tracks[instance.name] = tuple(found)
            for kind, track in found:
                thing = (kind, track.name)
                values[thing] = self._values.get(thing, starts.get(thing))
        self._values = values

    def things(self, kind: str) -> set[str]:
        """The names of the tracked things of one kind."""
        return {name for each, name in self._values if each == kind}

    def update(self, kind: str, name: str, value: int) -> bool:
        """A thing's value now (1 up, 0 down; a file's number); True when that is news."""
        thing = (kind, name)
        if thing not in self._values or self._values[thing] == value:
            return False
        self._values[thing] = value
        return True

    def pending(self, instance: Instance) -> list[str]:
        """What has to be known before the instance may start at all: scripts whose failure is a fault, and what can
        be known at once (files and processes). A weighted script counts from its first result on."""
        return [
            f"{kind} {track.name}"
            for kind, track in self._tracks.get(instance.name, ())
            if self._values[kind, track.name] is None and not (kind == "script" and track.weight)
        ]

    def standing(self, instance: Instance) -> Standing:
        """Where the instance stands; what is not known yet counts for nothing."""
        total, faults = instance.priority, []
        for kind, track in self._tracks.get(instance.name, ()):
            value = self._values[kind, track.name]
            if value is None:
                continue
            change, fault = _file(track, value) if kind == "file" else _thing(track, bool(value))
            if kind == "file":
                change = self._held.get((instance.name, track.name), 0) if fault else change
                self._held[instance.name, track.name] = change
            total += change
            if fault:
                faults.append(f"tracked {kind} {track.name} {_words(kind, value)}")
        if instance.priority == OWNER:
            return Standing(OWNER, tuple(faults))
        return Standing(min(max(total, LOWEST), HIGHEST), tuple(faults))


def _listed(tracking: Tracking) -> list[tuple[str, Track]]:
    kinds = (
        ("interface", tracking.interfaces),
        ("script", tracking.scripts),
        ("file", tracking.files),
        ("process", tracking.processes),
        ("bfd", tracking.bfds),
    )
    return [(kind, track) for kind, tracks in kinds for track in tracks]


def _counts_anyhow(kind: str, track: Track) -> bool:
    """Whether keepalived 2.2.7 takes a weight where it says that it ignores it."""
    return not track.weight or kind not in ("script", "file", "bfd")


def _thing(track: Track, up: bool) -> tuple[int, bool]:
    """(change of priority, fault) of something that is up or down."""
    if track.weight == 0:
        return 0, up is track.reverse
    counts = up if track.weight > 0 else not up
    return (-track.weight if track.reverse else track.weight) * counts, False


def _file(track: Track, number: int) -> tuple[int, bool]:
    if track.weight == 0:
        return 0, (number != 0) is not track.reverse
    change = number * (-track.weight if track.reverse else track.weight)
    return min(change, _FILE_MOST), change <= _FILE_FAULT


def _words(kind: str, value: int) -> str:
    if kind == "file":
        return f"holds {value}"
    return (
        {"interface": "is down", "script": "fails", "process": "does not run", "bfd": "is down"}[kind]
        if not value
        else "is up"
    )
