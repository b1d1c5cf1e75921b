"""Reading and writing on whole corpora, and what independent readers make of our files.

    python benchmarks/roundtrip.py folk bimmuda letters [--sample 200]

For each corpus: how many tunes are read, with the reasons for the others; then every
melody is written and read again by MIDI, MusicXML, ABC and tokens. A sample of our
files is read by others: mido (MIDI), music21 (MusicXML), abc2midi and mido (ABC). For
`folk` the sources too are read by abc2midi and compared with our reading.

`bimmuda` and `letters` are found under --data or TUNESMITH_DATA; see docs/data.md.
abc2midi is looked for on the PATH (Debian: abcmidi).
"""

from __future__ import annotations

import argparse
import collections
import importlib.util
import io
import os
import random
import re
import shutil
import subprocess
import tempfile
import time
import warnings
from fractions import Fraction
from itertools import islice
from pathlib import Path

import mido

from tunesmith import formats
from tunesmith.errors import TunesmithError
from tunesmith.formats.layout import lay_out
from tunesmith.melody import Melody
from tunesmith.tokens import make_vocabulary

Notes = list[tuple[int, int, int]]


def corpus_files(name: str, data: Path) -> list[Path]:
    if name in ("folk", "essen"):
        spec = importlib.util.find_spec("music21")
        assert spec and spec.submodule_search_locations
        root = Path(spec.submodule_search_locations[0]) / "corpus"
        folders = {
            "folk": ("oneills1850", "airdsAirs", "ryansMammoth"), "essen": ("essenFolksong",)
        }[name]  # fmt: skip
        return sorted(p for f in folders for p in (root / f).glob("*.abc"))
    if name == "letters":
        return [data / "seed" / "melodies_letters.txt"]
    files = [p for p in (data / name).rglob("*") if p.suffix in (".mid", ".mxl", ".abc")]
    return sorted(files)


def notes_of(melody: Melody) -> Notes:
    return [(n.onset, n.duration, n.pitch) for n in melody.notes]


def from_mido(data: bytes) -> Notes:
    """Onset, duration, pitch in ticks of 480, by mido; all tracks and channels."""
    midi = mido.MidiFile(file=io.BytesIO(data))
    notes: Notes = []
    for track in midi.tracks:
        at, on = 0, {}
        for message in track:
            at += message.time
            if message.type == "note_on" and message.velocity:
                on[message.channel, message.note] = at
            elif message.type in ("note_off", "note_on"):
                start = on.pop((message.channel, message.note), None)
                if start is not None and at > start:
                    notes.append((start, at - start, message.note))
    scale = Fraction(480, midi.ticks_per_beat)
    return sorted((round(o * scale), round(d * scale), p) for o, d, p in notes)


def from_music21(data: bytes) -> Notes:
    """The same by music21, ties joined here: its `stripTies` loses some of three notes."""
    import music21

    score = music21.converter.parseData(data.decode(), format="musicxml")
    notes: Notes = []
    for n in score.flatten().notes:
        if not isinstance(n, music21.note.Note):
            continue  # a chord symbol
        onset, length = (round(Fraction(x) * 480) for x in (n.offset, n.quarterLength))
        if n.tie is not None and n.tie.type in ("stop", "continue") and notes:
            first, so_far, pitch = notes[-1]
            if pitch == n.pitch.midi and abs(first + so_far - onset) <= 1:
                notes[-1] = (first, onset + length - first, pitch)
                continue
        notes.append((onset, length, n.pitch.midi))
    return sorted(notes)


def from_abc2midi(text: bytes, folder: Path) -> tuple[Notes, str]:
    """The same by abc2midi, with what it says; grace notes, chords and stress off."""
    source, target = folder / "x.abc", folder / "x.mid"
    target.unlink(missing_ok=True)
    # A note's last tick is left silent by default; %%MIDI trim and gchordoff say what we want.
    source.write_bytes(text)
    run = subprocess.run(
        ["abc2midi", str(source), "-o", str(target), "-NGRA", "-NGUI", "-NFER", "-BF", "-quiet"],
        capture_output=True,
    )
    said = (run.stdout + run.stderr).decode("latin-1")
    notes = from_mido(target.read_bytes()) if target.exists() else []
    return notes, said


def plain(text: bytes) -> bytes:
    """A source without what abc2midi plays and we do not: swing, part order, ornaments."""
    lines = []
    for line in text.split(b"\n"):
        if re.match(rb"[RP]:", line):  # hornpipes are swung, parts are reordered
            continue
        if not re.match(rb"[A-Za-z]:", line):
            line = re.sub(rb"\{[^}]*\}|![^!]*!|[.~TMH](?=[_^=]*[A-Ga-g(])", b"", line)
        lines.append(line)
    return b"\n".join(lines)


def same(ours: Notes, theirs: Notes, tolerance: int) -> bool:
    """Equal pitches; onsets and lengths equal up to `tolerance` ticks, the first onset free.

    A leading rest is no difference: some readers begin at the first note.
    """
    if len(ours) != len(theirs) or not ours:
        return False
    a0, b0 = ours[0][0], theirs[0][0]
    return all(
        p == q and abs((o - a0) - (r - b0)) <= tolerance and abs(d - e) <= tolerance
        for (o, d, p), (r, e, q) in zip(ours, theirs, strict=True)
    )


