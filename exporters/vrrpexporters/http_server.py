"""A small HTTP server for a scrape target, on an event loop in a thread of its own.

What the library's server lacks and this one is for: a TLS handshake never stands in the way of the next connection;
every phase of a connection has a deadline; connections are capped, and past the cap the one that goes is the idlest of
the peer that holds most, so that idle connections, silent TLS peers and slow readers cost themselves and nobody else.
Pages are made by `app` on worker threads; basic auth, slow by design, has a worker of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import socket
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from .http_message import MAX_HEAD, BadRequest, Request, Response, parse_head, render
from .http_webconfig import Gatekeeper, WebConfigFile

log = logging.getLogger(__name__)

App = Callable[[Request], Response]
_CHUNK: Final = 64 * 1024
_CLOSING: Final = 5.0  # seconds for what is still on its way when a connection ends
#: Phases of a connection, in the order in which they are given up for a newcomer.
_WAITING, _KEPT, _WRITING, _WORKING = range(4)


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of the server; times in seconds."""

    connections: int = 256
    writing: int = 32  # responses on their way at once: each holds a body in memory
    checking: int = 16  # passwords being computed or waiting for it
    handshake: float = 10.0
    head: float = 10.0  # from the connection (or the last response's end) to the end of a request's head, once begun
    kept: float = 150.0  # between requests; longer than the usual scrape intervals
    write: float = 30.0


@dataclass(slots=True, eq=False)
class _Connection:
    peer: str
    since: float
    phase: int = _WAITING
    task: asyncio.Task[None] | None = None
    transport: asyncio.Transport | None = None
    handed_over: bool = False  # the socket belongs to an asyncio transport, which will close it

    def enter(self, phase: int) -> None:
        self.phase, self.since = phase, time.monotonic()


