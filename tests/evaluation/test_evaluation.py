"""Scores per language: their JSON, their agreement with spaCy's scorer, and the commands.

Scores on raw text: see test_raw_text.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import spacy
import srsly
import torch
from helpers.corpus import run_cli, sentences_of, write_corpus
from helpers.tiny import SENTENCES, make_nlp
from spacy.language import Language
from spacy.scorer import Scorer
from spacy.tokens import Doc, Span
from spacy.training import Example

from spacy_dualner.cli.evaluate import print_scores
from spacy_dualner.data.docbin import DocBinWriter, corpus_path
from spacy_dualner.errors import DualNerError
from spacy_dualner.evaluation.scores import evaluate, evaluate_docs
from spacy_dualner.scorer import dualner_score


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, weak_nlp: Language) -> Path:
    """A folder with `model`, taught on English, and `corpus` in en, de and sw."""
    folder = tmp_path_factory.mktemp("evaluation")
    weak_nlp.config["corpora"]["train"] = {"@readers": "spacy-dualner.Corpus.v1", "langs": "en"}
    weak_nlp.to_disk(folder / "model")
    write_corpus(folder / "corpus", ["en", "de", "sw"])
    return folder


def spacys_scores(nlp: Language, decode: str, gold: list[Doc]) -> dict[str, Any]:
    """What spaCy says of `doc.ents`."""
    nlp.get_pipe("dualner").cfg["decode"] = decode
    docs = nlp.pipe([Doc(nlp.vocab, words=[t.text for t in doc]) for doc in gold])
    examples = [Example(doc, reference) for doc, reference in zip(docs, gold, strict=True)]
    return Scorer(nlp).score(examples)


def as_read(results: dict[str, Any]) -> dict[str, Any]:
    """Results as they come back from a file."""
    return json.loads(json.dumps(results))


def test_the_form_of_the_results(folder: Path) -> None:
    results = evaluate(folder / "model", folder / "corpus", ["en", "de", "sw"])
    assert list(results) == ["languages", "mean", "mean_targets", "decode", "split", "limit"]
    assert list(results["languages"]) == ["en", "de", "sw"]
    for scores in results["languages"].values():
        assert set(scores) == {"span", "tag", "joint", "per_type"}
        assert set(scores["per_type"]) == {"span", "tag", "joint"}
        for decode in ("span", "tag", "joint"):
            assert set(scores[decode]) == {"p", "r", "f"}
            for values in scores["per_type"][decode].values():
                assert set(values) == {"p", "r", "f"}
        assert set(scores["per_type"]["span"]) >= {"LOC", "ORG", "PER"}
    for decode in ("span", "tag", "joint"):
        for key in ("p", "r", "f"):
            en, de, sw = (results["languages"][n][decode][key] for n in ("en", "de", "sw"))
            assert results["mean"][decode][key] == pytest.approx((en + de + sw) / 3)
            # The pipeline's config says that it was trained on en.
            assert results["mean_targets"][decode][key] == pytest.approx((de + sw) / 2)


def test_without_languages_all_are_scored(folder: Path) -> None:
    model, corpus = folder / "model", folder / "corpus"
    assert list(evaluate(model, corpus, [])["languages"]) == ["de", "en", "sw"]
    assert list(evaluate(model, corpus_path(corpus, "test", "sw"), [])["languages"]) == ["sw"]
    status, said = run_cli("dualner", "evaluate", model, corpus, "--split", "devel")
    assert status == 1
    assert f"{corpus} holds no text in devel." in said and "--split" in said


def test_the_source_can_be_named(folder: Path) -> None:
    results = evaluate(folder / "model", folder / "corpus", ["en", "de"], source=["de"])
    assert results["mean_targets"]["span"] == results["languages"]["en"]["span"]
    results = evaluate(folder / "model", folder / "corpus", ["en"])
    assert results["mean_targets"] == {}


@pytest.mark.parametrize("decode", ["span", "tag", "joint"])
@pytest.mark.parametrize("lang", ["en", "de"])
def test_equal_to_spacys_scorer(folder: Path, decode: str, lang: str) -> None:
    nlp = spacy.load(folder / "model")
    gold = [Doc(nlp.vocab, words=words, ents=tags) for words, tags in sentences_of(lang)]
    ours = evaluate_docs(nlp, gold)
    theirs = spacys_scores(nlp, decode, gold)
    assert 0 < ours[decode]["f"] < 100
    for key in ("p", "r", "f"):
        assert ours[decode][key] == pytest.approx(100 * theirs[f"ents_{key}"])
        for type_, values in theirs["ents_per_type"].items():
            assert ours["per_type"][decode][type_][key] == pytest.approx(100 * values[key])


def test_a_gold_type_that_the_pipeline_does_not_know_counts_as_missed(folder: Path) -> None:
    """As in spaCy's scorer: a test set may hold types that were never trained."""
    nlp = spacy.load(folder / "model")
    tags = [["B-PET" if tag == "B-LOC" else tag for tag in tags] for _, tags in SENTENCES]
    gold = [Doc(nlp.vocab, words=w, ents=t) for (w, _), t in zip(SENTENCES, tags, strict=True)]
    theirs = spacys_scores(nlp, "span", gold)
    assert evaluate_docs(nlp, gold)["span"]["r"] == pytest.approx(100 * theirs["ents_r"])


