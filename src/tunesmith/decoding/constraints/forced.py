"""Grammars whose first ids are given: a primer to go on from, or a tune with a gap to fill."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tunesmith.errors import InputError
from tunesmith.tokens import Grammar, State
from tunesmith.tokens.base import Planned
from tunesmith.tokens.grammar import NotesGrammar, TuneState
from tunesmith.tokens.table import END, NAMES


class PrimedState(NamedTuple):
    """The state of the tune so far, and how many of the given ids were read."""

    tune: TuneState
    given: int
    done: bool = False


class Primed(Grammar):
    """A grammar that forces the first ids and then goes on.

    Args:
        grammar: what holds; its wishes must allow the ids.
        ids: the first ids, from `bos` on.
    """

    alternatives = NotesGrammar.alternatives

    def __init__(self, grammar: NotesGrammar, ids: Sequence[int]) -> None:
        self._grammar = grammar
        self.ids = tuple(int(i) for i in ids)
        self._one = lru_cache(maxsize=1024)(_only)

    def start(self) -> State:  # noqa: D102
        tune = self._grammar.start()
        assert isinstance(tune, TuneState)
        return PrimedState(tune, 0)

    def allowed(self, state: State) -> NDArray[np.bool_]:  # noqa: D102
        assert isinstance(state, PrimedState)
        if state.given < len(self.ids):
            return self._one(self.ids[state.given])
        return self._free(state)

    def _free(self, state: PrimedState) -> NDArray[np.bool_]:
        return self._grammar.allowed(state.tune)

    def planned(self, state: State) -> Planned | None:  # noqa: D102
        assert isinstance(state, PrimedState)
        return self._grammar.planned(state.tune) if state.given == len(self.ids) else None

    def advance(self, state: State, token: int) -> State:  # noqa: D102
        assert isinstance(state, PrimedState)
        if state.given == len(self.ids):
            return self._advance(state, token)
        if token != self.ids[state.given]:
            raise InputError(f"the token {token} may not follow in the primer")
        given = state.given + 1
        if not self._is_read(state.given):
            return state._replace(given=given)
        tune = self._grammar.advance(state.tune, token)
        assert isinstance(tune, TuneState)
        return state._replace(tune=tune, given=given)

    def _is_read(self, place: int) -> bool:
        """Whether the id at a place among the given is one of the tune so far."""
        return True

    def _advance(self, state: PrimedState, token: int) -> PrimedState:
        tune = self._grammar.advance(state.tune, token)
        assert isinstance(tune, TuneState)
        return state._replace(tune=tune)

    def ended(self, state: State) -> bool:  # noqa: D102
        assert isinstance(state, PrimedState)
        return state.done or self._grammar.ended(state.tune)


class Filling(Primed):
    """The grammar of bars that are missing in the middle, told behind the rest of the tune.

    The ids read as `fold_infill` makes them: head, `gap`, tail, `fill`, then the missing bars
    and `end`. The constraints must hold the tail fast (`Constraints.kept`): it is what the
    missing bars have to lead to.

    Args:
        grammar: of the whole tune, with its number of bars as a wish.
        ids: head, `gap`, tail with its `end`, `fill`.
        head: how many of these are the head.
        after: bars of the tail.
    """

    def __init__(self, grammar: NotesGrammar, ids: Sequence[int], head: int, after: int) -> None:
        super().__init__(grammar, ids)
        self._head, self._after = head, after

    def _is_read(self, place: int) -> bool:
        return place < self._head

    def _full(self, tune: TuneState) -> bool:
        full = tune.filled == tune.length and not tune.pending and tune.last != "bar"
        return full and tune.remaining == self._after + 1

    def _free(self, state: PrimedState) -> NDArray[np.bool_]:
        if self._full(state.tune):
            return self._one(END)
        return super()._free(state)

    def _advance(self, state: PrimedState, token: int) -> PrimedState:
        if token == END and self._full(state.tune):
            return state._replace(done=True)
        return super()._advance(state, token)


def _only(token: int) -> NDArray[np.bool_]:
    mask = np.zeros(len(NAMES), bool)
    mask[token] = True
    mask.flags.writeable = False
    return mask
