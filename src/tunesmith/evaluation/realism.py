"""How like a reference a set of tunes is: overlaps beside their ceiling, and distances.

The protocol, fixed: the reference is cut in two halves at random, near-duplicates
together, and a sample of the set is drawn, all of one size: half of the reference, at
most 1,000 and at most the set. This is done `DRAWS` times. The *ceiling* of a figure is its
mean between the two halves; the set's figure is the mean between its sample and the
first half. So a set that is as good as the reference itself reaches the ceiling.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from tunesmith.corpus.duplicates import Groups, Sketches, sketch
from tunesmith.errors import InputError
from tunesmith.evaluation.features import FEATURES, measure
from tunesmith.evaluation.lines import Line
from tunesmith.melody import Melody

DRAWS = 100
LARGEST = 1000
FEWEST = 8
"""Tunes that a set and half a reference must have, that a figure may be given."""

GRID = 1024
"""Bins on which a density is estimated."""

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Table = dict[str, Floats]


def feature_table(melodies: Sequence[Melody]) -> Table:
    """Every feature of every melody: by name an array of (tunes, size of the feature)."""
    rows = [measure(Line(m)) for m in melodies]
    return {name: np.array([row[name] for row in rows]) for name in FEATURES}


def clusters(melodies: Sequence[Melody]) -> Ints:
    """For each melody the number of its cluster of near-duplicates; see `corpus.duplicates`."""
    sketches, groups = Sketches(), Groups(len(melodies))
    for melody in melodies:
        sketches.add(sketch(melody))
    for a, b in sketches.neighbours():
        groups.join(a, b)
    return np.array([groups.find(i) for i in range(len(melodies))], dtype=np.int64)


# -- overlap and distance of one feature ------------------------------------------


class Estimator:
    """Turns the values of a set into a distribution, by rules that the reference fixes.

    A scalar is smoothed with Gaussian kernels of Scott's bandwidth, h = s n^(-1/5), where
    s is the standard deviation over the whole reference and n the size of the samples
    (Scott, Multivariate Density Estimation, 1992). It is computed on `GRID` bins from
    3 h below the least to 3 h above the largest value of the reference; values beyond
    count in the last bin, and each kernel is scaled to sum to 1 on the grid. The share
    of tunes for which the feature is undefined is a value of its own. A histogram is
    the mean of the tunes' histograms, and the undefined are a bin of their own.

    Args:
        reference: (tunes, size); NaN where undefined.
        n: tunes in a sample.
    """

    def __init__(self, reference: Floats, n: int) -> None:
        self._kernel: Floats | None = None
        if reference.shape[1] > 1:
            return
        known = reference[~np.isnan(reference)]
        if not len(known):
            known = np.zeros(1)
        spread = float(known.std())
        width = spread * n**-0.2 if spread > 0 else 1e-3 * max(1.0, abs(float(known[0])))
        low, high = known.min() - 3 * width, known.max() + 3 * width
        self.bandwidth = width
        self._low, self._step = low, (high - low) / GRID
        apart = np.arange(GRID)[:, None] - np.arange(GRID)[None, :]
        kernel = np.exp(-0.5 * (apart * self._step / width) ** 2)
        self._kernel = kernel / kernel.sum(axis=1, keepdims=True)

    def distribution(self, values: Floats) -> Floats:
        """Probabilities of a sample's values, (tunes, size), the undefined last; they sum to 1."""
        undefined = np.isnan(values[:, 0])
        known = values[~undefined]
        share = 1 - float(undefined.mean())
        if self._kernel is None:
            mean = known.mean(axis=0) if len(known) else np.zeros(values.shape[1])
            return np.append(mean * share, 1 - share)
        places = np.floor((known[:, 0] - self._low) / self._step)
        bins = np.clip(places, 0, GRID - 1).astype(np.int64)
        density = np.bincount(bins, minlength=GRID) / max(1, len(known)) @ self._kernel
        return np.append(density * share, 1 - share)


def overlap(a: Floats, b: Floats) -> float:
    """Overlapping area: sum of min(a, b) over two distributions on the same bins.

    Range: 0 (nothing in common) to 1 (equal). Source: Yang and Lerch (2020), OA; of the
    sets' values themselves here, not of distances between tunes.
    """
    return float(np.minimum(a, b).sum())


def jensen_shannon(a: Floats, b: Floats) -> float:
    """Jensen-Shannon divergence in bits: H((a+b)/2) - (H(a) + H(b)) / 2.

    Range: 0 (equal) to 1 (nothing in common). Source: Lin, Divergence measures based on
    the Shannon entropy, IEEE Trans. Inf. Theory 37 (1991). Yang and Lerch's KL is
    infinite where one set has a value that the other lacks; this never is.
    """
    middle = (a + b) / 2
    return max(0.0, _entropy(middle) - (_entropy(a) + _entropy(b)) / 2)


def _entropy(p: Floats) -> float:
    p = p[p > 0]
    return float(-(p * np.log2(p)).sum())


# -- distance of all features together ------------------------------------------


