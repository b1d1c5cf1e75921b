"""The letters of table B2 told as steps (`benchmarks/steps.py`)."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.tokens.letters import END, LETTERS, REST

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))
import steps as told_as

VOCABULARY = told_as.StepsVocabulary()


def song(text):
    table = {c: i for i, c in enumerate(LETTERS)} | {"R": REST}
    return np.array([END, *(table[c] for c in text), END], np.uint16)


songs = st.text(LETTERS + "R", min_size=1, max_size=60).filter(lambda s: set(s) != {"R"}).map(song)


def test_a_song_in_steps():
    ids = told_as.steps(song("RGaRCG"))
    words = [VOCABULARY.names[i] for i in ids]
    assert words == ["end", "R", "+0", "+3", "R", "+2", "+7", "end"]


@given(songs, st.integers(0, 11))
def test_all_keys_of_a_song_are_one(ids, shift):
    moved = VOCABULARY.transpositions[shift][ids]
    assert (told_as.steps(moved) == told_as.steps(ids)).all()
    back = told_as.letters(told_as.steps(ids))
    notes = ids < REST
    assert len(np.unique((back[notes].astype(int) - ids[notes]) % 12)) == 1
    assert (back[~notes] == ids[~notes]).all()


@given(songs, st.integers(0, 2**32))
def test_what_is_expected_of_letters_is_what_is_expected_of_steps(ids, seed):
    rng = np.random.default_rng(seed)
    expected = np.log(rng.dirichlet(np.ones(VOCABULARY.size), len(ids) - 1))
    found = told_as.in_letters(expected, ids)
    assert np.exp(found).sum(axis=1) == pytest.approx(1)
    steps, places = told_as.steps(ids)[1:], np.arange(len(ids) - 1)
    first = int(np.flatnonzero(ids < REST)[0]) - 1
    whole = np.logaddexp.reduce(expected[:, : END + 1], axis=1)
    mine = expected[places, steps] - whole
    mine[first] = np.logaddexp.reduce(expected[first, :REST]) - np.log(12) - whole[first]
    assert found[places, ids[1:].astype(int)] == pytest.approx(mine)


def test_recall_is_that_of_letters_told_from_the_latest_note():
    ids = song("CEGRCEGRdFaRdF")
    told = VOCABULARY.recall(1).read(told_as.steps(ids)[None, :-1])
    letters = super(told_as.StepsVocabulary, VOCABULARY).recall(1).read(ids[None, :-1])
    latest = 0
    for t, letter in enumerate(ids[:-1].tolist()):
        latest = letter if letter < REST else latest
        for said, of in zip(told.candidates[0, t], letters.candidates[0, t], strict=True):
            assert said == ((of - latest) % 12 if of < REST else of)
    assert (told.trust == letters.trust).all()
    assert told.places.max() < told_as.StepsRecall.places


@given(songs, st.integers(0, 2**32))
def test_songs_turned_about_say_how(ids, seed):
    changed = VOCABULARY.augment(told_as.steps(ids), np.random.default_rng(seed))
    mark = VOCABULARY.names[changed[0]]
    assert mark.removeprefix("amid, ") in told_as.WHOLE and changed[-1] == END
    if not mark.startswith("amid"):
        assert len(changed) == len(ids)
    if mark == "upside down":
        assert (told_as.UPSIDE_DOWN[told_as.steps(ids)[1:]] == changed[1:]).all()
