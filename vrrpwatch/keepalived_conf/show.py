"""The model as a normalised keepalived.conf: reading it again gives the same model."""

from __future__ import annotations

import re
from collections.abc import Iterable

from vrrpcore.addresses import mac_text, text
from vrrpcore.settings import (
    Command,
    GlobalDefs,
    Instance,
    Notify,
    Settings,
    SyncGroup,
    Track,
    Tracking,
    VirtualAddress,
)
from vrrpwatch.keepalived_conf.show_global import extra_interfaces, global_block, top_blocks
from vrrpwatch.keepalived_conf.show_servers import server_group, ssl, virtual_server
from vrrpwatch.keepalived_conf.writing import Block, command, number, seconds, word


def show(settings: Settings) -> str:
    """The whole configuration as text, blocks in a fixed order, defaults left out where they are keepalived's own."""
    blocks = [*top_blocks(settings.global_defs), global_block(settings)]
    blocks += _static(settings)
    blocks += _things(settings)
    blocks += [_sync_group(each) for each in settings.sync_groups]
    blocks += [_instance(each, settings.global_defs) for each in settings.instances]
    blocks += [server_group(each) for each in settings.virtual_server_groups]
    blocks += [virtual_server(each) for each in settings.virtual_servers]
    if settings.ssl is not None:
        blocks.append(ssl(settings.ssl))
    written = [block.render() for block in blocks if not block.empty]
    notes = [
        f"# not used: {' '.join(each.words)} ({each.origin})"
        for each in settings.unused
        if each.path != ("global_defs",) or not each.known
    ]
    if notes:
        written.append("\n".join(re.sub(r"[^\x20-\x7e]", "?", note) for note in notes) + "\n")
    return "\n".join(written)


# -- global_defs ---------------------------------------------------------------------------------------------------


# -- static things, scripts ----------------------------------------------------------------------------------------


def address_line(address: VirtualAddress) -> str:
    """One address as virtual_ipaddress takes it."""
    longest = len(address.address) * 8
    parts = [text(address.address) + ("" if address.peer is not None else f"/{address.prefixlen}")]
    if address.broadcast is not None:
        parts.append(f"brd {_broadcast(address)}")
    if address.dev:
        parts.append(f"dev {word(address.dev)}")
    if address.scope:
        parts.append(f"scope {address.scope}")
    if address.label:
        parts.append(f"label {word(address.label)}")
    if address.peer is not None:
        parts.append(f"peer {text(address.peer)}")
    flags = (
        ("use_vmac", address.use_vmac),
        ("home", address.home),
        ("-nodad", longest == 128 and not address.nodad),
        ("mngtmpaddr", address.mngtmpaddr),
        ("noprefixroute", address.noprefixroute),
        ("autojoin", address.autojoin),
        ("no_track", address.no_track),
    )
    parts += [name for name, there in flags if there]
    usual = 0 if longest == 128 and address.prefixlen == 128 else None
    if address.preferred_lifetime_seconds != usual:
        lifetime = address.preferred_lifetime_seconds
        parts.append(f"preferred_lft {'forever' if lifetime is None else lifetime}")
    if address.track_group:
        parts.append(f"track_group {word(address.track_group)}")
    return " ".join(parts)


def _broadcast(address: VirtualAddress) -> str:
    assert_broadcast = address.broadcast or b""
    if not address.broadcast_auto:
        return text(assert_broadcast)
    host = 0xFFFFFFFF >> address.prefixlen
    return "+" if int.from_bytes(assert_broadcast) & host == host else "-"


def _words(words: Iterable[str]) -> str:
    return " ".join(word(each) for each in words)


def _static(settings: Settings) -> list[Block]:
    return [
        *(
            Block(f"track_group {word(each.name)}", [], [Block("group", [_words(each.members)])])
            for each in settings.track_groups
        ),
        Block("static_ipaddress", [address_line(each) for each in settings.addresses]),
        Block("static_routes", [_words(each.words) for each in settings.routes]),
        Block("static_rules", [_words(each.words) for each in settings.rules]),
        Block(
            "interface_up_down_delays",
            [
                f"{word(each.interface)} {seconds(each.down_seconds)} {seconds(each.up_seconds)}"
                for each in settings.interface_delays
            ],
        ),
    ]


