"""Changes of master: handovers and their causes, stalls, flapping, and mismatches that have become visible. Pure."""

from __future__ import annotations

from typing import Final

from ..addresses import text
from ..tally import NO_MASTER_FLOOR, NO_MASTER_INTERVALS, Claimant, Component, superior
from .compat import visible
from .docket import Book, Docket, Record
from .words import at_text, name, span, with_priority

FLAP_CHANGES: Final = 2  # more clean changes of master than this within FLAP_DOWNS·down are flapping
FLAP_DOWNS: Final = 10.0
BURST: Final = 0.010  # seconds: a stalled keepalived answers all queued adverts at once


def silence(last: Claimant) -> float:
    """Seconds after which a router whose last speaker was `last` has no master: max(5·adv, 250 ms)."""
    return max(NO_MASTER_INTERVALS * last.interval, NO_MASTER_FLOOR)


def down(claimant: Claimant) -> float:
    """A backup's master-down time as far as it can be known from the master: 3·adv + skew at the lowest priority."""
    return 4 * claimant.interval if claimant.advert.version == 3 else 3 * claimant.interval + 1.0


def flap_window(component: Component) -> float:
    """Seconds within which changes of master are counted together."""
    slowest = max(component.members, key=lambda m: m.interval)
    return FLAP_DOWNS * down(slowest)


def key_of(component: Component) -> str:
    """Names a component by its addresses, for records that concern one component only."""
    return ",".join(sorted(text(a) for a in component.addresses))


def began(
    docket: Docket, book: Book, component: Component, claimant: Claimant, now: float, overlapped: bool, before: str
) -> None:
    """A claim began. Whose place does it take, and why?"""
    check_visible(docket, book, component, claimant, now)
    holder = component.holder
    if holder is None or holder not in component.members:
        if not overlapped:
            component.holder, component.holder_since = claimant, now
        return
    if holder is claimant or overlapped:
        return  # the same one again; or a contention, which decides when it ends
    if holder.live(now) and outranks(holder, claimant):
        return  # it began within δ of its superior, and may not have heard of it: it will yield, or strike
    stalled = before == "lapsed" and returned_unbroken(claimant)
    if stalled and _revise_stall(book, component, claimant, now):
        _change(docket, book, component, claimant, now, None)
        return
    _change(docket, book, component, claimant, now, cause_of(component, claimant))


def cause_of(component: Component, claimant: Claimant) -> str:
    """Why the claimant takes its holder's place: resigned, master_lost, priority_changed or preempted."""
    holder = component.holder
    assert holder is not None
    if holder.since is None:
        return {"resigned": "resigned", "lapsed": "master_lost"}.get(holder.ended, "preempted")
    for one, other in ((holder, claimant), (claimant, holder)):
        if one.priority_changed > component.holder_since - one.interval and one.former_priority >= 0:
            was = (one.former_priority, one.source) > other.rank
            if was != (one.rank > other.rank):
                return "priority_changed"
    return "preempted"


def handed_over(
    docket: Docket, book: Book, component: Component, old: Claimant, new: Claimant, cause: str, likely: bool
) -> None:
    """A takeover that looked like an overlap and was none: the old one never spoke again."""
    component.holder = old
    _change(docket, book, component, new, new.last_claim, cause, likely)


def _change(
    docket: Docket,
    book: Book,
    component: Component,
    claimant: Claimant,
    now: float,
    cause: str | None,
    likely: bool = False,
) -> None:
    holder = component.holder
    component.holder, component.holder_since = claimant, now
    if holder is None:
        return
    component.changes.append(now)
    reason = cause or "preempted"
    book.transitions[reason] = book.transitions.get(reason, 0) + 1
    if cause is not None:
        start = now if cause in ("preempted", "priority_changed") else holder.last
        record = Record("handover", "handover", cause, start, confirmed=now, end=now, last=now)
        record.masters = [name(holder), name(claimant)]
        if likely:
            record.confidence = "likely"
            record.candidates = ("down_timer_adverts",)
        record.say(_handover_sentence(holder, claimant, cause, now, likely))
        book.add(record, docket.caps.episodes_per_router)
        pair = ("handover", cause)
        book.by_cause[pair] = book.by_cause.get(pair, 0) + 1
    review(docket, book, component, now)


