"""Every kind of broken pair, with real keepalived: `check` names class and cause while it happens.

All pairs live at once, each on a switch of its own, and `check` listens before they start: some mistakes are visible
for a single advert (the slower of two intervals is silenced by it).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.lab.bench_of_hosts import Answer, Pair, Running, vrrpwatch
from vrrpwatch.lab import Lab

pytestmark = [pytest.mark.live, pytest.mark.root, pytest.mark.needs("keepalived", "iproute2")]

#: name -> (first's options, second's options, class, cause)
CASES: dict[str, tuple[dict[str, Any], dict[str, Any], str, str]] = {
    "pass": ({"auth": ("PASS", "one")}, {"auth": ("PASS", "two")}, "split_brain", "auth_data_mismatch"),
    "int": ({}, {"interval": 2}, "split_brain", "advert_int_mismatch"),
    "ah": ({"auth": ("PASS", "same")}, {"auth": ("AH", "same")}, "split_brain", "auth_type_mismatch"),
    "vrid": ({}, {"vips": ["10.9.13.200/24"]}, "vrid_collision", "vrid_collision"),
    "vip": ({"vrid": 51}, {"vrid": 52}, "split_brain", "vrid_mismatch"),
}
LISTEN = "14"


@pytest.fixture(scope="module")
def answers() -> Iterator[dict[str, Answer]]:
    with Lab("vw-causes") as lab:
        pairs = {name: Pair(lab, name, 10 + number) for number, name in enumerate(CASES)}
        checks = {name: Running(pair.observer, "check", "-o", "json", "--for", LISTEN) for name, pair in pairs.items()}
        for name, check in checks.items():
            check.wait_listening(pairs[name].observer)
        for name, pair in pairs.items():
            pair.start(CASES[name][0], CASES[name][1])
        yield {name: check.collect() for name, check in checks.items()}


@pytest.mark.parametrize("name", CASES)
def test_check_names_the_cause(answers: dict[str, Answer], name: str) -> None:
    answer = answers[name]
    assert answer.err == ""
    assert (answer.code, answer.worst) == (2, CASES[name][2:])


def test_an_address_left_behind_by_kill_9_is_found_by_check_and_by_doctor() -> None:
    with Lab("vw-residue") as lab:
        pair = Pair(lab, "k", 20)
        check = Running(pair.observer, "check", "-o", "json", "--for", "24")
        check.wait_listening(pair.observer)
        pair.start()
        pair.first.wait_state("MASTER")
        pair.first.program.kill()
        pair.second.wait_state("MASTER")
        answer = check.collect()
        assert (answer.code, answer.worst) == (2, ("residual_vip", "stale_vip_after_daemon_death"))
        doctor = vrrpwatch(pair.a, "doctor", "-i", "eth0", "--for", "2.5")
        assert doctor.code == 1
        assert "10.9.20.100 was left behind" in doctor.out
        assert "ip addr del 10.9.20.100/24 dev eth0" in doctor.out
