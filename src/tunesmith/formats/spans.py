"""How a bar's time is cut into plain and tuplet spans, and these into note values."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache

from tunesmith.melody import WHOLE, Meter, Note
from tunesmith.theory import metrical_weight

GRID = WHOLE // 128
"""Ticks of the shortest plain note value, the 128th."""

_TUPLETS = (3, 5, 7, 9, 11, 13)
_SMALLEST_SPAN = WHOLE // 32  # no tuplet is shorter than a 32nd in all
_UNSPELLABLE = 100  # cost of a boundary that has to move: more than any tuplet


@dataclass(frozen=True, slots=True)
class Region:
    """A span of a bar, plain (`actual` 1) or one tuplet; ticks from the full bar's start."""

    start: int
    end: int
    actual: int = 1
    normal: int = 1
    level: int = 0  # halvings of the tuplet's own unit that its notes need


@dataclass(frozen=True, slots=True)
class Segment:
    """A note, or a silence, as far as it lies in the bar; ticks from the full bar's start."""

    start: int
    end: int
    note: Note | None
    has_onset: bool  # whether it begins here rather than sounding on


# -- plain and tuplet spans ------------------------------------------------------


def cover(cuts: list[int], segments: list[Segment], meter: Meter) -> list[Region] | None:
    """The cheapest cover of a bar by plain and tuplet regions, or None if there is none."""
    bar_ticks, beat = meter.bar_ticks, meter.beat_ticks
    if all(c % GRID == 0 for c in cuts):
        return [Region(0, bar_ticks)]
    parts = 3 if beat == 3 * WHOLE // meter.denominator else 2
    best: list[tuple[float, list[Region]]] = [(0.0, [])]
    for end in range(beat, bar_ticks + 1, beat):
        options = []
        for beats in (1, 2, 3, 4):
            start = end - beats * beat
            if start < 0:
                break
            cost, before = best[start // beat]
            off_centre = bar_ticks % (end - start) == 0 and start % (end - start) != 0
            if beats == 1:
                added, regions = _divide(start, end, cuts, segments, parts)
            else:
                added, regions = _as_tuplet(start, end, cuts)
            options.append((cost + added + off_centre, before + regions))
        best.append(min(options, key=lambda o: o[0]))
    total, regions = best[-1]
    return None if total == float("inf") else _merged(regions)


def _divide(
    start: int, end: int, cuts: list[int], segments: list[Segment], parts: int
) -> tuple[float, list[Region]]:
    """The cheapest way to write a beat or a part of one, and its cost."""
    inner = cuts[bisect_right(cuts, start) : bisect_left(cuts, end)]
    if all(c % GRID == 0 for c in inner):
        return 0.0, [Region(start, end)]
    options = [_as_tuplet(start, end, cuts)]
    moves = _moved(start, end, cuts, segments)
    if moves is not None:
        off_grid = sum(c % GRID != 0 for c in inner)
        options.append((_UNSPELLABLE * off_grid, [Region(start, end)]))
    if end - start > _SMALLEST_SPAN:
        step = (end - start) // parts
        halves = [_divide(s, s + step, cuts, segments, 2) for s in range(start, end, step)]
        options.append((sum(h[0] for h in halves), [r for h in halves for r in h[1]]))
    return min(options, key=lambda o: o[0])


def _as_tuplet(start: int, end: int, cuts: list[int]) -> tuple[float, list[Region]]:
    """One tuplet over a span and its cost: infinite where none fits.

    It costs more the more it is subdivided, the rarer its number is, and where
    a note has to be tied across its edges or begins in the span's middle.
    """
    span = end - start
    inner = cuts[bisect_right(cuts, start) : bisect_left(cuts, end)]
    base = span // GRID
    odd = base // (base & -base) if base and span % GRID == 0 else 0
    if not inner or odd not in (1, 3):
        return float("inf"), []
    edges = sum(c not in cuts and c not in (0,) for c in (start, end))
    middle = (start + end) // 2 in cuts
    offsets = [c - start for c in inner]
    best: tuple[float, list[Region]] = (float("inf"), [])
    for rarity, actual in enumerate(_TUPLETS):
        if odd == 3 and actual % 3 == 0:
            continue  # three in the time of three is plain
        if actual > 5 and len(inner) < 3:
            continue  # a gap of a tick or two, not a septuplet
        normal = odd
        while 2 * normal < actual and span % (2 * normal * GRID) == 0:
            normal *= 2
        for level in range(6 if actual <= 5 else 2):
            if span < normal * GRID << level:
                break
            if _tuplet_grid(span, actual << level).issuperset(offsets):
                cost = 2 + rarity + level + 2 * edges + middle
                if cost < best[0]:
                    best = float(cost), [Region(start, end, actual, normal, level)]
                break
    return best


@lru_cache(maxsize=4096)
def _tuplet_grid(span: int, parts: int) -> frozenset[int]:
    """A span cut into equal parts, each cut rounded to the tick as readers do."""
    return frozenset(_rounded(k * span, parts) for k in range(parts))


def _rounded(top: int, bottom: int) -> int:
    """A fraction to the nearest whole number, halves upwards."""
    return (2 * top + bottom) // (2 * bottom)


def _merged(regions: list[Region]) -> list[Region]:
    """Neighbouring plain regions as one."""
    out: list[Region] = []
    for region in regions:
        if out and out[-1].actual == region.actual == 1:
            out[-1] = replace(out[-1], end=region.end)
        else:
            out.append(region)
    return out


def places_of(cuts: list[int], segments: list[Segment], regions: list[Region]) -> dict[int, int]:
    """Where each boundary is written: as it is, except for the unspellable ones."""
    places = {segments[0].start: segments[0].start} | {c: c for c in cuts}
    for region in regions:
        if region.actual == 1:
            moved = _moved(region.start, region.end, cuts, segments)
            if moved is not None:
                places.update(moved)
    return places


def _moved(start: int, end: int, cuts: list[int], segments: list[Segment]) -> dict[int, int] | None:
    """The boundaries inside a span moved to grid points, so that no note is empty.

    The grid is the coarsest of 32nds, 64ths and 128ths that holds the boundaries
    which need not move and has room for every note: a played rhythm is to be
    read rather than followed to the tick. None if there is no room.
    """
    first, last = bisect_right(cuts, start), bisect_left(cuts, end)
    inner = cuts[first:last]
    # cuts[i] is where segments[i + 1] begins
    keep = [
        segments[i].note is not None and segments[i].has_onset and segments[i].start >= start
        for i in range(first, last + 1)
    ]
    for grid in (4 * GRID, 2 * GRID, GRID):
        if all(c % grid == 0 for c in inner if c % GRID == 0) and (end - start) % grid == 0:
            moved = _moved_to(grid, start, end, inner, keep)
            if moved is not None:
                return moved
    return None


def _moved_to(
    grid: int, start: int, end: int, inner: list[int], keep: list[bool]
) -> dict[int, int] | None:
    """The boundaries on the nearest points of a grid that leave every note to keep a step of it.

    Args:
        grid: ticks between its points, counted from the bar's start.
        start: of the span.
        end: of the span.
        inner: the boundaries inside it.
        keep: for each stretch between them, whether a note begins with it; one more.
    """
    out = [(c + grid // 2) // grid * grid for c in inner]
    low = -(-start // grid) * grid
    for i in range(len(out)):
        low = out[i] = max(out[i], low + grid * keep[i])
    high = end // grid * grid
    for i in reversed(range(len(out))):
        high = out[i] = min(out[i], high - grid * keep[i + 1])
    if out and out[0] < start + grid * keep[0]:
        return None
    return dict(zip(inner, out, strict=True))


# -- note values -----------------------------------------------------------------

Piece = tuple[int, int, Fraction, int]
"""Start, ticks, value (as part of a whole note), dots."""


@lru_cache(maxsize=8192)
def split_plain(
    start: int, end: int, numerator: int, denominator: int, is_rest: bool
) -> tuple[Piece, ...]:
    """A span of a bar as single note values, split where the metre asks for it."""
    meter = Meter(0, numerator, denominator)
    single = single_value(Fraction(end - start, WHOLE))
    if single and _is_readable(start, end, meter, single[1], is_rest):
        return ((start, end - start, *single),)
    middle = _strongest(start, end, meter)
    return split_plain(start, middle, numerator, denominator, is_rest) + split_plain(
        middle, end, numerator, denominator, is_rest
    )


def single_value(length: Fraction) -> tuple[Fraction, int] | None:
    """A length (in whole notes) as a value and its dots, or None if no single value is it."""
    for dots, factor in ((0, Fraction(1)), (1, Fraction(2, 3))):
        value = length * factor
        top, bottom = value.numerator, value.denominator
        if value <= 2 and top & (top - 1) == 0 and bottom & (bottom - 1) == 0:
            return value, dots
    return None


def _strongest(start: int, end: int, meter: Meter) -> int:
    """The metrically strongest grid point inside a span, the last of equals.

    The last, so that over three beats a long note is a half tied to what is over.
    """
    points = range(start // GRID * GRID + GRID, end, GRID)
    return max(points, key=lambda p: (metrical_weight(p, meter), p))


def _is_readable(start: int, end: int, meter: Meter, dots: int, is_rest: bool) -> bool:
    """Whether one note value over this span leaves the metre plain to see.

    It does if no point inside is stronger than both its ends, or if it is a
    syncopation around a point just one level stronger, such as the quarter in
    eighth-quarter-eighth. In compound metres nothing shorter than whole beats
    crosses a beat; rests are never syncopated and begin at the strongest place they hold.
    """
    if end - start <= GRID:
        return True
    strongest = _strongest(start, end, meter)
    inside = metrical_weight(strongest, meter)
    ends = metrical_weight(start, meter), metrical_weight(end, meter)
    beat = meter.beat_ticks
    if beat == 3 * WHOLE // meter.denominator and strongest % beat == 0:
        return start % beat == end % beat == 0 and inside <= max(ends)
    if inside <= (ends[0] if is_rest else max(ends)):
        return True
    centred = strongest - start == end - strongest
    return not is_rest and dots == 0 and centred and inside - min(ends) == 1


def split_tuplet(start: int, end: int, region: Region) -> Iterator[Piece]:
    """A span inside a tuplet as single note values, at the tuplet's own speed."""
    span = region.end - region.start
    units = region.actual << region.level
    value = Fraction(span, WHOLE * region.normal << region.level)
    at = _rounded((start - region.start) * units, span)
    stop = _rounded((end - region.start) * units, span)
    while at < stop:
        size = stop - at
        while (single := single_value(Fraction(size, 1 << 20))) is None:
            size = 1 << (size.bit_length() - 1)
        here = region.start + _rounded(at * span, units)
        there = region.start + _rounded((at + size) * span, units)
        yield here, there - here, single[0] * (1 << 20) * value, single[1]
        at += size
