"""Binding of what concerns the whole host: global_defs, scripts, tracked things, static addresses."""

from __future__ import annotations

from typing import Any

from vrrpcore.settings import (
    BfdInstance,
    Command,
    Fifo,
    GarpGroup,
    GlobalDefs,
    Origin,
    TrackFile,
    TrackGroup,
    TrackProcess,
    TrackScript,
)
from vrrpwatch.keepalived_conf import value_lines, values
from vrrpwatch.keepalived_conf.bind import Binder, Block, Entry, origin
from vrrpwatch.keepalived_conf.findings import Severity
from vrrpwatch.keepalived_conf.shapes import ScriptLine, Weight
from vrrpwatch.keepalived_conf.structure import Node

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
    for name, row in (("script_user", "script_user"),):
        if block.has(name):
            user_exists(binder, block.counts[row], block.get(name)[0])


def _is_address(text: str) -> bool:
    try:
        values.address(text)
    except values.Rejected:
        return False
    return True


def user_exists(binder: Binder, entry: Entry, user: str) -> None:
    """A user other than root must exist on the host: a note, since the file alone cannot tell."""
    if user not in ("root", "nobody", ""):
        binder.note(
            entry.line,
            "needs-user",
            f"user {user} must exist, else keepalived drops what runs as it",
            f"useradd -r {user}",
        )


# -- scripts, files, processes ---------------------------------------------------------------------------------------


def script(binder: Binder, node: Node) -> TrackScript | None:
    """One vrrp_script; None (with a finding) when keepalived removes it."""
    name = binder.value_of(node.line, node.keyword) if node.keyword else None
    block = binder.read(node)
    if name is None:
        return None
    line: ScriptLine | None = block.get("script")
    if line is None:
        binder.tell(
            node.line,
            Severity.ERROR,
            "script-without-command",
            f"vrrp_script {name} has no script; keepalived removes it",
            'add script "COMMAND"',
            end_line=node.end_line,
        )
        return None
    entry = block.counts["script"]
    lost_arguments(binder, entry)
    interval, timeout = block.get("interval", 1), block.get("timeout", 0)
    for field, value in (("interval", interval), ("timeout", timeout)):
        if block.has(field) and value == 0:
            binder.warn(block.line(field), "invalid-value", f"{field} 0 is taken as 1", f"write {field} 1", exit_code=5)
    if timeout and timeout > interval:
        binder.note(
            block.line("timeout"),
            "timeout-above-interval",
            "the timeout is longer than the interval: runs are skipped meanwhile",
        )
    user, group = block.get("user", ("", ""))
    if block.has("user"):
        user_exists(binder, block.counts["user"], user)
    weight: Weight = block.get("weight", Weight(0))
    return TrackScript(
        name,
        Command(line.words, user, group, origin(entry.line)),
        float(max(1, interval)),
        float(max(1, timeout) if block.has("timeout") else 0),
        weight.weight,
        bool(weight.reverse),
        block.get("rise", 1),
        block.get("fall", 1),
        block.has("init_fail"),
        origin(node.line),
    )


def lost_arguments(binder: Binder, entry: Entry) -> None:
    """`script /bin/pidof nginx` without quotation marks runs /bin/pidof alone."""
    trailing = entry.value.trailing
    if trailing:
        whole = " ".join((*entry.value.words, *trailing))
        binder.error(
            entry.line,
            "arguments-lost",
            f"{entry.keyword.name} takes one word or quotation: '{' '.join(trailing)}' is ignored",
            f'write {entry.keyword.name} "{whole}"',
        )


def track_file(binder: Binder, node: Node) -> TrackFile | None:
    """One track_file."""
    name = binder.value_of(node.line, node.keyword) if node.keyword else None
    block = binder.read(node)
    if name is None:
        return None
    if not block.has("file"):
        binder.tell(
            node.line,
            Severity.ERROR,
            "track-file-without-file",
            f"track_file {name} has no file; keepalived removes it",
            "add file PATH",
            end_line=node.end_line,
        )
        return None
    weight: Weight = block.get("weight", Weight(1))
    value, overwrite = block.get("init", (None, False))
    return TrackFile(name, block.get("file"), weight.weight, bool(weight.reverse), value, overwrite, origin(node.line))


