"""The baselines that stand beside a model: fitted on the same corpus, scored on the same tunes."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from tunesmith.corpus import Corpus
from tunesmith.errors import InputError, TunesmithError
from tunesmith.evaluation import baselines, melody_models, ppm
from tunesmith.evaluation.likelihood import Bits
from tunesmith.files import write_atomically
from tunesmith.keyfinding import with_estimates
from tunesmith.melody import Melody
from tunesmith.tokens import Vocabulary, vocabulary_from_dict
from tunesmith.tokens.base import Encoded

_CODE = (baselines, melody_models, ppm)


_START = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from tunesmith.api.comparing import work; work()"
)


class Baselines(AbstractContextManager["Baselines"]):
    """The code length of each melody by each baseline, which learnt from the training side.

    A process of its own works on the PPMs from the start, beside whatever the caller does;
    leaving the context ends it. The figures are kept in the corpus's folder, and made
    anew when the corpus, the melodies or the code of the baselines change.

    Args:
        corpus: whose training side they learn from.
        split: the side that the melodies are of.
        vocabulary: the model's.
        melodies: of the side.
    """

    def __init__(
        self, corpus: Corpus, split: str, vocabulary: Vocabulary, melodies: Sequence[Melody]
    ) -> None:
        self._corpus, self._vocabulary, self._melodies = corpus, vocabulary, melodies
        digest = hashlib.sha256()
        for module in (*_CODE, None):
            digest.update(Path(module.__file__ or "" if module else __file__).read_bytes())
        for melody in melodies:
            digest.update(repr((melody.notes, melody.meters, melody.pickup, melody.key)).encode())
        name = f"baselines-{vocabulary.kind}-{split}-{digest.hexdigest()[:16]}.json"
        self._path = corpus.cache_path(name)
        self._child: subprocess.Popen[bytes] | None = None
        if not self._path.is_file():
            self._child = subprocess.Popen(
                [sys.executable, "-c", _START, json.dumps(sys.path)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
            task = {
                "corpus": str(corpus.folder),
                "vocabulary": vocabulary.to_dict(),
                "melodies": [m.to_dict() for m in melodies],
            }
            assert self._child.stdin
            self._child.stdin.write(json.dumps(task).encode())
            self._child.stdin.close()
            self._child.stdin = None  # `communicate` would flush it

    def __exit__(self, *_: object) -> None:
        if self._child:
            self._child.kill()
            self._child.wait()

    def bits(self) -> dict[str, list[Bits]]:
        """The figures, in the order of `BASELINES`.

        Raises:
            OutputError: if the corpus's folder cannot be written.
            TunesmithError: if the other process failed.
        """
        if not self._child:
            kept = json.loads(self._path.read_text("utf-8"))
            return {name: [Bits(*b) for b in bits] for name, bits in kept.items()}
        training = _training(self._corpus, self._vocabulary)
        rows = melody_models.counted_baselines(self._vocabulary, training, self._melodies)
        out, said = self._child.communicate()
        if self._child.returncode:
            last = said.decode("utf-8", "replace").strip().rpartition("\n")[2]
            raise TunesmithError(
                f"the process of the PPM baselines ended with {self._child.returncode}: {last}",
                remedy="go without them: --no-baselines",
            )
        rows |= {name: [Bits(*b) for b in bits] for name, bits in json.loads(out).items()}
        write_atomically(self._path, json.dumps(rows).encode())
        return rows


def work() -> None:
    """Score the PPM baselines: a task from the standard input, the rows to the standard output."""
    task = json.loads(sys.stdin.buffer.read())
    vocabulary = vocabulary_from_dict(task["vocabulary"])
    melodies = [Melody.from_dict(m) for m in task["melodies"]]
    training = _training(Corpus.open(task["corpus"]), vocabulary)
    print(json.dumps(melody_models.ppm_baselines(vocabulary, training, melodies)))


def _training(corpus: Corpus, vocabulary: Vocabulary) -> list[Melody]:
    """What the model trains on: the different tunes that its tokens can say."""
    found: dict[str, Melody] = {}
    for tune in corpus.tunes("train"):
        melody = with_estimates(tune.melody)
        try:
            encoded = vocabulary.encode(melody)
        except InputError:
            continue  # counted where the model's tokens are made
        found.setdefault(tune.key, as_told(melody, encoded, vocabulary))
    return list(found.values())


def as_told(melody: Melody, encoded: Encoded, vocabulary: Vocabulary) -> Melody:
    """The melody as its tokens tell it, so that all pay for the same events.

    Where the grid moves no note it is the melody itself. So it is for tokens that say no times,
    of which the baselines see the ids alone.
    """
    if vocabulary.kind != "notes" or not encoded.moved:
        return melody
    return vocabulary.decode(encoded.ids)
