"""Keywords of global_defs and the global keywords beside it."""

from __future__ import annotations

from vrrpwatch.keepalived_conf import shapes, shapes_servers
from vrrpwatch.keepalived_conf.table import (
    SMALL_SECONDS,
    Address,
    Bool,
    Choice,
    Flag,
    Keyword,
    Level,
    Number,
    OptionalNumber,
    OptionalText,
    Seconds,
    Shape,
    Text,
)
from vrrpwatch.keepalived_conf.values import INT_MAX, INT_MIN, UINT_MAX

_WHO = {"vrrp": "VRRP process", "checker": "health checks", "bfd": "BFD process"}


def _per_process() -> tuple[Keyword, ...]:
    """Scheduling keywords, which exist once per process; only those of the VRRP process have a field."""
    rows: list[Keyword] = []
    for short, who in _WHO.items():
        ours = short == "vrrp"
        shapes_of: tuple[tuple[str, str, Shape], ...] = (
            ("priority", f"nice value of the {who}", Number(-20, 19, fatal=False)),
            ("no_swap", f"lock the {who} in memory", Flag()),
            ("rt_priority", f"real-time priority of the {who}", shapes.RT_PRIORITY),
            ("cpu_affinity", f"processors for the {who}", shapes.CPUS),
            ("rlimit_rttime", f"microseconds of real time between two system calls of the {who}", Number(1, UINT_MAX)),
        )
        for name, text, shape in shapes_of:
            rows.append(Keyword(f"{short}_{name}", text, shape, f"vrrp_{name}" if ours else ""))
        rows.append(
            Keyword(
                f"{short}_rlimit_rtime",
                f"old name of {short}_rlimit_rttime",
                Number(1, UINT_MAX),
                "vrrp_rlimit_rttime" if ours else "",
                deprecated=f"{short}_rlimit_rttime",
            )
        )
    return tuple(rows)


def _buffers() -> tuple[Keyword, ...]:
    rows = []
    for name in (
        "vrrp_netlink_cmd",
        "vrrp_netlink_monitor",
        "process_monitor",
        "lvs_netlink_cmd",
        "lvs_netlink_monitor",
    ):
        rows.append(
            Keyword(
                f"{name}_rcv_bufs", f"receive buffer of the {name} socket", Number(0, UINT_MAX, "OCTETS", fatal=False)
            )
        )
        rows.append(Keyword(f"{name}_rcv_bufs_force", "also beyond rmem_max", Bool()))
    return tuple(rows)


_SNMP = tuple(
    Keyword(name, text)
    for name, text in (
        ("enable_snmp_vrrp", "the VRRP part of KEEPALIVED-MIB"),
        ("enable_snmp_checker", "the checker part of KEEPALIVED-MIB"),
        ("enable_snmp_rfc", "the MIBs of RFC 2787 and RFC 6527"),
        ("enable_snmp_rfcv2", "the MIB of RFC 2787"),
        ("enable_snmp_rfcv3", "the MIB of RFC 6527"),
        ("enable_traps", "SNMP traps"),
    )
)

