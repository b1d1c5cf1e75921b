from __future__ import annotations

import io
import os
import zipfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tunesmith.errors import UsageError
from tunesmith.formats import musicxml_open
from tunesmith.formats.layout import lay_out
from tunesmith.formats.musicxml import dumps, scan
from tunesmith.formats.reading import Reading
from tunesmith.melody import MODES, Chord, Key, Melody, Meter, Note

SYMBOLS = ["C", "Dm7", "F#maj7", "G7/B", "N.C.", "Bb", "Ebm7b5", "A7b9", "Csus4", "Eadd9",
           "Gm(maj7)", "D+", "Bdim7/Ab", "C6", "F7(b9,#11)", "Cno3", "Hello?", "G13"]  # fmt: skip


def read(data: bytes | str) -> Reading:
    (reading,) = scan(data.encode() if isinstance(data, str) else data, "x.musicxml")
    return reading


def melody_of(data: bytes | str) -> Melody:
    reading = read(data)
    assert reading.error is None, reading.error
    assert reading.melody
    return reading.melody


def metre_changes(melody: Melody) -> list[tuple[int, int, int]]:
    """(tick, numerator, denominator), where the metre really changes."""
    out: list[tuple[int, int, int]] = []
    for bar in melody.bars:
        if not out or out[-1][1:] != (bar.meter.numerator, bar.meter.denominator):
            out.append((bar.start, bar.meter.numerator, bar.meter.denominator))
    return out


# -- round trip -------------------------------------------------------------------


@st.composite
def melodies(draw: st.DrawFn) -> Melody:
    lengths = draw(
        st.lists(
            st.tuples(
                st.sampled_from([480, 240, 120, 960, 720, 360, 160, 320, 80, 60, 96, 1440, 2880]),
                st.one_of(st.none(), st.integers(24, 103)),
            ),
            min_size=1,
            max_size=24,
        ).filter(lambda x: any(p is not None for _, p in x))
    )
    notes, at = [], 0
    for length, pitch in lengths:
        if pitch is not None:
            notes.append(Note(at, length, pitch))
        at += length
    meter = draw(st.sampled_from([(4, 4), (3, 4), (6, 8), (2, 2), (5, 4), (7, 8), (3, 8)]))
    first = Meter(0, *meter)
    pickup = draw(st.sampled_from([0, 0, 120, 160, 480])) % first.bar_ticks
    if at <= pickup:
        pickup = 0
    later = pickup + draw(st.integers(1, 4)) * first.bar_ticks
    meters = [first]
    if draw(st.booleans()) and later < at:
        meters.append(Meter(later, *draw(st.sampled_from([(3, 4), (9, 8), (2, 4)]))))
    key = draw(st.one_of(st.none(), st.builds(
        Key.from_signature, st.integers(-7, 7), st.sampled_from(MODES))))  # fmt: skip
    chords = draw(st.lists(st.tuples(st.integers(0, at - 1), st.sampled_from(SYMBOLS)), max_size=6))
    tempo = draw(st.one_of(st.none(), st.integers(20, 300), st.floats(20, 300).map(
        lambda x: round(x, 3))))  # fmt: skip
    return Melody(
        tuple(notes), tuple(meters), pickup=pickup, duration=at, key=key, tempo=tempo,
        title=draw(st.text(max_size=20)),
        chords=tuple(Chord(t, s) for t, s in sorted(chords, key=lambda c: c[0])),
    )  # fmt: skip


@settings(max_examples=120, deadline=None)
@given(melodies())
def test_what_is_written_is_read_again(melody: Melody) -> None:
    data = dumps([melody])
    assert dumps([melody]) == data
    again = melody_of(data)
    if lay_out(melody).unspellable:
        assert [n.pitch for n in again.notes] == [n.pitch for n in melody.notes]
        return
    assert again.notes == melody.notes
    assert again.pickup == melody.pickup or len(melody.bars) == 2
    if again.pickup == melody.pickup:
        assert metre_changes(again) == metre_changes(melody)
    assert again.key == melody.key
    assert again.chords == melody.chords
    assert again.tempo == melody.tempo
    printable = "".join(c for c in melody.title if c.isprintable() or c.isspace())
    if printable == melody.title:
        assert again.title == " ".join(melody.title.split())


