"""Sections of docs/benchmarks.md that are made of what other modules measure."""

from __future__ import annotations

from tests.bench.harness import Options, table, verdict


def scrape(options: Options) -> str:
    """The exporter's rendering against the library's own ways."""
    from tests.bench.scrape import run

    ratios = run(max(options.rounds, 5))
    rows = [
        [name, f"{ratio:.1f}× the cost of ours", verdict(ratio, 5, 15) + " (floor 5×, aim 15×)"]
        for name, ratio in ratios.items()
    ]
    return "A scrape of 255 VRIDs × 2 families × 2 masters; CPU per scrape.\n\n" + table(
        ["prometheus-client's way", "ratio", "target"], rows
    )
