"""Where a line of pitches that is told meets sections that repeat; see docs."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Hashable, Iterator, Sequence
from functools import lru_cache
from typing import ClassVar, NamedTuple

from tunesmith.decoding.constraints.events import BAR, NOTE, Constraint, Event, Place
from tunesmith.decoding.constraints.form import COPY, MODEL, VARIED, Form, Section
from tunesmith.decoding.constraints.pitches import ContourOf, Pitches
from tunesmith.decoding.constraints.times import NoteValues

_MOST_LOOKED_AT = 20_000
"""Ways to divide the line among the sections that are looked at beforehand."""


class LineState(NamedTuple):
    """Where in the line we are.

    Attributes:
        section: place of the section; -1 before the first.
        begun: notes before it.
        came: notes so far.
        models: of each letter so far, in order: notes before its model, and in it.
    """

    section: int = -1
    begun: int = 0
    came: int = 0
    models: tuple[tuple[int, int], ...] = ()


class FormLine(Constraint):
    """A section that is copied has so many notes that the line repeats itself with it.

    It follows from the line and the form; it is there to be found early.

    Args:
        line: the pitches, or the signs between them.
        form: the sections.
        shortest: steps that a note lasts at least.
        uniform: whether all bars are of one metre.
    """

    kind: ClassVar[str] = "time"
    hears: ClassVar[frozenset[str]] = frozenset({NOTE, BAR})
    seamless: ClassVar[bool] = True
    measures: ClassVar[bool] = False

    def __init__(self, line: Pitches | ContourOf, form: Form, shortest: int, uniform: bool) -> None:
        self.name, self._sections, self._shortest = line.name, form.sections, shortest
        self._uniform = uniform
        self._letters = list(dict.fromkeys(s.letter for s in form.sections))
        self._exact = isinstance(line, Pitches)
        self._told = line.pitches if isinstance(line, Pitches) else line.signs
        self.notes = len(self._told) + (not self._exact)
        self._counts = lru_cache(maxsize=None)(self._possible_counts)
        self._kept = lru_cache(maxsize=100_000)(self._all_leading)
        told = self._told
        self._shared = [[0] * (len(told) + 1) for _ in range(len(told) + 1)]
        for i in range(len(told) - 1, -1, -1):
            for j in range(len(told) - 1, i, -1):
                if told[i] == told[j]:
                    self._shared[i][j] = self._shared[i + 1][j + 1] + 1

        self._led: dict[tuple[int, int, tuple[tuple[int, int], ...]], bool] = {}
        self._offsets = [n for n in range(self.notes + 1) if self._leads(0, n, ())]

    def _leads(self, section: int, count: int, models: tuple[tuple[int, int], ...]) -> bool:
        """False only if the line cannot be divided among the sections from one on."""
        if section == len(self._sections):
            return count == self.notes
        key = (section, count, models)
        if key in self._led or len(self._led) > _MOST_LOOKED_AT:
            return self._led.get(key, True)
        letter, role = self._sections[section]
        if role == MODEL:
            found = any(True for _ in self._leading(section, count, models))
        else:
            first, n = models[self._letters.index(letter)]
            fits = role != COPY or self._repeats(first, count, n)
            found = fits and self._leads(section + 1, count + n, models)
        self._led[key] = found
        return found

    def _leading(
        self, section: int, count: int, models: tuple[tuple[int, int], ...]
    ) -> Iterator[int]:
        """The numbers of notes that a model may have if the rest is to be divided; in order."""
        for n in self._counts(section, count):
            silent = not n and not all(notes for _, notes in models)  # one letter alone may be so
            if not silent and self._leads(section + 1, count + n, (*models, (count, n))):
                yield n

    def _all_leading(
        self, section: int, count: int, models: tuple[tuple[int, int], ...]
    ) -> tuple[int, ...]:
        return tuple(self._leading(section, count, models))

    def _repeats(self, first: int, again: int, notes: int) -> bool:
        """Whether so many notes of the line after `first` may be there again after `again`."""
        if not notes or again + notes > self.notes:
            return not notes
        return self._shared[first][again] >= notes - (not self._exact)

    def _joins(self, first: int, notes: int) -> bool:
        """Whether a row of notes may be followed by itself: up again, after what went down."""
        signs = {*self._told[first : first + notes]} - {0} if notes else set()
        return self._exact or len(signs) != 1

    def _possible_counts(self, section: int, begun: int) -> tuple[int, ...]:
        """The numbers of notes that a model may have, by its place and the notes before it."""
        found = []
        varied = Section(self._sections[section].letter, VARIED) in self._sections
        for notes in range(2 if varied else 0, self.notes - begun + 1):
            at = begun + notes
            if self._fits_later(section, section + 1, begun, notes, at):
                found.append(notes)
        return tuple(found)

    def _fits_later(self, model: int, section: int, begun: int, notes: int, at: int) -> bool:
        """Whether the copies of a model, from a section on, find their places in the line."""
        letter = self._sections[model].letter
        copies = [i for i in range(section, len(self._sections)) if self._is_copy(i, letter)]
        for copy in copies:
            near = copy == section  # no other section stands between
            if near and copy == model + 1 and not self._joins(begun, notes):
                return False
            last = copy == len(self._sections) - 1
            places = [at] if near else range(at, self.notes - notes + 1)
            if last:
                places = [p for p in places if p + notes == self.notes]
            place = next((p for p in places if self._repeats(begun, p, notes)), None)
            if place is None:
                return False
            at, section = (place + notes, copy + 1)
            if not near:
                section = len(self._sections)  # the earliest place need not be its place
        return True

    def _is_copy(self, section: int, letter: str) -> bool:
        one = self._sections[section]
        return one.role == COPY and one.letter == letter

    def start(self) -> LineState:  # noqa: D102
        return LineState()

    def step(self, state: LineState, event: Event) -> Hashable | None:  # noqa: D102
        if event.kind == NOTE:
            after = LineState(state.section, state.begun, state.came + 1, state.models)
            return after if state.came < self.notes else None
        bars = event.bar + event.left
        if bars % len(self._sections):
            return None
        if event.bar % (bars // len(self._sections)):
            return state
        models = self._ended(state)
        if models is None:
            return None
        section = state.section + 1
        if not self._leads(section, state.came, models):
            return None
        letter, role = self._sections[section]
        if role != MODEL:
            first, notes = models[self._letters.index(letter)]
            if state.came + notes > self.notes:
                return None
            if role == COPY and not self._repeats(first, state.came, notes):
                return None
        return LineState(section, state.came, state.came, models)

    def _ended(self, state: LineState) -> tuple[tuple[int, int], ...] | None:
        """The models after the section that a state is in; None if it may not end so."""
        if state.section < 0:
            return ()
        letter, role = self._sections[state.section]
        count = state.came - state.begun
        if role == MODEL:
            counts = self._kept(state.section, state.begun, state.models)
            place = bisect_left(counts, count)
            if place == len(counts) or counts[place] != count:
                return None
            return (*state.models, (state.begun, count))
        return state.models if state.models[self._letters.index(letter)][1] == count else None

    def accept(self, state: LineState) -> bool:  # noqa: D102
        last = state.section == len(self._sections) - 1
        return last and state.came == self.notes and self._ended(state) is not None

    def possible(self, state: LineState, place: Place) -> bool:  # noqa: D102
        if state.section < 0:
            return bool(self._offsets) and state.came <= self._offsets[-1]
        size = (place.bar + place.left) // len(self._sections)
        bars = size - place.bar % size - 1
        room = place.room  # no note sounds on into the next section
        if self._uniform:
            room = min(room, place.bar_length * (bars + 1) - place.at)
        most = state.came - state.begun + room // self._shortest
        letter, role = self._sections[state.section]
        if role == MODEL:
            counts = self._kept(state.section, state.begun, state.models)
            number = bisect_left(counts, state.came - state.begun)
            return number < len(counts) and counts[number] <= most
        return state.models[self._letters.index(letter)][1] <= most


def form_lines(automata: Sequence[Constraint], form: Form, uniform: bool) -> list[Constraint]:
    """What follows from lines of pitches and a form with copies; see `FormLine`."""
    values = [a for a in automata if isinstance(a, NoteValues)]
    shortest = max([min(a.steps) for a in values], default=1)
    lines = [a for a in automata if isinstance(a, Pitches | ContourOf)]
    if all(s.role == MODEL for s in form.sections):
        return []
    return [FormLine(line, form, shortest, uniform) for line in lines]


__all__ = ["FormLine", "form_lines"]
