"""Small files, each with one mistake that people make; what is said of them is compared with keepalived."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Mistake:
    """A name and the file's octets."""

    name: str
    data: bytes


_GOOD = """\
vrrp_instance VI_1 {
    state BACKUP
    interface eth0
    virtual_router_id 51
    priority 100
    advert_int 1
    virtual_ipaddress {
        10.9.0.100/24
    }
}
"""


def _file(name: str, text: str) -> Mistake:
    return Mistake(name, text.encode())


def _instead(name: str, old: str, new: str) -> Mistake:
    assert old in _GOOD
    return _file(name, _GOOD.replace(old, new, 1))


def _with(name: str, line: str) -> Mistake:
    """One more line in the instance."""
    return _instead(name, "    advert_int 1\n", f"    advert_int 1\n    {line}\n")


def _vip(name: str, line: str) -> Mistake:
    return _instead(name, "10.9.0.100/24", line)


def _global(name: str, line: str) -> Mistake:
    return _file(name, f"global_defs {{\n    {line}\n}}\n{_GOOD}")


def _server(name: str, lines: str, address: str = "10.9.0.100 80") -> Mistake:
    return _file(name, f"{_GOOD}virtual_server {address} {{\n{lines}\n}}\n")


_REAL = "lb_algo rr\nlb_kind NAT\nprotocol TCP\nreal_server 10.9.0.9 80 {\n  TCP_CHECK {\n  }\n}\n"

