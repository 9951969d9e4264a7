"""What a configuration asks of `run` and of this host: interfaces, chores, what is not done yet; one speaker a host."""

from __future__ import annotations

import fcntl
import logging
import socket
import sys
import time
from pathlib import Path
from typing import IO, Final

from vrrpcore.errors import VrrpwatchError
from vrrpcore.settings import Command, Notify, Settings
from vrrpcore.speaker.linkstates import polled_links
from vrrpwatch.keepalived_conf.findings import Finding, Severity

_LOCK_SECONDS: Final = 2.0  # how long a predecessor's last process may take to end
log = logging.getLogger("vrrpwatch.speaker")


def lock_host(file: str) -> IO[str] | None:
    """One speaker for one host: two would fight for the same addresses. VrrpwatchError when there is one already.

    The lock lives as long as any of our processes: an orphaned timekeeper may need a moment to release. None where
    the file cannot be made.
    """
    path = Path(file)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = path.open("w", encoding="ascii")
    except OSError as error:
        log.warning("%s: %s; a second speaker would not be noticed", path, error.strerror)
        return None
    by = time.monotonic() + _LOCK_SECONDS
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > by:
                raise VrrpwatchError(f"another vrrpwatch run is active here ({path} is locked)") from None
            time.sleep(0.05)
        else:
            return lock


def report_findings(findings: list[Finding]) -> None:
    """Every finding on stderr, one line each."""
    for each in findings:
        fix = f" ({each.fix})" if each.fix else ""
        sys.stderr.write(f"{each.file}:{each.line}:{each.column}: {each.severity}: {each.message}{fix}\n")
    sys.stderr.flush()


def config_test(file: str, config_id: str) -> int:
    """What `run -t` prints and returns: keepalived's exit code on this host; what has no effect here is no mistake."""
    from vrrpwatch.keepalived_conf import config_test_code, effect, read_all
    from vrrpwatch.keepalived_conf.host import on_this_host

    reading = read_all(file, config_id)
    findings = on_this_host(reading)
    report_findings(findings)
    text = effect.grouped(effect.without_effect(reading.tree, reading.settings.files))
    if text:
        sys.stderr.write(text + "\n")
    return config_test_code(findings)


def missing_interfaces(settings: Settings) -> list[Finding]:
    """What the file asks for and this host does not have: keepalived says so under -t (exit code 5), too."""
    present = {name for _, name in socket.if_nameindex()}
    if settings.global_defs.dynamic_interfaces:
        return []
    wanted = [(each.interface, each.where("interface"), each.name) for each in settings.instances]
    wanted += [
        (address.dev, address.origin, each.name)
        for each in settings.instances
        for address in (*each.addresses, *each.excluded_addresses)
        if address.dev and not (each.vmac and each.vmac.name == address.dev)
    ]
    return [
        Finding(
            *(at.file, at.line, at.column, at.line, Severity.ERROR, "no-interface"),
            f"interface {name} of vrrp_instance {owner} does not exist on this host",
            f"one of: {', '.join(sorted(present - {'lo'}))}" if present - {"lo"} else "",
            5,
        )
        for name, at, owner in wanted
        if name and name not in present
    ]


def has_chores(settings: Settings) -> bool:
    """Whether anything is to be run, watched or told."""
    defs = settings.global_defs
    notifies = _notifies(settings)
    told = any(each.smtp_alert or any(_commands(each)) for each in notifies)
    return bool(tracked_names(settings) or told or defs.notify_fifo or defs.vrrp_notify_fifo)


def _commands(notify: Notify) -> tuple[Command | None, ...]:
    own = (notify.master, notify.backup, notify.fault, notify.stop, notify.deleted)
    return (*own, notify.any, notify.master_rx_lower_pri)


def tracked_names(settings: Settings) -> set[str]:
    """Names of what the process for scripts watches."""
    names = {each.name for each in settings.scripts} | {each.name for each in settings.track_files}
    return names | {each.name for each in settings.processes} | {name for name, _ in polled_links(settings)}


def kept_names(settings: Settings) -> set[str]:
    """Names of everything whose value another process tells."""
    return tracked_names(settings) | {each.name for each in settings.bfd_instances}


def _notifies(settings: Settings) -> list[Notify]:
    return [each.notify for each in settings.instances] + [each.notify for each in settings.sync_groups]


def not_supported(settings: Settings) -> list[str]:
    """What the file asks for and `run` does not do yet: said at the start, one line each."""
    found = []
    defs = settings.global_defs
    if settings.virtual_servers:
        found.append("virtual_server blocks are read but not served: run keepalived's checkers for them")
    if any(each.smtp_alert for each in _notifies(settings)) and not (defs.smtp_server and defs.notification_email):
        found.append("smtp_alert without smtp_server or notification_email: no mail is sent")
    if any(each.lvs_sync_daemon for each in settings.instances) or settings.global_defs.lvs_sync_daemon:
        found.append("lvs_sync_daemon is not supported")
    return found
