"""`vrrpwatch check`: listen, ask, judge; one verdict and its exit code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final, NamedTuple

from vrrpcore.addresses import pack
from vrrpcore.errors import PermissionMissing, SourceError, UsageError, VrrpwatchError
from vrrpcore.verdict import Judgement, SensorFacts, Worst
from vrrpwatch import __version__
from vrrpwatch.commands.console import Output, answer, remark, render
from vrrpwatch.narrowing import Wanted, address, narrow

if TYPE_CHECKING:
    from vrrpcore.judge.expectations import Expected
    from vrrpwatch.capture import LiveCapture
    from vrrpwatch.interfaces import Interface

LOCAL_DAEMON: Final = "http://127.0.0.1:10112"
LINGER: Final = 0.25  # seconds after a confirmation in which the answer that proves its cause may come
BROAD: Final = (None, "deaf", "mutually_deaf")  # causes that the next advert may narrow down
PATIENCE: Final = 2.6  # seconds of listening, up to which that answer is waited for all the same


class CheckOptions(NamedTuple):
    """What the command line said."""

    interfaces: tuple[str, ...] = ()
    vrids: tuple[int, ...] = ()
    vips: tuple[str, ...] = ()
    segments: tuple[str, ...] = ()
    seconds: float | None = None
    probe: bool | None = None  # None: when it is permitted
    promisc: bool = True
    expect: str | None = None
    sensors: tuple[str, ...] = ()  # --from
    prometheus: str | None = None
    output: Output = "plugin"


class About(NamedTuple):
    """What was asked about and what is expected: narrows a judgement to it."""

    wanted: Wanted
    expected: Sequence[Expected] = ()

    def __call__(self, judgement: Judgement, *, hearing: bool, secrets: bool = True) -> Judgement:
        if self.expected:
            from vrrpwatch.expectations import held

            judgement = held(judgement, self.expected, hearing=hearing, secrets=secrets)
        return narrow(judgement, self.wanted, hearing=hearing)

    @property
    def silence(self) -> float:
        """Seconds for which an expected router may be silent."""
        if not self.expected:
            return 0.0
        from vrrpwatch.expectations import longest_silence

        return longest_silence(self.expected)


def run(options: CheckOptions) -> int:
    """Print the verdict; the exit code. In plugin form an error is a verdict too: UNKNOWN, on stdout."""
    wanted = _wanted(options)
    try:
        judgement = _judge(options, wanted)
    except VrrpwatchError as error:
        if options.output != "plugin" or isinstance(error, UsageError):
            raise
        judgement = failed(str(error))
    answer(render(judgement, options.output))
    return judgement.exit_code


def failed(message: str) -> Judgement:
    """UNKNOWN, with the reason in place of a window."""
    return Judgement(__version__, "", None, None, Worst("unknown"), sensor=SensorFacts(notes=(message,)))


def _wanted(options: CheckOptions) -> Wanted:
    if options.seconds is not None and not 0 < options.seconds <= 86400:
        raise UsageError(f"--for {options.seconds:g}: give seconds between 0 and 86400")
    for vrid in options.vrids:
        if not 1 <= vrid <= 255:
            raise UsageError(f"--vrid {vrid}: a virtual router id is 1 to 255")
    if options.prometheus and (options.sensors or options.interfaces):
        raise UsageError("--prometheus asks the fleet alone: leave out --from and --interface")
    segments = tuple(word.partition("=")[2] or word for word in options.segments)
    return Wanted(options.vrids, tuple(address(vip, "--vip") for vip in options.vips), segments)


def _judge(options: CheckOptions, wanted: Wanted) -> Judgement:
    about = About(wanted, _expected(options.expect) if options.expect else ())
    if options.prometheus:
        from vrrpwatch.fleet import ask_prometheus

        judgement = ask_prometheus(options.prometheus)
        return about(judgement, hearing=bool(judgement.routers), secrets=False)
    if options.sensors:
        from vrrpwatch.fleet import ask_sensors

        own = (lambda: _listen(options, About(Wanted()))) if options.interfaces else None
        others = ask_sensors(options.sensors, listen=own)
        return about(others, hearing=others.sensor.frames > 0 or bool(others.routers), secrets=False)
    try:
        return _listen(options, about)
    except PermissionMissing as error:
        return _ask_daemon(error, about)


def _expected(path: str) -> Sequence[Expected]:
    # imported here: the model of keepalived.conf is big, and most checks have no expectations
    from vrrpwatch.expectations import read_expectations

    return read_expectations(path)


def _ask_daemon(error: PermissionMissing, about: About) -> Judgement:
    """Without CAP_NET_RAW: the opinion of the local daemon, and a word about that."""
    from vrrpwatch.fleet import fetch

    try:
        judgement = fetch(LOCAL_DAEMON, timeout=3.0)
    except SourceError:
        raise PermissionMissing(f"{error}; and no `vrrpwatch watch` answers at {LOCAL_DAEMON}") from error
    note = f"not permitted to listen (CAP_NET_RAW): this is what the daemon at {LOCAL_DAEMON} says"
    facts = replace(judgement.sensor, notes=(*judgement.sensor.notes, note))
    judgement = replace(judgement, sensor=facts)
    return about(judgement, hearing=judgement.sensor.frames > 0, secrets=False)


def _listen(options: CheckOptions, about: About) -> Judgement:
    from vrrpwatch.capture import LiveCapture
    from vrrpwatch.interfaces import choose

    chosen = choose(options.interfaces)
    with LiveCapture(chosen, promisc=options.promisc, segments=naming(chosen, options.segments)) as capture:
        # Frames arrive from here on: what is imported only now costs no time of listening.
        from vrrpcore.judge import Judge
        from vrrpwatch.listening import LEAST, Ears, listen, received_frames
        from vrrpwatch.probes import Prober

        ears = Ears(Judge(), about.silence)
        before = received_frames(capture)
        prober = None if options.probe is False else Prober(lambda: capture.links.values())
        for link in capture.links.values():
            for vip in about.wanted.vips:
                ears.judge.watch(link.segment, pack(vip))
        _announce(capture, options)

        enough = options.seconds is None or options.seconds >= (about.silence or LEAST)
        if not enough:
            capture.counters.note(f"listened for {options.seconds:g} s only: too short to miss an expected router")

        def asked(judgement: Judgement) -> Judgement:
            return about(judgement, hearing=enough and (ears.received or received_frames(capture) > before))

        try:
            judgement = listen(
                capture,
                ears,
                seconds=options.seconds,
                prober=prober,
                done=lambda one: settled(asked(one)),
                doubtful=lambda one: asked(one).worst.cls == "split_brain_suspected",
            )
        finally:
            if prober is not None:
                prober.close()
        return asked(judgement)


def naming(chosen: Sequence[Interface], segments: Sequence[str]) -> dict[str, str]:
    """Interface -> name that the user gives its broadcast domain.

    `IF=NAME` names one. A bare name is that of the only interface, unless it is its own name or a VLAN of it: then,
    and with several interfaces, it says which one is asked about.
    """
    from vrrpwatch.interfaces import segment_name

    names = {interface: name for interface, equals, name in (word.partition("=") for word in segments) if equals}
    bare = [word for word in segments if "=" not in word]
    if len(bare) == 1 and len(chosen) == 1 and not names:
        own = segment_name(chosen[0])
        if bare[0] != own and not bare[0].startswith(f"{own}."):
            names[chosen[0].name] = bare[0]
    return names


def settled(judgement: Judgement) -> bool:
    """Whether a split brain is confirmed, and its cause proved or the time for that over."""
    if judgement.worst.cls != "split_brain" or judgement.start is None or judgement.end is None:
        return False
    listened = judgement.end - judgement.start
    confirmed = [
        (one.confidence == "proved" and one.cause not in BROAD, judgement.end - one.confirmed)
        for row in judgement.routers
        for one in row.episodes
        if one.cls == "split_brain" and one.confirmed is not None
    ]
    return any(proved or (since > LINGER and listened > PATIENCE) for proved, since in confirmed)


def _announce(capture: LiveCapture, options: CheckOptions) -> None:
    length = "until the slowest router heard had its turn" if options.seconds is None else f"for {options.seconds:g} s"
    remark(f"listening on {capture.name} {length}")
