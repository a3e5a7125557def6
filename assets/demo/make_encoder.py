"""Makes the demo's tiny multilingual encoder: ``python assets/demo/make_encoder.py [OUTPUT_DIR]``.

Reads the plain text of the train splits (no tags, no dev or test text) and parallel sentences made
from train names, trains a small BPE tokenizer and pre-trains a small XLM-R on the CPU by masked
language modelling of single sentences (MLM), of sentences with some words put into another language
(the word pairs are counted out of the parallel sentences) and of sentence pairs (TLM).
Deterministic on one kind of machine; other processors round differently.
"""

from __future__ import annotations

import json
import random
import re
import sys
import time
import unicodedata
from collections import Counter
from itertools import pairwise
from pathlib import Path

import torch
from generate import LANGS, SEED, corpora, groups, parallel
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from tokenizers.decoders import Metaspace
from transformers import PreTrainedTokenizerFast, XLMRobertaConfig, XLMRobertaForMaskedLM

HERE = Path(__file__).resolve().parent
SPECIALS = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
BOS, PAD, EOS, MASK = 0, 1, 2, 4
VOCABULARY = 5000
POSITIONS = 258
GROUPS = 6_000
PAIRS = 12_000
STEPS = 4_000
BATCH = 32  # sentences; half as many pairs
WARMUP = 200
PEAK_RATE = 1.5e-3
MASKED = 0.3
SHARES = {"single": 0.25, "switched": 0.45, "pairs": 0.3}
PHRASE = 0.18  # different neighbours of a capitalised word of a set phrase, per occurrence
DICTIONARY_GROUPS = 3_000
SWITCH = 0.4  # share of the words that a switched sentence takes from another language


def alphabet() -> list[str]:
    """Characters that must be in the vocabulary: those of the scripts that the demo writes."""
    ranges = [(0x21, 0x7F), (0xA1, 0x180), (0x386, 0x3CF), (0x400, 0x460)]
    characters = [chr(code) for low, high in ranges for code in range(low, high)]
    kept = [c for c in characters if unicodedata.normalize("NFKC", c) == c]
    return [*kept, *"–—’“”„«»…", "▁"]


def make_tokenizer(texts: list[str]) -> PreTrainedTokenizerFast:
    """A BPE tokenizer with the special tokens of XLM-R.

    Its merges come from lower-case words and from capitalised words of set phrases alone (those
    which few different words precede or follow), so any other capitalised word begins with a piece
    of one letter: a name that was never seen looks much like the names that were.
    """
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    tokenizer.decoder = Metaspace(prepend_scheme="always")
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=SPECIALS,
        initial_alphabet=alphabet(),
        min_frequency=5,
        show_progress=False,
    )
    rows = [re.sub(r"\d+", "0", text).split() for text in texts]
    pairs = Counter(pair for row in rows for pair in pairwise(["", *row, ""]))
    counts = Counter(word for row in rows for word in row)
    before, after = Counter(word for _, word in pairs), Counter(word for word, _ in pairs)
    fixed = {w: min(before[w], after[w]) / n for w, n in counts.items() if n >= 5}
    kept = {word for word, share in fixed.items() if share < PHRASE}
    common = [" ".join(w for w in t.split() if w in kept or w == w.lower()) for t in texts]
    capitals = " ".join(c for c in alphabet() if c != c.lower())
    common += [capitals] * 5
    tokenizer.train_from_iterator(common, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        pair="<s> $A </s> </s> $B </s>",
        special_tokens=[("<s>", BOS), ("</s>", EOS)],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        cls_token="<s>",
        eos_token="</s>",
        sep_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        mask_token="<mask>",
        model_max_length=POSITIONS - 2,
        model_input_names=["input_ids", "attention_mask"],
        clean_up_tokenization_spaces=False,
    )


