"""Bits of each note against hand calculations, against torch, and honest about what is known."""

import json
import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tunesmith
from tunesmith.api import comparing, evaluating, learning
from tunesmith.api.composing import Model
from tunesmith.corpus import Corpus
from tunesmith.corpus.store import Tune
from tunesmith.errors import UsageError
from tunesmith.evaluation.likelihood import (
    END,
    HEADER,
    bits_per_note,
    owners,
    score_tunes,
    tune_bits,
)
from tunesmith.evaluation.melody_models import BASELINES, IdsModel, counted_baselines
from tunesmith.evaluation.ppm import Predictor
from tunesmith.melody import Key, Melody, Meter, Note
from tunesmith.model.config import ModelConfig
from tunesmith.model.inference import Network
from tunesmith.tokens import VOCABULARIES, make_vocabulary

NOTES = make_vocabulary("notes", ("folk",))


def weights_of(config, seed=0):
    rng = np.random.default_rng(seed)
    return {
        name: (rng.normal(size=shape) * 0.2 + (len(shape) == 1)).astype(np.float32)
        for name, shape in config.shapes().items()
    }


def network_of(vocabulary, context=2048):
    config = ModelConfig(
        vocab_size=vocabulary.size, hidden_size=24, intermediate_size=40, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, head_dim=8, max_position_embeddings=context,
        **vocabulary.recall_fields,
    )  # fmt: skip
    return Network(weights_of(config), config, vocabulary.recall)


NETWORK = network_of(NOTES)


class Uniform:
    """A network that expects everything alike."""

    def __init__(self, size):
        self.size = size

    def distributions(self, sequences):
        for i, ids in enumerate(sequences):
            yield i, 0, np.full((len(ids) - 1, self.size), -math.log(self.size))


def melody_of(*notes, meter="4/4", pickup=0, duration=0, key="G"):
    numerator, denominator = map(int, meter.split("/"))
    return Melody(
        tuple(Note(*n) for n in notes), (Meter(0, numerator, denominator),), pickup=pickup,
        duration=duration, key=Key(key),
    )  # fmt: skip


# A pickup; a note tied over a barline; a rest before a note, and one at the end.
TUNE = melody_of(
    (0, 480, 67), (480, 1440, 71), (1920, 960, 72), (3840, 480, 74), pickup=480, duration=6240
)


@st.composite
def tunes(draw):
    """Melodies with rests, ties and pickups, on the grid."""
    at, notes = 0, []
    for _ in range(draw(st.integers(1, 30))):
        at += draw(st.sampled_from([0, 0, 0, 240, 960]))
        length = draw(st.sampled_from([120, 240, 480, 1440, 2400]))
        notes.append((at, length, draw(st.integers(55, 84))))
        at += length
    pickup = draw(st.sampled_from([0, 240])) if at > 240 else 0
    return melody_of(*notes, meter=draw(st.sampled_from(["4/4", "3/4", "6/8"])), pickup=pickup)


# -- whose bits ----------------------------------------------------------------


def test_owners_by_hand():
    ids = NOTES.unconditional(NOTES.encode(TUNE, "folk").ids)
    words = NOTES.words(ids)
    assert words == [
        "bos", "?", "?", "key:G", "?", "?", "?", "?", "?", "?", "?", "meter:4/4", "pickup",
        "len:24", "pitch:72", "bar:3", "len:72", "pitch:76", "len:24", "pitch:77",
        "bar:2", "len:24", "tie", "len:48", "rest", "len:24", "pitch:79",
        "bar:1", "len:96", "rest", "end",
    ]  # fmt: skip
    assert owners(NOTES, ids).tolist() == [
        *[HEADER] * 13, 0, 0, HEADER, 1, 1, 2, 2, 2, 2, 2, *[3] * 4, *[END] * 4
    ]  # fmt: skip


