"""ABC read and written: typed snippets with answers worked out by hand."""

from __future__ import annotations

import os
from fractions import Fraction
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tunesmith.errors import InputError
from tunesmith.formats.abc import dumps, scan
from tunesmith.formats.abc_fields import parse_key, parse_meter, parse_tempo, parse_unit
from tunesmith.formats.abc_tokens import tokens
from tunesmith.formats.reading import Reading
from tunesmith.melody import Chord, Key, Melody, Meter, Note

STEP = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}


def read(music: str, *, key: str = "C", meter: str = "4/4", unit: str = "1/4") -> Reading:
    """The reading of one tune of that music."""
    text = f"X:1\nT:t\nM:{meter}\nL:{unit}\nK:{key}\n{music}\n"
    (reading,) = scan(text.encode(), "a.abc")
    return reading


def melody(music: str, **header: str) -> Melody:
    reading = read(music, **header)
    assert reading.melody, reading.error
    return reading.melody


def notes(music: str, **header: str) -> str:
    """Pitches with lengths in quarters: '60 62:1/2'; rests are not shown."""
    out = []
    for n in melody(music, **header).notes:
        length = Fraction(n.duration, 480)
        out.append(f"{n.pitch}" + ("" if length == 1 else f":{length}"))
    return " ".join(out)


def onsets(music: str, **header: str) -> list[Fraction]:
    return [Fraction(n.onset, 480) for n in melody(music, **header).notes]


@pytest.mark.parametrize(
    ("music", "expected"),
    [
        # octaves, lengths
        ("C, C c c'", "48 60 72 84"),
        ("c,' C,, z2", "72 36"),
        ("C/ D/2 E3/2 F// G/4 A", "60:1/2 62:1/2 64:3/2 65:1/4 67:1/4 69"),
        # accidentals hold to the barline, in all octaves
        ("^F F f =F | F4", "66 66 78 65 65:4"),
        ("^^F __B _E =E", "67 69 63 64"),
        ("^F- F F2- | F4", "66:2 66:6"),  # a tie carries it over the barline
        ("^F4- | F2 F2", "66:6 65:2"),  # for that note alone
        ("_B4\nB4 | B4", "70:4 70:4 71:4"),  # the end of a line is not a written barline
        ("{^f}g f g2", "79 78 79:2"),
        # ties and slurs
        ("C - C D2-|D4", "60:2 62:6"),
        ("(C D) .(E F)", "60 62 64 65"),
        # broken rhythm
        ("C>D E<F", "60:3/2 62:1/2 64:1/2 65:3/2"),
        ("C>>D E<<F", "60:7/4 62:1/4 64:1/4 65:7/4"),
        ("C>{g}D [CE]>z F2", "60:3/2 62:1/2 64:3/2 65:2"),
        ("C > D E/>F/ z", "60:3/2 62:1/2 64:3/4 65:1/4"),
        # tuplets
        ("(3CDE F2 z", "60:2/3 62:2/3 64:2/3 65:2"),
        ("(3:2:2C2D E2", "60:4/3 62:2/3 64:2"),
        ("(3::2 C2D (2E/F/ z/", "60:4/3 62:2/3 64:3/4 65:3/4"),
        ("(5C/D/E/F/G/ A3", "60:1/5 62:1/5 64:1/5 65:1/5 67:1/5 69:3"),
        ("(3 C(DE) (3z/C/D/ E F", "60:2/3 62:2/3 64:2/3 60:1/3 62:1/3 64 65"),
        ("(3C>DE F2", "60 62:1/3 64:2/3 65:2"),
        # chords and overlays: the top note, the first voice
        ("[CEG]2 [C2E]", "67:2 64:2"),
        ("+CE+ [CE-]E z", "64 64:2"),
        ("C4 & E2 F2 | D4", "60:4 62:4"),
        # rests and spacers
        ("C z x y3 D", "60 62"),
        ("C4 | Z2 | D4", "60:4 62:4"),
        # what is passed over
        ('"Am"C !trill!D ~E .vF', "60 62 64 65"),
        ('TC uD "^slow"E H`F', "60 62 64 65"),
        ("C2 \\\nD2 | % a comment | c", "60:2 62:2"),
        ("w:la la\nCDEF|\nw: la\ns:x\nr:remark\nC4", "60 62 64 65 60:4"),
        ("C4 |]*\n!\nD4", "60:4 62:4"),
        # fields among the music
        ("F4 | [K:G]F4 | [L:1/8]F8", "65:4 66:4 66:4"),
        ("F4 |\nK:D\nF2 c2", "65:4 66:2 73:2"),
    ],
)  # fmt: skip
def test_music(music: str, expected: str) -> None:
    assert notes(music) == expected


