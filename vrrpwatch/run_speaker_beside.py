"""The supervisor's dealings with the watcher beside the speaker: verdicts come in, news goes out, proofs go through."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from vrrpcore.errors import ConfigError
from vrrpcore.settings import Command, Instance, Settings
from vrrpcore.speaker.yielding import Message
from vrrpwatch.config import SpeakerSource, load
from vrrpwatch.run_speaker_aware import Awareness, News
from vrrpwatch.run_speaker_watcher import Watcher, WatcherOptions

_AGAIN: Final = 1.0  # seconds: the watcher may be another one by now, which knows nothing yet
_LEVELS: Final = {"info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
Rows = Mapping[str, Mapping[str, Any]]
log = logging.getLogger("vrrpwatch.speaker")


class Beside:
    """Without options every method does nothing. `tell(word, value)` reaches the process for scripts, `prove(message)`
    the one that keeps time."""

    def __init__(
        self, options: WatcherOptions | None, tell: Callable[[str, Any], None], prove: Callable[[Message], None]
    ) -> None:
        self.watched = options is not None
        self._options, self._tell, self._prove = options, tell, prove
        self._watcher = Watcher(options)
        self._awareness = Awareness()
        self._source = SpeakerSource()
        self._command: Command | None = None
        self._yielding: tuple[Instance, ...] = ()
        self._engaged: tuple[dict[str, int], float] = ({}, 0.0)  # as told last, and when

    def fileno(self) -> int:
        """Becomes readable when the watcher has said something; -1 without one."""
        return self._watcher.fileno()

    @property
    def wants_scripts(self) -> bool:
        """Whether there is a program to run on split brain."""
        return self._command is not None

    def read_config(self, settings: Settings) -> None:
        """Take over what vrrpwatch.toml says of these instances, and say what it asks for in vain."""
        if self._options is None:
            return
        if self._options.config:
            try:
                self._source = load(self._options.config).speaker or SpeakerSource()
            except ConfigError as error:  # checked at the start: a later mistake must not end a speaker
                log.error("%s; what it said before about the speaker stays in force", error)
        words = self._source.command
        self._command = Command(words) if words else None
        may = [each for each in settings.instances if self._source.may_yield(each.name)]
        self._yielding = tuple(each for each in may if each.interface and each.addresses and not each.owner)
        for name in sorted({each.name for each in may} - {each.name for each in self._yielding}):
            log.warning("(%s) yield_to_superior has no effect: it needs an interface, addresses, priority < 255", name)
        known = {each.name for each in settings.instances} | {"*"}
        for name in sorted(set(self._source.yield_to_superior) - known):
            log.warning("yield_to_superior: there is no vrrp_instance %s", name)
        self._awareness.configure(settings.instances)

    def begin(self, settings: Settings) -> None:
        """The speaker is ready, for the first time or again."""
        self._watcher.begin(settings, self._yielding)

    def configure(self, settings: Settings) -> None:
        """Another configuration is in force; `read_config` has met it."""
        self._watcher.configure(settings, self._yielding)

    def end(self) -> None:
        """End the watcher."""
        self._watcher.end()

    def read(self) -> None:
        """Take in what the watcher has said."""
        now = time.monotonic()
        names = {each.name for each in self._yielding}
        for kind, value in self._watcher.read():
            if kind == "proof" and value[0] in names:
                self._prove(value)
            elif kind == "episode":
                self._awareness.hear(value, now)
            elif kind == "watching":
                self._awareness.watching(value, now)

    def turn(self, rows: Rows) -> bool:
        """Look after the watcher, and say what there is to say; True when there was news."""
        if self._options is None:
            return False
        self._watcher.look()
        now = time.monotonic()
        self._engage(rows, now)
        said = self._awareness.news(now)
        for news in said:
            self._spread(news, rows.get(news.name, {}))
        return bool(said)

    def _engage(self, rows: Rows, now: float) -> None:
        """Proof is looked for only where it matters: where we are master, or backup by nothing but proof."""
        wanted = {
            each.name: int(row["effective_priority"])
            for each in self._yielding
            if (row := rows.get(each.name)) is not None and (row["state"] == "master" or row["yielded"])
        }
        if wanted != self._engaged[0] or (wanted and now - self._engaged[1] >= _AGAIN):
            self._watcher.say("engaged", wanted)
            self._engaged = (wanted, now)

    def _spread(self, news: News, row: Mapping[str, Any]) -> None:
        log.log(_LEVELS[news.level], "%s", news.line())
        priority = int(row.get("effective_priority", 0))
        self._tell("split_brain", (news.name, news.word, priority, self._command, news.environment()))

    def row(self, name: str) -> dict[str, Any] | None:
        """What the state file says of an instance; None without a watcher."""
        if self._options is None:
            return None
        return {**self._awareness.row(name, time.monotonic()), "yields": name in {each.name for each in self._yielding}}
