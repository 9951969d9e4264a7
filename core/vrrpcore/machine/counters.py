"""What is counted of one virtual router: RFC 6527 and RFC 8347, and what both lack."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

#: Why an advert was refused -> the RFC 6527 / RFC 8347 counter that it raises ("" = one of ours only).
REFUSALS: Final[dict[str, str]] = {
    "ttl": "ip_ttl_errors",
    "version": "version_errors",
    "vrid": "vrid_errors",
    "type": "invalid_type_pkts_rcvd",
    "checksum": "checksum_errors",
    "checksum_style": "checksum_errors",
    "length": "packet_length_errors",
    "truncated": "packet_length_errors",
    "interval": "interval_errors",
    "count": "address_list_errors",
    "address_list": "address_list_errors",
    "auth_type": "invalid_auth_type",  # RFC 2787: an authentication type that nobody knows
    "auth_mismatch": "auth_type_mismatch",  # RFC 2787: known, and not ours
    "auth_failure": "auth_failures",  # RFC 2787: the secret differs
    "replay": "auth_failures",  # AH sequence number seen before
    "mode": "",  # multicast where unicast is configured, or the reverse
    "peer": "",  # unicast from an address that is no configured peer
    "peer_ttl": "ip_ttl_errors",  # outside the peer's min_ttl / max_ttl
    "owner": "",  # we are the owner and configured to listen to nobody
    "family": "",  # another address family than the instance's
}


@dataclass(slots=True)
class Counters:
    """Counters of one virtual router; they only rise. `since`: epoch seconds of the last discontinuity."""

    since: float = 0.0
    master_transitions: int = 0
    backup_transitions: int = 0
    master_releases: int = 0  # times that we were master and ended it
    adverts_received: int = 0
    adverts_sent: int = 0
    priority_zero_received: int = 0
    priority_zero_sent: int = 0
    announcements_sent: int = 0  # gratuitous ARP and unsolicited NA frames
    send_errors: int = 0
    lower_priority_received: int = 0  # adverts that lost against us while we were master
    own_address_received: int = 0  # adverts from our own address: a clone, or a loop
    address_list_differs: int = 0  # logged, not refused
    interval_differs: int = 0  # logged, not refused (version 3)
    late: int = 0  # adverts that were sent more than one interval late
    yields: int = 0  # times that we were master and yielded on proof of a superior whose adverts do not reach us
    checksum_styles: Counter[str] = field(default_factory=Counter)  # which v3/IPv4 formula verified
    refused: Counter[str] = field(default_factory=Counter)  # by reason, a key of REFUSALS
    refused_sources: dict[str, str] = field(default_factory=dict)  # "source" and "reason" of the last refusal

    def refuse(self, reason: str, source: str = "") -> None:
        """Count one refused advert."""
        self.refused[reason] += 1
        self.refused_sources = {"source": source, "reason": reason}

    def rfc(self) -> dict[str, int]:
        """RFC 8347 names -> values; error counters are the sums of the refusals that belong to them."""
        rows = {
            "master_transitions": self.master_transitions,
            "advertisement_rcvd": self.adverts_received,
            "advertisement_sent": self.adverts_sent,
            "priority_zero_pkts_rcvd": self.priority_zero_received,
            "priority_zero_pkts_sent": self.priority_zero_sent,
        }
        for name in REFUSALS.values():
            if name:
                rows.setdefault(name, 0)
        for reason, count in self.refused.items():
            name = REFUSALS.get(reason, "")
            if name:
                rows[name] += count
        rows["interval_errors"] += self.interval_differs
        rows["address_list_errors"] += self.address_list_differs
        return rows

    def as_json(self) -> dict[str, Any]:
        """Everything, RFC names first."""
        rows: dict[str, Any] = dict(self.rfc())
        rows.update(
            since=self.since,
            backup_transitions=self.backup_transitions,
            master_releases=self.master_releases,
            announcements_sent=self.announcements_sent,
            send_errors=self.send_errors,
            lower_priority_rcvd=self.lower_priority_received,
            own_address_rcvd=self.own_address_received,
            late=self.late,
            yields=self.yields,
            checksum_styles=dict(self.checksum_styles),
            refused=dict(self.refused),
            last_refused=dict(self.refused_sources),
        )
        return rows