def test_onsets_count_rests() -> None:
    assert onsets("C z D x | Z | E4") == [0, 2, 8]
    assert onsets("y C/ z/ (3zCD E") == [0, Fraction(5, 3), Fraction(7, 3), 3]


@pytest.mark.parametrize(
    ("music", "expected"),
    [
        ("|: C4 :| D4 |", "CCD"),
        ("C4 :: D4 :|", "CCDD"),
        ("C4 :|: D4 :|", "CCDD"),
        ("||: C4 | D4 :||", "CDCD"),
        ("C4 :|\n|: D4 :|]", "CCDD"),
        ("C4 || D4 :|", "CDD"),
        ("C4 |1 D4 :|2 E4 | F4 |]", "CDCEF"),
        ("|: C4 [1 D4 :| [2 E4 || F4 |]", "CDCEF"),
        ("C4 |[1 D4 :|[2 E4 |] F4", "CDCEF"),
        ("|:C4 |1,3 D4 :|2 E4 :| F4", "CDCECDF"),
        ("|:C4 [1-2 D4 :|3 E4 |] F4", "CDCDCEF"),
        ("|::C4::| D4", "CCCD"),
        ("C4\\\n|1 D4 :|2\nE4 |]", "CDCE"),
        ("C4 |1 D4 :|\n[2 E4 |: F4 :|", "CDCEFF"),
        ("[|C4|]D4[|]E4.|F4|", "CDEF"),
    ],
)
def test_repeats(music: str, expected: str) -> None:
    assert "".join(n.spelling or "" for n in melody(music).notes) == expected


def test_tuplets_without_a_number_follow_the_metre() -> None:
    assert notes("(2CD (5CDEFG", meter="6/8", unit="1/8").startswith("60:3/4 62:3/4 60:3/10")
    assert notes("(5CDEFG z6", meter="4/4", unit="1/8").startswith("60:1/5")


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("D", Key("D")), ("Am", Key("A", "minor")), ("A minor", Key("A", "minor")),
        ("A Min", Key("A", "minor")), ("EM", Key("E", "minor")), ("Dmix", Key("D", "mixolydian")),
        ("D Mixolydian hexatonic", Key("D", "mixolydian")), ("ADor", Key("A", "dorian")),
        ("F#phr", Key("F#", "phrygian")), ("Bblyd", Key("Bb", "lydian")),
        ("Bloc", Key("B", "locrian")), ("Cion", Key("C")), ("Aaeolian", Key("A", "minor")),
        ("Hp", Key("A", "mixolydian")), ("HP", Key("A", "mixolydian")), ("none", None), ("", None),
        ("G clef=bass", Key("G")), ("Em treble-8", Key("E", "minor")), ("clef=alto", None),
        ("D exp ^f ^c", Key("D")), ("D exp _b ^f", None), ("Dmix=c", Key("D", "mixolydian")),
    ],
)  # fmt: skip
def test_keys(text: str, key: Key | None) -> None:
    assert parse_key(text).key == key


def test_signatures() -> None:
    assert notes("F c G4/2", key="Hp") == "66 73 67:2"
    assert notes("B f F2", key="D exp _b ^f") == "70 78 66:2"
    assert notes("B E F2", key="Dphr ^f") == "70 63 66:2"
    assert notes("F G A B", key="none") == "65 67 69 71"


