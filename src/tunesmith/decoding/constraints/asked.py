"""`Constraints`: everything that may be asked of a melody, and the automata of it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from itertools import pairwise
from typing import Any

from tunesmith.decoding.constraints import parsing
from tunesmith.decoding.constraints.events import COMPASS, REGISTRY, Constraint, note_of
from tunesmith.decoding.constraints.facts import Facts
from tunesmith.decoding.constraints.form import Form, parse_form
from tunesmith.decoding.constraints.formends import EndsModel, Never, can_have_shape
from tunesmith.decoding.constraints.formkept import kept_again
from tunesmith.decoding.constraints.formline import form_lines
from tunesmith.decoding.constraints.lines import kept_lines
from tunesmith.decoding.constraints.pitches import (
    BarContour,
    Cadence,
    Chords,
    ContourOf,
    End,
    MaxLeap,
    MaxRepeat,
    Pitches,
    Range,
    Scale,
    SomeKey,
    Start,
)
from tunesmith.decoding.constraints.template import ANY, Template, TimeTemplate
from tunesmith.decoding.constraints.times import NotesPerBar, NoteValues, RestShare, Rhythm
from tunesmith.errors import InputError, UsageError
from tunesmith.melody import MODES, Melody
from tunesmith.theory import SCALES
from tunesmith.tokens.grammar import MOST_BARS
from tunesmith.tokens.table import METER0, TICKS_PER_STEP, meter_token

CADENCES = ("authentic", "half", "open")
SHAPES = ("up", "down", "arch")
_SELDOM = frozenset({
    "chords", "rhythm", "rhythm_from", "pitches_from", "contour", "form", "kept", "own",
})  # fmt: skip
"""What hardly any melody keeps unasked."""


@dataclass(frozen=True)
class KeptBars:
    """Some bars of a melody.

    Attributes:
        melody: the melody.
        bars: their numbers, 1 for the first full bar, 0 for the pickup.
    """

    melody: Melody
    bars: frozenset[int]


_SAY_FORM = ("form", "kept", "pitches_from", "rhythm_from", "contour")
"""What may say which bars come again, as the header of a tune would."""


@dataclass(frozen=True, kw_only=True)
class Constraints:
    """What a melody must keep; docs/constraints.md says what each means. Values as typed.

    Attributes:
        key: a tonic: 'D', 'F#'.
        mode: one of `MODES`.
        scale: pitch classes: 'C D Eb G A'.
        allow_chromatic: pitch classes that may sound besides.
        range: 'D4:B5'.
        meter: '6/8'.
        bars: exact number, without the pickup.
        pickup: 'yes', 'no' (or True, False) or a length: '1/8'.
        note_values: lengths: '1/8,1/4'.
        max_leap: semitones.
        max_repeat: notes in a row.
        start: a degree '5', pitch class 'D' or pitch 'D4'.
        end: the same.
        cadence: 'authentic', 'half' or 'open'.
        notes_per_bar: '2:8'.
        rest_share: '0:0.2'.
        chords: 'Dm7 | G7 | Cmaj7'.
        rhythm: '1/4 1/8 r1/8'.
        rhythm_from: a melody whose rhythm it has.
        pitches_from: a melody whose pitches it has, in their order.
        contour: 'up', 'down', 'arch', or a melody.
        form: 'AABA'.
        kept: bars of a melody that it has.
        own: constraints of one's own, or their names in the registry.

    Raises:
        UsageError: from `parts` and what uses it, for a value that makes no sense.
    """

    key: str | None = None
    mode: str | None = None
    scale: str | None = None
    allow_chromatic: str | None = None
    range: str | None = None
    meter: str | None = None
    bars: int | None = None
    pickup: str | bool | None = None
    note_values: str | None = None
    max_leap: int | None = None
    max_repeat: int | None = None
    start: str | None = None
    end: str | None = None
    cadence: str | None = None
    notes_per_bar: str | None = None
    rest_share: str | None = None
    chords: str | None = None
    rhythm: str | None = None
    rhythm_from: Melody | None = None
    pitches_from: Melody | None = None
    contour: str | Melody | None = None
    form: str | None = None
    kept: KeptBars | None = None
    own: tuple[str | Constraint, ...] = field(default=())

    def asked(self) -> dict[str, Any]:
        """The fields that ask for something."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return {n: v for n, v in values.items() if v is not None and v != ()}

    @cached_property
    def degrees(self) -> parsing.Degrees:
        """What the degrees are."""
        tonic = None if self.key is None else parsing.parse_class(self.key)
        scale = None if self.scale is None else parsing.parse_classes(self.scale)
        return parsing.Degrees(tonic, self._mode(), scale)

    def _mode(self) -> str | None:
        if self.mode is None:
            return None
        mode = self.mode.lower()
        if mode not in MODES:
            raise UsageError(f"there is no mode '{mode}'", remedy=f"use one of {', '.join(MODES)}")
        return mode

    @cached_property
    def parts(self) -> dict[str, Part]:
        """What is asked, each by its name; the unit in which refusals speak.

        `mode` and `allow_chromatic` go with `key` or `scale`. An own constraint has its name.

        Raises:
            UsageError: for a value that makes no sense.
        """
        found: dict[str, Part] = {}
        asked = self.asked()
        scale = "scale" if self.scale is not None else "key" if self.key is not None else "mode"
        for name in asked:
            if name in ("own", "allow_chromatic"):
                continue
            if name in ("key", "mode", "scale"):
                if name == scale:
                    found[name] = Part(automata=(self._scale(asked),))
                elif name == "key" and self.scale is not None:
                    self.degrees  # noqa: B018 - for its refusals
                continue
            try:
                found[name] = _MAKERS[name](self, asked[name])
            except UsageError as e:
                raise e.at(flag(name)) from e
        if self.allow_chromatic is not None and scale not in found:
            raise UsageError(
                "chromatic notes of no scale", where="--allow-chromatic",
                remedy="name --scale, or --key and --mode",
            )  # fmt: skip
        for one in self.own:
            made = registered(one) if isinstance(one, str) else one
            found[made.name] = Part(automata=(made,))
        return found

    @property
    def by_chance(self) -> bool:
        """Whether melodies may well keep all this unasked."""
        silent = self.rest_share is not None and parsing.parse_shares(self.rest_share)[0] > 0
        return not (silent or _SELDOM & self.asked().keys())

    @property
    def melodies(self) -> tuple[Melody, ...]:
        """The melodies that are given."""
        given = (self.rhythm_from, self.pitches_from, self.contour, self.kept and self.kept.melody)
        return tuple(m for m in given if isinstance(m, Melody))

    @cached_property
    def members(self) -> tuple[str, ...]:
        """What may be part of a conflict: the fields that forbid something, and own names.

        Chromatic notes only allow, and beside a scale key and mode say only what the degrees are.
        """
        found = list(self.parts)
        if self.scale is None and self.key is not None and self.mode is not None:
            found.insert(found.index("key") + 1, "mode")
        return tuple(found)

    def _scale(self, names: Collection[str]) -> Constraint:
        """What pitch classes there are, as far as these fields say it."""
        more = () if self.allow_chromatic is None else parsing.parse_classes(self.allow_chromatic)
        if self.scale is not None:
            return Scale({*parsing.parse_classes(self.scale), *more})
        mode = self._mode() if "mode" in names else None
        key = self.key if "key" in names else None
        tonics = range(12) if key is None else (parsing.parse_class(key),)
        if key is not None and mode:
            return Scale({*((tonics[0] + s) % 12 for s in SCALES[mode]), *more})
        return SomeKey(tonics, (mode,) if mode else MODES, more)

    def assemble(self, names: Collection[str] | None = None) -> tuple[Facts, list[Constraint]]:
        """The shape of the melody and the automata, of all parts or of some.

        Args:
            names: of `members`; None for all. Degrees are those of all that is asked.

        Returns:
            Facts and automata. Parts that give two shapes make a contradiction of the facts.
        """
        parts = {n: p for n, p in self.parts.items() if names is None or n in names}
        if names is not None and self.scale is None and {"key", "mode"} & set(names):
            parts["key"] = Part(automata=(self._scale(names),))
            parts.pop("mode", None)
        facts = _merged([part.facts for part in parts.values()])
        if facts.bars is None:
            whole = [part.facts.get("bars") for part in self.parts.values()]
            facts = replace(facts, whole=next((n for n in whole if n), None))
        automata = [a for part in parts.values() for a in part.automata]
        uniform = len({*(facts.layout or ())}) < 2
        automata = _acquainted(automata, facts.bars, uniform)
        form = next((a for a in automata if isinstance(a, Form)), None)
        if form:
            automata += [EndsModel(a, form, 1) for a in automata if isinstance(a, End)]
            if uniform:  # else the bars of a copy are not those of its model
                automata = [
                    Chords(a.bars, form.repeats) if isinstance(a, Chords) else a for a in automata
                ]
                automata += [EndsModel(a, form, 2) for a in automata if isinstance(a, Cadence)]
                shapes = [a for a in automata if isinstance(a, BarContour)]
                never = [a for a in shapes if not can_have_shape(form, a.shape, facts.bars)]
                automata += [Never(a.name) for a in never]
                kept = [a for a in automata if type(a) is Template]
                automata += [more for a in kept for more in kept_again(a, form)]
            automata += form_lines(automata, form, uniform)
        automata += kept_lines(automata)
        return facts, _harmonised(automata)

    def wishes(self) -> dict[str, Any]:
        """What the grammar of the tokens is asked for: attributes that agree with all this.

        Where only a scale is given, its first note is the tonic and the mode is that which
        shares most notes with it: the model has to be told something.
        """
        facts, _ = self.assemble()
        found: dict[str, Any] = {"bars": facts.bars, "mode": self._mode(), "any_pitch": True}
        if facts.pickup is not None:
            found["pickup"] = bool(facts.pickup)
        if self.meter is not None:
            found["meter"] = parsing.parse_meter(self.meter)
        if self.key is not None:
            found["key"] = self.key[:1].upper() + self.key[1:]
        elif self.scale is not None:
            classes = parsing.parse_classes(self.scale)
            name = self.scale.replace(",", " ").split()[0]
            found["key"] = name[:1].upper() + name[1:]
            found["mode"] = self._mode() or max(
                MODES, key=lambda m: len({(classes[0] + s) % 12 for s in SCALES[m]} & {*classes})
            )
        if any(getattr(self, name) is not None for name in _SAY_FORM):
            found |= {"period": "?", "repeats": "?"}  # or the tune would plan another one
        return {n: v for n, v in found.items() if v is not None}


