"""Timings anyone can run: `python -m experiments.benchmarks.inference --help`. Read the ratios."""
