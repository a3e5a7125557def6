"""`nlp.pipe(n_process=2)` after the parent has computed: worker processes use one thread each.

A forked process has none of its parent's threads, and waits for ever where a library counts on
them. spaCy starts its workers by forking, so they are told to do without.
"""

import os

import torch

_VARIABLE = "TOKENIZERS_PARALLELISM"
_before: list[str | None] = []


def _prepare() -> None:
    _before.append(os.environ.get(_VARIABLE))
    os.environ[_VARIABLE] = "false"


def _restore() -> None:
    value = _before.pop()
    if value is None:
        os.environ.pop(_VARIABLE, None)  # another thread may have forked meanwhile
    else:
        os.environ[_VARIABLE] = value


# Every process forked from here on uses one thread.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_prepare,
        after_in_parent=_restore,
        after_in_child=lambda: torch.set_num_threads(1),
    )
