"""Who tells switches what virtual interfaces listen to: their parents.

Reports of a virtual interface's own bear the virtual MAC, and a switch that learns it from a router that is not master
(any more) sends it the master's traffic. So they are dropped (keepalived moves them to the parent by a rule), and the
parent is made a member of the same groups.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable

from vrrpcore.addresses import text
from vrrpcore.errors import SourceError
from vrrpcore.frames import solicited_node
from vrrpcore.links import SILENCE, remove_filter, silence_reports
from vrrpcore.settings import Instance, VirtualAddress
from vrrpcore.vrrpsockets import Membership

_SO_ALREADY = (errno.EADDRINUSE, errno.EADDRNOTAVAIL, errno.ENODEV)


class Memberships:
    """Of all virtual interfaces of this host that are ours."""

    def __init__(self, log: Callable[[str, str], None]) -> None:
        self._log = log
        self._members: dict[tuple[str, int], Membership] = {}  # (instance, family)
        self._parents: dict[int, int] = {}  # virtual interface -> its parent, by index
        self.silenced = False

    def take_over(self, instance: Instance, family: int, index: int, parent: int) -> None:
        """A virtual interface was made and is not up yet."""
        try:
            silence_reports(index, first=not self.silenced)
            self.silenced = True
        except SourceError as error:
            what = "reports of membership bear the virtual MAC also as backup"
            self._log("warning", f"({instance.name}) {error}: {what}")
        self._parents[index] = parent
        self._members.setdefault((instance.name, family), Membership(family))
        if family == instance.family and not instance.unicast:
            self._change(instance.name, family, instance.multicast_group, parent, join=True)

    def listen_for(self, name: str, places: Iterable[tuple[VirtualAddress, int]], *, master: bool) -> None:
        """Have the parents join (or leave) the solicited-node groups of a router's addresses; `places`: on which
        interfaces they are."""
        for address, index in places:
            if address.family == 6 and index in self._parents:
                self._change(name, 6, solicited_node(address.address), self._parents[index], join=master)

    def _change(self, name: str, family: int, group: bytes, index: int, *, join: bool) -> None:
        member = self._members.get((name, family))
        try:
            if member is not None:
                member.change(group, index, join=join)
        except OSError as error:
            if error.errno not in _SO_ALREADY:
                self._log("error", f"({name}) group {text(group)}: {error.strerror}")

    def forget(self, name: str) -> None:
        """The router is no more."""
        for family in (4, 6):
            member = self._members.pop((name, family), None)
            if member is not None:
                member.close()

    def close(self) -> None:
        """Put everything back."""
        for name, _ in list(self._members):
            self.forget(name)
        if self.silenced:
            remove_filter(SILENCE)
