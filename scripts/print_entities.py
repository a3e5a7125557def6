"""Load an installed pipeline package and print the entities of sentences read from stdin.

Run by smoke_test.py within an environment that holds the two wheels. Input: JSON with `package`
(name) and `sentences` (language and words of each).
"""

import importlib
import json
import sys

from spacy.tokens import Doc


def main() -> None:
    """Print a line per sentence; fail if spacy-dualner is not the installed wheel's."""
    job = json.load(sys.stdin)
    import spacy_dualner

    if not spacy_dualner.__file__.startswith(sys.prefix):
        sys.exit(f"spacy_dualner was imported from {spacy_dualner.__file__}, not from its wheel")
    nlp = importlib.import_module(job["package"]).load()
    print(f"{job['package']} {nlp.meta['version']} with spacy-dualner {spacy_dualner.__version__}")
    docs = [Doc(nlp.vocab, words=sentence["words"]) for sentence in job["sentences"]]
    for sentence, doc in zip(job["sentences"], nlp.pipe(docs), strict=True):
        entities = ", ".join(f"{ent.text} ({ent.label_})" for ent in doc.ents) or "none"
        print(f"{sentence['lang']}  {doc.text.strip()}\n    {entities}")


if __name__ == "__main__":
    main()