def process(binder: Binder, node: Node) -> TrackProcess | None:
    """One vrrp_track_process."""
    name = binder.value_of(node.line, node.keyword) if node.keyword else None
    block = binder.read(node)
    if name is None:
        return None
    if not block.has("process"):
        binder.tell(
            node.line,
            Severity.ERROR,
            "process-without-name",
            f"track process {name} names no process; keepalived removes it",
            "add process NAME",
            end_line=node.end_line,
        )
        return None
    words = block.get("process")
    weight: Weight = block.get("weight", Weight(0))
    quorum, most = block.get("quorum", 1), block.get("quorum_max")
    if most is not None and quorum > most and (most or block.has("quorum")):
        binder.error(
            block.line("quorum_max"),
            "invalid-value",
            f"quorum_max {most} is below quorum {quorum}; it is ignored",
            "exchange them",
        )
        most = None
    both = block.get("delay", 0.0)
    match = block.get("param_match", "exact" if len(words) > 1 else "")
    return TrackProcess(
        name,
        words[0],
        tuple(words[1:]),
        match,
        weight.weight,
        bool(weight.reverse),
        0 if most == 0 else quorum,
        most,
        block.get("fork_delay", both),
        block.get("terminate_delay", both),
        block.has("full_command") or bool(match),
        origin(node.line),
    )


def bfd(binder: Binder, node: Node) -> BfdInstance | None:
    """One bfd_instance."""
    name = binder.value_of(node.line, node.keyword) if node.keyword else None
    block = binder.read(node)
    if name is None:
        return None
    neighbor, source = block.get("neighbor"), block.get("source")
    if neighbor is None:
        binder.tell(
            node.line,
            Severity.ERROR,
            "bfd-without-neighbor",
            f"bfd_instance {name} has no neighbor_ip; keepalived drops it",
            "add neighbor_ip ADDRESS",
            end_line=node.end_line,
        )
        return None
    if source is not None and len(source) != len(neighbor):
        binder.error(
            block.line("source"),
            "address-family",
            "source_ip and neighbor_ip are of different families; keepalived drops the session",
            "use one family",
        )
        return None
    weight: Weight = block.get("weight", Weight(0))
    ttl = block.get("ttl", 255 if len(neighbor) == 4 else 64)
    if block.get("max_hops", 0) > ttl:
        binder.error(
            block.line("max_hops"), "invalid-value", "max_hops is above ttl; ttl is used", f"write max_hops {ttl}"
        )
    only = block.has("vrrp") != block.has("checker")
    return BfdInstance(
        name,
        neighbor,
        source,
        block.get("min_rx", 10.0),
        block.get("min_tx", 10.0),
        block.get("idle_tx", 1000.0),
        block.get("multiplier", 5),
        block.has("passive"),
        ttl,
        min(ttl, block.get("max_hops", 0)),
        weight.weight,
        bool(weight.reverse),
        not only or block.has("vrrp"),
        not only or block.has("checker"),
        origin(node.line),
    )


def track_group(binder: Binder, node: Node) -> TrackGroup | None:
    """One track_group."""
    name = binder.value_of(node.line, node.keyword) if node.keyword else None
    block = binder.read(node)
    members = tuple(word.text for _, word in value_lines.names(block.children("group")))
    if name is None:
        return None
    if not members:
        binder.tell(
            node.line,
            Severity.WARNING,
            "empty-group",
            f"track_group {name} has no members",
            "name instances in group { }",
            end_line=node.end_line,
        )
    return TrackGroup(name, members, origin(node.line))


def garp_group(binder: Binder, node: Node, taken: dict[str, Origin]) -> GarpGroup | None:
    """One garp_group; `taken`: interfaces that have one already."""
    block = binder.read(node)
    words = value_lines.names(block.children("interfaces"))
    if block.has("interface"):
        entry = block.counts["interface"]
        words.insert(0, (entry.line, entry.line.words[1]))
    elif not words:
        binder.tell(
            node.line,
            Severity.WARNING,
            "empty-group",
            "garp_group names no interface",
            "add interface NAME",
            end_line=node.end_line,
            exit_code=0,
        )
    interfaces = []
    for line, word in words:
        if word.text in taken:
            binder.error(
                line,
                "repeated-value",
                f"{word.text} is in the garp_group of line {taken[word.text].line} already; it is ignored",
                "remove it",
                word=word,
            )
            continue
        taken[word.text] = origin(line, word)
        interfaces.append(word.text)
    if not block.has("garp_interval") and not block.has("gna_interval"):
        binder.tell(
            node.line,
            Severity.ERROR,
            "garp-group-without-interval",
            "garp_group sets no interval; keepalived removes it",
            "add garp_interval SECONDS",
            end_line=node.end_line,
        )
        return None
    return GarpGroup(
        tuple(interfaces), block.get("garp_interval", 0.0), block.get("gna_interval", 0.0), origin(node.line)
    )
