"""What concerns the whole host: global definitions, scripts, tracked things, static addresses, BFD."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from vrrpcore.addresses import VRRP_GROUP4, VRRP_GROUP6
from vrrpcore.settings.network import VirtualAddress
from vrrpcore.settings.origins import NOWHERE, Origin

#: The same value under the name that the file uses for it.
StaticAddress = VirtualAddress


@dataclass(frozen=True, slots=True)
class Command:
    """A program to run: words as the script is executed, and the user it runs as ("" = script_user)."""

    words: tuple[str, ...]
    user: str = ""
    group: str = ""
    origin: Origin = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Fifo:
    """A notify FIFO and the script that keepalived starts to read it."""

    path: str
    user: str = ""
    group: str = ""
    script: Command | None = None


@dataclass(frozen=True, slots=True)
class TrackScript:
    """`vrrp_script`."""

    name: str
    command: Command
    interval_seconds: float = 1.0
    timeout_seconds: float = 0.0  # 0 = as long as the interval
    weight: int = 0
    reverse: bool = False
    rise: int = 1
    fall: int = 1
    init_fail: bool = False
    origin: Origin = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class TrackFile:
    """`track_file` (or `vrrp_track_file`)."""

    name: str
    path: str
    weight: int = 1
    reverse: bool = False
    init_value: int | None = None  # written at start when the file is missing; overwrite: always
    init_overwrite: bool = False
    origin: Origin = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class TrackProcess:
    """`vrrp_track_process`."""

    name: str
    process: str
    parameters: tuple[str, ...] = ()
    param_match: str = ""  # "", exact, initial, partial
    weight: int = 0
    reverse: bool = False
    quorum: int = 1
    quorum_max: int | None = None  # None = no upper bound
    fork_delay_seconds: float = 0.0
    terminate_delay_seconds: float = 0.0
    full_command: bool = False
    origin: Origin = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class TrackGroup:
    """`track_group`: instances that static addresses, routes and rules follow."""

    name: str
    members: tuple[str, ...]
    origin: Origin = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class GarpGroup:
    """`garp_group`: minimum distance between GARP / NA on interfaces that share a switch."""

    interfaces: tuple[str, ...]
    garp_interval_seconds: float = 0.0
    gna_interval_seconds: float = 0.0
    origin: Origin = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class InterfaceDelay:
    """`interface_up_down_delays`: debounce of link changes."""

    interface: str
    down_seconds: float = 0.0
    up_seconds: float = 0.0
    origin: Origin = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class BfdInstance:
    """`bfd_instance` (RFC 5880)."""

    name: str
    neighbor: bytes
    source: bytes | None = None
    min_rx_ms: float = 10.0
    min_tx_ms: float = 10.0
    idle_tx_ms: float = 1000.0
    multiplier: int = 5
    passive: bool = False
    ttl: int = 255
    max_hops: int = 0
    multihop: bool = False  # RFC 5883's port
    weight: int = 0
    reverse: bool = False
    for_vrrp: bool = True
    for_checker: bool = True
    origin: Origin = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class LvsSyncDaemon:
    """`lvs_sync_daemon`: IPVS connection synchronisation."""

    interface: str
    instance: str = ""
    sync_id: int | None = None
    max_length: int | None = None
    port: int | None = None
    ttl: int | None = None
    group: bytes | None = None


@dataclass(frozen=True, slots=True)
class GlobalDefs:
    """`global_defs` (and the global keywords beside it) with the values in force; "" = keepalived asks the host."""

    router_id: str = ""
    vrrp_version: int = 2
    strict: bool = False
    skip_check_adv_addr: bool = False
    check_unicast_src: bool = False
    multicast_group4: bytes = VRRP_GROUP4
    multicast_group6: bytes = VRRP_GROUP6
    default_interface: str = ""
    startup_delay_seconds: float = 0.0
    delay_after_boot_seconds: float = 0.0
    dynamic_interfaces: bool = False
    dynamic_interfaces_allow_changes: bool = False
    log_unknown_vrids: bool = False
    vmac_prefix: str = "vrrp"
    vmac_addr_prefix: str = "vrrp"
    garp_master_delay_seconds: float = 5.0
    garp_master_repeat: int = 5
    garp_master_refresh_seconds: float = 0.0
    garp_master_refresh_repeat: int = 1
    garp_lower_prio_delay_seconds: float = 5.0
    garp_lower_prio_repeat: int = 5
    garp_interval_seconds: float = 0.0
    gna_interval_seconds: float = 0.0
    garp_extra_if_seconds: float = 0.0
    garp_extra_if_all: bool = False
    lower_prio_no_advert: bool = False
    higher_prio_send_advert: bool = False
    timer_expired_backup: bool = False
    owner_ignore_adverts: bool = False
    v3_checksum_as_v2: bool = False
    down_timer_adverts: int = 3
    notify_priority_changes: bool = False
    linkbeat_use_polling: bool = False
    linkbeat_interfaces: tuple[tuple[str, str], ...] = ()  # (interface, "" | MII | ETHTOOL | IOCTL)
    script_user: str = ""
    script_group: str = ""
    script_security: bool = False
    notify_fifo: Fifo | None = None
    vrrp_notify_fifo: Fifo | None = None
    lvs_notify_fifo: Fifo | None = None
    fifo_write_vrrp_states_on_reload: bool = False
    startup_script: Command | None = None
    startup_script_timeout_seconds: float = 10.0
    shutdown_script: Command | None = None
    shutdown_script_timeout_seconds: float = 10.0
    notification_email: tuple[str, ...] = ()
    notification_email_from: str = ""
    smtp_server: str = ""
    smtp_server_port: int = 25
    smtp_helo_name: str = ""
    smtp_connect_timeout_seconds: float = 30.0
    smtp_alert: bool | None = None
    smtp_alert_vrrp: bool | None = None
    smtp_alert_checker: bool | None = None
    email_faults: bool = True
    process_name: str = ""
    vrrp_process_name: str = ""
    vrrp_priority: int = 0  # nice value
    vrrp_rt_priority: int | None = None
    vrrp_cpu_affinity: tuple[int, ...] = ()
    vrrp_no_swap: bool = False
    vrrp_rlimit_rttime_us: int = 10000
    max_auto_priority: int = 0
    min_auto_priority_delay_us: int = 1_000_000
    child_wait_seconds: float = 5.0
    net_namespace: str = ""
    instance_name: str = ""
    use_pid_dir: bool = False
    reload_check_config: bool = False
    reload_time_file: str = ""
    reload_repeat: bool = False
    json_version: int = 1
    umask: int | None = None
    rx_bufs_policy: str = ""  # "", MTU, ADVERT or a number of octets
    rx_bufs_multiplier: int = 3
    iptables: tuple[str, ...] | None = None  # chains; None = not asked for
    nftables_table: str | None = None  # table name; None = keepalived's choice
    lvs_sync_daemon: LvsSyncDaemon | None = None
    lvs_timeouts: tuple[tuple[str, int], ...] = ()  # ("tcp" | "tcpfin" | "udp", seconds)
    lvs_flush: bool = False
    origin: Origin = field(default=NOWHERE, compare=False)
    origins: Mapping[str, Origin] = field(default_factory=dict, compare=False, hash=False)
