"""Wires merged into one stream of records in the order of the kernel's timestamps.

`poll(timeout)` returns what has arrived, so that the caller's clock goes on without frames. Interfaces may go down,
vanish and come back: each is looked up again once a second, and what happened is said in `counters.notes` and `up`.
"""

from __future__ import annotations

import errno
import os
import select
import time
from collections.abc import Iterable, Mapping
from operator import attrgetter
from typing import Final

from vrrpcore import wires
from vrrpcore.cbpf import chooser, encode, share_filter, vrrp_filter
from vrrpcore.errors import SourceError
from vrrpcore.membership import Joined, memberships
from vrrpcore.records import ETHERNET, RAW, Link, Record, SourceCounters
from vrrpcore.values import value

from .interfaces import Interface, choose, interfaces, segment_name

#: With more interfaces than this one socket listens to all; a ring is 16 MiB for up to two, 4 MiB for up to eight.
_OWN_SOCKETS: Final = 8
#: ARPHRD_ETHER, ARPHRD_LOOPBACK: frames begin with an Ethernet header.
_ETHERNET_HARDWARE: Final = (1, 772)
_CHECK_EVERY: Final = 1.0  # seconds between looks at the interfaces
#: A frame may reach its socket this much later than its timestamp says (a ring's block is held for RETIRE_MS).
_SETTLE: Final = 2.5 * wires.RETIRE_MS / 1000
#: Seconds after which a frame has surely reached its reader, if that one keeps up.
HANDED_OVER: Final = 0.05
_HELD_AT_MOST: Final = 50_000  # records that wait for older ones of another socket
_STEP: Final = 0.5  # seconds: a jump of CLOCK_REALTIME against CLOCK_MONOTONIC that is worth a remark


@value
class Share:
    """What one of several processes captures: `number` of `count` shares by VLAN; what is untagged is in share 0.

    Each socket's own filter passes its share alone, whatever else happens. Where the kernel can, the sockets of an
    interface are a PACKET_FANOUT group as well, so that a frame is shown to one of them only. `first` is the capture of
    share 0, whose groups the others join in the order of their numbers. Groups are for the sockets of the beginning:
    their order is that of joining, which later nobody could guarantee.
    """

    number: int = 0
    count: int = 1
    first: LiveCapture | None = None


