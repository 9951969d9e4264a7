"""Our model against the dumps of a running keepalived, field by field, defaults included."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.watch.keepalived_conf import oracle
from vrrpcore.addresses import text
from vrrpcore.settings import GlobalDefs, Instance, Settings, Track, TrackScript, VirtualAddress
from vrrpwatch.keepalived_conf import read
from vrrpwatch.keepalived_conf.findings import forbids, mistakes

pytestmark = pytest.mark.skipif(bool(oracle.missing()), reason=oracle.missing() or "the oracle is there")
FILES = sorted((Path(__file__).parents[2] / "data" / "keepalived_conf").glob("*.conf"))
NAMES = ("defaults", "every-feature", "forgiven", "least-garp", "pair-a", "pair-b")
ACCEPTED = [path for path in FILES if path.stem in NAMES]
SCOPES = {0: "global", 200: "site", 253: "link", 254: "host", 255: "nowhere"}


@pytest.fixture(scope="module")
def space() -> Iterator[str]:
    with oracle.namespace() as name:
        yield name


@pytest.fixture(scope="module", params=ACCEPTED, ids=lambda path: path.stem)
def pair(request: pytest.FixtureRequest, space: str) -> tuple[Settings, oracle.Dump]:
    """One file as we read it and as keepalived does, which must accept it."""
    answer = oracle.config_test(space, request.param)
    settings, findings = read(str(request.param), "node")
    assert answer.code == (5 if mistakes(findings) else 0), answer.messages
    assert not any(map(forbids, findings))
    return settings, oracle.dump(space, request.param)


def _address(address: VirtualAddress, one: Instance) -> str:
    """The line that keepalived prints for an address."""
    longest = len(address.address) * 8
    device = address.dev or one.interface
    if one.vmac is not None and device == one.interface and address.family == one.family:
        device = f"{one.vmac.name}@{one.interface}"
    parts = [text(address.address) + ("" if address.prefixlen == longest else f"/{address.prefixlen}")]
    if address.broadcast is not None:
        parts.append(f"brd {text(address.broadcast)}")
    parts.append(f"dev {device} scope {SCOPES[address.scope]}")
    if address.label:
        parts.append(f"label {address.label}")
    if address.no_track:
        parts.append("no_track")
    if longest == 128 and not address.nodad:
        parts.append("-nodad")
    if longest == 128:
        parts.append("deprecated" if address.deprecated else "preferred_lft forever")
    return " ".join(parts)


def _json_of(one: Instance, settings: Settings) -> dict[str, Any]:
    """The fields of keepalived's JSON that configuration decides."""
    commands = [settings.script(track.name) for track in one.tracking.scripts]
    expected: dict[str, Any] = {
        "iname": one.name,
        "dont_track_primary": int(one.dont_track_primary),
        "skip_check_adv_addr": int(one.skip_check_adv_addr),
        "strict_mode": int(one.strict),
        "vmac_ifname": one.vmac.name if one.vmac else "",
        "ifp_ifname": one.vmac.name if one.vmac else one.interface,
        "garp_delay": one.garp.delay_seconds,
        "garp_refresh": one.garp.refresh_seconds,
        "garp_rep": one.garp.repeat,
        "garp_refresh_rep": one.garp.refresh_repeat,
        "garp_lower_prio_delay": one.garp.lower_prio_delay_seconds,
        "garp_lower_prio_rep": one.garp.lower_prio_repeat,
        "lower_prio_no_advert": int(one.lower_prio_no_advert),
        "higher_prio_send_advert": int(one.higher_prio_send_advert),
        "vrid": one.vrid,
        "base_priority": one.priority,
        "promote_secondaries": one.promote_secondaries,
        "adver_int": one.advert_interval_seconds,
        "accept": int(one.accept),
        "nopreempt": not one.preempt,
        "preempt_delay": int(one.preempt_delay_seconds),
        "version": one.version,
        "smtp_alert": one.notify.smtp_alert,
        "notify_deleted": one.notify.deleted_sends_deleted,
        "auth_type": {"none": 0, "pass": 1, "ah": 2}[one.auth_type],
        "vips": [_address(address, one) for address in one.addresses],
        "evips": [_address(address, one) for address in one.excluded_addresses],
        "track_ifp": [track.name for track in one.tracking.interfaces],
        "track_script": [_command(script) for script in commands if script is not None],
    }
    if one.auth_type != "none":
        expected["auth_data"] = one.auth_data.decode()
    return expected


