"""Who claims mastership of what, since when: virtual routers, their claimants and components. Pure and bounded.

A *claimant* is a speaker of one virtual router, by source address. Its claim begins with an advert of priority > 0 and
ends only for a reason: priority 0 (`resigned`), silence after a superior compatible advert (`yielded`), silence for
three of its intervals (`lapsed`). A claimant that a peer keeps silent by adverts that it rejects has done none of
these: it is `suppressed`, and keeps the address.
A *component* is the set of claimants of one virtual router whose address lists intersect, transitively: mastership
and handover are its affair; two live components of one virtual router are a collision of VRIDs.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Final

from .addresses import VRRP_GROUP4, VRRP_GROUP6
from .frames import Frame, IpFacts
from .packet import Advertisement

RouterKey = tuple[str, int, int]  # segment, family (4 or 6), vrid
ClaimantKey = tuple[bytes, int]  # source address, 0 or the index of a clone

LAPSE_INTERVALS: Final = 3.0  # a claim is live for 3·adv; no skew: backups run their own, FRR truncates it
NO_MASTER_INTERVALS: Final = 5.0  # 3·adv + skew < 1·adv + FRR-IPv6's lost first advert 1·adv
NO_MASTER_FLOOR: Final = 0.250  # seconds
COPY_WINDOW: Final = 0.005  # seconds: unicast copies of one advert lie this close
RECENT: Final = 16  # adverts of a claimant that are remembered one by one


def delta(interval: float) -> float:
    """δ in seconds: how long a correct router may need to stop after it was outranked: min(50 ms, adv/2)."""
    return min(0.050, interval / 2)


@dataclass(slots=True, eq=False)
class Claimant:
    """One speaker of one virtual router; times in epoch seconds, `interval` in seconds."""

    source: bytes
    mac: bytes
    advert: Advertisement
    ip: IpFacts
    first: float
    tag: int = 0
    frame: Frame | None = None  # the last one's content; a memo hands out the same object again
    count: int = 0  # valid adverts, copies not counted
    last: float = 0.0
    previous: float = 0.0  # time of the advert before the last, 0 = none
    ident: int | None = None  # IPv4 identification of the last advert
    step: int | None = None  # its distance from the one before, modulo 2**16
    counted: int = 0  # steps of exactly 1 seen: keepalived's own counter
    uncounted: int = 0  # other steps
    since: float | None = None  # begin of the present claim; None: no claim
    ended: str = ""  # how the last claim ended: resigned, yielded, lapsed
    ended_at: float = 0.0
    last_claim: float = 0.0  # begin of the last claim, present or past
    outranked_at: float | None = None  # a superior compatible advert was seen since `last`
    outranked_by: Claimant | None = None
    suppressed: bool = False
    spoke: int = 0  # adverts of the present claim
    former_priority: int = -1  # before the last change
    priority_changed: float = 0.0
    restarted: float = 0.0  # its own IP-ID counter began anew
    versions: dict[int, tuple[Advertisement, IpFacts, float]] = field(default_factory=dict)
    destinations: dict[bytes, float] = field(default_factory=dict)
    macs: dict[bytes, list[float]] = field(default_factory=dict)  # source MAC -> [adverts, first, last]
    recent: deque[tuple[float, int | None, bytes]] = field(default_factory=lambda: deque(maxlen=RECENT))

    @property
    def key(self) -> ClaimantKey:
        return (self.source, self.tag)

    @property
    def interval(self) -> float:
        return self.advert.interval

    @property
    def priority(self) -> int:
        return self.advert.priority

    @property
    def lapse(self) -> float:
        """Seconds of silence after which the claim is no longer live."""
        return LAPSE_INTERVALS * self.advert.interval

    @property
    def rank(self) -> tuple[int, bytes]:
        """The election's order: priority, then the source address as an unsigned integer (RFC 9568 §6.4.3)."""
        return (self.advert.priority, self.source)

    def live(self, now: float) -> bool:
        """The claim stands, is younger than 3·adv, and no superior compatible advert has been seen since."""
        return self.since is not None and self.outranked_at is None and now - self.last <= self.lapse

    def end(self, reason: str, at: float) -> None:
        """End the present claim."""
        self.since = None
        self.ended = reason
        self.ended_at = at
        self.outranked_at = None
        self.outranked_by = None
        self.suppressed = False

    @property
    def own_counter(self) -> bool:
        """Whether the IP IDs are the process's own counter (keepalived): they tell lost from unsent."""
        return not self.ip.dont_fragment and self.ip.family == 4 and self.counted > self.uncounted

    @property
    def like_keepalived(self) -> bool | None:
        """True, False, or None where the IP header tells nothing (IPv6, too few adverts)."""
        if self.ip.family == 6:
            return None
        if self.ip.dont_fragment:
            return False
        if self.counted + self.uncounted == 0:
            return True if self.ip.tos == 0xC0 else None
        return self.own_counter

    @property
    def transport(self) -> bytes:
        """The multicast group, or b"" for unicast."""
        destination = self.ip.destination
        return destination if is_group(destination) else b""

    def auth_name(self) -> str:
        """none, pass, ah, or the number of an unknown type."""
        if self.ip.ah is not None:
            return "ah"
        return {0: "none", 1: "pass", 2: "ah"}.get(self.advert.auth_type, str(self.advert.auth_type))


