"""`tunesmith originality`: what of a melody stands in the training tunes already."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tunesmith.cli.common import Model, Track, app, print_rows
from tunesmith.errors import printable

if TYPE_CHECKING:
    from tunesmith.api.tracing import Traced
    from tunesmith.evaluation.originality import Run
    from tunesmith.evaluation.originality_index import TuneIndex

_SHOWN = 5


@app.command()
def originality(
    paths: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Files or folders.")],
    model: Model = None,
    corpus: Annotated[
        Path | None, typer.Option(help="A corpus instead of a model.", show_default=False)
    ] = None,
    track: Track = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, a line a tune.")] = False,
) -> None:
    """The longest run shared with a training tune, and the nearest one, bar against bar."""
    from tunesmith.api.tracing import open_index
    from tunesmith.api.tracing import originality as run

    index = open_index(model, corpus)
    failed = 0
    for traced in run(paths, index, track=track):
        failed += not traced.found
        if as_json:
            print(json.dumps(traced.to_dict(index), ensure_ascii=False))
        elif traced.found:
            _print(traced, index)
        else:
            print(f"{traced.where}: {traced.error}", file=sys.stderr)
    if not as_json:
        _print_human(index.header["human"], len(index))
    if failed:
        raise typer.Exit(2)


def _print(traced: Traced, index: TuneIndex) -> None:
    from tunesmith.api.tracing import side_by_side

    found, melody = traced.found, traced.melody
    assert found
    assert melody
    print(printable(f"{traced.where}  {melody.title}".rstrip()))
    print(f"  longest shared run: {_run(found.longest_run, found.notes)}")
    print(f"  with note lengths:  {_run(found.longest_run_with_lengths, found.notes)}")
    print(f"  12-grams seen:      {found.grams_seen} of {found.grams}")
    if found.nearest:
        near = found.nearest
        print(f"  nearest tune:       {_title(near.title)} ({near.source}, {near.id})")
        if found.nearest_share >= 0:  # not NaN
            print(
                f"                      it has {100 * found.nearest_share:.0f} % of the runs of "
                "8 intervals" + ", so this is a variant of it" * found.is_variant
            )
        rows = side_by_side(melody, index.melody(near.number))
        if rows:
            print_rows([("bar", "notes", "its bar", "equal (in any key)"), *rows])
    print()


def _run(run: Run, notes: int) -> str:
    if not run.sources:
        return "none"
    starts = ", ".join(str(s + 1) for s in run.starts[:_SHOWN])
    more = " …" * (len(run.starts) > _SHOWN)
    titles = "; ".join(f"{_title(s.title)} ({s.id})" for s in run.sources[:_SHOWN])
    others = len(run.sources) - _SHOWN
    return (
        f"{run.notes} of {notes} notes, from note {starts}{more}, in {titles}"
        + f" and {others} more" * (others > 0)
    )


def _title(title: str) -> str:
    return printable(title) or "untitled"


def _print_human(human: dict[str, Any], tunes: int) -> None:
    print(f"Usual for tunes by people: {human['tunes']} held-out tunes against {tunes:,} others")
    print_rows(
        [
            ("", "tunes", "median run", "95th percentile", "with lengths", "95th", "12-grams seen"),
            _row("all", human),
            _row(f"without {human['variants']} variants", human["without_variants"]),
        ]
    )


def _row(name: str, row: dict[str, Any]) -> tuple[str, ...]:
    def shown(key: str) -> str:
        return "" if row[key] is None else f"{row[key]:.3g}"

    keys = ("median", "p95", "median_with_lengths", "p95_with_lengths")
    share = row["share_of_12_grams_seen"]
    seen = "" if share is None else f"{100 * share:.1f} %"
    return (name, str(row["tunes"]), *map(shown, keys), seen)
