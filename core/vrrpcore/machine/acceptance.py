"""Whether an advert is for us to act on: every check of the RFCs after the codec's own, with the reason. Pure.

The codec has already refused what cannot be parsed (length, checksum under every formula, type, VRID 0, count 0,
interval 0). Here the advert meets one instance: its version, mode, authentication, interval and addresses.
"""

from __future__ import annotations

from vrrpcore.frames import IpFacts
from vrrpcore.machine.counters import Counters
from vrrpcore.machine.rules import Rules
from vrrpcore.packet import Advertisement
from vrrpcore.settings import Instance, UnicastPeer

_AUTH_NUMBERS = {"none": 0, "pass": 1, "ah": 2}
_INTERVAL_SLACK = 0.0051  # seconds: version 3 counts in centiseconds


def refuse(instance: Instance, rules: Rules, advert: Advertisement, facts: IpFacts) -> str:
    """Why `instance` must not act on `advert` (a key of counters.REFUSALS), or "" when it may.

    Order and outcome follow RFC 3768 §7.1 and RFC 9568 §7.1. The VRID must match already.
    """
    if facts.family != instance.family:
        return "family"
    return (
        _carrier(instance, facts)
        or ("version" if advert.version != instance.version else "")
        or ("owner" if instance.owner and rules.owner_ignores_adverts else "")
        or (_version2(instance, rules, advert, facts) if advert.version == 2 else _version3(rules, advert))
        or _interval(instance, rules, advert)
        or _addresses(instance, rules, advert)
    )


def remark(instance: Instance, advert: Advertisement, counters: Counters) -> str:
    """Count what differs and is let pass all the same; one line for the log, or ""."""
    found = []
    if advert.checksum_style:
        counters.checksum_styles[advert.checksum_style] += 1
    if advert.version == 3 and advert.priority and not _same_interval(instance, advert):
        counters.interval_differs += 1
        found.append(f"advertises every {advert.interval:g} s, we every {instance.advert_interval_seconds:g} s")
    if advert.priority and list_differs(instance, advert):
        counters.address_list_differs += 1
        found.append("lists other addresses than we do")
    return " and ".join(found)


def list_differs(instance: Instance, advert: Advertisement) -> bool:
    """Whether the advert's addresses are not exactly ours, in any order."""
    ours = tuple(each.address for each in instance.addresses)
    return advert.addresses != ours and sorted(advert.addresses) != sorted(ours)


def to_group(facts: IpFacts) -> bool:
    """Whether a packet was sent to a multicast group."""
    return facts.destination[:1] == b"\xff" if facts.family == 6 else 224 <= facts.destination[0] <= 239


def _carrier(instance: Instance, facts: IpFacts) -> str:
    """TTL / hop limit and the way it came: group or peer."""
    multicast = to_group(facts)
    if not instance.unicast:
        if not multicast:
            return "mode"
        return "" if facts.ttl == 255 else "ttl"
    if multicast:
        return "mode"
    peer = next((each for each in instance.unicast_peers if each.address == facts.source), None)
    if peer is None:
        return "peer" if instance.check_unicast_src or instance.strict else ""
    return peer_ttl(peer, facts.ttl)


def peer_ttl(peer: UnicastPeer, ttl: int) -> str:
    """Why a peer's TTL is out of its limits, or ""."""
    low = peer.min_ttl is not None and ttl < peer.min_ttl
    high = peer.max_ttl is not None and ttl > peer.max_ttl
    return "peer_ttl" if low or high else ""


def _version2(instance: Instance, rules: Rules, advert: Advertisement, facts: IpFacts) -> str:
    """Authentication as RFC 2338 had it and keepalived keeps it."""
    if advert.auth_type not in (0, 1, 2):
        return "auth_type"
    if advert.auth_type != _AUTH_NUMBERS[instance.auth_type] or (facts.ah is not None) != (instance.auth_type == "ah"):
        return "auth_mismatch"
    if instance.auth_type == "pass" and not password_fits(instance, advert):
        return "auth_failure"
    return ""


def password_fits(instance: Instance, advert: Advertisement) -> bool:
    """Whether the advert bears the instance's password (RFC 2338 §5.3.10)."""
    return advert.auth_data == instance.auth_data.ljust(8, b"\0")


def _version3(rules: Rules, advert: Advertisement) -> str:
    if advert.family == 6 or rules.v3_checksum == "both" or advert.checksum_style in ("either", ""):
        return ""
    return "" if advert.checksum_style == rules.v3_checksum else "checksum_style"


def _same_interval(instance: Instance, advert: Advertisement) -> bool:
    return abs(advert.interval - instance.advert_interval_seconds) < _INTERVAL_SLACK


def _interval(instance: Instance, rules: Rules, advert: Advertisement) -> str:
    must = rules.v2_interval_must_match if advert.version == 2 else rules.v3_interval_must_match
    return "interval" if must and not _same_interval(instance, advert) else ""


def _addresses(instance: Instance, rules: Rules, advert: Advertisement) -> str:
    policy = rules.v2_address_list if advert.version == 2 else rules.v3_address_list
    if policy != "drop" or instance.skip_check_adv_addr or (rules.owner_may_list_other and advert.priority == 255):
        return ""
    return "address_list" if list_differs(instance, advert) else ""