def is_group(address: bytes) -> bool:
    """Whether a packed address is multicast."""
    return address[:1] == b"\xff" if len(address) == 16 else 0xE0 <= address[0] <= 0xEF


def default_group(family: int) -> bytes:
    """224.0.0.18 or ff02::12."""
    return VRRP_GROUP4 if family == 4 else VRRP_GROUP6


def superior(a: Claimant, b: Claimant) -> bool:
    """Whether a outranks b; identical (priority, address): each outranks the other (a cloned host)."""
    mine, its = a.advert.priority, b.advert.priority
    return mine > its or (mine == its and a.source >= b.source)


@dataclass(slots=True, eq=False)
class Component:
    """Claimants of one virtual router that share addresses."""

    members: list[Claimant] = field(default_factory=list)
    holder: Claimant | None = None
    holder_since: float = 0.0
    changes: deque[float] = field(default_factory=lambda: deque(maxlen=32))  # times of clean changes of master
    announced: float = 0.0  # last announcement for one of its addresses

    @property
    def addresses(self) -> frozenset[bytes]:
        return frozenset(a for m in self.members for a in m.advert.addresses)

    @property
    def last(self) -> float:
        return max((m.last for m in self.members), default=0.0)


@dataclass(slots=True, eq=False)
class Router:
    """One virtual router as heard: (segment, family, vrid)."""

    key: RouterKey
    first: float
    claimants: dict[ClaimantKey, Claimant] = field(default_factory=dict)
    components: list[Component] = field(default_factory=list)
    last: float = 0.0
    quiet: Claimant | None = None  # the sole live claimant of an uncontested router: the quiet path may serve it

    @property
    def segment(self) -> str:
        return self.key[0]

    @property
    def family(self) -> int:
        return self.key[1]

    @property
    def vrid(self) -> int:
        return self.key[2]

    def component_of(self, claimant: Claimant) -> Component:
        """The component a claimant is in; every claimant is in one."""
        for component in self.components:
            if claimant in component.members:
                return component
        raise KeyError(claimant.key)

    def regroup(self) -> None:
        """Build the components anew after a list of addresses changed; each keeps its holder and history."""
        if len(self.claimants) == 1 and not self.components:
            self.components = [Component(list(self.claimants.values()))]
            return
        groups: list[tuple[set[bytes], list[Claimant]]] = []
        for claimant in self.claimants.values():
            addresses = set(claimant.advert.addresses)
            members = [claimant]
            rest = []
            for group in groups:
                if group[0] & addresses:
                    addresses |= group[0]
                    members = group[1] + members
                else:
                    rest.append(group)
            groups = [*rest, (addresses, members)]
        former = list(self.components)
        self.components = []
        for _, members in groups:
            heirs = [c for c in former if c.holder in members or any(m in c.members for m in members)]
            heirs.sort(key=lambda c: (c.holder in members, len([m for m in c.members if m in members])))
            component = heirs[-1] if heirs else Component()
            if heirs:
                former.remove(component)
            component.members = members
            if component.holder is not None and component.holder not in members:
                component.holder = None
            self.components.append(component)


