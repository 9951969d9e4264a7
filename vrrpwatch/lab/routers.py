"""VRRP speakers in lab hosts: real keepalived, real FRR, and our own, started and observed the same way."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from .namespaces import LabError
from .network import Host
from .processes import Program

FRR_DIRECTORY: Final = Path("/usr/lib/frr")


def keepalived_path() -> str | None:
    """The installed keepalived, also where a plain user's PATH lacks sbin; None without one."""
    return shutil.which("keepalived") or shutil.which("keepalived", path="/usr/sbin:/sbin:/usr/local/sbin")


def keepalived_config(
    vrid: int = 51,
    priority: int = 100,
    vips: Sequence[str] = ("10.9.0.100/24",),
    *,
    name: str = "VI_1",
    interface: str = "eth0",
    interval: float = 1,
    version: int | None = None,
    auth: tuple[str, str] | None = None,
    peers: Sequence[str] = (),
    source: str = "",
    extra: Iterable[str] = (),
    global_extra: Iterable[str] = (),
) -> str:
    """Text of a keepalived.conf with one vrrp_instance.

    `auth` is ("PASS" or "AH", password); `peers` makes it unicast; `extra` are lines inside the instance
    ("nopreempt", "use_vmac"), `global_extra` inside global_defs.
    """
    version_lines = () if version is None else (f"vrrp_version {version}",)
    lines = ["state BACKUP", f"interface {interface}", f"virtual_router_id {vrid}", f"priority {priority}"]
    lines.append(f"advert_int {interval:g}")
    if auth:
        lines += ["authentication {", f"    auth_type {auth[0]}", f"    auth_pass {auth[1]}", "}"]
    if source:
        lines.append(f"unicast_src_ip {source}")
    if peers:
        lines += ["unicast_peer {", *(f"    {peer}" for peer in peers), "}"]
    lines += extra
    lines += ["virtual_ipaddress {", *(f"    {vip}" for vip in vips), "}"]
    body = "\n".join(f"    {line}" for line in lines)
    head = "\n".join(f"    {line}" for line in ("router_id lab", *version_lines, *global_extra))
    return f"global_defs {{\n{head}\n}}\nvrrp_instance {name} {{\n{body}\n}}\n"


class Keepalived:
    """A real keepalived (VRRP part only) in the foreground; `program` holds its log; pid files in the host's /run."""

    def __init__(self, host: Host, config: str, *, tag: str = "keepalived") -> None:
        path = keepalived_path()
        if not path:
            raise LabError("keepalived: not installed")
        self.host = host
        self.config = host.lab.write(f"{host.short}.{tag}.conf", config)
        run = f"/run/{tag}"
        self.program: Program = host.start(
            *(path, "-n", "-l", "-D", "-P", "-f", str(self.config)),
            *("-p", f"{run}.pid", "-r", f"{run}-vrrp.pid", "-c", f"{run}-check.pid"),
            log=tag,
            environment={"TMPDIR": str(host.lab.directory)},
        )

    def wait_state(self, state: str, timeout: float = 20.0) -> None:
        """Wait until an instance has entered MASTER, BACKUP or FAULT, and no other state after that."""
        self.program.wait_for(rf"\(\w+\) Entering {state} STATE(?![\s\S]*Entering (?!{state}))", timeout)

    def reload(self, config: str) -> None:
        """Write a new configuration and send SIGHUP."""
        self.config.write_text(config)
        self.program.process.send_signal(1)

    def stop(self) -> None:
        """A graceful stop: priority 0 when it is master."""
        self.program.stop()


class Watcher:
    """Our own speaker: `python -m vrrpwatch run -f FILE`."""

    def __init__(self, host: Host, config: str, *, tag: str = "vrrpwatch") -> None:
        self.host = host
        self.config = host.lab.write(f"{host.short}.{tag}.conf", config)
        arguments = (sys.executable, "-m", "vrrpwatch", "run", "-f", str(self.config))
        self.program: Program = host.start(*arguments, log=tag, environment=module_path())

    def stop(self) -> None:
        """A graceful stop: priority 0 when it is master."""
        self.program.stop()


class Frr:
    """Real zebra and vrrpd. FRR wants a macvlan child with the virtual MAC and the virtual addresses on it.

    `config` is vrrpd's part, as from `frr_config`. With `prepare=False` the caller has made the macvlans.
    """

    def __init__(
        self, host: Host, vrid: int, config: str, vips: Sequence[str], *, family: int = 4, prepare: bool = True
    ) -> None:
        if not (FRR_DIRECTORY / "vrrpd").exists():
            raise LabError("FRR vrrpd: not installed")
        self.host = host
        if prepare:
            name = f"vrrp{family}-{vrid}"
            mac = f"00:00:5e:00:0{1 if family == 4 else 2}:{vrid:02x}"
            host.add_macvlan(name, mac, [vip if "/" in vip else f"{vip}/32" for vip in vips])
        zebra = host.lab.write(f"{host.short}.zebra.conf", "")
        vrrpd = host.lab.write(f"{host.short}.vrrpd.conf", config)
        # FRR drops to its own user and wants its group for terminals; /run is the lab host's own.
        host.run("install", "-d", "-o", "frr", "-g", "frr", "/run/frr")
        self.socket = f"/run/frr/{host.short}.zserv"
        common = ("-z", self.socket, "--vty_socket", "/run/frr", "-P", "0", "--log", "stdout")
        self.zebra = host.start(
            *(str(FRR_DIRECTORY / "zebra"), "-f", str(zebra), "-i", "/run/frr/zebra.pid", *common), log="zebra"
        )
        host.lab.wait(lambda: host.run("test", "-S", self.socket, check=False).returncode == 0, "zebra's socket")
        self.vrrpd = host.start(
            *(str(FRR_DIRECTORY / "vrrpd"), "-f", str(vrrpd), "-i", "/run/frr/vrrpd.pid", *common), log="vrrpd"
        )

    def show(self, command: str = "show vrrp json") -> str:
        """The answer of vrrpd to a vtysh command."""
        return self.host.run("vtysh", "--vty_socket", "/run/frr", "-d", "vrrpd", "-c", command).stdout

    def kill(self) -> None:
        """-9 for both daemons: addresses and protodown stay as they are."""
        self.vrrpd.kill()
        self.zebra.kill()

    def stop(self) -> None:
        """A graceful stop."""
        self.vrrpd.stop()
        self.zebra.stop()


def frr_config(
    vrid: int = 51,
    priority: int = 100,
    vips: Sequence[str] = ("10.9.0.100",),
    *,
    interval: float = 1.0,
    version: int = 3,
    interface: str = "eth0",
    extra: Iterable[str] = (),
) -> str:
    """vrrpd.conf text for one virtual router (`interval` in seconds, FRR takes milliseconds in tens)."""
    lines = [f"vrrp {vrid} version {version}", f"vrrp {vrid} priority {priority}"]
    lines.append(f"vrrp {vrid} advertisement-interval {round(interval * 100) * 10}")
    for vip in vips:
        address = re.sub(r"/.*", "", vip)
        lines.append(f"vrrp {vrid} {'ipv6' if ':' in address else 'ip'} {address}")
    lines += [f"vrrp {vrid} {line}" for line in extra]
    body = "\n".join(f" {line}" for line in lines)
    return f"debug vrrp\ninterface {interface}\n{body}\nexit\n"


def module_path() -> dict[str, str]:
    """Environment that lets a child Python find this very vrrpwatch, from a checkout or an installation."""
    return {"PYTHONPATH": ":".join(path for path in sys.path if path)}
