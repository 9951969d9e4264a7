"""What routers are shown of the host's links: netlink's word, the word of linkbeat polling, and delays of changes."""

from __future__ import annotations

from vrrpcore.links import Interfaces
from vrrpcore.settings import Settings, Tracking
from vrrpcore.speaker.debounce import Debounce
from vrrpcore.speaker.statics import devices


class LinkStates:
    """Every method that takes in something returns the indexes of the interfaces that changed for routers."""

    def __init__(self, interfaces: Interfaces) -> None:
        self._interfaces = interfaces
        self._debounce = Debounce()

    @property
    def deadline(self) -> float:
        """When `due` wants to be called; inf: never."""
        return self._debounce.deadline

    def configure(self, settings: Settings, now: float) -> None:
        """Take over a configuration; links that are polled no longer are what netlink says."""
        polled = dict(polled_links(settings))
        self._interfaces.beats = {name: up for name, up in self._interfaces.beats.items() if name in polled}
        for interface in self._interfaces.by_index.values():
            interface.linkbeat, interface.held = self._interfaces.beats.get(interface.name), None
        self._debounce.configure(settings, longest_delays(settings))
        self._hold(now)

    def read(self, now: float) -> set[int]:
        """Netlink has something."""
        changed = self._interfaces.read()
        if changed:
            self._hold(now)
        return changed

    def beat(self, name: str, up: bool, now: float) -> set[int]:
        """Polling has found a link up or down."""
        self._interfaces.beats[name] = up
        interface = self._interfaces.named(name)
        if interface is None or interface.linkbeat is up:
            return set()
        interface.linkbeat = up
        self._hold(now)
        return {interface.index}

    def due(self, now: float) -> set[int]:
        """Changes that have lasted."""
        found = [self._interfaces.named(name) for name in self._debounce.due(now)]
        self._hold(now)
        return {each.index for each in found if each is not None}

    def _hold(self, now: float) -> None:
        for name in self._debounce.names:
            interface = self._interfaces.named(name)
            shown = self._debounce.see(name, interface.link if interface else None, now)
            if interface is not None:
                interface.held = shown


def longest_delays(settings: Settings) -> dict[str, float]:
    """For how long the loss of each interface may be kept from the instances that use it: a backup that hears nothing
    must learn that its own link is down before it would take over (keepalived's limit)."""
    groups = {member: group.tracking for group in settings.sync_groups for member in group.members}
    found: dict[str, float] = {}
    for instance in settings.instances:
        tracked = (*instance.tracking.interfaces, *groups.get(instance.name, Tracking()).interfaces)
        interval = instance.advert_interval_seconds
        most = (instance.down_timer_adverts - 1) * interval - interval / 256
        for name in {instance.interface, *(each.name for each in tracked), *devices(instance, settings)}:
            found[name] = min(most, found.get(name, most))
    return found


def polled_links(settings: Settings) -> list[tuple[str, str]]:
    """(interface, preferred way: MII, ETHTOOL, IOCTL or "") of every link that the configuration wants polled."""
    defs = settings.global_defs
    found = dict(defs.linkbeat_interfaces)
    for instance in settings.instances:
        if instance.interface and (defs.linkbeat_use_polling or instance.linkbeat_use_polling):
            found.setdefault(instance.interface, "")
    if defs.linkbeat_use_polling:
        trackings = [each.tracking for each in settings.instances] + [each.tracking for each in settings.sync_groups]
        for name in (track.name for each in trackings for track in each.interfaces):
            found.setdefault(name, "")
    return list(found.items())
