"""From sockets to machines: one receive socket per (interface, family, mode), a memo of adverts already understood.

A speaker's advert is the same from one to the next but for its IPv4 identification and header checksum: what was made
of it the first time (parsed, checked, accepted or refused) is remembered under all the other octets.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from vrrpcore.addresses import text
from vrrpcore.errors import ParseError
from vrrpcore.frames import IpFacts, Malformed
from vrrpcore.frames.network import ipv4
from vrrpcore.machine import Machine, refuse, remark
from vrrpcore.packet import Advertisement, parse
from vrrpcore.settings import Instance
from vrrpcore.speaker.router import VirtualRouter
from vrrpcore.speaker.seals import Seals
from vrrpcore.vrrpsockets import AH, VRRP, Receiver, facts6

_MEMO_LIMIT: Final = 4096
Key = tuple[str, int, bool, int]  # interface ("" = any), family, unicast, protocol


@dataclass(slots=True)
class Heard:
    """What was made of one packet: for a router, accepted (`refusal` "") or refused; or for nobody."""

    router: VirtualRouter | None
    advert: Advertisement | None
    source: bytes
    refusal: str
    note: str = ""  # what differs and was let pass


class Reception:
    """All receivers; `deliver(heard, now)` is called for each packet of a router of ours, in the order of arrival."""

    def __init__(
        self, deliver: Callable[[Heard, float], None], unknown: Callable[[str, str, int | None], None]
    ) -> None:
        self._deliver, self._unknown = deliver, unknown
        self.receivers: dict[Key, Receiver] = {}
        self._routers: dict[Key, dict[int, VirtualRouter]] = {}
        self._memo: dict[Key, dict[object, Heard]] = {}
        self._seals = Seals()
        self.global_errors: Counter[str] = Counter()

    def key(self, router: VirtualRouter, interface: str) -> Key:
        instance = router.instance
        protocol = AH if instance.auth_type == "ah" and instance.version == 2 else VRRP
        return (interface, instance.family, instance.unicast, protocol)

    def add(self, router: VirtualRouter, interface: str, index: int, *, shared: bool) -> Receiver | None:
        """Listen for a router; the new receiver, or None when one serves it already. OSError where a group cannot
        be joined. `shared` False: the interface is the router's own, the kernel may drop other VRIDs."""
        key = self.key(router, interface)
        made = None
        if key not in self.receivers:
            made = Receiver(interface, index, router.instance.family, key[3])
            if not shared and key[3] == VRRP:
                made.only_vrid(router.instance.vrid)
            self.receivers[key] = made
        self._routers.setdefault(key, {})[router.instance.vrid] = router
        self.forget()
        if not router.instance.unicast:
            self.receivers[key].join(router.instance.multicast_group)
        return made

    def remove(self, router: VirtualRouter) -> list[Receiver]:
        """Listen no longer for a router; receivers that nobody needs any more, to be closed by the caller."""
        self.forget()
        unused = []
        for key, routers in list(self._routers.items()):
            if routers.get(router.instance.vrid) is router:
                del routers[router.instance.vrid]
                if not routers:
                    del self._routers[key]
                    unused.append(self.receivers.pop(key))
        return unused

    def forget(self) -> None:
        """Configuration or addresses changed: earlier judgements do not hold any more."""
        self._memo.clear()

    def read(self, key: Key, now: float) -> None:
        """Take in what one receiver has."""
        receiver = self.receivers.get(key)
        if receiver is None:
            return
        memo = self._memo.setdefault(key, {})
        if len(memo) > _MEMO_LIMIT:
            memo.clear()
        if key[1] == 6:
            self._read6(key, receiver, memo, now)
        elif key[3] == AH:  # every packet differs: its sequence number is part of what is signed
            for packet in receiver.packets4():
                self._deliver(self._understand4(key, packet, now), now)
        else:
            deliver = self._deliver
            for packet in receiver.packets4():
                what = packet[6:10] + packet[12:]
                heard = memo.get(what)
                if heard is None:
                    heard = memo[what] = self._understand4(key, packet, now)
                deliver(heard, now)

    def _read6(self, key: Key, receiver: Receiver, memo: dict[object, Heard], now: float) -> None:
        deliver = self._deliver
        for what in receiver.packets6():
            heard = memo.get(what)
            if heard is None:
                message, ancillary, peer = what
                heard = memo[what] = self._understand6(key, message, facts6(ancillary, peer))
            deliver(heard, now)

    def _understand4(self, key: Key, packet: bytes, now: float) -> Heard:
        facts, body = ipv4(packet, 0)
        if facts is None:
            return Heard(None, None, b"", "truncated")
        if isinstance(body, Advertisement):
            heard = self._meet(key, body, facts)
            ours = heard.router
            if ours is not None and not heard.refusal and facts.ah is not None:
                secret, silence = ours.instance.auth_data, ours.machine.down_interval
                heard.refusal = self._seals.refuse(ours.name, packet, facts, secret, now, silence)
                if not heard.refusal:
                    ours.adverts.follow(facts.ah.sequence)
            return heard
        if isinstance(body, Malformed):
            router = self._routers.get(key, {}).get(body.vrid or 0)
            if body.reason == "count" and _names_none(router):
                message = packet[(packet[0] & 15) * 4 :]
                return self._meet(key, parse(message, 4, facts.source, facts.destination, empty=True), facts)
            return Heard(router, None, facts.source, body.reason)
        return Heard(None, None, facts.source, "")

    def _understand6(self, key: Key, message: bytes, facts: IpFacts) -> Heard:
        router = self._routers.get(key, {}).get(message[1] if len(message) > 1 else 0)
        try:
            advert = parse(message, 6, facts.source, facts.destination, empty=_names_none(router))
        except ParseError as error:
            return Heard(router, None, facts.source, error.reason)
        return self._meet(key, advert, facts)

    def _meet(self, key: Key, advert: Advertisement, facts: IpFacts) -> Heard:
        router = self._routers.get(key, {}).get(advert.vrid)
        if router is None:  # another socket of ours may have it, too: unicast beside multicast, a macvlan's parent
            elsewhere = any(advert.vrid in each for where, each in self._routers.items() if where[1] == key[1])
            return Heard(None, advert, facts.source, "" if elsewhere else "vrid")
        machine: Machine = router.machine
        refusal = refuse(router.instance, machine.rules, advert, facts)
        note = "" if refusal else differences(router.instance, advert)
        return Heard(router, advert, facts.source, refusal, note)

    def nobodys(self, key_interface: str, heard: Heard) -> None:
        """A packet that belongs to no router of ours."""
        if heard.refusal:
            self.global_errors[heard.refusal] += 1
            vrid = heard.advert.vrid if heard.advert else None
            self._unknown(heard.refusal, text(heard.source) if heard.source else key_interface, vrid)


def _names_none(router: VirtualRouter | None) -> bool:
    """Whether the router's adverts name no address (no_virtual_ipaddress), nor need its peers'."""
    return router is not None and not router.instance.addresses


def differences(instance: Instance, advert: Advertisement) -> str:
    """`machine.remark` without counting: the words for the log."""
    from vrrpcore.machine import Counters

    return remark(instance, advert, Counters())
