"""Beside our own speaker: looks among the captured frames for proof that a superior master is alive and within reach.

Only for instances that may yield (opt-in), and it asks only while one of them is master or has yielded: the supervisor
says which. A superior is asked for at every advert of its, at most twenty times a second. What counts as proof is
machine.proof's to say; here frames become its evidence, on the interface of the instance alone, by the kernel's
timestamps, and never what this host itself has sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from vrrpcore.frames import Arp, Frame, Neighbour
from vrrpcore.machine import Evidence, Proof
from vrrpcore.memo import Memo
from vrrpcore.packet import Advertisement
from vrrpcore.records import ETHERNET, Record
from vrrpcore.settings import Instance
from vrrpcore.speaker.seals import Seals

from .informer import Say

_ETHERNET_HEADER: Final = 14
_REPLY: Final = 2
_ADVERTISEMENT: Final = 136


class Witness:
    """One for all instances that may yield. `mac_of(interface)`: the interface's own MAC now, b"" when unknown."""

    def __init__(self, instances: Iterable[Instance], say: Say, mac_of: Callable[[str], bytes]) -> None:
        self._say, self._mac_of = say, mac_of
        self._evidence: dict[tuple[str, int, int], tuple[str, Evidence]] = {}
        self._answers: dict[tuple[str, int], list[tuple[str, Evidence]]] = {}  # by interface and family
        for instance in instances:
            row = (instance.name, Evidence(instance))
            self._evidence[instance.interface, instance.family, instance.vrid] = row
            self._answers.setdefault((instance.interface, instance.family), []).append(row)
        self._interfaces = {interface for interface, *_ in self._evidence}
        self._memo = Memo()
        self._seals = Seals()
        self._engaged: dict[str, int] = {}  # and the priority in force
        self._to_ask: dict[tuple[str, bytes], None] = {}  # (interface, address)

    def obey(self, messages: Iterable[tuple[str, Any]]) -> None:
        """What the supervisor says: ("engaged", instances for which proof is looked for, with their priorities)."""
        for kind, value in messages:
            if kind == "engaged":
                self._engaged = dict(value)

    def take(self, record: Record) -> None:
        """One captured frame."""
        link = record.link
        if record.outgoing or record.vlans or link.linktype != ETHERNET or link.name not in self._interfaces:
            return
        frame, _ = self._memo.lookup(record.frame)
        body = frame.body
        if frame.vlans:
            return
        if isinstance(body, Advertisement):
            self._advert(record, frame, body)
        elif isinstance(body, Arp) and body.operation == _REPLY:
            self._answer(record, frame, 4, body.sender_ip, body.sender_mac)
        elif isinstance(body, Neighbour) and body.type == _ADVERTISEMENT and body.solicited:
            self._answer(record, frame, 6, body.target, body.link_layer or frame.source_mac)

    def questions(self) -> list[tuple[str, bytes]]:
        """(interface, address) pairs to ask for now: those that the adverts since the last call call for."""
        asked, self._to_ask = list(self._to_ask), {}
        return asked

    def _advert(self, record: Record, frame: Frame, advert: Advertisement) -> None:
        ip = frame.ip
        row = self._evidence.get((record.link.name, ip.family, advert.vrid)) if ip is not None else None
        if ip is None or row is None:
            return
        name, evidence = row
        authentic = False
        if ip.ah is not None and evidence.instance.auth_type == "ah":
            packet = record.frame[_ETHERNET_HEADER:]
            packet = packet[: int.from_bytes(packet[2:4], "big")]
            silence = (evidence.instance.down_timer_adverts + 1) * advert.interval
            key = evidence.instance.auth_data
            authentic = not self._seals.refuse(name, packet, ip, key, record.time, silence)
        self._pass_on(name, evidence.advert(record.time, advert, ip, frame.source_mac, authentic))
        if name in self._engaged:
            for address in evidence.questions(record.time, self._engaged[name]):
                self._to_ask[record.link.name, address] = None

    def _answer(self, record: Record, frame: Frame, family: int, address: bytes, mac: bytes) -> None:
        """Only an answer to ourselves proves the way here: promiscuous, we see those to others as well."""
        rows = self._answers.get((record.link.name, family))
        if not rows or not self._engaged or frame.destination_mac != self._mac_of(record.link.name):
            return
        for name, evidence in rows:
            self._pass_on(name, evidence.answer(record.time, address, mac))

    def _pass_on(self, name: str, proof: Proof | None) -> None:
        if proof is not None and name in self._engaged:
            self._say("proof", (name, proof.source, proof.priority, proof.interval, proof.at))
