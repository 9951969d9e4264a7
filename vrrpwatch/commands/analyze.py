"""`vrrpwatch analyze`: the same judgement over capture files, with the packets' own time."""

from __future__ import annotations

import gc
import sys
from dataclasses import replace
from typing import Final, NamedTuple

from vrrpcore.frames import unwrap
from vrrpcore.judge import Judge
from vrrpcore.records import segment_of
from vrrpcore.verdict import Judgement
from vrrpwatch import __version__
from vrrpwatch.commands.console import Output, answer, remark, render
from vrrpwatch.narrowing import Wanted, address, narrow
from vrrpwatch.progress import Progress
from vrrpwatch.replay import replay
from vrrpwatch.sensors import FileCapture, open_files, parse_sensor

ONE_LAN: Final = "capture"  # the segment of several sensors that each show one link


class AnalyzeOptions(NamedTuple):
    """What the command line said."""

    files: tuple[str, ...]
    sensors: tuple[str, ...] = ()  # NAME=FILE
    segment: str | None = None
    vrids: tuple[int, ...] = ()
    vips: tuple[str, ...] = ()
    expect: str | None = None
    output: Output = "text"


def run(options: AnalyzeOptions) -> int:
    """Print the report; the exit code."""
    wanted = Wanted(options.vrids, tuple(address(vip, "--vip") for vip in options.vips))
    source = open_files(options.files, [parse_sensor(word) for word in options.sensors], options.segment)
    judgement = judge_files(source, one_lan=options.segment is None)
    hearing = judgement.sensor.frames > 0
    if options.expect:
        from vrrpwatch.expectations import held, read_expectations

        judgement = held(judgement, read_expectations(options.expect), hearing=hearing)
    judgement = narrow(judgement, wanted, hearing=hearing)
    answer(render(judgement, options.output))
    return judgement.exit_code


def judge_files(source: FileCapture, *, one_lan: bool = True) -> Judgement:
    """Read everything and judge; one sensor by the short way, several merged on one clock."""
    judgement = _one(source) if len(source.sensors) == 1 else _several(source, one_lan)
    counters = source.counters
    facts = replace(
        judgement.sensor,
        dropped=max(judgement.sensor.dropped, counters.dropped),
        notes=(*judgement.sensor.notes, *counters.notes),
    )
    return replace(judgement, source=source.name, sensor=facts)


def _one(source: FileCapture) -> Judgement:
    judge = Judge()
    progress = Progress(sys.stderr)
    try:
        replay(source, judge, progress)
    except KeyboardInterrupt:
        if not any(file.path == "-" for file in source.files):
            raise
        # Ctrl-C in `ssh … tcpdump -w - | vrrpwatch analyze -` ends the reading, not the report.
        remark("interrupted: judging what has been read so far")
    finally:
        progress.close()
        source.close()
    gc.freeze()  # the books stay to the end: no use in looking through them for garbage while they are told
    return judge.report(None, source.name, __version__)


def _several(source: FileCapture, one_lan: bool) -> Judgement:
    """Sensors of one LAN call it by different names (eth0, ens3): where each shows one link, that is the same one."""
    from vrrpcore.judge.panel import Panel, Timed

    frames: list[list[Timed]] = [[] for _ in source.sensors]
    names: list[set[str]] = [set() for _ in source.sensors]
    with_vlans: list[list[tuple[str, tuple[int, ...]]]] = [[] for _ in source.sensors]
    try:
        for sensor, record in source:
            frame = unwrap(record.frame, record.link.linktype, record.vlans)
            if frame.body is None and not frame.source_mac:
                continue
            frames[sensor].append((record.time, "", record.outgoing, frame))
            names[sensor].add(record.link.segment)
            with_vlans[sensor].append((record.link.segment, frame.vlans))
    finally:
        source.close()
    same = one_lan and all(len(one) <= 1 for one in names)
    panel = Panel()
    for index, sensor_ in enumerate(source.sensors):
        rows = zip(frames[index], with_vlans[index], strict=True)
        panel.add(
            sensor_.name,
            [(at, segment_of(ONE_LAN if same else base, vlans), out, one) for (at, _, out, one), (base, vlans) in rows],
        )
    return panel.report(source.name, __version__)
