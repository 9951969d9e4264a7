"""Proof that a superior master is alive and within reach from here, though its adverts never reach us. Pure.

An inferior master that is deaf (its own firewall drops protocol 112) cannot know of its superior; a sensor on the same
interface sees the frames before any rule does. What it saw becomes a Proof only when both ways are proved:

* from there to here: two adverts of one source and MAC within three of its intervals, valid in all that needs no
  agreement (checksum, TTL 255, VRID, family), and listing every address that we would give up. An instance with
  authentication takes nobody's word without it: what VRRP would refuse for its secret cannot depose us either.
* from here to there and back: its host answered our own ARP request or Neighbour Solicitation for a virtual address,
  and the proof is as old as the older of both: what was reachable a while ago may be cut off since. The virtual MAC is
  no name: whoever else is master answers with it, too. It counts only beside an answer for the superior's own address.

Adverts alone prove one direction: clients on our side might not reach it. Answers alone prove a host, not a master.
What the proof then means (who is superior, how long it holds) is the machine's to say: `Machine.prove`.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Final

from vrrpcore.frames import IpFacts
from vrrpcore.machine.acceptance import password_fits, peer_ttl, to_group
from vrrpcore.packet import Advertisement
from vrrpcore.settings import Instance

FRESH: Final = 3  # of the sender's intervals
#: Masters that advertise faster (seconds) are not asked at every advert: an answer is good for so long.
ANSWERED: Final = 0.1
MAX_RIVALS: Final = 8  # anyone can invent sources


@dataclass(frozen=True, slots=True)
class Proof:
    """Another master speaks and is within reach. Times are seconds of the caller's clock."""

    source: bytes  # packed
    priority: int  # 0: it has resigned
    interval: float  # of its adverts, seconds
    at: float  # when its last advert arrived, or its last answer where that is older


@dataclass(slots=True)
class _Rival:
    mac: bytes
    priority: int
    interval: float
    last: float  # its last advert
    previous: float = -inf
    owns: float = -inf  # its own MAC answered for a virtual address
    shared: float = -inf  # the virtual MAC did
    reached: float = -inf  # its own address was answered
    told: float = -inf  # the time of the last Proof


class Evidence:
    """What a sensor saw of the other masters of one virtual router, on the interface of its instance here.

    Feed it what arrives (never what this host sends) in the order of kernel timestamps. Bounded: MAX_RIVALS sources.
    """

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self._ours = frozenset(each.address for each in instance.addresses)
        self._rivals: dict[bytes, _Rival] = {}

    def advert(
        self, time: float, advert: Advertisement, facts: IpFacts, mac: bytes, authentic: bool = False
    ) -> Proof | None:
        """An advert arrived; the proof that it completes. `authentic`: its AH was verified with our key."""
        if not credible(self.instance, advert, facts, authentic):
            return None
        source, rival = facts.source, self._rivals.get(facts.source)
        if advert.priority == 0:
            if rival is None or self._rivals.pop(source).told == -inf:
                return None
            return Proof(source, 0, advert.interval, time)
        if rival is None or rival.mac != mac:
            self._make_room()
            self._rivals[source] = _Rival(mac, advert.priority, advert.interval, time)
            return None
        rival.previous, rival.last = rival.last, time
        rival.priority, rival.interval = advert.priority, advert.interval
        return self._proof(source, rival, time)

    def answer(self, time: float, address: bytes, mac: bytes) -> Proof | None:
        """A host answered our own question for an address with a MAC; the proof that it completes."""
        virtual = mac == self.instance.mac
        found = None
        for source, rival in self._rivals.items():
            if address in self._ours and virtual:
                rival.shared = time
            elif address in self._ours and mac == rival.mac:
                rival.owns = time
            elif address == source and not virtual:
                rival.reached = time
            else:
                continue
            found = self._proof(source, rival, time) or found
        return found

    def questions(self, time: float, priority: int = 1) -> tuple[bytes, ...]:
        """Whom to ask for, best after every advert: a virtual address, and the own ones of masters with this priority
        at least; () while no such one speaks."""
        alive = [
            source
            for source, rival in self._rivals.items()
            if rival.priority >= priority and time - rival.last <= FRESH * rival.interval
        ]
        return (self.instance.addresses[0].address, *alive) if alive and self._ours else ()

    def _make_room(self) -> None:
        if len(self._rivals) >= MAX_RIVALS:
            del self._rivals[min(self._rivals, key=lambda source: self._rivals[source].last)]

    def _proof(self, source: bytes, rival: _Rival, time: float) -> Proof | None:
        way_back = max(rival.owns, min(rival.shared, rival.reached))
        at = min(rival.last, way_back + (ANSWERED if rival.interval < ANSWERED else 0.0))
        if time - min(rival.previous, at) > FRESH * rival.interval or at - rival.told < rival.interval / 2:
            return None
        rival.told = at
        return Proof(source, rival.priority, rival.interval, at)


def credible(instance: Instance, advert: Advertisement, facts: IpFacts, authentic: bool = False) -> bool:
    """Whether an advert that we may never agree with is still evidence that its sender serves all that we serve."""
    if facts.family != instance.family or advert.vrid != instance.vrid:
        return False
    if not {each.address for each in instance.addresses} <= set(advert.addresses):
        return False
    if to_group(facts):
        if facts.ttl != 255:
            return False
    else:
        peer = next((each for each in instance.unicast_peers if each.address == facts.source), None)
        if peer is None or peer_ttl(peer, facts.ttl):
            return False
    return _secret_fits(instance, advert, facts, authentic)


def _secret_fits(instance: Instance, advert: Advertisement, facts: IpFacts, authentic: bool) -> bool:
    if instance.version != 2 or instance.auth_type == "none":
        return True
    if instance.auth_type == "ah":
        return facts.ah is not None and authentic
    return advert.version == 2 and advert.auth_type == 1 and password_fits(instance, advert)
