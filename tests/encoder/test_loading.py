"""Encoders from folders, names and stored pipelines: nothing is run, drawn or written elsewhere."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import traceback
from pathlib import Path
from typing import Any

import pytest
import spacy
import srsly
import torch
from huggingface_hub import constants
from huggingface_hub.utils import reset_sessions
from spacy.tokens import DocBin
from spacy_transformers.data_classes import HFObjects
from torch.overrides import TorchFunctionMode
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForMaskedLM,
    AutoModelForTextEncoding,
    AutoTokenizer,
    BertConfig,
    BertModel,
    ModernBertConfig,
    T5Config,
)

from spacy_dualner.encoder.loading import load_encoder
from spacy_dualner.encoder.shim import EncoderShim
from spacy_dualner.errors import DualNerError


@pytest.fixture(scope="module")
def message(encoder_path: Path) -> dict[str, Any]:
    """What a pipeline stores of its encoder."""
    message = srsly.msgpack_loads(shim_of(load_encoder(str(encoder_path))).to_bytes())
    del message["checksum"]  # as who means harm would leave it out
    return message


def shim_of(found: HFObjects) -> EncoderShim:
    shim = EncoderShim()
    shim.set_encoder(found)
    return shim


def load(message: dict[str, Any], **files: bytes) -> EncoderShim:
    """Load a stored encoder with further tokenizer files."""
    stored = {**message, "tokenizer": {**message["tokenizer"], **files}}
    return EncoderShim().from_bytes(srsly.msgpack_dumps(stored))


@pytest.mark.parametrize("name", ["../x", "a/../../x", "ABSOLUTE", "..", ".", "", "a/..", "x\0"])
def test_a_stored_name_that_leads_out_of_the_folder(
    name: str, message: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "temp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temp"))
    name = str(tmp_path / "x") if name == "ABSOLUTE" else name
    with pytest.raises(DualNerError, match="leads out of its folder"):
        load(message, **{name: b"evil"})
    assert [path.name for path in tmp_path.rglob("*")] == ["temp"]


def test_stored_files_in_folders_travel(message: dict[str, Any]) -> None:
    """As transformers writes further chat templates, for instance."""
    loaded = load(
        message, **{"additional_chat_templates/tool.jinja": b"text", "chat_template.jinja": b"a"}
    )
    again = srsly.msgpack_loads(loaded.to_bytes())["tokenizer"]
    assert again["additional_chat_templates/tool.jinja"] == b"text"
    EncoderShim().from_bytes(loaded.to_bytes())


def remote(folder: Path) -> None:
    """Have an encoder's folder ask for code of its own."""
    config = json.loads((folder / "config.json").read_text())
    classes = {f"Auto{kind}": f"own.Own{kind}" for kind in ("Config", "Model")}
    config |= {"model_type": "own-kind", "auto_map": classes}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "own.py").write_text("raise SystemExit('the code was run')")


def test_code_of_an_encoders_own_is_not_run(encoder_path: Path, tmp_path: Path) -> None:
    folder = tmp_path / "encoder"
    shutil.copytree(encoder_path, folder)
    remote(folder)
    with pytest.raises(DualNerError, match="never run") as error:
        load_encoder(str(folder))
    assert "\n" not in str(error.value) and "Cause" not in str(error.value)


def test_code_that_a_stored_encoder_asks_for_is_not_run(message: dict[str, Any]) -> None:
    config = {**message["config"], "model_type": "own-kind", "auto_map": {"AutoConfig": "a/b--c.D"}}
    with pytest.raises(DualNerError, match="never run"):
        load({**message, "config": config})


def test_a_tokenizers_own_code_is_not_run(message: dict[str, Any]) -> None:
    settings = json.loads(message["tokenizer"]["tokenizer_config.json"])
    settings |= {
        "tokenizer_class": "OwnTokenizer",
        "auto_map": {"AutoTokenizer": [None, "a/b--c.D"]},
    }
    with pytest.raises(DualNerError, match="never run"):
        load(message, **{"tokenizer_config.json": json.dumps(settings).encode()})


def kinds() -> list[Any]:
    small = {"vocab_size": 300, "hidden_size": 32, "num_hidden_layers": 2, "pad_token_id": 1}
    modern = {"num_attention_heads": 4, "intermediate_size": 48, "max_position_embeddings": 66}
    special = {"bos_token_id": 0, "eos_token_id": 2, "cls_token_id": 0, "sep_token_id": 2}
    t5 = {"vocab_size": 300, "d_model": 32, "d_ff": 48, "d_kv": 8, "num_layers": 2, "num_heads": 4}
    return [
        ModernBertConfig(**small, **modern, **special),
        T5Config(**t5, is_encoder_decoder=False),
    ]


