"""What a configuration needs of this machine: interfaces, users, scripts that exist and that only root can write."""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from vrrpcore.settings import Command, Instance, Origin, Settings, SyncGroup
from vrrpwatch.keepalived_conf.findings import Finding, Severity

_INTERFACES = Path("/sys/class/net")


def check_host(settings: Settings, interfaces: Path = _INTERFACES) -> list[Finding]:
    """Findings that only hold on this machine."""
    check = _Host(settings, interfaces)
    check.interfaces()
    check.users()
    check.scripts()
    return check.found


class _Host:
    def __init__(self, settings: Settings, interfaces: Path) -> None:
        self._settings, self._directory = settings, interfaces
        self.found: list[Finding] = []
        self._told: set[tuple[str, str, int]] = set()

    def _tell(self, where: Origin, severity: Severity, code: str, message: str, fix: str, exit_code: int = 5) -> None:
        key = (code, where.file, where.line)
        if key in self._told:
            return
        self._told.add(key)
        line = max(1, where.line)
        self.found.append(Finding(where.file, line, where.column, line, severity, code, message, fix, exit_code))

    # -- interfaces ----------------------------------------------------------------------------------------------

    def _needed(self) -> Iterator[tuple[str, Origin, str]]:
        for one in self._settings.instances:
            own = {one.vmac.name} if one.vmac is not None else set()
            if one.interface:
                yield one.interface, one.where("interface"), one.name
            for address in (*one.addresses, *one.excluded_addresses):
                if address.dev and address.dev not in own:
                    yield address.dev, address.origin, one.name
            for track in one.tracking.interfaces:
                yield track.name, track.origin, one.name
            for route in one.routes:
                for hop in route.nexthops:
                    if hop.dev and hop.dev not in own:
                        yield hop.dev, route.origin, one.name
        default = self._settings.global_defs.default_interface or "eth0"
        for address in self._settings.addresses:
            yield address.dev or default, address.origin, "static_ipaddress"

    def interfaces(self) -> None:
        """Every interface that is named must be there, and the instance's own one be usable."""
        dynamic = self._settings.global_defs.dynamic_interfaces
        there = sorted(path.name for path in self._directory.iterdir()) if self._directory.is_dir() else []
        for name, where, owner in self._needed():
            path = self._directory / name
            if "/" in name or not path.exists():
                self._tell(
                    where,
                    Severity.WARNING if dynamic else Severity.ERROR,
                    "interface-missing",
                    f"{owner}: there is no interface {name} on this host",
                    f"one of: {', '.join(each for each in there if each != 'lo')}" if there else "",
                    0 if dynamic else 5,
                )
            elif name == "lo":
                self._tell(
                    where, Severity.ERROR, "interface-loopback", f"{owner}: lo cannot carry VRRP", "name another one"
                )
            elif not int(_read(path / "flags", "0x1"), 16) & 1:
                self._tell(
                    where, Severity.WARNING, "interface-down", f"{owner}: {name} is down", f"ip link set {name} up", 0
                )

    # -- users and scripts ---------------------------------------------------------------------------------------

    def _commands(self) -> Iterator[tuple[Command, str]]:
        for script in self._settings.scripts:
            yield script.command, f"vrrp_script {script.name}"
        holders: tuple[Instance | SyncGroup, ...] = (*self._settings.instances, *self._settings.sync_groups)
        for holder in holders:
            note = holder.notify
            for each in (
                note.master,
                note.backup,
                note.fault,
                note.stop,
                note.deleted,
                note.master_rx_lower_pri,
                note.any,
            ):
                if each is not None:
                    yield each, holder.name
        for server in self._settings.virtual_servers:
            for real in server.real_servers:
                for check in real.checkers:
                    if check.command is not None:
                        yield check.command, check.kind

    def users(self) -> None:
        """Users and groups that scripts run as."""
        defs = self._settings.global_defs
        where = defs.origins.get("script_user", defs.origin)
        names = [(defs.script_user, defs.script_group, where)]
        names += [(command.user, command.group, command.origin) for command, _ in self._commands()]
        for user, group, place in names:
            if user and not _known(pwd.getpwnam, user):
                self._tell(
                    place,
                    Severity.ERROR,
                    "user-missing",
                    f"there is no user {user} on this host; keepalived drops what runs as it",
                    f"useradd -r {user}",
                )
            elif group and not _known(grp.getgrnam, group):
                self._tell(
                    place,
                    Severity.ERROR,
                    "group-missing",
                    f"there is no group {group} on this host; keepalived drops what runs as it",
                    f"groupadd -r {group}",
                )

    def scripts(self) -> None:
        """Programs must be there and executable; what runs as root must not be writable by others."""
        for command, owner in self._commands():
            program = command.words[0]
            path = program if program.startswith("/") else shutil.which(program)
            if path is None or not os.path.exists(path):
                self._tell(
                    command.origin,
                    Severity.ERROR,
                    "script-missing",
                    f"{owner}: {program} does not exist on this host; keepalived disables it",
                    "install it, or correct the path",
                )
                continue
            if not os.path.isfile(path) or not os.stat(path).st_mode & 0o111:
                self._tell(
                    command.origin,
                    Severity.ERROR,
                    "script-not-executable",
                    f"{owner}: {path} is not an executable file; keepalived disables it",
                    f"chmod +x {path}",
                )
                continue
            if not program.startswith("/"):
                self._tell(
                    command.origin,
                    Severity.NOTE,
                    "script-by-path",
                    f"{owner}: {program} is found as {path}",
                    f"write {path}",
                    0,
                )
            if (command.user or self._settings.global_defs.script_user or "root") == "root":
                self._writable(command, owner, os.path.realpath(path))

    def _writable(self, command: Command, owner: str, path: str) -> None:
        for part in (path, *map(str, Path(path).parents)):
            status = os.lstat(part)
            sticky = stat.S_ISDIR(status.st_mode) and status.st_mode & stat.S_ISVTX
            if status.st_uid != 0 or (status.st_mode & 0o022 and not sticky):
                secure = self._settings.global_defs.script_security
                self._tell(
                    command.origin,
                    Severity.ERROR if secure else Severity.WARNING,
                    "script-writable",
                    f"{owner}: {path} runs as root, but {part} can be changed by others"
                    + ("; keepalived disables it" if secure else ""),
                    f"chown root {part}; chmod go-w {part}",
                    5 if secure else 6,
                )
                return


def _read(path: Path, default: str) -> str:
    try:
        return path.read_text().strip() or default
    except OSError:
        return default


def _known(lookup: object, name: str) -> bool:
    try:
        lookup(name)  # type: ignore[operator]
    except (KeyError, ValueError):
        return False
    return True
