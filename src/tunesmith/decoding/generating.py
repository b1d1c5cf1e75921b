"""The one loop that turns a model and a grammar into tunes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tunesmith.decoding.constraints import Steered
from tunesmith.decoding.repetition import Repeats
from tunesmith.decoding.sampling import (
    Floats,
    Sampling,
    choose,
    choose_among,
    log_softmax,
    truncated,
)
from tunesmith.errors import UsageError
from tunesmith.model.inference import Cache, Network
from tunesmith.tokens import Grammar, State

TRIES = 4
"""So many times a tune is drawn without masks, where chance may keep what is asked."""
_EARLY = 2
"""So often a tune is lost at its very beginning before masks hold: chance will hardly do."""
_PATIENCE = (0.05, 1.0, 20.0)
"""So many times the usual budget an id gets that takes another's place: all first get little."""


@dataclass(frozen=True, slots=True)
class Generated:
    """A sampled tune.

    Attributes:
        ids: the whole tune, from `bos` to `end`.
        log_probabilities: of each id after the first, in nats, by the model
            alone: before grammar, temperature and the rest.
        free: of each id after the first, whether the grammar left a choice.
        struck: ids that were drawn and struck out, since nothing could have come of them.
        begun_anew: how often the tune was given up and begun anew.
    """

    ids: tuple[int, ...]
    log_probabilities: tuple[float, ...]
    free: tuple[bool, ...]
    struck: int = 0
    begun_anew: int = 0


def generate_ids(
    network: Network,
    grammars: Sequence[Grammar],
    generators: Sequence[np.random.Generator],
    how: Sampling,
    *,
    keep_first: int = 9,
    progress: Callable[[int, int], None] | None = None,
) -> list[Generated]:
    """Sample one tune for each grammar, all in one batch, with a key-value cache.

    Every tune ends, since every grammar does. A tune that outgrows the model's
    context goes on with its first `keep_first` ids (the attributes) and the
    latest half of the context before it.

    What a `Steered` grammar asks may be kept by chance (`Steered.by_chance`). Then a tune is first
    drawn without its masks, and begun anew as soon as nothing that keeps everything can come of it,
    up to `TRIES` times: what comes through is distributed as if whole tunes had been thrown
    away. One that is lost at its very beginning twice shows that chance will hardly do, and is not
    drawn so again. Otherwise an id after which no tune can be completed is struck out and the draw
    repeated, which always comes to an end, but gives more weight to tunes whose beginning makes the
    rest hard.

    Of the ids that a grammar calls alternatives those that are allowed get the weight of all:
    whether a bar begins now is the model's to say, also where how many there are is not.

    Args:
        network: the model.
        grammars: what each tune must keep.
        generators: the chance of each tune, so that it depends on no neighbour.
        how: temperature and the rest.
        keep_first: ids that stay in view for ever.
        progress: told (tunes ended, tunes) after each step.
    """
    made: list[Generated | None] = [None] * len(grammars)
    lost, early = [0] * len(grammars), [0] * len(grammars)
    by_chance = [isinstance(g, Steered) and g.by_chance for g in grammars]
    for attempt in range(TRIES + 1):
        bound = attempt == TRIES
        rows = [r for r, one in enumerate(made) if one is None and (bound or by_chance[r])]
        if not rows:
            continue
        before = sum(one is not None for one in made)
        told = progress and _added(progress, before, len(grammars))
        batch = _Batch(
            network, [grammars[r] for r in rows], [generators[r] for r in rows], how, keep_first
        )
        for row, one in zip(rows, batch.draw(bound, told), strict=True):
            if isinstance(one, Generated):
                made[row] = replace(one, begun_anew=lost[row])
            else:
                lost[row] += 1
                early[row] += one.early
                by_chance[row] = early[row] < _EARLY
    return [one for one in made if one is not None]


def _added(progress: Callable[[int, int], None], before: int, count: int) -> Callable[[int], None]:
    return lambda ended: progress(before + ended, count)


@dataclass(frozen=True, slots=True)
class _Lost:
    """A tune of which nothing can come; whether that showed at its very beginning."""

    early: bool


