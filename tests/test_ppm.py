"""PPM: Pearce's model in numbers worked out by hand, and its probabilities in general."""

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tunesmith.errors import UsageError
from tunesmith.evaluation.ppm import KINDS, PPM, Distribution, Predictor, SequencePPM, combine

pieces = st.lists(st.lists(st.integers(0, 4), max_size=25), max_size=6)
orders = st.one_of(st.none(), st.integers(0, 4))


def fitted(sequences, alphabet=5, **how):
    model = PPM(alphabet, **how)
    for ids in sequences:
        for i, symbol in enumerate(ids):
            model.learn(ids, i, symbol)
    return model


def test_a_short_word_by_hand_without_exclusion():
    # 'abab', order 1, alphabet of 3, what follows 'b'? 'b' was followed by 'a' once.
    # No context: a 2, b 2, so (2 + 0) / 6, (2 + 0) / 6, and 2/6 escapes to thirds.
    found = fitted(["abab"], 3, order=1, exclusion=False).predict("b", 1)
    a0, c0 = 2 / 6 + 2 / 6 / 3, 2 / 6 / 3
    assert found.probability("a") == pytest.approx(1 / 2 + a0 / 2)
    assert found.probability("b") == pytest.approx(a0 / 2)
    assert found.probability("c") == pytest.approx(c0 / 2)


def test_a_short_word_by_hand_with_exclusion():
    # 'abaac', order 1, alphabet of 4, what follows 'a'? In 'a': b, a, c once each: each
    # 1/6, and 3/6 escapes. Without context: a 3, b 1, c 1, of which none is left: passed
    # over. The last, 1 / (4 + 1 - 3), has 1/2 of 3/6 for each symbol. Sum: 3/6 + 4/4 = 3/2.
    found = fitted(["abaac"], 4, order=1).predict("a", 1)
    assert found.probability("a") == pytest.approx((1 / 6 + 1 / 4) / 1.5)
    assert found.probability("d") == pytest.approx((1 / 4) / 1.5)


def test_exclusion_leaves_out_only_what_followed_the_longer_context():
    # 'abac', order 1, alphabet of 4, what follows 'b'? In 'b': a once, so 1/2, and 1/2
    # escapes. Without context: a 2, b 1, c 1; N = 2 without a, t = 3: a 2/5, b 1/5, c 1/5,
    # 3/5 escapes. The last: 1 / (4 + 1 - 3) = 1/2 each.
    found = fitted(["abac"], 4, order=1).predict("b", 1)
    last = 1 / 2 * 3 / 5 * 1 / 2
    raw = {"a": 1 / 2 + 1 / 2 * 2 / 5, "b": 1 / 2 / 5, "c": 1 / 2 / 5, "d": 0}
    total = sum(raw.values()) + 4 * last
    for symbol, p in raw.items():
        assert found.probability(symbol) == pytest.approx((p + last) / total)


def test_unbounded_it_starts_at_the_shortest_context_with_one_follower():
    # After 'xa' twice 'b'; after 'a' alone 'b' or 'c'. 'yxa' is longer than it need be: with
    # exclusion off the answer differs by where the chain starts.
    model = fitted(["yxab", "yxab", "zac"], 6, exclusion=False)
    followers = model._chain("yxa", 3)
    assert followers[-1] == {"b": 2}
    assert len(followers) == 3  # none, 'a', 'xa'
    assert len(fitted(["yxab", "yxab", "zac"], 6, order=3)._chain("yxa", 3)) == 4


def test_nothing_learnt_is_uniform():
    found = PPM(8).predict([], 0)
    assert found.probability("anything") == pytest.approx(1 / 8)
    assert found.entropy == pytest.approx(3)
    assert SequencePPM("stm", 8).bits([5])[0] == pytest.approx(3)


