"""The presets: complete, valid, and in agreement with each other; and the command `configure`."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import spacy
from helpers.corpus import run_cli, stage2_config, write_corpus
from helpers.tiny import ROOT
from spacy.cli.init_config import fill_config
from spacy.schemas import ConfigSchemaTraining
from spacy.util import load_config, load_model_from_config, registry
from thinc.api import Config, ConfigValidationError

from spacy_dualner.errors import DualNerError
from spacy_dualner.teaching.config import resolve_config
from spacy_dualner.training.presets import config_text

PRESETS = sorted(path.parent for path in (ROOT / "configs").glob("*/preset.cfg"))
NAMES = [path.name for path in PRESETS]
every_preset = pytest.mark.parametrize("preset", PRESETS, ids=NAMES)
MINI = ROOT / "configs" / "mini"
STUDIES = [ROOT / "experiments" / "configs" / "languages" / "table2.cfg"]
PLUS = {"teacher": {"templates": 0.02}}


def test_there_are_presets() -> None:
    assert "mini" in NAMES


@every_preset
def test_stage_1_needs_no_filling(preset: Path, tmp_path: Path) -> None:
    """`debug config` and `debug data` refuse what `init fill-config` would add to."""
    config, filled = fill_config(tmp_path / "filled.cfg", preset / "stage1.cfg", silent=True)
    assert config == filled


@every_preset
def test_stage_1_trains_as_spacy_expects(preset: Path) -> None:
    """Everything in `[training]` but the schedule, which reads the corpus, resolves."""
    config = load_config(preset / "stage1.cfg")
    config["training"]["optimizer"]["learn_rate"] = 0.001
    nlp = load_model_from_config(config, auto_fill=True)
    assert nlp.pipe_names == ["dualner"]
    settings = registry.resolve(nlp.config.interpolate()["training"], schema=ConfigSchemaTraining)
    assert settings["before_to_disk"] is not None
    assert settings["score_weights"]["ents_f_mean"] == 1.0


@every_preset
@pytest.mark.parametrize("name", ["stage2.cfg", "stage2-plus.cfg"])
def test_stage_2_resolves(preset: Path, name: str) -> None:
    """No corpus is read for that."""
    resolved = resolve_config(Config().from_disk(preset / name))
    assert resolved.settings.component == "dualner"
    assert resolved.corpora.source.langs
    assert resolved.optimizer.learn_rate > 0


@every_preset
def test_the_preset_agrees_with_its_stages(preset: Path) -> None:
    data = Config().from_disk(preset / "preset.cfg")["data"]
    one = Config().from_disk(preset / "stage1.cfg")
    two = Config().from_disk(preset / "stage2.cfg")
    every = f"{data['source']},{data['targets']}"
    assert one["components"]["dualner"]["model"]["tok2vec"]["name"] == data["encoder"]
    assert one["corpora"]["train"]["langs"] == two["corpora"]["source"]["langs"] == data["source"]
    assert two["corpora"]["target"]["langs"] == data["targets"]
    assert one["corpora"]["dev"]["langs"] == two["corpora"]["dev"]["langs"] == every
    assert one["corpora"]["dev"]["limit"] == two["corpora"]["dev"]["limit"] == data["dev_limit"]
    assert two["corpora"]["target"]["limit"] == data["unlabelled_limit"]
    assert one["training"]["seed"] == two["teaching"]["seed"] == data["seed"]
    assert set(data) - {"translated"} == {
        "path", "encoder", "source", "targets", "unlabelled_limit", "dev_limit", "test_limit",
        "seed",
    }  # fmt: skip


@every_preset
def test_plus_is_the_papers_recipe_with_some_settings(preset: Path) -> None:
    plus = load_config(preset / "stage2-plus.cfg", interpolate=False)
    for block, values in PLUS.items():
        assert plus["teaching"].pop(block) == values
    paper = load_config(preset / "stage2.cfg", interpolate=False)
    assert plus == paper


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.name)
def test_studies_of_plus_have_its_settings(path: Path) -> None:
    methods = load_config(path)["methods"]
    settings = {f"teaching.{b}.{key}": v for b, own in PLUS.items() for key, v in own.items()}
    assert methods["plus"] == {"base": "DualNER", "stage1": "MLT-own", "settings": settings}


@pytest.mark.parametrize("name", ["xlmr-base", "infoxlm-large"])
def test_the_papers_settings(name: str) -> None:
    one = Config().from_disk(ROOT / "configs" / name / "stage1.cfg")["training"]
    two = Config().from_disk(ROOT / "configs" / name / "stage2.cfg")["teaching"]
    assert one["batcher"]["size"] == 128 and one["max_epochs"] == two["max_epochs"] == 8
    rate = one["optimizer"]["learn_rate"]
    assert rate["initial_rate"] == two["optimizer"]["learn_rate"] == 2e-5
    assert rate["warmup_steps"] == two["warmup_steps"] == 300
    assert one["eval_frequency"] == two["eval_frequency"] == 250
    assert two["alpha"] == 0.5 and two["method"] == "dual" and two["mse_norm"] == "pairs"
    if name == "xlmr-base":
        assert two["batch_size"] == 500


# Stage-2 configs that are wrong


@pytest.mark.parametrize(
    "key,value",
    [
        ("teaching.alhpa", 0.5),
        ("teaching.alpha", "much"),
        ("teaching.alpha", -1.0),
        ("teaching.method", "triple"),
        ("teaching.mse_norm", "none"),
        ("teaching.select", "target"),
        ("teaching.batch_size", 0),
        ("teaching.batch_size", 2.5),
        ("teaching.batch_size", None),
        ("teaching.max_epochs", "8 epochs"),
        ("teaching.dropout", 1.0),
        ("teaching.seed", 1.5),
        ("teaching.model", 5),
        ("teaching.optimizer.learn_rat", 0.1),
        ("corpora.source.lang", "en"),
        ("corpora.dve", None),
    ],
)
def test_a_wrong_setting_is_named(key: str, value: object) -> None:
    config = Config().from_disk(MINI / "stage2.cfg")
    section, name = config, key.split(".")
    for part in name[:-1]:
        section = section[part]
    section[name[-1]] = value
    with pytest.raises(ConfigValidationError) as caught:
        resolve_config(config)
    assert name[-1] in str(caught.value)


@pytest.mark.parametrize("section,key", [("teaching", "model"), ("corpora", "source")])
def test_a_missing_setting_is_named(section: str, key: str) -> None:
    config = Config().from_disk(MINI / "stage2.cfg")
    del config[section][key]
    with pytest.raises(ConfigValidationError, match=key):
        resolve_config(config)


@pytest.mark.parametrize("section", ["teaching", "corpora"])
def test_a_missing_section_is_named(section: str) -> None:
    config = Config().from_disk(MINI / "stage2.cfg")
    del config[section]
    with pytest.raises(ConfigValidationError, match=f"{section}\tsection missing: this is no"):
        resolve_config(config)


def test_a_short_config_is_filled_with_defaults() -> None:
    reader = {"@readers": "spacy-dualner.Corpus.v1", "path": "corpus/train"}
    config = Config({"teaching": {"model": "stage1"}, "corpora": {"source": reader}})
    resolved = resolve_config(config)
    assert resolved.corpora.target is None and resolved.corpora.dev is None
    assert resolved.settings.alpha == 0.5
    assert resolved.settings.batch_size == 128
    assert resolved.optimizer.learn_rate == 2e-5


@pytest.mark.parametrize(
    "optimizer",
    [
        {"@optimizers": "Adam.v1", "learn_rate": 0.001},
        {
            "@optimizers": "spacy-dualner.AdamW.v1",
            "learn_rate": {"@schedules": "constant.v1", "rate": 0.1},
        },
    ],
)
def test_another_optimizer_is_a_clear_error(optimizer: dict) -> None:
    config = Config().from_disk(MINI / "stage2.cfg")
    config["teaching"]["optimizer"] = optimizer
    with pytest.raises(DualNerError, match=r"\[teaching\.optimizer\]"):
        resolve_config(config)


# configure


def written(folder: Path) -> dict[str, Config]:
    names = ("preset", "stage1", "stage2")
    return {name: Config().from_disk(folder / f"{name}.cfg") for name in names}


@every_preset
def test_configure_without_choices_keeps_the_preset(preset: Path, tmp_path: Path) -> None:
    empty = ["--encoder", "", "--data", "", "--source", "", "--targets", "", "--seed", ""]
    limits = ["--unlabelled-limit", "", "--dev-limit", "", "--test-limit", ""]
    status, _ = run_cli("dualner", "configure", preset, tmp_path / "new", *empty, *limits)
    assert status == 0
    before, after = written(preset), written(tmp_path / "new")
    assert after["stage1"] == before["stage1"]
    assert after["stage2"] == before["stage2"]
    checksum = after["preset"]["data"].pop("checksum")
    assert after["preset"] == before["preset"]
    assert bool(checksum) == Path(before["preset"]["data"]["path"]).is_dir()


def test_each_choice_lands_in_its_place(tmp_path: Path) -> None:
    (tmp_path / "archives").mkdir()
    arguments = {
        "--encoder": "some/encoder",
        "--data": str(tmp_path / "archives"),
        "--source": "en, nl",
        "--targets": "de,sw",
        "--unlabelled-limit": "11",
        "--dev-limit": "12",
        "--test-limit": "13",
        "--seed": "14",
    }
    flat = [part for pair in arguments.items() for part in pair]
    status, output = run_cli("dualner", "configure", MINI, tmp_path / "new", *flat)
    assert status == 0 and "Configs written" in output
    configs = written(tmp_path / "new")
    data, one, two = configs["preset"]["data"], configs["stage1"], configs["stage2"]
    assert data["path"] == str(tmp_path / "archives")
    assert data["checksum"]
    assert (data["encoder"], data["source"], data["targets"]) == ("some/encoder", "en,nl", "de,sw")
    assert [data[f"{name}_limit"] for name in ("unlabelled", "dev", "test")] == [11, 12, 13]
    assert data["seed"] == 14
    assert one["components"]["dualner"]["model"]["tok2vec"]["name"] == "some/encoder"
    assert one["corpora"]["train"]["langs"] == two["corpora"]["source"]["langs"] == "en,nl"
    assert two["corpora"]["target"]["langs"] == "de,sw"
    assert two["corpora"]["target"]["limit"] == 11
    for config in (one, two):
        assert config["corpora"]["dev"]["langs"] == "en,nl,de,sw"
        assert config["corpora"]["dev"]["limit"] == 12
    assert one["training"]["seed"] == two["teaching"]["seed"] == 14
    # All else is the preset's.
    assert one["training"]["batcher"] == written(MINI)["stage1"]["training"]["batcher"]
    resolve_config(two)


def test_a_preset_may_list_its_languages(tmp_path: Path) -> None:
    """As `evaluate`, `calibrate` and `convert` read them."""
    preset, data = (
        shutil.copytree(MINI, tmp_path / "preset"),
        Config().from_disk(MINI / "preset.cfg"),
    )
    data["data"] |= {"source": ["en:100"], "targets": ["de", "sw"]}
    data.to_disk(preset / "preset.cfg")
    status, output = run_cli("dualner", "configure", preset, tmp_path / "new", "--seed", "3")
    assert status == 0, output
    configs = written(tmp_path / "new")
    assert configs["stage1"]["corpora"]["train"]["langs"] == "en:100"
    assert configs["stage2"]["corpora"]["dev"]["langs"] == "en,de,sw"
    data["data"]["targets"] = 3
    data.to_disk(preset / "preset.cfg")
    status, output = run_cli("dualner", "configure", preset, tmp_path / "new")
    assert status == 1 and "targets is no language and no list of them" in output


def test_a_file_of_data_is_converted_again_once_it_changes(tmp_path: Path) -> None:
    """A project does so where `preset.cfg` changes."""
    path, checksums = tmp_path / "doccano.jsonl", set()
    for text in ("one", "two"):
        path.write_text(text)
        assert run_cli("dualner", "configure", MINI, tmp_path / "new", "--data", path)[0] == 0
        checksums.add(written(tmp_path / "new")["preset"]["data"]["checksum"])
    assert len(checksums) == 2 and all(checksums)


@pytest.mark.parametrize("path", ["", None])
def test_a_preset_may_have_no_data(tmp_path: Path, path: str | None) -> None:
    """As for a corpus that `fetch` made: it is not the working folder's checksum then."""
    preset, data = (
        shutil.copytree(MINI, tmp_path / "preset"),
        Config().from_disk(MINI / "preset.cfg"),
    )
    data["data"]["path"] = path
    data.to_disk(preset / "preset.cfg")
    status, output = run_cli("dualner", "configure", preset, tmp_path / "new")
    assert status == 0, output
    assert written(tmp_path / "new")["preset"]["data"]["checksum"] == ""


