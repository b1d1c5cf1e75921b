"""Humdrum **kern: what is read of it, what is refused, and that nothing is lost on the way."""

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tunesmith import formats
from tunesmith.formats import kern
from tunesmith.formats.kern_tokens import parse_chord_symbols, parse_length
from tunesmith.melody import MODES, Chord, Key, Melody, Meter, Note

HEAD = "**kern\n*M4/4\n*k[]\n*C:\n"


def one(*rows, head=HEAD, end="*-\n"):
    (reading,) = kern.scan((head + "\n".join(rows) + "\n" + end).encode(), "x.krn")
    return reading


def notes(*rows, head=HEAD):
    """(onset in quarters, length in quarters, pitch) of each note."""
    reading = one(*rows, head=head)
    assert reading.melody, reading.error
    return [(n.onset / 480, n.duration / 480, n.pitch) for n in reading.melody.notes]


def spined(*rows):
    return "\n".join("\t".join(row.split()) for row in rows) + "\n"


# -- reading ----------------------------------------------------------------------


def test_pitches_lengths_and_marks():
    rows = ("4c", "8.BB-L/", "16ccc##J", "(4en;", "4r)", "=2", "3%2CC", "12f", "6a", "12r")
    assert notes(*rows) == [
        (0, 1, 60), (1, 0.75, 46), (1.75, 0.25, 86), (2, 1, 64),
        (4, pytest.approx(8 / 3, abs=1e-2), 36), (pytest.approx(20 / 3, abs=1e-2), 1 / 3, 65),
        (7, pytest.approx(2 / 3, abs=1e-2), 69),
    ]  # fmt: skip
    names = [n.spelling for n in one("4c", "4BB-", "4ff##", "4E--").melody.notes]
    assert names == ["C", "Bb", "F##", "Ebb"]


@pytest.mark.parametrize(
    ("text", "quarters"),
    [("4", 1), ("8..", Fraction(7, 8)), ("0", 8), ("00", 16), ("12", Fraction(1, 3)),
     ("3%2", Fraction(8, 3)), ("0.", 12), ("20", Fraction(1, 5)), ("0%3", None), ("4%0", None)],
)  # fmt: skip
def test_lengths(text, quarters):
    assert parse_length(text) == quarters


def test_ties_chords_and_grace_notes():
    assert notes("[2c", "2c_", "=2", "4c]", "8qd", "2.e") == [(0, 5, 60), (5, 3, 64)]
    reading = one("2c 2e 2g", "[2c", "=2", "1c", "=3", "16qqd 16qqe", "1f")
    assert reading.melody.pitches == (67, 60, 60, 65)
    assert reading.remarks == {
        "notes below the top of a chord dropped": 2,
        "ties that lead to no equal note": 1,
        "grace notes dropped": 2,
    }


def test_header():
    head = "!!!OTL@@DE: Ein Lied\n**kern\n*k[b-]\n*d:dor\n*M6/8\n*MM80.5\n"
    melody = one("8d", "=1", "4.f", "4.a", "==", head=head).melody
    assert melody.title == "Ein Lied" and melody.key == Key("D", "dorian")
    assert melody.tempo == 80.5 and melody.meters == (Meter(0, 6, 8),) and melody.pickup == 240
    assert melody.origin == "x.krn"


@pytest.mark.parametrize(
    ("signs", "key", "estimated"),
    [("*k[f#c#]\n*b:", Key("B", "minor"), False), ("*k[b-e-]\n*B-:", Key("Bb"), False),
     ("*k[]\n*D:dor", Key("D", "dorian"), False), ("*k[f#]", Key("E", "minor"), True),
     ("*k[b-]", Key("F"), True), ("*?:", None, False), ("*k[c#]", None, False)],
)  # fmt: skip
def test_keys(signs, key, estimated):
    melody = one("2.g", "4e", head=f"**kern\n{signs}\n*M4/4\n").melody
    assert melody.key == key and melody.key_is_estimated == estimated


def test_repeats_and_sections():
    assert notes("1c", "=2!|:", "1d", "=3:|!", "1e") == [
        (0, 4, 60), (4, 4, 62), (8, 4, 62), (12, 4, 64)
    ]  # fmt: skip
    rows = ("*>norep[A,B]", "*>A", "1c", "=:|!", "*>B", "1d", "==")
    assert [p for _, _, p in notes("*>[A,A,B,A]", *rows)] == [60, 60, 62, 60]
    assert [p for _, _, p in notes(*rows)] == [60, 60, 62]
    reading = one("*>[A,X]", *rows)
    assert reading.remarks["order of sections not followed"] == 1
    many = ",".join(["A"] * 4_500)
    assert "20000 bars" in str(one(f"*>[{many}]", "*>A", *["1c", "="] * 5).error)


