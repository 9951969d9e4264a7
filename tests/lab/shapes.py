"""Keepalived.conf of the most usual shapes, what they may say beside, and the course that each is put through.

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

ROUTES = """
    192.0.2.0/30 via 10.9.0.2 dev eth0 mtu 1400
    192.0.2.4/30 via 10.9.0.2 dev eth0 mtu lock 1400 advmss 1300 hoplimit 100 reordering 4 window 105 cwnd 6
    192.0.2.8/30 via 10.9.0.2 dev eth0 rtt 102 rttvar 1003 rto_min 108
    192.0.2.12/30 via 10.9.0.2 dev eth0 rtt 1002ms rttvar 2.5s rto_min lock 300msec
    192.0.2.16/30 via 10.9.0.2 dev eth0 ssthresh lock 107 initcwnd 109 initrwnd 110 features ecn quickack 1
    192.0.2.20/30 via 10.9.0.2 dev eth0 realms 5/0x14 fastopen_no_cookie 1 congctl reno
    192.0.2.24/30 via 10.9.0.2 dev eth0 tos 0x04 table 6909 metric 12 ttl-propagate disabled
    192.0.2.28/30 via 10.9.0.2 dev eth0 protocol bird no_track
    192.0.2.32/30 nexthop via 10.9.0.2 dev eth0 weight 3 realms 4 nexthop via 10.77.0.3 dev eth0 weight 256 onlink
    192.0.2.36/30 dev eth0
    192.0.2.40/30 dev eth0 scope link src 10.9.0.100
    192.0.2.44/30 encap ip dst 10.9.0.9 id 7 tos 4 ttl 6 dev eth0
    local 192.0.2.48/30 dev eth0
    throw 192.0.2.52/30
    prohibit 192.0.2.56/30 metric 9
    unreachable 192.0.2.60/30
    default via 10.9.0.2 dev eth0 metric 100
""".split("\n")[1:-1]
ROUTES6 = """
    2001:db8:2::/48 via fe80::ff:fe00:2 dev eth0 metric 77 pref high
    2001:db8:5::/48 dev eth0 src fd00:9::100
    2001:db8:6::/48 dev eth0 mtu 1300 hoplimit 55 advmss 1200 initcwnd 5 expires 600
    2001:db8:8::/48 nexthop via fd00:9::2 dev eth0 weight 2 nexthop via fd00:9::3 dev eth0
    2001:db8:9::/48 from 2001:db8:99::/48 via fd00:9::2 dev eth0
    2001:db8:d::/48 encap ip6 dst 2001:db8::9 tc 3 hoplimit 9 dev eth0
    blackhole 2001:db8:4::/48 table 55
""".split("\n")[1:-1]
RULES = """
    from 10.9.0.100/32 to 192.0.2.0/24 table 100 iif eth0 fwmark 0x7/0xff priority 200
    not from 10.9.0.0/24 table 101 priority 201
    oif eth1 table 102 priority 202
    from 10.9.0.100 blackhole priority 203
    from 10.9.0.100 table main suppress_prefixlength 0 suppress_ifgroup 5 priority 204
    from 10.9.0.100 uidrange 1000-2000 table 105 priority 205
    from 10.9.0.100 tos 0x10 realms 30/20 table 106 priority 206
    from 10.9.0.100 ipproto tcp sport 80-90 dport 443-443 table 107 priority 207
    from 10.9.0.100 goto 207 priority 190
    from 10.9.0.100 table 109 protocol 77 no_track priority 209
    from 10.9.0.100 l3mdev priority 212
    from 10.9.0.100 table 114 tunnel-id 77 priority 214
""".split("\n")[1:-1]
RULES6 = """
    from fd00:9::100 table 60 priority 99
    to 2001:db8:9::/48 fwmark 7 lookup 61 priority 98
    from fd00:9::100 table main suppress_prefixlength 0 uidrange 5-6 tos 8 priority 94
""".split("\n")[1:-1]

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
    Shape("route-options", instance("VI_1", block("virtual_routes", *ROUTES), *FAST)),
    Shape(
        "route-options-ipv6",
        instance("VI_6", block("virtual_routes", *ROUTES6), block("virtual_rules", *RULES6), *FAST, vips=VIP6),
    ),
    Shape("rule-options", instance("VI_1", block("virtual_rules", *RULES), *FAST)),
    Shape(
        "address-options",
        instance(
            "VI_1",
            block(
                "virtual_ipaddress_excluded",
                *("fd00:9::120/64 preferred_lft 0", "fd00:9::121/128 -nodad", "fd00:9::122/64 home -nodad"),
                "10.8.0.111/24 dev eth1",
            ),
            *FAST,
            vips=("10.9.0.100/24", "10.9.0.101/24 brd +", "10.9.0.102/24 brd -", "10.9.0.103/25 label eth0:x"),
        ),
    ),
    Shape("vmac-strict", defs("vrrp_strict", "vrrp_version 3") + instance("VI_1", "use_vmac", advert_int=0.5)),
    Shape(
        "vmac-unicast",
        instance("VI_1", "use_vmac", "unicast_src_ip 10.9.0.1", block("unicast_peer", "10.9.0.2"), *FAST),
    ),
    Shape(
        "vmac-addresses",
        instance("VI_1", "use_vmac v.7", *FAST, vips=("10.9.0.100/24", "10.8.0.103 dev eth1 use_vmac")),
    ),
    Shape(
        "sync-group-tracking",
        block("vrrp_sync_group G", block("group", "VI_4", "VI_6"), block("track_interface", "eth1 weight -60"))
        + "\n"
        + instance("VI_4", *FAST)
        + instance("VI_6", *FAST, vips=VIP6, virtual_router_id=52),
        trouble="link",
    ),
    Shape(
        "definitions",
        "$VIP=10.9.0.100/24\n$PRIO=150\n"
        + instance("VI_1", "@no-such state MASTER", *FAST, vips=("$VIP",), priority="$PRIO"),
    ),
)
