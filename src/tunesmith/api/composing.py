"""Compose melodies under constraints; every tune comes with its receipt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import cycle
from typing import Any

import numpy as np

from tunesmith.api.drawing import (
    BATCH,
    TEMPERATURE,
    TOP_P,
    Drawing,
    Plan,
    Progress,
    draw,
    sample,
)
from tunesmith.api.model import Model, Tune, load_model
from tunesmith.api.receipts import RECEIPT_FORMAT, Judged, Made, asked_data, read_receipt
from tunesmith.api.unwanted import SAY_SILENCE, copied, unwanted
from tunesmith.decoding.collecting import without_collecting
from tunesmith.decoding.constraints import Constraints, Primed, Steered, check, explain
from tunesmith.decoding.constraints.parsing import parse_meter, split_chords
from tunesmith.decoding.constraints.search import OutOfBudget
from tunesmith.errors import InputError, UsageError
from tunesmith.evaluation.originality import shared_run
from tunesmith.keyfinding import with_estimates
from tunesmith.melody import TICKS_PER_QUARTER, Chord, Key, Melody, pitch_class
from tunesmith.theory import SCALES, octave_of, spell
from tunesmith.tokens import NotesVocabulary
from tunesmith.tokens.grammar import NotesGrammar
from tunesmith.tokens.table import FIRST_EVENT, density_class, meter_token

LIKE_COPY = 10
"""Notes that the longest run shared with a `like` melody may have, if nothing is said."""

_REDRAWN = 32
"""How many times as many tunes may be drawn as are wanted, where silence is refused: of a model
that learned from songs with the piano's bars, four in five were (103 of 128)."""

_SAY_LENGTH = frozenset({"bars", "notes_per_bar", "note_values", "rhythm", "rhythm_from", "kept"})
"""Constraints that say in how many bars so many notes have room."""


def generate(
    model: Model,
    constraints: Constraints | None = None,
    *,
    like: Melody | None = None,
    most_silence: float | None = None,
    bars: int | None = None,
    key: str | None = None,
    mode: str | None = None,
    meter: str | None = None,
    **how: Any,
) -> list[Tune]:
    """Compose melodies.

    What is not asked for the model chooses. Constraints always hold; style and density are
    what the model is conditioned on.

    Args:
        model: from `load_model`.
        constraints: what must hold; see docs/constraints.md.
        like: a melody whose key with its chromatic notes, metre, range, number of bars and
            density are asked for, where nothing else is. No run of more than `LIKE_COPY` of
            its notes (or `max_copy`, if given) is copied, in any transposition.
        most_silence: the share of silence above which a tune is drawn again, which the receipt
            counts as 'redrawn'; so is then one whose first bar or pickup is empty, or more than
            two bars in a row, and one that goes round in circles, if chance may keep what is
            asked; but not where constraints on rests, notes a bar or rhythm speak of silence.
            Drawn again is also a tune that equals one before, or shares a longer run with a
            training tune than `max_copy` or, without it, than 95 % of real tunes of its style (but
            where a constraint's melody says what is shared); if no other comes, it is kept, unless
            `max_copy` refuses it. None for any. Where
            more are drawn than are kept, those come last instead, and with `like` nothing of this
            is looked at.
        bars: as in `Constraints`, for short.
        key: as in `Constraints`, for short.
        mode: as in `Constraints`, for short.
        meter: as in `Constraints`, for short.
        how: the fields of `Drawing`: `count`, `seed`, `style`, `temperature` and more.

    Raises:
        UsageError: for what cannot be asked of this model; constraints that cannot be kept
            together; fewer than `count` pass.
    """
    drawing = Drawing(**how)
    short = {"bars": bars, "key": key, "mode": mode, "meter": meter}
    short = {name: value for name, value in short.items() if value is not None}
    constraints = replace(constraints or Constraints(), **short)  # type: ignore[arg-type]
    asked = asked_data(constraints)
    if like:
        constraints, drawing = _like(like, constraints, drawing)
        asked |= {"like": like.origin or like.title or "a melody"}
    tonic = None if constraints.key is None else parse_tonic(constraints.key)
    grammar = _grammar(model, constraints, drawing)

    def make(generators: Sequence[np.random.Generator], progress: Progress | None) -> list[Made]:
        grammars = [grammar] * len(generators)
        given = FIRST_EVENT if model.vocabulary.kind == "notes" else 1
        made = sample(model, grammars, generators, drawing.sampling, progress)
        melodies = [_melody(model, one.ids, tonic) for one in made]
        if constraints.chords:
            melodies = [_over(melody, constraints.chords) for melody in melodies]
        return [Made(m, ((one, given),)) for m, one in zip(melodies, made, strict=True)]

    plan = Plan(
        "generate", make, lambda melody: [Judged(constraints, melody)], asked=asked, new=lambda m: m
    )
    if like:
        return _unlike(model, plan, drawing, like)
    if most_silence is not None and drawing.drawn == drawing.count:
        plan = replace(plan, redrawn=_REDRAWN)
        if drawing.max_copy is not None or not constraints.melodies:
            plan = replace(plan, rather=partial(copied, model, most=drawing.max_copy))
        if not any(n in asked for n in SAY_SILENCE):
            refuse = partial(unwanted, most=most_silence, circles=constraints.by_chance)
            plan = replace(plan, refuse=refuse)
    return draw(model, plan, drawing)


