"""`vrrpwatch top`: the inventory as a live screen, and under it what happened last. Ctrl-C ends it."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Final

from vrrpcore.errors import UsageError
from vrrpcore.verdict import CLASS_STATE, Episode, Judgement
from vrrpexporters.report import words
from vrrpexporters.report.text import COLOURS, RESET
from vrrpwatch.commands.console import wants_colour
from vrrpwatch.commands.inventory import table

OPEN_SCREEN: Final = "\x1b[?1049h\x1b[?25l"  # the alternate screen, no cursor
CLOSE_SCREEN: Final = "\x1b[?25h\x1b[?1049l"
HOME: Final = "\x1b[H"
TO_LINE_END: Final = "\x1b[K"
TO_SCREEN_END: Final = "\x1b[J"


def run(interfaces: tuple[str, ...], sensors: tuple[str, ...], promisc: bool, interval: float) -> int:
    """Draw until Ctrl-C; 0."""
    if not sys.stdout.isatty():
        raise UsageError("top needs a terminal; `vrrpwatch list` prints the same once")
    if not 0.2 <= interval <= 3600:
        raise UsageError(f"--interval {interval:g}: give seconds between 0.2 and 3600")
    with ExitStack() as stack:
        look = _remote(sensors, interval) if sensors else _local(stack, interfaces, promisc, interval)
        first = look()  # what cannot be begun is said on the ordinary screen
        try:
            sys.stdout.write(OPEN_SCREEN)
            judgement = first
            while True:
                size = shutil.get_terminal_size()
                lines = screen(judgement, size.columns, size.lines, time.time(), colour=wants_colour(sys.stdout))
                body = "".join(f"{line}{TO_LINE_END}\r\n" for line in lines[:-1]) + f"{lines[-1]}{TO_LINE_END}"
                sys.stdout.write(HOME + body + TO_SCREEN_END)
                sys.stdout.flush()
                judgement = look()
        except KeyboardInterrupt:
            return 0
        finally:
            sys.stdout.write(CLOSE_SCREEN)
            sys.stdout.flush()


def _local(stack: ExitStack, interfaces: tuple[str, ...], promisc: bool, interval: float) -> Callable[[], Judgement]:
    """Listen for one interval at a time."""
    from vrrpcore.judge import Judge
    from vrrpwatch.capture import open_live
    from vrrpwatch.listening import TICK, Ears, state

    capture = stack.enter_context(open_live(interfaces, promisc=promisc))
    ears = Ears(Judge())
    start = time.time()

    def look() -> Judgement:
        until = time.monotonic() + interval
        while time.monotonic() < until:
            ears.hear(capture, TICK)
            ears.judge.advance(capture.horizon())
        return state(capture, ears, start, capture.horizon())

    return look


def _remote(sensors: tuple[str, ...], interval: float) -> Callable[[], Judgement]:
    """Ask the daemons once in an interval."""
    from vrrpwatch.fleet import ask_sensors

    last = 0.0

    def look() -> Judgement:
        nonlocal last
        time.sleep(max(last + interval - time.monotonic(), 0.0))
        last = time.monotonic()
        return ask_sensors(sensors)

    return look


def screen(judgement: Judgement, columns: int, rows: int, now: float, *, colour: bool = False) -> list[str]:
    """What fits into a terminal of this size: the state, the routers, and the latest episodes in the rest."""
    facts = judgement.sensor
    head = f"{judgement.state}  {words.printable(judgement.source)}  {words.moment(now, date=True)[:-4]} UTC  "
    head += f"{words.plural(len(judgement.routers), 'router')}, {words.plural(facts.adverts, 'advert')}"
    head += f", {facts.dropped} dropped" if facts.dropped else ""
    body = table(judgement).splitlines()
    room = max(rows - 2 - len(body), 0)
    latest = recent(judgement, max(room - 1, 0))
    lines = [head, "", *body[: max(rows - 3, 1)], *([""] if latest and room else []), *latest]
    cut = [line[:columns] for line in lines[: max(rows - 1, 1)]]
    if colour:
        cut[0] = cut[0].replace(judgement.state, f"{COLOURS[judgement.state]}{judgement.state}{RESET}", 1)
    return cut


def recent(judgement: Judgement, count: int) -> list[str]:
    """One line for each of the latest episodes, newest first."""
    found: list[tuple[Episode, str]] = [
        (episode, words.place(row.vrid, row.family, row.segment))
        for row in judgement.routers
        for episode in row.episodes
    ]
    found.sort(key=lambda item: item[0].start, reverse=True)
    lines = []
    for episode, place in found[:count]:
        state = CLASS_STATE[episode.cls]
        lasted = "still so" if episode.end is None else words.seconds(episode.seconds)
        what = words.finding(episode.cls, episode.cause)
        lines.append(f"{words.moment(episode.start)[:-4]}  {state:<8}  {place}: {what}, {lasted}")
    return lines