def test_spelling_survives() -> None:
    notes = (Note(0, 480, 66, "Gb"), Note(480, 480, 59, "Cb"), Note(960, 960, 67, "F##"))
    again = melody_of(dumps([Melody(notes, key=Key("D"))]))
    assert [n.spelling for n in again.notes] == ["Gb", "Cb", "F##"]
    assert again.pitches == (66, 59, 67)


def test_music21_hears_the_same() -> None:
    music21 = pytest.importorskip("music21")
    lengths = [480, 240, 480, 240, 480, 1200, 160, 160, 160, 320, 320, 320, 2400, 360, 120, 480]
    notes, at = [], 480
    for i, length in enumerate(lengths):
        notes.append(Note(at, length, 55 + i * 7 % 23))
        at += length + (240 if i % 5 == 4 else 0)
    notes = [Note(0, 480, 62), *notes]
    for key in (None, Key("Eb"), Key("F#", "minor")):
        melody = Melody(
            tuple(notes), (Meter(0, 4, 4), Meter(480 + 1920, 3, 4)), pickup=480, key=key,
            tempo=90, title="A & B", chords=(Chord(480, "Cm7"),),
        )  # fmt: skip
        score = music21.converter.parseData(dumps([melody]), format="musicxml")
        signatures = [s.ratioString for s in score.recurse().getElementsByClass("TimeSignature")]
        assert signatures == ["4/4", "3/4"]
        assert score.metadata.title == "A & B"
        keys = list(score.recurse().getElementsByClass("Key"))
        assert [k.sharps for k in keys] == ([key.sharps] if key else [])
        (mark,) = score.recurse().getElementsByClass("MetronomeMark")
        assert mark.getQuarterBPM() == 90
        tied = score.stripTies()
        heard = [
            (round(n.getOffsetInHierarchy(tied) * 480), round(n.quarterLength * 480), n.pitch.midi)
            for n in tied.recurse().getElementsByClass("Note")
        ]
        assert heard == [(n.onset, n.duration, n.pitch) for n in melody.notes]
        for measure in score.parts[0].getElementsByClass("Measure")[1:-1]:
            assert measure.duration.quarterLength == measure.barDuration.quarterLength


def test_accidentals_and_beams_are_written_out() -> None:
    pitches = [66, 65, 65, 66, 61, 61, 60, 62]
    notes = tuple(Note(240 * i, 240, p) for i, p in enumerate(pitches))
    text = dumps([Melody(notes, key=Key("G"))]).decode()
    # F# is in the signature; F natural, then its repetition unmarked, then F# again.
    assert [line.strip()[12:-13] for line in text.splitlines() if "<accidental>" in line] == [
        "natural", "sharp", "sharp", "natural"
    ]  # fmt: skip
    beams = [line.strip()[17:-7] for line in text.splitlines() if "<beam " in line]
    assert beams == ["begin", "continue", "continue", "end"] * 2


def test_only_one_melody_fits_in_a_file() -> None:
    melody = Melody((Note(0, 480, 60),))
    with pytest.raises(UsageError, match="a file of its own"):
        dumps([melody, melody])


# -- reading other people's files ---------------------------------------------------


def note(step: str, duration: int, inside: str = "", octave: int = 4) -> str:
    return (
        f"<note>{'<chord/>' if 'chord' in inside else ''}<pitch><step>{step}</step>"
        f"<octave>{octave}</octave></pitch><duration>{duration}</duration>"
        f"{inside.replace('chord', '')}</note>"
    )


