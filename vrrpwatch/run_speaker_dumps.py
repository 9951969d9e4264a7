"""What keepalived writes on SIGUSR1, SIGUSR2 and SIGRTMIN+2, from the speaker's published rows: data, stats, JSON."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from vrrpcore.addresses import text
from vrrpcore.settings import Instance, Settings, VirtualAddress

_STATES: Final = {"init": 0, "backup": 1, "master": 2, "fault": 3}
_SCOPES: Final = {0: "global", 200: "site", 253: "link", 254: "host"}
_AUTH: Final = {"none": 0, "pass": 1, "ah": 2}
Row = dict[str, Any]


def dump_folder() -> Path:
    """Where keepalived puts them: TMPDIR, else /tmp."""
    return Path(os.environ.get("TMPDIR") or "/tmp")  # noqa: S108 (keepalived's place; replaced by rename, never followed)


def write_dump(name: str, content: str) -> Path:
    """Replace a dump at once; OSError where that is not possible. A symbolic link of that name is replaced, too."""
    target = dump_folder() / name
    beside = target.with_name(f".{name}.{os.getpid()}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(content)
    beside.replace(target)
    return target


def as_json(settings: Settings, rows: Sequence[Row]) -> str:
    """keepalived's JSON dump (version 1: an array; version 2: an object), its keys first, ours after them."""
    found = []
    for row in rows:
        instance = settings.instance(row["name"])
        if instance is not None:
            found.append({"data": _data(instance, row), "stats": _stats(row["counters"])})
    if settings.global_defs.json_version == 2:
        return json.dumps({"vrrp": found, "track_process": []})
    return json.dumps(found)


def _data(instance: Instance, row: Row) -> Row:
    garp = instance.garp
    state = _STATES[row["state"]]
    return {
        "iname": instance.name,
        "dont_track_primary": int(instance.dont_track_primary),
        "skip_check_adv_addr": int(instance.skip_check_adv_addr),
        "strict_mode": int(instance.strict),
        "vmac_ifname": instance.vmac.name if instance.vmac else "",
        "ifp_ifname": instance.interface,
        "master_priority": row["master_priority"] if row["state"] == "backup" else 0,
        "last_transition": row["since"],
        "garp_delay": garp.delay_seconds,
        "garp_refresh": garp.refresh_seconds,
        "garp_rep": garp.repeat,
        "garp_refresh_rep": garp.refresh_repeat,
        "garp_lower_prio_delay": garp.lower_prio_delay_seconds,
        "garp_lower_prio_rep": garp.lower_prio_repeat,
        "lower_prio_no_advert": int(instance.lower_prio_no_advert),
        "higher_prio_send_advert": int(instance.higher_prio_send_advert),
        "vrid": instance.vrid,
        "base_priority": instance.priority,
        "effective_priority": row["effective_priority"],
        "vipset": row["state"] == "master",
        "promote_secondaries": instance.promote_secondaries,
        "adver_int": row["advert_interval"],
        "master_adver_int": row["master_interval"],
        "accept": int(instance.accept),
        "nopreempt": not instance.preempt,
        "preempt_delay": instance.preempt_delay_seconds,
        "state": state,
        "wantstate": state,
        "version": instance.version,
        "smtp_alert": instance.notify.smtp_alert,
        "notify_deleted": instance.notify.deleted_sends_deleted,
        "vips": [_address(each, instance, row) for each in instance.addresses],
        "evips": [_address(each, instance, row) for each in instance.excluded_addresses],
        "auth_type": _AUTH[instance.auth_type],
        "auth_data": "********" if instance.auth_type != "none" else "",
        "faults": row["faults"],
        "new_master_reason": row["new_master_reason"],
        "last_adv_source": row["last_adv_source"],
        "refused": row["counters"]["refused"],
    }


def _address(address: VirtualAddress, instance: Instance, row: Row) -> str:
    words = [f"{text(address.address)}/{address.prefixlen}", "dev", address.dev or instance.interface]
    words += ["scope", _SCOPES.get(address.scope, str(address.scope))]
    if address.label:
        words += ["label", address.label]
    return " ".join([*words, *(["set"] if row["state"] == "master" else [])])


def _stats(counters: Row) -> dict[str, int]:
    return {
        "advert_rcvd": counters["advertisement_rcvd"],
        "advert_sent": counters["advertisement_sent"],
        "become_master": counters["master_transitions"],
        "release_master": counters["master_releases"],
        "packet_len_err": counters["packet_length_errors"],
        "advert_interval_err": counters["interval_errors"],
        "ip_ttl_err": counters["ip_ttl_errors"],
        "invalid_type_rcvd": counters["invalid_type_pkts_rcvd"],
        "addr_list_err": counters["address_list_errors"],
        "invalid_authtype": counters["invalid_auth_type"],
        "authtype_mismatch": counters["auth_type_mismatch"],
        "auth_failure": counters["auth_failures"],
        "pri_zero_rcvd": counters["priority_zero_pkts_rcvd"],
        "pri_zero_sent": counters["priority_zero_pkts_sent"],
    }


_STATS_TEXT: Final = """\
VRRP Instance: {name}
  Advertisements:
    Received: {advert_rcvd}
    Sent: {advert_sent}
  Became master: {become_master}
  Released master: {release_master}
  Packet Errors:
    Length: {packet_len_err}
    TTL: {ip_ttl_err}
    Invalid Type: {invalid_type_rcvd}
    Advertisement Interval: {advert_interval_err}
    Address List: {addr_list_err}
  Authentication Errors:
    Invalid Type: {invalid_authtype}
    Type Mismatch: {authtype_mismatch}
    Failure: {auth_failure}
  Priority Zero:
    Received: {pri_zero_rcvd}
    Sent: {pri_zero_sent}
"""


def as_stats(rows: Sequence[Row]) -> str:
    """keepalived's text of counters."""
    return "".join(_STATS_TEXT.format(name=row["name"], **_stats(row["counters"])) for row in rows)


def as_data(rows: Sequence[Row]) -> str:
    """The state of every instance for people, one `key = value` a line."""
    lines = [time.strftime("------< vrrpwatch, %Y-%m-%d %H:%M:%S >------")]
    for row in rows:
        lines.append(f" VRRP Instance = {row['name']}")
        lines += [f"   {key} = {value}" for key, value in row.items() if key not in ("name", "counters")]
    return "\n".join(lines) + "\n"
