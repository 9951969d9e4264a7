"""Our own speaker by the state that `vrrpwatch run` publishes (vrrpcore.speaker.state describes it)."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from vrrpcore.speaker.state import read
from vrrpexporters.snapshot import INSTANCE_STATES, Awareness, Instance
from vrrpwatch.config import SpeakerSource

from . import Masterships, Segments, Source

_COUNTERS: Final = {
    "master_transitions": "master_transitions",
    "advertisement_rcvd": "adverts_received",
    "advertisement_sent": "adverts_sent",
    "priority_zero_pkts_rcvd": "priority_zero_received",
    "priority_zero_pkts_sent": "priority_zero_sent",
    "announcements_sent": "announcements_sent",
    "yields": "yields",
}
#: RFC 8347 error counters -> our `reason`.
_ERRORS: Final = {
    "interval_errors": "interval",
    "ip_ttl_errors": "ttl",
    "version_errors": "version",
    "vrid_errors": "vrid",
    "checksum_errors": "checksum",
    "packet_length_errors": "length",
    "invalid_type_pkts_rcvd": "type",
    "address_list_errors": "address_list",
    "invalid_auth_type": "auth_type",
    "auth_type_mismatch": "auth_type_mismatch",
    "auth_failures": "auth_data",
}
_STALE: Final = 5.0  # seconds: the speaker publishes once a second


class SpeakerState(Source):
    """The instances of `vrrpwatch run` on this host."""

    daemon = "vrrpwatch"

    def __init__(
        self,
        settings: SpeakerSource,
        segments: Segments,
        failed: Callable[[str, Exception], None] = lambda name, error: None,
    ) -> None:
        super().__init__(segments, failed)
        self._path = settings.state
        self._masterships = Masterships()
        self._changes: dict[str, float] = {}
        self._fresh = False

    def present(self) -> bool:
        """Whether the state is of now."""
        return self._fresh

    def look(self) -> list[Instance]:
        """Read once; a state that nobody has renewed belongs to a speaker that is gone."""
        state = read(self._path)
        self._fresh = abs(time.time() - float(state["updated"])) <= _STALE
        return [self._instance(row) for row in state["instances"]]

    def _instance(self, row: Mapping[str, Any]) -> Instance:
        name = str(row["name"])
        state = str(row["state"]) if self._fresh and row["state"] in INSTANCE_STATES else "init"
        changed = float(row["since"])
        again = self._changes.get(name, changed) != changed
        self._changes[name] = changed
        since = self._masterships.see(name, state, again=again, age=max(time.time() - changed, 0.0))
        counters = row.get("counters") or {}
        return Instance(
            daemon=self.daemon,
            name=name,
            segment=self._segments(str(row["interface"])) if row["interface"] else "",
            family=str(row["family"]),
            vrid=int(row["vrid"]),
            interface=str(row["interface"]),
            state=state,
            since=since,
            priority=int(row["effective_priority"]),
            counters={ours: int(counters[theirs]) for theirs, ours in _COUNTERS.items() if theirs in counters},
            errors={ours: int(counters[theirs]) for theirs, ours in _ERRORS.items() if theirs in counters},
            awareness=_awareness(row) if self._fresh else None,
        )


def _awareness(row: Mapping[str, Any]) -> Awareness | None:
    """What the supervisor wrote of the judge beside it; None where there is none."""
    said = row.get("split_brain")
    if not isinstance(said, Mapping):
        return None
    words = {name: str(said[name]) for name in ("level", "cause")}
    since, proof = float(said["since"]), float(row.get("last_proof", 0.0))
    return Awareness(cls=str(said["class"]), since=since, yielded=bool(row.get("yielded")), last_proof=proof, **words)
