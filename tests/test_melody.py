"""The type in the middle and the theory beside it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.errors import InputError, TunesmithError, UsageError
from tunesmith.melody import MODES, Chord, Key, Melody, Meter, Note, name_at_fifths, pitch_class
from tunesmith.theory import SCALES, metrical_weight, octave_of, spell

THREE = Melody(
    (Note(0, 480, 67), Note(480, 960, 70, "Bb"), Note(1920, 480, 62)),
    (Meter(0, 3, 4),),
    pickup=480,
    key=Key("G", "minor"),
    chords=(Chord(480, "Gm7/Bb"), Chord(1920, "D7")),
    title="Three",
)


def test_bars_follow_from_metres_and_pickup():
    melody = Melody(
        tuple(Note(480 * i, 480, 60) for i in range(11)),
        (Meter(0, 3, 4), Meter(480 + 2 * 1440, 4, 4)),
        pickup=480,
    )
    assert [(b.start, b.end, str(b.meter), b.is_pickup) for b in melody.bars] == [
        (0, 480, "3/4", True),
        (480, 1920, "3/4", False),
        (1920, 3360, "3/4", False),
        (3360, 5280, "4/4", False),
    ]


def test_rests_are_where_nothing_sounds():
    melody = Melody((Note(240, 240, 60), Note(960, 480, 62)), duration=1920)
    assert melody.rests == ((0, 240), (480, 480), (1440, 480))
    assert THREE.rests == ((1440, 480),)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Melody(()), "no notes"),
        (lambda: Melody((Note(0, 480, 60), Note(240, 480, 62))), "overlap"),
        (lambda: Melody((Note(480, 480, 60), Note(0, 480, 62))), "out of order"),
        (lambda: Melody((Note(0, 480, 60),), duration=240), "lasts 240"),
        (lambda: Melody((Note(0, 480, 60),), (Meter(480, 4, 4),)), "no metre at the start"),
        (
            lambda: Melody((Note(0, 4800, 60),), (Meter(0, 4, 4), Meter(500, 3, 4))),
            "no barline",
        ),
        (lambda: Melody((Note(0, 4800, 60),), pickup=1920), "pickup"),
        (lambda: Melody((Note(0, 480, 60),), pickup=480), "within its pickup"),
        (lambda: Melody((Note(0, 480, 60),), tempo=0), "tempo"),
        (lambda: Melody((Note(0, 480, 60),), chords=(Chord(481, "C"),)), "outside"),
        (lambda: Note(0, 0, 60), "0 ticks"),
        (lambda: Note(0, 1, 128), "outside 0 to 127"),
        (lambda: Meter(0, 4, 3), "power of two"),
        (lambda: Key("H"), "no note name"),
        (lambda: Key("C", "blues"), "no mode known"),
    ],
)
def test_what_is_unsound_is_refused_when_made(make, says):
    with pytest.raises(InputError, match=says):
        make()


def test_transposing_moves_key_names_and_chords():
    up = THREE.transpose(2)
    assert up.pitches == (69, 72, 64)
    assert up.key == Key("A", "minor")
    assert [n.spelling for n in up.notes] == [None, "C", None]
    assert [c.symbol for c in up.chords] == ["Am7/C", "E7"]
    assert up.same_tune(THREE) and not up.same_tune(THREE.slice_bars(0, 1))
    with pytest.raises(UsageError, match="range of MIDI"):
        THREE.transpose(80)


@given(st.integers(-24, 24))
def test_transposing_and_back_is_the_same(shift):
    back = THREE.transpose(shift).transpose(-shift)
    assert back.notes == THREE.notes
    assert back.key == THREE.key
    for name, pitch in ((n.spelling, n.pitch) for n in THREE.transpose(shift).notes):
        assert name is None or pitch_class(name) == pitch % 12


def test_slicing_bars():
    part = THREE.slice_bars(1, 1)
    assert [(n.onset, n.duration, n.pitch) for n in part.notes] == [(0, 960, 70)]
    assert (part.duration, part.pickup, part.chords) == (1440, 0, (Chord(0, "Gm7/Bb"),))
    assert THREE.slice_bars(0, 2).notes == THREE.notes
    with pytest.raises(UsageError, match="melody of 3"):
        THREE.slice_bars(1, 3)


def test_as_data_and_back():
    again = Melody.from_dict(THREE.to_dict())
    assert again == THREE
    assert (again.title, again.notes[1].spelling) == ("Three", "Bb")
    with pytest.raises(InputError, match="unknown fields"):
        Melody.from_dict(THREE.to_dict() | {"tempi": 3})
    with pytest.raises(InputError, match="not a melody's data"):
        Melody.from_dict({"notes": [[0, 480]], "meters": [[0, 4, 4]], "duration": 480})


@pytest.mark.parametrize(
    ("key", "sharps"),
    [
        (Key("C"), 0), (Key("D"), 2), (Key("Eb"), -3), (Key("F#"), 6),
        (Key("A", "minor"), 0), (Key("D", "dorian"), 0), (Key("E", "phrygian"), 0),
        (Key("F", "lydian"), 0), (Key("G", "mixolydian"), 0), (Key("B", "locrian"), 0),
        (Key("A", "dorian"), 1), (Key("C", "minor"), -3),
    ],
)  # fmt: skip
def test_signatures(key, sharps):
    assert key.sharps == sharps
    assert Key.from_signature(sharps, key.mode) == key


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("tonic", range(12))
def test_scales_are_spelled_with_seven_letters(mode, tonic):
    key = Key.from_pitch_class(tonic, mode)
    names = [spell(60 + tonic + degree, key) for degree in SCALES[mode]]
    assert len({n[0] for n in names}) == 7, names
    assert names[0] == key.tonic
    for name, degree in zip(names, SCALES[mode], strict=True):
        assert pitch_class(name) == (tonic + degree) % 12


def test_chromatic_notes_are_spelled_as_usual():
    assert spell(61, Key("D", "minor")) == "C#"  # the leading note
    assert spell(63, Key("C")) == "Eb" and spell(66, Key("C")) == "F#"
    assert spell(70, Key("G")) == "Bb"
    assert [name_at_fifths(f) for f in (-15, -2, 0, 6, 19)] == ["Fbb", "Bb", "C", "F#", "B##"]


def test_octaves_belong_to_the_name():
    assert octave_of(60, "C") == octave_of(60, "Dbb") == 4
    assert octave_of(60, "B#") == 3 and octave_of(59, "Cb") == 4


def test_metrical_weight_by_hand():
    four = Meter(0, 4, 4)
    assert [metrical_weight(480 * b, four) for b in range(4)] == [0, -2, -1, -2]
    assert metrical_weight(240, four) == -3
    six = Meter(0, 6, 8)
    assert [metrical_weight(240 * e, six) for e in range(6)] == [0, -2, -2, -1, -2, -2]
    assert metrical_weight(1440, six) == 0  # taken inside one bar


def test_errors_are_one_line_with_place_and_remedy():
    error = TunesmithError("no notes\nhere", where="a.abc", remedy="look").at("tunes")
    assert str(error) == "tunes, a.abc: no notes here; look"