def score(*parts: str, names: tuple[str, ...] = ("",), before: str = "") -> str:
    listed = "".join(
        f'<score-part id="P{i}"><part-name>{name}</part-name></score-part>'
        for i, name in enumerate(names)
    )
    bodies = "".join(f'<part id="P{i}">{part}</part>' for i, part in enumerate(parts))
    return (
        f'<?xml version="1.0"?>{before}<score-partwise version="4.0"><part-list>{listed}'
        f"</part-list>{bodies}</score-partwise>"
    )


FIRST = (
    "<attributes><divisions>2</divisions><key><fifths>-1</fifths><mode>dorian</mode></key>"
    "<time><beats>2</beats><beat-type>4</beat-type></time></attributes>"
)


def bars(*contents: str, first: str = FIRST) -> str:
    return "".join(
        f'<measure number="{i + 1}">{first if i == 0 else ""}{content}</measure>'
        for i, content in enumerate(contents)
    )


def steps(melody: Melody) -> str:
    return "".join((n.spelling or "?") for n in melody.notes)


def test_repeats_and_endings_are_played_out_and_jumps_counted() -> None:
    forward = '<barline location="left"><repeat direction="forward"/></barline>'
    first_end = '<barline location="left"><ending number="1" type="start"/></barline>'
    back = ('<barline location="right"><ending number="1" type="stop"/>'
            '<repeat direction="backward"/></barline>')  # fmt: skip
    second = '<barline location="left"><ending number="2" type="start"/></barline>'
    second_stop = '<barline location="right"><ending number="2" type="discontinue"/></barline>'
    jump = "<direction><direction-type><words>D.C. al Fine</words></direction-type></direction>"
    reading = read(score(bars(
        note("C", 4), forward + note("D", 4), first_end + note("E", 4) + back,
        second + note("F", 4) + second_stop, note("G", 4) + jump)))  # fmt: skip
    assert reading.melody
    assert steps(reading.melody) == "CDEDFG"
    assert reading.melody.key == Key("G", "dorian")
    assert reading.remarks == {"D.C. or D.S. not followed": 1}


def test_an_ending_whose_bracket_is_too_short_lasts_to_its_repeat_sign() -> None:
    first_end = (
        '<barline location="left"><ending number="1" type="start"/></barline>'
        '<barline location="right"><ending number="1" type="discontinue"/></barline>'
    )
    back = '<barline location="right"><repeat direction="backward"/></barline>'
    second = first_end.replace('"1"', '"2"')
    reading = read(
        score(
            bars(note("C", 4), note("D", 4) + first_end, note("E", 4) + back, note("F", 4) + second)
        )
    )
    assert reading.melody
    assert steps(reading.melody) == "CDECF"
    assert reading.remarks == {"endings lengthened to their repeat sign": 1}


def test_grace_notes_chords_cues_and_other_voices_are_counted() -> None:
    grace = "<note><grace/><pitch><step>B</step><octave>4</octave></pitch></note>"
    cue = "<note><cue/><rest/><duration>2</duration></note>"
    content = (
        grace + note("C", 2) + note("E", 2, "chord") + note("G", 2, "chord", octave=3)
        + note("F", 2) + "<backup><duration>4</duration></backup>"
        + note("A", 4, "<voice>2</voice>", octave=3)
    )  # fmt: skip
    reading = read(score(bars(content, cue + note("D", 2))))
    assert reading.melody
    assert [(n.onset, n.duration, n.pitch) for n in reading.melody.notes] == [
        (0, 480, 64), (480, 480, 65), (1440, 480, 62)
    ]  # fmt: skip
    assert reading.remarks == {
        "grace notes dropped": 1,
        "lower notes of chords dropped": 2,
        "notes in other voices dropped": 1,
    }


def test_transposing_instruments_sound() -> None:
    clarinet = FIRST.replace(
        "</attributes>",
        "<transpose><diatonic>-1</diatonic><chromatic>-2</chromatic></transpose></attributes>",
    ).replace("dorian", "major")
    melody = melody_of(score(bars(note("C", 2) + note("F", 2), first=clarinet)))
    assert melody.pitches == (58, 63)
    assert steps(melody) == "BbEb"
    assert melody.key == Key("Eb")


