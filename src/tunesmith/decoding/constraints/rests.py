"""States from which an end is known to be reached, also by what is known of rests to come.

Rests to come do not depend on those that were: what is known of a way to the end is kept apart
from the state of the rests, and added to it where the way is come upon again.
"""

from __future__ import annotations

from typing import Any

from tunesmith.decoding.constraints.reaching import MOST_REMEMBERED, Node
from tunesmith.decoding.constraints.times import RestShare

Rests = tuple[int, int, int]


class Known:
    """Live states.

    Args:
        share: the share of rests that must be kept, or None.
        number: its place among the constraints on times.
    """

    def __init__(self, share: RestShare | None, number: int) -> None:
        self._share, self._number = share, number
        self._live: set[Node] = set()
        self._to_come: dict[Node, Rests] = {}

    def __contains__(self, node: Node) -> bool:
        if node in self._live:
            return True
        share = self._share
        if share is None:
            return False
        core, (rests, steps, free) = self._core(node)
        more = self._to_come.get(core)
        return more is not None and share.holds(rests + more[0], free + more[2], steps + more[1])

    def add(self, node: Node) -> None:
        """Remember one state alone."""
        self._live.add(node)

    def forget(self) -> None:
        """Forget all, if there are too many."""
        if len(self._live) > MOST_REMEMBERED:
            self._live.clear()
            self._to_come.clear()

    def _core(self, node: Node) -> tuple[Node, Rests]:
        """A state without that of its rests, and that: rests, steps, steps that may be either."""
        place, time, tune, both = node
        share = self._number
        state = time[share]
        if len(state) > 2:
            waits, rests = state[3:], state[:3]
        else:
            waits, rests = ("exact",), (*state, 0)
        return Node(place, (*time[:share], waits, *time[share + 1 :]), tune, both), rests

    def learn(self, way: list[Any]) -> None:
        """Remember a way to the end, as `reach` gives it."""
        self._live.update(way[:-1])
        if self._share is None:
            return
        last = way[-1]
        if last is None:
            _, end = self._core(way[-2])
        else:
            core, so_far = self._core(last)
            more = self._to_come.get(core)
            if more is None:
                return
            end = (so_far[0] + more[0], so_far[1] + more[1], so_far[2] + more[2])
        for node in way[:-1]:
            core, before = self._core(node)
            self._to_come[core] = (end[0] - before[0], end[1] - before[1], end[2] - before[2])


__all__ = ["Known"]
