"""Word of routes and policy rules that somebody takes off the host (rtnetlink multicast groups).

A kernel filter lets only the removal of routes of our protocols and of rules pass: on a host that takes part in BGP
hundreds of thousands of other changes must not wake the process that keeps time.
"""

from __future__ import annotations

import ctypes
import socket
import struct
from collections.abc import Iterable
from typing import Final

from vrrpcore.cbpf import assemble, encode

_GROUPS: Final = 0x40 | 0x80 | 0x400 | 1 << 18  # IPv4 routes, IPv4 rules, IPv6 routes, RTNLGRP_IPV6_RULE
_SO_ATTACH_FILTER: Final = 26
_DELROUTE, _DELRULE = 25, 33
_KIND_AT: Final = 4 if struct.pack("=H", 1)[0] else 5  # the octet of nlmsg_type that differs
_PROTOCOL_AT: Final = 21  # rtm_protocol behind the netlink header


class Losses:
    """A socket that becomes readable when one of ours may be gone."""

    def __init__(self, protocols: Iterable[int]) -> None:
        """`protocols`: rtm_protocol numbers of the routes that matter."""
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK, 0)
        ours = "\n".join(f"jeq #{number}, accept" for number in sorted(set(protocols)))
        program = assemble(f"""
            ldb [{_KIND_AT}]
            jeq #{_DELRULE}, accept
            jne #{_DELROUTE}, drop
            ldb [{_PROTOCOL_AT}]
            {ours}
            drop: ret #0
            accept: ret #0xffffffff
        """)
        buffer = ctypes.create_string_buffer(encode(program))
        fprog = struct.pack("HL", len(program), ctypes.addressof(buffer))
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, fprog)
        self._socket.bind((0, _GROUPS))

    def fileno(self) -> int:
        return self._socket.fileno()

    def read(self) -> bool:
        """Whether anything was told since; notifications that were lost count, too."""
        told = False
        while True:
            try:
                self._socket.recv(64)
            except BlockingIOError:
                return told
            except OSError:
                pass  # ENOBUFS: some were lost
            told = True

    def close(self) -> None:
        self._socket.close()