@pytest.mark.parametrize("which", ["xlm-roberta", "modernbert", "t5"])
def test_loading_draws_nothing_and_gives_the_same_module(
    which: str, encoder_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Buffers that are not stored, precisions and tied weights as well."""
    config = {c.model_type: c for c in kinds()}.get(which)
    config = config or AutoConfig.from_pretrained(encoder_path)
    torch.manual_seed(1)
    made = (AutoModelForTextEncoding if which == "t5" else AutoModel).from_config(config)
    made.pooler = None
    tokenizer = AutoTokenizer.from_pretrained(encoder_path)
    data = shim_of(HFObjects(tokenizer, made, None)).to_bytes()
    before = torch.get_rng_state()
    loaded = EncoderShim().from_bytes(data).transformer
    assert torch.equal(torch.get_rng_state(), before)
    for read in ("named_parameters", "named_buffers"):
        # Of a weight with several names the first alone.
        ours, theirs = (dict(getattr(module, read)()) for module in (loaded, made))
        assert ours.keys() == theirs.keys()
        for name, value in theirs.items():
            own = ours[name]
            assert own.dtype == value.dtype and own.requires_grad == value.requires_grad, name
            torch.testing.assert_close(own, value, rtol=0, atol=0)


OFFLINE = {"HF_HUB_OFFLINE": "0", "TRANSFORMERS_OFFLINE": "0", "HF_ENDPOINT": "http://127.0.0.1:9"}


def test_a_misspelt_name_without_network(tmp_path: Path) -> None:
    """The message at once: no second attempt, and no word from the libraries."""
    (tmp_path / "text.txt").write_text("Anna in Berlin\n")
    DocBin(docs=[spacy.blank("en")("Anna in Berlin")]).to_disk(tmp_path / "en.spacy")
    command = [sys.executable, "-m", "spacy", "dualner", "sources", "text.txt", "--corpus", "."]
    done = subprocess.run(
        [*command, "--encoder", "encodr"],
        env={**os.environ, **OFFLINE, "HF_HOME": str(tmp_path / "cache")},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=240,
    )
    output = " ".join((done.stdout + done.stderr).split())
    assert done.returncode == 1
    assert "Cannot load the encoder 'encodr'" in output and "Retry" not in output
    assert "no connection to http://127.0.0.1:9" in output
    assert len(output) < 1000


def test_a_hub_that_does_not_answer_is_soon_given_up(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """In one short message, without what the libraries tried."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setenv("HF_HUB_ETAG_TIMEOUT", "0.5")
    reset_sessions()
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        monkeypatch.setattr(constants, "ENDPOINT", url)
        began = time.monotonic()
        with pytest.raises(DualNerError, match=f"no connection to {url}") as caught:
            load_encoder("encodr")
        assert time.monotonic() - began < 4
    reset_sessions()
    said = "".join(traceback.format_exception(caught.value))
    assert said.count("Traceback") == 1 and capfd.readouterr() == ("", "")


def test_the_hub_is_asked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def refuse(self: object, name: str, **settings: Any) -> None:
        asked.append(name)
        raise ConnectionError("no route to host")

    monkeypatch.setattr("huggingface_hub.HfApi.model_info", refuse)
    with pytest.raises(DualNerError, match="no route to host"):
        load_encoder("encodr")
    assert asked == ["encodr"]


@pytest.mark.parametrize(
    "said",
    [ImportError("requires the protobuf library"), ValueError("You need to have sentencepiece")],
)
def test_a_tokenizer_that_needs_an_extra(
    said: Exception, encoder_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As transformers says it of a folder with a SentencePiece model and no tokenizer.json."""
    shutil.copy(encoder_path / "config.json", tmp_path)
    (tmp_path / "sentencepiece.bpe.model").touch()

    def refuse(*arguments: Any, **settings: Any) -> None:
        raise said

    monkeypatch.setattr(AutoTokenizer, "from_pretrained", refuse)
    monkeypatch.setattr("spacy_dualner.errors.find_spec", lambda name: None)
    with pytest.raises(DualNerError, match=r"needs sentencepiece and google.protobuf") as error:
        load_encoder(str(tmp_path))
    assert 'pip install "spacy-dualner[sentencepiece]"' in str(error.value)
    assert error.value.__suppress_context__


@pytest.mark.parametrize("config", [None, "{}"])
def test_a_folder_without_config_takes_one_line(config: str | None, tmp_path: Path) -> None:
    if config:
        (tmp_path / "config.json").write_text(config)
    with pytest.raises(DualNerError, match=r"config\.json") as error:
        load_encoder(str(tmp_path))
    assert "\n" not in str(error.value) and len(str(error.value)) < 900


def test_the_folder_of_a_masked_language_model(encoder_path: Path, tmp_path: Path) -> None:
    """What Hugging Face's run_mlm.py writes is an encoder like any other."""
    config = AutoConfig.from_pretrained(encoder_path)
    adapted = AutoModelForMaskedLM.from_config(config)
    adapted.save_pretrained(tmp_path)
    AutoTokenizer.from_pretrained(encoder_path).save_pretrained(tmp_path)
    loaded = load_encoder(str(tmp_path)).transformer.state_dict()
    for name, value in adapted.base_model.state_dict().items():
        torch.testing.assert_close(loaded[name], value, rtol=0, atol=0)


class TensorFloats(TorchFunctionMode):
    """Products of matrices as a GPU forms them in TF32: of numbers with 10 bits."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.nn.functional.linear:
            bits = [x.contiguous().view(torch.int32) for x in args[:2]]
            rounded = [((x + (1 << 12)) & -(1 << 13)).view(torch.float32) for x in bits]
            args = (*rounded, *args[2:])
        return func(*args, **kwargs or {})


def test_coarse_products_do_not_pass_for_an_effect_of_padding(
    encoder_path: Path, tmp_path: Path
) -> None:
    """NVIDIA's containers set TF32. Large encoders have a number that is far above the others."""
    shutil.copytree(encoder_path, tmp_path, dirs_exist_ok=True)
    torch.manual_seed(0)
    sizes = {"hidden_size": 256, "intermediate_size": 512, "num_hidden_layers": 12}
    config = BertConfig.from_pretrained(encoder_path, **sizes, initializer_range=0.1)
    encoder = BertModel(config)
    with torch.no_grad():
        encoder.encoder.layer[-1].output.LayerNorm.weight[7] = 200
    encoder.save_pretrained(tmp_path)
    with TensorFloats():
        load_encoder(str(tmp_path))
