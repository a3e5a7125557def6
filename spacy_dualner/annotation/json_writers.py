"""The forms of output that are JSON: our own, and those that annotation tools import."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from spacy.tokens import Doc

# Further digits depend on the machine, and say nothing.
_DIGITS = 4

Carried = Mapping[str, Any]


class Maker(NamedTuple):
    """What annotated some Docs."""

    spans_keys: Sequence[str] = ()  # the span groups that hold entities' scores
    version: str = ""  # name and version of the pipeline


Encode = Callable[[Sequence[Doc], Sequence[Carried], Maker], bytes]
"""Makes the bytes of annotated Docs, given what each carries."""


def _encode(
    make: Callable[[Doc, Carried, Maker], dict[str, Any]],
    docs: Sequence[Doc],
    carried: Sequence[Carried],
    maker: Maker,
) -> bytes:
    records = (make(doc, more, maker) for doc, more in zip(docs, carried, strict=True))
    return "".join(json.dumps(r, ensure_ascii=False) + "\n" for r in records).encode()


def entities(doc: Doc, spans_keys: Sequence[str]) -> list[dict[str, Any]]:
    """The entities of a Doc, by characters (Unicode code points) of its text, `end` exclusive.

    spans_keys (Sequence[str]): The span groups that hold entities' scores.
    """
    scores = {
        (span.start, span.end, span.label): score
        for key in spans_keys
        if key in doc.spans and "scores" in doc.spans[key].attrs
        for span, score in zip(doc.spans[key], doc.spans[key].attrs["scores"], strict=True)
    }
    found = []
    for ent in doc.ents:
        entity = {"start": ent.start_char, "end": ent.end_char, "label": ent.label_}
        score = scores.get((ent.start, ent.end, ent.label))
        if score is not None:
            entity["score"] = round(score, _DIGITS)
        found.append(entity | {"text": ent.text})
    return found


def _with(own: dict[str, Any], carried: Carried, *others: str) -> dict[str, Any]:
    """A record and what it carries, with `input_` before a key of its own or of the others."""
    record = dict(own)
    for key, value in carried.items():
        name = key
        while (key in own or key in others) and name in carried:
            name = f"input_{name}"
        record[name] = value
    return record


def _jsonl(doc: Doc, carried: Carried, maker: Maker) -> dict[str, Any]:
    return _with({"text": doc.text, "ents": entities(doc, maker.spans_keys)}, carried)


def _doccano(doc: Doc, carried: Carried, maker: Maker) -> dict[str, Any]:
    found = entities(doc, maker.spans_keys)
    label = [[ent["start"], ent["end"], ent["label"]] for ent in found]
    # doccano keeps further keys with the text, but has no place for what belongs to an entity.
    scores = [ent.get("score") for ent in found]
    return _with({"text": doc.text, "label": label, "scores": scores}, carried)


def _prodigy(doc: Doc, carried: Carried, maker: Maker) -> dict[str, Any]:
    tokens = [
        {
            "text": t.text,
            "start": t.idx,
            "end": t.idx + len(t),
            "id": t.i,
            "ws": bool(t.whitespace_),
        }
        for t in doc
    ]
    spans = [
        # Prodigy's last word is within the entity.
        {**found, "token_start": ent.start, "token_end": ent.end - 1}
        for ent, found in zip(doc.ents, entities(doc, maker.spans_keys), strict=True)
    ]
    # An answer would say that the entities are right, and hashes that they were asked for.
    own = {"text": doc.text, "tokens": tokens, "spans": spans}
    return _with(own, carried, "answer", "_input_hash", "_task_hash")


def _label_studio(doc: Doc, carried: Carried, maker: Maker) -> dict[str, Any]:
    found = entities(doc, maker.spans_keys)
    result = [
        {
            "id": f"entity{number}",
            "from_name": "label",
            "to_name": "text",
            "type": "labels",
            "value": {key: ent[key] for key in ("start", "end", "text")}
            | {"labels": [ent["label"]]},
        }
        | ({"score": ent["score"]} if "score" in ent else {})
        for number, ent in enumerate(found)
    ]
    prediction: dict[str, Any] = {"model_version": maker.version, "result": result}
    # A text is as sure as its least sure entity: so it is sorted in Label Studio.
    if scores := [ent["score"] for ent in found if "score" in ent]:
        prediction["score"] = min(scores)
    return {"data": _with({"text": doc.text}, carried), "predictions": [prediction]}


# Partial, as a function within a function cannot be sent to a worker process.
to_jsonl: Encode = partial(_encode, _jsonl)
to_doccano: Encode = partial(_encode, _doccano)
to_prodigy: Encode = partial(_encode, _prodigy)
to_label_studio: Encode = partial(_encode, _label_studio)


def write_list(joined: Path, output: Path) -> None:
    """Make one JSON list, in the place of the output, of objects that stand one a line."""
    aside = joined.with_name(".list")
    with joined.open("rb") as lines, aside.open("wb") as file:
        before = b"[\n"
        for line in lines:
            file.write(before + line.rstrip(b"\n"))
            before = b",\n"
        file.write(b"\n]\n" if before == b",\n" else b"[]\n")
    os.replace(aside, output)
