"""Binding of scripts, files, processes, BFD sessions and groups: what instances refer to."""

from __future__ import annotations

from vrrpcore.settings import (
    BfdInstance,
    Command,
    GarpGroup,
    Origin,
    TrackFile,
    TrackGroup,
    TrackProcess,
    TrackScript,
)
from vrrpwatch.keepalived_conf import value_lines
from vrrpwatch.keepalived_conf.bind import Binder, Entry, origin
from vrrpwatch.keepalived_conf.bind_host import user_exists
from vrrpwatch.keepalived_conf.findings import Severity
from vrrpwatch.keepalived_conf.nodes import Node
from vrrpwatch.keepalived_conf.shapes import ScriptLine, Weight


def script(binder: Binder, node: Node) -> TrackScript | None:
    """One vrrp_script; None (with a finding) when keepalived removes it."""
    name = binder.value_of(node.line, node.keyword) if node.keyword else None
    block = binder.read(node)
    if name is None:
        return None
    line: ScriptLine | None = block.get("script")
    if line is None:
        binder.tell(
            node.line,
            Severity.ERROR,
            "script-without-command",
            f"vrrp_script {name} has no script; keepalived removes it",
            'add script "COMMAND"',
            end_line=node.end_line,
        )
        return None
    entry = block.counts["script"]
    lost_arguments(binder, entry)
    interval, timeout = block.get("interval", 1), block.get("timeout", 0)
    for field, value in (("interval", interval), ("timeout", timeout)):
        if block.has(field) and value == 0:
            binder.warn(block.line(field), "invalid-value", f"{field} 0 is taken as 1", f"write {field} 1", exit_code=5)
    if timeout and timeout > interval:
        binder.note(
            block.line("timeout"),
            "timeout-above-interval",
            "the timeout is longer than the interval: runs are skipped meanwhile",
        )
    user, group = block.get("user", ("", ""))
    if block.has("user"):
        user_exists(binder, block.counts["user"], user, group)
    weight: Weight = block.get("weight", Weight(0))
    return TrackScript(
        name,
        Command(line.words, user, group, origin(entry.line)),
        float(max(1, interval)),
        float(max(1, timeout) if block.has("timeout") else 0),
        weight.weight,
        bool(weight.reverse),
        block.get("rise", 1),
        block.get("fall", 1),
        block.has("init_fail"),
        origin(node.line),
    )


def lost_arguments(binder: Binder, entry: Entry) -> None:
    """`script /bin/pidof nginx` without quotation marks runs /bin/pidof alone."""
    trailing = entry.value.trailing
    if trailing:
        whole = " ".join((*entry.value.words, *trailing))
        binder.error(
            entry.line,
            "arguments-lost",
            f"{entry.keyword.name} takes one word or quotation: '{' '.join(trailing)}' is ignored",
            f'write {entry.keyword.name} "{whole}"',
        )


def track_file(binder: Binder, node: Node) -> TrackFile | None:
    """One track_file."""
    name = binder.value_of(node.line, node.keyword) if node.keyword else None
    block = binder.read(node)
    if name is None:
        return None
    if not block.has("file"):
        binder.tell(
            node.line,
            Severity.ERROR,
            "track-file-without-file",
            f"track_file {name} has no file; keepalived removes it",
            "add file PATH",
            end_line=node.end_line,
        )
        return None
    weight: Weight = block.get("weight", Weight(1))
    value, overwrite = block.get("init", (None, False))
    return TrackFile(name, block.get("file"), weight.weight, bool(weight.reverse), value, overwrite, origin(node.line))


def process(binder: Binder, node: Node) -> TrackProcess | None:
    """One vrrp_track_process."""
    name = binder.value_of(node.line, node.keyword) if node.keyword else None
    block = binder.read(node)
    if name is None:
        return None
    if not block.has("process"):
        binder.tell(
            node.line,
            Severity.ERROR,
            "process-without-name",
            f"track process {name} names no process; keepalived removes it",
            "add process NAME",
            end_line=node.end_line,
        )
        return None
    words = block.get("process")
    weight: Weight = block.get("weight", Weight(0))
    quorum, most = block.get("quorum", 1), block.get("quorum_max")
    if most is not None and quorum > most and (most or block.has("quorum")):
        binder.error(
            block.line("quorum_max"),
            "invalid-value",
            f"quorum_max {most} is below quorum {quorum}; it is ignored",
            "exchange them",
        )
        most = None
    both = block.get("delay", 0.0)
    match = block.get("param_match", "exact" if len(words) > 1 else "")
    return TrackProcess(
        name,
        words[0],
        tuple(words[1:]),
        match,
        weight.weight,
        bool(weight.reverse),
        0 if most == 0 else quorum,
        most,
        block.get("fork_delay", both),
        block.get("terminate_delay", both),
        block.has("full_command") or bool(match),
        origin(node.line),
    )


