"""Virtual servers written as keepalived.conf."""

from __future__ import annotations

from vrrpcore.addresses import text
from vrrpcore.settings import (
    Checker,
    Command,
    Forwarding,
    RealServer,
    SslFiles,
    Url,
    VirtualServer,
    VirtualServerGroup,
)
from vrrpwatch.keepalived_conf.writing import Block, command, seconds, word


def server_group(group: VirtualServerGroup) -> Block:
    """A virtual_server_group block."""
    lines = []
    for each in group.entries:
        if each.first is None:
            family = {4: " inet", 6: " inet6"}.get(each.family or 0, "")
            lines.append(f"fwmark {each.fwmark}{family}")
        else:
            last = each.last or each.first
            span = text(each.first) if last == each.first else f"{text(each.first)}-{text(last)}"
            lines.append(f"{span} {each.port}" if each.port else span)
    return Block(f"virtual_server_group {word(group.name)}", lines, keep=True)


def ssl(files: SslFiles) -> Block:
    """The SSL block."""
    pairs = (("password", files.password), ("ca", files.ca), ("certificate", files.certificate), ("key", files.key))
    return Block("SSL", [f"{name} {word(value)}" for name, value in pairs if value], keep=True)


def _method(forwarding: Forwarding) -> str:
    parts = [forwarding.method]
    if forwarding.tunnel != "ipip":
        parts += ["type", forwarding.tunnel]
    if forwarding.tunnel_port is not None:
        parts += ["port", str(forwarding.tunnel_port)]
    if forwarding.checksum != "nocsum":
        parts.append(forwarding.checksum)
    return " ".join(parts)


def _on(value: bool) -> str:
    return "on" if value else "off"


def virtual_server(server: VirtualServer) -> Block:
    """A virtual_server block."""
    if server.group:
        title = f"virtual_server group {word(server.group)}"
    elif server.address is None:
        title = f"virtual_server fwmark {server.fwmark}"
    else:
        title = f"virtual_server {text(server.address)}" + (f" {server.port}" if server.port else "")
    lines = [f"lb_algo {server.scheduler}", f"lb_kind {_method(server.forwarding)}"]
    if server.address is None:
        lines.append(f"ip_family {'inet6' if server.family == 6 else 'inet'}")
    if server.protocol:
        lines.append(f"protocol {server.protocol}")
    lines += [*server.scheduler_flags, *(["ops"] if server.one_packet else [])]
    lines += _times(server)
    rows = (
        ("alpha", server.alpha),
        ("omega", server.omega),
        ("ha_suspend", server.ha_suspend),
        ("inhibit_on_failure", server.inhibit_on_failure),
        (f"quorum {server.quorum}", server.quorum not in (0, 1)),
        (f"hysteresis {server.hysteresis}", bool(server.hysteresis)),
        (f"persistence_engine {server.persistence_engine}", bool(server.persistence_engine)),
        (f"persistence_granularity {_granularity(server)}", server.persistence_granularity is not None),
        (f"persistence_timeout {server.persistence_timeout_seconds}", bool(server.persistence_timeout_seconds)),
        (f"virtualhost {word(server.virtualhost)}", bool(server.virtualhost)),
        (f"snmp_name {word(server.snmp_name)}", bool(server.snmp_name)),
    )
    lines += [line for line, there in rows if there]
    lines.append(f"smtp_alert {_on(server.smtp_alert)}")
    lines += _commands((("quorum_up", server.quorum_up), ("quorum_down", server.quorum_down)))
    if server.sorry_server is not None:
        lines += _sorry(server, server.sorry_server)
    return Block(title, lines, [_real(each) for each in server.real_servers], keep=True)


def _commands(rows: tuple[tuple[str, Command | None], ...]) -> list[str]:
    return [f"{name} {command(each)}" for name, each in rows if each is not None]


def _granularity(server: VirtualServer) -> str:
    bits = server.persistence_granularity or 0
    if server.family == 6:
        return str(bits)
    return text(((0xFFFFFFFF << (32 - bits)) & 0xFFFFFFFF).to_bytes(4))


def _times(server: VirtualServer) -> list[str]:
    lines = [
        f"delay_loop {seconds(server.delay_loop_seconds)}",
        f"connect_timeout {seconds(server.connect_timeout_seconds)}",
    ]
    if server.retry is not None:
        lines.append(f"retry {server.retry}")
    if server.delay_before_retry_seconds is not None:
        lines.append(f"delay_before_retry {seconds(server.delay_before_retry_seconds)}")
    if server.warmup_seconds is not None:
        lines.append(f"warmup {seconds(server.warmup_seconds)}")
    return lines


