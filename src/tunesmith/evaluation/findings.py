"""Sentences that judge, each decided by figures with their intervals.

A finding is a row of `FINDINGS`: the conditions that its figures must meet, and the
sentence, which shows those figures with their intervals in brackets. Conditions look at
the end of the interval that is against them, so that a sentence stands only where its
figures leave no room. A figure that was not measured meets no condition.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tunesmith.evaluation.likelihood import FEWEST_TUNES
from tunesmith.evaluation.rules import RULES

Floats = NDArray[np.float64]


class Figure(NamedTuple):
    """A measured value with its interval.

    Attributes:
        value: the estimate.
        low, high: ends of the interval: 95 % where nothing else is said; NaN where there
            are too few tunes for one.
    """

    value: float
    low: float
    high: float


Figures = Mapping[str, Figure]


@dataclass(frozen=True)
class Above:
    """Met where the whole interval of a figure lies above a bound."""

    name: str
    bound: float

    def holds(self, figures: Figures) -> bool:
        """Whether the interval's lower end is above the bound; never for NaN or no figure."""
        return self.name in figures and figures[self.name].low > self.bound


@dataclass(frozen=True)
class Below:
    """Met where the whole interval of a figure lies below a bound."""

    name: str
    bound: float

    def holds(self, figures: Figures) -> bool:
        """Whether the interval's upper end is below the bound; never for NaN or no figure."""
        return self.name in figures and figures[self.name].high < self.bound


TRAINING, MELODIES = "training", "melodies"
STRENGTH, WEAKNESS, NEUTRAL = "strength", "weakness", "neutral"


@dataclass(frozen=True)
class Finding:
    """A sentence and what decides it.

    Attributes:
        name: for tests and scripts.
        part: TRAINING or MELODIES.
        kind: STRENGTH, WEAKNESS or NEUTRAL.
        conditions: all must hold.
        sentence: '{name}' shows a figure with its interval, '{name:.1f}' in that form,
            '{name|%}' as a percentage, '{name|+%}' with its sign.
        command: for a weakness, the command that addresses it; {run}, {corpus}, {steps},
            {twice} and {best_step} are filled in, and figures by their names.
    """

    name: str
    part: str
    kind: str
    conditions: tuple[Above | Below, ...]
    sentence: str
    command: str = ""

    def holds(self, figures: Figures) -> bool:
        """Whether the sentence stands: all it shows was measured, and all conditions are met."""
        shown = (figures.get(m[1]) for m in _SLOT.finditer(self.sentence))
        measured = all(f is not None and not any(map(math.isnan, f)) for f in shown)
        return measured and all(c.holds(figures) for c in self.conditions)

    def said(self, figures: Figures) -> str:
        """The sentence with its figures."""
        return _SLOT.sub(lambda m: _shown(figures[m[1]], m[2] or ""), self.sentence)


_SLOT = re.compile(r"\{(\w+)(?:[:|]([^}]*))?\}")


def _shown(figure: Figure, form: str) -> str:
    if form.endswith("%"):
        value, low, high = (format(100 * v, form[:-1] + ".1f") for v in figure)
        return f"{value} % [{low}, {high}]"
    value, low, high = (format(v, form or ".3f") for v in figure)
    return f"{value} [{low}, {high}]"


# What counts as much or little: judgements, each shown beside the figure it decides on.
SMALL_GAP = 0.05
"""Validation minus training bits a note, as a share of training: below it, a small gap."""
LARGE_GAP = 0.15
"""As above: beyond it, the training tunes are known far better than others."""
WORTH_IT = 0.01
"""Share of the validation loss that twice the steps must save to be worth it."""
HALF_SD = 0.5
"""Standard deviations between tunes: a medium difference (Cohen 1988, ch. 2)."""
COPIED = 0.02
"""Share of 12-interval runs seen in training, beyond that of held-out human tunes."""

_LONGER = "tunesmith train {corpus} --out longer --steps {twice}"
_SAFER = "tunesmith generate --model {run} --top-p 0.85 --count 8 --out safer"
_BOLDER = "tunesmith generate --model {run} --temperature 1.1 --count 8 --out bolder"

