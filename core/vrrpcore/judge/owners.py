"""The judge's eye for ARP and ND: who answers for an address, who announces it, who is the second owner. Pure."""

from __future__ import annotations

from ..addresses import VRRP_GROUP4, VRRP_GROUP6, is_virtual_mac, mac_text, text
from ..frames import Arp, Frame, IpFacts, Membership, Neighbour
from ..tally import Claimant, Component, delta, is_group
from . import mutes, rivals, second
from .docket import AddressKey, Book, Docket
from .rounds import CLOSE, PROOF, AddressBook, Round
from .words import at_text, name

BROADCAST = b"\xff" * 6
SCAN = 0.2  # seconds between two looks through all addresses
PROBE_EVERY = 1.0  # seconds between two requests for one address while in doubt
STRANGERS = 1024  # announced addresses that no advert lists
HEARTBEAT = 30.0  # seconds between background rounds
DOUBT_AFTER_CHANGE = 10.0  # seconds during which a takeover or a first sight is doubt


class Owners:
    """Takes ARP, ND and membership reports, and keeps a book for each address that a router lists."""

    def __init__(self, docket: Docket) -> None:
        self.docket = docket
        self.books: dict[AddressKey, AddressBook] = {}
        self.strangers: dict[AddressKey, AddressBook] = {}  # announced, and listed by no advert (yet)
        self._scanned = 0.0
        self.wanted: set[AddressKey] = set()  # addresses that the user named

    # ---- what is heard ---------------------------------------------------------------------------------------

    def arp(self, now: float, segment: str, frame: Frame, arp: Arp) -> None:
        """One ARP message."""
        sender, target = arp.sender_ip, arp.target_ip
        gratuitous = sender == target and any(sender)
        broadcast = not frame.destination_mac or frame.destination_mac[0] & 1
        if gratuitous and (arp.operation == 1 or broadcast):
            self._announce(now, segment, sender, arp.sender_mac)
            return
        if arp.operation == 2:
            book = self._book(segment, sender)
            if book is not None:
                book.answer(now, arp.target_mac, arp.sender_mac)
            self.docket.learn(segment, arp.sender_mac, sender, now)
            return
        self.docket.learn(segment, arp.sender_mac, sender, now)
        if arp.operation == 1 and broadcast:
            self._ask(now, segment, target, arp.sender_mac)

    def neighbour(self, now: float, segment: str, frame: Frame, body: Neighbour, ip: IpFacts) -> None:
        """One Neighbour Solicitation or Advertisement."""
        if body.type == 135:
            self.docket.learn(segment, frame.source_mac, ip.source, now)
            if is_group(ip.destination):
                self._ask(now, segment, body.target, frame.source_mac)
            return
        owner = body.link_layer or frame.source_mac
        if not body.solicited and is_group(ip.destination):
            self._announce(now, segment, body.target, owner)
            return
        book = self._book(segment, body.target)
        if book is not None:
            book.answer(now, frame.destination_mac, owner)
        self.docket.learn(segment, owner, body.target, now)

    def membership(self, now: float, segment: str, frame: Frame, body: Membership, ip: IpFacts | None) -> None:
        """A report of group membership: a host that listens for adverts is a member, even when it never speaks."""
        host = self.docket.host(segment, frame.source_mac)
        if host is not None:
            if VRRP_GROUP4 in body.joined:
                host.member4 = now
            if VRRP_GROUP6 in body.joined:
                host.member6 = now
        if ip is not None:
            self.docket.learn(segment, frame.source_mac, ip.source, now)

    def _book(self, segment: str, address: bytes) -> AddressBook | None:
        """The book of an address that is our affair, or of one that somebody announced; else None."""
        key = (segment, address)
        book = self.books.get(key)
        if book is None and (key in self.docket.listed or key in self.wanted):
            if len(self.books) >= self.docket.caps.addresses:
                gone = next((k for k, b in self.books.items() if b.record is None), next(iter(self.books)))
                del self.books[gone]
            known = self.strangers.pop(key, None)
            book = self.books[key] = AddressBook(segment, address) if known is None else known
        return book or self.strangers.get(key)

    def all_books(self) -> list[AddressBook]:
        """Every address with a story, for the report."""
        for segment, address in self.docket.listed:
            if (segment, address) in self.strangers:
                self._book(segment, address)
        return [*self.books.values(), *(b for b in self.strangers.values() if b.records)]

    def _stranger(self, key: AddressKey) -> AddressBook:
        """A book for an address that is announced before, or without, any advert for it."""
        if len(self.strangers) >= STRANGERS:
            del self.strangers[next(iter(self.strangers))]
        book = self.strangers[key] = AddressBook(*key)
        return book

    def _ask(self, now: float, segment: str, address: bytes, asker: bytes) -> None:
        book = self._book(segment, address)
        if book is not None:
            fresh = book.ask(now, asker)
            if fresh is not None:
                self.docket.arm(now + CLOSE, fresh)

    def _announce(self, now: float, segment: str, address: bytes, mac: bytes) -> None:
        book = self._book(segment, address) or self._stranger((segment, address))
        book.announcements.append((now, mac))
        book.announcers[mac] = now
        if len(book.announcers) > 8:
            del book.announcers[min(book.announcers, key=lambda m: book.announcers[m])]
        for router, component in self.docket.component_books(segment, address):
            component.announced = now
            self._announced_for(now, book, router, component, mac)

    def _announced_for(self, now: float, book: AddressBook, router: Book, component: Component, mac: bytes) -> None:
        segment = router.router.segment
        for contention in list(router.contentions.values()):
            x, y = contention.top, None
            if x is not None:
                y = contention.other(x)
            first, newcomer = contention.first, contention.second
            if x is not None and y is not None and self._belongs(segment, mac, x, y):
                contention.announced(now)
            late = now - contention.began > delta(first.interval)
            rejected = contention.kinds and contention.kind != "collision"
            if rejected and late and self._belongs(segment, mac, first, newcomer):
                rivals.confirm(self.docket, router, contention, now)
                if contention.record is not None:
                    contention.record.say(f"{name(first)} still announced the address at {at_text(now)}")
            if contention.record is not None:
                contention.record.last = max(contention.record.last, now)
        mutes.announced(self.docket, router, component, book, mac, now)

    def _belongs(self, segment: str, mac: bytes, one: Claimant, other: Claimant) -> bool:
        """Whether a MAC is surely the one's and not the other's (a shared virtual MAC is nobody's)."""
        return mac in self.docket.macs_of(segment, one) and mac not in self.docket.macs_of(segment, other)

    # ---- closed rounds ---------------------------------------------------------------------------------------

    def due(self, now: float, asked: Round) -> None:
        """A round may be over; close it, or look again later."""
        if asked.due > now:
            self.docket.arm(asked.due, asked)
            return
        book = asked.book
        if book.rounds.get(asked.asker) is asked:
            del book.rounds[asked.asker]
        owners = asked.owners()
        book.closed += 1
        book.last_round = now
        if not owners:
            book.unanswered += 1
            return
        book.unanswered = 0
        book.owners = owners
        hosts = sum(owners.values())
        if hosts > sum(book.widest.values()) and not self._ambiguous(book, asked):
            book.widest = owners
        if hosts >= 2:
            if not self._ambiguous(book, asked):
                self._double(asked.start, now, book, owners)
        else:
            self._single(asked.start, now, book, next(iter(owners)))

    def _ambiguous(self, book: AddressBook, asked: Round) -> bool:
        """The address changed hands while the round was open: two owners, one after the other."""
        for _, component in self.docket.component_books(book.segment, book.address):
            if component.changes and asked.start - CLOSE <= component.changes[-1] <= asked.due:
                return True
        return False

    def _single(self, start: float, now: float, book: AddressBook, mac: bytes) -> None:
        book.singles += 1
        if mac not in book.sole:
            book.sole.append(mac)
        for router, component in self.docket.component_books(book.segment, book.address):
            self._holder_answers(start, now, router, {mac})
            if book.singles >= 2:
                self._sole_owner(now, router, component, mac)
        if book.singles >= 2:
            book.first_double = None
            second.ended(self.docket, book, now)
            for router, _ in self.docket.component_books(book.segment, book.address):
                mutes.sole_owner(router, book, mac)

    def _sole_owner(self, now: float, router: Book, component: Component, mac: bytes) -> None:
        """Two rounds in a row with one owner: a suppressed claim of another host has ended."""
        if is_virtual_mac(mac):
            return
        for member in component.members:
            if member.since is None or not member.suppressed:
                continue
            known = self.docket.macs_of(router.router.segment, member)
            if any(not is_virtual_mac(m) for m in known) and mac not in known:
                rivals.stop(self.docket, router, member, now, "no longer answered for the address")

    def _holder_answers(self, start: float, now: float, router: Book, macs: set[bytes]) -> None:
        """A holder that an incompatible newcomer silenced answers once more: both are masters."""
        for contention in list(router.contentions.values()):
            record = contention.record
            if record is None or record.confirmed is not None or not contention.kinds:
                continue
            if contention.kind == "collision" or start - contention.began <= delta(contention.first.interval):
                continue
            for mac in macs:
                if self._belongs(router.router.segment, mac, contention.first, contention.second):
                    rivals.confirm(self.docket, router, contention, now)
                    record.say(f"{name(contention.first)} still answered for the address at {at_text(start)}")

    def _double(self, start: float, now: float, book: AddressBook, owners: dict[bytes, int]) -> None:
        book.singles = 0
        if book.first_double is None:
            book.first_double = start
        book.last_double = start
        proved = start - book.first_double >= PROOF
        pairs = self.docket.component_books(book.segment, book.address)
        contended = False
        for router, _ in pairs:
            self._holder_answers(start, now, router, set(owners))
            for contention in list(router.contentions.values()):
                record = contention.record
                if record is None or contention.kind == "collision" or book.address not in record.addresses:
                    continue
                contended = True
                record.last = max(record.last, now)
                lasting = start - max(book.first_double, contention.began) >= PROOF
                if lasting and record.confirmed is None:
                    rivals.confirm(self.docket, router, contention, now)
                if proved:
                    macs = ", ".join(mac_text(m) for m in owners)
                    record.say(f"{sum(owners.values())} hosts answered one request for {text(book.address)} ({macs})")
        if contended:
            second.explained(pairs, book)
            return
        if any(
            mutes.doubled(self.docket, router, component, book, owners, start, now, proved)
            for router, component in pairs
        ):
            return
        second.judge(self.docket, book, pairs, owners, start, now, proved)

    # ---- probing ---------------------------------------------------------------------------------------------

    def probes(self, now: float) -> list[AddressKey]:
        """Addresses that should be asked for now: once a second while in doubt, else every 30 s."""
        if 0 <= now - self._scanned < SCAN:
            return []
        self._scanned = now
        wanted = []
        keys = list(self.docket.listed) + [k for k in self.wanted if k not in self.docket.listed]
        for key in keys:
            book = self._book(*key)
            if book is None:
                continue
            pace = PROBE_EVERY if self._in_doubt(now, book) else HEARTBEAT
            if now - book.asked >= pace:
                book.asked = now
                wanted.append(key)
        return wanted

    def _in_doubt(self, now: float, book: AddressBook) -> bool:
        if book.record is not None or book.closed < 2:
            return True
        for router, component in self.docket.component_books(book.segment, book.address):
            if router.open or router.contentions or router.mutes:
                return True
            if now - component.holder_since <= DOUBT_AFTER_CHANGE or now - router.router.first <= DOUBT_AFTER_CHANGE:
                return True
        return False
