"""oneDNN's kernels: a CPU keeps few of them while it trains."""

import os

# As many as a block of one shape takes, forward and backward, and some more.
_KEPT = "64"

# PyTorch keeps kernels in the one, oneDNN in the other, each 1,024 unless told otherwise.
_VARIABLES = ("LRU_CACHE_CAPACITY", "ONEDNN_PRIMITIVE_CACHE_CAPACITY")


def keep_few_kernels() -> None:
    """Have bfloat16 kernels forgotten after use, as nearly every block has a shape of its own.

    They would grow by hundreds of megabytes. It acts before the first of them is made; what the
    environment says already stands.
    """
    for variable in _VARIABLES:
        os.environ.setdefault(variable, _KEPT)
