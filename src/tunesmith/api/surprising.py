"""How surprising each note of a file is to a model: a table, a drawing, data."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import fields
from pathlib import Path

from tunesmith import formats
from tunesmith.api.composing import Model
from tunesmith.errors import InputError, UsageError
from tunesmith.evaluation.surprise import NoteSurprise, Surprise, surprise_of
from tunesmith.files import refuse_overwrite, write_atomically
from tunesmith.keyfinding import with_estimates
from tunesmith.melody import Melody

ENDINGS = (".svg", ".png", ".json", ".csv")


def surprise(
    source: str | Path | Melody, model: Model, *, tune: int = 1, track: str = "auto"
) -> Surprise:
    """The bits that each note of a melody costs a model that is told nothing beforehand.

    A key that is not named is estimated, as in training.

    Args:
        source: a melody, or a file that `read` takes.
        model: from `load_model`.
        tune: which one of a file, from 1.
        track: as in `formats.scan`.

    Raises:
        InputError: if the file cannot be read, or no tokens of the model can say the melody.
        UsageError: if the file has no such tune.
    """
    if isinstance(source, Melody):
        melody, where = source, source.origin
    else:
        melody, where = formats.read_one(source, tune, track), str(source)
    try:
        return surprise_of(model.network, model.vocabulary, with_estimates(melody))
    except InputError as e:
        raise e.at(where) from e


def write_surprise(found: Surprise, path: str | Path, *, force: bool = False) -> None:
    """Write a surprise: drawn over the score (.svg, .png) or as data (.json, .csv).

    Raises:
        UsageError: for another extension.
        OutputError: if the file is there and `force` is not given, or cannot be written.
    """
    path = Path(path)
    ending = path.suffix.lower()
    if ending not in ENDINGS:
        raise UsageError(
            f"nothing is written as '{path.suffix}'", where=str(path),
            remedy=f"use one of {', '.join(ENDINGS)}",
        )  # fmt: skip
    refuse_overwrite(path, force)
    write_atomically(path, _rendered(found, ending))


def _rendered(found: Surprise, ending: str) -> bytes:
    if ending == ".json":
        return (json.dumps(found.to_dict(), indent=1, ensure_ascii=False) + "\n").encode()
    if ending == ".csv":
        text = io.StringIO()
        names = [f.name for f in fields(NoteSurprise)]
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(names)
        writer.writerows([getattr(n, name) for name in names] for n in found.notes)
        return text.getvalue().encode()
    from tunesmith.render.surprise import surprise_png, surprise_svg

    pitch = [n.pitch_bits for n in found.notes]
    timing = [n.timing_bits for n in found.notes]
    marked = [n.marked for n in found.notes]
    if ending == ".svg":
        return surprise_svg(found.melody, pitch, timing, marked).encode()
    return surprise_png(found.melody, pitch, timing, marked)
