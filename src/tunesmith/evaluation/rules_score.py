"""One score from all rules: how much a melody is like real ones rather than like fakes.

The constants were fitted by `benchmarks/rules.py fit`, a logistic regression with a small
ridge and weights that are 0 or more, so that keeping a rule better never lowers the score.
150 real tunes each of the training sides of `folk` and `openewld` stood against the same tunes with
pitches shuffled, with lengths and rests shuffled, and with pitches from Markov chains of
order 0 and 2 on their rhythm.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping

from tunesmith.evaluation.rules import RULES, judge
from tunesmith.evaluation.rules_heard import RuleScore
from tunesmith.melody import Melody

# BEGIN TABLES printed by benchmarks/rules.py fit
CONSTANT = 4.94
WEIGHTS = {
    "in_scale": 0.00,
    "chromatic_resolved": 0.34,
    "leaps_recovered": 0.00,
    "small_intervals": 5.97,
    "weak_notes_by_step": 3.35,
    "singable_range": 2.87,
    "bars_filled": 2.40,
    "rhythm_consistent": 0.00,
    "long_notes_on_beat": 3.66,
    "rests_at_phrase_ends": 2.21,
    "ends_stable": 0.81,
    "phrases_end_stable": 0.00,
    "strong_notes_stable": 4.10,
    "one_harmony_a_bar": 4.54,
    "bars_return": 10.31,
    "motifs_return": 3.63,
    "not_hammered": 0.00,
    "varied": 0.00,
}
TYPICAL = {
    "in_scale": 0.967,
    "chromatic_resolved": 0.775,
    "leaps_recovered": 0.902,
    "small_intervals": 0.732,
    "weak_notes_by_step": 0.840,
    "singable_range": 0.961,
    "bars_filled": 0.993,
    "rhythm_consistent": 0.977,
    "long_notes_on_beat": 0.923,
    "rests_at_phrase_ends": 0.958,
    "ends_stable": 0.848,
    "phrases_end_stable": 0.764,
    "strong_notes_stable": 0.641,
    "one_harmony_a_bar": 0.764,
    "bars_return": 0.869,
    "motifs_return": 0.886,
    "not_hammered": 0.998,
    "varied": 1.000,
}
# END TABLES


def combined(scores: Mapping[str, RuleScore], without: Collection[str] = ()) -> float:
    """1 / (1 + exp(-(c + sum of w (s - t)))) over the rules that apply.

    s is the rule's score, w its weight, t its mean over real tunes; a rule that does not
    apply counts as at t. Range 0 to 1; over a half is likelier real than fake, in a mix of
    half and half. Source: logistic regression (Cox 1958).

    Args:
        scores: from `judge`.
        without: rules to leave out.
    """
    total = CONSTANT
    for name, found in scores.items():
        if found.score is not None and name not in without:
            total += WEIGHTS[name] * (found.score - TYPICAL[name])
    return 1 / (1 + math.exp(-total))


def rule_figures(melody: Melody) -> dict[str, float | None]:
    """The score of each rule, None where it does not apply, and 'combined'; for receipts."""
    found = judge(melody)
    figures = {n: None if r.score is None else round(r.score, 4) for n, r in found.items()}
    # Four digits, not four places: those of fakes are near 0, and their order counts too.
    return {**figures, "combined": float(f"{combined(found):.4g}")}


assert set(WEIGHTS) == set(TYPICAL) == set(RULES)
