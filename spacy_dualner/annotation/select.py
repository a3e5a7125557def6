"""Choose the texts whose annotation teaches a pipeline most."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

from spacy.tokens import Doc
from thinc.api import xp2torch

from ..data.outputs import aside
from ..data.urls import storage_errors
from ..decoding.confidence import doubts
from ..errors import DataError, DualNerError
from ..labels.layout import Layout
from ..labels.words import DocWords
from ..pipeline import find_component
from .annotate import check_free, check_input, counted
from .annotate_settings import SelectSettings
from .journal import Journal
from .readers import STDIN, open_input
from .records import batches
from .shortlist import Shortlist
from .work import Annotator, annotate_batches, carried_by
from .writers import output_form

_COMPONENT = "dualner"


class Selector(Annotator):
    """Annotates records, and keeps those that teach most in place of an output.

    shortlist (Shortlist): Gets all of them, before anything is annotated.
    """

    shortlist: Shortlist

    def process(self, docs: list[Doc]) -> tuple[list[Doc], bytes]:
        """See `Annotator`: the recogniser runs apart from the others, as its logits are wanted."""
        carried = list(map(carried_by, docs))
        pipe, names = find_component(self.nlp, _COMPONENT), self.nlp.pipe_names
        at = names.index(_COMPONENT)
        docs = self.run(docs, without=names[at:])
        scores = pipe.predict(docs)
        pipe.set_annotations(docs, scores)
        words = DocWords(docs)
        logits, layout = words.of_tokens(xp2torch(scores)).cpu(), Layout(words.lengths)
        temperature = pipe.cfg["temperature"].get("joint", 1.0)
        shares = doubts(logits, layout, pipe.cfg["decode"], temperature)
        docs = self.run(docs, without=names[: at + 1])
        # One that cannot be written is a fault here, before any of them is drawn.
        encoded = [
            self.output.encode([doc], [more], self.maker)
            for doc, more in zip(docs, carried, strict=True)
        ]
        for doc, doubt, text in zip(docs, shares.tolist(), encoded, strict=True):
            self.shortlist.add(doc, doubt, text)
        return docs, b""


@storage_errors()
def select(
    model: str,
    source: str,
    output: Path,
    settings: SelectSettings = SelectSettings(),
    *,
    progress: bool = False,
    on_fault: Callable[[DataError], object] = lambda fault: None,
) -> tuple[Counter[str], Journal]:
    """Choose the texts whose annotation teaches a pipeline most, and write them annotated.

    Memory grows with the number to choose and that of languages, not with the input. The same
    input, pipeline and settings give the same output.

    model (str): Folder or package of a pipeline with a component `dualner`.
    source (str): As output and on_fault, as of `annotate`. Texts may name their language under the
        key `lang`.
    RETURNS (Tuple[Counter[str], Journal]): The texts chosen of each language; counts of all read.
    RAISES (DualNerError): If the input cannot be read, something would be lost, or there is nothing
        to choose.
    """
    writer = output_form(output, settings.output_form)
    reader = open_input(source, settings.form, settings.text_key)
    if source != STDIN:
        check_input(source, output)
    check_free(output, writer.check, settings.force)
    selector = Selector(model, writer)
    find_component(selector.nlp, _COMPONENT)
    selector.shortlist = Shortlist(settings.n, settings.seed)
    read = Journal({})
    size = settings.batch_size or selector.nlp.batch_size
    work = annotate_batches(selector, batches(reader, read.position, size))
    for _ in counted(reader, read, work, on_fault, progress):
        pass
    chosen = selector.shortlist.chosen()
    if not chosen:
        raise DualNerError(f"{source}: no text that may hold an entity. Name another TEXT.")
    with aside(output) as folder:
        joined = folder / "output"
        joined.write_bytes(b"".join(text for _, text in chosen))
        writer.finish(joined, output)
    return Counter(lang for lang, _ in chosen), read