_TRAINING_ROWS = (
    Finding(
        "learned", TRAINING, STRENGTH, (Above("gain_over_markov", 0.0),),
        "The model predicts held-out tunes better than the best Markov model of the same "
        "training tunes: {bits_per_note} bits a note, which is {gain_over_markov} fewer.",
    ),
    Finding(
        "not_learned", TRAINING, WEAKNESS, (Below("gain_over_markov", 0.0),),
        "The model predicts held-out tunes worse than the best Markov model of the same training "
        "tunes: {bits_per_note} bits a note; the Markov model's figure minus its own is "
        "{gain_over_markov}.",
        _LONGER,
    ),
    Finding(
        "beats_all", TRAINING, STRENGTH, (Above("gain_over_best", 0.0),),
        "It predicts held-out tunes better than every baseline in the table: {gain_over_best} "
        "bits a note fewer than the best of them.",
    ),
    Finding(
        "baseline_ahead", TRAINING, WEAKNESS, (Below("gain_over_best", 0.0),),
        "The best of the baselines predicts held-out tunes better: its bits a note minus those of "
        "the model are {gain_over_best}.",
        _LONGER,
    ),
    Finding(
        "small_gap", TRAINING, STRENGTH, (Below("relative_gap", SMALL_GAP),),
        "It has not learned its training tunes by heart: the bits a note of held-out tunes lie "
        "{relative_gap|+%} above those of training tunes.",
    ),
    Finding(
        "large_gap", TRAINING, WEAKNESS, (Above("relative_gap", LARGE_GAP),),
        "It overfits: the bits a note of held-out tunes lie {relative_gap|+%} above those of "
        "training tunes. More tunes are the first thing to try.",
        "tunesmith prepare folk MORE_FILES --out more-tunes",
    ),
    Finding(
        "got_worse", TRAINING, WEAKNESS, (Above("rise_since_best", 0.0),),
        "It was trained past its best point: the last checkpoint costs {rise_since_best} bits a "
        "note more than the best one on held-out tunes.",
        "tunesmith train {corpus} --out shorter --steps {best_step}",
    ),
    Finding(
        "longer_helps", TRAINING, WEAKNESS, (Above("gain_of_longer", WORTH_IT),),
        "It has not converged: by the fitted curve, twice as many steps would lower the "
        "validation loss by {gain_of_longer|%} (80 % interval).",
        _LONGER,
    ),
    Finding(
        "converged", TRAINING, NEUTRAL,
        (Above("gain_of_longer", -WORTH_IT), Below("gain_of_longer", WORTH_IT)),
        "It has reached a plateau: by the fitted curve, twice as many steps would lower the "
        "validation loss by only {gain_of_longer|%} (80 % interval).",
    ),
    Finding(
        "larger_next", TRAINING, WEAKNESS,
        (Below("gain_of_longer", WORTH_IT), Below("relative_gap", SMALL_GAP)),
        "Twice the steps would save only {gain_of_longer|%} (80 % interval), and the gap to the "
        "training tunes is {relative_gap|+%}: a larger model is the next thing to try.",
        "tunesmith train {corpus} --out larger --size small --steps {steps}",
    ),
)  # fmt: skip

COMPARED = {
    "scale_consistency": (
        "Share of notes in one scale", "keep to one scale as", "stray from the scale",
        "keep to one scale more strictly", _SAFER, _BOLDER,
    ),
    "mean_interval": (
        "Mean step from note to note, semitones", "step and leap as", "move too little",
        "leap too much", _BOLDER, _SAFER,
    ),
    "pitch_range": (
        "Range, semitones", "span as wide a range as", "use too narrow a range",
        "use too wide a range", _BOLDER, _SAFER,
    ),
    "notes_per_quarter": (
        "Notes a quarter", "are as dense as", "have too few notes", "have too many notes",
        _LONGER, _LONGER,
    ),
    "rest_share": (
        "Share of time in rests", "rest as much as", "rest too little", "rest too much",
        _LONGER, _LONGER,
    ),
    "syncopation": (
        "Syncopation", "are as syncopated as", "are too square", "are too syncopated",
        _LONGER, _SAFER,
    ),
    "groove_similarity": (
        "Likeness of rhythm from bar to bar", "keep their rhythm from bar to bar as",
        "change rhythm too much from bar to bar", "change rhythm too little", _SAFER, _BOLDER,
    ),
    "bars_repeated": (
        "Share of bars heard before in the tune", "repeat as many bars as", "repeat too few bars",
        "repeat too many bars", _LONGER, _BOLDER,
    ),
    "repetition_10": (
        "Share of 10-interval runs that recur", "come back to their motifs as",
        "come back to their motifs too seldom", "go round in circles", _LONGER, _BOLDER,
    ),
    "phrases_repeated": (
        "Share of 4-bar phrases heard before", "repeat as many phrases as",
        "repeat too few phrases", "repeat too many phrases", _LONGER, _BOLDER,
    ),
    "bar_count": (
        "Length, bars", "are as long as", "are too short", "are too long",
        "tunesmith generate --model {run} --bars 16 --count 8 --out sixteen",
        "tunesmith generate --model {run} --bars 16 --count 8 --out sixteen",
    ),
}  # fmt: skip
"""Features that are judged: label, what is said of a like, a lower and a higher mean, and the
commands for the latter two."""


