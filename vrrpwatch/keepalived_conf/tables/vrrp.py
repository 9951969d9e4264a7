"""Keywords of vrrp_instance, vrrp_sync_group and garp_group."""

from __future__ import annotations

from vrrpwatch.keepalived_conf import shapes
from vrrpwatch.keepalived_conf.table import (
    SMALL_SECONDS,
    Address,
    Bool,
    Choice,
    Interface,
    Keyword,
    Level,
    Number,
    OptionalNumber,
    Seconds,
)
from vrrpwatch.keepalived_conf.values import INT_MAX, UINT_MAX

AUTHENTICATION = Level(
    "authentication",
    (
        Keyword(
            "auth_type", "kind of authentication (VRRP version 2 only)", Choice(("PASS", "AH")), "auth_type", "none"
        ),
        Keyword("auth_pass", "the password: in clear text in every advert", shapes.AUTH_PASS, "auth_pass"),
    ),
)

AUTH_HMAC = Level(
    "auth_hmac",
    (
        Keyword("key", "a key with its number; several for a change of keys", shapes.HMAC_KEY, repeat="all"),
        Keyword("active_key", "number of the key that signs", Number(1, 255)),
        Keyword("anti_replay", "fresh by the clock, or only growing", Choice(("time", "monotonic")), default="time"),
        Keyword(
            "time_window", "how old an advert may be", Number(1, 300, "SECONDS"), default="3 × advert_int, 5 or more"
        ),
        Keyword(
            "mode",
            "permissive also takes adverts without a trailer, receive-only does not sign either",
            Choice(("enforce", "permissive", "receive-only")),
            default="enforce",
        ),
    ),
)

_NOTIFY = (
    ("notify_master", "runs on becoming master", "notify_master"),
    ("notify_backup", "runs on becoming backup", "notify_backup"),
    ("notify_fault", "runs on a fault", "notify_fault"),
    ("notify_stop", "runs when keepalived stops", "notify_stop"),
    ("notify", "runs on every transition, with INSTANCE|GROUP, name, state and priority added", "notify"),
)


def notify_rows() -> tuple[Keyword, ...]:
    """The notify scripts that instances and groups share; of repeated ones the first counts."""
    return tuple(Keyword(name, text, shapes.NOTIFY, field, repeat="first") for name, text, field in _NOTIFY)


TRACKED = (
    Keyword("track_interface", "interfaces whose loss is a fault, or moves the priority", values="track_interface"),
    Keyword(
        "track_script", "vrrp_script blocks whose failure is a fault, or moves the priority", values="track_script"
    ),
    Keyword("track_file", "files whose number moves the priority", values="track_file"),
    Keyword("track_process", "processes whose absence is a fault, or moves the priority", values="track_process"),
    Keyword("track_bfd", "BFD sessions whose loss is a fault, or moves the priority", values="track_bfd"),
)

_GARP = (
    Keyword(
        "garp_master_delay",
        "seconds to the second burst of gratuitous ARP",
        Number(0, SMALL_SECONDS, "SECONDS"),
        "garp_master_delay",
        "5",
    ),
    Keyword("garp_master_repeat", "gratuitous ARPs per burst", Number(0, UINT_MAX), "garp_master_repeat", "5"),
    Keyword(
        "garp_master_refresh",
        "seconds between refreshes while master; 0 = never",
        Number(0, UINT_MAX, "SECONDS"),
        "garp_master_refresh",
        "0",
    ),
    Keyword(
        "garp_master_refresh_repeat",
        "gratuitous ARPs per refresh",
        Number(0, UINT_MAX),
        "garp_master_refresh_repeat",
        "1",
    ),
    Keyword(
        "garp_lower_prio_delay",
        "seconds to the second burst after an advert of lower priority",
        Number(0, SMALL_SECONDS, "SECONDS"),
        "garp_lower_prio_delay",
        "garp_master_delay",
    ),
    Keyword(
        "garp_lower_prio_repeat",
        "gratuitous ARPs after an advert of lower priority",
        Number(0, INT_MAX),
        "garp_lower_prio_repeat",
        "garp_master_repeat",
    ),
    Keyword(
        "garp_extra_if",
        "refresh also on other interfaces that carry addresses",
        shapes.GARP_EXTRA_IF,
        "garp_extra_if",
        "0",
    ),
    Keyword(
        "vmac_garp_intvl",
        "old name of garp_extra_if",
        shapes.GARP_EXTRA_IF,
        "garp_extra_if",
        deprecated="garp_extra_if",
        warned=True,
    ),
)

