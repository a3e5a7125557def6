"""Scores of pipelines, on words and raw text, and confidences fitted to what is right."""

from .scores import evaluate, evaluate_docs

__all__ = ["evaluate", "evaluate_docs"]
