"""How an instance behaves: gratuitous ARP, answers to other adverts, accept mode."""

from __future__ import annotations

from vrrpcore.settings import (
    GarpSchedule,
)
from vrrpwatch.keepalived_conf.instance_base import Draft, InstancePart


class Behaviour(InstancePart):
    """How an instance behaves: gratuitous ARP, answers to other adverts, accept mode."""

    def _garp(self, draft: Draft) -> None:
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

    def _behaviour(self, draft: Draft) -> None:
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
