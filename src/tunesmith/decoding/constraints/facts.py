"""The shape of a melody: how many bars, which metres, what pickup."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tunesmith.decoding.constraints.events import MIDDLES, MOST_UNASKED_BARS, Place
from tunesmith.tokens.table import METER_STEPS, METERS

_USUAL_BARS = (8, 16, 4, 2, 12, 1, 32, 24, 3, 6)
_USUAL_METERS = ("4/4", "3/4", "2/4", "6/8", "2/2", "3/8", "9/8", "12/8", "6/4", "5/4")


@dataclass(frozen=True)
class Facts:
    """The shape a melody must have.

    Attributes:
        bars: exact number without the pickup; None for 1 to 64.
        meter: the metre's place in the table of the tokens; None for any.
        pickup: whether there is one, or its exact steps; None for either.
        layout: the metre of each bar, where a melody says it; then `bars` is their number.
        base: bars that the constraints do not count, those of a primer they do not see.
        usual: the metre and the number of bars of a melody whose line is followed, likely here too.
        whole: the number of bars of all that is asked, where this is but a part of it that says
            none: what holds of the whole holds of the part, also beyond 64.
        contradiction: whether what was asked gives two shapes.
    """

    bars: int | None = None
    meter: int | None = None
    pickup: bool | int | None = None
    layout: tuple[int, ...] | None = None
    base: int = 0
    usual: tuple[int, int] | None = None
    whole: int | None = None
    contradiction: bool = False

    def bar_counts(self) -> tuple[int, ...]:
        """The numbers of bars there may be, the usual ones first."""
        if self.bars is not None:
            return (self.bars,)
        first = [self.usual[1]] if self.usual and self.usual[1] <= MOST_UNASKED_BARS else []
        last = [self.whole] if self.whole else []
        return tuple(dict.fromkeys([*first, *_USUAL_BARS, *range(1, MOST_UNASKED_BARS + 1), *last]))

    def meters(self) -> tuple[int, ...]:
        """The metres there may be at the start, the usual ones first."""
        if self.layout:
            return (self.layout[0],)
        if self.meter is not None:
            return (self.meter,)
        first = [self.usual[0]] if self.usual else []
        usual = [METERS.index(m) for m in _USUAL_METERS]
        return tuple(dict.fromkeys([*first, *usual, *range(len(METERS))]))

    def room(self, bars: int, meter: int) -> int:
        """Steps in so many bars."""
        if self.layout:
            return sum(METER_STEPS[m] for m in self.layout[-bars:])
        return bars * METER_STEPS[meter]

    def pickup_room(self, place: Place) -> int:
        """Steps that the pickup may still take, from a place in it."""
        most = METER_STEPS[place.meter] - 1
        if self.pickup is not None and not isinstance(self.pickup, bool):
            most = self.pickup if self.pickup <= most else 0
        return most - place.at

    def pickup_complete(self, place: Place) -> bool:
        """Whether the pickup may end at a place in it."""
        if self.pickup is None or isinstance(self.pickup, bool):
            return place.at > 0
        return place.at == self.pickup


def unlike(meters: Sequence[int]) -> list[int]:
    """Of metres whose bars are equally long and equally stressed, the first only."""
    found = {(METER_STEPS[m], MIDDLES[m]): m for m in reversed(meters)}
    return [m for m in meters if found[METER_STEPS[m], MIDDLES[m]] == m]
