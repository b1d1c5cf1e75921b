"""Choosing the best of many: limits, ranks, errors."""

import pytest

from tunesmith.api.composing import generate, load_model
from tunesmith.errors import UsageError
from tunesmith.evaluation.ranking import Candidate, choose_best, parse_limits
from tunesmith.evaluation.rules_score import rule_figures


def made(combined, bits, run=None, in_scale=1.0):
    return Candidate({"in_scale": in_scale, "combined": combined}, bits, run)


FOUR = [made(0.9, 1.0, 30), made(0.5, 3.0, 5), made(0.8, 2.0, 8, 0.5), made(0.7, 2.5, 9, None)]


@pytest.mark.parametrize(
    ("rank", "kept"),
    [("rules", (0, 2, 3, 1)), ("likelihood", (3, 1, 2, 0)), ("both", (3, 0, 2, 1))],
)
def test_ranks(rank, kept):
    # |bits - 2.6|: 1.6, 0.4, 0.6, 0.1; places by both: 1.5, 2, 1.5, 1
    assert choose_best(FOUR, 4, rank=rank, typical_bits=2.6).kept == kept


def test_as_good_as_real_tunes_is_good_enough():
    # Short of 0.25 by 0.1, 0, 0, 0 and 0.15; over 13 notes by 0, 7, 0, 1 and 0.
    five = [made(0.15, 2, 5), made(0.99, 2, 20), made(0.6, 2, 13), made(0.9, 2, 14), made(0.1, 2)]
    assert choose_best(five, 5, usual_run=13).kept == (2, 3, 1, 0, 4)
    assert choose_best(five, 5).kept == (1, 2, 3, 0, 4)  # no index: rules alone


def test_a_tune_of_hardly_any_notes_comes_last():
    empty = Candidate({"combined": 1.0}, 2.6, sparse=True)
    assert choose_best([empty, *FOUR], 5, rank="rules").kept == (1, 3, 4, 2, 0)


def test_a_tune_of_which_nothing_was_sampled_is_like_no_real_one():
    silent = Candidate({"combined": 1.0}, None)
    assert choose_best([silent, *FOUR], 5, rank="likelihood", typical_bits=2.6).kept[-1] == 0


def test_limits_refuse_and_are_counted():
    choice = choose_best(FOUR, 2, rank="rules", limits={"in_scale": 0.9}, most_copied=9)
    assert choice.kept == (3, 1) and choice.passed == 2
    assert choice.refused == {"--max-copy 9": 1, "--min-rule in_scale=0.9": 1}


def test_errors():
    with pytest.raises(UsageError, match=r"only 3 of 4 tunes pass.*loosen --max-copy 9"):
        choose_best(FOUR, 4, most_copied=9)
    with pytest.raises(UsageError, match="no index"):
        choose_best([made(1, 1)], 1, most_copied=3)
    with pytest.raises(UsageError, match="how many bits"):
        choose_best(FOUR, 1, rank="both")
    with pytest.raises(UsageError, match="no rank"):
        choose_best(FOUR, 1, rank="best")
    assert parse_limits(["in_scale=0.9"]) == {"in_scale": 0.9}
    for text, says in [("x=1", "no rule 'x'"), ("in_scale", "no limit"), ("varied=2", "limit of")]:
        with pytest.raises(UsageError, match=says):
            parse_limits([text])


def test_generate_keeps_the_best(run_folder):
    model = load_model(run_folder)
    everything = generate(model, count=6, seed=4, bars=4)
    best = generate(model, count=2, from_=6, seed=4, bars=4, rank="rules", apart=0)
    scores = sorted((t.receipt["rules"]["combined"] for t in everything), reverse=True)
    assert [t.receipt["rules"]["combined"] for t in best] == scores[:2]
    assert best[0].receipt["rules"] == rule_figures(best[0].melody)
    assert best[0].receipt["chosen"]["place"] == 1 and best[0].receipt["chosen"]["from"] == 6
    with pytest.raises(UsageError, match="4 melodies from 2"):
        generate(model, count=4, from_=2)
    with pytest.raises(UsageError, match="no rule 'beauty'"):
        generate(model, min_rules={"beauty": 1})