def test_uniform_bits_by_hand():
    (score,) = score_tunes(Uniform(NOTES.size), NOTES, [NOTES.encode(TUNE).ids])
    one, pitches = math.log2(NOTES.size), math.log2(88)
    np.testing.assert_allclose(score.pitch, [pitches] * 4)
    # Ids of each note, of which the last one's share of pitch is apart.
    np.testing.assert_allclose(score.timing + pitches, [2 * one, 2 * one, 5 * one, 4 * one])
    assert score.header == pytest.approx((one, 3 * one))  # key; metre, pickup, bars
    assert score.end == pytest.approx((0, 4 * one))
    assert score.tokens == 21
    assert score.total.total == pytest.approx(21 * one)
    np.testing.assert_allclose(score.chance, 1 / 88)


def test_letters_by_hand():
    letters = make_vocabulary("letters")
    tune = melody_of((0, 480, 60), (960, 480, 64), duration=1920)
    (score,) = score_tunes(Uniform(14), letters, [letters.encode(tune).ids])
    one, twelve = math.log2(14), math.log2(12)
    np.testing.assert_allclose(score.pitch, [twelve, twelve])
    np.testing.assert_allclose(score.timing, [one - twelve, 2 * one - twelve])
    assert score.header == (0, 0)
    assert score.end == pytest.approx((0, 2 * one))


def test_pitches_by_hand():
    pitches = make_vocabulary("pitches")
    tune = melody_of((0, 480, 60), (960, 480, 64), duration=1920)
    (score,) = score_tunes(Uniform(130), pitches, [pitches.encode(tune).ids])
    one, which = math.log2(130), math.log2(128)
    np.testing.assert_allclose(score.pitch, [which, which])
    np.testing.assert_allclose(score.timing, [one - which, one - which])
    assert score.header == (0, 0) and score.end == pytest.approx((0, one))
    assert score.tokens == 3


def test_a_surprising_pitch_is_not_a_surprising_time():
    """A model sure that a note begins, less sure which: all its bits are pitch."""
    ids = NOTES.encode(TUNE).ids
    logits = np.full(NOTES.size, -50.0)
    c, e = NOTES.names.index("pitch:72"), NOTES.names.index("pitch:76")
    logits[[c, e]] = math.log(0.75), math.log(0.25)

    class Sure(Uniform):
        def distributions(self, sequences):
            yield 0, 0, np.tile(logits, (len(ids) - 1, 1))

    (score,) = score_tunes(Sure(0), NOTES, [ids])
    assert score.pitch[:2] == pytest.approx([math.log2(4 / 3), 2])
    assert score.timing[0] == pytest.approx(50 / math.log(2))  # its length alone
    assert score.expected.tolist() == [c] * 4
    assert score.chance == pytest.approx([0.75] * 4)


# -- they add up -----------------------------------------------------------------


@pytest.mark.parametrize("kind", sorted(VOCABULARIES))
@given(melody=tunes())
def test_bits_add_up_to_the_forward_pass(kind, melody):
    vocabulary = make_vocabulary(kind)
    network = network_of(vocabulary)
    ids = vocabulary.encode(melody).ids
    (score,) = score_tunes(network, vocabulary, [ids])
    shown = vocabulary.unconditional(ids).astype(int)
    logits = network.forward(shown[None, :-1])[0].astype(float)
    logs = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    charged = vocabulary.charged(shown)[1:]
    bits = -logs[np.arange(len(logs)), shown[1:]][charged].sum() / math.log(2)
    assert score.total.total == pytest.approx(bits, abs=1e-4)
    assert len(score.pitch) == len(score.timing) == len(melody.notes)
    assert (score.pitch >= 0).all() and (score.timing >= 0).all()
    assert tune_bits(network, vocabulary, [ids]) == [pytest.approx(score.total.total)]


def test_bits_add_up_to_torch():
    torch = pytest.importorskip("torch")
    from tunesmith.model.network import TrainingNetwork

    theirs = TrainingNetwork(NETWORK.config)
    weights = weights_of(NETWORK.config)
    with torch.no_grad():
        for name, parameter in theirs.named_parameters():
            parameter.copy_(torch.from_numpy(weights[name]))
    ids = NOTES.encode(TUNE).ids
    shown = NOTES.unconditional(ids).astype(np.int64)
    targets = np.where(NOTES.charged(shown), shown, -1)[1:]
    with torch.inference_mode():
        loss = theirs.eval().loss_sum(
            torch.from_numpy(shown[None, :-1]),
            torch.from_numpy(targets[None]),
            tuple(map(torch.from_numpy, NOTES.recall(1).read(shown[None, :-1]))),
        )
    (score,) = score_tunes(NETWORK, NOTES, [ids])
    assert score.total.total == pytest.approx(float(loss) / math.log(2), abs=1e-4)