@settings(deadline=None)
@given(pieces, st.lists(st.integers(0, 4), max_size=12), orders, st.booleans())
def test_probabilities_sum_to_one_in_any_context(training, past, order, exclusion):
    model = fitted(training, 7, order=order, exclusion=exclusion)
    found = model.predict(past, len(past))
    assert sum(found.probability(s) for s in range(7)) == pytest.approx(1)
    assert found.total == pytest.approx(1)
    assert all(0 < found.probability(s) <= 1 for s in range(7))
    assert found.entropy == pytest.approx(
        -sum(found.probability(s) * math.log2(found.probability(s)) for s in range(7))
    )


@settings(deadline=None, max_examples=50)
@given(pieces, st.lists(st.integers(0, 4), min_size=1, max_size=12), orders)
def test_each_kind_sums_to_one_at_every_step(training, piece, order):
    for kind in KINDS:
        model = Predictor(kind, 6, order=order)
        for ids in training:
            for i, symbol in enumerate(ids):
                model.study(ids, i, symbol)
        model.begin()
        for i, symbol in enumerate(piece):
            found = model.predict(piece, i)
            assert sum(found.probability(s) for s in range(6)) == pytest.approx(1)
            model.learn(piece, i, symbol)


@settings(deadline=None, max_examples=50)
@given(pieces, st.lists(st.integers(0, 4), max_size=12), orders)
def test_the_tree_counts_as_plain_counting_does(training, past, order):
    model = fitted(training, order=order)
    expected = []
    for length in range(min(len(past), order if order is not None else 99) + 1):
        context, counts = past[len(past) - length :], {}
        for ids in training:
            for i in range(length, len(ids)):
                if ids[i - length : i] == context:
                    counts[ids[i]] = counts.get(ids[i], 0) + 1
        if length and not counts:
            break
        expected.append(counts)
        if order is None and length and len(counts) == 1:
            break
    assert model._chain(past, len(past)) == expected


def test_what_comes_later_is_never_looked_at():
    rng = random.Random(3)
    piece = [rng.randrange(5) for _ in range(40)]
    for kind in KINDS:
        whole = SequencePPM(kind, 5).fit([[1, 2, 3, 1, 2, 4]]).bits(piece)
        other = SequencePPM(kind, 5).fit([[1, 2, 3, 1, 2, 4]]).bits([*piece[:25], *[0] * 15])
        assert whole[:25] == other[:25]


def test_combining_weighs_by_entropy():
    sure = Distribution({0: 0.97}, 0.01, 4)
    unsure = Distribution({}, 0.25, 4)
    h = -(0.97 * math.log2(0.97) + 3 * 0.01 * math.log2(0.01))
    weight = (h / 2) ** -2 / ((h / 2) ** -2 + 1)
    found = combine([sure, unsure], 2)
    assert found.probability(0) == pytest.approx(weight * 0.97 + (1 - weight) * 0.25)
    assert found.probability(3) == pytest.approx(weight * 0.01 + (1 - weight) * 0.25)
    plain = combine([sure, unsure], 0)
    assert plain.probability(0) == pytest.approx((0.97 + 0.25) / 2)
    assert combine([Distribution({0: 1.0}, 0.0, 1)] * 2).probability(0) == pytest.approx(1)


def test_the_kinds_remember_what_they_should():
    training, piece = [[0, 1, 2, 3] * 4], [3, 3, 1, 1, 0] * 4
    first, again = {}, {}
    for kind in KINDS:
        model = SequencePPM(kind, 5).fit(training)
        first[kind], again[kind] = sum(model.bits(piece)), sum(model.bits(piece))
    assert first["ltm"] == again["ltm"]
    assert first["stm"] == again["stm"] == sum(SequencePPM("stm", 5).bits(piece))
    assert again["ltm+"] < first["ltm+"] < first["ltm"]
    assert again["both"] < first["both"]


def test_what_makes_no_sense_is_refused():
    for make in (lambda: PPM(0), lambda: PPM(4, order=-1), lambda: Predictor("lstm", 4)):
        with pytest.raises(UsageError):
            make()
