"""Work on a melody that is there: go on with it, fill it in, vary it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from tunesmith.api.composing import steered
from tunesmith.api.drawing import Drawing, Plan, Progress, draw, sample
from tunesmith.api.model import Model, Tune
from tunesmith.api.receipts import Judged, Made, asked_data, plain
from tunesmith.api.unwanted import SAY_SILENCE, unwanted
from tunesmith.decoding.constraints import Constraints, Primed
from tunesmith.decoding.constraints.asked import flag
from tunesmith.decoding.constraints.inside import Following
from tunesmith.decoding.constraints.parsing import parse_meter, parse_range
from tunesmith.errors import InputError, UsageError
from tunesmith.evaluation.lines import Line
from tunesmith.keyfinding import with_estimates
from tunesmith.melody import TICKS_PER_QUARTER, Bar, Melody
from tunesmith.theory import SCALES
from tunesmith.tokens import NotesVocabulary
from tunesmith.tokens.base import Ids
from tunesmith.tokens.grammar import MOST_BARS, NotesGrammar
from tunesmith.tokens.notes import primer_ids
from tunesmith.tokens.table import (
    FIRST_EVENT,
    HIGHEST,
    LOWEST,
    METER0,
    density_class,
    meter_token,
    said,
)


def prepared(melody: Melody, *, strip: bool) -> Melody:
    """A melody with a key, and its last bar filled up with a rest.

    A last bar that is short by the pickup stays so.

    Args:
        melody: the melody.
        strip: whether to leave out empty bars at its end.
    """
    melody = with_estimates(melody)
    bars = melody.bars
    last = max(b.index for b in bars if b.start < melody.notes[-1].end) if strip else -1
    end, sounding = bars[last].end, melody.notes[-1].end
    short = end - melody.pickup
    duration = short if sounding <= short == melody.duration else end
    meters = tuple(m for m in melody.meters if m.tick < end)
    chords = tuple(c for c in melody.chords if c.tick <= duration)
    return replace(melody, duration=duration, meters=meters, chords=chords)


def check_frame(asked: Constraints, bars: Sequence[Bar]) -> None:
    """Raise a `UsageError` for bars, a pickup or another metre asked of a melody with its own.

    Args:
        asked: what new bars must keep.
        bars: bars whose metres these have.
    """
    frame = [n for n in ("bars", "pickup", "rhythm_from") if n in asked.asked()]
    if frame:
        raise UsageError(
            "the tune says where its bars are", where=flag(frame[0]), remedy="leave it out"
        )
    if asked.meter is not None:
        try:
            wanted = said(parse_meter(asked.meter))
        except UsageError as e:
            raise e.at(flag("meter")) from e
        for other in (b.meter for b in bars if said(b.meter) != wanted):
            raise UsageError(
                f"the tune is in {other} there", where=flag("meter"), remedy="leave it out"
            )


def own_scale(melody: Melody, asked: Constraints) -> dict[str, Any]:
    """A melody's key, with its own notes outside it, unless another or a scale is asked for."""
    key = melody.key
    if asked.scale or asked.key or asked.mode or not key:
        return {}
    usual = {(key.pitch_class + s) % 12 for s in SCALES[key.mode]}
    outside = [_CLASSES[p] for p in sorted({p % 12 for p in melody.pitches} - usual)]
    more = " ".join([*outside, asked.allow_chromatic or ""]).strip()
    found = {"key": key.tonic, "mode": key.mode}
    return found | ({"allow_chromatic": more} if more else {})


_CLASSES = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")


def notes_model(model: Model) -> NotesVocabulary:
    """The model's vocabulary, if it can say what files have.

    Raises:
        UsageError: if it is of letters or pitches alone.
    """
    if not isinstance(model.vocabulary, NotesVocabulary):
        raise UsageError(
            f"a model of {model.vocabulary.kind} cannot work on a melody",
            remedy="use a model trained with --tokens notes",
        )
    return model.vocabulary