def test_a_tune_longer_than_the_context_is_scored_whole():
    long = melody_of(*((i * 240, 240, 60 + i % 12) for i in range(200)))
    ids = NOTES.encode(long).ids
    (score,) = score_tunes(network_of(NOTES, context=64), NOTES, [ids])
    assert len(ids) > 6 * 64
    assert score.tokens == NOTES.charged(NOTES.unconditional(ids)).sum()
    assert len(score.pitch) == 200 and (score.pitch > 0).all() and (score.timing > 0).all()
    (uniform,) = score_tunes(Uniform(NOTES.size), NOTES, [ids])
    assert uniform.total.total == pytest.approx(score.tokens * math.log2(NOTES.size))


# -- nothing is known beforehand ---------------------------------------------------


def test_no_attribute_reaches_an_unconditional_figure():
    ids = NOTES.encode(TUNE, "folk").ids
    (score,) = score_tunes(NETWORK, NOTES, [ids])
    (told,) = score_tunes(NETWORK, NOTES, [ids], given=True)
    planted = ids.copy()
    for slot, word in (
        (1, "style:3"),
        (2, "mode:dorian"),
        (4, "density:7"),
        (5, "pitch:90"),
        (7, "pitch:95"),
    ):
        planted[slot] = NOTES.names.index(word)
    (same,) = score_tunes(NETWORK, NOTES, [planted])
    (other,) = score_tunes(NETWORK, NOTES, [planted], given=True)
    assert same.total == score.total
    np.testing.assert_array_equal(same.pitch, score.pitch)
    assert other.total != told.total  # so that the plant is seen where it may be
    assert told.tokens == score.tokens  # what is given is not charged


def test_no_future_event_reaches_a_note():
    """Other notes after the fifth leave the bits of the first five as they are."""
    notes = [(i * 480, 480, 60 + i) for i in range(12)]
    other = [*notes[:5], *((o, d, p + 3) for o, d, p in notes[5:])]
    a, b = (melody_of(*n) for n in (notes, other))
    first, second = score_tunes(NETWORK, NOTES, [NOTES.encode(m).ids for m in (a, b)])
    np.testing.assert_allclose(first.pitch[:5], second.pitch[:5], atol=1e-5)
    np.testing.assert_allclose(first.timing[:5], second.timing[:5], atol=1e-5)
    assert abs(first.pitch[5] - second.pitch[5]) > 1e-3


# -- the table ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def model():
    checkpoint = SimpleNamespace(provenance={}, sha256="0" * 64)
    return Model(NETWORK, NOTES, checkpoint)


def test_the_table_adds_up(model, corpus_folder):
    found = tunesmith.evaluate(model, corpus_folder, split="train", baselines=False, limit=9)
    assert found.tunes == 9
    ours, told = found.rows
    assert told.name == evaluating.CONDITIONAL
    assert ours.joint.value == pytest.approx(ours.pitch.value + ours.timing.value)
    assert ours.joint.low <= ours.joint.value <= ours.joint.high
    # Places and what belongs to no note make up the whole.
    around = sum(sum(b) for b in found.around.values()) * found.tunes
    for part in ("bar", "notes"):
        rows = [r for r in found.positions if part in r.name or (part, r.name) == ("bar", "pickup")]
        assert sum(r.notes for r in rows) == found.notes
        bits = sum(r.joint.value * r.notes for r in rows)
        assert bits + around == pytest.approx(ours.joint.value * found.notes)
    held = evaluating.held_tunes(Corpus.open(corpus_folder), model, "train", 9)
    scores = score_tunes(NETWORK, NOTES, held.ids)
    nats = sum(s.total.total for s in scores) * math.log(2)
    assert found.loss == pytest.approx(nats / sum(s.tokens for s in scores))
    assert found.perplexity == pytest.approx(math.exp(found.loss))
    assert found.notes == sum(len(m.notes) for m in held.melodies)
    json.dumps(found.to_dict())
    with pytest.raises(UsageError, match="1 or more"):
        tunesmith.evaluate(model, corpus_folder, limit=0)


