"""Surprise note by note: the table, the data and the drawing."""

import csv
import io
import json
import re
import xml.etree.ElementTree as ET
from types import SimpleNamespace

import numpy as np
import pytest
from typer.testing import CliRunner

import tunesmith
from tunesmith.api.composing import Model
from tunesmith.api.surprising import write_surprise
from tunesmith.cli import app
from tunesmith.errors import InputError, OutputError, UsageError
from tunesmith.evaluation.surprise import place
from tunesmith.melody import Key, Melody, Meter, Note
from tunesmith.render.surprise import surprise_svg
from tunesmith.tokens import make_vocabulary

NOTES = make_vocabulary("notes")
# A pickup; a note tied over a barline, into a bar of 6/8.
TUNE = Melody(
    tuple(
        Note(*n)
        for n in [(0, 480, 67), (480, 1440, 71), (1920, 960, 72), (3360, 480, 66), (4080, 240, 74)]
    ),
    (Meter(0, 4, 4), Meter(2400, 6, 8)),
    pickup=480,
    key=Key("G"),
)


class Fond:
    """A network that expects the token `pitch:76` by a half, and all else alike."""

    def __init__(self, vocabulary):
        n = vocabulary.size
        self.logs = np.full(n, np.log(0.5 / (n - 1)))
        self.logs[vocabulary.names.index("pitch:76")] = np.log(0.5)

    def distributions(self, sequences):
        for i, ids in enumerate(sequences):
            yield i, 0, np.tile(self.logs, (len(ids) - 1, 1))


MODEL = Model(Fond(NOTES), NOTES, SimpleNamespace(provenance={}, sha256=""))


@pytest.fixture(scope="module")
def found():
    return tunesmith.surprise(TUNE, MODEL)


def test_places_by_hand():
    places = [place(TUNE, i) for i in range(5)]
    assert places == [(0, 4), (1, 1), (1, 4), (2, 1 + 960 / 720), (3, 1 + 240 / 720)]
    no_pickup = Melody(TUNE.notes[:2])
    assert [place(no_pickup, i) for i in range(2)] == [(1, 1), (1, 2)]


def test_notes_by_hand(found):
    assert [n.pitch for n in found.notes] == ["G4", "B4", "C5", "F#4", "D5"]
    # In G, the token `pitch:76` is a B.
    assert {n.expected for n in found.notes} == {"B4"}
    n = NOTES.size
    begins = 0.5 + 87 * 0.5 / (n - 1)
    assert found.notes[1].pitch_bits == pytest.approx(-np.log2(0.5 / begins))
    assert found.notes[0].pitch_bits == pytest.approx(-np.log2(0.5 / (n - 1) / begins))
    assert found.notes[0].chance == pytest.approx(0.5 / begins)
    whole = sum(x.bits for x in found.notes) + found.header.total + found.end.total
    assert found.bits_per_note == pytest.approx(whole / 5)
    # Tied on: two lengths, the barline, the metre and the tie; then there is no tie at all.
    most = max(range(5), key=lambda i: found.notes[i].bits)
    assert most == 2
    assert [x.marked for x in found.notes] == [i == most for i in range(5)]


def test_another_tonic_moves_what_is_expected():
    in_c = tunesmith.surprise(Melody(TUNE.notes[:1], key=Key("C")), MODEL)
    assert in_c.notes[0].expected == "E5"


def test_files(found, tmp_path):
    for name in ("s.svg", "s.png", "s.json", "s.csv"):
        write_surprise(found, tmp_path / name)
    assert (tmp_path / "s.png").read_bytes().startswith(b"\x89PNG")
    data = json.loads((tmp_path / "s.json").read_text())
    assert data["key"] == "G major" and len(data["notes"]) == 5
    rows = list(csv.DictReader(io.StringIO((tmp_path / "s.csv").read_text())))
    assert float(rows[1]["pitch_bits"]) == found.notes[1].pitch_bits
    with pytest.raises(OutputError):
        write_surprise(found, tmp_path / "s.csv")
    with pytest.raises(UsageError, match=r"\.mid"):
        write_surprise(found, tmp_path / "s.mid")