@every_preset
def test_a_recipe_is_a_choice(preset: Path, tmp_path: Path) -> None:
    arguments = (preset, tmp_path, "--recipe", "plus", "--seed", 7)
    status, _ = run_cli("dualner", "configure", *arguments)
    assert status == 0
    after, plus = written(tmp_path), Config().from_disk(preset / "stage2-plus.cfg")
    plus["system"]["seed"] = plus["teaching"]["seed"] = 7
    assert after["stage2"] == plus
    assert after["stage1"]["training"]["seed"] == 7
    # Configured again it is kept.
    status, _ = run_cli("dualner", "configure", tmp_path, tmp_path / "again")
    assert status == 0
    assert written(tmp_path / "again") == after


@pytest.mark.parametrize("recipe", ["minus", "../mini/stage2", "*"])
def test_an_unknown_recipe_is_a_clear_error(recipe: str, tmp_path: Path) -> None:
    status, output = run_cli("dualner", "configure", MINI, tmp_path / "new", "--recipe", recipe)
    assert status == 1
    assert recipe in output and "There is plus" in output
    assert not (tmp_path / "new").exists()


def test_a_recipe_of_a_preset_that_has_but_one(tmp_path: Path) -> None:
    preset = tmp_path / "preset"
    preset.mkdir()
    for name in ("preset.cfg", "stage1.cfg", "stage2.cfg"):
        (preset / name).write_text((MINI / name).read_text())
    status, output = run_cli("dualner", "configure", preset, tmp_path / "new", "--recipe", "plus")
    assert status == 1
    assert "stage2-plus.cfg" in output and "--recipe" in output


