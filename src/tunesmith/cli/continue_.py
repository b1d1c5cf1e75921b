"""`tunesmith continue`: go on with a melody."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tunesmith.cli.common import Model, Track, app
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
    flat,
    rework,
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
    from tunesmith.api import reworking
    from tunesmith.api.unwanted import MOST_SILENCE
    from tunesmith.decoding.constraints import Constraints

    rework(
        reworking.continue_, path, track, model, soft, choice, output, out,
        Constraints(**constraints_of(pitches, times, shape)),
        alone=only_new, bars=bars, only_new=only_new, most_silence=MOST_SILENCE,
    )  # fmt: skip
