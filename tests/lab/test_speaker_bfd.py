"""BFD sessions of our speaker with keepalived's and FRR's: one hop and several, IPv4 and IPv6, and what tracks them."""

from __future__ import annotations

import re

import pytest

from tests.lab.speaker_lab import make_lab
from vrrpwatch.lab import Host, Keepalived, Program, Watcher
from vrrpwatch.lab.routers import FRR_DIRECTORY

pytestmark = [pytest.mark.root, pytest.mark.live, pytest.mark.needs("keepalived", "frr")]


def session(name: str, neighbor: str, source: str, *lines: str) -> str:
    body = (f"neighbor_ip {neighbor}", f"source_ip {source}", "min_rx 100", "min_tx 100", "multiplier 4", *lines)
    return f"bfd_instance {name} {{\n" + "\n".join(body) + "\n}\n"


def instance(name: str, vrid: int, *tracked: str) -> str:
    lines = "\n".join(tracked)
    return (
        f"vrrp_instance {name} {{\nstate BACKUP\ninterface eth0\nversion 3\nadvert_int 0.5\npriority 100\n"
        f"virtual_router_id {vrid}\ntrack_bfd {{\n{lines}\n}}\nvirtual_ipaddress {{\n10.9.0.{vrid}/24\n}}\n}}\n"
    )


OURS = (
    session("KA4", "10.9.0.2", "10.9.0.1")
    + session("KA6", "fd00::2", "fd00::1")
    + session("FRR4", "10.9.0.9", "10.9.0.1")
    + session("FRR6", "fd00::9", "fd00::1", "hoplimit 255")  # keepalived's default is 64, RFC 5881 wants 255
    + session("FAR", "10.9.0.9", "10.9.0.1", "multihop", "max_hops 5")
    + instance("NEED", 51, "KA4", "KA6")
    + instance("WEIGHT", 52, "FRR4 weight -30", "FRR6 weight 20", "FAR weight -5")
)
THEIRS = session("KA4", "10.9.0.1", "10.9.0.2") + session("KA6", "fd00::1", "fd00::2") + instance("NEED", 61, "KA4")
FRR = """
bfd
 peer 10.9.0.1
  receive-interval 100
  transmit-interval 100
 peer fd00::1 local-address fd00::9 interface eth0
  receive-interval 100
  transmit-interval 100
 peer 10.9.0.1 multihop local-address 10.9.0.9
  receive-interval 100
  transmit-interval 100
"""


def start_bfdd(host: Host) -> Program:
    """FRR's bfdd with its zebra."""
    host.run("install", "-d", "-o", "frr", "-g", "frr", "/run/frr")
    common = ("-z", "/run/frr/zserv", "--vty_socket", "/run/frr", "-P", "0", "--log", "stdout")
    for name, text in (("zebra", ""), ("bfdd", FRR)):
        config = host.lab.write(f"{name}.conf", text)
        extra = ("--bfdctl", "/run/frr/bfdd.sock") if name == "bfdd" else ()
        program = host.start(
            *(str(FRR_DIRECTORY / name), "-f", str(config), "-i", f"/run/frr/{name}.pid", *common, *extra), log=name
        )
        host.lab.wait(lambda: host.run("test", "-S", "/run/frr/zserv", check=False).returncode == 0, "zebra's socket")
    return program


def test_sessions_with_keepalived_and_frr_come_up_and_go_down_and_instances_follow() -> None:
    lab, a, b, c = make_lab("bfd")
    with lab:
        for host, address in ((a, "fd00::1/64"), (b, "fd00::2/64"), (c, "fd00::9/64")):
            host.add_address(address)
        peer, bfdd = Keepalived(b, THEIRS), start_bfdd(c)
        ours = Watcher(a, OURS)

        def wait(*lines: str, after: int = 0) -> int:
            return max(ours.program.wait_for(line, 30, after=after) for line in lines)

        names = ("KA4", "KA6", "FRR4", "FRR6", "FAR")
        end = wait(*(rf"BFD_Instance\({name}\) Entering UP state" for name in names), r"\(NEED\) Entering MASTER STATE")
        peer.program.wait_for(r"\(KA6\) Entering Up state")
        wait(r"\(WEIGHT\) Changing effective priority from \d+ to 120")
        assert "NEED) Entering FAULT STATE (init)" in ours.program.text()
        bfdd.pause()
        end = wait(r"\(WEIGHT\) Changing effective priority from \d+ to 65", after=end)
        bfdd.resume()
        end = wait(r"\(WEIGHT\) Changing effective priority from \d+ to 120", after=end)
        peer.program.pause()
        end = wait(r"\(NEED\) Entering FAULT STATE", after=end)
        peer.program.resume()
        end = wait(r"\(NEED\) Entering MASTER STATE", after=end)
        ours.stop()
        peer.program.wait_for(r"Remote diagnostic - Administratively Down")
        assert re.search("cannot send|internal error", ours.program.text()) is None
