"""Continue, infill, complete, vary, like: what stays, what is new, what is refused."""

import io
import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import mido
import pytest
from typer.testing import CliRunner

import tunesmith
from tunesmith.api.composing import generate, load_model
from tunesmith.api.keeping import keep_file, midi_of
from tunesmith.api.receipts import read_receipt
from tunesmith.api.refilling import _primed, complete, infill, on_grid, parse_bars
from tunesmith.api.reworking import continue_, own_scale
from tunesmith.api.unwanted import circling, comes_last, long_silence
from tunesmith.api.varying import _Variation, own_grid, parse_keep, vary
from tunesmith.cli import app
from tunesmith.decoding.constraints import Constraints
from tunesmith.errors import InputError, UsageError
from tunesmith.evaluation.originality import shared_run
from tunesmith.formats import midi
from tunesmith.formats.abc import scan
from tunesmith.formats.midi_patch import patched
from tunesmith.melody import MODES, Melody, Meter, Note
from tunesmith.silence import empty_spans
from tunesmith.theory import SCALES
from tunesmith.tokens import NotesVocabulary
from tunesmith.tokens.table import LAST_SLOT, PITCH0, UNKNOWN

EXAMPLES = Path(tunesmith.__file__).parent / "corpus" / "examples"


@pytest.fixture(scope="module")
def model():
    return load_model()


@pytest.fixture(scope="module")
def greensleeves():
    return tunesmith.read(EXAMPLES / "britain.abc")[0]


def abc(body, head="M:4/4\nL:1/4\nK:G\n"):
    return scan(f"X:1\nT:Tune\n{head}{body}\n".encode(), "tune.abc")[0].melody


GAPS = "GABc|d2B2|z4|z4|cBAG|z4|A2D2|G4|z4|"
TIED = "GABc|d2B2-|B2A2|G2A2-|A2D2|G4|"


def events(melody):
    return [(n.onset, n.duration, n.pitch) for n in melody.notes]


def held(tune):
    return all(c["held"] for c in tune.receipt["constraints"] if c["kind"] == "hard")


# -- continue ------------------------------------------------------------------------


def test_continue_keeps_the_melody_and_adds_bars(model, greensleeves):
    wanted = Constraints(end="1", cadence="authentic", key="A", mode="minor", range="E4:A5")
    (tune,) = continue_(model, greensleeves, wanted, bars=3, seed=5)
    old, new = events(greensleeves), events(tune.melody)
    assert new[: len(old)] == old and len(new) > len(old)
    assert len(tune.melody.bars) == len(greensleeves.bars) + 3
    begin = greensleeves.bars[-1].end
    added = tune.melody.notes[len(old) :]
    assert all(n.onset >= begin and 64 <= n.pitch <= 81 for n in added)
    assert {n.pitch % 12 for n in added} <= {9, 11, 0, 2, 4, 5, 7}
    assert added[-1].pitch % 12 == 9 and held(tune)
    (alone,) = continue_(model, greensleeves, wanted, bars=3, seed=5, only_new=True)
    assert events(alone.melody) == [(n.onset - begin, n.duration, n.pitch) for n in added]
    assert len(alone.melody.bars) == 3 and str(alone.melody.meters[0]) == "6/8"


def test_continue_goes_on_in_the_last_metre_and_without_empty_bars(model):
    melody = abc("GABc|[M:3/4]dBG|z3|z3|")
    (tune,) = continue_(model, melody, bars=2, seed=1)
    assert [str(b.meter) for b in tune.melody.bars] == ["4/4", "3/4", "3/4", "3/4"]
    assert tune.melody.notes[7].onset >= 7 * 480
    assert {p % 12 for p in tune.melody.pitches} <= {7, 9, 11, 0, 2, 4, 6}  # G major, its key


def test_new_bars_that_only_repeat_the_tune_are_drawn_again(model):
    sailor = tunesmith.read(EXAMPLES / "britain.abc")[1]
    tunes = continue_(model, sailor, bars=8, count=2, seed=2)
    known = [n.pitch for n in sailor.notes]
    new = [[n.pitch for n in t.melody.notes[len(known) :]] for t in tunes]
    assert new[0] != new[1]
    assert tunes[0].receipt["redrawn"]["they only repeat the tune"] > 0


def test_where_nothing_else_comes_new_bars_may_repeat_the_tune(model):
    asked = Constraints(scale="G", note_values="1/4", rest_share="0:0", range="G4:G4")
    tunes = continue_(model, abc("GGGG|GGGG|"), asked, bars=2, count=2, seed=1)
    assert [t.melody.pitches for t in tunes] == [(67,) * 16] * 2
    assert tunes[0].receipt["redrawn"] == {"they only repeat the tune": 14}


def test_repeats_of_the_tune_stay_out_of_a_ranking(model):
    asked = Constraints(scale="G", note_values="1/4", rest_share="0:0", range="G4:G4")
    (tune,) = continue_(model, abc("GGGG|GGGG|"), asked, bars=2, from_=6, seed=1)
    assert tune.receipt["chosen"]["from"] == 1


