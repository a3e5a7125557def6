"""How many invented inputs the tests try."""

from __future__ import annotations

import os


def many(n: int) -> int:
    """So many where NIGHTLY is set in the environment, else a quarter: others in each run."""
    return n if os.environ.get("NIGHTLY") else -(-n // 4)