class _Batch:
    """Tunes that are drawn at once, each with its grammar and its chance."""

    def __init__(
        self,
        network: Network,
        grammars: Sequence[Grammar],
        generators: Sequence[np.random.Generator],
        how: Sampling,
        keep_first: int,
    ) -> None:
        self._network, self._grammars, self._generators = network, grammars, generators
        self._how, self._keep_first = how, keep_first
        self._context = network.config.max_position_embeddings
        self._states = [g.start() for g in grammars]
        self._ids: list[list[int]] = [[] for _ in grammars]
        self._logs: list[list[float]] = [[] for _ in grammars]
        self._free: list[list[bool]] = [[] for _ in grammars]
        self._struck = [0] * len(grammars)
        self._cache = network.new_cache(len(grammars), self._context)
        self._repeats = None
        if how.repetition:
            self._repeats = Repeats(len(grammars), network.config.vocab_size, how.repetition)
        for row, grammar in enumerate(grammars):  # `bos` is not sampled
            self._ids[row].append(int(grammar.allowed(self._states[row]).argmax()))
            self._states[row] = grammar.advance(self._states[row], self._ids[row][0])

    def _read(self, rows: list[int], given: bool) -> Floats:
        """Read the last id of each of some tunes; (rows, V) logits of the next one.

        Args:
            rows: the tunes.
            given: whether ids that are no choice in any of them are taken, and read in one go.
        """
        network, grammars, states = self._network, self._grammars, self._states
        more = self._context - self._cache.length - 1 if given else 0
        for row in rows:
            more = _forced(grammars[row], states[row], more)
        if not more:
            return network.step(np.array([self._ids[r][-1] for r in rows]), self._cache)
        for row in rows:
            for _ in range(more):
                token = int(grammars[row].allowed(states[row]).argmax())
                self._ids[row].append(token)
                states[row] = grammars[row].advance(states[row], token)
                if self._repeats:
                    self._repeats.push(row, token)
            self._generators[row].random(more)  # the same chance as if they had been drawn
            self._free[row] += [False] * more
        known = np.array([self._ids[r][-more - 1 :] for r in rows])
        logits = network.prefill(known, self._cache)
        picked = np.take_along_axis(log_softmax(logits[:, :-1]), known[:, 1:, None], 2)
        for place, row in enumerate(rows):
            self._logs[row] += picked[place, :, 0].tolist()
        return logits[:, -1]

    def draw(self, bound: bool, told: Callable[[int], None] | None) -> list[Generated | _Lost]:
        """The tunes; some of them lost, if not bound.

        Args:
            bound: whether masks hold from the first id on; else a tune in which an id is
                drawn that they forbid is given up.
            told: how many tunes have ended, after each step.
        """
        rows = list(range(len(self._grammars)))  # those that are still being written
        given_up: dict[int, _Lost] = {}
        while rows:
            if self._cache.length == self._context:
                ids = [self._ids[r] for r in rows]
                self._cache = _slide(self._network, ids, self._keep_first, self._context)
            begins = len(self._ids[rows[0]]) == 1
            logits = self._read(rows, bound or begins)
            going_on = self._add(rows, logits, bound)
            for row, on in zip(rows, going_on, strict=True):
                if isinstance(on, _Lost):
                    given_up[row] = on
            running = [place for place, on in enumerate(going_on) if on is True]
            if len(running) < len(rows):
                rows = [rows[place] for place in running]
                self._cache = self._cache.select(running)
            if told:
                told(len(self._grammars) - len(rows) - len(given_up))
        whole = zip(self._ids, self._logs, self._free, self._struck, strict=True)
        return [
            given_up.get(row) or Generated(tuple(i), tuple(p), tuple(f), s)
            for row, (i, p, f, s) in enumerate(whole)
        ]

    def _add(self, rows: list[int], logits: Floats, bound: bool) -> list[bool | _Lost]:
        """Draw an id for each of some tunes; whether it goes on.

        Args:
            rows: the tunes.
            logits: (rows, V) of the model.
            bound: as `draw`.
        """
        allowed = np.stack([self._allowed(r, bound) for r in rows])
        uniforms = np.array([self._generators[r].random() for r in rows])
        weighed = logits + self._repeats.weights(rows) if self._repeats else logits
        weighed = _pooled(weighed, allowed, self._grammars[0].alternatives)
        tokens = choose(weighed, allowed, uniforms, self._how)
        log_probabilities = log_softmax(logits)
        several = allowed.sum(axis=1) > 1
        going_on: list[bool | _Lost] = []
        for place, row in enumerate(rows):
            token, grammar, state = int(tokens[place]), self._grammars[row], self._states[row]
            if isinstance(grammar, Steered) and not grammar.viable(state, token):
                if not bound:
                    going_on.append(_Lost(grammar.hardly_begun(state)))
                    continue
                token, tries = _redraw(
                    grammar, state, token, weighed[place], self._how, self._generators[row]
                )
                self._struck[row] += tries
            self._ids[row].append(token)
            if self._repeats:
                self._repeats.push(row, token)
            self._logs[row].append(float(log_probabilities[place, token]))
            self._free[row].append(bool(several[place]))
            self._states[row] = grammar.advance(state, token)
            going_on.append(not grammar.ended(self._states[row]))
        return going_on

    def _allowed(self, row: int, bound: bool) -> NDArray[np.bool_]:
        grammar = self._grammars[row]
        if bound or not isinstance(grammar, Steered):
            return grammar.allowed(self._states[row])
        return grammar.unbound(self._states[row])


