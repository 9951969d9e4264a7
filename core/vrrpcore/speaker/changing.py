"""A reload of one router that stays where it is: other numbers, other addresses, the same state."""

from __future__ import annotations

import errno

from vrrpcore.machine import Announce, State
from vrrpcore.settings import Instance
from vrrpcore.speaker.announce import Pacer
from vrrpcore.speaker.hosting import Hosting
from vrrpcore.speaker.ownlinks import sides_of
from vrrpcore.speaker.performer import Performer
from vrrpcore.speaker.render import Adverts
from vrrpcore.speaker.router import VirtualRouter
from vrrpcore.speaker.statics import GONE


def same_place(old: Instance, new: Instance) -> bool:
    """Whether a reload may keep the router: what names it on the wire and on the host is the same."""

    def place(each: Instance) -> tuple[object, ...]:
        wire = (each.vrid, each.family, each.version, each.unicast, each.multicast_group, each.auth_type)
        return (*wire, each.interface, each.vmac, sides_of(each))

    return place(old) == place(new)


def change(
    router: VirtualRouter,
    instance: Instance,
    hosting: Hosting,
    performer: Performer,
    pacers: dict[tuple[str, bool], Pacer],
    now: float,
) -> None:
    """Give a router its new configuration; a master's addresses change under it, and are announced."""
    before = dict(zip(router.places, router.delete_messages[::-1], strict=True))
    routes_before = router.route_delete
    router.announcements.end()
    router.instance = instance
    router.virtual = frozenset(each.address for each in (*instance.addresses, *instance.excluded_addresses))
    router.install(hosting.interfaces, pacers, hosting.forwarding(instance.family))
    router.adverts = Adverts(instance, router.machine.address, router.adverts.ident, router.adverts.sequence)
    performer.perform(router, router.machine.reconfigure(instance, now), now)
    if router.state is State.MASTER:
        what = f"({router.name}) reload"
        if routes_before != router.route_delete:
            hosting.perform(routes_before, GONE, what)
            hosting.perform(router.route_add, (errno.EEXIST,), what)
        hosting.perform([m for place, m in before.items() if place not in router.places], GONE, what)
        hosting.add_addresses(router, [at for at, place in enumerate(router.places) if place not in before])
        performer.perform(router, (Announce("master"),), now)
    hosting.interfaces.read()
