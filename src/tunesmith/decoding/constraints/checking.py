"""What of all that was asked a finished melody keeps: the predicates of docs/constraints.md.

Nothing of the search or its automata is used here, but for the reading of what was typed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import groupby, pairwise
from typing import Any, NamedTuple

from tunesmith.decoding.constraints import parsing
from tunesmith.decoding.constraints.asked import Constraints, KeptBars, registered
from tunesmith.decoding.constraints.events import (
    BAR,
    HEAD,
    NOTE,
    REST,
    TIE,
    Constraint,
    Event,
    is_strong,
)
from tunesmith.decoding.constraints.form import parse_form
from tunesmith.errors import InputError
from tunesmith.melody import MODES, WHOLE, Bar, Melody, Note, name_at_fifths, pitch_class
from tunesmith.theory import SCALES, octave_of
from tunesmith.tokens.table import METER0, TICKS_PER_STEP, meter_token, pieces, said


class Checked(NamedTuple):
    """Whether a melody keeps one thing that was asked.

    Attributes:
        name: the field of `Constraints`, or the name of an own constraint.
        held: whether the melody keeps it.
        measured: what the melody has, in words.
    """

    name: str
    held: bool
    measured: str


def check(melody: Melody, constraints: Constraints, tied: int = 0) -> list[Checked]:
    """What of all that was asked a melody keeps.

    Args:
        melody: the melody; with a primer that is not looked at, the new bars alone, as a melody.
        constraints: what was asked.
        tied: ticks at its beginning in which a note before it sounds on.

    Returns:
        One entry for each thing asked, in the order of the fields. `key`, `mode` and
        `allow_chromatic` are held where all of them together are.

    Raises:
        UsageError: for a value that makes no sense.
    """
    found = []
    for name, value in constraints.asked().items():
        if name == "own":
            found += [_own(melody, one, tied) for one in value]
        else:
            if tied and name in _TIED:
                answer = _TIED[name](melody, constraints, value, tied)
            else:
                answer = _CHECKS[name](melody, constraints, value)
            found.append(Checked(name, *answer))
    return found


Answer = tuple[bool, str]


# -- what is measured ----------------------------------------------------------------


def _full_bars(melody: Melody) -> list[Bar]:
    return [b for b in melody.bars if not b.is_pickup]


def _bar_of(melody: Melody, tick: int) -> Bar:
    return next(b for b in melody.bars if b.start <= tick < b.end)


def _in(melody: Melody, start: int, end: int) -> list[Note]:
    """The notes that begin from one tick on and before another."""
    return [n for n in melody.notes if start <= n.onset < end]


def _strong(melody: Melody, note: Note) -> bool:
    bar = _bar_of(melody, note.onset)
    numerator = bar.meter.numerator
    middle = bar.length // 2 if numerator >= 4 and numerator % 2 == 0 else 0
    if bar.meter.denominator >= 32:  # these are said in smaller numbers: 8/32 is 4/16
        try:
            place = meter_token(bar.meter) - METER0
        except InputError:
            return False
        return not bar.is_pickup and is_strong(place, (note.onset - bar.start) // TICKS_PER_STEP)
    return not bar.is_pickup and note.onset - bar.start in (0, middle)


def _length(ticks: int) -> str:
    return str(Fraction(ticks, WHOLE)) if ticks % WHOLE else f"{ticks // WHOLE}/1"


def _class(number: int) -> str:
    return next(n for n in map(name_at_fifths, range(-3, 9)) if pitch_class(n) == number)


def _pitch(number: int) -> str:
    name = _class(number % 12)
    return f"{name}{octave_of(number, name)}"


def _classes(melody: Melody) -> str:
    return " ".join(_class(c) for c in sorted({p % 12 for p in melody.pitches}))


# -- the predicates ------------------------------------------------------------------


def _tonal(melody: Melody, asked: Constraints, value: Any) -> Answer:
    used = {p % 12 for p in melody.pitches}
    more = (
        set() if asked.allow_chromatic is None else {*parsing.parse_classes(asked.allow_chromatic)}
    )
    if asked.scale is not None:
        some = [set(parsing.parse_classes(asked.scale))]
    else:
        tonics = range(12) if asked.key is None else [parsing.parse_class(asked.key)]
        modes = MODES if asked.mode is None else [asked.mode.lower()]
        some = [{(t + s) % 12 for s in SCALES[m]} for t in tonics for m in modes]
    return any(used <= one | more for one in some), _classes(melody)


def _range(melody: Melody, asked: Constraints, value: str) -> Answer:
    low, high = parsing.parse_range(value)
    lowest, highest = min(melody.pitches), max(melody.pitches)
    return low <= lowest and highest <= high, f"{_pitch(lowest)}:{_pitch(highest)}"


def _meter(melody: Melody, asked: Constraints, value: str) -> Answer:
    has = [str(m) for m in melody.meters if m.tick < melody.duration]
    same = all(said(m) == said(parsing.parse_meter(value)) for m in melody.meters)
    return same, ", ".join(dict.fromkeys(has))


def _bars(melody: Melody, asked: Constraints, value: int) -> Answer:
    bars = len(_full_bars(melody))
    return bars == value, str(bars)


def _pickup(melody: Melody, asked: Constraints, value: str | bool) -> Answer:
    wanted = parsing.parse_pickup(value)
    has = melody.pickup
    held = bool(has) == wanted if isinstance(wanted, bool) else has == wanted * TICKS_PER_STEP
    return held, _length(has) if has else "no"


def _note_values(melody: Melody, asked: Constraints, value: str, tied: int = 0) -> Answer:
    steps = [n * TICKS_PER_STEP for n in parsing.parse_lengths(value)]
    lengths = sorted({n.duration for n in melody.notes})
    held = all(n in steps for n in lengths)
    for onset, duration in melody.rests:
        for bar in melody.bars:
            rest = min(onset + duration, bar.end) - max(onset, bar.start, tied)
            held &= rest <= 0 or _is_sum(rest, steps)
    return held, ", ".join(map(_length, lengths))


def _is_sum(total: int, parts: list[int]) -> bool:
    sums = {0}
    for n in range(1, total + 1):
        if any(n - p in sums for p in parts):
            sums.add(n)
    return total in sums


def _max_leap(melody: Melody, asked: Constraints, value: int) -> Answer:
    largest = max(map(abs, melody.intervals), default=0)
    return largest <= value, str(largest)


def _max_repeat(melody: Melody, asked: Constraints, value: int) -> Answer:
    longest = max(sum(1 for _ in same) for _, same in groupby(melody.pitches))
    return longest <= value, str(longest)


def _goal(place: int) -> Callable[[Melody, Constraints, str], Answer]:
    def answer(melody: Melody, asked: Constraints, value: str) -> Answer:
        pitch = melody.pitches[place]
        return pitch in parsing.parse_goal(value, asked.degrees), _pitch(pitch)

    return answer


def _cadence(melody: Melody, asked: Constraints, value: str) -> Answer:
    if len(melody.notes) < 2:
        return False, "one note"
    degrees = asked.degrees
    tonic = degrees.classes(1)
    leading = {(t + 11) % 12 for t in tonic}
    before, last = (p % 12 for p in melody.pitches[-2:])
    strong = _strong(melody, melody.notes[-1])
    held = {
        "authentic": last in tonic and before in degrees.some(2, 5, 7) | leading,
        "half": last in degrees.some(2, 5, 7) | leading,
        "open": last not in tonic,
    }[value]
    beat = "a strong beat" if strong else "no strong beat"
    return held and strong, f"{_class(before)} to {_class(last)} on {beat}"


def _notes_per_bar(melody: Melody, asked: Constraints, value: str) -> Answer:
    low, high = parsing.parse_counts(value)
    counts = [len(_in(melody, b.start, b.end)) for b in _full_bars(melody)]
    return low <= min(counts) and max(counts) <= high, f"{min(counts)}:{max(counts)}"


def _rest_share(melody: Melody, asked: Constraints, value: str, tied: int = 0) -> Answer:
    low, high = parsing.parse_shares(value)
    share = Fraction(sum(n for _, n in melody.rests) - tied, melody.duration)
    return low <= share <= high, f"{float(share):.4g}"


def _chords(melody: Melody, asked: Constraints, value: str) -> Answer:
    chords = parsing.parse_chords(value)
    wrong = total = 0
    for number, bar in enumerate(_full_bars(melody)):
        entry = chords[number % len(chords)]
        for note in _in(melody, bar.start, bar.end):
            if _strong(melody, note):
                place = (note.onset - bar.start) * len(entry) // bar.length
                total += 1
                wrong += note.pitch % 12 not in entry[place]
    return not wrong, f"{total - wrong} of {total} notes on strong beats"


def _rhythm(melody: Melody, asked: Constraints, value: str) -> Answer:
    row = parsing.parse_rhythm(value)
    at, places, ends = melody.pickup, [], [melody.pickup]
    while at < melody.duration:
        for steps, is_note in row:
            length = steps * TICKS_PER_STEP
            if is_note:
                places.append((at, length))
            at += length
            ends.append(at)
    wanted = [(a, n) for a, n in places if a < melody.duration]
    has = [(n.onset, n.duration) for n in melody.notes if n.onset >= melody.pickup]
    over = any(n.onset < melody.pickup < n.end for n in melody.notes)
    same = sum(a == b for a, b in zip(has, wanted, strict=False))
    return has == wanted and not over and melody.duration in ends, f"{same} of {len(has)} notes"


def _frame(melody: Melody, other: Melody) -> bool:
    """Whether two melodies have the same pickup, metres and duration."""
    mine, its = (melody.pickup, melody.duration), (other.pickup, other.duration)
    bars = [[meter_token(b.meter) for b in _full_bars(m)] for m in (melody, other)]
    return mine == its and bars[0] == bars[1]


def _rhythm_from(melody: Melody, asked: Constraints, value: Melody) -> Answer:
    has, wanted = ([(n.onset, n.duration) for n in m.notes] for m in (melody, value))
    same = sum(a == b for a, b in zip(has, wanted, strict=False))
    return has == wanted and _frame(melody, value), f"{same} of {len(wanted)} notes"


def _pitches_from(melody: Melody, asked: Constraints, value: Melody) -> Answer:
    same = sum(a == b for a, b in zip(melody.pitches, value.pitches, strict=False))
    return melody.pitches == value.pitches, f"{same} of {len(value.pitches)} pitches"


def _sign(number: int) -> int:
    return (number > 0) - (number < 0)


def _contour(melody: Melody, asked: Constraints, value: str | Melody) -> Answer:
    if isinstance(value, Melody):
        has, wanted = ([_sign(i) for i in m.intervals] for m in (melody, value))
        same = sum(a == b for a, b in zip(has, wanted, strict=False))
        return has == wanted, f"{same} of {len(wanted)} intervals"
    firsts = [some[0].pitch for b in _full_bars(melody) if (some := _in(melody, b.start, b.end))]
    measured = " ".join(map(_pitch, firsts)) or "no note in any bar"
    if not firsts:
        return False, measured
    ups = [b >= a for a, b in pairwise(firsts)]
    downs = [b <= a for a, b in pairwise(firsts)]
    if value == "up":
        return all(ups) and firsts[-1] > firsts[0], measured
    if value == "down":
        return all(downs) and firsts[-1] < firsts[0], measured
    top = max(firsts)
    held = any(all(ups[:i]) and all(downs[i:]) for i in range(len(firsts)))
    return held and top > firsts[0] and top > firsts[-1], measured


def _form(melody: Melody, asked: Constraints, value: str) -> Answer:
    sections, bars = parse_form(value), _full_bars(melody)
    size, left = divmod(len(bars), len(sections))
    if left or not size:
        return False, f"{len(bars)} bars for {len(sections)} sections"
    models: dict[str, list[tuple[int, int, int]]] = {}
    wrong = []
    for number, section in enumerate(sections):
        start, end = bars[number * size].start, bars[(number + 1) * size - 1].end
        notes = [(n.onset - start, n.duration, n.pitch) for n in _in(melody, start, end)]
        model = models.get(section.letter)
        held = not any(n.onset < start < n.end for n in melody.notes)
        if model is None:
            held &= notes not in models.values()
            models[section.letter] = notes
        elif section.role == 1:
            held &= notes == model
        else:
            same = sum(a == b for a, b in zip(notes, model, strict=False))
            timed = [n[:2] for n in notes] == [n[:2] for n in model]
            held &= timed and same < len(model) and 2 * same >= len(model)
        if not held:
            wrong.append(str(number + 1))
    told = f"sections of {size} bars" if size > 1 else "sections of 1 bar"
    return not wrong, told + (f"; not as asked: {', '.join(wrong)}" if wrong else "")


def _kept(melody: Melody, asked: Constraints, value: KeptBars) -> Answer:
    given = value.melody
    if not _frame(melody, given):
        return False, "other bars"
    wrong = []
    for bar in given.bars:
        number = bar.index + (not given.pickup)
        if number in value.bars:
            notes = [_in(m, bar.start, bar.end) for m in (melody, given)]
            sounds = [_sounding(m, bar.start, min(bar.end, m.duration)) for m in (melody, given)]
            if notes[0] != notes[1] or sounds[0] != sounds[1]:
                wrong.append(str(number))
    return not wrong, f"changed bars: {', '.join(wrong)}" if wrong else "unchanged"


def _sounding(melody: Melody, start: int, end: int) -> list[tuple[int, int, int]]:
    """The stretches of sound within two ticks, with their pitches."""
    return [
        (max(n.onset, start), min(n.end, end), n.pitch)
        for n in melody.notes
        if n.onset < end and n.end > start
    ]


_CHECKS: dict[str, Callable[[Melody, Constraints, Any], Answer]] = {
    "key": _tonal, "mode": _tonal, "scale": _tonal, "allow_chromatic": _tonal, "range": _range,
    "meter": _meter, "bars": _bars, "pickup": _pickup, "note_values": _note_values,
    "max_leap": _max_leap, "max_repeat": _max_repeat, "start": _goal(0), "end": _goal(-1),
    "cadence": _cadence, "notes_per_bar": _notes_per_bar, "rest_share": _rest_share,
    "chords": _chords, "rhythm": _rhythm, "rhythm_from": _rhythm_from,
    "pitches_from": _pitches_from, "contour": _contour, "form": _form, "kept": _kept,
}  # fmt: skip
_TIED: dict[str, Callable[[Melody, Constraints, Any, int], Answer]] = {
    "note_values": _note_values,
    "rest_share": _rest_share,
    "rhythm": lambda *_: (False, "a note sounds on over its beginning"),
    "form": lambda *_: (False, "a note sounds on over its beginning"),
}
"""What is another matter where a note before the melody sounds on into it."""


# -- constraints of one's own ----------------------------------------------------------


def _own(melody: Melody, one: str | Constraint, tied: int) -> Checked:
    """An own constraint is the automaton that it is: it is run over the melody's events.

    Notes are cut at barlines alone. One that minds how notes are cut may judge otherwise here.
    """
    automaton = registered(one) if isinstance(one, str) else one
    state = automaton.start()
    for event in events(melody, tied):
        if event.kind in automaton.hears:
            state = automaton.step(state, event)
            if state is None:
                return Checked(automaton.name, False, "not held")
    held = automaton.accept(state)
    return Checked(automaton.name, held, "held" if held else "not held at the end")


def events(melody: Melody, tied: int = 0) -> Iterator[Event]:
    """The events of a melody, as own constraints see them; its times must be on the grid.

    The mode and tonic of the melody's key are told first; -1 where it has none.

    Args:
        melody: the melody.
        tied: as in `check`.
    """
    key = melody.key
    tonic, mode = (key.pitch_class, MODES.index(key.mode)) if key else (-1, -1)
    yield Event(HEAD, mode, tonic, -1, 0, 0, False, 0)
    count = len(_full_bars(melody))
    for bar in melody.bars:
        number = bar.index - bool(melody.pickup)
        length = bar.meter.bar_ticks // TICKS_PER_STEP
        left = count - number if number >= 0 else 0
        if number >= 0:
            yield Event(BAR, length, -1, number, 0, length, True, left)
        for kind, start, end, pitch in _sounds(melody, bar, tied):
            at = (start - bar.start) // TICKS_PER_STEP
            for piece in pieces((end - start) // TICKS_PER_STEP):
                strong = number >= 0 and is_strong(meter_token(bar.meter) - METER0, at)
                yield Event(kind, piece, pitch, number, at, length, strong, left)
                at += piece
                kind, pitch = (REST if kind == REST else TIE), -1


def _sounds(melody: Melody, bar: Bar, tied: int) -> Iterator[tuple[str, int, int, int]]:
    """Notes, rests and ties in a bar, as (kind, start, end, pitch), in ticks."""
    at, end = bar.start, min(bar.end, melody.duration)
    if at < tied:
        yield TIE, at, min(tied, end), -1
        at = min(tied, end)
    for start, stop, pitch in _sounding(melody, bar.start, end):
        if start > at:
            yield REST, at, start, -1
        begins = any(n.onset == start for n in melody.notes)
        yield (NOTE, start, stop, pitch) if begins else (TIE, start, stop, -1)
        at = stop
    if at < end:
        yield REST, at, end, -1


__all__ = ["Checked", "check", "events"]
