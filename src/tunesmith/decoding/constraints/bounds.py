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


class Bounds:
    """The bounds of notes, their lengths and the share of rests, taken together.

    Args:
        members: the constraints on times.
        bars: how many there may be, in any order; empty if they are not all of one metre.
    """

    def __init__(self, members: Group, bars: Sequence[int]) -> None:
        self._members, self._bars = members, bars
        self._values = self._shares = self._numbers = -1
        for number, member in enumerate(members):
            if isinstance(member, NoteValues):
                self._values, self._missing = number, member.missing
                self._shortest, self._longest = member.shortest, member.longest
            elif isinstance(member, RestShare):
                self._shares, self._due = number, member.due
            elif isinstance(member, NotesPerBar):
                self._numbers, self._most = number, member.high
        self.telling = self._values >= 0

    def fits(self, place: Place, time: States) -> bool:
        """False only if too many notes or rests are due for the room, or too few may come."""
        least = self._members.least_notes(time, place)
        most = self._members.most_notes(time, place)
        if least > most:
            return False
        kind, steps = time[self._values]
        missing, going_on = self._missing(steps) if kind == NOTE else 0, 0
        if place.held == 2:  # a note that began before all that is looked at may be of any length
            going_on = max(0, self._longest - steps) if kind else place.room
        if place.bar < 0:
            return self._fits_pickup(place, time, missing + least * self._shortest, least)
        sounds = missing + least * self._shortest, going_on + most * self._longest
        room = place.room
        return self._fill(time, room, room, *sounds) or (
            place.pickup > 0 and self._fill(time, room - place.pickup, room - place.pickup, *sounds)
        )

    def _fits_pickup(self, place: Place, time: States, sounds: int, least: int) -> bool:
        """The same in a pickup, whose end is open; at least so many steps and notes must come.

        No number of bars stands for all: few may be too short, and many too long to be filled.
        """
        length = METER_STEPS[place.meter]
        ahead = length - 1 - place.at
        here, in_bar = ahead // self._shortest + 1, length // self._shortest + 1  # notes at most
        if self._numbers >= 0:
            in_bar = min(in_bar, self._most)
        return not self._bars or any(
            least <= here + bars * in_bar
            and self._fill(
                time, bars * length - place.at, bars * length + ahead,
                sounds, ahead + (1 + bars * in_bar) * self._longest,
            )
            for bars in self._bars
        )  # fmt: skip

    def _fill(self, time: States, low: int, high: int, least: int, most: int) -> bool:
        """Whether `least` to `most` steps of sound fill a room between two, both included."""
        if self._shares < 0:
            return least <= high
        due, allowed = self._due(time[self._shares], high)  # steps of rest
        if low < high:
            due, _ = self._due(time[self._shares], low)
        return due <= allowed and least + due <= high and low <= most + allowed


__all__ = ["Bounds"]