@pytest.mark.parametrize(
    ("text", "signature"),
    [
        ("F clef=bass", {"B": -1}), ("Eb clef=alto", {"B": -1, "E": -1, "A": -1}),
        ("E middle=d", {"F": 1, "C": 1, "G": 1, "D": 1}), ("G clef=F4", {"F": 1}),
        ("F clef=b", {"B": -1}), ("F bass ^f", {"B": -1, "F": 1}),
        ("Am clef=bass =c_e", {"C": 0, "E": -1}),
    ],
)  # fmt: skip
def test_a_clef_alters_nothing(text: str, signature: dict[str, int]) -> None:
    assert parse_key(text).signature == signature


def test_a_clef_among_the_music_keeps_the_key() -> None:
    reading = read("F4|[K:clef=bass]F4|]", key="G")
    assert reading.melody and reading.melody.pitches == (66, 66)
    assert not reading.remarks


@pytest.mark.parametrize("text", ["Zfoo", "H", "Bn", "Gxyz", "G#####"])
def test_keys_that_are_none(text: str) -> None:
    with pytest.raises(InputError, match="is no key"):
        parse_key(text)


def test_metres() -> None:
    assert [parse_meter(t) for t in ("6/8", "C", "C|", "(2+3)/8", "none", "FREI4/4", "")] == [
        (6, 8), (4, 4), (2, 2), (5, 8), None, None, None,
    ]  # fmt: skip
    for text in ("6", "4/5", "0/4", "x"):
        with pytest.raises(InputError):
            parse_meter(text)


def test_tempos() -> None:
    eighth = Fraction(1, 8)
    for text, quarters in [
        ("1/4=120", 120.0), ("3/8=80", 120.0), ('1/4=90 "Slow"', 90.0), ('"Allegro" 1/2=60', 120.0),
        ("120", 60.0), ("C=120", 60.0), ("C3=40", 60.0), ("1/4 3/8 1/4=40", 140.0),
        ('"Slow"', None), ("1/4=0", None), ("fast=1", None), ("1/0=5", 20.0),
    ]:  # fmt: skip
        assert parse_tempo(text, eighth) == quarters, text


@pytest.mark.parametrize(
    ("music", "tempo", "remarks"),
    [
        ("[Q:1/4=90]C4|", 90.0, {}),
        ("Q:1/4=90\nC4|[Q:1/4=60]D4|", 90.0, {"tempo changes dropped": 1}),
        ("[Q:1/4=90][Q:1/4=60]C4|", 90.0, {"tempo changes dropped": 1}),
        ("C4|[Q:1/4=90]D4|", None, {"tempo changes dropped": 1}),
        ('[Q:"Slow"]C4|', None, {"tempo without a number passed over": 1}),
    ],
)
def test_the_first_tempo_may_stand_before_the_first_note(
    music: str, tempo: float | None, remarks: dict[str, int]
) -> None:
    reading = read(music)
    assert reading.melody and reading.melody.tempo == tempo
    assert reading.remarks == remarks


def test_fields_and_words_without_end_take_no_time() -> None:
    blank = "1" + " " * 200_000 + "x"
    assert parse_tempo(blank, Fraction(1, 4)) is None
    assert parse_tempo("1/4 " * 100 + "=1", Fraction(1, 4)) is None
    for text in (blank, "1+" * 200 + "1/8"):
        with pytest.raises(InputError, match="is no metre"):
            parse_meter(text)
    with pytest.raises(InputError, match="is no note length"):
        parse_unit(blank)
    assert not melody(f'"C{"12" * 18}!"C4').chords
    assert not melody(f'"C{"(5)" * 20}"C4').chords


def test_the_unit_follows_the_metre_where_none_is_given() -> None:
    for meter, ticks in (("2/4", 120), ("3/4", 240), ("6/8", 240), ("C|", 240)):
        (reading,) = scan(f"X:1\nM:{meter}\nK:C\nC\n".encode(), "a")
        assert reading.melody and reading.melody.notes[0].duration == ticks


