"""The baselines that stand beside a model: fitted on the same corpus, scored on the same tunes."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterable, Sequence
from copy import copy
from pathlib import Path

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
# 'both' last: it goes on learning, and the long-term model is the same for all.
_KINDS: dict[ppm.Kind, str] = {
    "ltm": f"PPM, order {_ORDER}",
    "stm": "PPM* of the same tune alone",
    "both": f"PPM, order {_ORDER}, learning on, with PPM* of the same tune",
}


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

    def sharing(self, kind: ppm.Kind) -> IdsPPM:
        """Another kind over the same long-term model; see `ppm.Predictor.sharing`."""
        other = copy(self)
        other._model = self._model.sharing(kind)
        return other

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


def ppm_for(vocabulary: Vocabulary) -> MelodyPPM | IdsPPM:
    """A long-term PPM that pays for what the ids of a vocabulary say."""
    if vocabulary.kind == "notes":
        return MelodyPPM("ltm", _ORDER, from_tonic=True)
    return IdsPPM("ltm", vocabulary, _ORDER)


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
    rows: list[tuple[str, list[Bits]]] = []
    fitted = ppm_for(vocabulary).fit(_training(corpus, vocabulary))
    for done, (kind, title) in enumerate(_KINDS.items()):
        if progress:
            progress(done, len(_KINDS))
        baseline = fitted if kind == "ltm" else fitted.sharing(kind)
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
