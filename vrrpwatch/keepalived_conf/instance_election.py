"""What decides the election: identity, state, priority, preemption, advertisement interval."""

from __future__ import annotations

from vrrpwatch.keepalived_conf.findings import Severity
from vrrpwatch.keepalived_conf.instance_base import Draft, InstancePart


class Election(InstancePart):
    """What decides the election: identity, state, priority, preemption, advertisement interval."""

    def _identity(self, draft: Draft) -> None:
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
        need = draft.version == 3 or strict
        told = self._tried_values("virtual_ipaddress") and not need
        if not draft.addresses and not block.has("no_addresses") and not told:
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

    def _no_interface(self, draft: Draft) -> None:
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

    def _election(self, draft: Draft) -> None:
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

    def _preemption(self, draft: Draft, owner: bool) -> None:
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

    def _interval(self, draft: Draft) -> None:
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
