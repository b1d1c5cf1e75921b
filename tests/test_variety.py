"""How far apart melodies are, and keeping those that differ."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.errors import UsageError
from tunesmith.evaluation.ranking import Candidate, choose_best, reasons, table, weakest
from tunesmith.evaluation.variety import Distances, distance
from tunesmith.melody import Melody, Note


def tune(*pitches, length=240):
    return Melody(notes=tuple(Note(i * length, length, p) for i, p in enumerate(pitches)))


def slow(a, b):
    """The same from its definition, trigram by trigram."""
    first, second = ([m.intervals[i : i + 3] for i in range(len(m.intervals) - 2)] for m in (a, b))
    every = set(first) | set(second)
    apart = sum(abs(first.count(g) - second.count(g)) for g in every)
    return apart / (len(first) + len(second))


def test_by_hand():
    # Trigrams (2 2 1) (2 1 2) against (2 2 1) (2 1 -1) (1 -1 -2): 3 of 5 have no partner.
    a, b = tune(60, 62, 64, 65, 67), tune(67, 69, 71, 72, 71, 69)
    assert distance(a, b) == distance(b, a) == pytest.approx(3 / 5)
    # (0 0 0) twice against once: 1 of 3.
    assert distance(tune(60, 60, 60, 60, 60), tune(60, 60, 60, 60)) == pytest.approx(1 / 3)
    assert distance(a, tune(60, 59, 58, 57)) == 1


def test_key_and_rhythm_do_not_count():
    a = tune(60, 64, 62, 65, 64)
    assert distance(a, tune(67, 71, 69, 72, 71, length=480)) == 0


def test_tunes_of_fewer_than_four_notes():
    a, b, c, d = tune(60, 62), tune(67, 69), tune(60, 61), tune(60, 62, 64, 65)
    assert list(Distances([a, b, c, d]).to(0)) == [0, 0, 1, 1]
    assert list(Distances([a, b, c, d]).to(3)) == [1, 1, 1, 0]
    assert distance(tune(60), tune(72)) == 0


melodies = st.lists(st.integers(55, 60), min_size=4, max_size=20).map(lambda p: tune(*p))


@given(st.lists(melodies, min_size=1, max_size=6))
def test_all_against_the_definition(tunes):
    every = Distances(tunes)
    for i, one in enumerate(tunes):
        assert every.to(i) == pytest.approx([slow(one, other) for other in tunes])


def made(score, run=None, **rules):
    return Candidate({**rules, "combined": score}, 2.5, run)


FOUR = [made(0.9, 4), made(0.8, 7), made(0.7), made(0.6, 9)]
APART = np.array(
    [[0.0, 0.3, 0.8, 0.7], [0.3, 0.0, 0.9, 0.9], [0.8, 0.9, 0.0, 0.5], [0.7, 0.9, 0.5, 0.0]]
)


def chosen(count, apart, **more):
    return choose_best(FOUR, count, distances=APART.__getitem__, apart=apart, **more)


def test_of_two_variants_the_better_stays():
    choice = chosen(2, 0.6)
    assert choice.kept == (0, 2)  # 1 is too near to 0
    assert choice.nearest == ((0.8, 2), (0.8, 0))
    assert choice.too_near == 1 and choice.shortfall == ""
    # What is kept of fewer is the beginning of what is kept of more.
    assert chosen(1, 0.6).kept == (0,) and chosen(1, 0.6).nearest == (None,)
    assert chosen(3, 0.5).kept == (0, 2, 3)  # at the threshold is far enough


def test_too_few_that_differ():
    choice = chosen(3, 0.6)
    assert choice.kept == (0, 2) and choice.too_near == 2
    assert choice.shortfall == (
        "only 2 of the 4 tunes that pass are at least 0.6 apart, and 3 were wanted: "
        "make more with --from"
    )
    with pytest.raises(UsageError, match="only 3 of 4 tunes pass"):
        choose_best([*FOUR[:3], made(0.1, 30)], 4, limits={"combined": 0.5}, apart=0.6)
    with pytest.raises(UsageError, match=r"at least 1\.5 apart"):
        chosen(1, 1.5)


def test_nothing_is_too_near_at_0():
    choice = choose_best([made(0.9), made(0.9)], 2, distances=lambda _: np.zeros(2))
    assert choice.kept == (0, 1) and choice.nearest == ((0.0, 1), (0.0, 0))
    assert choose_best(FOUR, 2).kept == (0, 1)  # no distances: as ranked


def test_refused_tunes_keep_no_one_out():
    candidates = [made(0.9, 30), made(0.8, 7), made(0.7, 1)]
    near = np.array([[0.0, 0.3, 0.8], [0.3, 0.0, 0.9], [0.8, 0.9, 0.0]])
    choice = choose_best(candidates, 2, most_copied=10, distances=near.__getitem__, apart=0.6)
    assert choice.kept == (1, 2) and choice.too_near == 0


def test_why_each_was_kept():
    # Real tunes have small_intervals 0.732, varied 1, ends_stable 0.848 on the mean.
    rules = {"small_intervals": 0.5, "varied": 0.9, "ends_stable": 0.8, "in_scale": 1.0}
    one = made(0.9, 4, bars_return=None, **rules)
    assert weakest(one) == {"small_intervals": 0.5, "varied": 0.9}
    candidates = [one, *FOUR[1:]]
    choice = choose_best(candidates, 2, distances=APART.__getitem__, apart=0.6)
    found = reasons(candidates, choice, ["A", "B", "C", "D"])
    assert found[0] == {
        "place": 1, "score": 0.9, "bits_per_note": 2.5, "nearest": "C", "nearest_distance": 0.8,
        "longest_copy": 4, "weakest": {"small_intervals": 0.5, "varied": 0.9},
    }  # fmt: skip
    assert table(found, ["A", "C"]) == [
        ("place", "tune", "rules", "bits/note", "nearest kept", "longest copy", "below real tunes"),
        ("1", "A", "0.900", "2.50", "0.80 C", "4 notes",
         "small_intervals 0.50 (0.73), varied 0.90 (1.00)"),
        ("2", "C", "0.700", "2.50", "0.80 A", "–", "nothing"),
    ]  # fmt: skip