def round_trips(melodies: list[Melody]) -> None:
    vocabulary = make_vocabulary("notes")
    total_notes = sum(len(m.notes) for m in melodies)
    for name in ("mid", "musicxml", "abc", "letters", "tokens"):
        equal, unspellable, moved, other, refused = 0, 0, 0, [], collections.Counter()
        for melody in melodies:
            try:
                if name == "tokens":
                    encoded = vocabulary.encode(melody)
                    moved += encoded.moved
                    back = vocabulary.decode(encoded.ids)
                    if encoded.moved:
                        same_but = back.pitches == melody.pitches
                        equal += same_but
                        if not same_but:
                            other.append(melody.origin)
                        continue
                else:
                    data = formats.dumps([melody], name)
                    ending = {"mid": "mid", "musicxml": "musicxml", "abc": "abc", "letters": "txt"}
                    back = scan_bytes(data, ending[name])
            except TunesmithError as e:
                refused[re.sub(r"\d+", "N", e.what)] += 1
                continue
            if name == "letters":
                alike = [p % 12 for p in back.pitches] == [p % 12 for p in melody.pitches]
            else:
                alike = notes_of(back) == notes_of(melody)
            if alike:
                equal += 1
            elif name in ("musicxml", "abc") and lay_out(melody).unspellable:
                unspellable += 1
            else:
                other.append(melody.origin or melody.title)
        extra = f", {moved} of {total_notes} notes moved by the grid" if name == "tokens" else ""
        print(
            f"  write and read by {name}: {equal} of {len(melodies)} equal, "
            f"{unspellable} with lengths notation cannot spell, {len(other)} different"
            f"{extra} {dict(refused) or ''} {other[:3] or ''}",
            flush=True,
        )


def scan_bytes(data: bytes, ending: str) -> Melody:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"x.{ending}"
        path.write_bytes(data)
        return formats.read(path)[0]


def independent(melodies: list[Melody], sample: int, rng: random.Random) -> None:
    shuffled = (m for m in rng.sample(melodies, len(melodies)) if not lay_out(m).unspellable)
    chosen = list(islice(shuffled, sample))
    agree, warned = collections.Counter(), 0
    different: dict[str, list[str]] = collections.defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        for melody in chosen:
            ours = notes_of(melody)
            abc, said = from_abc2midi(formats.dumps([melody], "abc"), Path(folder))
            warned += "rror" in said or "arning" in said
            for name, theirs, tolerance in (
                ("mido reads our MIDI", from_mido(formats.dumps([melody], "mid")), 0),
                ("music21 reads our MusicXML",
                 from_music21(formats.dumps([melody], "musicxml")), 1),
                ("abc2midi reads our ABC", abc, 2),
            ):  # fmt: skip
                if same(ours, theirs, tolerance):
                    agree[name] += 1
                else:
                    different[name].append(melody.origin or melody.title)
    for name in ("mido reads our MIDI", "music21 reads our MusicXML", "abc2midi reads our ABC"):
        print(f"  {name}: {agree[name]} of {len(chosen)} agree {different[name][:4] or ''}")
    print(f"  abc2midi warns of {warned} of {len(chosen)}", flush=True)


def sources_by_abc2midi(files: list[Path], sample: int, rng: random.Random) -> None:
    """Random tunes of the sources, each read by us and by abc2midi."""
    blocks = []
    for path in files:
        text = path.read_bytes().replace(b"\r\n", b"\n")
        starts = [m.start() for m in re.finditer(rb"(?m)^X:", text)]
        for a, b in zip(starts, [*starts[1:], len(text)], strict=True):
            blocks.append((path.name, text[a:b]))
    agree, different, rejected = 0, [], 0
    with tempfile.TemporaryDirectory() as folder:
        for name, block in rng.sample(blocks, sample):
            path = Path(folder) / "one.abc"
            path.write_bytes(block)
            try:
                ours = notes_of(formats.read(path)[0])
            except TunesmithError:
                rejected += 1
                continue
            theirs, _ = from_abc2midi(plain(block), Path(folder))
            if same(ours, theirs, 2):
                agree += 1
            else:
                number = block.split(b"\n")[0].decode()
                different.append(f"{name} {number} ({len(ours)}/{len(theirs)})")
    print(f"  sources: abc2midi agrees on {agree} of {sample}; we reject {rejected}; different:")
    print("   ", "; ".join(different), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("corpora", nargs="+")
    parser.add_argument("--sample", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("TUNESMITH_DATA", ".")))
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    for name in args.corpora:
        rng = random.Random(args.seed)
        files = corpus_files(name, args.data)
        start = time.perf_counter()
        readings = []
        for path in files:
            try:
                readings += formats.scan(path)
            except TunesmithError as e:
                print(f"  {path.name}: {e}")
        melodies = [r.melody for r in readings if r.melody]
        seconds = time.perf_counter() - start
        print(f"{name}: {len(melodies)} of {len(readings)} tunes read in {seconds:.1f} s, one core")
        reasons = collections.Counter(str(r.error) for r in readings if r.error)
        for reason, count in reasons.most_common(12):
            print(f"    {count} x {reason}")
        round_trips(melodies)
        if shutil.which("abc2midi"):
            independent(melodies, args.sample, rng)
            if name == "folk":
                sources_by_abc2midi(files, args.sample, rng)


if __name__ == "__main__":
    main()
