"""Binding of vrrp_instance: defaults, inheritance and keepalived's own corrections."""

from __future__ import annotations

from vrrpcore.settings import (
    Instance,
    Tracking,
)
from vrrpwatch.keepalived_conf.bind import origin
from vrrpwatch.keepalived_conf.bind_group import read_notify, read_tracking
from vrrpwatch.keepalived_conf.findings import Severity
from vrrpwatch.keepalived_conf.instance_base import Context, Draft
from vrrpwatch.keepalived_conf.instance_behaviour import Behaviour
from vrrpwatch.keepalived_conf.instance_election import Election
from vrrpwatch.keepalived_conf.instance_lines import Lines
from vrrpwatch.keepalived_conf.instance_wire import Wire

__all__ = ["Context", "InstanceBinder"]


class InstanceBinder(Lines, Election, Wire, Behaviour):
    """Reads one vrrp_instance block into an Instance."""

    def bind(self) -> Instance | None:
        """The instance, or None when it cannot exist (no name, no VRID)."""
        name = self._binder.value_of(self._node.line, self._node.keyword) if self._node.keyword else None
        block = self._binder.read(self._node, self._special)
        if name is None:
            return None
        self._name = name
        draft = Draft(block)
        self._in_order(draft)
        self._identity(draft)
        if not block.has("vrid") and not self._tried("virtual_router_id"):
            self._whole(
                Severity.ERROR,
                "no-virtual-router-id",
                f"{name} has no virtual_router_id; keepalived gives up on all instances",
                "add virtual_router_id N (1 to 255)",
            )
        if not block.has("interface") and not self._tried("interface"):
            self._no_interface(draft)
        self._election(draft)
        self._authentication(draft)
        self._destination(draft)
        self._garp(draft)
        self._behaviour(draft)
        self._vmac(draft)
        instance = self._assemble(draft, name)
        return instance if block.has("vrid") else None

    def _tracking(self, draft: Draft) -> Tracking:
        tracking = read_tracking(self._binder, draft.block, self._context.track_kinds)
        own = draft.block.get("interface")
        for track in tracking.interfaces:
            if track.name == own:
                line = next(
                    line for node in draft.block.children("track_interface") for line in node.values if line.head == own
                )
                self._binder.warn(
                    line,
                    "tracks-own-interface",
                    f"{own} is the instance's own interface, which counts anyway; the line is ignored",
                    "remove it",
                    exit_code=5,
                )
        kept = tuple(each for each in tracking.interfaces if each.name != own)
        return Tracking(kept, tracking.scripts, tracking.files, tracking.processes, tracking.bfds)

    def _assemble(self, draft: Draft, name: str) -> Instance:
        block = draft.block
        smtp = block.get("smtp_alert")
        if smtp is None:
            smtp = next(
                (each for each in (self._globals.smtp_alert_vrrp, self._globals.smtp_alert) if each is not None), False
            )
        group = self._context.group_of.get(name)
        changes = block.get("notify_priority_changes")
        if changes is None:
            changes = group[2] if group is not None and group[2] is not None else self._globals.notify_priority_changes
        return Instance(
            name=name,
            vrid=block.get("vrid", 0),
            interface=block.get("interface", ""),
            family=draft.family,
            version=draft.version,
            addresses=tuple(address for _, address in draft.addresses),
            excluded_addresses=tuple(address for _, address in draft.excluded),
            routes=tuple(draft.routes),
            rules=tuple(draft.rules),
            source_address=draft.source,
            track_source_address=block.has("track_src_ip") and draft.source is not None,
            unicast_peers=tuple(draft.peers),
            unicast_ttl=block.get("unicast_ttl", 255) if draft.peers else 255,
            unicast_fault_no_peer=block.has("unicast_fault_no_peer"),
            vmac_for_addresses=block.has("vmac_addr"),
            old_unicast_checksum=block.get("old_unicast_checksum", ""),
            tracking=self._tracking(draft),
            dont_track_primary=block.has("dont_track_primary"),
            linkbeat_use_polling=block.has("linkbeat_use_polling"),
            notify=read_notify(self._binder, block, bool(smtp), bool(changes)),
            lvs_sync_daemon=block.has("lvs_sync_daemon"),
            debug=block.get("debug", 0),
            origin=origin(self._node.line),
            origins=block.origins,
            **draft.found,
        )
