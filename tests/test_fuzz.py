"""Damaged files and bombs: a melody or one clear line, within bounds of memory and time."""

import io
import json
import random
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tunesmith import formats
from tunesmith.errors import InputError, TunesmithError
from tunesmith.formats import abc, kern, letters, musicxml
from tunesmith.model.checkpoint import load_checkpoint

sys.path.insert(0, str(Path(__file__).parent.parent / "benchmarks"))

import fuzz
import fuzz_bombs

BOMBS = {
    name: make
    for name, make in (*fuzz_bombs._scores(), *fuzz_bombs._midis())
    if name
    in (
        "nested entities .musicxml",
        "outside entity .musicxml",
        "300,000 deep, closed .xml",
        "a billion repeats .musicxml",
        "65,535 tracks claimed .mid",
        "a million tracks .mid",
        "98,000 notes that sound on .mid",
    )
}
READ = ("a billion repeats .musicxml", "98,000 notes that sound on .mid")
_READ_IN_BOUNDS = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
resource.setrlimit(resource.RLIMIT_CPU, (8, 8))
from tunesmith import formats
from tunesmith.errors import TunesmithError
try:
    readings = formats.scan(sys.argv[1])
except TunesmithError as e:
    errors = [e]
else:
    errors = [r.error for r in readings if r.error]
