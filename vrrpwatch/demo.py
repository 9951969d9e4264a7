"""`vrrpwatch demo`: two routers and an observer in namespaces, a firewall mistake, a split brain, verdict and cure.

Everything happens in namespaces of this one process: nothing of the host is touched, and whatever ends the process
ends the demo's routers with it. The observer does what `vrrpwatch check` does on a real network.
"""

from __future__ import annotations

import importlib
import signal
import sys
import time
from collections.abc import Callable
from typing import Final

from vrrpcore.verdict import Episode, Judgement
from vrrpexporters.report import words
from vrrpwatch import __version__
from vrrpwatch.lab import (
    Host,
    Keepalived,
    Lab,
    LabError,
    Watcher,
    enter_private_world,
    keepalived_config,
    keepalived_path,
)

VRID: Final = 51
VIP: Final = "10.9.0.100"
DEADLINE: Final = 30.0  # seconds that any one step may take on a very busy machine; about 5 otherwise
Router = Keepalived | Watcher


class Narrator:
    """Says what happens, with the seconds since the beginning."""

    def __init__(self) -> None:
        self._start = time.monotonic()

    def say(self, text: str) -> None:
        elapsed = time.monotonic() - self._start
        print(f"[{elapsed:5.1f}s] {text}", flush=True)

    def more(self, text: str) -> None:
        for line in text.splitlines():
            print(f"         {line}", flush=True)


def run(routers: str = "auto") -> int:
    """Show it; 0 when all went as it must, else LabError says what did not."""
    make, name = chosen(routers)
    enter_private_world()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    narrator = Narrator()
    try:
        with Lab("demo") as lab:
            _show(lab, make, name, narrator)
    except KeyboardInterrupt:
        narrator.say("interrupted: everything of the demo is gone")
        raise
    return 0


def chosen(routers: str) -> tuple[Callable[[Host, str], Router], str]:
    """How to start a router and what it is: our own speaker where it is there, else an installed keepalived."""
    ours = _speaker_works()
    if routers == "vrrpwatch" or (routers == "auto" and ours):
        if not ours:
            raise LabError("this vrrpwatch has no speaker; use --routers keepalived")
        return Watcher, "vrrpwatch's own speaker"
    if keepalived_path():
        return Keepalived, "keepalived"
    raise LabError("the demo needs a router: no keepalived is installed here (Debian: apt install keepalived)")


def _speaker_works() -> bool:
    try:
        importlib.import_module("vrrpwatch.run_speaker")
    except ImportError:
        return False
    return True


class Observer:
    """The third host: listens on the switch and keeps judging, as `vrrpwatch watch` would."""

    def __init__(self, host: Host) -> None:
        from vrrpcore.judge import Judge
        from vrrpwatch.capture import open_live
        from vrrpwatch.listening import Ears
        from vrrpwatch.probes import Prober

        with host.entered():
            self.capture = open_live(["eth0"])
        self.host = host
        self.ears = Ears(Judge())
        self.prober = Prober(lambda: self.capture.links.values())
        self.start = time.time()

    def until(self, reached: Callable[[Judgement], bool], what: str, timeout: float = DEADLINE) -> Judgement:
        """Listen until the judgement is as expected; LabError naming `what` after `timeout` seconds."""
        from vrrpwatch.listening import TICK, state

        deadline = time.monotonic() + timeout
        while True:
            with self.host.entered():  # interfaces are looked up anew now and then
                for record in self.capture.poll(TICK):
                    self.ears.take(record)
                now = self.capture.horizon()
                self.ears.judge.advance(now)
                self.prober.ask(self.ears.judge.probes(now), self.ears.virtual)
            judgement = state(self.capture, self.ears, self.start, now)
            if reached(judgement):
                return judgement
            if time.monotonic() > deadline:
                seen = judgement.routers[0].now.cls if judgement.routers else "nothing heard"
                raise LabError(f"the demo waited {timeout:.0f} s for {what} and saw: {seen}")

    def close(self) -> None:
        self.prober.close()
        self.capture.close()


def _show(lab: Lab, make: Callable[[Host, str], Router], name: str, narrator: Narrator) -> None:
    narrator.say(f"vrrpwatch {__version__}: two routers ({name}) and an observer on one switch, all in namespaces")
    first = lab.host("router-1", "10.9.0.1/24", mac="02:00:00:00:00:01")
    second = lab.host("router-2", "10.9.0.2/24", mac="02:00:00:00:00:02")
    observer = Observer(lab.host("observer", "10.9.0.9/24", mac="02:00:00:00:00:09"))
    try:
        for host, priority in ((first, 150), (second, 100)):
            make(host, keepalived_config(VRID, priority, [f"{VIP}/24"]))
            narrator.more(f"{host.short}: {host.addresses()[0]}, VRID {VRID}, priority {priority}")
        _steady(observer, first, second, narrator)
        _split(observer, first, second, narrator)
        _heal(observer, first, second, narrator)
    except LabError as error:
        last = [line for host in (first, second) for one in host.programs for line in one.text().splitlines()[-3:]]
        raise LabError(f"{error}; the routers said last: {' / '.join(last) or 'nothing'}") from error
    finally:
        observer.close()
    narrator.say("on your network: `vrrpwatch check -i IF` says this once, `vrrpwatch watch` tells Prometheus always")


