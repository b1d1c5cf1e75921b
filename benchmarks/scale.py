"""How do time and memory of `prepare` grow with the files, and is reading quick?

    python benchmarks/scale.py prepare [--sizes 1000 10000 100000] [--folder FOLDER]
    python benchmarks/scale.py tunebook [--sizes 5000 50000] [--folder FOLDER]
    python benchmarks/scale.py readers [--folder FOLDER]

`prepare` makes files of one tune, half ABC and half MIDI, by altering the tunes of
the package's examples and, where music21 is installed, of its folk tunes, each 24 times: each is
transposed and has none (1 in 10 files), 3 to 15 % (3 in 10) or 40 to 60 % of its notes
changed, so that there are exact duplicates, near-duplicates and new tunes. Then it runs
`tunesmith prepare` on the first so many files. `tunebook` does it with all tunes in one
ABC file. Processor seconds are those of all processes; memory is the sum of the
greatest resident set that each process ever had, so it is not below what was used at
any one time. The promise is 200 MB and 1 kB a tune.

`readers` reads 300 of the ABC and 300 of the MIDI files to notes, one after another, in one
process each time: by Tunesmith, and by music21 and pretty_midi where they are installed.

Files that are there are not made again; without `--folder` they go to a temporary one.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tunesmith.formats import dumps, read, scan
from tunesmith.melody import Melody, Note

FOLK = ("oneills1850", "airdsAirs", "ryansMammoth")
READ = 300
PROMISE_MB, PROMISE_KB_A_TUNE = 200, 1
MINE = ("tunesmith", ["abc", "mid"])
OTHERS = {"music21": ["abc", "mid"], "pretty_midi": ["mid"]}
FAMILY = 24  # files made of one tune, so that there are as many duplicates at each size
MELODIC = (-4, -3, -2, -1, 1, 2, 3, 4)


def originals() -> list[Melody]:
    """The melodies to alter: the examples and, if installed, music21's folk tunes."""
    import tunesmith.corpus

    assert tunesmith.corpus.__file__
    files = sorted((Path(tunesmith.corpus.__file__).parent / "examples").glob("*.abc"))
    spec = importlib.util.find_spec("music21")
    if spec and spec.submodule_search_locations:
        root = Path(spec.submodule_search_locations[0]) / "corpus"
        files += [f for name in FOLK for f in sorted((root / name).glob("*.abc"))]
    return [r.melody for file in files for r in scan(file) if r.melody]


def altered(melody: Melody, number: int) -> Melody:
    """The melody, transposed and with some of its pitches changed; always the same."""
    chance = random.Random(number)
    share = chance.choices((0.0, chance.uniform(0.03, 0.15), chance.uniform(0.4, 0.6)), (1, 3, 6))
    steps = chance.randint(-6, 5)
    notes = tuple(
        Note(
            n.onset,
            n.duration,
            min(110, max(20, n.pitch + (chance.random() < share[0]) * chance.choice(MELODIC))),
        )
        for n in melody.notes
    )
    plain = Melody(notes, melody.meters, melody.pickup, melody.duration, key=melody.key)
    return plain.transpose(steps)


