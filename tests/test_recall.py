"""What a tune recalls, against a slow and plain way of finding the same."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tunesmith.melody import TICKS_PER_QUARTER, Key, Melody, Meter, Note
from tunesmith.tokens import LettersVocabulary, NotesVocabulary
from tunesmith.tokens.notes import fold_at
from tunesmith.tokens.recall import LEVELS, LineRecall, Match
from tunesmith.tokens.table import (
    BAR0,
    END,
    FIRST_EVENT,
    PERIOD_SLOT,
    PITCH_LOWEST,
    UNKNOWN,
)

NOTES = NotesVocabulary()


def longest_match(ids):
    """Where the id after the longest earlier copy of the end of `ids` stands, and its length."""
    best = (0, 0)
    for end in range(len(ids) - 1):
        length = 0
        while length <= end and ids[end - length] == ids[len(ids) - 1 - length]:
            length += 1
        if length >= best[1]:
            best = (end + 1, length)
    return best


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.integers(0, 2), min_size=40, max_size=40), min_size=1, max_size=3))
def test_the_longest_match(rows):
    ids = np.array(rows)
    match = Match(len(rows))
    for t in range(40):
        place, length = match.push(ids[:, t])
        for row in range(len(rows)):
            expected = longest_match(rows[row][: t + 1])
            assert length[row] == expected[1]
            if length[row]:
                assert place[row] == expected[0]


def test_a_match_grows_beyond_its_first_room():
    ids = np.random.default_rng(0).integers(0, 3, (1, 600))
    match = Match(1)
    for t in range(600):
        place, length = match.push(ids[:, t])
    assert (place[0], length[0]) == longest_match(ids[0].tolist())


@pytest.mark.parametrize("count", [255, 256])
def test_going_on_from_an_id_that_was_never_repeated_finds_nothing(count):
    match = Match(1)
    for i in range(count):
        place, _ = match.push(np.array([i]))
    place, length = match.resume(0, 5)
    assert length == 0
    match.at(np.array([place]))  # a place there is, also where the room for ids is just used up


def test_a_line_holds_on_to_its_match_through_a_note_that_differs():
    phrase = [0, 4, 7, 4, 9, 7, 5, 4, 2, 0, 2, 4, 5, 7, 9, 11]
    varied = [*phrase[:10], 1, *phrase[11:]]
    seen = LineRecall(1, 14, 12, 12).read(np.array([[13, *phrase, *varied]]))
    held, trust = seen.candidates[0, :, 2], seen.trust[0, :, 2] - 2 * LEVELS
    # Held from the eighth note of the copy on: at the ninth, after the phrase's ninth.
    for k in range(8, 15):
        assert held[16 + k + 0] == phrase[k], k
        assert trust[16 + k] > 0
    assert trust[:16].max() == 0
    assert trust[16 + 11] < trust[16 + 10]  # the guess of note 10 was wrong


def test_a_line_knows_what_else_followed_and_what_would_follow_moved():
    rest = 12
    seen = LineRecall(1, 14, 12, 12).read(np.array([[0, 2, 4, 5, rest, 0, 2, 7, 9, 11, 0, 2]]))
    candidates, trust = seen.candidates[0], seen.trust[0] - LEVELS * np.arange(4)
    # After 0 2 came 4 and, the latest, 7.
    assert (candidates[-1, 0], trust[-1, 0]) == (7, 2)
    assert (candidates[-1, 1], trust[-1, 1]) == (4, 2)
    # 7 9 11 rose by 2 and 2 as 0 2 4 did, after which came a semitone.
    assert (candidates[9, 3], trust[9, 3]) == (0, 2)
    # The three ids before the latest, in rows of a table of 14 each.
    assert seen.places[0, -1].tolist() == [0, 14 + 11, 28 + 9]
    # In pitches nothing begins again after an octave.
    high = LineRecall(1, 130, 128).read(np.array([[60, 67, 72, 120, 127]]))
    assert high.trust[0, -1, 3] % LEVELS == 0  # 132 is no pitch


def test_what_notes_recall_by_hand():
    # Four bars of 2/4: A B A B, quarters, in C major.
    quarter = TICKS_PER_QUARTER
    pitches = [60, 62, 64, 65] * 2
    notes = tuple(Note(i * quarter, quarter, p) for i, p in enumerate(pitches))
    tune = Melody(notes, meters=(Meter(0, 2, 4),), key=Key("C", "major"))
    ids = NOTES.encode(tune).ids.astype(np.int64)
    words = NOTES.words(ids)
    seen = NOTES.recall(1).read(ids[None])
    third = words.index("bar:2", FIRST_EVENT)  # the third bar begins
    # Two bars ago a quarter stood here; one bar ago as well.
    assert words[third + 1] == "len:24"
    assert NOTES.words(seen.candidates[0, third])[1:3] == ["len:24", "len:24"]
    # The header tells that bars come again after two.
    assert words[PERIOD_SLOT] == "bar:2"
    assert NOTES.words(seen.candidates[0, third : third + 2, 5]) == ["len:24", "pitch:60"]
    # After its length: one bar ago F's bar began with E, two bars ago with C.
    assert NOTES.words(seen.candidates[0, third + 1])[1:3] == ["pitch:64", "pitch:60"]
    assert (seen.trust[0, third + 1, 3:5] % LEVELS == 0).all()  # no bar 4 or 8 bars ago
    # At the bar's end the next bar is told with its own number, and at the last the end.
    assert seen.candidates[0, third + 4, 0] == BAR0 + 1
    assert words[-2] == "pitch:65"
    assert seen.candidates[0, -2, 1] == END
    # After a bar line and a length C came, five semitones under the pitch before it, which is the
    # last of the tune, told in the header.
    second = words.index("bar:3")
    assert NOTES.words(seen.candidates[0, second + 1, [0, 6]]) == ["pitch:60", "pitch:57"]
    assert (seen.trust[0, second + 1] % LEVELS)[[0, 6]].tolist() == [2, 2]
    # The place: steps since the bar line; a length told moves to the other half of the table.
    assert seen.places[0, third : third + 4, 0].tolist() == [0, 192, 24, 24 + 192]
    assert seen.places[0, third, 2] - seen.places[0, third + 5, 2] == 1  # bars left
    assert seen.places[0, third + 5, 3] - seen.places[0, third, 3] == 1  # bars begun
    # The pitch on which the tune ends is told where it is due, and is then the first candidate.
    goal = seen.places[0, :, 7] - seen.places[0, 0, 7]
    assert goal.tolist() == [0] * (len(words) - 3) + [65 - 21 + 1, 0, 0]
    assert NOTES.words(seen.candidates[0, -3, :1]) == ["pitch:65"]
    assert seen.trust[0, -3, 0] == LEVELS - 1
    # Where in the period of two bars each bar is: its first or last, of the first or second round.
    bars = [words.index(f"bar:{n}", FIRST_EVENT) for n in (4, 3, 2, 1)]
    assert (seen.places[0, bars, 8] - seen.places[0, 0, 8]).tolist() == [1, 3, 4, 6]
    # Of the header no copy is made, though its tokens are found in the tune as well.
    assert (seen.trust[0, : bars[0] + 1, [0, 6]] % LEVELS == 0).all()
    assert not seen.places[0, :FIRST_EVENT, 0].any()
    # The seven ids before this one, the latest first; at the start there were none, which is 0.
    before = seen.places[0, third, 9:] - seen.places[0, 0, 9:]
    told = [BAR0 + 1 if words[i].startswith("bar") else ids[i] for i in range(third - 7, third)]
    assert before.tolist() == told[::-1]


def test_a_period_does_not_return_to_the_pickup():
    # A pickup and six bars of 2/4, A B A B A B: they come again after two bars.
    quarter = TICKS_PER_QUARTER
    pitches = [59, *[60, 62, 64, 65] * 3]
    notes = tuple(Note(i * quarter, quarter, p) for i, p in enumerate(pitches))
    tune = Melody(notes, (Meter(0, 2, 4),), pickup=quarter, key=Key("C", "major"))
    ids = NOTES.encode(tune).ids.astype(np.int64)
    words, memory = NOTES.words(ids), NOTES.recall(1)
    told = [int(memory.returning.ids[0]) for i in ids if memory.push(np.array([i]))]
    second = words.index("bar:5", FIRST_EVENT)  # two bars before it is the pickup
    assert told[second] == -1 and words[PERIOD_SLOT] == "bar:2"
    third = words.index("bar:4", FIRST_EVENT)
    assert NOTES.words(told[third : third + 2]) == ["len:24", "pitch:60"]


@pytest.mark.parametrize(
    ("words", "pull"),
    [
        ("bar:16 density:6 meter:2/4 bar:32", 1.0),  # 0.5 of 32 bars are the 16 after the period
        ("bar:16 density:6 meter:2/4 bar:64", 0.5 * 64 / 48),
        ("bar:8 density:6 meter:2/4 bar:64", 0.5 * 64 / 56 * 8 / 16),
        ("bar:32 density:6 meter:2/4 bar:64", 1.5),
        ("bar:64 density:1 meter:2/4 bar:more", 1.5 * 0.045 * 128 / 64),
        ("bar:16 density:1 meter:2/4 bar:17", 0.045 * 17),
        ("bar:16 density:6 meter:2/4 bar:16", 0.0),
        ("bar:16 density:6 meter:2/4", 0.0),
        ("bar:16 ? meter:2/4 bar:32", 0.0),
        ("rest density:6 meter:2/4 bar:32", 0.0),
        ("bar:more density:6 meter:2/4 bar:more", 0.0),
    ],
)
def test_how_much_a_tune_is_held_to_its_plan(words, pull):
    told = "bos ? mode:major key:C density:2 pitch:60 pitch:72 pitch:60 len:24 " + words
    memory = NOTES.recall(1)
    for word in told.split():
        memory.push(np.array([NOTES.names.index(word)]))
    assert memory.returning.pull == pytest.approx([pull])


def test_bars_that_are_forgotten_are_not_taken_for_others():
    # 100 bars of 2/4, each with pitches of its own; the third and the fourth are the gap.
    quarter = TICKS_PER_QUARTER
    pitches = [p for i in range(100) for p in (40 + i // 2, 80 + i % 2)]
    notes = tuple(Note(i * quarter, quarter, p) for i, p in enumerate(pitches))
    tune = Melody(notes, meters=(Meter(0, 2, 4),), key=Key("C", "major"))
    ids = NOTES.encode(tune).ids.astype(np.int64)
    ids[PERIOD_SLOT] = NOTES.names.index("bar:40")
    known, middle, _ = fold_at(ids, 2, 4)
    told = NOTES.recall(1).read(np.concatenate([known, middle, [END]])[None])
    # Forty bars before bar 3 there is none, and what stands 88 after it is not told for that, but
    # what stands forty after it (two more: where bars have no number, a gap leaves no trace).
    assert NOTES.words(told.candidates[0, len(known) + 1, [5]]) == [f"pitch:{40 + 44 // 2}"]


@pytest.mark.parametrize("first", [0, 1, 3])
def test_a_gap_is_filled_as_if_the_tune_went_on(first):
    # A pickup and eight bars of 2/4, A B A C A B A C; two bars of it are the gap.
    quarter = TICKS_PER_QUARTER
    pitches = [59, *[60, 62, 64, 65, 60, 62, 67, 69] * 2]
    notes = tuple(Note(i * quarter, quarter, p) for i, p in enumerate(pitches))
    tune = Melody(notes, meters=(Meter(0, 2, 4),), pickup=quarter, key=Key("C", "major"))
    whole = NOTES.encode(tune).ids.astype(np.int64)
    known, middle, before = fold_at(whole, first, first + 2)
    ids = np.concatenate([known, middle, [END]])
    plain, folded = (NOTES.recall(1).read(i[None]) for i in (whole, ids))
    told, wanted = folded.places[0, len(known) : -1], plain.places[0, before:][: len(middle)]
    same = [0, 1, 2, 3, 4, *range(7, told.shape[1])]  # all but what only a gap has
    np.testing.assert_array_equal(told[:, same], wanted[:, same])
    # How many bars are left of the gap, and the first pitch behind it.
    per_bar = len(middle) // 2
    left = told[:, 5] - wanted[:, 5]
    assert left.tolist() == [2] * per_bar + [1] * per_bar
    behind = known[(known >= PITCH_LOWEST) & (np.arange(len(known)) > before)][0]
    assert (told[:, 6] - wanted[:, 6] == behind - PITCH_LOWEST + 1).all()
    # At its end `end` is told. What stands four bars later is told where nothing is before.
    assert folded.candidates[0, -2, 0] == END or folded.candidates[0, -2, 1] == END
    if first == 0:
        assert NOTES.words(folded.candidates[0, len(known) + 1])[3] == "pitch:60"
    # With a bar before the gap, the longest match is found from there at once.
    if first == 3:
        assert folded.trust[0, len(known) - 1, 0] % LEVELS > 4


def test_the_last_pitch_is_told_where_the_tune_may_end_by_the_length_of_its_pickup():
    # A pickup of an eighth, two bars of 2/4, the last of them shorter by it or not.
    eighth = TICKS_PER_QUARTER // 2
    for lengths, due in (([1, 2, 2, 2, 1], [4]), ([1, 2, 2, 2, 1, 1], [4, 5])):
        onsets = np.cumsum([0, *lengths[:-1]]) * eighth
        notes = tuple(
            Note(int(o), n * eighth, 60 + i)
            for i, (o, n) in enumerate(zip(onsets, lengths, strict=True))
        )
        tune = Melody(notes, (Meter(0, 2, 4),), pickup=eighth, key=Key("C", "major"))
        ids = NOTES.encode(tune).ids.astype(np.int64)
        goal = NOTES.recall(1).read(ids[None]).places[0, :, 7]
        at = (
            np.flatnonzero(ids >= PITCH_LOWEST)[3:] - 1
        )  # the lengths, without the header's pitches
        told = np.flatnonzero(goal[at] > goal[0]).tolist()
        assert told == due, NOTES.words(ids)
        assert (goal[at[told]] - goal[0] == notes[-1].pitch - 21 + 1).all()


def test_the_last_pitch_is_told_in_the_last_bar_before_a_gap_is_filled_and_of_each_tune():
    # Two tunes of four bars of 2/4 that end on G and on C; of a third the last pitch is unknown.
    quarter = TICKS_PER_QUARTER
    rows = []
    for pitches in ([60, 62, 64, 65, 60, 62, 64, 67], [60, 62, 64, 65, 60, 62, 64, 60]):
        notes = tuple(Note(i * quarter, quarter, p) for i, p in enumerate(pitches))
        tune = Melody(notes, meters=(Meter(0, 2, 4),), key=Key("C", "major"))
        known, middle, _ = fold_at(NOTES.encode(tune).ids.astype(np.int64), 1, 2)
        rows.append(np.concatenate([known, middle, [END]]))
    hidden = rows[0].copy()
    hidden[7] = UNKNOWN
    ids = np.stack([*rows, hidden])
    words = NOTES.words(ids[0])
    due = words.index("fill") - 3  # before its last pitch and `end`
    memory = NOTES.recall(3)
    told = memory.read(ids).places[:, :, 7]
    goal = told - told[2, :1]
    assert not goal[2].any()
    for row, pitch in ((0, 67), (1, 60)):
        assert goal[row, due] == pitch - 21 + 1
        assert np.flatnonzero(goal[row]).tolist() == [due]
    # The same in parts and of some rows, wherever they are cut.
    for cut in (3, 7, 8, due - 1, due, due + 1):
        memory = NOTES.recall(3)
        memory.read(ids[:, :cut])
        rest = memory.select([1, 2]).read(ids[[1, 2], cut:]).places[:, :, 7]
        np.testing.assert_array_equal(rest, told[[1, 2], cut:])


@pytest.mark.parametrize("vocabulary", [NOTES, LettersVocabulary()], ids=lambda v: v.kind)
def test_reading_in_parts_and_of_some_rows_is_reading(vocabulary):
    rng = np.random.default_rng(1)
    ids = rng.integers(0, vocabulary.size, (4, 90))
    whole = vocabulary.recall(4).read(ids)
    memory = vocabulary.recall(4)
    memory.read(ids[:, :50])
    rest = memory.select([3, 1]).read(ids[[3, 1], 50:])
    for part, of_rest in zip(whole, rest, strict=True):
        np.testing.assert_array_equal(part[[3, 1], 50:], of_rest)


@pytest.mark.parametrize("vocabulary", [NOTES, LettersVocabulary()], ids=lambda v: v.kind)
def test_tunes_of_all_lengths_in_one_go(vocabulary):
    rng = np.random.default_rng(3)
    ids = rng.integers(0, vocabulary.size, (5, 120))
    lengths = np.array([40, 120, 1, 64, 97])
    whole = vocabulary.recall(5).read(ids)
    told = vocabulary.recall(5).read_all(ids, lengths)
    for row, length in enumerate(lengths):
        for part, wanted in zip(told, whole, strict=True):
            np.testing.assert_array_equal(part[row, :length], wanted[row, :length])


@pytest.mark.parametrize("vocabulary", [NOTES, LettersVocabulary()], ids=lambda v: v.kind)
def test_nothing_is_known_of_what_comes(vocabulary):
    rng = np.random.default_rng(2)
    ids = rng.integers(0, vocabulary.size, (2, 80))
    other = ids.copy()
    other[:, 41:] = rng.integers(0, vocabulary.size, (2, 39))
    a, b = (vocabulary.recall(2).read(i) for i in (ids, other))
    for one, two in zip(a, b, strict=True):
        np.testing.assert_array_equal(one[:, :41], two[:, :41])
    fields = vocabulary.recall_fields
    assert a.candidates.shape == (2, 80, fields["recall_channels"])
    assert a.candidates.min() >= 0 and a.candidates.max() < vocabulary.size
    assert a.trust.max() < fields["recall_channels"] * fields["recall_levels"]
    assert a.places.size == 0 or a.places.max() < fields["recall_places"]
