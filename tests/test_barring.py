"""Repeats played out, and bars made into a melody: answers worked out by hand."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.errors import InputError
from tunesmith.formats.barring import SourceBar, SourceNote, assemble
from tunesmith.formats.reading import Reading
from tunesmith.formats.repeats import LONGEST, Marks, playing_order
from tunesmith.melody import Chord, Key, Melody, Meter, Note

PLAIN = Marks()
OPEN = Marks(starts_repeat=True)
CLOSE = Marks(times=2)
DOUBLE = Marks(ends_section=True)


def ending(*numbers: int, times: int = 0) -> Marks:
    return Marks(times=times, endings=frozenset(numbers))


@pytest.mark.parametrize(
    ("marks", "order"),
    [
        ([], ""),
        ([PLAIN, PLAIN], "01"),
        ([PLAIN, OPEN, CLOSE, PLAIN], "012123"),
        ([Marks(True, 3), PLAIN], "0001"),
        # a missing start: back to the beginning, the repeat before, the double bar
        ([PLAIN, CLOSE, PLAIN, CLOSE], "01012323"),
        ([PLAIN, DOUBLE, PLAIN, CLOSE], "012323"),
        ([OPEN, DOUBLE, PLAIN, CLOSE], "01230123"),  # but not past a written start
        ([PLAIN, OPEN, PLAIN], "012"),  # a repeat that is never closed
        # endings
        ([OPEN, ending(1, times=2), ending(2), PLAIN], "01023"),
        ([OPEN, ending(1), ending(1, times=2), ending(2), ending(2)], "012034"),
        ([OPEN, ending(1, 3, times=2), ending(2, times=2), PLAIN], "0102013"),
        ([PLAIN, ending(1, times=2), ending(2, times=2), ending(3), PLAIN], "0102034"),
        ([PLAIN, ending(1, times=2), ending(2, times=2), PLAIN, CLOSE], "01023434"),
        ([PLAIN, ending(1, times=2), PLAIN], "0102"),  # no second: the first is left out
        ([PLAIN, CLOSE, ending(2), PLAIN], "010123"),  # no first
        ([PLAIN, ending(1), ending(2), PLAIN], "01023"),  # its sign forgotten
        ([PLAIN, ending(2), PLAIN], "012"),  # an ending without a repeat
        ([PLAIN, ending(1), PLAIN], "012"),
    ],
)
def test_playing_order(marks: list[Marks], order: str) -> None:
    assert "".join(map(str, playing_order(marks))) == order


def test_repeats_without_measure_are_refused() -> None:
    with pytest.raises(InputError, match=f"more than {LONGEST} bars"):
        playing_order([Marks(times=LONGEST + 1)])


@given(
    st.lists(
        st.builds(
            Marks,
            st.booleans(),
            st.integers(0, 4),
            st.frozensets(st.integers(1, 4), max_size=2),
            st.booleans(),
        ),
        max_size=12,
    )
)
def test_any_marks_are_played(marks: list[Marks]) -> None:
    order = playing_order(marks)
    assert all(0 <= i < len(marks) for i in order)
    heard = {i for i in range(len(marks)) if not marks[i].endings}
    assert heard <= set(order)  # what is under no bracket is always heard


def bar(
    *lengths: float | Fraction,
    meter: tuple[int, int] = (4, 4),
    marks: Marks = PLAIN,
    pitch: int = 60,
    tied: bool = False,
) -> SourceBar:
    """A bar of notes of these lengths (a rest where negative); `tied` ties the last on."""
    at, notes = Fraction(0), []
    for length in map(Fraction, lengths):
        if length > 0:
            notes.append(SourceNote(at, length, pitch))
        at += abs(length)
    if tied:
        notes[-1] = notes[-1]._replace(tied=True)
    return SourceBar("line 3, bar 1", meter, at, tuple(notes), marks=marks)


def made(*bars: SourceBar) -> tuple[Melody, dict[str, int]]:
    melody, remarks = assemble(bars)
    return melody, dict(remarks)


def times(melody: Melody) -> list[tuple[int, int]]:
    return [(n.onset, n.duration) for n in melody.notes]


def test_full_bars_and_what_comes_with_them() -> None:
    bars = [SourceBar("", (3, 4), Fraction(3), (SourceNote(Fraction(1), Fraction(2), 61, "Db"),),
                      ((Fraction(1), "Bbm"),))]  # fmt: skip
    melody, remarks = assemble(bars, key=Key("Db"), tempo=90.0, title="A", origin="a.abc")
    assert melody == Melody(
        (Note(480, 960, 61),), (Meter(0, 3, 4),), key=Key("Db"), tempo=90.0,
        chords=(Chord(480, "Bbm"),),
    )  # fmt: skip
    assert (melody.title, melody.origin, melody.notes[0].spelling) == ("A", "a.abc", "Db")
    assert remarks == {}


def test_a_short_first_bar_is_the_pickup_and_a_short_last_one_just_ends() -> None:
    melody, remarks = made(bar(1), bar(4), bar(3))
    assert (melody.pickup, melody.duration) == (480, 480 + 1920 + 1440)
    assert melody.meters == (Meter(0, 4, 4),)
    assert remarks == {}


def test_a_rest_at_the_end_is_kept() -> None:
    assert made(bar(4), bar(1, -2))[0].duration == 1920 + 1440


def test_the_end_of_a_section_and_the_next_pickup_are_one_bar() -> None:
    melody, remarks = made(bar(1), bar(4), bar(3, marks=CLOSE), bar(1), bar(4), bar(3, marks=CLOSE))
    # 1 | 4 | 3+1 | 4 | 3+1 | 4 | 3+1 | 4 | 3
    assert melody.pickup == 480
    assert [b.length for b in melody.bars] == [480] + [1920] * 8
    assert melody.duration == 480 + 7 * 1920 + 1440
    assert remarks == {}


def test_up_to_16_short_bars_make_one() -> None:
    melody, _ = made(*[bar(Fraction(1, 4))] * 16, bar(4))
    assert [b.length for b in melody.bars] == [1920, 1920]
    with pytest.raises(InputError, match="no metre"):  # to try all would take squares of time
        made(*[bar(Fraction(4, 17))] * 17)


def test_a_bar_that_does_not_fill_its_metre_gets_its_own() -> None:
    melody, remarks = made(bar(4), bar(2.5), bar(4), bar(5), bar(4))
    assert [str(m) for m in melody.meters] == ["4/4", "5/8", "4/4", "5/4", "4/4"]
    assert [m.tick for m in melody.meters] == [0, 1920, 3120, 5040, 7440]
    assert remarks == {"bars of irregular length": 2}
    assert times(melody)[-1] == (7440, 1920)


def test_a_long_last_bar_and_a_tune_in_the_wrong_metre() -> None:
    assert [str(m) for m in made(bar(4), bar(6))[0].meters] == ["4/4", "6/4"]
    melody, remarks = made(bar(3), bar(3), bar(3))
    assert (melody.pickup, [str(m) for m in melody.meters]) == (0, ["3/4", "4/4"])
    assert remarks == {"bars of irregular length": 2}


def test_a_pickup_in_another_metre() -> None:
    melody, _ = made(bar(1, meter=(2, 4)), bar(3, meter=(3, 4)), bar(3, meter=(3, 4)))
    assert melody.pickup == 480
    assert melody.meters == (Meter(0, 2, 4), Meter(480, 3, 4))


def test_a_length_that_is_no_metre_is_refused_with_its_place() -> None:
    with pytest.raises(InputError, match=r"line 3, bar 1: the bar lasts 1/3 quarters"):
        made(bar(4), bar(Fraction(1, 3)), bar(4))


def test_ties_join_over_barlines_and_repeats() -> None:
    melody, remarks = made(bar(3, 1, tied=True), bar(4, tied=True), bar(2, 2))
    assert times(melody) == [(0, 1440), (1440, 480 + 1920 + 960), (4800, 960)]
    assert remarks == {}
    melody, _ = made(bar(4, tied=True), bar(4, marks=ending(1, times=2)), bar(4, marks=ending(2)))
    assert times(melody) == [(0, 3840), (3840, 3840)]


def test_a_tie_to_another_note_or_to_none_is_counted() -> None:
    melody, remarks = made(bar(4, tied=True), bar(4, pitch=62, tied=True))
    assert times(melody) == [(0, 1920), (1920, 1920)]
    assert remarks == {"ties that lead to no equal note": 2}


def test_rounding_to_the_tick_is_counted_and_loses_no_time() -> None:
    seventh = Fraction(1, 7)
    melody, remarks = made(bar(*[seventh] * 7, 3), bar(4))
    assert [n.onset for n in melody.notes] == [0, 69, 137, 206, 274, 343, 411, 480, 1920]
    assert remarks == {"notes rounded to the tick": 7}
    melody, remarks = made(bar(Fraction(1, 2000), 4 - Fraction(1, 2000)), bar(4))
    assert times(melody) == [(0, 1920), (1920, 1920)]
    assert remarks["notes shorter than a tick dropped"] == 1


def test_no_notes() -> None:
    with pytest.raises(InputError, match="no notes"):
        made(bar(-4))
    with pytest.raises(InputError, match="no notes"):
        made()


@given(st.lists(st.tuples(st.integers(1, 12), st.sampled_from([PLAIN, OPEN, CLOSE, DOUBLE])),
                min_size=1, max_size=12))  # fmt: skip
def test_no_onset_or_length_changes(spec: list[tuple[int, Marks]]) -> None:
    bars = [bar(*[Fraction(1, 2)] * n, marks=m) for n, m in spec]
    melody, _ = made(*bars)
    played = sum(spec[i][0] for i in playing_order([m for _, m in spec]))
    assert times(melody) == [(240 * i, 240) for i in range(played)]
    assert melody.bars[-1].end >= melody.duration


def test_a_reading_is_a_melody_or_an_error() -> None:
    with pytest.raises(AssertionError):
        Reading("a.abc")
