"""Twenty-one keepalived.conf of the most usual shapes, and the course of events that each is put through.

The host has 10.9.0.1/24 and fd00:9::1/64 on eth0, 10.8.0.1/24 on eth1; its neighbour is .2, nobody answers for .3.
"""

from __future__ import annotations

from dataclasses import dataclass

PEER = {4: "10.9.0.2", 6: "fe80::ff:fe00:2"}


@dataclass(frozen=True)
class Shape:
    """One file; `FOLDER` in it stands for a directory of the lab."""

    name: str
    text: str
    superior: int = 200  # what the neighbour claims once the host is master …
    after: tuple[tuple[float, int], ...] = ((1.0, 0),)  # … and then: (seconds since that, priority)
    speaks_to: str = ""  # the instance that the neighbour claims, where there are several; "" = all
    trouble: str = (
        ""  # what goes wrong with a tracked thing and is well again before `superior`: "link", "script", "fault"
    )


def instance(name: str = "VI_1", *lines: str, vips: tuple[str, ...] = ("10.9.0.100/24",), **numbers: object) -> str:
    """A vrrp_instance as people write it: version 2 at one second unless the numbers or lines say otherwise."""
    values = {"state": "BACKUP", "interface": "eth0", "virtual_router_id": 51, "priority": 150, **numbers}
    rows = [*(f"{key} {value}" for key, value in values.items()), *lines]
    if not any("advert_int" in row for row in rows):
        rows.append("advert_int 1")
    rows += ["virtual_ipaddress {", *(f"    {vip}" for vip in vips), "}"] if vips else []
    return f"vrrp_instance {name} {{\n" + "".join(f"    {row}\n" for row in rows) + "}\n"


def block(word: str, *lines: str) -> str:
    """A block inside an instance."""
    return word + " {\n" + "".join(f"        {line}\n" for line in lines) + "    }"


def defs(*lines: str) -> str:
    return "global_defs {\n" + "".join(f"    {line}\n" for line in ("router_id lab", *lines)) + "}\n"


def auth(kind: str) -> str:
    return block("authentication", f"auth_type {kind}", "auth_pass 1111")


FAST = ("version 3", "advert_int 0.5")
VIP6 = ("fe80::51/64", "fd00:9::100/64")

SHAPES = (
    Shape(  # the file that distributions install
        "v2-strict",
        defs("vrrp_skip_check_adv_addr", "vrrp_strict") + instance(state="MASTER"),
    ),
    Shape("v2-pass", defs("vrrp_skip_check_adv_addr") + instance("VI_1", auth("PASS"), state="MASTER", priority=100)),
    Shape("v2-ah", defs() + instance("VI_1", auth("AH"))),
    Shape(
        "v2-many-addresses",
        instance(
            vips=(
                "10.9.0.100/24 dev eth0 label eth0:1",
                "10.9.0.101/32 dev eth0 scope link",
                "10.9.0.102/24 brd 10.9.0.255",
                "10.8.0.103/24 dev eth1",
                "10.9.0.104",
            )
        ),
    ),
    Shape("v3-sub-second", defs("vrrp_version 3") + instance(advert_int=0.5, vips=("10.9.0.100/24", "10.9.0.101/24"))),
    Shape("v3-ipv6", defs() + instance("VI_6", *FAST, vips=VIP6)),
    Shape(
        "unicast",
        instance("VI_1", "unicast_src_ip 10.9.0.1", block("unicast_peer", "10.9.0.2", "10.9.0.3"), auth("PASS")),
    ),
    Shape(
        "unicast-ah",
        instance("VI_1", "unicast_src_ip 10.9.0.1", block("unicast_peer", "10.9.0.2"), auth("AH"), "unicast_ttl 255"),
    ),
    Shape(
        "unicast-ipv6",
        instance(
            "VI_6", "unicast_src_ip fd00:9::1", block("unicast_peer", "fd00:9::2"), *FAST, vips=("fd00:9::100/64",)
        ),
    ),
    Shape(  # one VRID for both families, as with FRR: the names of the virtual interfaces must differ
        "vmac",
        defs("vrrp_garp_master_repeat 2")
        + instance("VI_6", "use_vmac", *FAST, vips=VIP6)
        + instance("VI_4", "use_vmac", *FAST),
    ),
    Shape("vmac-xmit-base", instance("VI_1", "use_vmac vrrp.51", "vmac_xmit_base", *FAST)),
    Shape("vmac-ipv6", instance("VI_6", "use_vmac", *FAST, vips=VIP6)),
    Shape(
        "excluded",
        instance("VI_1", block("virtual_ipaddress_excluded", "10.9.0.110/24", "fd00:9::110/64"), *FAST),
    ),
    Shape(
        "routes-and-rules",
        block("static_ipaddress", "10.9.0.77/24 dev eth0 label eth0:st")
        + block("\nstatic_routes", "192.0.2.0/24 via 10.9.0.2 dev eth0")
        + block("\nstatic_rules", "from 192.0.2.0/24 table 9")
        + "\n"
        + instance(
            "VI_1",
            block(
                "virtual_routes",
                "198.51.100.0/24 via 10.9.0.2 dev eth0",
                "src 10.9.0.100 to 203.0.113.0/24 via 10.9.0.2 dev eth0 metric 5",
                "203.0.113.0/24 via 10.9.0.2 dev eth0 table 7",
                "blackhole 192.0.2.128/25",
            ),
            block("virtual_rules", "from 10.9.0.100 table 7", "to 198.51.100.0/24 lookup 7 priority 700"),
            *FAST,
        ),
    ),
    Shape(
        "nopreempt",
        instance("VI_1", "nopreempt", *FAST),
        after=((0.5, 50), (1.0, 50), (1.5, 50), (2.0, 50), (2.5, 0)),
    ),
    Shape(
        "preempt-delay",
        instance("VI_1", "preempt_delay 2", *FAST),
        after=((0.5, 50), (1.0, 50), (1.5, 50), (2.0, 50), (2.8, 50)),
    ),
    Shape("owner", instance("VI_1", *FAST, state="MASTER", priority=255), superior=254),
    Shape(
        "sync-group",
        block("vrrp_sync_group G", block("group", "VI_4", "VI_6"))
        + "\n"
        + instance("VI_4", *FAST)
        + instance("VI_6", block("track_interface", "eth1"), *FAST, vips=VIP6, virtual_router_id=52),
        speaks_to="VI_4",
        after=((0.8, 200), (1.6, 200), (2.4, 200), (3.2, 0)),  # VI_6 hears nobody for longer than it waits
        trouble="fault",
    ),
    Shape("track-interface", instance("VI_1", block("track_interface", "eth1 weight -60"), *FAST), trouble="link"),
    Shape(
        "track-script",
        defs("script_user root", "enable_script_security")
        + 'vrrp_script chk {\n    script "FOLDER/check"\n    interval 1\n    weight -60\n    fall 1\n    rise 1\n}\n'
        + instance("VI_1", block("track_script", "chk"), *FAST),
        trouble="script",
    ),
    Shape(
        "groups-and-garp",
        defs(
            *("vrrp_mcast_group4 224.0.0.20", "vrrp_mcast_group6 ff02::20", "vrrp_garp_master_delay 1"),
            *("vrrp_garp_master_repeat 3", "vrrp_garp_lower_prio_repeat 1", "vrrp_garp_master_refresh 0"),
        )
        + instance("VI_4", "mcast_src_ip 10.9.0.7", *FAST)
        + instance("VI_6", *FAST, vips=VIP6, virtual_router_id=52),
    ),
)
