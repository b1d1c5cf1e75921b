"""The baselines that stand beside a model: fitted on the same corpus, scored on the same tunes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path

from tunesmith.corpus import Corpus
from tunesmith.errors import InputError
from tunesmith.evaluation import baselines, melody_models, ppm
from tunesmith.evaluation.likelihood import Bits
from tunesmith.files import write_atomically
from tunesmith.keyfinding import with_estimates
from tunesmith.melody import Melody
from tunesmith.tokens import Vocabulary

_CODE = (baselines, melody_models, ppm)


def baseline_bits(
    corpus: Corpus,
    split: str,
    vocabulary: Vocabulary,
    melodies: Sequence[Melody],
    progress: Callable[[int, int], None] | None = None,
) -> list[tuple[str, list[Bits]]]:
    """The code length of each melody by each baseline, which learnt from the training side.

    The figures are kept in the corpus's folder, and made anew when the corpus, the
    melodies or the code of the baselines change.

    Args:
        corpus: whose training side they learn from.
        split: the side that the melodies are of.
        vocabulary: the model's.
        melodies: of the side.
        progress: told (baselines done, baselines).

    Raises:
        OutputError: if the corpus's folder cannot be written.
    """
    digest = hashlib.sha256()
    for module in (*_CODE, None):
        digest.update(Path(module.__file__ or "" if module else __file__).read_bytes())
    for melody in melodies:
        digest.update(repr((melody.notes, melody.meters, melody.pickup, melody.key)).encode())
    name = f"baselines-{vocabulary.kind}-{split}-{digest.hexdigest()[:16]}.json"
    path = corpus.cache_path(name)
    if path.is_file():
        kept = json.loads(path.read_text("utf-8"))
        return [(name, [Bits(*b) for b in bits]) for name, bits in kept]
    training = _training(corpus, vocabulary)
    rows = list(melody_models.baseline_table(vocabulary, training, melodies, progress).items())
    write_atomically(path, json.dumps(rows).encode())
    return rows


def _training(corpus: Corpus, vocabulary: Vocabulary) -> list[Melody]:
    """What the model trains on: the different tunes that its tokens can say."""
    found: dict[str, Melody] = {}
    for tune in corpus.tunes("train"):
        melody = with_estimates(tune.melody)
        try:
            vocabulary.encode(melody)
        except InputError:
            continue  # counted where the model's tokens are made
        found.setdefault(tune.key, melody)
    return list(found.values())
