"""The report of a run: measure, decide what may be said, and write it as one page."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from shlex import quote
from typing import Any

import numpy as np

from tunesmith.api.comparing import Baselines
from tunesmith.api.composing import Model, Tune, generate, load_model
from tunesmith.api.preparing import tokenised
from tunesmith.api.tracing import corpus_index, model_index
from tunesmith.corpus import Corpus
from tunesmith.errors import InputError, UsageError
from tunesmith.evaluation import forecast, originality, rules
from tunesmith.evaluation.features import measure
from tunesmith.evaluation.findings import (
    COMPARED,
    Figure,
    Said,
    difference,
    findings,
    mean,
    ratio,
    ratio_difference,
    relative_excess,
)
from tunesmith.evaluation.likelihood import Interval, bits_per_note, score_tunes
from tunesmith.evaluation.lines import Line
from tunesmith.evaluation.rules import RULES
from tunesmith.files import json_lines, refuse_overwrite, write_atomically
from tunesmith.melody import Melody
from tunesmith.tokens import Vocabulary
from tunesmith.tokens.base import Ids

SHOWN = 8
BARS = 8
TOP_P = 0.92
JUDGED = 64
SEED = 1
_TRAINING_SAMPLE = 100


@dataclass
class Report:
    """What was measured of a run, and what follows from it.

    Attributes:
        run: the run's folder.
        records: of `metrics.jsonl`, those with a validation loss.
        plan: `run.json`.
        model: the best checkpoint.
        corpus: what it was trained on, or None where it was not to be had.
        curve: fitted to the validation losses, or None for too few.
        figures: by name; those of `findings` among them.
        features: (generated, human) values of each tune, by feature.
        tunes: those shown.
        said: the findings that hold.
        left_out: what could not be measured, and why.
        variants: held-out tunes that originality leaves out.
        rivals: the names of the 'markov' and 'best' baselines.
    """

    run: Path
    records: list[dict[str, Any]]
    plan: dict[str, Any]
    model: Model
    corpus: Corpus | None
    curve: forecast.Curve | None = None
    figures: dict[str, Figure] = field(default_factory=dict)
    features: dict[str, tuple[list[Any], list[Any]]] = field(default_factory=dict)
    tunes: list[Tune] = field(default_factory=list)
    said: list[Said] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    variants: int = 0
    rivals: dict[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Figures, findings and what was left out, as plain data; NaN becomes None."""
        return {
            "run": str(self.run),
            "steps": self.plan["steps"],
            "figures": {
                name: [None if math.isnan(v) else v for v in figure]
                for name, figure in self.figures.items()
            },
            "findings": [
                {"name": s.finding.name, "part": s.finding.part, "kind": s.finding.kind,
                 "sentence": s.sentence, "command": s.command}
                for s in self.said
            ],
            "left_out": self.left_out,
        }  # fmt: skip


def report(
    run: str | Path,
    *,
    corpus: str | Path | None = None,
    out: str | Path | None = None,
    judged: int = JUDGED,
    seed: int = SEED,
    force: bool = False,
    say: Callable[[str], None] = lambda _: None,
) -> Report:
    """Analyse a run and write the analysis, if `out` is given.

    Args:
        run: a training run's folder.
        corpus: what it was trained on; the folder `corpus` beside the run if not given.
            Without it, what needs tunes of people is left out, and the report says so.
        out: a file that ends in .html or .md.
        judged: melodies composed for the comparison with human tunes.
        seed: of composing.
        force: replace `out`.
        say: told what comes next.

    Raises:
        InputError: if the run or corpus is missing or damaged, or they do not belong together.
        UsageError: for another kind of file, or fewer than 2 melodies.
        OutputError: if `out` is there or cannot be written.
    """
    from tunesmith.api.report_page import blocks
    from tunesmith.render.page import to_html, to_markdown

    if judged < 2:
        raise UsageError(f"{judged} melodies are too few to judge", remedy="ask for 2 or more")
    if out is not None:
        out = Path(out)
        if out.suffix.lower() not in (".html", ".htm", ".md"):
            raise UsageError(
                f"no report is written as '{out.suffix}'", where=str(out),
                remedy="give a name that ends in .html or .md",
            )  # fmt: skip
        refuse_overwrite(out, force)
    made = _opened(Path(run), corpus)
    say("Measuring the training")
    _measure_training(made)
    say(f"Composing {SHOWN + judged} melodies and measuring them")
    _measure_melodies(made, judged, seed)
    made.said = list(findings(made.figures, _names(made)))
    if out is not None:
        page = blocks(made)
        markdown = out.suffix.lower() == ".md"
        text = to_markdown(page) if markdown else to_html(page, f"Report of {made.run.name}")
        write_atomically(out, text.encode())
    return made