def test_a_file_header_applies_and_a_bad_tune_does_not_lose_its_neighbours() -> None:
    text = (
        "M:3/4\nL:1/4\n\nX:1\nT:One\nK:G\nF3|\n\nX:2\nK:Zfoo\nCDE|\n\n"
        "X: 7\nT:Two \\% more % a comment\nT:Other\nQ:1/4=90\nM:2/4\nK:C\nFF|\n"
    )
    one, bad, two = scan(text.encode(), "airs.abc")
    assert one.melody and two.melody
    assert (one.melody.meters, one.melody.notes) == ((Meter(0, 3, 4),), (Note(0, 1440, 66),))
    assert two.where == two.melody.origin == "airs.abc, tune 7 (line 13)"
    assert (two.melody.title, two.melody.tempo) == ("Two % more", 90.0)
    assert two.melody.meters == (Meter(0, 2, 4),)
    assert str(bad.error) == (
        "airs.abc, tune 2 (line 9), line 10: 'Zfoo' is no key; write it as K:G, K:Am or K:Ddor"
    )


@pytest.mark.parametrize(
    ("music", "remarks"),
    [
        ("{ga}C {/b}D E2", {"grace notes dropped": 3}),
        ("[CEG] C3", {"notes below the top of a chord dropped": 2}),
        ("C4 & E2 E2 | C4", {"notes of other voices dropped": 2}),
        ("V:1\nC4|\nV:2\nE4|E4|\nV:1\nD4|", {"notes of other voices dropped": 2}),
        ("[V:1] C4 | D4\n[V:2] E4 | F4", {"notes of other voices dropped": 2}),
        ("C-D E2", {"ties that lead to no equal note": 1}),
        ("C4 | D2 | E4 | F4", {"bars of irregular length": 1}),
        ("C4 ; | D4", {"characters passed over": 1}),
        ('"D.C."C4 | D4', {"da capo or dal segno not followed": 1}),
        ("C4 |=20\n=3DD4", {"remains of mail encoding mended": 2}),
        ("C4 | [K:D]D4", {"key changes not kept": 1}),
        ("C4 | [Q:1/4=90]D4", {"tempo changes dropped": 1}),
        ("C4 |\n\nfree text\n", {"lines after the end of the tune passed over": 1}),
        ("CDEF>", {"broken rhythms without a second note": 1, "bars of irregular length": 1}),
        ("(7:4:7C/D/E/F/G/A/B/ C2", {"notes rounded to the tick": 7}),
        ("C2D2|C4|", {}),
    ],
)
def test_what_is_dropped_is_counted(music: str, remarks: dict[str, int]) -> None:
    reading = read(music)
    assert reading.melody
    assert dict(reading.remarks) == remarks


def test_only_the_first_voice_with_notes_is_kept() -> None:
    assert notes("V:1\nz4|\nV:2\nE4|") == "64:4"
    assert notes("[V:1] C4 | D4\n[V:2] E4 | F4") == "60:4 62:4"


@pytest.mark.parametrize(
    ("music", "expected"),
    [
        ("^F4-&C4|F4|]", "66:8"),  # the tie is the voice's own
        ("F4&^c4-|c4|]", "65:4 72:4"),
        ("F4&^c4&C4-|c4|]", "65:4 72:4"),
        ("^F4&F4|F4|]", "66:4 65:4"),
        ("C4&(3CCC C>|D4|]", "60:4 62:4"),  # neither tuplet nor broken rhythm goes on
    ],
)
def test_an_overlay_leaves_the_voice_alone(music: str, expected: str) -> None:
    assert notes(music) == expected


def test_header_remarks() -> None:
    text = 'X:1\nP:ABA\nnonsense\nQ:"Slow"\nM:4/4\nL:1/4\nK:C octave=-1\nC4\n'
    (reading,) = scan(text.encode(), "a")
    assert dict(reading.remarks) == {
        "order of parts not followed": 1,
        "header lines passed over": 1,
        "tempo without a number passed over": 1,
        "octave or transposition of a K: field not followed": 1,
    }


