"""Which programs a configuration runs, and what keepalived says of them on this machine."""

from __future__ import annotations

import grp
import os
import pwd
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import replace

from vrrpcore.settings import Command, Instance, Settings, SyncGroup
from vrrpwatch.keepalived_conf.findings import Finding

SECURITY = "script-security"


def commands(settings: Settings) -> Iterator[tuple[Command, str]]:
    """Every command with the name of what runs it."""
    for script in settings.scripts:
        yield script.command, f"vrrp_script {script.name}"
    holders: tuple[Instance | SyncGroup, ...] = (*settings.instances, *settings.sync_groups)
    for holder in holders:
        note = holder.notify
        told = (note.master, note.backup, note.fault, note.stop, note.deleted, note.master_rx_lower_pri, note.any)
        yield from ((each, holder.name) for each in told if each is not None)
    for server in settings.virtual_servers:
        yield from ((each, "virtual_server") for each in (server.quorum_up, server.quorum_down) if each is not None)
        for real in server.real_servers:
            yield from ((each, "real_server") for each in (real.notify_up, real.notify_down) if each is not None)
            yield from ((each.command, each.kind) for each in real.checkers if each.command is not None)
    defs = settings.global_defs
    fifos = (defs.notify_fifo, defs.vrrp_notify_fifo, defs.lvs_notify_fifo)
    starts = (defs.startup_script, defs.shutdown_script, *(fifo.script for fifo in fifos if fifo is not None))
    yield from ((each, "global_defs") for each in starts if each is not None)


def located(command: Command) -> str:
    """Where the program of a command is on this machine; "" when it is not there."""
    program = command.words[0]
    path = program if "/" in program else shutil.which(program) or ""
    return path if path and os.path.exists(path) else ""


def runs_as_root(command: Command, settings: Settings) -> bool:
    """Whether root would run a command here: by its own user, script_user, or where there is no keepalived_script.

    Without the user or group that is asked for, keepalived drops the command: False.
    """
    defs = settings.global_defs
    user, group = (command.user, command.group) if command.user else (defs.script_user, defs.script_group)
    try:
        if group:
            grp.getgrnam(group)
        return pwd.getpwnam(user or "keepalived_script").pw_uid == 0
    except (KeyError, ValueError):
        return not user and not group


def by_the_shell(command: Command) -> bool:
    """Whether it is no program, but a redirection for the shell (`</dev/tcp/ADDRESS/PORT`)."""
    return command.words[0].startswith("<")


def security_code(
    settings: Settings, findings: Iterable[Finding], misread: frozenset[tuple[str, int]]
) -> list[Finding]:
    """Findings of a reading with keepalived's exit code for script security: 6 where root would run a script, else 0.

    keepalived looks at the file before it complains: what it does not find it disables instead (exit code 5).
    """
    runs = any(
        located(command) and runs_as_root(command, settings)
        for command, _ in commands(settings)
        if (command.origin.file, command.origin.line) not in misread
    )
    return [replace(each, exit_code=6 * runs) if each.code == SECURITY else each for each in findings]
