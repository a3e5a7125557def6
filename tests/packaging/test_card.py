"""Model cards: what they say of a run, what they leave open, and what packages and hubs get."""

from __future__ import annotations

import json
import re
import shutil
import typing
import zipfile
from pathlib import Path
from typing import Any

import pytest
import spacy
import srsly
import yaml
from helpers.corpus import files_holding, run_cli, stage1_config, stage2_config, write_corpus
from helpers.tiny import ROOT, train_nlp
from huggingface_hub import ModelCard
from spacy.cli.package import package
from spacy.cli.train import train
from thinc.api import Config

from spacy_dualner.cli.card import read_statements
from spacy_dualner.cli.configure import configure
from spacy_dualner.errors import DataError
from spacy_dualner.evaluation.scores import evaluate
from spacy_dualner.packaging.card import HUB_README, README, SELECT, Statements
from spacy_dualner.packaging.origin import Origin
from spacy_dualner.teaching.config import ConfigSchemaTeaching, resolve_config
from spacy_dualner.teaching.record import GOLD
from spacy_dualner.teaching.teach import teach

PRESETS = sorted(path.parent for path in (ROOT / "configs").glob("*/preset.cfg"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, encoder_path: Path) -> Path:
    """A `corpus`, pipelines `stage1` and `stage2` as `train` and `teach` write them, and scores."""
    folder = tmp_path_factory.mktemp("card")
    write_corpus(folder / "corpus", ["en", "de", "sw"], copies=2)
    config = stage1_config(
        encoder_path, folder / "corpus", training__max_epochs=2, training__eval_frequency=2
    )
    config.to_disk(folder / "stage1.cfg")
    train(folder / "stage1.cfg", folder / "train", use_gpu=-1)
    (folder / "train" / "model-best").rename(folder / "stage1")
    config = stage2_config(folder / "stage1", folder / "corpus", corpora__target__langs="de,sw")
    teach(resolve_config(config), folder / "teach").rename(folder / "stage2")
    for name in ("stage1", "stage2"):
        results = evaluate(folder / name, folder / "corpus", ["en", "de", "sw"])
        srsly.write_json(folder / f"{name}.json", results)
    # Scores that differ from each other, so that no mix-up goes unseen.
    results = srsly.read_json(folder / "stage2.json")
    for i, scores in enumerate([*results["languages"].values(), results["mean"]], start=1):
        scores["span"] = {"p": 60 + i + 0.04, "r": 70 + i, "f": 65 + i + 0.26}
        scores["tag"] = {"p": 10 + i, "r": 20 + i, "f": 15 + i}
    srsly.write_json(folder / "stage2.json", results)
    return folder


def card(folder: Path, output: Path, model: str = "stage2", *options: str | Path) -> str:
    """Write the card of a copy. Returns README.md."""
    status, text = run_cli("dualner", "card", folder / model, "--output", output, *options)
    assert status == 0, text
    return (output / README).read_text(encoding="utf8")


def scored(folder: Path, output: Path, *options: str) -> str:
    """The card of stage 2 with scores and a baseline."""
    files = ["-s", folder / "stage2.json", "-b", folder / "stage1.json"]
    return card(folder, output, "stage2", *files, *options)


def table(text: str, heading: str) -> list[dict[str, str]]:
    """The rows of the table under a heading."""
    lines = [line for line in section(text, heading).splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line[1:-1].split("|")] for line in lines]
    return [dict(zip(cells[0], row, strict=True)) for row in cells[2:]]


def section(text: str, heading: str) -> str:
    """What stands under a heading."""
    return text.split(f"## {heading}\n")[1].split("\n## ")[0]


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


# What it says


def test_which_sentences_were_scored(folder: Path, tmp_path: Path) -> None:
    assert "All sentences of each test set." in scored(folder, tmp_path / "all")
    results = evaluate(folder / "stage2", folder / "corpus", ["en"], split="dev", limit=1500)
    srsly.write_json(tmp_path / "dev.json", results)
    text = card(folder, tmp_path / "dev", "stage2", "-s", tmp_path / "dev.json")
    assert "First 1,500 sentences of each dev set." in text


