"""Hosts, switches and cables of a lab: network namespaces on bridges, joined by veth pairs. Only pyroute2 is needed."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from pyroute2 import IPRoute

from . import firewall
from .namespaces import LabError, Namespace
from .processes import Program, start

PREFIX: Final = "vrrpwatch-lab-"
LOCK: Final = ".lock"
IFA_F_NODAD: Final = 2


class Host(Namespace):
    """One machine of the lab. Its interfaces are `eth0`, `eth1` … in the order of joining switches."""

    def __init__(self, lab: Lab, name: str) -> None:
        super().__init__(f"{lab.name}-{name}"[:60])
        self.lab = lab
        self.short = name
        self.programs: list[Program] = []
        self.interfaces: list[tuple[str, str]] = []  # (switch, port on it)
        with self.netlink() as ipr:
            ipr.link("set", index=1, state="up")

    @contextmanager
    def netlink(self) -> Iterator[Any]:
        """A pyroute2 IPRoute of this host; use it inside the `with` only."""
        with self.entered(), IPRoute() as ipr:
            yield ipr

    def index(self, interface: str) -> int:
        """Interface index; LabError when there is none of that name."""
        with self.netlink() as ipr:
            found = ipr.link_lookup(ifname=interface)
        if not found:
            raise LabError(f"{self.short}: no interface {interface}")
        return int(found[0])

    def add_address(self, address: str, interface: str = "eth0") -> None:
        """Add "10.0.0.1/24" or "fd00::1/64" (no duplicate detection: usable at once)."""
        text, _, prefix = address.partition("/")
        index = self.index(interface)
        flags = {"flags": IFA_F_NODAD} if ":" in text else {}
        with self.netlink() as ipr:
            ipr.addr("add", index=index, address=text, prefixlen=int(prefix or (128 if ":" in text else 32)), **flags)

    def remove_address(self, address: str, interface: str = "eth0") -> None:
        text, _, prefix = address.partition("/")
        index = self.index(interface)
        with self.netlink() as ipr:
            ipr.addr("del", index=index, address=text, prefixlen=int(prefix or (128 if ":" in text else 32)))

    def addresses(self, interface: str | None = "eth0") -> list[str]:
        """Addresses on an interface (None: on all) as text without prefix, in the kernel's order."""
        with self.netlink() as ipr:
            index = ipr.link_lookup(ifname=interface)[0] if interface else None
            rows = [row for row in ipr.get_addr() if index is None or row["index"] == index]
        return [str(row.get_attr("IFA_LOCAL") or row.get_attr("IFA_ADDRESS")) for row in rows]

    def add_macvlan(self, name: str, mac: str, addresses: Iterable[str] = (), parent: str = "eth0") -> None:
        """A macvlan child (bridge mode) as FRR's vrrpd wants it: up, no automatic link-local address."""
        index = self.index(parent)
        with self.netlink() as ipr:
            ipr.link("add", ifname=name, kind="macvlan", link=index, macvlan_mode="bridge", address=mac)
        for path in ("addr_gen_mode", "accept_dad"):
            self._try_sysctl(f"net/ipv6/conf/{name}/{path}", "1" if path == "addr_gen_mode" else "0")
        self.set_link(name, up=True)
        for address in addresses:
            self.add_address(address, name)

    def set_link(self, interface: str = "eth0", *, up: bool) -> None:
        """Set an interface up or down."""
        index = self.index(interface)
        with self.netlink() as ipr:
            ipr.link("set", index=index, state="up" if up else "down")

    def drop_vrrp(self, hook: str = "input", protocols: Iterable[int] = firewall.VRRP_PROTOCOLS) -> None:
        """A firewall that eats VRRP here: `hook` is `input` or `output`; IPv4 and IPv6; by nftables."""
        with self.entered():
            firewall.add_drop(hook, protocols)

    def allow_vrrp(self) -> None:
        """Remove what `drop_vrrp` added."""
        with self.entered():
            firewall.remove_all()

    def dropped(self) -> dict[str, int]:
        """hook -> packets that the rules of `drop_vrrp` have eaten."""
        with self.entered():
            return firewall.counters()

    def run(self, *arguments: str, check: bool = True, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run a program here to its end (text, output captured; `timeout=` 60 s); LabError on failure if `check`."""
        timeout = options.pop("timeout", 60.0)
        data = options.pop("input", None)
        options.setdefault("stdin", subprocess.PIPE if data is not None else subprocess.DEVNULL)
        process = self.popen(*arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)
        try:
            out, err = process.communicate(data, timeout=timeout)
        except BaseException:
            process.kill()
            process.wait()
            raise
        if check and process.returncode != 0:
            raise LabError(
                f"{self.short}: {' '.join(arguments)}: exit {process.returncode}: {err.strip() or out.strip()}"
            )
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    def popen(self, *arguments: str, **options: Any) -> subprocess.Popen[Any]:
        """Start a program here (options of subprocess.Popen, `environment=` adds variables); dies with the lab."""
        return start(self, arguments, **options)

    def start(self, *arguments: str, log: str = "", **options: Any) -> Program:
        """Start a daemon here; its output goes to a log of the lab, and the lab ends it."""
        name = f"{self.short}.{log or Path(arguments[0]).name}.{len(self.programs)}.log"
        program = Program(self, arguments, self.lab.directory / name, **options)
        self.programs.append(program)
        return program

    def _try_sysctl(self, path: str, value: str) -> None:
        try:
            self.sysctl(path, value)
        except LabError:
            pass  # read-only /proc/sys of a container: duplicate detection then only costs a second

    def close(self) -> None:
        for program in reversed(getattr(self, "programs", [])):
            program.stop()
        super().close()


class Lab:
    """Hosts on switches. The switches are hubs: an observer with a port of its own sees every frame.

    `name` appears in host names and in the name of the lab's directory. The directory is locked while the lab lives:
    what a killed one left is swept by the next (a process id would not do, labs run in PID namespaces).
    """

    def __init__(self, name: str = "lab") -> None:
        sweep()
        self.name = name
        self.directory = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-{name}-"))
        self.directory.chmod(0o755)  # FRR reads its file as its own user
        self._lock = os.open(self.directory / LOCK, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        self.hosts: dict[str, Host] = {}
        self._switches: list[str] = []
        try:
            self.switch = Namespace(f"{name}-switch"[:60])
            with self.switch.entered():
                for scope in ("all", "default"):  # the switch itself must not talk on the wire
                    try:
                        Path(f"/proc/sys/net/ipv6/conf/{scope}/disable_ipv6").write_text("1")
                    except OSError:
                        pass
            self.lan()
        except BaseException:
            shutil.rmtree(self.directory, ignore_errors=True)
            raise

    def lan(self, name: str = "lan0") -> str:
        """Add a switch; every host joins `lan0` unless told otherwise."""
        with self.switch.entered(), IPRoute() as ipr:
            # ageing 0 = learn nothing, flood everything
            ipr.link("add", ifname=name, kind="bridge", br_ageing_time=0, br_stp_state=0, br_mcast_snooping=0)
            ipr.link("set", index=ipr.link_lookup(ifname=name)[0], state="up")
        self._switches.append(name)
        return name

    def host(self, name: str, *addresses: str, mac: str = "", lan: str = "lan0") -> Host:
        """Add a host with `eth0` on `lan`, up, with these addresses ("10.9.0.1/24", "fd00:9::1/64")."""
        if name in self.hosts:
            raise LabError(f"the lab already has a host {name}")
        host = Host(self, name)
        self.hosts[name] = host
        self.join(host, lan, *addresses, mac=mac)
        return host

    def join(self, host: Host, lan: str, *addresses: str, mac: str = "") -> str:
        """Give a host one more interface on a switch; its name."""
        if lan not in self._switches:
            raise LabError(f"the lab has no switch {lan}")
        interface, port = f"eth{len(host.interfaces)}", f"{host.short[:9]}-{len(host.interfaces)}"
        peer: dict[str, Any] = {"ifname": interface, "net_ns_fd": host.net}
        if mac:
            peer["address"] = mac
        with self.switch.entered(), IPRoute() as ipr:
            ipr.link("add", ifname=port, kind="veth", peer=peer)
            ipr.link("set", index=ipr.link_lookup(ifname=port)[0], master=ipr.link_lookup(ifname=lan)[0], state="up")
        host.interfaces.append((lan, port))
        host._try_sysctl(f"net/ipv6/conf/{interface}/accept_dad", "0")
        host.set_link(interface, up=True)
        for address in addresses:
            host.add_address(address, interface)
        return interface

    def block(self, sender: Host, receiver: Host, protocol: int | None = None) -> None:
        """A broken path in the switch: what `sender` sends no longer reaches `receiver` (IPv4 `protocol` only)."""
        with self.switch.entered():
            firewall.add_switch_drop(sender.interfaces[0][1], receiver.interfaces[0][1], protocol)

    def unblock(self) -> None:
        """Repair every path that `block` broke."""
        with self.switch.entered():
            firewall.remove_all(bridge=True)

    def write(self, name: str, text: str) -> Path:
        """Write a file into the lab's directory (removed with it)."""
        path = self.directory / name
        path.write_text(text)
        return path

    def wait(self, condition: Callable[[], object], what: str, timeout: float = 15.0) -> None:
        """Wait until `condition()` is true; LabError naming `what` after `timeout` seconds."""
        deadline = time.monotonic() + timeout
        while not condition():
            if time.monotonic() > deadline:
                raise LabError(f"{timeout:.0f} s passed without {what}")
            time.sleep(0.02)

    def close(self) -> None:
        """End every program, remove everything."""
        for host in self.hosts.values():  # all at once: keepalived takes a second for it
            for program in host.programs:
                program.ask_to_stop()
        for host in reversed(self.hosts.values()):
            host.close()
        self.switch.close()
        shutil.rmtree(self.directory, ignore_errors=True)
        os.close(self._lock)

    def __enter__(self) -> Lab:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def sweep() -> list[str]:
    """Remove the directories of labs that no longer live; their names. (Namespaces go by themselves.)"""
    swept = []
    for path in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        try:
            with open(path / LOCK) as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path)
        except OSError:
            continue  # alive, not ours, or gone meanwhile
        swept.append(path.name)
    return swept
