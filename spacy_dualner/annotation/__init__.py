"""Annotate text of any size with a pipeline."""