def test_scores_on_raw_text(folder: Path, tmp_path: Path) -> None:
    results = evaluate(folder / "stage2", folder / "corpus", ["en", "de"], raw=True)
    results["languages"]["de"]["raw"]["f"] = 12.34
    srsly.write_json(tmp_path / "raw.json", results)
    text = card(folder, tmp_path / "out", "stage2", "-s", tmp_path / "raw.json")
    rows = {row[""]: row for row in table(text, "Scores")}
    assert rows["de"]["F1 on raw text"] == "12.3"
    assert rows["mean"]["F1 on raw text"] == f"{results['mean']['raw']['f']:.1f}"
    assert "F1 on raw text" not in scored(folder, tmp_path / "without")


def test_entity_types_are_text_not_markup(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "stage2", tmp_path / "own")
    meta = srsly.read_json(tmp_path / "own" / "meta.json")
    meta["labels"]["dualner"] = ["<script>alert(1)</script>", "A&B", "X|Y"]
    srsly.write_json(tmp_path / "own" / "meta.json", meta)
    text = card(tmp_path, tmp_path / "out", "own", "-s", folder / "stage2.json")
    assert "<script" not in text and text.count("&lt;script&gt;alert(1)&lt;/script&gt;") == 2
    assert text.count("A&amp;B") == 2 and r"X\|Y" in text
    described = srsly.read_json(tmp_path / "out" / "meta.json")["description"]
    assert "<script>alert(1)</script>, A&B, X|Y" in described


def test_a_joint_pipeline_needs_joint_scores(folder: Path, tmp_path: Path) -> None:
    nlp = spacy.load(folder / "stage2")
    nlp.get_pipe("dualner").cfg["decode"] = "joint"
    nlp.to_disk(tmp_path / "joint")
    results = evaluate(folder / "stage2", folder / "corpus", ["en"])
    results["mean"]["joint"]["f"] = 77.7
    srsly.write_json(tmp_path / "new.json", results)
    text = card(tmp_path, tmp_path / "out", "joint", "-s", tmp_path / "new.json")
    assert "77.7" in text and "the best path over all heads" in text
    for scores in (*results["languages"].values(), results["mean"]):
        del scores["joint"]
    srsly.write_json(tmp_path / "old.json", results)
    status, said = run_cli("dualner", "card", tmp_path / "joint", "-s", tmp_path / "old.json")
    assert status == 1 and "Evaluate again" in said


def test_the_table_is_that_of_the_scores(folder: Path, tmp_path: Path) -> None:
    rows = table(scored(folder, tmp_path / "out"), "Scores")
    after, before = (srsly.read_json(folder / f"{n}.json") for n in ("stage2", "stage1"))
    assert [row[""] for row in rows] == ["en", "de", "sw", "mean", "mean of targets"]
    expected = [*after["languages"].values(), after["mean"], after["mean_targets"]]
    former = [*before["languages"].values(), before["mean"], before["mean_targets"]]
    for row, scores, old in zip(rows, expected, former, strict=True):
        for column, key in (("P", "p"), ("R", "r"), ("F1", "f")):
            assert row[column] == f"{scores['span'][key]:.1f}"
        assert row["F1 of stage1"] == f"{old['span']['f']:.1f}"
        assert float(row["gain"]) == pytest.approx(scores["span"]["f"] - old["span"]["f"], abs=0.06)
    for row, scores in zip(rows, after["languages"].values(), strict=False):
        for type_ in ("LOC", "ORG", "PER"):
            assert row[type_] == f"{scores['per_type']['span'][type_]['f']:.1f}"
    assert [row["trained on"] for row in rows[:3]] == ["annotations", "text", "text"]


def test_scores_are_those_of_the_pipelines_decoding(folder: Path, tmp_path: Path) -> None:
    text = card(folder, tmp_path / "tags", "stage2")
    assert "read from the start/end heads" in text
    # Settings that are stored with the component go before those in the config.
    stored = tmp_path / "tags" / "dualner" / "cfg"
    srsly.write_json(stored, srsly.read_json(stored) | {"decode": "tag"})
    text = card(tmp_path, tmp_path / "out", "tags", "-s", folder / "stage2.json")
    assert "read from the tag head" in text
    assert [row["F1"] for row in table(text, "Scores")][:3] == ["16.0", "17.0", "18.0"]
    srsly.write_json(stored, srsly.read_json(stored) | {"decode": "crf"})
    status, said = run_cli("dualner", "card", tmp_path / "tags", "--output", tmp_path / "out")
    assert status == 1 and "Unknown decoding 'crf'" in said


