"""Entry points: all that this package registers is there without an import of it."""

from __future__ import annotations

import importlib
import pkgutil
from importlib.metadata import EntryPoint, distribution

import catalogue
import pytest
from helpers.pipeline import python
from spacy.language import Language
from spacy.util import registry

import spacy_dualner
from spacy_dualner.component import DualNer

NAMES = {
    "spacy_factories": ["dualner"],
    "spacy_architectures": ["spacy-dualner.DualNer.v1", "spacy-dualner.Transformer.v1"],
    "spacy_scorers": ["spacy-dualner.scorer.v1"],
    "spacy_readers": ["spacy-dualner.Corpus.v1"],
    "spacy_batchers": ["spacy-dualner.batch_by_length.v1"],
    "spacy_optimizers": ["spacy-dualner.AdamW.v1"],
    "spacy_schedules": ["spacy-dualner.warmup_epochs.v1"],
    "spacy_loggers": ["spacy-dualner.HistoryLogger.v1"],
    "spacy_callbacks": [
        "spacy-dualner.fit_steps.v1",
        "spacy-dualner.new_types.v1",
        "spacy-dualner.without_paths.v1",
    ],
    "spacy_tokenizers": ["spacy-dualner.Tokenizer.v1"],
    "spacy_cli": ["dualner"],
}


def entry_points() -> dict[tuple[str, str], EntryPoint]:
    found = distribution("spacy-dualner").entry_points
    return {(point.group, point.name): point for point in found}


def test_every_name_has_an_entry_point() -> None:
    expected = {(group, name) for group, names in NAMES.items() for name in names}
    assert set(entry_points()) == expected


def test_everything_registered_has_an_entry_point() -> None:
    """Also what a later module registers and this list of names does not know."""
    for module in pkgutil.walk_packages(spacy_dualner.__path__, "spacy_dualner."):
        if "__main__" not in module.name:
            importlib.import_module(module.name)
    points = entry_points()
    registered = [
        (f"spacy_{table}", name)
        for _, table, name in (key for key in catalogue.REGISTRY if len(key) == 3)
        if name.startswith("spacy-dualner")
    ]
    assert len(registered) > 8
    assert [key for key in registered if key not in points] == []


@pytest.mark.parametrize("group", [group for group in NAMES if group != "spacy_cli"])
def test_entry_points_name_what_is_registered(group: str) -> None:
    """The decorated function itself, as spaCy asks of a factory."""
    table = group.removeprefix("spacy_")
    for name in NAMES[group]:
        function = entry_points()[group, name].load()
        if group == "spacy_factories":
            assert Language.get_factory_meta(name).factory == name
            assert function is DualNer
        else:
            assert registry.get(table, name) is function


@pytest.mark.slow
def test_a_fresh_process_finds_everything() -> None:
    code = f"""
import sys
import spacy
from spacy.util import registry
assert not [m for m in sys.modules if m.startswith("spacy_dualner")]
spacy.blank("xx").add_pipe("dualner")
for group, names in {NAMES!r}.items():
    for name in names:
        if group != "spacy_factories":
            getattr(registry, group.removeprefix("spacy_")).get(name)
print("found")
"""
    assert python(code).splitlines()[-1] == "found"
