"""What a configuration needs of this machine: interfaces, users, scripts that exist and that only root can write."""

from __future__ import annotations

import grp
import os
import pwd
from collections.abc import Iterator
from pathlib import Path

from vrrpcore.errors import ConfigError
from vrrpcore.settings import Command, Origin, Route, Rule, Settings
from vrrpcore.speaker.permission import unsafe_part
from vrrpwatch.keepalived_conf.findings import Finding, Severity
from vrrpwatch.keepalived_conf.read import Reading
from vrrpwatch.keepalived_conf.scripts import by_the_shell, commands, located, security_code

_INTERFACES = Path("/sys/class/net")


def on_this_host(reading: Reading) -> list[Finding]:
    """All findings of a reading as keepalived would have them on this machine, and what the machine lacks."""
    judged = security_code(reading.settings, reading.findings, reading.misread)
    return judged + check_host(reading.settings)


def check_host(settings: Settings, interfaces: Path = _INTERFACES) -> list[Finding]:
    """Findings that only hold on this machine."""
    check = _Host(settings, interfaces)
    check.interfaces()
    check.names()
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

    def names(self) -> None:
        """Routing tables, realms and the like that a route or rule names must be known to this host."""
        settings = self._settings
        rows: list[Route | Rule] = [*settings.routes, *settings.rules]
        for instance in settings.instances:
            rows += [*instance.routes, *instance.rules]
        if not rows:
            return
        from vrrpcore.links import resolve  # netlink takes a tenth of a second to load

        for row in rows:
            try:
                resolve(row)
            except ConfigError as error:
                message = f"{error}; keepalived drops the line"
                self._tell(row.origin, Severity.ERROR, "name-unknown", message, "write the number")

    # -- users and scripts ---------------------------------------------------------------------------------------

    def users(self) -> None:
        """Users and groups that scripts run as."""
        defs = self._settings.global_defs
        where = defs.origins.get("script_user", defs.origin)
        names = [(defs.script_user, defs.script_group, where, 5)]
        if defs.script_security and not defs.script_user:
            names += [("keepalived_script", "", one.origin, 5) for one, _ in commands(self._settings) if not one.user]
        names += [
            (command.user, command.group, command.origin, 5 * _complained_of(owner))
            for command, owner in commands(self._settings)
        ]
        for user, group, place, code in names:
            severity = Severity.ERROR if code else Severity.WARNING
            if user and not _known(pwd.getpwnam, user):
                message = f"there is no user {user} on this host; keepalived drops what runs as it"
                self._tell(place, severity, "user-missing", message, f"useradd -r {user}", code)
            elif group and not _known(grp.getgrnam, group):
                message = f"there is no group {group} on this host; keepalived drops what runs as it"
                self._tell(place, severity, "group-missing", message, f"groupadd -r {group}", code)

    def scripts(self) -> None:
        """Programs must be there and executable; what runs as root must not be writable by others."""
        for command, owner in commands(self._settings):
            if by_the_shell(command):
                continue
            program, path = command.words[0], located(command)
            said = _complained_of(owner)
            if not path:
                self._tell(
                    command.origin,
                    Severity.ERROR if said else Severity.WARNING,
                    "script-missing",
                    f"{owner}: {program} does not exist on this host; keepalived disables it"
                    + ("" if said else " without a word"),
                    "install it, or correct the path",
                    5 * said,
                )
                continue
            if not os.path.isfile(path) or not os.stat(path).st_mode & 0o111:
                self._tell(
                    command.origin,
                    Severity.WARNING,
                    "script-not-executable",
                    f"{owner}: {path} is not an executable file; each run of it will fail",
                    f"chmod +x {path}",
                    0,
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
                self._writable(command, owner, path)

    def _writable(self, command: Command, owner: str, path: str) -> None:
        part = unsafe_part(path)
        if not part:
            return
        secure, said = self._settings.global_defs.script_security, _complained_of(owner)
        then = "" if not secure else "; keepalived disables it" if said else "; keepalived disables it without a word"
        self._tell(
            command.origin,
            Severity.ERROR if secure else Severity.WARNING,
            "script-writable",
            f"{owner}: {path} runs as root, but {part} can be changed by others{then}",
            f"chown root {part}; chmod go-w {part}",
            5 * said if secure else 6,
        )


def _complained_of(owner: str) -> bool:
    """Whether `keepalived --config-test` says that a script is disabled (measured: of those that are tracked only)."""
    return owner.startswith("vrrp_script ")


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
