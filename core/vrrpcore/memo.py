"""A memo in front of the codec: a speaker's advert is constant between changes, so each content is parsed once. Pure.

The key is the frame without the two fields that differ from advert to advert though nothing has changed: the IPv4
identification (keepalived counts it up) and the IPv4 header checksum that follows from it. Everything else that the
codec looks at is in the key, so the remembered Frame is what `frames.unwrap` would give again, but for
`ip.ident`; that one is evidence and handed out beside the Frame.

Keys are injective: what was cut out lies behind the ethertype, and that one (at 12, or behind the tags that stand
there) is in the key at the same place. VLAN ids that the kernel took off make the key a pair.

Remembered is protocol 112 alone; not AH and not adverts with a trailer (their sequence numbers and digests make each
one new), not CARP (a counter), not ARP and ND, and never foreign traffic.
"""

from __future__ import annotations

from typing import Final, TypeAlias

from .frames import Carp, Frame, unwrap
from .frames.link import MOST_TAGS
from .packet import Advertisement

Key: TypeAlias = bytes | tuple[tuple[int, ...], bytes]

_ETHERNET: Final = 1
_IPV4: Final = b"\x08\x00"
_IPV6: Final = b"\x86\xdd"
_TAGS: Final = frozenset((b"\x81\x00", b"\x88\xa8", b"\x91\x00"))
_VRRP: Final = b"\x70"
#: Distinct contents that are remembered at least (twice as many at most): 16 claimants on each of 1,024 routers.
DEFAULT_CAPACITY: Final = 16_384


class Memo:
    """Frames by content, bounded in two generations: when the young one is full, the old one goes.

    What was asked for since the last change of generations survives it, so a flood of invented contents costs the
    flood's own frames and not the regular speakers'.
    Counters, cumulative: `hits`, `misses` (parsed and remembered), `bypassed` (parsed, never remembered),
    `evicted` (remembered contents that were dropped for room).
    """

    __slots__ = ("_capacity", "_old", "_young", "bypassed", "evicted", "hits", "misses")

    def __init__(self, capacity: int = DEFAULT_CAPACITY) -> None:
        self._capacity = capacity
        self._young: dict[Key, Frame] = {}
        self._old: dict[Key, Frame] = {}
        self.hits = 0
        self.misses = 0
        self.bypassed = 0
        self.evicted = 0

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def lookup(self, data: bytes, linktype: int = _ETHERNET, vlans: tuple[int, ...] = ()) -> tuple[Frame, int | None]:
        """`unwrap(data, linktype, vlans)` and this frame's own IPv4 identification (None where there is none).

        Equal contents give the very same Frame object for as long as it is remembered.
        """
        if data[12:14] != _IPV4 or linktype != _ETHERNET:
            return self._other(data, linktype, vlans)
        if data[23:24] != _VRRP:
            return self._bypass(data, linktype, vlans)
        key: Key = data[:18] + data[20:24] + data[26:]
        if vlans:
            key = (vlans, data[:18] + data[20:24] + data[26:])
        frame = self._young.get(key)
        if frame is None:
            return self._recall(key, data, vlans, 14)
        self.hits += 1
        return frame, data[18] << 8 | data[19]

    def _other(self, data: bytes, linktype: int, vlans: tuple[int, ...]) -> tuple[Frame, int | None]:
        """IPv6, tags in the frame, other link types."""
        if linktype != _ETHERNET:
            return self._bypass(data, linktype, vlans)
        at = 14
        ethertype = data[12:14]
        while ethertype in _TAGS and at < 14 + 4 * MOST_TAGS:
            ethertype = data[at + 2 : at + 4]
            at += 4
        if ethertype == _IPV4 and data[at + 9 : at + 10] == _VRRP:
            octets = data[: at + 4] + data[at + 6 : at + 10] + data[at + 12 :]
        elif ethertype == _IPV6 and data[at + 6 : at + 7] == _VRRP:
            octets = data
        else:
            return self._bypass(data, linktype, vlans)
        key: Key = (vlans, octets) if vlans else octets
        frame = self._young.get(key)
        if frame is None:
            return self._recall(key, data, vlans, at)
        self.hits += 1
        return frame, data[at + 4] << 8 | data[at + 5] if ethertype == _IPV4 else None

    def _bypass(self, data: bytes, linktype: int, vlans: tuple[int, ...]) -> tuple[Frame, int | None]:
        self.bypassed += 1
        frame = unwrap(data, linktype, vlans)
        return frame, frame.ip.ident if frame.ip is not None else None

    def _recall(self, key: Key, data: bytes, vlans: tuple[int, ...], at: int) -> tuple[Frame, int | None]:
        """Not in the young generation: take it over from the old one, or parse and remember.

        `at` is the offset of the IP header. A frame that ends inside an IPv4 header, or whose header makes no sense,
        is not remembered: octets that the key leaves out might be missing, and two such frames share a key.
        """
        frame = self._old.pop(key, None)
        if frame is None:
            frame = unwrap(data, _ETHERNET, vlans)
            body = frame.body
            if frame.ip is None or isinstance(body, Carp) or (isinstance(body, Advertisement) and body.trailer):
                self.bypassed += 1
                return frame, frame.ip.ident if frame.ip is not None else None
            self.misses += 1
        else:
            self.hits += 1
        if len(self._young) >= self._capacity:
            self.evicted += len(self._old)
            self._old, self._young = self._young, {}
        self._young[key] = frame
        if frame.ip is None or frame.ip.family == 6:
            return frame, None
        return frame, data[at + 4] << 8 | data[at + 5]