def header_wishes(
    model: Model, melody: Melody, constraints: Constraints, how: Drawing
) -> dict[str, Any]:
    """What the attributes say of a melody that is worked on; not on which pitch it will end."""
    density = how.density
    if density is None:
        density = len(melody.notes) * TICKS_PER_QUARTER / melody.duration
    found: dict[str, Any] = {
        "unknown": True, "any_pitch": True, "style": how.style, "density": density_class(density)
    }  # fmt: skip
    if melody.key:
        found |= {"mode": melody.key.mode, "key": melody.key.tonic}
    if constraints.range is None:
        found |= {"low": min(melody.pitches), "high": max(melody.pitches)}
    return found


_SAY_ENDING = {"end", "cadence", "contour", "form", "chords"}
"""What is asked for that says on which pitches a melody may end, or may follow to say it."""


def own_ending(
    melody: Melody, constraints: Constraints, close: Collection[int] = ()
) -> dict[str, Any]:
    """On which pitch a melody that gets a new end closes: the nearest to its last one.

    Nothing is said where none lies within its range, or that asked for, or where something else
    that is asked for may say another end.

    Args:
        melody: as it is.
        constraints: what its new bars must keep.
        close: pitch classes to close on; without any the tonic, as most melodies do.
    """
    another_mode = constraints.mode and melody.key and constraints.mode != melody.key.mode
    if _SAY_ENDING & constraints.asked().keys() or (another_mode and constraints.key is None):
        return {}
    degrees = constraints.degrees
    if len(degrees):
        close = degrees.classes(1)
    elif not close and melody.key:
        close = {melody.key.pitch_class}
    low, high = min(melody.pitches), max(melody.pitches)
    if constraints.range is not None:
        low, high = parse_range(constraints.range)
    low, high = max(low, LOWEST), min(high, HIGHEST)
    found = [p for p in range(low, high + 1) if p % 12 in close]
    return {"last": min(found, key=lambda p: abs(p - melody.pitches[-1]))} if found else {}


def with_header(vocabulary: NotesVocabulary, ids: Ids, wishes: dict[str, Any]) -> Ids:
    """The ids of a tune with the attributes that a grammar is asked for."""
    state = (grammar := NotesGrammar(vocabulary.styles, wishes)).start()
    changed = np.array(ids)
    for place in range(FIRST_EVENT):
        changed[place] = int(grammar.allowed(state).argmax())
        state = grammar.advance(state, int(changed[place]))
    return changed


