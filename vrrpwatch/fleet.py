"""Other vantage points: verdicts fetched from `vrrpwatch watch` elsewhere or from a Prometheus, merged into one.

What no sensor sees alone is found here: a partition, in which each side hears exactly its own master. Two answers
taken at slightly different moments of a handover look the same, so the sensors are asked again, later than any
handover lasts, before that is called a split brain.
"""

from __future__ import annotations

import base64
import json
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, Final

from vrrpcore.errors import SourceError, UsageError
from vrrpcore.verdict import (
    CLASS_STATE,
    RANK,
    AddressVerdict,
    Episode,
    Finding,
    Judgement,
    MasterRow,
    RouterVerdict,
    SensorFacts,
    Worst,
)
from vrrpexporters.report import words
from vrrpexporters.report.documents import from_json
from vrrpwatch import __version__
from vrrpwatch.narrowing import worst_of

PATH: Final = "/api/v1/verdicts"
TIMEOUT: Final = 5.0
MAX_OCTETS: Final = 64 * 1_048_576
#: the order in which two sensors' opinions of one claimant are believed
CLAIMS: Final = ("live", "suppressed", "resigned", "yielded", "lapsed")
Key = tuple[str, str, int]


def _get(url: str, timeout: float) -> bytes:
    """GET; SourceError in one line. Credentials in the URL become basic authentication."""
    parts = urllib.parse.urlsplit(url if "//" in url else f"http://{url}")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError(f"{url}: not a URL; write http://HOST:10112")
    place = parts.hostname if ":" not in parts.hostname else f"[{parts.hostname}]"
    try:
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        raise UsageError(f"{url}: the port is not a number") from None
    plain = urllib.parse.urlunsplit((parts.scheme, place + port, parts.path or PATH, parts.query, ""))
    headers = {"Accept": "application/json", "User-Agent": f"vrrpwatch/{__version__}"}
    request = urllib.request.Request(plain, headers=headers)  # noqa: S310 (http and https only, as checked)
    if parts.username:
        word = f"{urllib.parse.unquote(parts.username)}:{urllib.parse.unquote(parts.password or '')}"
        request.add_header("Authorization", f"Basic {base64.b64encode(word.encode()).decode()}")
    handlers: list[urllib.request.BaseHandler] = [urllib.request.HTTPSHandler(context=ssl.create_default_context())]
    if parts.hostname in ("127.0.0.1", "::1", "localhost"):
        handlers.append(urllib.request.ProxyHandler({}))
    try:
        with urllib.request.build_opener(*handlers).open(request, timeout=timeout) as answer:
            data: bytes = answer.read(MAX_OCTETS + 1)
    except urllib.error.HTTPError as error:
        raise SourceError(f"{plain}: HTTP {error.code} {error.reason}") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or error
        raise SourceError(f"{plain}: {getattr(reason, 'strerror', None) or reason}".lower()) from error
    if len(data) > MAX_OCTETS:
        raise SourceError(f"{plain}: the answer is longer than {MAX_OCTETS >> 20} MiB")
    return data


def fetch(url: str, timeout: float = TIMEOUT) -> Judgement:
    """The verdict of one `vrrpwatch watch`; SourceError when it does not answer or says something else."""
    return from_json(_get(url, timeout), url)


def ask_sensors(urls: Sequence[str], *, listen: Callable[[], Judgement] | None = None) -> Judgement:
    """Ask all of them at once, and listen meanwhile where asked to; one judgement.

    A sensor that does not answer becomes a remark. SourceError when none does.
    """
    judgements, failures = _ask_all(urls)
    if listen is not None:
        judgements.append(listen())
    if not judgements:
        raise SourceError("; ".join(failures))
    merged = merge(judgements)
    doubts = partitions(judgements)
    if doubts:
        time.sleep(max(doubts.values()))
        again, _ = _ask_all(urls)
        if listen is not None:
            again.append(listen())
        if again:
            merged = with_partitions(merge(again), doubts.keys() & partitions(again).keys(), again)
    facts = replace(merged.sensor, notes=(*merged.sensor.notes, *failures))
    return replace(merged, sensor=facts)