def _pooled(logits: Floats, allowed: NDArray[np.bool_], alternatives: slice) -> Floats:
    """(B, V) logits in which the allowed ones of the alternatives weigh as much as all of them."""
    part, mask = logits[:, alternatives], allowed[:, alternatives]
    rows = np.flatnonzero(mask.any(axis=1) & ~mask.all(axis=1))
    if not len(rows):
        return logits
    part, mask = part[rows], mask[rows]
    top = part.max(axis=1, keepdims=True)
    weights = np.exp(part - top)
    kept = np.maximum((weights * mask).sum(axis=1, keepdims=True), np.finfo(np.float32).tiny)
    logits = logits.copy()
    logits[rows, alternatives] = part + np.log(weights.sum(axis=1, keepdims=True) / kept)
    return logits


def _forced(grammar: Grammar, state: State, most: int) -> int:
    """How many ids come before the first that is a choice or the last, 0 to `most`."""
    count = 0
    while count < most:
        allowed = np.flatnonzero(grammar.allowed(state))
        if len(allowed) != 1:
            break
        state = grammar.advance(state, int(allowed[0]))
        if grammar.ended(state):
            break
        count += 1
    return count


def _redraw(
    grammar: Steered,
    state: State,
    token: int,
    logits: Floats,
    how: Sampling,
    generator: np.random.Generator,
) -> tuple[int, int]:
    """Another id where the drawn one leads nowhere; and how many were struck out.

    Ids are struck out of what top-k and top-p keep of the allowed ones; only where all
    of that leads nowhere, the rest is looked at in the same way. Where none could be settled in
    its budget, all are looked at once more with a larger one.

    Raises:
        UsageError: if even so none can be told to lead to an end.
    """
    tries, first = 0, token
    for patience in _PATIENCE:
        allowed = grammar.allowed(state).copy()
        allowed[first] = patience > 1  # it had the usual budget
        while allowed.any():
            weights = truncated(logits, allowed, how)
            while weights.any():
                token = choose_among(weights, generator.random())
                tries += 1
                if grammar.viable(state, token, patience):
                    return token, tries
                allowed[token] = False
                weights[token] = 0
    raise UsageError("no way to the end was found in time", remedy="ask for less, or fewer bars")


def _slide(network: Network, ids: list[list[int]], keep_first: int, context: int) -> Cache:
    """A cache that holds the first ids of each tune and the latest half context before the last.

    What the tunes recall is still of all that was read.
    """
    before = np.array(ids)[:, :-1]
    length = before.shape[1]
    places = np.r_[:keep_first, length - context // 2 : length]
    cache = network.new_cache(len(ids), context)
    seen = None
    if cache.recall:
        candidates, trust, where = cache.recall.read(before)
        seen = candidates[:, places], trust[:, places], where[:, places]
    network.prefill(before[:, places], cache, seen)
    return cache
