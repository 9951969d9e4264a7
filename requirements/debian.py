"""Installs Debian packages as root, without letting any of their services start."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType

from requirements.progress import Failed, run, say

POLICY = Path("/usr/sbin/policy-rc.d")  # invoke-rc.d asks it whether a service may start
SAVED = POLICY.with_name("policy-rc.d.before-vrrpwatch")
REFUSAL = "#!/bin/sh\n# Put here by vrrpwatch's ./run while it installs packages: no service may start.\nexit 101\n"
ENVIRONMENT = {"DEBIAN_FRONTEND": "noninteractive", "APT_LISTCHANGES_FRONTEND": "none", "NEEDRESTART_SUSPEND": "1"}
SBIN = ":/usr/local/sbin:/usr/sbin:/sbin"


def can_install() -> bool:
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def install_for_tests(root: str) -> None:
    """Install what of tests/packages.txt is missing; without root or apt say nothing: the tests skip with reasons."""
    rows = [line.split() for line in Path(root, "tests", "packages.txt").read_text().splitlines()]
    path = os.environ.get("PATH", "") + SBIN
    missing = [row[0] for row in rows if row and not row[0].startswith("#") and not shutil.which(row[1], path=path)]
    if not missing or os.geteuid() != 0:
        return
    if not can_install():
        say(f"tests that need {', '.join(missing)} will be skipped: no apt-get here to install them")
        return
    install(missing, "for the live tests; none of their services is started")


def install(packages: Sequence[str], why: str) -> bool:
    """Install packages; False, with a line that says why, when apt-get could not."""
    say(f"installing with apt-get: {' '.join(packages)} ({why})")
    apt = ["apt-get", "-q", "-y", "-o", "Acquire::Retries=3", "-o", "DPkg::Lock::Timeout=300"]
    try:
        run("reading package lists", [*apt, "update"], ENVIRONMENT)
    except Failed as problem:
        say(f"apt-get update: {problem}; going on with the lists that are there")
    try:
        with no_service_starts():
            run("installing packages", [*apt, "install", "--no-install-recommends", *packages], ENVIRONMENT)
    except Failed as problem:
        say(f"apt-get install: {problem}")
        return False
    if Path("/run/systemd/system").exists():
        say("Debian enables these services for the next boot; systemctl disable NAME where that is not wanted")
    return True


@contextlib.contextmanager
def no_service_starts() -> Iterator[None]:
    """Refuse every start of a service meanwhile; a policy that was there before comes back, whatever happens."""

    def leave(number: int, _: FrameType | None) -> None:
        sys.exit(128 + number)  # unwinds, so that the policy is put back

    before = {number: signal.signal(number, leave) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        if POLICY.exists() and POLICY.read_text(errors="replace") != REFUSAL:  # ours: a killed run left it
            POLICY.rename(SAVED)
        POLICY.write_text(REFUSAL)
        POLICY.chmod(0o755)
        yield
    finally:
        POLICY.unlink(missing_ok=True)
        if SAVED.exists():
            SAVED.rename(POLICY)
        for number, handler in before.items():
            signal.signal(number, handler)