def _unlike(model: Model, plan: Plan, how: Drawing, like: Melody) -> list[Tune]:
    """Tunes of a plan that copy no long run of a melody; their receipts say how long one is."""
    most = LIKE_COPY if how.max_copy is None else how.max_copy

    def refuse(melody: Melody) -> str:
        run = shared_run(melody, like)
        return f"they copy {run} notes in a row, and at most {most} may be" * (run > most)

    tunes = draw(model, replace(plan, refuse=refuse), how)
    for tune in tunes:
        tune.receipt["like"] = {
            "melody": like.origin or like.title,
            "longest_run": shared_run(tune.melody, like),
            "most": most,
        }
    return tunes


def steered(grammar: NotesGrammar | Primed, constraints: Constraints, **primer: int) -> Steered:
    """A grammar under constraints that can be kept.

    Args:
        grammar: what is sound.
        constraints: what to keep.
        primer: `unseen` and `unseen_bars`, as `Steered` takes them.

    Raises:
        UsageError: if no melody keeps them.
    """
    made = Steered(grammar, constraints, **primer)
    whole = isinstance(grammar, NotesGrammar)  # of one that goes on it would be another question
    if not (_is_kept(made) or (whole and _is_shown(made, constraints))):
        if conflict := explain(constraints, grammar, **primer):
            raise conflict.error()
        made.believe()
    return made


def _is_shown(grammar: Steered, constraints: Constraints) -> bool:
    """Whether a melody that is given keeps all that is asked itself."""
    wishes, vocabulary = constraints.wishes(), NotesVocabulary()
    for melody in constraints.melodies:
        given = with_estimates(melody)
        if "key" in wishes:
            given = replace(given, key=Key(wishes["key"], wishes.get("mode", "major")))
        try:
            ids = vocabulary.encode(given).ids.tolist()
            held = check(vocabulary.decode(ids), constraints)
            if all(one.held for one in held) and grammar.learn(ids):
                return True
        except InputError:  # no tokens say it
            continue
    return False


@without_collecting()
def _is_kept(grammar: Steered) -> bool:
    """Whether a melody under a grammar is soon found."""
    try:
        return grammar.satisfiable()
    except OutOfBudget:
        return False


def _grammar(model: Model, constraints: Constraints, how: Drawing) -> Any:
    """What the tokens must keep."""
    vocabulary = model.vocabulary
    soft: dict[str, Any] = {"style": how.style, "density": how.density}
    if vocabulary.kind != "notes":
        return vocabulary.grammar({**constraints.asked(), **soft})
    if how.density is not None:
        soft["density"] = density_class(how.density)

    def within(asked: Constraints) -> NotesGrammar:
        made = vocabulary.grammar({"any_pitch": True, **asked.wishes(), **soft})
        assert isinstance(made, NotesGrammar)
        return made

    if not constraints.asked():
        return within(constraints)
    told = _as_long(constraints)
    if told != constraints and _is_kept(long := Steered(within(told), told)):
        return long
    return steered(within(constraints), constraints)