def make_model(size: int) -> XLMRobertaForMaskedLM:
    """A small XLM-R with random weights."""
    config = XLMRobertaConfig(
        vocab_size=size,
        hidden_size=128,
        num_hidden_layers=4,
        num_attention_heads=4,
        intermediate_size=512,
        max_position_embeddings=POSITIONS,
        type_vocab_size=1,
        pad_token_id=PAD,
        bos_token_id=BOS,
        eos_token_id=EOS,
        hidden_dropout_prob=0.1,
        attention_probs_dropout_prob=0.1,
        layer_norm_eps=1e-5,
    )
    return XLMRobertaForMaskedLM(config)


def aligned_vectors(tokenizer: PreTrainedTokenizerFast, width: int) -> torch.Tensor:
    """Start vectors for the pieces by cross-lingual latent semantic analysis.

    Counts in which groups of parallel sentences a piece stands; pieces of like meaning stand in the
    same groups whatever their language, so a truncated SVD of the counts places them together.
    """
    counts = torch.zeros(len(tokenizer), GROUPS)
    for column, group in enumerate(groups(GROUPS)):
        for ids in tokenizer(list(group.values()), add_special_tokens=False)["input_ids"]:
            counts[ids, column] += 1
    often = counts.sum(1, keepdim=True)
    weights = torch.log1p(counts) * torch.log(GROUPS / (1 + (counts > 0).sum(1, keepdim=True)))
    weights = weights.clamp(min=0)
    weights = weights / weights.norm(dim=1, keepdim=True).clamp(min=1e-6)
    left, scale, _ = torch.svd_lowrank(weights, q=width, niter=4)
    vectors = torch.nn.functional.normalize(left * scale, dim=1)
    vectors = torch.where(often > 0, vectors, torch.zeros_like(vectors))
    return vectors + 0.2 * torch.randn(vectors.shape) / width**0.5


def dictionary(found: list[dict[str, str]], one: str, two: str) -> dict[str, str]:
    """For each word of a language the word of another that most stands beside it (Dice).

    Where several stand beside it equally often, the one at the nearest place in the sentence wins.
    """
    first, second, both = Counter(), Counter(), Counter()
    apart: Counter[tuple[str, str]] = Counter()
    for group in found:
        a, b = group[one].split(), group[two].split()
        places_a = {word: place / len(a) for place, word in enumerate(a)}
        places_b = {word: place / len(b) for place, word in enumerate(b)}
        first.update(places_a.keys())
        second.update(places_b.keys())
        for word, x in places_a.items():
            for other, y in places_b.items():
                both[word, other] += 1
                apart[word, other] += abs(x - y)
    best: dict[str, tuple[float, str]] = {}
    for (word, other), count in both.items():
        dice = 2 * count / (first[word] + second[other])
        if count >= 3 and dice >= 0.4:
            score = dice - 0.2 * apart[word, other] / count
            best[word] = max(best.get(word, (-1.0, "")), (score, other))
    return {word: other for word, (_, other) in best.items()}


def switched(found: list[dict[str, str]], rng: random.Random) -> list[str]:
    """Each sentence of the groups' languages with some words put into one other language."""
    usable = found[:DICTIONARY_GROUPS]
    tables = {(a, b): dictionary(usable, a, b) for a in LANGS for b in LANGS if a != b}
    texts = []
    for group in found:
        for one in (LANGS[0], LANGS[rng.randrange(len(LANGS))]):
            others = [lang for lang in LANGS if lang != one]
            table = tables[one, others[rng.randrange(len(others))]]
            words = group[one].split()
            texts.append(" ".join(table.get(w, w) if rng.random() < SWITCH else w for w in words))
    return texts


def batches(corpora: dict[str, list[list[int]]], rng: random.Random):
    """Endless batches of token ids from each corpus in turn, sentences of like length together."""
    while True:
        pools = []
        for name, pool in corpora.items():
            size = BATCH // 2 if name == "pairs" else BATCH
            chosen = [pool[rng.randrange(len(pool))] for _ in range(int(size * 40 * SHARES[name]))]
            chosen.sort(key=len)
            pools += [chosen[i : i + size] for i in range(0, len(chosen), size)]
        rng.shuffle(pools)
        yield from pools


