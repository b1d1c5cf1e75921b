"""Where bars that are kept meet sections that repeat: what they say of the others."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from tunesmith.decoding.constraints.events import Constraint
from tunesmith.decoding.constraints.form import VARIED, Form
from tunesmith.decoding.constraints.formends import Never
from tunesmith.decoding.constraints.template import ANY, Template, TimeTemplate

Notes = list[tuple[int, int, int]]


def kept_again(kept: Template, form: Form) -> list[Constraint]:
    """Bars that are kept in one section stand in those like it, too; their rhythm, where varied.

    It follows from both; it is there to be found early. All bars are of one metre.

    Args:
        kept: the given melody, of which some bars are kept.
        form: the sections.

    Returns:
        What more is kept; or that nothing can be, where two that should be alike are not.
    """
    notes, edges, chosen, pickup = kept.given
    bars = list(pairwise(edges))[pickup:]
    size, off = divmod(len(bars), len(form.sections))
    if off:
        return [Never(kept.name)]
    found: list[Constraint] = []
    for exactly in (True, False):
        more, added = [False] * len(chosen), Notes()
        for alike in _alike(form, exactly):
            for inside in range(size):
                places = [section * size + inside for section in alike]
                places = [b for b in places if _length(bars[b]) == _length(bars[places[0]])]
                told = [_alone(notes, *bars[b], exactly) for b in places if chosen[b + pickup]]
                known = [bar for bar in told if bar is not None]
                if any(bar != known[0] for bar in known):
                    return [Never(kept.name)]
                for b in places if known else ():
                    if not chosen[b + pickup]:
                        more[b + pickup] = True
                        start = bars[b][0]
                        added += [(start + s, start + e, p) for s, e, p in known[0]]
        if any(more):
            make = Template if exactly else TimeTemplate
            found.append(make(kept.name, sorted(added), edges, more, pickup))
    return found


def _alike(form: Form, exactly: bool) -> list[list[int]]:
    """The places of the sections of each letter, without or with those that are varied."""
    letters = dict.fromkeys(s.letter for s in form.sections)
    numbered = [(i, s) for i, s in enumerate(form.sections) if not (exactly and s.role == VARIED)]
    return [[i for i, s in numbered if s.letter == letter] for letter in letters]


def _length(bar: tuple[int, int]) -> int:
    return bar[1] - bar[0]


def _alone(
    notes: Sequence[tuple[int, int, int]], start: int, end: int, pitched: bool
) -> Notes | None:
    """The notes of a bar, from its start; None if one sounds on into it or out of it."""
    inside = [n for n in notes if n[0] < end and n[1] > start]
    if any(n[0] < start or n[1] > end for n in inside):
        return None
    return [(s - start, e - start, p if pitched else ANY) for s, e, p in inside]


__all__ = ["kept_again"]