def _as_long(constraints: Constraints) -> Constraints:
    """With the bars of the melody whose line is followed, where nothing that is asked speaks of it.

    Of that many notes in as many bars as some other tune has, most might be silence. In a metre
    that is asked it lasts as long instead.
    """
    lines = [t for t in (constraints.contour, constraints.pitches_from) if isinstance(t, Melody)]
    if not lines or not _SAY_LENGTH.isdisjoint(constraints.asked()):
        return constraints
    meter = parse_meter(constraints.meter) if constraints.meter else lines[0].meters[0]
    return replace(constraints, bars=max(1, round(lines[0].duration / meter.bar_ticks)))


def _melody(model: Model, ids: Sequence[int], tonic: str | None) -> Melody:
    melody = with_estimates(model.vocabulary.decode(ids))
    if melody.key and tonic and pitch_class(tonic) == melody.key.pitch_class:
        # C# major is not Db major to who asked for it.
        melody = replace(melody, key=Key(tonic, melody.key.mode))
    return melody


def _over(melody: Melody, chords: str) -> Melody:
    """The melody with the chord symbols that were asked for, from its first full bar on."""
    full = [bar for bar in melody.bars if not bar.is_pickup]
    symbols = [
        Chord(bar.start + -(-i * bar.meter.bar_ticks // len(entry)), symbol)
        for bar, entry in zip(full, cycle(split_chords(chords)), strict=False)
        for i, symbol in enumerate(entry)
    ]
    return replace(melody, chords=tuple(c for c in symbols if c.tick < melody.duration))


def _like(melody: Melody, constraints: Constraints, how: Drawing) -> tuple[Constraints, Drawing]:
    """The conditions of a melody, where nothing else is asked for."""
    melody = with_estimates(melody)
    found: dict[str, Any] = {}
    meter = melody.bars[-1].meter
    try:
        meter_token(meter)
    except InputError as e:
        raise e.at(melody.origin or melody.title) from e
    found["meter"] = str(meter)
    found["bars"] = sum(not b.is_pickup for b in melody.bars)
    low, high = min(melody.pitches), max(melody.pitches)
    found["range"] = f"{_name(low, melody)}:{_name(high, melody)}"
    if melody.key and not any((constraints.key, constraints.mode, constraints.scale)):
        found["key"], found["mode"] = melody.key.tonic, melody.key.mode
        scale = {(melody.key.pitch_class + s) % 12 for s in SCALES[melody.key.mode]}
        others = sorted({p % 12 for p in melody.pitches} - scale)
        if others and constraints.allow_chromatic is None:
            found["allow_chromatic"] = " ".join(spell(p, melody.key) for p in others)
    asked = constraints.asked()
    constraints = replace(constraints, **{n: v for n, v in found.items() if n not in asked})
    if how.density is None:
        how = replace(how, density=len(melody.notes) * TICKS_PER_QUARTER / melody.duration)
    return constraints, how


def _name(pitch: int, melody: Melody) -> str:
    name = spell(pitch, melody.key)
    return f"{name}{octave_of(pitch, name)}"


def parse_tonic(text: str) -> str:
    """A tonic as typed ('d', 'Bb', 'f#') as a note name.

    Raises:
        UsageError: if it is none.
    """
    name = text[:1].upper() + text[1:]
    try:
        pitch_class(name)
    except InputError:
        raise UsageError(
            f"'{text}' is no tonic", remedy="use a note name such as D, F# or Bb; --mode is apart"
        ) from None
    return name


__all__ = [
    "BATCH",
    "RECEIPT_FORMAT",
    "TEMPERATURE",
    "TOP_P",
    "Drawing",
    "Model",
    "Tune",
    "generate",
    "load_model",
    "parse_tonic",
    "read_receipt",
    "steered",
]
