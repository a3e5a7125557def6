"""Entities that a pipeline finds, as a page.

`python -m experiments.picture MODEL experiments/configs/picture.tsv OUT.html`
"""

from __future__ import annotations

import sys
from pathlib import Path

import spacy
from spacy import displacy

COLOURS = {"PER": "#ffd9a8", "LOC": "#b9e3c6", "ORG": "#bcd7f7"}
RIGHT_TO_LEFT = ("ar", "fa", "he", "ur")
STYLE = """
body { margin: 0; background: #fff; width: 880px; font-family: 'Noto Sans', sans-serif }
.row { display: flex; align-items: center; padding: 0 18px; border-bottom: 1px solid #eee }
.lang { width: 40px; color: #666; font-size: 15px }
.text { flex: 1; font-size: 17px }
mark.entity { padding: .25em .45em !important; margin: 0 .1em !important }
mark.entity { line-height: 1 !important }
mark.entity span { margin-left: 0; margin-inline-start: .4rem !important }
"""


def main(model: str, sentences: Path, output: Path) -> None:
    """Write the page.

    model (str): A pipeline, by folder or name of package.
    sentences (Path): Lines of a language's code, a tab and a sentence.
    output (Path): HTML file.
    """
    nlp = spacy.load(model)
    rows = []
    for line in sentences.read_text("utf8").splitlines():
        lang, text = line.split("\t")
        direction = "rtl" if lang in RIGHT_TO_LEFT else "ltr"
        html = displacy.render(nlp(text), style="ent", jupyter=False, options={"colors": COLOURS})
        # displaCy goes by the pipeline's language, which here is any
        html = html.replace("direction: ltr", f"direction: {direction}")
        row = f'<div class="lang">{lang}</div><div class="text" dir="{direction}">{html}</div>'
        rows.append(f'<div class="row">{row}</div>')
    head = f'<!doctype html><meta charset="utf-8"><style>{STYLE}</style>'
    output.write_text(head + "\n".join(rows), "utf8")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
