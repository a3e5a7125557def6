"""Labels: the scheme of their numbers, rows of sentences, conversions, gold labels of Docs."""

from .scheme import LabelScheme

__all__ = ["LabelScheme"]
