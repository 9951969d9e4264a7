"""Capture files of one sensor into a judge, by the short way where that will do (`vrrpwatch.quick`)."""

from __future__ import annotations

import gc
from collections.abc import Callable

from vrrpcore.judge import Judge
from vrrpwatch.quick import Quick
from vrrpwatch.sensors import FileCapture


def replay(source: FileCapture, judge: Judge, progress: Callable[[int, int], None] | None = None) -> None:
    """All files of a capture with one sensor into a judge; `progress(octets read, octets in all or 0)` as it goes on.

    Raises SourceError for a file that is no capture. Several sensors want one clock and one judgement: see
    `vrrpcore.judge.panel`.
    """
    quick = Quick(judge)
    thresholds = gc.get_threshold()
    gc.set_threshold(100_000, 50, 100)  # books live long, and what comes and goes has no cycles
    try:
        for file in source.files:
            for batch in file.batches(lambda one: quick.attach(one.decoder.inner)):
                for record in batch:
                    quick.take(record)
                if progress is not None:
                    progress(*source.progress)
    finally:  # Ctrl-C included: what was read can be judged
        gc.set_threshold(*thresholds)
