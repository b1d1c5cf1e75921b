"""The baselines that stand beside a model: fitted on the same corpus, scored on the same tunes."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Protocol

from tunesmith.corpus import Corpus
from tunesmith.errors import InputError
from tunesmith.evaluation import baselines, ppm, ppm_melody
from tunesmith.evaluation.likelihood import Bits, pitch_ids
from tunesmith.evaluation.ppm_melody import MelodyPPM
from tunesmith.files import write_atomically
from tunesmith.keyfinding import with_estimates
from tunesmith.melody import Melody
from tunesmith.tokens import Vocabulary

_CODE = (baselines, ppm, ppm_melody)
_ORDER = 5


class IdsPPM:
    """A PPM of the ids of a vocabulary that says less than a whole melody.

    Args:
        kind: see `ppm.Predictor`.
        vocabulary: whose ids, all attributes unknown.
        order: of the long-term model.
    """

    def __init__(self, kind: ppm.Kind, vocabulary: Vocabulary, order: int) -> None:
        self._vocabulary = vocabulary
        self._silent = [int(i) for i, says in enumerate(pitch_ids(vocabulary)) if not says]
        self._model = ppm.Predictor(kind, vocabulary.size, order=order)

    def fit(self, melodies: Iterable[Melody]) -> IdsPPM:
        """Study the melodies of a training side."""
        for melody in melodies:
            ids = self._ids(melody)
            for i, symbol in enumerate(ids):
                self._model.study(ids, i, symbol)
        return self

    def bits(self, melody: Melody) -> Bits:
        """The code length of a melody's ids; that a note begins is timing, which one pitch."""
        ids = self._ids(melody)
        self._model.begin()
        pitch = timing = 0.0
        for i, symbol in enumerate(ids):
            found = self._model.predict(ids, i)
            news = -math.log2(found.probability(symbol))
            decision = news
            if symbol not in self._silent:
                decision = -math.log2(1 - sum(found.probability(s) for s in self._silent))
            timing += decision
            pitch += news - decision
            self._model.learn(ids, i, symbol)
        return Bits(pitch, timing)

    def _ids(self, melody: Melody) -> list[int]:
        ids = self._vocabulary.unconditional(self._vocabulary.encode(melody).ids)
        return [int(i) for i in ids[1:]]


class _Learner(Protocol):
    def fit(self, melodies: Iterable[Melody]) -> object: ...

    def bits(self, melody: Melody) -> Bits: ...


def baselines_for(vocabulary: Vocabulary) -> dict[str, _Learner]:
    """Baselines, by name, that pay for what the ids of a vocabulary say."""
    kinds: dict[str, ppm.Kind] = {
        f"PPM, order {_ORDER}": "ltm",
        f"PPM, order {_ORDER}, learning on, with short-term PPM": "both",
    }
    if vocabulary.kind == "notes":
        return {n: MelodyPPM(kind, _ORDER, from_tonic=True) for n, kind in kinds.items()}
    return {n: IdsPPM(kind, vocabulary, _ORDER) for n, kind in kinds.items()}


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
    rows = []
    models = baselines_for(vocabulary)
    for done, (title, baseline) in enumerate(models.items()):
        if progress:
            progress(done, len(models))
        baseline.fit(training)
        rows.append((title, [baseline.bits(m) for m in melodies]))
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