# Not ru_maxrss, which begins with that of the process that started this one.
status = open("/proc/self/status").read()
print(int(status.partition("VmHWM:")[2].split()[0]) // 1024)
for e in errors:
    print(e)
"""


def refusals_in_bounds(path: Path) -> list[str]:
    """The refusals of a file that a limited process reads in less than 300 MB."""
    run = [sys.executable, "-c", _READ_IN_BOUNDS, str(path)]
    done = subprocess.run(run, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr[-500:]
    peak, *lines = done.stdout.splitlines()
    assert int(peak) < 300
    return lines


@pytest.mark.parametrize("name", list(fuzz.ENDINGS))
def test_mutated_files_give_a_melody_or_one_line(name: str, tmp_path: Path) -> None:
    pool = fuzz.seeds(name, None)[:40]
    melodies = 0
    for index in range(40):
        data = fuzz.make_input(name, pool, 7, index)
        path = tmp_path / f"input{fuzz.ENDINGS[name]}"
        if name == "checkpoints":
            path = fuzz.unpack(data, tmp_path / "model")
        else:
            path.write_bytes(data)
        for result in fuzz.read_one(name, path, index, _NoMeter()):
            if isinstance(result, TunesmithError):
                assert fuzz.wrong_refusal(result, path) == "", (index, str(result))
                assert result.remedy, (index, str(result))
            else:
                melodies += 1
    assert melodies >= 12  # a fuzz that only ever hits the first check proves little


class _NoMeter(fuzz.Meter):
    """Runs a job without a clock: tests do not depend on one."""

    def run(self, job):  # type: ignore[no-untyped-def]
        return job()


@pytest.mark.parametrize("reader", [abc, kern, letters, musicxml])
@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    text=st.text(alphabet=st.sampled_from('ABCabcXKMLTz:|[](){}<>/*^_=-.0123456789"\n\t &;!é\0'))
)
def test_any_text_gives_readings(reader, text: str) -> None:  # type: ignore[no-untyped-def]
    heads = {abc: "X:1\nM:4/4\nK:C\n", kern: "**kern\n", letters: "", musicxml: "<score-partwise>"}
    for data in (text.encode(), (heads[reader] + text).encode()):
        try:
            for reading in reader.scan(data, "x"):
                assert reading.error is None or "\n" not in str(reading.error)
        except TunesmithError as e:
            assert e.where.startswith("x")


@pytest.mark.parametrize("name", list(BOMBS))
def test_a_bomb_is_refused_in_bounds(name: str, tmp_path: Path) -> None:
    path = tmp_path / f"bomb{name[name.rindex(' ') + 1 :]}"
    path.write_bytes(BOMBS[name]())
    lines = refusals_in_bounds(path)
    # a count of repeats beyond reason is not followed, one track of two is a melody
    assert len(lines) == (name not in READ)
    assert all(path.name in line for line in lines)


def test_an_archive_that_unpacks_to_too_much_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bomb.mxl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("s.xml", b" " * 1_000_000)
    # the size claimed in the central directory becomes 4 GB, and then the truth is 64 MB
    data = bytearray(path.read_bytes())
    at = data.index(b"PK\x01\x02")
    data[at + 24 : at + 28] = struct.pack("<I", 2**32 - 2)
    path.write_bytes(data)
    assert len(refusals_in_bounds(path)) == 1
    fuzz_bombs.zeros_packed(path, "s.xml", 64, claimed=1000)
    assert len(refusals_in_bounds(path)) == 1


def test_a_200_mb_text_is_refused_unread(tmp_path: Path) -> None:
    for ending in (".abc", ".krn", ".txt", ".musicxml", ".mid"):
        path = tmp_path / f"long{ending}"
        with path.open("wb") as file:
            file.truncate(200 * 1024 * 1024)  # sparse
        with pytest.raises(TunesmithError, match="larger than 32 MB; split it"):
            formats.scan(path)


def test_100_000_spines_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "wide.krn"
    rows = (b"**kern", b"4c", b"*-")
    path.write_bytes(b"\n".join(b"\t".join([cell] * 100_000) for cell in rows))
    (line,) = refusals_in_bounds(path)
    assert "wide.krn" in line and ";" in line


def test_a_million_repeats_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "repeats.abc"
    path.write_bytes(b"X:1\nM:4/4\nL:1/4\nK:C\n" + b"|:CDEF:|" * 1_000_000)
    (line,) = refusals_in_bounds(path)
    assert "repeats.abc" in line and ";" in line


def test_a_header_that_claims_terabytes_is_refused(tmp_path: Path) -> None:
    files = zipfile.ZipFile(io.BytesIO(fuzz._checkpoint("letters")))
    files.extractall(tmp_path)
    weights = tmp_path / "model.safetensors"
    sound = weights.read_bytes()
    length = int.from_bytes(sound[:8], "little")
    header = json.loads(sound[8 : 8 + length])
    name = next(n for n in header if n != "__metadata__")
    header[name] |= {"shape": [10**6, 10**6], "data_offsets": [0, 4 * 10**12]}
    claimed = json.dumps(header).encode()
    for data in (
        len(claimed).to_bytes(8, "little") + claimed + sound[8 + length :],
        (10**13).to_bytes(8, "little") + sound[8:],
    ):
        weights.write_bytes(data)
        with pytest.raises(TunesmithError) as caught:
            load_checkpoint(tmp_path)
        assert caught.value.remedy and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("step", "octave", "remedy"), [("H", "4", "a step A to G"), ("C", "12", "correct its octave")]
)
def test_a_pitch_without_sense_has_place_and_remedy(step: str, octave: str, remedy: str) -> None:
    note = fuzz_bombs._NOTE.decode().replace(">C<", f">{step}<").replace(">4<", f">{octave}<")
    measure = f'<measure number="1">{note}</measure>'.encode()
    (reading,) = musicxml.scan(fuzz_bombs.score(measure), "x.xml")
    assert reading.error is not None
    assert "x.xml" in reading.error.where and "measure 1" in reading.error.where
    assert remedy in reading.error.remedy


def test_a_letter_above_midi_has_a_remedy() -> None:
    (reading,) = letters.scan(b"CDG#9".replace(b"G#", b"g"), "x.txt")
    assert str(reading.error) == (
        "x.txt, line 1: g9 is above G9, the highest note of MIDI; write a lower octave"
    )


def test_inputs_are_the_same_for_the_same_seed() -> None:
    pool = [b"X:1\nK:C\nCDEF|\n"]
    first = [fuzz.make_input("abc", pool, 3, i) for i in range(20)]
    assert first == [fuzz.make_input("abc", pool, 3, i) for i in range(20)]
    assert len(set(first)) > 10
    assert random.Random("3/abc/0").random() != random.Random("4/abc/0").random()


def test_a_refusal_does_not_quote_a_damaged_file_at_length() -> None:
    error = InputError("damaged (" + "x" * 9000 + ")", where="a.mxl", remedy="export it again")
    said = str(error)
    assert said.startswith("a.mxl: damaged (xxx") and said.endswith("…; export it again")
    assert len(said) < 400


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("many.abc", b"X:1\nK:C\nC\n\n" * 100_001),
        ("many.krn", b"**kern\n4c\n*-\n" * 100_001),
        ("long.krn", b"**kern\n" + b"4c\n" * 200_001 + b"*-\n"),
        (
            "chords.krn",
            b"**kern\t**mxhm\n" + (b"4c\tC" + b" C" * 4000 + b"\n") * 2000 + b"*-\t*-\n",
        ),
        (
            "primes.abc",
            b"X:1\nK:C\n" + b"".join(b"C%d/%d" % (i, i + 2) for i in range(1001, 9973, 2)),
        ),
    ],
)
def test_what_has_no_end_is_refused_at_once(name: str, data: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(data)
    (line,) = refusals_in_bounds(tmp_path / name)
    assert line.startswith(str(tmp_path / name)) and ("cut it" in line or "correct its" in line)
