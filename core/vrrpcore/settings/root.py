"""The whole configuration of one host."""

from __future__ import annotations

from dataclasses import dataclass, field

from vrrpcore.settings.balance import SslFiles, VirtualServer, VirtualServerGroup
from vrrpcore.settings.host import (
    BfdInstance,
    GarpGroup,
    GlobalDefs,
    InterfaceDelay,
    StaticAddress,
    TrackFile,
    TrackGroup,
    TrackProcess,
    TrackScript,
)
from vrrpcore.settings.network import Route, Rule
from vrrpcore.settings.origins import UnusedKeyword
from vrrpcore.settings.vrrp import Instance, SyncGroup


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that one keepalived.conf (with its includes) says, defaults filled in."""

    global_defs: GlobalDefs = field(default_factory=GlobalDefs)
    addresses: tuple[StaticAddress, ...] = ()
    routes: tuple[Route, ...] = ()
    rules: tuple[Rule, ...] = ()
    track_groups: tuple[TrackGroup, ...] = ()
    scripts: tuple[TrackScript, ...] = ()
    track_files: tuple[TrackFile, ...] = ()
    processes: tuple[TrackProcess, ...] = ()
    bfd_instances: tuple[BfdInstance, ...] = ()
    garp_groups: tuple[GarpGroup, ...] = ()
    interface_delays: tuple[InterfaceDelay, ...] = ()
    sync_groups: tuple[SyncGroup, ...] = ()
    instances: tuple[Instance, ...] = ()
    virtual_servers: tuple[VirtualServer, ...] = ()
    virtual_server_groups: tuple[VirtualServerGroup, ...] = ()
    ssl: SslFiles | None = None
    unused: tuple[UnusedKeyword, ...] = field(default=(), compare=False)
    files: tuple[str, ...] = field(default=(), compare=False)  # every file read, in order, includes too

    def instance(self, name: str) -> Instance | None:
        """The instance of that name."""
        return next((each for each in self.instances if each.name == name), None)

    def script(self, name: str) -> TrackScript | None:
        """The `vrrp_script` of that name."""
        return next((each for each in self.scripts if each.name == name), None)

    def sync_group_of(self, instance: str) -> SyncGroup | None:
        """The sync group that an instance belongs to."""
        return next((each for each in self.sync_groups if instance in each.members), None)
