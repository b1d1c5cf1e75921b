"""The formats' front door: by extension, with clear errors, nothing half-written."""

import os
import subprocess
import sys

import pytest

from tunesmith import formats
from tunesmith.errors import InputError, OutputError, UsageError
from tunesmith.melody import Key, Melody, Meter, Note

TUNE = Melody(
    tuple(Note(480 * i, 480, p) for i, p in enumerate([62, 64, 66, 67, 69, 71, 73, 74])),
    (Meter(0, 4, 4),),
    key=Key("D"),
    tempo=96,
    title="Scale",
)


@pytest.mark.parametrize("ending", [".mid", ".MIDI", ".abc", ".musicxml", ".xml", ".txt"])
def test_write_and_read(tmp_path, ending):
    path = tmp_path / "new" / f"tune{ending}"
    formats.write(TUNE, path)
    (melody,) = formats.read(str(path))
    shift = 0 if ending != ".txt" else melody.pitches[0] - TUNE.pitches[0]
    if ending == ".txt":
        assert shift == 0 and [p % 12 for p in melody.pitches] == [p % 12 for p in TUNE.pitches]
    else:
        assert melody.notes == TUNE.notes and melody.key == TUNE.key and melody.tempo == 96
    assert melody.origin.startswith(str(path))
    name = formats.FORMATS[ending.lower()]
    assert path.read_bytes() == formats.dumps([TUNE], name)
    with pytest.raises(OutputError, match="already there"):
        formats.write(TUNE, path)
    formats.write([TUNE], path, force=True)


def test_several(tmp_path):
    formats.write([TUNE, TUNE], tmp_path / "two.abc")
    assert len(formats.read(tmp_path / "two.abc")) == 2
    with pytest.raises(UsageError, match="one melody"):
        formats.write([TUNE, TUNE], tmp_path / "two.mid")
    assert not (tmp_path / "two.mid").exists()


def test_nothing_to_write(tmp_path):
    for melodies, name in (([], "t.mid"), (TUNE, "t.mxl"), (TUNE, "t.pdf"), (TUNE, "t")):
        with pytest.raises(UsageError):
            formats.write(melodies, tmp_path / name)
    with pytest.raises(UsageError, match="no format of notes 'pdf'"):
        formats.dumps([TUNE], "pdf")
    assert list(tmp_path.iterdir()) == []


def test_bad_files(tmp_path):
    (tmp_path / "empty.mid").write_bytes(b"")
    (tmp_path / "text.mid").write_text("hello")
    (tmp_path / "tune.doc").write_text("hello")
    (tmp_path / "tune").write_text("hello")
    (tmp_path / "folder.abc").mkdir()
    for name, what in {
        "empty.mid": "is empty", "text.mid": "no MIDI file", "tune.doc": "'.doc' files are not",
        "tune": "no extension", "folder.abc": "is a folder", "none.abc": "no such file",
        "tune/x.abc": "no such file", "zero\0.abc": "cannot be read",
        "x" * 400 + ".abc": "too long",
    }.items():  # fmt: skip
        with pytest.raises(InputError, match=what) as caught:
            formats.read(tmp_path / name)
        assert str(caught.value).startswith(str(tmp_path / name).split("\x00")[0][:100])
        assert caught.value.remedy and "\n" not in str(caught.value)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read all")
def test_no_permission(tmp_path):
    path = tmp_path / "tune.txt"
    path.write_text("CDE")
    path.chmod(0)
    with pytest.raises(InputError, match="no permission"):
        formats.read(path)


def test_rejects_are_named_in_a_warning(tmp_path):
    path = tmp_path / "tunes.txt"
    path.write_text("CDE\nCxE\nEDC\n" + "?\n" * 4)
    with pytest.warns(UserWarning, match=r"5 of 7 tunes not read.*line 2.*'x'.*and 2 more"):
        melodies = formats.read(path)
    assert len(melodies) == 2
    assert [r.melody is None for r in formats.scan(path)][:3] == [False, True, False]
    path.write_text("x\ny\n")
    with pytest.raises(InputError, match="line 1: 'x'"):
        formats.read(path)


def test_the_door_is_light():
    heavy = "numpy symusic verovio"
    code = (
        f"import tunesmith.formats, sys; print([m for m in '{heavy}'.split() if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_one_tune_of_a_file_by_its_number(tmp_path):
    good = "X:{}\nT:Tune {}\nM:4/4\nL:1/4\nK:C\nCDEF|G4|\n\n"
    book = tmp_path / "book.abc"
    bad = "X:1\nT:Bad\nM:4/4\nL:1/4\nK:C\n(((\n\n"
    book.write_text(bad + good.format(2, 2) + good.format(3, 3))
    assert [formats.read_one(book, n).title for n in (2, 3)] == ["Tune 2", "Tune 3"]
    with pytest.raises(InputError, match=r"book\.abc"):
        formats.read_one(book, 1)  # not the first that can be read
    with pytest.raises(UsageError, match=r"it holds 3 tunes.*book\.abc#1 to book\.abc#3"):
        formats.read_one(book)
    for number in (0, 4):
        with pytest.raises(UsageError, match=f"tune {number} of 3"):
            formats.read_one(book, number)
