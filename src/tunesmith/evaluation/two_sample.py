"""The classifier two-sample test: whether a classifier can tell the tunes of two sets apart.

Lopez-Paz and Oquab, Revisiting classifier two-sample tests, ICLR 2017; the statistic
is the area under the ROC curve instead of the accuracy. All settings are fixed here,
so that figures compare from one time to another. It needs scikit-learn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from tunesmith.errors import InputError, MissingExtraError
from tunesmith.evaluation.features import FEATURES
from tunesmith.evaluation.lines import Line
from tunesmith.evaluation.realism import Floats, Ints, clusters, feature_table
from tunesmith.melody import Melody

FOLDS = 5
FEWEST = 4 * FOLDS
"""Tunes that each set must have."""

GRAMS = (1, 2, 3, 4)
BUCKETS = 2048
"""Columns into which the n-grams are hashed."""

BOOTSTRAPS = 500


@dataclass(frozen=True)
class TwoSample:
    """What the test found; an AUC is 0.5 if the sets cannot be told apart, 1 if always.

    Attributes:
        auc: the higher of the two classifiers'; the mean of the folds' on tunes not seen.
        low, high: 2.5th and 97.5th percentile of a bootstrap over clusters within folds, of
            that classifier, the fitting not repeated.
        logistic, boosting: the AUC of logistic regression and of gradient boosting.
        tunes: how many there were of each set.
    """

    auc: float
    low: float
    high: float
    logistic: float
    boosting: float
    tunes: tuple[int, int]

    def __str__(self) -> str:
        return f"{self.auc:.3f} [{self.low:.3f}, {self.high:.3f}]"


def two_sample(first: Sequence[Melody], second: Sequence[Melody], *, seed: int = 0) -> TwoSample:
    """Tell the tunes of two sets apart.

    Five folds, with the sets' shares alike in each and no cluster of near-duplicates,
    of either set or both, in two. If one set is larger, it is cut down at random to the
    size of the other.

    Raises:
        MissingExtraError: without scikit-learn.
        InputError: if a set has fewer than `FEWEST` tunes, or fewer than `FOLDS` clusters.
    """
    if min(len(first), len(second)) < FEWEST:
        raise InputError(
            f"sets of {len(first)} and {len(second)} tunes cannot be told apart by a classifier",
            remedy=f"give at least {FEWEST} of each",
        )
    rng = np.random.default_rng(seed)
    size = min(len(first), len(second))
    picked = [[s[i] for i in rng.permutation(len(s))[:size]] for s in (first, second)]
    melodies = [*picked[0], *picked[1]]
    labels = np.repeat([0, 1], size)
    groups = clusters(melodies)
    different = [len(np.unique(groups[labels == label])) for label in (0, 1)]
    if min(different) < FOLDS:
        raise InputError(
            f"sets of {size} tunes that are variants of {different[0]} and {different[1]} tunes "
            "cannot be told apart by a classifier",
            remedy=f"give at least {FOLDS} of each that are no variants of one another",
        )
    scores, folds = _scores(_columns(melodies), _grams(melodies), labels, groups, seed)
    found = {name: fold_auc(labels, s, folds) for name, s in scores.items()}
    best = max(found, key=found.__getitem__)
    low, high = _interval(labels, scores[best], folds, groups, rng)
    return TwoSample(found[best], low, high, found["logistic"], found["boosting"], (size, size))


def auc(labels: Ints, scores: Floats) -> float:
    """The probability that a tune labelled 1 scores higher than one labelled 0; ties count half.

    Range: 0 to 1; undefined (NaN) without both labels. Source: Hanley and McNeil (1982).
    """
    ones, zeros = scores[labels == 1], np.sort(scores[labels == 0])
    if not len(ones) or not len(zeros):
        return float("nan")
    below = np.searchsorted(zeros, ones, "left") + np.searchsorted(zeros, ones, "right")
    return float(below.mean() / (2 * len(zeros)))


def fold_auc(labels: Ints, scores: Floats, folds: Ints) -> float:
    """The mean of the AUC in each fold, those with one label only left out."""
    each = [auc(labels[folds == f], scores[folds == f]) for f in range(FOLDS)]
    known = [x for x in each if x == x]
    return float(np.mean(known)) if known else float("nan")


def _interval(
    labels: Ints, scores: Floats, folds: Ints, groups: Ints, rng: np.random.Generator
) -> tuple[float, float]:
    members = [
        [np.flatnonzero((groups == g) & (folds == f)) for g in np.unique(groups[folds == f])]
        for f in np.unique(folds[folds >= 0])
    ]
    drawn = []
    for _ in range(BOOTSTRAPS):
        each = []
        for fold in members:
            picks = np.concatenate([fold[i] for i in rng.integers(len(fold), size=len(fold))])
            each.append(auc(labels[picks], scores[picks]))
        if not np.isnan(each).all():  # few clusters: a resample may miss one set in every fold
            drawn.append(float(np.nanmean(each)))
    low, high = np.percentile(drawn, [2.5, 97.5])
    return float(low), float(high)


def _columns(melodies: Sequence[Melody]) -> Floats:
    """All features side by side, NaN where undefined; (tunes, numbers)."""
    table = feature_table(melodies)
    return np.concatenate([table[name] for name in FEATURES], axis=1)


def _grams(melodies: Sequence[Melody]) -> NDArray[np.float32]:
    """The n-grams of intervals with rhythm, hashed: the square roots of their shares.

    A symbol is an interval (-12 to 12), the steps from onset to onset (at most 192), or
    both together: three kinds of n-grams, for n of `GRAMS`. The square root is Hellinger's
    distance (1909) made Euclidean, so that rare ones count.
    """
    out = np.zeros((len(melodies), BUCKETS), dtype=np.float32)
    for row, melody in zip(out, melodies, strict=True):
        line = Line(melody)
        pitch = np.clip(line.intervals, -12, 12).tolist()
        time = np.minimum(line.gaps, 192).tolist()
        for kind, symbols in (
            ("p", pitch),
            ("t", time),
            ("b", list(zip(pitch, time, strict=True))),
        ):
            for n in GRAMS:
                for i in range(len(symbols) - n + 1):
                    row[crc32(f"{kind}{symbols[i : i + n]}".encode()) % BUCKETS] += 1
        row /= max(1.0, row.sum())
    return np.sqrt(out)


def _scores(
    columns: Floats, grams: NDArray[np.float32], labels: Ints, groups: Ints, seed: int
) -> tuple[dict[str, Floats], Ints]:
    """Each classifier's score of every tune by the fit that did not see it, and the folds.

    A fold is left out, and its tunes are in -1, if what there is to learn from is of one set.
    """
    kit = _kit()
    scores = {"logistic": np.zeros(len(labels)), "boosting": np.zeros(len(labels))}
    folds = np.full(len(labels), -1, dtype=np.int64)
    splitter = kit["StratifiedGroupKFold"](FOLDS, shuffle=True, random_state=seed)
    for fold, (seen, unseen) in enumerate(splitter.split(columns, labels, groups)):
        if not len(unseen) or len(np.unique(labels[seen])) < 2:
            continue
        folds[unseen] = fold
        mean = _known_mean(columns[seen])
        filled = np.where(np.isnan(columns), mean, columns)
        spread = filled[seen].std(axis=0)
        known = np.clip((filled - mean) / np.where(spread > 0, spread, 1), -5, 5)
        # The n-grams together weigh as much as the features together.
        centred = grams - grams[seen].mean(axis=0)
        scale = np.sqrt(known.shape[1] / max(1e-9, float((centred[seen] ** 2).sum(axis=1).mean())))
        both = np.concatenate([known, centred * scale], axis=1)
        logistic = kit["LogisticRegression"](C=0.003, max_iter=2000)
        scores["logistic"][unseen] = logistic.fit(both[seen], labels[seen]).decision_function(
            both[unseen]
        )
        common = np.argsort(-grams[seen].sum(axis=0), kind="stable")[:256]
        blank = np.isnan(columns[seen]).all(axis=0)  # the trees need a value in each column
        mixed = np.concatenate([np.where(blank, 0, columns), grams[:, common]], axis=1)
        boosting = kit["HistGradientBoostingClassifier"](
            max_iter=150, learning_rate=0.08, max_leaf_nodes=8, min_samples_leaf=10,
            l2_regularization=1.0, max_features=0.3, early_stopping=False, random_state=seed,
        )  # fmt: skip
        scores["boosting"][unseen] = boosting.fit(mixed[seen], labels[seen]).decision_function(
            mixed[unseen]
        )
    return scores, folds


def _known_mean(columns: Floats) -> Floats:
    """The mean of each column's defined values; 0 where none is."""
    known = ~np.isnan(columns)
    mean: Floats = np.where(known, columns, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    return mean


def _kit() -> dict[str, Any]:
    """What is used of scikit-learn, imported here alone."""
    try:
        from sklearn.ensemble import HistGradientBoostingClassifier
        from sklearn.linear_model import LogisticRegression
        from sklearn.model_selection import StratifiedGroupKFold
    except ImportError as e:
        raise MissingExtraError(
            "telling two sets apart needs scikit-learn", remedy="pip install 'tunesmith[eval]'"
        ) from e
    return {
        k.__name__: k
        for k in (HistGradientBoostingClassifier, LogisticRegression, StratifiedGroupKFold)
    }