def standardised(table: Table, reference: Table) -> Floats:
    """The scalar features less the reference's mean, over its standard deviation.

    Undefined values become 0, the reference's mean; a feature constant in the reference
    is divided by 1. (tunes, scalar features)
    """
    columns = []
    for name, feature in FEATURES.items():
        if feature.kind != "scalar":
            continue
        values, known = table[name][:, 0], reference[name][:, 0]
        known = known[~np.isnan(known)]
        mean, spread = (known.mean(), known.std()) if len(known) else (0.0, 0.0)
        columns.append(np.nan_to_num((values - mean) / (spread or 1.0)))
    return np.column_stack(columns)


def frechet(a: Floats, b: Floats) -> float:
    """Fréchet distance: |m_a - m_b|² + tr(A + B - 2 (A^½ B A^½)^½).

    m are the means and A, B the covariances (over n - 1) of two samples, (tunes, features).
    Range: 0 up, and above 0 for two samples of one source, the more so the smaller
    they are: read it beside its ceiling. Undefined (NaN) for fewer than two tunes.
    Source: Dowson and Landau (1982); Heusel and others (2017) for sets of samples.
    """
    if min(len(a), len(b)) < 2:
        return float("nan")
    cov_a, cov_b = (np.atleast_2d(np.cov(x, rowvar=False)) for x in (a, b))
    values, vectors = np.linalg.eigh(cov_a)
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    cross = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ cov_b @ root), 0)).sum()
    apart = float(((a.mean(axis=0) - b.mean(axis=0)) ** 2).sum())
    return max(0.0, apart + float(np.trace(cov_a) + np.trace(cov_b) - 2 * cross))


# -- the first write-up's three ---------------------------------------------------


def pitch_kl(tunes: Sequence[Melody], reference: Sequence[Melody]) -> float:
    """KL(reference || tunes) of the pitch classes of all notes of a set, in bits.

    sum r log2(r / s), each class counted one note more than it has, so that it is
    never infinite. Range: 0 up. Source: Kullback and Leibler (1951).
    """
    r, s = (_pitch_class_counts(m) for m in (reference, tunes))
    return float((r * np.log2(r / s)).sum())


def _pitch_class_counts(melodies: Sequence[Melody]) -> Floats:
    counts = np.ones(12)
    for melody in melodies:
        counts += np.bincount(np.array(melody.pitches) % 12, minlength=12)
    return counts / float(counts.sum())


def transition_error(tunes: Sequence[Melody], reference: Sequence[Melody]) -> float:
    """How far apart the pitch-class transition matrices of two sets are.

    The mean over pitch classes x, weighted by how often the reference leaves x, of
    ½ sum_y |P_ref(y | x) - P_set(y | x)|. A row that the set never leaves counts 1.
    Range: 0 to 1; undefined (NaN) where the reference has no transition. The total
    variation of the rows; the first write-up named the figure without a formula.
    """
    r, s = (_transitions(m) for m in (reference, tunes))
    left = r.sum(axis=1)
    if not left.sum():
        return float("nan")
    with np.errstate(invalid="ignore", divide="ignore"):
        rows = np.abs(r / left[:, None] - s / s.sum(axis=1)[:, None]).sum(axis=1) / 2
    used = left > 0
    return float((np.nan_to_num(rows[used], nan=1.0) * left[used]).sum() / left.sum())


def _transitions(melodies: Sequence[Melody]) -> Floats:
    counts = np.zeros((12, 12))
    for melody in melodies:
        for a, b in pairwise(melody.pitches):
            counts[a % 12, b % 12] += 1
    return counts


def four_gram_overlap(tunes: Sequence[Melody], reference: Sequence[Melody]) -> float:
    """The share of the set's different pitch-class 4-grams that the reference has too.

    Range: 0 to 1; undefined (NaN) if no tune has four notes. It grows with the size of
    both. The first write-up named the figure without a formula.
    """
    mine, theirs = _four_grams(tunes), _four_grams(reference)
    return len(mine & theirs) / len(mine) if mine else float("nan")


def _four_grams(melodies: Sequence[Melody]) -> set[tuple[int, ...]]:
    classes = ([p % 12 for p in m.pitches] for m in melodies)
    return {tuple(c[i : i + 4]) for c in classes for i in range(len(c) - 3)}


# -- a set against a reference ----------------------------------------------------


@dataclass(frozen=True)
class Row:
    """A figure of a set beside its ceiling.

    Attributes:
        reference, set: mean of the feature, NaN for a histogram; undefined values left out.
        reference_sd, set_sd: standard deviations.
        undefined: the share of the set's tunes for which it is undefined.
        ceiling: overlap of the halves of the reference, mean over the draws.
        overlap: overlap of the set with a half, mean over the draws.
        share: overlap / ceiling.
        low, high: 2.5th and 97.5th percentile of that share over the draws.
        divergence, divergence_floor: Jensen-Shannon, of the set and of the halves, in bits.
    """

    reference: float
    reference_sd: float
    set: float
    set_sd: float
    undefined: float
    ceiling: float
    overlap: float
    share: float
    low: float
    high: float
    divergence: float
    divergence_floor: float