def test_words_without_gold_label_are_no_false_positives(trained_nlp: Language) -> None:
    """As in spaCy's scorer: where the annotation is missing nothing is right or wrong."""
    words, _ = SENTENCES[0]
    gold = Doc(trained_nlp.vocab, words=words)
    berlin = Span(gold, 4, 5, label="LOC")
    gold.set_ents([berlin], missing=[gold[0:2]], default="outside")
    theirs = spacys_scores(trained_nlp, "span", [gold])
    assert theirs["ents_p"] == 1.0
    assert evaluate_docs(trained_nlp, [gold])["span"]["p"] == 100


def test_sentences_without_entity_count(folder: Path) -> None:
    nlp = spacy.load(folder / "model")
    heads = nlp.get_pipe("dualner").model.get_ref("heads").shims[0]._model
    heads.start.weight.data.zero_()
    heads.start.bias.data.copy_(torch.tensor([0.0, 9.0, 0.0, 0.0]))
    heads.end.weight.data.zero_()
    heads.end.bias.data.copy_(torch.tensor([0.0, 9.0, 0.0, 0.0]))
    nothing = [Doc(nlp.vocab, words=["so", "it", "is"], ents=["O"] * 3)]
    assert evaluate_docs(nlp, nothing)["span"] == {"p": 0.0, "r": 0.0, "f": 0.0}
    some = [Doc(nlp.vocab, words=["Rome"], ents=["B-LOC"]), *nothing]
    assert evaluate_docs(nlp, some)["span"]["p"] == pytest.approx(25)


def test_components_before_the_recogniser_run(encoder_path: Path) -> None:
    from helpers.corpus import make_other_nlp

    nlp = make_other_nlp("listener", encoder_path)
    nlp.get_pipe("dualner").add_label("LOC")
    nlp.initialize()
    gold = [Doc(nlp.vocab, words=w, ents=t) for w, t in SENTENCES]
    theirs = spacys_scores(nlp, "span", gold)
    known = evaluate_docs(nlp, gold)["per_type"]["span"].get("LOC", {"p": 0.0})
    assert known["p"] == pytest.approx(100 * theirs["ents_per_type"]["LOC"]["p"])


def test_limit(folder: Path) -> None:
    whole = evaluate(folder / "model", folder / "corpus", ["en"])
    two = evaluate(folder / "model", folder / "corpus", ["en"], limit=2)
    nlp = spacy.load(folder / "model")
    first = [Doc(nlp.vocab, words=w, ents=t) for w, t in SENTENCES[:2]]
    assert two["languages"]["en"] == evaluate_docs(nlp, first)
    assert (two["limit"], whole["limit"]) == (2, 0)
    assert two["languages"] != whole["languages"]


def test_the_development_split(folder: Path) -> None:
    dev = evaluate(folder / "model", folder / "corpus", ["en"], split="dev")
    test = evaluate(folder / "model", folder / "corpus", ["en"])
    assert dev["languages"] == test["languages"]
    assert (dev["split"], test["split"]) == ("dev", "test")


def test_what_stage_2_saw_annotated_is_no_target(folder: Path, tmp_path: Path) -> None:
    nlp = spacy.load(folder / "model")
    nlp.meta["dualner"] = {"source": {"en": 3, "sw": 3}}
    nlp.to_disk(tmp_path / "model")
    assert not evaluate(tmp_path / "model", folder / "corpus", ["en", "sw"])["mean_targets"]
    assert evaluate(tmp_path / "model", folder / "corpus", ["en", "de"])["mean_targets"]


