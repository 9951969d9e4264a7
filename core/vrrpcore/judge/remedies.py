"""What to do about it, ready to be pasted: the configuration line, or the firewall rule in three dialects. Pure."""

from __future__ import annotations

from typing import Final

from ..addresses import text
from .docket import Record
from .words import listing

_OPEN4: Final = (
    "nft insert rule inet filter input ip protocol 112 ip daddr 224.0.0.18 accept",
    "iptables -I INPUT -p 112 -d 224.0.0.18 -j ACCEPT",
    "firewall-cmd --permanent --add-rich-rule='rule protocol value=\"vrrp\" accept' && firewall-cmd --reload",
)
_OPEN6: Final = (
    "nft insert rule inet filter input meta l4proto 112 ip6 daddr ff02::12 accept",
    "ip6tables -I INPUT -p 112 -d ff02::12 -j ACCEPT",
    'firewall-cmd --permanent --add-rich-rule=\'rule family="ipv6" protocol value="vrrp" accept\' && '
    "firewall-cmd --reload",
)

_WORDS: Final[dict[str, str]] = {
    "auth_type_mismatch": "set the same auth_type in the authentication block on {hosts}: `auth_type PASS` (or none)",
    "auth_data_mismatch": "set the same auth_pass (only its first 8 characters count) on {hosts}",
    "auth_key_mismatch": "set the same auth_pass, the AH key, on {hosts}",
    "version_mismatch": "set the same `vrrp_version` (global_defs) or `version` on {hosts}",
    "advert_int_mismatch": "set the same `advert_int` on {hosts}",
    "vip_list_mismatch": "give {hosts} the same virtual_ipaddress block",
    "vrid_mismatch": "one address belongs to one virtual_router_id: make it the same on {hosts}",
    "vrid_collision": "give one of the two clusters ({hosts}) another virtual_router_id on this segment",
    "checksum_style_mismatch": (
        "make the VRRPv3 checksum alike on {hosts}: keepalived `v3_checksum_as_v2` (global_defs), FRR `no "
        "vrrp VRID checksum-with-ipv4-pseudoheader`"
    ),
    "ttl_not_255": (
        "the adverts of {hosts} arrive with a TTL other than 255: remove the hop, proxy or mangle rule on "
        "the path (or set `min_ttl`/`max_ttl` for that unicast peer)"
    ),
    "transport_mismatch": (
        "let each name the other: `unicast_src_ip` and `unicast_peer` on {hosts}, or multicast on both with "
        "the same group"
    ),
    "identical_source": "two machines use the address of {hosts}: give the clone an address of its own",
    "rejected": "compare the logs of {hosts}: vrrp_strict, check_unicast_src or an HMAC that only one of them has",
    "master_stalled": (
        "{hosts} stopped running for a while (VM snapshot or migration, blocked disk, starvation): set "
        "`vrrp_rt_priority`, `vrrp_no_swap`, or a longer advert_int"
    ),
    "startup_race": "set `vrrp_startup_delay` (global_defs) longer than the link needs to pass traffic",
    "advert_suppression": (
        "a foreign speaker's adverts arrive faster than the master's interval and keep it silent: give it "
        "another virtual_router_id"
    ),
    "stale_vip_after_daemon_death": (
        "on {hosts} the daemon died and left the address: `ip address del VIP dev IFACE`, then start the daemon"
    ),
    "foreign_host_has_vip": "take the address off the host {hosts}, or give it another one",
    "arp_flux": "on the backups: `sysctl -w net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2`",
    "two_owners": "only one router can own the address: lower the priority of the other on {hosts} below 255",
    "priority_changed": "",
    "preempted": "",
    "resigned": "start the VRRP daemon again",
    "master_lost": "look after the host {hosts}: it fell silent without resigning",
    "intermittent_path": "look for loss between {hosts}: interface errors, spanning tree, IGMP/MLD snooping",
    "l2_partition": "the switch no longer connects {hosts}: check VLAN, trunk, LAG and spanning tree",
    "multicast_filtered": (
        "the network drops 224.0.0.18 / ff02::12 between {hosts}: give IGMP/MLD snooping a querier or except "
        "the group, or use unicast_peer"
    ),
    "one_way_path": "adverts do not reach {hosts}: check the switch ACL and the port on the way there",
}
_FIREWALL: Final = frozenset(("peer_deaf", "mutually_deaf", "deaf", "firewall_input"))


def remedy(record: Record) -> str:
    """The remedy for an episode, one line; empty where nothing needs to be done."""
    cause = record.cause or ""
    if record.cls == "handover":
        return ""
    hosts = listing(list(dict.fromkeys(record.blamed or record.masters))) or "both hosts"
    if cause in _FIREWALL:
        rules = " | ".join(_OPEN6 if record.family == 6 else _OPEN4)
        head = f"on {hosts}, let VRRP in (`vrrpwatch doctor -i IFACE` names the rule that drops it): {rules}"
        return head if cause != "mutually_deaf" else head + "; or the switch between them drops the group"
    if cause == "firewall_output":
        group = "ff02::12" if record.family == 6 else "224.0.0.18"
        return (
            f"on {hosts}, let VRRP out: nft insert rule inet filter output meta l4proto 112 accept | "
            f"iptables -I OUTPUT -p 112 -d {group} -j ACCEPT"
        )
    words = _WORDS.get(cause, "").replace("{hosts}", hosts)
    if record.addresses:
        words = words.replace(" VIP ", f" {listing([text(a) for a in sorted(record.addresses)])} ")
    return words
