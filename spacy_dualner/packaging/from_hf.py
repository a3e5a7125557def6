"""A Hugging Face token classifier as a pipeline: its encoder, and its head as the tag head."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import spacy
import torch
from spacy.tokens import Doc
from spacy.util import minibatch
from spacy.vocab import Vocab
from spacy_transformers.data_classes import HFObjects
from thinc.api import xp2torch
from torch import Tensor, nn

from ..component import DualNer
from ..data.docbin import read_docs, text_paths
from ..data.outputs import check_output, written_aside
from ..data.tags import is_tag
from ..encoder.heads import Heads, split_logits, with_rows
from ..encoder.loading import load_encoder
from ..encoder.transformer import encoder_shim
from ..errors import DualNerError
from ..labels.layout import Layout
from ..labels.scheme import HeadValues
from ..labels.words import DocWords
from ..model import heads_module
from ..teaching.pseudo_labels import pseudo_labels
from ..training.losses import labelled_loss
from ..training.portable import without_paths

SPLITS = ("train", "unlabelled")
STEPS = 100
_CLOSE = 1e-3
_HELD_OUT = 10
_REMEDY = "Name a folder that holds one, or its name on the hub."


class Agreement(NamedTuple):
    """How the start and end heads were made."""

    n_sentences: int  # sentences whose tags they were fitted to; 0 where there was no text
    # How often both predict what the tags say, of the words where either has an entity begin or
    # end, on every tenth sentence, which they were not fitted to. None where no such word is.
    share: float | None


def from_hf(
    name: str,
    output: Path,
    corpus: Path | None = None,
    langs: Sequence[str] = (),
    limit: int = 1000,
) -> Agreement:
    """Write a pipeline that finds what a token classifier finds.

    Entities are read from the tag head, which is the classifier's. Its start and end heads are
    fitted to the tags that this predicts on text, so that `teach` can begin with both kinds.

    name (str): Folder of the classifier, or its name on the Hugging Face hub.
    corpus (Optional[Path]): Folder with text in `train` or `unlabelled`; its annotation is not
        read, nor a sentence twice. None for untrained start and end heads.
    limit (int): First N sentences of each part and language; 0 for all.
    RETURNS (Agreement): How well the start and end heads do it.
    Raises DualNerError where the classifier cannot be had, its labels are no BIO tags, its head is
    more than one linear layer, or there is no text.
    """
    check_output(output, Path(name))
    paths = text_paths(corpus, SPLITS, langs) if corpus is not None else {}
    found = load_encoder(name, _REMEDY, classifier=True)
    classifier: Any = found.transformer
    rows = bio_rows(classifier.config.id2label, name)
    head = linear_head(found, name)
    nlp = spacy.blank(
        "xx", config={"nlp": {"tokenizer": {"@tokenizers": "spacy-dualner.Tokenizer.v1"}}}
    )
    pipe: Any = nlp.add_pipe(
        "dualner", config={"decode": "tag", "model": {"tok2vec": {"name": name}}}
    )
    shim = encoder_shim(pipe.model.get_ref("tok2vec"))
    shim.set_encoder(HFObjects(found.tokenizer, classifier.base_model, None))
    for tag in rows:
        if tag != "O":
            pipe.add_label(tag[2:])
    nlp.initialize()
    heads = heads_module(pipe.model)
    heads.tag = with_rows(head, [rows.get(tag) for tag in pipe.scheme.tags])
    # In a vocabulary of their own: the pipeline's is written, and would hold the words of the text.
    read = (doc for own in paths.values() for p in own for doc in read_docs(p, Vocab(), limit))
    # Once: `unlabelled` holds what `train` does, and what is held out is not to be fitted to.
    docs = {tuple(token.text for token in doc): doc for doc in read}
    agreement = fit_bounds(pipe, list(docs.values()))
    with written_aside(output) as aside:
        without_paths(nlp).to_disk(aside)
    return agreement


def bio_rows(labels: dict[int, str], name: str) -> dict[str, int]:
    """The row of each BIO tag in a classifier's head.

    A label without prefix is read as `I-`, as transformers itself reads it. IOB1 has the labels of
    BIO, and is read alike.

    labels (Dict[int, str]): As `id2label` in its config.
    Raises DualNerError for labels of another scheme.
    """
    # A type may be of several words.
    is_bare = {i: not is_tag(label.replace(" ", "_")) for i, label in labels.items()}
    tags = {i: f"I-{label}" if is_bare[i] else label for i, label in labels.items()}
    rows = {tag: i for i, tag in tags.items()}
    unnamed = any(label == f"LABEL_{i}" for i, label in labels.items())
    if unnamed or len(rows) < len(labels) or {tag[0] for tag in rows} - {"O", "B", "I"}:
        rows = {}
    if "O" not in rows or len(rows) < 2:
        raise DualNerError(
            f"The labels of {name} are no BIO tags (O, B-PER, I-PER), but "
            f"{', '.join(labels.values())}. Take a classifier of BIO tags, or name its labels so, "
            "if they are, at id2label in its config.json."
        )
    return rows


def linear_head(found: HFObjects, name: str) -> nn.Linear:
    """The head of a token classifier. Raises DualNerError where it is more than a linear layer."""
    classifier: Any = found.transformer
    ids = found.tokenizer("a text", return_tensors="pt")["input_ids"].to(classifier.device)
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    with torch.no_grad():
        logits = classifier.eval()(**inputs).logits
        vectors = classifier.base_model(**inputs).last_hidden_state
        for head in classifier.children():
            if isinstance(head, nn.Linear) and head.in_features == vectors.shape[-1]:
                own = head(vectors)
                if own.shape == logits.shape and torch.allclose(own, logits, atol=_CLOSE):
                    return head
    raise DualNerError(
        f"The head of {name} ({type(classifier).__name__}) is more than one linear layer over its "
        "encoder's vectors, and cannot be taken over. Train stage 1 with it as --encoder."
    )


def fit_bounds(pipe: DualNer, docs: Sequence[Doc]) -> Agreement:
    """Fit start and end heads to what the tag head predicts; the encoder stays as it is."""
    heads, words = heads_module(pipe.model), DocWords(docs)
    if not len(words):
        return Agreement(0, None)
    encode = pipe.model.get_ref("tok2vec").predict
    parts = [xp2torch(rows) for batch in minibatch(docs, 1000) for rows in encode(list(batch))]
    vectors = words.of_tokens(torch.cat(parts))
    with torch.no_grad():
        tags = pseudo_labels(heads.classify(vectors), Layout(words.lengths, vectors.device))
    number = torch.arange(len(docs)).repeat_interleave(torch.as_tensor(words.lengths))
    held_out = (number % _HELD_OUT == _HELD_OUT - 1).to(vectors.device)
    fitted = vectors[~held_out], HeadValues(*(values[~held_out] for values in tags))
    bounds = [*heads.start.parameters(), *heads.end.parameters()]
    optimizer = torch.optim.LBFGS(bounds, max_iter=STEPS, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        found = split_logits(heads.classify(fitted[0]))
        total = labelled_loss(found, fitted[1], (0.0, 1.0, 1.0))
        total.backward()
        return total

    with torch.enable_grad():
        optimizer.step(loss)
    heads.zero_grad()
    share = _share(heads, vectors[held_out], HeadValues(*(values[held_out] for values in tags)))
    return Agreement(len(docs) - len(docs) // _HELD_OUT, share)


def _share(heads: Heads, vectors: Tensor, tags: HeadValues) -> float | None:
    with torch.no_grad():
        found = [head.argmax(-1) for head in split_logits(heads.classify(vectors))]
    right = (found[1] == tags.start) & (found[2] == tags.end)
    near = torch.stack((found[1], found[2], tags.start, tags.end)).amax(0) > 0
    return float(right[near].float().mean()) if near.any() else None
