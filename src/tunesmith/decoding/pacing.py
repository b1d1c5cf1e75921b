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
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.decoding.constraints.events import UNKNOWN_ROOM, Place
from tunesmith.decoding.constraints.groups import States
from tunesmith.decoding.constraints.pitches import LastStrong, NoteCount
from tunesmith.decoding.constraints.search import Node, Search
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
_AHEAD = 0.9
"""Notes that must come should be there after this part of the time: chance also slows tunes down,
and a last note that lasts is better than a hurry."""
_STEEPEST = 0.5
"""θ of lengths, a step, at most: a note of a step more is e^0.5 times as likely."""


class Pace:
    """How the tunes of a batch are held to the number of notes and the share of rests that must be.

    Args:
        searches: of each tune, with its constraints on times; None for one that has none.
        temperature: by which logits will be divided.
    """

    def __init__(self, searches: Sequence[Search | None], temperature: float) -> None:
        self._heat = temperature or 1.0
        self._searches = [s if s and _is_paced(s) else None for s in searches]
        self._idle = not any(self._searches)
        self._usual = np.zeros((len(searches), len(LENGTHS)))  # what lengths the network expects
        self._heard = np.zeros(len(searches))  # choices so far that told so
        self._silence = np.zeros(len(searches))  # steps of rest that the network expected
        self._time = np.zeros(len(searches))  # of these steps

    def led(
        self, rows: Sequence[int], spots: Sequence[Any], logits: Floats, allowed: NDArray[np.bool_]
    ) -> Floats:
        """(rows, V) logits, tilted so that what must come will.

        Args:
            rows: the tunes.
            spots: their states.
            logits: (rows, V) of the network.
            allowed: (rows, V) what may come next.
        """
        if self._idle:
            return logits
        heat = self._heat
        lengths: list[int] = []
        rests: list[int] = []
        for at, (row, spot) in enumerate(zip(rows, spots, strict=True)):
            if self._searches[row] and spot.node is not None and spot.node.place.bar >= 0:
                (rests if spot.tune.pending else lengths).append(at)
        # A length that is no choice tells nothing of how fast a tune goes.
        lengths = [at for at in lengths if np.count_nonzero(allowed[at, _SPAN]) > 1]
        rests = [at for at in rests if allowed[at, REST] and _shares(self._searches[rows[at]])]
        if lengths or rests:
            logits = logits.copy()
        if lengths:
            self._hear_lengths(rows, lengths, logits / heat, allowed)
        for at in lengths:
            logits[at, _SPAN] += heat * self._length(rows[at], spots[at].node) * _STEPS
        for at in rests:
            logits[at, REST] += heat * self._rest(
                rows[at], spots[at], logits[at] / heat, allowed[at]
            )
        return logits

    def _hear_lengths(
        self,
        rows: Sequence[int],
        places: Sequence[int],
        logits: Floats,
        allowed: NDArray[np.bool_],
    ) -> None:
        """Learn how fast tunes go by themselves, where some (places among the rows) may choose."""
        chosen = [rows[at] for at in places]
        span = np.where(allowed[places, _SPAN], logits[places, _SPAN], -np.inf)
        likely = np.exp(span - span.max(axis=1, keepdims=True))
        likely /= likely.sum(axis=1, keepdims=True)
        self._heard[chosen] += 1
        news = 1 / np.minimum(self._heard[chosen], _HEARD)[:, None]
        self._usual[chosen] += news * (likely - self._usual[chosen])

    def _length(self, row: int, node: Node) -> float:
        """θ of the next length."""
        search = self._searches[row]
        assert search
        shortest, longest = _bounds(search, node.place, node.time)
        mean = float(self._usual[row] @ _STEPS)
        if shortest <= mean <= longest:
            return 0.0
        return _tilt(self._usual[row], longest if mean > longest else shortest)

    def _rest(self, row: int, spot: Spot, logits: Floats, allowed: NDArray[np.bool_]) -> float:
        """Nats by which a rest of the length that is told is likelier than the network finds it."""
        weights = np.exp(np.where(allowed, logits, -np.inf) - logits[allowed].max())
        own = float(weights[REST] / weights.sum())
        if own < 1:  # where nothing else is allowed, the network was not asked
            self._silence[row] += spot.tune.pending * own
            self._time[row] += spot.tune.pending
        if not self._time[row] or spot.node is None:
            return 0.0
        usual, (place, time, *_) = self._silence[row] / self._time[row], spot.node
        for number, member in _shares(self._searches[row]):
            rests, steps = time[number][:2]
            low, high = float(member.low), float(member.high)
            inside = _INSIDE * (high - low)
            whole = steps + place.room
            least = ((low + inside) * whole - rests) / place.room
            most = ((high - inside) * whole - rests) / place.room
            if not least <= usual <= most:
                return _log_odds(least if usual < least else most) - _log_odds(usual)
        return 0.0


def _is_paced(search: Search) -> bool:
    return any(isinstance(m, NotesPerBar | NoteCount | LastStrong | RestShare) for m in search.time)


def _shares(search: Search | None) -> list[tuple[int, RestShare]]:
    members = search.time if search else ()
    return [(i, m) for i, m in enumerate(members) if isinstance(m, RestShare)]


def _bounds(search: Search, place: Place, time: States) -> tuple[float, float]:
    """The mean lengths of notes, least and most, with which there will be as many as must."""
    shortest, longest = 0.0, math.inf
    spans = [
        (METER_STEPS[place.meter] - place.at, m.low - time[i], m.high - time[i])
        for i, m in enumerate(search.time)
        if isinstance(m, NotesPerBar)
    ]
    if place.room < UNKNOWN_ROOM:
        least = search.time.least_notes(time, place)
        spans.append((place.room, least, search.time.most_notes(time, place)))
    for room, least, most in spans:
        if least > 0:
            longest = min(longest, _AHEAD * room / least)
        if most > 0:
            shortest = max(shortest, room / most)
    return min(shortest, longest), longest


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


__all__ = ["Pace"]