def test_the_drawing_has_a_bar_a_note_as_high_as_its_bits():
    pitch, timing = [1.0, 2.0, 3.0, 4.0, 0.5], [2.0, 1.0, 7.0, 0.0, 0.25]
    picture = ET.fromstring(surprise_svg(TUNE, pitch, timing, [False, False, True, False, False]))
    space = "{http://www.w3.org/2000/svg}"
    groups = [g for g in picture.iter(f"{space}g") if g.get("class") == "surprise"]
    boxes = [r for g in groups for r in g.iter(f"{space}rect")]
    heights = [float(r.get("height")) for r in boxes]
    assert heights[0::2] == pytest.approx([100 * t for t in timing], abs=1)
    assert heights[1::2] == pytest.approx([100 * p for p in pitch], abs=1)
    # The tied note is red in both its parts, with one triangle over it.
    notes = [g for g in picture.iter(f"{space}g") if g.get("class") == "note"]
    assert [bool(g.get("fill")) for g in notes] == [False, False, True, True, False, False]
    assert sum(len(list(g.iter(f"{space}polygon"))) for g in groups) == 1
    # A bar begins where its head does.
    heads = [float(re.search(r"translate\((\d+)", ET.tostring(g).decode())[1]) for g in notes]
    assert [float(r.get("x")) for r in boxes[0::2]] == [heads[i] for i in (0, 1, 2, 4, 5)]


def test_a_bar_of_many_bits_is_cut_and_says_so():
    picture = surprise_svg(Melody((Note(0, 480, 60),)), [3.0], [80.4], [True])
    low = surprise_svg(Melody((Note(0, 480, 60),)), [3.0], [16.0], [True])
    assert 'height="1700"' in picture and 'height="300"' in picture
    assert picture.count("<path") > low.count("<path")  # 83


def test_a_file_of_several_tunes(tmp_path):
    path = tmp_path / "two.abc"
    path.write_text("X:1\nT:a\nM:4/4\nL:1/4\nK:C\nCDEF|\n\nX:2\nT:b\nM:4/4\nL:1/4\nK:G\nGGGG|\n")
    assert tunesmith.surprise(path, MODEL, tune=2).melody.title == "b"
    with pytest.raises(UsageError, match="tune 3 of 2"):
        tunesmith.surprise(path, MODEL, tune=3)
    with pytest.raises(InputError):
        tunesmith.surprise(Melody((Note(0, 480, 1),)), MODEL)


def test_commands(run_folder, corpus_folder, tmp_path):
    path = tmp_path / "one.abc"
    path.write_text("X:1\nT:one\nM:3/4\nL:1/4\nK:D\nDFA|d3|\n")
    runner = CliRunner()
    score = tmp_path / "one.svg"
    asked = ["surprise", str(path), "--model", str(run_folder)]
    done = runner.invoke(app, [*asked, "--out", str(score)])
    assert done.exit_code == 0 and "F#4" in done.output and score.exists()
    done = runner.invoke(app, [*asked, "--json"])
    assert len(json.loads(done.stdout)["notes"]) == 4
    assert runner.invoke(app, ["surprise", str(path)]).exit_code == 0  # of the package
    arguments = ["evaluate", str(run_folder), str(corpus_folder), "--no-baselines", "--limit", "3"]
    done = runner.invoke(app, [*arguments, "--split", "train"])
    assert done.exit_code == 0 and "WARNING: the model was trained on these" in done.stderr
    assert "bar 8" in done.output and "perplexity" in done.output
    done = runner.invoke(app, [*arguments, "--split", "train", "--json"])
    assert json.loads(done.stdout)["tunes"] == 3
