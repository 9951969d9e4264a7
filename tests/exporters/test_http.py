"""The server: routes, negotiation, and above all that no peer can hold up another's scrape."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.client import HTTPConnection, HTTPResponse, HTTPSConnection
from pathlib import Path

import bcrypt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families as parse_text

from tests.bench.scrape import judgement as big_judgement
from tests.exporters.certificates import Authority
from tests.exporters.samples import T0, episode, judgement, owners, router, snapshot, split_router
from vrrpcore.errors import ConfigError
from vrrpcore.verdict import Finding, Judgement
from vrrpexporters.http_listen import open_listeners, split
from vrrpexporters.http_message import BadRequest, Request, Response, parse_head
from vrrpexporters.http_routes import Pages
from vrrpexporters.http_server import HttpServer, Limits
from vrrpexporters.http_webconfig import WebConfigFile, load
from vrrpexporters.prometheus import Exposition, Facts
from vrrpexporters.snapshot import Snapshot, Sniffer

PASSWORD_HASH = bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()
Start = Callable[..., HttpServer]


def pages(shot: Snapshot | None = None) -> Pages:
    shown = shot or snapshot(judgement(split_router(), addresses=(owners(2),)))
    exposition = Exposition(Facts(lambda: shown))
    return Pages(exposition, lambda: shown, lambda: (), "0.1.0", time.monotonic())


@pytest.fixture
def start() -> Iterator[Start]:
    servers: list[HttpServer] = []

    def begin(app: Callable[[Request], Response] | None = None, web: Path | None = None, **limits: float) -> HttpServer:
        server = HttpServer(
            app or pages(),
            open_listeners("127.0.0.1:0"),
            WebConfigFile(web),
            Limits(**limits),  # type: ignore[arg-type]
        )
        servers.append(server)
        server.start()
        return server

    yield begin
    for server in servers:
        server.stop()


def port(server: HttpServer) -> int:
    return int(server.addresses[0].rsplit(":", 1)[1])


def ask(server: HttpServer, path: str = "/metrics", method: str = "GET", **headers: str) -> tuple[HTTPResponse, bytes]:
    connection = HTTPConnection("127.0.0.1", port(server), timeout=20)
    with contextlib.closing(connection):
        connection.request(method, path, headers={name.replace("_", "-"): v for name, v in headers.items()})
        response = connection.getresponse()
        return response, response.read()


def raw(server: HttpServer, octets: bytes = b"") -> socket.socket:
    wire = socket.create_connection(("127.0.0.1", port(server)), timeout=20)
    wire.sendall(octets)
    return wire


def drain(wire: socket.socket) -> bytes:
    with wire:
        return b"".join(iter(lambda: wire.recv(65536), b""))


def test_metrics_are_served_and_parse(start: Start) -> None:
    response, body = ask(start())
    assert response.status == 200
    names = {family.name for family in parse_text(body.decode())}
    assert {"vrrpwatch_group_masters", "vrrpwatch_sniffer_up", "process_cpu_seconds"} <= names


@pytest.mark.parametrize(
    "path", ["/metric", "/metrics/", "//metrics", "/-/", "/api/v1/verdicts/1", "/..%2f", "/favicon.ico"]
)
def test_unknown_paths_are_404(start: Start, path: str) -> None:
    assert ask(start(), path)[0].status == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "BREW"])
def test_only_get_and_head(start: Start, method: str) -> None:
    response, _ = ask(start(), method=method)
    assert (response.status, response.headers["Allow"]) == (405, "GET, HEAD")


def test_head_has_the_headers_of_get_and_no_body(start: Start) -> None:
    server = start(lambda request: Response(body=b"x" * 5000))
    got, body = ask(server)
    head, nothing = ask(server, method="HEAD")
    assert (head.headers["Content-Length"], nothing) == (got.headers["Content-Length"], b"")
    assert len(body) == 5000


def test_gzip_only_where_asked(start: Start) -> None:
    server = start(lambda request: Response(body=b"vrrp " * 1000))
    plain, body = ask(server, Accept_Encoding="gzip;q=0")
    assert (plain.headers["Content-Encoding"], body) == (None, b"vrrp " * 1000)
    packed, body = ask(server, Accept_Encoding="deflate, gzip;q=0.5")
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(body) == b"vrrp " * 1000


def test_one_connection_serves_many_requests(start: Start) -> None:
    connection = HTTPConnection("127.0.0.1", port(start()), timeout=20)
    with contextlib.closing(connection):
        for path in ("/metrics", "/nowhere", "/-/healthy"):
            connection.request("GET", path)
            connection.getresponse().read()
            assert connection.sock is not None


def test_pipelined_requests_are_answered_in_order(start: Start) -> None:
    wire = raw(
        start(),
        b"GET /-/healthy HTTP/1.1\r\nHost: a\r\n\r\nGET /nowhere HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    )
    octets = drain(wire)
    assert octets.index(b"200 OK") < octets.index(b"404 Not Found")


@pytest.mark.parametrize(
    ("octets", "status"),
    [
        (b"GET /\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
        (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n", 413),
        (b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", 413),
        (b"GET / HTTP/1.1\r\nHost: a\r\n folded: x\r\n\r\n", 400),
        (b"GET http://[ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 20000 + b"\r\n\r\n", 431),
    ],
)
def test_a_bad_request_gets_its_status_and_the_door(start: Start, octets: bytes, status: int) -> None:
    answer = drain(raw(start(), octets))
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert b"Connection: close" in answer


@given(st.binary(max_size=300))
def test_any_octets_are_a_request_or_a_bad_request(octets: bytes) -> None:
    with contextlib.suppress(BadRequest):
        assert isinstance(parse_head(octets), Request)


def test_a_page_that_fails_is_a_500_and_the_next_one_works(start: Start) -> None:
    def app(request: Request) -> Response:
        if request.path == "/bad":
            raise ValueError("no")
        return Response(body=b"fine")

    server = start(app)
    assert ask(server, "/bad")[0].status == 500
    assert ask(server, "/good")[1] == b"fine"


def test_five_hundred_idle_connections_do_not_disturb_a_scrape(start: Start) -> None:
    server = start(connections=100)
    idle: list[socket.socket] = []
    try:
        for _ in range(500):
            idle.append(raw(server))
        for _ in range(5):
            assert ask(server)[0].status == 200
        assert server.connections <= 100
    finally:
        for wire in idle:
            wire.close()


def test_a_scraper_keeps_its_connection_while_another_peer_floods(start: Start) -> None:
    server = start(connections=20)
    scraper = HTTPConnection("127.0.0.1", port(server), timeout=20)
    with contextlib.closing(scraper), contextlib.ExitStack() as stack:
        scraper.request("GET", "/metrics")
        scraper.getresponse().read()
        kept = scraper.sock
        for _ in range(100):
            stack.enter_context(socket.create_connection(("127.0.0.1", port(server)), source_address=("127.0.0.2", 0)))
        scraper.request("GET", "/metrics")
        assert scraper.getresponse().status == 200
        assert scraper.sock is kept


def test_slow_readers_do_not_disturb_a_scrape_and_are_bounded(start: Start) -> None:
    server = start(lambda request: Response(body=os.urandom(1_000_000)), writing=4)
    slow: list[socket.socket] = []
    try:
        for _ in range(12):
            wire = socket.socket()
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            wire.connect(("127.0.0.1", port(server)))
            wire.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            slow.append(wire)
        response, body = ask(server)
        assert (response.status, len(body)) == (200, 1_000_000)
    finally:
        for wire in slow:
            wire.close()


def test_a_reader_that_never_reads_is_let_go(start: Start) -> None:
    server = start(lambda request: Response(body=os.urandom(4_000_000)), write=0.3)
    wire = socket.socket()
    with wire:
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        wire.connect(("127.0.0.1", port(server)))
        wire.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        wait_until(lambda: server.connections == 0)


def test_a_request_that_dribbles_in_is_cut_off(start: Start) -> None:
    server = start(head=0.5)
    wire = raw(server, b"GET / HT")
    with wire, contextlib.suppress(OSError):
        for _ in range(200):
            wire.sendall(b"T")
            time.sleep(0.02)
            if server.connections == 0:
                break
    wait_until(lambda: server.connections == 0)


def wait_until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def test_a_slow_page_does_not_hold_up_the_server(start: Start) -> None:
    gate = threading.Event()

    def app(request: Request) -> Response:
        if request.path == "/slow":
            gate.wait(20)
        return Response(body=b"x")

    server = start(app)
    wire = raw(server, b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
    try:
        assert ask(server, "/fast")[0].status == 200
    finally:
        gate.set()
        wire.close()


# TLS and who may come in


def write_config(folder: Path, text: str) -> Path:
    path = folder / "web.config.yml"
    path.write_text(text)
    return path


def tls_config(folder: Path, authority: Authority, name: str = "server", more: str = "") -> Path:
    authority.issue(name)
    return write_config(folder, f"tls_server_config:\n  cert_file: {name}.crt\n  key_file: {name}.key\n{more}")


def ask_tls(server: HttpServer, authority: Authority, client: str | None = None, path: str = "/metrics") -> int:
    context = ssl.create_default_context(cafile=authority.pair.certificate)
    if client:
        pair = authority.issue(client)
        context.load_cert_chain(pair.certificate, pair.key)
    connection = HTTPSConnection("127.0.0.1", port(server), context=context, timeout=20)
    with contextlib.closing(connection):
        connection.request("GET", path)
        return connection.getresponse().status


def test_silent_tls_peers_do_not_hold_up_a_scrape(start: Start, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    server = start(web=tls_config(tmp_path, authority))
    with contextlib.ExitStack() as stack:
        for _ in range(50):
            stack.enter_context(raw(server))
        stack.enter_context(raw(server, b"\x16\x03\x01\x02\x00\x01"))
        stack.enter_context(raw(server, b"GET / HTTP/1.1\r\n\r\n"))
        for _ in range(5):
            assert ask_tls(server, authority) == 200


def test_a_silent_tls_peer_is_let_go(start: Start, tmp_path: Path) -> None:
    server = start(web=tls_config(tmp_path, Authority(tmp_path)), handshake=0.3)
    with raw(server):
        wait_until(lambda: server.connections == 0)


def test_a_renewed_certificate_is_used_without_a_restart(start: Start, tmp_path: Path) -> None:
    old, new = Authority(tmp_path, "old"), Authority(tmp_path, "new")
    server = start(web=tls_config(tmp_path, old))
    assert ask_tls(server, old) == 200
    new.issue("server")
    assert ask_tls(server, new) == 200
    with pytest.raises(ssl.SSLError):
        ask_tls(server, old)


def test_a_configuration_that_breaks_leaves_the_one_in_force(
    start: Start, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    authority = Authority(tmp_path)
    server = start(web=tls_config(tmp_path, authority))
    write_config(tmp_path, "tls_server_config: [1, 2\n")
    assert ask_tls(server, authority) == 200
    assert "the configuration in force stays" in caplog.text


def test_client_certificates_are_required_and_their_names_checked(start: Start, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    more = "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.crt\n"
    more += "  client_allowed_sans: [prometheus]\n"
    server = start(web=tls_config(tmp_path, authority, more=more))
    assert ask_tls(server, authority, "prometheus") == 200
    with pytest.raises(OSError):  # noqa: PT011 - the alert or the reset, whichever comes first
        ask_tls(server, authority)
    with pytest.raises(OSError):  # noqa: PT011
        ask_tls(server, authority, "someone-else")


def basic(name: str, password: str) -> str:
    import base64

    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


def test_basic_auth_guards_every_page(start: Start, tmp_path: Path) -> None:
    server = start(web=write_config(tmp_path, f'basic_auth_users:\n  prom: "{PASSWORD_HASH}"\n'))
    for path in ("/", "/metrics", "/-/healthy", "/api/v1/verdicts", "/sd", "/nowhere"):
        response, _ = ask(server, path)
        assert (response.status, response.headers["WWW-Authenticate"][:5]) == (401, "Basic")
    assert ask(server, Authorization=basic("prom", "secret"))[0].status == 200
    for wrong in (
        basic("prom", "wrong"),
        basic("nobody", "secret"),
        basic("prom", "x" * 100),
        "Basic ???",
        "Bearer x",
        "Basic",
    ):
        assert ask(server, Authorization=wrong)[0].status == 401


def test_users_are_reread_on_change(start: Start, tmp_path: Path) -> None:
    path = write_config(tmp_path, f'basic_auth_users:\n  prom: "{PASSWORD_HASH}"\n')
    server = start(web=path)
    assert ask(server, Authorization=basic("prom", "secret"))[0].status == 200
    other = bcrypt.hashpw(b"changed", bcrypt.gensalt(4)).decode()
    path.write_text(f'basic_auth_users:\n  prom: "{other}"\n# longer\n')
    assert ask(server, Authorization=basic("prom", "secret"))[0].status == 401
    assert ask(server, Authorization=basic("prom", "changed"))[0].status == 200


def test_a_flood_of_wrong_passwords_does_not_hold_up_who_is_known(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = start(web=write_config(tmp_path, f'basic_auth_users:\n  prom: "{PASSWORD_HASH}"\n'), checking=4)
    assert ask(server, Authorization=basic("prom", "secret"))[0].status == 200
    gate = threading.Event()
    monkeypatch.setattr(server._gate, "admits", lambda config, request: gate.wait(60) and False)
    with contextlib.ExitStack() as stack:
        stack.callback(gate.set)
        for n in range(40):
            head = f"GET / HTTP/1.1\r\nHost: a\r\nAuthorization: {basic('prom', f'guess{n}')}\r\n\r\n"
            stack.enter_context(raw(server, head.encode()))
        wait_until(lambda: server._checking == 4)
        assert ask(server, Authorization=basic("prom", "secret"))[0].status == 200
        assert ask(server, Authorization=basic("prom", "another guess"))[0].status == 429


def test_fields_from_the_configuration_are_on_every_response(start: Start, tmp_path: Path) -> None:
    server = start(web=write_config(tmp_path, "http_server_config:\n  headers:\n    X-Frame-Options: deny\n"))
    assert ask(server, "/nowhere")[0].headers["X-Frame-Options"] == "deny"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("tls_server_confg: {}", "unknown key 'tls_server_confg'"),
        ("tls_server_config: {cert_file: a, key_file: b}", "a cannot be read"),
        ("tls_server_config: {min_version: TLS12}", "needs cert_file and key_file"),
        ("tls_server_config: {cert_file: ca.crt, key_file: other.key}", "no certificate and its key"),
        ("tls_server_config: {cert_file: ca.crt, key_file: ca.key, min_version: TLS14}", "min_version 'TLS14'"),
        ("tls_server_config: {cert_file: ca.crt, key_file: ca.key, client_auth_type: Sure}", "'Sure': use one of"),
        (
            "tls_server_config: {cert_file: ca.crt, key_file: ca.key, client_auth_type: RequireAndVerifyClientCert}",
            "needs client_ca",
        ),
        ("tls_server_config: {cert_file: ca.crt, key_file: ca.key, client_ca_file: ca.crt}", "has no effect"),
        ("tls_server_config: {cert_file: ca.crt, key_file: ca.key, cipher_suites: [TLS_RC4]}", "'TLS_RC4' is unknown"),
        (
            "tls_server_config: {cert_file: ca.crt, key_file: ca.key, client_allowed_sans: [a]}",
            "client_allowed_sans needs",
        ),
        ("basic_auth_users: {prom: secret}", "basic_auth_users.prom: not a bcrypt hash"),
        ("basic_auth_users: [prom]", "must be a mapping"),
        ("a: [1", "web.config.yml:1:6: is not YAML"),
        ("http_server_config: {headers: {X-Mine: 1}}", "unknown key 'X-Mine'"),
        ("[]", "must be a mapping"),
    ],
)
def test_a_configuration_error_names_the_file_the_key_and_the_way_out(tmp_path: Path, text: str, says: str) -> None:
    Authority(tmp_path)
    Authority(tmp_path, "other")
    with pytest.raises(ConfigError) as caught:
        load(write_config(tmp_path, text))
    assert says in str(caught.value)
    assert "web.config.yml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_ciphers_curves_and_versions_are_taken(tmp_path: Path) -> None:
    Authority(tmp_path)
    text = (
        "tls_server_config: {cert_file: ca.crt, key_file: ca.key, min_version: TLS12, max_version: TLS12,"
        " cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384], curve_preferences: [CurveP384]}"
    )
    context = load(write_config(tmp_path, text)).tls
    assert context is not None
    assert context.maximum_version == ssl.TLSVersion.TLSv1_2
    assert "ECDHE-ECDSA-AES256-GCM-SHA384" in {row["name"] for row in context.get_ciphers()}
    assert "ECDHE-ECDSA-AES128-GCM-SHA256" not in {row["name"] for row in context.get_ciphers()}


# Where to listen


@pytest.mark.parametrize(
    ("listen", "where"),
    [
        (":10112", ("", 10112)),
        ("10112", ("", 10112)),
        ("*:1", ("", 1)),
        ("127.0.0.1:80", ("127.0.0.1", 80)),
        ("[::1]:80", ("::1", 80)),
    ],
)
def test_listen_addresses(listen: str, where: tuple[str, int]) -> None:
    assert split(listen) == where


@pytest.mark.parametrize("listen", ["", "::1:80", "host", "host:", ":x", ":70000", "1.2.3.4"])
def test_a_bad_listen_address_is_one_line(listen: str) -> None:
    with pytest.raises(ConfigError, match="listen address"):
        split(listen)


def test_the_default_serves_both_families() -> None:
    server = HttpServer(pages(), open_listeners(":0"))
    server.start()
    try:
        for host in ("127.0.0.1", "::1") if socket.has_ipv6 and server.addresses[0].startswith("[") else ("127.0.0.1",):
            connection = HTTPConnection(host, port(server), timeout=20)
            with contextlib.closing(connection):
                connection.request("GET", "/-/healthy")
                assert connection.getresponse().status == 200
    finally:
        server.stop()


def test_a_port_in_use_is_one_line_with_the_way_out() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(ConfigError, match=r"cannot listen on .*Address already in use.*--listen"):
            open_listeners(f"127.0.0.1:{taken.getsockname()[1]}")


# What is on the pages


def test_verdicts_are_schema_1_over_the_window_that_was_asked_for(start: Start) -> None:
    old = router(52, episodes=(episode(start=T0 - 400, end=T0 - 390),))
    shot = snapshot(replace(judgement(old), start=T0 - 4000))
    server = start(pages(shot))
    recent = json.loads(ask(server, "/api/v1/verdicts")[1])
    assert (recent["schema"], recent["worst"]["class"], recent["exit_code"]) == (1, "steady", 0)
    assert recent["window"] == {"start": T0 - 60, "end": T0}
    for window in ("500", "all"):
        whole = json.loads(ask(server, f"/api/v1/verdicts?window={window}")[1])
        assert (whole["worst"]["class"], whole["exit_code"]) == ("split_brain", 2)
        assert len(whole["routers"][0]["episodes"]) == 1
    for wrong in ("x", "-1", "nan", "inf"):
        assert ask(server, f"/api/v1/verdicts?window={wrong}")[0].status == 400


def test_sd_lists_the_virtual_addresses(start: Start) -> None:
    rows = json.loads(ask(start(), "/sd")[1])
    assert rows[0]["targets"] == ["10.9.0.151"]
    assert rows[0]["labels"]["__meta_vrrpwatch_vrid"] == "51"


def test_the_status_page_shows_the_split_and_escapes_what_came_from_the_wire(start: Start) -> None:
    nasty = router(9, segment="<script>alert(1)</script>", now=Finding("misconfig", "<b>"))
    response, body = ask(start(pages(snapshot(judgement(split_router(), nasty)))), "/")
    text = body.decode()
    assert "split_brain: peer_deaf" in text
    assert "10.9.0.2" in text
    assert "<script" not in text
    assert "<b>" not in text
    assert "default-src 'none'" in response.headers["Content-Security-Policy"]


def empty(sequence: int, sniffers: tuple[Sniffer, ...] = (), age: float = 0.0) -> Snapshot:
    nothing = Judgement("0", "", None, None, judgement().worst)
    return Snapshot(sequence, T0, time.monotonic() - age, nothing, sniffers)


GONE = Sniffer("eth0", False, error="gone")


@pytest.mark.parametrize(
    ("sequence", "sniffers", "age", "healthy", "ready"),
    [
        (0, (), 0, 200, 503),
        (1, (Sniffer("eth0", True),), 0, 200, 200),
        (1, (GONE, Sniffer("eth1", True)), 0, 200, 200),
        (1, (GONE,), 0, 200, 503),
        (1, (Sniffer("eth0", True),), 31, 503, 200),
    ],
)
def test_health_and_readiness(
    sequence: int, sniffers: tuple[Sniffer, ...], age: float, healthy: int, ready: int
) -> None:
    app = pages(empty(sequence, sniffers, age))
    assert app(parse_head(b"GET /-/healthy HTTP/1.0\r\n\r\n")).status == healthy
    assert app(parse_head(b"GET /-/ready HTTP/1.0\r\n\r\n")).status == ready


def test_a_full_segment_is_scraped_by_many_at_once(start: Start) -> None:
    server = start(pages(snapshot(big_judgement())))
    sizes: list[int] = []
    threads = [
        threading.Thread(target=lambda: sizes.append(len(ask(server, Accept_Encoding="gzip")[1]))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(sizes) == 8
    assert min(sizes) > 10_000