def test_languages_and_sentences_of_both_stages(folder: Path, tmp_path: Path) -> None:
    text = card(folder, tmp_path / "out")
    assert "in de and sw, trained on annotated text of en" in text
    assert "Sentences with annotations: en (10)" in text
    assert "Sentences without annotations: de (10), sw (10)" in text


def test_settings_are_those_of_the_run(folder: Path, tmp_path: Path, encoder_path: Path) -> None:
    text = card(folder, tmp_path / "out")
    rows = {row.pop(""): row for row in table(text, "Method and settings")}
    assert rows["epochs"] == {"stage 1": "2", "stage 2": "2"}
    assert rows["sentences a step"] == {"stage 1": "5", "stage 2": "5"}
    assert rows["peak learning rate"] == {"stage 1": "0.003", "stage 2": "0.001"}
    assert rows["the heads' rate, times that"] == {"stage 1": "2.5", "stage 2": "5"}
    assert rows["method"]["stage 1"].startswith("MLT")
    assert rows["method"]["stage 2"].startswith("dual teaching")
    assert "alpha 0.5" in rows["method"]["stage 2"]
    assert f"(`{encoder_path.name}`)" in text


@pytest.mark.parametrize(
    "overrides,expected",
    [
        ({"teaching__method": "selfkl"}, "self-teaching by KL"),
        ({"teaching__alpha": 0.0}, "dual teaching, no regulariser"),
        ({"corpora__target": None}, "no target text"),
        ({"teaching__select": "agreement", "teaching__held_back": 2}, "agreement of both kinds"),
        ({"teaching__optimizer__learn_rate": 1e-12}, "this is the stage-1 model"),
    ],
)
def test_variants_of_stage_2_are_named(
    folder: Path, tmp_path: Path, overrides: dict[str, Any], expected: str
) -> None:
    config = stage2_config(folder / "stage1", folder / "corpus", **overrides)
    teach(resolve_config(config), tmp_path / "teach")
    text = card(tmp_path, tmp_path / "out", "teach/model-best")
    assert expected in text
    if "corpora__target" in overrides:
        assert "Sentences without annotations: none" in text
    if "teaching__held_back" in overrides:
        assert "without annotations: de (8)" in text


def test_every_way_to_teach_and_to_select_has_its_words() -> None:
    hints = typing.get_type_hints(ConfigSchemaTeaching)
    assert set(SELECT) == set(typing.get_args(hints["select"]))
    # Gold labels alone are a stage 1.
    for method in {*typing.get_args(hints["method"])} - {GOLD}:
        record = {"method": method, "alpha": 0.5, "mse_norm": "set"}
        record |= {"local_layers": 1, "fused_layers": 2}
        losses = {"tag": 1.0, "span": 1.0}
        assert Origin([], "span", "", losses, {}, {"de": 1}, {}, record).methods[1]


@pytest.mark.parametrize("losses,name", [((1, 1), "MLT"), ((1, 0), "CLA"), ((0, 1), "SPAN")])
def test_methods_of_stage_1(losses: tuple[float, float], name: str) -> None:
    weights = dict(zip(("tag", "span"), losses, strict=True))
    (method,) = Origin([], "span", "", weights, {}, {}, {}, None).methods
    assert method.startswith(name)


def test_a_card_of_stage_1(folder: Path, tmp_path: Path) -> None:
    text = card(folder, tmp_path / "out", "stage1", "-s", folder / "stage1.json")
    assert "trained on annotated text of en, for other languages as well" in text
    assert "stage 2" not in text
    assert "Sentences without annotations: none" in text


def test_the_paper_is_cited(folder: Path, tmp_path: Path) -> None:
    text = card(folder, tmp_path / "out")
    assert "2022.findings-emnlp.132" in text and "@inproceedings{zeng-etal-2022-dualner" in text
    entry = text.split("```bibtex\n")[1].split("```")[0]
    assert entry.count("{") == entry.count("}")


# What nobody said