def bfd(binder: Binder, node: Node) -> BfdInstance | None:
    """One bfd_instance."""
    name = binder.value_of(node.line, node.keyword) if node.keyword else None
    block = binder.read(node)
    if name is None:
        return None
    neighbor, source = block.get("neighbor"), block.get("source")
    if neighbor is None:
        binder.tell(
            node.line,
            Severity.ERROR,
            "bfd-without-neighbor",
            f"bfd_instance {name} has no neighbor_ip; keepalived drops it",
            "add neighbor_ip ADDRESS",
            end_line=node.end_line,
        )
        return None
    if source is not None and len(source) != len(neighbor):
        binder.error(
            block.line("source"),
            "address-family",
            "source_ip and neighbor_ip are of different families; keepalived drops the session",
            "use one family",
        )
        return None
    weight: Weight = block.get("weight", Weight(0))
    ttl = block.get("ttl", 255 if len(neighbor) == 4 else 64)
    if block.get("max_hops", 0) > ttl:
        binder.error(
            block.line("max_hops"), "invalid-value", "max_hops is above ttl; ttl is used", f"write max_hops {ttl}"
        )
    only = block.has("vrrp") != block.has("checker")
    return BfdInstance(
        name,
        neighbor,
        source,
        block.get("min_rx", 10.0),
        block.get("min_tx", 10.0),
        block.get("idle_tx", 1000.0),
        block.get("multiplier", 5),
        block.has("passive"),
        ttl,
        min(ttl, block.get("max_hops", 0)),
        block.has("multihop"),
        weight.weight,
        bool(weight.reverse),
        not only or block.has("vrrp"),
        not only or block.has("checker"),
        origin(node.line),
    )


def track_group(binder: Binder, node: Node) -> TrackGroup | None:
    """One track_group."""
    name = binder.value_of(node.line, node.keyword) if node.keyword else None
    block = binder.read(node)
    members = tuple(word.text for _, word in value_lines.names(block.children("group")))
    if name is None:
        return None
    if not members:
        binder.tell(
            node.line,
            Severity.WARNING,
            "empty-group",
            f"track_group {name} has no members",
            "name instances in group { }",
            end_line=node.end_line,
        )
    return TrackGroup(name, members, origin(node.line))


def garp_group(binder: Binder, node: Node, taken: dict[str, Origin]) -> GarpGroup | None:
    """One garp_group; `taken`: interfaces that have one already."""
    block = binder.read(node)
    words = value_lines.names(block.children("interfaces"))
    if block.has("interface"):
        entry = block.counts["interface"]
        words.insert(0, (entry.line, entry.line.words[1]))
    elif not words:
        binder.tell(
            node.line,
            Severity.WARNING,
            "empty-group",
            "garp_group names no interface",
            "add interface NAME",
            end_line=node.end_line,
            exit_code=0,
        )
    interfaces = []
    for line, word in words:
        if word.text in taken:
            binder.error(
                line,
                "repeated-value",
                f"{word.text} is in the garp_group of line {taken[word.text].line} already; it is ignored",
                "remove it",
                word=word,
            )
            continue
        taken[word.text] = origin(line, word)
        interfaces.append(word.text)
    if not block.has("garp_interval") and not block.has("gna_interval"):
        binder.tell(
            node.line,
            Severity.ERROR,
            "garp-group-without-interval",
            "garp_group sets no interval; keepalived removes it",
            "add garp_interval SECONDS",
            end_line=node.end_line,
        )
        return None
    return GarpGroup(
        tuple(interfaces), block.get("garp_interval", 0.0), block.get("gna_interval", 0.0), origin(node.line)
    )
