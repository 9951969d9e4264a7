"""Reading a keepalived.conf: files in, Settings and findings out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar

from vrrpcore.settings import GlobalDefs, Origin, Settings, SyncGroup
from vrrpwatch.keepalived_conf import (
    bind_group,
    bind_host,
    bind_instance,
    bind_server_groups,
    bind_servers,
    bind_things,
    routes,
    rules,
    value_lines,
)
from vrrpwatch.keepalived_conf.bind import Binder, Block, origin
from vrrpwatch.keepalived_conf.findings import Collector, Finding, Severity
from vrrpwatch.keepalived_conf.lines import LineReader, LogicalLine
from vrrpwatch.keepalived_conf.nodes import Node, prepare
from vrrpwatch.keepalived_conf.sources import Library
from vrrpwatch.keepalived_conf.structure import TreeBuilder
from vrrpwatch.keepalived_conf.tables import ROOT
from vrrpwatch.keepalived_conf.track_lines import TrackKind
from vrrpwatch.keepalived_conf.whole import judge_whole

_T = TypeVar("_T")


@dataclass(slots=True)
class Reading:
    """Everything that one reading gave: the model, the findings, the files (for quoting lines) and the tree."""

    settings: Settings
    findings: list[Finding]
    library: Library
    tree: Node
    misread: frozenset[tuple[str, int]] = frozenset()  # (file, line) that keepalived takes for something else


def read(
    path: str, config_id: str = "", environment: Mapping[str, str] | None = None
) -> tuple[Settings, list[Finding]]:
    """Read a configuration; never raises for what is in it.

    `path` may be `-` for standard input; `config_id` is what `@id` lines compare with (default: the host's name up to
    its first dot); `environment` serves `${_ENV NAME}` (default: the process's).
    """
    reading = read_all(path, config_id, environment)
    return reading.settings, reading.findings


def read_all(path: str, config_id: str = "", environment: Mapping[str, str] | None = None) -> Reading:
    """As `read`, with the files and the tree."""
    collector, library = Collector(), Library()
    reader = LineReader(library, collector, config_id, environment)
    logical = list(reader.lines()) if reader.open(path) else []
    builder = TreeBuilder(prepare(logical, collector), ROOT, collector)
    tree = builder.build()
    misread = frozenset(builder.misread)
    settings = _Model(tree, collector, misread).settings(tuple(library.sources) or (path,))
    judge_whole(settings, tree, collector)
    _templates(logical, collector)
    _last_lines(library, collector)
    return Reading(settings, collector.sorted(settings.files), library, tree, misread)


def _templates(lines: Iterable[LogicalLine], collector: Collector) -> None:
    """Lines with a template that nothing else has told of."""
    for at in lines:
        if at.pieces:
            message = "this looks like a template that was never filled; keepalived takes its braces for a block"
            fix = "put the real value in its place, or fill the template first (envsubst, the container's start script)"
            collector.add(
                Finding(at.file, at.line, at.column, at.line, Severity.ERROR, "unfilled-placeholder", message, fix, 5)
            )


def _last_lines(library: Library, collector: Collector) -> None:
    """keepalived counts line ends: what it says of a last line without one, it says of the line before."""
    told = {(each.file, each.end_line) for each in collector.found() if each.exit_code}
    for name, source in library.sources.items():
        last = len(source.lines)
        if source.ends_open and last > 1 and (name, last) in told:
            message = f"the file ends without a line end: keepalived reports its last line as line {last - 1}"
            collector.add(
                Finding(
                    name, last - 1, 0, last, Severity.NOTE, "no-final-newline", message, "end the file with a newline"
                )
            )


class _Model:
    """Binds the tree in the order in which parts need each other."""

    def __init__(self, tree: Node, collector: Collector, misread: frozenset[tuple[str, int]]) -> None:
        self._tree, self._misread = tree, misread
        self._binder = Binder(collector)
        self._root: Block = self._binder.read(tree)
        self._names: dict[tuple[str, str], Node] = {}

    def _blocks(self, *names: str) -> list[Node]:
        return list(self._root.children(*names))

    def _unique(self, *names: str) -> Iterable[Node]:
        """Blocks with a name; keepalived skips a second one of the same name."""
        for node in self._blocks(*names):
            name = node.parameters[0].text if node.parameters else ""
            key = (names[0], name)
            if name and key in self._names:
                first = self._names[key].line.at.line
                self._binder.tell(
                    node.line,
                    Severity.ERROR,
                    "repeated-name",
                    f"{node.line.head} {name} is already defined on line {first}; keepalived skips this block",
                    "give it another name",
                    end_line=node.end_line,
                )
                continue
            self._names.setdefault(key, node)
            yield node

    def _all(self, bind: Callable[[Binder, Node], _T | None], nodes: Iterable[Node]) -> tuple[_T, ...]:
        """What a binding function makes of blocks, without those that keepalived drops."""
        return tuple(each for node in nodes if (each := bind(self._binder, node)) is not None)

    def settings(self, files: tuple[str, ...]) -> Settings:
        unique = self._unique
        defs = bind_host.global_defs(self._binder, self._blocks("global_defs"), self._root)
        scripts = self._all(bind_things.script, unique("vrrp_script"))
        tracked = self._all(bind_things.track_file, unique("track_file", "vrrp_track_file"))
        processes = self._all(bind_things.process, unique("vrrp_track_process"))
        sessions = self._all(bind_things.bfd, unique("bfd_instance"))
        kinds = (
            TrackKind("track_interface", "interface", None, 254, True),
            self._kind("track_script", "vrrp_script", scripts, 254, True),
            self._kind("track_file", "track_file", tracked, 254),
            self._kind("track_process", "vrrp_track_process", processes, 254),
            self._kind("track_bfd", "bfd_instance", sessions, 253),
        )
        taken: dict[str, Origin] = {}
        garp = self._all(lambda binder, node: bind_things.garp_group(binder, node, taken), self._blocks("garp_group"))
        groups = self._all(
            lambda binder, node: bind_group.sync_group(binder, node, kinds, defs), unique("vrrp_sync_group")
        )
        context = bind_instance.Context(defs, kinds, garp, _membership(groups))
        delays = [line for node in self._blocks("interface_up_down_delays") for line in node.values]
        return Settings(
            global_defs=self._with_linkbeat(defs),
            track_groups=self._all(bind_things.track_group, unique("track_group")),
            scripts=scripts,
            track_files=tracked,
            processes=processes,
            bfd_instances=sessions,
            garp_groups=garp,
            interface_delays=tuple(filter(None, (value_lines.delay(self._binder, line) for line in delays))),
            sync_groups=groups,
            instances=self._all(
                lambda binder, node: bind_instance.InstanceBinder(binder, node, context).bind(), unique("vrrp_instance")
            ),
            files=files,
            **self._balancing(defs),
            **self._static(),
            unused=tuple(self._binder.unused),
        )

    def _kind(self, block: str, what: str, things: Iterable[_Weighted], limit: int, clamp: bool = False) -> TrackKind:
        known, lost = {}, set()
        for each in things:
            known[each.name] = (each.weight, each.reverse, each.origin.line)
            if (each.origin.file, each.origin.line) in self._misread:
                lost.add(each.name)
        return TrackKind(block, what, known, limit, clamp, frozenset(lost))

    def _balancing(self, defs: GlobalDefs) -> dict[str, Any]:
        """Virtual servers and what belongs to them."""
        groups = self._all(bind_server_groups.server_group, self._blocks("virtual_server_group"))
        blocks = self._blocks("SSL")
        return {
            "virtual_server_groups": groups,
            "virtual_servers": self._all(
                lambda binder, node: bind_servers.ServerBinder(binder, node, defs, groups).bind(),
                self._blocks("virtual_server"),
            ),
            "ssl": bind_server_groups.ssl(self._binder, blocks[-1]) if blocks else None,
        }

    def _static(self) -> dict[str, Any]:
        binder = self._binder
        found = value_lines.addresses(binder, self._root.children("static_ipaddress"), "static_ipaddress", static=True)
        lines = {
            name: [line for node in self._blocks(name) for line in node.values]
            for name in ("static_routes", "static_rules")
        }
        return {
            "addresses": tuple(address for _, address in found),
            "routes": tuple(
                filter(None, (routes.route(binder, line, "static_routes") for line in lines["static_routes"]))
            ),
            "rules": tuple(filter(None, (rules.rule(binder, line, "static_rules") for line in lines["static_rules"]))),
        }

    def _with_linkbeat(self, defs: GlobalDefs) -> GlobalDefs:
        pairs = []
        for node in self._blocks("linkbeat_interfaces"):
            for line in node.values:
                kind = line.words[1].text if len(line.words) > 1 else ""
                if kind not in ("", "MII", "ETHTOOL", "IOCTL") or len(line.words) > 2:
                    self._binder.error(
                        line, "invalid-value", f"'{line.words[-1].text}' is not MII, ETHTOOL or IOCTL", "remove it"
                    )
                pairs.append((line.head, kind))
        return replace(defs, linkbeat_interfaces=tuple(pairs)) if pairs else defs


def _membership(groups: tuple[SyncGroup, ...]) -> dict[str, tuple[str, bool, bool | None]]:
    """Which sync group an instance is in (the first that names it), and what it inherits from there."""
    return {
        name: (group.name, group.tracking_weight, True if group.notify.priority_changes else None)
        for group in reversed(groups)
        for name in group.members
    }


class _Weighted(Protocol):
    """What can be tracked: its name, its own weight, where it is defined."""

    @property
    def name(self) -> str: ...
    @property
    def weight(self) -> int: ...
    @property
    def reverse(self) -> bool: ...
    @property
    def origin(self) -> Origin: ...


__all__ = ["Reading", "origin", "read", "read_all"]