class HttpServer:
    """Serves `app` on sockets that are already listening; `start` and `stop` are called from other threads."""

    def __init__(
        self,
        app: App,
        listeners: list[socket.socket],
        web: WebConfigFile | None = None,
        limits: Limits = Limits(),
    ) -> None:
        self._app = app
        self._listeners = listeners
        self._web = web or WebConfigFile(None)
        self._limits = limits
        self._gate = Gatekeeper()
        self._checking = 0
        self._connections: set[_Connection] = set()
        self._pages = ThreadPoolExecutor(2, "http-page")
        self._hashes = ThreadPoolExecutor(1, "http-auth")
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="http", daemon=True)
        self._stopping = asyncio.Event()

    @property
    def addresses(self) -> list[str]:
        """`ADDR:PORT` of each listening socket."""
        return [_address_text(wire.getsockname()) for wire in self._listeners]

    @property
    def connections(self) -> int:
        """Open connections now."""
        return len(self._connections)

    def start(self) -> None:
        """Begin to serve, in a thread."""
        self._thread.start()

    def stop(self) -> None:
        """Close everything; waits for the thread, at most a few seconds."""
        with contextlib.suppress(RuntimeError):  # the loop is gone already
            self._loop.call_soon_threadsafe(self._stopping.set)
        if self._thread.is_alive():
            self._thread.join(5.0)
        for wire in self._listeners:
            wire.close()
        self._pages.shutdown(wait=False, cancel_futures=True)
        self._hashes.shutdown(wait=False, cancel_futures=True)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._main())
        finally:
            self._loop.close()

    async def _main(self) -> None:
        tasks = [asyncio.create_task(self._accept(wire)) for wire in self._listeners]
        await self._stopping.wait()
        tasks += [c.task for c in self._connections if c.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)  # let aborted transports close their sockets

    async def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                wire, address = await self._loop.sock_accept(listener)
            except OSError as error:  # out of descriptors, or the peer went before we looked
                if error.errno in (errno.EMFILE, errno.ENFILE):
                    self._make_room(0)
                await asyncio.sleep(0.05)
                continue
            wire.setblocking(False)
            self._make_room(self._limits.connections - 1)
            self._begin(_Connection(str(address[0]), time.monotonic()), wire)

    def _begin(self, connection: _Connection, wire: socket.socket) -> None:
        def ended(task: asyncio.Task[None]) -> None:
            self._connections.discard(connection)
            if not connection.handed_over:  # cancelled before its first step
                wire.close()

        self._connections.add(connection)
        connection.task = asyncio.create_task(self._serve(connection, wire))
        connection.task.add_done_callback(ended)

    def _make_room(self, most: int) -> None:
        """Give up connections until at most `most` are left: the least wanted phase, the greediest peer, the oldest."""
        while len(self._connections) > most:
            held = Counter(c.peer for c in self._connections)
            victim = min(self._connections, key=lambda c: (c.phase, -held[c.peer], c.since))
            self._drop(victim)
            if most == 0:
                return

    def _make_writing_room(self) -> None:
        writing = [c for c in self._connections if c.phase == _WRITING]
        if len(writing) >= self._limits.writing:
            self._drop(min(writing, key=lambda c: c.since))

    def _drop(self, connection: _Connection) -> None:
        self._connections.discard(connection)
        if connection.transport is not None:
            connection.transport.abort()
        if connection.task is not None:
            connection.task.cancel()

    async def _serve(self, connection: _Connection, wire: socket.socket) -> None:
        """One connection from its accept to its end; no error of a peer leaves this function."""
        try:
            reader, writer = await self._open(connection, wire)
            await self._converse(connection, reader, writer)
            writer.close()
            async with asyncio.timeout(_CLOSING):
                await writer.wait_closed()
        except (OSError, ssl.SSLError, TimeoutError, asyncio.IncompleteReadError, EOFError) as error:
            log.debug("connection of %s ended: %r", connection.peer, error)
            if connection.transport is not None:
                connection.transport.abort()

    async def _open(
        self, connection: _Connection, wire: socket.socket
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        config = self._web.current()
        reader = asyncio.StreamReader(limit=MAX_HEAD, loop=self._loop)
        protocol = asyncio.StreamReaderProtocol(reader, loop=self._loop)
        more: dict[str, Any] = {}
        if config.tls is not None:
            more = {
                "ssl": config.tls,
                "ssl_handshake_timeout": self._limits.handshake,
                "ssl_shutdown_timeout": 2.0,
            }
        connection.handed_over = True
        transport, _ = await self._loop.connect_accepted_socket(lambda: protocol, wire, **more)
        connection.transport = transport
        transport.set_write_buffer_limits(high=_CHUNK)
        if config.allowed_sans and not _names(transport) & config.allowed_sans:
            raise ConnectionAbortedError("the client certificate names nobody who is allowed")
        return reader, asyncio.StreamWriter(transport, protocol, reader, self._loop)

    async def _converse(
        self, connection: _Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        while True:
            request: Request | None = None
            try:
                head = await self._read_head(connection, reader)
                if head is None:
                    return
                request = parse_head(head)
                connection.enter(_WORKING)
                response = await self._answer(request)
            except BadRequest as error:
                response = Response.text(error.status, str(error))
            keep = request is not None and request.keep_alive and not self._stopping.is_set()
            octets = await self._loop.run_in_executor(
                self._pages, render, response, request, dict(self._web.current().headers), keep
            )
            await self._write(connection, writer, octets)
            if not keep:
                return
            connection.enter(_KEPT)

    async def _read_head(self, connection: _Connection, reader: asyncio.StreamReader) -> bytes | None:
        """The next request's head; None when the peer has no more to ask."""
        first = b""
        if connection.phase == _KEPT:
            async with asyncio.timeout(self._limits.kept):
                first = await reader.read(1)
            if not first:
                return None
            connection.enter(_WAITING)
        try:
            async with asyncio.timeout(self._limits.head):
                return first + await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError as error:
            if not error.partial and not first:
                return None
            raise
        except asyncio.LimitOverrunError as error:
            raise BadRequest(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, f"more than {MAX_HEAD} octets") from error

    async def _answer(self, request: Request) -> Response:
        config = self._web.current()
        admitted = self._gate.remembers(config, request)
        if admitted is None:
            if self._checking >= self._limits.checking:
                raise BadRequest(HTTPStatus.TOO_MANY_REQUESTS, "too many passwords are being checked; try again")
            self._checking += 1
            try:
                admitted = await self._loop.run_in_executor(self._hashes, self._gate.admits, config, request)
            finally:
                self._checking -= 1
        if not admitted:
            challenge = {"WWW-Authenticate": 'Basic realm="vrrpwatch", charset="UTF-8"'}
            return Response(HTTPStatus.UNAUTHORIZED, b"Unauthorized\n", fields=challenge)
        if request.method not in ("GET", "HEAD"):
            return Response(HTTPStatus.METHOD_NOT_ALLOWED, b"GET and HEAD only\n", fields={"Allow": "GET, HEAD"})
        try:
            return await self._loop.run_in_executor(self._pages, self._app, request)
        except Exception as error:
            log.exception("%s failed", request.path)
            return Response.text(HTTPStatus.INTERNAL_SERVER_ERROR, f"{request.path} failed: {type(error).__name__}")

    async def _write(self, connection: _Connection, writer: asyncio.StreamWriter, octets: bytes) -> None:
        self._make_writing_room()
        connection.enter(_WRITING)
        view = memoryview(octets)
        async with asyncio.timeout(self._limits.write):
            for start in range(0, len(view), _CHUNK):
                writer.write(view[start : start + _CHUNK])
                await writer.drain()  # at most two chunks are copied: a slow reader holds the one body, no more


def _names(transport: asyncio.Transport) -> set[str]:
    """The subjectAltName values of the client's certificate."""
    certificate = transport.get_extra_info("peercert") or {}
    return {str(value) for _, value in certificate.get("subjectAltName", ())}


def _address_text(address: tuple[Any, ...]) -> str:
    host, port = str(address[0]), address[1]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
