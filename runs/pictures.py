"""Draw the pictures of docs/generate.md: after a block of commands, the first tune of the first.

python runs/pictures.py [NAME...]
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

import tunesmith
from tunesmith.melody import Melody

DOCS = Path(__file__).parent.parent / "docs"
PICTURE = re.compile(
    r"```sh\n(tunesmith [^\n]*)\n(?:[^`]*\n)?```\n\n!\[[^]]*\]\(images/([\w.-]+)\)"
)
SHOWN = {"generate-infill": (0, 8), "generate-vary": (0, 8), "generate-continue": (13, 20)}
"""Bars of a longer tune that are drawn, 0-based, a pickup counted."""
GAPS = "X:1\nT:Gaps\nM:4/4\nL:1/4\nK:G\nGABc|d2B2|z4|z4|cBAG|A2D2|\n"


def songs(folder: Path) -> None:
    """The files that the page speaks of: Greensleeves, its first half as MIDI, one with gaps."""
    tune = tunesmith.read(Path(tunesmith.__file__).parent / "corpus/examples/britain.abc")[0]
    tunesmith.write(tune, folder / "song.abc")
    tunesmith.write(tune.slice_bars(0, 8), folder / "song.mid")
    (folder / "gaps.abc").write_text(GAPS)


def main(names: list[str]) -> None:
    page = (DOCS / "generate.md").read_text("utf-8")
    for command, picture in PICTURE.findall(page):
        name = Path(picture).stem
        if names and name not in names:
            continue
        with tempfile.TemporaryDirectory() as folder:
            songs(Path(folder))
            done = [sys.executable, "-m", *shlex.split(command), "--format", "abc"]
            subprocess.run(done, cwd=folder, check=True, env=os.environ, stdout=subprocess.DEVNULL)
            out = Path(folder) / shlex.split(command)[-1]
            tunesmith.write(shown(tunesmith.read(out / "tune-01.abc")[0], name),
                            DOCS / "images" / picture, force=True)  # fmt: skip
        print(picture, (DOCS / "images" / picture).stat().st_size)


def shown(melody: Melody, name: str) -> Melody:
    first, last = SHOWN.get(name, (0, len(melody.bars) - 1))
    return melody.slice_bars(first, min(last, len(melody.bars) - 1))


if __name__ == "__main__":
    main(sys.argv[1:])