class LiveCapture:
    """Listening on interfaces. Close it, or use it as a context manager."""

    def __init__(
        self,
        chosen: Iterable[Interface],
        *,
        promisc: bool = True,
        join: bool = True,
        segments: Mapping[str, str] | None = None,
        share: Share | None = None,
    ) -> None:
        self._share = share or Share()
        self.groups: dict[int, int] = {}  # by interface index: PACKET_FANOUT groups begun here
        self._beginning = True
        self.counters = SourceCounters()
        #: Group memberships as they were before this capture joined the groups of VRRP.
        self.memberships_before = memberships()
        self.links: dict[str, Link] = {}  # by interface name; a link keeps its segment when the interface returns
        self.up: dict[str, bool] = {}
        self.frames: dict[str, int] = {}  # by interface name: frames that passed the filter
        self.last_frame: dict[str, float] = {}  # by interface name: time of the last of them
        self._promisc, self._join, self._segments = promisc, join, dict(segments or {})
        self._indexes: dict[int, Link] = {}
        self._sockets: dict[int, wires.PacketSocket] = {}  # by interface index; 0 listens to all
        self._joined: dict[int, Joined] = {}
        self._dropped = 0  # by sockets that were closed
        self._held: list[Record] = []
        self._poll = select.poll()
        self._wake_read, self._wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._poll.register(self._wake_read, select.POLLIN)
        self._clock = time.time() - time.monotonic()
        self._checked = time.monotonic()
        chosen = list(chosen)
        ethernet = [i for i in chosen if i.hardware in _ETHERNET_HARDWARE]
        self._shared = len(ethernet) > _OWN_SOCKETS
        self._blocks = wires.BLOCK_COUNTS[0 if self._shared or len(ethernet) <= 2 else 1]
        try:
            if self._shared:
                self._open(0, cooked=False)
            for interface in chosen:
                self._attach(interface)
        except BaseException:
            self.close()
            raise
        self._beginning = False

    @property
    def memory(self) -> int:
        """Octets of kernel memory set aside for frames."""
        return sum(sock.memory for sock in self._sockets.values())

    @property
    def name(self) -> str:
        """What is listened to, for reports."""
        return ", ".join(self.links)

    def poll(self, timeout: float | None) -> list[Record]:
        """Records that arrived, in the order of their timestamps; waits up to `timeout` (at most 1) seconds for them.

        Returns nothing when the time is over, `wake` was called or an interface changed: call it in a loop.
        """
        self._look_after()
        if self._held:
            timeout = _SETTLE if timeout is None else min(timeout, _SETTLE)
        elif timeout is None or timeout > _CHECK_EVERY:
            timeout = _CHECK_EVERY
        ready = self._poll.poll(max(timeout, 0) * 1000)
        begun = time.time()
        for descriptor, _ in ready:
            if descriptor == self._wake_read:
                os.read(self._wake_read, 4096)
        batch = self._held
        batch.extend(self._receive({descriptor for descriptor, _ in ready}))
        batch.sort(key=attrgetter("time"))
        self._held = []
        if len(self._sockets) > 1:
            batch = self._settled(batch, begun)
        self.counters.frames += len(batch)
        for record in batch:
            self.frames[record.link.name] += 1
            self.last_frame[record.link.name] = record.time
        return batch

    def pump(self, timeout: float | None, ways: wires.Repeats, take: wires.Take) -> int:
        """Like `poll`, but frames go to `ways` or, when that declines, to `take`; gives their number.

        With one interface and its ring a repetition costs no record; else every frame goes to `take`, without a block.
        """
        index, sock = next(iter(self._sockets.items()), (0, None))
        if len(self._sockets) != 1 or index == 0 or self._held or not isinstance(sock, wires.RingSocket):
            batch = self.poll(timeout)
            for record in batch:
                take(record, b"", 0)
            return len(batch)
        self._look_after()
        wait = _CHECK_EVERY if timeout is None or timeout > _CHECK_EVERY else max(timeout, 0)
        ready = {descriptor for descriptor, _ in self._poll.poll(wait * 1000)}
        if self._wake_read in ready:
            os.read(self._wake_read, 4096)
        link = self._indexes.get(index)
        if link is None or self._sockets.get(index) is not sock or sock.fileno() not in ready:
            return 0
        try:
            count, last = sock.feed(link, ways, take)
        except OSError as error:
            self._gone(error)
            return 0
        if count:
            self.counters.frames += count
            self.frames[link.name] += count
            self.last_frame[link.name] = last
        return count

    def horizon(self) -> float:
        """Epoch seconds up to which every frame has been handed over: the judge's clock may go so far, and no further.

        A reader that falls behind must not take frames that wait in the kernel for silence.
        """
        waiting = [sock.newest for sock in self._sockets.values() if sock.behind]
        return min([time.time() - HANDED_OVER, *waiting])

    def _receive(self, ready: set[int]) -> list[Record]:
        found: list[Record] = []
        for sock in list(self._sockets.values()):
            if sock.fileno() not in ready:
                continue
            try:
                found.extend(sock.receive(self._indexes))
            except OSError as error:
                self._gone(error)
        return found

    def _gone(self, error: OSError) -> None:
        """An interface went down or vanished: have a look at all of them at once. Other errors are the user's."""
        if error.errno not in (errno.ENETDOWN, errno.ENODEV, errno.ENXIO):
            raise SourceError(f"{self.name}: {(error.strerror or str(error)).lower()}") from None
        self._checked = 0.0

    def _settled(self, batch: list[Record], begun: float) -> list[Record]:
        """Hold back the newest: another socket may still hand out an older frame. After a clock step nothing waits."""
        limit = min(begun - _SETTLE, self.horizon())
        cut = len(batch)
        while 0 < cut < _HELD_AT_MOST and limit < batch[cut - 1].time < begun + 1:
            cut -= 1
        self._held = batch[cut:]
        return batch[:cut]

    def drops(self) -> int:
        """Frames that the kernel had no room for; also kept in `counters.dropped`."""
        self.counters.dropped = self._dropped + sum(sock.dropped() for sock in self._sockets.values())
        return self.counters.dropped

    def heed(self, descriptor: int, wanted: bool = True) -> None:
        """Have `poll` return also when this descriptor can be read, or no longer."""
        if wanted:
            self._poll.register(descriptor, select.POLLIN)
        else:
            self._poll.unregister(descriptor)

    def resume(self) -> None:
        """Go on in this process where another one, which had inherited this capture as well, has stopped."""
        for sock in self._sockets.values():
            sock.resume()

    def wake(self) -> None:
        """Make `poll` return (from another thread or a signal handler)."""
        try:
            os.write(self._wake_write, b"\0")
        except BlockingIOError:
            pass  # it is about to return anyway

    def _look_after(self) -> None:
        """Once a second: interfaces that vanished, came back or changed, steps of the clock, drops."""
        now = time.monotonic()
        if now - self._checked < _CHECK_EVERY:
            return
        self._checked = now
        clock = time.time() - now
        if abs(clock - self._clock) > _STEP:
            self.counters.note(f"the system clock was stepped by {clock - self._clock:+.1f} s")
            self._clock = clock
        self.drops()
        known = interfaces()
        for name in self.links:
            interface = known.get(name)
            index = self._index_of(name)
            if index is not None and (interface is None or interface.index != index):
                self._detach(name, index)
            if interface is not None:
                if self._index_of(name) is None:
                    self._attach(interface)
                self._set_up(name, interface.up)

    def _index_of(self, name: str) -> int | None:
        return next((index for index, link in self._indexes.items() if link.name == name), None)

    def _set_up(self, name: str, up: bool) -> None:
        before = self.up.get(name)
        self.up[name] = up
        if before is None and not up:
            self.counters.note(f"interface {name} is down")
        elif before is not None and before != up:
            self.counters.note(f"interface {name} {'came back' if up else 'went down'} during the capture")

    def _attach(self, interface: Interface) -> None:
        """Listen to an interface that is there; a race with its removal is left to the next look."""
        name, index = interface.name, interface.index
        cooked = interface.hardware not in _ETHERNET_HARDWARE
        try:
            if cooked and self._share.number:
                pass  # no link layer, no VLANs: all of it is in share 0
            elif self._shared and not cooked:
                self._sockets[0].listen_on(index, self._promisc)
            else:
                self._open(index, cooked=cooked).listen_on(index, self._promisc)
        except OSError as error:
            if name not in self.links:
                raise SourceError(f"{name}: {(error.strerror or str(error)).lower()}") from None
            self._close_socket(index)
            return
        if name not in self.links:
            segment = self._segments.get(name) or self._segments.get("") or segment_name(interface)
            self.links[name] = Link(name, segment, RAW if cooked else ETHERNET)
            self.frames[name] = 0
        self._indexes[index] = self.links[name]
        if self._join:
            self._joined[index] = Joined(index)
            for failed in self._joined[index].failed:
                self.counters.note(f"{name}: cannot join {failed}")
        self._set_up(name, interface.up)

    def _open(self, index: int, *, cooked: bool) -> wires.PacketSocket:
        share = self._share
        shared = share.count > 1 and not cooked
        program = encode(share_filter(share.number, share.count) if shared else vrrp_filter(ethernet=not cooked))
        sock, remark = wires.open_socket(index, program, cooked=cooked, most=self._blocks)
        if remark:
            self.counters.note(remark)
        self._sockets[index] = sock
        self._poll.register(sock.fileno(), select.POLLIN)
        if shared and self._beginning:
            self._join_fanout(index, sock)
        return sock

    def _join_fanout(self, index: int, sock: wires.PacketSocket) -> None:
        """Without a group each socket is shown every frame, and its filter drops those of other shares."""
        first = self._share.first
        group = first.groups.get(index) if first is not None else None
        if first is not None and group is None:
            return  # it was refused there
        try:
            self.groups[index] = sock.join(group, encode(chooser(self._share.count)))
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            self.counters.note(f"no PACKET_FANOUT ({reason}): every process filters all frames for its own VLANs")

    def _detach(self, name: str, index: int) -> None:
        """The interface behind a name is gone (or is another one by now)."""
        self._indexes.pop(index, None)
        self._close_socket(index)
        joined = self._joined.pop(index, None)
        if joined:
            joined.close()
        self._set_up(name, False)

    def _close_socket(self, index: int) -> None:
        sock = self._sockets.pop(index, None)
        if sock is not None:
            self._dropped += sock.dropped()
            self._poll.unregister(sock.fileno())
            sock.close()

    def close(self) -> None:
        """Leave the groups and close all sockets."""
        for index in list(self._sockets):
            self._close_socket(index)
        for joined in self._joined.values():
            joined.close()
        self._joined = {}
        for descriptor in (self._wake_read, self._wake_write):
            if descriptor >= 0:
                os.close(descriptor)
        self._wake_read = self._wake_write = -1

    def __enter__(self) -> LiveCapture:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_live(
    names: Iterable[str] = (),
    *,
    promisc: bool = True,
    join: bool = True,
    segments: Mapping[str, str] | None = None,
    share: Share | None = None,
) -> LiveCapture:
    """Listen on the named interfaces, or on the default ones.

    `segments` maps interface names to names of broadcast domains (the key `""`: for all of them). Raises
    PermissionMissing without CAP_NET_RAW and SourceError (naming what exists) for an unknown interface.
    """
    return LiveCapture(choose(names), promisc=promisc, join=join, segments=segments, share=share)
