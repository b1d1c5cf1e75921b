"""The command that analyses a run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tunesmith.cli.common import Force, app


@app.command("report")
def report_command(
    run: Annotated[Path, typer.Argument(help="A training run's folder.")],
    out: Annotated[Path, typer.Option(help="A file that ends in .html or .md.")] = Path(
        "report.html"
    ),
    corpus: Annotated[
        Path | None,
        typer.Option(help="What it was trained on.  [default: the folder corpus beside the run]"),
    ] = None,
    judged: Annotated[
        int, typer.Option(help="Melodies composed to compare with human ones.", min=2)
    ] = 64,
    seed: Annotated[int, typer.Option(help="Of composing.", min=0)] = 1,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print figures and findings; write no report.")
    ] = False,
    force: Force = False,
) -> None:
    """Write the analysis of a run: training, melodies, strengths, what to improve and how."""
    import json

    from tunesmith.api.reporting import report

    target = None if as_json else out
    made = report(
        run, corpus=corpus, out=target, judged=judged, seed=seed, force=force,
        say=(lambda _: None) if as_json else print,
    )  # fmt: skip
    if as_json:
        print(json.dumps(made.to_dict(), indent=1, ensure_ascii=False))
        return
    for said in made.said:
        print(f"{said.finding.kind}: {said.sentence}")
    print(f"The report is in {out}.")