def _command(script: TrackScript) -> str:
    """keepalived resolves symbolic links of the path (/bin is /usr/bin on merged systems)."""
    words = (str(Path(script.command.words[0]).resolve()), *script.command.words[1:])
    return " ".join(f"'{word}'" for word in words)


def test_instances_equal_the_json_dump(pair: tuple[Settings, oracle.Dump]) -> None:
    settings, dump = pair
    assert [one.name for one in settings.instances] == [entry["data"]["iname"] for entry in dump.instances]
    for one, entry in zip(settings.instances, dump.instances, strict=True):
        expected = _json_of(one, settings)
        theirs = {key: entry["data"].get(key, []) for key in expected}
        assert expected == theirs, one.name


def _sections(data: str) -> dict[str, list[str]]:
    """The dump's text: per instance, script and for the global definitions their lines."""
    found: dict[str, list[str]] = {}
    current: list[str] = found.setdefault("start", [])
    for line in data.splitlines():
        title = re.match(r"-+< (.*) >-+| (VRRP Instance|VRRP Script|Track file) = (.*)", line)
        if title is not None:
            name = title.group(1) or f"{title.group(2)} {title.group(3)}"
            current = found.setdefault(name, [])
        else:
            current.append(line.strip())
    return found


def _switch(value: bool, on: str = "true", off: str = "false") -> str:
    return on if value else off


def _text_of(one: Instance) -> list[str]:
    """Lines of the text dump that the JSON does not have."""
    interval = one.advert_interval_seconds
    lines = [
        f"VRRP Version = {one.version}",
        f"Virtual Router ID = {one.vrid}",
        f"Priority = {one.priority}",
        f"Down timer adverts = {one.down_timer_adverts}",
        f"Gratuitous ARP refresh repeat = {one.garp.refresh_repeat}",
        f"Send advert after receive lower priority advert = {_switch(not one.lower_prio_no_advert)}",
        f"Send advert after receive higher priority advert = {_switch(one.higher_prio_send_advert)}",
        f"Accept = {_switch(one.accept, 'enabled', 'disabled')}",
        f"Preempt = {_switch(one.preempt, 'enabled', 'disabled')}",
        f"Notify priority changes = {_switch(one.notify.priority_changes)}",
        (
            f"Advert interval = {round(interval)} sec"
            if one.version == 2
            else f"Advert interval = {round(interval * 1000)} milli-sec"
        ),
    ]
    if one.preempt_delay_seconds:
        lines.append(f"Preempt delay = {one.preempt_delay_seconds:g} secs")
    if one.source_address is not None:
        lines.append(f"Using src_ip = {text(one.source_address)} (from configuration)")
    if one.unicast:
        lines += [
            f"Unicast TTL = {one.unicast_ttl}",
            "Using unicast",
            f"Check unicast src : {_switch(one.check_unicast_src, 'yes', 'no')}",
        ]
        for peer in one.unicast_peers:
            low, high = (0 if peer.min_ttl is None else peer.min_ttl), (255 if peer.max_ttl is None else peer.max_ttl)
            lines.append(f"{text(peer.address)} min_ttl {low} max_ttl {high}")
    else:
        lines.append(f"Multicast address {text(one.multicast_group)}")
    if one.debug:
        lines.append(f"Debug level = {one.debug}")
    lines += [_tracked(track, " ") for track in (*one.tracking.interfaces, *one.tracking.scripts)]
    lines += [_tracked(track, ", ") for track in one.tracking.files]
    return lines


def _tracked(track: Track, between: str) -> str:
    return f"{track.name}{between}weight {track.weight}{' reverse' if track.reverse else ''}"