def test_a_limit_of_zero_is_a_choice(tmp_path: Path) -> None:
    run_cli("dualner", "configure", MINI, tmp_path, "--dev-limit", "0", "--test-limit", "0")
    configs = written(tmp_path)
    assert configs["preset"]["data"]["test_limit"] == 0
    assert configs["stage1"]["corpora"]["dev"]["limit"] == 0


def test_configured_files_can_be_configured_again(tmp_path: Path) -> None:
    run_cli("dualner", "configure", MINI, tmp_path / "one", "--targets", "de", "--seed", "3")
    status, _ = run_cli("dualner", "configure", tmp_path / "one", tmp_path / "two")
    assert status == 0
    assert written(tmp_path / "two") == written(tmp_path / "one")


@pytest.mark.parametrize("option", ["--seed", "--dev-limit", "--test-limit", "--unlabelled-limit"])
@pytest.mark.parametrize("value", ["many", "-3", "2.5"])
def test_a_wrong_number_is_a_clear_error(option: str, value: str, tmp_path: Path) -> None:
    status, output = run_cli("dualner", "configure", MINI, tmp_path / "new", f"{option}={value}")
    assert status == 1
    assert option.strip("-").replace("-", "_") in output and value in output
    assert not (tmp_path / "new").exists()


def test_a_digit_that_is_no_number_is_a_clear_error(tmp_path: Path) -> None:
    status, output = run_cli("dualner", "configure", MINI, tmp_path / "new", "--seed", "²")
    assert status == 1 and "seed" in output


