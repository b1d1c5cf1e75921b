"""Melodies without their long silences, counted by hand."""

import pytest

from tunesmith.errors import UsageError
from tunesmith.melody import Chord, Key, Melody, Meter, Note
from tunesmith.silence import check_longest, empty_spans, without_long_silence


def words(melody):
    return [(n.onset, n.duration, n.pitch) for n in melody.notes]


# Bars of 4/4 are 1920 ticks, of 3/4 1440, of 2/4 960. Two silent bars of 4/4, a note, four
# silent bars, of 3/4, 2/4, 2/4 and 3/4, a note in 3/4, and a silent bar that ends early.
SONG = Melody(
    (Note(3840 + 480, 960, 60), Note(3840 + 1920 + 4800 + 480, 480, 64)),
    (
        Meter(0, 4, 4), Meter(5760, 3, 4), Meter(7200, 2, 4), Meter(9120, 3, 4),
        Meter(12_000, 4, 4),
    ),
    duration=13_000,
    key=Key("F"),
    tempo=90,
    title="Song",
)  # fmt: skip


def test_silence_through_changes_of_metre():
    assert empty_spans(SONG) == ((0, 2), (3, 7), (8, 9))
    short, taken = without_long_silence(SONG, 1)
    # Left: the bar of 4/4, one silent bar of 3/4, and the bar of 3/4.
    assert taken == 2 + 3 + 1
    assert words(short) == [(480, 960, 60), (1920 + 1440 + 480, 480, 64)]
    assert short.meters == (Meter(0, 4, 4), Meter(1920, 3, 4))
    assert short.duration == 1920 + 1440 + 1440
    assert (short.key, short.tempo, short.title) == (SONG.key, SONG.tempo, SONG.title)
    two, taken = without_long_silence(SONG, 2)
    assert taken == 5 and words(two)[1] == (1920 + 1440 + 960 + 480, 480, 64)
    assert two.meters == (
        Meter(0, 4, 4), Meter(1920, 3, 4), Meter(3360, 2, 4), Meter(4320, 3, 4),
    )  # fmt: skip
    none, taken = without_long_silence(SONG, 0)
    assert taken == 7 and words(none)[1] == (1920 + 480, 480, 64)
    # Edges go however long a silence may be; a tune without any is given back itself.
    assert without_long_silence(SONG, 9)[1] == 3
    assert without_long_silence(short, 1) == (short, 0)
    assert without_long_silence(short, 1)[0] is short


# A pickup of a quarter in 3/4; a note that sounds on into the second of six bars; bars three to
# five are silent, and the last is short by the pickup.
HYMN = Melody(
    (Note(0, 480, 67), Note(480, 1920, 72), Note(480 + 5 * 1440, 960, 74)),
    (Meter(0, 3, 4),),
    pickup=480,
    chords=(
        Chord(0, "G"), Chord(480, "C"), Chord(480 + 3 * 1440, "Am"), Chord(480 + 4 * 1440, "Dm"),
        Chord(480 + 4 * 1440 + 480, "G7"),
    ),
)  # fmt: skip


def test_silence_with_a_pickup_and_chords():
    assert empty_spans(HYMN) == ((2, 5),)
    short, taken = without_long_silence(HYMN, 1)
    assert taken == 2
    assert words(short) == [(0, 480, 67), (480, 1920, 72), (480 + 3 * 1440, 960, 74)]
    assert short.pickup == 480 and short.meters == HYMN.meters
    assert short.duration == 480 + 3 * 1440 + 960  # still short by the pickup
    # Of the chords of the bars that went only the one that holds after them.
    assert [(c.tick, c.symbol) for c in short.chords] == [
        (0, "G"), (480, "C"), (480 + 3 * 1440, "G7"),
    ]  # fmt: skip
    # One that begins with the bar behind them stands alone.
    again = Melody(HYMN.notes, HYMN.meters, 480, chords=(*HYMN.chords, Chord(480 + 5 * 1440, "C")))
    assert [c.symbol for c in without_long_silence(again, 1)[0].chords] == ["G", "C", "C"]
    assert without_long_silence(HYMN, 3) == (HYMN, 0)


def test_a_silent_pickup_goes_with_the_silence_before_the_first_note():
    # A quarter's pickup and a bar of 3/4, silent; then 2/4 with a note, and a silent bar.
    late = Melody(
        (Note(480 + 1440, 960, 60),),
        (Meter(0, 3, 4), Meter(480 + 1440, 2, 4)),
        pickup=480,
        duration=480 + 1440 + 2 * 960,
        chords=(Chord(480, "F"), Chord(480 + 1440 + 960, "C")),
    )
    short, taken = without_long_silence(late, 4)
    assert taken == 3
    assert short == Melody((Note(0, 960, 60),), (Meter(0, 2, 4),), chords=(Chord(0, "F"),))


def test_a_longest_silence_is_a_number_of_bars():
    check_longest(None)
    check_longest(0)
    with pytest.raises(UsageError, match="a longest silence of -1 bars; use 0 or more"):
        check_longest(-1)
