"""The daemon as `run --watch` has it beside the speaker: a line to the supervisor, an informer, a witness."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from vrrpcore.records import Record
from vrrpcore.settings import Instance
from vrrpcore.speaker.process import Reports, received
from vrrpwatch.capture import LiveCapture
from vrrpwatch.probes import Prober

from .informer import Informer
from .sensor import Board
from .witness import Witness

_SPACING: Final = 0.05  # seconds between two questions for one address (see machine.proof.ANSWERED)


@dataclass(frozen=True, slots=True)
class Line:
    """What the supervisor gives: our end of a pair of datagram sockets, and the instances that may yield on proof."""

    end: socket.socket
    yielding: tuple[Instance, ...] = ()


class Beside:
    """`turn` is called by the capture loop, `keep` for every frame where there is one to keep."""

    def __init__(self, line: Line, capture: LiveCapture, board: Board) -> None:
        self._end = line.end
        say = Reports(line.end)
        self._informer = Informer(
            board, say, lambda segment: tuple(n for n, link in capture.links.items() if link.segment == segment)
        )
        # asked for by interface: proof must come by the very one that the instance is on
        self._prober = Prober(lambda: [replace(link, segment=link.name) for link in capture.links.values()], _SPACING)
        self._witness = Witness(line.yielding, say, self._prober.mac)
        self.keep: Callable[[Record], None] | None = self._witness.take if line.yielding else None

    def turn(self, virtual: set[bytes]) -> None:
        """Hear the supervisor, ask what is to be asked; `virtual` addresses are never senders."""
        self._witness.obey(received(self._end))
        self._prober.ask(self._witness.questions(), virtual)

    def start(self) -> None:
        """Begin to inform."""
        self._informer.start()

    def stop(self) -> None:
        """End."""
        self._informer.stop()
        self._prober.close()
