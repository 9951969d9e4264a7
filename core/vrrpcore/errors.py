"""The error tree of vrrpwatch.

VrrpwatchError                 every error that a user may see: one line, an exit code
├── ParseError                 a peer's fault: carries a `reason` from INVALID_REASONS (a metric label)
├── SourceError                a capture file or interface cannot be read
│   └── PermissionMissing      a capability is missing; the message holds the line that fixes it
├── ConfigError                a configuration file cannot be used
└── UsageError                 arguments that contradict each other or make no sense
"""

from __future__ import annotations

from typing import Final

#: Closed list of the reasons for which a frame or advert is counted as invalid (bounded metric label values).
INVALID_REASONS: Final = (
    "truncated",  # the frame or message ends before its own lengths say
    "frame",  # link layer that cannot be understood
    "ip_header",  # impossible IPv4/IPv6 header or extension header
    "ip_fragment",  # a fragment that does not hold the whole message
    "ah_header",  # impossible authentication header
    "version",  # neither VRRP version 2 nor 3 (or 2 over IPv6)
    "type",  # not an ADVERTISEMENT (RFC 9568 §5.2.2)
    "vrid",  # VRID 0
    "count",  # no address (RFC 9568 §7.1)
    "length",  # message length does not fit its address count
    "interval",  # advertisement interval 0
    "checksum",  # verifies under no known formula
    "ttl",  # TTL / hop limit is not 255 (parsed, and still evidence)
    "auth_type",  # RFC 3768 authentication type unknown
    "arp",  # ARP that is not Ethernet/IPv4 or cut off
    "nd",  # broken Neighbour Discovery message
    "membership",  # broken IGMP / MLD report
)


class VrrpwatchError(Exception):
    """Any error with a message fit for a user (one line: what, where, what to do); `exit_code` for the CLI."""

    exit_code = 1


class ParseError(VrrpwatchError):
    """Octets that are not what they claim to be; `reason` is one of INVALID_REASONS, `detail` says it in words."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail


class SourceError(VrrpwatchError):
    """A capture file or a network interface that cannot be read (exit code 3: UNKNOWN)."""

    exit_code = 3


class PermissionMissing(SourceError):
    """A capability that the operation needs is missing; the message says which and how to grant it."""


class ConfigError(VrrpwatchError):
    """A configuration that cannot be used."""

    exit_code = 2


class UsageError(VrrpwatchError):
    """Arguments that make no sense together (exit code 3 for `check` and `analyze`, else 2)."""

    exit_code = 2
