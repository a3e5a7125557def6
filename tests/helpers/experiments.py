"""Runs `python -m experiments` in this process."""

from __future__ import annotations

import re
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO

from experiments.__main__ import main


def run_experiments(*words: object) -> tuple[int, str]:
    """Run a command. Returns its exit status, and what it printed."""
    output = StringIO()
    status = 0
    with redirect_stdout(output), redirect_stderr(output):
        try:
            main([str(word) for word in words])
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else 0
    # Without colours and line breaks.
    return status, " ".join(re.sub(r"\x1b\[[\d;]*m", "", output.getvalue()).split())
