"""Keeps the host's routes and policy rules as configured: learns of those that somebody takes off, puts them back."""

from __future__ import annotations

from collections.abc import Callable

from vrrpcore.links import Losses, route_protocol
from vrrpcore.settings import Settings
from vrrpcore.speaker.hosting import Hosting
from vrrpcore.speaker.router import VirtualRouter
from vrrpcore.speaker.watching import HostWatch


class RouteGuard:
    """Static routes and rules, and those of masters. `lost` of the Speaker is called when something was gone."""

    def __init__(
        self,
        routers: dict[str, VirtualRouter],
        hosting: Hosting,
        host_watch: HostWatch,
        watch: Callable[[int, Callable[[], None]], None],
        unwatch: Callable[[int], None],
        lost: Callable[[], None],
    ) -> None:
        self._routers, self._hosting, self._host_watch = routers, hosting, host_watch
        self._watch, self._unwatch, self._lost = watch, unwatch, lost
        self._losses: Losses | None = None

    def configure(self, settings: Settings) -> None:
        """Listen only where there is something to guard."""
        self.close()
        routes = [*settings.routes, *(route for each in settings.instances for route in each.routes)]
        if routes or settings.rules or any(each.rules for each in settings.instances):
            self._losses = Losses(route_protocol(each) for each in routes)
            self._watch(self._losses.fileno(), self._read)

    def _read(self) -> None:
        if self._losses is None or not self._losses.read():
            return
        self._hosting.statics.restore()
        for router in self._routers.values():
            self._host_watch.restore_routes(router)
        self._lost()

    def close(self) -> None:
        if self._losses is not None:
            self._unwatch(self._losses.fileno())
            self._losses.close()
            self._losses = None
