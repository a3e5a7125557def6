"""README and the documentation site: every block of code runs, and the site builds.

Blocks are run in order, those of one page in one folder, Python blocks with one set of names. The
folder is what a reader has who followed docs/training.md, with an encoder of two layers under the
name `xlm-roberta-base` and the packaged pipeline under the name `xx_dualner`. A comment before a
block, which a browser does not show, says what else is done:

- `<!-- not run: REASON -->`: the block is only checked. Its Python compiles, its commands parse,
  and files of the repository, steps, extras and the like that it names exist.
- `<!-- printed by COMMANDS -->` and `<!-- raised by PYTHON -->`: the block is a message, and what
  the comment holds has to print it word for word.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from helpers.browser import browser  # noqa: F401
from helpers.docs import Block, Runner, check_line, examples_of_help, read_blocks
from helpers.tiny import ROOT, SENTENCES, make_encoder
from mkdocs.commands.build import build
from mkdocs.config import load_config
from mkdocs.exceptions import PluginError
from spacy.language import Language

from spacy_dualner.teaching.config import SCHEMAS
from spacy_dualner.teaching.settings import TeacherSettings

sys.path.append(str(ROOT / "docs" / "hooks"))
import configuration
import docstrings

TRAINING = ROOT / "docs" / "training.md"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
OTHER_HOST = r"(https?:)?//"
WITH_BLOCKS = [page for page in PAGES if page != TRAINING and read_blocks(page)]


def run_page(page: Path) -> None:
    runner = Runner()
    for block in read_blocks(page):
        runner.run(block)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a reader who followed docs/training.md, whose blocks are run here."""
    folder = tmp_path_factory.mktemp("docs")
    make_encoder(folder / "xlm-roberta-base")
    (folder / "configs").symlink_to(ROOT / "configs")
    lines = ["\n".join(f"{w} {t}" for w, t in zip(*s, strict=True)) for s in SENTENCES]
    for name in ("english-train.conll", "english-dev.conll"):
        (folder / name).write_text("\n\n".join(lines) + "\n")
    text = "".join(" ".join(words) + "\n" for words, _ in SENTENCES)
    (folder / "swahili.txt").write_text(text * 2)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        run_page(TRAINING)
    (folder / "xx_dualner").symlink_to(Path("training", "stage2", "model-best"))
    return folder


@pytest.mark.slow
def test_training_leaves_what_the_page_says(folder: Path) -> None:
    for name in ("train/en", "dev/en", "unlabelled/sw"):
        assert (folder / "corpus" / f"{name}.spacy").is_file(), name
    assert len(list(folder.glob("packages/xx_dualner-*/dist/*.whl"))) == 1
    (card,) = folder.glob("packages/xx_dualner-*/README.md")
    assert 'spacy.load("xx_dualner")' in card.read_text(encoding="utf8")