def _reverse(weight: int, reverse: bool) -> str:
    return f"weight {weight}{' reverse' if reverse else ''}"


def _things(settings: Settings) -> list[Block]:
    blocks = []
    for script in settings.scripts:
        lines = [f"script {command(Command(script.command.words))}", f"interval {seconds(script.interval_seconds)}"]
        if script.timeout_seconds:
            lines.append(f"timeout {seconds(script.timeout_seconds)}")
        lines += [_reverse(script.weight, script.reverse), f"rise {script.rise}", f"fall {script.fall}"]
        if script.command.user:
            lines.append(f"user {_words(each for each in (script.command.user, script.command.group) if each)}")
        if script.init_fail:
            lines.append("init_fail")
        blocks.append(Block(f"vrrp_script {word(script.name)}", lines))
    for file in settings.track_files:
        lines = [f"file {word(file.path)}", _reverse(file.weight, file.reverse)]
        if file.init_value is not None:
            lines.append(f"init_file {file.init_value}{' overwrite' if file.init_overwrite else ''}")
        blocks.append(Block(f"track_file {word(file.name)}", lines))
    blocks += [_process(settings, index) for index in range(len(settings.processes))]
    blocks += [_bfd(settings, index) for index in range(len(settings.bfd_instances))]
    for group in settings.garp_groups:
        lines = [
            f"garp_interval {seconds(group.garp_interval_seconds)}",
            f"gna_interval {seconds(group.gna_interval_seconds)}",
        ]
        blocks.append(Block("garp_group", lines, [Block("interfaces", [word(each) for each in group.interfaces])]))
    return blocks


def _process(settings: Settings, index: int) -> Block:
    each = settings.processes[index]
    lines = [f"process {_words((each.process, *each.parameters))}"]
    if each.param_match:
        lines.append("param_match" if each.param_match == "exact" else f"param_match {each.param_match}")
    lines.append(_reverse(each.weight, each.reverse))
    if each.quorum_max != 0 or each.quorum:
        lines.append(f"quorum {max(1, each.quorum)}")
    if each.quorum_max is not None:
        lines.append(f"quorum_max {each.quorum_max}")
    for name, value in (("fork_delay", each.fork_delay_seconds), ("terminate_delay", each.terminate_delay_seconds)):
        if value:
            lines.append(f"{name} {seconds(value)}")
    if each.full_command:
        lines.append("full_command")
    return Block(f"vrrp_track_process {word(each.name)}", lines)


def _bfd(settings: Settings, index: int) -> Block:
    each = settings.bfd_instances[index]
    lines = [f"neighbor_ip {text(each.neighbor)}"]
    if each.source is not None:
        lines.append(f"source_ip {text(each.source)}")
    lines += [
        f"min_rx {number(each.min_rx_ms, 3)}",
        f"min_tx {number(each.min_tx_ms, 3)}",
        f"idle_tx {number(each.idle_tx_ms, 3)}",
    ]
    lines += [
        f"multiplier {each.multiplier}",
        f"ttl {each.ttl}",
        f"max_hops {each.max_hops}",
        _reverse(each.weight, each.reverse),
    ]
    lines += [name for name, there in (("passive", each.passive),) if there]
    if each.for_vrrp != each.for_checker:
        lines.append("vrrp" if each.for_vrrp else "checker")
    return Block(f"bfd_instance {word(each.name)}", lines)


# -- groups and instances ------------------------------------------------------------------------------------------


def _track(track: Track, named: bool) -> str:
    if not named:
        return (
            f"{word(track.name)} {_reverse(track.weight, track.reverse)}"
            if track.weight or track.reverse
            else word(track.name)
        )
    return f"{word(track.name)} weight {track.weight} {'reverse' if track.reverse else 'noreverse'}"


def _tracking(tracking: Tracking) -> list[Block]:
    return [
        Block("track_interface", [_track(each, False) for each in tracking.interfaces]),
        Block("track_script", [_track(each, True) for each in tracking.scripts]),
        Block("track_file", [_track(each, True) for each in tracking.files]),
        Block("track_process", [_track(each, True) for each in tracking.processes]),
        Block("track_bfd", [_track(each, True) for each in tracking.bfds]),
    ]