def test_chord_symbols_are_kept_and_annotations_are_not() -> None:
    tune = melody('"Am"A2 "^text""4"B "G7/B""_x"c | "Bbmaj7"d4 | "N.C."e "Fine"f2 "D.S."g')
    assert tune.chords == (
        Chord(0, "Am"), Chord(1440, "G7/B"), Chord(1920, "Bbmaj7"), Chord(3840, "N.C."),
    )  # fmt: skip
    assert [c.symbol for c in melody('"EmMaj7"A "Fma7"B "Dmi7/A"c "Map"d').chords] == [
        "EmMaj7", "Fma7", "Dmi7/A",
    ]  # fmt: skip
    assert [c.symbol for c in melody('"C13"A "F7b9"B "D69"c "A1"d').chords] == [
        "C13",
        "F7b9",
        "D69",
    ]


def test_pickup_and_sections() -> None:
    tune = melody("G | C2E2 | G3 :| A | c2A2 | c3 |]")
    assert tune.pickup == 480
    assert {b.length for b in tune.bars[1:]} == {1920}
    assert tune.duration == 480 + 5 * 1920 + 1440  # 1 | 4 | 3+1 | 4 | 3+1 | 4 | 3


def test_a_line_end_parts_bars_but_a_bar_broken_by_it_is_whole() -> None:
    tune = melody("G2 | C4 | D4\nE4 | F2\nG2 | A2 \nB2")
    assert [b.length for b in tune.bars] == [960] + [1920] * 5
    assert tune.meters == (Meter(0, 4, 4),)


def test_metre_changes() -> None:
    tune = melody("C4 | [M:3/4] C3 | C3 |\nM:4/4\nC4")
    assert [(m.tick, str(m)) for m in tune.meters] == [(0, "4/4"), (1920, "3/4"), (4800, "4/4")]


def test_without_a_metre_it_is_derived_from_the_bars() -> None:
    reading = read("C3 | C3 | D C2 | C2", meter="none")
    assert reading.melody
    assert reading.melody.meters == (Meter(0, 3, 4),)
    assert reading.remarks == {"metre derived from the bars": 1}
    assert melody("C4 | C3 | C4 | C3 | C4", meter="none").meters[0] == Meter(0, 4, 4)
    (no_field,) = scan(b"X:1\nL:1/8\nK:C\nC3|C3|C3|\n", "a")
    assert no_field.melody and no_field.melody.meters == (Meter(0, 3, 8),)


def test_latin_1_and_windows_lines() -> None:
    text = "X:1\r\nT:Ça ira\r\nM:4/4\r\nK:C\r\nC8|\r\n"
    for encoding in ("latin-1", "utf-8", "utf-8-sig"):
        (reading,) = scan(text.encode(encoding), "a")
        assert reading.melody and reading.melody.title == "Ça ira"


@pytest.mark.parametrize(
    ("music", "message"),
    [
        ("C2 | {C & ; : ] D", r"line 6, column 13: ':' means nothing"),
        ("C2 ;;\n  ;", r"line 7, column 3: ';' means nothing"),
        ("^/C2", "line 6, column 1: the microtone"),
        ("C0 D", "column 1: the length '0' is nothing"),
        ("C/0", "column 1: the length '/0' is nothing"),
        ("c'''''''''", "outside the range of MIDI"),
        ("z4 | z4", "no notes"),
        ("", "no notes"),
        ("C4 | D/3 | C4", r"line 6, bar 2: the bar lasts 1/3 quarters"),
        ("[K:foo]C4", "line 6, column 1: 'foo' is no key"),
        ("M:x\nC4", "line 6: 'x' is no metre"),
        ("Hello world, this is no music", "means nothing in ABC"),
    ],
)
def test_trouble_has_a_place(music: str, message: str) -> None:
    error = read(music).error
    assert isinstance(error, InputError)
    with pytest.raises(InputError, match=message):
        raise error
    assert str(error).startswith("a.abc, tune 1 (line 1)")