def test_no_component_is_a_clear_error(folder: Path, tmp_path: Path) -> None:
    spacy.blank("xx").to_disk(tmp_path / "blank")
    with pytest.raises(DualNerError, match="no dualner component"):
        evaluate(tmp_path / "blank", folder / "corpus", ["en"])
    with pytest.raises(DualNerError, match="no dualner component 'ner'"):
        evaluate(folder / "model", folder / "corpus", ["en"], component="ner")


# The command lines


def test_the_command_writes_and_prints(folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "new" / "scores.json"
    arguments = ["--langs", "en,de", "--output", output, "--limit", "4"]
    status, printed = run_cli(
        "dualner", "evaluate", folder / "model", folder / "corpus", *arguments
    )
    assert status == 0
    expected = as_read(evaluate(folder / "model", folder / "corpus", ["en", "de"], limit=4))
    assert srsly.read_json(output) == expected
    assert f"de {expected['languages']['de']['span']['p']:.1f}" in printed
    assert f"mean_targets {expected['mean_targets']['span']['p']:.1f}" in printed
    types = expected["languages"]["de"]["per_type"]["span"]
    assert f"de {types['LOC']['f']:.1f} {types['ORG']['f']:.1f}" in printed
    assert [path.name for path in output.parent.iterdir()] == ["scores.json"]


def test_the_command_takes_all_languages_of_the_corpus(folder: Path, tmp_path: Path) -> None:
    run_cli("dualner", "evaluate", folder / "model", folder / "corpus", "-o", tmp_path / "all.json")
    assert set(srsly.read_json(tmp_path / "all.json")["languages"]) == {"de", "en", "sw"}


def test_the_command_takes_languages_and_limit_of_a_preset(folder: Path, tmp_path: Path) -> None:
    preset = '[data]\nsource = "de"\ntargets = "sw"\ntest_limit = 3\n'
    (tmp_path / "preset.cfg").write_text(preset)
    arguments = ["--preset", tmp_path, "-o", tmp_path / "scores.json"]
    assert run_cli("dualner", "evaluate", folder / "model", folder / "corpus", *arguments)[0] == 0
    expected = evaluate(folder / "model", folder / "corpus", ["de", "sw"], source=["de"], limit=3)
    assert srsly.read_json(tmp_path / "scores.json") == as_read(expected)


def test_the_command_takes_a_component_of_another_name(folder: Path, tmp_path: Path) -> None:
    nlp = spacy.load(folder / "model")
    nlp.rename_pipe("dualner", "finder")
    nlp.to_disk(tmp_path / "model")
    arguments = ["--langs", "de", "--component", "finder", "-o", tmp_path / "scores.json"]
    status, printed = run_cli(
        "dualner", "evaluate", tmp_path / "model", folder / "corpus", *arguments
    )
    assert status == 0, printed
    expected = evaluate(folder / "model", folder / "corpus", ["de"])
    assert srsly.read_json(tmp_path / "scores.json") == as_read(expected)


@pytest.mark.parametrize(
    "model,arguments,said",
    [
        ("model", ["--langs", "de,tlh"], ["tlh.spacy", "convert"]),
        ("model", ["--langs", "de", "--split", "train2"], ["train2", "convert"]),
        ("model", ["--preset", "nowhere"], ["nowhere", "preset.cfg"]),
        ("model", ["--langs", "de", "--limit", "many"], ["limit", "many"]),
        ("nowhere", ["--langs", "de"], ["nowhere"]),
        ("corpus", ["--langs", "de"], ["corpus"]),
    ],
)
def test_wrong_input_is_a_clear_error(folder: Path, model: str, arguments, said) -> None:
    """Status 1 or 2 and a message, no traceback (`run_cli` raises what the command raises)."""
    status, output = run_cli("dualner", "evaluate", folder / model, folder / "corpus", *arguments)
    assert status in (1, 2)
    for words in said:
        assert words in output


def test_compare(folder: Path, tmp_path: Path) -> None:
    results = evaluate(folder / "model", folder / "corpus", ["en", "de"])
    srsly.write_json(tmp_path / "stage1.json", results)
    before = results["languages"]["de"]["span"]["f"]
    results["languages"]["de"]["span"]["f"] = before + 2.5
    srsly.write_json(tmp_path / "stage2.json", results)
    files = tmp_path / "stage1.json", tmp_path / "stage2.json"
    status, output = run_cli("dualner", "compare", *files)
    assert status == 0
    assert "stage1 stage2 gain" in output
    assert f"de {before:.1f} {before + 2.5:.1f} +2.5" in output
    assert "mean_targets" in output


def test_compare_of_the_source_alone_has_no_mean_of_targets(folder: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        command = "evaluate", folder / "model", folder / "corpus", "-l", "en"
        status, output = run_cli("dualner", *command, "-o", tmp_path / f"{name}.json")
        assert status == 0 and "mean_targets - - -" in output
    status, output = run_cli("dualner", "compare", tmp_path / "one.json", tmp_path / "two.json")
    assert status == 0
    assert "mean_targets - - -" in output and "No gain" not in output


def test_scores_follow_the_pipelines_decoding(folder: Path, tmp_path: Path) -> None:
    """Types in `evaluate`, what `compare` compares, also where the two decode in other ways."""
    found = {}
    for decode in ("span", "joint"):
        nlp = spacy.load(folder / "model")
        nlp.get_pipe("dualner").cfg["decode"] = decode
        nlp.to_disk(tmp_path / decode)
        command = "evaluate", tmp_path / decode, folder / "corpus", "-l", "de"
        _, output = run_cli("dualner", *command, "-o", tmp_path / f"{decode}.json")
        found[decode] = srsly.read_json(tmp_path / f"{decode}.json")
        assert found[decode]["decode"] == decode
        per_type = found[decode]["languages"]["de"]["per_type"][decode]
        row = " ".join(f"{per_type[type_]['f']:.1f}" for type_ in sorted(per_type))
        assert f"{decode} F {' '.join(sorted(per_type))}" in output and f"de {row}" in output
    span, joint = (found[d]["languages"]["de"][d]["f"] for d in ("span", "joint"))
    status, output = run_cli("dualner", "compare", tmp_path / "span.json", tmp_path / "joint.json")
    assert status == 0 and "F1 span (span) joint (joint) gain" in output
    assert f"de {span:.1f} {joint:.1f} {joint - span:+.1f}" in output
    # The pipeline is the same: all of the gain is the decoding's.
    assert f"mean_targets with both decoded by joint: {joint:.1f} to {joint:.1f}" in output
    joint_file = tmp_path / "joint.json"
    _, output = run_cli("dualner", "compare", joint_file, joint_file)
    assert f"de {joint:.1f} {joint:.1f} +0.0" in output and "joint F1" in output
    assert "both decoded" not in output


@pytest.mark.parametrize("command", ["evaluate", "shrink"])
def test_text_without_annotations_is_refused(folder: Path, tmp_path: Path, command: str) -> None:
    corpus = tmp_path / "corpus"
    with DocBinWriter(corpus_path(corpus, "test", "sw"), "sw", labelled=False) as writer:
        writer.add(["Nairobi", "ni", "mji"])
    shutil.copytree(folder / "corpus" / "train", corpus / "train")
    where = [corpus] if command == "evaluate" else [tmp_path / "out", "--corpus", corpus]
    status, output = run_cli("dualner", command, folder / "model", *where, "--langs", "sw")
    assert status == 1
    assert "No annotated entity in" in output and "sw.spacy to score on" in output


def test_the_printed_tables_are_no_wider_than_a_terminal(capsys: pytest.CaptureFixture) -> None:
    perfect = {"p": 100.0, "r": 100.0, "f": 100.0}
    kinds = dict.fromkeys(("span", "tag", "joint", "raw"), perfect)
    types = {"span": dict.fromkeys(["LOC", "MISC", "ORG", "PER"], perfect)}
    languages = {"de": {**kinds, "per_type": types}}
    print_scores({"languages": languages, "mean": kinds, "mean_targets": kinds})
    printed = capsys.readouterr().out
    assert "raw P" in printed and "MISC" in printed
    assert max(map(len, printed.splitlines())) <= 120


def test_compare_with_results_of_before_there_was_joint(folder: Path, tmp_path: Path) -> None:
    results = evaluate(folder / "model", folder / "corpus", ["en", "de"], raw=True)
    srsly.write_json(tmp_path / "new.json", results)
    scores = [*results["languages"].values(), results["mean"], results["mean_targets"]]
    for values in scores:
        del values["joint"], values["raw"]
    del results["split"], results["limit"]
    srsly.write_json(tmp_path / "old.json", results)
    status, output = run_cli("dualner", "compare", tmp_path / "old.json", tmp_path / "new.json")
    assert status == 0
    assert "mean_targets" in output
    # What a mean is of, every language has.
    results["mean"]["joint"] = results["mean"]["span"]
    srsly.write_json(tmp_path / "old.json", results)
    status, output = run_cli("dualner", "compare", tmp_path / "old.json", tmp_path / "new.json")
    assert status == 1
    assert "'joint'" in output and "evaluate --output" in output


@pytest.mark.parametrize("content", [None, "not json", "{}"])
def test_compare_with_a_wrong_file_is_a_clear_error(folder: Path, tmp_path: Path, content) -> None:
    results = evaluate(folder / "model", folder / "corpus", ["en"], limit=1)
    srsly.write_json(tmp_path / "one.json", results)
    if content is not None:
        (tmp_path / "two.json").write_text(content)
    status, output = run_cli("dualner", "compare", tmp_path / "one.json", tmp_path / "two.json")
    assert status == 1
    assert "two.json" in output


@pytest.mark.parametrize("other", [{"limit": 2}, {"split": "dev"}])
def test_compare_says_where_the_text_is_another(
    folder: Path, tmp_path: Path, other: dict[str, Any]
) -> None:
    for name, options in (("one", {}), ("two", other)):
        results = evaluate(folder / "model", folder / "corpus", ["de"], **options)
        srsly.write_json(tmp_path / f"{name}.json", results)
    files = tmp_path / "one.json", tmp_path / "two.json"
    status, output = run_cli("dualner", "compare", *files)
    where, limit = other.get("split", "test"), other.get("limit", 0)
    assert status == 0
    assert f"of different text: test (limit 0) and {where} (limit {limit})" in output
    assert "different text" not in run_cli("dualner", "compare", *files[:1] * 2)[1]


def test_compare_of_other_languages_is_a_clear_error(folder: Path, tmp_path: Path) -> None:
    for lang in ("en", "de"):
        results = evaluate(folder / "model", folder / "corpus", [lang], limit=1)
        srsly.write_json(tmp_path / f"{lang}.json", results)
    status, output = run_cli("dualner", "compare", tmp_path / "en.json", tmp_path / "de.json")
    assert status == 1
    assert "different languages" in output


# The component's own scorer


def test_scorer_per_language() -> None:
    nlp = spacy.blank("xx")
    examples = []
    for lang, found in (("en", ["B-LOC", "O"]), ("de", ["O", "O"])):
        gold = Doc(nlp.vocab, words=["Rome", "is"], ents=["B-LOC", "O"])
        gold.user_data["lang"] = lang
        examples.append(Example(Doc(nlp.vocab, words=["Rome", "is"], ents=found), gold))
    scores = dualner_score(examples, labels=["LOC"], decode="span")
    assert scores["ents_f_en"] == 1.0 and scores["ents_f_de"] == 0.0
    assert scores["ents_f_mean"] == 0.5
    assert scores["ents_f"] == pytest.approx(2 / 3)
    assert scores["ents_per_type"]["LOC"]["r"] == 0.5


def test_scorer_without_languages() -> None:
    nlp = spacy.blank("xx")
    doc = Doc(nlp.vocab, words=["Rome"], ents=["B-LOC"])
    assert dualner_score([Example(doc, doc.copy())])["ents_f_mean"] == 1.0


def test_the_configured_scorer_is_the_one_that_runs(encoder_path: Path) -> None:
    spacy.registry.scorers("test.scorer", func=lambda: lambda examples, **kwargs: {"mine": 7.0})
    nlp = make_nlp(encoder_path, scorer={"@scorers": "test.scorer"})
    nlp.get_pipe("dualner").add_label("LOC")
    nlp.initialize()
    gold = Doc(nlp.vocab, words=["Rome"], ents=["B-LOC"])
    assert nlp.evaluate([Example(Doc(nlp.vocab, words=["Rome"]), gold)])["mine"] == 7.0


def test_a_corpus_in_shards(folder: Path, tmp_path: Path) -> None:
    path = corpus_path(tmp_path, "test", "en")
    with DocBinWriter(path, "en", labelled=True, shard_size=2) as writer:
        for words, tags in SENTENCES:
            writer.add(words, tags)
    assert path.is_dir()
    whole = evaluate(folder / "model", folder / "corpus", ["en"])
    assert evaluate(folder / "model", tmp_path, ["en"])["languages"] == whole["languages"]
