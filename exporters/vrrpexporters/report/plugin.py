"""The plugin line: one verdict for Nagios, Icinga, Checkmk and people in a hurry (Monitoring Plugins guidelines).

    VRRP CRITICAL - vrid 51/ipv4 on 10.9.0.0/24: split brain, 2 masters 10.9.0.1 (prio 150) 10.9.0.2 (prio 100) for
    12.0s: peer_deaf | masters=2;1:1;1:1;0 …

First line and perfdata, then details on further lines. `masters` is that of the router that the line is about; with
several routers each has `masters_VRID_FAMILY` as well. A bar in a text would start perfdata, so texts have none.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

from vrrpcore.verdict import CLASS_STATE, RANK, Episode, Judgement, RouterVerdict
from vrrpexporters.report import words

MAX_ROUTERS: Final = 50  # rows of detail and perfdata: monitoring systems cut long output anywhere
MAX_MASTERS: Final = 4  # named on the first line
STATES: Final = ("OK", "WARNING", "CRITICAL", "UNKNOWN")


def as_plugin(judgement: Judgement) -> str:
    """First line with perfdata, then one line per router that is not steady, with evidence and remedy."""
    first = f"VRRP {judgement.state} - {_clean(_headline(judgement))} | {' '.join(_perfdata(judgement))}"
    return "\n".join([first, *(_clean(line) for line in _details(judgement))]) + "\n"


def _clean(text: str) -> str:
    return words.printable(text).replace("|", "/")


def _headline(judgement: Judgement) -> str:
    worst = judgement.worst
    if worst.cls == "unknown":
        return _unheard(judgement)
    if CLASS_STATE[worst.cls] == "OK":
        return _all_well(judgement)
    where = words.place(worst.vrid, worst.family, worst.segment)
    router = words.worst_router(judgement)
    address = None if router else words.worst_address(judgement)
    if router is None and address is not None:
        where = f"{address.vip}{f' on {address.segment}' if address.segment else ''}"
        who = f", {words.plural(address.hosts, 'host')} answer" if address.hosts else ""
        return f"{where}: {words.phrase(worst.cls)}{who}{_cause(worst.cause)}"
    if router is None:
        return f"{where or judgement.source}: {words.finding(worst.cls, worst.cause)}"
    episode = words.worst_episode(router.episodes, worst)
    who = _who(router, episode)
    parts = [words.phrase(worst.cls), *([who] if who else [])]
    return f"{where}: {', '.join(parts)}{_lasting(episode)}{_cause(worst.cause)}{_others(judgement)}"


def _cause(cause: str | None) -> str:
    return f": {cause}" if cause else ""


def _who(router: RouterVerdict, episode: Episode | None) -> str:
    """`2 masters 10.0.0.2 (prio 150) 10.0.0.3 (prio 100)`: those of the episode, else those who hold a claim."""
    if episode and episode.masters:
        known = {row.source: row for row in router.masters}
        names = [words.master(known[name]) if name in known else name for name in episode.masters]
    else:
        names = [words.master(row) for row in router.masters if row.claim in words.HOLDING]
    if not names:
        return ""
    shown = " ".join(names[:MAX_MASTERS]) + (
        f" and {len(names) - MAX_MASTERS} more" if len(names) > MAX_MASTERS else ""
    )
    return f"{words.plural(len(names), 'master')} {shown}"


def _lasting(episode: Episode | None) -> str:
    if episode is None or (episode.end is None and episode.seconds <= 0):
        return ""
    over = "" if episode.end is None else f", over since {words.moment(episode.end)} UTC"
    return f" for {words.seconds(episode.seconds)}{over}"


def _others(judgement: Judgement) -> str:
    bad = sum(CLASS_STATE[row.worst.cls] not in ("OK", "UNKNOWN") for row in judgement.routers)
    return f" (and {words.plural(bad - 1, 'more router')})" if bad > 1 else ""


def _all_well(judgement: Judgement) -> str:
    if len(judgement.routers) == 1:
        router = judgement.routers[0]
        where = words.place(router.vrid, router.family, router.segment)
        holders = [words.master(row) for row in router.masters if row.claim in words.HOLDING]
        now = f"master {' '.join(holders)}" if holders else "no advert lately"
        finding = words.finding(router.worst.cls, router.worst.cause if router.worst.cls == "handover" else None)
        return f"{where}: {finding}, {now}"
    handovers = sum(row.worst.cls == "handover" for row in judgement.routers)
    more = f", {words.plural(handovers, 'handover')}" if handovers else ""
    return f"{words.plural(len(judgement.routers), 'virtual router')}, each with one master{more}"


def _unheard(judgement: Judgement) -> str:
    facts = judgement.sensor
    if judgement.start is None and not facts.frames and facts.notes:
        return facts.notes[0]  # nothing was listened to, and this is why
    known = judgement.start is not None and judgement.end is not None
    length = f" in {words.seconds((judgement.end or 0.0) - (judgement.start or 0.0))}" if known else ""
    where = f" on {judgement.source}" if judgement.source else ""
    if facts.adverts:
        return f"adverts heard{where}, but nothing can be judged yet"
    if sum(facts.malformed.values()):
        reasons = ", ".join(f"{reason} {count}" for reason, count in sorted(facts.malformed.items()) if count)
        return f"no valid advert heard{where}{length}; invalid: {reasons}"
    if facts.frames:
        return f"no VRRP advert heard{where}{length} ({words.plural(facts.frames, 'other frame')})"
    return f"nothing heard{where}{length}: wrong interface, no link, or no port that sees the segment"


def _perfdata(judgement: Judgement) -> list[str]:
    """`'label'=value[UOM];[warn];[crit];[min];[max]`: exactly one master is right, so the range is 1:1."""
    routers = sorted(judgement.routers, key=words.badness)
    out = []
    if routers:
        about = words.worst_router(judgement) or routers[0]
        out.append(f"masters={about.live};1:1;1:1;0")
    if len(routers) > 1:
        names = Counter((row.vrid, row.family) for row in routers)
        for row in sorted(routers[:MAX_ROUTERS], key=lambda item: (item.vrid, item.family, item.segment)):
            twins = names[(row.vrid, row.family)] > 1
            label = f"masters_{row.vrid}_{row.family}" + (f"_{row.segment}" if twins else "")
            out.append(f"'{_label(label)}'={row.live};1:1;1:1;0")
    split = sum(row.now.cls == "split_brain" for row in judgement.routers)
    facts = judgement.sensor
    out += [f"routers={len(routers)};;;0", f"split_brains={split};;0;0", f"adverts={facts.adverts};;;0"]
    out += [f"invalid={sum(facts.malformed.values())};;;0", f"dropped={facts.dropped};;;0"]
    return out


def _label(text: str) -> str:
    """Perfdata labels may hold anything but `=` and quotes."""
    return _clean(text).replace("=", "_").replace("'", "_")


def _details(judgement: Judgement) -> list[str]:
    lines = []
    bad = [row for row in sorted(judgement.routers, key=words.badness) if CLASS_STATE[row.worst.cls] != "OK"]
    for row in bad[:MAX_ROUTERS]:
        where = words.place(row.vrid, row.family, row.segment)
        episode = words.worst_episode(row.episodes, row.worst)
        lines.append(f"{where}: {words.finding(row.worst.cls, row.worst.cause)}; now {words.phrase(row.now.cls)}")
        if episode:
            lines += _episode_lines(episode)
    if len(bad) > MAX_ROUTERS:
        lines.append(f"… and {words.plural(len(bad) - MAX_ROUTERS, 'more router')}")
    for address in sorted(judgement.addresses, key=lambda item: RANK[item.worst.cls])[:MAX_ROUTERS]:
        if CLASS_STATE[address.worst.cls] != "OK":
            owners = f"; owners {' '.join(address.owners)}" if address.owners else "; nobody was heard to own it"
            lines.append(f"{address.vip}: {words.finding(address.worst.cls, address.worst.cause)}{owners}")
    said = 1 if judgement.start is None and judgement.worst.cls == "unknown" else 0  # the first line has it
    return lines + list(judgement.sensor.notes[said:])


def _episode_lines(episode: Episode) -> list[str]:
    lines = [f"  {sentence}" for sentence in episode.evidence]
    if episode.candidates:
        lines.append(f"  {episode.confidence}; candidates: {', '.join(episode.candidates)}")
    if episode.remedy:
        lines += [
            f"  remedy: {line}" if not index else f"    {line}"
            for index, line in enumerate(words.remedy_lines(episode.remedy))
        ]
    return lines