@pytest.mark.parametrize("data", [b"", b"\x00\xff\xfe", b"just text\n", b"X", b"\n\n"])
def test_a_file_without_tunes(data: bytes) -> None:
    (reading,) = scan(data, "a.abc")
    assert str(reading.error) == "a.abc: no ABC tune in it; a tune starts with a line X:1"


def test_a_tune_without_a_key_and_a_fragment_without_a_number() -> None:
    (reading,) = scan(b"X:1\nCDEF|\n", "a")
    assert "no K: field" in str(reading.error)
    (reading,) = scan(b"L:1/4\nK:C\nCDEF|\n", "a")
    assert reading.melody and len(reading.melody.notes) == 4


def test_the_tokenizer_leaves_nothing_out() -> None:
    line = '|:"Am"^f3/2>{g}(3[CE]2 z-!f! |1 ; [2 [K:G] x ~& Z2 \\'
    found = list(tokens(line))
    assert "".join(t.match[0] for t in found) == line
    assert [t.column for t in found][:3] == [1, 3, 7]
    assert {t.kind for t in found} >= {"bar", "text", "note", "broken", "grace", "tuplet", "chord"}


@settings(deadline=None, max_examples=300)
@given(st.text(alphabet="ABCDEFGabcdefgzxZ|:[](){}<>-^_=,'/0123459 \n\"!+&\\.~%KMLVXw;*y"))
def test_no_text_raises(text: str) -> None:
    for data in (f"X:1\nK:C\n{text}", text, f"X:1\n{text}"):
        for reading in scan(data.encode(), "a"):
            assert reading.melody or reading.error


@given(st.binary())
def test_no_bytes_raise(data: bytes) -> None:
    assert scan(b"X:1\nK:C\n" + data, "a")


# -- writing --------------------------------------------------------------------


def test_written_tune() -> None:
    tune = Melody(
        notes=(
            Note(0, 480, 67), Note(480, 240, 66, "F#"), Note(720, 240, 65, "F"),
            Note(960, 960, 78, "F#"), Note(1920, 960, 77, "F"), Note(3360, 160, 60),
            Note(3520, 160, 62), Note(3680, 160, 64), Note(3840, 480, 43),
            Note(4320, 720, 61, "Db"),
        ),
        meters=(Meter(0, 4, 4), Meter(4320, 3, 4)),
        pickup=480,
        key=Key("G"),
        tempo=96.0,
        title="100% air\nno",
        chords=(Chord(0, "G"), Chord(2400, "Dm7")),
    )  # fmt: skip
    assert dumps([tune]).decode() == (
        "X:1\nT:100\\% air no\nM:4/4\nL:1/8\nQ:1/4=96\nK:G\n"
        '"G"G2 | F=F ^f4 =f2- | "Dm7"=f2 z2 (3CDE G,,2 | [M:3/4]_D3z z2 |]\n'
    )


def test_written_files_read_back_whole() -> None:
    tunes = [melody("C D E F | ^G4-|G2 z2", key=k) for k in ("C", "Am", "Ddor", "Eb", "none")]
    back = [r.melody for r in scan(dumps(tunes), "a")]
    assert back == [Melody(**{**vars_of(t), "tempo": 120.0}) for t in tunes]
    assert dumps([t for t in back if t]) == dumps(tunes)


def vars_of(tune: Melody) -> dict[str, object]:
    names = ("notes", "meters", "pickup", "duration", "key", "tempo", "chords")
    return {name: getattr(tune, name) for name in names}


def test_four_bars_a_line_and_an_empty_file() -> None:
    tune = melody("C | " + "C4 | " * 9)
    lines = dumps([tune]).decode().splitlines()[6:]
    assert [line.count("|") for line in lines] == [5, 4, 1]
    assert dumps([]) == b""


