"""Train, save and load a pipeline in Python alone, without configs, commands or network.

python examples/python_alone.py ENCODER OUTPUT
"""

import random
import sys

import spacy
from spacy.training import Example
from spacy.util import fix_random_seed, minibatch

encoder, output = sys.argv[1:]  # the folder of an encoder, and one for the pipeline
TEXTS = [
    ("Anna Smith lives in Berlin.", [(0, 10, "PER"), (20, 26, "LOC")]),
    ("Peter Brown works for Acme Corp.", [(0, 11, "PER"), (22, 31, "ORG")]),
    ("Acme Corp has left Berlin.", [(0, 9, "ORG"), (19, 25, "LOC")]),
    ("Nothing happens in Rome.", [(19, 23, "LOC")]),
]
fix_random_seed(0)
tokenizer = {"@tokenizers": "spacy-dualner.Tokenizer.v1"}  # also for text without spaces
nlp = spacy.blank("xx", config={"nlp": {"tokenizer": tokenizer}})
nlp.add_pipe("dualner", config={"model": {"tok2vec": {"name": encoder}}, "overwrite": False})

examples = [Example.from_dict(nlp.make_doc(text), {"entities": ents}) for text, ents in TEXTS]
optimizer = nlp.initialize(lambda: examples)  # AdamW, at a rate that suits encoders
for epoch in range(60):
    losses: dict[str, float] = {}
    random.shuffle(examples)
    for batch in minibatch(examples, size=8):
        nlp.update(batch, sgd=optimizer, losses=losses, drop=0.1)
    print(f"epoch {epoch + 1}: loss {losses['dualner']:.3f}")

# After `nlp.initialize`, which empties it. First in order, it wins: `overwrite` is false.
ruler = nlp.add_pipe("entity_ruler", before="dualner")
ruler.add_patterns([{"label": "PRODUCT", "pattern": "Model Berlin"}])

nlp.to_disk(output)
for doc in spacy.load(output).pipe(["Anna Smith has left Rome.", "Model Berlin is sold in Rome."]):
    print(doc.text, [(ent.text, ent.label_) for ent in doc.ents])
