"""What must come in all is led up to, not forced at the end."""

from __future__ import annotations

import numpy as np
import pytest

from tunesmith.api.composing import generate, load_model
from tunesmith.decoding import Sampling, generate_ids
from tunesmith.decoding.constraints import Constraints, Steered
from tunesmith.decoding.pacing import _STEPS, _tilt
from tunesmith.melody import Melody, Meter, Note

LINE = Melody(tuple(Note(i * 240, 240, 60 + i % 5) for i in range(24)), (Meter(0, 4, 4),),
              duration=5760)  # fmt: skip


@pytest.fixture(scope="module")
def model():
    return load_model()


def silence(melody: Melody, start: int, end: int) -> float:
    sounding = sum(max(0, min(n.end, end) - max(n.onset, start)) for n in melody.notes)
    return 1 - sounding / (end - start)


@pytest.mark.parametrize("bars", [3, 8])
def test_the_notes_of_a_line_are_spread_over_all_bars(model, bars):
    tunes = generate(
        model, Constraints(pitches_from=LINE, bars=bars, meter="4/4"), count=12, seed=2
    )
    melodies = [t.melody for t in tunes]
    # Without a pace a line of 24 notes is over after three bars or four, or ends in a hurry.
    assert sum(m.notes[-1].onset >= m.bars[-2].start for m in melodies) >= 10
    assert np.mean([silence(m, 0, m.duration) for m in melodies]) < 0.2
    short = [min(n.duration for n in m.notes) for m in melodies]
    assert np.median(short) >= 120


def test_silence_that_is_asked_for_is_spread(model):
    asked = Constraints(rest_share="0.1:0.3", bars=8, meter="4/4")
    melodies = [t.melody for t in generate(model, asked, count=12, seed=2, style="folk")]
    before = np.mean([silence(m, 0, m.bars[-1].start) for m in melodies])
    assert (
        before > 0.08
        and np.mean([silence(m, m.bars[-1].start, m.duration) for m in melodies]) < 0.5
    )


@pytest.mark.parametrize("mean", [8.0, 18.0, 30.0, 45.0])
def test_a_tilt_gives_the_mean_that_is_wanted(mean):
    likely = np.zeros(len(_STEPS))
    likely[np.isin(_STEPS, (6, 12, 24, 48))] = (0.2, 0.5, 0.2, 0.1)
    tilted = likely * np.exp(_tilt(likely, mean) * (_STEPS - mean))
    found = float(tilted @ _STEPS / tilted.sum())
    assert found == pytest.approx(mean, abs=0.6)


def test_a_tune_is_the_same_alone_and_among_others(model):
    asked = Constraints(pitches_from=LINE, note_values="1/8,1/4,1/2", bars=8, meter="4/4")
    assert not asked.by_chance  # which a batch decides together
    found = []
    for count in (1, 5):
        grammar = Steered(model.vocabulary.grammar(asked.wishes()), asked)
        chance = [np.random.default_rng([3, i]) for i in range(count)]
        found.append(generate_ids(model.network, [grammar] * count, chance, Sampling())[0].ids)
    assert found[0] == found[1]
