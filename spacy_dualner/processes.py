"""Further processes: Ctrl-C is for the one that began them, which ends them."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def deaf_to_interrupts() -> Iterator[None]:
    """Processes and threads that begin within the block never hear Ctrl-C.

    A terminal sends it to all of them, and each would print a traceback of its own, also while it
    begins and no code of ours runs in it. This process hears it when the block ends.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
