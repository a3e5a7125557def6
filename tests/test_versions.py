"""Pipelines that earlier versions stored, each kept under `pipelines/VERSION` with what it found.

They were made at a version's commit: the tests' tiny encoder with one layer, trained by heart, with
a calibrator for `joint` and temperatures for `joint` and `span`.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import spacy
import srsly

VERSIONS = sorted((Path(__file__).parent / "pipelines").iterdir())


@pytest.mark.parametrize("folder", VERSIONS, ids=lambda folder: folder.name)
@pytest.mark.parametrize("decode", ["span", "tag", "joint"])
def test_an_earlier_version_gives_the_same_entities(folder: Path, decode: str) -> None:
    kept = srsly.read_json(folder / "expected.json")
    nlp = spacy.load(folder / "pipeline")
    nlp.get_pipe("dualner").cfg["decode"] = decode
    for doc, expected in zip(nlp.pipe(kept["texts"]), kept["entities"][decode], strict=True):
        group = doc.spans["dualner"]
        found = [[e.start_char, e.end_char, e.label_] for e in doc.ents]
        assert found == [row[:3] for row in expected]
        assert group.attrs["scores"] == pytest.approx([row[3] for row in expected], abs=1e-4)
