"""Whether what is left of a melody can be filled: with so many notes of some lengths, and rests.

Each constraint on times tells by itself how many notes and how much silence may still come. Here
they are weighed together, or a search would spend all the room on long notes first and learn that
the many that are left do not fit only once it has gone through every end.
"""

from __future__ import annotations

from collections.abc import Sequence

from tunesmith.decoding.constraints.events import NOTE, Place
from tunesmith.decoding.constraints.groups import Group, States
from tunesmith.decoding.constraints.times import NotesPerBar, NoteValues, RestShare
from tunesmith.tokens.table import METER_STEPS


class Filling:
    """The bounds of notes, their lengths and the share of rests, taken together.

    Args:
        members: the constraints on times.
        bars: how many there may be, in order; empty if they are not all of one metre.
    """

    def __init__(self, members: Group, bars: Sequence[int]) -> None:
        self._members, self._bars = members, bars
        self._values = self._shares = self._numbers = -1
        for number, member in enumerate(members):
            if isinstance(member, NoteValues):
                self._values = number
            elif isinstance(member, RestShare):
                self._shares = number
            elif isinstance(member, NotesPerBar):
                self._numbers = number
        self.telling = self._values >= 0

    def fits(self, place: Place, time: States) -> bool:
        """False only if too many notes or rests are due for the room, or too few may come."""
        values = self._members[self._values]
        assert isinstance(values, NoteValues)
        least = self._members.least_notes(time, place)
        most = self._members.most_notes(time, place)
        kind, steps = time[self._values]
        missing, going_on = values.missing(steps) if kind == NOTE else 0, 0
        if place.held == 2:  # a note that began before all that is looked at may be of any length
            going_on = max(0, values.longest - steps) if kind else place.room
        if place.bar >= 0:
            sounding = going_on + most * values.longest
            rooms = {(room, room) for room in (place.room, place.room - place.pickup)}
        elif not self._bars:
            return least <= most
        else:  # when a pickup ends is open
            length, bars = METER_STEPS[place.meter], self._bars[-1]
            ahead = length - 1 - place.at
            rooms = {(bars * length - place.at, bars * length + ahead)}
            later = self._later(bars * (length // values.shortest + 1))
            most = min(most, ahead // values.shortest + 1 + later)
            sounding = ahead + (1 + later) * values.longest
        return least <= most and any(
            self._fill(time, low, high, missing + least * values.shortest, sounding)
            for low, high in rooms
        )

    def _later(self, most: int) -> int:
        """Notes that may come after the pickup."""
        if self._numbers < 0:
            return most
        numbers = self._members[self._numbers]
        assert isinstance(numbers, NotesPerBar)
        return min(most, numbers.high * self._bars[-1])

    def _fill(self, time: States, low: int, high: int, least: int, most: int) -> bool:
        """Whether `least` to `most` steps of sound fill a room between two, both included."""
        if self._shares < 0:
            return least <= high
        share = self._members[self._shares]
        assert isinstance(share, RestShare)
        rests, more = share.due(time[self._shares], low)[0], share.due(time[self._shares], high)[1]
        return rests <= more and least + rests <= high and low <= most + more


__all__ = ["Filling"]
