"""PPM: Pearce's model in numbers worked out by hand, and its probabilities in general."""

import math
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tunesmith.errors import UsageError
from tunesmith.evaluation import melody_models
from tunesmith.evaluation.melody_models import MelodyPPM
from tunesmith.evaluation.ppm import KINDS, PPM, Distribution, Predictor, SequencePPM, combine
from tunesmith.melody import Key, Melody, Meter, Note
from tunesmith.tokens.table import METERS

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
    assert len(fitted(["yxab", "yxab", "zac"], 6, reach=1)._chain("yxa", 3)) == 2


def test_a_context_that_occurred_once_is_as_long_as_it_matches():
    model = fitted(["xyzw"], 6, order=4)
    assert model._chain("xyz", 3)[1:] == [{"w": 1}] * 3
    assert model._chain("ayz", 3)[1:] == [{"w": 1}] * 2
    assert model._chain("axyz", 4)[1:] == [{"w": 1}] * 3


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


# -- melodies -------------------------------------------------------------------------------


def tune(pitches, lengths, rests=(), key=None, pickup=0):
    """Notes of these lengths in sixteenths, those at `rests` silent."""
    notes, tick = [], 0
    for i, (pitch, length) in enumerate(zip(pitches, lengths, strict=True)):
        if i not in rests:
            notes.append(Note(tick, length * 120, pitch))
        tick += length * 120
    return Melody(tuple(notes), (Meter(0, 4, 4),), duration=tick, key=key, pickup=pickup)


def random_tune(seed):
    rng = random.Random(seed)
    n = rng.randrange(3, 20)
    rests = {i for i in range(1, n) if rng.random() < 0.2}
    pitches, lengths = (rng.choices(p, k=n) for p in ([60, 62, 64, 67], [1, 2, 4, 8]))
    return tune(pitches, lengths, rests, Key(rng.choice("CDG"), "major"))


def test_unfitted_a_melody_costs_uniform_choices():
    melody = tune([60, 0, 64], [4, 4, 4], rests={1})
    found = MelodyPPM("ltm").bits(melody)
    rest = math.log2(129), math.log2(129 / 128)  # a rest; no rest
    assert found.pitch == pytest.approx(2 * 7)  # which of 128, twice
    expected = math.log2(len(METERS)) + (1 + 3 + 1) * 12 + rest[0] + 2 * rest[1]
    assert found.timing == pytest.approx(expected)


def test_the_key_is_paid_for_and_then_transposition_is_not():
    c, d = (tune([60 + t, 64 + t, 67 + t, 60 + t] * 4, [4] * 16, key=Key(k, "major"))
            for t, k in ((0, "C"), (2, "D")))  # fmt: skip
    assert MelodyPPM("ltm", from_tonic=True).bits(c).pitch == pytest.approx(16 * 7 + math.log2(13))
    tonic, plain = (MelodyPPM("ltm", 2, from_tonic=t).fit([c] * 9).bits(d) for t in (True, False))
    assert tonic.pitch < plain.pitch
    assert tonic.timing == pytest.approx(plain.timing, abs=0.1)


@pytest.mark.parametrize("kind", KINDS)
def test_pitch_and_timing_add_up_to_the_code_length(kind):
    training, melody = [random_tune(i) for i in range(8)], random_tune(99)
    model, again = (MelodyPPM(kind, 3).fit(training) for _ in range(2))
    total = 0.0
    again._begin()
    for stream, past, at, symbol in again._events(melody):
        total -= math.log2(again._streams[stream].predict(past, at).probability(symbol))
        again._streams[stream].learn(past, at, symbol)
    assert model.bits(melody).total == pytest.approx(total)


def test_training_on_alike_tunes_helps_and_what_it_heard_helps_later():
    training = [random_tune(i) for i in range(20)]
    same = {k: MelodyPPM(k).fit(training) for k in KINDS}
    first = {k: m.bits(training[3]).total for k, m in same.items()}
    assert max(first["ltm"], first["both"]) < first["stm"] / 3
    new = random_tune(77)
    once, twice = (same["both"].bits(new).total for _ in range(2))
    assert twice < once
    assert same["ltm"].bits(new) == same["ltm"].bits(new)


def test_kinds_that_share_a_long_term_model_are_as_if_trained_apart():
    training, melodies = [random_tune(i) for i in range(8)], [random_tune(90), random_tune(91)]
    shared = MelodyPPM("ltm", 3).fit(training)
    for kind in ("ltm", "stm", "both"):  # the last one learns
        alone = MelodyPPM(kind, 3).fit(training)
        model = shared.sharing(kind)
        assert [model.bits(m) for m in melodies] == [alone.bits(m) for m in melodies]
    assert shared.bits(melodies[0]) != MelodyPPM("ltm", 3).fit(training).bits(melodies[0])
    one = SequencePPM("ltm", 5).fit([[1, 2, 3]])
    assert one.sharing("ltm+").bits([1, 2]) == SequencePPM("ltm+", 5).fit([[1, 2, 3]]).bits([1, 2])
    with pytest.raises(UsageError):
        MelodyPPM("stm").sharing("both")


@pytest.mark.parametrize("from_tonic", [False, True])
def test_samples_are_melodies_of_what_was_seen(from_tonic):
    training = [random_tune(i) for i in range(20)]
    model = MelodyPPM("both", 3, from_tonic=from_tonic).fit(training)
    one = model.sample(np.random.default_rng(5))
    assert one == model.sample(np.random.default_rng(5))  # nothing lasting was learnt
    tunes = [model.sample(np.random.default_rng(i)) for i in range(30)]
    assert len(set(tunes)) > 20
    known = {n.duration for t in training for n in t.notes} | {
        r for t in training for _, r in t.rests
    }
    assert {n.duration for t in tunes for n in t.notes} <= known
    assert all(t.meters == (Meter(0, 4, 4),) for t in tunes)
    assert all((t.key is not None) == from_tonic for t in tunes)
    if not from_tonic:
        assert {p for t in tunes for p in t.pitches} <= {60, 62, 64, 67}


def test_a_sample_without_end_is_cut_and_counted(monkeypatch):
    monkeypatch.setattr(melody_models, "_MOST_EVENTS", 50)
    model = MelodyPPM("both", 1).fit([tune([60, 62] * 400, [4] * 800)])
    melodies = [model.sample(np.random.default_rng(i)) for i in range(5)]
    assert model.cut >= 1
    assert max(len(m.notes) for m in melodies) == 50


def test_samples_need_training():
    for model in (MelodyPPM("both"), MelodyPPM("stm").fit([random_tune(1)])):
        with pytest.raises(UsageError, match="fit"):
            model.sample(np.random.default_rng(0))
