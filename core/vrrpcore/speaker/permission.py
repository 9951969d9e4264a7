"""As whom a program of the configuration runs, and whether it may: the answer holds for this very moment."""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import stat
from collections.abc import Iterator
from typing import Final, NamedTuple

from vrrpcore.settings import Command, GlobalDefs

DEFAULT_USER: Final = "keepalived_script"  # where there is one and script_user says nothing
_LINKS: Final = 40  # symbolic links in one path, as the kernel counts


class Identity(NamedTuple):
    """Whose rights a program gets."""

    uid: int
    gid: int


def identity(command: Command, defs: GlobalDefs) -> Identity:
    """The command's own user, else script_user, else keepalived_script, else our own (not with
    enable_script_security); LookupError, in words, where the host does not know the user or the group."""
    user, group = (command.user, command.group) if command.user else (defs.script_user, defs.script_group)
    entry = _known(user or DEFAULT_USER)
    if entry is None and user:
        raise LookupError(f"there is no user {user}")
    if entry is None and defs.script_security:
        raise LookupError(f"script_user is not set, and there is no user {DEFAULT_USER} (enable_script_security)")
    if entry is None:
        return Identity(os.geteuid(), os.getegid())
    if not group:
        return Identity(entry.pw_uid, entry.pw_gid)
    try:
        return Identity(entry.pw_uid, grp.getgrnam(group).gr_gid)
    except KeyError:
        raise LookupError(f"there is no group {group}") from None


def _known(user: str) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(user)
    except (KeyError, ValueError):
        return None


def refusal(command: Command, defs: GlobalDefs) -> str:
    """Why the command must not be run now, in words; "" when it may."""
    try:
        who = identity(command, defs)
    except LookupError as error:
        return str(error.args[0])
    program = command.words[0]
    path = program if "/" in program else shutil.which(program) or ""
    try:
        status = os.stat(path)
    except OSError as error:
        return f"{error.strerror}" if path else "it is nowhere on PATH"
    if not stat.S_ISREG(status.st_mode) or not _executable(status, who):
        return f"it is no file that user {who.uid}, group {who.gid} can execute"
    if defs.script_security and _as_root(status, who):
        part = unsafe_part(path)
        if part:
            return f"root would run it, and others can change {part} (enable_script_security)"
    return ""


def _executable(status: os.stat_result, who: Identity) -> bool:
    mode = status.st_mode
    if who.uid == 0:
        return bool(mode & 0o111)
    if who.uid == status.st_uid:
        return bool(mode & stat.S_IXUSR)
    return bool(mode & (stat.S_IXGRP if who.gid == status.st_gid else stat.S_IXOTH))


def _as_root(status: os.stat_result, who: Identity) -> bool:
    """Whether root's rights are given, by the user, by the group, or by the file's set-id bits."""
    by_user = status.st_uid == 0 and status.st_mode & stat.S_ISUID
    by_group = status.st_gid == 0 and status.st_mode & stat.S_ISGID
    return who.uid == 0 or who.gid == 0 or bool(by_user or by_group)


def unsafe_part(path: str) -> str:
    """The first part of a path that somebody else than root can change: the file, a link, a directory on the way.

    "" when there is none. A directory that others may write to is safe with the sticky bit (/tmp): what is root's
    cannot be replaced there. OSError where the path does not lead anywhere.
    """
    for part, status in _walk(path):
        if status.st_uid != 0:
            return part
        if stat.S_ISLNK(status.st_mode) or (stat.S_ISDIR(status.st_mode) and status.st_mode & stat.S_ISVTX):
            continue
        if status.st_mode & stat.S_IWOTH or (status.st_mode & stat.S_IWGRP and status.st_gid != 0):
            return part
    return ""


def _walk(path: str) -> Iterator[tuple[str, os.stat_result]]:
    """Every directory, link and file that the kernel meets on a path, from the root on."""
    waiting = [each for each in reversed(os.path.join(os.getcwd(), path).split("/")) if each not in ("", ".")]
    here, links = "/", 0
    yield here, os.lstat(here)
    while waiting:
        word = waiting.pop()
        if word == "..":
            here = os.path.dirname(here)
            continue
        part = os.path.join(here, word)
        status = os.lstat(part)
        yield part, status
        if not stat.S_ISLNK(status.st_mode):
            here = part
            continue
        links += 1
        if links > _LINKS:
            raise OSError(f"{path}: too many symbolic links")
        target = os.readlink(part)
        here = "/" if target.startswith("/") else here
        waiting += [each for each in reversed(target.split("/")) if each not in ("", ".")]