MISTAKES = (
    _file("nothing wrong", _GOOD),
    _file("an empty file", ""),
    _file("only comments", "# nothing\n! more nothing\n"),
    # braces and lines
    _file("all on one line", " ".join(_GOOD.split()) + "\n"),
    _file("braces on lines of their own", _GOOD.replace(" {", "\n{")),
    _file("brace next to the name", _GOOD.replace("VI_1 {", "VI_1{")),
    _file("windows line ends", _GOOD.replace("\n", "\r\n")),
    _file("no final newline", _GOOD.rstrip("\n")),
    _file("two closing braces on one line", _GOOD.replace("    }\n}\n", "}}\n")),
    _file("a closing brace too many", _GOOD + "}\n"),
    _file("a closing brace too many without a final newline", _GOOD + "}"),
    _file("a closing brace too few", _GOOD[:-2]),
    _instead("addresses not closed", "        10.9.0.100/24\n    }\n", "        10.9.0.100/24\n"),
    _instead(
        "addresses not closed before another keyword",
        "        10.9.0.100/24\n    }\n",
        "        10.9.0.100/24\n    track_src_ip\n    nopreempt\n",
    ),
    _instead("addresses without an opening brace", "virtual_ipaddress {", "virtual_ipaddress"),
    _file("an instance without an opening brace", _GOOD.replace("VI_1 {", "VI_1")),
    _file("an instance not closed before the next", _GOOD[:-2] + _GOOD.replace("VI_1", "VI_2").replace("51", "52")),
    _with("a block after a plain keyword", "nopreempt {\n    }"),
    _with("tracked interface without braces", "track_interface eth1"),
    _with("tracked interface in one line", "track_interface { eth1 }"),
    _with("words before a value block's brace", "track_interface eth1 {\n    }"),
    _with("a stray brace", "{"),
    # unknown
    _with("an unknown keyword", "protocol TCP"),
    _with("a keyword in capitals", "PRIORITY 100"),
    _with("an unknown block", "vrrp_garbage {\n        a 1\n        b 2\n    }"),
    _with("an unknown block within an unknown block", "garbage {\n        inner {\n            a 1\n        }\n    }"),
    _file("an unknown block at the top", "garbage {\n    a 1\n    smtp_alert\n}\n" + _GOOD),
    _file("an unknown keyword at the top", "router_id me\n" + _GOOD),
    _global("a keyword of former times", "lvs_id me"),
    _global("an instance in global_defs", "vrrp_instance VI_9 {\n    }"),
    # values of an instance
    _instead("VRID 0", "virtual_router_id 51", "virtual_router_id 0"),
    _instead("VRID 256", "virtual_router_id 51", "virtual_router_id 256"),
    _instead("no VRID", "    virtual_router_id 51\n", ""),
    _instead("VRID without a number", "virtual_router_id 51", "virtual_router_id"),
    _instead("priority 256", "priority 100", "priority 256"),
    _instead("priority with letters", "priority 100", "priority 100abc"),
    _instead("no interface", "    interface eth0\n", ""),
    _instead("an interface name that is too long", "interface eth0", "interface an_interface_too_long"),
    _instead("state SLAVE", "state BACKUP", "state SLAVE"),
    _with("state twice", "state MASTER"),
    _instead("state MASTER with nopreempt", "state BACKUP", "state MASTER\n    nopreempt"),
    _file(
        "owner by accident with nopreempt",
        _GOOD.replace("state BACKUP", "state MASTER\n    nopreempt").replace("    priority 100\n", ""),
    ),
    _with("preempt_delay with nopreempt", "nopreempt\n    preempt_delay 5"),
    _instead("half a second in version 2", "advert_int 1", "advert_int 0.5"),
    _instead("half a second in version 3", "advert_int 1", "advert_int 0.5\n    version 3"),
    _instead("milliseconds in version 3", "advert_int 1", "advert_int 0.125\n    version 3"),
    _instead("a minute in version 3", "advert_int 1", "advert_int 60\n    version 3"),
    _instead("advert_int 300", "advert_int 1", "advert_int 300"),
    _instead("advert_int 0", "advert_int 1", "advert_int 0"),
    _instead("a number with two points", "advert_int 1", "advert_int 1.0.0"),
    _with("version 4", "version 4"),
    _with("two versions", "version 2\n    version 3"),
    # authentication
    _with("a password that is too long", "authentication {\n    auth_type PASS\n    auth_pass longer-than-8\n    }"),
    _with("no password", "authentication {\n    auth_type PASS\n    }"),
    _with("an unknown kind of authentication", "authentication {\n    auth_type MD5\n    auth_pass a\n    }"),
    _with("authentication in version 3", "version 3\n    authentication {\n    auth_type PASS\n    auth_pass a\n    }"),
    _with(
        "authentication in strict mode", "strict_mode\n    authentication {\n    auth_type PASS\n    auth_pass a\n    }"
    ),
    # addresses
    _vip("no address", ""),
    _vip("an address with a letter", "10.9.0.x"),
    _vip("an address out of range", "10.9.0.256"),
    _vip("an address with a netmask", "10.9.0.100/255.255.255.0"),
    _vip("a prefix length that is too long", "10.9.0.100/33"),
    _vip("an unfilled template", "${VIP:-10.9.0.100}"),
    _vip("an interface that is missing", "10.9.0.100 dev"),
    _vip("an alias as interface", "10.9.0.100 dev eth0:0"),
    _vip("a label that is too long", "10.9.0.100 label eth0:a-long-label"),
    _vip("an unknown option", "10.9.0.100 via 10.9.0.1"),
    _vip("a bad scope", "10.9.0.100 scope planet"),
    _vip("a bad broadcast", "10.9.0.100/24 brd everyone"),
    _vip("broadcast with a full prefix", "10.9.0.100 brd +"),
    _vip("IPv6 in an IPv4 instance", "10.9.0.100/24\n        fd00::1/64"),
    _vip("IPv6 with a label", "fe80::1 label eth0:1"),
    _vip("IPv6 with a broadcast", "fe80::1 brd +"),
    _vip("two addresses on one line", "10.9.0.100 10.9.0.101"),
    # unicast
    _with("a malformed peer", "unicast_peer {\n        10.9.0.x\n    }"),
    _with("two peers on one line", "unicast_peer {\n        10.9.0.2 10.9.0.3\n    }"),
    _with("a peer with a bad TTL", "unicast_peer {\n        10.9.0.2 min_ttl 300\n    }"),
    _with("a peer of the other family", "unicast_peer {\n        10.9.0.2\n        fe80::2\n    }"),
    _with("a source without peers", "unicast_src_ip 10.9.0.1"),
    _with("a source of the other family", "mcast_src_ip fe80::1"),
    _with("unicast_ttl without peers", "unicast_ttl 64"),
    _with("a group that is no group", "mcast_dst_ip 10.9.0.1"),
    # tracking
    _with("a script that is not defined", "track_script {\n        chk\n    }"),
    _file(
        "a script that is defined later",
        _GOOD[:-2] + "    track_script {\n        chk\n    }\n}\nvrrp_script chk {\n}\n",
    ),
    _with("an interface twice", "track_interface {\n        eth1\n        eth1\n    }"),
    _with("a weight that is too large", "track_interface {\n        eth1 weight 300\n    }"),
    _with("a weight without a number", "track_interface {\n        eth1 weight\n    }"),
    _with("its own interface", "track_interface {\n        eth0\n    }"),
    _file("a script without a command", "vrrp_script chk {\n    interval 2\n}\n" + _GOOD),
    _file("a track file without a file", "track_file tf {\n    weight 2\n}\n" + _GOOD),
    _file("a track process without a process", "vrrp_track_process tp {\n    weight 2\n}\n" + _GOOD),
    _file("a garp group without an interval", "garp_group {\n    interface eth1\n}\n" + _GOOD),
    # groups
    _file("a group of one", "vrrp_sync_group G {\n    group {\n        VI_1\n    }\n}\n" + _GOOD),
    _file(
        "a group with a missing member",
        "vrrp_sync_group G {\n    group {\n        VI_1\n        VI_9\n    }\n}\n" + _GOOD,
    ),
    _file("an empty group", "vrrp_sync_group G {\n    group {\n    }\n}\n" + _GOOD),
    _file("two instances of one name", _GOOD + _GOOD),
    _file("two instances of one VRID", _GOOD + _GOOD.replace("VI_1", "VI_2")),
    _file("an instance without a name", _GOOD.replace(" VI_1", "")),
    # global_defs
    _global("vrrp_garp_interval 0", "vrrp_garp_interval 0"),
    _global("vrrp_gna_interval 0", "vrrp_gna_interval 0"),
    _global("version 4 everywhere", "vrrp_version 4"),
    _global("no mail addresses", "notification_email {\n    }"),
    _global("a mail server that is none", "smtp_server ***"),
    _global("a group of the wrong family", "vrrp_mcast_group4 ff02::12"),
    _global("script_user without a user", "script_user"),
    _global("iptables", "vrrp_iptables"),
    # quotes and macros
    _with("a quotation that is not closed", 'notify_fault "/bin/true'),
    _with("a quotation that hides a comment", 'debug "1 # not a comment'),
    _file("a definition", "$PRIO=100\n" + _GOOD.replace("priority 100", "priority $PRIO")),
    _file("a definition that is missing", _GOOD.replace("priority 100", "priority $PRIO")),
    _file("a definition with blanks", "$PRIO = 100\n" + _GOOD.replace("priority 100", "priority $PRIO")),
    _file(
        "a body",
        "$VIPS= \\\nvirtual_ipaddress { \\\n  10.9.0.101 \\\n  10.9.0.x \\\n}\n"
        + _GOOD.replace("    advert_int 1\n", "    advert_int 1\n    $VIPS\n"),
    ),
    _vip("a sequence", "~SEQ(N, 1, 5) 10.9.0.${N}"),
    _vip("a sequence that goes too far", "~SEQ(N, 254, 257) 10.9.0.${N}"),
    _vip("a sequence without numbers", "~SEQ(N) 10.9.0.${N}"),
    _vip("a sequence that never ends", "~SEQ(N, 1, -1, 5) 10.9.0.${N}"),
    _vip("a list", "~LST({A,B}, {1,2}, {3,4}) 10.9.${A}.${B}"),
    _vip("a list with too many values", "~LST(A, {1,2}) 10.9.0.${A}"),
    _with("a line for this host", "@node priority 101"),
    _with("a line for another host", "@other priority 300"),
    _with("a line for all other hosts", "@^other priority 300"),
    _file("a missing include", "include /nonexistent/*.conf\n" + _GOOD),
    _with("a no-break space", "\u00a0nopreempt"),
    _with("escaped comment characters", "debug \\#1"),
    # strict mode
    _with("strict mode with MASTER", "strict_mode\n    state MASTER"),
    _with("strict mode with preempt_delay", "strict_mode\n    preempt_delay 5"),
    _with("strict mode with GARP repeats", "strict_mode\n    garp_lower_prio_repeat 5"),
    _with("strict mode with a silent master", "strict_mode\n    lower_prio_no_advert off"),
    _with("strict mode with accept", "strict_mode\n    accept"),
    _with("strict mode with its own down timer", "strict_mode\n    down_timer_adverts 5"),
    # VMAC
    _with("a MAC address that is multicast", "use_vmac vrrp.51 01:00:5e:00:00:01"),
    _with("a MAC address of the RFC", "use_vmac vrrp.51 00:00:5e:00:01:33"),
    _with("vmac_xmit_base without use_vmac", "vmac_xmit_base"),
    _with("promote_secondaries on a VMAC", "use_vmac\n    promote_secondaries"),
    # routes and rules
    _with("a route with gw", "virtual_routes {\n        10.1.0.0/24 gw 10.9.0.1 dev eth0\n    }"),
    _with("a route without a destination", "virtual_routes {\n        via 10.9.0.1 dev eth0\n    }"),
    _with("a route without an interface", "virtual_routes {\n        10.1.0.0/24 via 10.9.0.1\n    }"),
    _with("a route with nonsense", "virtual_routes {\n        10.1.0.0/24 through 10.9.0.1\n    }"),
    _with("a route of two families", "virtual_routes {\n        10.1.0.0/24 via fe80::1 dev eth0\n    }"),
    _with("a rule without a table", "virtual_rules {\n        from 10.1.0.0/24 preference 5\n    }"),
    _with("a rule without a preference", "virtual_rules {\n        from 10.1.0.0/24 table 5\n    }"),
    _with("a rule with nonsense", "virtual_rules {\n        from 10.1.0.0/24 tables 5\n    }"),
    _file("a static address of nonsense", "static_ipaddress {\n    10.1.0.300 dev eth0\n}\n" + _GOOD),
    _file(
        "static routes and rules",
        "static_routes {\n    10.1.0.0/24 via 10.9.0.1 dev eth0\n}\nstatic_rules {\n    from 10.1.0.0/24 table 5"
        " preference 7\n}\n" + _GOOD,
    ),
    # virtual servers
    _server("a good virtual server", _REAL),
    _server("no protocol", _REAL.replace("protocol TCP\n", "")),
    _server("no scheduler", _REAL.replace("lb_algo rr\n", "")),
    _server("no method", _REAL.replace("lb_kind NAT\n", "")),
    _server("a method in small letters", _REAL.replace("NAT", "nat")),
    _server("an unknown scheduler", _REAL.replace("lb_algo rr", "lb_algo robin")),
    _server("nat_mask", "nat_mask 255.255.255.0\n" + _REAL),
    _server("persistence_timeout 0", "persistence_timeout 0\n" + _REAL),
    _server("quorum 0", "quorum 0\n" + _REAL),
    _server("a quorum that cannot be reached", "quorum 9\n" + _REAL),
    _server("nb_get_retry in TCP_CHECK", _REAL.replace("TCP_CHECK {", "TCP_CHECK {\n    nb_get_retry 3")),
    _server(
        "nb_get_retry in HTTP_GET",
        _REAL.replace("TCP_CHECK {", "HTTP_GET {\n    url {\n    path /\n    }\n    nb_get_retry 3"),
    ),
    _server("a check without url", _REAL.replace("TCP_CHECK", "HTTP_GET")),
    _server("a url without path", _REAL.replace("TCP_CHECK {", "HTTP_GET {\n    url {\n    }")),
    _server("an unknown check", _REAL.replace("TCP_CHECK", "TCP_CHECKS")),
    _server("ports that differ with DR", _REAL.replace("NAT", "DR").replace("9 80", "9 8080")),
    _server("no real server", "lb_algo rr\nlb_kind NAT\nprotocol TCP"),
    _server("a name instead of an address", _REAL, "www.example.org 80"),
    _server("a real server by name", _REAL.replace("10.9.0.9", "server.example")),
    _server("a real server of the other family", _REAL.replace("10.9.0.9", "fd00::9")),
    _server("extra words", _REAL, "10.9.0.100 80 dev eth0"),
    _server("source hashing flag without its scheduler", "sh-port\n" + _REAL),
)
