"""The report's page: what was measured, in the order in which a reader asks."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from tunesmith.api.evaluating import warning_of
from tunesmith.evaluation.findings import (
    COMPARED,
    MELODIES,
    NEUTRAL,
    STRENGTH,
    TRAINING,
    WEAKNESS,
    Figure,
)
from tunesmith.evaluation.rules import RULES
from tunesmith.render import plots
from tunesmith.render.audio import seconds_of
from tunesmith.render.page import (
    Block,
    Heading,
    Picture,
    Points,
    Sound,
    Table,
    Text,
    small_wav,
)
from tunesmith.render.svg import WIDTH, to_svg

if TYPE_CHECKING:
    from tunesmith.api.reporting import Report

_SOUND_BYTES = 2_400_000  # as WAV; a third more in the page
_NAMES = ("C", "C♯", "D", "E♭", "E", "F", "F♯", "G", "A♭", "A", "B♭", "B")


def blocks(made: Report) -> list[Block]:
    """The whole report."""
    sides = made.plan["tunes"]
    page: list[Block] = [
        Heading(f"Report of {made.run}", 1),
        Text(
            f"A model of {_parameters(made):,} parameters, vocabulary "
            f"'{made.model.vocabulary.kind}', trained on {sides['train']:,} tunes for "
            f"{made.records[-1]['step']:,} of {made.plan['steps']:,} steps and watched on "
            f"{sides['validation']:,} tunes that were held out{_how_honest(made)}. Brackets hold "
            "95 % intervals (bootstrap over tunes; of fewer than 5 there is none) unless they "
            "say otherwise. A sentence that judges stands here only where the whole interval "
            "is on its side."
        ),
        *_training(made),
        *_melodies(made),
        *_verdicts(made),
    ]
    if made.left_out:
        page += [Heading("Left out"), Points(tuple((t, "") for t in made.left_out))]
    sha = made.model.checkpoint.sha256[:12]
    licence = made.model.checkpoint.provenance.get("licence", "not stated")
    page.append(Text(f"Model {sha}; licence of the weights: {licence}."))
    return page


def _how_honest(made: Report) -> str:
    """What may be said of the tunes held out; those of models it started from count too."""
    provenance = made.model.checkpoint.provenance
    if made.corpus is None:
        return "" if "started_from" in provenance else " with all their near-duplicates"
    warning = warning_of(provenance, made.corpus, "test")
    return f"; but {warning}" if warning else " with all their near-duplicates"


def _parameters(made: Report) -> int:
    shapes = made.model.checkpoint.config.shapes()
    return sum(math.prod(s) for s in shapes.values())


# -- training ----------------------------------------------------------------------


def _training(made: Report) -> list[Block]:
    page: list[Block] = [Heading("Training performance")]
    page.append(_loss_picture(made))
    if made.curve:
        page.append(Text(_curve_words(made)))
    page.append(_training_table(made))
    page += _said(made, TRAINING)
    page += [Heading("What was recorded", 3), _record_table(made)]
    return page


def _loss_picture(made: Report) -> Picture:
    steps = [float(r["step"]) for r in made.records]
    valid = [r["val_loss"] for r in made.records]
    known = [r["train_loss"] for r in made.records]
    total = made.plan["steps"]
    series = [
        plots.Series("training", steps, known, style=1, dots=True),
        plots.Series("validation", steps, valid, style=0, dots=True),
    ]
    said = f"Validation loss falls from {valid[0]:.3f} to {min(valid):.3f} nats a token."
    if valid[0] <= min(valid):
        said = f"Validation loss is never below its first value, {valid[0]:.3f} nats a token."
    if made.curve:
        grid = np.unique(np.linspace(steps[0], total, 60).astype(int))
        fitted = [made.curve.at(int(s)) for s in grid]
        series.append(plots.Series("fitted", [float(s) for s in grid], fitted, style=2))
    if "loss_at_the_end" in made.figures:
        end = made.figures["loss_at_the_end"]
        xs = [steps[-1], float(total)]
        series.append(
            plots.Series(
                "", xs, [valid[-1], end.value], [valid[-1], end.low], [valid[-1], end.high], style=3
            )
        )
        said += f" At step {total} it is expected between {end.low:.3f} and {end.high:.3f}."
    svg = plots.curves(
        series, title="Loss by training step", x_label="step", y_label="loss, nats a token",
        description=said,
    )  # fmt: skip
    return Picture(svg, said, f"Loss by training step. {said}")


def _curve_words(made: Report) -> str:
    """The fit in words that judge nothing."""
    assert made.curve is not None
    twice = made.figures["loss_of_twice"]
    words = (
        "The fitted curve is a power law in the summed learning rate, with a term for the rate's "
        "height, since the rate falls to zero at the end of a run. "
    )
    if "loss_at_the_end" in made.figures:
        end = made.figures["loss_at_the_end"]
        words += (
            f"This run is not at its end: by the curve it would end at {end.value:.3f} "
            f"[{end.low:.3f}, {end.high:.3f}] nats a token (80 % interval). "
        )
    return words + (
        f"A run of {2 * made.plan['steps']:,} steps under the same schedule would end at "
        f"{twice.value:.3f} [{twice.low:.3f}, {twice.high:.3f}] (80 % interval)."
    )


_TRAINING_ROWS = (
    ("bits_per_note", "Bits a note, held-out tunes"),
    ("bits_of_pitch", "  of which pitch"),
    ("bits_of_timing", "  of which timing"),
    ("bits_of_training", "Bits a note, training tunes"),
    ("bits_of_markov", "Bits a note, the best Markov model"),
    ("bits_of_best", "Bits a note, the best of all baselines"),
    ("loss", "Loss, nats a token"),
    ("perplexity", "Perplexity a token"),
)


def _training_table(made: Report) -> Table:
    rows = [("figure of the best checkpoint", "value")]
    for name, label in _TRAINING_ROWS:
        if name in made.figures:
            if rival := made.rivals.get(name.removeprefix("bits_of_")):
                label += f" ({rival})"
            rows.append((label, _bracketed(made.figures[name], 3)))
    if len(rows) == 1:
        best = min(made.records, key=lambda r: r["val_loss"])
        rows += [
            ("Loss, nats a token", f"{best['val_loss']:.4f}"),
            ("Perplexity a token", f"{best['perplexity']:.4f}"),
            ("Bits a note, held-out tunes", f"{best['bits_per_note']:.3f}"),
        ]
    return Table(tuple(rows))


def _record_table(made: Report) -> Table:
    rows = [("step", "training loss", "validation loss", "perplexity", "bits a note")]
    rows += [
        (f"{r['step']:,}", f"{r['train_loss']:.4f}", f"{r['val_loss']:.4f}",
         f"{r['perplexity']:.4f}", f"{r['bits_per_note']:.3f}")
        for r in made.records
    ]  # fmt: skip
    return Table(tuple(rows))


# -- melodies ----------------------------------------------------------------------


def _melodies(made: Report) -> list[Block]:
    count = len(next(iter(made.features.values()))[0])
    sampling = made.tunes[0].receipt["sampling"]
    seed = made.tunes[0].receipt["seed"]
    page: list[Block] = [
        Heading("Generated melodies"),
        Text(
            f"{len(made.tunes)} melodies of 8 bars, the first that seed {seed} gives at top-p "
            f"{sampling['top_p']:g}; none was chosen or rejected."
        ),
    ]
    budget = _SOUND_BYTES
    silent = 0
    for i, tune in enumerate(made.tunes, 1):
        m = tune.melody
        page.append(Heading(f"Melody {i}", 3))
        page.append(
            Text(
                f"{m.key or 'no key'}, {m.meters[0]}, {len(m.notes)} notes, "
                f"{tune.receipt['bits_per_note']:.2f} bits a note."
            )
        )
        page.append(
            Picture(
                to_svg([replace(m, title="")]), f"Score of melody {i}", least=round(0.62 * WIDTH)
            )
        )
        size = round(2 * 11_025 * (seconds_of(m) + 1))
        if size <= budget:
            budget -= size
            page.append(Sound(small_wav(m), f"Melody {i}, played"))
        else:
            silent += 1
        page.append(
            Picture(plots.piano_roll(m), f"Piano roll of melody {i}", f"Piano roll, melody {i}.")
        )
    if silent:
        page.append(Text(f"{silent} of them have no sound here, to keep the page small."))
    page += _comparison(made, count, sampling["top_p"])
    page += _said(made, MELODIES)
    return page


def _comparison(made: Report, count: int, top_p: float) -> list[Block]:
    human = len(next(iter(made.features.values()))[1])
    beside = f", beside {human} held-out human tunes" if human else ""
    page: list[Block] = [
        Heading("As a set", 3),
        Text(
            f"{count} other melodies at top-p {top_p:g}, of the length that the model chose"
            f"{beside}. Means over tunes; the last column is the difference in standard "
            "deviations between human tunes."
        ),
    ]
    rows: list[tuple[str, ...]] = [("measure", "generated", "human", "difference")]
    for name, (label, *_) in COMPARED.items():
        cells = [made.figures.get(f"{k}_{name}") for k in ("generated", "human", "away")]
        rows.append((label, *(_bracketed(c, 2) if c else "—" for c in cells)))
    page.append(Table(tuple(rows)))
    rules: list[tuple[str, ...]] = [("rule, score 0 to 1", *rows[0][1:])]
    for name in RULES:
        cells = [made.figures.get(f"{k}_rule_{name}") for k in ("generated", "human", "away")]
        rules.append((name.replace("_", " "), *(_bracketed(c, 2) if c else "—" for c in cells)))
    page += [Heading("Musical rules", 3), Table(tuple(rules)), *_originality(made)]
    page += [
        Heading("How often", 3),
        _histogram(made, "degree_histogram", _degrees(), "Degrees of the scale",
                   "semitones above the tonic"),
        _histogram(made, "interval_histogram", _intervals(), "Intervals",
                   "semitones to the next note"),
        _histogram(made, "length_histogram", _lengths(), "Note lengths", "quarter notes"),
    ]  # fmt: skip
    return page


def _originality(made: Report) -> list[Block]:
    if "copied_beyond_human" not in made.figures:
        return []
    put = made.figures
    return [
        Heading("Originality", 3),
        Text(
            "Against all training tunes, in any transposition. "
            f"{made.variants} held-out tunes that are variants of a training tune are left out."
        ),
        Table(
            (
                ("measure", "generated", "human"),
                ("Share of 12-interval runs seen", _bracketed(put["generated_seen"], 3),
                 _bracketed(put["human_seen"], 3)),
                ("Longest shared run, notes", _bracketed(put["generated_longest_run"], 1),
                 _bracketed(put["human_longest_run"], 1)),
            )
        ),
    ]  # fmt: skip


def _degrees() -> list[str]:
    return [str(i) for i in range(12)]


def _intervals() -> list[str]:
    return [str(i) if i % 2 == 0 else "" for i in range(-12, 13)]


def _lengths() -> list[str]:
    from tunesmith.evaluation.features import LENGTHS

    shown = {6: "¼", 12: "½", 24: "1", 48: "2", 96: "4", 192: "8"}
    return [shown.get(steps, "") for steps in LENGTHS]


def _histogram(made: Report, name: str, labels: list[str], title: str, x_label: str) -> Picture:
    groups: dict[str, list[float]] = {}
    for group, values in zip(("generated", "human"), made.features[name], strict=True):
        known = [v for v in values if not np.isnan(v).any()]
        if known:
            groups[group] = (100 * np.mean(known, axis=0)).tolist()
    tops = " ".join(
        f"{g}: most often {labels[int(np.argmax(v))] or 'between'} ({max(v):.0f} %)."
        for g, v in groups.items()
    )
    svg = plots.bars(
        labels, groups, title=title, x_label=x_label, y_label="share of notes, %",
        description=tops,
    )  # fmt: skip
    return Picture(svg, f"{title}: {tops}", f"{title}, mean share over tunes.")


# -- verdicts ----------------------------------------------------------------------


def _said(made: Report, part: str) -> list[Block]:
    """What the figures of this part say that is neither a strength nor a weakness."""
    said = [s for s in made.said if s.finding.part == part]
    if not said:
        return [Text("The figures of this part decide none of the sentences that could be said.")]
    neutral = tuple((s.sentence, "") for s in said if s.finding.kind == NEUTRAL)
    points: list[Block] = [Heading("What the figures say", 3), Points(neutral)] if neutral else []
    judging = len(said) - len(neutral)
    sentences = f"{judging} sentence{'s that judge' if judging != 1 else ' that judges'} this part"
    return [*points, Text(f"{sentences}: see the end.")] if judging else points


def _verdicts(made: Report) -> list[Block]:
    blocks: list[Block] = []
    for title, kind in (("Strengths", STRENGTH), ("Areas for improvement", WEAKNESS)):
        blocks.append(Heading(title))
        found = [s for s in made.said if s.finding.kind == kind]
        for part, name in ((TRAINING, "Training"), (MELODIES, "Melodies")):
            if points := tuple((s.sentence, s.command) for s in found if s.finding.part == part):
                blocks += [Heading(name, 3), Points(points)]
        if not found:
            blocks.append(Text("The figures show none with certainty."))
    return blocks


def _bracketed(figure: Figure, digits: int) -> str:
    if math.isnan(figure.value):
        return "—"
    value, low, high = (f"{v:.{digits}f}" for v in figure)
    return value if math.isnan(figure.low) else f"{value} [{low}, {high}]"