def test_what_is_unknown_is_called_not_stated(folder: Path, tmp_path: Path) -> None:
    text = card(folder, tmp_path / "out")
    assert "Data: not stated" in text
    licences = section(text, "Licences").strip().splitlines()
    assert len(licences) == 3 and all(line.endswith(": not stated") for line in licences)
    meta = srsly.read_json(tmp_path / "out" / "meta.json")
    assert meta["license"] == "" and [list(source) for source in meta["sources"]] == [["name"]]


def test_a_pipeline_that_train_did_not_make(encoder_path: Path, tmp_path: Path) -> None:
    """spaCy's default settings stand in its config; none of them is told."""
    train_nlp(encoder_path, steps=1).to_disk(tmp_path / "model")
    text = card(tmp_path, tmp_path / "out", "model")
    assert "annotated text of languages that are not stated" in text
    rows = table(text, "Method and settings")
    assert {row["stage 1"] for row in rows[1:]} == {"not stated"}


def test_statements_are_told(folder: Path, tmp_path: Path) -> None:
    text = scored(
        folder, tmp_path / "out", "--data", "PAN-X", "--dataset", "google/xtreme",
        "--data-licence", "CC BY-SA", "--encoder-licence", "mit", "--licence", "Apache 2.0",
        "--author", "A. Writer", "--name", "tiny",
    )  # fmt: skip
    assert text.startswith("# xx_tiny\n") and 'spacy.load("xx_tiny")' in text
    assert "Data: PAN-X ([google/xtreme]" in text
    assert re.findall(r"^- Licence.*: (.*)$", text, re.M) == ["Apache 2.0", "mit", "CC BY-SA"]
    meta = srsly.read_json(tmp_path / "out" / "meta.json")
    assert (meta["name"], meta["license"], meta["author"]) == ("tiny", "Apache 2.0", "A. Writer")
    assert [source["license"] for source in meta["sources"]] == ["mit", "CC BY-SA"]


def test_without_scores_it_says_how_to_make_them(folder: Path, tmp_path: Path) -> None:
    text = card(folder, tmp_path / "out")
    assert "dualner evaluate" in section(text, "Scores")
    assert "--scores" in section(text, "Scores")


# Presets


@pytest.mark.parametrize("preset", PRESETS, ids=[path.name for path in PRESETS])
def test_configure_keeps_what_a_preset_says(preset: Path, tmp_path: Path) -> None:
    configure(preset, tmp_path, {})
    said = Config().from_disk(preset / "preset.cfg")["card"]
    assert Config().from_disk(tmp_path / "preset.cfg")["card"] == said
    stated = read_statements(str(tmp_path), {})
    assert stated.data == said["data"]
    assert stated.encoder_licence == said.get("encoder_licence", "")


def test_a_preset_says_nothing_of_other_data_or_encoders(tmp_path: Path) -> None:
    preset = ROOT / "configs" / "demo"
    configure(preset, tmp_path / "data", {"path": "mine"})
    other_data = read_statements(str(tmp_path / "data"), {})
    assert other_data == Statements(encoder_licence="mit")
    configure(preset, tmp_path / "encoder", {"encoder": "mine"})
    other_encoder = read_statements(str(tmp_path / "encoder"), {})
    assert other_encoder.data and other_encoder.data_licence == "mit"
    assert not other_encoder.encoder_licence and not other_encoder.licence


def test_options_go_before_the_preset() -> None:
    stated = read_statements(str(ROOT / "configs" / "xlmr-base"), {"data": "mine"})
    assert (stated.data, stated.encoder_licence) == ("mine", "mit")


def test_an_unknown_statement_of_a_preset_is_named(tmp_path: Path) -> None:
    (tmp_path / "preset.cfg").write_text('[data]\npath = ""\n\n[card]\nlicense = "mit"\n')
    with pytest.raises(DataError, match="license"):
        read_statements(str(tmp_path), {})


# The hub


