"""Binding of what concerns the whole host: global_defs, scripts, tracked things, static addresses."""

from __future__ import annotations

from typing import Any

from vrrpcore.settings import (
    Fifo,
    GlobalDefs,
)
from vrrpwatch.keepalived_conf import value_lines, values
from vrrpwatch.keepalived_conf.bind import Binder, Block, Entry, origin
from vrrpwatch.keepalived_conf.findings import Severity
from vrrpwatch.keepalived_conf.nodes import Node

#: Fields of global_defs that go into the model as they are.
_PLAIN = (
    "router_id",
    "vrrp_version",
    "strict",
    "skip_check_adv_addr",
    "check_unicast_src",
    "multicast_group4",
    "multicast_group6",
    "default_interface",
    "log_unknown_vrids",
    "garp_master_repeat",
    "garp_master_refresh_repeat",
    "lower_prio_no_advert",
    "higher_prio_send_advert",
    "owner_ignore_adverts",
    "v3_checksum_as_v2",
    "down_timer_adverts",
    "notify_priority_changes",
    "script_security",
    "notification_email_from",
    "smtp_helo_name",
    "smtp_alert",
    "smtp_alert_vrrp",
    "smtp_alert_checker",
    "process_name",
    "vrrp_process_name",
    "vrrp_priority",
    "vrrp_rt_priority",
    "vrrp_cpu_affinity",
    "vrrp_no_swap",
    "max_auto_priority",
    "net_namespace",
    "instance_name",
    "use_pid_dir",
    "reload_time_file",
    "reload_repeat",
    "json_version",
    "umask",
    "rx_bufs_policy",
    "rx_bufs_multiplier",
    "iptables",
    "lvs_sync_daemon",
    "lvs_timeouts",
    "lvs_flush",
    "linkbeat_use_polling",
    "vmac_prefix",
)
#: Fields whose unit is in the model's name.
_SECONDS = (
    "startup_delay",
    "delay_after_boot",
    "garp_master_delay",
    "garp_master_refresh",
    "garp_interval",
    "gna_interval",
    "startup_script_timeout",
    "shutdown_script_timeout",
    "smtp_connect_timeout",
    "child_wait",
)


def _garp(binder: Binder, block: Block, entry: Entry) -> bool:
    """What has an effect at once: vrrp_min_garp changes what is still at its default; repeats are at least 1."""
    name, value = entry.keyword.name, entry.value
    if name == "vrrp_min_garp" and value:
        for field, default, least in (
            ("garp_master_repeat", 5, 1),
            ("garp_master_delay", 5, 0),
            ("garp_master_refresh_repeat", 1, 0),
        ):
            if block.get(field, default) == default:
                block.counts[field] = Entry(entry.keyword, least, entry.line, entry.node)
    if value == 0 and name in (
        "vrrp_garp_master_repeat",
        "vrrp_garp_master_refresh_repeat",
        "garp_master_repeat",
        "garp_master_refresh_repeat",
        "smtp_connect_timeout",
    ):
        binder.warn(entry.line, "invalid-value", f"{name} 0 is taken as 1", f"write {name} 1", exit_code=5)
        entry.value = 1
    return False


def global_defs(binder: Binder, blocks: list[Node], root: Block) -> GlobalDefs:
    """All global_defs blocks together, and the global keywords beside them."""
    if not blocks:
        return GlobalDefs(**_top(root))
    block = binder.read(blocks[0], lambda each, entry: _garp(binder, each, entry))
    for further in blocks[1:]:
        more = binder.read(further, lambda each, entry: _garp(binder, each, entry))
        block.entries += more.entries
        block.counts |= more.counts
        block.origins |= more.origins
        block.node.children.extend(further.children)
    found: dict[str, Any] = {name: block.get(name) for name in _PLAIN if block.has(name)}
    found |= {f"{name}_seconds": float(block.get(name)) for name in _SECONDS if block.has(name)}
    found |= _global_rest(binder, block)
    found |= _top(root)
    _judge_global(binder, block)
    return GlobalDefs(**found, origin=origin(blocks[0].line), origins=block.origins)


def _top(root: Block) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in ("linkbeat_use_polling", "net_namespace", "use_pid_dir", "instance_name"):
        if root.has(name):
            found[name] = root.get(name)
    if root.has("child_wait"):
        found["child_wait_seconds"] = float(root.get("child_wait"))
    if found.get("net_namespace") or found.get("instance_name"):
        found["use_pid_dir"] = True
    return found


