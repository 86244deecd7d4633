"""Benchmarks: a command that prints ratios, never a timed assertion."""
