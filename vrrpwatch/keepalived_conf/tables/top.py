"""The top level: which blocks there are."""

from __future__ import annotations

from vrrpwatch.keepalived_conf import shapes, shapes_servers
from vrrpwatch.keepalived_conf.table import Keyword, Level, Text
from vrrpwatch.keepalived_conf.tables import host, servers, tracking, vrrp

_NAME = Text("NAME")

ROOT = Level(
    "the top level",
    (
        Keyword("global_defs", "settings of the whole host", level=host.GLOBAL_DEFS, repeat="all"),
        *host.TOP,
        Keyword("static_ipaddress", "addresses that stay on this host", values="static_address", repeat="all"),
        Keyword("static_routes", "routes that stay on this host", values="static_route", repeat="all"),
        Keyword("static_rules", "policy rules that stay on this host", values="static_rule", repeat="all"),
        Keyword(
            "track_group",
            "instances that static addresses concern",
            shapes.ONE_NAME,
            level=tracking.TRACK_GROUP,
            repeat="all",
        ),
        Keyword("linkbeat_interfaces", "interfaces whose link is polled", values="linkbeat", repeat="all"),
        Keyword("interface_up_down_delays", "patience with bouncing links", values="delays", repeat="all"),
        Keyword("vrrp_script", "a command that is run again and again", _NAME, level=tracking.SCRIPT, repeat="all"),
        Keyword("track_file", "a file with a number", _NAME, level=tracking.TRACK_FILE, repeat="all"),
        Keyword(
            "vrrp_track_file",
            "old name of track_file",
            _NAME,
            level=tracking.TRACK_FILE,
            repeat="all",
            deprecated="track_file",
        ),
        Keyword("vrrp_track_process", "a process that must run", _NAME, level=tracking.TRACK_PROCESS, repeat="all"),
        Keyword("bfd_instance", "a BFD session (RFC 5880)", _NAME, level=tracking.BFD, repeat="all"),
        Keyword("garp_group", "pace of gratuitous ARP per switch", level=vrrp.GARP_GROUP, repeat="all"),
        Keyword(
            "vrrp_sync_group",
            "instances that change state together",
            shapes.ONE_NAME,
            level=vrrp.SYNC_GROUP,
            repeat="all",
        ),
        Keyword(
            "vrrp_instance",
            "one virtual router",
            shapes.ONE_NAME,
            ignored="the whole block is skipped",
            level=vrrp.INSTANCE,
            repeat="all",
        ),
        Keyword(
            "virtual_server_group",
            "addresses and marks of one virtual service",
            _NAME,
            values="server_group",
            repeat="all",
        ),
        Keyword(
            "virtual_server",
            "a virtual service of IPVS",
            shapes_servers.VIRTUAL_SERVER,
            level=servers.VIRTUAL_SERVER,
            repeat="all",
        ),
        Keyword("SSL", "certificates for SSL_GET", level=servers.SSL, repeat="all"),
    ),
)

#: Keywords that keepalived had once, by level: what to do with them.
FORMER = {
    (
        "virtual_server",
        "nat_mask",
    ): "delete the line; keepalived dropped it long ago (the forwarding method needs no mask)",
    ("global_defs", "lvs_id"): "write router_id instead",
    ("global_defs", "vrrp_ipset"): "write vrrp_ipsets",
    ("vrrp_instance", "mcast_iface"): "delete the line; interface says it",
    ("vrrp_instance", "smtp_alerts"): "write smtp_alert",
    ("vrrp_instance", "virtual_ip"): "write virtual_ipaddress",
}
#: The same wherever it stands.
FORMER_ANYWHERE = {
    "nb_get_retry": "write retry instead",
    "dont_preempt": "write nopreempt",
    "no_preempt": "write nopreempt",
}