def make_files(folder: Path, count: int) -> None:
    """Write those of the first `count` files that are not there."""
    missing = [i for i in range(count) if not file_path(folder, i).exists()]
    if not missing:
        return
    known = originals()
    print(f"{len(known)} tunes to alter; {len(missing)} files to make", file=sys.stderr)
    random.Random(0).shuffle(known)
    for number in missing:
        path = file_path(folder, number)
        path.parent.mkdir(parents=True, exist_ok=True)
        melody = altered(known[number // FAMILY % len(known)], number)
        partial = path.with_name(path.name + ".partial")
        partial.write_bytes(dumps([melody], path.suffix[1:]))
        partial.rename(path)


def file_path(folder: Path, number: int) -> Path:
    ending = "abc" if number % 2 else "mid"
    return folder / "files" / f"{number // 1000:03d}" / f"{number:06d}.{ending}"


def some_files(folder: Path, count: int) -> Path:
    """A folder with the first `count` files, linked."""
    make_files(folder, count)
    chosen = folder / f"first-{count}"
    for number in range(count):
        path = file_path(folder, number)
        link = chosen / path.relative_to(folder / "files")
        if not link.exists():
            link.parent.mkdir(parents=True, exist_ok=True)
            os.link(path, link)
    return chosen


def tunebook(folder: Path, count: int) -> Path:
    """An ABC file with the first `count` tunes."""
    book = folder / f"book-{count}.abc"
    if not book.exists():
        known = originals()
        random.Random(0).shuffle(known)
        partial = folder / f"{book.name}.partial"
        with partial.open("wb") as out:
            for number in range(count):
                tune = dumps([altered(known[number // FAMILY % len(known)], number)], "abc")
                out.write(tune.replace(b"X:1\n", b"X:%d\n" % (number + 1), 1).rstrip() + b"\n\n")
        partial.rename(book)
    return book


def measured(command: list[str]) -> tuple[float, float, dict[int, float]]:
    """Wall seconds, processor seconds of all processes, and peak MB of each, main first."""
    start = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    peaks: dict[int, float] = {process.pid: 0.0}
    while True:
        for pid in (process.pid, *children(process.pid)):
            peaks[pid] = max(peaks.get(pid, 0), peak_mb(pid))
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if pid:
            break
        time.sleep(0.05)
    seconds = time.monotonic() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)}: exit code {process.returncode}")
    return seconds, usage.ru_utime + usage.ru_stime, peaks


def children(pid: int) -> Iterator[int]:
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        for task in tasks:
            yield from map(int, (task / "children").read_text().split())
    except OSError:
        return  # it has ended


def peak_mb(pid: int) -> float:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    lines = [line for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(lines[0].split()[1]) / 1024 if lines else 0.0


def report(kind: str, sizes: list[int], folder: Path) -> None:
    make: Callable[[Path, int], Path] = some_files if kind == "prepare" else tunebook
    print("| tunes in | s | processor s | ms each | main MB | workers MB | sum MB | promised MB |"
          " kept | near | exact |")  # fmt: skip
    print("|" + "--:|" * 11)
    for size in sizes:
        source = make(folder, size)
        out = folder / f"corpus-{kind}-{size}"
        shutil.rmtree(out, ignore_errors=True)
        command = [sys.executable, "-m", "tunesmith", "prepare", str(source), "--out", str(out)]
        wall, processor, peaks = measured(command)
        main, *workers = peaks.values()
        manifest = json.loads((out / "manifest.json").read_text())
        row = manifest["sources"][0]
        promised = PROMISE_MB + PROMISE_KB_A_TUNE * size / 1024
        print(
            f"| {size:,} | {wall:.1f} | {processor:.1f} | {1000 * processor / size:.2f} "
            f"| {main:.0f} | {' + '.join(f'{w:.0f}' for w in workers)} "
            f"| {sum(peaks.values()):.0f} | {promised:.0f} | {row['tunes']:,} "
            f"| {row['near_duplicates']:,} | {row['exact_duplicates']:,} |",
            flush=True,
        )
        shutil.rmtree(out)


def readers(folder: Path) -> None:
    make_files(folder, 2 * READ)
    seconds: dict[tuple[str, str], float] = {}
    print("| reader | format | files | notes | processor s | times Tunesmith |")
    print("|--|--|--:|--:|--:|--:|")
    for name, kinds in (MINE, *OTHERS.items()):
        if not importlib.util.find_spec(name):
            print(f"| {name} | not installed | | | | |")
            continue
        for kind in kinds:
            command = [sys.executable, __file__, "read", "--folder", str(folder)]
            said = subprocess.check_output([*command, "--reader", name, "--kind", kind])
            spent, notes = json.loads(said.splitlines()[-1])
            seconds[name, kind] = spent
            ratio = spent / seconds[MINE[0], kind]
            print(f"| {name} | {kind} | {READ} | {notes:,} | {spent:.2f} | {ratio:.1f} |")


def read_all(folder: Path, name: str, kind: str) -> None:
    """Print the processor seconds and notes of reading; the import does not count."""
    files = [file_path(folder, i) for i in range(2 * READ)]
    files = [file for file in files if file.suffix == f".{kind}"]
    count = _reader(name)
    count(files[0])  # what is loaded at the first file does not count either
    start = time.process_time()
    notes = sum(count(file) for file in files)
    print(json.dumps([time.process_time() - start, notes]))


def _reader(name: str) -> Callable[[Path], int]:
    if name == "tunesmith":
        return lambda path: len(read(path)[0].notes)
    if name == "music21":
        import music21

        return lambda path: len(
            music21.converter.parse(str(path), forceSource=True).flatten().notes  # type: ignore
        )
    import pretty_midi

    return lambda path: sum(len(i.notes) for i in pretty_midi.PrettyMIDI(str(path)).instruments)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("prepare", "tunebook", "readers", "read"))
    parser.add_argument("--sizes", type=int, nargs="+")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--reader", help=argparse.SUPPRESS)
    parser.add_argument("--kind", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = chosen.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        if chosen.what == "read":
            read_all(folder, chosen.reader, chosen.kind)
        elif chosen.what == "readers":
            readers(folder)
        else:
            usual = [1000, 10_000, 100_000] if chosen.what == "prepare" else [5000, 50_000]
            report(chosen.what, chosen.sizes or usual, folder)


if __name__ == "__main__":
    main()
