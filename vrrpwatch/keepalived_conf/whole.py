"""What only the whole file shows: instances that collide, groups whose members are missing, scripts nobody uses."""

from __future__ import annotations

from vrrpcore.addresses import text
from vrrpcore.settings import Instance, Origin, Route, Rule, Settings, VirtualAddress
from vrrpwatch.keepalived_conf.findings import Collector, Finding, Severity
from vrrpwatch.keepalived_conf.nodes import Node
from vrrpwatch.keepalived_conf.scripts import SECURITY, commands


def judge_whole(settings: Settings, tree: Node, collector: Collector) -> None:
    """Findings about the file as a whole."""
    judge = _Whole(settings, tree, collector)
    judge.virtual_router_ids()
    judge.shared_addresses()
    judge.sync_groups()
    judge.weights()
    judge.unused_scripts()
    judge.script_security()
    judge.bindings()
    judge.default_user()
    judge.own_users()
    judge.tracked_without_user()


class _Whole:
    def __init__(self, settings: Settings, tree: Node, collector: Collector) -> None:
        self._settings, self._tree, self._collector = settings, tree, collector
        self._needing: dict[str, str] = {}  # vrrp_script -> the user that it cannot do without
        self._ends = {child.line.at.line: child.end_line for child in tree.children}

    def _tell(self, where: Origin, severity: Severity, code: str, message: str, fix: str, exit_code: int = 5) -> None:
        file = where.file or (self._settings.files[0] if self._settings.files else "")
        line = max(1, where.line)
        self._collector.add(Finding(file, line, where.column, line, severity, code, message, fix, exit_code))

    def virtual_router_ids(self) -> None:
        """Two instances with one VRID on one interface hear each other."""
        seen: dict[tuple[object, ...], Instance] = {}
        for each in self._settings.instances:
            if each.unicast:
                continue
            key = (each.interface, each.family, each.vrid, each.multicast_group)
            first = seen.setdefault(key, each)
            if first is not each and each.interface:
                self._tell(
                    each.where("virtual_router_id"),
                    Severity.ERROR,
                    "repeated-vrid",
                    f"{first.name} and {each.name} both use VRID {each.vrid} with IPv{each.family} on {each.interface};"
                    " keepalived gives up on all instances",
                    "give one of them another virtual_router_id, on all routers",
                )
        self._unicast_ids()

    def _unicast_ids(self) -> None:
        pairs = [each for each in self._settings.instances if each.unicast and each.source_address]
        by_id: dict[tuple[object, ...], list[Instance]] = {}
        for each in pairs:
            for other in by_id.get((each.family, each.vrid, each.source_address, each.interface), [])[:20]:
                if {peer.address for peer in each.unicast_peers} & {peer.address for peer in other.unicast_peers}:
                    self._tell(
                        each.where("virtual_router_id"),
                        Severity.ERROR,
                        "repeated-vrid",
                        f"{other.name} and {each.name} use VRID {each.vrid} with the same peers; keepalived gives up on"
                        " all instances",
                        "give one of them another virtual_router_id, on all routers",
                    )
            by_id.setdefault((each.family, each.vrid, each.source_address, each.interface), []).append(each)

    def shared_addresses(self) -> None:
        """One address in two instances has two masters by design."""
        seen: dict[bytes, Instance] = {}
        for each in self._settings.instances:
            for address in (*each.addresses, *each.excluded_addresses):
                first = seen.setdefault(address.address, each)
                if first is not each:
                    self._tell(
                        address.origin,
                        Severity.WARNING,
                        "address-in-two-instances",
                        f"{text(address.address)} is also in {first.name}: each of the two elects a master of its own"
                        " for it",
                        "keep it in one instance",
                        0,
                    )

    def sync_groups(self) -> None:
        """Members that are not there, or in two groups; groups of one."""
        known = {each.name for each in self._settings.instances}
        taken: dict[str, str] = {}
        for group in self._settings.sync_groups:
            present = []
            for member in group.members:
                if member not in known:
                    self._tell(
                        group.origin,
                        Severity.ERROR,
                        "not-defined",
                        f"sync group {group.name}: there is no instance {member}; it is ignored",
                        "correct the name",
                    )
                elif member in taken:
                    self._tell(
                        group.origin,
                        Severity.ERROR,
                        "repeated-value",
                        f"{member} is in sync group {taken[member]} already; it is ignored in {group.name}",
                        "keep it in one group",
                    )
                else:
                    taken[member] = group.name
                    present.append(member)
            if len(present) == 1 and group.members:
                self._tell(
                    group.origin,
                    Severity.WARNING,
                    "group-of-one",
                    f"sync group {group.name} has only one instance, probably not what you want",
                    "add the other instances, or remove the group",
                )
            owners = {each.owner for each in self._settings.instances if each.name in present}
            if len(owners) == 2:
                self._tell(
                    group.origin,
                    Severity.WARNING,
                    "group-of-owners",
                    f"sync group {group.name}: some members have priority 255, some not; that cannot work",
                    "use priorities below 255",
                )

    def weights(self) -> None:
        """Weighted tracking that the owner or a sync group's member cannot have."""
        for each in self._settings.instances:
            group = self._settings.sync_group_of(each.name)
            why = (
                "it is the address owner"
                if each.owner
                else f"it is in sync group {group.name}"
                if group and not group.tracking_weight
                else ""
            )
            if not why:
                continue
            tracked = each.tracking
            for track in (*tracked.interfaces, *tracked.scripts, *tracked.files, *tracked.bfds):
                if track.weight:
                    counted = not each.owner and track in tracked.interfaces  # measured with 2.2.7
                    effect = "counts although keepalived says it does not" if counted else "does not count"
                    self._tell(
                        track.origin,
                        Severity.WARNING,
                        "weight-ignored",
                        f"{each.name}: the weight of {track.name} {effect}, since {why}",
                        "write weight 0, or track it in the sync group",
                    )

    def unused_scripts(self) -> None:
        """vrrp_script blocks that nobody tracks never run."""
        used = {
            word.text
            for node in self._tree.children
            for inner in node.children
            if inner.line.head == "track_script"
            for line in inner.values
            for word in line.words[:1]
        }
        for script in self._settings.scripts:
            if script.name not in used:
                self._tell(
                    script.origin,
                    Severity.WARNING,
                    "script-not-used",
                    f"vrrp_script {script.name} is tracked by nobody and never runs",
                    "add it to a track_script block",
                    0,
                )

    def script_security(self) -> None:
        """Scripts without enable_script_security: keepalived complains where they exist (`scripts.on_this_host`)."""
        if self._settings.global_defs.script_security:
            return
        places = [each.origin for each, _ in commands(self._settings) if each.origin.line]
        if not places:
            return
        self._tell(
            min(places),
            Severity.WARNING,
            SECURITY,
            "scripts run without enable_script_security: one that others can write runs as root",
            "add script_user USER and enable_script_security to global_defs",
            0,
        )

    def bindings(self) -> None:
        """Names that refer to nothing."""
        groups = {each.name: each for each in self._settings.track_groups}
        known = {each.name for each in self._settings.instances}
        static: tuple[VirtualAddress | Route | Rule, ...]
        static = (*self._settings.addresses, *self._settings.routes, *self._settings.rules)
        for each in static:
            if each.track_group and each.track_group not in groups:
                self._tell(
                    each.origin,
                    Severity.ERROR,
                    "not-defined",
                    f"there is no track_group {each.track_group}; it is ignored",
                    "define it above",
                )
        for group in groups.values():
            for member in group.members:
                if member not in known:
                    self._tell(
                        group.origin,
                        Severity.WARNING,
                        "not-defined",
                        f"track_group {group.name}: there is no instance {member}",
                        "correct the name",
                        0,
                    )
        daemon = self._settings.global_defs.lvs_sync_daemon
        if daemon is not None and daemon.instance and daemon.instance not in known:
            where = self._settings.global_defs.origins.get("lvs_sync_daemon", self._settings.global_defs.origin)
            self._tell(
                where,
                Severity.ERROR,
                "not-defined",
                f"lvs_sync_daemon: there is no instance {daemon.instance}; it stays off",
                "correct the name",
            )

    def default_user(self) -> None:
        """Scripts without a user of their own run as script_user, else keepalived_script, which must exist."""
        defs = self._settings.global_defs
        asked = bool(defs.script_user)
        if asked and defs.script_user == "root" and defs.script_group in ("", "root"):
            return
        if not asked and not defs.script_security:
            return
        user = " ".join(filter(None, (defs.script_user, defs.script_group))) or "keepalived_script"
        why = f"runs as {user}, which" if asked else f"no script_user is set: user {user}"
        fix = "" if asked else "add script_user USER to global_defs"
        pending = list(self._tree.children)
        while pending:
            node = pending.pop()
            pending.extend(node.children)
            if node.keyword is None or not self._runs_as_default(node):
                continue
            if node.line.head == "vrrp_script" and node.parameters:
                self._needing[node.parameters[0].text] = user
            at = node.line.at
            message = f"{why} must exist, else keepalived drops this script"
            end = max(at.line, node.end_line)
            self._collector.add(Finding(at.file, at.line, at.column, end, Severity.NOTE, "needs-user", message, fix))

    def own_users(self) -> None:
        """Scripts with a user of their own: keepalived drops them, and what tracks them, without that user."""
        for script in self._settings.scripts:
            user, group = script.command.user, script.command.group
            if user not in ("", "root", "nobody") or group not in ("", "root", "nobody", "nogroup"):
                self._needing[script.name] = " ".join(filter(None, (user, group)))

    def tracked_without_user(self) -> None:
        """Lines of track_script whose script keepalived may have dropped: it says so there, too."""
        for node in self._tree.children:
            for inner in node.children:
                if inner.line.head != "track_script":
                    continue
                for line in inner.values:
                    user = self._needing.get(line.head)
                    if user:
                        message = f"keepalived finds {line.head} only if its user exists ({user})"
                        where = Origin(line.at.file, line.at.line, line.at.column)
                        self._tell(where, Severity.NOTE, "needs-user", message, "", 0)

    @staticmethod
    def _runs_as_default(node: Node) -> bool:
        name = node.line.head
        if name in ("vrrp_script", "MISC_CHECK"):
            return not any(child.line.head == "user" for child in node.children)
        return name.startswith(("notify", "quorum_")) and node.keyword is not None and not node.keyword.is_block