def mask(batch: list[list[int]], size: int, generator: torch.Generator):
    """Padded ids, attention mask, the flat places of the masked tokens and what stood there."""
    longest = max(map(len, batch))
    ids = torch.full((len(batch), longest), PAD)
    for row, sequence in enumerate(batch):
        ids[row, : len(sequence)] = torch.tensor(sequence)
    attention = (ids != PAD).long()
    draw = torch.rand(ids.shape, generator=generator)
    places = ((draw < MASKED) & (ids > MASK)).flatten().nonzero().squeeze(1)
    target = ids.flatten()[places]
    kind = torch.rand(places.shape, generator=generator)
    other = torch.randint(MASK + 1, size, places.shape, generator=generator)
    replaced = torch.where(kind < 0.8, MASK, torch.where(kind < 0.9, other, target))
    ids.view(-1)[places] = replaced
    return ids, attention, places, target


def pretrain(model: XLMRobertaForMaskedLM, corpora: dict[str, list[list[int]]]) -> None:
    """Masked language modelling on all the corpora, with a linear warm-up and decay."""
    generator = torch.Generator().manual_seed(SEED)
    size = model.config.vocab_size
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=PEAK_RATE, betas=(0.9, 0.98), weight_decay=0.01, fused=True
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda s: min((s + 1) / WARMUP, max(0.02, (STEPS - s) / (STEPS - WARMUP)))
    )
    model.train()
    start, total = time.monotonic(), 0.0
    for step, batch in enumerate(batches(corpora, random.Random(SEED)), start=1):
        ids, attention, places, target = mask(batch, size, generator)
        hidden = model.roberta(ids, attention_mask=attention).last_hidden_state
        logits = model.lm_head(hidden.flatten(0, 1)[places])
        loss = torch.nn.functional.cross_entropy(logits, target)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        total += loss.item()
        if step % 200 == 0:
            print(
                f"step {step}  loss {total / 200:.3f}  {time.monotonic() - start:.0f} s", flush=True
            )
            total = 0.0
        if step == STEPS:
            return


def tidy(output: Path) -> None:
    """Take out of the written files what belongs to this run alone."""
    path = output / "config.json"
    config = json.loads(path.read_text(encoding="utf8"))
    config.pop("_name_or_path", None)
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf8")
    path = output / "tokenizer.json"  # one line instead of many: half the size
    tokenizer = json.loads(path.read_text(encoding="utf8"))
    text = json.dumps(tokenizer, ensure_ascii=False, separators=(",", ":"))
    path.write_text(text + "\n", encoding="utf8")


def main(output: Path) -> None:
    """Make tokenizer and encoder and write them to a folder."""
    torch.set_num_threads(1)  # at this size a second thread gains little, and rounding stays put
    torch.manual_seed(SEED)
    train = [
        " ".join(token for token, _ in sentence)
        for lang in LANGS
        for sentence in corpora(lang)["train"]
    ]
    pairs = [(one, two) for _, one, _, two in parallel(PAIRS)]
    tokenizer = make_tokenizer(train)
    mixed = switched(list(groups(GROUPS)), random.Random(SEED))
    single = tokenizer(train)["input_ids"]
    double = tokenizer([a for a, _ in pairs], [b for _, b in pairs])["input_ids"]
    double = [sequence for sequence in double if len(sequence) <= POSITIONS - 2]
    model = make_model(len(tokenizer))
    embedding = model.roberta.embeddings.word_embeddings.weight.data
    embedding.copy_(aligned_vectors(tokenizer, embedding.shape[1]) * 0.5)
    embedding[PAD] = 0
    ids = {"single": single, "switched": tokenizer(mixed)["input_ids"], "pairs": double}
    pretrain(model, ids)
    output.mkdir(parents=True, exist_ok=True)
    model.roberta.half().save_pretrained(output)
    tokenizer.save_pretrained(output)
    tidy(output)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "encoder")
