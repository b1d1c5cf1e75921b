"""MIDI: round trips, mido as an independent reader, and files that are odd or broken."""

import io
import os
import random
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import mido
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tunesmith.errors import InputError, UsageError
from tunesmith.formats import midi
from tunesmith.melody import MODES, Key, Melody, Meter, Note

NAMES = ["C", "F#", "Bb", "Eb", "G#"]
METERS = [(4, 4), (3, 4), (6, 8), (5, 8), (1, 4), (2, 2)]


@st.composite
def melodies(draw):
    notes, tick = [], draw(st.integers(0, 4000))
    for _ in range(draw(st.integers(1, 12))):
        length = draw(st.sampled_from([1, 60, 160, 240, 480, 1920, 3001]))
        notes.append(Note(tick, length, draw(st.integers(0, 127))))
        tick += length + draw(st.sampled_from([0, 0, 120, 5000]))
    shape = draw(st.sampled_from(METERS))
    meters = [Meter(0, *shape)]
    bar = meters[0].bar_ticks
    pickup = draw(st.one_of(st.just(0), st.integers(1, bar - 1), st.sampled_from([30, 120])))
    duration = notes[-1].end + draw(st.sampled_from([0, 1, 480, 4000]))
    if draw(st.booleans()):
        other = draw(st.sampled_from([m for m in METERS if m != shape]))
        at = pickup + bar * draw(st.integers(2, 6))
        meters += [Meter(at, *other)] if at < duration else []
    key = draw(st.one_of(st.none(), st.builds(Key, st.sampled_from(NAMES), st.sampled_from(MODES))))
    return Melody(
        tuple(notes),
        tuple(meters),
        pickup if pickup < duration else 0,
        duration,
        key,
        key_is_estimated=key is not None and draw(st.booleans()),
        tempo=draw(st.one_of(st.none(), st.integers(4, 400), st.sampled_from([96.5, 120, 33.33]))),
        title=draw(st.sampled_from(["", "Piano", "Die Mühle", "青い山"])),
    )


def read(data):
    (reading,) = midi.scan(data, "x.mid")
    if reading.error:
        raise reading.error
    return reading.melody, dict(reading.remarks)


def mido_notes(data):
    notes = []
    for track in mido.MidiFile(file=io.BytesIO(data)).tracks:
        tick, sounding = 0, defaultdict(list)
        for message in track:
            tick += message.time
            if message.type == "note_on" and message.velocity:
                sounding[message.note].append(tick)
            elif message.type in ("note_on", "note_off"):
                onset = sounding[message.note].pop(0)
                notes.append((onset, tick - onset, message.note))
    return sorted(notes)


def plain(melody):
    return [(n.onset, n.duration, n.pitch) for n in melody.notes]


def built(events, resolution=480, name=None, kind=0, extra=()):
    """A file that mido writes: (tick, message) in one track, and further tracks."""
    file = mido.MidiFile(type=kind or (1 if extra else 0), ticks_per_beat=resolution)
    for some in [events, *extra]:
        track = mido.MidiTrack()
        now = 0
        for tick, message in sorted(some, key=lambda e: e[0]):
            track.append(message.copy(time=tick - now))
            now = tick
        if name and not file.tracks:
            track.insert(0, mido.MetaMessage("track_name", name=name))
        file.tracks.append(track)
    out = io.BytesIO()
    file.save(file=out)
    return out.getvalue()


def on(tick, pitch=60, channel=0):
    return tick, mido.Message("note_on", note=pitch, velocity=70, channel=channel)


def off(tick, pitch=60, channel=0):
    return tick, mido.Message("note_off", note=pitch, channel=channel)


def notes(*triples, channel=0):
    return [f(t, p, channel) for a, b, p in triples for f, t in ((off, b), (on, a))][::-1]


def meta(tick, kind, **fields):
    return tick, mido.MetaMessage(kind, **fields)


def meter(tick, numerator, denominator):
    return meta(tick, "time_signature", numerator=numerator, denominator=denominator)


# -- round trips ---------------------------------------------------------------


