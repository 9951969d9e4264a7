"""A network in a box: hosts, a switch, real routers, firewalls and broken cables, as namespaces of this machine.

    from vrrpwatch.lab import Keepalived, Lab, keepalived_config

    with Lab("example") as lab:
        a = lab.host("a", "10.9.0.1/24", "fd00:9::1/64", mac="02:00:00:00:00:01")
        b = lab.host("b", "10.9.0.2/24", "fd00:9::2/64", mac="02:00:00:00:00:02")
        observer = lab.host("observer", "10.9.0.9/24")
        with Recorder(observer, "split.pcap"):                    # what the observer's eth0 sees
            first = Keepalived(a, keepalived_config(priority=150))
            second = Keepalived(b, keepalived_config(priority=100))
            first.wait_state("MASTER")
            b.drop_vrrp("input")                                  # nftables by netlink: no nft binary
            second.wait_state("MASTER")                           # a real split brain
            b.allow_vrrp()
            second.wait_state("BACKUP")
        print(observer.run("ip", "neigh").stdout)                 # a program inside a host
        with observer.entered():                                  # this thread, inside the host's network
            ...                                                   # sockets made here stay there

Needs CAP_SYS_ADMIN; an ordinary user first calls `enter_private_world()` (user namespaces), as the demo does.

Everything is anonymous and local: hosts are not in `ip netns list`, so labs of different processes cannot clash, and
when the process that made a lab ends, even by kill -9, its interfaces, rules and programs end with it. Each host has
its own /run, so several keepalived or FRR may run. The switch floods every frame to every port. `lab.block(a, b)`
breaks one direction of one path in it. `program.pause()` stalls a daemon, `program.kill()` is kill -9 for all of it.
Start programs from the main thread: the kernel ends them with the thread that started them.
"""

from .namespaces import LabError, Namespace, enter_private_world
from .network import Host, Lab, sweep
from .processes import Program
from .record import Recorder
from .routers import Frr, Keepalived, Watcher, frr_config, keepalived_config, keepalived_path, module_path

__all__ = [
    "Frr",
    "Host",
    "Keepalived",
    "Lab",
    "LabError",
    "Namespace",
    "Program",
    "Recorder",
    "Watcher",
    "enter_private_world",
    "frr_config",
    "keepalived_config",
    "keepalived_path",
    "module_path",
    "sweep",
]
