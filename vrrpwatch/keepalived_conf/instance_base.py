"""What all parts of an instance's binding share: the draft, what it inherits, and how findings are told."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from vrrpcore.settings import (
    GarpGroup,
    GlobalDefs,
    Route,
    Rule,
    UnicastPeer,
    VirtualAddress,
)
from vrrpwatch.keepalived_conf.bind import Binder, Block
from vrrpwatch.keepalived_conf.findings import Severity
from vrrpwatch.keepalived_conf.nodes import Line, Node
from vrrpwatch.keepalived_conf.track_lines import TrackKind


@dataclass(slots=True)
class Context:
    """What instances inherit from the rest of the file."""

    global_defs: GlobalDefs
    track_kinds: tuple[TrackKind, ...]
    garp_groups: tuple[GarpGroup, ...]
    group_of: dict[str, tuple[str, bool, bool | None]]  # instance -> (group, keeps weights, notify_priority_changes)
    vmac_names: set[str] = field(default_factory=set)  # virtual interfaces of the instances before


@dataclass(slots=True)
class Draft:
    """An instance under construction."""

    block: Block
    family: int = 0
    version: int = 0
    source: bytes | None = None
    group: bytes | None = None
    peers: list[UnicastPeer] = field(default_factory=list)
    addresses: list[tuple[Line, VirtualAddress]] = field(default_factory=list)
    excluded: list[tuple[Line, VirtualAddress]] = field(default_factory=list)
    routes: list[Route] = field(default_factory=list)
    rules: list[Rule] = field(default_factory=list)
    found: dict[str, Any] = field(default_factory=dict)


class InstancePart:
    """One vrrp_instance block with its binder; the parts of the binding inherit from it."""

    def __init__(self, binder: Binder, node: Node, context: Context) -> None:
        self._binder, self._node, self._context = binder, node, context
        self._globals = context.global_defs
        self._name = ""

    def _whole(self, severity: Severity, code: str, message: str, fix: str, exit_code: int = 5) -> None:
        self._binder.tell(
            self._node.line, severity, code, message, fix, exit_code=exit_code, end_line=self._node.end_line
        )

    def _at(self, draft: Draft, name: str, code: str, message: str, fix: str, exit_code: int = 5) -> None:
        self._binder.warn(draft.block.line(name), code, message, fix, exit_code=exit_code)

    def _at_end(self, draft: Draft, name: str, code: str, message: str, fix: str) -> None:
        """As `_at`, of something that keepalived notices only at the block's end: the range reaches there."""
        line, end = draft.block.line(name), self._node.end_line
        self._binder.tell(line, Severity.WARNING, code, message, fix, end_line=end)

    def _tried(self, *keywords: str) -> bool:
        """Whether a line is there, though its value was refused (which has been told)."""
        return any(child.line.head in keywords and child.keyword is not None for child in self._node.children)

    def _tried_values(self, keyword: str) -> bool:
        """Whether a block has lines, though all were refused."""
        return any(child.values for child in self._node.children if child.line.head == keyword)
