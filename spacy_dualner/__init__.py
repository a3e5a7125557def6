"""DualNER for spaCy: named entities in languages that have no annotated data.

Nothing is registered by importing this package: spaCy finds the factory, architectures, scorer,
readers and commands through entry points.
"""

from .about import __version__
from .moved import find_moved

__all__ = ["__version__"]

find_moved()
