"""Benchmarks: our figure and a peer's in one run, in turn, as a ratio; targets beside them in targets.json."""