def test_uniform_table_by_hand(corpus_folder):
    vocabulary = make_vocabulary("letters")
    uniform = Model(Uniform(14), vocabulary, SimpleNamespace(provenance={}, sha256=""))
    found = tunesmith.evaluate(uniform, corpus_folder, split="validation")
    assert found.perplexity == pytest.approx(14)
    assert found.rows[0].name == "model"
    # Letters have no attributes, so no row is told of them; the uniform guess is this model.
    assert tuple(r.name for r in found.rows[1:]) == BASELINES
    assert found.rows[1].joint.value == pytest.approx(found.rows[0].joint.value)
    assert found.rows[0].pitch.value == pytest.approx(math.log2(12))


def test_numbers_of_bars():
    assert evaluating._bar_numbers(TUNE).tolist() == [0, 1, 1, 2]
    assert evaluating._bar_numbers(replace(TUNE, pickup=0)).tolist() == [1, 1, 2, 3]


def test_warnings(corpus_folder):
    corpus = Corpus.open(corpus_folder)
    source = corpus.manifest["sources"][0]
    own = {"split_sha256": corpus.manifest["split"]["sha256"], "sources": [source]}
    other = own | {"split_sha256": "another"}
    stranger = other | {"sources": [{"name": "elsewhere", "files_sha256": "f"}]}
    renamed = other | {"sources": [source | {"name": "elsewhere"}]}

    def warned(provenance, split):
        return evaluating.warning_of(provenance, corpus, split)

    assert "may know" in warned({}, "test")
    assert warned(own, "test") == ""
    assert "chosen on" in warned(own, "validation")
    assert "trained on these very tunes" in warned(own, "train")
    assert "another split of examples" in warned(other, "test")
    assert "another split of examples" in warned(renamed, "test")
    assert warned(stranger, "train") == ""
    # What a model started from counts too, however far back.
    for steps in range(3):
        assert "another split of examples" in warned(started(own, other, steps), "test")
        assert "trained on these very tunes" in warned(started(stranger, own, steps), "train")
        assert "chosen on" in warned(started(stranger, own, steps), "validation")
        assert warned(started(stranger, own, steps), "test") == ""
        assert warned(started(own, stranger, steps), "test") == ""
    assert "may know" in warned(started(own, {"made_by": "another programme"}, 0), "test")
    # An older model does not keep the split of what it started from.
    older = {k: v for k, v in own.items() if k != "split_sha256"}
    assert warned(started(own, older, 0), "test") == ""
    assert "may know" in warned(started(stranger, older, 0), "test")


def started(model, first, steps):
    """The provenance of a model with another at the beginning, and strangers between them."""
    for _ in range(steps):
        first = {"split_sha256": "s", "sources": [], "started_from": first}
    return model | {"started_from": first}


def test_a_model_keeps_the_split_of_what_it_started_from(corpus_folder):
    base = SimpleNamespace(provenance={"split_sha256": "s", "started_from": {"split_sha256": "t"}})
    kept = learning._provenance(Corpus.open(corpus_folder), base, {})["started_from"]
    assert kept == base.provenance


# -- beside baselines -----------------------------------------------------------------


