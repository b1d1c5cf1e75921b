"""What constraints cost: sampled tokens a second under five sets that use every flag, and without.

    python benchmarks/constraint_cost.py [--batch 1 64] [--rounds 2]

The look-ahead, tunes begun anew, ids that were struck out and the check that a melody exists are
included; ids with no choice (copies of a section, lengths of a given rhythm, the count of bars) are
not counted as sampled, though the network has to read them all. So each line ends with how
many ids were read for each one sampled, without and with constraints, and with the ratio of tokens
*read* a second: what masks and look-ahead cost by themselves; and what a tune takes without and
with, which is what whoever composes waits for (a tune of a given rhythm needs fewer ids). Processor
time; what one set leaves is cleared away before the next is timed.
"""

from __future__ import annotations

import argparse
import gc
import time
from typing import Any

import numpy as np

from tunesmith.api.composing import load_model, steered
from tunesmith.decoding import Sampling, generate_ids
from tunesmith.decoding.constraints import Constraints, KeptBars
from tunesmith.melody import Melody, Meter, Note

_PITCHES = (62, 65, 69, 67, 65, 64, 62, 69, 72, 74, 72, 69, 67, 65, 64, 62)
TUNE = Melody(
    tuple(Note(i * 480, 480, p) for i, p in enumerate(_PITCHES)), (Meter(0, 4, 4),), duration=7680
)
SETS: dict[str, dict[str, Any]] = {
    "plain": {
        "key": "D", "mode": "dorian", "range": "C4:D5", "meter": "6/8", "bars": 16, "pickup": "1/8",
        "max_leap": 9, "max_repeat": 3, "cadence": "authentic", "start": "5",
    },
    "counts": {
        "scale": "C D Eb G A", "allow_chromatic": "F", "bars": 8, "meter": "4/4", "end": "1",
        "note_values": "1/8,1/4,1/2", "notes_per_bar": "2:8", "rest_share": "0:0.2",
    },
    "changes": {
        "chords": "Dm7 | G7 | Cmaj7 | Am", "rhythm": "1/4 1/8 1/8 1/2", "contour": "arch",
        "bars": 8, "meter": "4/4",
    },
    "form": {"form": "AABA'", "bars": 16, "meter": "3/4", "key": "G", "notes_per_bar": "1:6"},
    "files": {"rhythm_from": TUNE, "contour": TUNE, "kept": KeptBars(TUNE, frozenset({1}))},
}  # fmt: skip


def rates(
    model: Any, asked: Constraints, free: bool, batch: int, rounds: int
) -> tuple[float, float, float]:
    """Tokens sampled, and read in tunes that came to their end, a second; and seconds a tune."""
    wishes = asked.wishes()
    gc.collect()
    start, sampled, read = time.process_time(), 0, 0
    grammar: Any = model.vocabulary.grammar(wishes)
    if not free:
        grammar = steered(grammar, asked)
    for i in range(rounds):
        chance = [np.random.default_rng([7, i, k]) for k in range(batch)]
        made = generate_ids(model.network, [grammar] * batch, chance, Sampling(top_p=0.97))
        sampled += sum(sum(one.free) for one in made)
        read += sum(len(one.free) for one in made)
    seconds = time.process_time() - start
    return sampled / seconds, read / seconds, seconds / (batch * rounds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 64])
    parser.add_argument("--rounds", type=int, default=2)
    args = parser.parse_args()
    model = load_model(None)
    for batch in args.batch:
        rounds = args.rounds * (4 if batch < 8 else 1)
        for name, values in SETS.items():
            asked = Constraints(**values)
            free, kept = (rates(model, asked, way, batch, rounds) for way in (True, False))
            print(
                f"batch {batch:3} {name:8} {free[0]:6.0f} {kept[0]:6.0f} tokens/s"
                f" {kept[0] / free[0]:.2f}; read for each sampled {free[1] / free[0]:.2f}"
                f" {kept[1] / kept[0]:.2f}, tokens read/s {kept[1] / free[1]:.2f};"
                f" milliseconds a tune {1000 * free[2]:.0f} {1000 * kept[2]:.0f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
