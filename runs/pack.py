"""Put a trained model into the package: weights in half precision, provenance with test scores.

python runs/pack.py RUN CORPUS BOX

BOX is replaced. The scores are unconditional bits a note on the test side of the corpus, by
source, of the weights as they are packed.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from tunesmith.api.composing import load_model
from tunesmith.api.tracing import put_index
from tunesmith.corpus import Corpus
from tunesmith.errors import InputError
from tunesmith.evaluation.likelihood import bits_per_note, score_tunes
from tunesmith.keyfinding import with_estimates
from tunesmith.model.checkpoint import load_checkpoint, save_checkpoint

LICENCE = "MIT, as the package; the tunes it learned from are free: see sources"


def main(run: Path, corpus: Path, box: Path) -> None:
    checkpoint, opened = load_checkpoint(run), Corpus.open(corpus)
    halves = {n: w.astype(np.float16) for n, w in checkpoint.weights.items()}
    kept = checkpoint.provenance["training"]
    provenance = {
        **checkpoint.provenance,
        "licence": LICENCE,
        "weights": "half precision; computed with in single precision",
        "training": {k: v for k, v in kept.items() if k != "vocabulary"},
    }

    def save() -> None:
        save_checkpoint(box, halves, checkpoint.config, checkpoint.vocabulary, provenance)

    save()
    provenance["test"] = test_scores(box, opened)
    save()
    put_index(opened, box)
    for file in sorted(box.iterdir()):
        print(f"{file.name}: {file.stat().st_size / 1e6:.2f} MB")
    print(provenance["test"])


def test_scores(box: Path, corpus: Corpus) -> dict[str, dict[str, float | int]]:
    """Bits a note on the test side with their 95 % interval, by style."""
    model = load_model(box)
    tunes: dict[str, list[tuple[np.ndarray, int]]] = {}
    for tune in corpus.tunes("test"):
        try:
            encoded = model.vocabulary.encode(with_estimates(tune.melody), tune.style)
        except InputError:  # no tokens say it; the manifest counts these
            continue
        tunes.setdefault(tune.style, []).append((encoded.ids, len(tune.melody.notes)))
    found = {}
    for style, pairs in sorted(tunes.items()):
        ids, notes = zip(*pairs, strict=True)
        scores = score_tunes(model.network, model.vocabulary, ids)
        figure = bits_per_note([s.total.total for s in scores], notes)
        found[style] = {
            "tunes": len(notes), "notes": sum(notes),
            "bits_per_note": round(figure.value, 4),
            "low": round(figure.low, 4), "high": round(figure.high, 4),
        }  # fmt: skip
    return found


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
