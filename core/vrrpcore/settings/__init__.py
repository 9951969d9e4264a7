"""What is configured, as frozen values: the one model that readers build and that speaker, judge and linter use.

Pure: no file, no clock, no host. Every value is the *effective* one, with keepalived's defaults filled in, so that
whoever reads the model needs no second table of defaults. Units are in the names (`_seconds`, `_ms`); addresses are
packed octets in network order (see `vrrpcore.addresses`). `origin` and `origins` say where a value was written; they
take no part in comparison, so that two files that mean the same give equal models.

    Settings
    ├── global_defs: GlobalDefs          ├── sync_groups: SyncGroup…
    ├── addresses / routes / rules       ├── instances: Instance…
    ├── scripts, track_files, processes  ├── virtual_servers, virtual_server_groups
    ├── bfd_instances, garp_groups       └── unused: UnusedKeyword… (accepted, no effect here)
"""

from __future__ import annotations

from vrrpcore.settings.balance import (
    Checker,
    Forwarding,
    RealServer,
    SslFiles,
    Url,
    VirtualServer,
    VirtualServerGroup,
    VirtualServerGroupEntry,
)
from vrrpcore.settings.host import (
    BfdInstance,
    Command,
    Fifo,
    GarpGroup,
    GlobalDefs,
    InterfaceDelay,
    LvsSyncDaemon,
    StaticAddress,
    TrackFile,
    TrackGroup,
    TrackProcess,
    TrackScript,
)
from vrrpcore.settings.network import Encap, Nexthop, Route, Rule, VirtualAddress
from vrrpcore.settings.origins import NOWHERE, Origin, UnusedKeyword
from vrrpcore.settings.root import Settings
from vrrpcore.settings.vrrp import (
    GarpSchedule,
    Instance,
    Notify,
    SyncGroup,
    Track,
    Tracking,
    UnicastPeer,
    Vmac,
)

__all__ = [
    "NOWHERE",
    "BfdInstance",
    "Checker",
    "Command",
    "Encap",
    "Fifo",
    "Forwarding",
    "GarpGroup",
    "GarpSchedule",
    "GlobalDefs",
    "Instance",
    "InterfaceDelay",
    "LvsSyncDaemon",
    "Nexthop",
    "Notify",
    "Origin",
    "RealServer",
    "Route",
    "Rule",
    "Settings",
    "SslFiles",
    "StaticAddress",
    "SyncGroup",
    "Track",
    "TrackFile",
    "TrackGroup",
    "TrackProcess",
    "TrackScript",
    "Tracking",
    "UnicastPeer",
    "UnusedKeyword",
    "Url",
    "VirtualAddress",
    "VirtualServer",
    "VirtualServerGroup",
    "VirtualServerGroupEntry",
    "Vmac",
]
