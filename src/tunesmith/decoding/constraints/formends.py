"""What follows from a form for the end of a tune and for its contour, to be found early."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from itertools import product
from typing import Any, ClassVar

from tunesmith.decoding.constraints.events import BAR, NOTE, Constraint, Event, Place
from tunesmith.decoding.constraints.form import COPY, MODEL, VARIED, Form, Section
from tunesmith.decoding.constraints.pitches import BarContour

_MOST_LEVELS = 5_000
"""Ways to lay out the pitches of copied sections that are looked at."""


class EndsModel(Constraint):
    """Where the last section is an exact copy, its model must end as the tune ends.

    It follows from the form and the constraint on the end; it is there to be found early.

    Args:
        inner: the constraint on the end.
        form: the sections.
        notes: notes of the section that the constraint looks at.
    """

    hears: ClassVar[frozenset[str]] = frozenset({NOTE, BAR})
    seamless: ClassVar[bool] = True
    measures: ClassVar[bool] = False

    def __init__(self, inner: Constraint, form: Form, notes: int) -> None:
        self._inner, self._form, self._notes, self.name = inner, form, notes, inner.name
        self._sections = form.sections
        last = form.sections[-1]
        model = Section(last.letter, MODEL)
        self._at = form.sections.index(model) + 1 if last.role == COPY else -1
        # What is varied has two notes at least, so one more is sure to come after the first.
        self._telling = 1 if Section(last.letter, VARIED) in form.sections else notes

    def start(self) -> Hashable:  # noqa: D102
        return (self._inner.start(), 0, False)

    def step(self, state: tuple[Any, int, bool], event: Event) -> Hashable | None:  # noqa: D102
        inner, notes, closing = state
        if event.kind == NOTE:
            after = self._inner.step(inner, event)
            return None if after is None else (after, min(notes + 1, self._notes), closing)
        size = (event.bar + event.left) // len(self._sections)
        if not size:
            return state
        closing = event.bar + 1 == self._at * size
        if event.bar % size:
            return (inner, notes, closing)
        model_ends = event.bar // size == self._at
        if model_ends and notes == self._notes and not self._inner.accept(inner):
            return None
        return (inner, 0, closing)

    def possible(self, state: tuple[Any, int, bool], place: Place) -> bool:  # noqa: D102
        inner, notes, closing = state
        if not closing or notes < self._telling:
            return True
        return self._inner.possible(inner, place._replace(left=1))

    def tells(self, state: tuple[Any, int, bool], pitch: int) -> Hashable:  # noqa: D102
        return self._inner.tells(state[0], pitch)

    def shadows(self) -> tuple[Constraint, ...]:  # noqa: D102
        some = (s for s in self._inner.shadows() if s.kind == "time")
        return tuple(_EndsModelTimes(s, self._form, self._notes) for s in some)


class _EndsModelTimes(EndsModel):
    kind: ClassVar[str] = "time"


class Never(Constraint):
    """What no melody keeps; it stands for things asked for that are seen to conflict.

    Args:
        name: as refusals say it.
    """

    kind: ClassVar[str] = "time"
    hears: ClassVar[frozenset[str]] = frozenset()
    counts_bars = False
    seamless: ClassVar[bool] = True
    measures: ClassVar[bool] = False

    def __init__(self, name: str) -> None:
        self.name = name

    def possible_bars(self, bars: int) -> bool:  # noqa: D102
        return False


def can_have_shape(form: Form, shape: str, bars: int | None) -> bool:
    """Whether a contour of the first notes of bars may go with a form, as far as is told soon.

    What turns within a section would turn again in its copy, which no shape does twice: of a
    section that is copied all bars begin with the same pitch. One letter may be silent, if it is
    not varied.

    Args:
        form: the sections.
        shape: 'up', 'down' or 'arch'.
        bars: their number, or None.
    """
    varied = {s.letter for s in form.sections if s.role == VARIED}
    silent = {s.letter for s in form.sections} - varied
    single = bars == len(form.sections)
    return any(
        _can_turn([s for s in form.sections if s.letter != quiet], shape, single)
        for quiet in (None, *sorted(silent))
    )


def _can_turn(heard: Sequence[Section], shape: str, single: bool) -> bool:
    """Whether sections with notes can have a shape; `single` if each is of one bar."""
    times = Counter(s.letter for s in heard if s.role != VARIED)
    copied = [letter for letter, count in times.items() if count > 1]
    if len(copied) ** len(copied) > _MOST_LEVELS:
        return True
    contour = BarContour(shape)
    # Those of copies are even, so that there is one between any two, below and above.
    pitches = range(1, 2 * max(len(copied), 1) + 2)
    for levels in product(pitches[1::2], repeat=len(copied)):
        level = dict(zip(copied, levels, strict=True))
        states: set[Any] = {(True, 0, 0)}
        for section in heard:
            free = section.role == VARIED or section.letter not in level
            some = pitches if free else (level[section.letter],)
            states = _after_bar(contour, states, some)
            before: set[Any] = set()
            while free and not single and states != before:  # any number of bars
                before, states = states, states | _after_bar(contour, states, some)
        if any(contour.accept(state) for state in states):
            return True
    return False


def _after_bar(contour: BarContour, states: set[Any], pitches: Iterable[int]) -> set[Any]:
    """The states after a bar that begins with one of some pitches, and at the next."""
    bar = Event(BAR, 1, -1, 0, 0, 1, True, 1)
    notes = [bar._replace(kind=NOTE, pitch=p) for p in pitches]
    sung: set[Any] = {contour.step(state, note) for state in states for note in notes}
    return {contour.step(state, bar) for state in sung if state is not None}


__all__ = ["EndsModel", "Never", "can_have_shape"]