def _handover_sentence(old: Claimant, new: Claimant, cause: str, now: float, likely: bool) -> str:
    what = f"{with_priority(new)} became master at {at_text(now)}"
    if cause == "resigned" and likely:
        early = f"{span(now - old.last)} after the last advert of {name(old)}"
        return f"{what}, {early}: earlier than its lapse, so it had resigned"
    if cause == "resigned":
        return f"{what}, {span(now - old.ended_at)} after {name(old)} resigned with priority 0"
    if cause == "master_lost":
        return f"{what}, {span(now - old.last)} after the last advert of {with_priority(old)}, which never resigned"
    if cause == "priority_changed":
        changed = old if old.priority_changed >= new.priority_changed else new
        return (
            f"{what}: the priority of {name(changed)} had changed from {changed.former_priority} to {changed.priority}"
        )
    return f"{what} by preempting {with_priority(old)}"


def returned_unbroken(claimant: Claimant) -> bool:
    """Whether a claimant that fell silent comes back with continuous IP IDs: it did not send, and did not restart."""
    return claimant.ip.family == 4 and not claimant.ip.dont_fragment and claimant.step in (1, 2)


def spoke(docket: Docket, book: Book, component: Component, claimant: Claimant, now: float) -> None:
    """A further advert of a claim: a burst right at its beginning is a stalled master's return."""
    holder = component.holder
    if claimant.spoke != 2 or claimant.since is None or now - claimant.since > BURST or claimant.ended != "lapsed":
        return
    if len(claimant.recent) < 3 or not returned_unbroken(claimant):
        return
    times = list(claimant.recent)
    first, before = times[-2], times[-3]
    if first[1] is None or before[1] is None or (first[1] - before[1]) & 0xFFFF > 2:
        return
    others = [m for m in component.members if m is not claimant and m.last_claim and m.last >= before[0]]
    if not others or holder is not claimant:
        return
    other = max(others, key=lambda m: m.last)
    if any(r.kind == "stall" and r.end is not None and now - r.end < BURST for r in book.episodes):
        return
    begin = other.last_claim
    for record in [r for r in book.episodes if r.cls == "handover" and r.start == r.end == first[0]]:
        book.drop(record)
    record = stall_record(claimant, other, begin, before[0], now)
    book.add(record, docket.caps.episodes_per_router)
    book.count(record)
    book.close(record, first[0])


def stall_record(claimant: Claimant, other: Claimant, begin: float, silent_since: float, now: float) -> Record:
    """The episode of a master that stalled while another took its place."""
    record = Record("stall", "transient_dual_master", "master_stalled", begin, last=now, suspected=now)
    record.masters = [name(claimant), name(other)]
    record.blamed = [name(claimant)]
    record.say(
        f"{name(claimant)} sent nothing from {at_text(silent_since)} to {at_text(now)} without resigning, and came "
        f"back with continuous IP IDs in a burst, while {with_priority(other)} was master since {at_text(begin)}: "
        f"it stalled"
    )
    return record


def _revise_stall(book: Book, component: Component, claimant: Claimant, now: float) -> bool:
    """The silent second owner of an address is back, unbroken: what looked like residue was a stall."""
    revised = False
    for record in list(book.open):
        if record.kind == "owners" and record.facts.get("owner") == name(claimant):
            record.cls, record.cause, record.confidence = "transient_dual_master", "master_stalled", "proved"
            record.candidates = ()
            record.say(f"{name(claimant)} spoke again at {at_text(now)} with continuous IP IDs: it had stalled")
            book.count(record)
            book.close(record, now)
            revised = True
    return revised


