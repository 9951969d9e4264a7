"""Installing Debian packages: no service starts meanwhile, and the machine's own policy comes back."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from requirements import debian
from requirements.progress import Failed
from tests.support import proofs


@pytest.fixture
def policy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "policy-rc.d"
    monkeypatch.setattr(debian, "POLICY", path)
    monkeypatch.setattr(debian, "SAVED", tmp_path / "saved")
    return path


def test_no_service_may_start_meanwhile_and_no_policy_stays_behind(policy: Path) -> None:
    with debian.no_service_starts():
        assert os.waitstatus_to_exitcode(os.spawnl(os.P_WAIT, policy, "policy-rc.d", "frr", "start") << 8) == 101
    assert not policy.exists()


@pytest.mark.parametrize("end", [None, Failed("apt", ""), KeyboardInterrupt()])
def test_a_policy_that_was_there_comes_back_however_it_ends(policy: Path, end: BaseException | None) -> None:
    policy.write_text("#!/bin/sh\nexit 104\n")
    policy.chmod(0o750)
    try:
        with debian.no_service_starts():
            assert policy.read_text() == debian.REFUSAL
            if end:
                raise end
    except (Failed, KeyboardInterrupt):
        pass
    assert policy.read_text() == "#!/bin/sh\nexit 104\n"
    assert policy.stat().st_mode & 0o777 == 0o750


def test_being_terminated_brings_the_policy_back(policy: Path) -> None:
    policy.write_text("theirs")
    with pytest.raises(SystemExit), debian.no_service_starts():
        signal.raise_signal(signal.SIGTERM)
    assert policy.read_text() == "theirs"


def test_what_a_killed_run_left_behind_is_put_right(policy: Path) -> None:
    debian.SAVED.write_text("theirs")
    policy.write_text(debian.REFUSAL)
    with debian.no_service_starts():
        assert policy.read_text() == debian.REFUSAL
    assert policy.read_text() == "theirs"


def test_the_list_of_packages_is_readable_and_says_how_each_is_recognised() -> None:
    assert {"keepalived", "frr", "tshark", "prometheus", "prometheus-alertmanager"} <= proofs().keys()
    assert all(proofs().values())
