"""Research around the package, run from a checkout: `python -m experiments --help`.

The paper's studies (`study`), the page of their results (`report`), and `benchmarks`. None of it is
in the wheel.
"""
