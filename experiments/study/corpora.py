"""The sentences of a study, set apart in its results folder: limits applied, sources shared out."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import srsly
from spacy.tokens import Doc, DocBin
from spacy.vocab import Vocab
from weasel.util import get_checksum

from spacy_dualner.data.docbin import corpus_path, read_docs
from spacy_dualner.data.names import SPLITS, TRANSLATED, UNLABELLED
from spacy_dualner.data.outputs import aside, put_in_place, write_json
from spacy_dualner.errors import DualNerError

from .schema import ConfigSchemaData

RECORD = "corpus.json"
"""What a results folder holds from the beginning, beside the corpus."""

# Of the shares of source text, so that each larger one holds the smaller ones.
_SEED = 0


def corpus_folder(results: Path, share: int = 100) -> Path:
    """The corpus of the runs whose source text is annotated to this percentage."""
    return results / ("corpus" if share == 100 else f"corpus-{share}")


def prepare_corpus(data: ConfigSchemaData, results: Path) -> dict[str, Any]:
    """Copy the sentences that a study uses into its results folder, or check those there.

    data (ConfigSchemaData): The corpus and its limits.
    results (Path): The results folder.
    RETURNS (Dict[str, Any]): What identifies the corpus: settings, and checksums of its files.
    RAISES (DualNerError): If a language is missing, or the folder holds another corpus.
    """
    parts = _parts(data)
    record = {
        "data": data.model_dump(),
        "checksums": {f"{split}/{lang}": get_checksum(path) for split, lang, path, _ in parts},
    }
    # The same files in another place are the same corpus.
    record["data"].pop("corpus")
    path = results / RECORD
    if path.is_file() and srsly.read_json(path) != record:
        raise DualNerError(
            f"{results} holds results of other data. Choose another --output, or restore "
            "[data] and the corpus."
        )
    # First what tells that the folder is a study's: a kill may come between the two.
    write_json(path, record)
    corpus = corpus_folder(results)
    with aside(corpus) as place:
        if corpus.exists():
            return record
        folder = place / "new"
        for split, lang, source, limit in parts:
            docs = list(read_docs(source, Vocab(), limit))
            if split == "test" and data.test_from == "dev":
                docs = docs[data.select_limit :] or docs
            _write(corpus_path(folder, split, lang), docs, split)
        put_in_place(folder, corpus, place / "old")
    return record


def prepare_share(data: ConfigSchemaData, results: Path, share: int) -> None:
    """Make the corpus in which only a share of the source sentences is annotated.

    The sentences are drawn at random, the same ones in each study. The others join the unlabelled
    text.

    data (ConfigSchemaData): The corpus and its limits.
    results (Path): The results folder, with its whole corpus.
    share (int): Percentage.
    """
    whole, folder = corpus_folder(results), corpus_folder(results, share)
    if folder == whole:
        return
    with aside(folder) as place:
        if folder.exists():
            return
        new = place / "new"
        for part in (UNLABELLED, "dev"):
            shutil.copytree(whole / part, new / part)
        for lang in data.source_langs:
            docs = list(read_docs(corpus_path(whole, "train", lang), Vocab()))
            drawn = np.random.default_rng(_SEED).permutation(len(docs))
            annotated = set(drawn[: max(1, round(len(docs) * share / 100))].tolist())
            for split, inside in (("train", True), (UNLABELLED, False)):
                chosen = [doc for i, doc in enumerate(docs) if (i in annotated) == inside]
                _write(corpus_path(new, split, lang), chosen, split)
        put_in_place(new, folder, place / "old")


def _parts(data: ConfigSchemaData) -> list[tuple[str, str, Path, int]]:
    """Split, language, path and limit of each file that a study uses."""
    wanted = [("train", lang, data.source_limit) for lang in data.source_langs]
    wanted += [(UNLABELLED, lang, data.unlabelled_limit) for lang in data.target_langs]
    wanted += [("dev", lang, data.dev_limit) for lang in data.langs]
    parts = [(s, lang, corpus_path(data.corpus, s, lang), n) for s, lang, n in wanted]
    # Of development sentences those that took no part in picking the best step are tested on.
    of_dev = data.select_limit if data.test_from == "dev" else 0
    n_test = data.test_limit and data.test_limit + of_dev
    for lang in data.langs:
        parts.append(("test", lang, corpus_path(data.corpus, data.test_from, lang), n_test))
    absent = [path for _, _, path, _ in parts if not path.exists()]
    if absent:
        raise DualNerError(
            f"{absent[0]}: no such file. A study needs {', '.join(SPLITS)} and unlabelled text: "
            "make it with `python -m spacy dualner convert` or `fetch`, or mend [data]."
        )
    # A translation is of the source sentence in the same place.
    for lang in data.target_langs:
        path = corpus_path(data.corpus, TRANSLATED, lang)
        if path.exists():
            parts.append((TRANSLATED, lang, path, data.source_limit))
    return parts


def _write(path: Path, docs: list[Doc], split: str) -> None:
    attrs = [] if split in (UNLABELLED, TRANSLATED) else ["ENT_IOB", "ENT_TYPE"]
    path.parent.mkdir(parents=True, exist_ok=True)
    DocBin(docs=docs, attrs=attrs, store_user_data=True).to_disk(path)