def test_instances_equal_the_text_dump(pair: tuple[Settings, oracle.Dump]) -> None:
    settings, dump = pair
    sections = _sections(dump.data)
    for one in settings.instances:
        theirs = [line.partition(", ifindex")[0] for line in sections[f"VRRP Instance {one.name}"]]
        missing = [line for line in _text_of(one) if line not in theirs]
        assert not missing, (one.name, theirs)


def _global_text(defs: GlobalDefs) -> list[str]:
    alert = {None: "unset", True: "on", False: "off"}
    return [
        f"Default smtp_alert_vrrp = {alert[defs.smtp_alert_vrrp]}",
        f"Dynamic interfaces = {_switch(defs.dynamic_interfaces)}",
        f"VRRP notify priority changes = {_switch(defs.notify_priority_changes)}",
        f"VRRP IPv4 mcast group = {text(defs.multicast_group4)}",
        f"VRRP IPv6 mcast group = {text(defs.multicast_group6)}",
        f"Gratuitous ARP delay = {defs.garp_master_delay_seconds:g}",
        f"Gratuitous ARP repeat = {defs.garp_master_repeat}",
        f"Gratuitous ARP refresh timer = {defs.garp_master_refresh_seconds:g}",
        f"Gratuitous ARP refresh repeat = {defs.garp_master_refresh_repeat}",
        f"Gratuitous ARP lower priority delay = {defs.garp_lower_prio_delay_seconds:g}",
        f"Gratuitous ARP lower priority repeat = {defs.garp_lower_prio_repeat}",
        f"Num adverts before down = {defs.down_timer_adverts}",
        f"Send advert after receive lower priority advert = {_switch(not defs.lower_prio_no_advert)}",
        f"Send advert after receive higher priority advert = {_switch(defs.higher_prio_send_advert)}",
        f"Gratuitous ARP interval = {defs.garp_interval_seconds:.6f}",
        f"Gratuitous NA interval = {defs.gna_interval_seconds:.6f}",
        f"VRRP default protocol version = {defs.vrrp_version}",
        f"VRRP check unicast_src = {_switch(defs.check_unicast_src)}",
        f"VRRP skip check advert addresses = {_switch(defs.skip_check_adv_addr)}",
        f"VRRP strict mode = {_switch(defs.strict)}",
        f"Max auto priority = {defs.max_auto_priority}",
        f"Min auto priority delay = {defs.min_auto_priority_delay_us} usecs",
        f"VRRP process priority = {defs.vrrp_priority}",
        f"VRRP don't swap = {_switch(defs.vrrp_no_swap)}",
        f"VRRP realtime priority = {defs.vrrp_rt_priority or 0}",
        f"VRRP realtime limit = {defs.vrrp_rlimit_rttime_us}",
        f"Script security {_switch(defs.script_security, 'enabled', 'disabled')}",
        f"rx_bufs_multiples = {defs.rx_bufs_multiplier}",
    ]


def test_global_definitions_equal_the_text_dump(pair: tuple[Settings, oracle.Dump]) -> None:
    settings, dump = pair
    theirs = _sections(dump.data)["Global definitions"]
    missing = [line for line in _global_text(settings.global_defs) if line not in theirs]
    assert not missing, theirs


def test_scripts_and_track_files_equal_the_text_dump(pair: tuple[Settings, oracle.Dump]) -> None:
    settings, dump = pair
    sections = _sections(dump.data)
    for script in settings.scripts:
        expected = [
            f"Command = {_command(script)}",
            f"Interval = {script.interval_seconds:g} sec",
            f"Timeout = {script.timeout_seconds:g} sec",
            f"Weight = {script.weight}{' reverse' if script.reverse else ''}",
            f"Rise = {script.rise}",
            f"Fall = {script.fall}",
        ]
        theirs = sections[f"VRRP Script {script.name}"]
        assert not [line for line in expected if line not in theirs], theirs
    for file in settings.track_files:
        theirs = sections[f"Track file {file.name}"]
        assert f"File = {file.path}" in theirs
        assert f"Weight = {file.weight}" in theirs
