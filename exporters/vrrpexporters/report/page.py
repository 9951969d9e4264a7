"""The judgement as one HTML page that needs nothing else: for a ticket, a mail, a post-mortem.

Everything that came from the wire or a file is escaped; the page has no script and loads nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import Final

from vrrpcore.verdict import CLASS_STATE, Episode, Judgement, RouterVerdict
from vrrpexporters.report import words

STYLE: Final = """
body{font:15px/1.5 system-ui,sans-serif;max-width:70em;margin:2em auto;padding:0 1em;color:#1c1e21;background:#fff}
h1{font-size:1.5em}h2{font-size:1.15em;margin:2em 0 .3em}table{border-collapse:collapse;margin:.5em 0}
td,th{padding:.2em .8em .2em 0;text-align:left;vertical-align:top;border-bottom:1px solid #ddd}
.state{color:#fff;border-radius:.3em;padding:.1em .5em}.OK{background:#1a7f37}.WARNING{background:#9a6700}
.CRITICAL{background:#cf222e}.UNKNOWN{background:#6e4bb5}.quiet{color:#57606a}
pre{background:#f3f4f6;padding:.6em;overflow-x:auto;white-space:pre-wrap}
svg{width:100%;height:auto;display:block;margin:.5em 0}
@media(prefers-color-scheme:dark){body{color:#e6e6e6;background:#16181c}td,th{border-color:#3a3d42}pre{background:#24272c}
.quiet{color:#9aa0a6}}
"""
WIDTH: Final = 1000
LABEL: Final = 150  # width of the names at the left of the timeline
ROW: Final = 24
MAX_BARS: Final = 200
COLOURS: Final = {"OK": "#1a7f37", "WARNING": "#d4a72c", "CRITICAL": "#cf222e", "UNKNOWN": "#6e4bb5"}


def as_html(judgement: Judgement) -> str:
    """One HTML document in UTF-8."""
    worst = judgement.worst
    title = f"{judgement.state}: {words.finding(worst.cls, worst.cause)}"
    where = words.place(worst.vrid, worst.family, worst.segment)
    window = ""
    if judgement.start is not None and judgement.end is not None:
        length = words.seconds(judgement.end - judgement.start)
        window = f"{words.moment(judgement.start, date=True)} to {words.moment(judgement.end)} UTC ({length})"
    facts = judgement.sensor
    count = f"{words.plural(facts.frames, 'frame')}, {words.plural(facts.adverts, 'advert')}"
    parts = [
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">',
        f"<title>{_text(title)}</title><style>{STYLE}</style>",
        f"<h1>{_state(judgement.state)} {_text(words.finding(worst.cls, worst.cause))}</h1>",
        f"<p>{_text(where)}</p>" if where else "",
        f'<p class="quiet">{_text(" · ".join(part for part in (judgement.source, window, count) if part))}</p>',
        *(f'<p class="quiet">note: {_text(note)}</p>' for note in facts.notes),
    ]
    for row in sorted(judgement.routers, key=words.badness):
        parts += _router(row, judgement)
    parts += _addresses(judgement)
    parts.append(f'<p class="quiet">vrrpwatch {_text(judgement.version)}</p></html>')
    return "\n".join(part for part in parts if part) + "\n"


def _text(text: str) -> str:
    return escape(words.printable(text), quote=True)


def _state(state: str, text: str = "") -> str:
    return f'<span class="state {state}">{_text(text or state)}</span>'


def _router(row: RouterVerdict, judgement: Judgement) -> list[str]:
    head = _state(CLASS_STATE[row.worst.cls], words.finding(row.worst.cls, row.worst.cause))
    now = "" if row.now == row.worst else f" now {_text(words.finding(row.now.cls, row.now.cause))}"
    masters = (
        (
            one.source,
            str(one.priority),
            f"v{one.version}",
            f"{one.advert_interval:g} s",
            one.auth,
            str(one.adverts),
            words.moment(one.first),
            words.moment(one.last),
            one.claim,
            one.mac,
        )
        for one in row.masters
    )
    titles = ("master", "priority", "VRRP", "every", "auth", "adverts", "first", "last", "claim", "MAC")
    return [
        f"<h2>{_text(words.place(row.vrid, row.family, row.segment))} {head}{now}</h2>",
        f"<p>addresses {_text(', '.join(row.vips) or 'none seen')}</p>",
        _timeline(row, judgement),
        _table(titles, masters),
        *(_episode(episode) for episode in row.episodes),
    ]


def _table(titles: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = "".join(f"<th>{_text(title)}</th>" for title in titles)
    body = "".join("<tr>" + "".join(f"<td>{_text(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><tr>{head}</tr>{body}</table>"


def _timeline(row: RouterVerdict, judgement: Judgement) -> str:
    """Who was heard from when to when, and over it the episodes: one bar each, as SVG."""
    start, end = judgement.start, judgement.end
    if start is None or end is None or end <= start or not row.masters:
        return ""
    height = ROW * (len(row.masters) + 1)

    def across(time: float) -> float:
        inside = min(max(time, start), end)
        return LABEL + (WIDTH - LABEL) * (inside - start) / (end - start)

    bars = [f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="masters over time">']
    for index, one in enumerate(row.masters):
        top = ROW * index
        bars.append(f'<text x="0" y="{top + 16}" font-size="13" fill="currentColor">{_text(one.source)}</text>')
        bars.append(_bar(across(one.first), across(one.last), top + 6, "#4c8bf5", f"{one.source}: {one.claim}"))
    top = ROW * len(row.masters)
    bars.append(f'<text x="0" y="{top + 16}" font-size="13" fill="currentColor">verdict</text>')
    for episode in row.episodes[:MAX_BARS]:
        colour = COLOURS[CLASS_STATE[episode.cls]]
        said = f"{words.finding(episode.cls, episode.cause)}, {words.seconds(episode.seconds)}"
        bars.append(
            _bar(across(episode.start), across(end if episode.end is None else episode.end), top + 6, colour, said)
        )
    return "".join([*bars, "</svg>"])


def _bar(left: float, right: float, top: float, colour: str, title: str) -> str:
    width = max(right - left, 2.0)
    shape = f'<rect x="{left:.1f}" y="{top}" width="{width:.1f}" height="12" rx="2" fill="{colour}">'
    return f"{shape}<title>{_text(title)}</title></rect>"


def _episode(row: Episode) -> str:
    until = "still so" if row.end is None else f"to {words.moment(row.end)}"
    said = f"{words.moment(row.start)} {until} ({words.seconds(row.seconds)}), {row.confidence}"
    lines = [f"<p>{_state(CLASS_STATE[row.cls], words.finding(row.cls, row.cause))} {_text(said)}</p>"]
    if row.masters or row.blamed:
        blamed = f"; look at {', '.join(row.blamed)}" if row.blamed else ""
        lines.append(f"<p>masters {_text(', '.join(row.masters) + blamed)}</p>")
    if row.evidence:
        lines.append("<ul>" + "".join(f"<li>{_text(sentence)}</li>" for sentence in row.evidence) + "</ul>")
    if row.candidates:
        lines.append(f"<p>candidates: {_text(', '.join(row.candidates))}</p>")
    if row.remedy:
        lines.append("<pre>" + "\n".join(_text(line) for line in words.remedy_lines(row.remedy)) + "</pre>")
    return "".join(lines)


def _addresses(judgement: Judgement) -> list[str]:
    if not judgement.addresses:
        return []
    rows = (
        (one.vip, str(one.hosts), ", ".join(one.owners), words.finding(one.worst.cls, one.worst.cause), one.segment)
        for one in judgement.addresses
    )
    return ["<h2>Addresses</h2>", _table(("address", "hosts", "owners", "worst", "segment"), rows)]
