"""Samplers against hand calculations; baselines and bits per note likewise."""

import gc
import math

import numpy as np
import pytest

from tunesmith.decoding import generate_ids
from tunesmith.decoding.generating import _pooled
from tunesmith.decoding.repetition import FEWEST, FULL, GAIN, Repeats
from tunesmith.decoding.sampling import (
    Sampling,
    choose,
    keep_min_p,
    keep_top_k,
    keep_top_p,
    log_softmax,
    truncated,
)
from tunesmith.errors import UsageError
from tunesmith.model.config import ModelConfig
from tunesmith.model.inference import Network
from tunesmith.tokens import Grammar, make_vocabulary
from tunesmith.tokens.table import NAMES, PITCH_LOWEST, REST

LOGITS = np.log(np.array([[0.5, 0.3, 0.15, 0.05], [0.25, 0.25, 0.25, 0.25]], np.float32))
ALL = np.ones((2, 4), bool)


def _kept(logits):
    return np.isfinite(logits).tolist()


def test_log_softmax_sums_to_one():
    assert np.exp(log_softmax(LOGITS * 3 + 7)).sum(axis=1) == pytest.approx([1, 1])


def test_top_k_keeps_ties():
    assert _kept(keep_top_k(LOGITS, 2)) == [[True, True, False, False], [True] * 4]
    assert _kept(keep_top_k(LOGITS, 0)) == [[True] * 4] * 2


def test_top_p_keeps_the_token_that_reaches_it():
    assert _kept(keep_top_p(LOGITS, 0.7))[0] == [True, True, False, False]
    assert _kept(keep_top_p(LOGITS, 0.85))[0] == [True, True, True, False]
    assert _kept(keep_top_p(LOGITS, 1e-9))[0] == [True, False, False, False]


def test_choosing_follows_the_distribution():
    uniforms = (np.arange(10_000) + 0.5) / 10_000
    drawn = choose(np.repeat(LOGITS[:1], 10_000, 0), np.ones((10_000, 4), bool), uniforms,
                   Sampling())  # fmt: skip
    assert np.bincount(drawn, minlength=4) / 10_000 == pytest.approx([0.5, 0.3, 0.15, 0.05])


def test_choosing_never_leaves_what_is_allowed():
    allowed = np.array([[False, False, True, False], [False, True, True, False]])
    for u in (0.0, 0.5, 1 - 2**-53):
        for how in (Sampling(), Sampling(temperature=0), Sampling(top_k=1), Sampling(top_p=0.1)):
            tokens = choose(LOGITS, allowed, np.full(2, u), how)
            assert allowed[np.arange(2), tokens].all()


def test_temperature_sharpens():
    how = Sampling(temperature=0.5)  # squares the odds: 25 : 9 : 2.25 : 0.25
    assert choose(LOGITS, ALL, np.array([25 / 36.5 - 1e-6, 0]), how)[0] == 0
    assert choose(LOGITS, ALL, np.array([25 / 36.5 + 1e-6, 0]), how)[0] == 1


def test_min_p_is_a_share_of_the_likeliest():
    # 0.3 of 0.5 is 0.15: what has just that stays.
    assert _kept(keep_min_p(LOGITS, 0.29)) == [[True, True, True, False], [True] * 4]
    assert _kept(keep_min_p(LOGITS, 0.31)) == [[True, True, False, False], [True] * 4]
    assert _kept(keep_min_p(LOGITS, 1.0)) == [[True, False, False, False], [True] * 4]
    assert _kept(keep_min_p(LOGITS, 0.0)) == [[True] * 4] * 2


def test_min_p_comes_after_temperature_and_grammar():
    # Temperature 0.5 squares the odds: 0.3 has 0.36 of 0.5's, 0.15 has 0.09.
    weights = truncated(LOGITS[0], ALL[0], Sampling(temperature=0.5, min_p=0.1))
    assert weights == pytest.approx([1, 0.36, 0, 0])
    allowed = np.array([False, True, True, True])  # 0.05 has a sixth of 0.3
    assert truncated(LOGITS[0], allowed, Sampling(min_p=0.2)) == pytest.approx([0, 1, 0.5, 0])
    assert choose(LOGITS[:1], ALL[:1], np.array([0.999]), Sampling(min_p=0.2)) == 2


def _weights(ids, size, strength=1.0):
    """What stands on each id after these, in shares of the whole."""
    repeats = Repeats(2, size, strength)
    for token in ids:
        repeats.push(1, token)
    assert not repeats.weights([0]).any()  # the neighbour has had nothing
    return repeats.weights([1])[0] / GAIN


