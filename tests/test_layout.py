from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tunesmith.errors import InputError
from tunesmith.formats.layout import Event, Layout, lay_out
from tunesmith.melody import WHOLE, Chord, Key, Melody, Meter, Note

METERS = [(4, 4), (3, 4), (6, 8), (2, 2), (5, 4), (7, 8), (9, 8), (3, 8), (2, 4), (5, 16), (12, 8)]


def tune(lengths: list[int], meter: tuple[int, int] = (4, 4), **more: object) -> Melody:
    """Notes of these lengths one after the other; a negative length is a rest."""
    notes, at = [], 0
    for length in lengths:
        if length > 0:
            notes.append(Note(at, length, 60))
        at += abs(length)
    return Melody(tuple(notes), (Meter(0, *meter),), **more)


def shown(event: Event) -> str:
    text = ("r" if event.pitch is None else "") + str(event.value) + "." * event.dots
    if event.tuplet_start:
        text += "({}:{}".format(*event.tuplet)
    return text + ")" * event.tuplet_stop + "~" * event.tie_start


def written(lengths: list[int], meter: tuple[int, int] = (4, 4), **more: object) -> str:
    bars = lay_out(tune(lengths, meter, **more)).bars
    return " | ".join(" ".join(shown(e) for e in bar.events) for bar in bars)


def nominal(event: Event) -> Fraction:
    """Ticks that the written value stands for."""
    length = event.value * WHOLE * (2 - Fraction(1, 2**event.dots))
    return length * event.tuplet[1] / event.tuplet[0] if event.tuplet else length


def sounding(layout: Layout) -> list[tuple[int, int, int]]:
    """(onset, ticks, pitch) of the notes that the written events make."""
    notes: list[tuple[int, int, int]] = []
    for bar in layout.bars:
        for e in bar.events:
            if e.pitch is None:
                continue
            if e.tie_stop:
                onset, ticks, pitch = notes[-1]
                assert (onset + ticks, pitch) == (e.onset, e.pitch)
                notes[-1] = onset, ticks + e.ticks, pitch
            else:
                notes.append((e.onset, e.ticks, e.pitch))
    return notes


@pytest.mark.parametrize(
    ("lengths", "meter", "expected"),
    [
        ([240, 480, 240, 480, 480], (4, 4), "1/8 1/4 1/8 1/4 1/4"),  # plain syncopation
        ([720, 720, 480], (4, 4), "1/4. 1/8~ 1/4 1/4"),  # the middle of the bar shows
        ([480, 960, 480], (4, 4), "1/4 1/2 1/4"),
        ([240, 1200, 480], (4, 4), "1/8 1/4.~ 1/4 1/4"),
        ([1200, 720], (4, 4), "1/2~ 1/8 1/4."),
        ([480, 1440], (4, 4), "1/4 1/2."),
        ([720, 720], (6, 8), "1/4. 1/4."),
        ([960, 480], (6, 8), "1/4.~ 1/8 1/4"),  # no half note over the beat of 6/8
        ([1440], (6, 8), "1/2."),
        ([480, 960], (3, 4), "1/4 1/2"),
        ([1440 + 480, -960], (3, 4), "1/2.~ | 1/4 r1/2"),
        ([2400], (5, 4), "1~ 1/4"),
        ([160] * 3 + [320, 160, 960], (4, 4), "1/8(3:2 1/8 1/8) 1/4(3:2 1/8) 1/2"),
        ([320] * 3 + [960], (4, 4), "1/4(3:2 1/4 1/4) 1/2"),
        ([80] * 6 + [96] * 5 + [960], (4, 4), "1/16(6:4 1/16 1/16 1/16 1/16 1/16) "
         "1/16(5:4 1/16 1/16 1/16 1/16) 1/2"),
        ([69, 68, 69, 68, 69, 68, 69, 1440], (4, 4),
         "1/16(7:4 1/16 1/16 1/16 1/16 1/16 1/16) 1/2."),
        ([160, -320, 1440], (4, 4), "1/8(3:2 r1/4) 1/2."),  # filled up with a rest
    ],
)  # fmt: skip
def test_values_a_musician_would_write(
    lengths: list[int], meter: tuple[int, int], expected: str
) -> None:
    assert written(lengths, meter) == expected


def test_rests_show_the_beat_and_are_not_tied() -> None:
    assert written([240, -720, 960]) == "1/8 r1/8 r1/4 1/2"


