"""Puts the daemon together, and takes it apart: start, SIGHUP, SIGTERM."""

from __future__ import annotations

import contextlib
import logging
import platform
import signal
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from vrrpcore.errors import ConfigError
from vrrpcore.verdict import Judgement
from vrrpexporters.http_listen import open_listeners
from vrrpexporters.http_routes import Pages
from vrrpexporters.http_server import HttpServer
from vrrpexporters.http_webconfig import WebConfigFile
from vrrpexporters.journal import Journal
from vrrpexporters.journal_ledger import Ledger
from vrrpexporters.prometheus import Exposition, Facts
from vrrpwatch import __version__
from vrrpwatch.capture import LiveCapture, Share, open_live
from vrrpwatch.evidence import Evidence
from vrrpwatch.interfaces import interfaces, segment_name
from vrrpwatch.listening import received_frames

from .crew import Crew
from .expecting import Expectations
from .housekeeping import Housekeeping, prune
from .options import Options, read_config, read_expectations
from .outward import Receivers, Sources
from .scribe import Scribe
from .sensor import Board, Sensor
from .systemd import ServiceManager

if TYPE_CHECKING:  # it brings the speaker along, which a plain `watch` does not need
    from .beside import Beside, Line

log = logging.getLogger(__name__)

_PRUNE_EVERY = 3600.0
#: A restart is needed for these.
_FIXED = ("interfaces", "promisc", "segments", "processes", "listen", "web_config", "journal")


