"""Train a run a little longer, at small learning rates and with more dropout.

python runs/finish.py RUN CORPUS OUT [STEPS]
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from tunesmith.api.model import load_model
from tunesmith.api.preparing import tokenised
from tunesmith.corpus import Corpus
from tunesmith.training import Recipe, TokenData, train


def main(run: Path, corpus: Path, out: Path, steps: int) -> None:
    model, opened = load_model(run), Corpus.open(corpus)
    recipe = replace(Recipe.of_size(model.checkpoint.config), matrix_rate=0.003, other_rate=0.0015,
                     dropout=0.3)  # fmt: skip
    context = model.checkpoint.config.max_position_embeddings
    sides = [tokenised(opened, model.vocabulary, s, context) for s in ("train", "validation")]
    train(
        *(TokenData(t.ids, t.offsets) for t in sides),
        model.vocabulary, model.checkpoint.config, out, steps=steps, recipe=recipe,
        start_from=model.checkpoint, resume=True,
        provenance=_provenance(model.checkpoint.provenance),
        log=print,
    )  # fmt: skip


def _provenance(first: dict[str, Any]) -> dict[str, Any]:
    """That of the run, whose own training and scores are what this one started from."""
    training = {k: v for k, v in first["training"].items() if k != "vocabulary"}
    started = {"training": training, "scores": first["scores"]}
    return {k: v for k, v in first.items() if k != "scores"} | {"started_from": started}


if __name__ == "__main__":
    words = sys.argv[1:]
    main(*map(Path, words[:3]), int((words[3:] or ["600"])[0]))