@dataclass(frozen=True)
class Part:
    """What one thing asked for means.

    Attributes:
        automata: what the events must keep.
        facts: fields of `Facts`.
    """

    automata: tuple[Constraint, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)


def _acquainted(automata: list[Constraint], bars: int | None, uniform: bool) -> list[Constraint]:
    """The same, where those on lengths know of each other: what cannot agree is seen at once."""
    values = next((a for a in automata if isinstance(a, NoteValues)), None)
    if values:
        automata = [a.beside(values) if isinstance(a, Rhythm) else a for a in automata]
    if uniform:
        shortest = min(values.steps) if values else 1
        numbers = [a for a in automata if isinstance(a, NotesPerBar)]
        fewest = max([counts.low for counts in numbers], default=0)
        automata = [a.beside(shortest, fewest) if isinstance(a, Cadence) else a for a in automata]
        for counts in numbers:
            automata = [a.beside(counts) if isinstance(a, NoteValues) else a for a in automata]
    rhythm = next((a for a in automata if isinstance(a, Rhythm)), None)
    kept = next((a for a in automata if isinstance(a, Template)), None)
    return [
        a.beside(values, rhythm, bars, kept) if isinstance(a, RestShare) else a for a in automata
    ]


def _harmonised(automata: list[Constraint]) -> list[Constraint]:
    """The same, where chords know what pitches there are, and cadences the chords."""
    for number, chords in enumerate(automata):
        if isinstance(chords, Chords):
            judges, notes = [a for a in automata if a.alone], map(note_of, COMPASS)
            heard = [n for n in notes if all(a.step(a.start(), n) is not None for a in judges)]
            automata[number] = met = chords.beside(n.pitch % 12 for n in heard)
            automata = [a.over(met) if isinstance(a, Cadence) else a for a in automata]
    return automata


