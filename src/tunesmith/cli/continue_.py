"""`tunesmith continue`: go on with a melody."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tunesmith.cli.common import Model, Track, app, progress
from tunesmith.cli.options import (
    OUTPUT,
    TIME,
    Choice,
    Output,
    Pitches,
    Shape,
    Soft,
    Source,
    Times,
    constraints_of,
    finish,
    flat,
    keep_rest,
    one_melody,
)


@app.command("continue")
@flat
def continue_(
    path: Source,
    pitches: Pitches,
    times: Times,
    shape: Shape,
    soft: Soft,
    choice: Choice,
    output: Output,
    bars: Annotated[
        int, typer.Option(help="New bars, exactly.", rich_help_panel=TIME, min=1)
    ] = 8,
    only_new: Annotated[
        bool,
        typer.Option(
            "--only-new/--with-primer", rich_help_panel=OUTPUT, show_default=False,
            help="The new bars alone, or behind the melody (the default).",
        ),
    ] = False,
    out: Annotated[
        Path, typer.Option(help="A folder for the melodies.", rich_help_panel=OUTPUT)
    ] = Path("continued"),
    model: Model = None,
    track: Track = "auto",
) -> None:  # fmt: skip
    """Go on with a melody. What must hold, holds in the new bars; see docs/constraints.md."""
    from tunesmith.api import composing, reworking, writing
    from tunesmith.decoding.constraints import Constraints

    writing.parse_formats(output.formats)
    melody = one_melody(path, track)
    with progress("composing") as told:
        tunes = reworking.continue_(
            composing.load_model(model), melody,
            Constraints(**constraints_of(pitches, times, shape)),
            bars=bars, only_new=only_new, tempo=output.tempo, **choice.how(soft, told),
        )  # fmt: skip
    if not only_new:
        keep_rest(tunes, path, track, output)
    finish(tunes, out, output)
