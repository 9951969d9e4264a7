"""What every source of frames yields: (kernel timestamp, link, direction, frame); wires and files alike. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, NamedTuple

from vrrpcore.values import value

#: Link types of <https://www.tcpdump.org/linktypes.html> that the codec takes apart.
ETHERNET: Final = 1
RAW: Final = 101
SLL: Final = 113
IPV4: Final = 228
IPV6: Final = 229
SLL2: Final = 276
#: DLT_RAW had other numbers on other systems, and files were written with them: 12 (BSD, Linux), 14 (OpenBSD).
RAW_ALIASES: Final = (12, 14)
SUPPORTED: Final = frozenset((ETHERNET, RAW, *RAW_ALIASES, IPV4, IPV6, SLL, SLL2))


@value
class Link:
    """Where a frame was captured: one interface of one sensor, or one interface of a capture file."""

    name: str  # interface name, or the file's link name
    segment: str  # broadcast domain without the VLAN, as users name it
    linktype: int = ETHERNET  # LINKTYPE_ number


class Record(NamedTuple):
    """One captured frame. A frame's domain is `segment_of(link.segment, vlans + the tags inside the frame)`."""

    time: float  # epoch seconds, the kernel's (or the file's) timestamp
    link: Link
    outgoing: bool  # sent by this host itself (sockaddr_ll packet type 4, or the file says so)
    frame: bytes  # from the link-layer header on; may be cut by the snap length
    vlans: tuple[int, ...] = ()  # ids of tags that the kernel took off the frame, outermost first


@dataclass(slots=True)
class SourceCounters:
    """What a source has to say about itself; cumulative."""

    frames: int = 0  # records yielded
    dropped: int = 0  # lost by the kernel before we could read them (or by the capture that wrote the file)
    truncated: int = 0  # records cut by the snap length
    unsupported: int = 0  # records of link types that we do not parse
    notes: list[str] = field(default_factory=list)  # one-line remarks, each once

    def note(self, text: str, limit: int = 50) -> None:
        """Add a one-line remark unless it was made before; at most `limit` of them."""
        if text not in self.notes and len(self.notes) < limit:
            self.notes.append(text)


@lru_cache(maxsize=65536)
def segment_of(segment: str, vlans: tuple[int, ...]) -> str:
    """`("10.9.0.0/24", (100,))` -> `"10.9.0.0/24.100"`; VLAN id 0 is a priority tag and no other domain."""
    return ".".join((segment, *(str(vlan) for vlan in vlans if vlan)))
