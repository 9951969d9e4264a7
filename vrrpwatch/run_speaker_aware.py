"""What the supervisor knows of split brain: the judge's verdicts about its own instances, and what is said of them.

The watcher beside the speaker repeats what it sees; here it becomes news, each told once: a line in the log with cause,
evidence and remedy, the script `on_split_brain`, a line in the notify FIFOs. Anyone on the wire can provoke a verdict,
so news of one instance is rationed; the last word is always said. Pure but for the time, which is an argument.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Final

from vrrpcore.addresses import text
from vrrpcore.settings import Instance
from vrrpcore.verdict import FAMILY_NAMES, RANK

SUSPECTED: Final = "split_brain_suspected"
CONFIRMED: Final = frozenset(("split_brain", "residual_vip", "duplicate_ip", "vrid_collision"))
_SPACING: Final = 1.0  # seconds between two pieces of news of one instance
_MOST_A_MINUTE: Final = 10
_GONE: Final = 15.0  # seconds after which an episode that a watcher no longer repeats is over
_KEPT: Final = 64  # episodes of one instance


@dataclass(frozen=True, slots=True)
class Trouble:
    """One episode that concerns an instance, as the watcher described it last."""

    id: str
    cls: str
    cause: str
    confidence: str
    since: float  # epoch seconds, as all times of the wire
    end: float | None
    masters: tuple[str, ...]
    blamed: tuple[str, ...]
    evidence: tuple[str, ...]
    remedy: str

    @property
    def key(self) -> tuple[str, str]:
        return self.cls, self.cause

    @property
    def confirmed(self) -> bool:
        return self.cls != SUSPECTED

    @classmethod
    def of(cls, row: dict[str, Any]) -> Trouble:
        """From the watcher's message (vrrpwatch.daemon.informer)."""
        fields: dict[str, Any] = {name: row[name] for name in ("id", "cause", "confidence", "since", "end", "remedy")}
        fields |= {name: tuple(row[name]) for name in ("masters", "blamed", "evidence")}
        return cls(cls=row["class"], **fields)


@dataclass(frozen=True, slots=True)
class News:
    """What is to be said of an instance; `over`: that it has ended."""

    name: str
    trouble: Trouble
    over: bool = False

    @property
    def word(self) -> str:
        """For scripts and FIFOs: SPLIT_BRAIN_SUSPECTED, SPLIT_BRAIN, RESIDUAL_VIP …, and the same with _ENDED."""
        return self.trouble.cls.upper() + ("_ENDED" if self.over else "")

    @property
    def level(self) -> str:
        """Of the log."""
        return "info" if self.over else "error" if self.trouble.confirmed else "warning"

    def line(self) -> str:
        """For the log."""
        trouble = self.trouble
        what = trouble.cls.replace("_", " ")
        if self.over:
            seconds = f" after {trouble.end - trouble.since:.1f} s" if trouble.end is not None else ""
            return f"({self.name}) {what} ended{seconds}: {trouble.cause or 'cause unknown'}"
        parts = [f"({self.name}) {what}: {trouble.cause or 'cause unknown'} ({trouble.confidence})"]
        parts += [f"masters {', '.join(trouble.masters)}"] if trouble.masters else []
        parts += [f"blamed {', '.join(trouble.blamed)}"] if trouble.blamed else []
        parts += [f"evidence: {'; '.join(trouble.evidence)}"] if trouble.evidence else []
        parts += [f"remedy: {trouble.remedy}"] if trouble.remedy else []
        return "; ".join(parts)

    def environment(self) -> dict[str, str]:
        """For the script."""
        trouble = self.trouble
        rows = {
            "CLASS": trouble.cls,
            "CAUSE": trouble.cause,
            "CONFIDENCE": trouble.confidence,
            "MASTERS": " ".join(trouble.masters),
            "BLAMED": " ".join(trouble.blamed),
            "EVIDENCE": "\n".join(trouble.evidence),
            "REMEDY": trouble.remedy,
            "SINCE": f"{trouble.since:.6f}",
            "EPISODE": trouble.id,
        }
        return {f"VRRPWATCH_{name}": value.replace("\0", "") for name, value in rows.items()}


