"""What the process that commands are forked from has done: slow imports, and what else is once."""

# ruff: noqa: F401

import gc

import spacy
import spacy.cli
import transformers.models.xlm_roberta.modeling_xlm_roberta
from transformers import AutoModelForTextEncoding

import experiments.study.scheduler
import spacy_dualner.annotation.select
import spacy_dualner.cli
import spacy_dualner.component
import spacy_dualner.teaching.teach

# Both import modules that are known by name alone.
spacy.blank("xx").add_pipe("dualner")
AutoModelForTextEncoding._model_mapping.keys()
# A collection of garbage in a forked process would copy all that it looks at.
gc.collect()
gc.freeze()