def _notify(notify: Notify) -> list[str]:
    rows = (
        ("notify_master", notify.master),
        ("notify_backup", notify.backup),
        ("notify_fault", notify.fault),
        ("notify_stop", notify.stop),
        ("notify", notify.any),
        ("notify_master_rx_lower_pri", notify.master_rx_lower_pri),
        ("notify_deleted", notify.deleted),
    )
    lines = [f"{name} {command(each)}" for name, each in rows if each is not None]
    if notify.deleted_sends_deleted and notify.deleted is None:
        lines.append("notify_deleted")
    return lines


def _sync_group(group: SyncGroup) -> Block:
    lines = _notify(group.notify)
    lines.append(f"smtp_alert {'on' if group.notify.smtp_alert else 'off'}")
    if group.notify.priority_changes:
        lines.append("notify_priority_changes on")
    if group.global_tracking:
        lines.append("global_tracking")
    elif group.tracking_weight:
        lines.append("sync_group_tracking_weight")
    blocks = [Block("group", [word(each) for each in group.members]), *_tracking(group.tracking)]
    return Block(f"vrrp_sync_group {word(group.name)}", lines, blocks)


def _instance(one: Instance, defs: GlobalDefs) -> Block:
    lines = [f"state {one.state}"]
    if one.interface:
        lines.append(f"interface {word(one.interface)}")
    lines += [
        f"virtual_router_id {one.vrid}",
        f"priority {one.priority}",
        f"advert_int {seconds(one.advert_interval_seconds)}",
    ]
    lines.append(f"version {one.version}")
    if one.strict != defs.strict:
        lines.append(f"strict_mode {'on' if one.strict else 'off'}")
    lines += _flags(one, defs)
    lines += _garp(one, defs)
    lines += _destination(one, defs)
    lines += _vmac(one)
    lines += _notify(one.notify)
    lines.append(f"smtp_alert {'on' if one.notify.smtp_alert else 'off'}")
    lines.append(f"notify_priority_changes {'on' if one.notify.priority_changes else 'off'}")
    if one.lvs_sync_daemon:
        lines.append(f"lvs_sync_daemon_interface {word(one.interface)}")
    blocks = []
    if one.auth_type != "none":
        password = one.auth_data.decode("utf-8", "surrogateescape")
        blocks.append(Block("authentication", [f"auth_type {one.auth_type.upper()}", f"auth_pass {word(password)}"]))
    blocks += [
        Block("unicast_peer", [_peer(one, index) for index in range(len(one.unicast_peers))]),
        Block("virtual_ipaddress", [address_line(each) for each in one.addresses]),
        Block("virtual_ipaddress_excluded", [address_line(each) for each in one.excluded_addresses]),
        Block("virtual_routes", [_words(each.words) for each in one.routes]),
        Block("virtual_rules", [_words(each.words) for each in one.rules]),
        *_tracking(one.tracking),
    ]
    return Block(f"vrrp_instance {word(one.name)}", lines, blocks)


def _peer(one: Instance, index: int) -> str:
    peer = one.unicast_peers[index]
    limits = (("min_ttl", peer.min_ttl), ("max_ttl", peer.max_ttl))
    return " ".join([text(peer.address), *(f"{name} {value}" for name, value in limits if value is not None)])


