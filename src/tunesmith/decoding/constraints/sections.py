"""Where sections repeat and all else speaks of each section alone, few states tell of an end.

A section that is copied is then as sound where it stands again, and of a new one no more is asked
than that its notes be others than those of the letters before, which the pitch of one note sees to.
So whether a melody can be completed does not depend on what came, note by note.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tunesmith.decoding.constraints.form import Form, SectionsHeard
from tunesmith.decoding.constraints.reaching import (
    MOST_REMEMBERED,
    Allowance,
    Node,
    OutOfBudget,
)
from tunesmith.tokens.table import ANY_MORE

if TYPE_CHECKING:
    from tunesmith.decoding.constraints.search import Search

APART = 2_000
"""What a search of sections apart may cost."""


class SectionsApart:
    """What tells in a section that a melody can be completed; that none can, it never tells.

    Args:
        form: the sections.
        search: of all else, of what the form says of times, and of `notes`, in this order.
        notes: lets no letter be silent.
    """

    def __init__(self, form: Form, search: Search, notes: SectionsHeard) -> None:
        self._form, self._search, self._notes = form, search, notes
        self._pitches = max(sum(map(bool, notes.needed)), *notes.needed)  # that must be there
        self._known: dict[tuple[Node, int], bool] = {}

    def surely_alive(self, node: Node, length: int = 0) -> bool:
        """Whether a melody can surely be completed from a state.

        Args:
            node: of the search with the form.
            length: that of the next event; 0 for any.
        """
        place, time, tune, both = node
        state = both[0]  # all else is of times or of pitches
        wanted = self._form.wanted(state, self._notes.needed)
        if wanted is None:
            return False
        copies = self._form.copies(state)
        if copies and place.more < ANY_MORE and place.held < 2:
            return False  # a silence may have to go on, and cannot
        if copies and length:
            if self._form.due(state, self._search.times.room(place))[1] != length:
                return False
            length = 0  # it is known to be sound, and what comes after does not depend on it
        # Where the last bar is full, a copy is as long as its model.
        full = Node(place._replace(pickup=0), (*time, (wanted, 0, True)), tune, ())
        found = self._known.get((full, length))
        if found is None:
            if len(self._known) > MOST_REMEMBERED:
                self._known.clear()
            found = self._known[full, length] = self._look(full, length)
        return found

    def _look(self, node: Node, length: int) -> bool:
        search = self._search
        for tune in search.graph.singles(node.tune):
            one = node._replace(tune=tune)
            if not self._can_differ(one):
                continue
            try:
                if length:
                    if search.alive_after_length(one, length):
                        return True
                elif search.alive(one, Allowance(APART)):
                    return True
            except OutOfBudget:
                pass
        return False

    def _can_differ(self, node: Node) -> bool:
        """Whether there are as many pitches as letters (two to vary one), now and after a note."""
        now = self._search.graph.next(node.tune)
        after = self._search.graph.next(now[0][1]) if now else ()
        return min(len(now), len(after)) >= self._pitches
