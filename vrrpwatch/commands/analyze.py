"""`vrrpwatch analyze`: the same judgement over capture files, with the packets' own time."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace

from vrrpcore.errors import UsageError
from vrrpcore.judge import Judge
from vrrpcore.verdict import Judgement
from vrrpwatch import __version__
from vrrpwatch.capture import FileCapture, open_files, parse_sensor
from vrrpwatch.commands.check import address
from vrrpwatch.commands.console import Output, answer, remark, render
from vrrpwatch.listening import Ears
from vrrpwatch.narrowing import Wanted, narrow


@dataclass(frozen=True, slots=True)
class AnalyzeOptions:
    """What the command line said."""

    files: tuple[str, ...]
    sensors: tuple[str, ...] = ()  # NAME=FILE
    segment: str | None = None
    vrids: tuple[int, ...] = ()
    vips: tuple[str, ...] = ()
    output: Output = "text"


def run(options: AnalyzeOptions) -> int:
    """Print the report; the exit code."""
    if options.output == "plugin":
        raise UsageError("analyze -o takes text, json or html")
    wanted = Wanted(options.vrids, tuple(address(vip, "--vip") for vip in options.vips))
    source = open_files(options.files, [parse_sensor(word) for word in options.sensors], options.segment)
    judgement = narrow(judge_files(source), wanted, hearing=True)
    answer(render(judgement, options.output))
    return judgement.exit_code


def judge_files(source: FileCapture) -> Judgement:
    """Read everything and judge; Ctrl-C on a pipe ends the reading, not the report."""
    ears = [Ears(Judge()) for _ in source.sensors]
    piped = any(file.path == "-" for file in source.files)
    try:
        for sensor, record in source:
            ears[sensor].take(record)
    except KeyboardInterrupt:
        if not piped:
            raise
        remark("interrupted: judging what has been read so far")
        sys.stderr.flush()
    finally:
        source.close()
    judgements = [
        one.judge.report(None, sensor.name, __version__) for one, sensor in zip(ears, source.sensors, strict=True)
    ]
    return _with_facts(judgements[0], source)


def _with_facts(judgement: Judgement, source: FileCapture) -> Judgement:
    counters = source.counters
    facts = replace(
        judgement.sensor,
        dropped=max(judgement.sensor.dropped, counters.dropped),
        notes=(*judgement.sensor.notes, *counters.notes),
    )
    return replace(judgement, source=source.name, sensor=facts)
