"""Load pipelines, say what is wrong with one, find what is inside, and write changed copies."""

from __future__ import annotations

import errno
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import spacy
import srsly
from spacy.language import Language
from spacy.tokens import Doc
from spacy.util import get_package_path, is_package
from thinc.api import Config
from thinc.types import Floats2d

from .component import DualNer
from .data.outputs import written_aside
from .encoder.shim import EncoderShim
from .encoder.transformer import LAYER_NAME, encoder_shim
from .errors import DataError, DualNerError, readable
from .training.portable import without_paths

_POINTER = b"version https://git-lfs"
_POINTER_SIZE = 1024
_ANEW = "Get the pipeline anew."
_CONFIG_KEY = re.compile(r"\w[^:=\n]*")
# Files of components and of the vocab, by what they have to be.
_READ = {"model": srsly.read_msgpack, "cfg": srsly.read_json, "strings.json": srsly.read_json}


def load_pipeline(model: str | Path) -> Language:
    """Load a pipeline.

    model (Union[str, Path]): Its folder or package.
    Raises DataError that names the file where one is damaged, DualNerError where something is not
    installed that it needs. OSError, as spaCy words it, where there is no such pipeline.
    """
    if (Path(model) / "config.cfg").is_file():
        # Of a string spaCy sees first whether it is a package, and loses a Ctrl-C that comes then.
        model = Path(model)
    try:
        return spacy.load(model)
    except Exception as error:
        if isinstance(error, OSError) and error.errno in (None, errno.ENOSPC):
            if (best := Path(model) / "model-best").is_dir():
                message = f"is no pipeline, but holds some. Name one of them, as in {best}."
                raise DataError(model, message) from error
            raise  # spaCy's own, or no room for temporary files
        for folder in _folders(model):
            check_files(folder)
        if isinstance(error, DualNerError):
            raise
        if isinstance(error, OSError) and error.filename:
            message = f"cannot be read ({error.strerror}). {_ANEW}"
            raise DataError(error.filename, message) from error
        if isinstance(error, ImportError) or str(error).startswith("[E"):
            said = str(error).strip().partition("\n")[0]
            raise DualNerError(
                f"The pipeline {model} needs what is not installed here. Install what its "
                f"meta.json names, or get the pipeline anew. Cause: {said}"
            ) from error
        with readable(model, "is damaged, or of another version", _ANEW):
            raise


def check_files(folder: Path) -> None:
    """Check the files of a pipeline. Raises DataError that names the first that is damaged."""
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        with path.open("rb") as file:
            if file.read(len(_POINTER)) == _POINTER and path.stat().st_size <= _POINTER_SIZE:
                message = "is a git-lfs pointer, not the file itself. Get it with `git lfs pull`."
                raise DataError(path, message)
    read_settings(folder)
    for path in sorted(folder.glob("*/*")):
        read = _READ.get(path.name)
        if read is None or not path.is_file():
            continue
        with readable(path, "is damaged", _ANEW):
            read(path)


def read_settings(folder: Path) -> tuple[Config, dict[str, Any]]:
    """Read what a pipeline says of itself.

    RETURNS (Tuple[Config, Dict[str, Any]]): config.cfg, interpolated, and meta.json.
    Raises DataError where one of them is missing or damaged.
    """
    reads = {"config.cfg": Config().from_disk, "meta.json": srsly.read_json}
    found: list[Any] = []
    for name, read in reads.items():
        path = folder / name
        if not path.is_file():
            raise DataError(path, f"no such file. {_ANEW}")
        with readable(path, "is damaged", _ANEW):
            found.append(read(path))
    return found[0], found[1]


def _folders(model: str | Path) -> list[Path]:
    """The folders of a pipeline's data: one, or none where there is no such pipeline."""
    if Path(model).is_dir():
        return [Path(model)]
    if not is_package(str(model)):
        return []
    return [path.parent for path in get_package_path(str(model)).glob("*/config.cfg")]


def find_component(nlp: Language, name: str) -> DualNer:
    """The dualner component of a pipeline. Raises DualNerError where there is no such component."""
    pipe = nlp.get_pipe(name) if name in nlp.pipe_names else None
    if not isinstance(pipe, DualNer):
        raise DualNerError(
            f"The pipeline has no dualner component '{name}', only: "
            f"{', '.join(nlp.pipe_names) or 'none'}. Give the name of its component."
        )
    return pipe


def predict_words(nlp: Language, name: str, docs: Sequence[Doc]) -> tuple[list[Doc], Floats2d]:
    """What a pipeline's recogniser says of the words of Docs, whatever its tokenizer makes of them.

    nlp (Language): The pipeline. Components before the recogniser run as well.
    docs (Sequence[Doc]): Docs, which stay as they are.
    RETURNS (Tuple[List[Doc], Floats2d]): New Docs of the same tokens, and logits of all tokens.
    Raises DualNerError where a component before the recogniser changes the tokens.
    """
    fresh = [Doc(nlp.vocab, words=[token.text for token in doc]) for doc in docs]
    for other in nlp.pipe_names[: nlp.pipe_names.index(name)]:
        rest = [own for own in nlp.pipe_names if own != other]
        fresh = list(nlp.pipe(fresh, batch_size=len(fresh), disable=rest))
        if list(map(len, fresh)) != list(map(len, docs)):
            raise DualNerError(
                f"Component '{other}' changes the tokens, so that those of the annotated text "
                f"cannot be scored. Put it after '{name}', or score a pipeline without it."
            )
    return fresh, find_component(nlp, name).predict(fresh)


def find_encoder(nlp: Language, name: str) -> EncoderShim:
    """The encoder inside a dualner component. Raises DualNerError where it is of another kind."""
    layer = find_component(nlp, name).model.get_ref("tok2vec")
    if layer.name != LAYER_NAME:
        raise DualNerError(
            f"The encoder of component '{name}' is '{layer.name}', which has to be "
            "spacy-dualner.Transformer.v1 inside the component, and not a listener. Train stage 1 "
            'with @architectures = "spacy-dualner.Transformer.v1" at '
            f"components.{name}.model.tok2vec."
        )
    return encoder_shim(layer)


def write_copy(
    model: str | Path, output: Path, component: str, change: Callable[[DualNer], object]
) -> None:
    """Write a copy of a pipeline, its component changed.

    model (Union[str, Path]): Folder or package of the pipeline. It is loaded anew: one that has
        read text holds the words, and they would be written with it.
    """
    nlp = load_pipeline(model)
    pipe = find_component(nlp, component)
    change(pipe)
    # What the config says of a component should be what it does, as far as it can be said there.
    config = nlp.get_pipe_config(component)
    config.update({k: v for k, v in pipe.cfg.items() if k in config and _fits_config(v)})
    with written_aside(output) as aside:
        without_paths(nlp).to_disk(aside)


def _fits_config(value: Any) -> bool:
    """Whether a config can hold a value: not a table by types with names such as `dbo:Person`."""
    return not isinstance(value, dict) or all(_CONFIG_KEY.fullmatch(key) for key in value)
