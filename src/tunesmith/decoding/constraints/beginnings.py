"""Where a melody may begin, and whether one can be completed from any of these places."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from tunesmith.decoding.constraints.groups import States
from tunesmith.decoding.constraints.reaching import Allowance, Node, OutOfBudget

if TYPE_CHECKING:
    from tunesmith.decoding.constraints.search import Search

Groups = tuple[States, States, States]
_USUAL = 10
"""So many metres and numbers of bars, the first, are tried before others."""
_LIKELY, _LONG = 3, 8_000
"""So many of these, the first, get a search of this length where sections repeat, or where a line
is followed."""


class Beginnings:
    """The first states of a search.

    Args:
        search: the search.
    """

    def __init__(self, search: Search) -> None:
        self._search = search

    def any_alive(self, groups: Groups, meters: Sequence[int], allowance: Allowance) -> bool:
        """Whether there is a melody that begins in one of some metres.

        Every beginning is tried with a small allowance before any with a large one.

        Raises:
            OutOfBudget: if that cannot be settled.
        """
        if not self._search.times.bars:
            return False
        needed = self._search.graph.notes_needed(groups[1]) or 0
        first = 200 + 10 * needed
        usual = [
            root for meter in meters[:_USUAL] for root in self.roots(meter, groups, usual=True)
        ]
        if self._search.times.formed or self._search.facts.usual:
            # few are tried long rather than many in vain
            likely = usual[:_LIKELY]
            if self._any_of(likely, max(8 * first, _LONG), allowance):
                return True
            usual = [*likely, *usual[_LIKELY:]]
        if self._any_of(usual, first, allowance):
            return True
        waiting = dict.fromkeys(meters)
        roots: dict[int, list[Node]] = {}
        for most in (first, 2_000 + 50 * needed, allowance.left):
            for meter in list(waiting):
                if meter not in roots:
                    hopeless = not self._search.times.endless(meter, groups[0], allowance)
                    roots[meter] = [] if hopeless else list(self.roots(meter, groups))
                if self._any_of(roots[meter], most, allowance):
                    return True
                if not roots[meter]:
                    del waiting[meter]
            if not waiting:
                return False
        raise OutOfBudget

    def _any_of(self, roots: list[Node], most: int, allowance: Allowance) -> bool:
        """Whether a melody can be completed from one of some states; drops those that are dead.

        Args:
            roots: the states.
            most: what one may cost.
            allowance: what they may cost together.

        Raises:
            OutOfBudget: if they cost more together.
        """
        unsettled = []
        for root in roots:
            before = min(most, allowance.left)
            part = Allowance(before)
            try:
                if self._search.alive(root, part):
                    return True
            except OutOfBudget:
                unsettled.append(root)
            allowance.left -= before - part.left
            if allowance.left <= 0:
                raise OutOfBudget
        roots[:] = unsettled
        return False

    def roots(self, meter: int, groups: Groups, usual: bool = False) -> Iterator[Node]:
        """Where a melody in a metre may begin; or the usual numbers of bars alone."""
        search, times = self._search, self._search.times
        pickup = search.facts.pickup
        if pickup is None or pickup is False:
            for bars in times.bars[:_USUAL] if usual else times.bars:
                node = search.begin(meter, bars, groups)
                if node is not None and search.hopeful(node):
                    yield node
        if pickup is not False and times.bars and times.pickups(meter) != frozenset():
            node = search.begin_pickup(meter, groups)
            room = times.room(node.place) > 0 and times.bars_suffice(node.place, node.time)
            if room and search.hopeful(node):
                yield node


__all__ = ["Beginnings", "Groups"]
