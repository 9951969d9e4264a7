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
LEFT = "left"  # one more pair: its first router is killed, its address stays
LISTEN = "14"


@pytest.fixture(scope="module")
def pairs() -> Iterator[dict[str, Pair]]:
    with Lab("vw-causes") as lab:
        yield {name: Pair(lab, name, 10 + number) for number, name in enumerate((*CASES, LEFT))}


@pytest.fixture(scope="module")
def answers(pairs: dict[str, Pair]) -> dict[str, Answer]:
    checks = {name: Running(pair.observer, "check", "-o", "json", "--for", LISTEN) for name, pair in pairs.items()}
    for name, check in checks.items():
        check.wait_listening(pairs[name].observer)
    left = pairs[LEFT]
    left.start({"version": 3, "interval": 0.5}, {"version": 3, "interval": 0.5})
    for name, case in CASES.items():
        pairs[name].start(case[0], case[1])
    left.first.wait_state("MASTER")  # which keepalived says before it sets the address
    left.lab.wait(lambda: f"{left.prefix}.100" in left.a.addresses(), "the address that will be left behind", 10.0)
    left.first.program.kill()
    left.second.wait_state("MASTER")
    return {name: check.collect() for name, check in checks.items()}


@pytest.mark.parametrize("name", CASES)
def test_check_names_the_cause(answers: dict[str, Answer], name: str) -> None:
    answer = answers[name]
    assert answer.err == ""
    assert (answer.code, answer.worst) == (2, CASES[name][2:])


def test_an_address_left_behind_by_kill_9_is_found_by_check_and_by_doctor(
    answers: dict[str, Answer], pairs: dict[str, Pair]
) -> None:
    answer, pair = answers[LEFT], pairs[LEFT]
    assert (answer.code, answer.worst) == (2, ("residual_vip", "stale_vip_after_daemon_death"))
    doctor = vrrpwatch(pair.a, "doctor", "-i", "eth0", "--for", "2.5")
    assert doctor.code == 1
    address = f"{pair.prefix}.100"
    assert f"{address} was left behind" in doctor.out
    assert f"ip addr del {address}/24 dev eth0" in doctor.out
