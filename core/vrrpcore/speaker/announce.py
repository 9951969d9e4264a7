"""When gratuitous ARP and unsolicited NA are sent: keepalived's garp_master_* and garp_lower_prio_* schedules. Pure."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from math import inf

from vrrpcore.settings import GarpSchedule, Settings


@dataclass(frozen=True, slots=True)
class Shot:
    """One frame, ready to be sent."""

    interface: str
    frame: bytes
    neighbour: bool  # an unsolicited NA, else a gratuitous ARP


class Pacer:
    """The least distance between two frames on one interface (garp_interval, gna_interval, garp_group)."""

    __slots__ = ("free", "interval")

    def __init__(self, interval: float) -> None:
        self.interval = interval
        self.free = 0.0


def pacers(settings: Settings) -> dict[tuple[str, bool], Pacer]:
    """The paces of a configuration by (interface, neighbour): interfaces of a garp_group share theirs."""
    found = {}
    for instance in settings.instances:
        garp = instance.garp
        for interval, neighbour in ((garp.garp_interval_seconds, False), (garp.gna_interval_seconds, True)):
            if interval:
                found[instance.interface, neighbour] = Pacer(interval)
    for group in settings.garp_groups:
        arp, neighbour_pace = Pacer(group.garp_interval_seconds), Pacer(group.gna_interval_seconds)
        for name in group.interfaces:
            found[name, False], found[name, True] = arp, neighbour_pace
    return found


class Announcements:
    """The announcements of one virtual router: bursts now and later, refreshes, and the pace of single frames."""

    __slots__ = (
        "_again", "_extra", "_last_lower", "_pacers", "_queue", "_refresh", "_schedule", "_shots", "_upkeep", "armed",
        "deadline",
    )  # fmt: skip

    def __init__(
        self,
        schedule: GarpSchedule,
        shots: tuple[Shot, ...],
        pacers: dict[tuple[str, bool], Pacer],
        extra: tuple[Shot, ...] = (),
    ) -> None:
        """`pacers`: by (interface, neighbour), shared by all routers there; missing or 0: no distance is kept.
        `extra`: those of garp_extra_if, so that switches do not forget MACs which never send by themselves."""
        self._extra = extra if schedule.extra_if_seconds else ()
        self._upkeep = inf
        self._schedule, self._shots, self._pacers = schedule, shots, pacers
        self._queue: deque[Shot] = deque()
        self._again: tuple[float, int] | None = None  # when the second burst is due, and its repetitions
        self._refresh = inf
        self._last_lower = -inf
        self.deadline = inf
        self.armed = inf

    def begin(self, kind: str, now: float) -> None:
        """An Announce action: "master", "late" (garp_master_*) or "lower_prio" (garp_lower_prio_*)."""
        schedule = self._schedule
        if kind == "lower_prio":
            if now - self._last_lower < 0.1:
                return  # a flood of inferior adverts must not become five times as many broadcasts
            self._last_lower = now
            repeat, delay = schedule.lower_prio_repeat, schedule.lower_prio_delay_seconds
        else:
            repeat, delay = schedule.repeat, schedule.delay_seconds
        self._queue.extend(self._shots * repeat)
        self._again = (now + delay, repeat) if delay else None
        if kind == "master" and schedule.refresh_seconds:
            self._refresh = now + schedule.refresh_seconds
        if kind == "master" and self._extra:
            self._upkeep = now + schedule.extra_if_seconds
        self.deadline = now

    def end(self) -> None:
        """No longer master: nothing more is announced."""
        self._queue.clear()
        self._again = None
        self._refresh = self._upkeep = self.deadline = inf

    def tick(self, now: float) -> list[Shot]:
        """The frames to send now; sets `deadline`."""
        if self._again is not None and self._again[0] <= now:
            self._queue.extend(self._shots * self._again[1])
            self._again = None
        if self._refresh <= now:
            self._queue.extend(self._shots * self._schedule.refresh_repeat)
            self._refresh += self._schedule.refresh_seconds
        if self._upkeep <= now:
            self._queue.extend(self._extra)
            self._upkeep += self._schedule.extra_if_seconds
        sent: list[Shot] = []
        wait = inf
        while self._queue:
            shot = self._queue[0]
            pacer = self._pacers.get((shot.interface, shot.neighbour))
            if pacer is not None and pacer.interval:
                if pacer.free > now:
                    wait = pacer.free
                    break
                pacer.free = now + pacer.interval
            sent.append(self._queue.popleft())
        self.deadline = min(wait, self._again[0] if self._again else inf, self._refresh, self._upkeep)
        return sent
