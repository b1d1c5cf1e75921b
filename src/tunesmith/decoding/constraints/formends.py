"""What follows from a form for the end of a tune and for its contour, to be found early."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any, ClassVar

from tunesmith.decoding.constraints.events import BAR, NOTE, Constraint, Event, Place
from tunesmith.decoding.constraints.form import COPY, MODEL, VARIED, Form, Section


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
        if not closing or notes < self._notes:
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


def can_have_shape(form: Form, shape: str) -> bool:
    """Whether a contour of the first notes of bars may go with a form, as far as is told soon.

    What comes between a section and its copy has all the same pitch if it may not turn, and a row
    of copies has no peak. One letter may be silent, if it is not varied.

    Args:
        form: the sections.
        shape: 'up', 'down' or 'arch'.
    """
    varied = {s.letter for s in form.sections if s.role == VARIED}
    silent = {s.letter for s in form.sections} - varied
    return any(_can_turn(form.sections, quiet, shape) for quiet in (None, *sorted(silent)))


def _can_turn(sections: Sequence[Section], quiet: str | None, shape: str) -> bool:
    heard = [s for s in sections if s.letter != quiet]
    if shape == "arch":
        only = {s.letter for s in heard}
        return len(only) > 1 or any(s.role == VARIED for s in heard) or len(heard) == 1
    level = 0  # so many sections from the first on have all the same pitch
    for place, section in enumerate(heard):
        if place > level:
            return True
        again = [i for i, s in enumerate(heard) if s.letter == section.letter and s.role != VARIED]
        if section.role != VARIED and len(again) > 1:
            level = max(level, again[-1])
        elif place == level:
            return True
    return False


__all__ = ["EndsModel", "Never", "can_have_shape"]