def test_divisions_and_transpositions_hold_from_their_place_on() -> None:
    attributes = "<attributes>{}</attributes>"
    finer = attributes.format("<divisions>2</divisions>")
    measure = note("C", 1) * 2 + finer + note("D", 2) * 2
    first = FIRST.replace("<divisions>2", "<divisions>1").replace("<beats>2", "<beats>4")
    tune = melody_of(score(bars(measure, note("E", 8), first=first)))
    assert [(n.onset, n.duration) for n in tune.notes] == [
        (0, 480), (480, 480), (960, 480), (1440, 480), (1920, 1920),
    ]  # fmt: skip
    lower = attributes.format("<transpose><chromatic>-2</chromatic></transpose>")
    assert melody_of(score(bars(note("D", 2) + lower + note("D", 2)))).pitches == (62, 60)
    metre = attributes.format("<time><beats>2</beats><beat-type>4</beat-type></time>")
    assert metre_changes(melody_of(score(bars(note("D", 2) + metre)))) == [(0, 2, 4)]


def test_tied_notes_are_one_and_a_pickup_is_found() -> None:
    tie = '<tie type="start"/>', '<tie type="stop"/>'
    melody = melody_of(score(bars(note("C", 2), note("D", 4, tie[0]), note("D", 4, tie[1]))))
    assert melody.pickup == 480
    assert [(n.onset, n.duration) for n in melody.notes] == [(0, 480), (480, 1920)]


def test_missing_mode_is_guessed_and_missing_metre_too() -> None:
    plain = "<attributes><divisions>2</divisions><key><fifths>0</fifths></key></attributes>"
    reading = read(score(bars(note("A", 6), note("E", 6), note("A", 6), first=plain)))
    assert reading.melody
    assert reading.melody.key == Key("A", "minor")
    assert reading.melody.key_is_estimated
    assert str(reading.melody.meters[0]) == "3/4"
    assert reading.remarks == {"measures without a metre": 3}


def test_rests_with_a_wrong_duration_are_mended() -> None:
    triplet = ("<type>quarter</type><time-modification><actual-notes>3</actual-notes>"
               "<normal-notes>2</normal-notes></time-modification>")  # fmt: skip
    first = FIRST.replace("<divisions>2", "<divisions>6")
    rest = f"<note><rest/><duration>6</duration>{triplet}</note>"
    content = rest + note("C", 4, triplet) + note("D", 4, triplet)
    reading = read(score(bars(content, first=first)))
    assert reading.melody
    assert [(n.onset, n.duration) for n in reading.melody.notes] == [(320, 320), (640, 320)]
    assert reading.remarks == {"measures with wrong rests mended": 1}


def test_which_part_is_the_melody() -> None:
    low, high = bars(note("C", 4)), bars(note("G", 4))
    sung = bars(note("A", 4, "<lyric><text>la</text></lyric>"))
    assert steps(melody_of(score(low, sung, names=("Flute", "Piano")))) == "A"
    assert steps(melody_of(score(low, high, names=("Piano", "Voice")))) == "G"
    assert steps(melody_of(score(bars(""), high, names=("Piano", "Organ")))) == "G"
    reading = read(score(low, high, names=("Piano", "Organ")))
    assert "too few notes to tell which track is the melody: 1 'Piano' 1 notes" in str(
        reading.error
    )
    reading = read(score(low, sung, names=("Flute", "Piano")))
    assert reading.remarks == {"other parts dropped": 1}


def test_timewise_scores() -> None:
    text = score(bars(note("C", 4))).replace("partwise", "timewise")
    text = text.replace('<part id="P0"><measure number="1">', '<measure number="1"><part id="P0">')
    assert steps(melody_of(text.replace("</measure></part>", "</part></measure>"))) == "C"


# -- archives, and what is not to be trusted -----------------------------------------


