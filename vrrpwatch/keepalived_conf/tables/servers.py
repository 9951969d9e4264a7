"""Keywords of virtual_server, real_server, the health checks and SSL."""

from __future__ import annotations

from vrrpwatch.keepalived_conf import shapes, shapes_servers
from vrrpwatch.keepalived_conf.table import (
    SMALL_SECONDS,
    Address,
    Bool,
    Choice,
    Interface,
    Keyword,
    Level,
    Number,
    OptionalNumber,
    Seconds,
    Text,
)
from vrrpwatch.keepalived_conf.values import INT_MAX, UINT_MAX

_TIMEOUT = Seconds(1, UINT_MAX)
_POSITIVE = Seconds(1)
_ANY = Seconds()

_COMMON = (
    Keyword(
        "retry",
        "further tries before a check has failed",
        Number(0, UINT_MAX),
        "retry",
        "1 (MISC_CHECK 0, DNS_CHECK 3)",
    ),
    Keyword("delay_before_retry", "seconds to the next try", _ANY, "delay_before_retry", "1 (HTTP_GET, SSL_GET 3)"),
    Keyword("warmup", "random delay of the first check, at most", _ANY, "warmup", "delay_loop"),
    Keyword("delay_loop", "seconds from one check to the next", _POSITIVE, "delay_loop", "the real server's"),
    Keyword("alpha", "down until the first success", Bool(), "alpha", "the real server's"),
    Keyword("log_all_failures", "log every failure", Bool(), "log_all_failures", "off"),
)

_CONNECTION = (
    Keyword("connect_ip", "address to connect to", Address(), "connect_address", "the real server's"),
    Keyword("connect_port", "port to connect to", Number(1, 65535, "PORT"), "connect_port", "the real server's"),
    Keyword("bindto", "our address", Address(), "bind_address"),
    Keyword("bind_port", "our port", Number(1, 65535, "PORT"), "bind_port"),
    Keyword("bind_if", "our interface (for link-local addresses)", Interface(), "bind_interface"),
    Keyword("connect_timeout", "seconds to wait for the connection", _TIMEOUT, "connect_timeout", "the real server's"),
    Keyword("fwmark", "mark of outgoing packets", Number(0, UINT_MAX), "fwmark"),
)

URL = Level(
    "url",
    (
        Keyword("path", "path to ask for", Text("PATH", sample="/"), "path"),
        Keyword("digest", "MD5 of the answer, as genhash computes it", shapes_servers.DIGEST, "digest", repeat="first"),
        Keyword("status_code", "statuses that are good", shapes_servers.STATUS_CODES, "status_codes", "200-299"),
        Keyword("virtualhost", "Host header", Text("HOST", fatal=False, sample="www.example.org"), "virtualhost"),
        Keyword("regex", "regular expression that the answer must match", shapes.SOME_WORDS, "regex"),
        Keyword("regex_no_match", "it must not match", field="regex_no_match"),
        Keyword("regex_options", "options of PCRE2", shapes.WORDS, ""),
        Keyword("regex_min_offset", "first octet to look at", Text("N", fatal=False, sample="0"), ""),
        Keyword("regex_max_offset", "last octet to look at", Text("N", fatal=False, sample="0"), ""),
        Keyword("regex_stack", "stack of the regular expression: start and maximum", shapes.WORDS, ""),
        Keyword("tls_compliant", "close TLS properly", since="2.2.8"),
    ),
)

HTTP = (
    *_CONNECTION,
    *_COMMON,
    Keyword("nb_get_retry", "old name of retry", Number(0, UINT_MAX), "retry", deprecated="retry", warned=True),
    Keyword("virtualhost", "Host header", Text("HOST", fatal=False, sample="www.example.org"), "virtualhost"),
    Keyword("http_protocol", "version of HTTP", Choice(("1.0", "1.1", "1.0C", "1.0c")), "", "1.0"),
    Keyword("enable_sni", "send the host name in the TLS handshake", Bool(), ""),
    Keyword("fast_recovery", "check all URLs at once after a failure", Bool(), ""),
    Keyword("tls_compliant", "close TLS properly", since="2.2.8"),
    Keyword("url", "one request", level=URL),
)

_HOST = Level("host", _CONNECTION)

DNS_TYPES = ("A", "NS", "CNAME", "SOA", "MX", "TXT", "AAAA")

