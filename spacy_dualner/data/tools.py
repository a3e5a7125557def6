"""Read what annotation tools export: doccano, Prodigy, Label Studio, and our own `annotate`."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import DataError, DualNerError
from .lines import MAX_BYTES, N_FIRST, Fault, excerpt, open_lines
from .offsets import Mark, MarkedText, read_marked
from .tags import Sentence
from .tally import FileTally

_LINES = "Export JSON lines, or in parts."
_SURROGATE = re.compile("[\ud800-\udfff]")


class Tool(NamedTuple):
    """How a tool writes a text and its entities."""

    shows: Callable[[dict[str, Any]], bool]  # whether a record is of this tool
    read: Callable[[dict[str, Any], str], MarkedText]  # reads one, given its place


_DOCCANO = ("label", "labels", "entities", "annotations")


def _doccano(record: dict[str, Any], place: str, keys: Sequence[str] = _DOCCANO) -> MarkedText:
    """`label` or `labels` of `[start, end, type]`; of older versions and relations, of objects.

    Label Studio's JSON-MIN has objects too, of `start`, `end`, `labels` and `text`, and our own
    `annotate`, of `start`, `end`, `label` and `text`.
    """
    key = next((key for key in keys if isinstance(record.get(key), list)), "")
    if not key:
        raise Fault(f"no list `{keys[0]}` of entities. Write it, if an empty one.")
    marks = []
    for item in record[key]:
        if isinstance(item, list) and len(item) == 3:
            marks.append(_mark(*item))
        elif isinstance(item, dict):
            marks += _marks(item)
        else:
            fault = f"`{key}` holds {item!r}: expected [start, end, type]. Is it of whole texts?"
            raise Fault(f"{fault} Mend it, or choose another --form.")
    return MarkedText(place, _text(record), marks)


def _prodigy(record: dict[str, Any], place: str) -> MarkedText:
    """`spans`, in texts that were accepted."""
    text, answer = _text(record), record.get("answer", "accept")
    left_out = "" if answer == "accept" else f"answered {answer}"
    if record.get("_is_binary"):
        left_out = "of one entity's yes or no"
    # Tokens of older versions do not say whether a space follows.
    pieces = {
        token["id"]: token["text"] + " " * bool(token["ws"])
        for token in record.get("tokens", ())
        if "ws" in token
    }
    marks = []
    for span in record.get("spans") or ():
        ends = span.get("token_start"), span.get("token_end")
        surface = span.get("text")
        if surface is None and all(end in pieces for end in ends):
            surface = "".join(pieces[i] for i in range(ends[0], ends[1] + 1))
        marks.append(_mark(span.get("start"), span.get("end"), span.get("label"), surface))
    return MarkedText(place, text, marks, left_out)


def _label_studio(task: dict[str, Any], place: str) -> MarkedText:
    """`annotations`: of several, the one that is marked as ground truth or was changed last."""
    done = [one for one in task.get("annotations") or () if not one.get("was_cancelled")]
    data = task["data"]
    if not done:
        left_out = "skipped" if task.get("annotations") else "unannotated"
        return MarkedText(place, "", left_out=left_out)
    chosen = max(done, key=lambda a: (bool(a.get("ground_truth")), str(a.get("updated_at", ""))))
    results = [r for r in chosen.get("result") or () if r.get("type") == "labels"]
    named = {result.get("to_name") for result in results} & {*data}
    texts = {key for key, value in data.items() if isinstance(value, str)}
    keys = sorted(named or {"text"} & {*data} or texts) or ["text"]
    if len(keys) > 1:
        fault = f"several texts ({', '.join(keys)}). Remove each KEY but that of the annotated one,"
        raise Fault(f"{fault} as with `jq 'map(del(.data.KEY))'`.")
    marks = [mark for result in results for mark in _marks(result["value"])]
    others = len(chosen.get("result") or ()) - len(results)
    other = ["further annotations of one text, left out"] * (len(done) - 1)
    other += ["results that are no labels, left out"] * others
    return MarkedText(place, _text(data, keys[0]), marks, other=other)


def _has(record: dict[str, Any], *keys: str) -> bool:
    return isinstance(record.get("text"), str) and any(
        isinstance(record.get(key), list) for key in keys
    )


TOOLS = {
    "doccano": Tool(lambda record: _has(record, *_DOCCANO), _doccano),
    "prodigy": Tool(lambda record: _has(record, "spans") or "_input_hash" in record, _prodigy),
    "label-studio": Tool(
        lambda record: (
            isinstance(record.get("data"), dict)
            and any(isinstance(record.get(key), list) for key in ("annotations", "predictions"))
        ),
        _label_studio,
    ),
    "annotate": Tool(lambda record: _has(record, "ents"), partial(_doccano, keys=["ents"])),
}
"""The tools by the names that `--form` takes."""


def _text(record: dict[str, Any], key: str = "text") -> str:
    text = record.get(key)
    if not isinstance(text, str):
        raise Fault(f"no text under `{key}`. Mend the record, or choose another --form.")
    if _SURROGATE.search(text):
        raise Fault("half a character (a lone surrogate) in the text. Mend it.")
    return text


def _marks(item: dict[str, Any]) -> list[Mark]:
    """An entity given as an object, one for each of its types."""
    start, end = (item.get(f"{edge}_offset", item.get(edge)) for edge in ("start", "end"))
    labels = item.get("labels", [item.get("label")])
    return [_mark(start, end, label, item.get("text")) for label in labels]


def _mark(start: Any, end: Any, label: Any, surface: Any = None) -> Mark:
    if type(start) is not int or type(end) is not int:
        raise Fault(f"an entity from {start!r} to {end!r}: expected two numbers. Mend it.")
    name = str(label).strip() if isinstance(label, (str, int)) else ""
    if not name or _SURROGATE.search(name):
        raise Fault(f"an entity of the type {label!r}: expected a name. Mend it.")
    return Mark(start, end, name, surface if isinstance(surface, str) else None)


def tools_of(path: Path) -> list[str]:
    """The tools that a file may be of, by its first records; none if it is no JSON."""
    records: list[dict[str, Any]] = []
    with suppress(DualNerError):
        records.extend(record for _, record in islice(read_records(path), N_FIRST))
    return [name for name, tool in TOOLS.items() if any(map(tool.shows, records))]


def read_records(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Read JSON objects, one a line or in one list.

    YIELDS (Tuple[str, Dict[str, Any]]): Where one is, and its keys.
    RAISES (DataError): If there is something else.
    """
    with open_lines(path) as lines:
        written = ((number, line) for number, line in lines if line.strip())
        first = next(written, (1, ""))
        records: Iterator[tuple[str, str | None, Any]]
        if first[1].lstrip().startswith("["):
            whole, n_characters = [], 0
            for _, line in chain([first], lines):
                whole.append(line)
                if (n_characters := n_characters + len(line) + 1) > MAX_BYTES:
                    raise DataError(path, f"a list of more than {MAX_BYTES:,} characters. {_LINES}")
            listed = _parse("\n".join(whole), path, f"{first[0]}")
            records = ((f"record {n}", None, value) for n, value in enumerate(listed, 1))
        else:
            pairs = chain([first] if first[1] else [], written)
            records = ((str(n), line, _parse(line, path, str(n))) for n, line in pairs)
        for place, text, record in records:
            if not isinstance(record, dict):
                message = "not a JSON object. Mend it, or choose another --form."
                raise DataError(f"{path}:{place}", message, text=text and excerpt(text))
            yield place, record


def _parse(text: str, path: Path, place: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        message = f"not JSON ({error}). Mend the line, or export the file anew."
        raise DataError(f"{path}:{place}", message, text=excerpt(text)) from None


def read_tool(
    tool: Tool, path: Path, types: Sequence[str], tally: FileTally, **how: Any
) -> Iterator[Sentence]:
    """Read a file that a tool wrote.

    how (Any): Further arguments of `read_marked`.
    Raises DataError where a record is malformed, or as `read_marked` does.
    """
    return read_marked(partial(_read_texts, path, tool), types, tally, **how)


def _read_texts(path: Path, tool: Tool) -> Iterator[MarkedText]:
    for place, record in read_records(path):
        try:
            yield tool.read(record, place)
        except Fault as fault:
            raise DataError(f"{path}:{place}", str(fault)) from None
        except (AttributeError, KeyError, TypeError) as error:
            message = f"malformed ({type(error).__name__}: {error}). Mend it, or choose another"
            raise DataError(f"{path}:{place}", f"{message} --form.") from None
