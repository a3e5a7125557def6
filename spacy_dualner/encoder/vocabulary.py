"""Fewer sub-words for a tokenizer and its encoder, with known words split as before.

A tokenizer's spec is the JSON of its fast backend (`backend_tokenizer.to_str()`). The new id of a
sub-word is its rank among those kept, so the order of ids stays.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from typing import Any, cast

import numpy as np
import torch
from torch import nn
from transformers import AutoTokenizer

from ..errors import DualNerError
from ..system.scratch import scratch
from .subwords import Ints

Spec = dict[str, Any]

SUPPORTED = ("Unigram", "BPE", "WordPiece")

_BYTE = re.compile(r"<0x[0-9A-Fa-f]{2}>")


def read_spec(tokenizer: Any) -> Spec:
    """The spec of a tokenizer. Raises DualNerError where its vocabulary cannot be trimmed."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise DualNerError(
            f"The tokenizer ({type(tokenizer).__name__}) is a slow one: only fast tokenizers "
            "(tokenizer.json) can be trimmed. Train with the encoder's fast tokenizer."
        )
    spec = json.loads(backend.to_str())
    if spec["model"]["type"] not in SUPPORTED:
        raise DualNerError(
            f"The tokenizer's model is of type {spec['model']['type']}. Only these can be trimmed: "
            f"{', '.join(SUPPORTED)}."
        )
    return spec


def config_ids(config: Any) -> dict[str, int]:
    """The sub-word ids that an encoder's config names, such as `pad_token_id`."""
    found = config.to_dict().items()
    return {k: v for k, v in found if k.endswith("_token_id") and type(v) is int and v >= 0}


def kept_ids(spec: Spec, used: Iterable[int], fixed: int = -1) -> Ints:
    """The sorted ids of the sub-words that stay, given those that some words are split into.

    These words are split as before, whatever else is dropped. Further sub-words stay so that no
    character becomes unknown: all of one character, bytes, and those that hold a character which
    has no sub-word of its own (in other words than those given, such a character may still become
    unknown beside a sub-word that goes; trained vocabularies have no such characters). Added tokens
    and all that the spec names by id stay as well.

    fixed (int): Ids up to this one keep their number. RoBERTa counts positions from the padding id.
    """
    model = spec["model"]
    pieces = list(_pieces(model))
    single = {piece for _, piece in pieces if len(_atoms(piece, model)) == 1}
    kept = {*used, *range(fixed + 1), *_named_ids(spec)}
    for i, piece in pieces:
        if piece in single or _BYTE.fullmatch(piece) or not single.issuperset(_atoms(piece, model)):
            kept.add(i)
    if model["type"] == "Unigram":
        # The price of an unknown character follows from the lowest score.
        kept.add(min(range(len(model["vocab"])), key=lambda i: model["vocab"][i][1]))
    elif model["type"] == "BPE":
        kept |= _derivations(model, kept)
    return np.array(sorted(kept), dtype=np.int64)


def trim_spec(spec: Spec, kept: Ints) -> Spec:
    """A spec with some of the sub-words, numbered by rank."""
    new = {old: rank for rank, old in enumerate(kept.tolist())}
    model = dict(spec["model"])
    if model["type"] == "Unigram":
        model["vocab"] = [row for i, row in enumerate(model["vocab"]) if i in new]
        if model["unk_id"] is not None:
            model["unk_id"] = new[model["unk_id"]]
    else:
        model["vocab"] = {piece: new[i] for piece, i in model["vocab"].items() if i in new}
    if model["type"] == "BPE":
        vocab = model["vocab"]
        merges = zip(model["merges"], _merges(model), strict=True)
        model["merges"] = [m for m, parts in merges if all(part in vocab for part in parts)]
    padding = spec["padding"]
    return {
        **spec,
        "model": model,
        "added_tokens": [{**token, "id": new[token["id"]]} for token in spec["added_tokens"]],
        "post_processor": _renumber(spec["post_processor"], new.__getitem__),
        "padding": padding and {**padding, "pad_id": new[padding["pad_id"]]},
    }


def trim_tokenizer(tokenizer: Any, kept: Ints) -> Any:
    """A tokenizer with some sub-words. Raises DualNerError unless it numbers them by rank."""
    spec = trim_spec(read_spec(tokenizer), kept)
    new = {old: rank for rank, old in enumerate(kept.tolist())}
    with scratch() as folder:
        tokenizer.save_pretrained(folder)
        # The slow tokenizer's files hold the whole vocabulary, under the old numbers.
        for file in {*tokenizer.vocab_files_names.values(), "added_tokens.json"}:
            (folder / file).unlink(missing_ok=True)
        (folder / "tokenizer.json").write_text(json.dumps(spec, ensure_ascii=False), "utf8")
        config = folder / "tokenizer_config.json"
        settings = json.loads(config.read_text("utf8"))
        added = settings.get("added_tokens_decoder", {})
        settings["added_tokens_decoder"] = {str(new[int(i)]): token for i, token in added.items()}
        config.write_text(json.dumps(settings), "utf8")
        trimmed = AutoTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        )
    trimmed.name_or_path = ""
    if trimmed.get_vocab() != {p: new[i] for p, i in tokenizer.get_vocab().items() if i in new}:
        raise DualNerError(
            f"The tokenizer ({type(tokenizer).__name__}) cannot be trimmed: it numbers sub-words "
            "in a way of its own."
        )
    return trimmed


