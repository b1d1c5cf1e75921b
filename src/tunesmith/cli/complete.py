"""`tunesmith complete`: fill the empty bars of a melody."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tunesmith.cli.common import Model, Track, app, progress
from tunesmith.cli.options import (
    OUTPUT,
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


@app.command()
@flat
def complete(
    path: Source,
    pitches: Pitches,
    times: Times,
    shape: Shape,
    soft: Soft,
    choice: Choice,
    output: Output,
    out: Annotated[
        Path, typer.Option(help="A folder for the melodies.", rich_help_panel=OUTPUT)
    ] = Path("completed"),
    model: Model = None,
    track: Track = "auto",
) -> None:
    """Fill the bars of a melody that are whole rests; the rest stays as it is, to the tick."""
    from tunesmith.api import composing, refilling, writing
    from tunesmith.decoding.constraints import Constraints

    writing.parse_formats(output.formats)
    melody = one_melody(path, track)
    with progress("composing") as told:
        tunes = refilling.complete(
            composing.load_model(model), melody,
            Constraints(**constraints_of(pitches, times, shape)),
            tempo=output.tempo, **choice.how(soft, told),
        )  # fmt: skip
    keep_rest(tunes, path, track, output)
    finish(tunes, out, output)
