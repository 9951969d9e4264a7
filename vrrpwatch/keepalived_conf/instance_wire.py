"""What is on the wire: authentication, unicast or multicast, the virtual interface."""

from __future__ import annotations

from itertools import chain, count

from vrrpcore.settings import (
    Vmac,
)
from vrrpwatch.keepalived_conf import values
from vrrpwatch.keepalived_conf.instance_base import Draft, InstancePart

UNICAST_KEYWORDS = (
    "unicast_peer",
    "unicast_src_ip",
    "unicast_fault_no_peer",
    "check_unicast_src",
    "old_unicast_checksum",
)


class Wire(InstancePart):
    """What is on the wire: authentication, unicast or multicast, the virtual interface."""

    def _authentication(self, draft: Draft) -> None:
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

    def _refuse_authentication(self, draft: Draft, kind: str, data: bytes) -> tuple[str, str, str] | None:
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

    def _destination(self, draft: Draft) -> None:
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

    def _vmac(self, draft: Draft) -> None:
        block, found = draft.block, draft.found
        for message in block.get("vmac").wrong if block.has("vmac") else ():
            self._at(draft, "vmac", "invalid-value", f"use_vmac: {message}; it is ignored", "correct or remove it")
        if block.has("ipvlan"):
            line = block.get("ipvlan")
            found["vmac"] = Vmac(self._vmac_name(draft, line.name), None, False, True, line.address, line.mode)
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
            found["vmac"] = Vmac(self._vmac_name(draft, line.name), mac, xmit)
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

    def _vmac_name(self, draft: Draft, given: str) -> str:
        """The name given, or keepalived's: prefix.VRID; where an instance before has it, prefix6 (IPv6), prefix1 …"""
        taken, vrid = self._context.vmac_names, draft.block.get("vrid", 0)
        numbers = chain([""], [6] if draft.family == 6 else [], (number for number in count(1) if number != 6))
        if given in taken:
            message = f"use_vmac: an instance before has an interface {given}; the name is ignored"
            self._at(draft, "vmac", "invalid-value", message, "choose another name")
            given = ""
        name = given or next(
            each for each in (f"{self._globals.vmac_prefix}{number}.{vrid}" for number in numbers) if each not in taken
        )
        taken.add(name)
        return name
