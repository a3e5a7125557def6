"""Adaptation of an encoder to the text of a corpus, before stage 1."""
