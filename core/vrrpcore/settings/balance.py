"""Virtual servers of IPVS and the health checks of their real servers: `virtual_server`, `real_server`, checkers."""

from __future__ import annotations

from dataclasses import dataclass, field

from vrrpcore.settings.host import Command
from vrrpcore.settings.origins import NOWHERE, Origin


@dataclass(frozen=True, slots=True)
class Forwarding:
    """`lvs_method`: NAT, DR or TUN with its kind of tunnel."""

    method: str = "NAT"
    tunnel: str = "ipip"  # ipip, gue, gre
    tunnel_port: int | None = None  # gue only
    checksum: str = "nocsum"  # nocsum, csum, remcsum


@dataclass(frozen=True, slots=True)
class Url:
    """One `url` block of HTTP_GET / SSL_GET."""

    path: str = "/"
    digest: str = ""
    status_codes: tuple[tuple[int, int], ...] = ()  # inclusive ranges; () = 200-299
    virtualhost: str = ""
    regex: str = ""
    regex_no_match: bool = False
    options: tuple[tuple[str, ...], ...] = ()  # further lines as written


@dataclass(frozen=True, slots=True)
class Checker:
    """One health check with its resolved timing; what only one kind has is in `urls`, `command` and `options`."""

    kind: str  # TCP_CHECK, HTTP_GET, SSL_GET, SMTP_CHECK, DNS_CHECK, MISC_CHECK, UDP_CHECK, PING_CHECK …
    connect_address: bytes = b""  # b"" = the real server's
    connect_port: int | None = None  # None = the real server's
    bind_address: bytes | None = None
    bind_port: int | None = None
    bind_interface: str = ""
    fwmark: int | None = None
    connect_timeout_seconds: float = 5.0
    retry: int = 1
    delay_before_retry_seconds: float = 1.0
    delay_loop_seconds: float = 60.0
    warmup_seconds: float = 60.0
    alpha: bool = False
    log_all_failures: bool = False
    urls: tuple[Url, ...] = ()
    virtualhost: str = ""
    command: Command | None = None  # misc_path
    timeout_seconds: float | None = None  # misc_timeout
    dynamic: bool = False  # misc_dynamic
    options: tuple[tuple[str, ...], ...] = ()  # further lines as written
    origin: Origin = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class RealServer:
    """`real_server`."""

    address: bytes
    port: int = 0
    weight: int = 1
    forwarding: Forwarding = Forwarding()
    inhibit_on_failure: bool = False
    upper_threshold: int = 0
    lower_threshold: int = 0
    notify_up: Command | None = None
    notify_down: Command | None = None
    smtp_alert: bool = True
    virtualhost: str = ""
    snmp_name: str = ""
    checkers: tuple[Checker, ...] = ()
    origin: Origin = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class VirtualServer:
    """`virtual_server ADDRESS [PORT]`, `virtual_server fwmark N` or `virtual_server group NAME`."""

    address: bytes | None = None
    port: int = 0
    fwmark: int | None = None
    group: str = ""
    family: int = 4
    protocol: str = ""  # TCP, UDP, SCTP; "" with fwmark
    scheduler: str = "wlc"
    scheduler_flags: tuple[str, ...] = ()
    forwarding: Forwarding = Forwarding()
    persistence_timeout_seconds: int = 0  # 0 = none
    persistence_engine: str = ""
    persistence_granularity: int | None = None  # prefix length
    one_packet: bool = False
    alpha: bool = False
    omega: bool = False
    quorum: int = 1
    hysteresis: int = 0
    quorum_up: Command | None = None
    quorum_down: Command | None = None
    ha_suspend: bool = False
    inhibit_on_failure: bool = False
    smtp_alert: bool = False
    virtualhost: str = ""
    snmp_name: str = ""
    sorry_server: RealServer | None = None
    sorry_server_inhibit: bool = False
    delay_loop_seconds: float = 60.0
    connect_timeout_seconds: float = 5.0
    retry: int | None = None  # None = the checker's own default
    delay_before_retry_seconds: float | None = None
    warmup_seconds: float | None = None
    real_servers: tuple[RealServer, ...] = ()
    origin: Origin = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class VirtualServerGroupEntry:
    """One line of `virtual_server_group`: an address range with a port, or a firewall mark."""

    first: bytes | None = None
    last: bytes | None = None  # inclusive
    port: int = 0
    fwmark: int | None = None
    family: int | None = None


@dataclass(frozen=True, slots=True)
class VirtualServerGroup:
    """`virtual_server_group`."""

    name: str
    entries: tuple[VirtualServerGroupEntry, ...]
    origin: Origin = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class SslFiles:
    """`SSL`: what SSL_GET presents and trusts."""

    password: str = ""
    ca: str = ""
    certificate: str = ""
    key: str = ""
