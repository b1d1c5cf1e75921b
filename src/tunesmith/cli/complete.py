"""`tunesmith complete`: fill the empty bars of a melody."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tunesmith.cli.common import Model, Track, app
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
    flat,
    rework,
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
    from tunesmith.api import refilling
    from tunesmith.decoding.constraints import Constraints

    asked = Constraints(**constraints_of(pitches, times, shape))
    rework(refilling.complete, path, track, model, soft, choice, output, out, asked)
