"""Which visible fields of two claimants disagree: what every receiver must reject, and what is only logged. Pure."""

from __future__ import annotations

from typing import Final

from ..frames import IpFacts
from ..packet import Advertisement
from ..tally import Claimant

#: Disagreements that every receiver must reject, in the order in which they are named as the cause.
MUST_REJECT: Final = (
    "version_mismatch",
    "auth_type_mismatch",
    "auth_data_mismatch",
    "advert_int_mismatch",
    "ttl_not_255",
    "checksum_style_mismatch",
    "transport_mismatch",
)


def _pairs(a: Claimant, b: Claimant, now: float) -> list[tuple[Advertisement, IpFacts, Advertisement, IpFacts]]:
    """The contents to compare: those of a version that both speak (a v2+v3 master speaks two, RFC 9568 §8.4.2)."""

    def current(c: Claimant) -> dict[int, tuple[Advertisement, IpFacts]]:
        fresh = {v: (ad, ip) for v, (ad, ip, at) in c.versions.items() if c.last - at <= c.lapse}
        return fresh or {c.advert.version: (c.advert, c.ip)}

    of_a, of_b = current(a), current(b)
    return [(*of_a[v], *of_b[v]) for v in of_a if v in of_b]


def _auth_kind(advert: Advertisement, ip: IpFacts) -> int | str:
    return "ah" if ip.ah is not None else advert.auth_type


def _transport_differs(a: Claimant, b: Claimant, a_ip: IpFacts, b_ip: IpFacts) -> bool:
    """Unicast against multicast, another group, or a unicast speaker that does not name the other as its peer."""
    group_a, group_b = a.transport, b.transport
    if group_a or group_b:
        return group_a != group_b
    return b_ip.source not in a.destinations or a_ip.source not in b.destinations


def must_reject(a: Claimant, b: Claimant, now: float) -> tuple[str, ...]:
    """Disagreements for which at least one of the two must reject the other's adverts, in naming order."""
    if a.frame is b.frame and a.frame is not None:
        return ()
    pairs = _pairs(a, b, now)
    if not pairs:
        return ("version_mismatch",)
    found: set[str] = set()
    for ad_a, ip_a, ad_b, ip_b in pairs:
        kinds = _compare(ad_a, ip_a, ad_b, ip_b)
        if a.source != b.source and _transport_differs(a, b, ip_a, ip_b):
            kinds.add("transport_mismatch")
        if not kinds:
            return ()
        found |= kinds
    return tuple(kind for kind in MUST_REJECT if kind in found)


def _compare(ad_a: Advertisement, ip_a: IpFacts, ad_b: Advertisement, ip_b: IpFacts) -> set[str]:
    kinds: set[str] = set()
    if _auth_kind(ad_a, ip_a) != _auth_kind(ad_b, ip_b):
        kinds.add("auth_type_mismatch")
    elif ad_a.auth_type == 1 and ip_a.ah is None and ad_a.auth_data != ad_b.auth_data:
        kinds.add("auth_data_mismatch")
    if ad_a.version == 2 and ad_a.interval != ad_b.interval:
        kinds.add("advert_int_mismatch")
    if ip_a.ttl != 255 or ip_b.ttl != 255:
        kinds.add("ttl_not_255")
    if ad_a.version == 3 and ip_a.family == 4:
        styles = {ad_a.checksum_style, ad_b.checksum_style}
        if styles == {"message", "pseudo"}:
            kinds.add("checksum_style_mismatch")
    return kinds


def lists_differ(a: Claimant, b: Claimant) -> bool:
    """Whether the address lists of two claimants differ as sets (keepalived <= 2.3.2 rejects, later ones log)."""
    return set(a.advert.addresses) != set(b.advert.addresses)


def visible(a: Claimant, b: Claimant, now: float) -> tuple[str, ...]:
    """Everything visible that disagrees between two claimants of one component, for `misconfig`."""
    kinds = list(must_reject(a, b, now))
    if lists_differ(a, b):
        kinds.append("vip_list_mismatch")
    same_version = a.advert.version == b.advert.version == 3
    if same_version and a.interval != b.interval and "advert_int_mismatch" not in kinds:
        kinds.append("advert_int_mismatch")
    if a.priority == b.priority == 255 and a.source != b.source:
        kinds.append("two_owners")
    return tuple(kinds)