def test_last_bar_completes_the_pickup_or_is_filled() -> None:
    lengths = [480, 1920, 1440]
    assert written(lengths, pickup=480) == "1/4 | 1 | 1/2."
    assert written([*lengths, 480], pickup=480) == "1/4 | 1 | 1/2. 1/4"
    assert written([480, 1920, 960], pickup=480) == "1/4 | 1 | 1/2 r1/2"
    # A pickup and its rest would be one bar, so the bar after a pickup is filled.
    assert written([480, 1440], pickup=480) == "1/4 | 1/2. r1/4"


def test_pickup_of_a_part_of_a_triplet() -> None:
    assert written([160, 1920], pickup=160) == "1/8(3:2) | 1"


def test_spelling_given_is_kept_if_it_fits_else_the_key_decides() -> None:
    notes = (Note(0, 480, 66, "Gb"), Note(480, 480, 66, "Bb"), Note(960, 480, 66))
    events = lay_out(Melody(notes, key=Key("G"))).bars[0].events
    assert [e.name for e in events] == ["Gb", "F#", "F#", ""]


def test_chords_stand_in_their_bars_and_metres_show_when_they_change() -> None:
    notes = tuple(Note(480 * i, 480, 60) for i in range(10))
    meters = (Meter(0, 4, 4), Meter(1920, 3, 4), Meter(3360, 3, 4))
    chords = (Chord(0, "C"), Chord(1900, "G"), Chord(1920, "F"), Chord(4800, "C"))
    bars = lay_out(Melody(notes, meters, chords=chords)).bars
    assert [[c.symbol for c in b.chords] for b in bars] == [["C", "G"], ["F"], ["C"]]
    assert [b.meter_changes for b in bars] == [True, True, False]


def test_lengths_that_no_tuplet_spells_move_to_the_nearest_and_are_counted() -> None:
    layout = lay_out(tune([473, 487, 960]))
    assert layout.unspellable == 2
    assert [e.ticks for e in layout.bars[0].events] == [480, 480, 960]


def test_no_note_is_lost_however_short() -> None:
    layout = lay_out(tune([473, 1, 6, 7, 3, 1430]))
    assert len(sounding(layout)) == 6
    assert layout.bars[0].ticks == 1920


def test_too_many_notes_are_refused_with_the_bar() -> None:
    with pytest.raises(InputError, match="bar 2: more notes than notation can spell"):
        lay_out(tune([1920] + [7] * 270 + [1920]))


@st.composite
def melodies(draw: st.DrawFn) -> Melody:
    common = st.sampled_from([480, 240, 120, 960, 720, 360, 160, 320, 80, 60, 96, 1440])
    odd = st.integers(15, 2000)
    lengths = draw(st.lists(st.one_of(common, common, common, odd), min_size=1, max_size=30))
    rests = draw(st.lists(st.booleans(), min_size=len(lengths), max_size=len(lengths)))
    signed = [-n if r and i else n for i, (n, r) in enumerate(zip(lengths, rests, strict=True))]
    meter = Meter(0, *draw(st.sampled_from(METERS)))
    pickup = draw(st.sampled_from([0, 0, 120, 160, 480, 37])) % meter.bar_ticks
    total = sum(lengths)
    return tune(signed, (meter.numerator, meter.denominator), duration=total,
                pickup=pickup if pickup < total else 0)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(melodies())
def test_bars_sum_notes_survive_and_tuplets_are_whole(melody: Melody) -> None:
    layout = lay_out(melody)
    at = layout.bars[0].bar.start
    assert len(layout.bars) == len(melody.bars)
    for i, bar in enumerate(layout.bars):
        assert at == bar.bar.start
        open_tuplet = None
        for event in bar.events:
            assert event.onset == at
            assert abs(nominal(event) - event.ticks) <= (Fraction(1) if event.tuplet else 0)
            if event.tuplet_start:
                assert open_tuplet is None
                open_tuplet = event.tuplet
            assert event.tuplet == open_tuplet
            if event.tuplet_stop:
                open_tuplet = None
            at += event.ticks
        assert open_tuplet is None
        is_short = i == len(layout.bars) - 1 and melody.pickup
        full = bar.bar.length
        assert bar.ticks == full or (is_short and abs(bar.ticks - full + melody.pickup) < 15)
    moved = [
        note
        for note, got in zip(melody.notes, sounding(layout), strict=True)
        if (note.onset, note.duration, note.pitch) != got
    ]
    assert len(moved) == layout.unspellable
