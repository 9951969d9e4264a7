"""Puts the daemon together, and takes it apart: start, SIGHUP, SIGTERM."""

from __future__ import annotations

import contextlib
import logging
import platform
import signal
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from vrrpcore.errors import ConfigError
from vrrpexporters.http_listen import open_listeners
from vrrpexporters.http_routes import Pages
from vrrpexporters.http_server import HttpServer
from vrrpexporters.http_webconfig import WebConfigFile
from vrrpexporters.prometheus import Exposition, Facts
from vrrpwatch import __version__
from vrrpwatch.capture import LiveCapture, open_live
from vrrpwatch.config import Config, beside, load

from .sensor import Board, Sensor
from .systemd import ServiceManager

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says; it wins over the file. None: not given."""

    interfaces: tuple[str, ...] = ()
    config: Path | None = None
    listen: str | None = None
    web_config: Path | None = None
    journal: Path | None = None
    textfile: Path | None = None
    promisc: bool | None = None
    probe: bool | None = None
    segments: tuple[tuple[str, str], ...] = ()  # (interface or "", name)


def read_config(options: Options) -> Config:
    """The file with the command line laid over it."""
    config = load(options.config) if options.config else Config()
    base = options.config or Path()
    watch = config.watch
    watch = replace(
        watch,
        interfaces=options.interfaces or watch.interfaces,
        listen=options.listen or watch.listen,
        web_config=_name(options.web_config, base, watch.web_config),
        journal=_name(options.journal, base, watch.journal),
        textfile=_name(options.textfile, base, watch.textfile),
        promisc=watch.promisc if options.promisc is None else options.promisc,
        probe=watch.probe if options.probe is None else options.probe,
        segments={**watch.segments, **dict(options.segments)},
    )
    return replace(config, watch=watch)


def _name(given: Path | None, base: Path, configured: str) -> str:
    if given is not None:
        return str(given)
    return str(beside(base, configured)) if configured else ""


class Service:
    """One running daemon."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self.config = read_config(options)
        self._reloaded = (True, time.time())
        self._reload_wanted = False
        self.board = Board()
        self._manager = ServiceManager()
        self._told = 0.0

    def run(self) -> int:
        """Until SIGTERM or SIGINT; 0, or an error of VrrpwatchError's tree before anything was begun."""
        watch = self.config.watch
        web = WebConfigFile(Path(watch.web_config) if watch.web_config else None)
        with contextlib.ExitStack() as stack:
            capture = stack.enter_context(open_live(watch.interfaces, promisc=watch.promisc, segments=watch.segments))
            sensor = Sensor(capture, self.board, alive=self._alive)
            sensor.probe(watch.probe)
            server = self._server(web)
            stack.callback(server.stop)
            stack.enter_context(self._signals(sensor))
            server.start()
            self._announce(capture, server)
            sensor.run(lambda: self._between(sensor))
            self._manager.tell("STOPPING=1")
            log.info("stopping")
        return 0

    def _server(self, web: WebConfigFile) -> HttpServer:
        facts = Facts(self.board.latest, reload_state=lambda: self._reloaded)
        facts.build.update({"version": __version__, "python": platform.python_version()})
        pages = Pages(Exposition(facts), self.board.latest, facts.instances, __version__, time.monotonic())
        return HttpServer(pages, open_listeners(self.config.watch.listen), web)

    def _announce(self, capture: LiveCapture, server: HttpServer) -> None:
        for link in capture.links.values():
            log.info("capturing %s (%s)", link.name, link.segment)
        log.info("serving on %s", ", ".join(server.addresses))
        self._manager.tell("READY=1", f"STATUS=capturing {capture.name}, serving on {', '.join(server.addresses)}")

    @contextlib.contextmanager
    def _signals(self, sensor: Sensor) -> Iterator[None]:
        def stop(number: int, frame: object) -> None:
            sensor.stop()

        def reload(number: int, frame: object) -> None:
            self._reload_wanted = True

        wanted = {signal.SIGTERM: stop, signal.SIGINT: stop, signal.SIGHUP: reload}
        before = {number: signal.signal(number, handler) for number, handler in wanted.items()}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _alive(self) -> None:
        if self._manager.watchdog and time.monotonic() - self._told >= self._manager.watchdog:
            self._told = time.monotonic()
            self._manager.tell("WATCHDOG=1")

    def _between(self, sensor: Sensor) -> None:
        if self._reload_wanted:
            self._reload_wanted = False
            self._reload(sensor)

    def _reload(self, sensor: Sensor) -> None:
        """SIGHUP: take over what can change while running; a file that does not load changes nothing."""
        try:
            fresh = read_config(self._options)
        except ConfigError as error:
            self._reloaded = (False, self._reloaded[1])
            log.error("%s; the configuration in force stays", error)
            return
        old, new = self.config.watch, fresh.watch
        for key in ("interfaces", "promisc", "segments", "listen", "web_config", "journal"):
            if getattr(old, key) != getattr(new, key):
                log.warning("watch.%s changed: it takes effect after a restart", key)
        sensor.probe(new.probe)
        self.config = fresh
        self._reloaded = (True, time.time())
        log.info("the configuration was read again")


def run_watch(
    *,
    interfaces: Sequence[str] = (),
    config: Path | str | None = None,
    listen: str | None = None,
    web_config: Path | str | None = None,
    journal: Path | str | None = None,
    textfile: Path | str | None = None,
    promisc: bool | None = None,
    probe: bool | None = None,
    segments: Sequence[str] = (),
) -> int:
    """The command `watch`: runs until it is told to stop. `segments`: `NAME` for all or `INTERFACE=NAME`.

    Raises VrrpwatchError when it cannot begin: PermissionMissing, SourceError, ConfigError.
    """
    named = tuple(
        (name, value) if equals else ("", name) for name, equals, value in (s.partition("=") for s in segments)
    )
    options = Options(
        tuple(interfaces),
        Path(config) if config else None,
        listen,
        Path(web_config) if web_config else None,
        Path(journal) if journal else None,
        Path(textfile) if textfile else None,
        promisc,
        probe,
        named,
    )
    return Service(options).run()
