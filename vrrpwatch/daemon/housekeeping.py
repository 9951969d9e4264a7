"""What is done now and then: pruning the journal, resending alerts. The only APScheduler in the house.

Its clock is the wall clock, so nothing that must survive a clock step is scheduled here.
"""

from __future__ import annotations

import datetime
import logging
import time
from collections.abc import Callable, Iterable
from typing import Final

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler

from vrrpexporters.journal import Journal

log = logging.getLogger(__name__)

#: Letters that wait for a receiver that takes none; beyond, the oldest go.
MOST_LETTERS: Final = 10_000
_JOB: Final = {"coalesce": True, "max_instances": 1, "misfire_grace_time": None}


class Housekeeping:
    """A scheduler for jobs of seconds and more."""

    def __init__(self) -> None:
        logging.getLogger("apscheduler").setLevel(logging.WARNING)
        self._scheduler = BackgroundScheduler(
            timezone=datetime.UTC, job_defaults=_JOB, executors={"default": ThreadPoolExecutor(1)}
        )

    def every(self, seconds: float, job: Callable[[], None], name: str) -> None:
        """Run `job` again and again; a job of the same name is replaced. What it raises is logged."""
        self._scheduler.add_job(job, "interval", seconds=seconds, id=name, replace_existing=True)

    def keep_only(self, names: Iterable[str]) -> None:
        """Remove all other jobs."""
        wanted = set(names)
        for job in self._scheduler.get_jobs():
            if job.id not in wanted:
                job.remove()

    def start(self) -> None:
        """Begin."""
        self._scheduler.start()

    def stop(self) -> None:
        """End without waiting for a running job."""
        self._scheduler.shutdown(wait=False)


def prune(journal: Journal, days: int, receivers: Iterable[str], dropped: Callable[[str, int], None]) -> None:
    """Forget what is older than `days`, and what no receiver takes."""
    gone = journal.prune(time.time() - days * 86400)
    if gone:
        log.info("%d old episodes were removed from the journal", gone)
    for receiver in receivers:
        trimmed = journal.trim(receiver, MOST_LETTERS)
        if trimmed:
            log.error("%s takes nothing: the oldest %d events that it was to be told are given up", receiver, trimmed)
            dropped(receiver, trimmed)
