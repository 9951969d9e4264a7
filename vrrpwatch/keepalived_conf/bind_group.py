"""Binding of tracking, notify scripts and vrrp_sync_group."""

from __future__ import annotations

from vrrpcore.settings import (
    GlobalDefs,
    Notify,
    SyncGroup,
    Tracking,
)
from vrrpwatch.keepalived_conf import value_lines
from vrrpwatch.keepalived_conf.bind import Binder, Block, Entry, origin
from vrrpwatch.keepalived_conf.findings import Severity
from vrrpwatch.keepalived_conf.nodes import Node
from vrrpwatch.keepalived_conf.track_lines import TrackKind, tracks


def read_tracking(binder: Binder, block: Block, kinds: tuple[TrackKind, ...]) -> Tracking:
    """All track_… blocks of an instance or group."""
    found = [tracks(binder, block.children(kind.block), kind) for kind in kinds]
    return Tracking(*found)


def read_notify(binder: Binder, block: Block, smtp_alert: bool, priority_changes: bool) -> Notify:
    """All notify scripts of an instance or group."""
    deleted = next((child for child in block.node.children if child.line.head == "notify_deleted"), None)
    for name in (
        "notify_master",
        "notify_backup",
        "notify_fault",
        "notify_stop",
        "notify",
        "notify_master_rx_lower_pri",
    ):
        entry = block.counts.get(name)
        if entry is not None:
            _judge_user(binder, entry)
    return Notify(
        master=binder.command(block.counts.get("notify_master")),
        backup=binder.command(block.counts.get("notify_backup")),
        fault=binder.command(block.counts.get("notify_fault")),
        stop=binder.command(block.counts.get("notify_stop")),
        deleted=binder.command(block.counts.get("notify_deleted")),
        deleted_sends_deleted=deleted is not None,
        master_rx_lower_pri=binder.command(block.counts.get("notify_master_rx_lower_pri")),
        any=binder.command(block.counts.get("notify")),
        smtp_alert=smtp_alert,
        priority_changes=priority_changes,
    )


def _judge_user(binder: Binder, entry: Entry) -> None:
    """`notify_master /path/script.sh MASTER`: the second word is a user name, not an argument."""
    trailing = entry.value.trailing
    if not trailing:
        return
    whole = " ".join((*entry.value.words, *trailing))
    if (
        len(trailing) > 2
        or trailing[0].upper() in ("MASTER", "BACKUP", "FAULT", "STOP")
        or not trailing[0].replace("-", "_").isidentifier()
    ):
        binder.warn(
            entry.line,
            "argument-as-user",
            f"'{trailing[0]}' is taken for the user that runs the script; if there is none, the script is dropped",
            f'write {entry.keyword.name} "{whole}"',
        )
        return
    if trailing[0] != "root":
        binder.note(
            entry.line,
            "needs-user",
            f"user {trailing[0]} must exist, else keepalived drops the script",
            f"useradd -r {trailing[0]}",
        )


def sync_group(binder: Binder, node: Node, kinds: tuple[TrackKind, ...], defaults: GlobalDefs) -> SyncGroup | None:
    """One vrrp_sync_group; members are checked when all instances are known."""
    name = binder.value_of(node.line, node.keyword) if node.keyword else None
    block = binder.read(node)
    if name is None:
        return None
    members = tuple(dict.fromkeys(word.text for _, word in value_lines.names(block.children("group"))))
    if not members:
        binder.tell(
            node.line,
            Severity.ERROR,
            "empty-group",
            f"sync group {name} has no members; keepalived removes it",
            "name instances in group { }",
            end_line=node.end_line,
        )
    smtp = block.get("smtp_alert")
    if smtp is None:
        smtp = next((each for each in (defaults.smtp_alert_vrrp, defaults.smtp_alert) if each is not None), False)
    return SyncGroup(
        name,
        members,
        read_tracking(binder, block, kinds),
        block.has("tracking_weight") or block.has("global_tracking"),
        block.has("global_tracking"),
        read_notify(binder, block, bool(smtp), bool(block.get("notify_priority_changes", False))),
        origin(node.line),
        block.origins,
    )
