"""`tunesmith infill`: make some bars of a melody anew."""

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
    from tunesmith.api import refilling
    from tunesmith.decoding.constraints import Constraints

    rework(
        refilling.infill, path, track, model, soft, choice, output, out,
        *refilling.parse_bars(replace), Constraints(**constraints_of(pitches, times, shape)),
    )  # fmt: skip