lengths = st.sampled_from([30, 60, 120, 180, 240, 360, 480, 720, 960, 1440, 2400])
beats = st.sampled_from([(160, 160, 160), (320, 160), (80,) * 6, (96,) * 5, (480,)])


@st.composite
def melodies(draw: st.DrawFn) -> Melody:
    """Melodies whose times notation can spell: binary values, or beats cut into tuplets."""
    meter = draw(st.sampled_from([(4, 4), (3, 4), (2, 2), (6, 8), (5, 8)]))
    if draw(st.booleans()) and meter[1] == 4:
        spans = [t for b in draw(st.lists(beats, min_size=1, max_size=12)) for t in b]
    else:
        spans = draw(st.lists(lengths, min_size=1, max_size=30))
    found, at = [], 0
    for span in spans:
        if not found or draw(st.integers(0, 9)):
            found.append(Note(at, span, draw(st.integers(30, 100))))
        at += span
    key = draw(st.sampled_from([None, Key("C"), Key("F#", "minor"), Key("Eb"), Key("D", "dorian")]))
    pickup = draw(st.sampled_from([0, 240, 480])) if meter[1] == 4 and at > 480 else 0
    return Melody(tuple(found), (Meter(0, *meter),), pickup, key=key, tempo=100.0)


def test_a_chord_changes_inside_a_note_of_a_tuplet() -> None:
    edges = (0, 69, 137, 206, 274, 480, 1920)
    lengths = tuple(Note(a, b - a, 60) for a, b in pairwise(edges))
    for tick in (411, 343, 275, 400, 479):  # two of them on its grid
        tune = Melody(lengths, chords=(Chord(tick, "G"),))
        (reading,) = scan(dumps([tune]), "a")
        assert reading.melody, reading.error
        assert reading.melody.notes == tune.notes
        assert reading.melody.chords == (Chord(tick, "G"),)


def test_a_note_is_cut_where_the_chord_changes() -> None:
    tune = Melody(
        notes=(Note(0, 1920, 66, "F#"), Note(1920, 640, 67), Note(2560, 320, 69)),
        duration=3840,
        chords=(
            Chord(0, "D"), Chord(720, "Bm"), Chord(2080, "G"),
            Chord(3360, "D"), Chord(3360, "D/F#"),
        ),
    )  # fmt: skip
    data = dumps([tune])
    assert b'"D"^F3-"Bm"F4-F | (3G-"G"G3A2 z2"D""D/F#"z2 |]' in data
    (reading,) = scan(data, "a")
    assert reading.melody and reading.melody.notes == tune.notes
    assert reading.melody.chords == tune.chords


@settings(deadline=None)
@given(st.lists(melodies(), min_size=1, max_size=3))
def test_round_trip(tunes: list[Melody]) -> None:
    data = dumps(tunes)
    back = scan(data, "a")
    assert len(back) == len(tunes)
    for reading, tune in zip(back, tunes, strict=True):
        assert reading.melody, reading.error
        assert reading.melody.notes == tune.notes
        assert reading.melody.key == tune.key
        assert reading.remarks == {}
        if len(tune.bars) > 1:
            assert (reading.melody.meters, reading.melody.pickup) == (tune.meters, tune.pickup)


def test_the_folk_collections() -> None:
    if "TUNESMITH_DATA" not in os.environ:
        pytest.skip("TUNESMITH_DATA is not set")
    spec = find_spec("music21")
    if not spec or not spec.origin:
        pytest.skip("music21 is not installed")
    corpus = Path(spec.origin).parent / "corpus"
    readings = [
        r
        for f in sorted((corpus / "airdsAirs").glob("*.abc"))
        for r in scan(f.read_bytes(), f.name)
    ]
    assert len(readings) == 1180
    assert sum(r.melody is not None for r in readings) >= 1175


def test_a_tempo_among_the_music_counts_the_unit_of_the_music():
    (reading,) = scan(b"X:1\nM:4/4\nK:C\nL:1/4\nQ:120\nCDEF|\n", "tune.abc")
    assert reading.melody.tempo == 120
