"""The process for BFD sessions (bfd_instance): sockets, one timer, word of sessions that come up or go down.

Neither the process that keeps VRRP's time nor the one for scripts may hold it up: its timers are of milliseconds.
Changes go to the supervisor as ("tracked", ("bfd", name, 1 or 0)); commands are `configure Settings` and `stop`.
"""

from __future__ import annotations

import random
import select
import socket
import struct
import time
from typing import Any, Final

from vrrpcore.addresses import text
from vrrpcore.bfd import BfdSession, parse_control
from vrrpcore.errors import ParseError
from vrrpcore.settings import BfdInstance, Settings
from vrrpcore.speaker.clock import AlarmClock, keep_time
from vrrpcore.speaker.process import Child, Control, Reports

_PORT, _MULTIHOP_PORT = 3784, 4784  # RFC 5881 §4, RFC 5883 §5
_SOURCE_PORTS: Final = range(49152, 65536)  # RFC 5881 §4
_IPV6_UNICAST_HOPS, _IPV6_RECVHOPLIMIT, _IPV6_HOPLIMIT, _IP_RECVTTL = 16, 51, 52, 12
_TOS: Final = 0xC0


class BfdProcess(Child):
    """The child as its supervisor sees it."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(lambda control, report: _work(settings, control, report))


def _work(settings: Settings, control: socket.socket, report: Reports) -> int:
    sessions = Sessions(report)
    stopped = False

    def obey(word: str, given: Any) -> None:
        nonlocal stopped
        if word == "configure":
            sessions.configure(given)
        elif word == "stop":
            stopped = True

    commands = Control(control, obey)
    sessions.configure(settings)
    for note in keep_time(settings.global_defs.vrrp_rt_priority):
        report("note", note)
    sessions.epoll.register(control.fileno(), select.EPOLLIN)
    while not stopped:
        if control.fileno() in sessions.turn():
            commands.read()
    sessions.close()
    return 0


class _Peer:
    """A session with its socket for sending."""

    def __init__(self, instance: BfdInstance, discriminator: int) -> None:
        self.instance = instance
        self.session = BfdSession(instance, discriminator, random.random)
        self.shown: bool | None = None  # in the log: up
        self.told: bool | None = None  # to those who track it
        self.failed = ""  # why the last packet could not be sent
        self._family = socket.AF_INET if len(instance.neighbor) == 4 else socket.AF_INET6
        self._socket: socket.socket | None = None
        port = _MULTIHOP_PORT if instance.multihop else _PORT
        self._to = (text(instance.neighbor), port)

    def send(self, data: bytes) -> None:
        """OSError where the host cannot send now (no address, no route)."""
        if self._socket is None:
            self._socket = self._open()
        self._socket.sendto(data, self._to)

    def _open(self) -> socket.socket:
        made = socket.socket(self._family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        try:
            if self._family == socket.AF_INET:
                made.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, self.instance.ttl)
                made.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, _TOS)
            else:
                made.setsockopt(socket.IPPROTO_IPV6, _IPV6_UNICAST_HOPS, self.instance.ttl)
            source = text(self.instance.source) if self.instance.source else ""
            for _ in range(100):
                try:
                    made.bind((source, random.choice(_SOURCE_PORTS)))
                    return made
                except OSError as error:
                    if error.errno != 98:  # EADDRINUSE: the next one
                        raise
            raise OSError(98, "no free source port")
        except OSError:
            made.close()
            raise

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()


class Sessions:
    """All sessions of one configuration, on one timer."""

    def __init__(self, report: Reports) -> None:
        self._report = report
        self.epoll = select.epoll()
        self._alarm = AlarmClock()
        self.epoll.register(self._alarm.fileno(), select.EPOLLIN)
        self._peers: dict[str, _Peer] = {}
        self._listeners: dict[int, tuple[socket.socket, int, int]] = {}  # descriptor -> socket, family, port

    def configure(self, settings: Settings) -> None:
        """Take over a configuration; sessions that stay as they are go on."""
        wanted = {each.name: each for each in settings.bfd_instances if each.for_vrrp}
        for name, peer in list(self._peers.items()):
            if wanted.get(name) != peer.instance:
                self._end(self._peers.pop(name))
        now = time.monotonic()
        for name, instance in wanted.items():
            self._listen(len(instance.neighbor), _MULTIHOP_PORT if instance.multihop else _PORT)
            if name not in self._peers:
                peer = self._peers[name] = _Peer(instance, self._discriminator())
                peer.session.start(now)
            self._tell(self._peers[name], again=True)

    def _discriminator(self) -> int:
        taken = {each.session.discriminator for each in self._peers.values()}
        return next(each for each in iter(lambda: random.randrange(1, 1 << 32), 0) if each not in taken)

    def _listen(self, length: int, port: int) -> None:
        if any((family, where) == (length, port) for _, family, where in self._listeners.values()):
            return
        kind = socket.AF_INET if length == 4 else socket.AF_INET6
        made = socket.socket(kind, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        try:
            if length == 4:
                made.setsockopt(socket.IPPROTO_IP, _IP_RECVTTL, 1)
            else:
                made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                made.setsockopt(socket.IPPROTO_IPV6, _IPV6_RECVHOPLIMIT, 1)
            made.bind(("", port))
        except OSError as error:
            made.close()
            self._report("log", ("error", f"BFD: UDP port {port}: {error.strerror}; sessions stay down"))
            return
        self._listeners[made.fileno()] = (made, length, port)
        self.epoll.register(made.fileno(), select.EPOLLIN)

    def turn(self) -> list[int]:
        """Wait for something, take in what arrived, send what is due; all descriptors that were ready."""
        self._alarm.set(min((each.session.deadline for each in self._peers.values()), default=float("inf")))
        ready = [descriptor for descriptor, _ in self.epoll.poll()]
        if self._alarm.fileno() in ready:
            self._alarm.rung()
        for descriptor in ready:
            if descriptor in self._listeners:
                self._read(*self._listeners[descriptor])
        now = time.monotonic()
        for peer in self._peers.values():
            if peer.session.deadline <= now:
                self._send(peer, peer.session.tick(now))
                self._tell(peer)
        return ready

    def _read(self, listener: socket.socket, length: int, port: int) -> None:
        while True:
            try:
                data, ancillary, _, where = listener.recvmsg(256, 64)
            except OSError:
                return
            source = socket.inet_pton(listener.family, where[0].split("%", 1)[0])
            ttl = next((struct.unpack("=i", each[2][:4])[0] for each in ancillary if len(each[2]) >= 4), 0)
            try:
                packet = parse_control(data)
            except ParseError:
                continue
            for peer in self._peers.values():
                instance = peer.instance
                if instance.neighbor != source or (port == _MULTIHOP_PORT) is not instance.multihop:
                    continue
                if packet.yours not in (0, peer.session.discriminator):
                    continue
                if instance.max_hops < 255 and ttl < instance.ttl - instance.max_hops:
                    continue  # it came from further away than allowed (RFC 5881 §5)
                self._send(peer, peer.session.receive(packet, time.monotonic()))
                self._tell(peer)
                break

    def _send(self, peer: _Peer, packets: list[bytes]) -> None:
        for data in packets:
            try:
                peer.send(data)
                peer.failed = ""
            except OSError as error:
                if peer.failed != error.strerror:
                    peer.failed = error.strerror or str(error)
                    self._report("log", ("warning", f"BFD_Instance({peer.instance.name}) cannot send: {peer.failed}"))

    def _tell(self, peer: _Peer, *, again: bool = False) -> None:
        up, good = peer.session.up, peer.session.good
        if up is not peer.shown:
            peer.shown = up
            words = "Entering UP state" if up else "Entering DOWN state"
            why = f" (diagnostic {peer.session.diagnostic})" if peer.session.diagnostic else ""
            self._report("log", ("info", f"BFD_Instance({peer.instance.name}) {words}{why}"))
        if again or good is not peer.told:
            peer.told = good
            self._report("tracked", ("bfd", peer.instance.name, int(good)))

    def _end(self, peer: _Peer) -> None:
        self._send(peer, peer.session.stop())
        peer.close()

    def close(self) -> None:
        for peer in self._peers.values():
            self._end(peer)
        for listener, _, _ in self._listeners.values():
            listener.close()
