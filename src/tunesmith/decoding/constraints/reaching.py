"""Depth-first search with an allowance, and the states that it goes through."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import Any, NamedTuple

from tunesmith.decoding.constraints.events import Event, Place
from tunesmith.decoding.constraints.groups import States

MOST_REMEMBERED = 300_000
"""States that are remembered of each kind."""


class Node(NamedTuple):
    """A state of the search: see `search`."""

    place: Place
    time: States
    tune: States
    both: States


class Move(NamedTuple):
    """An event that may come next, as far as times tell."""

    event: Event
    place: Place
    time: States


class Found:
    """Some different things, found as far as they are asked for, and remembered.

    Args:
        make: begins to find them, from the first on.
    """

    def __init__(self, make: Callable[[], Iterator[Any]]) -> None:
        self._make = make
        self._rest: Iterator[Any] | None = None
        self._found: list[Any] = []

    def __iter__(self) -> Iterator[Any]:
        place = 0
        while place < len(self._found) or self._find():
            yield self._found[place]
            place += 1

    def _find(self) -> bool:
        if self._rest is None:
            known = set(self._found)
            rest = (t for t in self._make() if t not in known) if known else self._make()
        else:
            rest = self._rest
        self._rest = None  # begun again if this is broken off
        for thing in rest:
            self._found.append(thing)
            self._rest = rest
            return True
        self._rest = iter(())
        return False


def distinct(things: Iterable[Hashable]) -> Iterator[Any]:
    """Each of some things once."""
    seen = set()
    for thing in things:
        if thing not in seen:
            seen.add(thing)
            yield thing


class OutOfBudget(Exception):
    """A search that could not be settled within its budget."""


class Allowance:
    """Children that may still be looked at."""

    def __init__(self, left: int) -> None:
        self.left = left


def reach(
    root: Hashable,
    children: Callable[[Any], Iterator[Any]],
    is_live: Callable[[Any], bool],
    dead: set[Any],
    allowance: Allowance,
) -> list[Any] | None:
    """A way to the end, depth first, in a graph without cycles.

    Args:
        root: where to begin.
        children: what may follow a state, the likeliest first; None is the end.
        is_live: whether it is known of a state that the end can be reached from it.
        dead: states from which it cannot; grows.
        allowance: children that may be looked at; shrinks.

    Returns:
        The states on a way from `root`, and the known one to which it leads, or None for the
        end; None if there is no way.

    Raises:
        OutOfBudget: if the allowance does not suffice; what was found dead is kept.
    """
    path = [(root, children(root))]
    while path:
        state, rest = path[-1]
        for child in rest:
            allowance.left -= 1
            if child is None or is_live(child):
                return [*(s for s, _ in path), child]
            if child not in dead:
                path.append((child, children(child)))
                break
        else:
            dead.add(state)
            path.pop()
        if allowance.left < 0:
            raise OutOfBudget
    return None


__all__ = [
    "MOST_REMEMBERED", "Allowance", "Found", "Move", "Node", "OutOfBudget", "distinct", "reach",
]  # fmt: skip
