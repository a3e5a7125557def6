"""The page of sentences with the entities found in them."""

from __future__ import annotations

from pathlib import Path

from helpers.tiny import SENTENCES
from spacy.language import Language

from experiments.picture import main


def test_each_sentence_has_its_entities_in_its_direction(
    trained_nlp: Language, tmp_path: Path
) -> None:
    trained_nlp.to_disk(tmp_path / "model")
    text = " ".join(SENTENCES[0][0])
    (tmp_path / "sentences.tsv").write_text(f"en\t{text}\nar\t{text}\n")
    main(str(tmp_path / "model"), tmp_path / "sentences.tsv", tmp_path / "page.html")
    rows = (tmp_path / "page.html").read_text().split('class="row"')[1:]
    assert len(rows) == 2
    for row, direction in zip(rows, ("ltr", "rtl"), strict=True):
        assert row.count("<mark") == 2 and row.count(f"direction: {direction}") == 1