class Service:
    """One running daemon."""

    def __init__(self, options: Options, line: Line | None = None) -> None:
        """`line`: to the supervisor of the speaker that this daemon runs beside."""
        self._options, self._line = options, line
        self.config = read_config(options)
        self._started = time.time()
        self._expectations = Expectations(read_expectations(self.config, options), self._started)
        self._reloaded = (True, self._started)
        self._reload_wanted = threading.Event()
        self._ending = False
        self._hearing = False
        self._hearing_asked = 0.0
        self._received = 0  # frames of any kind that the interfaces had received when the capture began
        self._capture: LiveCapture | None = None
        self.board = Board()
        self.sources = Sources(self._segment, self._failed)
        self.facts = Facts(
            self.board.latest,
            refresh=self.board.fresh,
            instances=self.sources.instances,
            sources=self.sources.up,
            reload_state=lambda: self._reloaded,
        )
        self.facts.build.update({"version": __version__, "python": platform.python_version()})
        self.exposition = Exposition(self.facts)
        self._evidence = Evidence(None)
        self._manager = ServiceManager()
        self._told = 0.0

    def run(self) -> int:
        """Until SIGTERM or SIGINT; raises an error of VrrpwatchError's tree when it cannot begin."""
        watch = self.config.watch
        web = WebConfigFile(Path(watch.web_config) if watch.web_config else None)
        with contextlib.ExitStack() as stack:
            capture, crew = self._listen(stack)
            self._received = received_frames(capture)
            pages = Pages(self.exposition, self.board.fresh, self.sources.instances, __version__, time.monotonic())
            server = HttpServer(pages, open_listeners(watch.listen), web)
            stack.callback(server.stop)
            journal = Journal(Path(watch.journal) if watch.journal else None, self._journal_failed)
            stack.callback(journal.close)
            self._evidence = Evidence(journal.path, crew.held) if crew else Evidence(journal.path)
            beside = self._beside(capture)
            sensor = self._sensor(capture, journal, crew, beside)
            if beside is not None:
                beside.start()
                stack.callback(beside.stop)
            receivers = self._begin_outward(stack, journal, server)
            stack.enter_context(self._signals(sensor))
            self._begin_reloading(stack, sensor, receivers)
            server.start()
            self._announce(capture, server, journal)
            sensor.run()
            self._manager.tell("STOPPING=1")
            log.info("stopping")
        return 0

    def _listen(self, stack: contextlib.ExitStack) -> tuple[LiveCapture, Crew | None]:
        """Open the interfaces, and start the other processes: before anything else is open, and any thread runs."""
        watch = self.config.watch
        count = watch.processes if self._line is None else 1  # beside a speaker every frame is looked at by one
        opened = open_live(watch.interfaces, promisc=watch.promisc, segments=watch.segments, share=Share(0, count))
        self._capture = stack.enter_context(opened)
        if count == 1:
            return opened, None
        crew = Crew(opened, count, promisc=watch.promisc, keeps=bool(watch.journal), failed=self._failed)
        stack.callback(crew.close)
        return opened, crew

    def _beside(self, capture: LiveCapture) -> Beside | None:
        """What we are to the supervisor of a speaker, where we run beside one."""
        if self._line is None:
            return None
        from .beside import Beside

        return Beside(self._line, capture, self.board)

    def _sensor(self, capture: LiveCapture, journal: Journal, crew: Crew | None, beside: Beside | None) -> Sensor:
        ledger = Ledger(self._started, journal.routers(), journal.open_episodes())

        def continued(judgement: Judgement) -> Judgement:
            hearing = self._hears(capture, sensor) and sensor.listening
            return self._expectations.hold(ledger.continued(judgement, hearing), hearing)

        keep = self._evidence.keep if self._evidence.wanted else None
        sensor = Sensor(capture, self.board, continued=continued, alive=self._alive, keep=keep, crew=crew)
        if beside is not None:
            sensor.accompany(beside.keep, beside.turn)
        sensor.probe(self.config.watch.probe)
        return sensor

    def _hears(self, capture: LiveCapture, sensor: Sensor) -> bool:
        """Whether anything at all was ever received: the silence of a deaf sensor proves nothing."""
        if not self._hearing and time.monotonic() - self._hearing_asked > 2.0:
            self._hearing_asked = time.monotonic()
            self._hearing = sensor.received or received_frames(capture) > self._received
        return self._hearing

    def _begin_outward(self, stack: contextlib.ExitStack, journal: Journal, server: HttpServer) -> Receivers:
        """Journal, receivers, sources; stopped in the reverse order: the last word is written down, then sent."""
        host = socket.gethostname()
        housekeeping = Housekeeping()
        scribe = Scribe(self.board, journal, host, failed=self._failed)
        url = f"http://{host}:{server.addresses[0].rsplit(':', 1)[1]}/"
        receivers = Receivers(journal, scribe, self.facts.notifications, housekeeping, url)
        scribe.posted = receivers.posted
        scribe.evidence = self._evidence
        scribe.render = lambda: self.exposition.render()[0]
        self._configure(scribe, receivers)
        housekeeping.every(_PRUNE_EVERY, lambda: self._prune(journal, receivers), "prune")
        housekeeping.start()
        scribe.start()
        for stop in (receivers.stop, scribe.stop, self.sources.stop, housekeeping.stop):
            stack.callback(stop)
        return receivers

    def _configure(self, scribe: Scribe, receivers: Receivers) -> None:
        """Bring everything that a reload may change in line with the configuration."""
        watch = self.config.watch
        scribe.runbooks = watch.runbooks
        scribe.textfile = Path(watch.textfile) if watch.textfile else None
        scribe.textfile_interval = watch.textfile_interval
        receivers.configure(self.config, self._options.base)
        self.sources.configure(self.config)

    def _prune(self, journal: Journal, receivers: Receivers) -> None:
        names = [courier.name for courier in receivers.couriers]
        prune(
            journal,
            self.config.watch.journal_days,
            names,
            lambda name, number: self.facts.notifications.add(name, "dropped", amount=number),
        )

    def _segment(self, interface: str) -> str:
        """What the wire's verdicts call the segment of an interface."""
        if self._capture is not None and interface in self._capture.links:
            return self._capture.links[interface].segment
        known = interfaces().get(interface)
        return segment_name(known) if known is not None else f"{socket.gethostname()}/{interface}"

    def _failed(self, collector: str, error: Exception) -> None:
        self.exposition.failed(collector, error)

    def _journal_failed(self, error: Exception) -> None:
        self.exposition.failed("journal", error)

    def _announce(self, capture: LiveCapture, server: HttpServer, journal: Journal) -> None:
        for link in capture.links.values():
            log.info("capturing %s (%s)", link.name, link.segment)
        log.info("serving on %s", ", ".join(server.addresses))
        if journal.path is None:
            log.info("no journal is kept: episodes do not survive a restart (--journal FILE)")
        self._manager.tell("READY=1", f"STATUS=capturing {capture.name}, serving on {', '.join(server.addresses)}")

    @contextlib.contextmanager
    def _signals(self, sensor: Sensor) -> Iterator[None]:
        def stop(number: int, frame: object) -> None:
            sensor.stop()

        def reload(number: int, frame: object) -> None:
            self._reload_wanted.set()

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

    def _begin_reloading(self, stack: contextlib.ExitStack, sensor: Sensor, receivers: Receivers) -> None:
        """SIGHUP is served by a thread of its own: stopping a courier may take seconds, capture goes on."""

        def serve() -> None:
            while True:
                self._reload_wanted.wait()
                self._reload_wanted.clear()
                if self._ending:
                    return
                self._reload(sensor, receivers)

        thread = threading.Thread(target=serve, name="reload", daemon=True)

        def end() -> None:
            self._ending = True
            self._reload_wanted.set()
            thread.join(10.0)

        thread.start()
        stack.callback(end)

    def _reload(self, sensor: Sensor, receivers: Receivers) -> None:
        """Take over what can change while running; a file that does not load changes nothing."""
        try:
            fresh = read_config(self._options)
            wanted = read_expectations(fresh, self._options)
        except ConfigError as error:
            self._reloaded = (False, self._reloaded[1])
            log.error("%s; the configuration in force stays", error)
            return
        for key in _FIXED:
            if getattr(self.config.watch, key) != getattr(fresh.watch, key):
                log.warning("watch.%s changed: it takes effect after a restart", key)
        self.config = fresh
        self._expectations.expected = tuple(wanted)
        sensor.probe(fresh.watch.probe)
        self._configure(receivers.scribe, receivers)
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
    speaker: str | None = None,
    line: Line | None = None,
    processes: int | None = None,
) -> int:
    """The command `watch`: runs until it is told to stop. `segments`: `NAME` for all or `INTERFACE=NAME`; `speaker`:
    the state file of `vrrpwatch run` on this host; `line`: to its supervisor, where it runs beside it; `processes`:
    how many share the capture, by VLAN.

    Raises an error of VrrpwatchError's tree when it cannot begin: PermissionMissing, SourceError, ConfigError.
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
        speaker,
        processes,
    )
    return Service(options, line).run()
