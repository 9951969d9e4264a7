"""global_defs and the keywords beside it, written as keepalived.conf."""

from __future__ import annotations

from vrrpcore.addresses import text
from vrrpcore.settings import (
    Command,
    Fifo,
    GlobalDefs,
    Settings,
)
from vrrpwatch.keepalived_conf.writing import Block, command, seconds, word


def top_blocks(defs: GlobalDefs) -> list[Block]:
    lines = []
    if defs.linkbeat_use_polling:
        lines.append("linkbeat_use_polling")
    if defs.net_namespace:
        lines.append(f"net_namespace {word(defs.net_namespace)}")
    if defs.instance_name:
        lines.append(f"instance {word(defs.instance_name)}")
    if defs.use_pid_dir and not defs.net_namespace and not defs.instance_name:
        lines.append("use_pid_dir")
    if defs.child_wait_seconds != 5.0:
        lines.append(f"child_wait_time {seconds(defs.child_wait_seconds)}")
    blocks = [Block("", lines)]
    if defs.linkbeat_interfaces:
        blocks.append(
            Block("linkbeat_interfaces", [f"{word(name)} {kind}".strip() for name, kind in defs.linkbeat_interfaces])
        )
    return blocks


_DEFAULTS = GlobalDefs()


#: keyword, field, how it is written: flag, bool, number, seconds, word, address
_GLOBAL_ROWS = (
    ("router_id", "router_id", "word"),
    ("notification_email_from", "notification_email_from", "word"),
    ("smtp_helo_name", "smtp_helo_name", "word"),
    ("smtp_connect_timeout", "smtp_connect_timeout_seconds", "seconds"),
    ("smtp_alert", "smtp_alert", "bool"),
    ("smtp_alert_vrrp", "smtp_alert_vrrp", "bool"),
    ("smtp_alert_checker", "smtp_alert_checker", "bool"),
    ("vrrp_version", "vrrp_version", "number"),
    ("vrrp_strict", "strict", "flag"),
    ("vrrp_skip_check_adv_addr", "skip_check_adv_addr", "flag"),
    ("vrrp_check_unicast_src", "check_unicast_src", "flag"),
    ("vrrp_mcast_group4", "multicast_group4", "address"),
    ("vrrp_mcast_group6", "multicast_group6", "address"),
    ("vrrp_garp_master_refresh", "garp_master_refresh_seconds", "seconds"),
    ("vrrp_garp_interval", "garp_interval_seconds", "seconds"),
    ("vrrp_gna_interval", "gna_interval_seconds", "seconds"),
    ("vrrp_lower_prio_no_advert", "lower_prio_no_advert", "bool"),
    ("vrrp_higher_prio_send_advert", "higher_prio_send_advert", "bool"),
    ("vrrp_owner_ignore_adverts", "owner_ignore_adverts", "bool"),
    ("v3_checksum_as_v2", "v3_checksum_as_v2", "bool"),
    ("vrrp_down_timer_adverts", "down_timer_adverts", "number"),
    ("vrrp_startup_delay", "startup_delay_seconds", "seconds"),
    ("vrrp_delay_after_boot", "delay_after_boot_seconds", "seconds"),
    ("default_interface", "default_interface", "word"),
    ("log_unknown_vrids", "log_unknown_vrids", "flag"),
    ("vmac_prefix", "vmac_prefix", "word"),
    ("vmac_addr_prefix", "vmac_addr_prefix", "word"),
    ("vrrp_notify_priority_changes", "notify_priority_changes", "bool"),
    ("fifo_write_vrrp_states_on_reload", "fifo_write_vrrp_states_on_reload", "flag"),
    ("enable_script_security", "script_security", "flag"),
    ("startup_script_timeout", "startup_script_timeout_seconds", "seconds"),
    ("shutdown_script_timeout", "shutdown_script_timeout_seconds", "seconds"),
    ("process_name", "process_name", "word"),
    ("vrrp_process_name", "vrrp_process_name", "word"),
    ("vrrp_priority", "vrrp_priority", "number"),
    ("vrrp_rt_priority", "vrrp_rt_priority", "number"),
    ("vrrp_no_swap", "vrrp_no_swap", "flag"),
    ("vrrp_rlimit_rttime", "vrrp_rlimit_rttime_us", "number"),
    ("max_auto_priority", "max_auto_priority", "number"),
    ("min_auto_priority_delay", "min_auto_priority_delay_us", "number"),
    ("reload_check_config", "reload_check_config", "flag"),
    ("reload_time_file", "reload_time_file", "word"),
    ("reload_repeat", "reload_repeat", "flag"),
    ("json_version", "json_version", "number"),
    ("vrrp_rx_bufs_policy", "rx_bufs_policy", "word"),
    ("vrrp_rx_bufs_multiplier", "rx_bufs_multiplier", "number"),
    ("lvs_flush", "lvs_flush", "flag"),
)