def _global_rest(binder: Binder, block: Block) -> dict[str, Any]:
    """Fields that take more than copying."""
    found: dict[str, Any] = {}
    delay, repeat = float(block.get("garp_master_delay", 5)), block.get("garp_master_repeat", 5)
    found["garp_lower_prio_delay_seconds"] = float(block.get("garp_lower_prio_delay", delay))
    found["garp_lower_prio_repeat"] = block.get("garp_lower_prio_repeat", repeat)
    if block.has("garp_extra_if"):
        found["garp_extra_if_seconds"], found["garp_extra_if_all"] = (
            float(block.get("garp_extra_if")[0]),
            block.get("garp_extra_if")[1],
        )
    found["vmac_addr_prefix"] = block.get("vmac_addr_prefix", block.get("vmac_prefix", "vrrp"))
    if block.has("dynamic_interfaces"):
        found["dynamic_interfaces"] = True
        found["dynamic_interfaces_allow_changes"] = bool(block.get("dynamic_interfaces"))
    if block.has("script_user"):
        found["script_user"], found["script_group"] = block.get("script_user")
    for name in ("notify_fifo", "vrrp_notify_fifo", "lvs_notify_fifo"):
        found[name] = _fifo(binder, block, name)
    for name in ("startup_script", "shutdown_script"):
        found[name] = binder.command(block.counts.get(name))
    if block.has("smtp_server"):
        found["smtp_server"], found["smtp_server_port"] = block.get("smtp_server")
    found["email_faults"] = not block.get("no_email_faults", False)
    found["notification_email"] = _emails(binder, block)
    if block.has("process_names"):
        found["vrrp_process_name"] = block.get("vrrp_process_name", "keepalived_vrrp")
    if block.has("vrrp_rlimit_rttime"):
        found["vrrp_rlimit_rttime_us"] = max(2, block.get("vrrp_rlimit_rttime"))
    if block.has("min_auto_priority_delay"):
        found["min_auto_priority_delay_us"] = block.get("min_auto_priority_delay")
    found["reload_check_config"] = block.has("reload_check_config")
    found["fifo_write_vrrp_states_on_reload"] = block.has("fifo_write_states")
    found["nftables_table"] = block.get("nftables")
    old, new = block.counts.get("iptables"), block.counts.get("nftables")
    if old is not None and new is not None and old.line.at.line < new.line.at.line:
        first = f"vrrp_iptables on line {old.line.at.line} has chosen a table"
        binder.error(new.line, "repeated-keyword", f"{first}; keepalived ignores nftables", "remove vrrp_iptables")
    return {name: value for name, value in found.items() if value is not None}


def _fifo(binder: Binder, block: Block, name: str) -> Fifo | None:
    script = block.counts.get(f"{name}_script")
    if not block.has(name):
        if script is not None:
            binder.warn(script.line, "no-effect", f"{name}_script without {name} never runs", f"add {name} PATH")
        return None
    path, user, group = block.get(name)
    return Fifo(path, user, group, binder.command(script))


def _emails(binder: Binder, block: Block) -> tuple[str, ...]:
    found: list[str] = []
    for node in block.children("notification_email"):
        words = value_lines.names(iter([node]))
        if not words:
            binder.tell(
                node.line,
                Severity.WARNING,
                "empty-block",
                "notification_email is empty",
                "add an address or remove the block",
                end_line=node.end_line,
            )
        for line, word in words:
            binder.check_template(line, word)
            found.append(word.text)
    return tuple(found)


def _judge_global(binder: Binder, block: Block) -> None:
    entry = block.counts.get("smtp_server")
    if entry is not None and not _is_address(entry.value[0]):
        binder.note(
            entry.line,
            "needs-resolver",
            f"{entry.value[0]} is looked up when keepalived starts; without an answer mail stays off",
            "write its address",
        )
    for name in ("vrrp_mcast_group6", "multicast_group6"):
        group = block.get(name)
        if isinstance(group, bytes) and group[0] == 0xFF and group[1] & 0x0F != 2:
            binder.warn(
                block.line(name),
                "multicast-scope",
                "the IPv6 group should be link-local (ff02::…)",
                "write ff02::12",
                exit_code=5,
            )
    if block.has("script_user"):
        user_exists(binder, block.counts["script_user"], *block.get("script_user")[:2])


def _is_address(text: str) -> bool:
    try:
        values.address(text)
    except values.Rejected:
        return False
    return True


def user_exists(binder: Binder, entry: Entry, user: str, group: str = "") -> None:
    """A user other than root must exist on the host: a note, since the file alone cannot tell."""
    if user not in ("root", "nobody", ""):
        binder.note(
            entry.line,
            "needs-user",
            f"user {user} must exist, else keepalived drops what runs as it",
            f"useradd -r {user}",
        )
    elif group not in ("", "root", "nobody", "nogroup"):
        message = f"group {group} must exist, else keepalived drops what runs as it"
        binder.note(entry.line, "needs-user", message, f"groupadd -r {group}")


# -- scripts, files, processes ---------------------------------------------------------------------------------------
