"""Benchmarks: ours against public tools, side by side in one run, in alternation. Never part of the tests."""