def _ask_all(urls: Sequence[str]) -> tuple[list[Judgement], list[str]]:
    judgements, failures = [], []
    with ThreadPoolExecutor(max_workers=min(len(urls), 16)) as pool:
        for answer in [pool.submit(fetch, url) for url in urls]:
            try:
                judgements.append(answer.result())
            except SourceError as error:
                failures.append(str(error))
    return judgements, failures


def merge(judgements: Sequence[Judgement]) -> Judgement:
    """Several sensors' judgements as one: for each router and address the worst that any of them saw."""
    routers: dict[Key, list[RouterVerdict]] = {}
    addresses: dict[tuple[str, str], list[AddressVerdict]] = {}
    for one in judgements:
        for row in one.routers:
            routers.setdefault((row.segment, row.family, row.vrid), []).append(row)
        for address in one.addresses:
            addresses.setdefault((address.segment, address.vip), []).append(address)
    merged = tuple(_merge_router(rows) for rows in routers.values())
    places = tuple(min(rows, key=lambda row: (RANK[row.worst.cls], -row.hosts)) for rows in addresses.values())
    starts = [one.start for one in judgements if one.start is not None]
    ends = [one.end for one in judgements if one.end is not None]
    return Judgement(
        version=__version__,
        source=", ".join(dict.fromkeys(one.source for one in judgements if one.source)),
        start=min(starts, default=None),
        end=max(ends, default=None),
        worst=worst_of(merged, places),
        routers=merged,
        addresses=places,
        sensor=_sum(one.sensor for one in judgements),
    )


def _merge_router(rows: Sequence[RouterVerdict]) -> RouterVerdict:
    masters: dict[str, MasterRow] = {}
    for row in rows:
        for one in row.masters:
            known = masters.get(one.source)
            masters[one.source] = one if known is None else _merge_master(known, one)
    episodes = {episode.id: episode for row in rows for episode in row.episodes}
    # A sensor that hears nothing must not outvote one that hears a master: no_master only if all agree.
    hearing = [row for row in rows if row.now.cls != "no_master"] or list(rows)
    return replace(
        rows[0],
        vips=tuple(dict.fromkeys(vip for row in rows for vip in row.vips)),
        now=min((row.now for row in hearing), key=lambda one: RANK[one.cls]),
        worst=min((row.worst for row in hearing), key=lambda one: RANK[one.cls]),
        masters=tuple(masters.values()),
        episodes=tuple(sorted(episodes.values(), key=lambda one: one.start)),
        live=max(sum(one.claim == "live" for one in masters.values()), *(row.live for row in rows)),
        mismatches=tuple(dict.fromkeys(kind for row in rows for kind in row.mismatches)),
    )


def _merge_master(one: MasterRow, other: MasterRow) -> MasterRow:
    """The later report, over the longer time, with the stronger claim."""
    latest = max(one, other, key=lambda row: row.last)
    claim = min(one.claim, other.claim, key=lambda word: CLAIMS.index(word) if word in CLAIMS else len(CLAIMS))
    first, adverts = min(one.first, other.first), max(one.adverts, other.adverts)
    return replace(latest, first=first, adverts=adverts, claim=claim)


def _sum(parts: Iterable[SensorFacts]) -> SensorFacts:
    total = SensorFacts()
    for part in parts:
        malformed = dict(total.malformed)
        for reason, count in part.malformed.items():
            malformed[reason] = malformed.get(reason, 0) + count
        total = SensorFacts(
            frames=total.frames + part.frames,
            adverts=total.adverts + part.adverts,
            malformed=malformed,
            dropped=total.dropped + part.dropped,
            carp=total.carp + part.carp,
            evicted=total.evicted + part.evicted,
            notes=tuple(dict.fromkeys((*total.notes, *part.notes))),
        )
    return total


def partitions(judgements: Sequence[Judgement]) -> dict[Key, float]:
    """Routers of which two sensors hear one live master each, another one -> seconds that a handover may last."""
    heard: dict[Key, list[MasterRow]] = {}
    for one in judgements:
        for row in one.routers:
            live = [master for master in row.masters if master.claim == "live"]
            if len(live) == 1:
                heard.setdefault((row.segment, row.family, row.vrid), []).append(live[0])
    return {
        key: min(max(4.0 * max(one.advert_interval for one in live), 1.0), 30.0)
        for key, live in heard.items()
        if len({one.source for one in live}) > 1
    }


