"""Sections that repeat, exactly or varied; see docs."""

from __future__ import annotations

import re
from collections.abc import Collection, Hashable, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

from tunesmith.decoding.constraints.events import (
    BAR,
    NOTE,
    REST,
    SOUNDS,
    TIE,
    Constraint,
    Event,
    Place,
)
from tunesmith.errors import UsageError

Notes = tuple[tuple[int, int, int], ...]
Classes = dict[int, tuple[int, ...]]
"""Of each pitch all that nothing tells from it, itself included."""
MODEL, COPY, VARIED = range(3)
_FORGOTTEN = -2


class Section(NamedTuple):
    """A section of a form.

    Attributes:
        letter: its letter.
        role: 0 the first of its letter, 1 an exact copy, 2 a varied one.
    """

    letter: str
    role: int


def parse_form(text: str) -> tuple[Section, ...]:
    """The sections of a form as typed: "AABA", "AA'B".

    Raises:
        UsageError: if it is none.
    """
    text = re.sub(r"[’′]", "'", "".join(text.split()))
    if not re.fullmatch(r"([A-Z]'*)+", text):
        raise UsageError(f"'{text}' is no form", remedy="write capital letters, as AABA or AA'BA")
    sections: list[Section] = []
    for letter, primes in re.findall(r"([A-Z])('*)", text):
        known = any(s.letter == letter for s in sections)
        if primes and not known:
            raise UsageError(
                f"the form {text} varies {letter} before it has been",
                remedy=f"write {letter} first",
            )
        sections.append(Section(letter, (VARIED if primes else COPY) if known else MODEL))
    return tuple(sections)


class FormState(NamedTuple):
    """Where in a form we are.

    Attributes:
        section: place of the section; -1 before the first.
        models: of each letter so far, in order, the id of its notes; -1 where no longer needed.
        at: steps from the start of the section.
        notes: in a model, the id of its notes so far, or -2 where these no longer matter; else how
            many of the model's notes came.
        owed: in a copy, steps for which the last note must still sound on.
        same: in a varied copy, notes with the model's pitch.
        alike: the number of the classes of pitches of which one is written for all; 0 for none.
    """

    section: int = -1
    models: tuple[int, ...] = ()
    at: int = 0
    notes: int = 0
    owed: int = 0
    same: int = 0
    alike: int = 0


