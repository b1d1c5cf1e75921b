"""Commands that make: corpora, models, melodies."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tunesmith.cli.common import Force, Model, Track, app, print_rows, progress

if TYPE_CHECKING:
    from tunesmith.api.composing import Tune


@app.command()
def quickstart(
    out: Annotated[Path, typer.Option(help="A new folder for everything.")] = Path("first-tunes"),
    minutes: Annotated[float, typer.Option(help="Minutes of training.", min=0.05)] = 3.0,
    source: Annotated[str, typer.Option(help="What to train on; as in prepare.")] = "folk",
    seed: Annotated[int, typer.Option(help="Of training and composing.", min=0)] = 1,
    force: Force = False,
) -> None:
    """Prepare real tunes, train the smallest model on them, compose eight melodies."""
    from tunesmith.api.quickstart import quickstart as run

    with progress("reading") as told:
        run(
            out, minutes=minutes, source=source, seed=seed, force=force,
            say=print, progress=told, log=_print_step,
        )  # fmt: skip
    print(f"\nDone. Look at {out / 'summary.md'}; the melodies are in {out / 'tunes'}.")


@app.command()
def prepare(
    sources: Annotated[
        list[str], typer.Argument(help="Files, folders, or names that `tunesmith corpora` lists.")
    ],
    out: Annotated[Path, typer.Option(help="The corpus folder to make or update.")],
    accept_licence: Annotated[
        bool, typer.Option("--accept-licence", help="Take sources whose licence is restricted.")
    ] = False,
    licence: Annotated[
        str | None, typer.Option(metavar="TEXT", help="The licence of the files and folders.")
    ] = None,
    track: Track = "auto",
) -> None:
    """Read tunes, group near-duplicates, split them, and say what was left out and why."""
    from tunesmith.api.preparing import corpus_table
    from tunesmith.api.preparing import prepare as run

    with progress("reading") as told:
        prepared = run(
            sources, out, accept_licence=accept_licence, licence=licence, track=track,
            progress=told,
        )  # fmt: skip
    if not prepared.changed:
        print(f"{out}: nothing has changed")
    print(corpus_table(prepared.corpus.manifest))
    print(f"The corpus is in {out}; every reject is in {out / 'rejects.jsonl'}.")


@app.command()
def corpora() -> None:
    """List the named corpora, their licences, and whether they are installed."""
    from tunesmith.corpus import named_corpora

    rows: list[tuple[str, ...]] = [("name", "tunes", "installed", "licence", "what")]
    rows += [
        (c.name, str(c.tunes), "yes" if c.installed else "no", c.licence, c.description)
        for c in named_corpora()
    ]
    print_rows(rows)


@app.command()
def train(
    corpus: Annotated[Path, typer.Argument(help="A folder made by `tunesmith prepare`.")],
    out: Annotated[Path, typer.Option(help="The run's folder.")],
    tokens: Annotated[
        str | None, typer.Option(help="notes, letters or pitches.  [default: notes]")
    ] = None,
    size: Annotated[
        str | None, typer.Option(help="nano, small, base or large.  [default: nano]")
    ] = None,
    minutes: Annotated[float | None, typer.Option(help="How long to train.", min=0.01)] = None,
    steps: Annotated[int | None, typer.Option(help="How many steps instead.", min=1)] = None,
    seed: Annotated[
        int | None, typer.Option(help="Of weights and batches.  [default: 1]", min=0)
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a run.")] = False,
    start_from: Annotated[
        str | None,
        typer.Option(metavar="MODEL", help="Fine-tune a model; 'default' is Tunesmith's own."),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    force: Force = False,
) -> None:
    """Train a model. Ctrl-C stops cleanly; --resume goes on to the very same weights."""
    from tunesmith.api.learning import train as run

    last = run(
        corpus, out, tokens=tokens, size=size, minutes=minutes, steps=steps, seed=seed,
        resume=resume, start_from=start_from, device=device, force=force, log=_print_step,
    )  # fmt: skip
    if last.get("stopped"):
        again = f" --start-from {start_from}" if start_from else ""
        print(f"Stopped. Go on with: tunesmith train {corpus} --out {out} --resume{again}")
        raise typer.Exit(130)
    print(f"The model is in {out}. Compose with: tunesmith generate --model {out} --out tunes")


@app.command()
def generate(
    out: Annotated[Path, typer.Option(help="A folder for the melodies.")] = Path("tunes"),
    model: Model = None,
    count: Annotated[int, typer.Option(help="How many melodies.", min=1, max=10_000)] = 1,
    seed: Annotated[int | None, typer.Option(help="Random if not given; printed.", min=0)] = None,
    bars: Annotated[int | None, typer.Option(help="How many bars, exactly.", min=1)] = None,
    key: Annotated[str | None, typer.Option(help="The tonic, as D or Bb.")] = None,
    mode: Annotated[str | None, typer.Option(help="major, minor, dorian, …")] = None,
    meter: Annotated[str | None, typer.Option(help="As 6/8; exact.")] = None,
    tempo: Annotated[
        float | None, typer.Option("--tempo", "--bpm", help="Quarter notes a minute.")
    ] = None,
    style: Annotated[str | None, typer.Option(help="One of the model's styles.")] = None,
    temperature: Annotated[
        float | None, typer.Option(help="Below 1 safer, above 1 bolder.", show_default=False)
    ] = None,
    top_k: Annotated[int, typer.Option(help="Keep the k likeliest; 0 = all.", min=0)] = 0,
    top_p: Annotated[
        float | None, typer.Option(help="Keep this much probability; 1 = all.", show_default=False)
    ] = None,
    from_: Annotated[
        int | None, typer.Option("--from", help="Make so many and keep the best.", min=1)
    ] = None,
    rank: Annotated[
        str | None, typer.Option(help="Best by: rules, likelihood or both.  [default: rules]")
    ] = None,
    min_rule: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=SCORE", help="Refuse below; may be given again."),
    ] = None,
    max_copy: Annotated[
        int | None,
        typer.Option(help="Refuse a longer run of notes shared with a training tune.", min=0),
    ] = None,
    formats: Annotated[
        str, typer.Option("--format", help="Of mid,abc,musicxml,kern,letters,wav,svg,png.")
    ] = "mid",
    from_receipt: Annotated[
        Path | None, typer.Option(help="Write the tune of this receipt again instead.")
    ] = None,
    force: Force = False,
) -> None:
    """Compose melodies, each with a receipt."""
    from tunesmith.api import composing, writing
    from tunesmith.evaluation.ranking import parse_limits

    names = writing.parse_formats(formats)
    if from_receipt:
        tunes = [composing.read_receipt(from_receipt)]
    else:
        with progress("composing") as told:
            tunes = composing.generate(
                composing.load_model(model), count=count, seed=seed, bars=bars, key=key,
                mode=mode, meter=meter, tempo=tempo, style=style, temperature=temperature,
                top_k=top_k, top_p=top_p, from_=from_, rank=rank,
                min_rules=parse_limits(min_rule) if min_rule else None, max_copy=max_copy,
                progress=told,
            )  # fmt: skip
        print(f"seed {tunes[0].receipt['seed']}")
    written = writing.write_tunes(tunes, out, names, force=force)
    if "chosen" in tunes[0].receipt and not from_receipt:
        _print_choice(tunes)
    for tune in tunes[:20]:
        m = tune.melody
        print(
            f"{m.title}: {m.key or 'no key'}, {m.meters[0]}, {len(m.notes)} notes, "
            f"{tune.receipt['bits_per_note']:.2f} bits a note"
        )
    print(f"{len(written)} files in {out}")


def _print_choice(tunes: list[Tune]) -> None:
    """Why these were kept, and what refused the others."""
    chosen = tunes[0].receipt["chosen"]
    rows: list[tuple[str, ...]] = [
        ("place", "tune", "combined", "bits a note", "longest copy", "lowest rules")
    ]
    for tune in tunes:
        scores = {n: s for n, s in tune.receipt["rules"].items() if s is not None}
        combined = scores.pop("combined")
        lowest = sorted(scores.items(), key=lambda item: item[1])[:3]
        copied = (tune.receipt.get("originality") or {}).get("longest_run", "-")
        rows.append(
            (
                str(tune.receipt["chosen"]["place"]), tune.melody.title, f"{combined:.2f}",
                f"{tune.receipt['bits_per_note']:.2f}", str(copied),
                ", ".join(f"{n} {s:.2f}" for n, s in lowest),
            )
        )  # fmt: skip
    print(f"{len(tunes)} kept of {chosen['from']}, {chosen['passed']} passed, by {chosen['rank']}")
    if chosen["rank"] != "rules":
        print(f"likelihood: near {chosen['typical_bits_per_note']:.2f} bits a note, as real tunes")
    for name, count in chosen["refused"].items():
        print(f"refused by {name}: {count}")
    print_rows(rows)


def _print_step(record: dict[str, Any]) -> None:
    if "note" in record:
        print(record["note"], flush=True)
        return
    parts = [f"step {record['step']}: train loss {record['train_loss']:.4f}"]
    if "val_loss" in record:
        parts += [
            f"val loss {record['val_loss']:.4f}",
            f"perplexity {record['perplexity']:.4f}",
            f"{record['bits_per_note']:.3f} bits/note",
        ]
    parts.append(f"{record['tokens_per_s']:,.0f} tokens/s")
    left = int(record["seconds_left"])
    parts.append(f"{left // 60}:{left % 60:02} left")
    print(", ".join(parts), flush=True)