def _compared(name: str) -> Iterator[Finding]:
    """The rows of a feature: `away_<name>` is the difference in human standard deviations."""
    label, like, lower, higher, if_lower, if_higher = COMPARED[name]
    away = f"away_{name}"
    shown = (
        f" ({label[0].lower()}{label[1:]}: {{generated_{name}:.2f}} against {{human_{name}:.2f}}; "
        f"{{{away}:+.2f}} standard deviations away)."
    )
    yield Finding(
        f"like_{name}", MELODIES, STRENGTH, (Above(away, -HALF_SD), Below(away, HALF_SD)),
        f"The melodies {like} held-out human tunes, within half a deviation{shown}",
    )  # fmt: skip
    yield Finding(
        f"lower_{name}", MELODIES, WEAKNESS, (Below(away, -HALF_SD),),
        f"The melodies {lower}, beside held-out human tunes{shown}", if_lower,
    )  # fmt: skip
    yield Finding(
        f"higher_{name}", MELODIES, WEAKNESS, (Above(away, HALF_SD),),
        f"The melodies {higher}, beside held-out human tunes{shown}", if_higher,
    )  # fmt: skip


_KEPT = "tunesmith generate --model {run} --count 8 --from 64 --out kept --min-rule"


def _ruled(name: str) -> Iterator[Finding]:
    """The rows of a musical rule; `away_rule_<name>` as in `_compared`."""
    away = f"away_rule_{name}"
    shown = (
        f" '{name.replace('_', ' ')}' (score {{generated_rule_{name}:.2f}} against "
        f"{{human_rule_{name}:.2f}}; {{{away}:+.2f}} standard deviations away)."
    )
    yield Finding(
        f"rule_kept_{name}", MELODIES, STRENGTH, (Above(away, -HALF_SD), Below(away, HALF_SD)),
        f"The melodies keep the rule as held-out human tunes do, within half a deviation:{shown}",
    )  # fmt: skip
    yield Finding(
        f"rule_broken_{name}", MELODIES, WEAKNESS, (Below(away, -HALF_SD),),
        f"The melodies break a rule more than held-out human tunes:{shown}",
        f"{_KEPT} {name}={{human_rule_{name}}}",
    )  # fmt: skip


_COPY_ROWS = (
    Finding(
        "copies", MELODIES, WEAKNESS, (Above("copied_beyond_human", COPIED),),
        "It copies: {generated_seen|%} of its 12-interval runs stand in training tunes, and "
        "{human_seen|%} of those of held-out human tunes; the difference is "
        "{copied_beyond_human|+%}.",
        "tunesmith generate --model {run} --count 8 --from 64 --max-copy 12 --out less-copied",
    ),
    Finding(
        "original", MELODIES, STRENGTH, (Below("copied_beyond_human", 0.0),),
        "It copies no more than people do: {generated_seen|%} of its 12-interval runs stand in "
        "training tunes, and {human_seen|%} of those of held-out human tunes; the difference is "
        "{copied_beyond_human|+%}.",
    ),
)  # fmt: skip

FINDINGS: tuple[Finding, ...] = (
    *_TRAINING_ROWS,
    *(row for name in COMPARED for row in _compared(name)),
    *(row for name in RULES for row in _ruled(name)),
    *_COPY_ROWS,
)
"""Every sentence that judges, in the order in which a report says them."""


class Said(NamedTuple):
    """A finding that holds, in words.

    Attributes:
        finding: the row.
        sentence: with its figures.
        command: filled in; '' for none.
    """

    finding: Finding
    sentence: str
    command: str


