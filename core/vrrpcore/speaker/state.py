"""What the speaker publishes to other processes: a JSON file, replaced atomically (write beside it, then rename).

Default path `/run/vrrpwatch/speaker.json` (`run --state PATH`). It is written by the supervising parent, never by the
process that keeps time: on every change of state, and once a second. A reader takes the whole file or nothing; a file
whose `updated` is older than a few seconds belongs to a speaker that is dead or stuck (`pid` tells which).

    {"schema": 1, "program": "vrrpwatch", "version": "0.1.0", "pid": 4711, "vrrp_pid": 4712, "restarts": 0,
     "started": 1795336654.41, "updated": 1795336683.61, "config": "/etc/keepalived/keepalived.conf",
     "config_last_reload_successful": true, "notes": ["SCHED_FIFO is not permitted: …"],
     "mail": {"sent": 2, "failed": 0, "waiting": 0},         smtp_alert: since the start, and now
     "global": {"virtual_routers": 2, "interfaces": 1, "checksum_errors": 0, "version_errors": 0, "vrid_errors": 0,
                "ip_ttl_errors": 0},
     "instances": [
       {"name": "VI_1", "interface": "eth0", "vrid": 51, "family": "ipv4", "version": 2,
        "state": "master",                  init | backup | master | fault
        "since": 1795336658.366,            epoch seconds of the last change of state
        "priority": 150, "effective_priority": 150, "owner": false, "preempt": true, "accept": true,
        "advert_interval": 1.0, "master_interval": 1.0, "skew": 0.414, "master_down_interval": 3.414,   seconds
        "vips": ["10.9.0.100"], "address": "10.9.0.1",       our primary address, "" while there is none
        "virtual_mac": "00:00:5e:00:01:33",                  "" where the interface's own MAC is used
        "master": "10.9.0.1", "master_priority": 150,        whom we follow, ourselves when master, "" before any
        "last_adv_source": "10.9.0.2",                       sender of the last advert that was accepted
        "last_event": "master-timeout",                      RFC 8347 last-event
        "new_master_reason": "no-response",                  RFC 8347 new-master-reason
        "faults": [],                                        why it is in fault, in words
        "sync_group": "",
        "yielded": false,                                    backup on proof of a superior that is not heard
        "last_proof": 0.0,                                   epoch seconds of the last such proof, 0 = never
        "split_brain": {…},                                  with --watch, below
        "counters": {…}}]}                                   machine.counters.Counters.as_json(): RFC 8347 names first

`counters` holds master_transitions, advertisement_rcvd, advertisement_sent, priority_zero_pkts_rcvd,
priority_zero_pkts_sent, ip_ttl_errors, version_errors, vrid_errors, invalid_type_pkts_rcvd, checksum_errors,
packet_length_errors, interval_errors, address_list_errors, invalid_auth_type, auth_type_mismatch, auth_failures, then
since, backup_transitions, master_releases, announcements_sent, send_errors, lower_priority_rcvd, own_address_rcvd,
late, yields, checksum_styles{style: n}, refused{reason: n} and last_refused{source, reason}.

`split_brain` is what the judge beside the speaker says of the instance, null without `run --watch`:

    {"level": "none", none | suspected | confirmed     "class": "", "cause": "", "confidence": "",   the judge's words
     "since": 0.0, epoch seconds, 0 = none              "masters": [], "blamed": [], "evidence": [], "remedy": "",
     "episodes": 0, confirmed ones since the start      "last": 0.0, when the last confirmed one was seen, 0 = never
     "yields": false, whether it may yield on proof     "watched": true} whether the judge is there to speak
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Final

from vrrpcore.errors import SourceError

SCHEMA: Final = 1
DEFAULT_PATH: Final = "/run/vrrpwatch/speaker.json"


def write(path: str, state: dict[str, Any]) -> None:
    """Replace the file at once; OSError where that is not possible."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_name(f".{target.name}.{os.getpid()}")
    beside.write_text(json.dumps(state, separators=(",", ":")), encoding="utf-8")
    beside.replace(target)


def read(path: str = DEFAULT_PATH) -> dict[str, Any]:
    """The last published state. SourceError: no speaker has published here, or not in a form that we know."""
    try:
        state = json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SourceError(f"{path}: no speaker publishes its state here (is `vrrpwatch run` running?)") from None
    except (OSError, ValueError) as error:
        raise SourceError(f"{path}: {error}") from None
    if not isinstance(state, dict) or state.get("schema") != SCHEMA:
        raise SourceError(f"{path}: not the state of a speaker (schema {SCHEMA})")
    return state


def remove(path: str) -> None:
    """The speaker ends: nobody shall read a state that is no longer so."""
    Path(path).unlink(missing_ok=True)
