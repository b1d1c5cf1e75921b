"""`tunesmith surprise`: how surprising each note is, in a table and over the score."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from tunesmith.cli.common import Force, Model, Track, app, print_rows
from tunesmith.errors import printable


@app.command()
def surprise(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="A file of music.")],
    model: Model = None,
    out: Annotated[
        Path | None, typer.Option(help="A score with bars (.svg, .png), or data (.json, .csv).")
    ] = None,
    tune: Annotated[int, typer.Option(help="Which tune of the file.", min=1)] = 1,
    track: Track = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    force: Force = False,
) -> None:
    """Bits that each note costs a model: where a melody surprises, and what was expected."""
    from tunesmith.api.composing import load_model
    from tunesmith.api.surprising import surprise as run
    from tunesmith.api.surprising import write_surprise

    found = run(path, load_model(model), tune=tune, track=track)
    if out:
        write_surprise(found, out, force=force)
    if as_json:
        print(json.dumps(found.to_dict(), indent=1, ensure_ascii=False))
        return
    melody = found.melody
    if melody.key_is_estimated:
        print(f"{path}: key not named, estimated: {melody.key}", file=sys.stderr)
    if found.moved:
        print(f"{path}: notes moved by the grid: {found.moved}", file=sys.stderr)
    rows: list[tuple[str, ...]] = [
        ("bar", "beat", "note", "pitch bits", "timing bits", "both", "", "expected", "chance")
    ]
    rows += [
        (
            str(n.bar), f"{n.beat:.5g}", n.pitch, f"{n.pitch_bits:.2f}", f"{n.timing_bits:.2f}",
            f"{n.bits:.2f}", "*" * n.marked, n.expected, f"{100 * n.chance:.0f} %",
        )
        for n in found.notes
    ]  # fmt: skip
    print(printable(melody.title) or "untitled")
    print_rows(rows)
    print(
        f"\n{found.bits_per_note:.2f} bits a note in all; * the most surprising tenth\n"
        f"before the notes (key, metre, pickup, how many bars): {found.header.total:.2f} bits\n"
        f"after them (that it ends): {found.end.total:.2f} bits\n"
        "expected: the likeliest pitch where the note begins, and its probability"
    )
    if out:
        print(f"written to {out}")
