"""Files made from the keyword tables: every keyword with a value that is accepted, and with one that is rejected."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from vrrpwatch.keepalived_conf.table import Keyword, Level
from vrrpwatch.keepalived_conf.tables import ROOT

#: What must stand around a level for keepalived to read it, and beside it for the block to be complete.
_HEADERS = {
    "global_defs": "global_defs",
    "vrrp_script": "vrrp_script chk",
    "track_file": "track_file tf",
    "vrrp_track_process": "vrrp_track_process tp",
    "track_group": "track_group tg",
    "bfd_instance": "bfd_instance b1",
    "garp_group": "garp_group",
    "vrrp_sync_group": "vrrp_sync_group sg",
    "vrrp_instance": "vrrp_instance VI_1",
    "virtual_server": "virtual_server 10.9.0.100 80",
    "real_server": "real_server 10.9.0.9 80",
    "SSL": "SSL",
}
#: Keywords whose sample depends on this host or on other lines, and why they are left out.
LEFT_OUT = {
    "disable_local_igmp": "depends on the kernel",
    "vrrp_track_file": "the same level as track_file",
    "net_namespace": "enters the namespace",
    "net_namespace_ipvs": "enters the namespace",
    "track_file": "FILE_CHECK: names a block that must exist",
    "name": "BFD_CHECK: names a block that must exist",
    "sorry_server_inhibit": "needs a sorry_server before it",
    "sorry_server_lvs_method": "needs a sorry_server before it",
    "config_save_dir": "creates the directory",
    "linkbeat_use_polling": "its complaint is compared with the instance's",
    "native_ipv6": "conflicts with the addresses of the other lines",
    "unicast_src_ip": "conflicts with mcast_dst_ip of the other lines",
    "use_ipvlan": "conflicts with use_vmac of the other lines",
    "vmac_garp_intvl": "old name",
    "vrf": "conflicts with interface of the other lines",
    "ip_family": "conflicts with the server's address",
    "umask": "changes the mask of the process",
    "instance": "changes file names",
    "use_pid_dir": "changes file names",
    "lvs_sync_daemon_interface": "conflicts with lvs_sync_daemon",
    "persistence_granularity": "its family is the server's",
    "strict_mode": "changes what other lines may say",
    "nftables": "conflicts with vrrp_iptables of the other lines",
    "hashed": "needs a scheduler before it",
    "sh-port": "needs a scheduler before it",
    "sh-fallback": "needs a scheduler before it",
    "mh-port": "needs a scheduler before it",
    "mh-fallback": "needs a scheduler before it",
}


#: Left out of the rejected samples only: keepalived skips the rest of the block.
SKIPS_BLOCK = ("neighbor_ip", "neighbour_ip")


@dataclass(frozen=True)
class Sample:
    """One keyword line in a generated file."""

    path: str
    keyword: Keyword
    line: int


@dataclass(frozen=True)
class Sheet:
    """A generated file: one level, all its keywords, accepted or rejected values."""

    title: str
    text: str
    samples: tuple[Sample, ...]


def _levels(level: Level, around: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Level]]:
    for row in level.rows:
        if row.level is None or row.since or row.name == "vrrp_track_file":
            continue
        path = (*around, _HEADERS.get(row.name, row.name))
        yield path, row.level
        yield from _levels(row.level, path)


def sheets(rejected: bool) -> Iterator[Sheet]:
    """One file per level; lines of one field (synonyms, opposites) share it, so each is in a file's own block."""
    for path, level in _levels(ROOT, ()):
        lines: list[str] = []
        samples: list[Sample] = []
        for depth, header in enumerate(path):
            lines.append("    " * depth + header + " {")
        for row in level.rows:
            sample = _sample(row, rejected)
            if sample is None:
                continue
            lines.append("    " * len(path) + f"{row.name} {sample}".rstrip())
            samples.append(Sample(" > ".join(path), row, len(lines)))
        lines += ["    " * depth + "}" for depth in reversed(range(len(path)))]
        if samples:
            yield Sheet(path[-1], "\n".join(lines) + "\n", tuple(samples))


def _sample(row: Keyword, rejected: bool) -> str | None:
    if row.is_block or row.since or row.name in LEFT_OUT or (rejected and row.name in SKIPS_BLOCK):
        return None
    accepted, refused = row.shape.samples()
    return refused if rejected else accepted
