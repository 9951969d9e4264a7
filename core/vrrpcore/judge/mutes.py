"""Lock G: a master that is not heard, but announces the address while another advertises it. Pure.

keepalived announces in answer to a lower advert, and a suppressed master sends its second burst after 5 s; kernels
never announce by themselves. An announcement within 5 ms of the live claimant's advert, or more than δ after its claim
began, is a strike, if the claimant speaks on.
"""

from __future__ import annotations

from ..addresses import is_virtual_mac, mac_text, text
from ..tally import Claimant, Component, delta, is_group
from .compat import visible
from .contention import ANSWER_LIMIT
from .docket import Book, Docket, Mute, Record
from .masters import describe
from .rounds import AddressBook
from .words import at_text, name, with_priority

FORGET = 60.0  # seconds without any announcement after which a mute master's claim is no longer held to stand


def announced(docket: Docket, router: Book, component: Component, book: AddressBook, mac: bytes, now: float) -> None:
    """A MAC announced an address that the component's holder advertises."""
    holder = component.holder
    if holder is None or holder.since is None or not holder.live(now) or is_virtual_mac(mac):
        return
    segment = router.router.segment
    for other, shared in docket.component_books(segment, book.address):
        for member in shared.members:
            known = mac in docket.macs_of(segment, member)
            speaks = member.since is not None or (other is router and _just_left(member, now))
            if known and speaks:
                return  # its adverts are heard: a contention, here or under another VRID
    after = now - holder.last
    if after > ANSWER_LIMIT and now - (holder.since or now) <= delta(holder.interval):
        return
    mute = router.mutes.get(mac)
    if mute is None or mute.claimant is not holder:
        if len(router.mutes) >= 8:
            return
        mute = router.mutes[mac] = Mute(mac, book.address, holder, now, holder.count)
    mute.last = now
    if after <= ANSWER_LIMIT and mute.answered_at != holder.last:
        mute.answered_at = holder.last
        mute.answers += 1
    if mute.pending is None:
        mute.pending = now
    router.hush()


def _just_left(member: Claimant, now: float) -> bool:
    """It yielded or resigned a moment ago: its late announcements are leftovers, not a claim."""
    return member.ended in ("yielded", "resigned") and now - member.last <= 6.0 + member.lapse


def spoke(docket: Docket, router: Book, claimant: Claimant, now: float) -> None:
    """A claimant advertised: announcements that waited for it count, and a mute master that speaks is none."""
    segment = router.router.segment
    for mac, mute in list(router.mutes.items()):
        if mute.claimant is claimant:
            if mute.pending is not None and now - mute.pending <= 2 * claimant.interval:
                mute.strikes += 1
                _strike(docket, router, mute, now)
            mute.pending = None
            if now - mute.last > max(FORGET, 10 * claimant.interval):
                _close(router, mac, mute.last)
        elif mac in docket.macs_of(segment, claimant):
            _speaks(router, mute, claimant, now)


def _speaks(router: Book, mute: Mute, claimant: Claimant, now: float) -> None:
    """The mute one speaks: what stood against it becomes part of the contention, or is over."""
    del router.mutes[mute.mac]
    record = mute.record
    if record is None:
        return
    for contention in router.contentions.values():
        if contention.record is not None and {contention.first, contention.second} == {claimant, mute.claimant}:
            joined = contention.record
            joined.start = min(joined.start, record.start)
            joined.suspected = min(joined.suspected or now, record.suspected or now)
            if record.confirmed is not None:
                joined.confirmed = min(joined.confirmed or now, record.confirmed)
                joined.cls = "split_brain"
            router.drop(record)
            return
    if record.confirmed is None:
        router.drop(record)
    else:
        router.close(record, now)


def claim_ended(router: Book, now: float) -> None:
    """Close what stands against claimants whose claim is over."""
    for mac, mute in list(router.mutes.items()):
        if mute.claimant.since is None:
            _close(router, mac, mute.claimant.last)


def _close(router: Book, mac: bytes, at: float) -> None:
    mute = router.mutes.pop(mac)
    if mute.record is not None:
        router.close(mute.record, at)


def _strike(docket: Docket, router: Book, mute: Mute, now: float) -> None:
    record = _open(docket, router, mute, now)
    if mute.strikes >= 2 and record.confirmed is None:
        record.confirmed = now
        record.cls = "split_brain"
    record.last = now
    record.until = mute.last
    router.seen(record)
    _decide(docket, router, mute, record)


