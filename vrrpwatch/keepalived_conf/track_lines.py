"""Lines of track_interface, track_script, track_file, track_process and track_bfd."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from vrrpcore.settings import Track
from vrrpwatch.keepalived_conf import values
from vrrpwatch.keepalived_conf.bind import Binder, origin
from vrrpwatch.keepalived_conf.nodes import Line, Node
from vrrpwatch.keepalived_conf.table import BadWord, checked


@dataclass(frozen=True, slots=True)
class TrackKind:
    """What can be tracked by one kind of block: names with their own weight, and the limits of the weight."""

    block: str  # track_script
    what: str  # vrrp_script
    known: dict[str, tuple[int, bool, int]] | None  # name -> (weight, reverse, line); None = any name (interfaces)
    limit: int = 254
    clamp: bool = False  # 254 is taken as 253
    lost: frozenset[str] = frozenset()  # names whose definition keepalived misreads


def tracks(binder: Binder, nodes: Iterator[Node], kind: TrackKind) -> tuple[Track, ...]:
    """All lines of track_… blocks of one kind."""
    found: dict[str, Track] = {}
    for node in nodes:
        for line in node.values:
            track = _track(binder, line, kind)
            if track is None:
                continue
            if track.name in found:
                binder.error(
                    line, "repeated-value", f"{track.name} is tracked already; the line is ignored", "remove it"
                )
                continue
            found[track.name] = track
    return tuple(found.values())


def _track(binder: Binder, line: Line, kind: TrackKind) -> Track | None:
    name = line.words[0]
    weight, reverse = 0, False
    if kind.known is None:
        try:
            checked(name, values.interface_name)
        except BadWord as bad:
            binder.refuse(line, bad, "the line is ignored", kind.block)
            return None
        binder.check_template(line, name)
    elif name.text not in kind.known:
        binder.error(
            line,
            "not-defined",
            f"{kind.block}: there is no {kind.what} {name.text}; the line is ignored",
            f"define {kind.what} {name.text} {{ … }} above this block",
            word=name,
        )
        return None
    else:
        weight, reverse, defined = kind.known[name.text]
        if name.text in kind.lost:
            binder.error(
                line,
                "not-defined",
                f"keepalived does not find {kind.what} {name.text}, whose definition it misreads (see line {defined}),"
                " and ignores the line",
                "correct the braces there",
                word=name,
            )
        elif line.at.line < defined:
            binder.error(
                line,
                "defined-later",
                f"{kind.what} {name.text} is defined only on line {defined}; keepalived does not find it here and"
                " ignores the line",
                f"move {kind.what} {name.text} above this block",
                word=name,
            )
    return _track_weight(binder, line, kind, Track(name.text, weight, reverse, origin(line, name)))


def _track_weight(binder: Binder, line: Line, kind: TrackKind, track: Track) -> Track | None:
    words = line.words
    if len(words) == 1:
        return track
    if words[1].text != "weight":
        fix = "write every name on a line of its own"
        binder.error(
            line,
            "invalid-value",
            f"{kind.block}: '{words[1].text}' is not weight; the line is ignored",
            fix,
            word=words[1],
        )
        return None
    if len(words) == 2:
        binder.error(
            line, "missing-parameter", f"{kind.block}: weight needs a number; the line is ignored", word=words[1]
        )
        return None
    weight, reverse = track.weight, track.reverse
    try:
        weight = checked(words[2], values.signed, -kind.limit, kind.limit)
    except BadWord as bad:
        binder.refuse(line, bad, "it is ignored", f"{kind.block} weight")
    if kind.clamp and abs(weight) == 254:
        binder.error(
            line, "invalid-value", f"{kind.block}: a weight of 254 is taken as 253", "write 253", word=words[2]
        )
        weight = 253 if weight > 0 else -253
    if len(words) > 3:
        option = words[3]
        if option.text == "reverse":
            reverse = True
        elif option.text == "noreverse" and kind.known is not None:
            reverse = False
        else:
            binder.error(
                line, "invalid-value", f"{kind.block}: '{option.text}' is not reverse; it is ignored", word=option
            )
    return Track(track.name, weight, reverse, track.origin)
