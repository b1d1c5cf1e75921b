"""`tunesmith infill`: make some bars of a melody anew."""

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
def infill(
    path: Source,
    replace: Annotated[
        str, typer.Option(metavar="5:8", help="The bars to make anew; one alone as 5.")
    ],
    pitches: Pitches,
    times: Times,
    shape: Shape,
    soft: Soft,
    choice: Choice,
    output: Output,
    out: Annotated[
        Path, typer.Option(help="A folder for the melodies.", rich_help_panel=OUTPUT)
    ] = Path("infilled"),
    model: Model = None,
    track: Track = "auto",
) -> None:
    """Make some bars of a melody anew; the rest stays as it is, to the tick."""
    from tunesmith.api import composing, refilling, writing
    from tunesmith.decoding.constraints import Constraints

    writing.parse_formats(output.formats)
    first, last = refilling.parse_bars(replace)
    melody = one_melody(path, track)
    with progress("composing") as told:
        tunes = refilling.infill(
            composing.load_model(model), melody, first, last,
            Constraints(**constraints_of(pitches, times, shape)),
            tempo=output.tempo, **choice.how(soft, told),
        )  # fmt: skip
    keep_rest(tunes, path, track, output)
    finish(tunes, out, output)
