"""Does half a run foretell the validation loss that the whole one ends with?

    python benchmarks/forecast.py OUT --corpora FOLDER [--only first|second]

FOLDER holds corpora made by `tunesmith prepare`, named folk, bimmuda and openewld. Twenty
small runs are trained into OUT, ten that the forecast's constants were chosen on (first)
and ten that were not looked at until they were fixed (second). Each run's records of the
first half are given to `evaluation.forecast`, and its interval is compared with the
validation loss at the end. Kill it at any time: a run that has ended is not trained again.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path

# Half, corpus, width, layers, steps, tokens a batch, seed.
RUNS = [
    ("first", "folk", 64, 2, 300, 1024, 1),
    ("second", "folk", 64, 2, 400, 1024, 11),
    ("first", "bimmuda", 64, 2, 200, 1024, 2),
    ("second", "bimmuda", 64, 2, 300, 512, 12),
    ("first", "openewld", 64, 2, 300, 512, 3),
    ("second", "openewld", 64, 2, 200, 512, 13),
    ("first", "folk", 96, 2, 150, 1024, 4),
    ("second", "folk", 96, 2, 200, 1024, 14),
    ("first", "bimmuda", 96, 2, 250, 512, 5),
    ("second", "openewld", 96, 2, 250, 512, 15),
    ("first", "openewld", 32, 2, 400, 512, 6),
    ("second", "bimmuda", 32, 2, 400, 512, 16),
    ("first", "folk", 32, 2, 500, 512, 7),
    ("second", "folk", 32, 2, 600, 512, 17),
    ("first", "folk", 64, 3, 300, 512, 8),
    ("second", "folk", 64, 3, 250, 512, 18),
    ("first", "bimmuda", 32, 2, 300, 512, 9),
    ("second", "bimmuda", 96, 2, 150, 512, 19),
    ("first", "openewld", 64, 2, 150, 512, 10),
    ("second", "openewld", 32, 2, 300, 512, 20),
]
VALIDATION_TUNES = 60


def train_all(out: Path, corpora: Path, only: str | None) -> None:
    from tunesmith.api.preparing import style_names, tokenised
    from tunesmith.corpus import Corpus
    from tunesmith.model.config import ModelConfig
    from tunesmith.tokens import make_vocabulary
    from tunesmith.training import Recipe, TokenData, train

    for half, name, width, layers, steps, batch, seed in RUNS:
        folder = out / f"{half}-{name}-{width}x{layers}-{steps}-{seed}"
        done = records(folder)[-1:]
        if (only and half != only) or (done and done[0]["step"] == steps):
            continue
        corpus = Corpus.open(corpora / name)
        vocabulary = make_vocabulary("notes", style_names(corpus))
        config = ModelConfig.from_size("nano", vocabulary.size, **vocabulary.recall_fields)
        heads = width // 32 * 2
        config = dataclasses.replace(
            config, hidden_size=width, intermediate_size=3 * width, num_hidden_layers=layers,
            num_attention_heads=heads, num_key_value_heads=heads // 2, head_dim=16,
            max_position_embeddings=512,
        )  # fmt: skip
        sides = {s: tokenised(corpus, vocabulary, s, 512) for s in ("train", "validation")}
        whole, held = (TokenData(t.ids, t.offsets) for t in sides.values())
        stop = held.offsets[: VALIDATION_TUNES + 1]
        held = TokenData(held.ids[: stop[-1]], stop)
        train(
            whole, held, vocabulary, config, folder, steps=steps, seed=seed,
            resume=folder.exists(), recipe=Recipe(batch_tokens=batch),
        )  # fmt: skip
        print(folder.name, round(records(folder)[-1]["val_loss"], 4), flush=True)


def records(folder: Path) -> list[dict]:
    path = folder / "metrics.jsonl"
    return [json.loads(x) for x in path.read_text("utf-8").splitlines()] if path.exists() else []


def judge(out: Path, half: str) -> None:
    """Coverage and width of the intervals of the forecasts from half of each run that ended."""
    import numpy as np

    from tunesmith.evaluation.forecast import fit

    covered, widths, runs = 0, [], 0
    for folder in sorted(out.glob(f"{half}-*")):
        total = int(folder.name.split("-")[-2])
        steps = [r["step"] for r in records(folder)]
        losses = [r["val_loss"] for r in records(folder)]
        if not steps or steps[-1] != total:
            continue
        known = sum(s <= total / 2 for s in steps)
        found = fit(steps[:known], losses[:known], total).end()
        fall = losses[known - 1] - losses[-1]
        runs += 1
        covered += found.low <= losses[-1] <= found.high
        widths.append((found.high - found.low) / fall)
        print(
            f"| {folder.name} | {losses[known - 1]:.3f} | {losses[-1]:.3f} | {found.value:.3f} "
            f"[{found.low:.3f}, {found.high:.3f}] | {widths[-1]:.2f} |"
        )
    if runs:
        print(f"{half}: covered {covered} of {runs}, median width {np.median(widths):.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--corpora", type=Path)
    parser.add_argument("--only", choices=("first", "second"))
    args = parser.parse_args()
    if args.corpora:
        train_all(args.out, args.corpora, args.only)
    for half in ("first", "second"):
        judge(args.out, half)


if __name__ == "__main__":
    main()
