"""Absolute deadlines in one queue. Pure.

Each client has one deadline at a time, which it may move at no cost: moving it later (a backup does so with every
advert that it follows) leaves the old entry in the heap, which is corrected when it comes up.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from math import inf
from typing import Generic, Protocol, TypeVar


class Timed(Protocol):
    """What the queue needs of a client."""

    deadline: float  # when it wants to be called; inf: never
    armed: float  # the queue's own: the entry that stands for it in the heap; inf: none
    hurry: bool  # may be called a little before its deadline


Client = TypeVar("Client", bound=Timed)


class TimerQueue(Generic[Client]):
    """Clients by deadline. `armed` of a new client must be inf."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Client]] = []
        self._serial = 0

    def arm(self, client: Client) -> None:
        """Take note of the client's deadline; needed only when it may have moved to an earlier time."""
        deadline = client.deadline
        if deadline < client.armed:
            client.armed = deadline
            self._serial += 1
            heapq.heappush(self._heap, (deadline, self._serial, client))

    def next(self) -> float:
        """The earliest entry: not later than any deadline, maybe earlier."""
        return self._heap[0][0] if self._heap else inf

    def due(self, now: float, early: float = 0.0) -> Iterator[Client]:
        """Clients whose deadline is reached, earliest first, and those that may be `early` by so many seconds: one
        wake-up then does the work of several. Each is to be armed again by the caller."""
        heap = self._heap
        until = now + early
        kept: list[Client] = []
        while heap and heap[0][0] <= until:
            when, _, client = heapq.heappop(heap)
            if when != client.armed:
                continue  # an entry that was overtaken by an earlier one
            client.armed = inf
            if client.deadline <= now or (client.hurry and client.deadline <= until):
                yield client
            else:
                kept.append(client)
        for client in kept:
            self.arm(client)
