"""`./run bench [NAME…]`: run benchmarks and write docs/benchmarks.md; `./run bench --help`."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from tests.bench.harness import Options, machine, say, write_sections

#: name -> (title in docs/benchmarks.md, module, function(Options) -> markdown)
REGISTRY: dict[str, tuple[str, str, str]] = {
    "analyze": ("Captures: the cost of an advert", "tests.bench.analyze", "analyze"),
    "scale": ("Captures: ten times as many, from many or few", "tests.bench.analyze", "scale"),
    "startup": ("Start-up", "tests.bench.analyze", "startup"),
    "live": ("Live capture", "tests.bench.live", "live"),
    "idle": ("Unrelated traffic", "tests.bench.live", "idle"),
    "scrape": ("Scrape", "tests.bench.sections", "scrape"),
    "config": ("keepalived.conf of 10,000 lines", "tests.bench.configuration", "section"),
    "speaker": ("The speaker", "tests.bench.speaker", "section"),
}


def main() -> int:
    """Run what the command line names (all by default); exit code 1 when something could not be run."""
    parser = argparse.ArgumentParser(prog="run bench", description=__doc__)
    parser.add_argument("name", nargs="*", help=f"which ones (default: all): {', '.join(REGISTRY)}")
    parser.add_argument("--rounds", type=int, default=5, help="alternating rounds (default 5)")
    parser.add_argument("--adverts", type=int, default=1_000_000, help="adverts of the capture (default 1,000,000)")
    parser.add_argument(
        "--folder",
        type=Path,
        default=Path(tempfile.gettempdir()) / "vrrpwatch-bench",
        help="where captures are kept between runs (delete it when done)",
    )
    parser.add_argument("--print", action="store_true", help="only print, leave docs/benchmarks.md alone")
    words = parser.parse_args()
    unknown = [name for name in words.name if name not in REGISTRY]
    if unknown:
        parser.error(f"no benchmark {unknown[0]!r}; there are: {', '.join(REGISTRY)}")
    words.folder.mkdir(parents=True, exist_ok=True)
    options = Options(words.rounds, words.adverts, words.folder)
    write = (lambda _: None) if words.print else write_sections  # each at once: a run that is broken off keeps the rest
    write({"Machine": machine()})
    failed = 0
    for name in words.name or REGISTRY:
        title, module, function = REGISTRY[name]
        say(f"{name}:")
        try:
            benchmark: Callable[[Options], str] = getattr(import_module(module), function)
            text = benchmark(options)
        except (ImportError, AttributeError, RuntimeError, OSError, KeyError) as error:
            say(f"  {name} could not be run: {error}")
            failed = 1
            continue
        write({title: text})
        print(f"\n## {title}\n\n{text}\n", flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(main())