def _flags(one: Instance, defs: GlobalDefs) -> list[str]:
    owner_or_free = one.owner or not one.strict
    limited = any(peer.min_ttl is not None or peer.max_ttl is not None for peer in one.unicast_peers)
    rows = (
        ("nopreempt", not one.preempt),
        (f"preempt_delay {seconds(one.preempt_delay_seconds)}", bool(one.preempt_delay_seconds)),
        ("accept", one.accept and not owner_or_free),
        ("no_accept", not one.accept and owner_or_free),
        ("skip_check_adv_addr", one.skip_check_adv_addr and not defs.skip_check_adv_addr),
        ("check_unicast_src", one.check_unicast_src and not defs.check_unicast_src and not limited),
        ("unicast_fault_no_peer", one.unicast_fault_no_peer),
        (
            f"down_timer_adverts {one.down_timer_adverts}",
            one.down_timer_adverts != defs.down_timer_adverts and not one.strict,
        ),
        ("timer_expired_backup", one.timer_expired_backup),
        (
            "owner_ignore_adverts " + ("on" if one.owner_ignore_adverts else "off"),
            one.owner_ignore_adverts != defs.owner_ignore_adverts,
        ),
        (
            "v3_checksum_as_v2 " + ("on" if one.v3_checksum_as_v2 else "off"),
            one.v3_checksum_as_v2 != defs.v3_checksum_as_v2,
        ),
        ("old_unicast_checksum never", one.old_unicast_checksum == "never"),
        ("old_unicast_checksum", one.old_unicast_checksum == "yes"),
        ("dont_track_primary", one.dont_track_primary),
        ("linkbeat_use_polling", one.linkbeat_use_polling),
        ("promote_secondaries", one.promote_secondaries),
        ("no_virtual_ipaddress", not one.addresses),
        (f"debug {one.debug}", bool(one.debug)),
    )
    lines = [name for name, there in rows if there]
    if not one.strict:
        for name in ("lower_prio_no_advert", "higher_prio_send_advert"):
            value = getattr(one, name)
            if value != getattr(defs, name):
                lines.append(f"{name} {'on' if value else 'off'}")
    return lines


def _garp(one: Instance, defs: GlobalDefs) -> list[str]:
    garp, lines = one.garp, []
    if garp.delay_seconds != defs.garp_master_delay_seconds:
        lines.append(f"garp_master_delay {seconds(garp.delay_seconds)}")
    if garp.repeat != defs.garp_master_repeat:
        lines.append(f"garp_master_repeat {garp.repeat}")
    if garp.refresh_seconds != defs.garp_master_refresh_seconds:
        lines.append(f"garp_master_refresh {seconds(garp.refresh_seconds)}")
    if garp.refresh_repeat != defs.garp_master_refresh_repeat:
        lines.append(f"garp_master_refresh_repeat {garp.refresh_repeat}")
    if not one.strict and garp.lower_prio_delay_seconds != defs.garp_lower_prio_delay_seconds:
        lines.append(f"garp_lower_prio_delay {seconds(garp.lower_prio_delay_seconds)}")
    if not one.strict and garp.lower_prio_repeat != defs.garp_lower_prio_repeat:
        lines.append(f"garp_lower_prio_repeat {garp.lower_prio_repeat}")
    if (garp.extra_if_seconds, garp.extra_if_all) != (defs.garp_extra_if_seconds, defs.garp_extra_if_all):
        lines.append(extra_interfaces("garp_extra_if", garp.extra_if_seconds, garp.extra_if_all))
    return lines


def _destination(one: Instance, defs: GlobalDefs) -> list[str]:
    lines = []
    if one.source_address is not None:
        lines.append(f"{'unicast_src_ip' if one.unicast else 'mcast_src_ip'} {text(one.source_address)}")
    if one.track_source_address:
        lines.append("track_src_ip")
    group = defs.multicast_group4 if one.family == 4 else defs.multicast_group6
    if one.multicast_group != group:
        lines.append(f"mcast_dst_ip {text(one.multicast_group)}")
    elif one.family == 6 and not one.addresses and one.source_address is None and not one.unicast_peers:
        lines.append("native_ipv6")
    if one.unicast_ttl != 255:
        lines.append(f"unicast_ttl {one.unicast_ttl}")
    if one.vrf:
        lines.append(f"vrf {word(one.vrf)}")
    return lines


def _vmac(one: Instance) -> list[str]:
    lines = []
    vmac = one.vmac
    if vmac is not None and vmac.ipvlan:
        address = vmac.ipvlan_address
        where = f" {text(address[0])}/{address[1]}" if address is not None else ""
        lines.append(f"use_ipvlan {word(vmac.name)}{where} {vmac.ipvlan_mode}")
    elif vmac is not None:
        lines.append(f"use_vmac {word(vmac.name)}" + (f" {mac_text(vmac.mac)}" if vmac.mac is not None else ""))
        if vmac.xmit_base:
            lines.append("vmac_xmit_base")
    if one.vmac_for_addresses:
        lines.append("use_vmac_addr")
    return lines
