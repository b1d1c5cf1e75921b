"""Our files in other people's programs: MusicXML in MuseScore, ABC in abc2midi.

    python benchmarks/programs.py [--keep FOLDER]

A sample of 100 tunes of `folk`, 100 of `lieder`, 60 of `openewld` and 40 of `bimmuda` is
written as MusicXML. MuseScore 3 opens each, and all that it says is counted: bars whose
notes do not sum, elements that are not valid, corrupt bars. What it exports is compared
with what we wrote: notes, and chord symbols, by our own reader, and notes of every tenth
file by music21. The same tunes as ABC go through abc2midi, whose warnings are counted.

So that silence means something, two files are spoiled on purpose and must be complained of.
(Of a bar that lacks a note MuseScore says nothing: it adds a rest. The comparison shows that.)

MuseScore 3 is looked for as `mscore3` and abc2midi on the PATH (Debian: musescore3, abcmidi);
the data under --data or TUNESMITH_DATA; see docs/data.md.
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import random
import re
import subprocess
import tempfile
import warnings
from pathlib import Path

from roundtrip import corpus_files, from_abc2midi, from_music21, notes_of, same

from tunesmith import formats
from tunesmith.errors import TunesmithError
from tunesmith.melody import Melody

SAMPLES = {"folk": 100, "lieder": 100, "openewld": 60, "bimmuda": 40}


def sample_of(name: str, count: int, data: Path, rng: random.Random) -> list[Melody]:
    """Random tunes of a corpus: of a folder of files, or of a few books of many tunes."""
    files = corpus_files(name, data)
    if name == "folk":
        tunes = [r.melody for f in files for r in formats.scan(f) if r.melody]
        return rng.sample(tunes, count)
    chosen: list[Melody] = []
    for path in rng.sample(files, len(files)):
        try:
            chosen.append(formats.read(path)[0])
        except TunesmithError:
            continue  # what is rejected is the business of roundtrip.py
        if len(chosen) == count:
            break
    return chosen


def musescore(jobs: list[tuple[Path, Path]]) -> dict[str, list[str]]:
    """Convert files in one start; what MuseScore says of each, by the name of its source."""
    with tempfile.TemporaryDirectory() as folder:
        job = Path(folder) / "job.json"
        job.write_text(json.dumps([{"in": str(a), "out": str(b)} for a, b in jobs]))
        run = subprocess.run(
            ["mscore3", "-j", str(job)],
            env=os.environ | {"QT_QPA_PLATFORM": "offscreen", "XDG_RUNTIME_DIR": folder},
            capture_output=True,
            text=True,
        )
    said: dict[str, list[str]] = collections.defaultdict(list)
    name = "(start)"
    for line in (run.stdout + run.stderr).splitlines():
        if match := re.match(r"convert <(.*)>\.\.\.", line):
            name = Path(match[1]).name
        elif line.strip() and not re.match(r"\s+to <|\.\.\. success!", line):
            said[name].append(line)
    return said


def phrase(line: str) -> str:
    """A complaint without its places."""
    return re.sub(r"'/[^']*'|\d+", "N", line)


def spoiled(text: str) -> dict[str, str]:
    """Two files that a program should complain of."""
    bar = text.index('<measure number="2"')
    a = text.index("<duration>", bar) + len("<duration>")
    b = text.index("<", a)
    note = text.index("<note>", bar)
    return {
        "longer.musicxml": text[:a] + str(int(text[a:b]) + 960) + text[b:],
        "invalid.musicxml": text[:note] + "<nonsense/>" + text[note:],
    }


def in_musescore(melodies: dict[str, Melody], folder: Path) -> None:
    for name, melody in melodies.items():
        formats.write(melody, folder / f"{name}.musicxml", force=True)
    first = (folder / f"{next(iter(melodies))}.musicxml").read_text()
    for name, text in spoiled(first).items():
        (folder / name).write_text(text)
        (complaints,) = musescore([(folder / name, folder / "x.mscx")]).values() or ([],)
        print(f"  spoiled on purpose, {name}: {complaints[:1] or 'NOTHING SAID'}")
    # Its own format is opened again, since it looks for corrupt bars there.
    names = list(melodies)
    files = [folder / f"{n}.musicxml" for n in names]
    own = [folder / f"{n}.mscx" for n in names]
    exports = [folder / f"{n}.out.musicxml" for n in names]
    again = [folder / f"{n}.again.musicxml" for n in names]
    for what, jobs in (
        ("opened", list(zip(files, own, strict=True))),
        ("exported", list(zip(files, exports, strict=True))),
        ("its own file opened and exported", list(zip(own, again, strict=True))),
    ):
        said = musescore(jobs)
        count = collections.Counter(phrase(line) for lines in said.values() for line in lines)
        made = sum(b.exists() for _, b in jobs)
        print(
            f"  MuseScore, {what}: {made} of {len(jobs)} made; it complains of {len(said)}: "
            f"{dict(count)} {list(said)[:5] if said else ''}",
            flush=True,
        )
    for what, outs in (("export", exports), ("export of its own file", again)):
        compare(melodies, dict(zip(names, outs, strict=True)), what)


def compare(melodies: dict[str, Melody], exports: dict[str, Path], what: str) -> None:
    """MuseScore's exports against what was in the files that it was given."""
    equal, chords_equal, lead_sheets, by_music21 = 0, 0, 0, [0, 0]
    different, symbols = [], []
    for i, (name, path) in enumerate(exports.items()):
        given = formats.read(path.parent / f"{name}.musicxml")[0]
        back = formats.read(path)[0]
        alike = notes_of(back) == notes_of(given)
        equal += alike
        if not alike:
            different.append(f"{name} {melodies[name].origin}")
        if given.chords:
            lead_sheets += 1
            chords_equal += back.chords == given.chords
            if back.chords != given.chords:
                pairs = zip(given.chords, back.chords, strict=False)
                symbols.append((name, next((p for p in pairs if p[0] != p[1]), "missing")))
        if i % 10 == 0:
            by_music21[1] += 1
            by_music21[0] += same(notes_of(given), from_music21(path.read_bytes())[0], 1)
    print(f"  {what}: notes equal in {equal} of {len(exports)} {different[:6]}")
    print(f"    chord symbols equal in {chords_equal} of {lead_sheets} {symbols[:6]}")
    print(f"    music21 agrees on {by_music21[0]} of {by_music21[1]}", flush=True)