def continue_(
    model: Model,
    melody: Melody,
    constraints: Constraints | None = None,
    *,
    bars: int = 8,
    only_new: bool = False,
    most_silence: float | None = None,
    **how: Any,
) -> list[Tune]:
    """Go on with a melody.

    The melody stays as it is, but empty bars at its end are left out, and its last bar is filled
    up with a rest. The metre stays that of its last bar. The constraints speak of the new bars
    alone; if they name no key or scale, the new notes keep to the scale of the melody's key and
    its own chromatic notes; if they say nothing of the end, it is on the tonic where that may be.
    New bars that are all bars of the melody, or equal to others, are drawn again, and kept only
    where nothing else comes.

    Args:
        model: from `load_model`.
        melody: at least one bar.
        constraints: what the new bars must keep.
        bars: how many new ones, 1 to 512 with the melody's own.
        only_new: whether to give the new bars alone, without the melody.
        most_silence: as in `generate`, of the new bars; then they also have a note for each bar.
        how: as for `generate`.

    Raises:
        UsageError: for what cannot be asked.
        InputError: if the melody has what no token says.
    """
    drawing, vocabulary = Drawing(**how), notes_model(model)
    source, asked = prepared(melody, strip=True), constraints or Constraints()
    check_frame(asked, source.bars[-1:])
    own = sum(not b.is_pickup for b in source.bars)
    if not 1 <= bars <= MOST_BARS - own:
        raise UsageError(
            f"{bars} bars after {own}", remedy=f"ask for 1 to {max(1, MOST_BARS - own)}"
        )
    source = replace(source, duration=source.bars[-1].end)
    try:
        layout = [meter_token(b.meter) - METER0 for b in source.bars if not b.is_pickup]
        encoded = vocabulary.encode(source, drawing.style)
    except InputError as e:
        raise e.at(melody.origin or "the melody") from e
    keeps = Following(
        **{**asked.asked(), **own_scale(source, asked)},
        layout=(*layout, *layout[-1:] * bars),
    )
    wishes = header_wishes(model, source, asked, drawing) | own_ending(source, asked)
    wishes["bars"] = own + bars
    ids = with_header(vocabulary, primer_ids(encoded.ids, bars), wishes)
    primed = Primed(vocabulary.grammar(wishes), [int(i) for i in ids])
    grammar = steered(primed, keeps, unseen=len(ids), unseen_bars=own)
    begin = source.duration
    begin_on_grid = vocabulary.decode(encoded.ids).bars[-1].end

    def make(generators: Sequence[np.random.Generator], progress: Progress | None) -> list[Made]:
        made = sample(model, [grammar] * len(generators), generators, drawing.sampling, progress)
        return [
            Made(
                _joined(source, vocabulary.decode(one.ids), begin_on_grid, only_new),
                ((one, len(ids)),),
                (0 if only_new else begin, begin_on_grid),
            )
            for one in made
        ]

    def new(made: Melody) -> Melody:
        return made if only_new else _after(made, begin)

    def refuse(made: Melody) -> str:
        if most_silence is None or any(n in asked.asked() for n in SAY_SILENCE):
            return ""
        few = "they have fewer notes than bars" * (len(new(made).notes) < bars)
        return few or unwanted(new(made), most_silence)

    known = _contents(source)

    def rather(tune: Tune) -> str:
        added = new(tune.melody)
        return "they only repeat the tune" * bool(added.notes and known >= _contents(added))

    plan = Plan(
        "continue", make, lambda made: [Judged(keeps, new(made))],
        new=new, refuse=refuse, rather=rather,
        asked={**asked_data(asked), "bars": bars, "only_new": only_new},
        about={"source": plain(melody), "primer_bars": own, "moved_in_primer": encoded.moved},
    )  # fmt: skip
    return draw(model, plan, drawing)


def _contents(melody: Melody) -> set[tuple[bytes, ...]]:
    """The full bars with notes: where they begin, how long and how high they are."""
    bars = Line(melody).bar_contents()
    return {(at.tobytes(), long.tobytes(), high.tobytes()) for _, _, at, long, high in bars}


def _after(melody: Melody, tick: int) -> Melody:
    """What begins at or after a barline, as a melody of its own."""
    notes = tuple(replace(n, onset=n.onset - tick) for n in melody.notes if n.onset >= tick)
    now = replace(melody.meter_at(tick), tick=0)
    later = (replace(m, tick=m.tick - tick) for m in melody.meters if m.tick > tick)
    chords = tuple(replace(c, tick=c.tick - tick) for c in melody.chords if c.tick >= tick)
    return replace(
        melody, notes=notes, meters=(now, *later), pickup=0, duration=melody.duration - tick,
        chords=chords,
    )  # fmt: skip


def _joined(source: Melody, whole: Melody, tick: int, only_new: bool) -> Melody:
    """A melody and what follows it; or what follows alone.

    Args:
        source: the melody, to the barline after which there are new bars.
        whole: it, on the grid, and the new bars.
        tick: the tick of `whole` at which these begin.
        only_new: whether to leave out the melody.
    """
    title = f"{source.title} (continued)" if source.title else ""
    if only_new:
        part = _after(replace(whole, key=source.key), tick)
        return replace(part, title=title, tempo=source.tempo)
    shift = source.duration - tick
    new = [replace(n, onset=n.onset + shift) for n in whole.notes if n.onset >= tick]
    return replace(
        source, notes=(*source.notes, *new), duration=whole.duration + shift, title=title
    )