def check_visible(docket: Docket, book: Book, component: Component, claimant: Claimant, now: float) -> None:
    """What is visible of two claimants and disagrees, without having split them, is a misconfiguration."""
    for other in component.members:
        if other is claimant or not other.last_claim or other.source == claimant.source:
            continue
        kinds = visible(claimant, other, now)
        pair = "|".join(sorted((name(claimant), name(other))))
        known = [r for r in book.open if r.kind == "misconfig" and r.facts["pair"] == pair]
        for record in known:
            if record.cause not in kinds:
                book.close(record, now)
        split = any(
            c.record is not None and other in (c.first, c.second) and claimant in (c.first, c.second)
            for c in book.contentions.values()
        )
        for kind in kinds[:1]:
            if split or any(r.cause == kind for r in known):
                continue  # it is the cause of something worse, or said already
            record = Record("misconfig", "misconfig", kind, now, confirmed=now, last=now)
            record.facts["pair"] = pair
            record.masters = [name(other), name(claimant)]
            record.say(f"{name(other)} and {name(claimant)} disagree: {describe(kind, other, claimant)}")
            book.add(record, docket.caps.episodes_per_router)


def describe(kind: str, a: Claimant, b: Claimant) -> str:
    """A disagreement with the values on both sides; secrets are never printed."""
    if kind == "advert_int_mismatch":
        return f"advert_int {a.interval:g} s against {b.interval:g} s"
    if kind == "version_mismatch":
        return f"VRRP version {a.advert.version} against {b.advert.version}"
    if kind == "auth_type_mismatch":
        return f"authentication {a.auth_name()} against {b.auth_name()}"
    if kind == "auth_data_mismatch":
        return "the same authentication type with different auth_pass"
    if kind == "ttl_not_255":
        return f"TTL {a.ip.ttl} against {b.ip.ttl}, where every receiver wants 255"
    if kind == "checksum_style_mismatch":
        words = {"pseudo": "with pseudo-header", "message": "over the message only"}
        styles = [words.get(c.advert.checksum_style, "unknown") for c in (a, b)]
        return f"VRRPv3 checksum {styles[0]} against {styles[1]}"
    if kind == "vip_list_mismatch":
        lists = [", ".join(sorted(text(x) for x in c.advert.addresses)) for c in (a, b)]
        return f"addresses [{lists[0]}] against [{lists[1]}]"
    if kind == "transport_mismatch":
        ways = [", ".join(sorted(text(d) for d in c.destinations)) for c in (a, b)]
        return f"adverts sent to {ways[0]} against {ways[1]}"
    if kind == "two_owners":
        return "both say priority 255, owner of the address"
    return kind


def review(docket: Docket, book: Book, component: Component, now: float) -> None:
    """Open or end the component's flapping."""
    if not component.changes and not book.open:
        return
    window = flap_window(component)
    recent = [t for t in component.changes if now - t <= window]
    record = next((r for r in book.open if r.kind == "flapping" and r.facts["addresses"] == key_of(component)), None)
    if record is not None and not recent:
        book.close(record, record.last)
    elif record is not None:
        record.last = recent[-1]
    elif len(recent) > FLAP_CHANGES:
        record = Record("flapping", "flapping", _flap_cause(book, recent[0]), recent[0], confirmed=now, last=now)
        record.facts["addresses"] = key_of(component)
        record.masters = sorted({name(m) for m in component.members if m.last_claim})
        record.say(f"{len(recent)} changes of master within {span(now - recent[0])}")
        book.add(record, docket.caps.episodes_per_router)


def _flap_cause(book: Book, since: float) -> str | None:
    if any(c.rejecting for c in book.contentions.values()):
        return "advert_suppression"
    causes = [r.cause for r in book.episodes if r.cls == "handover" and r.end is not None and r.end >= since]
    return max(set(causes), key=causes.count) if causes else None


def outranks(a: Claimant, b: Claimant) -> bool:
    """Strictly superior."""
    return superior(a, b) and not superior(b, a)
