"""interface_up_down_delays: a change of a link counts when it has lasted. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf

from vrrpcore.settings import Settings


class Debounce:
    """The link states that routers are shown; `deadline` is when `due` wants to be called."""

    def __init__(self) -> None:
        self._delays: dict[str, tuple[float, ...]] = {}  # interface -> seconds (down, up)
        self._shown: dict[str, bool] = {}
        self._pending: dict[str, float] = {}  # interface -> when the other state counts
        self.deadline = inf

    def configure(self, settings: Settings, most: Mapping[str, float] | None = None) -> None:
        """Take over a configuration; a virtual interface has the delays of its parent. `most`: the longest delay that
        an interface may have, in seconds."""
        most = most or {}
        delays = {
            each.interface: tuple(
                min(one, most.get(each.interface, inf)) for one in (each.down_seconds, each.up_seconds)
            )
            for each in settings.interface_delays
        }
        children = {each.vmac.name: delays.get(each.interface) for each in settings.instances if each.vmac}
        self._delays = delays | {name: delay for name, delay in children.items() if delay is not None}
        self._pending = {name: when for name, when in self._pending.items() if name in self._delays}
        self._settle()

    @property
    def names(self) -> tuple[str, ...]:
        """The interfaces whose changes are delayed."""
        return tuple(self._delays)

    def see(self, name: str, up: bool | None, now: float) -> bool | None:
        """The link is up, down or not there (None); what is shown of it. Its disappearance counts at once."""
        delays = self._delays.get(name)
        shown = self._shown.get(name)
        if delays is None or up is None or shown is None or shown is up or not delays[up]:
            self._pending.pop(name, None)
            if up is None:
                self._shown.pop(name, None)
            else:
                self._shown[name] = up
            shown = up
        else:
            self._pending.setdefault(name, now + delays[up])
        self._settle()
        return shown

    def due(self, now: float) -> list[str]:
        """The links whose change has lasted: their state is shown from now on."""
        found = [name for name, when in self._pending.items() if when <= now]
        for name in found:
            del self._pending[name]
            self._shown[name] = not self._shown[name]
        self._settle()
        return found

    def _settle(self) -> None:
        self.deadline = min(self._pending.values(), default=inf)
