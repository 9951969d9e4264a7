"""The parts of the daemon that a reload replaces: sources that are asked, receivers that are told."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from vrrpexporters.journal import Journal
from vrrpexporters.prometheus_sensor import Tally
from vrrpexporters.snapshot import Instance
from vrrpwatch.config import Config, Webhook, receiver_name
from vrrpwatch.sources import Segments, Source
from vrrpwatch.sources.frr import FrrState
from vrrpwatch.sources.keepalived import KeepalivedState
from vrrpwatch.sources.speaker import SpeakerState

from .couriers import AlertmanagerCourier, Courier, WebhookCourier
from .housekeeping import Housekeeping
from .scribe import Receiver, Scribe

Failed = Callable[[str, Exception], None]


class Sources:
    """The daemons on this host that are asked."""

    def __init__(self, segments: Segments, failed: Failed) -> None:
        self._segments, self._failed = segments, failed
        self._running: list[tuple[object, Source]] = []

    def configure(self, config: Config) -> None:
        """Ask those that are configured; one whose settings did not change goes on."""
        wanted: list[tuple[object, Callable[[], Source]]] = []
        if (ours := config.speaker) is not None:
            wanted.append((ours, lambda: SpeakerState(ours, self._segments, self._failed)))
        if (keepalived := config.keepalived) is not None:
            wanted.append((keepalived, lambda: KeepalivedState(keepalived, self._segments, self._failed)))
        if (frr := config.frr) is not None:
            wanted.append((frr, lambda: FrrState(frr, self._segments, self._failed)))
        settings = [row for row, _ in wanted]
        for old in [row for row in self._running if row[0] not in settings]:
            self._running.remove(old)
            old[1].stop()
        known = [row for row, _ in self._running]
        for row, make in wanted:
            if row not in known:
                source = make()
                source.start()
                self._running.append((row, source))

    def instances(self) -> list[Instance]:
        """All instances of all daemons, as seen last."""
        return [instance for _, source in list(self._running) for instance in source.instances()]

    def up(self) -> dict[str, bool]:
        """By daemon: whether it could be asked."""
        return {source.daemon: source.up for _, source in list(self._running)}

    def stop(self) -> None:
        """Ask no more."""
        for _, source in self._running:
            source.stop()
        self._running = []


@dataclass(slots=True)
class Receivers:
    """Those who are told, and the couriers that do it."""

    journal: Journal
    scribe: Scribe
    tally: Tally
    housekeeping: Housekeeping
    url: str  # of this sensor's status page
    couriers: tuple[Courier, ...] = ()

    def configure(self, config: Config, base: Path) -> None:
        """Tell those that are configured from now on; what waits for others is given up."""
        self.stop()
        couriers: list[Courier] = []
        jobs = []
        for manager in config.alertmanager:
            pusher = AlertmanagerCourier(manager, base, self.journal, self.tally, self.url)
            couriers.append(pusher)
            jobs.append(f"resend {pusher.name}")
            self.housekeeping.every(manager.resend, pusher.kick, jobs[-1])
        couriers += [WebhookCourier(hook, base, self.journal, self.tally) for hook in config.webhook]
        self.housekeeping.keep_only((*jobs, "prune"))
        self.scribe.receivers = (
            *(Receiver(receiver_name(row), state=True) for row in config.alertmanager),
            *(_receiver(row) for row in config.webhook),
        )
        self.journal.forget_receivers(courier.name for courier in couriers)
        for courier in couriers:
            courier.start()
        self.couriers = tuple(couriers)

    def posted(self) -> None:
        """There are new letters."""
        for courier in self.couriers:
            courier.kick()

    def stop(self) -> None:
        """One more attempt for what waits, all receivers at once; the rest stays in the journal."""
        threads = [threading.Thread(target=courier.stop, daemon=True) for courier in self.couriers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.couriers = ()


def _receiver(hook: Webhook) -> Receiver:
    return Receiver(receiver_name(hook), state=False, minimum=hook.minimum, resolved=hook.resolved)
