"""Timings anyone can run: `python -m benchmarks.inference --help`. Read the ratios."""
