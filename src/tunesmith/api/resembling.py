"""Hold a set of tunes against a reference: features, overlaps, distances, and a classifier."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tunesmith.corpus import Corpus
from tunesmith.corpus.sources import find_sources, readings
from tunesmith.errors import InputError, MissingExtraError, UsageError
from tunesmith.evaluation.features import FEATURES
from tunesmith.evaluation.realism import DRAWS, Realism, realism
from tunesmith.evaluation.two_sample import TwoSample, two_sample
from tunesmith.melody import Melody

_SHOWN = 5


@dataclass(frozen=True)
class TuneSet:
    """Tunes that were read for a comparison.

    Attributes:
        name: the path.
        melodies: the tunes.
        left_out: why a file or tune was not read, a line each.
        doubles: files that were not read, since they are other formats of one that was.
    """

    name: str
    melodies: tuple[Melody, ...]
    left_out: tuple[str, ...] = ()
    doubles: int = 0


@dataclass(frozen=True)
class Comparison:
    """A set of tunes against a reference.

    Attributes:
        set, reference: what was compared.
        realism: overlaps and distances beside their ceilings.
        told_apart: what the classifier found; None if it was not asked, or could find nothing.
        not_told_apart: why it could find nothing; '' if it did, or was not asked.
    """

    set: TuneSet
    reference: TuneSet
    realism: Realism
    told_apart: TwoSample | None
    not_told_apart: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON; what is undefined is None."""
        sets = {
            key: {
                "path": s.name,
                "tunes": len(s.melodies),
                "notes": sum(len(m.notes) for m in s.melodies),
                "left_out": list(s.left_out),
                "doubles": s.doubles,
            }
            for key, s in (("set", self.set), ("reference", self.reference))
        }
        data = asdict(self.realism)
        for name, row in data["rows"].items():
            row.update(kind=FEATURES[name].kind, estimator=FEATURES[name].estimator)
        told = self.told_apart and asdict(self.told_apart)
        found = {**sets, "realism": data, "told_apart": told, "not_told_apart": self.not_told_apart}
        cleaned: dict[str, Any] = _without_nan(found)
        return cleaned


def compare(
    tunes: str | Path | Sequence[Melody],
    reference: str | Path | Sequence[Melody],
    *,
    classifier: bool | None = None,
    side: str | None = None,
    draws: int = DRAWS,
    seed: int = 0,
) -> Comparison:
    """Hold tunes against a reference, by the protocol of `evaluation.realism`.

    Args:
        tunes: a file, a folder of files, a corpus, or melodies.
        reference: the same.
        classifier: whether to try to tell them apart, which needs scikit-learn and some tunes;
            None for if that is there.
        side: of a corpus given as reference, the side to take; all if None.
        draws: how often samples are drawn.
        seed: of the drawing.

    Raises:
        InputError: if there are too few tunes or none can be read.
        UsageError: for a side of what is no corpus.
        MissingExtraError: for the classifier, if it is asked for, without scikit-learn.
    """
    ours, theirs = tune_set(tunes), tune_set(reference, side)
    told, why = None, ""
    if classifier is not False:
        try:
            told = two_sample(theirs.melodies, ours.melodies, seed=seed)
        except (InputError, MissingExtraError) as e:
            if classifier:
                raise
            why = str(e)
    found = realism(ours.melodies, theirs.melodies, draws=draws, seed=seed)
    return Comparison(ours, theirs, found, told, why)