def with_partitions(judgement: Judgement, keys: Iterable[Key], judgements: Sequence[Judgement]) -> Judgement:
    """Mark routers as split by a partition that no sensor sees alone."""
    marked = set(keys)
    finding = Finding("split_brain", "l2_partition")
    routers = []
    for row in judgement.routers:
        key = (row.segment, row.family, row.vrid)
        if key not in marked or row.now.cls == "split_brain":
            routers.append(row)
            continue
        routers.append(replace(row, now=finding, worst=finding, episodes=(*row.episodes, _episode(row, judgements))))
    rows = tuple(routers)
    return replace(judgement, routers=rows, worst=worst_of(rows, judgement.addresses))


def _episode(row: RouterVerdict, judgements: Sequence[Judgement]) -> Episode:
    key = (row.segment, row.family, row.vrid)
    views = []
    masters: dict[str, MasterRow] = {}
    for one in judgements:
        for seen in one.routers:
            live = [master for master in seen.masters if master.claim == "live"]
            if (seen.segment, seen.family, seen.vrid) == key and len(live) == 1:
                views.append(f"{one.source or 'a sensor'} hears only {live[0].source}")
                masters[live[0].source] = live[0]
    now = max((one.end for one in judgements if one.end is not None), default=0.0)
    # a claim's beginning is not told: both were live at least since the later of the first adverts
    start = min(max(one.first for one in masters.values()), now)
    return Episode(
        id=f"partition-{row.segment}-{row.family}-{row.vrid}-{start:.0f}",
        cls="split_brain",
        cause="l2_partition",
        confidence="likely",
        candidates=("l2_partition", "multicast_filtered"),
        start=start,
        suspected=start,
        confirmed=now,
        end=None,
        seconds=max(now - start, 0.0),
        masters=tuple(masters),
        blamed=(),
        evidence=(f"{'; '.join(views)}: twice in a row, further apart than a handover lasts",),
        remedy="find the broken path between the two sides: trunk or VLAN, spanning tree, a split switch stack",
    )


def ask_prometheus(url: str) -> Judgement:
    """The fleet's verdict from Prometheus: the worst present class of each group over all sensors, and alerts."""
    base = (url if "//" in url else f"http://{url}").rstrip("/")
    rows = _query(base, "vrrpwatch_verdict_info == 1")
    live: dict[Key, int] = {}
    for labels, value in _query(base, "max by (segment, family, vrid) (vrrpwatch_group_masters)"):
        live[_key(labels)] = int(value)
    found: dict[Key, Finding] = {}
    for labels, _ in rows:
        finding = Finding(labels.get("class", "unknown"), labels.get("cause") or None)
        if finding.cls not in CLASS_STATE:
            finding = Finding("unknown")
        key = _key(labels)
        if key not in found or RANK[finding.cls] < RANK[found[key].cls]:
            found[key] = finding
    for labels, _ in _query(base, 'ALERTS{alertname="VrrpSplitBrainPartitioned",alertstate="firing"}'):
        found[_key(labels)] = Finding("split_brain", "l2_partition")
    routers = tuple(
        RouterVerdict(key[0], key[1], key[2], (), finding, finding, (), (), live=live.get(key, 0))
        for key, finding in sorted(found.items())
    )
    sensors = len({labels.get("instance", "") for labels, _ in rows})
    said = f"asked {words.plural(sensors, 'sensor')} by way of {base}" if rows else f"{base} has no vrrpwatch series"
    notes = (said,)
    worst = worst_of(routers, ()) if routers else Worst("unknown")
    now = time.time()
    return Judgement(__version__, base, now, now, worst, routers, (), SensorFacts(notes=notes))


def _query(base: str, query: str) -> list[tuple[dict[str, str], float]]:
    data = _get(f"{base}/api/v1/query?{urllib.parse.urlencode({'query': query})}", TIMEOUT)
    try:
        document: Any = json.loads(data)
        return [(dict(row["metric"]), float(row["value"][1])) for row in document["data"]["result"]]
    except (ValueError, TypeError, KeyError, IndexError) as error:
        raise SourceError(f"{base}: not the answer of a Prometheus ({error})") from error


def _key(labels: dict[str, str]) -> Key:
    vrid = labels.get("vrid", "0")
    return labels.get("segment", ""), labels.get("family", ""), int(vrid) if vrid.isdigit() else 0
