"""Labs that stand until told to go: found by other processes of the same user, who may enter their hosts.

A standing lab writes `lab.json` into its directory: the id of its process and, for each host, the descriptors of its
namespaces. Entering is what nsenter(1) does, without needing it.
"""

from __future__ import annotations

import fcntl
import json
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from vrrpcore.errors import UsageError

from .namespaces import CLONE_NEWNET, CLONE_NEWNS, CLONE_NEWUSER, CLONE_NEWUTS, LabError, setns
from .network import LOCK, PREFIX, Lab

FILE: Final = "lab.json"


@dataclass(frozen=True, slots=True)
class Standing:
    """A lab that stands now."""

    directory: Path
    pid: int  # of the process that holds it, as seen from here
    hosts: dict[str, dict[str, Any]]  # name -> {"net": descriptor, "mnt": …, "uts": …, "addresses": […]}


def publish(lab: Lab, pid: int) -> None:
    """Let others find this lab; `pid` as others see it."""
    hosts = {
        name: {"net": host.net, "mnt": host.mnt, "uts": host.uts, "addresses": host.addresses()}
        for name, host in lab.hosts.items()
    }
    lab.write(FILE, json.dumps({"pid": pid, "hosts": hosts}))


def standing() -> list[Standing]:
    """Every lab of this machine that stands and may be looked into."""
    found = []
    for path in sorted(Path(tempfile.gettempdir()).glob(f"{PREFIX}*/{FILE}")):
        try:
            document = json.loads(path.read_text())
            if _held(path.parent / LOCK):
                found.append(Standing(path.parent, int(document["pid"]), dict(document["hosts"])))
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return found


def _held(lock: Path) -> bool:
    """Whether a living process holds the lab's lock."""
    with open(lock) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
    return False


def the_lab() -> Standing:
    """The lab that stands; LabError when there is none or more than one."""
    labs = standing()
    if not labs:
        raise LabError("no lab stands: start one with `vrrpwatch lab up` in another terminal")
    if len(labs) > 1:
        raise LabError(f"{len(labs)} labs stand: end all but one ({', '.join(str(lab.directory) for lab in labs)})")
    return labs[0]


def enter(lab: Standing, name: str) -> None:
    """Put this (single-threaded) process into a host of the lab; UsageError for an unknown host."""
    host = lab.hosts.get(name)
    if host is None:
        raise UsageError(f"the lab has no host {name}; there are: {', '.join(lab.hosts)}")
    directory = os.getcwd()
    try:
        if os.readlink(f"/proc/{lab.pid}/ns/user") != os.readlink("/proc/self/ns/user"):
            user = os.open(f"/proc/{lab.pid}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
            setns(user, CLONE_NEWUSER)
        kinds = (("net", CLONE_NEWNET), ("uts", CLONE_NEWUTS), ("mnt", CLONE_NEWNS))
        ends = [(os.open(f"/proc/{lab.pid}/fd/{host[key]}", os.O_RDONLY | os.O_CLOEXEC), kind) for key, kind in kinds]
        for end, kind in ends:
            setns(end, kind)
        os.chdir(directory)
    except OSError as error:
        raise LabError(f"cannot enter {name}: {error.strerror}; be the user who started the lab, or root") from error


def execute(name: str, arguments: Sequence[str]) -> None:
    """Become a program inside a host of the standing lab; returns only by an error."""
    enter(the_lab(), name)
    try:
        os.execvp(arguments[0], list(arguments))
    except OSError as error:
        raise LabError(f"{arguments[0]}: {(error.strerror or 'cannot be run').lower()}") from error