INSTANCE = Level(
    "vrrp_instance",
    (
        Keyword(
            "state",
            "initial state: MASTER claims at once only with priority 255, but shortens nothing else",
            Choice(("MASTER", "BACKUP")),
            "state",
            "BACKUP (MASTER with priority 255)",
            ignored="BACKUP is used",
            advice="write BACKUP",
        ),
        Keyword("interface", "interface that adverts and addresses use", Interface(), "interface"),
        Keyword(
            "virtual_router_id",
            "identity of the virtual router; the same on all its routers, unique on the LAN",
            Number(1, 255, fatal=True),
            "vrid",
        ),
        Keyword(
            "priority",
            "the highest wins the election; 255 = owner of the addresses",
            Number(1, 255),
            "priority",
            "100 (255 with state MASTER)",
            ignored="100 is used",
        ),
        Keyword(
            "advert_int",
            "seconds between adverts; the same on all routers in version 2",
            Seconds(10_000, 255_000_000),
            "advert_int",
            "1",
        ),
        Keyword("version", "VRRP version of this instance", Number(2, 3), "version", "vrrp_version; 3 for IPv6"),
        Keyword("authentication", "authentication of adverts (version 2 only)", level=AUTHENTICATION),
        Keyword(
            "auth_hmac",
            "HMAC-SHA256 trailer on adverts of any version; not together with authentication",
            level=AUTH_HMAC,
            since="2.4",
        ),
        Keyword("virtual_ipaddress", "addresses that move with mastership and are named in adverts", values="address"),
        Keyword("virtual_ipaddress_excluded", "addresses that move, but are not named in adverts", values="excluded"),
        Keyword("virtual_routes", "routes that move with mastership", values="route"),
        Keyword("virtual_rules", "policy rules that move with mastership", values="rule"),
        Keyword("no_virtual_ipaddress", "an instance without addresses is meant", since="2.2.8", field="no_addresses"),
        Keyword(
            "promote_secondaries", "keep other addresses of a network when one is removed", field="promote_secondaries"
        ),
        Keyword("nopreempt", "a backup of higher priority does not take over from a live master", field="nopreempt"),
        Keyword("preempt", "a backup of higher priority takes over (the default)", field="preempt"),
        Keyword(
            "preempt_delay",
            "seconds to wait before taking over",
            Seconds(0, 1_000_000_000),
            "preempt_delay",
            "0",
            ignored="0 is used",
        ),
        Keyword(
            "accept", "take packets to the addresses also without owning them (default unless strict)", field="accept"
        ),
        Keyword("no_accept", "drop packets to the addresses unless owner", field="no_accept"),
        Keyword("mcast_src_ip", "source address of adverts", Address(), "source", "the interface's first address"),
        Keyword(
            "unicast_src_ip",
            "source address of adverts to unicast peers",
            Address(),
            "source",
            "the interface's first address",
        ),
        Keyword(
            "mcast_dst_ip",
            "multicast group of this instance",
            Address(multicast=True),
            "group",
            "224.0.0.18 / ff02::12",
        ),
        Keyword("unicast_peer", "send adverts to these routers instead of the multicast group", values="peer"),
        Keyword("unicast_ttl", "TTL of adverts to peers", Number(0, 255), "unicast_ttl", "255"),
        Keyword(
            "unicast_fault_no_peer", "without a peer go to fault instead of multicast", field="unicast_fault_no_peer"
        ),
        Keyword("check_unicast_src", "take adverts only from the peers listed", field="check_unicast_src"),
        Keyword(
            "old_unicast_checksum",
            "checksum of keepalived up to 1.3.6 for version 3",
            Choice(("never",), default="yes"),
            "old_unicast_checksum",
        ),
        Keyword(
            "v3_checksum_as_v2",
            "version 3 over IPv4 without pseudo-header, as RFC 9568 has it",
            Bool(),
            "v3_checksum_as_v2",
            "off",
            since="2.2.8",
        ),
        Keyword("track_src_ip", "fault when the source address goes away", field="track_src_ip"),
        Keyword("vrf", "VRF of a unicast instance without an interface", Interface(), "vrf"),
        Keyword(
            "use_vmac",
            "own interface with the virtual router's MAC address",
            shapes.USE_VMAC,
            "vmac",
            repeat="first",
        ),
        Keyword("use_vmac_addr", "such interfaces also for addresses on other interfaces", field="vmac_addr"),
        Keyword("vmac_xmit_base", "adverts through the parent interface, not the VMAC", field="vmac_xmit_base"),
        Keyword("use_ipvlan", "own ipvlan interface", shapes.USE_IPVLAN, "ipvlan", repeat="first"),
        Keyword("native_ipv6", "IPv6 (superfluous: the addresses decide)", field="native_ipv6"),
        Keyword(
            "strict_mode",
            "keep to the RFCs: no authentication, no unicast, no accept …",
            Bool(),
            "strict",
            "vrrp_strict",
        ),
        Keyword(
            "skip_check_adv_addr",
            "do not compare address lists of the master already known",
            Bool(),
            "skip_check_adv_addr",
            "vrrp_skip_check_adv_addr",
        ),
        Keyword(
            "lower_prio_no_advert",
            "no advert in answer to one of lower priority",
            Bool(),
            "lower_prio_no_advert",
            "vrrp_lower_prio_no_advert",
        ),
        Keyword(
            "higher_prio_send_advert",
            "one last advert before yielding to a higher priority",
            Bool(),
            "higher_prio_send_advert",
            "vrrp_higher_prio_send_advert",
        ),
        Keyword(
            "down_timer_adverts",
            "silent intervals after which the master counts as gone",
            Number(1, 100),
            "down_timer_adverts",
            "3",
        ),
        Keyword(
            "timer_expired_backup",
            "yield when our own timer ran late",
            OptionalNumber(1, 255, 1),
            "timer_expired_backup",
            since="2.2.8",
        ),
        Keyword(
            "thread_timer_expired",
            "other name of timer_expired_backup",
            OptionalNumber(1, 255, 1),
            "timer_expired_backup",
            since="2.2.8",
        ),
        Keyword(
            "owner_ignore_adverts", "as owner ignore adverts of others", Bool(), "owner_ignore_adverts", since="2.3.2"
        ),
        *_GARP,
        *TRACKED,
        Keyword(
            "dont_track_primary", "a fault of the instance's own interface does not count", field="dont_track_primary"
        ),
        Keyword(
            "linkbeat_use_polling",
            "poll the link",
            field="linkbeat_use_polling",
            deprecated="linkbeat_interfaces",
            warned=True,
        ),
        *notify_rows(),
        Keyword(
            "notify_deleted",
            "DELETED instead of FAULT when a reload removes the instance",
            shapes.OPTIONAL_NOTIFY,
            "notify_deleted",
            repeat="first",
        ),
        Keyword(
            "notify_master_rx_lower_pri",
            "runs when a master hears a lower priority",
            shapes.NOTIFY,
            "notify_master_rx_lower_pri",
            repeat="first",
        ),
        Keyword(
            "notify_priority_changes",
            "FIFO lines for changes of priority",
            Bool(),
            "notify_priority_changes",
            "vrrp_notify_priority_changes",
        ),
        Keyword("smtp_alert", "mail on transitions", Bool(), "smtp_alert", "smtp_alert_vrrp, smtp_alert, off"),
        Keyword("kernel_rx_buf_size", "receive buffer of the socket in octets", Number(0, UINT_MAX, "OCTETS"), ""),
        Keyword(
            "lvs_sync_daemon_interface",
            "interface of IPVS synchronisation",
            Interface(strict=False),
            "lvs_sync_daemon",
            deprecated="lvs_sync_daemon in global_defs",
            warned=True,
        ),
        Keyword("debug", "without effect", Number(0, 4), "debug", "0"),
    ),
)

SYNC_GROUP = Level(
    "vrrp_sync_group",
    (
        Keyword("group", "names of the instances that change state together", values="members"),
        *TRACKED,
        *notify_rows(),
        Keyword("smtp_alert", "mail on transitions", Bool(), "smtp_alert", "off"),
        Keyword("notify_priority_changes", "FIFO lines for changes of priority", Bool(), "notify_priority_changes"),
        Keyword(
            "global_tracking",
            "old form of tracking by the group",
            field="global_tracking",
            deprecated="track_interface, track_script … in the group",
            warned=True,
        ),
        Keyword("sync_group_tracking_weight", "let members keep differing weights", field="tracking_weight"),
    ),
)

GARP_GROUP = Level(
    "garp_group",
    (
        Keyword("garp_interval", "seconds between two gratuitous ARPs", Seconds(0, INT_MAX), "garp_interval", "0"),
        Keyword(
            "gna_interval",
            "seconds between two unsolicited neighbour advertisements",
            Seconds(0, INT_MAX),
            "gna_interval",
            "0",
        ),
        Keyword("interface", "the interface that the limits are for", Interface(strict=False), "interface"),
        Keyword("interfaces", "interfaces that share the limits", values="interfaces"),
    ),
)