def test_repeats_of_a_tune_off_the_grid_are_known(model):
    notes = tuple(Note(480 * i + 9, 465, 67) for i in range(8))  # quarters once on the grid
    asked = Constraints(scale="G", note_values="1/4", rest_share="0:0", range="G4:G4")
    (tune,) = continue_(model, Melody(notes, duration=8 * 480), asked, bars=2, seed=1)
    assert tune.receipt["redrawn"] == {"they only repeat the tune": 7}


@pytest.mark.parametrize(("asked", "degrees"), [
    (None, {0}), (Constraints(key="D"), {7}), (Constraints(end="D"), {7}),
    (Constraints(scale="A B D E"), {2}), (Constraints(range="C4:C6"), {0}),
])  # fmt: skip
def test_new_bars_end_on_the_tonic_unless_something_else_is_asked(model, asked, degrees):
    tunes = continue_(model, abc("GABc|d2B2|cBAG|A2D2|"), asked, bars=4, count=4, seed=1)
    assert {(t.melody.pitches[-1] - 67) % 12 for t in tunes} == degrees


def test_an_end_made_anew_is_as_it_was_or_on_the_tonic(model):
    body = "GABc|d2B2|cBAG|A2D2|GABc|d2B2|"
    tunes = infill(model, abc(body + "cBA2|D4|"), 7, 8, count=4, seed=1)
    assert {t.melody.pitches[-1] % 12 for t in tunes} == {2}
    tunes = complete(model, abc(body + "z4|z4|"), count=4, seed=1)
    assert {t.melody.pitches[-1] % 12 for t in tunes} == {7}


def test_new_bars_keep_what_is_asked_of_them_whatever_the_tune_is_in(model):
    tune = abc("GABc|d2B2|cBAG|A2D2|G4|")
    for asked in (Constraints(mode="phrygian"), Constraints(key="Ab")):
        (made,) = infill(model, tune, 3, 4, asked, seed=1)
        assert held(made)
    gaps = complete(model, abc("GABc|d2B2|z4|G4|"), Constraints(mode="phrygian"), seed=1)
    assert held(gaps[0])
    for asked in ({"meter": "3/4"}, {"bars": 2}, {"pickup": "yes"}, {"rhythm_from": tune}):
        for verb in (continue_, complete):
            with pytest.raises(UsageError, match=r"where its bars are|is in 4/4 there"):
                verb(model, abc(GAPS), Constraints(**asked))
    with pytest.raises(UsageError, match="leaves no other melody"):
        infill(model, abc("GABc|d4-|d4|G4|"), 3, 3)


def test_a_note_that_sounds_on_into_new_bars(model):
    tune = abc(TIED)  # half of its third bar
    for asked in ({"rest_share": "0:0"}, {"rest_share": "25%:25%"}, {"note_values": "1/4"}):
        (made,) = infill(model, tune, 3, 3, Constraints(**asked), seed=1)
        assert held(made)
    for asked in ({"rhythm": "1/4"}, {"form": "A"}):
        with pytest.raises(UsageError, match="no melody keeps"):
            infill(model, tune, 3, 3, Constraints(**asked), seed=1)


def test_rests_that_new_bars_cannot_have_are_proved_impossible(model):
    with pytest.raises(UsageError, match="no melody keeps --rest-share"):
        continue_(model, abc("GABc|d2B2|G4|"), Constraints(rest_share="100%:100%"), bars=2)


def test_a_form_of_new_bars_counts_from_the_first_of_these(model):
    line = abc("CDEF|GACD|EFGA|")
    asked = Constraints(form="AA", contour=line, note_values="1/4")
    (made,) = continue_(model, abc("GABc|d2B2|G4|"), asked, bars=4, seed=1, only_new=True)
    assert held(made) and len(made.melody.notes) == 12


def test_degrees_of_new_bars_are_those_of_the_key(model):
    tune = abc("CDE^F|GABc|c^FGE|C4|", head="M:4/4\nL:1/4\nK:C\n")
    asked = Constraints(end="5", allow_chromatic="Bb")
    (made,) = continue_(model, tune, asked, bars=2, seed=1, only_new=True)
    assert held(made) and made.melody.pitches[-1] % 12 == 7
    scale = {"key": "C", "mode": "major", "allow_chromatic": "F# Bb"}
    assert own_scale(tune, asked) == scale and not own_scale(tune, Constraints(scale="C D"))


def test_continue_takes_files_off_the_grid(model):
    notes = tuple(Note(480 * i + 7, 391, 60 + i) for i in range(8))
    melody = Melody(notes, duration=8 * 480)
    (tune,) = continue_(model, melody, bars=1, seed=1)
    assert tune.melody.notes[:8] == notes and tune.receipt["moved_in_primer"] == 8
    assert all(n.onset >= 8 * 480 for n in tune.melody.notes[8:])