def _merged(all_facts: Iterable[Mapping[str, Any]]) -> Facts:
    """Facts that hold together; a contradiction where they do not."""
    found: dict[str, Any] = {}
    clash = False
    for facts in all_facts:
        for name, value in facts.items():
            before = found.setdefault(name, value)
            if name == "usual":
                continue
            loose = before is True or value is True  # a step is 1, which equals True
            if name == "pickup" and loose and bool(before) == bool(value):
                found[name] = before if value is True else value  # an exact one says more
            elif type(before) is not type(value) or before != value:
                clash = True
    layout, meter = found.get("layout"), found.get("meter")
    if layout and meter is not None:
        clash |= any(m != meter for m in layout)
    return Facts(**found, contradiction=clash)


def flag(name: str) -> str:
    """The flag of a field: 'note_values' to '--note-values'."""
    return "--" + name.replace("_", "-")


def registered(name: str) -> Constraint:
    """A constraint from the registry.

    Raises:
        UsageError: if there is none of that name.
    """
    if name not in REGISTRY:
        known = ", ".join(sorted(REGISTRY)) or "none"
        raise UsageError(f"no constraint of the name '{name}'", remedy=f"registered: {known}")
    return REGISTRY[name]()


def _bars(asked: Constraints, value: int) -> Part:
    if not 1 <= value <= MOST_BARS:
        raise UsageError(f"{value} bars", remedy=f"ask for 1 to {MOST_BARS}")
    return Part(facts={"bars": value})