def trim_encoder(transformer: nn.Module, kept: Ints) -> None:
    """Keep some rows of an encoder's embedding in place, and number its config's ids by rank.

    Raises DualNerError where the embedding has no row for a sub-word.
    """
    model = cast(Any, transformer)
    embedding = model.get_input_embeddings()
    if kept[-1] >= embedding.num_embeddings:
        raise DualNerError(
            f"The tokenizer has a sub-word of number {kept[-1]}, but the encoder's embedding has "
            f"{embedding.num_embeddings} rows. Train with an encoder that fits its tokenizer."
        )
    rows = embedding.weight.detach()[torch.from_numpy(kept).to(embedding.weight.device)]
    new = {old: rank for rank, old in enumerate(kept.tolist())}
    # In place: some encoders have embeddings of a class of their own.
    embedding.weight = nn.Parameter(rows, requires_grad=embedding.weight.requires_grad)
    embedding.num_embeddings = len(kept)
    if embedding.padding_idx is not None:
        embedding.padding_idx = new.get(embedding.padding_idx)
    model.config.vocab_size = len(kept)
    for key, i in config_ids(model.config).items():
        setattr(model.config, key, new.get(i))


def _pieces(model: Spec) -> Iterator[tuple[int, str]]:
    if model["type"] == "Unigram":
        return ((i, piece) for i, (piece, _) in enumerate(model["vocab"]))
    return ((i, piece) for piece, i in model["vocab"].items())


def _atoms(piece: str, model: Spec) -> list[str]:
    """The characters of a sub-word as the sub-words that each would be: `##ab` is `##a`, `##b`."""
    prefix = model.get("continuing_subword_prefix") or ""
    suffix = model.get("end_of_word_suffix") or ""
    begin = prefix if prefix and piece.startswith(prefix) and piece != prefix else ""
    end = suffix if suffix and piece.endswith(suffix) and piece != suffix else ""
    atoms = [prefix + char for char in piece[len(begin) : len(piece) - len(end)]]
    if atoms:
        atoms[0] = begin + atoms[0][len(prefix) :]
        atoms[-1] += end
    return atoms


def _merges(model: Spec) -> Iterator[tuple[str, str, str]]:
    """Both parts of each merge, and what they become."""
    skipped = len(model.get("continuing_subword_prefix") or "")
    for merge in model["merges"]:
        left, right = merge.split(" ") if isinstance(merge, str) else merge
        yield left, right, left + right[skipped:]


def _derivations(model: Spec, kept: Iterable[int]) -> set[int]:
    """All that the merges pass through on the way to the sub-words kept."""
    # A sub-word comes about in a word as it does by itself: no merge has crossed its bounds.
    ranks = {(left, right): (i, new) for i, (left, right, new) in enumerate(_merges(model))}
    vocab = model["vocab"]
    names = {i: piece for piece, i in vocab.items()}
    found: set[int] = set()
    for name in (names[i] for i in kept if i in names):
        parts: list[str] = _atoms(name, model)
        while pairs := [pair for pair in pairwise(parts) if pair in ranks]:
            best = min(pairs, key=lambda pair: ranks[pair][0])
            at = list(pairwise(parts)).index(best)
            parts[at : at + 2] = [ranks[best][1]]
            found.add(vocab[parts[at]])
    return found


def _named_ids(spec: Spec) -> set[int]:
    """The ids that a spec names: of added tokens, the unknown one, those around texts, padding."""
    model, named = spec["model"], {token["id"] for token in spec["added_tokens"]}

    def note(i: int) -> int:
        named.add(i)
        return i

    _renumber(spec["post_processor"], note)
    if spec["padding"]:
        named.add(spec["padding"]["pad_id"])
    unknown = model.get("unk_id")
    if model["type"] != "Unigram":
        unknown = model["vocab"].get(model["unk_token"])
    return named if unknown is None else {*named, unknown}


def _renumber(part: Any, new: Callable[[int], int]) -> Any:
    """A post-processor, or a part of one, with other ids."""
    match part:
        case {"ids": list(ids)}:  # of one of a template's tokens
            return {**part, "ids": [new(i) for i in ids]}
        case [str(token), int(i)]:  # BERT's and RoBERTa's
            return [token, new(i)]
        case dict():
            return {name: _renumber(value, new) for name, value in part.items()}
        case list():
            return [_renumber(value, new) for value in part]
    return part