def in_abc2midi(melodies: dict[str, Melody], folder: Path) -> None:
    said: dict[str, list[str]] = {}
    agree, different = 0, []
    for name, melody in melodies.items():
        data = formats.dumps([melody], "abc")
        (folder / f"{name}.abc").write_bytes(data)
        theirs, text = from_abc2midi(data, folder)
        lines = [line for line in text.splitlines() if re.search("(?i)error|warning|bar", line)]
        if lines:
            said[name] = lines
        given = formats.read(folder / f"{name}.abc")[0]
        if same(notes_of(given), theirs, 2):
            agree += 1
        else:
            different.append(f"{name} {melody.origin}")
    count = collections.Counter(phrase(line) for lines in said.values() for line in lines)
    print(
        f"  abc2midi: complains of {len(said)} of {len(melodies)} {dict(count)} {list(said)[:6]}; "
        f"notes equal in {agree} {different[:6]}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--keep", type=Path, help="a folder for the files, kept")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("TUNESMITH_DATA", ".")))
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    melodies: dict[str, Melody] = {}
    for corpus, count in SAMPLES.items():
        tunes = sample_of(corpus, count, args.data, random.Random(args.seed))
        melodies |= {f"{corpus}{n:03}": m for n, m in enumerate(tunes)}
        print(f"{corpus}: {len(tunes)} tunes, {sum(bool(m.chords) for m in tunes)} with chords")
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        in_musescore(melodies, folder)
        in_abc2midi(melodies, folder)


if __name__ == "__main__":
    main()
