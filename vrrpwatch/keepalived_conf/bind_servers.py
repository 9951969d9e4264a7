"""Binding of virtual_server, its real servers and their health checks, with what they inherit."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

from vrrpcore.addresses import text
from vrrpcore.settings import (
    Checker,
    Command,
    Forwarding,
    GlobalDefs,
    RealServer,
    Url,
    VirtualServer,
    VirtualServerGroup,
)
from vrrpwatch.keepalived_conf import values
from vrrpwatch.keepalived_conf.bind import Binder, Block, Entry, origin
from vrrpwatch.keepalived_conf.bind_host import user_exists
from vrrpwatch.keepalived_conf.bind_things import lost_arguments
from vrrpwatch.keepalived_conf.findings import Severity
from vrrpwatch.keepalived_conf.nodes import Node
from vrrpwatch.keepalived_conf.shapes_servers import Endpoint
from vrrpwatch.keepalived_conf.tables.servers import CHECKERS

_KINDS = tuple(row.name for row in CHECKERS)
#: Retries and delays that differ from 1 and 1 second.
_RETRIES = {"MISC_CHECK": 0, "DNS_CHECK": 3}
_DELAYS = {"HTTP_GET": 3.0, "SSL_GET": 3.0}


class ServerBinder:
    """Reads one virtual_server block."""

    def __init__(
        self, binder: Binder, node: Node, defaults: GlobalDefs, groups: tuple[VirtualServerGroup, ...]
    ) -> None:
        self._binder, self._node, self._defaults = binder, node, defaults
        self._groups = {group.name: group for group in groups}

    def bind(self) -> VirtualServer | None:
        """The virtual server; None when its address is unusable (keepalived skips the whole block)."""
        node = self._node
        consequence = "the whole block is skipped"
        endpoint: Endpoint | None = (
            self._binder.value_of(node.line, node.keyword, consequence) if node.keyword else None
        )
        if endpoint is not None and node.parameters:
            for word in node.parameters[:2]:
                self._binder.check_template(node.line, word)
        block = self._binder.read(node, self._scheduler_flag)
        self._name = " ".join(word.text for word in node.parameters[:2])
        server = self._server(block, endpoint or Endpoint())
        return server if endpoint is not None else None

    def _scheduler_flag(self, block: Block, entry: Entry) -> bool:
        """Flags of source and Maglev hashing count only after that scheduler is named."""
        name = entry.keyword.name
        if name != "hashed" and not name.startswith(("sh-", "mh-")):
            return False
        scheduler = block.get("scheduler", "")
        if scheduler not in ("sh", "mh"):
            self._binder.error(
                entry.line,
                "no-effect",
                f"{name} goes with lb_algo sh or mh, named before it; it is ignored",
                "name the scheduler first",
            )
            return True
        return not name.startswith(f"{scheduler}-")

    def _whole(self, code: str, message: str, fix: str, severity: Severity = Severity.WARNING) -> None:
        self._binder.tell(
            self._node.line,
            severity,
            code,
            f"virtual_server {self._name}: {message}",
            fix,
            end_line=self._node.end_line,
        )

    def _server(self, block: Block, endpoint: Endpoint) -> VirtualServer:
        family = 4 if endpoint.address is None or len(endpoint.address) == 4 else 6
        if block.has("family"):
            family = 6 if block.get("family") == "inet6" else 4
        reals = [each for child in block.children("real_server") if (each := self._real(block, child)) is not None]
        found = self._checked(block, endpoint, reals)
        sorry = self._sorry(block, endpoint)
        for name in ("quorum_up", "quorum_down"):
            found[name] = self._binder.command(block.counts.get(name))
        smtp = block.get("smtp_alert")
        return VirtualServer(
            address=endpoint.address,
            port=endpoint.port,
            fwmark=endpoint.fwmark,
            group=endpoint.group,
            family=family,
            scheduler=block.get("scheduler", "wlc"),
            scheduler_flags=tuple(
                name.removeprefix("flag ") for name in block.counts if name.startswith("flag ") and name != "flag ops"
            ),
            forwarding=block.get("forwarding", Forwarding()),
            persistence_engine=block.get("persistence_engine", ""),
            persistence_granularity=block.get("persistence_granularity"),
            alpha=block.has("alpha"),
            omega=block.has("omega"),
            ha_suspend=block.has("ha_suspend"),
            inhibit_on_failure=block.has("inhibit_on_failure"),
            smtp_alert=bool(self._alert(smtp, False)),
            virtualhost=block.get("virtualhost", ""),
            snmp_name=block.get("snmp_name", ""),
            sorry_server=sorry,
            sorry_server_inhibit=block.has("sorry_server_inhibit"),
            delay_loop_seconds=block.get("delay_loop", 60.0),
            connect_timeout_seconds=block.get("connect_timeout", 5.0),
            retry=block.get("retry"),
            delay_before_retry_seconds=block.get("delay_before_retry"),
            warmup_seconds=block.get("warmup"),
            real_servers=tuple(reals),
            origin=origin(self._node.line),
            **found,
        )

    def _alert(self, own: bool | None, default: bool) -> bool:
        order = (own, self._defaults.smtp_alert_checker, self._defaults.smtp_alert)
        return next((each for each in order if each is not None), default)

    def _checked(self, block: Block, endpoint: Endpoint, reals: list[RealServer]) -> dict[str, Any]:
        """Values that keepalived corrects when it looks at the whole server."""
        protocol, timeout = block.get("protocol", ""), block.get("persistence_timeout", 0)
        by_address = endpoint.address is not None or bool(endpoint.group)
        if endpoint.group and endpoint.group not in self._groups:
            self._whole(
                "not-defined",
                f"there is no virtual_server_group {endpoint.group}; the server is ignored",
                "define it",
                Severity.ERROR,
            )
        if not reals:
            self._whole(
                "no-real-server",
                "no real_server; keepalived ignores it",
                "add real_server ADDRESS PORT { … }",
                Severity.ERROR,
            )
        if by_address and not protocol:
            self._whole("no-protocol", "no protocol; UDP is used", "add protocol TCP")
            protocol = "UDP"
        if endpoint.fwmark is not None and protocol:
            self._whole("no-effect", "a firewall mark has no protocol; it is ignored", "remove protocol")
            protocol = ""
        if not block.has("scheduler"):
            self._whole("no-scheduler", "no lb_algo; wlc is used", "add lb_algo wlc")
        if not block.has("forwarding") and any(
            child.keyword and not any(c.line.head == "lvs_method" for c in child.children)
            for child in block.children("real_server")
        ):
            self._whole("no-forwarding", "no lb_kind; NAT is used", "add lb_kind NAT (or DR, TUN)")
        if endpoint.address is not None and not endpoint.port and not timeout:
            if block.has("persistence_granularity"):
                timeout = 360
            else:
                self._whole(
                    "no-port", "without a port the service must be persistent; persistence is turned on", "add the port"
                )
                timeout = 360
        if block.has("persistence_granularity") and not timeout:
            timeout = 360
        one_packet = block.has("flag ops")
        if one_packet and protocol != "UDP" and by_address:
            self._binder.warn(
                block.line("flag ops"), "no-effect", "ops is for UDP only; it is ignored", "remove it", exit_code=5
            )
            one_packet = False
        quorum, hysteresis = self._quorum(block, reals)
        return {
            "protocol": protocol,
            "persistence_timeout_seconds": timeout,
            "one_packet": one_packet,
            "quorum": quorum,
            "hysteresis": hysteresis,
        }

    def _quorum(self, block: Block, reals: list[RealServer]) -> tuple[int, int]:
        quorum, hysteresis = block.get("quorum", 1), block.get("hysteresis", 0)
        total = sum(real.weight for real in reals)
        if reals and quorum > total:
            self._binder.warn(
                block.line("quorum"),
                "quorum-range",
                f"quorum {quorum} is above the total weight {total}; {total} is used",
                f"write quorum {total}",
                exit_code=5,
            )
            quorum = total
        if reals and hysteresis >= quorum and quorum:
            if block.has("hysteresis"):
                self._binder.warn(
                    block.line("hysteresis"),
                    "quorum-range",
                    f"hysteresis {hysteresis} is not below quorum {quorum}; {quorum - 1} is used",
                    f"write hysteresis {quorum - 1}",
                    exit_code=5,
                )
            hysteresis = quorum - 1
        return quorum, hysteresis

    def _sorry(self, block: Block, endpoint: Endpoint) -> RealServer | None:
        for name in ("sorry_server_inhibit", "sorry_forwarding"):
            if block.has(name) and not block.has("sorry_server"):
                self._binder.error(
                    block.line(name),
                    "no-effect",
                    f"{block.counts[name].keyword.name} without sorry_server is ignored",
                    "add sorry_server",
                )
        if not block.has("sorry_server"):
            return None
        target: Endpoint = block.get("sorry_server")
        forwarding = block.get("sorry_forwarding", block.get("forwarding", Forwarding()))
        assert_address = target.address or b""
        return RealServer(
            assert_address,
            target.port or endpoint.port,
            forwarding=forwarding,
            origin=origin(block.line("sorry_server")),
        )

    # -- real servers --------------------------------------------------------------------------------------------

    def _real(self, outer: Block, node: Node) -> RealServer | None:
        endpoint: Endpoint | None = (
            self._binder.value_of(node.line, node.keyword, "the whole block is skipped") if node.keyword else None
        )
        block = self._binder.read(node)
        checkers = tuple(
            self._checker(outer, block, child, endpoint or Endpoint()) for child in block.children(*_KINDS)
        )
        if endpoint is None or endpoint.address is None:
            return None
        for word in node.parameters[:2]:
            self._binder.check_template(node.line, word)
        forwarding: Forwarding = block.get("forwarding", outer.get("forwarding", Forwarding()))
        if self._other_family(endpoint, forwarding):
            self._binder.tell(
                node.line,
                Severity.ERROR,
                "address-family",
                f"{text(endpoint.address)} is of the other address family; only TUN can cross, the server is skipped",
                "use one family",
                end_line=node.end_line,
            )
            return None
        port = self._port(node, endpoint, forwarding)
        if not checkers:
            self._binder.note(
                node.line,
                "no-health-check",
                f"real_server {text(endpoint.address)} has no health check: it is never taken out",
                "add TCP_CHECK { }",
            )
        return RealServer(
            address=endpoint.address,
            port=port,
            weight=block.get("weight", outer.get("weight", 1)),
            forwarding=forwarding,
            inhibit_on_failure=block.get("inhibit_on_failure", outer.has("inhibit_on_failure")),
            upper_threshold=block.get("upper_threshold", 0),
            lower_threshold=block.get("lower_threshold", 0),
            notify_up=self._binder.command(block.counts.get("notify_up")),
            notify_down=self._binder.command(block.counts.get("notify_down")),
            smtp_alert=self._alert(block.get("smtp_alert"), True),
            virtualhost=block.get("virtualhost", ""),
            snmp_name=block.get("snmp_name", ""),
            checkers=checkers,
            origin=origin(node.line),
        )

    def _other_family(self, endpoint: Endpoint, forwarding: Forwarding) -> bool:
        """Whether virtual and real server differ in family where they may not."""
        words = self._node.parameters
        if not words or forwarding.method == "TUN" or words[0].text in ("group", "fwmark"):
            return False
        return (":" in words[0].text) != (len(endpoint.address or b"") == 16)

    def _port(self, node: Node, endpoint: Endpoint, forwarding: Forwarding) -> int:
        """Without NAT the ports of both sides are the same."""
        words = self._node.parameters
        if not words or words[0].text in ("group", "fwmark"):
            return endpoint.port
        own = int(words[1].text) if len(words) > 1 and words[1].text.isdigit() and len(words[1].text) < 6 else 0
        if forwarding.method != "NAT" and endpoint.port and own and endpoint.port != own:
            self._binder.warn(
                node.line,
                "port-mismatch",
                f"with {forwarding.method} the real server's port must be the virtual server's: {own} is used, not"
                f" {endpoint.port}",
                f"write port {own}, or lb_kind NAT",
                exit_code=5,
            )
            return own
        return endpoint.port or own

    def _checker(self, outer: Block, real: Block, node: Node, endpoint: Endpoint) -> Checker:
        kind = node.line.head
        block = self._binder.read(node)
        urls = tuple(self._url(child) for child in block.children("url"))
        for child in block.children("host"):
            self._binder.read(child)
        if kind in ("HTTP_GET", "SSL_GET") and not any(url.path for url in urls):
            self._binder.tell(
                node.line,
                Severity.ERROR,
                "no-url",
                f"{kind} without url is ignored",
                "add url { path / }",
                end_line=node.end_line,
            )
        command = self._misc(node, block) if kind == "MISC_CHECK" else None

        def inherited(name: str, default: Any) -> Any:
            return next((each.get(name) for each in (block, real, outer) if each.has(name)), default)

        delay_loop = inherited("delay_loop", 60.0)
        target = block.get("connect_address", b"")
        if target and values.is_link_local(target) and not block.has("bind_interface"):
            self._binder.error(
                block.line("connect_address"),
                "no-interface",
                "a link-local address needs bind_if; the check is dropped",
                "add bind_if INTERFACE",
            )
        return Checker(
            kind=kind,
            connect_address=target,
            connect_port=block.get("connect_port"),
            bind_address=block.get("bind_address"),
            bind_port=block.get("bind_port"),
            bind_interface=block.get("bind_interface", ""),
            fwmark=block.get("fwmark"),
            connect_timeout_seconds=inherited("connect_timeout", 5.0),
            retry=inherited("retry", _RETRIES.get(kind, 1)),
            delay_before_retry_seconds=inherited(
                "delay_before_retry", delay_loop if kind == "DNS_CHECK" else _DELAYS.get(kind, 1.0)
            ),
            delay_loop_seconds=delay_loop,
            warmup_seconds=inherited("warmup", delay_loop),
            alpha=block.get("alpha", real.get("alpha", outer.has("alpha"))),
            log_all_failures=block.get("log_all_failures", False),
            urls=urls,
            virtualhost=block.get("virtualhost", real.get("virtualhost", outer.get("virtualhost", ""))),
            command=command,
            timeout_seconds=float(block.get("timeout")) if block.has("timeout") else None,
            dynamic=block.has("dynamic"),
            options=_options(block),
            origin=origin(node.line),
        )

    def _url(self, node: Node) -> Url:
        block = self._binder.read(node)
        if not block.has("path"):
            self._binder.tell(
                node.line,
                Severity.ERROR,
                "no-path",
                "url without path is ignored",
                "add path /",
                end_line=node.end_line,
            )
        regex = block.get("regex")
        return Url(
            block.get("path", ""),
            block.get("digest", ""),
            block.get("status_codes", ()),
            block.get("virtualhost", ""),
            " ".join(regex) if regex else "",
            block.has("regex_no_match"),
            _options(block),
        )

    def _misc(self, node: Node, block: Block) -> Command | None:
        entry = block.counts.get("command")
        if entry is None:
            self._binder.tell(
                node.line,
                Severity.ERROR,
                "script-without-command",
                "MISC_CHECK without misc_path is dropped",
                'add misc_path "COMMAND"',
                end_line=node.end_line,
            )
            return None
        lost_arguments(self._binder, entry)
        user, group = block.get("user", ("", ""))
        if block.has("user"):
            user_exists(self._binder, block.counts["user"], user, group)
        return Command(entry.value.words, user, group, origin(entry.line))


def _options(block: Block) -> tuple[tuple[str, ...], ...]:
    """Lines whose keyword has no field of its own."""
    return tuple(tuple(word.text for word in entry.line.words) for entry in block.entries if not entry.keyword.field)


def shown(packed: bytes) -> str:
    """An address as text."""
    return str(ip_address(packed))