@dataclass(frozen=True, slots=True)
class Caps:
    """Bounds of what is remembered: anyone on the wire can invent sources."""

    routers: int = 4096
    claimants_per_router: int = 16
    claimants: int = 16384
    addresses: int = 16384
    hosts: int = 16384
    episodes_per_router: int = 64


class Tally:
    """All virtual routers heard; past a cap the one that was silent longest goes, and `evicted` counts it."""

    def __init__(self, caps: Caps | None = None) -> None:
        self.caps = caps or Caps()
        self.routers: dict[RouterKey, Router] = {}
        self.claimants = 0
        self.evicted = 0

    @property
    def full(self) -> bool:
        """Whether a router has to go for the next new one."""
        return len(self.routers) >= self.caps.routers or self.claimants >= self.caps.claimants

    def router(self, key: RouterKey, now: float) -> tuple[Router, list[Router]]:
        """The router of a key, made when new; second: routers that had to go for it."""
        found = self.routers.get(key)
        if found is not None:
            return found, []
        gone = []
        while self.full:
            gone.append(self._evict_oldest())
        router = Router(key, now)
        self.routers[key] = router
        return router, gone

    def _evict_oldest(self) -> Router:
        # An approximate clock sweep: the first of a handful of the oldest entries that is silent longest. A full
        # scan for each invented source would make a flood quadratic.
        sample = []
        for count, router in enumerate(self.routers.values()):
            if count >= 32:
                break
            sample.append(router)
        oldest = min(sample, key=lambda r: r.last)
        for router in sample:  # the others go to the end of the queue, so that the sweep moves on
            del self.routers[router.key]
            if router is not oldest:
                self.routers[router.key] = router
        self.claimants -= len(oldest.claimants)
        self.evicted += 1
        return oldest

    def add(self, router: Router, claimant: Claimant) -> Claimant | None:
        """Enter a claimant; returns the one that had to go for it, or None."""
        gone = None
        if len(router.claimants) >= self.caps.claimants_per_router:
            # One advert costs an inventor nothing: who has kept its claim for longer stays.
            gone = min(router.claimants.values(), key=lambda c: (c.since is not None and c.spoke > 1, c.last))
            self.remove(router, gone)
            self.evicted += 1
        router.claimants[claimant.key] = claimant
        self.claimants += 1
        router.regroup()
        return gone

    def remove(self, router: Router, claimant: Claimant) -> None:
        """Forget a claimant."""
        del router.claimants[claimant.key]
        self.claimants -= 1
        router.regroup()


def note_advert(
    claimant: Claimant, now: float, frame: Frame, advert: Advertisement, ip: IpFacts, ident: int | None
) -> bool:
    """Enter one advert into a claimant's book; returns whether its content changed in a way that regroups."""
    resigns = advert.priority == 0
    regroup = not resigns and claimant.advert.addresses != advert.addresses
    if not resigns and claimant.count and advert.priority != claimant.advert.priority:
        claimant.former_priority = claimant.advert.priority
        claimant.priority_changed = now
    if ident is not None and claimant.ident is not None:
        claimant.step = (ident - claimant.ident) & 0xFFFF
        if claimant.step == 1:
            claimant.counted += 1
        else:
            if claimant.own_counter and ident < claimant.ident and claimant.step > 64:
                claimant.restarted = now  # a reload or a new process: the counter begins at 1 again
            claimant.uncounted += 1
    mac = frame.source_mac
    claimant.mac = mac
    row = claimant.macs.setdefault(mac, [0, now, now])
    row[0] += 1
    row[2] = now
    if len(claimant.macs) > 8:
        del claimant.macs[min(claimant.macs, key=lambda m: claimant.macs[m][2])]
    if not resigns:  # the last content with a claim stays: its priority ranks, its list groups
        claimant.advert = advert
        claimant.ip = ip
        claimant.frame = frame
        claimant.versions[advert.version] = (advert, ip, now)
    claimant.ident = ident
    claimant.previous = claimant.last
    claimant.last = now
    claimant.count += 1
    claimant.recent.append((now, ident, mac))
    return regroup
