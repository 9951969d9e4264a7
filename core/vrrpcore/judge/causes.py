"""Why two claims overlap: the narrowest cause that one vantage point proves, who is to blame, what else it may be.

Order of deciding: identical source, must-reject fields, lists and VRIDs, locks; repeated episodes of one deaf pair are
an intermittent path. Pure.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Final

from ..tally import Claimant
from .contention import Contention
from .docket import Book, Docket, Record
from .masters import describe
from .words import name, span, with_priority

DEAF_FAMILY: Final = frozenset(("deaf", "peer_deaf", "mutually_deaf", "intermittent_path"))
CANDIDATES: Final = {
    "peer_deaf": ("firewall_input", "one_way_path", "multicast_filtered"),
    "mutually_deaf": ("l2_partition", "multicast_filtered", "firewall_input", "peer_deaf"),
    "deaf": ("peer_deaf", "mutually_deaf"),
    "rejected": ("strict_mode", "unicast_source_check", "hmac_trailer"),
    "intermittent_path": ("l2_partition", "multicast_filtered", "overload"),
}
INTERMITTENT_WINDOW: Final = 3600.0  # seconds between two episodes of one deaf pair


def note_confirmed(docket: Docket, book: Book, contention: Contention) -> None:
    """A contention was proved; give it a first cause."""
    assert contention.record is not None
    decide(docket, book, contention, contention.record.last)


def decide(docket: Docket, book: Book, contention: Contention, now: float) -> None:
    """Set cause, confidence, candidates, blame and evidence of a contention's episode as known now."""
    record = contention.record
    if record is None:
        return
    cause, confidence, blamed = _cause(contention, record)
    if record.cls == "transient_dual_master":
        cause, confidence, blamed = _transient(book, contention, record)
    record.cause, record.confidence = cause, confidence if record.confirmed or record.end else "possible"
    record.candidates = CANDIDATES.get(cause, ())
    record.blamed = [name(c) for c in blamed]
    record.masters = [name(contention.first), name(contention.second)]
    _explain(contention, record, cause)
    if record.cls == "split_brain" and cause in DEAF_FAMILY and contention.kind == "election":
        _intermittent(book, contention, record, now)


def _cause(contention: Contention, record: Record) -> tuple[str, str, list[Claimant]]:
    x, y = contention.sides()
    if contention.kind == "collision":
        return "vrid_collision", "proved", [contention.second]
    if contention.kind == "vrid":
        return "vrid_mismatch", "proved", [contention.second]
    if contention.first.source == contention.second.source:
        return "identical_source", "proved", [contention.second]
    if contention.kinds:
        kind = contention.kinds[0]
        if kind == "ttl_not_255":
            return kind, "proved", [c for c in (x, y) if c.ip.ttl != 255]
        return kind, "proved", [x, y]
    if contention.lists:
        return "vip_list_mismatch", "proved", [x, y]
    return _by_lock(contention, x, y)


def _by_lock(contention: Contention, x: Claimant, y: Claimant) -> tuple[str, str, list[Claimant]]:
    pattern = contention.lock.pattern
    if pattern == "R":
        prompt = contention.lock.answered * 2 >= contention.lock.y_adverts
        return "peer_deaf", "proved" if prompt else "likely", [y]
    if pattern == "S":
        return ("auth_key_mismatch", "proved", [x, y]) if contention.sealed else ("rejected", "proved", [x, y])
    if contention.answered_before:
        return "mutually_deaf", "proved", [x, y]
    in_phase = contention.lock.answered * 2 >= max(1, contention.lock.y_adverts)
    if x.like_keepalived and not in_phase:
        return "mutually_deaf", "likely", [x, y]
    return "deaf", "proved", [y]


def _transient(book: Book, contention: Contention, record: Record) -> tuple[str, str, list[Claimant]]:
    x, y = contention.sides()
    router = book.router
    first_claims = abs(contention.first.last_claim - contention.second.last_claim)
    at_start = min(c.first for c in router.claimants.values())
    slowest = max(x.interval, y.interval)
    both_first = (
        contention.first.last_claim == contention.first.first
        and contention.second.last_claim == contention.second.first
        and first_claims <= 2 * slowest
    )
    if both_first or record.start - at_start <= 0:
        return "startup_race", "likely", [y]
    if y.step is not None and _stalled(y, record):
        return "master_stalled", "proved", [y]
    began_early = y.last_claim - _before(x, y.last_claim) < 3 * x.interval
    if x.advert.version == y.advert.version == 3 and x.interval != y.interval and began_early:
        return "advert_int_mismatch", "likely", [y]
    return "intermittent_path", "likely", [y]


