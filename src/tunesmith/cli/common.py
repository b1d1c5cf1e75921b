"""What all commands share: the app, options, tables, progress."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

import typer

from tunesmith import __version__
from tunesmith.errors import printable

app = typer.Typer(
    help="A melody language model: prepare tunes, train on them, compose.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Force = Annotated[bool, typer.Option("--force", help="Replace what is there.")]
Model = Annotated[
    Path | None,
    typer.Option(
        help="A run's folder or a checkpoint.  [default: the model that comes with Tunesmith]",
        show_default=False,
    ),
]
Track = Annotated[
    str,
    typer.Option(
        metavar="auto|N|NAME|skyline",
        help="Which track or part of a polyphonic file; skyline takes the highest notes of all.",
    ),
]


def _show_version(asked: bool) -> None:
    if asked:
        print(f"tunesmith {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Say the version."),
    ] = False,
) -> None:
    pass


def print_rows(rows: list[tuple[str, ...]]) -> None:
    """Print rows as a table; the first is the heading."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*rows[0], box=None, pad_edge=False)
    for row in rows[1:]:  # what a cell holds may come from a file, so none of it is markup
        table.add_row(*(Text(printable(cell)) for cell in row))
    Console(width=None if sys.stdout.isatty() else 160).print(table)


@contextlib.contextmanager
def progress(what: str) -> Iterator[Callable[[int, int], None] | None]:
    """A progress bar with rate and time left on stderr; nothing if that is no terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich import progress as bars
    from rich.console import Console

    columns = (
        "{task.description}", bars.BarColumn(), bars.MofNCompleteColumn(),
        bars.TimeElapsedColumn(), bars.TimeRemainingColumn(),
    )  # fmt: skip
    with bars.Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task(what, total=None)
        yield lambda done, total: shown.update(task, completed=done, total=total)