def _meter(asked: Constraints, value: str) -> Part:
    meter = parsing.parse_meter(value)
    try:
        return Part(facts={"meter": meter_token(meter) - METER0})
    except InputError as e:
        raise UsageError(e.what, remedy="use a metre such as 4/4, 3/4 or 6/8") from e


def _pickup(asked: Constraints, value: str | bool) -> Part:
    return Part(facts={"pickup": parsing.parse_pickup(value)})


def _range(asked: Constraints, value: str) -> Part:
    return Part((Range(*parsing.parse_range(value)),))


def _count(least: int, make: Callable[[int], Constraint]) -> Callable[[Constraints, int], Part]:
    def part(asked: Constraints, value: int) -> Part:
        if not least <= value <= 127:
            raise UsageError(f"a number of {value}", remedy=f"use {least} to 127")
        return Part((make(value),))

    return part


def _cadence(asked: Constraints, value: str) -> Part:
    degrees = asked.degrees
    tonic = degrees.classes(1)
    leading = frozenset((t + 11) % 12 for t in tonic)
    everything = frozenset(range(12))
    if value == "authentic":
        return Part((Cadence(degrees.some(2, 5, 7) | leading, tonic),))
    if value == "half":
        return Part((Cadence(everything, degrees.some(5, 2, 7) | leading),))
    if value == "open":
        return Part((Cadence(everything, everything - tonic),))
    raise UsageError(f"there is no cadence '{value}'", remedy=f"use one of {', '.join(CADENCES)}")


def _contour(asked: Constraints, value: str | Melody) -> Part:
    if isinstance(value, Melody):
        return Part((ContourOf([(i > 0) - (i < 0) for i in value.intervals]),), _usual(value))
    if value not in SHAPES:
        raise UsageError(
            f"there is no contour '{value}'", remedy=f"use {', '.join(SHAPES)} or a file"
        )
    return Part((BarContour(value),))


