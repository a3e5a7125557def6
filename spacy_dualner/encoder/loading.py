"""Encoders from a folder, from the hub, or from what a stored pipeline holds."""

from __future__ import annotations

import json
import logging
import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from itertools import chain
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import torch
from spacy_transformers.data_classes import HFObjects
from thinc.api import get_torch_default_device
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForTextEncoding,
    AutoModelForTokenClassification,
    AutoTokenizer,
)

from ..errors import DualNerError, need
from ..system.scratch import scratch
from .encode import encode_words
from .subwords import SubwordBatch
from .windows import Shape, make_blocks

# Where the encoder came from is of no use after loading, and may be a path of that machine.
_ORIGIN_KEYS = ("_name_or_path", "name_or_path")

_REMEDY = (
    "Give a local folder at components.dualner.model.tok2vec.name (on the command line: "
    "--components.dualner.model.tok2vec.name /path/to/encoder)."
)
# How transformers names models with such a head.
_CLASSIFIER = "ForTokenClassification"
# Share of the spread of an encoder's numbers: rounding, to TF32 as well, changes less.
_CLOSE = 0.1
# Code of an encoder's own is never run, whatever its files ask for.
_LOCAL: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}


def load_encoder(name: str, remedy: str = _REMEDY, *, classifier: bool = False) -> HFObjects:
    """Load a pre-trained encoder and its tokenizer, from disk wherever possible.

    name (str): A folder, or a name on the Hugging Face hub (taken from the local cache if it is
        there, so that nothing reaches for the network then).
    RETURNS (HFObjects): Tokenizer and encoder in float32, on Thinc's current device.
    Raises DualNerError where the encoder cannot be had, is of a kind that cannot be used, or its
    tokenizer needs what is missing. Warns where the head of a token classifier is left out.
    """
    folder = Path(name)
    try:
        if folder.is_dir() and not (folder / "config.json").is_file():
            raise FileNotFoundError("the folder holds no config.json")
        with quiet_loading():
            try:
                return _from_pretrained(name, classifier, **_LOCAL)
            except (OSError, ValueError) as error:
                if folder.is_dir() or isinstance(error, DualNerError) or _needs_code(error):
                    raise
                _ask_hub(name)
                return _from_pretrained(name, classifier, **_LOCAL | {"local_files_only": False})
    except DualNerError as error:
        raise DualNerError(f"The encoder '{name}' {error} {remedy}") from None
    except Exception as error:
        if _needs_code(error):
            raise DualNerError(
                f"The encoder '{name}' comes with code of its own (trust_remote_code), which is "
                f"never run. Take one that transformers itself knows. {remedy}"
            ) from None
        # Without any tokenizer, transformers asks for SentencePiece too.
        bare = folder.is_dir() and not any(folder.glob("*.model"))
        if not bare and (isinstance(error, ImportError) or "sentencepiece" in str(error).lower()):
            what = f"The tokenizer of the encoder '{name}' needs"
            need(what, "sentencepiece", "sentencepiece", "google.protobuf")
        raise DualNerError(
            f"Cannot load the encoder '{name}': it is neither a folder with a Hugging Face encoder "
            "and its tokenizer, nor in the local cache, nor to be had from the hub. "
            f"{remedy} Cause: {_brief(error)}"
        ) from None