GLOBAL_DEFS = Level(
    "global_defs",
    (
        Keyword("router_id", "name of this host in mails", Text("NAME", fatal=False), "router_id", "host name"),
        Keyword("notification_email", "whom to send mail", values="email"),
        Keyword(
            "notification_email_from",
            "sender of mail",
            Text("ADDRESS", fatal=False, sample="root@example.org"),
            "notification_email_from",
            "keepalived@host",
        ),
        Keyword("smtp_server", "mail server", shapes.SMTP_SERVER, "smtp_server"),
        Keyword("smtp_helo_name", "name for HELO", Text("NAME", fatal=False), "smtp_helo_name", "host name"),
        Keyword(
            "smtp_connect_timeout",
            "seconds to wait for the mail server",
            Number(0, SMALL_SECONDS, "SECONDS"),
            "smtp_connect_timeout",
            "30",
        ),
        Keyword("smtp_alert", "mail on any change", Bool(), "smtp_alert"),
        Keyword("smtp_alert_vrrp", "mail on VRRP transitions", Bool(), "smtp_alert_vrrp"),
        Keyword("smtp_alert_checker", "mail on changes of real servers", Bool(), "smtp_alert_checker"),
        Keyword("no_email_faults", "no mail for faults", field="no_email_faults"),
        Keyword("checker_log_all_failures", "log every failed check", Bool()),
        Keyword("no_checker_emails", "mail for servers only when added or removed", Bool()),
        Keyword("rs_init_notifies", "notify for servers at start", Bool()),
        Keyword("vrrp_version", "default version", Number(2, 3), "vrrp_version", "2"),
        Keyword("vrrp_strict", "keep to the RFCs: no authentication, no unicast, no accept …", field="strict"),
        Keyword(
            "vrrp_skip_check_adv_addr",
            "do not compare address lists of the master already known",
            field="skip_check_adv_addr",
        ),
        Keyword("vrrp_check_unicast_src", "take adverts only from peers listed", field="check_unicast_src"),
        Keyword("vrrp_mcast_group4", "multicast group for IPv4", Address(4, True), "multicast_group4", "224.0.0.18"),
        Keyword("vrrp_mcast_group6", "multicast group for IPv6", Address(6, True), "multicast_group6", "ff02::12"),
        Keyword(
            "vrrp_garp_master_delay",
            "seconds to the second burst of gratuitous ARP",
            Number(0, SMALL_SECONDS, "SECONDS"),
            "garp_master_delay",
            "5",
        ),
        Keyword("vrrp_garp_master_repeat", "gratuitous ARPs per burst", Number(0, UINT_MAX), "garp_master_repeat", "5"),
        Keyword(
            "vrrp_garp_master_refresh",
            "seconds between refreshes while master; 0 = never",
            Number(0, UINT_MAX, "SECONDS"),
            "garp_master_refresh",
            "0",
        ),
        Keyword(
            "vrrp_garp_master_refresh_repeat",
            "gratuitous ARPs per refresh",
            Number(0, UINT_MAX),
            "garp_master_refresh_repeat",
            "1",
        ),
        Keyword(
            "vrrp_garp_lower_prio_delay",
            "seconds to the second burst after an advert of lower priority",
            Number(0, SMALL_SECONDS, "SECONDS"),
            "garp_lower_prio_delay",
            "vrrp_garp_master_delay",
        ),
        Keyword(
            "vrrp_garp_lower_prio_repeat",
            "gratuitous ARPs after an advert of lower priority",
            Number(0, INT_MAX),
            "garp_lower_prio_repeat",
            "vrrp_garp_master_repeat",
        ),
        Keyword(
            "vrrp_garp_interval",
            "seconds between two gratuitous ARPs on an interface",
            Seconds(1, UINT_MAX),
            "garp_interval",
            "0 (write nothing)",
            advice="remove the line: no pause is the default",
        ),
        Keyword(
            "vrrp_gna_interval",
            "seconds between two unsolicited neighbour advertisements",
            Seconds(1, UINT_MAX),
            "gna_interval",
            "0 (write nothing)",
            advice="remove the line: no pause is the default",
        ),
        Keyword("vrrp_min_garp", "one gratuitous ARP, no second burst", Bool(), "min_garp", "off"),
        Keyword(
            "vrrp_garp_extra_if",
            "refresh also on other interfaces that carry addresses",
            shapes.GARP_EXTRA_IF,
            "garp_extra_if",
            "0",
        ),
        Keyword(
            "vrrp_vmac_garp_intvl",
            "old name of vrrp_garp_extra_if",
            shapes.GARP_EXTRA_IF,
            "garp_extra_if",
            deprecated="vrrp_garp_extra_if",
            warned=True,
        ),
        Keyword(
            "vrrp_lower_prio_no_advert",
            "no advert in answer to one of lower priority",
            Bool(),
            "lower_prio_no_advert",
            "off",
        ),
        Keyword(
            "vrrp_higher_prio_send_advert",
            "one last advert before yielding to a higher priority",
            Bool(),
            "higher_prio_send_advert",
            "off",
        ),
        Keyword(
            "vrrp_down_timer_adverts",
            "silent intervals after which the master counts as gone",
            Number(1, 100),
            "down_timer_adverts",
            "3",
        ),
        Keyword(
            "vrrp_owner_ignore_adverts",
            "as owner ignore adverts of others",
            Bool(),
            "owner_ignore_adverts",
            since="2.3.2",
        ),
        Keyword(
            "v3_checksum_as_v2",
            "version 3 over IPv4 without pseudo-header, as RFC 9568 has it",
            Bool(),
            "v3_checksum_as_v2",
            "off",
            since="2.2.8",
        ),
        Keyword("vrrp_startup_delay", "seconds before instances start", Seconds(1000, UINT_MAX), "startup_delay", "0"),
        Keyword(
            "vrrp_delay_after_boot",
            "seconds after boot before instances start",
            Seconds(1000, UINT_MAX),
            "delay_after_boot",
            "0",
            since="2.4.0",
        ),
        Keyword(
            "default_interface",
            "interface of static addresses without dev",
            Text("INTERFACE", fatal=False, sample="eth0"),
            "default_interface",
            "eth0",
        ),
        Keyword(
            "dynamic_interfaces",
            "interfaces may come later",
            Choice(("allow_if_changes",), default=""),
            "dynamic_interfaces",
        ),
        Keyword("log_unknown_vrids", "log adverts of VRIDs that are not configured", field="log_unknown_vrids"),
        Keyword(
            "vmac_prefix",
            "beginning of names of VMAC interfaces",
            Text("NAME", sample="vm"),
            "vmac_prefix",
            "vrrp",
            repeat="first",
        ),
        Keyword(
            "vmac_addr_prefix",
            "the same for addresses on other interfaces",
            Text("NAME", sample="vm"),
            "vmac_addr_prefix",
            "vmac_prefix",
            repeat="first",
        ),
        Keyword("disable_local_igmp", "no IGMP reports for 224.0.0.0/24"),
        Keyword(
            "vrrp_notify_priority_changes", "FIFO lines for changes of priority", Bool(), "notify_priority_changes"
        ),
        Keyword("notify_fifo", "FIFO for all events", shapes.FIFO, "notify_fifo", repeat="first"),
        Keyword("notify_fifo_script", "reads it", shapes.NOTIFY, "notify_fifo_script", repeat="first"),
        Keyword("vrrp_notify_fifo", "FIFO for VRRP events", shapes.FIFO, "vrrp_notify_fifo", repeat="first"),
        Keyword("vrrp_notify_fifo_script", "reads it", shapes.NOTIFY, "vrrp_notify_fifo_script", repeat="first"),
        Keyword("lvs_notify_fifo", "FIFO for events of servers", shapes.FIFO, "lvs_notify_fifo", repeat="first"),
        Keyword("lvs_notify_fifo_script", "reads it", shapes.NOTIFY, "lvs_notify_fifo_script", repeat="first"),
        Keyword("fifo_write_vrrp_states_on_reload", "FIFO lines at a reload", field="fifo_write_states"),
        Keyword(
            "script_user",
            "user and group that scripts run as",
            shapes.HARMLESS_USER,
            "script_user",
            "keepalived_script, else root",
        ),
        Keyword("enable_script_security", "no script as root that others can write", field="script_security"),
        Keyword("startup_script", "runs before anything starts", shapes.NOTIFY, "startup_script", repeat="first"),
        Keyword(
            "startup_script_timeout",
            "seconds that it may take",
            Number(1, 1000, "SECONDS", fatal=False),
            "startup_script_timeout",
            "10",
        ),
        Keyword(
            "shutdown_script", "runs after everything has stopped", shapes.NOTIFY, "shutdown_script", repeat="first"
        ),
        Keyword(
            "shutdown_script_timeout",
            "seconds that it may take",
            Number(1, 1000, "SECONDS", fatal=False),
            "shutdown_script_timeout",
            "10",
        ),
        *_per_process(),
        Keyword(
            "max_auto_priority",
            "highest real-time priority taken by itself",
            OptionalNumber(-1, 99, 99),
            "max_auto_priority",
            "0",
        ),
        Keyword(
            "min_auto_priority_delay",
            "microseconds of delay that count",
            Number(1, 10_000_000, "MICROSECONDS", fatal=False),
            "min_auto_priority_delay",
            "1000000",
        ),
        Keyword("process_names", "name processes keepalived_vrrp and so on", field="process_names"),
        Keyword("process_name", "name of the parent process", Text(sample="ka"), "process_name"),
        Keyword("vrrp_process_name", "name of the VRRP process", Text(sample="ka_vrrp"), "vrrp_process_name"),
        Keyword("checker_process_name", "name of the checker process", Text(sample="ka_check")),
        Keyword(
            "lvs_process_name",
            "old name of checker_process_name",
            Text(sample="ka_check"),
            deprecated="checker_process_name",
        ),
        Keyword("bfd_process_name", "name of the BFD process", Text(sample="ka_bfd")),
        Keyword(
            "lvs_sync_daemon",
            "IPVS connection synchronisation",
            shapes_servers.LVS_SYNC_DAEMON,
            "lvs_sync_daemon",
            repeat="first",
        ),
        Keyword("lvs_timeouts", "timeouts of IPVS", shapes_servers.LVS_TIMEOUTS, "lvs_timeouts"),
        Keyword("lvs_flush", "empty IPVS at start", field="lvs_flush"),
        Keyword("lvs_flush_on_stop", "empty IPVS at the end", Choice(("VS",), default="all")),
        Keyword(
            "lvs_flush_onstop",
            "old name of lvs_flush_on_stop",
            Choice(("VS",), default="all"),
            deprecated="lvs_flush_on_stop",
        ),
        Keyword(
            "vrrp_iptables",
            "chains of iptables for no_accept",
            shapes.WORDS,
            "iptables",
            deprecated="nftables",
            warned=True,
        ),
        Keyword("vrrp_ipsets", "names of ipsets", shapes.WORDS, since="only with iptables"),
        Keyword(
            "nftables",
            "table for no_accept",
            OptionalText("TABLE", "keepalived"),
            "nftables",
            "keepalived when needed",
            repeat="first",
        ),
        Keyword("nftables_priority", "priority of its chains", Number(INT_MIN, INT_MAX)),
        Keyword("nftables_counters", "with counters"),
        Keyword("nftables_ifindex", "by interface index"),
        Keyword(
            "nftables_ipvs", "table for virtual server groups", OptionalText("TABLE", "keepalived_ipvs"), repeat="first"
        ),
        Keyword("nftables_ipvs_priority", "priority of its chains", Number(INT_MIN, INT_MAX)),
        Keyword("nftables_ipvs_start_fwmark", "first mark", Number(1, UINT_MAX)),
        *_buffers(),
        Keyword("vrrp_rx_bufs_policy", "receive buffers of VRRP sockets", shapes.RX_POLICY, "rx_bufs_policy"),
        Keyword(
            "vrrp_rx_bufs_multiplier", "factor of that", Number(1, UINT_MAX, fatal=False), "rx_bufs_multiplier", "3"
        ),
        Keyword(
            "snmp_socket",
            "where the SNMP agent listens",
            Text("ADDRESS", fatal=False, sample="udp:localhost:705"),
            repeat="first",
        ),
        *_SNMP,
        Keyword("enable_snmp_keepalived", "old name of enable_snmp_vrrp", deprecated="enable_snmp_vrrp"),
        Keyword("snmp_vs_stats_update_interval", "seconds", Seconds(), since="2.2.8"),
        Keyword("snmp_rs_stats_update_interval", "seconds", Seconds(), since="2.2.8"),
        Keyword("enable_dbus", "DBus interface"),
        Keyword("dbus_service_name", "its name", Text(fatal=False, sample="org.keepalived.Two")),
        Keyword("dbus_no_interface_name", "no interface in object paths", Bool(), since="2.2.8"),
        Keyword("umask", "mask for files", shapes.UMASK, "umask", "IWGRP|IWOTH"),
        Keyword("random_seed", "seed of ${_RANDOM}", Number(0, UINT_MAX)),
        Keyword(
            "reload_check_config",
            "test the configuration before a reload",
            OptionalText("LOG", "/dev/null", "/dev/null"),
            "reload_check_config",
        ),
        Keyword(
            "reload_time_file",
            "file with the time of a reload",
            Text("PATH", fatal=False, sample="/run/reload"),
            "reload_time_file",
        ),
        Keyword("reload_repeat", "reload every day", field="reload_repeat"),
        Keyword("reload_file", "file that says a reload is under way", OptionalText("PATH", "", "/run/reload")),
        Keyword("include_check", "what is wrong with includes is an error", shapes.INCLUDE_CHECK),
        Keyword(
            "config_save_dir",
            "where to save configurations at reloads",
            Text("DIRECTORY", sample="/var/lib/keepalived"),
        ),
        Keyword(
            "tmp_config_directory",
            "where to keep the configuration read",
            Text("DIRECTORY", fatal=False, sample="/var/lib/keepalived"),
            repeat="first",
        ),
        Keyword("data_use_instance", "instance name in names of dumps", Bool()),
        Keyword("json_version", "form of the JSON dump", Number(1, 2, fatal=False), "json_version", "1", since="2.2.8"),
        Keyword("state_dump_file", "path of the state dump", Text("PATH"), since="2.2.8"),
        Keyword("stats_dump_file", "path of the statistics dump", Text("PATH"), since="2.2.8"),
        Keyword("json_dump_file", "path of the JSON dump", Text("PATH"), since="2.2.8"),
        Keyword("iproute_usr_dir", "where iproute2 keeps its tables", Text("DIRECTORY"), since="2.2.8"),
        Keyword("iproute_etc_dir", "where iproute2 keeps its tables", Text("DIRECTORY"), since="2.2.8"),
        Keyword("use_symlink_paths", "keep symbolic links in script paths", Bool(), since="2.3.3"),
    ),
)

#: Keywords of the top level that are no blocks.
TOP = (
    Keyword("linkbeat_use_polling", "poll the link of all interfaces", field="linkbeat_use_polling"),
    Keyword("net_namespace", "network namespace to run in", Text(fatal=False), "net_namespace", repeat="first"),
    Keyword("net_namespace_ipvs", "network namespace of IPVS", OptionalText(), repeat="first"),
    Keyword("namespace_with_ipsets", "ipsets in a namespace on old kernels"),
    Keyword("use_pid_dir", "PID files in /run/keepalived", field="use_pid_dir"),
    Keyword("instance", "name of this keepalived among several", Text(fatal=False), "instance_name", repeat="first"),
    Keyword("child_wait_time", "seconds that children get to end", Number(0, UINT_MAX, "SECONDS"), "child_wait", "5"),
)
