"""Where bars that are kept meet sections that repeat: what they say of the others."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from tunesmith.decoding.constraints.events import Constraint
from tunesmith.decoding.constraints.form import VARIED, Form
from tunesmith.decoding.constraints.formends import Never
from tunesmith.decoding.constraints.template import Template

Bar = tuple[tuple[int, int, int], ...]


def kept_again(kept: Template, form: Form) -> list[Constraint]:
    """Bars that are kept in one section stand in those that are exactly like it, too.

    It follows from both; it is there to be found early. All bars are of one metre.

    Args:
        kept: the given melody, of which some bars are kept.
        form: the sections.

    Returns:
        What more is kept; or that nothing can be, where two that should be alike are not.
    """
    notes, edges, chosen, pickup = kept.given
    full = list(pairwise(edges))[pickup:]
    size, off = divmod(len(full), len(form.sections))
    if off:
        return [Never(kept.name)]
    more = [False] * len(chosen)
    added: list[tuple[int, int, int]] = []
    for letter in {s.letter for s in form.sections}:
        alike = [i for i, s in enumerate(form.sections) if s.letter == letter and s.role != VARIED]
        for inside in range(size):
            bars = [section * size + inside for section in alike]
            length = full[bars[0]][1] - full[bars[0]][0]
            bars = [b for b in bars if full[b][1] - full[b][0] == length]  # none that ends early
            told = {b: _alone(notes, *full[b]) for b in bars if chosen[b + pickup]}
            known = [bar for bar in told.values() if bar is not None]
            if any(bar != known[0] for bar in known):
                return [Never(kept.name)]
            for b in bars if known else ():
                if b not in told:
                    more[b + pickup] = True
                    added += [(full[b][0] + s, full[b][0] + e, p) for s, e, p in known[0]]
    return [Template(kept.name, sorted(added), edges, more, pickup)] if any(more) else []


def _alone(notes: Sequence[tuple[int, int, int]], start: int, end: int) -> Bar | None:
    """The notes of a bar, from its start; None if one sounds on into it or out of it."""
    inside = [n for n in notes if n[0] < end and n[1] > start]
    if any(n[0] < start or n[1] > end for n in inside):
        return None
    return tuple((s - start, e - start, p) for s, e, p in inside)


__all__ = ["kept_again"]
