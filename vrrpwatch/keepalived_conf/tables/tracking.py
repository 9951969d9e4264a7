"""Keywords of vrrp_script, track_file, vrrp_track_process, track_group and bfd_instance."""

from __future__ import annotations

from vrrpwatch.keepalived_conf import shapes
from vrrpwatch.keepalived_conf.table import SMALL_SECONDS, Address, Choice, Keyword, Level, Number, Seconds, Text
from vrrpwatch.keepalived_conf.values import INT_MAX, UINT_MAX

SCRIPT = Level(
    "vrrp_script",
    (
        Keyword("script", "the command; exit code 0 = good", shapes.SCRIPT, "script"),
        Keyword("interval", "seconds from one run to the next", Number(0, SMALL_SECONDS, "SECONDS"), "interval", "1"),
        Keyword(
            "timeout",
            "seconds after which a run counts as failed",
            Number(0, SMALL_SECONDS, "SECONDS"),
            "timeout",
            "the interval",
        ),
        Keyword(
            "weight",
            "what success adds (positive) or failure takes away (negative); 0 = failure is a fault",
            shapes.weight(-253, 253),
            "weight",
            "0",
        ),
        Keyword("rise", "successes until good", Number(1, INT_MAX), "rise", "1", ignored="1 is used"),
        Keyword("fall", "failures until bad", Number(1, INT_MAX), "fall", "1", ignored="1 is used"),
        Keyword("user", "user and group that the script runs as", shapes.USER, "user", "script_user"),
        Keyword("init_fail", "bad until the first success", field="init_fail"),
    ),
)

TRACK_FILE = Level(
    "track_file",
    (
        Keyword(
            "file",
            "path of the file, which holds a number",
            Text("PATH", fatal=False, sample="/run/vrrp.track"),
            "file",
            repeat="first",
        ),
        Keyword(
            "weight",
            "factor of the number; 0 = a number other than 0 is a fault",
            shapes.weight(-254, 254),
            "weight",
            "1",
        ),
        Keyword("init_file", "create the file (overwrite: always) with this number", shapes.INIT_FILE, "init"),
    ),
)

TRACK_PROCESS = Level(
    "vrrp_track_process",
    (
        Keyword(
            "process",
            "name of the process, then its parameters if they matter",
            shapes.SOME_WORDS,
            "process",
            repeat="first",
        ),
        Keyword(
            "param_match", "how parameters compare", Choice(("initial", "partial"), default="exact"), "param_match"
        ),
        Keyword(
            "weight",
            "what running adds or absence takes away; 0 = absence is a fault",
            shapes.weight(-254, 254),
            "weight",
            "0",
            repeat="first",
        ),
        Keyword("quorum", "processes needed", Number(1, 65535), "quorum", "1"),
        Keyword("quorum_max", "processes allowed", Number(0, 65535), "quorum_max", "no limit"),
        Keyword("delay", "sets fork_delay and terminate_delay", Seconds(1, 3600_000_000), "delay"),
        Keyword("fork_delay", "seconds to wait after a start", Seconds(1, 3600_000_000), "fork_delay", "0"),
        Keyword("terminate_delay", "seconds to wait after an end", Seconds(1, 3600_000_000), "terminate_delay", "0"),
        Keyword("full_command", "compare the whole command line", field="full_command"),
    ),
)

TRACK_GROUP = Level(
    "track_group", (Keyword("group", "instances that static addresses, routes and rules concern", values="members"),)
)

_MS = UINT_MAX // 1000 * 1000

BFD = Level(
    "bfd_instance",
    (
        Keyword("neighbor_ip", "address of the other end", Address(), "neighbor"),
        Keyword("neighbour_ip", "address of the other end", Address(), "neighbor"),
        Keyword("source_ip", "our address", Address(), "source"),
        Keyword("min_rx", "least interval of reception", Seconds(1000, _MS, 3, "MILLISECONDS"), "min_rx", "10"),
        Keyword("min_tx", "least interval of sending", Seconds(1000, _MS, 3, "MILLISECONDS"), "min_tx", "10"),
        Keyword(
            "idle_tx", "interval of sending while down", Seconds(1_000_000, _MS, 3, "MILLISECONDS"), "idle_tx", "1000"
        ),
        Keyword("multiplier", "packets missed until down", Number(1, 255), "multiplier", "5"),
        Keyword("passive", "wait for the other end", field="passive"),
        Keyword("ttl", "TTL of packets", Number(1, 255), "ttl", "255 (IPv6: 64)"),
        Keyword("hoplimit", "hop limit of packets", Number(1, 255), "ttl", "255 (IPv6: 64)"),
        Keyword("max_hops", "hops allowed", shapes.BFD_MAX_HOPS, "max_hops", "0"),
        Keyword("multihop", "session over more than one hop (RFC 5883)", since="2.3.0", field="multihop"),
        Keyword("weight", "weight for what tracks it", shapes.weight(-253, 253), "weight", "0"),
        Keyword("vrrp", "tell the VRRP process only", field="vrrp"),
        Keyword("checker", "tell the health checks only", field="checker"),
    ),
)