def test_a_missing_preset_is_a_clear_error(tmp_path: Path) -> None:
    status, output = run_cli("dualner", "configure", tmp_path / "none", tmp_path / "new")
    assert status == 1
    assert "preset.cfg" in output and "demo, e5-small, infoxlm-large" in output


def test_a_preset_without_data_is_a_clear_error(tmp_path: Path) -> None:
    preset = tmp_path / "preset"
    preset.mkdir()
    for name in ("stage1.cfg", "stage2.cfg"):
        (preset / name).write_text((MINI / name).read_text())
    (preset / "preset.cfg").write_text('[data]\nsource = "en"\n')
    status, output = run_cli("dualner", "configure", preset, tmp_path / "new", "--seed", "1")
    assert status == 1
    assert "preset.cfg" in output


# Paths with a dollar sign, which configs use for variables


@pytest.mark.slow
def test_a_dollar_in_paths(encoder_path: Path, tmp_path: Path) -> None:
    """From `configure` over `spacy train` and `teach` to a study: $ stands for itself."""
    folder = tmp_path / "my$data$$x"
    encoder = folder / "enc$oder"
    shutil.copytree(encoder_path, encoder)
    corpus = write_corpus(folder / "cor$pus")
    choices = ["--encoder", encoder, "--data", folder, "--source", "en", "--targets", "de"]
    status, _ = run_cli("dualner", "configure", MINI, folder / "conf$", *choices)
    assert status == 0
    for name, at in (("preset.cfg", "data.encoder"), ("stage1.cfg", "paths.encoder")):
        for interpolate in (False, True):
            config = Config().from_disk(folder / "conf$" / name, interpolate=interpolate)
            section, key = at.split(".")
            assert config[section][key] == str(encoder)
    paths = ["--paths.train", corpus / "train", "--paths.dev", corpus / "dev"]
    arguments = [*paths, "--training.max_epochs", "1", "--training.eval_frequency", "1"]
    arguments += ["--training.logger.progress_bar", "null", "--output", folder / "stage1"]
    arguments += ["--initialize.after_init.min_steps", "0"]
    assert run_cli("train", folder / "conf$" / "stage1.cfg", *arguments)[0] == 0
    config = stage2_config(folder / "stage1" / "model-last", corpus, teaching__max_epochs=1)
    (folder / "stage2.cfg").write_text(config_text(config))
    status, printed = run_cli("dualner", "teach", folder / "stage2.cfg", "-o", folder / "stage2")
    assert status == 0, printed
    assert spacy.load(folder / "stage2" / "model-best").pipe_names == ["dualner"]


def test_a_variable_is_no_path(tmp_path: Path) -> None:
    status, printed = run_cli(
        "dualner", "configure", MINI, tmp_path / "out", "--encoder", "/data/${x}/e"
    )
    assert status == 1 and "takes ${ for a variable" in printed
    assert not (tmp_path / "out").exists()