def tune_set(source: str | Path | Sequence[Melody], side: str | None = None) -> TuneSet:
    """The tunes of a file, a folder of files or a corpus, or melodies as they are.

    Of files in one folder that differ in nothing but their extension, as the formats in which
    `generate` writes a tune, the first is taken that can be read.

    Raises:
        InputError: if no tune is found.
        UsageError: for a side of what is no corpus.
    """
    name = str(source) if isinstance(source, str | Path) else "melodies"
    if (Path(name) / "manifest.json").is_file():
        return TuneSet(name, tuple(Corpus.open(name).melodies(side)))
    if side is not None:
        raise UsageError(
            f"only a corpus has a side '{side}'", where=name,
            remedy="leave out --side, or give a folder that `tunesmith prepare` made",
        )  # fmt: skip
    if not isinstance(source, str | Path):
        return TuneSet(name, tuple(source))
    path = Path(source)
    by_stem: dict[str, list[str]] = {"": [str(path)]}
    if path.is_dir():
        by_stem = {}
        for file in find_sources([path])[0].files:
            by_stem.setdefault(str(Path(file.path).with_suffix("")), []).append(file.path)
    melodies: list[Melody] = []
    left_out: list[str] = []
    doubles = 0
    for same in by_stem.values():
        for place, one in enumerate(sorted(same, key=_how_much_it_says), 1):
            found = list(readings([one]))
            tunes = [r.melody for r in found if r.melody]
            melodies += tunes
            left_out += [str(r.error) for r in found if r.error]
            if tunes:
                doubles += len(same) - place
                break
    if not melodies:
        why = f": {left_out[0]}" if left_out else ""
        raise InputError(f"no tune that can be read{why}", where=name)
    return TuneSet(name, tuple(melodies), tuple(left_out), doubles)


def _how_much_it_says(file: str) -> int:
    """The place of a file's format, the best first: MIDI has no spelling, letters no lengths."""
    ending = Path(file).suffix.lower()
    worst = {".mid": 1, ".midi": 1, ".txt": 2}
    return worst.get(ending, 0)


def comparison_rows(comparison: Comparison) -> list[tuple[str, ...]]:
    """The comparison as a table of features; the first row is the heading."""
    rows: list[tuple[str, ...]] = [
        ("feature", "reference", "set", "overlap", "ceiling", "share of ceiling", "divergence",
         "undefined")
    ]  # fmt: skip
    for name, r in comparison.realism.rows.items():
        rows.append(
            (
                name,
                _mean_and_sd(r.reference, r.reference_sd),
                _mean_and_sd(r.set, r.set_sd),
                f"{r.overlap:.3f}",
                f"{r.ceiling:.3f}",
                f"{r.share:.3f} ({r.low:.3f} to {r.high:.3f})",
                f"{r.divergence:.3f} ({r.divergence_floor:.3f})",
                f"{100 * r.undefined:.1f} %" if r.undefined else "",
            )
        )
    return rows


def comparison_notes(comparison: Comparison) -> list[str]:
    """What stands around the table, a line each."""
    r, told = comparison.realism, comparison.told_apart
    lines = [
        f"{s.name}: {len(s.melodies)} tunes"
        + (f", {len(s.left_out)} left out" if s.left_out else "")
        + (f"; files that are other formats of these: {s.doubles}" if s.doubles else "")
        for s in (comparison.set, comparison.reference)
    ]
    lines += [f"  left out: {why}" for why in comparison.set.left_out[:_SHOWN]]
    lines += [f"  left out: {why}" for why in comparison.reference.left_out[:_SHOWN]]
    lines += [
        f"samples of {r.size} tunes, {r.draws} draws; in brackets, what two halves of the "
        "reference give",
        f"Fréchet distance: {r.frechet:.3f} ({r.frechet_floor:.3f})",
        f"KL of the pitch classes: {r.pitch_kl:.4f} bits ({r.halves[0]:.4f})",
        f"error of the transition matrix: {r.transition_error:.4f} ({r.halves[1]:.4f})",
        f"overlap of 4-grams: {r.four_gram_overlap:.4f} ({r.halves[2]:.4f})",
    ]
    if comparison.not_told_apart:
        lines.append(f"not told apart by a classifier: {comparison.not_told_apart}")
    if told:
        lines.append(
            f"told apart by a classifier: AUC {told} (logistic regression "
            f"{told.logistic:.3f}, gradient boosting {told.boosting:.3f}; 0.5 is not at all), "
            f"{told.tunes[0]} tunes of each"
        )
    return lines


def _mean_and_sd(mean: float, sd: float) -> str:
    return "" if math.isnan(mean) else f"{mean:.3f} ± {sd:.3f}"


def _without_nan(data: Any) -> Any:
    if isinstance(data, dict):
        return {k: _without_nan(v) for k, v in data.items()}
    if isinstance(data, list | tuple):
        return [_without_nan(v) for v in data]
    return None if isinstance(data, float) and math.isnan(data) else data
