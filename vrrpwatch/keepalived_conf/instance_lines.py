"""Lines of an instance whose order matters: address family, version, values in blocks."""

from __future__ import annotations

from vrrpwatch.keepalived_conf import routes, rules, value_lines, values
from vrrpwatch.keepalived_conf.bind import Block, Entry
from vrrpwatch.keepalived_conf.instance_base import Draft, InstancePart
from vrrpwatch.keepalived_conf.nodes import Node


class Lines(InstancePart):
    """Lines of an instance whose order matters: address family, version, values in blocks."""

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

    def _in_order(self, draft: Draft) -> None:
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

    def _entry(self, draft: Draft, child: Node) -> Entry | None:
        return next((each for each in draft.block.entries if each.node is child), None)

    def _address_line(self, draft: Draft, child: Node) -> None:
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

    def _native(self, draft: Draft, child: Node) -> None:
        if draft.family == 4:
            self._binder.error(
                child.line, "address-family", "native_ipv6 after IPv4 addresses; the line is ignored", "remove it"
            )
        else:
            draft.family, draft.version = 6, 3

    def _version(self, draft: Draft, child: Node) -> None:
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

    def _values(self, draft: Draft, child: Node) -> None:
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
                found for line in child.values if (found := rules.rule(self._binder, line, "virtual_rules"))
            ]

    def _addresses(self, draft: Draft, child: Node) -> None:
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