def _opened(run: Path, corpus: str | Path | None) -> Report:
    """The run, its records and its corpus, checked to belong together."""
    try:
        plan = json.loads((run / "run.json").read_text("utf-8"))
        records = [r for r in json_lines(run / "metrics.jsonl") if "val_loss" in r]
        sides = {side: plan["settings"]["data"][side]["tunes"] for side in ("train", "validation")}
        plan = {"steps": int(plan["steps"]), "tunes": sides}
    except FileNotFoundError as e:
        raise InputError(
            "is no training run", where=str(run), remedy="give the folder that `train` wrote"
        ) from e
    except (OSError, ValueError, KeyError, TypeError) as e:
        raise InputError("the run is damaged", where=str(run)) from e
    if not records:
        raise InputError(
            "nothing was evaluated in this run yet", where=str(run), remedy="train for longer"
        )
    model = load_model(run)
    made = Report(run, records, plan, model, None)
    wanted = model.checkpoint.provenance.get("corpus_fingerprint")
    beside = run.resolve().parent / "corpus"
    if corpus is not None:
        made.corpus = Corpus.open(corpus)
        if made.corpus.fingerprint != wanted:
            raise InputError(
                "is not the corpus, as it was, that the model was trained on",
                where=str(corpus),
                remedy="give that one: its training tunes must be known for an honest report",
            )
    elif (beside / "manifest.json").is_file():
        found = Corpus.open(beside)
        made.corpus = found if found.fingerprint == wanted else None
    if made.corpus is None:
        made.left_out.append(
            "No corpus was given (--corpus), so held-out tunes, the baselines, the gap to the "
            "training tunes and every comparison with human melodies are left out."
        )
    return made


def _names(made: Report) -> dict[str, str]:
    """What the commands in the report are filled in with."""
    steps = made.plan["steps"]
    best = min(made.records, key=lambda r: r["val_loss"])["step"]
    corpus = quote(str(made.corpus.folder)) if made.corpus else "CORPUS"
    numbers = {"steps": steps, "twice": 2 * steps, "best_step": best}
    return {
        "run": quote(str(made.run)), "corpus": corpus, **{k: str(v) for k, v in numbers.items()}
    }  # fmt: skip


# -- training ----------------------------------------------------------------------


def _measure_training(made: Report) -> None:
    losses = [r["val_loss"] for r in made.records]
    steps = [r["step"] for r in made.records]
    total = made.plan["steps"]
    if len(losses) < forecast.LEAST:
        made.left_out.append(
            f"No curve is fitted: it needs {forecast.LEAST} validation losses, and there are "
            f"{len(losses)}."
        )
    else:
        made.curve = forecast.fit(steps, losses, total)
        gain = made.curve.gain(2.0)
        made.figures["gain_of_longer"] = Figure(*(g / min(losses) for g in gain))
        if steps[-1] < total:
            made.figures["loss_at_the_end"] = Figure(*made.curve.end())
        made.figures["loss_of_twice"] = Figure(*made.curve.longer(2.0))
    if made.corpus is None:
        return
    vocabulary = made.model.vocabulary
    held = _tunes(made.corpus, vocabulary, "validation")
    training = _tunes(made.corpus, vocabulary, "train")
    scores = score_tunes(made.model.network, vocabulary, held)
    notes = [vocabulary.note_count(t) for t in held]
    bits = [s.total.total for s in scores]
    tokens = [s.tokens for s in scores]
    loss = bits_per_note([b * math.log(2) for b in bits], tokens)
    put = made.figures
    put["bits_per_note"] = _figure(bits_per_note(bits, notes))
    put["bits_of_pitch"] = _figure(bits_per_note([s.total.pitch for s in scores], notes))
    put["bits_of_timing"] = _figure(bits_per_note([s.total.timing for s in scores], notes))
    put["loss"] = _figure(loss)
    put["perplexity"] = Figure(*(math.exp(v) for v in loss))
    melodies = [vocabulary.decode(t) for t in held]
    with Baselines(made.corpus, "validation", vocabulary, melodies) as beside:
        theirs = beside.bits()
    rivals = {name: [b.total for b in found] for name, found in theirs.items()}
    markov = {name: found for name, found in rivals.items() if "Markov" in name}
    for figure, among in (("markov", markov), ("best", rivals)):
        made.rivals[figure] = name = min(among, key=lambda n: sum(among[n]))
        put[f"gain_over_{figure}"] = _figure(bits_per_note(np.subtract(among[name], bits), notes))
        put[f"bits_of_{figure}"] = _figure(bits_per_note(among[name], notes))
    chosen = np.random.default_rng(0).permutation(len(training))[:_TRAINING_SAMPLE]
    sample = [training[i] for i in sorted(chosen)]
    known = [s.total.total for s in score_tunes(made.model.network, vocabulary, sample)]
    sample_notes = [vocabulary.note_count(t) for t in sample]
    put["bits_of_training"] = _figure(bits_per_note(known, sample_notes))
    put["relative_gap"] = relative_excess((bits, notes), (known, sample_notes))
    best = min(made.records, key=lambda r: r["val_loss"])["step"]
    if best < made.records[-1]["step"]:
        last = load_model(made.run / "last")
        after = [s.total.total for s in score_tunes(last.network, vocabulary, held)]
        put["rise_since_best"] = _figure(bits_per_note(np.subtract(after, bits), notes))