def _written(keyword: str, value: object, kind: str) -> str:
    if kind == "flag":
        return keyword
    if isinstance(value, bool):
        return f"{keyword} {'on' if value else 'off'}"
    if isinstance(value, bytes):
        return f"{keyword} {text(value)}"
    if isinstance(value, float):
        return f"{keyword} {seconds(value)}"
    return f"{keyword} {word(str(value))}"


def global_block(settings: Settings) -> Block:
    defs = settings.global_defs
    lines = _global_garp(defs)
    for keyword, field, kind in _GLOBAL_ROWS:
        value = getattr(defs, field)
        if value != getattr(_DEFAULTS, field):
            lines.append(_written(keyword, value, kind))
    lines += _global_others(defs)
    block = Block("global_defs", lines)
    if defs.notification_email:
        block.add(Block("notification_email", [word(each) for each in defs.notification_email]))
    block.lines += [
        " ".join(word(each) for each in unused.words)
        for unused in settings.unused
        if unused.known and unused.path == ("global_defs",)
    ]
    return block


def _global_garp(defs: GlobalDefs) -> list[str]:
    lines = []
    least = defs.garp_master_refresh_repeat == 0
    if least:
        lines.append("vrrp_min_garp")
    if least or defs.garp_master_delay_seconds != 5.0:
        lines.append(f"vrrp_garp_master_delay {seconds(defs.garp_master_delay_seconds)}")
    if least or defs.garp_master_repeat != 5:
        lines.append(f"vrrp_garp_master_repeat {defs.garp_master_repeat}")
    if defs.garp_master_refresh_repeat not in (0, 1):
        lines.append(f"vrrp_garp_master_refresh_repeat {defs.garp_master_refresh_repeat}")
    if defs.garp_lower_prio_delay_seconds != defs.garp_master_delay_seconds:
        lines.append(f"vrrp_garp_lower_prio_delay {seconds(defs.garp_lower_prio_delay_seconds)}")
    if defs.garp_lower_prio_repeat != defs.garp_master_repeat:
        lines.append(f"vrrp_garp_lower_prio_repeat {defs.garp_lower_prio_repeat}")
    if defs.garp_extra_if_seconds or defs.garp_extra_if_all:
        lines.append(extra_interfaces("vrrp_garp_extra_if", defs.garp_extra_if_seconds, defs.garp_extra_if_all))
    return lines


def extra_interfaces(keyword: str, interval: float, every: bool) -> str:
    return f"{keyword} {'all ' if every else ''}{seconds(interval)}"


def _global_others(defs: GlobalDefs) -> list[str]:
    lines = []
    if defs.smtp_server:
        lines.append(f"smtp_server {word(defs.smtp_server)} {defs.smtp_server_port}")
    if not defs.email_faults:
        lines.append("no_email_faults")
    if defs.dynamic_interfaces:
        lines.append("dynamic_interfaces" + (" allow_if_changes" if defs.dynamic_interfaces_allow_changes else ""))
    if defs.script_user:
        lines.append(
            f"script_user {word(defs.script_user)} {word(defs.script_group) if defs.script_group else ''}".strip()
        )
    for name in ("notify_fifo", "vrrp_notify_fifo", "lvs_notify_fifo"):
        fifo: Fifo | None = getattr(defs, name)
        if fifo is not None:
            lines.append(" ".join([name, *(word(each) for each in (fifo.path, fifo.user, fifo.group) if each)]))
            if fifo.script is not None:
                lines.append(f"{name}_script {command(fifo.script)}")
    for name in ("startup_script", "shutdown_script"):
        script: Command | None = getattr(defs, name)
        if script is not None:
            lines.append(f"{name} {command(script)}")
    if defs.vrrp_cpu_affinity:
        lines.append("vrrp_cpu_affinity " + " ".join(map(str, defs.vrrp_cpu_affinity)))
    if defs.umask is not None:
        lines.append(f"umask 0{defs.umask:o}")
    if defs.iptables is not None:
        lines.append(" ".join(["vrrp_iptables", *map(word, defs.iptables)]))
    if defs.nftables_table is not None:
        lines.append(f"nftables {word(defs.nftables_table)}")
    if defs.lvs_timeouts:
        lines.append("lvs_timeouts " + " ".join(f"{name} {value}" for name, value in defs.lvs_timeouts))
    daemon = defs.lvs_sync_daemon
    if daemon is not None:
        parts = [f"lvs_sync_daemon {word(daemon.interface)}"]
        pairs = (
            ("inst", word(daemon.instance) if daemon.instance else None),
            ("id", daemon.sync_id),
            ("maxlen", daemon.max_length),
            ("port", daemon.port),
            ("ttl", daemon.ttl),
            ("group", None if daemon.group is None else text(daemon.group)),
        )
        lines.append(" ".join(parts + [f"{name} {value}" for name, value in pairs if value is not None]))
    return lines