def test_the_hub_card_is_a_model_card(folder: Path, tmp_path: Path) -> None:
    options = ["--dataset", "google/xtreme", "--data", "PAN-X", "--licence", "MIT"]
    text = scored(folder, tmp_path / "out", *options)
    hub = ModelCard.load(tmp_path / "out" / HUB_README)
    assert hub.text.strip() == text.strip()
    assert hub.data.language == ["en", "de", "sw"]
    assert hub.data.license == "mit" and hub.data.to_dict()["library_name"] == "spacy"
    assert hub.data.tags == ["spacy", "token-classification"]
    assert hub.data.pipeline_tag == "token-classification"
    assert hub.data.datasets == ["google/xtreme"]
    results = srsly.read_json(folder / "stage2.json")["languages"]
    assert hub.data.eval_results is not None
    found = {r.dataset_config: r for r in hub.data.eval_results}
    assert list(found) == list(results)
    for lang, scores in results.items():
        assert found[lang].metric_type == "f1" and found[lang].dataset_type == "google/xtreme"
        assert found[lang].metric_value == pytest.approx(scores["span"]["f"] / 100)
    front = (tmp_path / "out" / HUB_README).read_text(encoding="utf8").split("---\n")[1]
    assert yaml.safe_load(front)["model-index"][0]["name"] == "xx_pipeline"


def test_the_hub_card_of_a_pipeline_of_which_little_is_known(folder: Path, tmp_path: Path) -> None:
    card(folder, tmp_path / "out")
    data = ModelCard.load(tmp_path / "out" / HUB_README).data
    assert data.language == ["en", "de", "sw"]
    assert data.license is None and data.datasets is None and data.eval_results is None


def test_push_finds_its_metadata(folder: Path, tmp_path: Path) -> None:
    """`spacy huggingface-hub push` puts metadata before README.md, made from these keys."""
    text = scored(folder, tmp_path / "out", "--licence", "mit")
    assert not text.startswith("---")
    meta = srsly.read_json(tmp_path / "out" / "meta.json")
    mean = srsly.read_json(folder / "stage2.json")["mean"]["span"]
    assert (meta["lang"], meta["license"]) == ("xx", "mit")
    for key in "prf":
        assert meta["performance"][f"ents_{key}"] == pytest.approx(mean[key] / 100)


def test_performance_of_each_language(folder: Path, tmp_path: Path) -> None:
    scored(folder, tmp_path / "out")
    performance = spacy.load(tmp_path / "out").meta["performance"]
    results = srsly.read_json(folder / "stage2.json")
    for lang, scores in results["languages"].items():
        assert performance[f"ents_f_{lang}"] == pytest.approx(scores["span"]["f"] / 100)
    targets = results["mean_targets"]["span"]["f"]
    assert performance["ents_f_mean_targets"] == pytest.approx(targets / 100)


# The folder


def test_the_pipeline_still_loads_and_keeps_its_record(folder: Path, tmp_path: Path) -> None:
    scored(folder, tmp_path / "out")
    before, after = (
        srsly.read_json(p / "meta.json") for p in (folder / "stage2", tmp_path / "out")
    )
    assert after["dualner"] == before["dualner"]
    assert after["labels"] == before["labels"]
    old, new = contents(folder / "stage2"), contents(tmp_path / "out")
    assert {name for name in new if new[name] != old.get(name)} == {
        README, HUB_README, "meta.json",
    }  # fmt: skip
    assert spacy.load(tmp_path / "out").pipe_names == ["dualner"]


def test_twice_is_once(folder: Path, tmp_path: Path) -> None:
    options = ["--licence", "mit", "--author", "A. Writer", "--data", "PAN-X"]
    scored(folder, tmp_path / "out", *options)
    once = contents(tmp_path / "out")
    scored(folder, tmp_path / "out", *options)
    assert contents(tmp_path / "out") == once
    files = ["-s", folder / "stage2.json", "-b", folder / "stage1.json"]
    assert run_cli("dualner", "card", tmp_path / "out", *files, "--data", "PAN-X")[0] == 0
    assert contents(tmp_path / "out") == once


def test_the_model_stays_as_it_is_beside_a_copy(folder: Path, tmp_path: Path) -> None:
    before = contents(folder / "stage2")
    scored(folder, tmp_path / "out")
    assert contents(folder / "stage2") == before
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_no_path_of_the_machine_is_left(encoder_path: Path, tmp_path: Path) -> None:
    """Not even of a pipeline whose config holds one."""
    train_nlp(encoder_path, steps=1).to_disk(tmp_path / "model")
    assert files_holding(tmp_path / "model", str(encoder_path))
    card(tmp_path, tmp_path / "out", "model")
    left = [*files_holding(tmp_path / "out", str(encoder_path.parent)),
            *files_holding(tmp_path / "out", str(tmp_path))]  # fmt: skip
    assert not {README, HUB_README, "meta.json"} & set(left)