def test_bars_that_do_not_sum_and_missing_metre():
    reading = one("1c", "=2", "2.d", "=3", "1e")
    assert reading.remarks == {"bars of irregular length": 1}
    assert [str(m) for m in reading.melody.meters] == ["4/4", "3/4", "4/4"]
    reading = one("2.c", "=2", "2.d", "=3", "2.e", head="**kern\n*MX\n")
    assert reading.melody.meters == (Meter(0, 3, 4),)
    assert reading.remarks == {"metre derived from the bars": 1}


def test_spine_paths():
    text = spined(
        "**kern **dynam", "*M4/4 *", "2c f", "*^ *", "4e 2C .", "4f . p", "*v *v *", "=2 =2",
        "1g .", "*- *-",
    )  # fmt: skip
    (reading,) = kern.scan(text.encode(), "x")
    assert reading.melody.pitches == (60, 64, 65, 67)
    assert reading.remarks == {"notes of other voices dropped": 1}
    swapped = spined("**kern **text", "*x *x", "la 4c", "*x *x", "4d lo", "*- *-")
    assert kern.scan(swapped.encode(), "x")[0].melody.pitches == (60, 62)


def test_choice_of_the_melody():
    def read(head, names="* * *"):
        rows = [head, names, "4C . 4c", "4D la 4d", "*- *- *-"]
        (reading,) = kern.scan(spined(*rows).encode(), "x")
        return reading

    assert read("**kern **text **kern").melody.pitches == (48, 50)
    assert read("**kern **harm **kern", "*Ibass * *Isoprn").melody.pitches == (60, 62)
    assert read("**harm **text **kern").melody.pitches == (60, 62)
    error = str(read("**kern **harm **kern", '*Ibass * *I"Flauto').error)
    assert '1 (bass, 2 notes), 3 ("Flauto, 2 notes)' in error and "keep the melody" in error
    assert "only **mens, **text" in str(read("**mens **text **mens").error)


def test_chord_symbols():
    text = spined(
        "**kern **mxhm", "*M4/4 *", "2c C", "[2e Am7", "=2 =2", "2e] .", ". G7/B", "2f ???",
        "== ==", "*- *-",
    )  # fmt: skip
    (reading,) = kern.scan(text.encode(), "x")
    assert reading.melody.chords == (Chord(0, "C"), Chord(960, "Am7"), Chord(2400, "G7/B"))
    assert reading.remarks == {
        "chord symbols placed evenly within a note": 1, "chord symbols not understood": 1
    }  # fmt: skip
    assert parse_chord_symbols("B- minor-seventh/F") == ["Bbm7/F"]
    assert parse_chord_symbols("F# dominant") == ["F#7"]
    assert parse_chord_symbols("C N.C.") == ["C", "N.C."]


def test_chord_symbols_without_end_are_refused():
    rows = ["**kern\t**mxhm", "*M4/4\t*", *["4c\t" + "C " * 4_000] * 20, "*-\t*-"]
    (reading,) = kern.scan("\n".join(rows).encode(), "x.krn")
    assert "line 15, column 1: more than 50000 chord symbols" in str(reading.error)
    words = "C" + " o" * 200_000
    assert parse_chord_symbols(words) == [words]
    comment = one("! " + "x" * 20_000, "4c")
    assert comment.melody


# -- what is refused ----------------------------------------------------------------


def test_unknown_signs():
    reading = one("4c=", "4d4", "2e")
    assert reading.melody and reading.remarks == {"characters passed over": 2}
    error = str(one("4c=", "4d4", "2e", "=", "4é").error)
    assert error.startswith("x.krn, line 9, column 2: 'é' means nothing")


@pytest.mark.parametrize(
    ("rows", "what"),
    [(["4c\t4d"], "line 5: 2 fields for 1 spine"), (["*v"], "line 5: '*v' joins"),
     (["*x"], "'*x' exchanges"), (["*^"] + ["\t".join(["*^"] * 2**n) for n in range(1, 10)], "256"),
     (["4CCCCCCCC"], "range of MIDI"), (["*M4/3", "4c"], "no metre"), (["4r"], "no notes"),
     (["9973c", "9967c", "9949c"], "no common measure"),
     (["4" + "c" * 10_000], "line 5: a line of 10001 characters")],
)  # fmt: skip
def test_refusals(rows, what):
    reading = one(*rows)
    assert what in str(reading.error) and "\n" not in str(reading.error)
    assert reading.error.remedy


def test_neighbours_of_a_bad_tune():
    good = "!!!OTL: Good {}\n**kern\n*M2/4\n4c\n4d\n*-\n"
    bad = "!!!OTL: Bad\n**kern\n4c\n*v\n*-\n"
    unended = "**kern\n2e\n"
    text = good.format(1) + bad + unended + "!!!!SEGMENT: last.krn\n" + good.format(2)
    readings = kern.scan(text.encode(), "f.krn")
    assert [bool(r.melody) for r in readings] == [True, False, True, True]
    assert [r.melody.title for r in readings if r.melody] == ["Good 1", "", "Good 2"]
    assert readings[1].where == "f.krn, tune 2 (line 8)" and "line 10" in str(readings[1].error)
    assert readings[2].remarks["spines without an end"] == 1
    assert readings[3].where == "f.krn, tune last.krn (line 16)"


