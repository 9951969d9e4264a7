"""What tests of several rooms share: what this machine has, and the word for a run that proves nothing."""

from __future__ import annotations

import os
import re
import shutil
from functools import cache
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
#: Ordinary users' PATH lacks the folders where Debian keeps ip, nft and keepalived.
SEARCH_PATH: Final = os.pathsep.join([os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin", "/sbin"])
#: Capability -> its bit: raw sockets, addresses and firewalls, network namespaces.
CAPABILITIES: Final = {"CAP_NET_RAW": 13, "CAP_NET_ADMIN": 12, "CAP_SYS_ADMIN": 21}


class Inconclusive(Exception):
    """Raised by a live test whose machine stalled for too long to judge timing; it is repeated, at most twice."""


@cache
def root_problem() -> str | None:
    """Why the tests for root cannot run here, or None: a container's root may lack what network namespaces need."""
    if os.geteuid() != 0:
        return "needs root"
    found = re.search(r"^CapEff:\s*([0-9a-f]+)", Path("/proc/self/status").read_text(), flags=re.MULTILINE)
    held = int(found.group(1), 16) if found else 0
    lacking = [name for name, bit in CAPABILITIES.items() if not held >> bit & 1]
    return f"needs root with {', '.join(lacking)}, which this root lacks" if lacking else None


@cache
def proofs() -> dict[str, str]:
    """Debian package -> the program or file that proves its presence (tests/packages.txt)."""
    rows = (line.split() for line in (ROOT / "tests" / "packages.txt").read_text().splitlines())
    return {row[0]: row[1] for row in rows if row and not row[0].startswith("#")}


def program(name: str) -> str | None:
    """Where a program is, /usr/sbin included; None when it is not installed."""
    return shutil.which(name, path=SEARCH_PATH)


def missing(packages: tuple[str, ...]) -> list[str]:
    """Those of the packages that this machine lacks; KeyError for one that tests/packages.txt does not list."""
    return [name for name in packages if program(proofs()[name]) is None]
