"""The seed's letters: reading, writing, and the same letters as the tokens have."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.errors import InputError, UsageError
from tunesmith.formats import letters
from tunesmith.melody import Melody, Note
from tunesmith.tokens.letters import LettersVocabulary

SIGNS = st.sampled_from(letters.LETTERS + "R")
LINES = st.text(SIGNS, min_size=1).filter(lambda line: line.strip("R"))


@given(st.lists(LINES, min_size=1, max_size=5))
def test_lines_come_back(lines):
    text = "".join(f"{line}\n" for line in lines).encode()
    melodies = [r.melody for r in letters.scan(text, "x.txt")]
    assert letters.dumps(melodies) == text
    back = [r.melody for r in letters.scan(letters.dumps(melodies, octaves=True), "x.txt")]
    assert back == melodies


@given(st.lists(st.tuples(st.integers(0, 900), st.integers(1, 900), st.integers(12, 127))))
def test_same_signs_as_the_tokens(steps):
    notes, tick = [], 0
    for rest, length, pitch in [*steps, (0, 480, 60)]:
        notes.append(Note(tick + rest, length, pitch))
        tick = notes[-1].end
    melody = Melody(tuple(notes), duration=tick + 700)
    ids = LettersVocabulary().encode(melody).ids[1:-1]
    assert (
        letters.dumps([melody]).decode() == "".join((letters.LETTERS + "R")[i] for i in ids) + "\n"
    )
    (reading,) = letters.scan(letters.dumps([melody], octaves=True), "x.txt")
    assert reading.melody.pitches == melody.pitches


def test_by_hand():
    (reading,) = letters.scan(b"R C5 c R\n", "x.txt")
    assert reading.melody.notes == (Note(480, 480, 72), Note(960, 480, 61))
    assert reading.melody.duration == 1920
    assert reading.melody.origin == "x.txt, line 1"


def test_a_bad_line_does_not_lose_its_neighbours():
    readings = letters.scan("CDE\r\n\r\nCeD\rRR\nC#\nGé\n".encode(), "x.txt")
    assert [r.melody is not None for r in readings] == [True, False, False, False, False]
    assert str(readings[1].error).startswith("x.txt, line 3: 'e' in column 2")
    assert str(readings[2].error) == "x.txt, line 4: no notes; write a letter other than R"
    assert "'#' in column 2" in str(readings[3].error)
    assert "'é' in column 2" in str(readings[4].error)


def test_nothing_in_it_and_out_of_range():
    for data in (b"\n \n", b"A9\n"):
        (reading,) = letters.scan(data, "x.txt")
        assert isinstance(reading.error, InputError)
    with pytest.raises(UsageError, match="below C0"):
        letters.dumps([Melody((Note(0, 480, 3),))], octaves=True)


def test_the_seed_file_comes_back():
    if "TUNESMITH_DATA" not in os.environ:
        pytest.skip("TUNESMITH_DATA names no folder of data")
    data = (Path(os.environ["TUNESMITH_DATA"]) / "seed" / "melodies_letters.txt").read_bytes()
    melodies = [r.melody for r in letters.scan(data, "seed")]
    assert len(melodies) == 365 and all(melodies)
    assert letters.dumps(melodies, newline="\r\n") == data
