"""`--expect FILE`: what must exist, from a keepalived.conf or a vrrpwatch.toml, held against a judgement."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from vrrpcore.errors import ConfigError
from vrrpcore.judge.expectations import Expected, from_settings, hold
from vrrpcore.verdict import Judgement


def read_expectations(path: str) -> list[Expected]:
    """The routers that a file wants; ConfigError when it cannot be read or wants none."""
    if not os.access(path, os.R_OK) or Path(path).is_dir():
        raise ConfigError(f"--expect {path}: cannot be read")
    if path.endswith(".toml"):
        from vrrpwatch.config import expected, load

        wanted = expected(load(path), Path(path))
    else:
        from vrrpwatch.keepalived_conf import read

        settings, findings = read(path)
        wanted = from_settings(settings)
        if not wanted:
            hint = "; `vrrpwatch config check` says why" if findings else ""
            raise ConfigError(f"--expect {path}: no vrrp_instance{hint}")
    if not wanted:
        raise ConfigError(f"--expect {path}: no [[router]] table")
    return wanted


def longest_silence(wanted: Sequence[Expected]) -> float:
    """Seconds that a router of these may be silent before it counts as lost (five intervals, judging.md §2)."""
    return max((5 * one.interval for one in wanted if one.interval), default=0.0)


def held(judgement: Judgement, wanted: Sequence[Expected], *, hearing: bool, secrets: bool = True) -> Judgement:
    """The judgement with every mismatch; `secrets` False: its masters' passwords are not known (they never travel)."""
    if not wanted:
        return judgement
    rows = wanted if secrets else [replace(one, auth_data=None) for one in wanted]
    return hold(judgement, rows, hearing=hearing)
