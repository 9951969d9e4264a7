"""Binding of vrrp_instance and vrrp_sync_group: defaults, inheritance and keepalived's own corrections."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from vrrpcore.settings import (
    GarpGroup,
    GarpSchedule,
    GlobalDefs,
    Instance,
    Notify,
    Route,
    Rule,
    SyncGroup,
    Tracking,
    UnicastPeer,
    VirtualAddress,
    Vmac,
)
from vrrpwatch.keepalived_conf import routes, value_lines, values
from vrrpwatch.keepalived_conf.bind import Binder, Block, Entry, origin
from vrrpwatch.keepalived_conf.findings import Severity
from vrrpwatch.keepalived_conf.structure import Line, Node
from vrrpwatch.keepalived_conf.value_lines import TrackKind

UNICAST_KEYWORDS = (
    "unicast_peer",
    "unicast_src_ip",
    "unicast_fault_no_peer",
    "check_unicast_src",
    "old_unicast_checksum",
)


@dataclass(slots=True)
class Context:
    """What instances inherit from the rest of the file."""

    global_defs: GlobalDefs
    track_kinds: tuple[TrackKind, ...]
    garp_groups: tuple[GarpGroup, ...]
    group_of: dict[str, tuple[str, bool, bool | None]]  # instance -> (group, keeps weights, notify_priority_changes)


@dataclass(slots=True)
class _Draft:
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


class InstanceBinder:
    """Reads one vrrp_instance block into an Instance."""

    def __init__(self, binder: Binder, node: Node, context: Context) -> None:
        self._binder, self._node, self._context = binder, node, context
        self._globals = context.global_defs

    def bind(self) -> Instance | None:
        """The instance, or None when it cannot exist (no name, no VRID)."""
        name = self._binder.value_of(self._node.line, self._node.keyword) if self._node.keyword else None
        block = self._binder.read(self._node, self._special)
        if name is None:
            return None
        self._name = name
        draft = _Draft(block)
        self._in_order(draft)
        self._identity(draft)
        if not block.has("vrid") and not self._tried("virtual_router_id"):
            self._whole(
                Severity.ERROR,
                "no-virtual-router-id",
                f"{name} has no virtual_router_id; keepalived gives up on all instances",
                "add virtual_router_id N (1 to 255)",
            )
        if not block.has("interface") and not self._tried("interface"):
            self._no_interface(draft)
        self._election(draft)
        self._authentication(draft)
        self._destination(draft)
        self._garp(draft)
        self._behaviour(draft)
        self._vmac(draft)
        instance = self._assemble(draft, name)
        return instance if block.has("vrid") else None

    def _tried(self, *keywords: str) -> bool:
        """Whether a line is there, though its value was refused (which has been told)."""
        return any(child.line.head in keywords and child.keyword is not None for child in self._node.children)

    def _tried_values(self, keyword: str) -> bool:
        """Whether a block has lines, though all were refused."""
        return any(child.values for child in self._node.children if child.line.head == keyword)

    # -- reporting -----------------------------------------------------------------------------------------------

    def _whole(self, severity: Severity, code: str, message: str, fix: str, exit_code: int = 5) -> None:
        self._binder.tell(
            self._node.line, severity, code, message, fix, exit_code=exit_code, end_line=self._node.end_line
        )

    def _at(self, draft: _Draft, name: str, code: str, message: str, fix: str, exit_code: int = 5) -> None:
        self._binder.warn(draft.block.line(name), code, message, fix, exit_code=exit_code)

    def _at_end(self, draft: _Draft, name: str, code: str, message: str, fix: str) -> None:
        """As `_at`, of something that keepalived notices only at the block's end: the range reaches there."""
        line, end = draft.block.line(name), self._node.end_line
        self._binder.tell(line, Severity.WARNING, code, message, fix, end_line=end)

    # -- lines in their order ------------------------------------------------------------------------------------

    def _special(self, block: Block, entry: Entry) -> bool:
        """Lines whose order matters within the block."""
        name = entry.keyword.name
        if name == "state" and entry.value == "BACKUP" and block.get("state") == "MASTER":
            self._binder.error(
                entry.line, "repeated-keyword", "state was MASTER already; BACKUP is ignored", "keep one of them"
            )
            return True
        if name in ("preempt", "nopreempt"):
            other = "nopreempt" if name == "preempt" else "preempt"
            if block.has(other):
                self._binder.warn(
                    entry.line, "repeated-keyword", f"{name} after {other}: the last one counts", "keep one of them"
                )
                del block.counts[other]
        if name in ("accept", "no_accept"):
            block.counts.pop("accept" if name == "no_accept" else "no_accept", None)
        if name in ("garp_master_repeat", "garp_master_refresh_repeat") and entry.value == 0:
            self._binder.warn(entry.line, "invalid-value", f"{name} 0 is taken as 1", f"write {name} 1", exit_code=5)
            entry.value = 1
        if name == "skip_check_adv_addr" and entry.value is False:
            self._binder.warn(
                entry.line,
                "skip-check-is-on",
                "keepalived up to 2.3.4 turns skip_check_adv_addr on here, whatever the value",
                "remove the line to leave it off",
            )
            entry.value = True
        return False

    def _in_order(self, draft: _Draft) -> None:
        """The address family is that of the first address written, whichever keyword has it."""
        for child in self._node.children:
            keyword = child.keyword
            if keyword is None:
                continue
            if keyword.name in ("mcast_src_ip", "unicast_src_ip", "mcast_dst_ip"):
                self._address_line(draft, child)
            elif keyword.name == "native_ipv6":
                self._native(draft, child)
            elif keyword.name == "version":
                self._version(draft, child)
            elif keyword.values:
                self._values(draft, child)

    def _entry(self, draft: _Draft, child: Node) -> Entry | None:
        return next((each for each in draft.block.entries if each.node is child), None)

    def _address_line(self, draft: _Draft, child: Node) -> None:
        entry = self._entry(draft, child)
        if entry is None:
            return
        packed: bytes = entry.value
        family = 4 if len(packed) == 4 else 6
        name = entry.keyword.name
        if draft.family and family != draft.family:
            self._binder.error(
                child.line,
                "address-family",
                f"{name}: all addresses of an instance must be IPv{draft.family} here; the line is ignored",
                "use an address of that family",
            )
            return
        draft.family = draft.family or family
        if name == "mcast_dst_ip":
            if family == 6 and not values.is_link_local_multicast(packed):
                self._binder.error(
                    child.line,
                    "invalid-value",
                    "mcast_dst_ip must be link-local multicast (ffX2::); the line is ignored",
                    "write ff02::…",
                )
                return
            draft.group = packed
        else:
            draft.source = packed

    def _native(self, draft: _Draft, child: Node) -> None:
        if draft.family == 4:
            self._binder.error(
                child.line, "address-family", "native_ipv6 after IPv4 addresses; the line is ignored", "remove it"
            )
        else:
            draft.family, draft.version = 6, 3

    def _version(self, draft: _Draft, child: Node) -> None:
        entry = self._entry(draft, child)
        if entry is None:
            return
        if (draft.version and draft.version != entry.value) or (entry.value == 2 and draft.family == 6):
            self._binder.error(
                child.line,
                "version-conflict",
                f"version {entry.value} conflicts with "
                + (f"version {draft.version} given before" if draft.version else "IPv6 addresses")
                + "; the line is ignored",
                "remove it",
            )
            return
        draft.version = entry.value

    def _values(self, draft: _Draft, child: Node) -> None:
        kind = child.keyword.values if child.keyword is not None else ""
        if kind == "peer":
            for line in child.values:
                peer = value_lines.peer(self._binder, line, draft.family)
                if peer is not None:
                    draft.family = draft.family or (4 if len(peer.address) == 4 else 6)
                    draft.peers.append(peer)
        elif kind == "address":
            self._addresses(draft, child)
        elif kind == "excluded":
            draft.excluded += value_lines.addresses(self._binder, iter([child]), "virtual_ipaddress_excluded")
        elif kind == "route":
            draft.routes += [
                each for line in child.values if (each := routes.route(self._binder, line, "virtual_routes"))
            ]
        elif kind == "rule":
            draft.rules += [
                found for line in child.values if (found := routes.rule(self._binder, line, "virtual_rules"))
            ]

    def _addresses(self, draft: _Draft, child: Node) -> None:
        known = {(each.address, each.dev): line for line, each in draft.addresses}
        for line, address in value_lines.addresses(self._binder, iter([child]), "virtual_ipaddress"):
            if draft.family and address.family != draft.family:
                self._binder.error(
                    line,
                    "address-family",
                    f"{line.words[0].text}: the instance is IPv{draft.family} by its first address; this one is"
                    " dropped",
                    "move it to virtual_ipaddress_excluded or to an instance of its own",
                )
                continue
            if (address.address, address.dev) in known:
                first = known[address.address, address.dev].at.line
                self._binder.warn(
                    line, "repeated-address", f"{line.words[0].text} is already on line {first}", "remove one of them"
                )
            draft.family = draft.family or address.family
            draft.addresses.append((line, address))

    # -- what the instance is ------------------------------------------------------------------------------------

    def _identity(self, draft: _Draft) -> None:
        block = draft.block
        strict = bool(block.get("strict", self._globals.strict))
        if draft.family == 6 and draft.version == 2 and strict:
            self._at(draft, "version", "version-conflict", "IPv6 needs version 3; it is used", "write version 3")
            draft.version = 3
        elif draft.family == 6 and draft.version == 2:
            self._at(
                draft,
                "version",
                "version-conflict",
                "version 2 was never defined for IPv6; other routers will not understand it",
                "write version 3",
                0,
            )
        draft.version = draft.version or (3 if draft.family == 6 else self._globals.vrrp_version)
        draft.family = draft.family or 4
        draft.found["strict"] = strict
        if not draft.addresses and not block.has("no_addresses") and not self._tried_values("virtual_ipaddress"):
            need = draft.version == 3 or strict
            message = f"{self._name} has no address; " + (
                "keepalived gives up on all instances" if need else "it protects nothing"
            )
            self._whole(
                Severity.ERROR if need else Severity.WARNING,
                "no-address",
                message,
                "add virtual_ipaddress { ADDRESS/LENGTH }",
            )
        most = 255
        if len(draft.addresses) > most:
            line = draft.addresses[most][0]
            self._binder.warn(
                line,
                "too-many-addresses",
                f"an advert holds {most} addresses; the others are treated as excluded",
                "use virtual_ipaddress_excluded",
                exit_code=5,
            )
            draft.excluded += draft.addresses[most:]
            del draft.addresses[most:]

    def _no_interface(self, draft: _Draft) -> None:
        if draft.peers:
            self._whole(
                Severity.WARNING,
                "no-interface",
                f"{self._name} has no interface: with unicast the manual allows that, keepalived 2.2.7 refuses it",
                "add interface NAME",
            )
        else:
            self._whole(
                Severity.ERROR,
                "no-interface",
                f"{self._name} has no interface; keepalived gives up on all instances",
                "add interface NAME",
            )

    def _election(self, draft: _Draft) -> None:
        block, found = draft.block, draft.found
        state, priority = block.get("state", ""), block.get("priority", 0)
        if not priority and self._tried("priority"):
            priority = 100  # refused: keepalived says that it uses its default
        if not state and self._tried("state"):
            state = "BACKUP"
        if not priority and state == "MASTER":
            self._at(
                draft,
                "state",
                "owner-by-accident",
                "state MASTER without a priority means priority 255: this router claims to own the addresses and always"
                " preempts",
                "add priority 150 (or any value below 255)",
                0,
            )
        priority = priority or (255 if state == "MASTER" else 100)
        owner = priority == 255
        if state and found["strict"] and (state == "MASTER") != owner:
            self._at(
                draft,
                "state",
                "strict-state",
                "strict mode: state MASTER goes with priority 255 only; it is corrected",
                "remove state",
            )
            state = ""
        if state == "BACKUP" and owner:
            self._at(
                draft,
                "state",
                "backup-with-255",
                "priority 255 is the owner, who becomes master at once, whatever state says",
                "choose a priority below 255",
                0,
            )
        if not block.has("priority") and state != "MASTER":
            self._binder.note(
                self._node.line,
                "default-priority",
                f"{self._name} has no priority; 100 is used, as on every router without one",
                "give each router its own priority",
            )
        found["priority"] = priority
        found["state"] = state or ("MASTER" if owner else "BACKUP")
        self._preemption(draft, owner)
        self._interval(draft)

    def _preemption(self, draft: _Draft, owner: bool) -> None:
        block, found = draft.block, draft.found
        preempt, delay = not block.has("nopreempt"), block.get("preempt_delay", 0.0)
        if not preempt and owner:
            self._at(
                draft,
                "nopreempt",
                "nopreempt-owner",
                "nopreempt does not go with priority 255 and is ignored",
                "lower the priority",
            )
            preempt = True
        if found["state"] == "MASTER":
            if not preempt:
                self._at(
                    draft,
                    "nopreempt",
                    "nopreempt-master",
                    "nopreempt does not work with state MASTER and is ignored: this router preempts",
                    "write state BACKUP on both routers",
                )
                preempt = True
            if delay:
                self._at(
                    draft,
                    "preempt_delay",
                    "preempt-delay-master",
                    "preempt_delay does not work with state MASTER and is ignored",
                    "write state BACKUP on both routers",
                )
                delay = 0.0
        if delay and found["strict"]:
            self._at(
                draft,
                "preempt_delay",
                "strict-preempt-delay",
                "strict mode has no preempt_delay; it is ignored",
                "remove it",
            )
            delay = 0.0
        if delay and not preempt:
            self._at(
                draft,
                "preempt_delay",
                "preempt-delay-nopreempt",
                "preempt_delay has no meaning with nopreempt and is ignored",
                "remove one of them",
            )
            delay = 0.0
        found["preempt"], found["preempt_delay_seconds"] = preempt, delay

    def _interval(self, draft: _Draft) -> None:
        micro = round(draft.block.get("advert_int", 1.0) * 1_000_000)
        unit, most = (1_000_000, 255_000_000) if draft.version == 2 else (10_000, 40_950_000)
        if micro > most:
            self._at(
                draft,
                "advert_int",
                "interval-range",
                f"advert_int {micro / 1e6:g} is too long for version {draft.version}; {most / 1e6:g} is used",
                f"write advert_int {most / 1e6:g}",
            )
            micro = most
        elif micro % unit:
            rounded = max(unit, (micro + unit // 2) // unit * unit)
            what = "whole seconds" if draft.version == 2 else "steps of 0.01 seconds"
            fix = f"write advert_int {rounded / 1e6:g}" + (
                ", or version 3 on all routers" if draft.version == 2 else ""
            )
            self._at(
                draft,
                "advert_int",
                "interval-rounded",
                f"version {draft.version} knows {what} only: {micro / 1e6:g} becomes {rounded / 1e6:g}",
                fix,
            )
            micro = rounded
        draft.found["advert_interval_seconds"] = micro / 1e6

    # -- authentication and destination --------------------------------------------------------------------------

    def _authentication(self, draft: _Draft) -> None:
        for node in draft.block.children("authentication"):
            block = self._binder.read(node)
            kind = {"PASS": "pass", "AH": "ah"}.get(block.get("auth_type", ""), "none")
            password: str = block.get("auth_pass", "")
            data = password.encode("utf-8", "surrogateescape")
            for keyword, where in block.origins.items():
                draft.block.origins[keyword] = where
            if len(data) > 8:
                self._binder.warn(
                    block.line("auth_pass"),
                    "password-truncated",
                    f"auth_pass has {len(data)} octets, only the first 8 count",
                    "use 8 or fewer; the same 8 on all routers",
                    exit_code=5,
                )
            refused = self._refuse_authentication(draft, kind, data)
            if refused:
                self._binder.warn(node.line, refused[0], refused[1], refused[2], exit_code=5)
                kind = "none"
            elif kind == "pass":
                self._binder.note(
                    block.line("auth_pass"),
                    "password-in-clear-text",
                    "PASS sends the password in clear text in every advert: it protects from mistakes, not from"
                    " attackers",
                    "filter protocol 112 at the edge of the network instead",
                )
            elif (
                kind == "none"
                and password
                and not block.has("auth_type")
                and "auth_type" not in {c.line.head for c in node.children}
            ):
                self._binder.warn(
                    block.line("auth_pass"),
                    "no-auth-type",
                    "auth_pass without auth_type has no effect",
                    "add auth_type PASS",
                )
            if kind == "ah" and draft.found["state"] == "MASTER" and draft.found["priority"] != 255:
                self._at(
                    draft,
                    "state",
                    "ah-master",
                    "with AH a router cannot start as master; it starts as backup",
                    "write state BACKUP",
                )
                draft.found["state"] = "BACKUP"
            draft.found["auth_type"], draft.found["auth_data"] = kind, data[:8] if kind != "none" else b""

    def _refuse_authentication(self, draft: _Draft, kind: str, data: bytes) -> tuple[str, str, str] | None:
        if kind == "none":
            return None
        if draft.found["strict"]:
            return (
                "strict-authentication",
                "strict mode has no authentication; it is ignored",
                "remove it or strict mode",
            )
        if draft.version == 3:
            return "version-3-authentication", "VRRP version 3 has no authentication; it is ignored", "remove it"
        if not data:
            return "no-password", "auth_type without auth_pass; authentication is ignored", "add auth_pass"
        if kind == "ah" and draft.family == 6:
            return "ah-ipv6", "AH does not work with IPv6; it is ignored", "remove it"
        return None

    def _destination(self, draft: _Draft) -> None:
        block, found = draft.block, draft.found
        asked = [name for name in UNICAST_KEYWORDS if name in block.origins]
        found["unicast"] = bool(draft.peers)
        refused = self._tried_values("unicast_peer")
        if asked and not draft.peers and not refused and not block.has("unicast_fault_no_peer"):
            line = next((child.line for child in self._node.children if child.line.head == asked[0]), self._node.line)
            self._binder.warn(
                line,
                "unicast-without-peers",
                f"{asked[0]} without any unicast peer: keepalived uses multicast",
                "add unicast_peer { ADDRESS }",
                exit_code=5,
            )
        if block.has("unicast_ttl") and not draft.peers:
            self._at_end(draft, "unicast_ttl", "no-effect", "unicast_ttl without unicast peers is ignored", "remove it")
        if draft.group is not None and draft.peers:
            self._at(draft, "group", "no-effect", "mcast_dst_ip has no effect with unicast peers", "remove it")
        if draft.source is not None:
            for peer in draft.peers:
                if peer.address == draft.source:
                    line = next(
                        (child.line for child in self._node.children if child.line.head == "unicast_peer"),
                        self._node.line,
                    )
                    self._binder.warn(
                        line,
                        "peer-is-self",
                        "a unicast peer is this router's own unicast_src_ip",
                        "list the other routers only",
                    )
        if block.has("vrf") and (block.has("interface") or not draft.peers):
            self._at(
                draft,
                "vrf",
                "no-effect",
                "vrf is for unicast instances without an interface; it is ignored",
                "remove it",
            )
        elif block.has("vrf"):
            found["vrf"] = block.get("vrf")
        family6 = draft.family == 6
        found["multicast_group"] = draft.group or (
            self._globals.multicast_group6 if family6 else self._globals.multicast_group4
        )
        if family6 and not draft.peers and draft.addresses and not values.is_link_local(draft.addresses[0][1].address):
            self._binder.warn(
                draft.addresses[0][0],
                "first-address-not-link-local",
                "the first address of an IPv6 instance should be link-local (RFC 9568 §5.2.9)",
                "put an fe80:: address first",
                exit_code=5 if found["strict"] else 0,
            )

    # -- behaviour -----------------------------------------------------------------------------------------------

    def _garp(self, draft: _Draft) -> None:
        block, defs, strict = draft.block, self._globals, draft.found["strict"]
        lower_delay = block.get("garp_lower_prio_delay")
        lower_repeat = block.get("garp_lower_prio_repeat")
        for name, value in (("garp_lower_prio_delay", lower_delay), ("garp_lower_prio_repeat", lower_repeat)):
            if strict and value:
                self._at(draft, name, "strict-garp", f"strict mode allows no {name}; 0 is used", "remove it")
        if strict:
            lower_delay, lower_repeat = 0, 0
        extra, every = block.get("garp_extra_if", (defs.garp_extra_if_seconds, defs.garp_extra_if_all))
        interfaces = {block.get("interface", "")}
        group = next((each for each in self._context.garp_groups if interfaces & set(each.interfaces)), None)
        draft.found["garp"] = GarpSchedule(
            float(block.get("garp_master_delay", defs.garp_master_delay_seconds)),
            block.get("garp_master_repeat", defs.garp_master_repeat),
            float(block.get("garp_master_refresh", defs.garp_master_refresh_seconds)),
            block.get("garp_master_refresh_repeat", defs.garp_master_refresh_repeat),
            float(defs.garp_lower_prio_delay_seconds if lower_delay is None else lower_delay),
            defs.garp_lower_prio_repeat if lower_repeat is None else lower_repeat,
            group.garp_interval_seconds if group else defs.garp_interval_seconds,
            group.gna_interval_seconds if group else defs.gna_interval_seconds,
            float(extra),
            every,
        )

    def _behaviour(self, draft: _Draft) -> None:
        block, defs, found = draft.block, self._globals, draft.found
        strict = found["strict"]
        for name, forced in (("lower_prio_no_advert", True), ("higher_prio_send_advert", False)):
            value = block.get(name)
            if strict and value is not None and value is not forced:
                self._at(
                    draft,
                    name,
                    "strict-advert",
                    f"strict mode needs {name} {'on' if forced else 'off'}; it is corrected",
                    "remove it",
                )
            found[name] = forced if strict else getattr(defs, name) if value is None else value
        accept = True if block.has("accept") else False if block.has("no_accept") else None
        owner = found["priority"] == 255
        if accept is None:
            accept = owner or not strict
        elif accept and strict and not owner and draft.version == 2:
            self._at(
                draft, "accept", "strict-accept", "strict mode has no accept in version 2; it is off", "remove accept"
            )
            accept = False
        found["accept"] = accept
        found["down_timer_adverts"] = block.get("down_timer_adverts", defs.down_timer_adverts)
        if found["down_timer_adverts"] != 3:
            if strict:
                self._at(
                    draft,
                    "down_timer_adverts",
                    "strict-down-timer",
                    "strict mode keeps down_timer_adverts at 3",
                    "remove it",
                )
                found["down_timer_adverts"] = 3
            else:
                self._at(
                    draft,
                    "down_timer_adverts",
                    "down-timer",
                    "down_timer_adverts other than 3 departs from the protocol: it must be the same on all routers",
                    "",
                    0,
                )
        found["skip_check_adv_addr"] = block.get("skip_check_adv_addr", defs.skip_check_adv_addr)
        found["owner_ignore_adverts"] = block.get("owner_ignore_adverts", defs.owner_ignore_adverts)
        found["timer_expired_backup"] = block.has("timer_expired_backup") or defs.timer_expired_backup
        found["v3_checksum_as_v2"] = block.get("v3_checksum_as_v2", defs.v3_checksum_as_v2)
        found["check_unicast_src"] = (
            block.has("check_unicast_src")
            or defs.check_unicast_src
            or any(peer.min_ttl is not None or peer.max_ttl is not None for peer in draft.peers)
        )

    def _vmac(self, draft: _Draft) -> None:
        block, found = draft.block, draft.found
        if block.has("ipvlan"):
            line = block.get("ipvlan")
            found["vmac"] = Vmac(line.name or self._vmac_name(draft), None, False, True, line.address, line.mode)
            if draft.family == 4 and line.address is None:
                self._at(
                    draft,
                    "ipvlan",
                    "ipvlan-without-address",
                    "use_ipvlan needs an address with IPv4; the instance goes to fault",
                    "add the address",
                )
            if line.address is not None and draft.source is None:
                draft.source = line.address[0]
        elif block.has("vmac"):
            line = block.get("vmac")
            mac = line.mac + bytes([block.get("vrid", 0)]) if line.mac is not None and line.vrid_octet else line.mac
            if mac is not None and found["strict"]:
                self._at(draft, "vmac", "strict-vmac", "strict mode takes no MAC address; it is ignored", "remove it")
                mac = None
            xmit = block.has("vmac_xmit_base")
            if draft.peers and not xmit:
                self._at_end(
                    draft,
                    "vmac",
                    "vmac-unicast",
                    "use_vmac with unicast needs vmac_xmit_base; it is set",
                    "add vmac_xmit_base",
                )
                xmit = True
            if xmit and found["strict"]:
                self._at(
                    draft,
                    "vmac_xmit_base",
                    "strict-vmac",
                    "strict mode has no vmac_xmit_base; it is ignored",
                    "remove it",
                )
                xmit = False
            found["vmac"] = Vmac(line.name or self._vmac_name(draft), mac, xmit)
        if block.has("vmac_xmit_base") and not block.has("vmac"):
            self._at(
                draft,
                "vmac_xmit_base",
                "no-effect",
                "vmac_xmit_base without use_vmac is ignored",
                "add use_vmac or remove it",
            )
        if block.has("promote_secondaries") and found.get("vmac") is not None:
            self._at(
                draft, "promote_secondaries", "no-effect", "promote_secondaries is set anyway on a VMAC", "remove it"
            )
        found["promote_secondaries"] = block.has("promote_secondaries") and found.get("vmac") is None

    def _vmac_name(self, draft: _Draft) -> str:
        return f"{self._globals.vmac_prefix}{'6' if draft.family == 6 else ''}.{draft.block.get('vrid', 0)}"

    # -- the end -------------------------------------------------------------------------------------------------

    def _tracking(self, draft: _Draft) -> Tracking:
        tracking = read_tracking(self._binder, draft.block, self._context.track_kinds)
        own = draft.block.get("interface")
        for track in tracking.interfaces:
            if track.name == own:
                line = next(
                    line for node in draft.block.children("track_interface") for line in node.values if line.head == own
                )
                self._binder.warn(
                    line,
                    "tracks-own-interface",
                    f"{own} is the instance's own interface, which counts anyway; the line is ignored",
                    "remove it",
                    exit_code=5,
                )
        kept = tuple(each for each in tracking.interfaces if each.name != own)
        return Tracking(kept, tracking.scripts, tracking.files, tracking.processes, tracking.bfds)

    def _assemble(self, draft: _Draft, name: str) -> Instance:
        block = draft.block
        smtp = block.get("smtp_alert")
        if smtp is None:
            smtp = next(
                (each for each in (self._globals.smtp_alert_vrrp, self._globals.smtp_alert) if each is not None), False
            )
        group = self._context.group_of.get(name)
        changes = block.get("notify_priority_changes")
        if changes is None:
            changes = group[2] if group is not None and group[2] is not None else self._globals.notify_priority_changes
        return Instance(
            name=name,
            vrid=block.get("vrid", 0),
            interface=block.get("interface", ""),
            family=draft.family,
            version=draft.version,
            addresses=tuple(address for _, address in draft.addresses),
            excluded_addresses=tuple(address for _, address in draft.excluded),
            routes=tuple(draft.routes),
            rules=tuple(draft.rules),
            source_address=draft.source,
            track_source_address=block.has("track_src_ip") and draft.source is not None,
            unicast_peers=tuple(draft.peers),
            unicast_ttl=block.get("unicast_ttl", 255) if draft.peers else 255,
            unicast_fault_no_peer=block.has("unicast_fault_no_peer"),
            vmac_for_addresses=block.has("vmac_addr"),
            old_unicast_checksum=block.get("old_unicast_checksum", ""),
            tracking=self._tracking(draft),
            dont_track_primary=block.has("dont_track_primary"),
            linkbeat_use_polling=block.has("linkbeat_use_polling"),
            notify=read_notify(self._binder, block, bool(smtp), bool(changes)),
            lvs_sync_daemon=block.has("lvs_sync_daemon"),
            debug=block.get("debug", 0),
            origin=origin(self._node.line),
            origins=block.origins,
            **draft.found,
        )


def read_tracking(binder: Binder, block: Block, kinds: tuple[TrackKind, ...]) -> Tracking:
    """All track_… blocks of an instance or group."""
    found = [value_lines.tracks(binder, block.children(kind.block), kind) for kind in kinds]
    return Tracking(*found)


def read_notify(binder: Binder, block: Block, smtp_alert: bool, priority_changes: bool) -> Notify:
    """All notify scripts of an instance or group."""
    deleted = next((child for child in block.node.children if child.line.head == "notify_deleted"), None)
    for name in (
        "notify_master",
        "notify_backup",
        "notify_fault",
        "notify_stop",
        "notify",
        "notify_master_rx_lower_pri",
    ):
        entry = block.counts.get(name)
        if entry is not None:
            _judge_user(binder, entry)
    return Notify(
        master=binder.command(block.counts.get("notify_master")),
        backup=binder.command(block.counts.get("notify_backup")),
        fault=binder.command(block.counts.get("notify_fault")),
        stop=binder.command(block.counts.get("notify_stop")),
        deleted=binder.command(block.counts.get("notify_deleted")),
        deleted_sends_deleted=deleted is not None,
        master_rx_lower_pri=binder.command(block.counts.get("notify_master_rx_lower_pri")),
        any=binder.command(block.counts.get("notify")),
        smtp_alert=smtp_alert,
        priority_changes=priority_changes,
    )


def _judge_user(binder: Binder, entry: Entry) -> None:
    """`notify_master /path/script.sh MASTER`: the second word is a user name, not an argument."""
    trailing = entry.value.trailing
    if not trailing:
        return
    whole = " ".join((*entry.value.words, *trailing))
    if (
        len(trailing) > 2
        or trailing[0].upper() in ("MASTER", "BACKUP", "FAULT", "STOP")
        or not trailing[0].replace("-", "_").isidentifier()
    ):
        binder.warn(
            entry.line,
            "argument-as-user",
            f"'{trailing[0]}' is taken for the user that runs the script; if there is none, the script is dropped",
            f'write {entry.keyword.name} "{whole}"',
        )
        return
    if trailing[0] != "root":
        binder.note(
            entry.line,
            "needs-user",
            f"user {trailing[0]} must exist, else keepalived drops the script",
            f"useradd -r {trailing[0]}",
        )


def sync_group(binder: Binder, node: Node, kinds: tuple[TrackKind, ...], defaults: GlobalDefs) -> SyncGroup | None:
    """One vrrp_sync_group; members are checked when all instances are known."""
    name = binder.value_of(node.line, node.keyword) if node.keyword else None
    block = binder.read(node)
    if name is None:
        return None
    members = tuple(dict.fromkeys(word.text for _, word in value_lines.names(block.children("group"))))
    if not members:
        binder.tell(
            node.line,
            Severity.ERROR,
            "empty-group",
            f"sync group {name} has no members; keepalived removes it",
            "name instances in group { }",
            end_line=node.end_line,
        )
    smtp = block.get("smtp_alert")
    if smtp is None:
        smtp = next((each for each in (defaults.smtp_alert_vrrp, defaults.smtp_alert) if each is not None), False)
    return SyncGroup(
        name,
        members,
        read_tracking(binder, block, kinds),
        block.has("tracking_weight") or block.has("global_tracking"),
        block.has("global_tracking"),
        read_notify(binder, block, bool(smtp), bool(block.get("notify_priority_changes", False))),
        origin(node.line),
        block.origins,
    )
