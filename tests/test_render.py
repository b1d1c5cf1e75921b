import io
import os
import re
import subprocess
import sys
import wave
import xml.etree.ElementTree as ET
from base64 import b64decode
from dataclasses import replace

import numpy as np
import pytest
import resvg_py
from hypothesis import given, settings
from hypothesis import strategies as st

from tunesmith.errors import UsageError
from tunesmith.formats.layout import lay_out
from tunesmith.melody import Chord, Key, Melody, Meter, Note
from tunesmith.render import audio, notebook, svg
from tunesmith.render.alphabet import ACCENTS, LETTERS
from tunesmith.render.lettering import Lettering

RATE = audio.RATE


def samples(data: bytes) -> np.ndarray:
    with wave.open(io.BytesIO(data)) as wav:
        assert (wav.getnchannels(), wav.getsampwidth(), wav.getframerate()) == (1, 2, RATE)
        return np.frombuffer(wav.readframes(wav.getnframes()), "<i2").astype(float)


def tune(*pitches: int, ticks: int = 240, **more) -> Melody:
    notes = tuple(Note(i * ticks, ticks, p) for i, p in enumerate(pitches))
    return Melody(notes, **more)


JIG = Melody(
    tuple(Note(i * 240, 240, p) for i, p in enumerate([62, 67, 71, 74, 76, 74, 71])),
    meters=(Meter(0, 6, 8),),
    pickup=240,
    key=Key("G"),
    tempo=180.0,
    title="A Jig & a Half",
    chords=(Chord(240, "G"), Chord(960, "Bbm7b5/F#")),
)
TIES = Melody(  # over the barline, and triplets
    (Note(0, 1440, 60), Note(1440, 960, 64), *(Note(2400 + 160 * i, 160, 67) for i in range(3))),
    key=Key("C", "minor"),
)


# -- sound --------------------------------------------------------------------


@pytest.mark.parametrize("pitch", [36, 48, 60, 69, 81, 96, 108])
def test_the_fundamental_of_a_note_is_its_pitch(pitch):
    sound = samples(audio.to_wav(tune(pitch, ticks=960)))[: RATE // 2]
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound)), 8 * len(sound)))
    found = spectrum.argmax() * RATE / (8 * len(sound))
    assert abs(1200 * np.log2(found / (440 * 2 ** ((pitch - 69) / 12)))) < 5  # cents


def test_notes_sound_in_their_order_and_tempo():
    pitches = [60, 64, 67, 72, 55]
    sound = samples(audio.to_wav(tune(*pitches, ticks=480, tempo=90.0)))
    each = RATE * 60 // 90
    for i, pitch in enumerate(pitches):
        part = sound[i * each + 4000 : (i + 1) * each]
        spectrum = np.abs(np.fft.rfft(part * np.hanning(len(part)), 8 * len(part)))
        found = spectrum.argmax() * RATE / (8 * len(part))
        assert round(69 + 12 * np.log2(found / 440)) == pitch


def test_length_is_the_melody_and_the_tail():
    assert len(samples(audio.to_wav(tune(60, 62, ticks=480)))) == RATE * (1 + audio.TAIL_S)
    slow = tune(60, 62, ticks=480, tempo=60.0)
    assert len(samples(audio.to_wav(slow))) == RATE * (2 + audio.TAIL_S)
    assert audio.seconds_of(slow) == 2.0


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 127), st.integers(1, 900)), min_size=1, max_size=12))
def test_sound_is_never_clipped_and_has_no_offset(notes):
    onset, made = 0, []
    for pitch, ticks in notes:
        made.append(Note(onset, ticks, pitch))
        onset += ticks
    data = audio.to_wav(Melody(tuple(made)))
    sound = samples(data)
    assert 29_000 < np.abs(sound).max() < 29_300
    if all(p >= 36 and t >= 60 for p, t in notes):  # else it is hardly more than one swing
        assert abs(sound.mean()) < 100
    assert data == audio.to_wav(Melody(tuple(made)))


def test_a_tune_has_no_offset():
    assert abs(samples(audio.to_wav(tune(*range(36, 96)))).mean()) < 10