@settings(max_examples=150, deadline=None)
@given(melodies())
def test_round_trip(melody):
    data = midi.dumps([melody])
    back, remarks = read(data)
    assert plain(back) == plain(melody) == mido_notes(data)
    assert [(b.start, b.end) for b in back.bars] == [(b.start, b.end) for b in melody.bars]
    assert back == replace(melody, meters=back.meters, pickup=back.pickup)
    if (melody.pickup or melody.bars[0].length) == melody.bars[-1].length or not melody.pickup:
        assert remarks == {}
    assert back.title == melody.title
    assert midi.dumps([back]) == midi.dumps([melody])


def test_pickup_and_metres_come_back_as_they_were():
    tune = tuple(Note(480 * i, 480, 60 + i) for i in range(14))
    meters = (Meter(0, 4, 4), Meter(480 + 1920, 3, 4))
    melody = Melody(tune, meters, 480, key=Key("D", "dorian"), tempo=97)
    data = midi.dumps([melody])
    assert read(data) == (melody, {})
    signatures = [m for m in mido.MidiFile(file=io.BytesIO(data)).tracks[0] if m.is_meta]
    found = [(m.numerator, m.denominator) for m in signatures if m.type == "time_signature"]
    assert found == [(1, 4), (4, 4), (3, 4)]


def test_what_is_always_written():
    data = midi.dumps([Melody((Note(0, 480, 60), Note(480, 480, 60)), duration=1920)])
    file = mido.MidiFile(file=io.BytesIO(data))
    assert file.ticks_per_beat == 480 and file.type == 0
    events = {m.type: m for m in file.tracks[0]}
    assert events["set_tempo"].tempo == 500_000
    assert events["key_signature"].key == "C"
    assert events["program_change"].program == 0
    assert events["note_on"].velocity == 90
    kinds = [m.type for m in file.tracks[0] if m.type.startswith("note")]
    assert kinds == ["note_on", "note_off", "note_on", "note_off"]
    assert sum(m.time for m in file.tracks[0]) == 1920


def test_what_cannot_be_written():
    melody = Melody((Note(0, 480, 60),))
    for wrong in ([melody, melody], [replace(melody, tempo=2)]):
        with pytest.raises(UsageError):
            midi.dumps(wrong)


def test_metres_beyond_the_end_are_not_written():
    melody = Melody((Note(0, 480, 60),), (Meter(0, 4, 4), Meter(1920, 3, 4)))
    assert read(midi.dumps([melody]))[0].meters == (Meter(0, 4, 4),)


# -- odd files --------------------------------------------------------------------


def test_other_resolutions_are_rounded_and_counted():
    data = built(notes((0, 256, 60), (256, 597, 62), (597, 1024, 64)), resolution=1024)
    melody, remarks = read(data)
    assert plain(melody) == [(0, 120, 60), (120, 160, 62), (280, 200, 64)]
    assert remarks["notes rounded to the tick"] == 2


def test_legato_is_cut_and_counted():
    data = built([on(0), on(470, 62), off(500), off(960, 62)])
    melody, remarks = read(data)
    assert plain(melody) == [(0, 470, 60), (470, 490, 62)]
    assert remarks["overlaps cut"] == 1


@pytest.mark.parametrize("overlap, fine", [(60, True), (120, True), (121, False), (480, False)])
def test_where_legato_ends(overlap, fine):
    data = built([on(0), on(480, 62), off(480 + overlap), off(960, 62)])
    if fine:
        assert plain(read(data)[0]) == [(0, 480, 60), (480, 480, 62)]
    else:
        with pytest.raises(InputError, match=r"polyphonic .* 2 notes 50% overlapping"):
            read(data)


def test_two_tracks_that_do_not_overlap_are_one_voice():
    data = built(notes((0, 480, 60)), extra=[notes((480, 960, 65), channel=3)])
    assert plain(read(data)[0]) == [(0, 480, 60), (480, 480, 65)]


def test_a_doubled_voice_is_one():
    line = notes((0, 480, 60), (480, 960, 65))
    melody, remarks = read(built(line, extra=[line]))
    assert plain(melody) == [(0, 480, 60), (480, 480, 65)]
    assert remarks["duplicated notes dropped"] == 2


def test_repeated_legato_pairs_each_end_with_the_oldest():
    data = built([on(0), on(480), off(490), on(960), off(970), off(1440)])
    assert plain(read(data)[0]) == [(0, 480, 60), (480, 480, 60), (960, 480, 60)]


