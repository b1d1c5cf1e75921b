"""In which order the bars of a score are played: repeats and their endings, expanded once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tunesmith.errors import InputError
from tunesmith.melody import MOST_BARS

LONGEST = MOST_BARS
"""Bars that a tune may have once its repeats are played out."""


@dataclass(frozen=True, slots=True)
class Marks:
    """What stands at a bar about repeating.

    Attributes:
        starts_repeat: a repeat sign opens at its start.
        times: how often the passage that ends with this bar is played in all: 2 for
            a plain repeat sign at its end, 3 for one that says three times, 0 for none.
        endings: the numbers over it, for every bar under the bracket: {1}, {1, 3}.
        ends_section: a double barline stands after it.
    """

    starts_repeat: bool = False
    times: int = 0
    endings: frozenset[int] = frozenset()
    ends_section: bool = False


def playing_order(marks: Sequence[Marks]) -> list[int]:
    """The indices of the bars in the order in which they are played.

    A repeat without a start goes back to the end of the repeat before it, or to
    the last double barline, or to the beginning. An ending that belongs to no
    repeat is played as it stands; a first ending that is followed by a second one
    is a repeat even if its sign was forgotten.

    Raises:
        InputError: if that makes more than `LONGEST` bars.
    """
    order: list[int] = []
    start, opened, i = 0, False, 0  # of the passage at hand; whether a sign opened it; its next bar

    def play(first: int, last: int) -> None:
        if len(order) + last - first > LONGEST:
            raise InputError(
                f"with its repeats it has more than {LONGEST} bars",
                remedy="check the repeat signs",
            )
        order.extend(range(first, last))

    while i < len(marks):
        mark = marks[i]
        new_section = i > 0 and marks[i - 1].ends_section and not opened and not mark.endings
        if i > start and (mark.starts_repeat or new_section):
            play(start, i)
            start, opened = i, False
        opened = opened or mark.starts_repeat
        if not mark.endings and not mark.times:
            i += 1
            continue
        body_end = i if mark.endings else i + 1
        endings = _endings_at(marks, body_end)
        end = endings[-1][1] if endings else body_end
        times = max((m.times for m in marks[start:end]), default=0)
        if times or len(endings) > 1:
            turns = max(2, times, *(n for a, _ in endings for n in marks[a].endings))
            for turn in range(1, turns + 1):
                play(start, body_end)
                for first, last in endings:
                    if turn in marks[first].endings:
                        play(first, last)
        else:
            play(start, end)
        start, opened, i = end, False, end
    play(start, len(marks))
    return order


def _endings_at(marks: Sequence[Marks], i: int) -> list[tuple[int, int]]:
    """The brackets that follow each other from bar `i` on, as (first, after the last)."""
    groups: list[tuple[int, int]] = []
    seen: set[int] = set()
    while i < len(marks) and marks[i].endings and not marks[i].endings & seen:
        first = i
        seen |= marks[i].endings
        while i < len(marks) and marks[i].endings == marks[first].endings:
            if i > first and marks[i].starts_repeat:
                break
            i += 1
            if marks[i - 1].times:
                break
        groups.append((first, i))
        if i < len(marks) and marks[i].starts_repeat:
            break
    return groups
