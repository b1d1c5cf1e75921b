"""Does a model beat an interpolated Markov model trained on the same tunes?

    python benchmarks/learning.py RUN CORPUS [--side validation] [--orders 1 2 3 5]

For a model of notes: unconditional bits a sounding note, every event charged, beside
interpolated Markov models of pitch and length, with joint contexts and with separate
ones; for a model of letters: bits a letter. Each with its bootstrap interval over the
tunes, and the interval of the difference, tune by tune.
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path

import numpy as np

from tunesmith.api.composing import load_model
from tunesmith.api.preparing import tokenised
from tunesmith.corpus import Corpus
from tunesmith.evaluation.baselines import MelodyMarkov, SequenceMarkov
from tunesmith.evaluation.likelihood import bits_per_note, tune_bits


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--side", default="validation")
    parser.add_argument("--orders", type=int, nargs="+", default=[1, 2, 3, 5])
    args = parser.parse_args()
    model, corpus = load_model(args.run), Corpus.open(args.corpus)
    vocabulary = model.vocabulary

    def tunes(side: str) -> list[np.ndarray]:
        t = tokenised(corpus, vocabulary, side, 10**9)  # whole tunes, never cut
        return [np.asarray(t.ids[a:b]) for a, b in zip(t.offsets, t.offsets[1:], strict=False)]

    training, held_out = tunes("train"), tunes(args.side)
    letters = vocabulary.kind == "letters"
    # A letter model's rests and ends are symbols like the others, as the seed counted them.
    units = [len(t) - 1 if letters else vocabulary.note_count(t) for t in held_out]
    unit = "symbol" if letters else "note"
    ours = np.array(tune_bits(model.network, vocabulary, held_out))
    figure = bits_per_note(ours, units)
    print(f"{args.side}: {len(held_out)} tunes, {sum(units)} {unit}s; trained on {len(training)}")
    print(f"model: {figure} bits a {unit}")
    if letters:
        nats = figure.value * math.log(2)
        print(f"       loss {nats:.4f} nats, perplexity {math.exp(nats):.4f}")
    for order in args.orders:
        for joint, tonic in ((0, 0),) if letters else ((0, 0), (1, 0), (0, 1), (1, 1)):
            if letters:
                markov = SequenceMarkov(order, vocabulary.size).fit([t.tolist() for t in training])
                theirs = np.array([markov.bits(t.tolist()) for t in held_out])
            else:
                melodies = [vocabulary.decode(t) for t in held_out]
                notes = MelodyMarkov(order, joint=bool(joint), from_tonic=bool(tonic))
                notes.fit(map(vocabulary.decode, training))
                theirs = np.array([notes.bits(m) for m in melodies])
            name = f"Markov of order {order}" + ", joint contexts" * joint
            name += ", from the tonic" * tonic
            print(
                f"{name}: {bits_per_note(theirs, units)}; "
                f"model minus it {bits_per_note(ours - theirs, units)}",
                flush=True,
            )
    manifest = corpus.manifest
    print(json.dumps({"split": manifest["split"]["sha256"], "model": model.checkpoint.sha256}))


if __name__ == "__main__":
    main()