def _endpoint(server: RealServer) -> str:
    return text(server.address) + (f" {server.port}" if server.port else "")


def _sorry(server: VirtualServer, sorry: RealServer) -> list[str]:
    lines = [f"sorry_server {_endpoint(sorry)}"]
    if server.sorry_server_inhibit:
        lines.append("sorry_server_inhibit")
    if sorry.forwarding != server.forwarding:
        lines.append(f"sorry_server_lvs_method {_method(sorry.forwarding)}")
    return lines


def _real(server: RealServer) -> Block:
    lines = [f"weight {server.weight}", f"lvs_method {_method(server.forwarding)}"]
    lines.append(f"inhibit_on_failure {_on(server.inhibit_on_failure)}")
    rows = (
        (f"uthreshold {server.upper_threshold}", bool(server.upper_threshold)),
        (f"lthreshold {server.lower_threshold}", bool(server.lower_threshold)),
        (f"virtualhost {word(server.virtualhost)}", bool(server.virtualhost)),
        (f"snmp_name {word(server.snmp_name)}", bool(server.snmp_name)),
    )
    lines += [line for line, there in rows if there]
    lines.append(f"smtp_alert {_on(server.smtp_alert)}")
    lines += _commands((("notify_up", server.notify_up), ("notify_down", server.notify_down)))
    return Block(f"real_server {_endpoint(server)}", lines, [_checker(each) for each in server.checkers], keep=True)


def _checker(check: Checker) -> Block:
    lines = []
    if check.kind not in ("FILE_CHECK", "BFD_CHECK"):
        lines += [
            f"retry {check.retry}",
            f"delay_before_retry {seconds(check.delay_before_retry_seconds)}",
            f"delay_loop {seconds(check.delay_loop_seconds)}",
            f"warmup {seconds(check.warmup_seconds)}",
        ]
        if check.log_all_failures:
            lines.append("log_all_failures on")
    if check.kind != "FILE_CHECK":
        lines.append(f"alpha {_on(check.alpha)}")
    if check.kind not in ("FILE_CHECK", "BFD_CHECK", "MISC_CHECK"):
        lines += _connection(check)
    if check.kind in ("HTTP_GET", "SSL_GET") and check.virtualhost:
        lines.append(f"virtualhost {word(check.virtualhost)}")
    if check.command is not None:
        lines.append(f"misc_path {command(Command(check.command.words))}")
        if check.command.user:
            lines.append("user " + " ".join(word(each) for each in (check.command.user, check.command.group) if each))
    if check.timeout_seconds is not None:
        lines.append(f"misc_timeout {seconds(check.timeout_seconds)}")
    if check.dynamic:
        lines.append("misc_dynamic")
    lines += [" ".join(word(each) for each in option) for option in check.options]
    return Block(check.kind, lines, [_url(each) for each in check.urls], keep=True)


def _connection(check: Checker) -> list[str]:
    lines = [f"connect_timeout {seconds(check.connect_timeout_seconds)}"]
    rows = (
        ("connect_ip", text(check.connect_address) if check.connect_address else None),
        ("connect_port", check.connect_port),
        ("bindto", None if check.bind_address is None else text(check.bind_address)),
        ("bind_port", check.bind_port),
        ("bind_if", word(check.bind_interface) if check.bind_interface else None),
        ("fwmark", check.fwmark),
    )
    return lines + [f"{name} {value}" for name, value in rows if value is not None]


def _url(url: Url) -> Block:
    lines = [f"path {word(url.path)}"] if url.path else []
    if url.digest:
        lines.append(f"digest {url.digest}")
    if url.status_codes:
        spans = (f"{low}-{high}" if low != high else str(low) for low, high in url.status_codes)
        lines.append("status_code " + " ".join(spans))
    if url.virtualhost:
        lines.append(f"virtualhost {word(url.virtualhost)}")
    if url.regex:
        lines.append(f"regex {word(url.regex)}")
    if url.regex_no_match:
        lines.append("regex_no_match")
    lines += [" ".join(word(each) for each in option) for option in url.options]
    return Block("url", lines, keep=True)
