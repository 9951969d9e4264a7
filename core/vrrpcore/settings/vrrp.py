"""Virtual routers and sync groups as configured: `vrrp_instance`, `vrrp_sync_group`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from vrrpcore.addresses import VRRP_GROUP4, virtual_mac
from vrrpcore.settings.host import Command
from vrrpcore.settings.network import Route, Rule, VirtualAddress
from vrrpcore.settings.origins import NOWHERE, Origin


@dataclass(frozen=True, slots=True)
class UnicastPeer:
    """One line of unicast_peer; TTL limits are checked on reception (None = not checked)."""

    address: bytes
    min_ttl: int | None = None
    max_ttl: int | None = None
    origin: Origin = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class GarpSchedule:
    """Gratuitous ARP / unsolicited NA after transitions; already resolved against global_defs and garp_group."""

    delay_seconds: float = 5.0  # garp_master_delay: second burst after this; 0 = no second burst
    repeat: int = 5  # frames of each burst
    refresh_seconds: float = 0.0  # garp_master_refresh: while master; 0 = never
    refresh_repeat: int = 1
    lower_prio_delay_seconds: float = 5.0  # default: delay_seconds
    lower_prio_repeat: int = 5  # default: repeat
    garp_interval_seconds: float = 0.0  # between two gratuitous ARPs on one interface
    gna_interval_seconds: float = 0.0  # between two unsolicited NAs
    extra_if_seconds: float = 0.0  # garp_extra_if: refresh on the other interfaces of addresses; 0 = never
    extra_if_all: bool = False  # also on interfaces that are no VMAC


@dataclass(frozen=True, slots=True)
class Vmac:
    """use_vmac / use_ipvlan: the virtual router's own interface."""

    name: str  # keepalived's default: vrrp.VRID; where that is taken vrrp6.VRID (IPv6), vrrp1.VRID
    mac: bytes | None = None  # None = 00-00-5E-00-{01,02}-VRID
    xmit_base: bool = False  # adverts leave and enter through the parent interface
    ipvlan: bool = False
    ipvlan_address: tuple[bytes, int] | None = None
    ipvlan_mode: str = "bridge"  # bridge, private, vepa


@dataclass(frozen=True, slots=True)
class Track:
    """One tracked thing: weight 0 = its failure is the instance's fault; otherwise it moves the priority."""

    name: str
    weight: int = 0  # already resolved: the thing's own weight where the line names none
    reverse: bool = False
    origin: Origin = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Tracking:
    """Everything that one instance or sync group tracks, by kind."""

    interfaces: tuple[Track, ...] = ()
    scripts: tuple[Track, ...] = ()
    files: tuple[Track, ...] = ()
    processes: tuple[Track, ...] = ()
    bfds: tuple[Track, ...] = ()


@dataclass(frozen=True, slots=True)
class Notify:
    """What runs on transitions."""

    master: Command | None = None
    backup: Command | None = None
    fault: Command | None = None
    stop: Command | None = None
    deleted: Command | None = None
    deleted_sends_deleted: bool = False  # notify_deleted given: DELETED instead of FAULT after a reload
    master_rx_lower_pri: Command | None = None
    any: Command | None = None  # `notify`
    smtp_alert: bool = False
    priority_changes: bool = False  # FIFO lines *_PRIORITY


@dataclass(frozen=True, slots=True)
class Instance:
    """One vrrp_instance with the values in force."""

    name: str
    vrid: int
    interface: str = ""  # "" only with unicast
    family: int = 4
    version: int = 2
    priority: int = 100  # 1..255; 255 = owner (also: `state MASTER` without a priority)
    state: str = "BACKUP"  # initial: MASTER or BACKUP
    advert_interval_seconds: float = 1.0
    preempt: bool = True
    preempt_delay_seconds: float = 0.0
    accept: bool = True
    auth_type: str = "none"  # none, pass, ah
    auth_data: bytes = b""  # at most 8 octets, without padding
    addresses: tuple[VirtualAddress, ...] = ()
    excluded_addresses: tuple[VirtualAddress, ...] = ()
    routes: tuple[Route, ...] = ()
    rules: tuple[Rule, ...] = ()
    source_address: bytes | None = None  # mcast_src_ip / unicast_src_ip; None = the interface's primary address
    track_source_address: bool = False
    multicast_group: bytes = VRRP_GROUP4
    unicast: bool = False  # adverts go to unicast_peers, not to the group
    unicast_peers: tuple[UnicastPeer, ...] = ()
    unicast_ttl: int = 255  # of adverts that we send to peers
    check_unicast_src: bool = False
    unicast_fault_no_peer: bool = False
    vrf: str = ""
    vmac: Vmac | None = None
    vmac_for_addresses: bool = False  # use_vmac_addr
    strict: bool = False
    skip_check_adv_addr: bool = False
    lower_prio_no_advert: bool = False
    higher_prio_send_advert: bool = False
    timer_expired_backup: bool = False
    owner_ignore_adverts: bool = False
    down_timer_adverts: int = 3
    v3_checksum_as_v2: bool = False  # IPv4 v3 without pseudo-header (RFC 9568), as keepalived >= 2.2.8 offers it
    old_unicast_checksum: str = ""  # "", "never", "yes"
    garp: GarpSchedule = GarpSchedule()
    tracking: Tracking = Tracking()
    dont_track_primary: bool = False
    linkbeat_use_polling: bool = False
    promote_secondaries: bool = False
    notify: Notify = Notify()
    lvs_sync_daemon: bool = False
    debug: int = 0
    origin: Origin = field(default=NOWHERE, compare=False)  # the line of `vrrp_instance`
    origins: Mapping[str, Origin] = field(default_factory=dict, compare=False, hash=False)

    @property
    def owner(self) -> bool:
        return self.priority == 255

    @property
    def mac(self) -> bytes:
        """The virtual router's MAC address as far as configured (RFC 9568 §7.3 otherwise)."""
        return (
            self.vmac.mac
            if self.vmac is not None and self.vmac.mac is not None
            else virtual_mac(self.family, self.vrid)
        )

    def where(self, keyword: str) -> Origin:
        """The line that sets a keepalived keyword (`"priority"`, `"advert_int"` …), else the instance's first line."""
        return self.origins.get(keyword, self.origin)


@dataclass(frozen=True, slots=True)
class SyncGroup:
    """Instances that change state together."""

    name: str
    members: tuple[str, ...]
    tracking: Tracking = Tracking()
    tracking_weight: bool = False  # sync_group_tracking_weight
    global_tracking: bool = False  # deprecated form
    notify: Notify = Notify()
    origin: Origin = field(default=NOWHERE, compare=False)
    origins: Mapping[str, Origin] = field(default_factory=dict, compare=False, hash=False)