def test_continue_refuses(model, greensleeves):
    with pytest.raises(UsageError, match="600 bars after 16"):
        continue_(model, greensleeves, bars=600)
    with pytest.raises(UsageError, match="no melody keeps --range and --start together"):
        continue_(model, greensleeves, Constraints(range="C4:E4", start="A4"), bars=1)


def test_the_metre_that_a_tune_has_may_be_asked_of_its_new_bars(model):
    melody, asked = abc("GABc|[M:3/4]dBG|[M:4/4]GABc|[M:3/4]dBG|"), Constraints(meter="3/4")
    (tune,) = continue_(model, melody, asked, bars=2, seed=1)
    assert [str(b.meter) for b in tune.melody.bars[4:]] == ["3/4", "3/4"] and held(tune)
    assert [c["name"] for c in tune.receipt["constraints"]].count("meter") == 1
    (tune,) = infill(model, melody, 2, 2, asked, seed=1)
    assert held(tune)
    for bars in ((1, 2), (2, 3), (3, 3)):
        with pytest.raises(UsageError, match="--meter: the tune is in 4/4 there"):
            infill(model, melody, *bars, asked)
    with pytest.raises(UsageError, match="--meter: the tune is in 3/4 there; leave it out"):
        continue_(model, melody, Constraints(meter="4/4"), bars=2)
    with pytest.raises(UsageError, match="--meter: 'three' is no metre"):
        continue_(model, melody, Constraints(meter="three"), bars=2)
    (tune,) = continue_(model, abc("G|", "M:2/16\nL:1/8\nK:G\n"), Constraints(meter="4/32"), bars=2)
    assert held(tune)  # in tokens the two are one


# -- infill and complete ------------------------------------------------------------------


@pytest.mark.parametrize(("first", "last"), [(1, 2), (3, 4), (7, 7), (15, 16)])
def test_infill_touches_nothing_else(model, greensleeves, first, last):
    (tune,) = infill(model, greensleeves, first, last, seed=2)
    bars = greensleeves.bars  # the first is the pickup
    begin, end = bars[first].start, bars[last].end

    def outside(melody):
        return [e for e in events(melody) if not begin <= e[0] < end]

    assert outside(tune.melody) == outside(greensleeves)
    assert events(tune.melody) != events(greensleeves) and held(tune)
    assert tune.melody.title == "Greensleeves" and tune.melody.tempo == greensleeves.tempo
    assert tune.melody.duration == greensleeves.duration


def test_infill_and_notes_over_the_borders(model):
    melody = abc(TIED)  # B2- begins in bar 2 and lasts into 3, A2- from 4 into 5
    (tune,) = infill(model, melody, 3, 4, seed=3)
    was, now = events(melody), events(tune.melody)
    assert (6 * 480, 4 * 480, 71) in now  # it keeps its end
    sounding = [e for e in now if e[0] < 16 * 480 < e[0] + e[1]]
    assert [(e[0] + e[1], e[2]) for e in sounding] == [(18 * 480, 69)]  # an A is held till there
    assert [e for e in now if e[0] >= 16 * 480] == [e for e in was if e[0] >= 16 * 480]


def test_infill_keeps_what_is_asked_in_the_new_bars_alone(model, greensleeves):
    wanted = Constraints(notes_per_bar="2:2", note_values="1/4,1/8", max_leap=4)
    (tune,) = infill(model, greensleeves, 5, 6, wanted, seed=2)
    bars = tune.melody.bars[5:7]
    for bar in bars:
        inside = [n for n in tune.melody.notes if bar.start <= n.onset < bar.end]
        assert len(inside) == 2 and {n.duration for n in inside} <= {480, 240}
    new = [n.pitch for n in tune.melody.notes if bars[0].start <= n.onset < bars[1].end]
    assert all(abs(a - b) <= 4 for a, b in pairwise(new)) and held(tune)


def test_infill_refuses(model, greensleeves):
    with pytest.raises(UsageError, match=r"bars 15:17 of a melody of 16; use 1 to 16"):
        infill(model, greensleeves, 15, 17)
    off = replace(greensleeves, notes=(Note(3, 200, 60), *greensleeves.notes[1:]))
    with pytest.raises(InputError, match=r"1 of its 72 notes lie between the steps.*quantise"):
        infill(model, off, 3, 4)
    assert parse_bars("5:8") == (5, 8) and parse_bars(" 7 ") == (7, 7)
    for text in ("", "5:", "a:b", "5:6:7"):
        with pytest.raises(UsageError, match="are no bars"):
            parse_bars(text)


