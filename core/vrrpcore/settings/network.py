"""Addresses, routes and rules that an instance (or the host, statically) carries."""

from __future__ import annotations

from dataclasses import dataclass, field

from vrrpcore.settings.origins import NOWHERE, Origin


@dataclass(frozen=True, slots=True)
class VirtualAddress:
    """One address of virtual_ipaddress, virtual_ipaddress_excluded or static_ipaddress."""

    address: bytes  # 4 or 16 octets
    prefixlen: int  # keepalived's default: 32 / 128
    dev: str = ""  # "" = the instance's interface
    label: str = ""
    scope: int = 0  # rtnetlink scope: 0 global, 200 site, 253 link, 254 host, 255 nowhere
    broadcast: bytes | None = None
    broadcast_auto: bool = False  # `brd +` / `brd -`: the kernel computes it
    peer: bytes | None = None
    peer_prefixlen: int | None = None
    use_vmac: bool = False
    nodad: bool = False  # IPv6: skip duplicate address detection (keepalived's default, `-nodad` turns it off)
    home: bool = False
    mngtmpaddr: bool = False
    noprefixroute: bool = False
    autojoin: bool = False
    no_track: bool = False
    preferred_lifetime_seconds: int | None = None  # None = forever; 0 = deprecated (default of an IPv6 /128)
    track_group: str = ""  # static addresses only
    origin: Origin = field(default=NOWHERE, compare=False)

    @property
    def family(self) -> int:
        return 4 if len(self.address) == 4 else 6

    @property
    def deprecated(self) -> bool:
        """Whether the kernel shall not choose the address as a source."""
        return self.preferred_lifetime_seconds == 0


@dataclass(frozen=True, slots=True)
class Encap:
    """How a route wraps its packets: `kind` is ip, ip6, mpls or ila; what was not given is None."""

    kind: str
    id: int | None = None
    destination: bytes | None = None
    source: bytes | None = None
    ttl: int | None = None  # hop limit
    tos: int | None = None  # traffic class
    flags: int | None = None
    labels: tuple[int, ...] = ()  # mpls, the outermost first


@dataclass(frozen=True, slots=True)
class Nexthop:
    """One next hop of a multipath route, or the only one of a simple route."""

    via: bytes | None = None
    dev: str = ""
    weight: int = 1
    onlink: bool = False
    realms: str = ""
    encap: Encap | None = None


@dataclass(frozen=True, slots=True)
class Route:
    """One route of virtual_routes or static_routes; `words` is the line as written, for what has no field."""

    destination: bytes  # b"\0" * 4 or 16 for default
    prefixlen: int
    nexthops: tuple[Nexthop, ...] = ()
    kind: str = "unicast"  # unicast, local, broadcast, multicast, throw, unreachable, prohibit, blackhole, nat
    table: str = ""  # as written: number or name of /etc/iproute2/rt_tables; "" = main
    metric: int | None = None
    source: bytes | None = None  # preferred source address
    from_network: tuple[bytes, int] | None = None  # IPv6 source routing
    scope: str = ""
    protocol: str = ""
    tos: str = ""
    #: Name -> value as the kernel takes it: rtt in 1/8 ms, rttvar in 1/4 ms, rto_min in ms, features as bits.
    metrics: tuple[tuple[str, int], ...] = ()
    locked: tuple[str, ...] = ()  # metrics that path discovery may not change
    congctl: str = ""  # congestion control algorithm
    realms: str = ""  # IPv4: TO or FROM/TO, numbers or names of rt_realms
    pref: int | None = None  # IPv6: 0 medium, 1 high, 3 low
    expires_seconds: int | None = None  # IPv6
    ttl_propagate: bool | None = None
    encap: Encap | None = None
    no_track: bool = False
    track_group: str = ""
    words: tuple[str, ...] = ()
    origin: Origin = field(default=NOWHERE, compare=False)

    @property
    def family(self) -> int:
        return 4 if len(self.destination) == 4 else 6


@dataclass(frozen=True, slots=True)
class Rule:
    """One policy rule of virtual_rules or static_rules; `words` is the line as written."""

    family: int = 4
    source: tuple[bytes, int] | None = None  # None = all
    destination: tuple[bytes, int] | None = None
    invert: bool = False
    priority: int | None = None
    table: str = ""
    action: str = "table"  # table, goto, nop, prohibit, unreachable, blackhole
    goto: int | None = None
    fwmark: int | None = None
    fwmask: int | None = None
    tos: str = ""
    realms: str = ""
    suppress_prefixlength: int | None = None
    suppress_group: str = ""  # of interfaces: number, or name of /etc/iproute2/group
    tunnel_id: int | None = None
    users: tuple[int, int] | None = None  # first and last
    protocol: int | None = None  # whose the rule is
    ip_protocol: int | None = None
    source_ports: tuple[int, int] | None = None
    destination_ports: tuple[int, int] | None = None
    l3mdev: bool = False
    iif: str = ""
    oif: str = ""
    no_track: bool = False
    track_group: str = ""
    words: tuple[str, ...] = ()
    origin: Origin = field(default=NOWHERE, compare=False)