def rebuild_encoder(
    config: Mapping[str, Any], files: Mapping[str, bytes], state: dict[str, Tensor]
) -> HFObjects:
    """An encoder and its tokenizer from what a pipeline stores.

    No weight is drawn or copied: those given become the encoder's own.

    state (Dict[str, Tensor]): The weights, on Thinc's current device.
    Raises DualNerError where a file would lie elsewhere, or the parts do not fit each other.
    """
    with scratch() as folder:
        write_files(files, folder)
        # Not with srsly: it writes 1e-12, BERT's layer_norm_eps, as 0.
        (folder / "config.json").write_text(json.dumps(config), "utf8")
        try:
            read = AutoConfig.from_pretrained(folder, **_LOCAL)
            transformer = _with_weights(read, state).to(get_torch_default_device())
            tokenizer = AutoTokenizer.from_pretrained(folder, **_LOCAL)
        except (RuntimeError, ValueError) as error:
            if _needs_code(error):
                raise DualNerError(
                    "The stored encoder asks for code of its own (trust_remote_code), which is "
                    "never run. Train with an encoder that transformers itself knows."
                ) from None
            raise DualNerError(
                "The stored encoder does not match the installed version of transformers. "
                "Install the version that the model's package names, or train again. "
                f"Cause: {error}"
            ) from None
    tokenizer.name_or_path = ""
    return HFObjects(tokenizer, transformer, None)