@pytest.mark.slow
@pytest.mark.parametrize("page", WITH_BLOCKS, ids=lambda page: page.stem)
def test_every_block_of_the_page_runs(
    page: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "own"
    shutil.copytree(folder, own, symlinks=True, ignore=shutil.ignore_patterns("packages"))
    monkeypatch.chdir(own)
    run_page(page)


@pytest.mark.parametrize(("command", "line"), examples_of_help())
def test_examples_of_help_parse(
    command: str, line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    for name in ("stage2.cfg", "table2.cfg"):
        (tmp_path / name).touch()
    assert f"dualner {command} " in line
    check_line(line)


@pytest.mark.parametrize(
    "text",
    [
        "python -m spacy dualner convert IN OUT --lang de",
        "python -m spacy dualner convert IN",
        "python -m spacy dualner conevrt IN OUT",
        "python -m spacy dualner configure configs/gone OUT",
        "python -m spacy project run al",
        "python -m spacy project run all . --vars.presett demo",
        "accelerate launch --num_processes many -m spacy dualner teach",
        'pip install -e ".[gone]"',
        "make everything",
        "unknown",
    ],
)
def test_what_is_not_run_is_checked(text: str) -> None:
    block = Block(ROOT / "README.md", 1, "bash", text, "not run", "a test")
    with pytest.raises(AssertionError):
        Runner().run(block)


def test_a_block_of_an_unknown_language_is_refused(tmp_path: Path) -> None:
    page = ROOT / "README.md"
    for language in ("", "ruby"):
        with pytest.raises(AssertionError, match=r"README\.md:1: what is"):
            Runner().run(Block(page, 1, language, "", "", ""))
    with pytest.raises(AssertionError, match="what prints this"):
        Runner().run(Block(page, 1, "text", "a message", "", ""))


def test_a_mark_without_a_block_is_refused(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("<!-- not run: because -->\n\nText.\n\n```bash\nmake all\n```\n")
    with pytest.raises(AssertionError, match="because"):
        read_blocks(page)


def test_links_of_the_readme_lead_somewhere() -> None:
    links = re.findall(r"\]\(([^)]+)\)", (ROOT / "README.md").read_text(encoding="utf8"))
    own = [link.partition("#")[0] for link in links if not link.startswith("https://")]
    assert [path for path in own if path and not (ROOT / path).exists()] == []
    assert len(own) > 3


# The site


class Loads(HTMLParser):
    """Collects what a page has its browser load."""

    def __init__(self) -> None:
        super().__init__()
        self.urls: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag == "link" and values.get("rel") not in ("canonical", "next", "prev"):
            self.urls.append(values.get("href") or "")
        if tag != "a":
            self.urls += [values[key] or "" for key in ("src", "srcset", "data") if key in values]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site. Warnings are errors."""
    folder = tmp_path_factory.mktemp("site")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        build(load_config(str(ROOT / "mkdocs.yml"), strict=True, site_dir=str(folder)))
    return folder


def test_the_site_loads_nothing_from_other_hosts(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert len(pages) > 15
    for page in pages:
        text = page.read_text(encoding="utf8")
        loads = Loads()
        loads.feed(text)
        assert loads.urls
        for url in loads.urls:
            assert not re.match(OTHER_HOST, url), f"{page.name} loads {url}"
        # What Material's script would fetch a library for.
        assert 'class="mermaid"' not in text
    for style in site.rglob("*.css"):
        loaded = re.findall(
            r"(?:url\(|@import)\s*['\"]?((?:https?:)?//[^)'\"]*)", style.read_text()
        )
        assert loaded == [], style.name


def test_every_setting_is_in_the_reference(site: Path) -> None:
    text = (site / "configuration.html").read_text(encoding="utf8")
    settings = [*Language.get_factory_meta("dualner").default_config]
    settings += [name for schema in SCHEMAS.values() for name in schema.model_fields]
    settings = [name for name in settings if name != "teacher"]
    assert len(settings) > 20
    for name in settings:
        assert f"<td><code>{name}</code></td>" in text, name


def test_the_block_of_the_teacher_has_a_heading_and_its_settings(site: Path) -> None:
    text = (site / "configuration.html").read_text(encoding="utf8")
    parts = dict(re.findall(r"<h3 [^>]*><code>\[([\w.]+)\]</code>(.*?)(?=<h[23] )", text, re.S))
    part, settings = parts["teaching.teacher"], list(TeacherSettings.model_fields)
    assert re.findall(r"<tr>\s*<td><code>(\w+)</code></td>", part) == settings
    assert "<td><code>teacher</code></td>" not in parts["teaching"]
    assert "required" not in part
    assert part.count("<td><code>0.0</code></td>") == len(settings)


def test_every_command_is_in_the_reference(site: Path) -> None:
    text = (site / "commands.html").read_text(encoding="utf8")
    commands = {command for command, _ in examples_of_help()}
    assert len(commands) > 9
    for command in commands:
        assert f'<h2 id="{command}">' in text


@pytest.mark.parametrize(
    ("described", "fault"),
    [
        ("shape (int): One.", "no setting shape"),
        ("size (int): One.\nshape (int): Two.", "no setting shape"),
        ("Of any size.", "does not describe its setting size"),
    ],
)
def test_a_setting_without_description_stops_the_build(described: str, fault: str) -> None:
    def make(size: int) -> None: ...

    make.__doc__ = f"Make one.\n\n{described}"
    with pytest.raises(PluginError, match=fault):
        configuration._arguments("make", make, {})


def test_docstrings_become_sections() -> None:
    def example(path: str, *, langs: str = "") -> int:
        """Read.

        More of it (that is all): text.

        path (Union[str, Path]): The file,
            or folder.
        langs (str): Languages.
        RETURNS (int): How many.
        RAISES (DataError): If broken.
        Raises DualNerError where nothing
        is there.
        """
        return 0

    found = {section.kind.value: section.value for section in docstrings.sections(example)}
    assert found["text"] == "Read.\n\nMore of it (that is all): text."
    described = {p.name: (str(p.annotation), p.description) for p in found["parameters"]}
    assert described == {
        "path": ("Union[str, Path]", "The file,\nor folder."),
        "langs": ("str", "Languages."),
    }
    assert [(str(r.annotation), r.description) for r in found["returns"]] == [("int", "How many.")]
    assert [(str(r.annotation), r.description) for r in found["raises"]] == [
        ("DataError", "If broken."),
        ("DualNerError", "Where nothing\nis there."),
    ]


@pytest.mark.slow
def test_pages_and_search_work_from_disk(browser: Any, site: Path) -> None:  # noqa: F811
    size = {"width": 1400, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.implicitly_wait(20)
    browser.get("about:blank")
    for log in ("browser", "performance"):
        browser.get_log(log)  # of the browser's own first page
    for page in ("index", "configuration", "api", "method"):
        browser.get((site / f"{page}.html").as_uri())
    field = browser.find_element("css selector", "input.md-search__input")
    field.click()
    field.send_keys("regulariser")
    found = browser.find_element("css selector", "a.md-search-result__link")
    assert found.get_attribute("href").startswith(site.as_uri())
    assert browser.get_log("browser") == []
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    urls = [
        message["params"]["request"]["url"]
        for message in messages
        if message["method"] == "Network.requestWillBeSent"
    ]
    assert len(urls) > 10
    assert [url for url in urls if not url.startswith(("file:", "data:", "blob:"))] == []
