"""The rules of a test run: who may skip and why, one lab at a time, what a stalled machine means, and the last line.

A `live` test that raises `tests.support.Inconclusive` is run again from its fixtures on, at most twice; still
inconclusive, it fails. The last line of a run is `N passed, N failed, N skipped`, with the number of such repeats
appended where there were any.
"""

from __future__ import annotations

import fcntl
import os
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Generator
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import hypothesis
import pytest
from _pytest.runner import runtestprotocol

from tests.support import SEARCH_PATH, Inconclusive, missing, root_problem

REPEATS: Final = 2
# A busy machine is no defect of the code: no deadline per example, no complaint about slow generation.
hypothesis.settings.register_profile(
    "house", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow], print_blob=True
)
hypothesis.settings.load_profile("house")
counts = pytest.StashKey[Counter[str]]()
lab_lock = pytest.StashKey[int]()
inconclusive = pytest.StashKey[bool]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[counts] = Counter()
    os.environ["PATH"] = SEARCH_PATH
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # begun in the background: programs under test inherit it
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> object:
    """With several processes (`./run test` of everything) one of them runs tests/lab, one test after the other."""
    scheduling: Any = import_module("xdist.scheduler").LoadScopeScheduling

    class OneLab(scheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            return "lab" if nodeid.startswith("tests/lab/") else nodeid

    return OneLab(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Live tests are in tests/lab: elsewhere, a second process would wait for the lab that the first one has."""
    for item in items:
        if item.get_closest_marker("live") and config.rootpath / "tests" / "lab" not in item.path.parents:
            raise pytest.UsageError(f"{item.nodeid} is live: its place is tests/lab")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what this machine cannot run, each time with the reason."""
    if "PYTEST_XDIST_WORKER" in os.environ and os.geteuid() == 0:
        # What runs beside a lab makes way for it.
        os.setpriority(os.PRIO_PROCESS, 0, 0 if item.get_closest_marker("live") else 10)
    if item.get_closest_marker("root") and (problem := root_problem()):
        pytest.skip(problem)
    names = tuple(name for marker in item.iter_markers("needs") for name in marker.args)
    if lacking := missing(names):
        pytest.skip(f"needs the Debian package {', '.join(lacking)}")
    if item.get_closest_marker("live"):
        take_lab_lock(item.config)


def take_lab_lock(config: pytest.Config) -> None:
    """Hold the machine's one lab until the session ends: two labs at once would disturb each other's timing."""
    if lab_lock in config.stash:
        return
    path = Path(tempfile.gettempdir()) / f"vrrpwatch-lab-{os.geteuid()}.lock"
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print(f"\nwaiting for another test run's lab ({path})", file=sys.__stderr__)
        fcntl.flock(handle, fcntl.LOCK_EX)
    config.stash[lab_lock] = handle


def pytest_sessionfinish(session: pytest.Session) -> None:
    if (output := getattr(session.config, "workeroutput", None)) is not None:
        output["repeats"] = session.config.stash[counts]["repeats"]
    if (handle := session.config.stash.get(lab_lock, None)) is not None:
        os.close(handle)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """A process has ended: its repeats count."""
    node.config.stash[counts]["repeats"] += getattr(node, "workeroutput", {}).get("repeats", 0)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    if call.excinfo is not None and isinstance(call.excinfo.value, Inconclusive):
        item.stash[inconclusive] = True
    return (yield)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    """Run a live test; run it again while it calls itself inconclusive and has repeats left."""
    if item.get_closest_marker("live") is None:
        return None
    hook = item.ihook
    hook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    for repeats_left in range(REPEATS, -1, -1):
        item.stash[inconclusive] = False
        reports = runtestprotocol(item, log=False, nextitem=nextitem)
        if not (repeats_left and item.stash[inconclusive]):
            break
        item.config.stash[counts]["repeats"] += 1
    for report in reports:
        hook.pytest_runtest_logreport(report=report)
    hook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


def last_line(stats: dict[str, list[Any]], repeats: int) -> str:
    """`N passed, N failed, N skipped`; an error in a fixture is a failure, an expected failure is named."""

    def number(*kinds: str) -> int:
        return sum(len(stats.get(kind, ())) for kind in kinds)

    line = f"{number('passed')} passed, {number('failed', 'error')} failed, {number('skipped')} skipped"
    if number("xfailed", "xpassed"):
        line += f", {number('xfailed', 'xpassed')} expected to fail"
    if repeats:
        line += f", {repeats} inconclusive repeated"
    return line


def pytest_unconfigure(config: pytest.Config) -> None:
    """Print the last line; pytest's own closing line comes before this hook."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None and not config.option.collectonly:
        reporter.write_line(last_line(reporter.stats, config.stash[counts]["repeats"]))
