"""Reading and writing on whole corpora, and what independent readers make of our files.

    python benchmarks/roundtrip.py folk bimmuda letters openewld lieder essen [--sample 200]

For each corpus: how many tunes are read, with the reasons for the others; then every
melody is written and read again by MIDI, MusicXML, ABC, kern and tokens; notes and chord
symbols are compared. A sample of our files is read by others: mido (MIDI), music21
(MusicXML and kern; of MusicXML the roots, basses and places of the chord symbols too),
abc2midi and mido (ABC). For `folk` the sources too are read by abc2midi and compared
with our reading.

All but `folk` and `essen` are found under --data or TUNESMITH_DATA; see docs/data.md.
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
import xml.etree.ElementTree as ET
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
FORMATS = ("mid", "musicxml", "abc", "kern", "letters", "tokens")
ENDINGS = {"mid": "mid", "musicxml": "musicxml", "abc": "abc", "kern": "krn", "letters": "txt"}
WITH_CHORDS = ("musicxml", "abc", "kern")
NOTATION = WITH_CHORDS  # what is laid out in note values
FOLDERS = {"lieder": "openscore-lieder"}


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
    files = [
        p
        for p in (data / FOLDERS.get(name, name)).rglob("*")
        if p.suffix in (".mid", ".mxl", ".abc")
    ]
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


def from_music21(data: bytes, name: str = "musicxml") -> tuple[Notes, list[tuple[int, str]]]:
    """The same by music21, ties joined here: its `stripTies` loses some of three notes.

    With the chord symbols as (tick, root and bass).
    """
    import music21

    score = music21.converter.parseData(data.decode(), format=name)
    notes: Notes = []
    chords = []
    for n in score.flatten().notes:
        onset, length = (round(Fraction(x) * 480) for x in (n.offset, n.quarterLength))
        if isinstance(n, music21.harmony.ChordSymbol):
            if n.chordKind not in ("none", "other", ""):
                chords.append((onset, tones(n.root().name, n.bass().name)))
            continue
        if not isinstance(n, music21.note.Note):
            continue
        if n.tie is not None and n.tie.type in ("stop", "continue") and notes:
            first, so_far, pitch = notes[-1]
            if pitch == n.pitch.midi and abs(first + so_far - onset) <= 1:
                notes[-1] = (first, onset + length - first, pitch)
                continue
        notes.append((onset, length, n.pitch.midi))
    return sorted(notes), chords


def tones(root: str, bass: str) -> str:
    return f"{root.replace('-', 'b')}/{bass.replace('-', 'b')}"


def chords_for_music21(data: bytes) -> list[tuple[int, str]]:
    """What music21 should find: ticks, roots and basses of the symbols our file gives a kind."""
    melody = scan_bytes(data, "musicxml")
    kinds = ET.fromstring(data.split(b'.dtd">', 1)[1]).iter("kind")
    out = []
    for chord, kind in zip(melody.chords, kinds, strict=True):
        if kind.text in ("none", "other"):
            continue
        match = re.fullmatch(r"([A-G][#b]*)(?:.*/([A-G][#b]*))?.*", chord.symbol)
        assert match, chord
        out.append((chord.tick, tones(match[1], match[2] or match[1])))
    return out


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


def top_notes(notes: Notes) -> Notes:
    """Of notes that begin together the highest: one voice is read of a chord.

    abc2midi lets the notes of a chord begin ten ticks apart.
    """
    kept: Notes = []
    for onset, length, pitch in notes:
        if kept and onset - kept[-1][0] <= 12 < kept[-1][1]:
            onset, length = kept[-1][0], max(length, kept[-1][1])
            pitch = max(pitch, kept.pop()[2])
        kept.append((onset, length, pitch))
    return kept


def with_starts(text: bytes) -> bytes:
    """A source with the repeat signs that it leaves out, where ABC's rule puts them.

    A repeat without a start begins at the double barline or repeat before it, or at the
    beginning. abc2midi and music21 often go back to the beginning instead.
    """
    head, k, body = text.partition(b"\nK:")
    first, newline, music = body.partition(b"\n")
    out, last, opener, opened = [], 0, None, False
    for sign in re.finditer(rb"::|:\|+:?|\|+:+|\|\||\|\]|\[\|(?![0-9])", music):
        if sign[0].startswith(b":") and not opened and opener is not None:
            out.append((opener, b"|:"))
        if sign[0].startswith(b":") or sign[0].endswith(b":"):
            opened = sign[0] == b"::" or sign[0].endswith(b":")
            opener = None if opened else sign.end()
        elif not opened:
            opener = sign.end()
    result = b""
    for place, what in out:
        result += music[last:place] + what
        last = place
    return head + k + first + newline + result + music[last:]


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


def round_trips(melodies: list[Melody], names: list[str]) -> None:
    vocabulary = make_vocabulary("notes")
    total_notes = sum(len(m.notes) for m in melodies)
    lead_sheets = sum(bool(m.chords) for m in melodies)
    for name in names:
        equal, unspellable, moved, other, refused = 0, 0, 0, [], collections.Counter()
        chords_equal, chords_other, notes_moved = 0, [], 0
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
                    back = scan_bytes(data, ENDINGS[name])
            except TunesmithError as e:
                refused[re.sub(r"\d+", "N", e.what)] += 1
                continue
            if melody.chords and name in WITH_CHORDS:
                if back.chords == melody.chords:
                    chords_equal += 1
                else:
                    chords_other.append(melody.origin or melody.title)
            if name == "letters":
                alike = [p % 12 for p in back.pitches] == [p % 12 for p in melody.pitches]
            else:
                alike = notes_of(back) == notes_of(melody)
            if alike:
                equal += 1
            elif name in NOTATION and lay_out(melody).unspellable:
                unspellable += 1
                notes_moved += lay_out(melody).unspellable
                if back.pitches != melody.pitches:
                    other.append(f"pitches: {melody.origin or melody.title}")
            else:
                other.append(melody.origin or melody.title)
        extra = f", {moved} of {total_notes} notes moved by the grid" if name == "tokens" else ""
        if unspellable:
            extra = f", {notes_moved} of {total_notes} notes moved"
        print(
            f"  write and read by {name}: {equal} of {len(melodies)} equal, "
            f"{unspellable} with lengths notation cannot spell, {len(other)} different"
            f"{extra} {dict(refused) or ''} {other[:3] or ''}",
            flush=True,
        )
        if lead_sheets and name in WITH_CHORDS:
            print(
                f"    chord symbols: equal in {chords_equal} of {lead_sheets} {chords_other[:3]}",
                flush=True,
            )


def scan_bytes(data: bytes, ending: str) -> Melody:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"x.{ending}"
        path.write_bytes(data)
        return formats.read(path)[0]


def independent(melodies: list[Melody], sample: int, rng: random.Random, names: list[str]) -> None:
    """What others read in our files of a sample of melodies that notation can spell."""
    shuffled = (m for m in rng.sample(melodies, len(melodies)) if not lay_out(m).unspellable)
    chosen = list(islice(shuffled, sample))
    agree, asked, warned = collections.Counter(), collections.Counter(), 0
    different: dict[str, list[str]] = collections.defaultdict(list)

    def judge(what: str, alike: bool, melody: Melody) -> None:
        asked[what] += 1
        agree[what] += alike
        if not alike:
            different[what].append(melody.origin or melody.title)

    with tempfile.TemporaryDirectory() as folder:
        for melody in chosen:
            ours = notes_of(melody)
            for name in names:
                if name not in ("mid", *NOTATION):
                    continue
                data = formats.dumps([melody], name)
                if name == "mid":
                    judge("mido reads our MIDI", same(ours, from_mido(data), 0), melody)
                elif name == "abc":
                    theirs, said = from_abc2midi(data, Path(folder))
                    warned += "rror" in said or "arning" in said
                    judge("abc2midi reads our ABC", same(ours, theirs, 2), melody)
                else:
                    what = f"music21 reads our {name}"
                    theirs, chords = from_music21(data, {"kern": "humdrum"}.get(name, name))
                    judge(what, same(ours, theirs, 1), melody)
                    if name == "musicxml" and melody.chords:
                        wanted = chords_for_music21(data)
                        judge(f"{what}, chord symbols", chords == wanted, melody)
    for what, count in asked.items():
        print(f"  {what}: {agree[what]} of {count} agree {different[what][:4] or ''}")
    print(f"  abc2midi warns of {warned}", flush=True)


def sources_by_abc2midi(files: list[Path], sample: int, rng: random.Random) -> None:
    """Random tunes of the sources, each read by us and by abc2midi."""
    blocks = []
    for path in files:
        text = path.read_bytes().replace(b"\r\n", b"\n")
        starts = [m.start() for m in re.finditer(rb"(?m)^X:", text)]
        for a, b in zip(starts, [*starts[1:], len(text)], strict=True):
            blocks.append((path.name, text[a:b]))
    agree, by_rule, different, rejected = 0, 0, [], 0
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
            if same(ours, top_notes(theirs), 2):
                agree += 1
                continue
            theirs, _ = from_abc2midi(with_starts(plain(block)), Path(folder))
            if same(ours, top_notes(theirs), 2):
                by_rule += 1
            else:
                number = block.split(b"\n")[0].decode()
                different.append(f"{name} {number} ({len(ours)}/{len(theirs)})")
    print(
        f"  sources: abc2midi agrees on {agree} of {sample} as they stand, on {by_rule} more with "
        f"the starts of repeats written out; we reject {rejected}; different:"
    )
    print("   ", "; ".join(different), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("corpora", nargs="+")
    parser.add_argument("--formats", nargs="+", default=FORMATS, choices=FORMATS)
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
        round_trips(melodies, args.formats)
        if shutil.which("abc2midi"):
            independent(melodies, args.sample, rng, args.formats)
            if name == "folk":
                sources_by_abc2midi(files, args.sample, rng)


if __name__ == "__main__":
    main()
