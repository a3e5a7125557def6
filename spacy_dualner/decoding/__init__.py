"""From logits to entities in Docs, and how sure each is."""

from .read import read_spans

__all__ = ["read_spans"]
