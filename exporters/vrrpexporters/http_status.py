"""The status page: what is judged now, for people who came by with a browser."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from html import escape
from typing import Final

from vrrpcore.verdict import CLASS_STATE, RANK, Episode, RouterVerdict

from .snapshot import Instance, Snapshot, addresses_by_place, present_finding

_STYLE: Final = """
:root{color-scheme:light dark}body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:75rem;padding:0 1rem}
table{border-collapse:collapse;width:100%;margin:.5rem 0 2rem}th,td{text-align:left;padding:.3rem .6rem;
border-bottom:1px solid #8884;vertical-align:top}.OK{color:#1a7f37}.WARNING{color:#9a6700}
.CRITICAL{color:#cf222e;font-weight:600}.UNKNOWN{color:#6e7781}small{color:#6e7781}
"""
_SHOWN: Final = 500  # rows of a table; a page for people, not a dump


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], empty: str) -> str:
    body = ["<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows]
    if not body:
        return f"<p><small>{escape(empty)}</small></p>"
    more = f"<p><small>… and {len(body) - _SHOWN} more</small></p>" if len(body) > _SHOWN else ""
    titles = "".join(f"<th>{escape(title)}</th>" for title in head)
    return f"<table><tr>{titles}</tr>{''.join(body[:_SHOWN])}</table>{more}"


def _finding(cls: str, cause: str | None) -> str:
    text = escape(cls + (f": {cause}" if cause else ""))
    return f'<span class="{CLASS_STATE.get(cls, "UNKNOWN")}">{text}</span>'


def _clock(when: float | None) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(when)) if when else "–"


def _router(row: RouterVerdict, cls: str, cause: str | None) -> list[str]:
    masters = "<br>".join(
        f"{escape(m.source)} <small>{escape(m.mac)} prio {m.priority}, {escape(m.claim)}</small>" for m in row.masters
    )
    vips = "<br>".join(escape(vip) for vip in row.vips[:8])
    place = f"{row.vrid}/{escape(row.family)} <small>on {escape(row.segment)}</small>"
    return [place, _finding(cls, cause), str(row.live), masters, vips, _clock(row.counters.split_last_seen)]


def _episode(row: RouterVerdict, episode: Episode) -> list[str]:
    return [
        f"{row.vrid}/{escape(row.family)} <small>on {escape(row.segment)}</small>",
        _finding(episode.cls, episode.cause),
        _clock(episode.start),
        f"{episode.seconds:.3f} s" + ("" if episode.end else " and counting"),
        escape(", ".join(episode.masters)),
        escape(" ".join(episode.evidence)),
        escape(episode.remedy),
    ]


def status_page(snapshot: Snapshot, instances: Sequence[Instance], version: str) -> str:
    """The whole page; everything from the wire is escaped."""
    judgement = snapshot.judgement
    places = addresses_by_place(judgement)
    rows = [(present_finding(r, places), r) for r in judgement.routers]
    rows.sort(key=lambda pair: (RANK[pair[0].cls], pair[1].segment, pair[1].family, pair[1].vrid))
    worst = rows[0][0].cls if rows else "unknown"
    episodes = sorted(((e, r) for r in judgement.routers for e in r.episodes), key=lambda p: -p[0].start)
    routers = _table(
        ("virtual router", "verdict", "masters", "claimants", "addresses", "last split brain"),
        [_router(r, f.cls, f.cause) for f, r in rows],
        "no virtual router was heard yet",
    )
    past = _table(
        ("virtual router", "episode", "began", "lasted", "masters", "evidence", "remedy"),
        [_episode(r, e) for e, r in episodes[:50]],
        "none",
    )
    wires = _table(
        ("interface", "captured", "frames", "last frame"),
        [
            (
                escape(s.interface),
                "yes" if s.up else escape(s.error or "no"),
                str(s.frames),
                _clock(s.last_frame),
            )
            for s in snapshot.sniffers
        ],
        "none",
    )
    daemons = _table(
        ("daemon", "instance", "virtual router", "state"),
        [
            (escape(i.daemon), escape(i.name), f"{i.vrid}/{escape(i.family)} on {escape(i.segment)}", escape(i.state))
            for i in instances
        ],
        "none is asked",
    )
    return f"""<!doctype html><html lang="en"><head><meta charset="utf-8"><meta http-equiv="refresh" content="15">
<title>vrrpwatch: {escape(worst)}</title><style>{_STYLE}</style></head><body>
<h1>vrrpwatch <small>{escape(version)}</small></h1>
<p>{_finding(worst, None)} · judged {_clock(snapshot.time)} · <a href="metrics">metrics</a> ·
<a href="api/v1/verdicts">verdicts as JSON</a> · <a href="sd">service discovery</a></p>
<h2>Virtual routers</h2>{routers}<h2>Episodes</h2>{past}<h2>Interfaces</h2>{wires}<h2>Daemons</h2>{daemons}
</body></html>
"""