CHECKERS = (
    Keyword("TCP_CHECK", "a TCP connection succeeds", level=Level("TCP_CHECK", (*_CONNECTION, *_COMMON))),
    Keyword("HTTP_GET", "pages over HTTP have the right status or digest", level=Level("HTTP_GET", HTTP)),
    Keyword("SSL_GET", "the same over TLS", level=Level("SSL_GET", HTTP)),
    Keyword(
        "SMTP_CHECK",
        "a mail server greets",
        level=Level(
            "SMTP_CHECK",
            (
                Keyword("helo_name", "name for HELO", Text("NAME", fatal=False), ""),
                *_CONNECTION,
                *_COMMON,
                Keyword("host", "another address to check", level=_HOST, deprecated="a further SMTP_CHECK"),
            ),
        ),
    ),
    Keyword(
        "DNS_CHECK",
        "a name server answers",
        level=Level(
            "DNS_CHECK",
            (
                *_CONNECTION,
                *_COMMON,
                Keyword("type", "type of query", Choice(DNS_TYPES, fold=True), "", "SOA"),
                Keyword("name", "name to ask for", shapes_servers.DNS_NAME, "", ".", repeat="first"),
            ),
        ),
    ),
    Keyword(
        "MISC_CHECK",
        "a program exits with 0",
        level=Level(
            "MISC_CHECK",
            (
                *_COMMON,
                Keyword("misc_path", "the program", shapes.SCRIPT, "command"),
                Keyword(
                    "misc_timeout",
                    "seconds that it may take",
                    Number(0, SMALL_SECONDS, "SECONDS"),
                    "timeout",
                    "delay_loop",
                ),
                Keyword("misc_dynamic", "its exit code sets the weight", field="dynamic"),
                Keyword("user", "user and group that it runs as", shapes.HARMLESS_USER, "user", "script_user"),
            ),
        ),
    ),
    Keyword(
        "UDP_CHECK",
        "a UDP port does not refuse, or answers",
        level=Level(
            "UDP_CHECK",
            (
                *_CONNECTION,
                *_COMMON,
                Keyword("payload", "octets to send", shapes_servers.hex_string(False), ""),
                Keyword("require_reply", "octets that must come back", shapes_servers.hex_string(True), ""),
                Keyword("min_reply_length", "shortest answer", Number(0, 65535), "", "0"),
                Keyword("max_reply_length", "longest answer", Number(0, 65535), "", "255"),
            ),
        ),
    ),
    Keyword("PING_CHECK", "the address answers to ping", level=Level("PING_CHECK", (*_CONNECTION, *_COMMON))),
    Keyword(
        "FILE_CHECK",
        "a number in a file sets the weight",
        level=Level(
            "FILE_CHECK",
            (
                Keyword("track_file", "name of a track_file block", Text(), ""),
                Keyword("weight", "factor of the number", shapes.weight(-INT_MAX, INT_MAX, True), ""),
            ),
        ),
    ),
    Keyword(
        "BFD_CHECK",
        "a BFD session is up",
        level=Level(
            "BFD_CHECK",
            (
                Keyword("name", "name of a bfd_instance block", Text(fatal=False), ""),
                Keyword("alpha", "down until the first success", Bool(), "alpha"),
            ),
        ),
    ),
)

REAL_SERVER = Level(
    "real_server",
    (
        Keyword("weight", "share of connections", Number(0, INT_MAX), "weight", "1"),
        Keyword(
            "lvs_method",
            "how packets reach the server",
            shapes_servers.LVS_METHOD,
            "forwarding",
            "the virtual server's",
        ),
        Keyword("uthreshold", "most connections", Number(0, UINT_MAX), "upper_threshold", "0 = no limit"),
        Keyword("lthreshold", "fewest connections", Number(0, UINT_MAX), "lower_threshold", "0"),
        Keyword(
            "inhibit_on_failure", "weight 0 instead of removal", Bool(), "inhibit_on_failure", "the virtual server's"
        ),
        Keyword("notify_up", "runs when the server comes up", shapes.NOTIFY, "notify_up", repeat="first"),
        Keyword("notify_down", "runs when the server goes down", shapes.NOTIFY, "notify_down", repeat="first"),
        Keyword("alpha", "down until the first success", Bool(), "alpha", "the virtual server's"),
        Keyword("retry", "further tries before a check has failed", Number(1, UINT_MAX), "retry"),
        Keyword("delay_before_retry", "seconds to the next try", _ANY, "delay_before_retry"),
        Keyword("warmup", "random delay of the first check, at most", _ANY, "warmup"),
        Keyword("connect_timeout", "seconds to wait for a connection", _TIMEOUT, "connect_timeout"),
        Keyword("delay_loop", "seconds from one check to the next", _POSITIVE, "delay_loop"),
        Keyword("smtp_alert", "mail on changes", Bool(), "smtp_alert", "smtp_alert_checker, smtp_alert, on"),
        Keyword(
            "virtualhost", "Host header for checks", Text("HOST", fatal=False, sample="www.example.org"), "virtualhost"
        ),
        Keyword("snmp_name", "name in SNMP", Text(fatal=False), "snmp_name"),
        *CHECKERS,
    ),
)

