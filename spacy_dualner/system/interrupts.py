"""Further processes: they end with the one that began them, and Ctrl-C is for that one alone."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import parent_process, resource_tracker


@contextmanager
def deaf_to_interrupts() -> Iterator[None]:
    """Processes and threads that begin within the block never hear Ctrl-C.

    A terminal sends it to all of them, and each would print a traceback of its own, also while it
    begins and no code of ours runs in it. This process hears it when the block ends, so that none
    is left without having been told what to do.
    """
    # It begins with the first process, and lets Ctrl-C through again.
    resource_tracker.ensure_running()
    heard: list[int] = []
    # A thread that blocks nothing may hear it in place of this one, and Python's main thread acts.
    handler = signal.getsignal(signal.SIGINT)
    acts = threading.current_thread() is threading.main_thread() and handler is not None
    if acts:
        signal.signal(signal.SIGINT, lambda number, _: heard.append(number))
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        if acts:
            signal.signal(signal.SIGINT, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        if heard:
            signal.raise_signal(signal.SIGINT)


def end_with_parent() -> None:
    """End this process when the one that began it does, also where that was killed."""
    parent = parent_process()
    if parent is None:
        return

    def wait() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
