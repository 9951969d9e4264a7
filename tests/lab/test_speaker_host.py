"""What our speaker does to its own host: addresses, faults, reload, death of its processes, capabilities, filters."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from tests.lab.speaker_lab import Capture, complaints
from tests.support import Inconclusive
from vrrpcore.addresses import VRRP_GROUP4, pack
from vrrpcore.frames import ipv4_packet
from vrrpcore.packet import PROTOCOL, Advertisement, build
from vrrpcore.speaker import state
from vrrpcore.vrrpsockets import Sender
from vrrpwatch.lab import Host, Keepalived, Lab, Recorder, Watcher, keepalived_config, module_path

pytestmark = [pytest.mark.root, pytest.mark.live]
VIP = "10.9.0.100"
RunAll = Callable[..., Watcher]


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab("speaker-host") as made:
        a = made.host("a", "10.9.0.1/24", "fd00:9::1/64", mac="02:00:00:00:00:01")
        made.join(a, made.lan("lan1"), "10.8.0.1/24")
        made.host("b", "10.9.0.2/24", "fd00:9::2/64", mac="02:00:00:00:00:02")
        yield made


@pytest.fixture
def a(lab: Lab) -> Host:
    return lab.hosts["a"]


@pytest.fixture
def b(lab: Lab) -> Host:
    return lab.hosts["b"]


@pytest.fixture
def start(a: Host) -> Iterator[RunAll]:
    """Start our speaker on `a`; whatever is left of it ends with the test."""
    running: list[Watcher] = []

    def begin(text: str, wait: str = "Entering MASTER STATE") -> Watcher:
        running.append(Watcher(a, text))
        if wait:
            running[-1].program.wait_for(wait)
        return running[-1]

    yield begin
    for each in running:
        each.stop()


def conf(*extra: str, priority: int = 254, vips: tuple[str, ...] = (f"{VIP}/24",), **changes: object) -> str:
    return keepalived_config(51, priority, vips, interval=0.2, version=3, extra=extra, **changes)  # type: ignore[arg-type]


def settled(host: Host, condition: Callable[[], object], what: str) -> None:
    host.lab.wait(condition, what, 10.0)


def listing(host: Host) -> list[str]:
    """Addresses and routes of the host as `ip` shows them, without lifetimes and indexes."""
    rows = []
    for command in (("-o", "addr"), ("-o", "route"), ("-o", "-6", "route"), ("rule",), ("route", "show", "table", "7")):
        for line in host.run("ip", *command, check=False).stdout.splitlines():
            words = line.split("\\")[0].split()
            rows.append(" ".join(words[1:] if command == ("-o", "addr") else words))
    return sorted(row for row in rows if "fe80" not in row)


FORMS = """
static_ipaddress {
    10.9.0.77/24 dev eth0 label eth0:st
}
static_routes {
    192.0.2.0/24 via 10.9.0.2 dev eth0
}
vrrp_instance VI_1 {
    state BACKUP
    version 3
    interface eth0
    virtual_router_id 51
    priority 254
    advert_int 0.2
    virtual_ipaddress {
        10.9.0.100/24 dev eth0 label eth0:vip
        10.9.0.101/32 scope link
        10.8.0.102/24 dev eth1
        10.9.0.103/24 brd 10.9.0.255
        10.9.0.104
    }
    virtual_ipaddress_excluded {
        10.9.0.110/24
        fd00:9::110/64
    }
    virtual_routes {
        198.51.100.0/24 via 10.9.0.2 dev eth0
        203.0.113.0/24 via 10.9.0.2 dev eth0 table 7 metric 5
        blackhole 192.0.2.128/25
    }
    virtual_rules {
        from 10.9.0.100 table 7
    }
}
vrrp_instance VI_6 {
    state BACKUP
    interface eth0
    virtual_router_id 52
    priority 254
    advert_int 0.2
    virtual_ipaddress {
        fe80::52/64
    }
    virtual_ipaddress_excluded {
        10.9.0.120/24
        10.9.0.121 dev eth1 scope link
        fd00:9::120/128 preferred_lft forever
        fd00:9::121/128
        fd00:9::122/64 home -nodad noprefixroute
    }
}
vrrp_instance VI_V {
    state BACKUP
    version 3
    interface eth0
    virtual_router_id 53
    priority 254
    advert_int 0.2
    use_vmac
    virtual_ipaddress {
        10.9.0.130/24
        10.8.0.131/24 dev eth1
        10.8.0.132/24 dev eth1 use_vmac
    }
    virtual_ipaddress_excluded {
        10.9.0.133/24 brd +
        fd00:9::133/64
        10.9.0.134 peer 10.9.0.200
    }
}
vrrp_instance VI_W {
    state BACKUP
    version 3
    interface eth0
    virtual_router_id 54
    priority 254
    advert_int 0.2
    use_vmac
    use_vmac_addr
    virtual_ipaddress {
        10.9.0.140/24
        10.8.0.141/24 dev eth1
    }
    virtual_ipaddress_excluded {
        10.8.0.142/24 dev eth1
        fd00:9::142/64
    }
}
"""
FORMS_SEEN = {"10.9.0.110", "fd00:9::122", "10.9.0.134", "fd00:9::142"}


@pytest.mark.needs("keepalived", "iproute2")
def test_the_same_file_gives_the_same_addresses_routes_and_rules_as_keepalived(a: Host, start: RunAll) -> None:
    before = listing(a)
    peer = Keepalived(a, FORMS)
    peer.wait_state("MASTER")
    settled(a, lambda: set(a.addresses(None)) >= FORMS_SEEN, "the last address of keepalived")
    time.sleep(0.3)
    expected = listing(a)
    peer.stop()
    ours = start(FORMS)
    settled(a, lambda: set(a.addresses(None)) >= FORMS_SEEN, "our last address")
    time.sleep(0.3)
    assert [row.replace("proto 18", "proto keepalived") for row in listing(a)] == [
        row.replace("proto 18", "proto keepalived") for row in expected
    ]
    ours.stop()
    assert listing(a) == before


def test_a_lost_carrier_is_a_fault_and_its_return_ends_it(a: Host, start: RunAll) -> None:
    ours = start(conf())
    a.set_link(up=False)
    ours.program.wait_for("Entering FAULT STATE")
    assert VIP not in a.addresses()
    time.sleep(1.3)
    a.set_link(up=True)
    end = ours.program.wait_for("Entering FAULT STATE")
    ours.program.wait_for("Entering MASTER STATE", after=end)
    assert VIP in a.addresses()
    a.add_address("fd00:9::1/64")  # the kernel took it with the link


def test_an_address_taken_off_from_outside_is_put_back_and_announced(
    lab: Lab, a: Host, b: Host, start: RunAll, tmp_path: Path
) -> None:
    capture = Capture(tmp_path / "back.pcap")
    ours = start(conf())
    with Recorder(b, capture.path):
        begun = time.time()
        a.remove_address(f"{VIP}/24")
        ours.program.wait_for("was removed from outside")
        settled(a, lambda: VIP in a.addresses(), "the address to come back")
        time.sleep(0.2)
    capture.load()
    assert len(capture.announcements(VIP, begun)) >= 5
    assert "Entering BACKUP STATE\n" not in ours.program.text()


@pytest.mark.needs("keepalived")
def test_what_this_host_cannot_have_is_left_out_and_said_once(a: Host, start: RunAll) -> None:
    """An address that the kernel refuses was not "removed from outside"; a table without a number stops nobody."""
    routes = ("virtual_routes {", "192.0.2.0/30 dev eth0 table nowhere", "192.0.2.4/30 dev eth0", "}")
    ours = start(conf(*routes, vips=(f"{VIP}/24", "10.9.0.102/24 scope link")))
    ours.program.wait_for("adding 10.9.0.102: ")
    settled(a, lambda: "192.0.2.4/30" in str(listing(a)), "the route that is known")
    assert "192.0.2.0/30" not in str(listing(a))
    ours.stop()
    said = ours.program.text()
    assert said.count("192.0.2.0/30 dev eth0 table nowhere is left out: routing table nowhere") == 1
    assert said.count("adding 10.9.0.102: ") == 1
    assert "put back" not in said


def test_a_reload_keeps_the_master_and_takes_new_numbers(a: Host, b: Host, start: RunAll, tmp_path: Path) -> None:
    capture = Capture(tmp_path / "reload.pcap")
    second = keepalived_config(52, 254, ["10.9.0.152/24"], name="VI_2", interval=0.2, version=3).split("}\n", 1)[1]
    ours = start(conf() + second, r"\(VI_2\) Entering MASTER")
    with Recorder(b, capture.path):
        time.sleep(0.5)
        ours.config.write_text(conf(priority=77, vips=(f"{VIP}/24", "10.9.0.105/24")))
        ours.program.process.send_signal(signal.SIGHUP)
        settled(a, lambda: "10.9.0.105" in a.addresses(), "the new address")
        settled(a, lambda: "10.9.0.152" not in a.addresses(), "the removed instance's address to go")
        time.sleep(0.6)
    capture.load()
    adverts = capture.adverts(51)
    assert {priority for _, _, priority in adverts} == {254, 77}
    assert max(new[0] - old[0] for old, new in pairwise(adverts)) < 0.4
    assert capture.adverts(52)[-1][2] == 0
    assert VIP in a.addresses()
    rows = state.read(f"/proc/{ours.program.pid}/root/run/vrrpwatch/speaker.json")["instances"]
    assert [(row["name"], row["state"], row["priority"]) for row in rows] == [("VI_1", "master", 77)]
    peer = Keepalived(b, conf(priority=100, vips=(f"{VIP}/24", "10.9.0.105/24")))
    peer.wait_state("MASTER")  # 77 is what it heard, with the addresses that it has itself
    settled(a, lambda: not {VIP, "10.9.0.105"} & set(a.addresses()), "the addresses to move")
    peer.stop()
    assert complaints(peer.program.text()) == []


def test_what_is_not_supported_is_said_once_and_with_the_reload_that_brings_it(a: Host, start: RunAll) -> None:
    server = "virtual_server 10.9.0.100 80 {\n  lb_algo rr\n  lb_kind NAT\n  protocol TCP\n"
    server += "  real_server 10.9.0.2 80 {\n    TCP_CHECK {\n    }\n  }\n}\n"
    ours = start(conf() + server)
    ours.config.write_text(conf(global_extra=("lvs_sync_daemon eth0 VI_1",)) + server)
    ours.program.process.send_signal(signal.SIGHUP)
    ours.program.wait_for("lvs_sync_daemon is not supported")
    assert ours.program.text().count("virtual_server blocks are read but not served") == 1


def test_mistakes_that_keepalived_survives_do_not_stop_us_and_a_reload_brings_no_new_ones(
    a: Host, start: RunAll
) -> None:
    packaged = ("vrrp_garp_interval 0", "vrrp_gna_interval 0")  # as in keepalived's own example
    ours = start(conf("nonsense 5", global_extra=packaged))
    assert "started in spite of 3 mistakes" in ours.program.text()
    ours.config.write_text(conf("nonsense 5", "priority 300", global_extra=packaged))
    ours.program.process.send_signal(signal.SIGHUP)
    ours.program.wait_for("the old configuration stays in force")
    assert VIP in a.addresses()
    ours.config.write_text(conf("nonsense 5", vips=(f"{VIP}/24", "10.9.0.105/24"), global_extra=packaged))
    ours.program.process.send_signal(signal.SIGHUP)
    settled(a, lambda: {VIP, "10.9.0.105"} <= set(a.addresses()), "the address that a reload brings")


def test_an_interface_that_is_deleted_and_made_again_is_used_again(a: Host, start: RunAll) -> None:
    a.add_macvlan("mv0", "02:00:00:00:00:77", ["10.7.0.1/24"])
    ours = start(conf(vips=("10.7.0.100/24",), interface="mv0"))
    a.run("ip", "link", "del", "mv0")
    end = ours.program.wait_for("Entering FAULT STATE")
    a.add_macvlan("mv0", "02:00:00:00:00:77", ["10.7.0.1/24"])
    ours.program.wait_for("Entering MASTER STATE", after=end)
    settled(a, lambda: "10.7.0.100" in a.addresses("mv0"), "the address on the new interface")
    ours.stop()
    a.run("ip", "link", "del", "mv0")


def test_a_second_speaker_on_one_host_is_refused(a: Host, start: RunAll) -> None:
    start(conf())
    second = start(conf(), wait="")
    assert second.program.process.wait(15) == 1
    assert "another vrrpwatch run is active here" in second.program.text()
    assert VIP in a.addresses()


def test_errors_list_every_finding_and_touch_nothing(a: Host, start: RunAll) -> None:
    before = listing(a)
    ours = start(conf("priority 300", "nonsense 5").replace("eth0", "eth7"), wait="")
    assert ours.program.process.wait(10) == 2
    text = ours.program.text()
    assert "300" in text
    assert "nonsense" in text
    assert "eth7 of vrrp_instance VI_1 does not exist" in text
    assert listing(a) == before


def reaches(host: Host, address: str) -> bool:
    """Whether the address answers a TCP segment (by refusing it)."""
    with host.entered(), socket.socket() as probe:
        probe.settimeout(1.0)
        try:
            probe.connect((address, 9))
        except ConnectionRefusedError:
            return True
        except OSError:
            return False
    return True


@pytest.mark.parametrize("accept", [True, False])
def test_no_accept_lets_nothing_but_resolution_reach_the_address(a: Host, b: Host, start: RunAll, accept: bool) -> None:
    vips = (f"{VIP}/24",)
    start(conf("accept" if accept else "no_accept", vips=vips))
    b.run("ip", "neigh", "flush", "all", check=False)
    assert reaches(b, VIP) is accept
    assert "02:00:00:00:00:01" in b.run("ip", "neigh", "show", VIP).stdout


def test_a_virtual_mac_answers_alone_and_the_kernel_is_left_as_it_was(a: Host, b: Host, start: RunAll) -> None:
    settings = [f"net/ipv4/conf/eth0/{key}" for key in ("arp_ignore", "arp_filter", "arp_announce")]
    before = [a.sysctl(each) for each in settings]
    ours = start(conf("use_vmac"))
    for host in (a, b):  # nor does a's own question for b bring its physical MAC and the virtual address together
        host.run("ip", "neigh", "flush", "all", check=False)
    assert reaches(b, VIP)
    assert "00:00:5e:00:01:33" in b.run("ip", "neigh", "show", VIP).stdout
    ours.stop()
    assert [a.sysctl(each) for each in settings] == before
    assert "vrrp.51" not in a.run("ip", "link").stdout


def test_a_name_that_another_kind_of_interface_has_is_not_insisted_on(a: Host, start: RunAll) -> None:
    ours = start(conf("use_vmac eth1"))
    ours.program.wait_for("eth1: an interface of that name exists and is no macvlan: vrrp.51 is used instead")
    settled(a, lambda: f"vrrp.51 inet {VIP}/24" in str(listing(a)), "the address on the virtual interface")
    ours.stop()
    assert "vrrp.51" not in a.run("ip", "link").stdout
    assert "eth1" in a.run("ip", "link").stdout


def test_two_capabilities_are_enough_and_what_is_missing_is_said(a: Host) -> None:
    config = a.lab.write("caps.conf", conf())
    program = a.start(
        *("setpriv", "--bounding-set=-all,+net_raw,+net_admin", "--inh-caps=-all", "--no-new-privs"),
        *(sys.executable, "-m", "vrrpwatch", "run", "-f", str(config)),
        log="caps",
        environment=module_path(),
    )
    program.wait_for("Entering MASTER STATE")
    assert "SCHED_FIFO is not permitted" in program.text()
    assert VIP in a.addresses()
    assert program.stop() == 0
    assert VIP not in a.addresses()


def test_adverts_that_we_refuse_do_not_slow_ours(a: Host, b: Host, start: RunAll, tmp_path: Path) -> None:
    """keepalived restarts its timer on every received packet of the VRID; a rejected faster peer silences it."""
    capture = Capture(tmp_path / "refused.pcap")
    ours = start(conf())
    with b.entered():
        sender = Sender("eth0", b.index("eth0"), 4)
    message = build(Advertisement(2, 51, 200, (pack(VIP),), 1.0), pack("10.9.0.2"), VRRP_GROUP4)
    packet = ipv4_packet(pack("10.9.0.2"), VRRP_GROUP4, PROTOCOL, message)
    with Recorder(b, capture.path):
        end = time.monotonic() + 2.0
        while time.monotonic() < end:
            sender.send(packet, VRRP_GROUP4)
            time.sleep(0.05)
    sender.close()
    capture.load()
    theirs = [when for when, _, _ in capture.adverts(51, source="10.9.0.2")]
    if max(new - old for old, new in pairwise(theirs)) > 0.1:
        raise Inconclusive("the machine stalled")
    assert 9 <= len(capture.adverts(51, source="10.9.0.1")) <= 11
    assert "refused an advert from 10.9.0.2: version" in ours.program.text()
    assert ours.program.text().count("refused an advert") == 1


@pytest.mark.needs("keepalived")
def test_the_dumps_have_keepalived_s_keys(a: Host, start: RunAll, tmp_path: Path) -> None:
    def dumps(pid: int, folder: Path) -> tuple[set[str], set[str], list[str]]:
        for number in (signal.SIGRTMIN + 2, signal.SIGUSR2):
            os.kill(pid, number)
        settled(a, lambda: all((folder / f"keepalived.{end}").exists() for end in ("json", "stats")), "the dumps")
        time.sleep(0.2)
        row = json.loads((folder / "keepalived.json").read_text())[0]
        lines = (folder / "keepalived.stats").read_text().splitlines()
        return set(row["data"]), set(row["stats"]), [line.split(":")[0].strip() for line in lines if line.strip()]

    peer = Keepalived(a, conf())
    peer.wait_state("MASTER")
    theirs = dumps(peer.program.pid, a.lab.directory)
    peer.stop()
    text = a.lab.write("dumps.conf", conf())
    environment = {**module_path(), "TMPDIR": str(tmp_path)}
    ours = a.start(sys.executable, "-m", "vrrpwatch", "run", "-f", str(text), log="dumps", environment=environment)
    ours.wait_for("Entering MASTER STATE")
    time.sleep(0.3)
    mine = dumps(ours.pid, tmp_path)
    ours.stop()
    assert theirs[0] <= mine[0]
    assert theirs[1] == mine[1]
    assert theirs[2] == mine[2]


def test_the_startup_delay_holds_the_first_election_back(a: Host, start: RunAll) -> None:
    begun = time.monotonic()
    ours = start(conf(global_extra=("vrrp_startup_delay 2",)), "waiting 2 s before taking part")
    assert VIP not in a.addresses()
    ours.program.wait_for("Entering MASTER STATE")
    assert time.monotonic() - begun > 2.0 + 0.6
    assert ours.program.text().index("waiting 2 s") < ours.program.text().index("Entering BACKUP STATE (init)")


def test_an_owner_is_master_at_once_and_keeps_its_own_address(a: Host, b: Host, start: RunAll, tmp_path: Path) -> None:
    """keepalived takes it off, and with it every other address of its prefix."""
    a.add_address("10.9.0.7/24")
    capture = Capture(tmp_path / "owner.pcap")
    with Recorder(b, capture.path):
        ours = start(conf(priority=255, vips=("10.9.0.1/24",)))
        assert "Entering BACKUP" not in ours.program.text()
        ours.stop()
    assert {"10.9.0.1", "10.9.0.7"} <= set(a.addresses())
    a.remove_address("10.9.0.7/24")
    capture.load()
    assert {source for _, source, _ in capture.adverts(51)} == {"10.9.0.1"}