def _figure(interval: Interval) -> Figure:
    return Figure(*interval)


def _tunes(corpus: Corpus, vocabulary: Vocabulary, side: str) -> list[Ids]:
    """The different tunes of a side as ids, whole."""
    t = tokenised(corpus, vocabulary, side, 10**9)
    tunes = [np.asarray(t.ids[a:b]) for a, b in zip(t.offsets[:-1], t.offsets[1:], strict=True)]
    return [tune for tune in tunes if vocabulary.note_count(tune)]


# -- melodies ----------------------------------------------------------------------


def _measure_melodies(made: Report, judged: int, seed: int) -> None:
    """Compose, and compare with the validation tunes as the model's own tokens hold them."""
    made.tunes = generate(made.model, count=SHOWN, seed=seed, bars=BARS, top_p=TOP_P)
    whole = generate(made.model, count=judged, seed=seed + 1, top_p=TOP_P)
    generated = [t.melody for t in whole]
    human: list[Melody] = []
    if made.corpus is not None:
        vocabulary = made.model.vocabulary
        human = [vocabulary.decode(t) for t in _tunes(made.corpus, vocabulary, "validation")]
        _measure_originality(made, made.corpus, generated, human)
    ours, theirs = ([_measured(m) for m in side] for side in (generated, human))
    for name in ours[0]:
        made.features[name] = ([m[name] for m in ours], [m[name] for m in theirs])
    for name in (*COMPARED, *(f"rule_{r}" for r in RULES)):
        x, y = ([float(v[0]) for v in side] for side in made.features[name])
        made.figures[f"generated_{name}"] = mean(x)
        if y:
            made.figures[f"human_{name}"] = mean(y)
            made.figures[f"away_{name}"] = difference(x, y)


def _measured(melody: Melody) -> dict[str, Any]:
    """Features and scores of rules, as arrays; NaN where one does not apply.

    The rules estimate the key of every tune, so that what the model names counts for nothing.
    """
    scores = rules.judge(rules.without_key(melody))
    kept = {f"rule_{n}": [math.nan if r.score is None else r.score] for n, r in scores.items()}
    return {**measure(Line(melody)), **kept}


def _measure_originality(
    made: Report, corpus: Corpus, generated: Sequence[Melody], human: Sequence[Melody]
) -> None:
    """Shares of 12-interval runs seen in training, of all tunes' runs together, and longest runs.

    Held-out tunes that are variants of a training tune are left out of the human figure,
    which makes it the stricter one.
    """
    index = model_index(made.run, made.model.checkpoint)[0] or corpus_index(corpus)
    ours = [originality.judge(index, m) for m in generated]
    theirs = [o for o in (originality.judge(index, m) for m in human) if not o.is_variant]
    made.variants = len(human) - len(theirs)
    seen = [([o.grams_seen for o in side], [o.grams for o in side]) for side in (ours, theirs)]
    runs = [[float(o.longest_run.notes) for o in side] for side in (ours, theirs)]
    for who, share, run in zip(("generated", "human"), seen, runs, strict=True):
        made.figures[f"{who}_seen"] = ratio(share)
        made.figures[f"{who}_longest_run"] = mean(run)
    made.figures["copied_beyond_human"] = ratio_difference(*seen)