def _before(claimant: Claimant, at: float) -> float:
    times = [t for t, _, _ in claimant.recent if t < at]
    return times[-1] if times else claimant.last


def _stalled(y: Claimant, record: Record) -> bool:
    """y came back from a lapse with one advert and continuous IP IDs, and fell silent."""
    recent = list(y.recent)
    for (before, id1, _), (at, id2, _) in pairwise(recent):
        if at >= record.start and at - before > y.lapse and id1 is not None and id2 is not None:
            return (id2 - id1) & 0xFFFF <= 2 and not y.ip.dont_fragment
    return False


def _intermittent(book: Book, contention: Contention, record: Record, now: float) -> None:
    ends = sorted((contention.first.source, contention.second.source))
    pair = (ends[0], ends[1])
    rows = book.deaf_pairs.setdefault(pair, [])
    rows[:] = [r for r in rows if r is record or (r.end or now) > record.start - INTERMITTENT_WINDOW][-8:]
    if record not in rows:
        rows.append(record)
    if len(book.deaf_pairs) > 16:
        del book.deaf_pairs[next(iter(book.deaf_pairs))]
    if len(rows) < 2:
        return
    for row in rows:
        row.cause, row.confidence = "intermittent_path", "likely"
        row.candidates = CANDIDATES["intermittent_path"]
    record.say(f"{len(rows)} proved episodes of the same pair: the path between them comes and goes")


def _explain(contention: Contention, record: Record, cause: str) -> None:
    """The sentences that hold the figures; made anew, so that they do not repeat with other numbers."""
    x, y = contention.sides()
    lock = contention.lock
    record.evidence[1:] = []
    if contention.kinds and contention.kind == "election":
        words = "; ".join(describe(kind, x, y) for kind in contention.kinds)
        record.say(f"{name(x)} and {name(y)} must reject each other: {words}")
    elif contention.kind == "collision":
        lists = describe("vip_list_mismatch", x, y)
        record.say(f"two clusters use one VRID: {name(x)} and {name(y)} with {lists}")
    elif contention.kind == "vrid":
        record.say(f"{name(x)} under VRID {x.advert.vrid} and {name(y)} under VRID {y.advert.vrid} claim one address")
    elif contention.first.source == contention.second.source:
        record.say(
            f"adverts from {name(x)} interleave from two machines ({x.mac.hex(':')}, {y.mac.hex(':')}), each at its "
            f"own pace"
        )
    else:
        _explain_lock(contention, record, x, y)
    if cause == "vip_list_mismatch":
        record.say(f"{name(x)} and {name(y)} list different addresses: {describe(cause, x, y)}")
    if record.confirmed is not None and lock.y_adverts > 1 and not contention.kinds:
        record.say(f"{with_priority(y)} advertised {lock.y_adverts} times beside {with_priority(x)}")


def _explain_lock(contention: Contention, record: Record, x: Claimant, y: Claimant) -> None:
    lock = contention.lock
    if record.confirmed is not None:
        record.say(
            f"{with_priority(y)} ignored two different adverts of {with_priority(x)} and went on; proved "
            f"{span(record.confirmed - record.start)} after the overlap began"
        )
    if lock.pattern == "R":
        prompt = lock.answered * 2 >= lock.y_adverts
        times, limit = (lock.answered, 0.005) if prompt else (lock.late, 0.2)
        limit = min(limit, x.interval / (8 if prompt else 4))
        record.say(
            f"{name(x)} answered {times} of {lock.y_adverts} adverts of {name(y)} within {span(limit)}: it hears "
            f"{name(y)}; only {name(y)} is deaf"
        )
    elif lock.pattern == "S":
        record.say(
            f"each advert of one restarts the other's timer without being accepted: {name(x)} and {name(y)} "
            f"hear and reject each other"
        )
    elif record.confirmed is not None:
        record.say(f"{name(x)} did not react to any of {lock.y_adverts} adverts of {name(y)}")
