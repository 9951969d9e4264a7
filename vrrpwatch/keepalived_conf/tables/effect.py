"""Which keywords keepalived acts on and `vrrpwatch run` does not, and why.

A keyword without a `field` in its table has no effect either and need not be here. Whoever teaches the speaker one of
these removes its row; tests/watch/keepalived_conf/test_effect.py holds both lists together.
"""

from __future__ import annotations

_IPVS = "it serves no virtual servers; keepalived's health checks do"
_PROCESS = "its processes are arranged in its own way"
_FILTER = "it drops packets with an nftables table of its own"
_UNSUPPORTED = "not supported yet"

_GLOBAL = {
    _IPVS: "smtp_alert_checker lvs_notify_fifo lvs_notify_fifo_script lvs_sync_daemon lvs_timeouts lvs_flush",
    _PROCESS: "process_names process_name vrrp_process_name vrrp_priority vrrp_cpu_affinity vrrp_rlimit_rttime"
    " vrrp_rlimit_rtime max_auto_priority min_auto_priority_delay umask",
    _FILTER: "vrrp_iptables nftables",
    _UNSUPPORTED: "vrrp_rx_bufs_policy vrrp_rx_bufs_multiplier",
    "a reload always tests the new configuration first": "reload_check_config",
    "it reloads on SIGHUP only": "reload_time_file reload_repeat",
}
_INSTANCE = {
    _IPVS: "lvs_sync_daemon_interface",
    _UNSUPPORTED: "vrf old_unicast_checksum",
    "its adverts carry no HMAC trailer, and it checks none": "auth_hmac",
    "nothing at all, in keepalived neither": "debug native_ipv6",
}
_TOP = {
    _IPVS: "virtual_server virtual_server_group SSL",
    _PROCESS: "use_pid_dir instance child_wait_time",
    "start it in the namespace instead": "net_namespace",
}
_WATCHED = {"it compares the command line and the short name alike": "full_command"}

#: (level, keyword) -> why; (level, "") for keywords of that level without a field.
NO_EFFECT = {
    (level, name): why
    for level, rows in (
        ("global_defs", _GLOBAL),
        ("vrrp_instance", _INSTANCE),
        ("the top level", _TOP),
        ("vrrp_track_process", _WATCHED),
    )
    for why, names in rows.items()
    for name in names.split()
} | {("global_defs", ""): "it has no part that this could set"}
