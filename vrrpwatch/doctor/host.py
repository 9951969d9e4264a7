"""What this host has: its rulesets, sysctls, VRRP daemons and their opinions. The only part of the doctor that asks."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from vrrpwatch.doctor import iptables, nft
from vrrpwatch.doctor.packets import Chain

SBIN: Final = "/usr/sbin:/sbin:/usr/local/sbin:/usr/bin:/bin:/usr/local/bin"
TIMEOUT: Final = 10.0
DAEMONS: Final = {"keepalived": "keepalived", "vrrpd": "FRR vrrpd", "vrrpwatch": "vrrpwatch run"}


@dataclass(slots=True)
class Firewalls:
    """The rulesets that were found; `unseen` says what could not be read and why."""

    chains: list[Chain] = field(default_factory=list)
    tools: list[str] = field(default_factory=list)
    unseen: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Daemon:
    """A VRRP daemon in this network namespace, and which virtual routers it says it is master of."""

    name: str
    pid: int
    #: (vrid, family, state in lower case); empty where it cannot be asked without disturbing it
    opinions: tuple[tuple[int, int, str], ...] = ()


def tool(*arguments: str) -> tuple[int, str, str]:
    """Run a program to its end: (exit code, stdout, stderr); 127 when it is not installed, 124 when it hangs."""
    path = shutil.which(arguments[0], path=f"{os.environ.get('PATH', '')}:{SBIN}")
    if path is None:
        return 127, "", f"{arguments[0]}: not installed"
    try:
        done = subprocess.run([path, *arguments[1:]], capture_output=True, text=True, timeout=TIMEOUT, check=False)
    except subprocess.TimeoutExpired:
        return 124, "", f"{arguments[0]}: no answer within {TIMEOUT:.0f} s"
    except OSError as error:
        return 126, "", f"{arguments[0]}: {error.strerror}"
    return done.returncode, done.stdout, done.stderr.strip()


def firewalls() -> Firewalls:
    """Read nftables and both iptables, whichever are there."""
    found = Firewalls()
    for name, family in (("iptables-save", 4), ("ip6tables-save", 6)):
        code, out, error = tool(name, "-c")
        if code == 0:
            chains = iptables.read(out, family)
            found.chains += chains
            found.tools += [name.removesuffix("-save")] if chains else []
        elif code != 127:
            found.unseen.append(f"{name}: {_line(error)}")
    chains = _nftables(found)
    managed = {(chain.table, chain.name) for chain in found.chains}  # iptables-nft's chains are nft's as well
    found.chains += [chain for chain in chains if (chain.table, chain.name) not in managed]
    if tool("firewall-cmd", "--state")[0] == 0:
        found.tools.append("firewalld")
    return found


def _nftables(found: Firewalls) -> list[Chain]:
    """The ruleset of nftables: from the nft program, or from the kernel where that is not installed."""
    code, out, error = tool("nft", "-j", "list", "ruleset")
    try:
        if code == 127:
            from vrrpwatch.doctor.netlink import read as read_kernel

            chains = read_kernel()
        elif code == 0:
            chains = nft.read(out or '{"nftables": []}', tool("nft", "-a", "list", "ruleset")[1])
        else:
            found.unseen.append(f"nft: {_line(error)} (needs CAP_NET_ADMIN: use sudo)")
            return []
    except ValueError as error_:
        found.unseen.append(f"nft: its JSON cannot be read ({error_})")
        return []
    except Exception as error_:  # noqa: BLE001 (pyroute2's errors have no one root: refused, or no nf_tables here)
        found.unseen.append(f"nftables: the kernel does not tell its rules ({error_}); needs CAP_NET_ADMIN: use sudo")
        return []
    found.tools.append("nft")
    return chains


def _line(text: str) -> str:
    return text.splitlines()[0] if text else "failed"


def sysctl(path: str) -> str | None:
    """The value of /proc/sys/`path`; None where there is none."""
    try:
        return Path(f"/proc/sys/{path}").read_text().strip()
    except OSError:
        return None


def macvlans() -> dict[str, str]:
    """Interface -> MAC of those whose MAC is a virtual router's (RFC 9568 §7.3)."""
    found = {}
    code, out, _ = tool("ip", "-j", "link", "show")
    if code == 0:
        try:
            rows = json.loads(out or "[]")
        except ValueError:
            rows = []
        for row in rows:
            mac = str(row.get("address", ""))
            if mac.startswith(("00:00:5e:00:01:", "00:00:5e:00:02:")):
                found[str(row.get("ifname"))] = mac
    return found


def daemons() -> list[Daemon]:
    """VRRP daemons whose processes live in this network namespace."""
    here = _namespace("self")
    found: dict[str, Daemon] = {}
    for entry in sorted(Path("/proc").glob("[0-9]*"), key=lambda path: int(path.name)):
        name = _daemon_name(entry)
        if name and name not in found and _namespace(entry.name) == here:
            found[name] = Daemon(name, int(entry.name), tuple(_opinions(name)))
    return list(found.values())


def _namespace(process: str) -> str:
    try:
        return os.readlink(f"/proc/{process}/ns/net")
    except OSError:
        return ""


def _daemon_name(entry: Path) -> str:
    try:
        words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return ""
    program = Path(words[0]).name
    if program in ("keepalived", "vrrpd"):
        return DAEMONS[program]
    if "vrrpwatch" in words[:3] and "run" in words:
        return DAEMONS["vrrpwatch"]
    if any(Path(word).name == "vrrpwatch" for word in words[:2]) and "run" in words[1:4]:
        return DAEMONS["vrrpwatch"]
    return ""


def _opinions(name: str) -> Iterable[tuple[int, int, str]]:
    """What the daemon says of itself. keepalived is not asked: its signals can themselves cause a split."""
    if name == DAEMONS["vrrpd"]:
        yield from frr_opinions(tool("vtysh", "-c", "show vrrp json")[1])
    elif name == DAEMONS["vrrpwatch"]:
        try:
            yield from speaker_opinions(Path("/run/vrrpwatch/speaker.json").read_text())
        except OSError:
            return


def frr_opinions(text: str) -> Iterable[tuple[int, int, str]]:
    """(vrid, family, state) of FRR's `show vrrp json`; nothing from what is no such answer."""
    for row in _rows(text):
        for key, family in (("v4", 4), ("v6", 6)):
            part = row.get(key)
            state = str(part.get("status", "")).lower() if isinstance(part, dict) else ""
            if state and state != "initialize":
                yield int(row.get("vrid", 0)), family, state


def speaker_opinions(text: str) -> Iterable[tuple[int, int, str]]:
    """(vrid, family, state) of the state file of `vrrpwatch run`."""
    for row in _rows(text):
        family = {"ipv4": 4, "ipv6": 6, 4: 4, 6: 6}.get(row.get("family", 0), 0)
        if family:
            yield int(row.get("vrid", 0)), family, str(row.get("state", "")).lower()


def _rows(text: str) -> list[dict[str, Any]]:
    try:
        document = json.loads(text)
    except ValueError:
        return []
    if isinstance(document, dict):
        document = document.get("instances", [])
    return [row for row in document if isinstance(row, dict)] if isinstance(document, list) else []