def _open(docket: Docket, router: Book, mute: Mute, now: float) -> Record:
    if mute.record is not None:
        return mute.record
    former = owner_of(docket, router, mute.mac)
    start = mute.first
    if former is not None and former.last_claim and mute.claimant.since is not None:
        start = mute.claimant.since  # it held the address before, and never stopped
    record = Record("mute", "split_brain_suspected", None, start, suspected=now, last=now)
    record.addresses = frozenset((mute.address,))
    record.masters = [name(mute.claimant), name(former) if former is not None else mac_text(mute.mac)]
    mute.record = router.add(record, docket.caps.episodes_per_router)
    router.count(record)
    for old in list(router.episodes):  # the takeover that looked clean was the beginning of the overlap
        if old.kind == "handover" and old.end == start and name(mute.claimant) == old.masters[-1]:
            router.drop(old)
    for old in list(router.open):  # what ARP alone made of the same second owner
        if old.kind == "owners" and old.facts.get("mac") == mac_text(mute.mac):
            router.drop(old)
    return record


def owner_of(docket: Docket, router: Book, mac: bytes) -> Claimant | None:
    """The claimant of this router whose host has this MAC, or None."""
    for claimant in router.router.claimants.values():
        if mac in docket.macs_of(router.router.segment, claimant):
            return claimant
    return None


def _decide(docket: Docket, router: Book, mute: Mute, record: Record) -> None:
    claimant = mute.claimant
    adverts = max(1, claimant.count - mute.began)
    who = record.masters[-1]
    record.blamed = [who]
    record.evidence.clear()
    former = owner_of(docket, router, mute.mac)
    kinds = visible(former, claimant, record.last) if former is not None and former is not claimant else ()
    if former is not None and kinds:
        record.cause, record.confidence, record.candidates = kinds[0], "likely", ("firewall_output",)
        record.say(f"{name(former)} and {name(claimant)} disagree: {describe(kinds[0], former, claimant)}")
    elif _is_unicast_peer(docket, router, mute):
        record.cause, record.confidence, record.candidates = "transport_mismatch", "proved", ()
        record.blamed = [who]
        record.say(
            f"{name(claimant)} sends its adverts to {who} by unicast, and no advert of {who} comes back: "
            f"its unicast_peer is wrong or missing"
        )
    elif mute.answers * 2 >= adverts:
        record.cause, record.confidence, record.candidates = "firewall_output", "proved", ()
        record.say(
            f"{who} announced {text(mute.address)} within 5 ms of {mute.answers} of {adverts} adverts of "
            f"{with_priority(claimant)}, and none of its own adverts is heard: it hears, but cannot send"
        )
    else:
        record.cause, record.confidence = "firewall_output", "possible"
        record.candidates = ("suppressed", "one_way_path")
    record.say(
        f"{who} ({mac_text(mute.mac)}) announces {text(mute.address)}, last at {at_text(mute.last)}, while "
        f"{with_priority(claimant)} advertises it"
    )


def _is_unicast_peer(docket: Docket, router: Book, mute: Mute) -> bool:
    for destination in mute.claimant.destinations:
        if not is_group(destination):
            known = docket.owners_of.get((router.router.segment, destination), {})
            if mute.mac in known:
                return True
    return False


def doubled(
    docket: Docket,
    router: Book,
    component: Component,
    book: AddressBook,
    owners: dict[bytes, int],
    start: float,
    now: float,
    proved: bool,
) -> bool:
    """Two hosts answered: when the second one has announced the address since the holder's claim, it is a master."""
    holder = component.holder
    if holder is None or holder.since is None:
        return False
    for mac in owners:
        if is_virtual_mac(mac) or mac in docket.macs_of(router.router.segment, holder):
            continue
        mute = router.mutes.get(mac)
        if mute is None and not book.burst(mac, holder.since + delta(holder.interval)):
            continue
        if mute is None:
            if len(router.mutes) >= 8:
                continue
            mute = router.mutes[mac] = Mute(mac, book.address, holder, start, holder.count, last=start)
        record = _open(docket, router, mute, now)
        record.last = now
        if proved and record.confirmed is None:
            record.confirmed, record.cls = now, "split_brain"
        _decide(docket, router, mute, record)
        record.say(f"{sum(owners.values())} hosts answered one request for {text(book.address)}")
        return True
    return False


def sole_owner(router: Book, book: AddressBook, mac: bytes) -> None:
    """Two rounds in a row with one owner: whoever was mute and is not that owner has given up."""
    for other, mute in list(router.mutes.items()):
        if mute.address == book.address and other != mac and not is_virtual_mac(mac):
            _close(router, other, max(mute.last, book.last_double))
