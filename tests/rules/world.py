"""A model of routers, the wire and sensors: what the exporters of a group would say at any second.

Times are seconds from the start of a scenario (promtool's clock begins at 0). A `Claim` is a stretch in which a host
is master; each `Sensor` hears some hosts and exposes what the real exporter would: judged after `confirm` seconds of
overlap, lapsed after `3 * ADVERT`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from math import floor, inf

ADVERT = 1.0
LAPSE = 3 * ADVERT


@dataclass(frozen=True)
class Claim:
    """`host` sends adverts and owns the address in [begin, end); `crash`: no priority 0 at its end."""

    host: str
    begin: float
    end: float = inf
    crash: bool = False

    @property
    def lapsed(self) -> float:
        return self.end + LAPSE if self.crash else self.end


def always(_source: str, _now: float) -> bool:
    return True


@dataclass
class Sensor:
    """One scrape target.

    `phase`: its scrapes happen at phase, phase + interval, ...; `host`: the router on which it runs, whose own state it
    exports (None: a purely passive one); `hears(host, now)`; `gone(now)`: what a scrape then yields: None = it works,
    "stale" = it fails and Prometheus marks the series, "gap" = nothing at all is written; `restart`: seconds at which
    its counters begin anew (`journal`: they do not).
    """

    instance: str
    phase: int = 0
    host: str | None = None
    hears: Callable[[str, float], bool] = always
    gone: Callable[[float], str | None] = lambda _now: None
    restart: float | None = None
    journal: bool = True
    confirm: float = 2.0
    labels: dict[str, str] = field(default_factory=dict)
    group: dict[str, str] = field(default_factory=dict)


@dataclass
class World:
    """All claims of one virtual router, in time order, and the sensors that watch it."""

    claims: list[Claim]
    sensors: list[Sensor]
    group: dict[str, str] = field(default_factory=lambda: {"segment": "10.9.0.0/24", "family": "ipv4", "vrid": "51"})
    passive: bool = False  # no instance state is exported
    info: bool = True
    last_seen: bool = True
    overlapped: list[tuple[float, float]] | None = None  # what sensors saw, where it is not simply what was

    def overlaps(self, sensor: Sensor) -> Iterator[tuple[float, float]]:
        """Stretches in which the sensor hears two hosts advertise (one that begins and ends within 2 ms is none)."""
        if self.overlapped is not None:
            yield from self.overlapped
            return
        for i, one in enumerate(self.claims):
            for other in self.claims[i + 1 :]:
                begin, end = max(one.begin, other.begin), min(one.end, other.end)
                if end - begin > 0.002 and sensor.hears(one.host, begin) and sensor.hears(other.host, begin):
                    yield begin, end

    def expose(self, sensor: Sensor, now: float) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
        """(metric, labels) -> value, as one scrape at `now` would read them; the target's own labels left out."""
        rows: dict[tuple[str, tuple[tuple[str, str], ...]], float] = {}
        group = {**self.group, **sensor.group}

        def put(name: str, value: float, **labels: str) -> None:
            rows[name, tuple(sorted({**group, **labels}.items()))] = value

        self.expose_claims(sensor, now, put)
        self.expose_episodes(sensor, now, put)
        if sensor.host is not None and not self.passive:
            begins = [c.begin for c in self.claims if c.host == sensor.host and c.begin <= now < c.end]
            put("vrrpwatch_instance_master_age_seconds", now - begins[0] if begins else -1, instance_name="VI_1")
        rows["vrrpwatch_sniffer_up", (("interface", "eth0"),)] = 1
        return rows

    def expose_claims(self, sensor: Sensor, now: float, put: Callable[..., None]) -> None:
        since = sensor.restart if sensor.restart is not None and now >= sensor.restart else 0.0
        heard = [c for c in self.claims if c.begin <= now and c.end > since and sensor.hears(c.host, c.begin)]
        # a sensor that goes deaf still hears the beginning: the claim lives until the last advert it got has lapsed
        ends = {c: self.last_heard(c, sensor, now) for c in heard}
        live = [c for c in heard if now < (c.end if ends[c] == c.end and not c.crash else ends[c] + LAPSE)]
        if heard:
            put("vrrpwatch_group_masters", len({c.host for c in live}))
        for host in {c.host for c in heard}:
            mine = [c for c in heard if c.host == host]
            last = max(self.last_advert(c, ends[c], now) for c in mine)
            if self.last_seen:
                put("vrrpwatch_master_last_seen_timestamp_seconds", last, source=host)
            adverts = sum(1 + floor((min(ends[c], now) - max(c.begin, since)) / ADVERT) for c in mine)
            put("vrrpwatch_master_adverts_total", adverts, source=host)
            if self.info and any(c.host == host for c in live):
                put("vrrpwatch_master_info", 1, source=host, mac=f"mac-{host}", version="2", auth="none")
                put("vrrpwatch_master_priority", 100, source=host)
        changes = max(0, sum(c.begin > since for c in heard) - (1 if not since else 0))
        put("vrrpwatch_master_transitions_total", changes, reason="master_lost")

    def last_heard(self, claim: Claim, sensor: Sensor, now: float) -> float:
        """When the sensor last heard this claim's host, the claim's end or `now` included."""
        if sensor.hears(claim.host, min(now, claim.end)):
            return min(claim.end, now) if now < claim.end else claim.end
        moment = min(now, claim.end)
        while moment > claim.begin and not sensor.hears(claim.host, moment):
            moment -= 0.5
        return max(moment, claim.begin)

    @staticmethod
    def last_advert(claim: Claim, end: float, now: float) -> float:
        return claim.begin + floor((min(end, now) - claim.begin) / ADVERT) * ADVERT

    def expose_episodes(self, sensor: Sensor, now: float, put: Callable[..., None]) -> None:
        since = sensor.restart if sensor.restart is not None and now >= sensor.restart else 0.0
        known = [o for o in self.overlaps(sensor) if o[0] <= now]
        fresh = [o for o in known if sensor.journal or o[1] > since]
        running = [o for o in known if now < o[1] and o[1] > since]
        active = any(now - o[0] >= sensor.confirm for o in running)
        if not any(c.begin <= now and sensor.hears(c.host, c.begin) for c in self.claims):
            return  # the group was never heard
        put("vrrpwatch_split_brain_active", float(active))
        put("vrrpwatch_split_brain_suspected", float(bool(running) and not active))
        put("vrrpwatch_split_brain_episodes_total", len(fresh))
        put("vrrpwatch_split_brain_last_seen_timestamp_seconds", max((min(now, o[1]) for o in known), default=0))
        put("vrrpwatch_verdict", float(active), **{"class": "split_brain"})
        put("vrrpwatch_verdict", float(not active), **{"class": "steady"})
        if active:
            put("vrrpwatch_verdict_info", 1, **{"class": "split_brain", "cause": "peer_deaf"})
