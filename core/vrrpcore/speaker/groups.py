"""Sync groups: instances that are master, backup or in fault together (keepalived's vrrp_sync_group)."""

from __future__ import annotations

from vrrpcore.machine import Changed, State
from vrrpcore.settings import Settings
from vrrpcore.speaker.journal import Journal, word
from vrrpcore.speaker.performer import Performer
from vrrpcore.speaker.router import VirtualRouter
from vrrpcore.speaker.tracking import Tracker
from vrrpcore.speaker.watching import HostWatch

_GROUP: str = "group"  # the kind of fault that a member has because of another one


class SyncGroups:
    """Follows every change of state of a member with the others."""

    def __init__(
        self, routers: dict[str, VirtualRouter], performer: Performer, watch: HostWatch, journal: Journal
    ) -> None:
        self._routers, self._performer, self._watch, self._journal = routers, performer, watch, journal
        self._members: dict[str, tuple[str, ...]] = {}
        self._states: dict[str, State] = {}
        performer.followers.append(self.follow)

    def configure(self, settings: Settings) -> None:
        """Take over a configuration."""
        self._members = {each.name: each.members for each in settings.sync_groups}
        self._states = {name: state for name, state in self._states.items() if name in self._members}
        for name, members in self._members.items():
            for member in members:
                if member in self._routers:
                    self._routers[member].sync_group = name

    def others(self, router: VirtualRouter) -> list[VirtualRouter]:
        names = self._members.get(router.sync_group, ())
        return [self._routers[name] for name in names if name in self._routers and name != router.name]

    def pending(self, router: VirtualRouter, tracker: Tracker) -> list[str]:
        """What has to be known before the router may start: all that it and its sync group track."""
        members = (router, *self.others(router))
        return list(dict.fromkeys(thing for each in members for thing in tracker.pending(each.instance)))

    def ready(self, router: VirtualRouter) -> bool:
        """Whether the router may take over: no other member follows a master that it hears (as keepalived has it:
        where only one family's path is broken, a group that is half master would be two half routers)."""
        others = self.others(router)
        return any(each.state is State.MASTER for each in others) or all(each.machine.wants_master for each in others)

    def follow(self, router: VirtualRouter, change: Changed, now: float) -> None:
        """One member changed its state."""
        if not router.sync_group:
            return
        others = self.others(router)
        if change.new is State.MASTER:
            for each in others:
                self._performer.perform(each, each.machine.join_master(now), now)
        elif change.new is State.BACKUP and change.old is State.MASTER:
            for each in others:
                self._performer.perform(each, each.machine.join_backup(now), now)
        self._tell(router)

    def spread_faults(self, now: float) -> None:
        """A fault of one member is a fault of all; when the last one is gone all recover together."""
        for members in self._members.values():
            present = [self._routers[name] for name in members if name in self._routers]
            sick = [each for each in present if any(kind != _GROUP for kind in each.faults)]
            for each in present:
                source = next((other.name for other in sick if other is not each), "")
                if source and each not in sick:
                    self._watch.fault(each, _GROUP, f"{source} of the same sync group is in fault")
                else:
                    self._watch.fault(each, _GROUP, "")
            for each in present:
                self._watch.follow_faults(each, now)

    def _tell(self, router: VirtualRouter) -> None:
        """Report the group's state when all members share one that is new; `stop` tells of the end."""
        states = {router.state, *(each.state for each in self.others(router))}
        if len(states) != 1:
            return
        state = next(iter(states))
        if state is State.INIT or self._states.get(router.sync_group) is state:
            return
        self._states[router.sync_group] = state
        self._journal.log("info", f"VRRP_Group({router.sync_group}) Syncing instances to {word(state)} state")
        self._journal.report("group", (router.sync_group, word(state)))

    def stop(self) -> None:
        """All members have stopped."""
        for name in self._members:
            self._journal.report("group", (name, word(State.INIT)))

    def tell_standings(self, names: list[str]) -> None:
        """Report where groups, and routers of these names, are, though nothing has changed."""
        for group, state in self._states.items():
            self._journal.report("standing", ("GROUP", group, word(state), 0))
        for router in (self._routers[name] for name in names if name in self._routers):
            if router.state is not State.INIT:
                self._journal.report("standing", ("INSTANCE", router.name, word(router.state), router.machine.priority))