SCHEDULERS = ("rr", "wrr", "lc", "wlc", "lblc", "sh", "mh", "dh", "fo", "ovf", "lblcr", "sed", "nq", "twos")
_SCHEDULER_FLAGS = {
    "hashed": "without effect",
    "ops": "one packet scheduling (UDP)",
    "flag-1": "scheduler flag 1",
    "flag-2": "scheduler flag 2",
    "flag-3": "scheduler flag 3",
    "sh-port": "source hashing with port",
    "sh-fallback": "source hashing with fallback",
    "mh-port": "Maglev hashing with port",
    "mh-fallback": "Maglev hashing with fallback",
}

VIRTUAL_SERVER = Level(
    "virtual_server",
    (
        Keyword("ip_family", "address family of a firewall mark", Choice(("inet", "inet6")), "family"),
        Keyword("retry", "further tries before a check has failed", Number(1, UINT_MAX), "retry"),
        Keyword("delay_before_retry", "seconds to the next try", _ANY, "delay_before_retry"),
        Keyword("warmup", "random delay of the first check, at most", _ANY, "warmup"),
        Keyword("connect_timeout", "seconds to wait for a connection", _TIMEOUT, "connect_timeout", "5"),
        Keyword("delay_loop", "seconds from one check to the next", _POSITIVE, "delay_loop", "60"),
        Keyword("inhibit_on_failure", "weight 0 instead of removal", field="inhibit_on_failure"),
        Keyword("lb_algo", "scheduler", Choice(SCHEDULERS), "scheduler", "wlc"),
        Keyword("lvs_sched", "scheduler", Choice(SCHEDULERS), "scheduler", "wlc"),
        *(Keyword(name, text, field=f"flag {name}") for name, text in _SCHEDULER_FLAGS.items()),
        Keyword("lb_kind", "how packets reach the servers", shapes_servers.LVS_METHOD, "forwarding", "NAT"),
        Keyword("lvs_method", "how packets reach the servers", shapes_servers.LVS_METHOD, "forwarding", "NAT"),
        Keyword("persistence_engine", "persistence engine (sip)", Text(sample="sip"), "persistence_engine"),
        Keyword(
            "persistence_timeout",
            "seconds that a client stays with its server",
            OptionalNumber(1, 2678400, 360, "SECONDS"),
            "persistence_timeout",
            "none",
            advice="remove the line: without it there is no persistence",
        ),
        Keyword(
            "persistence_granularity",
            "clients of one network stay together",
            shapes_servers.GRANULARITY,
            "persistence_granularity",
        ),
        Keyword("protocol", "TCP, UDP or SCTP", Choice(("TCP", "UDP", "SCTP"), fold=True), "protocol"),
        Keyword("ha_suspend", "check only while the address is here", field="ha_suspend"),
        Keyword(
            "smtp_alert", "mail on changes of the quorum", Bool(), "smtp_alert", "smtp_alert_checker, smtp_alert, off"
        ),
        Keyword(
            "virtualhost", "Host header for checks", Text("HOST", fatal=False, sample="www.example.org"), "virtualhost"
        ),
        Keyword("snmp_name", "name in SNMP", Text(fatal=False), "snmp_name"),
        Keyword("alpha", "servers are down until their first success", field="alpha"),
        Keyword("omega", "run the down scripts at the end", field="omega"),
        Keyword("quorum_up", "runs when the quorum is reached", shapes.NOTIFY, "quorum_up", repeat="first"),
        Keyword("quorum_down", "runs when the quorum is lost", shapes.NOTIFY, "quorum_down", repeat="first"),
        Keyword(
            "quorum",
            "total weight needed",
            Number(1, UINT_MAX),
            "quorum",
            "1",
            ignored="1 is used",
            advice="write quorum 1, or remove the line",
        ),
        Keyword("hysteresis", "tolerance of the quorum", Number(0, UINT_MAX), "hysteresis", "0"),
        Keyword("weight", "weight of servers that name none", Number(1, INT_MAX), "weight", "1"),
        Keyword("sorry_server", "server for when there is no quorum", shapes_servers.SERVER, "sorry_server"),
        Keyword("sorry_server_inhibit", "inhibit_on_failure for it", field="sorry_server_inhibit"),
        Keyword("sorry_server_lvs_method", "how packets reach it", shapes_servers.LVS_METHOD, "sorry_forwarding"),
        Keyword("real_server", "one server behind the address", shapes_servers.SERVER, level=REAL_SERVER, repeat="all"),
    ),
)

SSL = Level(
    "SSL",
    (
        Keyword("password", "password of the key", Text(fatal=False), "password"),
        Keyword("ca", "certificates that are trusted", Text("PATH", fatal=False, sample="/etc/ssl/ca.pem"), "ca"),
        Keyword("certificate", "our certificate", Text("PATH", fatal=False, sample="/etc/ssl/c.pem"), "certificate"),
        Keyword("key", "its key", Text("PATH", fatal=False, sample="/etc/ssl/k.pem"), "key"),
    ),
)
