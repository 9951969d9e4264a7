"""`vrrpwatch lab …`: a pair and an observer that stand until Ctrl-C, to be split, healed, entered and lied to."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Callable
from typing import Final

from vrrpcore.errors import UsageError
from vrrpwatch.commands.console import answer, remark
from vrrpwatch.demo import chosen
from vrrpwatch.lab import Host, Lab, enter_private_world, firewall, keepalived_config, module_path
from vrrpwatch.lab.inject import Rogue
from vrrpwatch.lab.inject import run as run_rogue
from vrrpwatch.lab.standing import enter, execute, publish, standing, the_lab

VIP: Final = "10.9.0.100"


def up(routers: str, interval: float) -> int:
    """Build the lab and keep it until SIGINT or SIGTERM."""
    make, name = chosen(routers)
    outside = enter_private_world()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)  # all three end it in the same orderly way
    try:
        _stand(make, name, interval, outside)
    except KeyboardInterrupt:
        remark("the lab is down")
    return 0


def _stand(make: Callable[[Host, str], object], name: str, interval: float, outside: int) -> None:
    version = None if interval == int(interval) else 3  # version 2 knows whole seconds only
    with Lab("up") as lab:
        for number, priority in ((1, 150), (2, 100)):
            address = f"10.9.0.{number}/24"
            host = lab.host(f"router-{number}", address, f"fd00:9::{number}/64", mac=f"02:00:00:00:00:0{number}")
            config = keepalived_config(51, priority, [f"{VIP}/24"], interval=interval, version=version)
            make(host, config)
        lab.host("observer", "10.9.0.9/24", "fd00:9::9/64", mac="02:00:00:00:00:09")
        publish(lab, outside)
        answer(
            f"two routers ({name}) and an observer on one switch; VRID 51, {VIP}, adverts every {interval:g} s\n"
            "in another terminal:\n"
            "  vrrpwatch lab split                             router-2 no longer hears VRRP\n"
            "  vrrpwatch lab exec observer vrrpwatch check     the verdict\n"
            "  vrrpwatch lab heal\n"
            "  vrrpwatch lab inject --priority 200             a rogue speaker on the observer's port\n"
            "  vrrpwatch lab exec router-2 sh                  a shell on a host\n"
            "Ctrl-C here takes everything down\n"
        )
        while True:
            signal.pause()


def show() -> int:
    """Print the labs that stand and their hosts."""
    for lab in standing():
        answer(f"{lab.directory} (process {lab.pid})\n")
        for name, host in lab.hosts.items():
            answer(f"  {name:<10} {' '.join(host.get('addresses', []))}\n")
    return 0


def run_inside(host: str, arguments: list[str]) -> int:
    """Run a program on a host of the standing lab."""
    if not arguments:
        raise UsageError("lab exec: name a program, e.g. `vrrpwatch lab exec observer vrrpwatch check`")
    if arguments[0] == "vrrpwatch" and shutil.which("vrrpwatch") is None:  # run from a checkout
        os.environ.update(module_path())
        arguments = [sys.executable, "-m", "vrrpwatch", *arguments[1:]]
    execute(host, arguments)
    return 1  # not reached


def split(host: str, hook: str) -> int:
    """A firewall that eats VRRP on a host of the standing lab."""
    if hook not in ("input", "output"):
        raise UsageError(f"lab split --hook {hook}: choose input or output")
    enter(the_lab(), host)
    firewall.add_drop(hook, firewall.VRRP_PROTOCOLS)
    remark(f"{host} drops VRRP on {hook}")
    return 0


def heal(host: str) -> int:
    """Remove what `split` added."""
    enter(the_lab(), host)
    firewall.remove_all()
    remark(f"{host} lets VRRP pass")
    return 0


def inject(rogue: Rogue, host: str) -> int:
    """A rogue speaker on a host of the standing lab."""
    sent = run_rogue(rogue, host)
    remark(f"{sent} adverts sent")
    return 0