def test_baselines_stand_in_the_same_table(model, corpus_folder, monkeypatch):
    arguments = {"split": "train", "limit": 9}
    found = tunesmith.evaluate(model, corpus_folder, **arguments)
    rows = found.rows[2:]
    assert rows and all(r.notes == found.notes for r in rows)
    for row in rows:
        assert row.joint.value == pytest.approx(row.pitch.value + row.timing.value)
        assert row.ahead.value == pytest.approx(found.rows[0].joint.value - row.joint.value)
    assert found.rows[0].ahead is None

    def never(*_):
        raise AssertionError("fitted again")

    monkeypatch.setattr(comparing, "_training", never)
    again = tunesmith.evaluate(model, corpus_folder, **arguments)
    assert again.rows == found.rows
    with pytest.raises(AssertionError, match="fitted again"):  # other tunes, other figures
        tunesmith.evaluate(model, corpus_folder, split="train", limit=8)


def test_off_the_grid_baselines_pay_for_what_the_tokens_say():
    """Quarters of 475 ticks and gaps of 5 are quarters, and no rests, for model and baselines."""
    pitches = [60 + i * i % 7 for i in range(8)]
    grid = melody_of(*((480 * i, 480, p) for i, p in enumerate(pitches)))
    off = melody_of(*((480 * i, 475, p) for i, p in enumerate(pitches)), duration=3840, key="D")
    tunes = [Tune(str(i), "s", "test", "c", str(i), m) for i, m in enumerate((grid, off))]
    corpus = SimpleNamespace(tunes=lambda _: iter(tunes), count=lambda _: 2, folder="here")
    held = evaluating.held_tunes(corpus, Model(NETWORK, NOTES, None), "test", None)
    assert held.left_out["notes moved by the grid"] == 8
    for found in (held.melodies, comparing._training(corpus, NOTES)):
        assert found[0] is grid
        assert found[1].notes == grid.notes and found[1].key == Key("D")
    assert NOTES.encode(held.melodies[1]).ids.tolist() == held.ids[1].tolist()
    same, moved = counted_baselines(NOTES, [grid], held.melodies)["uniform guess"]
    assert moved == pytest.approx(same)
    letters = Model(Uniform(14), make_vocabulary("letters"), None)
    assert evaluating.held_tunes(corpus, letters, "test", None).melodies == [grid, off]


def test_a_figure_without_an_interval_is_none_in_json(model, corpus_folder):
    found = tunesmith.evaluate(model, corpus_folder, split="train", baselines=False, limit=2)
    data = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    joint = found.rows[0].joint
    assert data["rows"][0]["joint"] == [joint.value, None, None]
    assert data["rows"][0]["name"] == "model" and data["rows"][0]["ahead"] is None


def test_ppm_of_letters_by_hand():
    letters = make_vocabulary("letters")
    learner = IdsModel(lambda size: Predictor("ltm", size, order=0), letters)
    learner.fit([melody_of(*((i, 1, 60) for i in range(6)))])
    # Of seven symbols six are C and one the end; by escape C two of nine are left for others.
    predictor = learner._stream
    c, end = (predictor.predict([], 0).probability(s) for s in (0, 13))
    bits = learner.bits(melody_of((0, 480, 60)))
    silent = end + predictor.predict([], 0).probability(12)
    assert bits.pitch == pytest.approx(-math.log2(c / (1 - silent)))
    assert bits.timing == pytest.approx(-math.log2(1 - silent) - math.log2(end))
    assert c > 6 / 9 and 1 / 9 < end < 2 / 9


def test_bits_per_note_and_interval():
    interval = bits_per_note([10.0, 20.0, 30.0] * 2, [10] * 6)
    assert interval.value == pytest.approx(2.0)
    assert 1.0 <= interval.low < 2.0 < interval.high <= 3.0
    constant = bits_per_note([5.0, 10.0, 5.0, 5.0, 1.0], [5, 10, 5, 5, 1])
    assert tuple(constant) == pytest.approx((1, 1, 1))
    assert str(constant) == "1.000 [1.000, 1.000]"
    # Weighted by notes, not by tunes.
    assert bits_per_note([1.0, 90.0], [1, 9]).value == pytest.approx(9.1)
    # Of few tunes with notes there is no interval, least of all one of no width.
    for few in (bits_per_note([6.0], [2]), bits_per_note([12.0] + [0.0] * 9, [4] + [0] * 9)):
        assert few.value == 3.0 and math.isnan(few.low) and math.isnan(few.high)
        assert str(few) == "3.000"