@pytest.mark.parametrize("data", [b"hello", b"\xff\x00", b"*-\n*-", b"**kern\n**kern\n"])
def test_what_is_no_kern(data):
    assert all(r.error for r in kern.scan(data, "x"))


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(
    ["**kern", "**mxhm", "*^", "*v", "*x", "*-", "*+", "*M3/4", "*MX", "*>[A,A]", "*>A", "*k[f#]",
     "*a:", "*MM0", "4c", "[8.d#", "8r", "q", ".", "=", "=:|!", "==", "!!!OTL: x", "\t", "\n", "4",
     "00ee]", "7%5f 3g", "G7", " ", "é"]), max_size=40))  # fmt: skip
def test_no_input_breaks_it(parts):
    for text in ("".join(parts), "**kern\n*M3/4\n" + "\n".join(parts)):
        for reading in kern.scan(text.encode(), "x"):
            assert (reading.melody is None) != (reading.error is None)


# -- writing ------------------------------------------------------------------------


def test_written_text():
    melody = Melody(
        (Note(0, 480, 62, "D"), Note(480, 960, 54, "F#"), Note(1440, 160, 70, "Bb"),
         Note(1600, 160, 81, "A"), Note(1760, 160, 60, "C"), Note(1920, 1920, 71, "B")),
        (Meter(0, 3, 4),), pickup=480, duration=3840, key=Key("D", "dorian"), tempo=96.5,
        title="Scale", chords=(Chord(0, "Dm"), Chord(960, "G7"), Chord(3840, "C")),
    )  # fmt: skip
    assert kern.dumps([melody]).decode() == "!!!OTL: Scale\n" + spined(
        "**kern **mxhm", "*clefG2 *", "*k[] *", "*d:dor *", "*M3/4 *M3/4", "*MM96.5 *", "4d Dm",
        "=1 =1", "[4F# .", "4F#] G7", "12b- .", "12aa .", "12c .",
        "=2 =2", "[2.b .", "=3 =3", "4b] .", "2r C", "== ==", "*- *-",
    )  # fmt: skip


@st.composite
def melodies(draw):
    meter = Meter(0, *draw(st.sampled_from([(4, 4), (3, 4), (6, 8), (2, 2), (5, 8)])))
    steps = draw(st.lists(st.sampled_from(["4", "8 8", "8. 16", "12 12 12", "2", "r", "8 r8"]),
                          min_size=1, max_size=14))  # fmt: skip
    pickup = draw(st.sampled_from([0, 240, 480]))
    out, at = [], 0
    for word in " ".join(steps).split():
        length = {"4": 480, "8": 240, "8.": 360, "16": 120, "12": 160, "2": 960}.get(word)
        if length:
            pitch = draw(st.integers(40, 90))
            out.append(Note(at, length, pitch))
        at += length or (480 if word == "r" else 240)
    if not out or out[-1].end <= pickup:
        out.append(Note(at, 960, 60))
    end = out[-1].end
    ticks = draw(st.lists(st.integers(0, end), max_size=4))
    names = st.sampled_from(["C", "F#m7b5", "Bbmaj7", "G7/B", "N.C.", "Am7 add11"])
    key = draw(
        st.none() | st.builds(Key, st.sampled_from(["C", "F#", "Eb"]), st.sampled_from(MODES))
    )
    return Melody(
        tuple(out), (meter,), pickup=pickup, key=key, title=draw(st.sampled_from(["", "A  b: *x"])),
        tempo=draw(st.none() | st.sampled_from([60.0, 120.25, 92.5])),
        chords=tuple(Chord(t, draw(names)) for t in sorted(ticks)),
    )  # fmt: skip


FIELDS = ("notes", "meters", "pickup", "key", "tempo", "title", "chords", "key_is_estimated")


@settings(max_examples=150, deadline=None)
@given(st.lists(melodies(), min_size=1, max_size=2))
def test_round_trip(tunes):
    readings = kern.scan(kern.dumps(tunes), "x.krn")
    for reading, tune in zip(readings, tunes, strict=True):
        assert reading.melody, reading.error
        assert reading.remarks == {}
        for name in FIELDS:
            assert getattr(reading.melody, name) == getattr(tune, name), name


def test_by_extension(tmp_path):
    tune = Melody((Note(0, 480, 60), Note(480, 480, 62)), key=Key("C"), title="T")
    for name in ("t.krn", "t.kern"):
        formats.write(tune, tmp_path / name)
        assert formats.read(tmp_path / name)[0].notes == tune.notes