@dataclass(frozen=True)
class Realism:
    """What `realism` found.

    Attributes:
        size: tunes in each sample; in the smallest, where near-duplicates let halves differ.
        draws: how often they were drawn.
        rows: by feature.
        frechet, frechet_floor: of the set and of the halves, means over the draws.
        pitch_kl, transition_error, four_gram_overlap: the set's, over all its tunes.
        halves: the same three between the halves of the reference, means over the draws.
    """

    size: int
    draws: int
    rows: dict[str, Row]
    frechet: float
    frechet_floor: float
    pitch_kl: float
    transition_error: float
    four_gram_overlap: float
    halves: tuple[float, float, float]


def halves(groups: Ints, size: int, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """Two samples of at most `size` places each, equally many; no group in both.

    Groups come in random order, each to the sample that has fewer; what is too much of
    a sample is left out at random.
    """
    _, names = np.unique(groups, return_inverse=True)
    members: list[list[int]] = [[] for _ in range(int(names.max()) + 1)]
    for place, name in enumerate(names.tolist()):
        members[name].append(place)
    sides: tuple[list[int], list[int]] = ([], [])
    for name in rng.permutation(len(members)).tolist():
        sides[len(sides[0]) > len(sides[1])].extend(members[name])
    most = min(size, len(sides[0]), len(sides[1]))
    first, second = (rng.permutation(np.array(s, dtype=np.int64))[:most] for s in sides)
    return first, second


def realism(
    tunes: Sequence[Melody], reference: Sequence[Melody], *, draws: int = DRAWS, seed: int = 0
) -> Realism:
    """The figures of a set of tunes against a reference, by the protocol above.

    Raises:
        InputError: if one of them has too few tunes, or a half of the reference has, which
            holds no near-duplicate of the other.
    """
    if len(tunes) < FEWEST or len(reference) < 2 * FEWEST:
        raise InputError(
            f"{len(tunes)} tunes against {len(reference)} of the reference",
            remedy=f"give at least {FEWEST} and {2 * FEWEST}",
        )
    table, real = feature_table(tunes), feature_table(reference)
    size = min(LARGEST, len(reference) // 2, len(tunes))
    estimators = {name: Estimator(real[name], size) for name in FEATURES}
    ours, theirs = standardised(table, real), standardised(real, real)
    groups = clusters(reference)
    rng = np.random.default_rng(seed)
    found: dict[str, list[tuple[float, ...]]] = {name: [] for name in FEATURES}
    distances: list[tuple[float, float]] = []
    three: list[list[float]] = []
    smallest = size
    for _ in range(draws):
        first, second = halves(groups, size, rng)
        smallest = min(smallest, len(first))
        if smallest < FEWEST:
            raise InputError(
                f"the {len(reference)} tunes of the reference are variants of few tunes: it cannot "
                f"be cut into halves of {FEWEST} or more without variants of one tune in both",
                remedy="give a reference with more different tunes",
            )
        sample = rng.permutation(len(tunes))[: len(first)]
        for name, e in estimators.items():
            a, b = (e.distribution(real[name][side]) for side in (first, second))
            c = e.distribution(table[name][sample])
            found[name].append(
                (overlap(a, b), overlap(a, c), jensen_shannon(a, b), jensen_shannon(a, c))
            )
        distances.append(
            (frechet(theirs[first], theirs[second]), frechet(theirs[first], ours[sample]))
        )
        if len(three) < 10:  # they are slow, and over whole samples hardly vary
            a_half, b_half = ([reference[i] for i in side] for side in (first, second))
            three.append(
                [f(b_half, a_half) for f in (pitch_kl, transition_error, four_gram_overlap)]
            )
    floor, ours_apart = np.mean(distances, axis=0)
    kl, error, grams = np.mean(three, axis=0)
    return Realism(
        smallest,
        draws,
        {name: _row(table[name], real[name], np.array(found[name])) for name in FEATURES},
        float(ours_apart),
        float(floor),
        pitch_kl(tunes, reference),
        transition_error(tunes, reference),
        four_gram_overlap(tunes, reference),
        (float(kl), float(error), float(grams)),
    )


def _row(values: Floats, real: Floats, found: Floats) -> Row:
    ceiling, overlapping, floor, divergence = found.mean(axis=0)
    ratios = found[:, 1] / ceiling
    low, high = np.percentile(ratios, [2.5, 97.5])
    return Row(
        *_mean_and_sd(real),
        *_mean_and_sd(values),
        float(np.isnan(values[:, 0]).mean()),
        float(ceiling),
        float(overlapping),
        float(overlapping / ceiling),
        float(low),
        float(high),
        float(divergence),
        float(floor),
    )


def _mean_and_sd(values: Floats) -> tuple[float, float]:
    known = values[~np.isnan(values)]
    if values.shape[1] > 1 or not len(known):
        return float("nan"), float("nan")
    return float(known.mean()), float(known.std())