class Form(Constraint):
    """Sections of equal numbers of bars, of which some repeat others.

    What can follow a section does not depend on which of two pitches a note of it has that nothing
    else tells apart: exchange both wherever such a note stands in a section at that place, and
    all is kept as before. So a search may write one for all (`likened`).
    """

    name = "form"
    hears: ClassVar[frozenset[str]] = SOUNDS | {BAR}
    seamless: ClassVar[bool] = True
    measures: ClassVar[bool] = False

    def __init__(self, sections: Sequence[Section]) -> None:
        self.sections = tuple(sections)
        self._letters = list(dict.fromkeys(s.letter for s in sections))
        self._roles = [s.role for s in sections]
        self._letter = [self._letters.index(s.letter) for s in sections]
        # Lists of notes have ids, by what they were before their last note: states stay small.
        self._ids: dict[tuple[int, tuple[int, int, int]], int] = {}
        self._lists: list[tuple[int, Notes]] = [(0, ())]
        self._classes: list[Classes] = [{}]
        self._numbers: dict[tuple[Hashable, ...], int] = {}
        self._stand: dict[tuple[int, tuple[int, ...], int], int] = {}
        # The last section that still needs the model of each letter.
        self._needed = [self._last_use(letter) for letter in self._letters]

    def _last_use(self, letter: str) -> int:
        uses = [i for i, s in enumerate(self.sections) if s.letter == letter]
        first = uses[0]
        later_models = [i for i, s in enumerate(self.sections) if s.role == MODEL and i > first]
        return max([*uses[1:], *self._compared(later_models), first])

    def _compared(self, models: list[int]) -> list[int]:
        return models

    def _pitch(self, event: Event) -> int:
        return event.pitch

    def _add(self, before: int, note: tuple[int, int, int]) -> int:
        key = (before, note)
        if key not in self._ids:
            self._ids[key] = len(self._lists)
            self._lists.append((before, (*self._lists[before][1], note)))
        return self._ids[key]

    def start(self) -> FormState:  # noqa: D102
        return FormState()

    def welcomes(self, state: FormState, kind: str) -> bool:  # noqa: D102
        section = state.section
        if section < 0:
            return kind != BAR
        return kind in (NOTE, REST) and self.sections[section].role == MODEL

    def step(self, state: FormState, event: Event) -> Hashable | None:  # noqa: D102
        if event.kind == BAR:
            bars = event.bar + event.left
            if bars % len(self.sections):
                return None
            begins = event.bar % (bars // len(self.sections)) == 0
            return self._next(state) if begins else state
        section = state.section
        if section < 0:
            return state
        if event.kind == TIE and state.at == 0:
            return None
        at, alike = state.at + event.length, state.alike
        role = self._roles[section]
        if role == MODEL:
            return FormState(section, state.models, at, self._written(state, event), 0, 0, alike)
        model = self._model(state, section)
        if event.kind == TIE:
            owed = state.owed - event.length
            later = FormState(section, state.models, at, state.notes, owed, state.same, alike)
            return later if owed >= 0 else None
        if state.owed:
            return None
        done = state.notes == len(model)
        if event.kind == REST:
            later = FormState(section, state.models, at, state.notes, 0, state.same, alike)
            return later if done or at <= model[state.notes][0] else None
        if done or model[state.notes][0] != state.at:
            return None
        _, length, pitch = model[state.notes]
        same = state.same
        if role == COPY and self._pitch(event) != pitch:
            return None
        if role == VARIED:
            same += self._pitch(event) == pitch
            if not self._can_vary(same, state.notes + 1, len(model)):
                return None
        owed = length - event.length
        if owed < 0:
            return None
        return FormState(section, state.models, at, state.notes + 1, owed, same, alike)

    def _can_vary(self, same: int, seen: int, notes: int) -> bool:
        return 2 * (same + notes - seen) >= notes and (same < notes or seen < notes)

    def _written(self, state: FormState, event: Event) -> int:
        if event.kind == REST or state.notes == _FORGOTTEN:
            return state.notes
        if event.kind == NOTE:
            pitch = self._pitch(event)
            if state.alike:
                pitch = self._standing(state, pitch)
            notes = self._add(state.notes, (state.at, event.length, pitch))
        else:
            before, held = self._lists[state.notes]
            if not held:
                return state.notes
            onset, length, pitch = held[-1]
            notes = self._add(before, (onset, length + event.length, pitch))
        if self._needed[self._letter[state.section]] > state.section:
            return notes
        return _FORGOTTEN if self._differs_by_now(notes, state.models) else notes

    def _differs_by_now(self, notes: int, models: tuple[int, ...]) -> bool:
        """Whether it is settled that some notes, however they go on, are those of no model."""
        mine = self._lists[notes][1]
        return all(m < 0 or _differs(mine, self._lists[m][1]) for m in models)

    def _standing(self, state: FormState, pitch: int) -> int:
        """The first pitch of a class, but that notes are like those of another model or not."""
        mine = self._lists[state.notes][1]
        models = (self._lists[m][1] for m in state.models if m >= 0)
        taken = [m[len(mine)][2] for m in models if _goes_on(m, mine, state.at)]
        if pitch in taken:
            return pitch
        return next(p for p in self._classes[state.alike][pitch] if p not in taken)

    def likened(self, state: FormState, told: Mapping[int, Hashable]) -> FormState:
        """The state with one pitch written for all that nothing tells apart.

        Args:
            state: as it was.
            told: of each pitch what can be told of it.
        """
        key = tuple(told.values())
        alike = self._numbers.get(key)
        if alike is None:
            classes: dict[Hashable, list[int]] = {}
            for pitch, what in told.items():
                classes.setdefault(what, []).append(pitch)
            alike = self._numbers[key] = len(self._classes)
            self._classes.append({p: tuple(classes[what]) for p, what in told.items()})
        models: list[int] = []
        for number, one in enumerate(state.models):
            models.append(self._standing_list(one, state.models[:number], models, alike))
        notes = state.notes
        if state.section >= 0 and self._roles[state.section] == MODEL:
            notes = self._standing_list(notes, state.models, models, alike)
        return state._replace(models=tuple(models), notes=notes, alike=alike)

    def _standing_list(
        self, one: int, before: tuple[int, ...], stand: Sequence[int], alike: int
    ) -> int:
        """The id of the notes that stand for some.

        Args:
            one: the id of these.
            before: those of models before them.
            stand: those of what stands for these.
            alike: the number of the classes of pitches.
        """
        new: list[int] = []
        while one > 0 and (one, before, alike) not in self._stand:
            new.append(one)
            one = self._lists[one][0]
        found = one if one <= 0 else self._stand[one, before, alike]
        models = [
            (self._lists[a][1], self._lists[b][1])
            for a, b in zip(before, stand, strict=False) if a >= 0
        ]  # fmt: skip
        for one in reversed(new):
            *earlier, (onset, length, pitch) = self._lists[one][1]
            taken = {
                was[len(earlier)][2]: now[len(earlier)][2]
                for was, now in models if _goes_on(was, tuple(earlier), onset)
            }  # fmt: skip
            stands = taken.get(pitch)
            if stands is None:
                some = self._classes[alike][pitch]
                stands = next(p for p in some if p not in taken.values())
            found = self._add(found, (onset, length, stands))
            self._stand[one, before, alike] = found
        return found

    def _model(self, state: FormState, section: int) -> Notes:
        return self._lists[state.models[self._letter[section]]][1]

    def _ended(self, state: FormState) -> bool:
        """Whether the section that a state is in may end there."""
        section = state.section
        if section < 0:
            return True
        role = self.sections[section].role
        if role == MODEL:
            varied = Section(self.sections[section].letter, VARIED) in self.sections
            few = varied and len(self._lists[state.notes][1]) < 2  # nothing to keep and to change
            return not few and self._differs(state)
        model = self._model(state, section)
        if state.owed or state.notes < len(model):
            return False
        return role == COPY or self._varies(state, len(model))

    def _differs(self, state: FormState) -> bool:
        return state.notes not in state.models

    def _varies(self, state: FormState, notes: int) -> bool:
        return state.same < notes and 2 * state.same >= notes

    def _next(self, state: FormState) -> FormState | None:
        if not self._ended(state):
            return None
        models, section = state.models, state.section
        if section >= 0 and self.sections[section].role == MODEL:
            models = (*models, state.notes)
        models = tuple(
            m if section < last else -1 for m, last in zip(models, self._needed, strict=False)
        )
        return FormState(section + 1, models, alike=state.alike)

    def lengths(  # noqa: D102
        self, state: FormState, place: Place, kind: str, room: int, cuts: Collection[int]
    ) -> Collection[int] | None:
        if state.section < 0 or self._roles[state.section] == MODEL:
            return None
        due, length = self.due(state, room)
        if not length:
            return None if kind == REST else ()
        return (length,) if kind == due else ()

    def wanted(self, state: FormState, needed: Sequence[int]) -> int | None:
        """How many notes a section waits for; None in the pickup and where silence is repeated.

        With one more a new one can be made unlike those before, if it is not so by now.

        Args:
            state: in it.
            needed: notes of each section, if it is new.
        """
        section = state.section
        if section < 0:
            return None
        if self._roles[section] != MODEL:
            return 0 if self._model(state, section) else None
        if state.notes == _FORGOTTEN:
            return 0
        mine = self._lists[state.notes][1]
        compared = any(m >= 0 for m in state.models)
        unlike = not compared or (mine and self._differs_by_now(state.notes, state.models))
        return max(needed[section] - len(mine), 0 if unlike else 1)

    def copies(self, state: FormState) -> bool:
        """Whether the section that a state is in repeats another."""
        return state.section >= 0 and self._roles[state.section] != MODEL

    def due(self, state: FormState, room: int) -> tuple[str, int]:
        """What must come next in a section that repeats another, and its steps, up to `room`.

        After the last note that is a rest of 0 steps: of any length.
        """
        if state.owed:
            return TIE, min(state.owed, room)
        model = self._model(state, state.section)
        if state.notes == len(model):
            return REST, 0
        onset, length, _ = model[state.notes]
        if onset == state.at:
            return NOTE, min(length, room)
        return REST, min(onset - state.at, room)

    def only_pitch(self, state: FormState, event: Event) -> int | None:  # noqa: D102
        section = state.section
        if section < 0 or self._roles[section] == MODEL:
            return None
        model, seen = self._model(state, section), state.notes + 1
        free = self._roles[section] == VARIED and self._can_vary(state.same, seen, len(model))
        return None if free or seen > len(model) else model[seen - 1][2]

    def fitting(  # noqa: D102
        self, state: FormState, event: Event, pitches: Collection[int]
    ) -> Collection[int]:
        if state.section < 0 or self._roles[state.section] != VARIED:
            return super().fitting(state, event, pitches)
        model = self._model(state, state.section)
        its = model[state.notes][2] if state.notes < len(model) else 0
        others = [p for p in pitches if p != its]  # one is as good as another
        found = super().fitting(state, event, [its, *others[:1]])
        return [p for p in pitches if (p if p == its else others[0]) in found]

    def possible_bars(self, bars: int) -> bool:  # noqa: D102
        return bars % len(self.sections) == 0

    def accept(self, state: FormState) -> bool:  # noqa: D102
        return state.section == len(self.sections) - 1 and self._ended(state)

    def shadows(self) -> tuple[Constraint, ...]:  # noqa: D102
        starts = _SectionStarts(len(self.sections))
        return (FormTimes(self.sections), starts, SectionsHeard(self.sections))

    def repeats(self, bar: int, bars: int) -> tuple[int, ...]:
        """The bars where a bar stands again exactly, with itself, when it is first written."""
        size = bars // len(self.sections)
        if not size:
            return (bar,)
        letter, role = self.sections[min(bar // size, len(self.sections) - 1)]
        if role != MODEL:
            return (bar,)
        inside = bar % size
        return (bar, *(
            i * size + inside for i, s in enumerate(self.sections)
            if s == Section(letter, COPY)
        ))  # fmt: skip


def _differs(notes: Notes, model: Notes) -> bool:
    """Whether notes, of which the last may still be prolonged, cannot go on as a model does."""
    count = len(notes)
    if count > len(model) or notes[:-1] != model[: count - 1]:
        return True
    (onset, length, pitch), its = notes[-1], model[count - 1]
    return (onset, pitch) != (its[0], its[2]) or length > its[1]


def _goes_on(model: Notes, notes: Notes, onset: int) -> bool:
    """Whether a model begins with some notes and has its next one at an onset."""
    count = len(notes)
    return len(model) > count and model[count][0] == onset and model[:count] == notes


class FormTimes(Form):
    """What a form says of rhythm alone."""

    kind: ClassVar[str] = "time"

    def at_best(self) -> Any:  # noqa: D102
        return self.start()

    def _pitch(self, event: Event) -> int:
        return 0

    def _compared(self, models: list[int]) -> list[int]:
        return []

    def _can_vary(self, same: int, seen: int, notes: int) -> bool:
        return True

    def _differs(self, state: FormState) -> bool:
        return True

    def _differs_by_now(self, notes: int, models: tuple[int, ...]) -> bool:
        return True  # its rhythm may be another's

    def _varies(self, state: FormState, notes: int) -> bool:
        return notes > 0

    def shadows(self) -> tuple[Constraint, ...]:  # noqa: D102
        return ()


class _SectionStarts(Constraint):
    """No note sounds across the start of a section; the state is whether one begins here."""

    name = "form"
    kind: ClassVar[str] = "time"
    hears: ClassVar[frozenset[str]] = SOUNDS | {BAR}
    seamless: ClassVar[bool] = True
    measures: ClassVar[bool] = False
    sectional: ClassVar[bool] = True

    def __init__(self, sections: int) -> None:
        self._sections = sections

    def welcomes(self, state: int, kind: str) -> bool:
        return kind in (NOTE, REST) or (kind == TIE and not state)

    def step(self, state: int, event: Event) -> Hashable | None:
        if event.kind != BAR:
            return None if state and event.kind == TIE else 0
        bars = event.bar + event.left
        if bars % self._sections:
            return None
        return int(event.bar % (bars // self._sections) == 0)


class SectionsHeard(Constraint):
    """New sections have notes, two where they are varied later; but one letter may be silent.

    The state: notes that this section needs, how many of them came, and whether a letter is silent.

    Args:
        sections: these.
        silent: whether one is taken to be silent before the first, so that no other may be.
    """

    name = "form"
    kind: ClassVar[str] = "time"
    hears: ClassVar[frozenset[str]] = frozenset({NOTE, BAR})
    seamless: ClassVar[bool] = True
    measures: ClassVar[bool] = False
    sectional: ClassVar[bool] = True  # beside one of its kind that lets none be silent

    def __init__(self, sections: Sequence[Section], silent: bool = False) -> None:
        self._silent = silent
        self.needed = tuple(
            0 if s.role != MODEL else 2 if Section(s.letter, VARIED) in sections else 1
            for s in sections
        )

    def start(self) -> Hashable:  # noqa: D102
        return (0, 0, self._silent)

    def at_best(self) -> Any:  # noqa: D102
        return self.start()

    def step(self, state: tuple[int, int, bool], event: Event) -> Hashable | None:  # noqa: D102
        needed, came, silent = state
        if event.kind == NOTE:
            return (needed, min(came + 1, needed), silent)
        size, off = divmod(event.bar + event.left, len(self.needed))
        if off:
            return None
        if event.bar % size:
            return state
        if not self.accept(state):
            return None
        return (self.needed[event.bar // size], 0, silent or came < needed)

    def accept(self, state: tuple[int, int, bool]) -> bool:  # noqa: D102
        needed, came, silent = state
        return came == needed or (needed == 1 and not silent)

    def least_notes(self, state: tuple[int, int, bool], place: Place) -> int:  # noqa: D102
        needed, came, silent = state
        later = self.needed
        if place.bar >= 0:
            size = (place.bar + place.left) // len(self.needed)
            later = later[place.bar // size + 1 :] if size else ()
        return max(0, needed - came + sum(later) - (not silent))