@dataclass(slots=True)
class _About:
    """One instance's episodes, and what was said of them."""

    instance: Instance
    vips: frozenset[str]
    episodes: dict[str, tuple[Trouble, float]] = field(default_factory=dict)  # and when they were heard of
    told: Trouble | None = None  # what was said last and is not over
    closed: deque[str] = field(default_factory=lambda: deque(maxlen=_KEPT))  # ids that were told to their end
    counted: deque[str] = field(default_factory=lambda: deque(maxlen=_KEPT))
    number: int = 0  # confirmed episodes that were told
    last: float = 0.0  # when the last confirmed one was seen, epoch seconds
    said: deque[float] = field(default_factory=lambda: deque(maxlen=_MOST_A_MINUTE))

    def concerned(self, row: dict[str, Any]) -> bool:
        """Whether a verdict is about this instance: its virtual router, or one of its addresses under another VRID."""
        instance = self.instance
        if row["family"] != FAMILY_NAMES[instance.family]:
            return False
        if instance.interface and instance.interface not in row["interfaces"]:
            return False
        return bool(row["vrid"] == instance.vrid or self.vips & set(row["vips"]))

    def close(self, told: Trouble) -> Trouble:
        """It is over, and so is whatever else has ended; what was told, with its end where that is known."""
        latest = self.episodes.get(told.id, (told, 0.0))[0]
        for key in [told.id, *(key for key, (each, _) in self.episodes.items() if each.end is not None)]:
            self.episodes.pop(key, None)
            self.closed.append(key)
        return replace(told, end=latest.end)

    def may_speak(self, now: float) -> bool:
        said = self.said
        return not said or (now - said[-1] >= _SPACING and (len(said) < _MOST_A_MINUTE or now - said[0] >= 60.0))


def _badness(trouble: Trouble) -> tuple[int, float]:
    return RANK[trouble.cls], trouble.since


class Awareness:
    """All instances of the speaker. `now`: time.monotonic() in every method."""

    def __init__(self) -> None:
        self._about: dict[str, _About] = {}
        self._heard = -_GONE  # when a watcher last gave a sign of life

    def configure(self, instances: Iterable[Instance]) -> None:
        """Go by these instances; what is known of those that stay stays."""
        fresh = {}
        for instance in instances:
            vips = frozenset(text(each.address) for each in instance.addresses)
            about = self._about.get(instance.name) or _About(instance, vips)
            about.instance, about.vips = instance, vips
            fresh[instance.name] = about
        self._about = fresh

    def hear(self, row: dict[str, Any], now: float) -> None:
        """An episode, as a watcher describes it."""
        self._heard = now
        trouble = Trouble.of(row)
        for about in self._about.values():
            if about.concerned(row) and trouble.id not in about.closed:
                self._note(about, trouble, now)

    @staticmethod
    def _note(about: _About, trouble: Trouble, now: float) -> None:
        known = about.episodes.get(trouble.id)
        if trouble.cls not in CONFIRMED and trouble.cls != SUSPECTED:  # it was revised: none of this kind after all
            if known is not None:
                end = trouble.end if trouble.end is not None else trouble.since
                about.episodes[trouble.id] = (replace(known[0], end=end), now)
            return
        if known is None and trouble.end is not None and not trouble.confirmed:
            return  # a suspicion that came to nothing
        if known is None and len(about.episodes) >= _KEPT:
            about.episodes.pop(next(iter(about.episodes)))
        about.episodes[trouble.id] = (trouble, now)
        if trouble.confirmed:
            about.last = max(about.last, trouble.since if trouble.end is None else trouble.end)

    def watching(self, since: float, now: float) -> None:
        """A watcher that has looked on for `since` seconds gives a sign of life: what it does not repeat is over."""
        self._heard = now
        if since < _GONE:
            return
        for about in self._about.values():
            for key, (trouble, heard) in list(about.episodes.items()):
                if trouble.end is None and now - heard > _GONE:
                    del about.episodes[key]

    def news(self, now: float) -> list[News]:
        """What is to be said now; at most one piece for each instance."""
        found = [self._next(about) for about in self._about.values() if about.may_speak(now)]
        said = [each for each in found if each is not None]
        for each in said:
            self._about[each.name].said.append(now)
        return said

    def _next(self, about: _About) -> News | None:
        name, told = about.instance.name, about.told
        known = [trouble for trouble, _ in about.episodes.values()]
        standing = [each for each in known if each.end is None]
        worst = min(standing, key=_badness, default=None)
        if told is not None:
            if told.id not in {each.id for each in standing} and (worst is None or worst.key != told.key):
                about.told = None
                return News(name, about.close(told), over=True)
        elif worst is None:  # over before it could be told: told all the same
            worst = min((each for each in known if each.confirmed), key=_badness, default=None)
        if worst is None:
            return None
        about.told = worst
        if told is not None and told.key == worst.key:
            return None  # the same thing, in newer words
        if worst.confirmed and worst.id not in about.counted:
            about.counted.append(worst.id)
            about.number += 1
        return News(name, worst)

    def row(self, name: str, now: float) -> dict[str, Any]:
        """What the state file holds of an instance (vrrpcore.speaker.state)."""
        about = self._about.get(name)
        told = about.told if about is not None else None
        return {
            "level": "none" if told is None else "confirmed" if told.confirmed else "suspected",
            "class": told.cls if told else "",
            "cause": told.cause if told else "",
            "confidence": told.confidence if told else "",
            "since": told.since if told else 0.0,
            "masters": list(told.masters) if told else [],
            "blamed": list(told.blamed) if told else [],
            "evidence": list(told.evidence) if told else [],
            "remedy": told.remedy if told else "",
            "episodes": about.number if about else 0,
            "last": about.last if about else 0.0,
            "watched": now - self._heard < _GONE,
        }