def archive(path: str, content: bytes, named: str | None) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        if named is not None:
            file.writestr("META-INF/container.xml", f'<container><rootfiles><rootfile full-path='
                          f'"{named}"/></rootfiles></container>')  # fmt: skip
        file.writestr(path, content)
    return out.getvalue()


def test_archives_even_if_the_container_is_wrong() -> None:
    content = score(bars(note("C", 4))).encode()
    right = read(archive("a.xml", content, "a.xml"))
    assert right.melody
    assert not right.remarks
    for named in ("b.xml", None):
        wrong = read(archive("a.xml", content, named))
        assert wrong.melody
        assert wrong.remarks == {"wrong path in the container mended": 1}


def test_entities_are_refused() -> None:
    bomb = '<!DOCTYPE score-partwise [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>'
    for encoding in ("utf-8", "utf-16"):
        data = score(bars(note("C", 4)), before=bomb).encode(encoding)
        assert "declares XML entities" in str(read(data).error)
    harmless = score(bars(note("C", 4)), before='<!DOCTYPE score-partwise SYSTEM "x.dtd">')
    assert read(harmless).melody


def test_archives_that_unpack_to_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(musicxml_open, "LARGEST", 10_000)
    data = archive("a.xml", b" " * 20_000, "a.xml")
    assert len(data) < 1_000
    assert "larger than" in str(read(data).error)
    assert "larger than" in str(read(b" " * 20_000).error)


@pytest.mark.parametrize("packing", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_archives_packed_by_other_means_are_not_unpacked(packing: int) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", packing) as file:
        file.writestr("a.xml", score(bars(note("C", 4))))
    assert "not packed by deflate" in str(read(out.getvalue()).error)


@pytest.mark.parametrize(("others", "found"), [(63, True), (64, False)])
def test_a_score_is_looked_for_among_64_files(others: int, found: bool) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        for i in range(others):
            file.writestr(f"{i}.xml", "<x/>")
        file.writestr("a.xml", score(bars(note("C", 4))))
    assert (read(out.getvalue()).melody is not None) is found


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "the file is empty"),
        (b"not music", "not well-formed XML"),
        (b"<html></html>", "no MusicXML score: it holds <html>"),
        (b"PK\x03\x04garbage", "the archive is damaged"),
        (b'<?xml version="1.0" encoding="x-none"?><a/>', "encoding"),
        (score("").encode(), "no notes"),
        (score(bars("<note><rest/></note>" + note("C", 4))).encode(), "<note> without a duration"),
        (score(bars(note("H", 4))).encode(), "measure 1: a note without step"),
        (score(bars(note("C", 4, octave=12))).encode(), "outside MIDI's range"),
        (score(bars(note("C", 4), first=FIRST.replace(">4<", ">5<"))).encode(), "metre"),
        (archive("readme.txt", b"hello", None), "an archive without a MusicXML score"),
    ],
)  # fmt: skip
def test_bad_files_say_what_and_where(data: bytes, reason: str) -> None:
    error = str(read(data).error)
    assert error.startswith("x.musicxml")
    assert reason in error
    assert "\n" not in error


@given(st.binary(max_size=200))
def test_no_bytes_make_it_raise(data: bytes) -> None:
    assert read(data).error


def test_real_scores_are_read() -> None:
    folder = os.environ.get("TUNESMITH_DATA")
    if not folder:
        pytest.skip("TUNESMITH_DATA is not set")
    files = sorted(Path(folder, "openewld").rglob("*.mxl"))[:60]
    if not files:
        pytest.skip("no openewld in TUNESMITH_DATA")
    outcome = Counter(read(f.read_bytes()).error is None for f in files)
    assert outcome[True] == len(files)


def test_a_note_tied_over_the_barline_shows_its_accidental_once():
    # B natural in B flat major, tied over and split in two there; struck anew it shows again.
    melody = Melody(
        (Note(0, 1440, 70), Note(1440, 1680, 71), Note(3120, 720, 71)),
        key=Key("Bb"),
    )
    assert dumps([melody]).count(b"<accidental>natural</accidental>") == 2