def test_rests_are_silent_and_tones_begin_and_end_without_a_click():
    sound = samples(audio.to_wav(Melody((Note(0, 480, 48), Note(1920, 480, 48)), duration=3840)))
    assert np.abs(sound[RATE : 2 * RATE - 1]).max() < 60  # 54 dB below the peak
    assert np.abs(sound[-RATE:]).max() < 10
    # The steepest partial of C3 at full scale climbs far less than this in a sample.
    assert np.abs(np.diff(sound, prepend=0.0, append=0.0)).max() < 5000
    # No step of the whole tone's height where a note begins or is let go.
    for at in (0, RATE // 2, 2 * RATE):
        assert np.abs(np.diff(sound[max(0, at - 3) : at + 3])).max() < 1500


def test_strong_beats_are_louder():
    sound = audio.synthesize(tune(*[60] * 8, ticks=480))
    half = RATE // 2
    loud = [float(np.abs(sound[i * half : (i + 1) * half]).max()) for i in range(8)]
    assert loud[4] > loud[6] > loud[5]


def test_a_pickup_is_not_accented_as_a_downbeat():
    assert audio._accents(JIG)[0] < audio._accents(JIG)[1] == 1.0


def test_too_long_a_tune_is_refused():
    with pytest.raises(UsageError, match="30 minutes, and 20 are the most"):
        audio.to_wav(Melody((Note(0, 480, 60), Note(480 * 3600, 1, 60))))


def test_a_very_long_note_takes_no_more_memory_than_its_sound():
    sound = audio.synthesize(tune(40, ticks=480 * 120))  # a minute
    assert np.abs(sound[30 * RATE :]).max() < 1e-3 * np.abs(sound).max()


# -- drawing --------------------------------------------------------------------


def classes(picture: str) -> list[str]:
    return [name for e in ET.fromstring(picture).iter() for name in e.get("class", "").split()]


def written_notes(melody: Melody) -> int:
    return sum(e.pitch is not None for bar in lay_out(melody).bars for e in bar.events)


@pytest.mark.parametrize("melody", [JIG, TIES, tune(*range(40, 90))])
def test_every_note_is_engraved(melody):
    found = classes(svg.to_svg([melody]))
    assert found.count("note") == written_notes(melody) >= len(melody.notes)
    assert found.count("measure") == len(melody.bars)


def test_ties_and_tuplets_are_engraved():
    found = classes(svg.to_svg([TIES]))
    assert found.count("note") == 6
    assert found.count("tuplet") == 1
    assert found.count("tie") >= 1


def test_several_melodies_are_drawn_under_each_other():
    both = svg.to_svg([JIG, TIES])
    assert classes(both).count("note") == written_notes(JIG) + written_notes(TIES)
    heights = [int(ET.fromstring(svg.to_svg(m)).get("height")) for m in ([JIG], [JIG, TIES])]
    assert heights[0] < heights[1]
    ids = re.findall(r' id="([^"]+)"', svg.to_svg([JIG, JIG]))
    assert len(ids) == len(set(ids))


def test_a_long_tune_is_drawn_whole():
    long = tune(*[60, 62, 64, 65] * 300, ticks=480)
    picture = svg.to_svg([long])
    assert classes(picture).count("note") == 1200
    assert int(ET.fromstring(picture).get("height")) > 2000


def test_nothing_is_printed(capfd):
    svg.to_png([JIG])
    # A bar too long for a line, of which verovio would complain.
    svg.to_svg([tune(*[60] * 128, ticks=60, meters=(Meter(0, 16, 4),))])
    assert capfd.readouterr() == ("", "")


PROGRAM = """
import hashlib
from tunesmith.melody import Melody, Note
from tunesmith.render import audio, svg
m = Melody((Note(0, 480, 60), Note(480, 480, 66)), title="Same", tempo=100.0)
print(hashlib.sha256(svg.to_png([m]) + svg.to_svg([m, m]).encode() + audio.to_wav(m)).hexdigest())
"""


def test_every_run_gives_the_same_bytes():
    runs = {
        subprocess.run(
            [sys.executable, "-c", PROGRAM],
            capture_output=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    }
    assert len(runs) == 1


def test_png_has_the_size_of_the_svg_times_the_scale():
    height = int(ET.fromstring(svg.to_svg([JIG])).get("height"))
    for scale in (1.0, 2.0):
        png = svg.to_png([JIG], scale)
        assert png[:8] == b"\x89PNG\r\n\x1a\n"
        width_seen = int.from_bytes(png[16:20], "big")
        height_seen = int.from_bytes(png[20:24], "big")
        assert (width_seen, height_seen) == (svg.WIDTH * scale, height * scale)


@pytest.mark.parametrize("scale", [0.0, 11.0, float("nan")])
def test_a_scale_out_of_range_is_refused(scale):
    with pytest.raises(UsageError, match=r"0\.1 to 10"):
        svg.to_png([JIG], scale)


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(UsageError, match="no melodies"):
        svg.to_svg([])
    with pytest.raises(UsageError, match="too large"):
        svg.to_png([replace(JIG, title="so long a name " * 1000)], 10)


# -- text without fonts ---------------------------------------------------------


def test_a_picture_needs_no_font():
    picture = svg.to_svg([JIG])
    assert not list(ET.fromstring(picture).iter("{http://www.w3.org/2000/svg}text"))
    assert "A Jig &amp; a Half" in picture  # for those who search or cannot see


def test_title_tempo_and_chords_are_drawn():
    def size(melody: Melody) -> int:
        return svg.to_svg([melody]).count("stroke-linecap")  # a run of letters each

    bare = replace(JIG, title="", tempo=None, chords=())
    assert size(bare) == 0
    assert size(replace(bare, title="Title")) == 1
    assert size(replace(bare, tempo=180.0)) == 2  # '=' and '120'
    assert size(replace(bare, chords=(Chord(240, "G7"),))) == 1
    # B and flat, m7, flat, 5: each sign once, whatever verovio makes of the degrees.
    assert svg.to_svg([replace(bare, chords=(Chord(240, "Bbm7b5"),))]).count("0.6336,-0.6336") == 2


def test_chords_of_one_tick_stand_beside_each_other():
    melody = replace(JIG, chords=(Chord(240, "Dm7"), Chord(240, "G7"), Chord(960, "C")))
    ((page, _),) = svg.engrave(melody, 0)
    chords = [g for g in page.iter("g") if "harm" in g.get("class", "").split()]
    assert (
        sum(c.find(".//path") is not None for c in chords) == 2
    )  # not three, two of them at one place


def test_a_title_in_another_script_is_left_to_the_viewers_fonts():
    picture = svg.to_svg([replace(JIG, title="春江花月夜")])
    assert "春江花月夜</text>" in picture
    assert svg.to_png([replace(JIG, title="春江花月夜")])[:4] == b"\x89PNG"


def test_a_title_cannot_break_the_picture():
    for title in ("<script>alert(1)</script>", "a\x00b\x0bc", "\ud800", "&amp;", " \n "):
        ET.fromstring(svg.to_svg([replace(JIG, title=title)]))


def test_every_letter_leaves_ink():
    for character in [c for c in LETTERS if c.strip()] + [f"o{a}" for a in ACCENTS]:
        line = Lettering()
        line.add(character, 40)
        assert line.is_complete and line.width > 0
        picture = ET.Element(
            "svg", {"xmlns": "http://www.w3.org/2000/svg", "width": "60", "height": "60"}
        )
        picture.append(line.element(5, 45))
        text = ET.tostring(picture, encoding="unicode")
        inked = bytes(resvg_py.svg_to_bytes(svg_string=text, skip_system_fonts=True))
        picture.remove(picture[0])
        blank = ET.tostring(picture, encoding="unicode")
        assert inked != bytes(resvg_py.svg_to_bytes(svg_string=blank, skip_system_fonts=True))


def test_width_is_the_sum_of_the_letters():
    line = Lettering()
    line.add("Ié", 200)  # (0 + 18 + 40 + 18) hundredths
    assert line.width == pytest.approx(152)
    line.add("Я", 200)
    assert not line.is_complete


# -- notebooks --------------------------------------------------------------------


def test_a_notebook_shows_score_and_player():
    page = notebook.html(JIG)
    score = page[page.index("<svg") : page.index("</svg>") + 6]
    assert classes(score).count("note") == 7
    sound = re.search(r'src="data:audio/wav;base64,([^"]+)"', page)
    assert sound and b64decode(sound[1]) == audio.to_wav(JIG)
    assert "<audio" not in notebook.html(replace(JIG, tempo=1.0))