def test_what_goes_on_with_a_repeat():
    assert (FEWEST, FULL) == (4, 8)
    line = [1, 2, 3, 4, 5, 6, 7, 8, 9]
    # With the next note 4 are repeated, which is free; then 5, 6, 7, 8 and 9.
    for more, share in ((3, 0), (4, 0.25), (5, 0.5), (6, 0.75), (7, 1), (8, 1)):
        expected = np.zeros(16)
        expected[more + 1] = share
        assert _weights([*line, *line[:more]], 16) == pytest.approx(expected)
    assert _weights([*line, *line[:5]], 16, -0.5)[6] == pytest.approx(-0.25)


def test_each_of_several_repeats_has_its_weight():
    ids = [1, 2, 3, 4, 5, 9, 0, 1, 2, 3, 4, 6, 7, 8, 0, 1, 2, 3, 4]
    weights = _weights(ids, 16)
    assert weights[5] == pytest.approx(0.25)  # 1 2 3 4 and 5: five notes
    assert weights[6] == pytest.approx(0.5)  # 0 before them too: six
    assert np.count_nonzero(weights) == 2


def test_of_whole_notes_only_pitches_count():
    pitches = [PITCH_LOWEST + p for p in (0, 4, 7, 4, 5, 2)]
    ids = [t for p in pitches for t in (70, p)] + [REST]
    again = [t for p in pitches[:5] for t in (71, p)]  # other lengths
    weights = _weights([*ids, *again], len(NAMES))
    assert weights[pitches[5]] == 0.5 and np.count_nonzero(weights) == 1


class ThreePitches(Grammar):
    """Sixty notes of three pitches."""

    def start(self):
        return 0

    def allowed(self, state):
        allowed = np.zeros(make_vocabulary("pitches").size, bool)
        allowed[:3] = state < 60
        return allowed

    def advance(self, state, token):
        return state + 1

    def ended(self, state):
        return state == 60


def _indifferent():
    """A network to which every id is equally likely."""
    vocabulary = make_vocabulary("pitches")
    config = ModelConfig(
        vocab_size=vocabulary.size, hidden_size=8, num_hidden_layers=1, num_attention_heads=1,
        num_key_value_heads=1, head_dim=8, intermediate_size=8, max_position_embeddings=64,
    )  # fmt: skip
    weights = {name: np.zeros(shape, np.float32) for name, shape in config.shapes().items()}
    return Network(weights, config)


def test_repetition_moves_what_is_generated():
    network = _indifferent()

    def share(strength):
        chance = [np.random.default_rng(i) for i in range(8)]
        made = generate_ids(network, [ThreePitches()] * 8, chance, Sampling(repetition=strength))
        # Bits are the model's alone, whatever the weights.
        assert np.allclose(
            [m.log_probabilities for m in made], -math.log(network.config.vocab_size)
        )
        return np.mean([1 - len({m.ids[i : i + 6] for i in range(55)}) / 55 for m in made])

    less, plain, more = share(-1), share(0), share(1)
    assert less < plain / 2 < plain < more / 2


@pytest.mark.parametrize(
    "bad",
    [{"temperature": -1}, {"top_k": -1}, {"top_p": 0}, {"top_p": 1.1}, {"min_p": -0.1},
     {"min_p": 1.1}, {"min_p": math.nan}, {"repetition": 1.5}, {"repetition": -2}],
)  # fmt: skip
def test_values_out_of_range(bad):
    with pytest.raises(UsageError):
        Sampling(**bad)


def test_hand_check_of_choice_probabilities():
    assert math.isclose(float(np.exp(log_softmax(LOGITS))[0, 1]), 0.3, rel_tol=1e-6)


def test_allowed_alternatives_stand_for_all():
    # Softmax 0.1, 0.2, 0.3, 0.4; the second and third say the same thing, the third is wanted.
    logits = np.log(np.array([[0.1, 0.2, 0.3, 0.4]] * 3))
    allowed = np.array([[True, False, True, True], [True] * 4, [True, False, False, True]])
    weights = np.exp(_pooled(logits, allowed, slice(1, 3)))
    assert np.allclose(weights[0, [0, 2, 3]], [0.1, 0.5, 0.4])
    assert np.allclose(weights[1:], np.exp(logits[1:]))  # all are allowed, or none
    assert _pooled(logits, allowed, slice(0, 0)) is logits


def test_cycles_are_looked_for_again_afterwards():
    def stop(*_):
        assert not gc.isenabled()
        raise KeyboardInterrupt

    chance = [np.random.default_rng(1)]
    with pytest.raises(KeyboardInterrupt):
        generate_ids(_indifferent(), [ThreePitches()], chance, Sampling(), progress=stop)
    assert gc.isenabled()
