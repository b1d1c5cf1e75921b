"""Where in the training tunes a melody's notes stand already."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tunesmith.errors import InputError, UsageError
from tunesmith.evaluation.originality import Originality, align, index_corpus, judge, receipt_entry
from tunesmith.evaluation.originality_index import FILE, TuneIndex
from tunesmith.melody import Melody
from tunesmith.model.checkpoint import PROVENANCE, Checkpoint, find_checkpoint, load_checkpoint
from tunesmith.theory import octave_of, spell

if TYPE_CHECKING:
    from tunesmith.corpus import Corpus

BOX = Path(__file__).parents[1] / "box"
"""The model that comes with the package."""
INDEX_VERSION = 2


@dataclass(frozen=True)
class Traced:
    """What was found for a tune of a file.

    Attributes:
        where: the file and the tune in it.
        melody: the tune; None if it could not be read.
        found: what it shares with the training tunes; None if it could not be read.
        error: why it could not be read; '' if it could.
    """

    where: str
    melody: Melody | None = None
    found: Originality | None = None
    error: str = ""

    def to_dict(self, index: TuneIndex) -> dict[str, Any]:
        """As plain data for JSON, with all sources of the longest runs."""
        if not self.found:
            return {"where": self.where, "error": self.error}
        runs = (self.found.longest_run, self.found.longest_run_with_lengths)
        return {
            "where": self.where,
            "notes": self.found.notes,
            **receipt_entry(self.found, index.header["human"]),
            "is_variant": self.found.is_variant,
            "sources": [asdict(s) for s in runs[0].sources],
            "sources_with_lengths": [asdict(s) for s in runs[1].sources],
        }


def model_index(path: str | Path, checkpoint: Checkpoint) -> tuple[TuneIndex | None, str]:
    """The index of training tunes in a checkpoint's folder; or None, and why.

    Raises:
        InputError: if there is no model, or its index is damaged or of another corpus.
    """
    file = find_checkpoint(Path(path)) / FILE
    if not file.exists():
        return None, f"the model has no {FILE}, which training makes at its end"
    index = TuneIndex.open(file)
    if index.header.get("corpus_fingerprint") != checkpoint.provenance.get("corpus_fingerprint"):
        raise InputError(
            f"is of another corpus than the {PROVENANCE} beside it",
            where=str(file),
            remedy="delete it, or train the model again",
        )
    return index, ""


def corpus_index(corpus: str | Path | Corpus) -> TuneIndex:
    """The index of a corpus's training tunes, kept in its folder once it is made.

    Raises:
        InputError: if the corpus is missing, damaged or has no training tune.
        OutputError: if the folder cannot be written.
    """
    from tunesmith.corpus import Corpus

    opened = corpus if isinstance(corpus, Corpus) else Corpus.open(corpus)
    path = opened.cache_path(f"originality{INDEX_VERSION}.index")
    if not path.exists():
        index_corpus(opened).save(path)
    return TuneIndex.open(path)


def put_index(corpus: Corpus, run: str | Path, base: str | Path | None = None) -> None:
    """Put the index of a corpus into the checkpoint that `load_model` finds for a run.

    Args:
        corpus: what the run was trained on.
        run: its folder.
        base: the model it started from, whose training tunes are put in as well; if it has no
            index, neither will this one.

    Raises:
        OutputError: if it cannot be written.
        InputError: if the index of the base is damaged.
    """
    before = None
    if base is not None:
        before, _ = model_index(base, load_checkpoint(Path(base)))
        if before is None:  # half an index would call copies original
            return
    if before and before.header["corpus_fingerprint"] != corpus.fingerprint:
        index = index_corpus(corpus, before)
    else:
        index = corpus_index(corpus)
    index.save(find_checkpoint(Path(run)) / FILE)


def open_index(model: str | Path | None, corpus: str | Path | None) -> TuneIndex:
    """The index of a model or of a corpus, whichever is given; else of the model in the package.

    Raises:
        UsageError: if both are given.
        InputError: if it is missing or damaged.
    """
    if model is not None and corpus is not None:
        raise UsageError("both --model and --corpus", remedy="give one of them")
    if corpus is not None:
        return corpus_index(corpus)
    model = BOX if model is None else model
    index, why = model_index(model, load_checkpoint(Path(model)))
    if index is None:
        raise InputError(why, where=str(model), remedy="give the corpus, with --corpus")
    return index


def originality(
    paths: Sequence[str | Path], index: TuneIndex, *, track: str = "auto"
) -> Iterator[Traced]:
    """What the tunes of files and folders share with training tunes, one after another.

    Args:
        paths: files, or folders whose files of music are all looked at.
        index: from `open_index`.
        track: as in `formats.scan`.

    Raises:
        UsageError: if the track makes no sense.
    """
    from tunesmith.corpus.sources import readings

    for reading in readings(paths, track):
        if reading.error:
            yield Traced(reading.where, error=reading.error.what)
        elif melody := reading.melody:
            yield Traced(reading.where, melody, judge(index, melody))


def side_by_side(melody: Melody, other: Melody) -> list[tuple[str, str, str, str]]:
    """Bar against bar: what two melodies share, by `align`.

    Returns:
        for each bar of the melody that shares a note: its number, its notes, the numbers of
        the other's bars, and the other's notes in the melody's transposition, '-' where
        they differ. A pickup is bar 0.
    """
    partner: dict[int, int] = {}
    for block in align(melody, other):
        partner.update((block.note + i, block.other + i) for i in range(block.notes))
    mine, theirs = _bar_numbers(melody), _bar_numbers(other)
    rows = []
    for bar in dict.fromkeys(mine):
        notes = [i for i, b in enumerate(mine) if b == bar]
        if not any(i in partner for i in notes):
            continue
        names = [_name(melody, i) for i in notes]
        same = [n if i in partner else "-" for i, n in zip(notes, names, strict=True)]
        bars = dict.fromkeys(str(theirs[partner[i]]) for i in notes if i in partner)
        rows.append((str(bar), " ".join(names), ", ".join(bars), " ".join(same)))
    return rows


def _bar_numbers(melody: Melody) -> list[int]:
    """The bar that each note begins in; a pickup is bar 0, the first full bar is 1."""
    bars = melody.bars
    numbers, at = [], 0
    for note in melody.notes:
        while at + 1 < len(bars) and note.onset >= bars[at + 1].start:
            at += 1
        numbers.append(at if bars[0].is_pickup else at + 1)
    return numbers


def _name(melody: Melody, note: int) -> str:
    pitch = melody.pitches[note]
    name = melody.notes[note].spelling or spell(pitch, melody.key)
    return f"{name}{octave_of(pitch, name)}"
