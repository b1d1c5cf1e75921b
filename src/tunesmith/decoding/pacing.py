"""Pace: what must come in all is led up to from early on, so that it need not be forced at the end.

Look-ahead only tells whether an end can still be reached. A tune that is to have so many notes, or
so much silence, would go on as it likes until the last bar, and then hurry through the rest of its
notes or be silent. Here the network's own choices are tilted, as little as will do: of all
distributions with a given mean the nearest to the network's is that times e^(θ·value) (Csiszár,
I-divergence geometry, 1975). θ is set anew each time from what is left, so what chance does is
made up for later.
"""

from __future__ import annotations

import math
from collections import deque

import numpy as np
from numpy.typing import NDArray

from tunesmith.decoding.constraints.events import UNKNOWN_ROOM, Place
from tunesmith.decoding.constraints.groups import States
from tunesmith.decoding.constraints.pitches import NoteCount
from tunesmith.decoding.constraints.search import Search
from tunesmith.decoding.constraints.steering import Spot
from tunesmith.decoding.constraints.times import NotesPerBar, RestShare
from tunesmith.decoding.sampling import Floats
from tunesmith.tokens.table import LENGTH0, LENGTHS, METER_STEPS, REST

_STEPS = np.array(LENGTHS, float)
_SPAN = slice(LENGTH0, LENGTH0 + len(LENGTHS))
_HEARD = 12
"""So many latest choices of a length tell how fast a tune goes by itself."""
_INSIDE = 0.15
"""The silence that is aimed at lies by so much of the asked span inside it."""
_STEEPEST = 0.5
"""θ of lengths, a step, at most: a note of a step more is e^0.5 times as likely."""


class Pace:
    """How one tune is held to the number of notes and the share of rests that it must have.

    Args:
        search: with the constraints on times.
    """

    def __init__(self, search: Search) -> None:
        self._search = search
        members = list(enumerate(search.time))
        self._counts = [(i, m) for i, m in members if isinstance(m, NotesPerBar)]
        self._shares = [(i, m) for i, m in members if isinstance(m, RestShare)]
        self._lengths: deque[Floats] = deque(maxlen=_HEARD)
        self._silence, self._time = 0.0, 0.0  # steps of rest that the network expected, and of all

    def led(self, logits: Floats, allowed: NDArray[np.bool_], spot: Spot) -> Floats | None:
        """The logits, tilted so that what must come will; None where they may stay as they are.

        Args:
            logits: (V,) of the network.
            allowed: (V,) what may come next.
            spot: the state of the tune.
        """
        node = spot.node
        if node is None or node.place.bar < 0:
            return None
        if spot.tune.pending:
            if not (self._shares and allowed[REST]):
                return None
            more: Floats | float = self._rest(
                logits, allowed, spot.tune.pending, node.place, node.time
            )
            where: int | slice = REST
        elif allowed[_SPAN].any():
            more, where = self._length(logits, allowed, node.place, node.time), _SPAN
        else:
            return None
        logits = logits.copy()
        logits[where] += more
        return logits

    def _length(
        self, logits: Floats, allowed: NDArray[np.bool_], place: Place, time: States
    ) -> Floats | float:
        """(lengths,) nats by which each is likelier than the network finds it."""
        span = np.where(allowed[_SPAN], logits[_SPAN], -np.inf)
        likely = np.exp(span - span.max())
        self._lengths.append(likely / likely.sum())
        shortest, longest = self._bounds(place, time)
        if not shortest < longest:
            shortest = longest = min(shortest, longest)
        usual = np.mean(self._lengths, axis=0)
        mean = float(usual @ _STEPS)
        if shortest <= mean <= longest:
            return 0.0
        return _tilt(usual, longest if mean > longest else shortest) * _STEPS

    def _bounds(self, place: Place, time: States) -> tuple[float, float]:
        """The mean lengths of notes, least and most, with which there will be as many as must."""
        shortest, longest = 0.0, math.inf
        spans = [
            (METER_STEPS[place.meter] - place.at, m.low - time[i], m.high - time[i])
            for i, m in self._counts
        ]
        if place.room < UNKNOWN_ROOM:
            least = self._search.time.least_notes(time, place)
            spans.append((place.room, least, self._search.time.most_notes(time, place)))
        for room, least, most in spans:
            if least > 0:
                longest = min(longest, room / least)
            if most > 0:
                shortest = max(shortest, room / most)
        return shortest, longest

    def _rest(
        self,
        logits: Floats,
        allowed: NDArray[np.bool_],
        length: int,
        place: Place,
        time: States,
    ) -> float:
        """Nats by which a rest of a length is likelier than the network finds it."""
        weights = np.exp(logits - logits.max()) * allowed
        own = float(weights[REST] / weights.sum())
        if own < 1:  # where nothing else is allowed, the network was not asked
            self._silence += length * own
            self._time += length
        if not self._time:
            return 0.0
        usual = self._silence / self._time
        for number, member in self._shares:
            rests, steps = time[number][:2]
            low, high = float(member.low), float(member.high)
            inside = _INSIDE * (high - low)
            whole = steps + place.room
            least = ((low + inside) * whole - rests) / place.room
            most = ((high - inside) * whole - rests) / place.room
            if not least <= usual <= most:
                return _log_odds(least if usual < least else most) - _log_odds(usual)
        return 0.0


def _log_odds(share: float) -> float:
    share = min(max(share, 1e-4), 1 - 1e-4)
    return math.log(share / (1 - share))


def _tilt(likely: Floats, mean: float) -> float:
    """θ with which lengths have a mean, by halving; see the module."""
    low, high = -_STEEPEST, _STEEPEST
    for _ in range(16):
        middle = (low + high) / 2
        weights = likely * np.exp(middle * (_STEPS - mean))
        if float(weights @ (_STEPS - mean)) > 0:
            high = middle
        else:
            low = middle
    return (low + high) / 2


def pace(search: Search) -> Pace | None:
    """How a tune is held to what a search asks; None if there is nothing to be led up to."""
    paced = any(isinstance(m, NotesPerBar | NoteCount | RestShare) for m in search.time)
    return Pace(search) if paced else None


__all__ = ["Pace", "pace"]
