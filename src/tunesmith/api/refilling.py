"""Parts of a melody made anew, the rest untouched: infill, complete, vary."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tunesmith.api.composing import steered
from tunesmith.api.drawing import Drawing, Plan, Progress, draw, sample
from tunesmith.api.model import Model, Tune
from tunesmith.api.receipts import Judged, Made, asked_data, plain
from tunesmith.api.reworking import (
    check_frame,
    header_wishes,
    notes_model,
    own_ending,
    own_scale,
    prepared,
    with_header,
)
from tunesmith.decoding import Generated
from tunesmith.decoding.constraints import Constraint, Constraints, Filling, KeptBars, Primed
from tunesmith.decoding.constraints.inside import Changed, Inside, Sounds, TimesWithin
from tunesmith.errors import InputError, UsageError
from tunesmith.melody import Melody, Note
from tunesmith.silence import empty_spans
from tunesmith.tokens import NotesVocabulary
from tunesmith.tokens.notes import fold_at
from tunesmith.tokens.table import END, FIRST_EVENT, TICKS_PER_STEP, is_bar

Span = tuple[int, int]
"""Full bars, 0-based: the first, and the first that is not in it any more."""


@dataclass(frozen=True)
class Job:
    """A melody in the making: what is left to make anew.

    Attributes:
        melody: as far as it is.
        spans: bars to make anew, one after another; (0, 0) for the whole, pickup and all.
        keeps: what holds while a span is made anew, of the melody as it is then.
        passes: what was sampled.
        may_stay: whether a span for which there is nothing else may stay as it is.
    """

    melody: Melody
    spans: tuple[Span, ...]
    keeps: Callable[[Melody, Span], Constraints]
    passes: tuple[tuple[Generated, int], ...] = ()
    may_stay: bool = False


def on_grid(melody: Melody) -> Melody:
    """The melody with a key, its last bar full; refused if the tokens cannot say it exactly.

    Raises:
        InputError: if times lie between the steps of the grid.
    """
    melody = prepared(melody, strip=False)
    edges = [t for b in melody.bars for t in (b.start, b.end)]
    off = sum(n.onset % TICKS_PER_STEP > 0 or n.end % TICKS_PER_STEP > 0 for n in melody.notes)
    if off or any(e % TICKS_PER_STEP for e in edges):
        raise InputError(
            f"{off} of its {len(melody.notes)} notes lie between the steps of the grid, so they "
            "could not be kept to the tick",
            where=melody.origin or melody.title,
            remedy="quantise the file to thirty-seconds and triplets",
        )
    return melody


def refill(
    model: Model, jobs: Sequence[Job], wishes: dict[str, Any], how: Drawing,
    generators: Sequence[np.random.Generator], progress: Progress | None,
) -> list[Made]:  # fmt: skip
    """Make anew what the jobs name, all jobs side by side, a span of each at a time."""
    vocabulary = notes_model(model)
    jobs = list(jobs)
    while any(job.spans for job in jobs):
        rows, grammars = [], []
        for i, job in enumerate(jobs):
            if not job.spans:
                continue
            span = job.spans[0]
            primed = _primed(vocabulary, job.melody, span, wishes)
            try:
                grammars.append(steered(primed, job.keeps(job.melody, span)))
            except UsageError:
                if not job.may_stay:
                    raise
                jobs[i] = replace(job, spans=job.spans[1:])
                continue
            rows.append((i, len(primed.ids)))
        if not rows:
            continue
        made = sample(model, grammars, [generators[i] for i, _ in rows], how.sampling, progress)
        for (i, known), one in zip(rows, made, strict=True):
            melody = _merged(jobs[i].melody, vocabulary.decode(one.ids))
            passes = (*jobs[i].passes, (one, known))
            jobs[i] = replace(jobs[i], melody=melody, spans=jobs[i].spans[1:], passes=passes)
    return [Made(job.melody, job.passes) for job in jobs]


def _primed(
    vocabulary: NotesVocabulary, melody: Melody, span: Span, wishes: dict[str, Any]
) -> Primed:
    """The grammar of a melody in which a span is to be made anew."""
    ids = vocabulary.encode(melody).ids
    starts = np.flatnonzero(is_bar(ids))
    full = [b.start for b in melody.bars if not b.is_pickup]
    end_stays = 0 < span[1] < len(full) and melody.notes[-1].onset >= full[span[1]]
    wishes = {**wishes, "bars": len(starts)}
    if end_stays:
        wishes["last"] = melody.notes[-1].pitch
    ids = with_header(vocabulary, ids, wishes)
    grammar = vocabulary.grammar(wishes)
    first, after = span
    if after == 0:
        return Primed(grammar, [int(i) for i in ids[: FIRST_EVENT + 1]])
    if after == len(starts):
        return Primed(grammar, [int(i) for i in ids[: starts[first]]])
    known, _, head = fold_at(ids, first, after)
    assert END in known
    return Filling(grammar, [int(i) for i in known], head, len(starts) - after)


def _merged(before: Melody, now: Melody) -> Melody:
    """What was decoded, with all else that the melody had: spellings, title, tempo, chords."""
    had = {(n.onset, n.duration, n.pitch): n for n in before.notes}
    notes = tuple(had.get((n.onset, n.duration, n.pitch), n) for n in now.notes)
    return replace(before, notes=notes, duration=max(before.duration, notes[-1].end))


def restored(made: Made, source: Melody) -> Made:
    """With the length that the file had, if nothing sounds after it."""
    end = max(source.duration, made.melody.notes[-1].end)
    return replace(made, melody=replace(made.melody, duration=end))


# -- infill and complete -----------------------------------------------------------------


def infill(
    model: Model,
    melody: Melody,
    first: int,
    last: int,
    constraints: Constraints | None = None,
    **how: Any,
) -> list[Tune]:
    """Make some bars of a melody anew, knowing what stands before and after them.

    All other notes stay as they are; of those that stood there, at least one is gone. A note that
    sounds on from before keeps its end; where one sounded on into the bars after, a note of that
    pitch does again. The constraints speak of the new bars alone; if they name no key or scale,
    the new notes keep to the scale of the melody's key and its own chromatic notes.

    Args:
        model: from `load_model`.
        melody: on the grid of the tokens.
        first: the first bar to make anew, from 1.
        last: the last.
        constraints: what the new bars must keep.
        how: as for `generate`.

    Raises:
        UsageError: for what cannot be asked.
        InputError: if the melody is off the grid.
    """
    source = on_grid(melody)
    full = sum(not b.is_pickup for b in source.bars)
    if not 1 <= first <= last <= full:
        raise UsageError(f"bars {first}:{last} of a melody of {full}", remedy=f"use 1 to {full}")
    about = {"replaced": [first, last]}
    asked = {"replace": f"{first}:{last}"}
    spans = ((first - 1, last),)
    close = {melody.pitches[-1] % 12}
    return _fill(model, melody, source, spans, constraints, "infill", asked, about, how, close)


def parse_bars(text: str) -> tuple[int, int]:
    """'5:8' or '5' as the first and the last bar.

    Raises:
        UsageError: if it is neither.
    """
    match = re.fullmatch(r"\s*(\d{1,4})\s*(?:[:-]\s*(\d{1,4})\s*)?", text)
    if not match:
        raise UsageError(f"'{text}' are no bars", remedy="write them as 5:8, or one as 5")
    return int(match[1]), int(match[2] or match[1])


def complete(
    model: Model, melody: Melody, constraints: Constraints | None = None, **how: Any
) -> list[Tune]:
    """Fill the empty bars of a melody: each then has a note, unless the constraints say otherwise.

    Args:
        model: from `load_model`.
        melody: on the grid of the tokens, with bars that are whole rests.
        constraints: what each stretch of new bars must keep.
        how: as for `generate`.

    Raises:
        UsageError: if no bar is empty.
        InputError: if the melody is off the grid.
    """
    source = on_grid(melody)
    spans = empty_spans(source)
    if not spans:
        raise UsageError(
            "none of its bars is empty", where=melody.origin or melody.title,
            remedy="infill makes bars anew: tunesmith infill FILE --replace 5:8",
        )  # fmt: skip
    constraints = constraints or Constraints()
    if constraints.notes_per_bar is None and constraints.rhythm is None:
        constraints = replace(constraints, notes_per_bar="1:96")
    about = {"filled": [[a + 1, b] for a, b in spans]}
    return _fill(model, melody, source, spans, constraints, "complete", {}, about, how)


def _fill(
    model: Model, melody: Melody, source: Melody, spans: tuple[Span, ...],
    constraints: Constraints | None, verb: str, asked: dict[str, Any], about: dict[str, Any],
    how: dict[str, Any], close: Collection[int] = (),
) -> list[Tune]:  # fmt: skip
    drawing, wanted = Drawing(**how), constraints or Constraints()
    full = [b for b in source.bars if not b.is_pickup]
    check_frame(wanted, [b for first, after in spans for b in full[first:after]])
    inside = {**wanted.asked(), **own_scale(source, wanted)}
    wishes = header_wishes(model, source, wanted, drawing) | own_ending(source, wanted, close)

    def keeps(now: Melody, span: Span) -> Constraints:
        first, count = span[0], span[1] - span[0]
        return Inside(
            **inside, around=Constraints(kept=_others(now, (span,))), first=first, count=count,
            also=(TimesWithin(Sounds(tied=True), first, count), *_other_than(now, span)),
        )  # fmt: skip

    def make(generators: Sequence[np.random.Generator], progress: Progress | None) -> list[Made]:
        jobs = [Job(source, spans, keeps)] * len(generators)
        made = refill(model, jobs, wishes, drawing, generators, progress)
        return [restored(one, melody) for one in made]

    def judged(made: Melody) -> list[Judged]:
        found = [Judged(Constraints(kept=_others(melody, spans)), made)]
        made, shift = prepared(made, strip=False), made.bars[0].is_pickup
        for first, after in spans:
            part = made.slice_bars(first + shift, after - 1 + shift)
            start = made.bars[first + shift].start
            tied = max((n.end - start for n in made.notes if n.onset < start), default=0)
            found.append(Judged(Constraints(**inside), part, max(0, tied)))
        return found

    plan = Plan(
        verb, make, judged,
        asked={**asked, **asked_data(wanted)}, about={"source": plain(melody), **about},
    )  # fmt: skip
    return draw(model, plan, drawing)


def _other_than(melody: Melody, span: Span) -> list[Constraint]:
    """That not all notes which begin in a span are there again, if any are there."""
    starts = [b.start for b in melody.bars if not b.is_pickup] + [melody.bars[-1].end]
    notes = steps([n for n in melody.notes if starts[span[0]] <= n.onset < starts[span[1]]])
    bars = [start // TICKS_PER_STEP for start in starts[:-1]]
    return [Changed(notes, bars, len(notes) - 1)] if notes else []


def steps(notes: Sequence[Note]) -> list[tuple[int, int, int]]:
    """(onset, end, pitch) of notes, in steps of the grid."""
    return [(n.onset // TICKS_PER_STEP, n.end // TICKS_PER_STEP, n.pitch) for n in notes]


def _others(melody: Melody, spans: Sequence[Span]) -> KeptBars:
    """All bars of a melody but those of some spans."""
    pickup = melody.bars[0].is_pickup
    numbers = {b.index + (not pickup) for b in melody.bars}
    return KeptBars(melody, frozenset(numbers - {n + 1 for a, b in spans for n in range(a, b)}))
