"""`ADDR:PORT`, `:PORT`, `[::1]:PORT` -> listening sockets."""

from __future__ import annotations

import socket
from typing import Final

from vrrpcore.errors import ConfigError

DEFAULT_LISTEN: Final = ":10112"
_BACKLOG: Final = 256


def split(listen: str) -> tuple[str, int]:
    """`":10112"` -> `("", 10112)`, `"[::1]:80"` -> `("::1", 80)`; ConfigError names what is wrong."""
    host, colon, port = listen.strip().rpartition(":")
    if not colon and listen.strip().isdecimal():
        host, port = "", listen.strip()
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ConfigError(f"listen address {listen!r}: an IPv6 address is written in brackets, [{host}]:{port}")
    if not port.isdecimal() or int(port) > 65535:
        raise ConfigError(f"listen address {listen!r}: expected ADDR:PORT or :PORT, such as :10112 or 127.0.0.1:10112")
    return ("" if host == "*" else host), int(port)


def _bound(family: socket.AddressFamily, address: tuple[str, int], dual: bool = False) -> socket.socket:
    wire = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            wire.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(not dual))
        wire.bind(address)
        wire.listen(_BACKLOG)
    except OSError:
        wire.close()
        raise
    return wire


def _everywhere(port: int) -> list[socket.socket]:
    """One socket for both families; IPv4 alone where the host has no IPv6."""
    if socket.has_ipv6:
        try:
            return [_bound(socket.AF_INET6, ("::", port), dual=True)]
        except OSError as error:
            if error.errno not in _NO_IPV6:
                raise
    return [_bound(socket.AF_INET, ("", port))]


#: EAFNOSUPPORT and EADDRNOTAVAIL: built without IPv6, or `ipv6.disable=1` / `disable_ipv6`.
_NO_IPV6: Final = (97, 99)


def open_listeners(listen: str) -> list[socket.socket]:
    """Bound, listening, non-blocking sockets; ConfigError when the address cannot be had."""
    host, port = split(listen)
    try:
        if not host:
            return _everywhere(port)
        infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        wires: list[socket.socket] = []
        for family, _, _, _, address in infos:
            try:
                wires.append(_bound(socket.AddressFamily(family), address[:2] if family == socket.AF_INET else address))  # type: ignore[arg-type]
            except OSError:
                for wire in wires:
                    wire.close()
                raise
        return wires
    except OSError as error:
        reason = error.strerror or str(error)
        raise ConfigError(f"cannot listen on {listen}: {reason}; choose another with --listen ADDR:PORT") from error