def test_notes_without_an_end():
    data = built([on(0), on(480, 62), off(960, 62), on(960, 64), meta(1920, "marker", text="")])
    melody, remarks = read(data)
    assert plain(melody) == [(0, 480, 60), (480, 480, 62), (960, 960, 64)]
    assert remarks["notes without an end"] == 2
    data = built([on(0), on(480), off(960), on(960), off(1440)])
    assert plain(read(data)[0]) == [(0, 480, 60), (480, 480, 60), (960, 480, 60)]


def test_shortened_notes_are_made_whole_except_in_our_own_files():
    short = [(480 * i, 480 * i + 455, 60 + i) for i in range(8)]
    melody, remarks = read(built(notes(*short)))
    assert plain(melody) == [(480 * i, 480, 60 + i) for i in range(8)]
    assert remarks["ends shortened on export moved back"] == 8
    ours = Melody(tuple(Note(a, b - a, p) for a, b, p in short))
    assert read(midi.dumps([ours])) == (ours, {})


def test_notes_of_no_length_and_drums():
    line = [on(0), off(0), *notes((480, 960, 62)), *notes((0, 99, 36), channel=9), off(960, 70)]
    melody, remarks = read(built(line))
    assert [n.pitch for n in melody.notes] == [62]
    assert remarks["notes of no length dropped"] == 1
    assert remarks["drum notes left out"] == 1
    assert remarks["ends of no note ignored"] == 1
    with pytest.raises(InputError, match="drums only"):
        read(built(notes((0, 99, 36), channel=9)))


def test_empty_bars_at_the_start_are_dropped_and_less_is_kept():
    line = [meter(0, 3, 4), *notes((1440 * 2 + 480, 1440 * 2 + 960, 60))]
    melody, remarks = read(built(line))
    assert plain(melody) == [(480, 480, 60)] and remarks["empty bars at the start dropped"] == 2


def test_short_first_bar_is_the_pickup():
    line = [meter(0, 1, 4), meter(480, 4, 4), *notes((0, 480, 60), (480, 960, 65))]
    melody, _ = read(built(line))
    assert (melody.pickup, melody.meters) == (480, (Meter(0, 4, 4),))


def test_metre_change_inside_a_bar():
    line = [meter(0, 4, 4), meter(1920 + 720, 3, 4), *notes((0, 480, 60), (4000, 4480, 65))]
    melody, remarks = read(built(line))
    assert melody.meters == (Meter(0, 4, 4), Meter(1920, 3, 8), Meter(2640, 3, 4))
    assert remarks["bars of irregular length"] == 1
    line[1] = meter(1920 + 721, 3, 4)
    melody, remarks = read(built(line))
    assert melody.meters == (Meter(0, 4, 4), Meter(3840, 3, 4))
    assert remarks["metre changes moved to the barline"] == 1


def test_two_metre_changes_inside_one_bar():
    changes = [meter(0, 4, 4), meter(1920, 3, 4), meter(2400, 2, 4), meter(2401, 4, 4)]
    melody, _ = read(built([*changes, *notes((0, 480, 60), (4000, 4480, 65))]))
    starts = (0, 1920, 2400, 3360)
    shapes = ((4, 4), (1, 4), (2, 4), (4, 4))
    assert melody.meters == tuple(Meter(t, *m) for t, m in zip(starts, shapes, strict=True))


def test_metre_too_fine():
    with pytest.raises(InputError, match="metre 3/2"):
        read(built([meter(0, 3, 128), *notes((0, 480, 60))]))


def test_key_tempo_and_title():
    line = notes((0, 480, 60), (480, 960, 62))
    said = [meta(0, "key_signature", key="Dm"), meta(0, "set_tempo", tempo=618557)]
    later = [meta(480, "set_tempo", tempo=400_000), meta(480, "key_signature", key="A")]
    melody, remarks = read(built([*said, *later, *line], name="Piano, FL Keys 1\0"))
    assert (melody.key, melody.tempo, melody.title) == (Key("D", "minor"), 97, "")
    assert remarks["tempo changes left out"] == remarks["key changes left out"] == 1
    lone = [meta(0, "key_signature", key="C")]
    melody, remarks = read(built([*lone, *line], name="Mona Lisa"))
    assert (melody.key, melody.tempo, melody.title) == (None, None, "Mona Lisa")
    assert remarks["a lone C major signature not believed"] == 1