def _steady(observer: Observer, first: Host, second: Host, narrator: Narrator) -> None:
    judgement = observer.until(_masters_are("10.9.0.1"), "router-1 to be the one master")
    narrator.say("one master, as it must be:")
    narrator.more(_line(judgement))
    narrator.more(_whereabouts(first, second))


def _split(observer: Observer, first: Host, second: Host, narrator: Narrator) -> None:
    narrator.say("a firewall rule on router-2 now drops VRRP (nft: meta l4proto vrrp drop, on input) ...")
    second.drop_vrrp("input")
    before = time.time()
    judgement = observer.until(_open_split, "the split brain to be found")
    episode = _open_episode(judgement)
    assert episode is not None
    assert episode.confirmed is not None
    confirmed = episode.confirmed
    judgement = observer.until(lambda one: _proved(one, confirmed), "the cause")
    episode = _open_episode(judgement) or episode
    narrator.say(f"SPLIT BRAIN, {VIP} is on both. vrrpwatch says:")
    narrator.more(_line(judgement))
    narrator.more(_whereabouts(first, second))
    latency = (episode.confirmed or 0.0) - episode.start
    narrator.more(f"router-2 became master {episode.start - before:.1f} s after the rule; adverts come every 1 s;")
    narrator.more(f"the split was confirmed {latency:.2f} s after it began")
    narrator.more("evidence:")
    for sentence in episode.evidence:
        narrator.more(f"- {sentence}")
    for index, line in enumerate(words.remedy_lines(episode.remedy)):
        narrator.more(f"  {line}" if index else f"remedy: {line}")
    narrator.more(f"router-2's rule has eaten {second.dropped().get('input', 0)} adverts so far")


def _heal(observer: Observer, first: Host, second: Host, narrator: Narrator) -> None:
    narrator.say("the rule is removed ...")
    second.allow_vrrp()
    healed = observer.until(
        lambda one: _open_episode(one) is None and _masters_are("10.9.0.1")(one), "the pair to heal"
    )
    observer.until(lambda _: VIP not in second.addresses(), "router-2 to give the address back")
    narrator.say("healed, one master again:")
    episodes = [row for row in healed.routers[0].episodes if row.cls == "split_brain"]
    narrator.more(_whereabouts(first, second))
    for row in episodes:
        narrator.more(f"the episode stays on record: {row.cls}, {row.cause} ({row.confidence}), {row.seconds:.1f} s")


def _line(judgement: Judgement) -> str:
    """What is so now, for the one router of the demo."""
    row = judgement.routers[0]
    episode = _open_episode(judgement)
    names = episode.masters if episode else [one.source for one in row.masters if one.claim == "live"]
    said = words.finding(row.now.cls, row.now.cause)
    return f"{words.place(row.vrid, row.family, row.segment)}: {said}; {' and '.join(names)}"


def _whereabouts(*hosts: Host) -> str:
    """Who has the virtual address on its interface, as `ip addr` there would say."""
    return "; ".join(f"{host.short} {'has' if VIP in host.addresses() else 'does not have'} {VIP}" for host in hosts)


def _masters_are(*sources: str) -> Callable[[Judgement], bool]:
    def reached(judgement: Judgement) -> bool:
        live = [one.source for row in judgement.routers for one in row.masters if one.claim == "live"]
        quiet = all(row.now.cls in ("steady", "handover") for row in judgement.routers)
        return sorted(live) == sorted(sources) and quiet

    return reached


def _open_episode(judgement: Judgement) -> Episode | None:
    for row in judgement.routers:
        for episode in row.episodes:
            if episode.cls == "split_brain" and episode.confirmed is not None and episode.end is None:
                return episode
    return None


def _open_split(judgement: Judgement) -> bool:
    return _open_episode(judgement) is not None


def _proved(judgement: Judgement, confirmed: float) -> bool:
    """The cause is proved, or three intervals have brought no proof."""
    episode = _open_episode(judgement)
    return episode is None or episode.confidence == "proved" or (judgement.end or 0.0) > confirmed + 3.0