def _usual(melody: Melody) -> dict[str, Any]:
    """The shape of a melody whose line is followed, if it has one that tokens can say."""
    try:
        meter = meter_token(melody.meters[0]) - METER0
    except InputError:
        return {}
    return {"usual": (meter, sum(not b.is_pickup for b in melody.bars))}


def _rhythm_from(asked: Constraints, value: Melody) -> Part:
    return _template("rhythm-from", value, None)


def _kept(asked: Constraints, value: KeptBars) -> Part:
    return _template("kept bars", value.melody, value.bars)


def _template(name: str, melody: Melody, kept: Collection[int] | None) -> Part:
    """A melody as a template and as facts.

    Args:
        name: as refusals say it.
        melody: it must be on the grid.
        kept: numbers of the bars that are kept with their pitches; None keeps all rhythm.
    """
    bars = melody.bars
    pickup = bars[0].is_pickup
    edges = [*(b.start for b in bars), melody.duration]
    times = [*edges, *(n.onset for n in melody.notes), *(n.end for n in melody.notes)]
    off = sum(t % TICKS_PER_STEP > 0 for t in times)
    if off:
        raise UsageError(
            f"{off} of its times lie between the steps of the grid",
            remedy="quantise the file to thirty-seconds and triplets",
        )
    if bars[-1].end - melody.duration not in (0, melody.pickup):
        raise UsageError("its last bar is cut short", remedy="fill it with a rest")
    try:
        layout = tuple(meter_token(b.meter) - METER0 for b in bars if not b.is_pickup)
    except InputError as e:
        raise UsageError(e.what, remedy="give a file with usual metres") from e
    if len(layout) > MOST_BARS:
        raise UsageError(f"it has {len(layout)} bars", remedy=f"at most {MOST_BARS} can be kept")
    facts = {
        "bars": len(layout),
        "layout": layout,
        "pickup": melody.pickup // TICKS_PER_STEP or False,
    }
    notes = [
        (n.onset // TICKS_PER_STEP, n.end // TICKS_PER_STEP, ANY if kept is None else n.pitch)
        for n in melody.notes
    ]
    steps = [e // TICKS_PER_STEP for e in edges]
    if kept is None:
        return Part((TimeTemplate(name, notes, steps, [True] * len(bars), pickup),), facts)
    numbers = {b.index + (not pickup) for b in bars}
    if unknown := sorted(set(kept) - numbers):
        raise UsageError(
            f"bar {unknown[0]} of a melody of {len(layout)}",
            remedy=f"use {min(numbers)} to {max(numbers)}",
        )
    chosen = [b.index + (not pickup) in kept for b in bars]
    assert all(a < b for a, b in pairwise(steps))
    return Part((Template(name, notes, steps, chosen, pickup),), facts)


_MAKERS: dict[str, Callable[[Constraints, Any], Part]] = {
    "bars": _bars,
    "meter": _meter,
    "pickup": _pickup,
    "range": _range,
    "max_leap": _count(0, MaxLeap),
    "max_repeat": _count(1, MaxRepeat),
    "start": lambda asked, value: Part((Start(parsing.parse_goal(value, asked.degrees)),)),
    "end": lambda asked, value: Part((End(parsing.parse_goal(value, asked.degrees)),)),
    "cadence": _cadence,
    "note_values": lambda asked, value: Part((NoteValues(parsing.parse_lengths(value)),)),
    "notes_per_bar": lambda asked, value: Part((NotesPerBar(*parsing.parse_counts(value)),)),
    "rest_share": lambda asked, value: Part((RestShare(*parsing.parse_shares(value)),)),
    "chords": lambda asked, value: Part((Chords(parsing.parse_chords(value)),)),
    "rhythm": lambda asked, value: Part((Rhythm(parsing.parse_rhythm(value)),)),
    "rhythm_from": _rhythm_from,
    "pitches_from": lambda asked, value: Part((Pitches(value.pitches),), _usual(value)),
    "contour": _contour,
    "form": lambda asked, value: Part((Form(parse_form(value)),)),
    "kept": _kept,
}