def findings(
    figures: Figures, names: Mapping[str, str], table: tuple[Finding, ...] = FINDINGS
) -> Iterator[Said]:
    """The findings that hold, in the order of the table.

    Args:
        figures: all that was measured, by name.
        names: what stands in commands: run, corpus, steps, twice, best_step.
        table: the rows.
    """
    filled = {**{name: f"{figure.value:.2f}" for name, figure in figures.items()}, **names}
    for finding in table:
        if finding.holds(figures):
            yield Said(finding, finding.said(figures), finding.command.format(**filled))


def difference(ours: Sequence[float], theirs: Sequence[float], *, draws: int = 2000) -> Figure:
    """Mean of `ours` minus mean of `theirs`, in standard deviations of `theirs` between tunes.

    d = (mean x - mean y) / sd y (Glass 1976), with a percentile bootstrap over the tunes of
    both sets, the standard deviation held. Values that are NaN are left out. NaN where a
    set has fewer than two values, or all of `theirs` are one value.

    Args:
        ours: a value for each tune.
        theirs: the same of what it is compared with.
        draws: resamples; seeded, so the same each time.
    """
    x, y = _known(ours), _known(theirs)
    if len(x) < 2 or len(y) < 2 or not y.std() > 0:
        return Figure(math.nan, math.nan, math.nan)
    scale = float(y.std(ddof=1))
    apart = (_means(x, draws, 1) - _means(y, draws, 2)) / scale
    return _figure(float(x.mean() - y.mean()) / scale, apart, min(len(x), len(y)))


def mean(values: Sequence[float], *, draws: int = 2000) -> Figure:
    """The mean of the values that are not NaN, with a percentile bootstrap; NaN for none."""
    x = _known(values)
    if not len(x):
        return Figure(math.nan, math.nan, math.nan)
    return _figure(float(x.mean()), _means(x, draws, 1), len(x))


Parts = tuple[Sequence[float], Sequence[float]]
"""Of each tune what is counted, and among how many; such as bits and notes."""


def ratio(ours: Parts, *, draws: int = 2000) -> Figure:
    """The sum of what is counted over the sum of among how many, over all tunes together.

    Args:
        ours: of each tune; one of which nothing is to be counted has no say. NaN for no other.
        draws: resamples of the percentile bootstrap over tunes.
    """
    return _figure(*_ratios(ours, draws, 1))


def ratio_difference(ours: Parts, theirs: Parts, *, draws: int = 2000) -> Figure:
    """`ratio` of `ours` minus that of `theirs`; a bootstrap over the tunes of each."""
    (a, many_a, n), (b, many_b, m) = _ratios(ours, draws, 1), _ratios(theirs, draws, 2)
    return _figure(a - b, many_a - many_b, min(n, m))


def relative_excess(ours: Parts, theirs: Parts, *, draws: int = 2000) -> Figure:
    """`ratio` of `ours` over that of `theirs`, minus 1; above -1. As `ratio_difference`."""
    (a, many_a, n), (b, many_b, m) = _ratios(ours, draws, 1), _ratios(theirs, draws, 2)
    return _figure(a / b - 1, many_a / many_b - 1, min(n, m))


def _ratios(parts: Parts, draws: int, seed: int) -> tuple[float, Floats, int]:
    """The ratio, that of each resample, and how many tunes have a say."""
    counted, among = (np.asarray(p, np.float64) for p in parts)
    counted, among = counted[among > 0], among[among > 0]
    if not len(among):
        return math.nan, np.full(draws, math.nan), 0
    picks = np.random.default_rng(seed).integers(len(among), size=(draws, len(among)))
    many = counted[picks].sum(1) / among[picks].sum(1)
    return float(counted.sum() / among.sum()), many, len(among)


def _figure(value: float, resampled: Floats, tunes: int) -> Figure:
    """A value with the interval that its resamples span, if they are of enough tunes."""
    if tunes < FEWEST_TUNES:
        return Figure(value, math.nan, math.nan)
    low, high = np.percentile(resampled, [2.5, 97.5])
    return Figure(value, float(low), float(high))


def _known(values: Sequence[float]) -> Floats:
    x = np.asarray(values, np.float64)
    known: Floats = x[~np.isnan(x)]
    return known


def _means(x: Floats, draws: int, seed: int) -> Floats:
    picks = np.random.default_rng(seed).integers(len(x), size=(draws, len(x)))
    means: Floats = x[picks].mean(axis=1)
    return means
