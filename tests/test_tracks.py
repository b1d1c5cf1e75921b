"""Which track is the melody: by word, by name, by its notes; and notes that were played."""

import io
import random
from collections import Counter

import mido
import pytest

from test_midi import built, meta, notes, plain
from tunesmith import formats
from tunesmith.corpus import prepare
from tunesmith.errors import InputError, UsageError
from tunesmith.formats import midi, musicxml, tracks
from tunesmith.formats.midi_notes import skyline
from tunesmith.formats.tracks import Part, asked_track, melody_rank
from tunesmith.melody import Melody, Note


def chords(bars, root=48):
    """A bar of three-note chords on each beat, in ticks of 480."""
    beats = range(0, 1920 * bars, 480)
    return notes(*((t, t + 480, root + p) for t in beats for p in (0, 4, 7)))


def song(bars=8, start=960):
    """A singable line that waits for its accompaniment to begin."""
    pitches = (67, 69, 71, 72, 71, 69, 67, 64)
    lengths = (480, 240, 240, 720, 240, 960)
    line, at, i = [], start, 0
    while at < 1920 * bars - 960:
        line.append((at, at + lengths[i % 6], pitches[i * 3 % 8]))
        at += lengths[i % 6]
        i += 1
    return line


def arpeggios(bars=8):
    """A monophonic right hand: broken chords that leap, without a rest."""
    shape = (60, 67, 76, 84)
    return [(t, t + 120, shape[t // 120 % 4]) for t in range(0, 1920 * bars, 120)]


def named(*tracks_, names):
    file = built(tracks_[0], extra=tracks_[1:])
    loaded = mido.MidiFile(file=io.BytesIO(file))
    for track, name in zip(loaded.tracks, names, strict=True):
        if name:
            track.insert(0, mido.MetaMessage("track_name", name=name))
    out = io.BytesIO()
    loaded.save(file=out)
    return out.getvalue()


def scan(data, track="auto"):
    (reading,) = midi.scan(data, "x.mid", track)
    if reading.error:
        raise reading.error
    return reading


def shifted(line, by):
    return [(a - by, b - a, p) for a, b, p in line]


# -- by word -----------------------------------------------------------------------

THREE = named(
    chords(8), notes(*song()), notes(*arpeggios()), names=("Piano", "Lead Vocals", "Right hand")
)


@pytest.mark.parametrize("track", ["2", "vocal", "LEAD VOCALS"])
def test_a_track_by_number_or_name(track):
    reading = scan(THREE, track)
    assert plain(reading.melody) == shifted(song(), 0)
    assert reading.remarks["notes of other tracks left out"] == 8 * 12 + 8 * 16
    assert reading.details[0].startswith("of 3 tracks taken: 2 'Lead Vocals' ")


@pytest.mark.parametrize(
    "track, what",
    [("4", "no track '4'"), ("flute", "no track 'flute'"), ("i", "several tracks are called 'i'")],
)
def test_a_track_that_is_not_there_lists_those_that_are(track, what):
    with pytest.raises(InputError, match=what) as e:
        scan(THREE, track)
    assert "1 'Piano' 96 notes 67% overlapping, 2 'Lead Vocals'" in str(e.value)
    assert "--track" in e.value.remedy


def test_what_is_no_track():
    for wrong in ("", "0", "-1", 0):
        with pytest.raises(UsageError):
            asked_track(wrong)
    assert [asked_track(t) for t in (3, "Auto", "SKYLINE", " Flute ")] == [
        "3", "auto", "skyline", "Flute",
    ]  # fmt: skip


def test_the_front_door_passes_the_track_on(tmp_path):
    path = tmp_path / "a.mid"
    path.write_bytes(THREE)
    assert formats.scan(path, track=2)[0].melody == formats.scan(path)[0].melody
    assert formats.read(path, track="right")[0].pitches[:4] == (60, 67, 76, 84)
    other = tmp_path / "a.txt"
    other.write_text("CDEFGAB")
    assert formats.scan(other, track="skyline")
    with pytest.raises(InputError, match="no tracks to choose"):
        formats.scan(other, track=1)


def test_prepare_records_the_track_and_reads_again_when_it_changes(tmp_path):
    folder = tmp_path / "midi"
    folder.mkdir()
    (folder / "a.mid").write_bytes(THREE)
    for track, changed in (("auto", True), ("auto", False), ("right", True)):
        prepared = prepare([folder], tmp_path / "corpus", track=track, workers=1)
        assert prepared.changed == changed
        assert prepared.corpus.manifest["settings"]["track"] == track
    (tune,) = prepared.corpus.tunes()
    assert tune.melody.pitches[:4] == (60, 67, 76, 84)


# -- by name -----------------------------------------------------------------------


@pytest.mark.parametrize("name", ["Melody", "Gesang (Stimme)", "Chant", "Voz", "ボーカル", "голос"])
def test_auto_takes_a_track_named_as_a_voice(name):
    # Its notes alone would not be taken: low, without end, leaping.
    line = [(t, t + 480, 30 + t // 480 * 7 % 36) for t in range(0, 1920 * 8, 480)]
    data = named(chords(8, 60), notes(*line), names=("Piano", ""))
    with pytest.raises(InputError, match="polyphonic and n"):
        scan(data)
    data = named(chords(8, 60), notes(*line), names=("Piano", name.encode().decode("latin-1")))
    assert plain(scan(data).melody) == shifted(line, 0)


def test_names_that_say_voice_and_names_that_do_not():
    assert [melody_rank(n) for n in ("Melodie", "Lead vocal", "MELODY 1", "主旋律")] == [2] * 4
    assert [melody_rank(n) for n in ("Voice", "Singstimme", "Sopran", "Vocals", "人声")] == [1] * 5
    no = ("Piano", "", "Backing Vocals", "Choir Aahs", "Tenor Sax", "Alto Recorder", "Invoice")
    assert [melody_rank(n) for n in no] == [0] * len(no)


def test_the_title_is_not_the_name_of_a_track_left_out():
    data = named(chords(8), notes(*song()), names=("Steinway D", "Voice"))
    assert scan(data).melody.title == ""


# -- by the notes --------------------------------------------------------------------


def test_auto_judges_by_the_notes_whatever_the_order():
    parts = [chords(8), notes(*song()), notes(*arpeggios())]
    for order in ((0, 1, 2), (2, 1, 0), (1, 0, 2)):
        data = built(parts[order[0]], extra=[parts[i] for i in order[1:]])
        assert plain(scan(data).melody) == shifted(song(), 0)


def test_one_track_is_split_by_channel():
    data = built(
        notes(*song(), channel=3) + notes(*arpeggios(), channel=0) + notes((0, 480, 36), channel=9)
    )
    reading = scan(data)
    assert plain(reading.melody) == shifted(song(), 0)
    assert "'channel 4'" in reading.details[0]
    assert plain(scan(data, "channel 4").melody) == plain(reading.melody)


def test_two_alike_are_refused_and_listed():
    half = len(song()) // 2
    turns = [(0, -3)[i < half] for i in range(len(song()))]
    one = [(a, b, p + by) for (a, b, p), by in zip(song(), turns, strict=True)]
    other = [(a, b, p - 3 - by) for (a, b, p), by in zip(song(), turns, strict=True)]
    data = built(notes(*one), extra=[notes(*other)])
    with pytest.raises(InputError, match=r"no track stands out .*: 1 no name .* 2 no name") as e:
        scan(data)
    assert "--track N" in e.value.remedy and "skyline" in e.value.remedy


def test_what_is_chords_throughout_is_refused():
    with pytest.raises(InputError, match=r"only track has several voices.* 67% overlapping"):
        scan(built(chords(8)))
    with pytest.raises(InputError, match="polyphonic"):
        scan(built(chords(8), extra=[chords(8, 65)]))


def test_overlap_is_a_share_of_notes():
    assert (
        Part(1, "", [(0, 480, 60), (0, 480, 64), (480, 960, 60), (960, 990, 2)], 480).overlap
        == 0.25
    )
    assert Part(1, "", [(0, 490, 60), (480, 960, 64)], 480).overlap == 0


def test_features_by_hand():
    line = [(960, 1440, 67), (1440, 1920, 69), (1920, 2880, 65)]
    bass = [(0, 1920, 43), (1920, 3840, 36)]
    above, below = tracks.features([Part(1, "", line, 480), Part(2, "", bass, 480)])
    expected = [0, 3 / 12, 0, 4 / 12, 2 / 8, 1, 1, 0]
    assert above == pytest.approx(expected)
    assert below == pytest.approx([0, 7 / 12, 27.5 / 12, 7 / 12, 0, 0.5, 2 / 3, 0])
    assert sum(tracks.likelihoods([Part(1, "", line, 480), Part(2, "", bass, 480)])) == 1


# -- parts of a score ------------------------------------------------------------------


def score(**parts):
    """A score of parts by name: MIDI numbers of white keys, one quarter each, or chords."""
    text = "".join(
        f'<score-part id="P{i}"><part-name>{name}</part-name></score-part>'
        for i, name in enumerate(parts)
    )
    body = ""
    for i, line in enumerate(parts.values()):
        bars = ""
        for start in range(0, len(line), 4):
            bars += f'<measure number="{start // 4 + 1}">'
            if start == 0:
                bars += "<attributes><divisions>1</divisions><time><beats>4</beats>"
                bars += "<beat-type>4</beat-type></time></attributes>"
            for pitches in line[start : start + 4]:
                for j, pitch in enumerate(pitches):
                    step = {0: "C", 2: "D", 4: "E", 5: "F", 7: "G", 9: "A", 11: "B"}[pitch % 12]
                    bars += f"<note>{'<chord/>' * (j > 0)}<pitch><step>{step}</step>"
                    bars += f"<octave>{pitch // 12 - 1}</octave></pitch>"
                    bars += "<duration>1</duration></note>"
            bars += "</measure>"
        body += f'<part id="P{i}">{bars}</part>'
    data = f"<score-partwise><part-list>{text}</part-list>{body}</score-partwise>"
    return data.encode()


TUNE = [(p,) for p in (67, 69, 71, 72, 71, 69, 67, 64)] * 2
HARP = [(48, 52, 55), (48, 53, 57), (47, 50, 55), (48, 52, 55)] * 4


@pytest.mark.parametrize("track", ["auto", "2", "flu"])
def test_a_part_of_a_score(track):
    (reading,) = musicxml.scan(score(Harp=HARP, Flute=TUNE), "x.xml", track)
    assert reading.melody.pitches == tuple(p for (p,) in TUNE)
    assert reading.details[0].startswith("of 2 parts taken: 2 'Flute' 16 notes")
    assert reading.remarks["other parts dropped"] == 1


def test_a_part_of_a_score_that_is_not_there():
    for track, what in (("3", "no track '3': 1 'Harp' 48 notes 67%"), ("skyline", "skyline")):
        (reading,) = musicxml.scan(score(Harp=HARP, Flute=TUNE), "x.xml", track)
        with pytest.raises(InputError, match=what):
            raise reading.error
    (reading,) = musicxml.scan(score(Harp=HARP, Lyre=HARP), "x.xml")
    with pytest.raises(InputError, match=r"polyphonic.*1 'Harp' .*, 2 'Lyre'"):
        raise reading.error


# -- the skyline -----------------------------------------------------------------------


def test_skyline_by_hand():
    data = built(
        notes((0, 960, 60), (960, 1440, 62), (1440, 1920, 55)),
        extra=[notes((480, 960, 67), (960, 1920, 50)), notes((0, 480, 80), channel=9)],
    )
    reading = scan(data, "skyline")
    assert plain(reading.melody) == [(0, 480, 60), (480, 480, 67), (960, 480, 62), (1440, 480, 55)]
    assert reading.remarks["notes cut by a higher one"] == 1
    assert reading.remarks["notes under a higher one left out"] == 1


def test_skyline_leaves_out_what_begins_under_a_sounding_note_and_keeps_legato():
    data = built(notes((0, 960, 72), (480, 1440, 60), (950, 1440, 71)))
    reading = scan(data, "skyline")
    assert plain(reading.melody) == [(0, 950, 72), (950, 490, 71)]
    assert reading.remarks["overlaps cut"] == 1


def test_notes_that_all_sound_on_take_no_time():
    notes = [Note(i, 6_000, i % 128) for i in range(6_000)]
    remarks = Counter()
    line = skyline(notes, remarks)
    assert [n.pitch for n in line] == list(range(128))  # all after them begin under the top
    assert remarks["notes cut by a higher one"] == 127
    assert remarks["notes under a higher one left out"] == 6_000 - 128
    sounds = [(n.onset, n.end, n.pitch) for n in notes]
    tops = tracks._highest_at_onsets([Part(1, "", sounds, 480)])
    assert [tops[i] for i in (0, 1, 126, 127, 128, 5_999)] == [0, 1, 126, 127, 127, 127]


def test_skyline_against_a_scan_of_every_tick():
    rng = random.Random(5)
    for _ in range(30):
        sounds = {}
        for _ in range(30):
            onset = rng.randrange(40) * 480
            sounds[onset, rng.randrange(50, 70)] = onset + rng.randrange(1, 4) * 480
        listed = [(a, b, p) for (a, p), b in sounds.items()]
        apart = []  # one pitch does not sound twice at once in a MIDI channel
        for a, b, p in sorted(listed):
            if not any(q == p and a < e for _, e, q in apart):
                apart.append((a, b, p))
        found = plain(scan(built(notes(*apart)), "skyline").melody)
        starts = sorted({a for a, _, _ in apart})
        expected = []
        for onset in starts:
            top = max(p for a, b, p in apart if a <= onset < b)
            if any(a == onset and p == top for a, _, p in apart):
                expected.append((onset, top))
        first = expected[0][0] // 1920 * 1920  # empty bars at the start go
        assert [(o + first, p) for o, _, p in found] == expected


# -- played, not notated -------------------------------------------------------------


def tune(bars=16):
    """Notated quarters, eighths, dotted, sixteenths and triplets: (onset, end, pitch)."""
    patterns = ((480, 480, 240, 240, 480), (720, 240, 960), (160, 160, 160, 480, 480, 480),
                (480, 240, 120, 120, 480, 480))  # fmt: skip
    rng, at, line = random.Random(2), 0, []
    for bar in range(bars):
        for length in patterns[rng.randrange(4) if bar else 0]:
            line.append((at, at + length, rng.randrange(60, 76)))
            at += length
    return line


def played(line, jitter, quarter_s=0.5, drift=0.0, seed=1):
    """As recorded in a file of 120 quarters a minute; ends come a little early."""
    rng = random.Random(seed)
    ticks = 960 * quarter_s / 480

    def at(tick):
        return tick * ticks * (1 + drift * tick / 480 / 100) + 960 * rng.gauss(0, jitter)

    moved = [(max(0, round(at(a))), round(at(b)) - 20, p) for a, b, p in line]
    return built([meta(0, "set_tempo", tempo=500_000), *notes(*moved)])


def exact(melody, line):
    got = {(o - melody.notes[0].onset, p) for o, _, p in plain(melody)}
    return sum((a, p) in got for a, _, p in line) / len(line)


@pytest.mark.parametrize("jitter, least", [(0.005, 1.0), (0.015, 0.97), (0.03, 0.85)])
def test_played_to_the_click_goes_to_the_files_beats(jitter, least):
    reading = scan(played(tune(), jitter))
    assert exact(reading.melody, tune()) >= least
    assert reading.remarks["notes moved to the beat"] == len(tune())
    assert "tempo and beats estimated" not in reading.remarks
    assert reading.melody.tempo == 120
    assert "its own beats" in reading.details[0] and "at most" in reading.details[0]


def test_played_lengths_come_back():
    melody = scan(played(tune(), 0.005)).melody
    assert plain(melody) == [(a, b - a, p) for a, b, p in tune()]


@pytest.mark.parametrize("bpm", [97, 84, 133])
def test_played_without_the_click_the_tempo_is_found(bpm):
    reading = scan(played(tune(), 0.01, 60 / bpm))
    assert reading.melody.tempo == pytest.approx(bpm, rel=0.005)
    assert exact(reading.melody, tune()) >= 0.97
    assert reading.remarks["tempo and beats estimated"] == 1


def test_how_far_notes_moved_is_right():
    late = [(a + 24 * (i % 2), b, p) for i, (a, b, p) in enumerate(tune())]
    (detail,) = scan(built([meta(0, "set_tempo", tempo=500_000), *notes(*late)])).details
    assert detail.endswith("25 ms at most") and "by 12 ms on average" in detail


def test_what_keeps_to_no_beat_is_refused():
    rng = random.Random(4)
    at, line = 0, []
    for _ in range(80):
        length = rng.randrange(25, 160)
        line.append((at, at + length, 60))
        at += length
    with pytest.raises(InputError, match=r"without a beat that could be found.* ms") as e:
        scan(built(notes(*line)))
    assert "quantise" in e.value.remedy


def test_notated_files_and_our_own_are_never_touched():
    fives = [(t * 96, t * 96 + 96, 60 + t % 5) for t in range(10)]
    line = [*fives, *((a + 960, b + 960, p) for a, b, p in tune())]
    assert plain(scan(built(notes(*line))).melody) == [(a, b - a, p) for a, b, p in line]
    ours = Melody(tuple(Note(a * 7, b - a, p) for a, b, p in tune()))
    assert scan(midi.dumps([ours])).melody == ours


def test_too_few_notes_are_left_as_they_are():
    line = [(i * 487, i * 487 + 400, 60) for i in range(11)]
    reading = scan(built(notes(*line)))
    assert [n.onset for n in reading.melody.notes] == [a for a, _, _ in line]
    assert not reading.details