def test_the_record_of_teach_holds_no_path(folder: Path, encoder_path: Path) -> None:
    record = json.dumps(srsly.read_json(folder / "stage2" / "meta.json")["dualner"])
    assert str(folder) not in record and str(encoder_path) not in record


@pytest.mark.slow
def test_the_package_and_its_wheel_carry_it(folder: Path, tmp_path: Path) -> None:
    text = scored(folder, tmp_path / "model", "--name", "tiny", "--licence", "mit")
    (tmp_path / "packages").mkdir()
    package(
        tmp_path / "model", tmp_path / "packages", version="1.2.3", create_sdist=False,
        create_wheel=True,
    )  # fmt: skip
    built = tmp_path / "packages" / "xx_tiny-1.2.3"
    assert (built / README).read_text(encoding="utf8") == text
    (path,) = (built / "dist").glob("*.whl")
    with zipfile.ZipFile(path) as wheel:
        inside = "xx_tiny/xx_tiny-1.2.3"
        assert wheel.read(f"{inside}/{README}").decode() == text
        assert wheel.read(f"{inside}/{HUB_README}").decode().endswith(text)
        meta = json.loads(wheel.read(f"{inside}/meta.json"))
        described = wheel.read("xx_tiny-1.2.3.dist-info/METADATA").decode()
    assert "ents_f_sw" in meta["performance"] and meta["sources"]
    assert f"Summary: {meta['description']}" in described
    assert "## Licences" in described and "License: mit" in described


# What cannot be done


@pytest.mark.parametrize("option", ["--scores", "--baseline"])
def test_no_scores_file(folder: Path, tmp_path: Path, option: str) -> None:
    options = ["--scores", folder / "stage2.json", option, tmp_path / "gone.json"]
    status, text = run_cli("dualner", "card", folder / "stage2", "-o", tmp_path / "out", *options)
    assert status == 1
    assert "gone.json" in text and "evaluate --output" in text
    assert not (tmp_path / "out").exists()


NULL = '{"languages": {}, "mean": {"span": null, "tag": null}, "mean_targets": null}'


@pytest.mark.parametrize(
    "wrong", ["{}", "[1]", "{", '{"languages": {"de": {"span": {"f": 1}}}}', NULL]
)
def test_no_result_of_evaluate(folder: Path, tmp_path: Path, wrong: str) -> None:
    (tmp_path / "scores.json").write_text(wrong)
    status, text = run_cli(
        "dualner", "card", folder / "stage2", "-o", tmp_path / "out", "-s", tmp_path / "scores.json"
    )
    assert status == 1 and "not a result of evaluate" in text
    assert not (tmp_path / "out").exists()


def test_a_baseline_of_other_languages(folder: Path, tmp_path: Path) -> None:
    results = srsly.read_json(folder / "stage1.json")
    del results["languages"]["sw"]
    srsly.write_json(tmp_path / "less.json", results)
    options = ["-s", folder / "stage2.json", "-b", tmp_path / "less.json"]
    status, text = run_cli("dualner", "card", folder / "stage2", "-o", tmp_path / "out", *options)
    assert status == 1 and "'less'" in text and "languages" in text
    assert not (tmp_path / "out").exists()


def test_no_pipeline(folder: Path, tmp_path: Path) -> None:
    status, text = run_cli("dualner", "card", folder / "corpus")
    assert status == 1 and "no folder of a pipeline" in text
    spacy.blank("xx").to_disk(tmp_path / "blank")
    status, text = run_cli("dualner", "card", tmp_path / "blank")
    assert status == 1 and "no dualner component" in text
    assert not (tmp_path / "blank" / README).exists()


def test_other_files_are_not_replaced(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    status, text = run_cli("dualner", "card", folder / "stage2", "--output", tmp_path)
    assert status == 1 and "not replaced" in text
    assert contents(tmp_path) == {"notes.txt": b"mine"}