def write_files(files: Mapping[str, bytes], folder: Path) -> None:
    """Write files by name into a folder. Raises DualNerError where a name leads out of it."""
    folder = folder.resolve()
    for name, content in files.items():
        if "\0" in name or folder not in (path := (folder / name).resolve()).parents:
            raise DualNerError(
                f"The model stores a file under the name {name!r}, which leads out of its folder. "
                "Do not use this model: get it anew from where you trust it."
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def without_origin(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings of a config without where its encoder or tokenizer came from."""
    return {key: value for key, value in settings.items() if key not in _ORIGIN_KEYS}


def forget_origin(path: Path) -> None:
    """Take out of a config file in JSON where its encoder or tokenizer came from."""
    # Not with srsly: a length without limit is a number too big for it.
    settings = without_origin(json.loads(path.read_text("utf8")))
    path.write_text(json.dumps(settings, indent=2), "utf8")


@contextmanager
def quiet_loading() -> Iterator[None]:
    """Nothing from transformers but errors: that heads are left out or new is no news."""
    logger = logging.getLogger("transformers")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


def _from_pretrained(name: str, classifier: bool, **settings: Any) -> HFObjects:
    config = AutoConfig.from_pretrained(name, **settings)
    auto = AutoModelForTokenClassification if classifier else _auto_class(config)
    architecture = next(iter(config.architectures or ()), "")
    if classifier and not architecture.endswith(_CLASSIFIER):
        raise DualNerError(f"is no token classifier, but {architecture or 'of no known kind'}.")
    if not classifier and architecture.endswith(_CLASSIFIER):
        warnings.warn(
            f"{name} is a token classifier, whose head is left out. To begin with what it knows: "
            "python -m spacy dualner from-hf",
            stacklevel=4,
        )
    tokenizer = AutoTokenizer.from_pretrained(name, **settings)
    if getattr(tokenizer, "add_prefix_space", None) is False:
        # Byte-level tokenizers take words one by one only with this.
        tokenizer = AutoTokenizer.from_pretrained(name, add_prefix_space=True, **settings)
    transformer = auto.from_pretrained(name, torch_dtype=torch.float32, **settings)
    transformer = _for_words(transformer).to(get_torch_default_device())
    _check_vectors(transformer.base_model, tokenizer.pad_token_id or 0)
    return HFObjects(tokenizer, transformer, None)


def _check_vectors(encoder: Any, pad: int) -> None:
    """Raise DualNerError where vectors of a text depend on more, such as the padding beside it."""
    batch = SubwordBatch(np.arange(2, 20), np.ones(18, dtype=np.int64), np.array([12, 6]))
    together, apart = (
        make_blocks(batch, Shape((), (), pad, window=12, overlap=0, budget=budget))
        for budget in (24, 12)
    )
    try:
        with torch.no_grad():
            vectors, alone = (encode_words(encoder, blocks, 18) for blocks in (together, apart))
    except Exception as error:
        raise DualNerError(
            f"cannot be run on sub-words alone ({type(error).__name__}: {_brief(error)})."
        ) from None
    if (vectors - alone).abs().max() > _CLOSE * alone.std():
        raise DualNerError(
            f"is of the type {encoder.config.model_type}, whose vectors for a text change with the "
            "other texts of a batch, so that no result could be had again."
        )


def _auto_class(config: Any) -> Any:
    """What makes an encoder (of T5 that alone). Raises DualNerError for kinds without one."""
    if type(config) in AutoModelForTextEncoding._model_mapping:
        return AutoModelForTextEncoding
    if getattr(config, "is_encoder_decoder", False):
        raise DualNerError(
            f"is of the type {config.model_type}, encoder and decoder in one, and transformers has "
            "no encoder of it alone."
        )
    return AutoModel


# LUKE's queries from words to entities and back.
_OF_ENTITIES = ("w2e_query", "e2w_query", "e2e_query")
_DRAWS = frozenset(("normal_", "uniform_", "trunc_normal_", "zero_", "fill_"))


class _EmptyOnMeta(TorchFunctionMode):
    """Weights, made empty, take no memory and are not drawn; buffers get their values.

    Acts in this thread alone.
    """

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        if func is torch.empty:
            kwargs["device"] = "meta"
        # Drawing takes a third to a half of the time in which an encoder is made.
        if args and getattr(func, "__name__", "") in _DRAWS and args[0].is_meta:
            return args[0]
        return func(*args, **kwargs)


def _with_weights(config: Any, state: dict[str, Tensor]) -> nn.Module:
    """An encoder of these weights, which take the place of those it would be made with."""

    # Else the config's own precision would be that of the weights in memory.
    settings = {"torch_dtype": torch.float32, "trust_remote_code": False}
    make = partial(_auto_class(config).from_config, config, **settings)
    with _EmptyOnMeta():
        transformer: Any = _for_words(make())
    weights = {name: w.float() if w.is_floating_point() else w for name, w in state.items()}
    transformer.load_state_dict(weights, strict=True, assign=True)
    # Weights of several names are one.
    transformer.tie_weights()
    tensors = chain(transformer.parameters(), transformer.buffers())
    if any(tensor.is_meta for tensor in tensors):
        # A buffer that is not stored was made empty, and filled.
        transformer = _for_words(make())
        transformer.load_state_dict(weights, strict=True)
    return transformer


def _for_words(transformer: nn.Module) -> nn.Module:
    """Drop what word vectors do not pass through: the pooler of sentences, LUKE's entities.

    What LUKE's layers have for entities stays, as those that are stored have it. It is not trained:
    several processes would wait for its gradient.
    """
    for part in ("pooler", "entity_embeddings"):
        if getattr(transformer, part, None) is not None:
            setattr(transformer, part, None)
    for name, weight in transformer.named_parameters():
        if any(part in name for part in _OF_ENTITIES):
            weight.requires_grad_(False)
    return transformer


def _ask_hub(name: str) -> None:
    """Raise what is wrong with a name at once: transformers tries again and again for a minute."""
    import requests
    from huggingface_hub import HfApi, constants

    seconds = float(os.environ.get("HF_HUB_ETAG_TIMEOUT", 4))
    errors: list[Exception] = []

    def ask() -> None:
        try:
            HfApi().model_info(name, timeout=seconds)
        except Exception as error:
            errors.append(error)

    # A time-out of requests is not one of looking up the host and trying all of its addresses.
    asking = Thread(target=ask, daemon=True)
    asking.start()
    asking.join(seconds)
    unreachable = (requests.ConnectionError, requests.Timeout)
    if asking.is_alive() or any(isinstance(error, unreachable) for error in errors):
        raise ConnectionError(f"no connection to {constants.ENDPOINT}")
    if errors:
        raise errors[0]


def _needs_code(error: Exception) -> bool:
    return isinstance(error, ValueError) and "trust_remote_code" in str(error)


def _brief(error: Exception) -> str:
    """The first line of what libraries say, which may go on with the names of all models."""
    line = str(error).strip().partition("\n")[0]
    return f"{line[:200]}..." if len(line) > 200 else line
