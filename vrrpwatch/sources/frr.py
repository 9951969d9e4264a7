"""FRR's vrrpd by `vtysh -c 'show vrrp json'`: the only way it offers that is not SNMP."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Mapping
from typing import Any, Final

from vrrpexporters.snapshot import Instance
from vrrpwatch.config import FrrSource

from . import Masterships, Segments, Source

_STATES: Final = {"Master": "master", "Backup": "backup", "Initialize": "init"}
_COUNTERS: Final = {
    "adverTx": "adverts_sent",
    "adverRx": "adverts_received",
    "garpTx": "announcements_sent",
    "neighborAdverTx": "announcements_sent",
    "transitions": "state_transitions",
}
_TIMEOUT: Final = 10.0


class FrrState(Source):
    """The virtual routers of FRR on this host; one instance for each family."""

    daemon = "frr"

    def __init__(
        self,
        settings: FrrSource,
        segments: Segments,
        failed: Callable[[str, Exception], None] = lambda name, error: None,
        ask: Callable[[str], str] | None = None,
    ) -> None:
        super().__init__(segments, failed)
        self.interval = settings.interval
        self._vtysh = settings.vtysh
        self._ask = ask or _ask
        self._masterships = Masterships()
        self._transitions: dict[str, int] = {}

    def look(self) -> list[Instance]:
        """Ask once."""
        rows = json.loads(self._ask(self._vtysh))
        if not isinstance(rows, list):
            raise TypeError("`show vrrp json` did not give a list")
        found = []
        for row in rows:
            for key, family in (("v4", "ipv4"), ("v6", "ipv6")):
                side = row.get(key)
                if isinstance(side, dict) and side.get("addresses"):
                    found.append(self._instance(row, side, family))
        return found

    def _instance(self, row: Mapping[str, Any], side: Mapping[str, Any], family: str) -> Instance:
        interface, vrid = str(row["interface"]), int(row["vrid"])
        name = f"{interface}/{vrid}/{family}"
        state = _STATES.get(str(side.get("status")), "init")
        stats = side.get("stats") or {}
        counters = {ours: int(stats[theirs]) for theirs, ours in _COUNTERS.items() if theirs in stats}
        changes = counters.get("state_transitions", 0)
        # Two changes and the same state: it was something else in between, shorter than our interval.
        again = state == "master" and changes >= self._transitions.get(name, changes) + 2
        self._transitions[name] = changes
        since = self._masterships.see(name, state, again=again)
        return Instance(
            daemon=self.daemon,
            name=f"{interface}/{vrid}",
            segment=self._segments(interface),
            family=family,
            vrid=vrid,
            interface=interface,
            state=state,
            since=since,
            priority=int(side["effectivePriority"]) if "effectivePriority" in side else None,
            counters={**self._masterships.counters(name), **counters},
        )


def _ask(vtysh: str) -> str:
    try:
        done = subprocess.run(
            [vtysh, "-c", "show vrrp json"], capture_output=True, text=True, timeout=_TIMEOUT, check=False
        )
    except FileNotFoundError:
        raise OSError(f"{vtysh} is not installed (vtysh in [frr] names it)") from None
    except subprocess.TimeoutExpired:
        raise OSError(f"{vtysh} gave no answer in {_TIMEOUT:g} s") from None
    if done.returncode or not done.stdout.strip():
        complaint = (done.stderr or done.stdout).strip().splitlines()
        raise OSError(f"{vtysh}: {complaint[-1] if complaint else f'exit code {done.returncode}'}")
    return done.stdout