def test_our_mark_gives_way_to_another_programs_edit():
    data = midi.dumps([Melody((Note(0, 480, 60),), key=Key("D", "dorian"))])
    edited = data.replace(b"\xff\x59\x02\x00\x00", b"\xff\x59\x02\x02\x00")
    assert edited != data and read(edited)[0].key == Key("D")


# -- broken files -------------------------------------------------------------------

GOOD = midi.dumps([Melody(tuple(Note(480 * i, 480, 60 + i) for i in range(9)), title="Scale")])


@pytest.mark.parametrize(
    "data, what",
    [
        (b"", "no MIDI file"),
        (b"X:1\nK:C\nCDEF|\n", "no MIDI file"),
        (GOOD[:10], "cut short"),
        (GOOD[:-9], "cut short"),
        (GOOD[:14], "promises 1 tracks, it has 0"),
        (GOOD[:10] + b"\xff\xff" + GOOD[12:], "promises 65535 tracks"),
        (GOOD[:12] + b"\xe7\x28" + GOOD[14:], "SMPTE"),
        (GOOD[:12] + b"\0\0" + GOOD[14:], "0 ticks"),
        (GOOD[:8] + b"\0\2" + GOOD[10:], "format 2"),
        (GOOD[:18] + (4).to_bytes(4, "big") + b"\0\x90\x3c\x5a", "never|length"),
        (GOOD[:18] + (3).to_bytes(4, "big") + b"\0\x3c\x5a", "no event"),
        (GOOD[:18] + (2).to_bytes(4, "big") + b"\0\x90", "middle of an event"),
        (GOOD[:18] + (5).to_bytes(4, "big") + b"\xff\xff\xff\xff\x7f", "too long"),
        (GOOD[:18] + (4).to_bytes(4, "big") + b"\0\xff\x2f\0", "no notes"),
    ],
)
def test_broken_files_give_one_clear_error(data, what):
    (reading,) = midi.scan(data, "x.mid")
    assert isinstance(reading.error, InputError) and str(reading.error).startswith("x.mid")
    assert reading.error.remedy and "\n" not in str(reading.error)
    with pytest.raises(InputError, match=what):
        raise reading.error


def test_no_end_of_time():
    late = b"\xff\xff\xff\x7f\x90\x3c\x5a\x60\x80\x3c\x00"
    data = GOOD[:18] + len(late).to_bytes(4, "big") + late
    with pytest.raises(InputError, match="at most 40000"):
        read(data)


def test_mutations_never_do_worse_than_an_error():
    rng = random.Random(7)
    for _ in range(1500):
        data = bytearray(GOOD)
        for _ in range(rng.choice((1, 2, 5))):
            at = rng.randrange(len(data))
            if rng.random() < 0.8:
                data[at] = rng.choice((rng.randrange(256), 0, 0x7F, 0x80, 0xFF, 0x58))
            else:
                del data[at : at + rng.choice((1, 9))]
        (reading,) = midi.scan(bytes(data), "x.mid")
        if reading.melody:
            again, _ = read(midi.dumps([reading.melody]))
            assert plain(again) == plain(reading.melody)


# -- real files -----------------------------------------------------------------------


def test_bimmuda():
    if "TUNESMITH_DATA" not in os.environ:
        pytest.skip("TUNESMITH_DATA names no folder of data")
    files = sorted((Path(os.environ["TUNESMITH_DATA"]) / "bimmuda").glob("*.mid"))
    assert len(files) == 375
    for path in files:
        melody, _ = read(path.read_bytes())
        assert read(midi.dumps([melody])) == (melody, {})
    for path in files[::12]:  # mido is slow
        data = path.read_bytes()
        melody, remarks = read(data)
        theirs, ours = mido_notes(data), plain(melody)
        scale = 480 / mido.MidiFile(path).ticks_per_beat
        assert [n[2] for n in theirs] == [n[2] for n in ours]
        shift = theirs[0][0] * scale - ours[0][0]
        exact = "ends shortened on export moved back" not in remarks
        for a, b in zip(theirs, ours, strict=True):
            assert abs(a[0] * scale - shift - b[0]) <= 1
            assert not exact or abs(a[1] * scale - b[1]) <= 1