def test_complete_fills_the_empty_bars(model):
    melody = abc(GAPS)
    assert empty_spans(melody) == ((2, 4), (5, 6), (8, 9))
    tunes = complete(model, melody, count=2, seed=4)
    for tune in tunes:
        assert not empty_spans(tune.melody) and held(tune)
        assert set(events(melody)) <= set(events(tune.melody))
        starts = {n.onset // 1920 for n in tune.melody.notes}
        assert starts == set(range(9))
        assert tune.receipt["filled"] == [[3, 4], [6, 6], [9, 9]]
    assert tunes[0].melody != tunes[1].melody
    with pytest.raises(UsageError, match="none of its bars is empty"):
        complete(model, abc("GABc|d4|"))


def test_the_header_tells_the_last_pitch_where_the_end_stays():
    vocabulary = NotesVocabulary()
    wishes = {"unknown": True, "any_pitch": True, "key": "G", "mode": "major"}
    melody = on_grid(abc("GABc|d2B2|cBAG|A2D2|G4|z4|"))
    last = PITCH0 + 67 + 5  # G as if it were C

    def told(span, of=melody):
        return _primed(vocabulary, of, span, wishes).ids[LAST_SLOT]

    assert told((1, 3)) == told((0, 4)) == last
    # From the fifth bar on only a rest stays; to the end, and the whole, nothing does.
    assert told((3, 5)) == told((4, 6)) == told((0, 0)) == UNKNOWN


# -- vary ---------------------------------------------------------------------------------


def share_gone(before, after):
    return len(set(events(before)) - set(events(after))) / len(before.notes)


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("keep", ["rhythm", "pitches", "contour"])
def test_vary_keeps_it_and_changes_the_amount(model, greensleeves, keep, seed):
    (tune,) = vary(model, greensleeves, keep, seed=seed)
    before, after = events(greensleeves), events(tune.melody)
    if keep == "rhythm":
        assert [e[:2] for e in before] == [e[:2] for e in after]
    if keep == "pitches":
        assert [e[2] for e in before] == [e[2] for e in after]
    if keep == "contour":
        signs = [[(b > a) - (b < a) for (_, _, a), (_, _, b) in pairwise(x)]
                 for x in (before, after)]  # fmt: skip
        assert signs[0] == signs[1]
    share = share_gone(greensleeves, tune.melody)
    assert 0.15 <= share <= 0.45 and before != after and held(tune)
    (entry,) = [c for c in tune.receipt["constraints"] if c["kind"] == "soft"]
    assert entry == {"name": "amount", "kind": "soft", "wanted": 0.3, "value": share}


def test_vary_keeps_bars(model, greensleeves):
    (tune,) = vary(model, greensleeves, ["bars=1,2", "bars=9"], amount=1, seed=1)
    bars = greensleeves.bars
    for number in (1, 2, 9):
        a, b = bars[number].start, bars[number].end
        kept = [e for e in events(greensleeves) if a <= e[0] < b]
        assert [e for e in events(tune.melody) if a <= e[0] < b] == kept
    assert share_gone(greensleeves, tune.melody) >= 0.4 and held(tune)


@pytest.mark.parametrize(
    ("body", "grid"),
    [
        ("GABc|dBAG|", 12),  # quarters: 24 steps, its half an eighth
        ("G/A/B/c/d/B/A/G/|G4|", 6),  # eighths
        ("G/4A/4B/4c/4 G/4A/4B/4c/4 G/4A/4B/4c/4 G/4A/4B/4c/4|G4|", 3),  # sixteenths
        ("(3G/A/B/(3G/A/B/(3G/A/B/(3G/A/B/|G4|", 4),  # triplets of eighths, 8 steps each
        ("GABc|dBAG|GABc|dBAG|GABc|(3G/A/B/ ABc|", 12),  # 2 of 26 notes off the quarters
    ],
)
def test_the_grid_of_a_tune_is_that_of_nine_in_ten_notes_or_its_half(body, grid):
    assert own_grid(abc(body)) == grid


def test_a_pickup_is_on_the_grid_from_its_end():
    assert own_grid(abc("G/|GABc|dBAG|GABc|dBAG|")) == 12  # 1 of 17 notes lies off the quarters
    assert own_grid(abc("G/|AB|", "M:2/4\nL:1/4\nK:G\n")) == 6


@pytest.mark.parametrize("keep", ["pitches", "contour", ()])
def test_new_notes_of_a_variation_lie_on_its_grid(model, keep):
    source = abc("GABc|d2B2|cBAG|A2D2|GABc|d2B2|cBAG|G4|")
    old = {n.onset for n in source.notes}
    tunes = vary(model, source, keep, amount=0.6, count=6, seed=3)
    new = [n.onset for t in tunes for n in t.melody.notes if n.onset not in old]
    assert new and all(onset % 240 == 0 for onset in new)


def test_the_shortest_melodies_vary_too(model):
    one = Melody((Note(0, 960, 62),), (Meter(0, 2, 4),))
    for seed in range(3):
        (tune,) = vary(model, one, "rhythm", seed=seed)
        assert [e[:2] for e in events(tune.melody)] == [(0, 960)] and tune.melody.pitches != (62,)
    with pytest.raises(UsageError, match="pass, and 1 are wanted: fewer than 1 of 1"):
        vary(model, one, "pitches", seed=1)  # one note of that pitch fills its bar: no other way


def test_a_variation_may_have_rests_for_notes(model):
    short = abc("G2 A2|", head="M:4/4\nL:1/4\nK:G\n")
    asked = Constraints(scale="G A B", range="G4:B4")
    tunes = vary(model, short, (), asked, amount=0.5, count=3, seed=3, from_=12)
    assert all(held(tune) for tune in tunes)
    work = _Variation(short, parse_keep([]), 0.5, asked)
    rest = replace(short, notes=short.notes[:1])
    assert work.new(rest) == () and work.changed(rest) == 1


def test_as_many_as_are_wanted_are_enough(model):
    tune = abc("GABc|d2B2|cBAG|G4|")
    asked = Constraints(note_values="1/2", range="G4:A4", scale="G A", rest_share="0:0")
    tunes = infill(model, tune, 2, 2, asked, count=2, from_=40, seed=1)  # there are four
    assert len(tunes) == 2 and tunes[0].receipt["chosen"]["from"] < 40


def test_the_best_are_looked_for_only_where_that_is_possible(model):
    with pytest.raises(UsageError, match="at least 2 apart"):
        generate(model, bars=2, apart=2.0)
    from tunesmith.api import drawing

    untold = replace(model, checkpoint=replace(model.checkpoint, provenance={}))
    with pytest.raises(UsageError, match="does not say how many bits"):
        drawing.draw(untold, None, drawing.Drawing(rank="likelihood"))


def test_new_bars_alone_are_judged_as_copies(model):
    tune = next(m for m in tunesmith.read(EXAMPLES / "britain.abc") if m.title == "Greensleeves")
    (made,) = continue_(model, tune, bars=2, seed=1, max_copy=9)
    assert made.receipt["chosen"]["max_copy"] == 9


def test_variations_differ_from_each_other(model, greensleeves):
    tunes = vary(model, greensleeves, "rhythm", count=4, seed=1)
    assert len({t.melody.notes for t in tunes}) == 4


@pytest.mark.parametrize(
    ("keep", "pitches"), [((), "A4:E5"), ("rhythm", "A4:E5"), ("contour", "C4:C6")]
)
def test_new_notes_of_a_variation_keep_what_is_asked_of_them(model, greensleeves, keep, pitches):
    low, high = {"A4:E5": (69, 76), "C4:C6": (60, 84)}[pitches]
    asked = Constraints(scale="A C D E G", range=pitches)
    (tune,) = vary(model, greensleeves, keep, asked, seed=1)
    new = set(events(tune.melody)) - set(events(greensleeves))
    assert new and all(low <= p <= high and p % 12 in {9, 0, 2, 4, 7} for _, _, p in new)
    names = {c["name"] for c in tune.receipt["constraints"] if c["kind"] == "hard"}
    assert held(tune) and {"scale", "range"} <= names
    (tune,) = vary(model, greensleeves, "rhythm", Constraints(allow_chromatic="Eb"), seed=1)
    assert held(tune)


def test_what_cannot_be_asked_of_a_variation(model, greensleeves):
    for asked, why in [
        (Constraints(max_leap=3), "infill"),
        (Constraints(key="D"), "key and a mode"),
        (Constraints(scale="C", range="D4:E4"), "no note of the scale"),
    ]:
        with pytest.raises(UsageError, match=why):
            vary(model, greensleeves, "rhythm", asked, seed=1)
    with pytest.raises(UsageError, match="pitches kept"):
        vary(model, greensleeves, "pitches", Constraints(range="C4:C6"), seed=1)


def test_vary_refuses(model, greensleeves):
    for texts, says in [
        (["rhythm", "pitches"], "nothing is left to vary"),
        (["words"], "'words' cannot be kept"),
        (["bars=x"], "'bars=x' cannot be kept"),
    ]:
        with pytest.raises(UsageError, match=says):
            parse_keep(texts)
    with pytest.raises(UsageError, match=r"an amount of 1\.5"):
        vary(model, greensleeves, amount=1.5)
    with pytest.raises(UsageError, match="bar 17 of a melody of 16"):
        vary(model, greensleeves, "bars=17")
    with pytest.raises(UsageError, match="no note is left to vary"):
        vary(model, abc("GABc|"), "bars=1")


# -- like ------------------------------------------------------------------------------------


def test_like_takes_its_conditions_and_copies_little(model, greensleeves):
    (tune,) = generate(model, like=greensleeves, seed=3)
    m = tune.melody
    assert str(m.key) == "A dorian" and {str(x) for x in m.meters} == {"6/8"}
    assert sum(not b.is_pickup for b in m.bars) == 16
    assert min(m.pitches) >= 64 and max(m.pitches) <= 79
    assert {p % 12 for p in m.pitches} <= {9, 11, 0, 2, 4, 6, 7, 8}  # G sharp is its own
    assert tune.receipt["like"]["longest_run"] == shared_run(m, greensleeves) <= 10
    (other,) = generate(model, Constraints(bars=4, key="D"), like=greensleeves, seed=3)
    assert sum(not b.is_pickup for b in other.melody.bars) == 4
    assert other.melody.key.tonic == "D"
    with pytest.raises(UsageError, match=r"they copy . notes in a row, and at most 1 may be"):
        generate(model, like=greensleeves, seed=3, max_copy=1)


def test_shared_runs_are_counted_in_notes():
    a, b = abc("GABc|d2B2|"), abc("cde=f|zc'zz|")  # the same up to the fourth note
    assert shared_run(a, a) == 6 and shared_run(a, b) == 4
    assert shared_run(a, abc("G4|")) == 1


# -- silence -------------------------------------------------------------------------


def silence(tune):
    return 1 - sum(n.duration for n in tune.melody.notes) / tune.melody.duration


def test_a_tune_of_silence_is_drawn_again_and_counted(model):
    plain = generate(model, count=8, seed=101, bars=4, style="lieder")
    most = sorted(map(silence, plain))[4]
    assert "redrawn" not in plain[0].receipt and silence(max(plain, key=silence)) > most
    tunes = generate(model, count=8, seed=101, bars=4, style="lieder", most_silence=most)
    assert len(tunes) == 8 and all(silence(t) <= most for t in tunes)
    assert not any(long_silence(t.melody) for t in tunes)
    kept = [t for t in plain if silence(t) <= most and not long_silence(t.melody)]
    kept = [t.melody.notes for t in kept]
    assert [t.melody.notes for t in tunes[: len(kept)]] == kept
    count = sum(tunes[0].receipt["redrawn"].values())
    assert count == tunes[-1].receipt["index"] + 1 - 8 >= 8 - len(kept)


def test_a_tune_that_copies_more_than_real_ones_do_is_drawn_again(model, monkeypatch):
    def runs(tunes):
        return [t.receipt["originality"]["longest_run"] for t in tunes]

    how = {"count": 12, "seed": 5, "style": "folk", "bars": 16}
    plain = runs(generate(model, **how))
    most = sorted(plain)[8]
    human = model.index.header["human"]
    monkeypatch.setitem(human, "p95_by_style", {"folk": most})
    monkeypatch.setattr("tunesmith.api.unwanted.FEWEST_COPIED", 1)
    tunes = generate(model, **how, most_silence=0.5)
    assert max(plain) > most >= max(runs(tunes))
    assert any("share a longer run" in why for why in tunes[0].receipt["redrawn"])
    # Who says how much may be copied, is not asked again.
    told = generate(model, **how, most_silence=0.5, max_copy=99)  # these are put in order
    assert sorted(runs(told)) == sorted(plain)
    few = generate(model, **how, most_silence=0.5, max_copy=most)
    assert len(few) == 12 and max(runs(few)) <= most
    assert any(f"more than {most} notes in a row" in why for why in few[0].receipt["redrawn"])
    # Where nothing else comes, it is kept all the same.
    monkeypatch.setitem(human, "p95_by_style", {"folk": 1})
    tunes = generate(model, count=2, seed=5, style="folk", bars=2, most_silence=0.5)
    assert len(tunes) == 2 and sum(tunes[0].receipt["redrawn"].values()) == 2 * 8 - 2


def test_silence_at_the_beginning_and_long_silence_are_told():
    assert not long_silence(abc("z3A|GABc|z4|z4|d4|")) and not long_silence(abc("A|GABc|"))
    assert "begin" in long_silence(abc("z|GABc|d4|"))
    assert "begin" in long_silence(abc("z4|GABc|d4|"))
    assert "in a row" in long_silence(abc("GABc|z4|z4|z4|d4|"))


def test_a_tune_that_begins_with_silence_is_drawn_again(model):
    how = {"style": "lieder", "bars": 8, "seed": 21, "count": 12}
    assert any("begin" in long_silence(t.melody) for t in generate(model, **how))
    tunes = generate(model, **how, most_silence=0.5)
    assert not any(long_silence(t.melody) for t in tunes)
    assert any("begin" in why for why in tunes[0].receipt["redrawn"])


def test_of_many_tunes_silent_ones_are_kept_last(model):
    how = {"style": "lieder", "bars": 8, "seed": 21}
    silent = [bool(long_silence(t.melody)) for t in generate(model, count=16, **how)]
    kept = generate(model, count=16, **how, from_=16, apart=0.0)
    places = [bool(long_silence(t.melody)) for t in kept]
    assert 0 < sum(silent) < 16 and places == sorted(silent)


def test_circles_are_told_and_drawn_again(model):
    four = "GABc|d2c2|BAGF|G4|"
    assert "in a row" in circling(abc("E4|" + 5 * four + "c4|"))
    assert not circling(abc("E4|" + 4 * four + "c4|")) and not circling(abc(9 * "GABc|"))
    assert comes_last(abc(5 * four)) and not comes_last(abc(2 * four))
    how = {"style": "lieder", "seed": 2, "count": 15}
    assert any(circling(t.melody) for t in generate(model, **how))
    tunes = generate(model, **how, most_silence=0.5)
    assert not any(circling(t.melody) for t in tunes)
    assert any("in a row" in why for why in tunes[0].receipt["redrawn"])


def test_new_bars_of_silence_are_drawn_again(model, greensleeves):
    how = {"bars": 4, "only_new": True, "count": 4, "seed": 4}
    plain = continue_(model, greensleeves, **how)
    most = sorted(map(silence, plain))[1]
    tunes = continue_(model, greensleeves, **how, most_silence=most)
    assert max(map(silence, plain)) > most >= max(map(silence, tunes))
    assert all(len(t.melody.notes) >= 4 for t in tunes)
    rests = Constraints(rest_share="0.6:0.9")
    assert silence(continue_(model, greensleeves, rests, **how, most_silence=0.5)[0]) >= 0.6


def test_the_chords_that_are_asked_for_stand_over_the_tune(model):
    wanted = Constraints(chords="Dm7 | G7 C", meter="4/4", pickup="1/4")
    (tune,) = generate(model, wanted, seed=1, bars=3)
    found = [(c.tick, c.symbol) for c in tune.melody.chords]
    assert found == [(480, "Dm7"), (2400, "G7"), (3360, "C"), (4320, "Dm7")] and held(tune)


def test_a_tune_on_a_contour_has_the_bars_of_its_model_if_it_can(model, greensleeves):
    (tune,) = generate(model, Constraints(contour=greensleeves), seed=1)
    assert sum(not bar.is_pickup for bar in tune.melody.bars) == 16 and held(tune)
    (tune,) = generate(model, Constraints(contour=greensleeves, notes_per_bar="1:3"), seed=1)
    assert len(tune.melody.bars) > 20 and held(tune)  # its 72 notes have no room in 16
    (tune,) = generate(model, Constraints(contour=greensleeves), seed=1, meter="3/8")
    assert sum(not bar.is_pickup for bar in tune.melody.bars) == 32


def test_who_asks_for_rests_gets_them(model):
    wanted = Constraints(rest_share="0.6:0.9")
    (tune,) = generate(model, wanted, seed=1, bars=4, most_silence=0.5)
    assert silence(tune) >= 0.6 and "redrawn" not in tune.receipt


# -- MIDI files keep the rest -------------------------------------------------------------------


def two_tracks():
    """Melody on channel 3 with velocities, a controller and a program; chords beside it."""
    file = mido.MidiFile(ticks_per_beat=96)
    lead, chords = mido.MidiTrack(), mido.MidiTrack()
    file.tracks += [lead, chords]
    lead += [
        mido.MetaMessage("track_name", name="Lead vocal"),
        mido.MetaMessage("set_tempo", tempo=500_000),
        mido.Message("program_change", channel=2, program=40),
    ]
    for i, pitch in enumerate([60, 62, 64, 65, 67, 65, 64, 62, 60, 62, 64, 65, 67, 67, 60, 60]):
        lead.append(mido.Message("note_on", channel=2, note=pitch, velocity=50 + i, time=0))
        lead.append(mido.Message("control_change", channel=2, control=1, value=i, time=48))
        lead.append(mido.Message("note_off", channel=2, note=pitch, velocity=10, time=48))
    chords.append(mido.MetaMessage("track_name", name="Piano"))
    for _ in range(4):
        for n, pitch in enumerate((48, 52, 55)):
            chords.append(mido.Message("note_on", channel=0, note=pitch, velocity=70 + n))
        for n, pitch in enumerate((48, 52, 55)):
            chords.append(mido.Message("note_off", channel=0, note=pitch, time=0 if n else 384))
    out = io.BytesIO()
    file.save(file=out)
    return out.getvalue()


def messages(data):
    """By track, every message at its tick."""
    found = []
    for track in mido.MidiFile(file=io.BytesIO(data)).tracks:
        now, rows = 0, []
        for message in track:
            now += message.time
            rows.append((now, str(message.copy(time=0))))
        found.append(rows)
    return found


def test_a_midi_file_that_is_patched_with_itself_stays():
    data = two_tracks()
    melody = midi.scan(data, "song.mid")[0].melody
    assert messages(patched(data, melody, melody)) == messages(data)


def test_infill_in_a_midi_file_keeps_the_rest(model, tmp_path):
    path = tmp_path / "song.mid"
    path.write_bytes(two_tracks())
    (melody,) = tunesmith.read(path)
    (tune,) = infill(model, melody, 2, 3, seed=1)
    assert keep_file([tune], path, "auto") == ""
    data = midi_of(tune)
    assert midi.scan(data, "")[0].melody.notes == tune.melody.notes
    before, after = messages(path.read_bytes()), messages(data)
    assert after[1] == before[1]
    begin, end = 4 * 96, 12 * 96

    def rest(rows):
        return [r for r in rows if "note_" not in r[1] or not begin <= r[0] < end + ("off" in r[1])]

    assert sorted(rest(after[0])) == sorted(rest(before[0]))
    new = [r[1] for r in after[0] if "note_on" in r[1] and begin <= r[0] < end]
    assert new and all("channel=2" in text for text in new)
    velocities = {int(text.split("velocity=")[1].split()[0]) for text in new}
    assert velocities <= set(range(50, 66))


def test_a_played_file_is_not_patched(greensleeves):
    moved = replace(greensleeves, notes=tuple(
        replace(n, onset=n.onset + 1, duration=n.duration - 1) for n in greensleeves.notes
    ))  # fmt: skip
    with pytest.raises(InputError, match="moved to the beat"):
        patched(two_tracks(), moved, moved)


# -- the command ----------------------------------------------------------------------------


def run(*args):
    return CliRunner().invoke(app, [str(a) for a in args], env={"COLUMNS": "160"})


@pytest.mark.parametrize(
    "verb",
    [
        ("continue", "--bars", 2, "--only-new"),
        ("continue", "--bars", 2),
        ("infill", "--replace", "3:4"),
        ("vary", "--keep", "rhythm"),
    ],
)
def test_each_verb_writes_files_that_its_receipt_makes_again(verb, greensleeves, tmp_path):
    source = tmp_path / "song.mid"
    tunesmith.write(greensleeves, source)
    done = run(verb[0], source, *verb[1:], "--seed", 1, "--format", "mid,abc", "--out",
               tmp_path / "a", "--json")  # fmt: skip
    assert done.exit_code == 0, done.output
    (receipt,) = json.loads(done.output)
    assert receipt["verb"] == verb[0] and receipt["seed"] == 1
    again = run("generate", "--from-receipt", tmp_path / "a" / "tune-01.json", "--format",
                "mid,abc", "--out", tmp_path / "b")  # fmt: skip
    assert again.exit_code == 0, again.output
    for name in ("tune-01.mid", "tune-01.abc", "tune-01.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_complete_as_a_command(tmp_path):
    source = tmp_path / "gaps.abc"
    source.write_text(f"X:1\nM:4/4\nL:1/4\nK:G\n{GAPS}\n")
    done = run("complete", source, "--out", tmp_path / "out", "--format", "abc")
    assert done.exit_code == 0, done.output
    assert "z8" not in (tmp_path / "out" / "tune-01.abc").read_text()


def test_a_receipt_whose_new_bars_are_others_is_refused(model, greensleeves, tmp_path):
    (tune,) = continue_(model, greensleeves, bars=2, seed=1)
    path = tmp_path / "r.json"
    path.write_text(json.dumps(tune.receipt))
    assert read_receipt(path).melody.notes == tune.melody.notes
    for begin in ([0, 0], [1], "x", [480, tune.receipt["new_from"][1]]):
        path.write_text(json.dumps(tune.receipt | {"new_from": begin}))
        if begin == [0, 0]:  # nothing says that the melody was given, but the ids hold it too
            assert read_receipt(path)
            continue
        with pytest.raises(InputError, match="not those of its melody"):
            read_receipt(path)


def test_help_stands_in_panels():
    text = run("generate", "--help").output
    for panel in ("pitches", "bars and rhythm", "line and form", "leans towards", "written"):
        assert panel in text
    flags = (
        "key mode scale allow-chromatic range meter bars pickup note-values max-leap start end "
        "cadence max-repeat notes-per-bar rest-share chords rhythm rhythm-from contour form style "
        "density temperature top-k top-p min-p repetition like"
    )
    for flag in flags.split():
        assert f"--{flag}" in text, flag


def test_files_of_several_tunes_are_named_by_number(tmp_path):
    with pytest.raises(UsageError, match=r"it holds 12 tunes.*#1 to"):
        raise run("vary", EXAMPLES / "britain.abc", "--out", tmp_path).exception
    done = run("generate", "--rhythm-from", f"{EXAMPLES / 'britain.abc'}#2", "--seed", 1,
               "--out", tmp_path / "a", "--format", "abc")  # fmt: skip
    assert done.exit_code == 0, done.output
    second, (made,) = (
        tunesmith.read(EXAMPLES / "britain.abc")[1],
        tunesmith.read(tmp_path / "a" / "tune-01.abc"),
    )
    assert [e[:2] for e in events(made)] == [e[:2] for e in events(second)]


def test_a_key_asked_of_new_bars_need_not_be_that_of_the_melody(model):
    asked = Constraints(key="Ab")
    tune = continue_(model, abc("GBdB|"), asked, bars=2, only_new=True, seed=1)[0]
    assert held(tune)
    scales = [{(8 + s) % 12 for s in SCALES[mode]} for mode in MODES]
    assert any({p % 12 for p in tune.melody.pitches} <= scale for scale in scales)
